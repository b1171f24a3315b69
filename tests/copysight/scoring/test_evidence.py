"""Evidence and the verification of candidates: geometry decides, smooth pictures keep their score, shares shift."""

import math
from dataclasses import replace

import pytest

from copysight.errors import InvalidArgument
from copysight.matching.verification import prepare
from copysight.scoring import evidence, verified
from copysight.scoring.evidence import Evidence
from copysight.scoring.verified import Candidate
from tests.copysight.matching.conftest import textured_picture

FOUND = Evidence(0.0, 0.0, agreeing=60, agreement=0.98, cells=300)


def test_more_evidence_makes_a_copy_more_probable():
    nothing = Evidence(0.0, 0.0, keypoints=200)
    form = Evidence(0.0, 0.0, agreeing=60, agreement=0.4, cells=300)
    assert evidence.probability(nothing) < 0.05
    assert evidence.probability(form) < evidence.probability(FOUND)
    assert evidence.probability(FOUND) > 0.95


def test_the_assumed_share_shifts_the_log_odds():
    rare = Evidence(**{**vars(FOUND), "share": 0.02, "odds": FOUND.odds + math.log(0.02 / 0.98)})
    assert evidence.log_odds(rare) == pytest.approx(evidence.log_odds(FOUND) + math.log(0.02 / 0.98))


@pytest.mark.parametrize("odds", [-1e6, 1e6])
def test_certainty_stays_finite(odds):
    assert 0 <= evidence.probability(Evidence(odds, 0.0)) <= 1


def counting(pictures):
    """References by number, and the numbers that were asked for."""
    asked = []

    def reference(number):
        asked.append(number)
        return prepare(pictures[number]) if pictures[number] is not None else None

    return reference, asked


def test_the_copy_rises_above_the_strangers():
    pictures = [textured_picture(seed, 300) for seed in range(3)]
    crop = pictures[2].crop((40, 40, 240, 260))
    candidates = [Candidate(0.30, 0.96), Candidate(0.28, 0.95), Candidate(0.12, 0.3)]
    reference, _ = counting(pictures)
    found = verified.verify(candidates, verified.checking(lambda: prepare(crop), reference))
    assert [one.verified for one in found] == [True] * 3
    assert found[2].probability > 0.8
    assert max(found[0].probability, found[1].probability) < 0.05
    assert found[2].verification.reference.share == pytest.approx(200 * 220 / 300**2, abs=0.02)


@pytest.mark.parametrize(("mode", "expected"), [("auto", [0, 1]), ("always", [0, 1, 2]), ("never", [])])
def test_hopeless_candidates_are_verified_only_on_demand(mode, expected):
    reference, asked = counting([textured_picture(seed, 200) for seed in range(3)])
    candidates = [Candidate(0.15, 0.8), Candidate(0.1, 0.02), Candidate(0.0, 0.0005)]
    found = verified.verify(candidates, verified.checking(lambda: prepare(textured_picture(9, 200)), reference), mode)
    assert asked == expected
    assert [one.verified for one in found] == [number in expected for number in range(3)]
    assert found[2].probability == 0.0005 or mode == "always"


def test_finding_nothing_says_little_of_smooth_pictures():
    sure = Evidence(evidence.MAX_ODDS, 0.1)
    smooth, textured = (evidence.probability(replace(sure, keypoints=count)) for count in (0, 300))
    assert textured < 0.6 < 0.95 < smooth


def test_finding_nothing_in_textured_pictures_refutes_a_sure_score():
    assert evidence.probability(Evidence(evidence.MAX_ODDS, 0.1, keypoints=300)) < 0.1


def test_what_is_not_at_hand_keeps_the_probability_of_its_score():
    candidates = [Candidate(0.4, 0.8), Candidate(0.2, 0.4)]
    reference, _ = counting([None, None])
    query = textured_picture(1, 200)
    assert verified.verify(candidates, verified.checking(lambda: prepare(query), reference)) == verified.verify(
        candidates, verified.checking(lambda: None, reference)
    )


def test_verification_stops_when_its_time_is_over():
    reference, asked = counting([textured_picture(seed, 200) for seed in range(3)])
    candidates = [Candidate(0.3, 0.9)] * 3
    found = verified.verify(
        candidates, verified.checking(lambda: prepare(textured_picture(9, 200)), reference), budget=-1.0
    )
    assert asked == []
    assert [one.verified for one in found] == [False] * 3


def test_an_unknown_mode_is_refused():
    with pytest.raises(InvalidArgument, match="use one of auto, always, never"):
        verified.mode_of("sometimes")


def test_a_query_whose_best_candidate_is_hopeless_is_not_verified():
    reference, asked = counting([textured_picture(seed, 200) for seed in range(2)])
    candidates = [Candidate(0.0, 0.0009), Candidate(0.0, 0.0005)]
    found = verified.verify(candidates, verified.checking(lambda: prepare(textured_picture(9, 200)), reference))
    assert asked == []
    assert [one.probability for one in found] == [0.0009, 0.0005]


def test_more_agreement_never_makes_a_copy_less_probable():
    for margin in (-0.3, 0.0, 0.4):
        for agreeing in (5, 50, 300):
            rising = [
                evidence.log_odds(Evidence(0.0, margin, agreeing, share / 20, 200, keypoints=300))
                for share in range(21)
            ]
            assert rising == sorted(rising)


def test_once_the_copy_is_found_candidates_that_the_score_refutes_are_left_out():
    pictures = [textured_picture(seed, 300) for seed in range(4)]
    reference, asked = counting(pictures)
    candidates = [Candidate(0.6, 0.999), Candidate(0.2, 0.7), Candidate(0.02, 0.04), Candidate(0.01, 0.02)]
    query = pictures[0].crop((20, 20, 280, 290))
    found = verified.verify(candidates, verified.checking(lambda: prepare(query), reference))
    assert asked == [0, 1]
    assert found[0].probability > 0.9 > 0.05 > found[1].probability
    assert [one.verified for one in found] == [True, True, False, False]


def test_a_picture_that_the_collection_holds_twice_is_no_rival_of_itself():
    picture = textured_picture(0, 300)
    pictures = [picture, picture.resize((240, 240)), textured_picture(1, 300)]
    reference, _ = counting(pictures)
    candidates = [Candidate(0.61, 0.99), Candidate(0.6, 0.99), Candidate(0.1, 0.2)]
    query = picture.crop((20, 20, 280, 290))
    twice = verified.verify(candidates, verified.checking(lambda: prepare(query), reference))
    once = verified.verify(
        candidates[::2], verified.checking(lambda: prepare(query), lambda place: reference(2 * place))
    )
    assert min(twice[0].probability, twice[1].probability) > 0.9
    assert twice[0].probability == once[0].probability


def test_another_page_of_a_form_is_no_copy_even_if_it_is_compared_alone():
    form = Evidence(
        4.0,
        0.3,
        agreeing=66,
        agreement=0.95,
        closeness=0.9,
        cells=150,
        keypoints=150,
        places=8,
        unlike=0.1,
        differ=True,
    )
    assert evidence.probability(replace(form, alone=True)) < 0.5
    assert evidence.probability(replace(form, alone=True, differ=False)) == evidence.probability(form)


@pytest.mark.parametrize("agreeing", [0, 8, 60])
@pytest.mark.parametrize("keypoints", [0, 30, 300])
def test_a_higher_score_never_makes_a_copy_less_probable(agreeing, keypoints):
    """The score raises the odds and the margin together, also far below the best other candidate."""
    scores = [step / 20 for step in range(-16, 17)]
    found = [
        evidence.log_odds(
            Evidence(10 * score, score, agreeing=agreeing, agreement=0.5, cells=200, keypoints=max(keypoints, agreeing))
        )
        for score in scores
    ]
    assert found == sorted(found)
