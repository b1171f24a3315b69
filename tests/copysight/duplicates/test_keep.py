"""Keep rules: each alone, in combination, and what they say."""

from dataclasses import replace

import pytest

from copysight.duplicates import keep
from copysight.duplicates.picture import Picture
from copysight.errors import InvalidArgument

PLAIN = Picture("b.jpg", "0" * 64, 100, 100, 1000, "JPEG", None, None, 1000.0)


def kept(rules, *pictures):
    return min(pictures, key=lambda one: keep.rank(one, keep.parse(rules)))


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("resolution", {"width": 200}),
        ("bytes", {"bytes": 2000}),
        ("format", {"format": "PNG"}),
        ("date", {"taken": "2020-01-01T10:00:00"}),
        ("camera", {"camera": "Nikon D50"}),
        ("path=best/*", {"path": "best/of/a.jpg"}),
        ("oldest", {"modified": 900.0}),
    ],
)
def test_each_rule_decides(rule, change):
    better = replace(PLAIN, path="zzz.jpg") if "path" not in change else PLAIN
    better = replace(better, **change)
    assert kept(rule, PLAIN, better) == better
    assert keep.reason(better, [PLAIN], keep.parse(rule)) != "first by name"


def test_a_later_rule_decides_ties_only():
    large, early = replace(PLAIN, path="l", width=300), replace(PLAIN, path="e", taken="1999-01-01T00:00:00")
    assert kept("resolution,date", large, early) == large
    assert kept("date,resolution", large, early) == early


def test_a_link_is_never_kept_before_a_file_and_the_shorter_path_wins_ties():
    link = replace(PLAIN, path="a", width=900, is_link=True)
    assert kept("resolution", link, PLAIN) == PLAIN
    assert kept("resolution", replace(PLAIN, path="b (1).jpg"), PLAIN) == PLAIN


@pytest.mark.parametrize("text", ["", "size", "path", "resolution=3", "path="])
def test_an_unknown_rule_is_refused_and_the_known_are_named(text):
    with pytest.raises(InvalidArgument, match="resolution"):
        keep.parse(text)
