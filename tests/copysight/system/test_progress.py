"""Progress off a terminal."""

from copysight.system.progress import watched


def test_lines_now_and_then(capsys):
    assert list(watched("abc", 3, "letters", every=0)) == ["a", "b", "c"]
    assert capsys.readouterr().err == "letters: 1 of 3\nletters: 2 of 3\nletters: 3 of 3\n"


def test_short_work_says_nothing(capsys):
    assert list(watched(iter(range(5)), 5, "numbers")) == [0, 1, 2, 3, 4]
    assert capsys.readouterr().err == ""
