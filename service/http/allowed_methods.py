"""Find all routes of a path, so that HEAD, 405 and ``Allow`` cover every method.

FastAPI's router matches one route at a time, and its 405 lists only that route's methods.
"""

from collections.abc import Iterable

from starlette.routing import Match, Route
from starlette.types import Scope

from service.http.forwarded import route_path


class AllowedMethods:
    """Routes grouped by path."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._plain: dict[str, list[Route]] = {}
        self._patterns: list[Route] = []
        for route in routes:
            if "{" in route.path:
                self._patterns.append(route)
            else:
                self._plain.setdefault(route.path, []).append(route)

    def routes_of(self, scope: Scope) -> list[Route]:
        """The routes of a request's path, for any method."""
        plain = self._plain.get(route_path(scope))
        return plain or [route for route in self._patterns if route.matches(scope)[0] is not Match.NONE]
