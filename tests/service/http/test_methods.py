"""HEAD is a GET without its body; a 405 lists all methods of its path."""

import pytest

TARGETS = ["/healthz", "/images", "/images/1", "/images/1/thumbnail", "/index", "/", "/docs", "/openapi.json"]


@pytest.mark.parametrize("path", TARGETS)
def test_head_has_the_headers_of_get(http, path):
    head, got = http.head(path), http.get(path)
    assert (head.status_code, head.content) == (got.status_code, b"") == (200, b"")
    changing = {"date", "x-request-id"}
    assert {k: v for k, v in head.headers.items() if k not in changing} == {
        k: v for k, v in got.headers.items() if k not in changing
    }


def test_head_of_a_missing_path_is_404(http):
    assert http.head("/images/999").status_code == http.head("/nowhere").status_code == 404
    assert http.head("/search").status_code == 405


def test_a_405_lists_all_methods_of_its_path(http):
    text = http.get("/openapi.json").json()["paths"]
    assert len(text) > 15
    for path, calls in text.items():
        known = {method.upper() for method in calls}
        other = next(method for method in ("PUT", "PATCH", "POST") if method not in known)
        answer = http.request(other, path.replace("{number}", "1"))
        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
        allowed = set(answer.headers["allow"].split(", "))
        assert allowed == known | ({"HEAD"} if "GET" in known else set()), path
        assert all(method in answer.json()["detail"] for method in known)


def test_the_log_names_the_route_of_a_head_and_of_a_405(shared):
    head, put = shared.lines(shared.http.head("/images/1/thumbnail"), shared.http.put("/images/1"))
    assert (head["method"], head["route"]) == ("HEAD", "/images/{number}/thumbnail")
    assert (put["route"], put["code"]) == ("/images/{number}", "method_not_allowed")


def test_an_unknown_path_points_to_the_documentation(http):
    answer = http.get("/imagess")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "/imagess" in answer.json()["detail"]
    assert "/docs" in answer.json()["detail"]
