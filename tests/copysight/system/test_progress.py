"""Progress lines when stderr is not a terminal."""

from copysight.system.progress import with_progress


def test_a_line_per_interval(capsys):
    assert list(with_progress("abc", 3, "letters", interval=0)) == ["a", "b", "c"]
    assert capsys.readouterr().err == "letters: 1 of 3\nletters: 2 of 3\nletters: 3 of 3\n"


def test_short_work_prints_nothing(capsys):
    assert list(with_progress(iter(range(5)), 5, "numbers")) == [0, 1, 2, 3, 4]
    assert capsys.readouterr().err == ""
