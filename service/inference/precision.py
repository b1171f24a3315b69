"""Choose the precision of the model for queries by measuring it, because the fastest one depends on the processor."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

from PIL import Image

from copysight.errors import InvalidArgument
from copysight.model.bundle import MIN_COSINE, Bundle
from copysight.model.embedder import Embedder

AUTO = "auto"
ROUNDS = 5
MARGIN = 0.9
"""A precision other than the index's own is chosen only if it takes less than this share of the own one's time."""


@dataclass(frozen=True)
class Choice:
    """The precision of queries, its minimum cosine to the index's precision, the reason, and the execution provider.

    ``milliseconds``: processor time of one picture for each allowed precision; empty if none was measured.
    """

    variant: str
    cosine: float
    why: str
    milliseconds: Mapping[str, float]
    provider: str


def choose(
    bundle: Bundle, index_variant: str, wanted: str, provider: str, load: Callable[[str], Embedder]
) -> tuple[Choice, Embedder]:
    """Choose the precision of queries against vectors of the precision ``index_variant``; ``load`` loads its model.

    ``wanted`` is a precision or ``auto``. Raises ``InvalidArgument`` for one that is unknown, or whose vectors are too
    far from those of the index.
    """
    cosines = allowed(bundle, index_variant, provider)
    if wanted != AUTO:
        return Choice(wanted, _checked(cosines, wanted, bundle), "set", {}, provider), load(wanted)
    if len(cosines) == 1:
        [only] = cosines
        return Choice(only, cosines[only], "the only one", {}, provider), load(only)
    embedders = {variant: load(variant) for variant in cosines}
    times = measured(embedders, time.perf_counter if provider == "cuda" else time.thread_time)
    best = min(times, key=lambda variant: times[variant])
    best = best if index_variant not in times or times[best] < MARGIN * times[index_variant] else index_variant
    return Choice(best, cosines[best], "the fastest here", times, provider), embedders[best]


def allowed(bundle: Bundle, index_variant: str, provider: str) -> dict[str, float]:
    """Precisions whose embeddings may replace those of ``index_variant``, with their minimum cosine to it.

    The bundle states cosines to fp32. Between two other precisions the angles add up in the worst case. 8 bits are for
    CPUs: a GPU uses fp32 if it is close enough to the index.
    """
    variants = bundle.graphs[bundle.graph_of("embedding")].variants
    if index_variant not in variants:
        return {index_variant: 1.0}
    own = _angle(variants[index_variant].agreement)
    cosines = {name: math.cos(min(math.pi, own + _angle(one.agreement))) for name, one in variants.items()}
    cosines[index_variant] = 1.0
    good = {name: cosine for name, cosine in cosines.items() if cosine >= MIN_COSINE}
    return {"fp32": good["fp32"]} if provider == "cuda" and "fp32" in good else good


def measured(embedders: Mapping[str, Embedder], clock: Callable[[], float]) -> dict[str, float]:
    """Median milliseconds of one picture for each precision. They take turns; the first run of each is a warm-up."""
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
            f"got the variant {wanted!r}; the variants of the bundle {bundle.name!r} with a cosine of at least "
            f"{MIN_COSINE} to the index's vectors are {', '.join(sorted(cosines))}; use one of these, or auto"
        )
    return cosines[wanted]


def _angle(cosine: float) -> float:
    return math.acos(max(-1.0, min(1.0, cosine)))
