"""Unknown options and fields are refused; errors name the bad value and what is allowed."""

import base64

import pytest


@pytest.fixture
def data(pictures):
    return (pictures / "0.jpg").read_bytes()


@pytest.mark.parametrize(
    ("method", "path", "wrong"),
    [("POST", "/search?colection=tenant", "colection"), ("POST", "/search?k=1&K=2", "K"),
     ("POST", "/embed?effort=high", "effort"), ("POST", "/compare?k=1", "k"), ("GET", "/images?page=2", "page"),
     ("GET", "/index?verbose=1", "verbose"), ("POST", "/clusters?x=", "x")],
)  # fmt: skip
def test_an_unknown_query_parameter_is_refused(http, data, method, path, wrong):
    answer = http.request(method, path, **({"files": {"file": data}} if method == "POST" else {}))
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")
    assert repr(wrong) in answer.json()["detail"]
    assert "known" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/search", "/embed", "/compare", "/clusters", "/attention", "/images"])
def test_an_unknown_field_is_refused(http, data, path):
    form = http.post(path, files={"file": data}, data={"colection": "tenant"})
    json = http.post(path, json={"images": [base64.b64encode(data).decode()], "colection": "tenant"})
    for answer in (form, json):
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")
        assert "'colection'" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "said"),
    [("/search?k=ten", "got k = ten"), ("/search?k=2000", "from 1 to 1000"), ("/embed?include=search&k=2000", "1000"),
     ("/search?effort=max", "'low', 'normal' or 'high'"), ("/attention?format=gif", "'json', 'npy' or 'png'"),
     ("/attention?head=9", "from 0 to 1"), ("/search?min_probability=2", "got min_probability = 2")],
)  # fmt: skip
def test_the_error_names_the_bad_value(http, data, path, said):
    answer = http.post(path, files={"file": data})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")
    assert said in answer.json()["detail"]
    assert "content type" not in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [(b"{", "application/json", "not valid JSON"), (b"{}", "application/json", "got no 'metadata'"),
     (b'{"metadata": {}}', "application/x-www-form-urlencoded", "send application/json"),
     (b'{"metadata": 3}', "application/json", "got metadata = 3")],
)  # fmt: skip
def test_the_error_explains_a_bad_body(http, body, kind, said):
    answer = http.patch("/images/1", content=body, headers={"content-type": kind})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")
    assert said in answer.json()["detail"]


@pytest.mark.parametrize("given", [7, -1, True, "high", "nan", [0.5], 10**400])
def test_a_bad_min_probability_is_refused(http, given):
    answer = http.post("/search", json={"ids": [1], "min_probability": given})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")


def test_embed_with_search_gives_the_matches_of_search(http, data):
    def keys(path):
        [item] = http.post(path, files={"file": data}).json()["items"]
        return [match["key"] for match in item["matches"]]

    assert keys("/embed?include=search&k=3") == keys("/search?effort=low&k=3")
    assert keys("/embed?include=search&collection=nobody") == []
    least = "min_probability=0.5"
    assert keys(f"/embed?include=search&{least}") == keys(f"/search?effort=low&{least}")
    assert http.post('/embed?include=search&filter={"eq":["x",1]}', files={"file": data}).status_code == 400


def test_a_string_that_is_not_base64_only_fails_its_own_item(http, data):
    good = base64.b64encode(data).decode()
    items = http.post("/embed", json={"images": [good, "hello, world", "data:image/jpeg,abc", good]}).json()["items"]
    assert [item.get("error", {}).get("code") for item in items] == [None, "not_base64", "not_base64", None]
    assert items[0] == items[3]
    one = http.post("/images", json={"images": ["hello, world"], "key": "x"})
    assert (one.status_code, one.json()["code"]) == (400, "not_base64")


@pytest.mark.parametrize("about", [{"key": 5}, {"key": {"a": 1}}, {"collection": ["x"]}, {"collection": ""},
                                   {"replace": "maybe"}, {"replace": 1}, {"metadata": [1]}])  # fmt: skip
def test_fields_of_a_new_picture_have_the_right_type(http, data, about):
    answer = http.post("/images", json={"images": [base64.b64encode(data).decode()]} | about)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")
    assert http.get("/index").json()["count"] == 12


@pytest.mark.parametrize("call", ["rollback", "rebuild"])
def test_a_misspelt_field_does_not_start_another_action(http, call):
    answer = http.post(f"/index/{call}", json={"too": "000001"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")
    assert "'too'" in answer.json()["detail"]
