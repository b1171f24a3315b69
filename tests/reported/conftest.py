"""Cases from public bug reports of such systems. ``pytest tests/reported`` ends with a table: row, case, verdict.

A test carries ``@pytest.mark.reported("P6")``, the row of the list of reports; its name says what a user would say.
"""

from collections.abc import Iterator

import pytest

ROWS = pytest.StashKey[dict[str, tuple[str, str]]]()
VERDICTS = pytest.StashKey[dict[str, str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ROWS] = {}
    config.stash[VERDICTS] = {}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        for mark in item.iter_markers("reported"):
            config.stash[ROWS][item.nodeid] = (str(mark.args[0]), item.name.removeprefix("test_").replace("_", " "))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if item.nodeid in item.config.stash[ROWS] and (report.when == "call" or report.outcome != "passed"):
        item.config.stash[VERDICTS][item.nodeid] = {"passed": "right", "failed": "WRONG"}.get(
            report.outcome, report.outcome
        )
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows, verdicts = config.stash[ROWS], config.stash[VERDICTS]
    done = sorted((_order(rows[node][0]), *rows[node], verdicts[node]) for node in verdicts)
    if done:
        terminalreporter.section("reported cases")
        for _, row, name, verdict in done:
            terminalreporter.line(f"{row:4} {verdict:6} {name}")


def _order(row: str) -> tuple[str, int]:
    return row[:1], int("".join(letter for letter in row if letter.isdigit()) or 0)
