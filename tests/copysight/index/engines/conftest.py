"""One contract: generations in files, in milvus-lite and in Milvus, each with the catalog on SQLite and PostgreSQL."""

from collections.abc import Iterator

import pytest

from copysight.index.generations.engines.milvus.address import VARIABLE
from tests.engines import engine, pytest_generate_tests

__all__ = ["engine", "pytest_generate_tests"]

REMOTE = ["milvus_lite", pytest.param("milvus", marks=pytest.mark.cluster)]


@pytest.fixture(scope="module", params=["files", *REMOTE], autouse=True)
def vectors(request: pytest.FixtureRequest) -> Iterator[str]:
    """The engine of new generations: what COPYSIGHT_VECTORS says."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "files":
            patch.delenv(VARIABLE, raising=False)
        else:
            patch.setenv(VARIABLE, request.getfixturevalue(request.param).url)
        yield request.param
