"""Running the exported model. Its agreement with PyTorch is checked at export, not here."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from copysight.errors import InvalidArgument, OutputMissing
from copysight.model.embedder import PROVIDERS, Embedder, Runtime, _chunks, first_provider


@pytest.fixture(scope="module")
def embedder(tiny_bundle):
    return Embedder(tiny_bundle)


@pytest.fixture(scope="module")
def pictures(drawn):
    return [drawn(seed, (50 + 7 * seed, 80)) for seed in range(7)]


def test_output_shapes_and_norms(embedder, pictures):
    embedding, attention, assignment = (
        embedder.embed(pictures),
        embedder.attention_maps(pictures),
        embedder.assign(pictures),
    )
    assert (embedding.shape, attention.shape, assignment.shape) == ((7, 32), (7, 2, 4, 4), (7, 16))
    assert embedding.dtype == attention.dtype == assignment.dtype == np.float32
    assert np.allclose(np.linalg.norm(embedding, axis=1), 1, atol=1e-6)
    assert np.allclose(assignment.sum(axis=1), 1, atol=1e-5)
    assert (attention.sum(axis=(2, 3)) < 1).all()  # the rest of the attention is on [CLS]


def test_an_embedding_does_not_depend_on_the_other_pictures(embedder, pictures):
    together = embedder.embed(pictures)
    for start in range(7):
        rotated = embedder.embed(pictures[start:] + pictures[:start])
        assert (rotated[0] == together[start]).all()
        assert (embedder.embed([pictures[start]])[0] == together[start]).all()


def test_only_requested_outputs_are_computed(embedder, pictures):
    inputs = [embedder.prepare(picture) for picture in pictures[:2]]
    features = embedder.run(inputs, ("patches", "embedding"))
    assert features.patches.shape == (2, 16, 32)
    assert features.attention is None
    assert (features.embedding == embedder.embed(pictures[:2])).all()


def test_threads_can_share_an_embedder(embedder, pictures):
    expected = embedder.embed(pictures)
    with ThreadPoolExecutor(4) as pool:
        for got in pool.map(lambda _: embedder.embed(pictures), range(12)):
            assert (got == expected).all()


def test_invalid_arguments_are_errors(tiny_bundle, embedder, pictures):
    with pytest.raises(OutputMissing):
        embedder.run([embedder.prepare(pictures[0])], ("depth",))
    with pytest.raises(InvalidArgument, match="no picture"):
        embedder.embed([])
    with pytest.raises(InvalidArgument, match="int3"):
        Embedder(tiny_bundle, Runtime(variant="int3"))


@pytest.mark.parametrize("count", [1, 2, 4, 5, 16, 17, 40])
def test_chunks_contain_every_row_once(count):
    rows = np.arange(count * 2, dtype=np.float32).reshape(count, 2)
    pieces = _chunks(rows, (1, 4, 16))
    assert {len(chunk) for chunk, _ in pieces} <= {1, 4, 16}
    assert (np.concatenate([chunk[:real] for chunk, real in pieces]) == rows).all()


def test_a_missing_provider_is_an_error_and_does_not_fall_back(tiny_bundle):
    with pytest.raises(InvalidArgument, match=r"got the provider 'cuda'.*use the provider 'cpu'"):
        Embedder(tiny_bundle, Runtime(provider="cuda"))


def test_the_first_provider_that_starts_is_used(tiny_bundle, pictures):
    first = first_provider(tiny_bundle)
    for better in list(PROVIDERS)[: list(PROVIDERS).index(first)]:
        with pytest.raises(InvalidArgument, match=f"got the provider {better!r}"):
            Embedder(tiny_bundle, Runtime(provider=better))
    chosen, plain = (Embedder(tiny_bundle, Runtime(provider=one)).embed(pictures) for one in (first, "cpu"))
    assert (chosen * plain).sum(axis=1) == pytest.approx(1, abs=1e-4)
