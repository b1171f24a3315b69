"""Local features of a picture: SIFT keypoints with RootSIFT descriptors, and those of its mirror image.

Sources: Lowe 2004 (SIFT); Arandjelović and Zisserman 2012, section 3 (RootSIFT). The detector is OpenCV's.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

Bytes = npt.NDArray[np.uint8]
Float = npt.NDArray[np.float32]

# Pictures are small here, and the callers have threads of their own, with which more threads would compete.
cv2.setNumThreads(1)

SIDE = 320
"""Pictures are reduced so that their longer side has at most this many pixels; smaller ones are not enlarged."""
MIN_SIDE = 8
"""A shorter side is stretched to this many pixels, because the detector fails on strips."""
KEYPOINTS = 400
CONTRAST = 0.02
"""Contrast threshold of the detector (Lowe: 0.03 to 0.04), lower because blurred copies are to be found too."""
SCALE = 512.0
"""A RootSIFT descriptor has the length 1; it is stored as round(512 x), at most 255, in one byte a number."""


@dataclass(frozen=True)
class Features:
    """The keypoints of a picture whose pixels are ``width`` x ``height`` at the size at which they were found.

    ``points`` (N, 2): x and y in pixels. ``scales`` (N,): diameters in pixels. ``angles`` (N,): degrees, clockwise from
    the x axis. ``descriptors`` (N, 128): RootSIFT in bytes, see ``SCALE``.
    """

    width: int
    height: int
    points: Float
    scales: Float
    angles: Float
    descriptors: Bytes

    def __len__(self) -> int:
        return len(self.points)

    @property
    def bytes(self) -> int:
        """Memory of the arrays."""
        return self.points.nbytes + self.scales.nbytes + self.angles.nbytes + self.descriptors.nbytes

    def mirrored(self) -> "Features":
        """The features of the mirror image (left and right swapped), derived without a second detection.

        A keypoint's frame is turned to its angle. In the mirror image the rows of its 4 x 4 cells are swapped and its 8
        directions run the other way round.
        """
        points = self.points * np.array([-1, 1], np.float32) + np.array([self.width - 1, 0], np.float32)
        cells = self.descriptors.reshape(-1, 4, 4, 8)[:, ::-1]
        turned = np.roll(cells[..., ::-1], 1, axis=-1)
        return Features(
            self.width,
            self.height,
            points,
            self.scales,
            (180 - self.angles) % 360,
            np.ascontiguousarray(turned.reshape(-1, 128)),
        )


def extract(grey: Bytes) -> Features:
    """Find the features of a picture from `grey`."""
    detector = cv2.SIFT.create(nfeatures=KEYPOINTS, contrastThreshold=CONTRAST)
    keypoints, found = detector.detectAndCompute(grey, None)
    height, width = grey.shape
    if found is None or not keypoints:
        nothing = np.zeros(0, np.float32)
        return Features(width, height, nothing.reshape(0, 2), nothing, nothing, np.zeros((0, 128), np.uint8))
    # The detector keeps all keypoints of equal response, so a regular pattern gives far more than KEYPOINTS.
    rows = slice(0, KEYPOINTS)
    keypoints, found = keypoints[rows], found[rows]
    root = np.sqrt(found / np.maximum(found.sum(axis=1, keepdims=True), 1e-12))
    return Features(
        width,
        height,
        np.array([point.pt for point in keypoints], np.float32),
        np.array([point.size for point in keypoints], np.float32),
        np.array([point.angle for point in keypoints], np.float32),
        np.minimum(np.rint(root * SCALE), 255).astype(np.uint8),
    )


def grey(picture: Image.Image) -> Bytes:
    """The brightness of an RGB picture, reduced to ``SIDE``: (height, width)."""
    scale = min(1.0, SIDE / max(picture.size))
    width, height = (max(MIN_SIDE, round(side * scale)) for side in picture.size)
    small = picture if picture.size == (width, height) else picture.resize((width, height), Image.Resampling.BOX)
    return np.asarray(small.convert("L"))
