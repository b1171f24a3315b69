"""``/m/…``: look up pictures and signals in lists, compare signals, and the state of the index, in HMA's shapes."""

from typing import Any

import numpy as np
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from copysight.errors import InvalidArgument
from copysight.matching import pdq
from service.hma import lookup, signals
from service.hma.facade import Facade
from service.hma.signals import COPYSIGHT, PDQ
from service.intake import uploads
from service.intake.url_fetch import Url
from service.queries import search_answers
from service.queries.inference import PictureFeatures
from service.routes.scopes import READ_LENIENT, key_name
from service.runtime import threads

router = APIRouter(prefix="/m", tags=["hma"])
BANKS = Query(None, description="Only these lists, separated by commas.")


@router.get("/lookup", dependencies=[READ_LENIENT])
async def by_url_or_signal(
    request: Request,
    url: str | None = None,
    content_type: str | None = None,
    types: str | None = None,
    signal: str | None = None,
    signal_type: str | None = None,
    banks: str | None = BANKS,
    seed: str | None = None,
    bypass_coinflip: bool = False,
) -> Response:
    """The matching contents by list, for a signal; for a `url`, by signal type and list."""
    facade: Facade = request.app.state.hma
    if url:
        signals.check_content(content_type)
        kinds = signals.wanted(types if signal_type is None else signal_type)
        features = await facade.features(Url(url))
        found = await _by_type(request, features, tuple(kinds), banks, seed, bypass_coinflip)
        return search_answers.json(found if signal_type is None else found[signal_type])
    if not signal or not signal_type:
        raise InvalidArgument("got no `url`, and not both of `signal` and `signal_type`; send one or the others")
    signals.check_type(signal_type)
    answer = await threads.run(
        facade.state.searchers, _by_signal, facade, signal_type, signal, _names(banks), seed, bypass_coinflip
    )
    return search_answers.json(answer)


@router.post("/lookup", dependencies=[READ_LENIENT])
async def by_file(
    request: Request,
    types: str | None = None,
    banks: str | None = BANKS,
    seed: str | None = None,
    bypass_coinflip: bool = False,
) -> Response:
    """The matching contents of a picture in the multipart field `photo`, by signal type and list."""
    facade: Facade = request.app.state.hma
    data, _ = await uploads.photo(request, facade.state.settings, signals.CONTENT_TYPE)
    kinds = tuple(signals.wanted(types))
    features = await facade.features(data)
    return search_answers.json(await _by_type(request, features, kinds, banks, seed, bypass_coinflip))


@router.get("/raw_lookup", dependencies=[READ_LENIENT])
async def raw(
    request: Request,
    signal: str = Query(),
    signal_type: str = Query(),
    banks: str | None = BANKS,
    include_distance: bool = False,
) -> Response:
    """The ids of all contents that match a signal, also of those that are off; on request with distances."""
    facade: Facade = request.app.state.hma
    signals.check_type(signal_type)
    found = await threads.run(facade.state.searchers, _raw, facade, signal_type, signal, _names(banks))
    matches = [one.to_json() if include_distance else one.content.id for one in found]
    return search_answers.json({"matches": matches})


@router.post("/compare", dependencies=[READ_LENIENT])
async def compare(request: Request, pairs: dict[str, Any]) -> Response:
    """For each signal type, whether two signals match, and their distance."""
    bundle = (await request.app.state.copysight.query_context()).snapshot.bundle
    answer: dict[str, Any] = {}
    for kind, pair in pairs.items():
        signals.check_type(kind)
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(one, str) for one in pair):
            raise InvalidArgument(f"got no list of two signals for {kind!r}")
        if kind == PDQ:
            bits = int(pdq.distances(pdq.check(pair[0]), pdq.words([pdq.check(pair[1])]))[0])
            answer[kind] = [bits <= pdq.CONFIDENT, {"distance": bits}]
        else:
            one, other = (signals.decode(text, bundle) for text in pair)
            judged = request.app.state.copysight.index.snapshot().judge.compare(one, other, ([0.0], [0.0])).judgement
            answer[kind] = [judged.verdict == "copy", {"distance": round(1 - (judged.probability or 0.0), 4)}]
    return search_answers.json(answer)


@router.get("/index/status", dependencies=[READ_LENIENT])
async def status(request: Request, signal_type: str | None = None) -> Response:
    """The number of contents that can be matched, by signal type. They are always up to date."""
    facade: Facade = request.app.state.hma
    kinds = signals.TYPES if signal_type is None else (signals.check_type(signal_type),)
    found = await sizes(request)
    built = int(facade.state.index.catalog.moderation.clock())
    return search_answers.json(
        {kind: {"present": True, "built_to": built if found[kind] else -1, "size": found[kind]} for kind in kinds}
    )


async def sizes(request: Request) -> dict[str, int]:
    """The number of contents by signal type."""
    facade: Facade = request.app.state.hma
    return await threads.run(facade.state.searchers, _sizes, facade)


def _names(banks: str | None) -> frozenset[str] | None:
    return frozenset(banks.split(",")) if banks else None


async def _by_type(
    request: Request,
    features: PictureFeatures,
    kinds: tuple[str, ...],
    banks: str | None,
    seed: str | None,
    everything: bool,
) -> dict[str, Any]:
    facade: Facade = request.app.state.hma
    hashes = await facade.hashes(features, tuple(kind for kind in kinds if kind == PDQ))

    def looked_up() -> dict[str, Any]:
        current, names = _current(facade), _names(banks)
        found: dict[str, list[lookup.Found]] = {}
        for kind in kinds:
            if kind == COPYSIGHT:
                found[kind] = lookup.by_picture(facade.state, current, features, names, key_name(request))
            elif hashes[kind]:
                found[kind] = lookup.by_signal(facade.state, facade.pdq, current, kind, hashes[kind], names)
        return {kind: lookup.by_bank(facade.state, current, found.get(kind, ()), seed, everything) for kind in kinds}

    return await threads.run(facade.state.searchers, looked_up)


def _by_signal(
    facade: Facade, kind: str, signal: str, banks: frozenset[str] | None, seed: str | None, everything: bool
) -> dict[str, Any]:
    current = _current(facade)
    found = lookup.by_signal(facade.state, facade.pdq, current, kind, signal, banks)
    return lookup.by_bank(facade.state, current, found, seed, everything)


def _raw(facade: Facade, kind: str, signal: str, banks: frozenset[str] | None) -> list[lookup.Found]:
    return lookup.by_signal(facade.state, facade.pdq, _current(facade), kind, signal, banks)


def _current(facade: Facade) -> Any:
    return facade.state.rules.current(facade.state.index.snapshot())


def _sizes(facade: Facade) -> dict[str, int]:
    names = [one.list.name for one in facade.state.index.catalog.moderation.lists()]
    counts = facade.state.index.catalog.collections()
    return {PDQ: facade.pdq.size(names), COPYSIGHT: int(np.sum([counts.get(name, 0) for name in names]))}
