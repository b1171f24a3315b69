"""Every test of the catalog runs on every engine."""

from tests.engines import engine, pytest_generate_tests

__all__ = ["engine", "pytest_generate_tests"]
