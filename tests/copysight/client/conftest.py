"""A real server for the client."""

from tests.service.conftest import index, origin, pictures, shared  # noqa: F401
