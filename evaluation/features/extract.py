"""Compute features of pictures with a bundle or with a simple baseline."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import click
import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight.errors import InvalidArgument, NoPictures
from copysight.model import bundle as bundles
from copysight.model.embedder import Embedder, Runtime
from copysight.pictures.scan import Entry, Failure
from copysight.scoring import judge
from copysight.scoring.calibration import UNVERIFIED, Calibration, VerifiedCalibration
from copysight.scoring.query_views import Effort, QueryView, views_of
from copysight.system.progress import with_progress
from copysight.vectors.score_normalisation import ScoreNormalisation
from evaluation.features import hashes
from evaluation.sources import current

Float = npt.NDArray[np.float32]
T = TypeVar("T")
SIDE = 32
BINS = 8
POWER = 4.0
"""Exponent of the generalised mean (GeM) of patches, as in DINO's copy detection (Caron et al. 2021, section 4.1)."""
PATCHES = ":patches"


@dataclass(frozen=True)
class Extractor:
    """A source of features: ``embed`` maps an RGB picture to (D,) float32, normally of length 1.

    ``at_least`` is the shortest side in pixels that it needs. ``normalisation``, ``calibrations`` and
    ``verified`` come from a bundle. ``views`` returns the query views of
    a picture.
    """

    name: str
    at_least: int
    embed: Callable[[Image.Image], Float]
    normalisation: ScoreNormalisation | None = None
    calibrations: Mapping[Effort, Calibration] = field(default_factory=dict)
    verified: VerifiedCalibration = UNVERIFIED
    views: Callable[[Image.Image, Effort], list[QueryView]] = views_of


@dataclass(frozen=True)
class Features:
    """Features ``rows`` (N', D) of the readable pictures; ``kept`` (N,) marks them among all given pictures."""

    rows: Float
    kept: npt.NDArray[np.bool_]


def load_extractor(source: str, variant: str = "fp32") -> Extractor:
    """Load a bundle (a folder, or ``default``) in one of its precisions, or a baseline by its name.

    Baselines are ``pixels``, ``colours``, ``phash``, ``pdq`` and ``pdq8`` (PDQ with each query in eight rotations and
    mirror images). ``BUNDLE:patches`` is the generalised mean of the patches of a bundle. Raises ``BundleError``.
    """
    if source == "pixels":
        return Extractor("pixels", SIDE, pixels)
    if source == "colours":
        return Extractor("colours", SIDE, colours)
    if source in hashes.BY_NAME:
        return Extractor(source, hashes.SIDE, hashes.BY_NAME[source])
    if source == "pdq8":
        return Extractor(
            source, hashes.SIDE, hashes.pdq, views=lambda picture, _: hashes.rotations_and_mirrors(picture)
        )
    if source.endswith(PATCHES):
        bundle = bundles.load(source.removesuffix(PATCHES))
        return Extractor(f"{bundle.name}{PATCHES}", bundle.at_least, _patches(Embedder(bundle)))
    bundle = bundles.load(source)
    embedder = Embedder(bundle, Runtime(variant=variant))
    normalisation = bundle.score_normalisation() if bundle.background is not None else None
    fitted = judge.Judge.of(bundle)
    embed = lambda picture: embedder.embed([picture])[0]  # noqa: E731 - a named argument
    return Extractor(bundle.name, bundle.at_least, embed, normalisation, fitted.calibrations, fitted.verified)


def extract(entries: Sequence[Entry], extractor: Extractor, note: str) -> Features:
    """Compute the features of all pictures that can be read. Raises ``NoPictures`` if none can be read.

    Raises ``InvalidArgument`` if features are not finite: figures made of them would mean nothing.
    """
    check_finite(extractor)
    found, kept = map_pictures(entries, extractor.at_least, extractor.embed, note)
    rows = np.stack(found)
    if bad := int((~np.isfinite(rows).all(axis=1)).sum()):
        raise not_finite(extractor.name, f"for {bad} of {len(rows)} pictures of {note}")
    return Features(rows, kept)


def check_finite(extractor: Extractor) -> None:
    """Raise ``InvalidArgument`` if the features of a drawn picture are not finite, before any picture is read."""
    ramp = np.linspace(0, 255, 96 * 128 * 3).astype(np.uint8).reshape(96, 128, 3)
    picture = Image.fromarray(ramp).resize((4 * extractor.at_least // 3 + 1, extractor.at_least + 1))
    if not np.isfinite(extractor.embed(picture)).all():
        raise not_finite(extractor.name, "for a plain picture")


def not_finite(name: str, where: str) -> InvalidArgument:
    """The error for features with NaN or infinity."""
    return InvalidArgument(
        f"{name} gives features with NaN or infinity {where}; its training diverged, use a bundle of an earlier "
        "checkpoint"
    )


def map_pictures(
    entries: Sequence[Entry], at_least: int, function: Callable[[Image.Image], T], note: str
) -> tuple[list[T], npt.NDArray[np.bool_]]:
    """Apply ``function`` to all readable pictures in threads; return the results and a mask (N,) of these pictures.

    A picture that cannot be read is reported on stderr and skipped. Raises ``NoPictures`` if none can be read.
    """
    sources = current()

    def one(entry: Entry) -> T | Failure:
        picture = entry.decode(sources.options.limits, at_least)
        if not isinstance(picture, Failure):
            return function(picture.pixels)
        click.echo(f"skipped {picture.key}: {picture.detail}", err=True)
        return picture

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        found = list(with_progress(pool.map(one, entries), len(entries), note))
    failed = {entry: one for entry, one in zip(entries, found, strict=True) if isinstance(one, Failure)}
    sources.failures |= failed
    if len(failed) == len(entries):
        raise NoPictures(f"none of the {len(entries)} pictures of {note} can be read; see the lines above")
    made = [one for one in found if not isinstance(one, Failure)]
    return made, np.array([not isinstance(one, Failure) for one in found])


def pixels(picture: Image.Image) -> Float:
    """Return the picture at 32 x 32 pixels minus its mean: (3072,), length 1."""
    small = np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR), np.float32).ravel()
    return _unit(small - small.mean())


def colours(picture: Image.Image) -> Float:
    """Return the square roots of a histogram of 8 x 8 x 8 colours: (512,), length 1."""
    values = np.asarray(picture.resize((4 * SIDE, 4 * SIDE), Image.Resampling.BILINEAR)).reshape(-1, 3) // (256 // BINS)
    numbers = values.astype(np.int64) @ np.array([BINS * BINS, BINS, 1])
    return _unit(np.sqrt(np.bincount(numbers, minlength=BINS**3)).astype(np.float32))


def _patches(embedder: Embedder) -> Callable[[Image.Image], Float]:
    def embed(picture: Image.Image) -> Float:
        patches = embedder.run([embedder.prepare(picture, ("patches",))], ("patches",)).patches
        if patches is None:
            raise embedder.bundle.missing("patches")
        return _unit(np.power(patches[0].clip(1e-6), POWER).mean(axis=0) ** (1 / POWER))

    return embed


def _unit(vector: Float) -> Float:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12), np.float32)
