"""Features of frames: whole frames where a bundle takes any size, tiles where it does not."""

import numpy as np
import pytest
import torch
from PIL import Image

from copysight.errors import InvalidArgument, OutputMissing
from evaluation.video.frame_features import frame_features
from training.export import exportable
from training.export.export import export


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A ResNet that gives patches of any size."""
    torch.manual_seed(0)
    network = exportable.load("timm:test_resnet", size=64, random=True)
    return export([network], tmp_path_factory.mktemp("bundles") / "any-size")


def test_whole_frames_are_the_default(bundle, drawn):
    """480 lines; the longer side is cut to a multiple of 64, as in DINO's evaluation."""
    frame, stride = drawn(0, (171, 96)), bundle.patches.stride
    grid = frame_features(str(bundle.path))(frame)
    assert grid.shape == (480 // stride, 832 // stride, bundle.patches.dimension)
    assert frame_features(str(bundle.path), lines=128)(frame).shape[:2] == (128 // stride, 192 // stride)
    assert frame_features(str(bundle.path), lines=128)(frame.rotate(90, expand=True)).shape[0] == 192 // stride


def test_features_follow_the_picture(bundle):
    """The places of a bright square differ from the others, at the right place of the grid."""
    frame = Image.new("RGB", (192, 128), (40, 40, 40))
    frame.paste((250, 240, 90), (64, 32, 128, 96))
    grid = frame_features(str(bundle.path), lines=128)(frame)
    grid = grid / np.linalg.norm(grid, axis=2, keepdims=True)
    likeness = grid @ grid[0, 0]
    stride = bundle.patches.stride
    centre = likeness[64 // stride, 96 // stride]
    assert centre < likeness[-1, 0] - 0.01
    assert centre < likeness[0, -1] - 0.01


def test_tiles_where_they_are_asked_for_or_needed(bundle, tiny_bundle, drawn):
    rows, columns = bundle.patches.grid
    assert frame_features(str(bundle.path), tiles=1)(drawn(0, (160, 160))).shape[:2] == (rows, columns)
    assert frame_features(str(tiny_bundle.path))(drawn(0, (160, 160))).shape == (8, 8, 32)


def test_lines_that_do_not_fit_and_missing_patches_are_refused(bundle, resnet_bundle):
    with pytest.raises(InvalidArgument, match="got --lines 100 for patches of"):
        frame_features(str(bundle.path), lines=100)
    with pytest.raises(OutputMissing, match="gives no patches"):
        frame_features(str(resnet_bundle.path))
