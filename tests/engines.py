"""Run tests of the catalog on every engine: one contract, SQLite and PostgreSQL.

A `conftest.py` that imports ``engine`` and ``pytest_generate_tests`` runs each of its tests on both. A test that is
about one engine alone says so with `only`.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

ENGINES = ("sqlite", "postgresql")


def only(*engines: str) -> Callable[[Any], Any]:
    """A test of what some engines do alone."""

    def mark(function: Any) -> Any:
        function.engines = engines
        return function

    return mark


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each test its engines: those of `only`, of the name ENGINES in its module, or all."""
    if "engine" in metafunc.fixturenames:
        engines = getattr(metafunc.function, "engines", getattr(metafunc.module, "ENGINES", ENGINES))
        metafunc.parametrize("engine", engines, indirect=True, scope="module")


@pytest.fixture(scope="module", autouse=True)
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """The engine of new catalogs: what COPYSIGHT_CATALOG says."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "postgresql":
            patch.setenv("COPYSIGHT_CATALOG", request.getfixturevalue("postgresql").url)
        else:
            patch.delenv("COPYSIGHT_CATALOG", raising=False)
        yield request.param
