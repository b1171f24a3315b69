"""The 2-D map: what belongs together lies together, and a rebuilt map stays where it was."""

import numpy as np
import pytest

from copysight.curation import flat_map


def unit(rows):
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def groups(rng, count=240):
    labels = np.arange(count) % 4
    return labels, unit(3 * np.eye(32)[labels] + 0.6 * rng.standard_normal((count, 32)))


@pytest.fixture(scope="module")
def mapped():
    labels, vectors = groups(np.random.default_rng(0))
    return labels, vectors, flat_map.make(np.arange(240) * 2, vectors)


def test_neighbours_on_the_map_belong_to_one_group(mapped):
    labels, _, made = mapped
    assert np.abs(made.places).max() <= 1
    distances = np.linalg.norm(made.places[:, None] - made.places[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (labels[distances.argmin(axis=1)] == labels).mean() > 0.97


def test_a_rebuilt_map_stays_where_it_was_also_with_pictures_added_and_removed(mapped, tmp_path):
    labels, vectors, made = mapped
    rng = np.random.default_rng(5)
    new_labels, new = groups(rng, 24)
    kept = np.sort(rng.choice(240, 220, replace=False))
    ids = np.concatenate([kept * 2, 1000 + np.arange(24)])
    flat_map.write(tmp_path, made)
    again = flat_map.make(ids, np.concatenate([vectors[kept], new]), flat_map.read(tmp_path))
    moved = np.linalg.norm(again.places[:220] - made.places[kept], axis=1)
    fresh = flat_map.make(ids, np.concatenate([vectors[kept], new]))
    assert np.median(moved) < 0.15
    assert np.median(moved) < np.median(np.linalg.norm(fresh.places[:220] - made.places[kept], axis=1))
    centres = np.stack([again.places[:220][labels[kept] == one].mean(axis=0) for one in range(4)])
    nearest = np.linalg.norm(again.places[220:, None] - centres[None], axis=2).argmin(axis=1)
    assert (nearest == new_labels).mean() > 0.9


def test_more_pictures_than_are_placed_lie_beside_their_nearest(mapped, monkeypatch):
    labels, vectors, _ = mapped
    monkeypatch.setattr(flat_map, "MOST", 120)
    made = flat_map.make(np.arange(240), vectors)
    distances = np.linalg.norm(made.places[:, None] - made.places[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (labels[distances.argmin(axis=1)] == labels).mean() > 0.95


@pytest.mark.parametrize("count", [1, 3, 5])
def test_a_few_pictures_have_a_map_and_a_damaged_one_is_none(count, tmp_path):
    vectors = unit(np.random.default_rng(count).standard_normal((count, 8)))
    made = flat_map.make(np.arange(count), vectors)
    assert made.places.shape == (count, 2)
    assert np.isfinite(made.places).all()
    assert flat_map.read(tmp_path) is None
    (tmp_path / flat_map.FILE).write_bytes(b"PK broken")
    assert flat_map.read(tmp_path) is None
