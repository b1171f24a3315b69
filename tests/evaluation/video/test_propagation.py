"""Label propagation, compared with slow loops over patches."""

import math

import pytest
import torch

from evaluation.video import propagation
from evaluation.video.propagation import (
    LabelledFrame,
    Propagation,
    neighbourhood,
    norm_mask,
    one_hot,
    propagate,
    propagate_frame,
)


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("rows", "columns", "radius"), [(1, 1, 1), (3, 5, 1), (6, 4, 2)])
def test_neighbourhood_is_a_square_window(rows, columns, radius):
    found = neighbourhood(rows, columns, radius)
    for a in range(rows * columns):
        for b in range(rows * columns):
            dy, dx = abs(a // columns - b // columns), abs(a % columns - b % columns)
            assert bool(found[a, b]) == (max(dy, dx) <= radius)


@pytest.mark.parametrize(
    ("rows", "columns", "frames", "topk", "radius"), [(2, 3, 1, 2, 0), (4, 4, 3, 5, 1), (3, 5, 2, 99, 2)]
)
def test_propagate_frame_matches_a_loop_over_patches(rows, columns, frames, topk, radius, monkeypatch):
    monkeypatch.setattr(propagation, "BLOCK", 4)  # use several blocks even on a small grid
    count, how = rows * columns, Propagation(7, topk, radius, 0.1)
    near = neighbourhood(rows, columns, radius) if radius else None
    context = [
        LabelledFrame(randn(count, 6, seed=n), one_hot(torch.arange(count).reshape(rows, columns) % 3))
        for n in range(frames)
    ]
    target = randn(count, 6, seed=9)
    found = propagate_frame(target, context, near, how)
    for patch in range(count):
        weights = []
        for frame in context:
            for source in range(count):
                cosine = torch.cosine_similarity(target[patch], frame.features[source], dim=0)
                reach = near is None or bool(near[patch, source])
                weights.append((math.exp(float(cosine) / 0.1) if reach else 0.0, source))
        cut = sorted((w for w, _ in weights), reverse=True)[min(topk, len(weights)) - 1]
        kept = [(w, source) for w, source in weights if w >= cut]
        total = sum(w for w, _ in kept)
        for channel in range(3):
            slow = sum(w for w, source in kept if source % 3 == channel) / total
            assert float(found[channel].flatten()[patch]) == pytest.approx(slow, abs=1e-4)


def test_a_video_of_equal_frames_keeps_its_mask():
    features, masks = randn(16, 8), one_hot(torch.arange(16).reshape(4, 4) // 8)
    found = list(propagate(LabelledFrame(features, masks), [features] * 4, Propagation(2, 1, 1)))
    assert all(torch.equal(frame.argmax(dim=0), masks.argmax(dim=0)) for frame in found)


def test_norm_mask_of_a_constant_channel():
    masks = torch.stack([torch.full((2, 2), 0.5), torch.full((2, 2), -1.0), torch.tensor([[0.0, 1], [2, 4]])])
    found = norm_mask(masks)
    assert found[0].isnan().all()
    assert torch.equal(found[1], masks[1])
    assert found[2].max() == 1
    assert found[2].min() == 0


def test_labels_are_enlarged_by_the_patch_size():
    assert propagation.labels(one_hot(torch.tensor([[0, 1]])), 4).shape == (4, 8)
