"""What a yardstick prints."""

import json

from evaluation.report import table, to_json


def test_a_figure_that_does_not_exist_is_null():
    report = {"results": [{"map": float("nan"), "k": 5}], "scales": (1.0, float("inf"))}
    assert json.loads(to_json(report)) == {"results": [{"map": None, "k": 5}], "scales": [1.0, None]}


def test_numbers_stand_right():
    assert table(("name", "k"), [["a", 5], ["long", 100]]).splitlines() == ["name    k", "a       5", "long  100"]
