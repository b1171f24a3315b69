"""Search the queries of a copy detection benchmark in its references, and measure scores, verification, calibration."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL.Image import Image as Picture

from copysight.pictures.scan import Entry
from copysight.scoring import calibrate, query_views
from copysight.scoring.calibration import UNVERIFIED, Calibration
from copysight.scoring.query_views import Effort, best_per_query
from copysight.scoring.verified import Mode
from copysight.vectors import representatives
from copysight.vectors.score_normalisation import ScoreNormalisation
from evaluation.copies import calibration, copydays_folder, isc, verification
from evaluation.copies.isc import Metrics, Truth
from evaluation.features.extract import Extractor, extract, map_pictures
from evaluation.metrics import reliability
from evaluation.metrics.reliability import Reliability
from evaluation.sources import read, scan

Float = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
MAX_BACKGROUND = 4000
SEED = 0
"""Seed of the sample and the edits that a calibration is fitted on."""


@dataclass(frozen=True)
class Benchmark:
    """A copy detection benchmark: folders or tar files of references and queries, and their ground truth.

    ``background``: pictures unlike all of these, used instead of the background of a bundle. ``share``: the assumed
    share of queries that have a copy.
    """

    references: Path
    queries: Path
    truth: Truth
    background: Path | None
    share: float


@dataclass(frozen=True)
class Embeddings:
    """Embeddings (N, D) of pictures, and their ids: the file names without suffix."""

    ids: tuple[str, ...]
    vectors: Float


@dataclass(frozen=True)
class EmbeddedQueries:
    """Embeddings (L, D) of the views of all queries; ``owners`` (L,): the query of a view; ``penalties`` (L,)."""

    ids: tuple[str, ...]
    vectors: Float
    owners: Ints
    penalties: Float


@dataclass(frozen=True)
class CalibrationResult:
    """A calibration fitted on edited copies of the references, and its reliability on the queries, also by kind."""

    calibration: Calibration
    reliability: Reliability
    kinds: Mapping[str, Reliability]


@dataclass(frozen=True)
class Result:
    """Metrics of the raw scores and, if there is a background, of the normalised scores and of the calibration.

    ``verified``: of the probabilities after verification. ``calibrated`` is then about these.
    """

    raw: Metrics
    normalized: Metrics | None = None
    verified: Metrics | None = None
    calibrated: CalibrationResult | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the keys ``raw``, ``normalized``, ``verified`` and ``calibration``, without those that are absent."""
        found: dict[str, Any] = {"raw": asdict(self.raw)}
        if self.normalized is not None:
            found["normalized"] = asdict(self.normalized)
        if self.verified is not None:
            found["verified"] = asdict(self.verified)
        if self.calibrated is not None:
            fitted = self.calibrated.calibration.to_json()
            found["calibration"] = asdict(self.calibrated.reliability) | {"fitted": fitted}
            found["calibration"]["kinds"] = {name: asdict(one) for name, one in self.calibrated.kinds.items()}
        return found


def measure(benchmark: Benchmark, extractor: Extractor, effort: Effort, verify: Mode = "never") -> Result:
    """Search every query in the references. Raises ``InvalidArgument`` if the ground truth does not fit them."""
    queries = embed_queries(extractor, benchmark.queries, effort)
    database = embed_pictures(extractor, benchmark.references, "references")
    benchmark.truth.check(queries.ids, database.ids)
    similarities = queries.vectors @ database.vectors.T - queries.penalties[:, None]
    best = best_per_query(similarities, queries.owners, len(queries.ids))
    raw = isc.measure(best, queries.ids, database.ids, benchmark.truth)
    normalisation = extractor.normalisation
    if benchmark.background is not None:
        vectors = embed_pictures(extractor, benchmark.background, "background", MAX_BACKGROUND).vectors
        normalisation = replace(normalisation or ScoreNormalisation(vectors), background=vectors)
    if normalisation is None:
        return Result(raw)
    kept = _entries(benchmark.references, database.ids)
    picture, rng, found = (lambda row: read(kept[row])), np.random.default_rng(SEED), None
    if len(database.ids) >= calibrate.MIN_PICTURES:  # as many as an index needs for a normalisation of its own
        if extractor.views is query_views.views_of:
            found = calibration.fit(extractor, database.vectors, normalisation, picture, rng, benchmark.share)
            normalisation = found.normalisation
        else:  # Self-calibration uses the query views of the service, so other views cannot be calibrated.
            normalisation = normalisation.within(representatives.choose(database.vectors))
    scores = best_per_query(normalisation.scores(similarities, queries.vectors), queries.owners, len(queries.ids))
    normalized = isc.measure(scores, queries.ids, database.ids, benchmark.truth)
    if found is None:
        return Result(raw, normalized)
    fitted = found.efforts[effort]
    probabilities, verified = fitted.probability(scores), None
    if verify != "never":
        asked = _entries(benchmark.queries, queries.ids)
        line = found.verified.line
        probabilities = verification.verify(scores, asked, kept, fitted, line, verify, extractor.at_least)
        verified = isc.measure(probabilities, queries.ids, database.ids, benchmark.truth)
    errors = _reliability(probabilities, queries.ids, database.ids, benchmark.truth)
    kinds = _by_kind(probabilities, queries.ids, database.ids, benchmark.truth)
    return Result(raw, normalized, verified, CalibrationResult(fitted, errors, kinds))


def whitened(extractor: Extractor, pictures: Path, centred: bool, dimensions: int | None) -> Extractor:
    """Return the extractor followed by a whitening learned from ``pictures``, cut to its first ``dimensions``."""
    fitted_whitening = copydays_folder.learn_whitening(scan(pictures).entries, extractor, centred).first(dimensions)
    known = extractor.normalisation
    normalisation = None if known is None else replace(known, background=fitted_whitening.apply(known.background))
    embed = lambda picture: fitted_whitening.apply(extractor.embed(picture)[None])[0]  # noqa: E731 - a named argument
    return replace(
        extractor,
        name=f"{extractor.name}, whitened",
        embed=embed,
        normalisation=normalisation,
        calibrations={},
        verified=UNVERIFIED,
    )


def embed_pictures(extractor: Extractor, pictures: Path, note: str, most: int | None = None) -> Embeddings:
    """Embed the pictures of a folder or tar file; if there are more than ``most``, evenly spaced ones."""
    entries: Sequence[Entry] = scan(pictures).entries
    if most is not None and len(entries) > most:
        entries = [entries[int(place)] for place in np.linspace(0, len(entries) - 1, most)]
    found = extract(entries, extractor, note)
    names = [PurePosixPath(entry.key).stem for entry, kept in zip(entries, found.kept, strict=True) if kept]
    return Embeddings(tuple(names), found.rows)


def embed_queries(extractor: Extractor, pictures: Path, effort: Effort) -> EmbeddedQueries:
    """Embed the views of the queries of a folder or tar file."""

    def embed_views(picture: Picture) -> tuple[Float, list[float]]:
        found = extractor.views(picture, effort)
        return np.stack([extractor.embed(one.pixels) for one in found]), [one.penalty for one in found]

    entries: Sequence[Entry] = scan(pictures).entries
    rows, kept = map_pictures(entries, extractor.at_least, embed_views, "queries")
    owners = np.repeat(np.arange(len(rows)), [len(vectors) for vectors, _ in rows])
    names = [PurePosixPath(entry.key).stem for entry, good in zip(entries, kept, strict=True) if good]
    penalties = np.concatenate([np.asarray(some, np.float32) for _, some in rows])
    return EmbeddedQueries(tuple(names), np.concatenate([vectors for vectors, _ in rows]), owners, penalties)


def _entries(pictures: Path, ids: Sequence[str]) -> list[Entry]:
    """The entries of a folder or tar file with these ids, in their order."""
    found = {PurePosixPath(entry.key).stem: entry for entry in scan(pictures).entries}
    return [found[name] for name in ids]


def _by_kind(
    probabilities: Floats, queries: Sequence[str], references: Sequence[str], truth: Truth
) -> dict[str, Reliability]:
    found = {}
    for kind in sorted(set(truth.kinds.values())):
        rows = [row for row, name in enumerate(queries) if truth.kinds.get(name) == kind]
        if rows:
            found[kind] = _reliability(probabilities[rows], [queries[row] for row in rows], references, truth)
    return found


def _reliability(probabilities: Floats, queries: Sequence[str], references: Sequence[str], truth: Truth) -> Reliability:
    """Compare the predicted probability of the best match of each query with whether that match is correct."""
    first = probabilities.argmax(axis=1)
    right = [references[int(place)] == truth.references[name] for place, name in zip(first, queries, strict=True)]
    return reliability.reliability(probabilities.max(axis=1), right)
