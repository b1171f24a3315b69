"""Query views: which ones each effort uses, what they show, and how their results are merged."""

import numpy as np
import pytest
from PIL import Image

from copysight.errors import InvalidArgument
from copysight.index.live.merge_views import merge_views
from copysight.index.live.search import Match
from copysight.scoring.judge import Judge
from copysight.scoring.query_views import EFFORTS, PENALTY, best_per_query, effort_of, is_included, views_of
from copysight.vectors.score_normalisation import ScoreNormalisation
from tests.copysight.pictures.test_regions import page, photograph


def test_more_effort_gives_more_views():
    picture = page(photograph(1), (40, 60), (300, 420), dark=False)
    low, normal, high = (views_of(picture, effort) for effort in EFFORTS)
    assert [view.where() for view in low] == [None]
    assert 1 < len(normal) < len(high) <= 8
    for few, effort in ((low, "low"), (normal, "normal")):
        assert [view.where() for view in high if is_included(view, effort)] == [view.where() for view in few]
    assert [view.turn for view in high if view.turn] == [90, 180, 270]
    assert [view.penalty for view in high] == [0.0] + [PENALTY] * (len(high) - 1)


def test_a_view_shows_a_rotation_or_a_region():
    picture = photograph(2, (160, 120))
    quarter = next(view for view in views_of(picture, "high") if view.turn == 90)
    assert quarter.pixels.tobytes() == picture.rotate(90, expand=True).tobytes()
    assert quarter.where() == {"region": None, "turn": 90}
    paged = page(picture, (40, 60), (300, 420), dark=True)
    part = next(view for view in views_of(paged) if view.region is not None)
    left, top, right, bottom = part.where()["region"]
    assert part.pixels.size == (round((right - left) * 300), round((bottom - top) * 420))


def test_an_unknown_effort_is_an_error():
    assert effort_of("high") == "high"
    with pytest.raises(InvalidArgument, match="got effort = 'most'; use one of low, normal, high"):
        effort_of("most")


def test_best_score_per_query():
    scores = np.array([[0.1, 0.5], [0.3, 0.2], [0.9, -0.4]], np.float32)
    assert np.array_equal(
        best_per_query(scores, np.array([0, 0, 1]), 2), np.array([[0.3, 0.5], [0.9, -0.4]], np.float32)
    )


def test_an_item_gets_the_score_of_its_best_view():
    whole = [Match(1, 0.5), Match(2, 0.4)]
    part = [Match(2, 0.9), Match(3, 0.6)]
    found = merge_views([whole, part], [0.1, 0.2], 2)
    assert [(hit.id, hit.view, round(hit.score, 6)) for hit in found] == [(2, 1, 0.7), (1, 0, 0.4)]
    assert [hit.id for hit in merge_views([whole, part], [0.1, 0.2], 9)] == [2, 1, 3]


def test_the_same_whole_picture_comes_first():
    whole = [Match(7, 1.0), Match(8, 0.4)]
    part = [Match(8, 0.99), Match(7, 0.95)]
    found = merge_views([whole, part], [0.6, 0.1], 2)
    assert [(hit.id, hit.similarity, hit.view) for hit in found] == [(7, 1.0, 0), (8, 0.99, 1)]


def test_equal_scores_are_sorted_by_id():
    assert [hit.id for hit in merge_views([[Match(5, 0.5), Match(2, 0.5)], [Match(3, 0.5)]], [0.0, 0.0], 3)] == [
        2,
        3,
        5,
    ]


def units(rows, seed):
    values = np.random.default_rng(seed).normal(size=(rows, 8)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


@pytest.mark.parametrize("turned", [False, True])
def test_compare_finds_one_picture_within_the_other(turned):
    judge, picture, page_ = Judge(ScoreNormalisation(np.empty((0, 8), np.float32))), units(1, 1), units(3, 2)
    page_[2] = picture[0]
    given = (page_, picture) if turned else (picture, page_)
    penalties = tuple([0.0] + [PENALTY] * (len(one) - 1) for one in given)
    found = judge.compare(*given, penalties)
    assert (found.picture, found.view) == ((1, 2) if turned else (2, 2))
    assert found.judgement.similarity == pytest.approx(1.0)
    assert found.judgement.score == pytest.approx(1 - PENALTY)


def test_equal_pictures_are_compared_as_a_whole():
    judge, views = Judge(ScoreNormalisation(np.empty((0, 8), np.float32))), units(3, 3)
    found = judge.compare(views, views[:1], ([0.0, 0.06, 0.06], [0.0]), equal=True)
    assert (found.picture, found.view, found.judgement.verdict, found.judgement.similarity) == (1, 0, "exact", 1.0)


def test_a_picture_too_small_for_regions_still_has_views():
    assert len(views_of(Image.new("RGB", (8, 8)), "high")) == 4
