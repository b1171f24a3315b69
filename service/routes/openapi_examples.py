"""Example answers of all calls for the OpenAPI document. A test compares them with real answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from fastapi import FastAPI

MODEL = "ef725695bb0c8006d74a80bd613c9b04de7c83f8583f85e7aeac39d4254e6f53"
SHA256 = "ec8c48601c81dcadc38fdb9270ff6121a5b859a82e39831f8bd40a6686d39eb9"
HEAD = {"model": MODEL, "generation": "000007", "sequence": 1204}
WITH_VARIANT = HEAD | {"variant": "int8"}
BAD = {"error": {"code": "corrupt_picture", "detail": "got a JPEG that breaks off; send the whole file"}}
ITEM = {"id": 17, "key": "2026/photo.jpg", "collection": "default", "sha256": SHA256, "width": 1024, "height": 683}
ITEM = ITEM | {"sequence": 1204, "information": 0.84, "bytes": 214511, "taken": "2026-05-01T12:30:00"}
ITEM = ITEM | {"camera": "Acme C1", "metadata": {"album": "2026"}}
NOTED = {"disabled": False, "expires": None, "note": "", "quarantined": None, "reason": None, "labels": ["licence"]}
LISTED = ITEM | NOTED
JUDGED = {"similarity": 0.9412, "score": 0.6021, "probability": 0.9987, "verdict": "copy"}
MATCH = {"id": 17, "key": "2026/photo.jpg", "collection": "default"} | JUDGED | {"where": None, "metadata": {}}
PROTOTYPES = [{"index": 132, "probability": 0.114}, {"index": 58, "probability": 0.066}]
CLUSTER = {"id": 3, "size": 41, "similarity": 0.72, "name": "beaches"}
JOB = {"id": 5, "kind": "rebuild", "state": "running", "progress": 300, "total": 1200, "message": ""}
JOB = JOB | {"created": 1795508790.1, "updated": 1795508793.4}
INDEX = HEAD | {"variant": "int8", "count": 1200, "delta": 4, "tombstones": 1, "index_type": "flat", "recall": 1.0}
INDEX = INDEX | {
    "built_at": 1795508790.1,
    "fault": None,
    "bytes": 1228800,
    "collections": {"default": 1200},
    "fields": ["album"],
}
COPY = {"id": 17, "key": "2026/photo.jpg", "sha256": SHA256, "width": 1024, "height": 683, "bytes": 214511}
COPY = COPY | {"format": "JPEG", "taken": "2026-05-01T12:30:00", "camera": "Acme C1", "modified": 1795508790.1}
GROUP = {
    "keep": COPY,
    "reason": "most pixels",
    "members": [COPY | {"id": 18, "probability": 0.9987, "verdict": "resized"}],
}
COMPUTED = {"made": 1795508790.1, "generation": "000007", "sequence": 1200, "collection": None, "searched": 1200}
DUPLICATES = HEAD | {"computed": COMPUTED | {"new": 4}, "job": JOB, "undo": 1203, "total": 1, "copies": 1}
DUPLICATES = DUPLICATES | {"bytes": 214511, "groups": [GROUP], "next": None}
LIST = {"name": "banned", "policy": "block", "action": "remove and report", "precision": 0.99, "expires": None}
LIST = LIST | {"enabled": True, "note": "", "flood": None, "denials": 3, "items": 41, "disabled": 1, "expired": 0}
LIST = LIST | {"quarantined": 0, "calibration": {"source": "decisions", "decisions": 73, "needed": 50}}
LIST = LIST | {"changed": 1795508790.1, "author": "safety desk"}
DECISION = {"id": 12, "list": "banned", "item": 17, "sha256": SHA256, "query": SHA256, "stated": 0.9312}
DECISION = DECISION | {"decision": "deny", "reason": "another album", "made": 1795508790.1, "author": "media desk"}
REVIEW = {"id": 9, "match": 31, "list": "watch", "item": 17, "sha256": SHA256, "query": SHA256, "state": "open"}
REVIEW = REVIEW | {"opened": 1795508790.1, "assignee": None, "claimed_by": "media desk", "claimed_until": 1795509390.1}
REVIEW = REVIEW | {"closed": None, "closed_by": None, "outcome": None, "decision": None, "reason": ""}
REVIEW = REVIEW | {"probability": 0.9312, "verdict": "copy", "action": "review", "upload": 118, "matched": ITEM}
WEBHOOK = {"id": 1, "url": "https://desk.example/copysight", "types": ["match.created"], "enabled": True, "note": ""}
WEBHOOK = WEBHOOK | {"fault": None, "created": 1795508790.1, "author": "lead", "pending": 0, "failed": 0}
DELIVERY = {"event": 41, "name": "msg_8f2c5a0e9b7d4c31a6e0f5d2", "type": "match.created", "item": 17}
DELIVERY = DELIVERY | {"made": 1795508790.1, "state": "delivered", "attempts": 1, "due": 1795508790.4}
DELIVERY = DELIVERY | {"tried": 1795508790.4, "status": 204, "error": None}
ENTRY = {"id": 512, "time": "2026-11-24T10:26:30.100Z", "by": "media desk", "address": "192.0.2.7"}
ENTRY = ENTRY | {"action": "item.delete", "items": [[17, 17]], "hash": SHA256}
ENTRY = ENTRY | {"detail": {"collection": "default", "key": "2026/photo.jpg", "sha256": SHA256}}
KEY = {"id": "9f2c1a44", "name": "media desk", "scope": "write", "created": 1795508790.1, "expires": None}
KEY = KEY | {"quota": 10000, "today": 412, "total": 20941, "latest": 1795508790.1}
WHO = {"name": "media desk", "scope": "write", "expires": None, "quota": 10000, "today": 412}
OPENAI_MODEL = {"id": "copysight", "object": "model", "created": 1795508790, "owned_by": "copysight"}


@dataclass(frozen=True)
class Example:
    """Summary of a call and its answer with the usual ``status``. ``answer`` is None if it is not JSON."""

    summary: str
    answer: Mapping[str, Any] | None
    status: int = 200

    @property
    def content(self) -> dict[str, Any]:
        """The answer in OpenAPI's form: its required fields and the example."""
        schema = {"type": "object", "required": sorted(self.answer or {})}
        return {"schema": schema, "example": self.answer}


EXAMPLES = {
    "POST /embed": Example(
        "Embed pictures", WITH_VARIANT | {"dimension": 256, "items": [{"embedding": [-0.0877, -0.0212, 0.1146]}, BAD]}
    ),
    "POST /search": Example("Find copies of pictures", HEAD | {"items": [{"matches": [MATCH]}, BAD]}),
    "POST /compare": Example(
        "Compare two pictures",
        HEAD | JUDGED | {"where": {"picture": 1, "region": [0.1, 0.2, 0.6, 0.9], "turn": 0}},
    ),
    "GET /clusters": Example(
        "List clusters",
        HEAD | {"clusters": [{"id": 3, "size": 41, "tightness": 0.68, "name": "beaches", "representatives": [17, 4]}]},
    ),
    "GET /map": Example(
        "Get the map of the items",
        HEAD
        | {
            "made": True,
            "fields": ["collection", "folder", "camera", "year"],
            "names": {"3": "beaches"},
            "id": [17, 18],
            "key": ["beach.jpg", "city.jpg"],
            "x": [-0.4512, 0.8127],
            "y": [0.1033, -0.2451],
            "cluster": [3, None],
        },
    ),
    "POST /clusters": Example(
        "Find the clusters of pictures", WITH_VARIANT | {"items": [{"prototypes": PROTOTYPES, "cluster": CLUSTER}, BAD]}
    ),
    "GET /clusters/{number}": Example(
        "Get a cluster and its members",
        HEAD | {"id": 3, "size": 41, "name": "beaches", "members": [ITEM | {"similarity": 0.91}]},
    ),
    "POST /clusters/moves": Example(
        "Move pictures to other clusters",
        {"moves": [{"items": [17, 18], "to": 2**40}], "before": [{"items": [17, 18], "to": None}]},
    ),
    "PATCH /clusters/{number}": Example(
        "Name a cluster", HEAD | {"id": 3, "size": 41, "name": "beaches", "members": []}
    ),
    "POST /attention": Example(
        "Attention maps of pictures",
        HEAD
        | {
            "items": [
                {
                    "heads": 1,
                    "names": ["head 0"],
                    "grid": [1, 2],
                    "maps": [[[0.7, 0.3]]],
                    "box": [0.0, 0.0, 1024.0, 683.0],
                }
            ]
        },
    ),
    "POST /images": Example("Add pictures", HEAD | LISTED | {"status": "created"}, 201),
    "GET /images": Example("List items", HEAD | {"items": [LISTED], "next": 17}),
    "GET /images/{number}": Example("Get an item", HEAD | LISTED),
    "PATCH /images/{number}": Example("Change an item", HEAD | LISTED),
    "DELETE /images/{number}": Example("Delete an item", None, 204),
    "DELETE /images": Example("Delete items by key or filter", HEAD | {"deleted": 3, "dry_run": False}),
    "GET /images/{number}/original": Example("Get an original", None),
    "GET /images/{number}/thumbnail": Example("Get a thumbnail", None),
    "GET /lists": Example("List lists", {"lists": [LIST]}),
    "PUT /lists/{name}": Example("Set the policy of a list", LIST),
    "DELETE /lists/{name}": Example("Forget the policy of a list", None, 204),
    "POST /decisions": Example("Decide about a match", DECISION, 201),
    "GET /decisions": Example("List decisions about matches", {"decisions": [DECISION], "next": 12}),
    "GET /reviews": Example("List reviews", {"reviews": [REVIEW], "total": 1, "next": None}),
    "POST /reviews/claim": Example("Claim the next review", REVIEW),
    "GET /reviews/{number}": Example("Get a review", REVIEW),
    "PATCH /reviews/{number}": Example("Assign a review", REVIEW),
    "POST /reviews/{number}/claim": Example("Claim a review", REVIEW),
    "POST /reviews/{number}/release": Example("Release a review", REVIEW),
    "POST /reviews/{number}/verdict": Example(
        "Confirm or deny the match of a review", REVIEW | {"state": "closed", "outcome": "deny", "decision": 12}
    ),
    "POST /webhooks": Example("Create a webhook", WEBHOOK | {"secret": "whsec_…"}, 201),
    "DELETE /decisions/{number}": Example("Withdraw a decision about a match", None, 204),
    "GET /webhooks": Example("List webhooks", {"webhooks": [WEBHOOK]}),
    "GET /webhooks/{number}": Example("Get a webhook", WEBHOOK),
    "PATCH /webhooks/{number}": Example("Change a webhook", WEBHOOK),
    "DELETE /webhooks/{number}": Example("Delete a webhook", None, 204),
    "POST /webhooks/{number}/test": Example("Send a test event", {"event": 41}, 202),
    "POST /webhooks/{number}/replay": Example("Send events again", {"events": 3}, 202),
    "GET /webhooks/{number}/deliveries": Example("List deliveries", {"deliveries": [DELIVERY], "next": None}),
    "GET /audit": Example("Read the audit trail", {"entries": [ENTRY], "next": 512}),
    "GET /duplicates": Example("List groups of copies", DUPLICATES),
    "POST /duplicates": Example("Search for copies", JOB | {"kind": "duplicates"}, 202),
    "POST /duplicates/decisions": Example(
        "Decide about copies", {"batch": 1204, "decisions": 1, "removed": 1, "restored": 0, "left": []}
    ),
    "GET /index": Example("Get the status of the index", INDEX),
    "POST /index/rebuild": Example("Start a rebuild", JOB, 202),
    "POST /index/reload": Example("Load the live generation", INDEX),
    "POST /index/rollback": Example("Roll back to a generation", INDEX),
    "GET /jobs": Example("List the latest jobs", {"jobs": [JOB]}),
    "GET /jobs/{number}": Example("Get a job and its progress", JOB),
    "GET /healthz": Example("Liveness check", {"status": "alive"}),
    "GET /readyz": Example("Readiness check", HEAD | {"status": "ready", "detail": None, "milliseconds": 21.4}),
    "GET /metrics": Example("Prometheus metrics", None),
    "GET /whoami": Example("Get the scope of the key", WHO),
    "GET /keys": Example("List API keys and their usage", {"keys": [KEY]}),
    "POST /v1/embeddings": Example(
        "Embed pictures, in OpenAI's format",
        WITH_VARIANT
        | {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [-0.0877, -0.0212, 0.1146]}]}
        | {"usage": {"prompt_tokens": 0, "total_tokens": 0}},
    ),
    "GET /v1/models": Example("List models, in OpenAI's format", {"object": "list", "data": [OPENAI_MODEL]}),
    "GET /v1/models/{model}": Example("Get a model, in OpenAI's format", OPENAI_MODEL),
}


def describe(app: FastAPI) -> None:
    """Add summaries and example answers to the OpenAPI document."""
    made = app.openapi

    @cache
    def openapi() -> dict[str, Any]:
        document = made()
        for name, example in EXAMPLES.items():
            method, path = name.split()
            call = document["paths"][path][method.lower()]
            call["summary"] = example.summary
            if example.answer is not None:
                call["responses"][str(example.status)]["content"]["application/json"] = example.content
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document
