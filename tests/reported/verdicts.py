"""The table at the end of a run: row, case and verdict of each test of a public bug report.

A test carries ``@pytest.mark.reported("P6")``, the row of the list of reports; its name says what a user would say.
The row travels with the test's report, so that the table is complete when several processes run the tests.
"""

import pytest

PROPERTY = "reported"


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Verdicts())


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for mark in item.iter_markers("reported"):
            case = item.name.removeprefix("test_").replace("_", " ")
            item.user_properties.append((PROPERTY, f"{mark.args[0]} {case}"))


class Verdicts:
    """What became of each case. A case is as good as the worst phase of its test."""

    def __init__(self) -> None:
        self.verdicts: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            verdict = {"passed": "right", "failed": "WRONG"}.get(report.outcome, report.outcome)
            self.verdicts |= {case: verdict for name, case in report.user_properties if name == PROPERTY}

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.verdicts:
            terminalreporter.section("reported cases")
            for case in sorted(self.verdicts, key=_order):
                row, name = case.split(" ", 1)
                terminalreporter.line(f"{row:4} {self.verdicts[case]:6} {name}")


def _order(case: str) -> tuple[str, int, str]:
    row = case.split(" ", 1)[0]
    return row[:1], int("".join(letter for letter in row if letter.isdigit()) or 0), case
