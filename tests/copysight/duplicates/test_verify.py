"""Verified pairs: pages of one form are no copies of each other, and pages that are saved again are copies."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from copysight.blobs import encode_thumbnail
from copysight.duplicates.candidates import Scorer
from copysight.duplicates.verify import Contents, Verifier
from copysight.matching import verification
from copysight.model import bundle as bundles
from copysight.model.embedder import Embedder, Runtime
from copysight.scoring.calibration import COPY
from copysight.scoring.judge import Judge
from evaluation.regions.drawn_pages import page
from tests.conftest import encoded

HARD = {
    "letter": (16, 33, 34, 36, 39),
    "table": (0, 12, 17, 23, 33),
    "login": (15, 17, 21, 35),
    "slide": (4, 17, 30, 35),
    "invoice": (0, 1, 2),
    "questionnaire": (0, 1, 2),
}
"""Pages that look most alike of 40 of each form."""


@pytest.fixture(scope="module")
def embedder():
    return Embedder(bundles.load("default"), Runtime(threads=1))


def thumbnail(picture):
    with Image.open(BytesIO(encode_thumbnail(picture))) as opened:
        return opened.convert("RGB")


def verified(embedder, pictures):
    """Each pair of the pictures (one, other) with what the verifier says."""
    thumbnails = [thumbnail(picture) for picture in pictures]
    scorer = Scorer.of(embedder.embed(pictures), Judge.of(bundles.load("default")))
    contents = Contents(
        prepared=lambda number: verification.prepare(thumbnails[number]),
        thumbnail=lambda number: thumbnails[number],
        sizes=lambda number: pictures[number].size,
        equal_pixels=lambda one, other: False,
    )
    verifier = Verifier(contents, scorer)
    rows, columns = np.triu_indices(len(pictures), 1)
    scores = scorer.scores(np.stack([rows, columns], axis=1))
    return [verifier.verify(*found) for found in zip(rows.tolist(), columns.tolist(), scores.tolist(), strict=True)]


@pytest.mark.parametrize("template", HARD)
def test_other_pages_of_a_form_are_no_copies(embedder, template):
    pages = [page(template, number) for number in HARD[template]]
    found = verified(embedder, pages)
    assert [pair for pair in found if pair.probability >= COPY] == []


@pytest.mark.parametrize("template", HARD)
@pytest.mark.parametrize("share", [0.5, 0.75, 1])
def test_pages_that_are_saved_again_are_copies(embedder, template, share):
    whole = page(template, HARD[template][0])
    small = whole.resize((round(whole.width * share), round(whole.height * share)), Image.Resampling.LANCZOS)
    with Image.open(BytesIO(encoded(small, quality=60))) as opened:
        [pair] = verified(embedder, [whole, opened.convert("RGB")])
    assert pair.probability >= COPY
    assert pair.kind == "resized"
