"""Objects by the features of places: the cut, its side, connected places, and a slow check of the eigenvector."""

import numpy as np
import pytest

from copysight.errors import OutputMissing
from copysight.model import bundle as bundles
from copysight.model.embedder import Embedder
from copysight.model.object_masks import (
    ALIKE,
    CENTRE,
    LEAST,
    METHODS,
    OUTSIDE,
    SPREAD,
    centred,
    component,
    lost,
    object_map,
    places,
    ranking,
    token_cut,
)


def features_with_object(seed, rows=12, columns=16, box=(3, 9, 5, 11)):
    """Positive features of two kinds, with noise: background, and an object in ``box`` (top, bottom, left, right)."""
    rng = np.random.default_rng(seed)
    kinds = rng.random((2, 24))
    truth = np.zeros((rows, columns), bool)
    truth[box[0] : box[1], box[2] : box[3]] = True
    return (kinds[truth.astype(int)] + 0.1 * rng.random((rows, columns, 24))).astype(np.float32), truth


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
@pytest.mark.parametrize("seed", range(3))
def test_an_object_of_its_own_kind_is_found(method, seed):
    features, truth = features_with_object(seed)
    values = method(features)
    assert (component(values) == truth).mean() > 0.97
    assert truth.flat[np.argmax(values)]


def test_the_object_is_the_side_with_less_of_the_border():
    """Also if it is the larger side."""
    features, truth = features_with_object(0, box=(1, 11, 1, 15))
    assert truth.mean() > 0.5
    assert (component(token_cut(features)) == truth).mean() > 0.97


def test_the_cut_is_the_second_eigenvector_of_the_generalised_problem():
    """(D - W) y = lambda D y, checked on the matrix itself."""
    features, _ = features_with_object(1, 5, 6, (1, 4, 2, 5))
    flat = features.reshape(30, -1).astype(np.float64)
    flat -= flat.mean(axis=0)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    weights = np.array([[1.0 if float(a @ b) > 0.2 else 1e-5 for b in flat] for a in flat])
    degrees = np.diag(weights.sum(axis=1))
    values, vectors = np.linalg.eig(np.linalg.solve(degrees, degrees - weights))
    second = vectors[:, np.argsort(values.real)[1]].real
    second = second - second.mean()
    found = token_cut(features).ravel()
    assert abs(np.corrcoef(found, second)[0, 1]) == pytest.approx(1, abs=1e-4)


def test_ranks_are_where_passing_them_on_ends():
    """f = SPREAD S f + y, again and again (Zhou et al. 2004, section 2), and the border by a slow loop."""
    rows, columns = 6, 7
    features, _ = features_with_object(2, rows, columns, (1, 4, 2, 5))
    flat = centred(features)
    count = len(flat)
    weights = np.array([[np.exp((a @ b - 1) / ALIKE) for b in flat] for a in flat]) * (1 - np.eye(count))
    degrees = weights.sum(axis=1)
    similar = np.array([[weights[i, j] / np.sqrt(degrees[i] * degrees[j]) for j in range(count)] for i in range(count)])
    at = [
        (2 * (row + 0.5) / rows - 1, 2 * (column + 0.5) / columns - 1)
        for row in range(rows)
        for column in range(columns)
    ]
    prior = np.array([np.exp(-(y * y + x * x) / (2 * CENTRE**2)) for y, x in at])
    prior = prior - prior.mean()
    ranks = prior
    for _ in range(400):
        ranks = SPREAD * similar @ ranks + prior
    edge = [k for k in range(count) if k // columns in (0, rows - 1) or k % columns in (0, columns - 1)]
    outside = np.array([1 - np.mean(sorted(float(one @ flat[k]) for k in edge)[-OUTSIDE:]) for one in flat])
    ranks, outside = ((one - one.min()) / np.ptp(one) for one in (ranks, outside))
    expected = ranks * outside / (ranks * outside).max() - LEAST
    np.testing.assert_allclose(ranking(features).ravel(), expected, atol=1e-4)


def test_an_object_map_is_0_off_the_object_and_1_at_its_best_place(drawn):
    found = object_map(Embedder(bundles.load("default")), drawn(3, (320, 240)))
    assert found.shape == (20, 27)
    assert (found.min(), found.max()) == (0, 1)
    assert 0.05 < (found > 0).mean() < 0.95


def test_a_component_is_connected_by_sides():
    values = np.array([[1, -1, 2, 2], [-1, 1, -1, 2], [1, 1, -1, 3]], np.float32)
    assert component(values).tolist() == [[False, False, True, True], [False, False, False, True], [False] * 3 + [True]]


def test_plain_pictures_have_finite_maps():
    """All places alike: nothing stands out, and nothing divides by zero."""
    same = np.ones((6, 8, 5), np.float32)
    assert all(np.isfinite(method(same)).all() for method in (ranking, token_cut, lost))


def test_places_of_whole_pictures(drawn, tiny_bundle):
    default = Embedder(bundles.load("default"))
    assert places(default, drawn(0, (400, 200))).shape == (20, 40, 768)
    assert places(default, drawn(0, (100, 301))).shape == (60, 20, 768)
    with pytest.raises(OutputMissing, match="patches of any size"):
        places(Embedder(tiny_bundle), drawn(0))
