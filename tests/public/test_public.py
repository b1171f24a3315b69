"""Compare the public interface with its snapshot: HTTP calls, commands, metrics, settings, names, error codes."""

import json

import pytest

from tests.public import surface
from tests.service.conftest import serving


@pytest.fixture(scope="module")
def openapi(tmp_path_factory, tiny_bundle):
    with serving(tmp_path_factory.mktemp("public") / "index", bundle=tiny_bundle.path) as server:
        return server.http.get("/openapi.json").json()


@pytest.fixture(scope="module")
def now(openapi):
    return surface.everything(openapi)


def missing(before, after, place):
    """List what is in ``before`` but not in ``after``. Lists are compared as sets of names."""
    if isinstance(before, dict):
        return [one for name in before for one in missing(before[name], after.get(name), f"{place} · {name}")]
    if after is None:
        return [place]
    return [f"{place} · {name}" for name in before if name not in after]


@pytest.mark.parametrize("name", ["calls", "commands", "metrics", "names", "problems", "settings"])
def test_nothing_public_was_removed(now, name):
    before = json.loads((surface.SNAPSHOTS / f"{name}.json").read_text())
    assert before
    assert not missing(before, now[name], name)


@pytest.mark.parametrize("name", ["calls", "commands", "metrics", "names", "problems", "settings"])
def test_the_snapshot_is_complete(now, name):
    """If something public was added, run ``python -m tests.public.surface`` to write the snapshots again."""
    before = json.loads((surface.SNAPSHOTS / f"{name}.json").read_text())
    assert not missing(now[name], before, name)
