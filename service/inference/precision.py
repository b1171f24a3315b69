"""Which precision answers queries: what is fastest depends on the processor, so it is measured where it runs."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

from PIL import Image

from copysight.errors import InvalidArgument
from copysight.model.bundle import LEAST_COSINE, Bundle
from copysight.model.embedder import Embedder

AUTO = "auto"
ROUNDS = 5
MARGIN = 0.9
"""Another precision than the index's own must take less than this share of its time: a tie is no reason to differ."""


@dataclass(frozen=True)
class Choice:
    """The precision of queries, its least cosine to that of the index, why, and the provider that runs it.

    ``milliseconds`` of processor time that each allowed precision took for one picture; empty if none was measured.
    """

    variant: str
    cosine: float
    why: str
    milliseconds: Mapping[str, float]
    provider: str


def choose(
    bundle: Bundle, made_with: str, wanted: str, provider: str, load: Callable[[str], Embedder]
) -> tuple[Choice, Embedder]:
    """The precision for queries against vectors of ``made_with``, and its model, which ``load`` makes.

    ``wanted`` is a precision or ``auto``. Raises ``InvalidArgument`` for one that is unknown or too far from the index.
    """
    cosines = allowed(bundle, made_with, provider)
    if wanted != AUTO:
        return Choice(wanted, _checked(cosines, wanted, bundle), "set", {}, provider), load(wanted)
    if len(cosines) == 1:
        [only] = cosines
        return Choice(only, cosines[only], "the only one", {}, provider), load(only)
    embedders = {variant: load(variant) for variant in cosines}
    times = measured(embedders, time.perf_counter if provider == "cuda" else time.thread_time)
    best = min(times, key=lambda variant: times[variant])
    best = best if made_with not in times or times[best] < MARGIN * times[made_with] else made_with
    return Choice(best, cosines[best], "the fastest here", times, provider), embedders[best]


def allowed(bundle: Bundle, made_with: str, provider: str) -> dict[str, float]:
    """Precisions of the embedding that may stand in for ``made_with``, with their least cosine to it.

    Between two that were both compared with fp32 alone, the angles may add up. 8 bits are for CPUs, unless the index
    leaves no choice.
    """
    variants = bundle.graphs[bundle.graph_of("embedding")].variants
    if made_with not in variants:
        return {made_with: 1.0}
    own = _angle(variants[made_with].cosine)
    cosines = {name: math.cos(min(math.pi, own + _angle(one.cosine))) for name, one in variants.items()}
    cosines[made_with] = 1.0
    good = {name: cosine for name, cosine in cosines.items() if cosine >= LEAST_COSINE}
    return {"fp32": good["fp32"]} if provider == "cuda" and "fp32" in good else good


def measured(embedders: Mapping[str, Embedder], clock: Callable[[], float]) -> dict[str, float]:
    """Milliseconds of one picture for each, in turns, the median; the first run of each does not count."""
    picture = Image.effect_mandelbrot((256, 256), (-2, -1.5, 1, 1.5), 50).convert("RGB")
    times: dict[str, list[float]] = {name: [] for name in embedders}
    for _ in range(ROUNDS + 1):
        for name, embedder in embedders.items():
            inputs = [embedder.prepare(picture)]
            began = clock()
            embedder.run(inputs)
            times[name].append((clock() - began) * 1e3)
    return {name: round(median(values[1:]), 3) for name, values in times.items()}


def _checked(cosines: Mapping[str, float], wanted: str, bundle: Bundle) -> float:
    if wanted not in cosines:
        raise InvalidArgument(
            f"got the variant {wanted!r}; the bundle {bundle.name!r} has {', '.join(sorted(cosines))} that come within "
            f"a cosine of {LEAST_COSINE} of the index's vectors; take one of these, or auto"
        )
    return cosines[wanted]


def _angle(cosine: float) -> float:
    return math.acos(max(-1.0, min(1.0, cosine)))
