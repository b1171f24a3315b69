"""An answer of each call, as the OpenAPI text shows it; a test holds them against real answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from fastapi import FastAPI

MODEL = "ef725695bb0c8006d74a80bd613c9b04de7c83f8583f85e7aeac39d4254e6f53"
SHA256 = "ec8c48601c81dcadc38fdb9270ff6121a5b859a82e39831f8bd40a6686d39eb9"
HEAD = {"model": MODEL, "generation": "000007", "sequence": 1204}
SEEN = HEAD | {"variant": "int8"}
BAD = {"error": {"code": "corrupt_picture", "detail": "got a JPEG that breaks off; send the whole file"}}
ITEM = {"id": 17, "key": "2026/photo.jpg", "collection": "default", "sha256": SHA256, "width": 1024, "height": 683}
ITEM = ITEM | {"sequence": 1204, "metadata": {"album": "2026"}}
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


@dataclass(frozen=True)
class Example:
    """What a call is for, in a few words, and what it answers with its usual ``status``; None: no JSON."""

    summary: str
    answer: Mapping[str, Any] | None
    status: int = 200

    @property
    def content(self) -> dict[str, Any]:
        """The answer as the OpenAPI text has it: fields that are always there, and how it looks."""
        schema = {"type": "object", "required": sorted(self.answer or {})}
        return {"schema": schema, "example": self.answer}


EXAMPLES = {
    "POST /embed": Example(
        "Vectors of pictures", SEEN | {"dimension": 256, "items": [{"embedding": [-0.0877, -0.0212, 0.1146]}, BAD]}
    ),
    "POST /search": Example("What pictures are copies of", HEAD | {"items": [{"matches": [MATCH]}, BAD]}),
    "POST /compare": Example(
        "Is one a copy of the other?",
        HEAD | JUDGED | {"where": {"picture": 1, "region": [0.1, 0.2, 0.6, 0.9], "turn": 0}},
    ),
    "GET /clusters": Example(
        "All clusters",
        HEAD | {"clusters": [{"id": 3, "size": 41, "tightness": 0.68, "name": "beaches", "representatives": [17, 4]}]},
    ),
    "POST /clusters": Example(
        "Where pictures belong", SEEN | {"items": [{"prototypes": PROTOTYPES, "cluster": CLUSTER}, BAD]}
    ),
    "GET /clusters/{number}": Example(
        "A cluster and its members",
        HEAD | {"id": 3, "size": 41, "name": "beaches", "members": [ITEM | {"similarity": 0.91}]},
    ),
    "PATCH /clusters/{number}": Example(
        "Name a cluster", HEAD | {"id": 3, "size": 41, "name": "beaches", "members": []}
    ),
    "POST /attention": Example(
        "What the model looks at",
        HEAD | {"items": [{"heads": 1, "grid": [1, 2], "maps": [[[0.7, 0.3]]], "box": [0.0, 0.0, 1024.0, 683.0]}]},
    ),
    "POST /images": Example("Add pictures", HEAD | ITEM | {"status": "created"}, 201),
    "GET /images": Example("Items, page by page", HEAD | {"items": [ITEM], "next": 17}),
    "GET /images/{number}": Example("An item", HEAD | ITEM),
    "PATCH /images/{number}": Example("Change metadata", HEAD | ITEM),
    "DELETE /images/{number}": Example("Delete an item", None, 204),
    "GET /images/{number}/thumbnail": Example("A small JPEG", None),
    "GET /index": Example("How the index stands", INDEX),
    "POST /index/rebuild": Example("Build a generation", JOB, 202),
    "POST /index/reload": Example("Load the live generation", INDEX),
    "POST /index/rollback": Example("Go back to a generation", INDEX),
    "GET /jobs": Example("The latest jobs", {"jobs": [JOB]}),
    "GET /jobs/{number}": Example("A job and its progress", JOB),
    "GET /healthz": Example("Is the process alive?", {"status": "alive"}),
    "GET /readyz": Example("Are searches answered?", HEAD | {"status": "ready", "detail": None, "milliseconds": 21.4}),
    "GET /metrics": Example("Prometheus metrics", None),
    "GET /whoami": Example("What the key may do", {"name": "media desk", "scope": "write"}),
    "POST /v1/embeddings": Example(
        "Vectors in OpenAI's shape",
        SEEN
        | {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [-0.0877, -0.0212, 0.1146]}]}
        | {"usage": {"prompt_tokens": 0, "total_tokens": 0}},
    ),
}


def describe(app: FastAPI) -> None:
    """Let the OpenAPI text show what each call is for and what it answers."""
    made = app.openapi

    @cache
    def openapi() -> dict[str, Any]:
        text = made()
        for name, example in EXAMPLES.items():
            method, path = name.split()
            call = text["paths"][path][method.lower()]
            call["summary"] = example.summary
            if example.answer is not None:
                call["responses"][str(example.status)]["content"]["application/json"] = example.content
        return text

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way of extending the text
