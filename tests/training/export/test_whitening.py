"""Within-class whitening improves retrieval of edited copies, and the exported layer is the same map."""

import numpy as np
import pytest
import torch

from copysight.errors import InvalidArgument
from training.export import whitening
from training.export.export import layer


def unit(x):
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def pairs():
    """Pictures differ in 8 directions; edits move them much further along 3 others."""
    rng = np.random.default_rng(0)
    content, nuisance = rng.normal(size=(400, 8)), 4 * rng.normal(size=(2, 400, 3))
    noise = 0.05 * rng.normal(size=(2, 400, 16))
    basis = np.linalg.qr(rng.normal(size=(16, 16)))[0]
    rows = [np.hstack([content, nuisance[i], np.zeros((400, 5))]) + noise[i] for i in range(2)]
    return [unit(row @ basis) for row in rows]


def top1(queries, database):
    return float(np.mean(np.argmax(queries @ database.T, axis=1) == np.arange(len(queries))))


def test_whitening_finds_edited_copies(pairs):
    originals, copies = pairs
    before = top1(copies[200:], originals[200:])
    white = whitening.fit(originals[:200], copies[:200], 8)
    assert before < 0.2
    assert top1(white(copies[200:]), white(originals[200:])) > 0.9


def test_differences_of_copies_have_unit_covariance(pairs):
    white = whitening.fit(*pairs, 16, ridge=0)
    moved = (pairs[0] - pairs[1]) @ white.matrix / np.sqrt(2)
    assert np.allclose(moved.T @ moved / len(moved), np.eye(16), atol=1e-2)


def test_the_layer_is_the_same_map(pairs):
    white = whitening.fit(*pairs, 5)
    with torch.inference_mode():
        found = torch.nn.functional.normalize(layer(white)(torch.from_numpy(pairs[0])), dim=1).numpy()
    assert found.shape == (400, 5)
    assert np.abs(found - white(pairs[0])).max() < 1e-5


def test_a_large_ridge_leaves_the_similarities_of_a_projection(pairs):
    originals = pairs[0]
    centred = unit(originals - originals.mean(axis=0))
    similarities = [white(originals) @ white(originals).T for white in (whitening.fit(*pairs, 16, r) for r in (0, 1e4))]
    errors = [np.abs(found - centred @ centred.T).max() for found in similarities]
    assert errors[1] < 1e-3 < 0.1 < errors[0]


def test_too_few_pictures_are_refused(pairs):
    with pytest.raises(InvalidArgument, match="got 9 pictures with 16 dimensions"):
        whitening.fit(pairs[0][:9], pairs[1][:9], 10)
