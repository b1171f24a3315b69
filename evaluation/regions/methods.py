"""Methods that find a reference in a copy: ours, OpenCV's plain recipe, and the ``perception`` package."""

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from copysight.matching import verification
from copysight.matching.verification import Prepared
from copysight.pictures.polygon import FRAME, Matrix, intersection, mapped

Picture = Image.Image
MIN_AGREEING, MIN_AGREEMENT = 8, 0.6
"""Agreeing keypoints and agreement of the cells from which on a match of ours counts as verified here."""
RATIO, MIN_MATCHES, TOLERANCE = 0.7, 10, 5.0
"""Of OpenCV's tutorial "Feature Matching + Homography": ratio test, matches needed, pixels of RANSAC."""
PERCEPTION_SIDE = 256
"""The package reduces pictures to this longest side."""
PERCEPTION_KEYPOINTS = 10
"""The package describes no picture with fewer."""


@dataclass(frozen=True)
class Found:
    """What both pictures share: corners (C, 2) as shares of the sides of each. ``verified``: the method is sure."""

    in_copy: Matrix
    in_reference: Matrix
    verified: bool


@dataclass(frozen=True)
class Method:
    """``prepare`` is called once for each RGB picture, ``find`` with a prepared copy and a prepared reference."""

    prepare: Callable[[Picture], Any]
    find: Callable[[Any, Any], Found | None]


def methods() -> dict[str, Method]:
    """All methods that are installed, by name."""
    found = {"copysight": Method(verification.prepare, _verify), "opencv": Method(_sift, _match_sift)}
    package = _perception()
    if package is not None:
        hasher = package.SIFT()
        found["perception"] = Method(
            lambda picture: _describe(hasher, picture), lambda copy, reference: _validate(hasher, copy, reference)
        )
    return found


def _verify(copy: Prepared, reference: Prepared) -> Found | None:
    found = verification.verify(copy, reference)
    if found is None:
        return None
    verified = found.agreeing >= MIN_AGREEING and found.alignment.agreement > MIN_AGREEMENT
    return Found(found.query.polygon, found.reference.polygon, verified)


@dataclass(frozen=True)
class _Sift:
    """Keypoints of a picture of ``size`` (width, height): ``points`` (N, 2) in pixels, ``descriptors`` (N, 128)."""

    size: tuple[int, int]
    points: npt.NDArray[np.float32]
    descriptors: npt.NDArray[np.float32]


def _sift(picture: Picture) -> _Sift:
    keypoints, descriptors = cv2.SIFT.create().detectAndCompute(np.asarray(picture.convert("L")), None)
    points = np.array([point.pt for point in keypoints], np.float32).reshape(-1, 2)
    return _Sift(picture.size, points, np.asarray([] if descriptors is None else descriptors, np.float32))


def _match_sift(copy: _Sift, reference: _Sift) -> Found | None:
    if min(len(copy.points), len(reference.points)) < 2:
        return None
    nearest = cv2.BFMatcher().knnMatch(reference.descriptors, copy.descriptors, k=2)
    good = [first for first, second in nearest if first.distance < RATIO * second.distance]
    if len(good) <= MIN_MATCHES:
        return None
    before = reference.points[[match.queryIdx for match in good]]
    after = copy.points[[match.trainIdx for match in good]]
    transform, _ = cv2.findHomography(before, after, cv2.RANSAC, TOLERANCE)
    if transform is None:
        return None
    scale = np.diag([1 / copy.size[0], 1 / copy.size[1], 1])
    return _outlined(np.asarray(scale @ transform @ np.diag([*reference.size, 1.0]), np.float64))


def _outlined(transform: Matrix) -> Found | None:
    """The outlines that a transform from reference to copy gives, in shares; None if it folds the reference."""
    frame = np.array(FRAME)
    horizon = frame @ transform[2, :2] + transform[2, 2]
    if not (horizon > 0).all() and not (horizon < 0).all():
        return None
    in_copy = intersection(mapped(transform, frame), frame)
    if len(in_copy) < 3 or abs(np.linalg.det(transform)) < 1e-12:
        return None
    return Found(in_copy, mapped(np.asarray(np.linalg.inv(transform), np.float64), in_copy), True)


def _perception() -> ModuleType | None:
    """The module of the package, which is no dependency of this project and needs ``approximate-deduplication``."""
    if importlib.util.find_spec("perception") is None:
        return None
    return importlib.import_module("perception.local_descriptor_deduplication")


@dataclass(frozen=True)
class _Described:
    """What the package computes of a picture, and the matrix (3, 3) from its pixels to shares of the whole picture."""

    descriptors: dict[str, Any]
    to_shares: Matrix


def _describe(hasher: Any, picture: Picture) -> _Described | None:
    """Descriptors as the package makes them of a file: without borders, reduced."""
    sides = importlib.import_module("perception.hashers.tools").unletterbox(np.asarray(picture))
    if sides is None:
        return None
    (left, right), (top, bottom) = sides
    inner = picture.crop((left, top, right, bottom))
    scale = min(1.0, PERCEPTION_SIDE / max(inner.size))
    small = inner.resize((max(1, int(inner.width * scale)), max(1, int(inner.height * scale))))
    keypoints, found = hasher.compute(np.asarray(small))
    if found is None or len(found) < PERCEPTION_KEYPOINTS:
        return None
    points = np.array([point.pt for point in keypoints], np.float32)
    across, along = inner.width / small.width, inner.height / small.height
    whole = np.diag([1 / picture.width, 1 / picture.height, 1]) @ np.array(
        [[across, 0, left], [0, along, top], [0, 0, 1]]
    )
    return _Described({"keypoints": points, "descriptors": found, "dimensions": small.size}, whole)


def _validate(hasher: Any, copy: _Described | None, reference: _Described | None) -> Found | None:
    """The package returns matched points, not its transform: the homography of these points gives the outlines."""
    if copy is None or reference is None:
        return None
    verified, stats = hasher.validate_match(copy.descriptors, reference.descriptors)
    if not verified:
        return None
    after, before = (np.array(stats[f"final_matched_{side}_pts"], np.float32) for side in "ab")
    transform, _ = cv2.findHomography(before, after)
    if transform is None:
        return None
    return _outlined(np.asarray(copy.to_shares @ transform @ np.linalg.inv(reference.to_shares), np.float64))
