"""``POST /attention``: names of the maps, drawings, and the object of a picture, over HTTP and by the client."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageDraw

from copysight.client import Client, Refused
from copysight.model import bundle as bundles
from copysight.model import object_masks
from copysight.model.embedder import Embedder
from tests.service.conftest import serving
from tests.service.routes.test_answers import files

BALL = (165, 25, 235, 95)


@pytest.fixture(scope="module")
def default(tmp_path_factory):
    """A server on a new, empty index with the default bundle, which has patches of any size."""
    with serving(tmp_path_factory.mktemp("attention") / "index") as server:
        yield server


@pytest.fixture
def scene() -> Image.Image:
    """A ball beside the middle of a wide picture of 300 x 120, partly outside of the central square that heads see."""
    picture = Image.fromarray(np.random.default_rng(0).integers(60, 90, (120, 300, 3)).astype(np.uint8))
    ImageDraw.Draw(picture).ellipse(BALL, fill=(250, 220, 40))
    return picture


@pytest.fixture
def ball(scene) -> bytes:
    out = BytesIO()
    scene.save(out, "PNG")
    return out.getvalue()


def test_maps_have_the_names_of_their_heads(http, pictures):
    sent = files((pictures / "0.jpg").read_bytes())
    assert http.post("/attention", files=sent).json()["items"][0]["names"] == ["head 0", "head 1"]
    [one] = http.post("/attention?head=1", files=sent).json()["items"]
    assert (one["heads"], one["names"]) == (1, ["head 1"])


def test_a_drawing_is_heat_and_masks_only_if_asked(http, pictures):
    sent = files((pictures / "0.jpg").read_bytes())

    def pixels(query: str) -> np.ndarray:
        with Image.open(BytesIO(http.post(f"/attention?format=png{query}", files=sent).content)) as png:
            return np.asarray(png.convert("RGB"), np.float32)

    heat, masks = pixels(""), pixels("&threshold=0.6")
    assert np.abs(heat - masks).mean() > 5
    assert np.abs(pixels("&head=0") - pixels("&head=1")).mean() > 1


def test_the_object_is_that_of_the_whole_picture(default, ball, scene):
    [item] = default.http.post("/attention?method=objects&threshold=1", files=files(ball)).json()["items"]
    assert item["names"] == ["object"]
    assert item["box"] == [0, 0, 300, 120]
    found = np.array(item["maps"])
    assert found.shape == (1, *item["grid"]) == (1, 20, 50)
    np.testing.assert_allclose(found[0], object_masks.object_map(Embedder(bundles.load("default")), scene), atol=1e-5)
    left, top, right, bottom = (edge * 50 / 300 for edge in BALL)
    inside = np.zeros((20, 50), bool)
    inside[round(top) : round(bottom) + 1, round(left) : round(right) + 1] = True
    assert found[0][inside].sum() > 0.8 * found.sum() > 0
    assert (np.array(item["masks"][0]) == (found[0] > 0)).all()


def test_the_client_answers_objects_and_heads(default, ball, scene):
    with Client(default.url) as client:
        [heads, other] = client.attention([ball, scene])
        assert tuple(heads.names) == ("head 0", "head 1", "head 2")
        assert np.allclose(heads.maps, other.maps, atol=1e-5)
        [found] = client.attention([ball], method="objects")
        assert (tuple(found.names), list(found.box)) == (("object",), [0, 0, 300, 120])
        with Image.open(BytesIO(client.attention_png(ball, method="objects"))) as png:
            assert png.size == (300, 120)
        with pytest.raises(Refused, match="leave head out"):
            client.attention([ball], head=0, method="objects")


def test_one_bad_picture_does_not_affect_the_other_objects(default, ball):
    bad, good = default.http.post("/attention?method=objects", files=files(b"no picture", ball)).json()["items"]
    assert bad["error"]["code"] == "unsupported_format"
    assert good["heads"] == 1


def test_a_panorama_and_an_empty_picture_are_answered(default, jpeg):
    """A strip of 20 : 1 at 320 lines would have 8,000 places, and a cut takes the cube of their number."""
    strip = Image.fromarray(np.random.default_rng(0).integers(0, 255, (100, 2000, 3)).astype(np.uint8))
    sent = files(jpeg(strip), jpeg(Image.new("RGB", (200, 200), (90, 90, 90))))
    wide, empty = default.http.post("/attention?method=objects&threshold=0.6", files=sent).json()["items"]
    rows, columns = wide["grid"]
    assert rows * columns <= 1300
    assert columns > 10 * rows
    assert np.isfinite(np.array(empty["maps"], float)).all()


def test_a_bundle_without_patches_of_any_size_has_no_objects(http, pictures):
    answer = http.post("/attention?method=objects", files=files((pictures / "0.jpg").read_bytes()))
    assert (answer.status_code, answer.json()["code"]) == (409, "output_missing")
    assert "patches of any size" in answer.json()["detail"]


def test_the_index_says_which_maps_there_are(http, default):
    assert http.get("/index").json()["bundle"]["objects"] is False
    about = default.http.get("/index").json()["bundle"]
    assert (about["attention"], about["objects"], about["explanations"]) == (True, True, True)


def test_the_client_explains_a_comparison(default, scene, ball):
    with Client(default.url) as client:
        found = client.compare(scene, scene.crop((150, 0, 300, 120)), explain=True)
        assert found.explanation.one.shape == found.explanation.other.shape == (24, 24)
        for values in (found.explanation.one, found.explanation.other):
            assert values.sum() == pytest.approx(found.similarity, abs=1e-4)
        assert client.compare(scene, ball).explanation is None
