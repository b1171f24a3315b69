"""What is spelt wrong is refused, lest it change the answer unseen; what does not fit is named."""

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
def test_an_option_that_nobody_reads(http, data, method, path, wrong):
    answer = http.request(method, path, **({"files": {"file": data}} if method == "POST" else {}))
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")
    assert repr(wrong) in answer.json()["detail"]
    assert "known" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/search", "/embed", "/compare", "/clusters", "/attention", "/images"])
def test_a_field_that_nobody_reads(http, data, path):
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
def test_a_value_that_does_not_fit_is_named(http, data, path, said):
    answer = http.post(path, files={"file": data})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")
    assert said in answer.json()["detail"]
    assert "content type" not in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [(b"{", "application/json", "no JSON"), (b"{}", "application/json", "got no 'metadata'"),
     (b'{"metadata": {}}', "application/x-www-form-urlencoded", "needed is application/json"),
     (b'{"metadata": 3}', "application/json", "got metadata = 3")],
)  # fmt: skip
def test_a_body_that_does_not_fit_is_explained(http, body, kind, said):
    answer = http.patch("/images/1", content=body, headers={"content-type": kind})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")
    assert said in answer.json()["detail"]


@pytest.mark.parametrize("given", [7, -1, True, "high", "nan", [0.5], 10**400])
def test_a_probability_is_one(http, given):
    answer = http.post("/search", json={"ids": [1], "min_probability": given})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")


def test_matches_of_an_embedding_are_chosen_like_those_of_a_search(http, data):
    def keys(path):
        [item] = http.post(path, files={"file": data}).json()["items"]
        return [match["key"] for match in item["matches"]]

    assert keys("/embed?include=search&k=3") == keys("/search?effort=low&k=3")
    assert keys("/embed?include=search&collection=nobody") == []
    least = "min_probability=0.5"
    assert keys(f"/embed?include=search&{least}") == keys(f"/search?effort=low&{least}")
    assert http.post('/embed?include=search&filter={"eq":["x",1]}', files={"file": data}).status_code == 400


def test_a_text_that_is_no_base64_is_an_error_of_its_item(http, data):
    """Its neighbours have their answers."""
    good = base64.b64encode(data).decode()
    items = http.post("/embed", json={"images": [good, "hello world", "data:image/jpeg,abc", good]}).json()["items"]
    assert [item.get("error", {}).get("code") for item in items] == [None, "not_base64", "not_base64", None]
    assert items[0] == items[3]
    one = http.post("/images", json={"images": ["hello world"], "key": "x"})
    assert (one.status_code, one.json()["code"]) == (400, "not_base64")


@pytest.mark.parametrize("about", [{"key": 5}, {"key": {"a": 1}}, {"collection": ["x"]}, {"collection": ""},
                                   {"replace": "maybe"}, {"replace": 1}, {"metadata": [1]}])  # fmt: skip
def test_what_is_said_of_a_new_picture_is_of_its_type(http, data, about):
    answer = http.post("/images", json={"images": [base64.b64encode(data).decode()]} | about)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")
    assert http.get("/index").json()["count"] == 12
