"""A real server for the client."""

from tests.service.conftest import index, pictures, shared  # noqa: F401
