"""The OpenAPI document: summaries, bodies, and examples that match real answers."""

import pytest

from service.routes.openapi_examples import EXAMPLES


@pytest.fixture
def calls(http):
    paths = http.get("/openapi.json").json()["paths"]
    return {f"{method.upper()} {path}": call for path, methods in paths.items() for method, call in methods.items()}


def test_every_call_has_a_summary_and_a_description(calls):
    assert calls.keys() == EXAMPLES.keys()
    assert len({call["summary"] for call in calls.values()}) == len(calls)
    assert all(call["description"] for call in calls.values())


def test_every_json_answer_has_an_example(calls):
    for name, call in calls.items():
        for status, answer in call["responses"].items():
            if status[0] == "2" and EXAMPLES[name].answer is not None and status == str(EXAMPLES[name].status):
                assert answer["content"]["application/json"]["example"] == EXAMPLES[name].answer


def test_examples_match_real_answers(http, pictures):
    """For calls that do not change the collection; schemathesis checks the fields of the others."""
    files = [("file", (pictures / f"{number}.jpg").read_bytes()) for number in (0, 1)]
    cluster = http.get("/clusters").json()["clusters"][0]["id"]
    uri = {"input": "data:image/jpeg;base64,AA=="}
    answers = {
        "POST /embed": http.post("/embed", files=files),
        "POST /search": http.post("/search", files=files),
        "POST /compare": http.post("/compare", files=files),
        "GET /clusters": http.get("/clusters"),
        "POST /clusters": http.post("/clusters", files=files),
        "GET /clusters/{number}": http.get(f"/clusters/{cluster}"),
        "POST /attention": http.post("/attention", files=files),
        "GET /images": http.get("/images"),
        "GET /images/{number}": http.get("/images/1"),
        "GET /duplicates": http.get("/duplicates"),
        "GET /index": http.get("/index"),
        "GET /jobs": http.get("/jobs"),
        "GET /readyz": http.get("/readyz"),
        "GET /whoami": http.get("/whoami"),
    }
    assert http.post("/v1/embeddings", json=uri).status_code == 415
    for name, answer in answers.items():
        assert answer.status_code == 200, answer.text
        assert not missing(EXAMPLES[name].answer, answer.json()), name


def missing(example, real, place="answer"):
    """Fields of an example that a real answer does not have."""
    if (
        isinstance(example, dict)
        and isinstance(real, dict)
        and "error" not in example
        and place.split(".")[-1] not in OPEN
    ):
        lacking = [f"{place}.{name}" for name in example.keys() - real.keys()]
        both = example.keys() & real.keys()
        return lacking + [one for name in both for one in missing(example[name], real[name], f"{place}.{name}")]
    if isinstance(example, list) and isinstance(real, list) and example and real:
        return missing(example[0], real[0], place)
    return []


OPEN = {"metadata", "collections"}
"""Objects whose keys come from the caller."""


def test_the_schema_of_the_search_body(calls):
    content = calls["POST /search"]["requestBody"]["content"]
    assert {"ids", "vectors", "images", "k", "filter"} <= content["application/json"]["schema"]["properties"].keys()
    assert {"file", "collection"} <= content["multipart/form-data"]["schema"]["properties"].keys()
    assert content["application/json"]["example"]["images"][0].startswith("data:image/png;base64,")
