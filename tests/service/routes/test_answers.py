"""All calls that do not change the collection."""

import base64
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from tests.service.conftest import serving


def files(*pictures: bytes) -> list:
    return [("file", (f"{number}.jpg", data, "image/jpeg")) for number, data in enumerate(pictures)]


@pytest.fixture
def picture(pictures):
    return lambda seed: (pictures / f"{seed}.jpg").read_bytes()


@pytest.fixture
def edited(drawn, jpeg):
    """A cropped, recompressed copy of picture 3."""
    return jpeg(drawn(3).crop((6, 4, 154, 116)), quality=60)


def test_all_forms_of_a_request_give_the_same_embedding(http, picture):
    data = picture(1)
    uri = "data:image/jpeg;base64," + base64.b64encode(data).decode()
    answers = [
        http.post("/embed", files=files(data)),
        http.post("/embed", content=data, headers={"content-type": "image/jpeg"}),
        http.post("/embed", json={"images": [uri]}),
        http.post("/embed", json={"images": [base64.b64encode(data).decode()]}),
    ]
    bodies = [answer.json() for answer in answers]
    assert all(body == bodies[0] for body in bodies)
    assert bodies[0]["dimension"] == len(bodies[0]["items"][0]["embedding"]) == 32
    assert bodies[0]["generation"] == "000001"


def test_raw_and_npy_answers(http, picture):
    data = files(picture(0), b"no picture", picture(1))
    listed = http.post("/embed", files=data).json()["items"]
    raw = http.post("/embed", files=data, headers={"accept": "application/octet-stream"})
    npy = http.post("/embed", files=data, headers={"accept": "application/x-npy"})
    rows = np.frombuffer(raw.content, np.float32).reshape(3, 32)
    assert np.array_equal(rows, np.load(BytesIO(npy.content)), equal_nan=True)
    assert np.isnan(rows[1]).all()
    assert np.allclose(rows[0], listed[0]["embedding"])
    assert listed[1]["error"]["code"] == "unsupported_format"


def test_embed_includes_clusters_attention_and_matches(http, picture):
    body = http.post("/embed?include=clusters,attention,search&k=2", files=files(picture(4))).json()
    [item] = body["items"]
    assert item["matches"][0]["key"] == "4.jpg"
    assert len(item["matches"]) == 2
    assert np.asarray(item["attention"]).shape == (2, 4, 4)
    assert len(item["prototypes"]) == 5
    assert item["cluster"]["size"] >= 1
    assert http.post("/embed?include=depth", files=files(picture(4))).json()["code"] == "invalid_argument"


def test_a_picture_finds_itself_exactly_alone_and_in_a_batch(http, picture):
    for batch in ([5], [5, 6, 7]):
        items = http.post("/search", files=files(*(picture(seed) for seed in batch))).json()["items"]
        for seed, item in zip(batch, items, strict=True):
            best = item["matches"][0]
            assert (best["key"], best["verdict"], best["probability"]) == (f"{seed}.jpg", "exact", 1.0)
            assert best["similarity"] == pytest.approx(1.0, abs=1e-6)
            assert [match["score"] for match in item["matches"]] == sorted(
                (match["score"] for match in item["matches"]), reverse=True
            )


def test_equal_pixels_in_another_file_are_exact(http, pictures, jpeg):
    with Image.open(pictures / "2.jpg") as stored:
        saved_again = jpeg(stored.convert("RGB"), "PNG")
    best = http.post("/search", files=files(saved_again)).json()["items"][0]["matches"][0]
    assert (best["key"], best["verdict"]) == ("2.jpg", "exact")


def test_an_edited_copy_is_found_but_not_exact(http, edited):
    best = http.post("/search?k=1", files=files(edited)).json()["items"][0]["matches"]
    assert [match["key"] for match in best] == ["3.jpg"]
    assert best[0]["verdict"] != "exact"
    assert best[0]["similarity"] < 1


def test_search_by_id_and_by_vector(http, picture):
    vector = http.post("/embed", files=files(picture(8))).json()["items"][0]["embedding"]
    by_vector = http.post("/search", json={"vectors": [vector], "k": 3}).json()["items"][0]["matches"]
    number = by_vector[0]["id"]
    assert by_vector[0]["key"] == "8.jpg"
    by_id = http.post("/search", json={"ids": [number], "k": 3}).json()["items"][0]["matches"]
    assert [match["id"] for match in by_id] == [match["id"] for match in by_vector]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"ids": []},
        {"ids": ["1"]},
        {"ids": [True]},
        {"vectors": [[1.0, 2.0]]},
        {"vectors": [[0.0] * 32]},
        {"vectors": "x"},
        {"vectors": [["a"] * 32]},
        {"ids": [1], "vectors": [[1.0] * 32]},
        {"ids": [1], "k": 0},
        {"ids": [1], "k": "many"},
        {"ids": [1], "filter": {"eq": ["nowhere", 1]}},
        {"ids": [1], "filter": {"drop": "table"}},
        {"ids": [1], "min_probability": "high"},
        {"ids": [1], "collection": 7},
        {"images": "x"},
        {"images": [None]},
        {"images": ["x"], "ids": [1]},
        [],
    ],
)
def test_a_bad_search_is_refused(http, body):
    answer = http.post("/search", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.json()["detail"]) > 20


def test_compare(http, picture, edited):
    same = http.post("/compare", files=files(picture(3), picture(3))).json()
    assert (same["verdict"], same["similarity"]) == ("exact", 1.0)
    copy = http.post("/compare", files=files(picture(3), edited)).json()
    other = http.post("/compare", files=files(picture(3), picture(9))).json()
    assert copy["similarity"] > other["similarity"]
    assert http.post("/compare", files=files(picture(3))).status_code == 400
    assert http.post("/compare", files=files(picture(3), b"x")).json()["code"] == "unsupported_format"
    assert http.post("/compare?explain=true", files=files(picture(3), edited)).json()["code"] == "output_missing"


def test_compare_explains_the_similarity_that_it_states(tmp_path, drawn, jpeg):
    """With the default bundle, whose index has int8 vectors: the maps add up to the similarity of this answer."""
    page = Image.new("RGB", (480, 360), "white")
    page.paste(drawn(3, (240, 180)), (20, 30))
    both = files(jpeg(page, quality=95), jpeg(drawn(3, (240, 180)), quality=90))
    with serving(tmp_path / "index") as server:
        plain = server.http.post("/compare", files=both).json()
        found = server.http.post("/compare?explain=true", files=both).json()
    maps = np.array(found["explanation"]["maps"])
    assert maps.shape == (2, *found["explanation"]["grid"])
    assert maps.sum(axis=(1, 2)) == pytest.approx([found["similarity"]] * 2, abs=1e-4)
    assert found["similarity"] == pytest.approx(plain["similarity"], abs=5e-3)
    positive = maps[0].clip(0)
    assert positive[:15, :14].sum() > 0.8 * positive.sum()
    assert "explanation" not in plain


def test_clusters(http, picture):
    listed = http.get("/clusters").json()["clusters"]
    assert sum(cluster["size"] for cluster in listed) == 12
    assert [cluster["size"] for cluster in listed] == sorted((c["size"] for c in listed), reverse=True)
    [item] = http.post("/clusters", files=files(picture(2))).json()["items"]
    assert sum(one["probability"] for one in item["prototypes"]) <= 1.0001
    one = http.get(f"/clusters/{item['cluster']['id']}").json()
    assert "2.jpg" in [member["key"] for member in one["members"]]
    assert len(one["members"]) == one["size"] == item["cluster"]["size"]
    assert http.get("/clusters/99999").json()["code"] == "not_found"
    for to, code in ((99999, "not_found"), ("old", "invalid_argument"), (-1, "invalid_argument")):
        moves = {"moves": [{"items": [1], "to": to}]}
        assert http.post("/clusters/moves", json=moves).json()["code"] == code
    assert http.get("/clusters").json()["clusters"] == listed


def test_attention_as_json_array_and_picture(http, picture):
    body = http.post("/attention?threshold=0.6", files=files(picture(0))).json()
    [item] = body["items"]
    maps, masks = np.asarray(item["maps"]), np.asarray(item["masks"])
    assert (item["heads"], item["grid"], maps.shape, masks.shape) == (2, [4, 4], (2, 4, 4), (2, 4, 4))
    assert ((maps * masks).sum(axis=(1, 2)) / maps.sum(axis=(1, 2)) >= 0.6 - 1e-6).all()
    array = http.post("/attention?format=npy&head=1", files=files(picture(0)))
    assert np.allclose(np.load(BytesIO(array.content)), maps[1:], atol=1e-6)
    drawn = http.post("/attention?format=png&head=0", files=files(picture(0)))
    with Image.open(BytesIO(drawn.content)) as png:
        assert (png.format, png.size) == ("PNG", (160, 120))
    assert http.post("/attention?head=9", files=files(picture(0))).json()["code"] == "invalid_argument"
    assert http.post("/attention?format=png", files=files(picture(0), picture(1))).status_code == 400


def test_items_and_thumbnails(http):
    page = http.get("/images?limit=5").json()
    rest = http.get(f"/images?limit=100&after={page['next']}").json()
    assert len(page["items"]) == 5
    assert len(rest["items"]) == 7
    assert rest["next"] is None
    [item] = http.get("/images?key=3.jpg").json()["items"]
    assert (item["width"], item["height"], item["collection"]) == (160, 120, "default")
    thumbnail = http.get(f"/images/{item['id']}/thumbnail")
    with Image.open(BytesIO(thumbnail.content)) as picture:
        assert picture.size == (160, 120)
    again = http.get(f"/images/{item['id']}/thumbnail", headers={"if-none-match": thumbnail.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert http.get("/images/99999").json()["code"] == "not_found"


def test_health_metrics_and_docs(http):
    assert http.get("/healthz").json() == {"status": "alive"}
    ready = http.get("/readyz").json()
    assert (ready["status"], ready["generation"]) == ("ready", "000001")
    status = http.get("/index").json()
    assert (status["count"], status["delta"], status["tombstones"], status["recall"]) == (12, 0, 0, 1.0)
    text = http.get("/metrics").text
    for name in ("copysight_requests_total", "copysight_stage_seconds_bucket", "copysight_index_items 12.0"):
        assert name in text
    assert "/search" in http.get("/openapi.json").json()["paths"]
    assert http.get("/docs").status_code == 200


def test_every_answer_has_an_id(http):
    ids = {http.get("/healthz").headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3
