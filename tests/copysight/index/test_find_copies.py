"""Several searches for one query: what they share, and what a search for likely matches leaves out."""

from dataclasses import replace

import numpy as np
import pytest

from copysight.index import Index, Query, Selection, find_copies
from copysight.index.find_copies import Shared
from copysight.matching import verification
from copysight.model.embedder import Embedder
from copysight.scoring.calibration import DIFFERENT
from copysight.scoring.query_views import QueryView

EVERYTHING = Selection(k=40)


@pytest.fixture(scope="module")
def searched(calibrated_index):
    with Index.open(calibrated_index) as index:
        yield index, Embedder(index.snapshot().bundle)


def query(embedder, picture, shared=None):
    vector = np.asarray(embedder.embed([picture]), np.float32)
    prepared = verification.prepare(picture)
    return Query(
        vector, (QueryView(picture),), lambda: picture, lambda: prepared, lambda hit, item: False, shared or Shared()
    )


def as_json(matches):
    return [one.to_json([]) for one in matches]


def pictures(drawn):
    """Copies of items, and pictures of which the index has no copy."""
    for seed in (3, 40, 77, 500, 501, 502, 503):
        picture = drawn(seed)
        yield picture.crop((8, 6, picture.width - 8, picture.height - 6))


def test_a_search_for_likely_matches_leaves_out_what_the_score_alone_calls_different(searched, drawn):
    index, embedder = searched
    snapshot, left_out = index.snapshot(), 0
    for picture in pictures(drawn):
        asked = query(embedder, picture)
        whole = find_copies(index, snapshot, asked, EVERYTHING).matches
        by_score = sorted(whole, key=lambda one: -one.judgement.score)
        score_alone = find_copies(index, snapshot, asked, replace(EVERYTHING, verify="never")).matches
        different = {one.item.id for one in score_alone if one.judgement.probability <= DIFFERENT}
        for unlikely in (0, 4, 40):
            kept = find_copies(index, snapshot, asked, replace(EVERYTHING, unlikely=unlikely)).matches
            expected = [one for place, one in enumerate(by_score) if place < unlikely or one.item.id not in different]
            assert {one.item.id for one in kept} == {one.item.id for one in expected}
            left_out += len(whole) - len(kept)
            if unlikely == 40:
                assert as_json(kept) == as_json(whole)
    assert left_out > 100


def test_what_searches_share_changes_no_answer(searched, drawn):
    index, embedder = searched
    snapshot = index.snapshot()
    for picture in pictures(drawn):
        fresh = find_copies(index, snapshot, query(embedder, picture), EVERYTHING)
        shared = Shared()
        for wanted in (Selection(k=5, verify="always"), EVERYTHING, EVERYTHING):
            again = find_copies(index, snapshot, query(embedder, picture, shared), wanted)
        assert as_json(again.matches) == as_json(fresh.matches)
        assert len(shared.checked) == 40
        assert np.array_equal(shared.offsets, snapshot.offsets(query(embedder, picture).vectors))
