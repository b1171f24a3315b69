"""Explanations of matches: sums, places of views on the picture, and the part that two pictures share."""

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from copysight.errors import OutputMissing
from copysight.model import bundle as bundles
from copysight.model.embedder import Embedder
from copysight.model.explanation import SIDE, Part, explain, place_map, similarity_parts, spread
from copysight.model.outputs import PlaceGrid


@pytest.fixture(scope="module")
def default():
    return Embedder(bundles.load("default"))


def test_parts_match_a_slow_loop_over_pairs_of_places():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(5, 4)).astype(np.float32), rng.normal(size=(7, 4)).astype(np.float32)
    one, other = similarity_parts(first, second)
    for place in range(5):
        assert one[place] == pytest.approx(sum(float(first[place] @ second[q]) for q in range(7)), abs=1e-5)
    for place in range(7):
        assert other[place] == pytest.approx(sum(float(first[p] @ second[place]) for p in range(5)), abs=1e-5)


@pytest.mark.parametrize(("count", "side"), [(4, 8), (4, 6), (12, 24), (5, 24), (7, 3)])
@pytest.mark.parametrize("ends", [(0.0, 1.0), (0.25, 0.75), (0.164, 0.832), (0.0, 0.02)])
def test_a_cell_is_spread_over_the_bins_that_it_covers(count, side, ends):
    """Compare with many points of each cell."""
    found, points = spread(count, side, *ends), 4000
    assert np.allclose(found.sum(axis=1), 1)
    for cell in range(count):
        low = ends[0] + (ends[1] - ends[0]) * cell / count
        places = low + (ends[1] - ends[0]) / count * (np.arange(points) + 0.5) / points
        expected = np.bincount((places * side).astype(int), minlength=side) / points
        assert np.abs(found[cell] - expected).max() < 1e-3


def test_a_map_has_each_value_at_its_place():
    """A mirrored grid runs from right to left; a grid on a part of the input stays inside of it."""
    values = np.zeros(4, np.float32)
    values[1] = 1  # first row, second column
    plain = place_map(values, (PlaceGrid(2, 2, (0, 0, 1, 1)),), 4)
    mirrored = place_map(values, (PlaceGrid(2, 2, (0, 0, 1, 1), True),), 4)
    inner = place_map(values, (PlaceGrid(2, 2, (0.5, 0.5, 1, 1)),), 4)
    assert plain.tolist() == [[0, 0, 0.25, 0.25]] * 2 + [[0] * 4] * 2
    assert mirrored.tolist() == [[0.25, 0.25, 0, 0]] * 2 + [[0] * 4] * 2
    assert np.argwhere(inner).tolist() == [[2, 3]]
    assert inner.sum() == pytest.approx(1)


def test_both_maps_add_up_to_the_similarity_of_the_embeddings(default, drawn):
    one, other = drawn(1), drawn(2, (300, 140))
    first, second = default.embed([one, other])
    found = explain(default, Part(one), Part(other))
    assert found.similarity == pytest.approx(float(first @ second), abs=1e-5)
    assert found.one.sum() == pytest.approx(found.similarity, abs=1e-4)
    assert found.other.sum() == pytest.approx(found.similarity, abs=1e-4)
    assert np.sum(found.to_json()["maps"], axis=(1, 2)) == pytest.approx([found.similarity] * 2, abs=1e-4)


def pasted(picture, page, box):
    """``page`` with ``picture`` at ``box`` in pixels."""
    out = page.copy()
    out.paste(picture.resize((box[2] - box[0], box[3] - box[1]), Image.Resampling.LANCZOS), box[:2])
    return out


def inside(values, box, size):
    """Share of the positive values of a map inside ``box`` (pixels of a picture of ``size``)."""
    grown = Image.fromarray(np.maximum(values, 0)).resize(size, Image.Resampling.NEAREST)
    positive = np.asarray(grown)
    return positive[box[1] : box[3], box[0] : box[2]].sum() / positive.sum()


@pytest.mark.parametrize("number", range(4))
def test_the_explanation_of_a_paste_lies_on_it(default, number):
    """Of a part of a photograph on another one: at least 0.8 of the positive values, on the whole page."""
    temple, flower = (Image.fromarray(pixels) for pixels in load_sample_images().images)
    picture, page = (temple, flower) if number % 2 else (flower, temple)
    box = (40 + 30 * number, 20 + 30 * number, 260 + 30 * number, 185 + 30 * number)
    made = pasted(picture, page.resize((400, 300)), box)
    found = explain(default, Part(made), Part(picture))
    area = (box[2] - box[0]) * (box[3] - box[1]) / (400 * 300)
    assert inside(found.one, box, made.size) > 0.8 > 2 * area
    assert found.one.sum() == pytest.approx(found.similarity, abs=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_the_explanation_of_a_part_lies_on_that_part(default, drawn, seed):
    """Nothing is outside of the part that was compared, up to the cells of the map that its sides cut."""
    picture, page = drawn(seed, (240, 180)), drawn(seed + 50, (400, 300))
    box = (40 + 20 * seed, 30 + 10 * seed, 40 + 20 * seed + 220, 30 + 10 * seed + 165)
    made = pasted(picture, page, box)
    part = Part(made.crop(box), tuple(edge / side for edge, side in zip(box, (400, 300, 400, 300), strict=True)))
    found = explain(default, part, Part(picture))
    assert inside(found.one, box, made.size) > 0.95
    assert found.one.sum() == pytest.approx(found.similarity, abs=1e-4)


def test_a_turned_view_is_explained_on_the_upright_picture(default, drawn):
    """The part that matters is top left; the view was turned anticlockwise, where it is bottom left."""
    picture = pasted(drawn(3, (120, 90)), Image.new("RGB", (240, 180), "white"), (0, 0, 120, 90))
    turned = picture.transpose(Image.Transpose.ROTATE_90)
    found = explain(default, Part(turned, turn=90), Part(drawn(3, (120, 90))))
    upright = explain(default, Part(picture), Part(drawn(3, (120, 90))))
    for values in (found.one, upright.one):
        quarters = [values[rows, columns].clip(0).sum() for rows in HALVES for columns in HALVES]
        assert np.argmax(quarters) == 0
    assert found.one.sum() == pytest.approx(found.similarity, abs=1e-4)


HALVES = (slice(0, SIDE // 2), slice(SIDE // 2, SIDE))


def test_a_bundle_without_contributions_is_refused(tiny_bundle, drawn):
    with pytest.raises(OutputMissing, match="gives no contributions"):
        explain(Embedder(tiny_bundle), Part(drawn(0)), Part(drawn(1)))
