"""The FAISS index type fits the number of vectors, and its parameters are valid for every number."""

import faiss
import numpy as np
import pytest

from copysight.errors import InvalidArgument
from copysight.index.generations.engines.files import faiss_index
from copysight.index.generations.index_type import choose, default_index_type, widened


@pytest.mark.parametrize(
    ("count", "kind"),
    [
        (0, "flat"),
        (1, "flat"),
        (20_000, "flat"),
        (100_000, "ivf_sq8"),
        (1_000_000, "ivf_sq8"),
        (10_000_000, "ivf_rabitq"),
    ],
)
def test_the_index_type_depends_on_the_number_of_vectors(count: int, kind: str) -> None:
    assert choose(count, 384).kind == kind


def test_fewer_dimensions_stay_flat_longer() -> None:
    assert choose(40_000, 192).kind == "flat"
    assert choose(40_000, 768).kind == "ivf_sq8"


@pytest.mark.parametrize("kind", ["ivf_sq8", "ivf_rabitq"])
@pytest.mark.parametrize("count", [0, 1, 39, 40, 1000, 10**6, 10**8])
def test_lists_have_enough_training_vectors_and_probes_do_not_exceed_them(kind: str, count: int) -> None:
    choice = default_index_type(kind, count)
    assert 1 <= choice.probes <= choice.lists
    assert choice.lists * 40 <= max(count, 40)


@pytest.mark.parametrize("kind", ["sq8", "ivf_sq8", "ivf_rabitq", "hnsw"])
def test_a_search_cannot_be_widened_forever(kind: str) -> None:
    choice, steps = default_index_type(kind, 10**6), 0
    while choice is not None:
        choice, steps = widened(choice), steps + 1
    assert 1 < steps < 20


def test_an_unknown_type_is_rejected() -> None:
    with pytest.raises(InvalidArgument, match="flat, sq8"):
        default_index_type("annoy", 10)


@pytest.mark.parametrize("kind", ["ivf_sq8", "ivf_rabitq"])
def test_training_with_a_gpu_quantizer_gives_the_same_index(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second CPU index replaces the GPU index, which needs another wheel. The k-means is the same."""
    vectors = np.random.default_rng(0).normal(size=(2000, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    plain = faiss.serialize_index(faiss_index.build(default_index_type(kind, 2000), vectors))
    asked = []
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1)
    monkeypatch.setattr(faiss, "index_cpu_to_all_gpus", lambda index: asked.append(index) or index, raising=False)
    assert np.array_equal(faiss.serialize_index(faiss_index.build(default_index_type(kind, 2000), vectors)), plain)
    assert [index.ntotal for index in asked] == [default_index_type(kind, 2000).lists]
