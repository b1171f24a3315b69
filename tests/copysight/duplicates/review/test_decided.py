"""What was decided about pairs, and which picture was chosen; the latest choice counts."""

from copysight.catalog.curation.decisions import Decision
from copysight.duplicates.pair import Pair
from copysight.duplicates.review.decided import Decided


def decided(*given):
    return Decided.of(
        Decision(number, number, name, tuple(shas), 0.0, None) for number, (name, shas) in enumerate(given)
    )


def test_pairs_that_are_no_duplicates_are_apart_in_both_orders_and_others_are_not():
    found = decided(("not_duplicates", "ab"), ("keep_all", "cde"))
    assert [found.keeps_apart(*pair) for pair in ("ab", "ba", "ce", "de", "ac", "bc")] == [True] * 4 + [False] * 2


def test_equal_bytes_are_apart_only_if_two_items_of_them_were_decided_about():
    assert decided(("keep_all", "aab")).keeps_apart("a", "a")
    assert not decided(("keep_all", "ab")).keeps_apart("a", "a")


def test_the_latest_choice_counts():
    found = decided(("keep", "ab"), ("keep", "bac"))
    assert (found.is_chosen("a"), found.is_chosen("b"), found.is_chosen("c")) == (False, True, False)
    assert decided(("keep", "ab"), ("keep", "ac")).is_chosen("a")


def test_a_chosen_part_is_kept_before_its_whole():
    pairs = [Pair(0, 1, 0.95, "part", part=1)]
    assert decided(("keep", "ba")).pairs(pairs, ["a", "b"]) == [Pair(0, 1, 0.95, "part")]
    assert decided(("keep", "ab")).pairs(pairs, ["a", "b"]) == pairs
    assert decided(("not_duplicates", "ab")).pairs(pairs, ["a", "b"]) == []
