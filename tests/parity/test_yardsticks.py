"""k-NN, retrieval, attention and video segmentation against the released evaluations of DINO."""

import numpy as np
import pytest
import torch

from copysight.model.attention_maps import enlarge, mass_masks
from copysight.vectors.knn import accuracy, exact, vote
from evaluation.features import frames
from evaluation.features.tokens import last_blocks
from evaluation.metrics import retrieval_map
from evaluation.video import propagation
from evaluation.video.propagation import LabelledFrame, Propagation


def test_knn(golden):
    train, test, labels = golden["train_features"], golden["test_features"], golden["test_labels"]
    neighbours = exact(test, train, max(golden["k"]))
    for number, k in enumerate(golden["k"].tolist()):
        scores = vote(neighbours, golden["train_labels"], golden["num_classes"], k, golden["temperature"])
        assert 100 * accuracy(scores, labels) == pytest.approx(golden["top1_percent"][number], abs=1e-9)
        off = abs(100 * accuracy(scores, labels, top=5) - golden["top5_percent"][number]) * len(labels) / 100
        assert off <= golden["top5_ambiguous_queries"][number] + 1e-6


def test_retrieval_map(golden):
    def rows(name):
        return [row[row >= 0] for row in golden[f"{name}_padded_minus1"]]

    truths = [retrieval_map.Truth(*lists) for lists in zip(rows("easy"), rows("hard"), rows("junk"), strict=True)]
    for name, scores in retrieval_map.protocols(golden["ranks"], truths, golden["kappas"].tolist()).items():
        expected = golden.below(name)
        assert scores.ap == pytest.approx(expected["ap_per_query"], abs=1e-9, nan_ok=True)
        assert scores.precision == pytest.approx(expected["precision_at_k_per_query"], abs=1e-9, nan_ok=True)
        assert scores.map == pytest.approx(expected["map"], abs=1e-9)
        assert scores.mean_precision == pytest.approx(expected["mean_precision_at_k"].tolist(), abs=1e-9)


def test_attention_mass(golden):
    for case in golden.numbered("case"):
        grid = case["attention"].reshape(-1, case["height"], case["width"])
        masks = enlarge(mass_masks(grid, case["threshold"]), case["upsample"])
        assert np.array_equal(masks, case["mask"])


def test_davis_neighborhood(golden):
    for case in golden.numbered("case"):
        mask = propagation.neighbourhood(case["height"], case["width"], case["radius"])
        assert np.array_equal(mask.numpy(), case["mask"].astype(bool))


def test_davis_norm_mask(golden):
    for case in golden.numbered("case"):
        found = propagation.norm_mask(case.tensor("mask_in"))
        assert torch.allclose(found, case.tensor("mask_out"), rtol=0, atol=1e-6, equal_nan=True)


def test_davis(golden, transformer):
    config = golden.config
    patch = config["patch_size"]
    pixels = np.stack([frames.prepare(frame, config["scale_size"]) for frame in golden["frames"]])
    if "frames_preprocessed" in golden:
        assert pixels == pytest.approx(golden["frames_preprocessed"], abs=1e-5)
    for number, frame in enumerate(pixels):
        if f"frame{number}_preprocessed" in golden:
            assert frame == pytest.approx(golden[f"frame{number}_preprocessed"], abs=1e-5)
    rows, columns = (side // patch for side in pixels.shape[2:])
    small = frames.shrink_mask(golden["first_mask"], rows, columns)
    first = propagation.one_hot(torch.from_numpy(np.array(small)))
    assert torch.equal(first[None], golden.tensor("first_mask_one_hot_at_patch_resolution"))

    vit = transformer(config, golden.tensors("weight"))
    features = [last_blocks(vit, torch.from_numpy(frame)[None])[0][0, 1:] for frame in pixels]
    how = Propagation(
        config["n_last_frames"], config["topk"], config["size_mask_neighborhood"], config["affinity_temperature"]
    )
    soft = list(propagation.propagate(LabelledFrame(features[0], first), features[1:], how))
    assert torch.allclose(torch.stack(soft), golden.tensor("propagated_soft_masks"), rtol=0, atol=5e-5)
    assert np.array_equal(golden["first_mask"], golden["masks_at_original_size"][0])
    for masks, expected in zip(soft, golden["masks_at_original_size"][1:], strict=True):
        found = frames.shrink_mask(propagation.labels(masks, patch).numpy(), *expected.shape)
        assert (found != expected).mean() <= 0.001
