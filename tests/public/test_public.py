"""What was public before still answers: calls, fields, commands, options, metrics, settings, names and codes."""

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
    """What ``before`` has and ``after`` has not; lists are sets of names."""
    if isinstance(before, dict):
        return [one for name in before for one in missing(before[name], after.get(name), f"{place} · {name}")]
    if after is None:
        return [place]
    return [f"{place} · {name}" for name in before if name not in after]


@pytest.mark.parametrize("name", ["calls", "commands", "metrics", "names", "problems", "settings"])
def test_nothing_public_is_gone(now, name):
    before = json.loads((surface.SNAPSHOTS / f"{name}.json").read_text())
    assert before
    assert not missing(before, now[name], name)


@pytest.mark.parametrize("name", ["calls", "commands", "metrics", "names", "problems", "settings"])
def test_the_snapshot_holds_what_is_new(now, name):
    """So that the next change is compared with all of today: ``python -m tests.public.surface`` writes it anew."""
    before = json.loads((surface.SNAPSHOTS / f"{name}.json").read_text())
    assert not missing(now[name], before, name)
