"""Output of evaluations as a table and as JSON."""

import json

from evaluation.report import table, to_json


def test_numbers_that_are_not_finite_become_null():
    report = {"results": [{"map": float("nan"), "k": 5}], "scales": (1.0, float("inf"))}
    assert json.loads(to_json(report)) == {"results": [{"map": None, "k": 5}], "scales": [1.0, None]}


def test_numbers_are_right_aligned():
    assert table(("name", "k"), [["a", 5], ["long", 100]]).splitlines() == ["name    k", "a       5", "long  100"]
