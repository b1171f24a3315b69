"""Copy-detection metrics and losses against the released code of SSCD and of DINO's Copydays evaluation."""

import numpy as np
import pytest
import torch
from PIL import Image

from copysight.pictures.preprocess import Preprocess, to_batch
from copysight.vectors.knn import exact
from copysight.vectors.score_normalisation import offsets
from evaluation.features.tokens import last_blocks
from evaluation.metrics import copydays, ranking
from training.losses.infonce import copy_loss


def judged(golden):
    truth = set(zip(golden["gt_query"].tolist(), golden["gt_reference"].tolist(), strict=True))
    pairs = zip(golden["pred_query"].tolist(), golden["pred_reference"].tolist(), strict=True)
    return np.array([pair in truth for pair in pairs])


def test_sscd_metrics(golden):
    correct, scores, positives = judged(golden), golden["pred_score"], len(golden["gt_query"])
    curve = ranking.curve(correct, scores, positives)
    assert curve.precisions == pytest.approx(golden["precisions"], abs=1e-9)
    assert curve.recalls == pytest.approx(golden["recalls"], abs=1e-9)
    assert curve.thresholds == pytest.approx(golden["thresholds"], abs=1e-9)
    assert ranking.average_precision(curve) == pytest.approx(golden["micro_average_precision"], abs=1e-9)
    point = ranking.recall_at_precision(curve)
    assert point.recall == pytest.approx(golden["recall_at_precision_90"], abs=1e-9, nan_ok=True)
    assert point.threshold == pytest.approx(golden["threshold_at_precision_90"], abs=1e-9, nan_ok=True)
    for rank in (1, 10):
        recall = ranking.recall_at_rank(golden["pred_query"], correct, scores, positives, rank)
        assert recall == pytest.approx(golden[f"recall_at_rank{rank}"], abs=1e-9)


def test_sscd_score_norm(golden):
    queries, references = golden["queries"], golden["references"]
    similarity = exact(queries, references, len(references))
    found = np.empty((len(queries), len(references)), np.float32)
    np.put_along_axis(found, similarity.ids, similarity.similarities, axis=1)
    neighbours = (golden["first_neighbour"], golden["last_neighbour"])
    scores = found - offsets(queries, golden["background"], golden["weight"], *neighbours)[:, None]
    assert scores == pytest.approx(golden["normalised_similarity"], abs=2e-6)
    k = golden["k"]
    top = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    assert np.take_along_axis(scores, top, axis=1).ravel() == pytest.approx(golden["pred_score"], abs=2e-6)
    correct = (top == np.arange(len(queries))[:, None]).ravel()
    curve = ranking.curve(correct, np.take_along_axis(scores, top, axis=1).ravel(), len(queries))
    assert ranking.average_precision(curve) == pytest.approx(golden["micro_average_precision"], abs=1e-9)


def test_sscd_copydays_overall_ap(golden):
    for case in golden.numbered("case"):
        matches = case["is_match"].astype(bool)
        assert ranking.pooled_ap(matches, case["distance"], len(matches)) == pytest.approx(case["ap"], abs=1e-9)


def test_sscd_training_loss(golden):
    for case in golden.numbered("case"):
        embeddings = case.tensor("embeddings").requires_grad_()
        loss = copy_loss(embeddings, case.tensor("instance_ids"), case["temperature"], case["entropy_weight"]).total
        loss.backward()
        assert loss.item() == pytest.approx(case["loss"], rel=1e-5)
        assert embeddings.grad.numpy() == pytest.approx(case["grad"], abs=1e-5 * float(abs(case["grad"]).max()))


def test_copydays_score_ap(golden):
    for ranks, positives, ap in zip(golden["ranks_padded_minus1"], golden["n_positives"], golden["ap"], strict=True):
        assert ranking.trapezoidal_ap(ranks[ranks >= 0], positives) == pytest.approx(ap, abs=1e-12)


def test_copydays_eval(golden):
    names, sizes = golden["block_names"].tolist(), golden["block_sizes"].tolist()
    originals, strong = golden["original_file_names"].tolist(), golden["strong_file_names"].tolist()
    wanted = []
    for name, size in zip(names, sizes, strict=True):
        wanted += copydays.positives(name, size, originals, strong)
    ap = copydays.ap_per_query(golden["retrieved_ids"], wanted)
    assert ap == pytest.approx(golden["ap_per_query"], abs=1e-9)
    blocks = np.split(ap, np.cumsum(sizes)[:-1])
    assert [block.mean() for block in blocks] == pytest.approx(golden["map_per_block"], abs=1e-9)
    assert set(names) <= set(copydays.BLOCKS)


def test_copydays_whitening(golden):
    whitening = copydays.whitening(golden["whitening_features"])
    database, queries = whitening.apply(golden["database"]), whitening.apply(golden["queries"])
    assert queries @ database.T == pytest.approx(golden["similarity"], abs=1e-4)
    k = golden["topk_ids"].shape[1]
    assert exact(queries, database, k).similarities == pytest.approx(golden["topk_similarity"], abs=1e-4)
    if len(golden["whitening_features"]) > golden["whitening_features"].shape[1]:
        largest = float(abs(golden["whitened_database"]).max())
        assert abs(whitening.project(golden["database"])) == pytest.approx(
            abs(golden["whitened_database"]), abs=5e-4 * largest
        )


def test_copydays_features(golden, transformer):
    size = golden.config["imsize"]
    squash = Preprocess(size, "squash", size, "bicubic", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    pictures = [Image.fromarray(picture.numpy()) for picture in golden.sequence("image")]
    # Our preprocessing fuses steps and may resize in two passes; the released code resizes in one pass.
    assert to_batch(pictures, squash) == pytest.approx(golden["preprocessed"], abs=1e-5)
    vit = transformer(golden.config, golden.tensors("weight"))
    tokens = last_blocks(vit, golden.tensor("preprocessed"))[0]
    found = copydays.descriptor(tokens, golden.config["gem_power"])
    assert torch.allclose(found, golden.tensor("descriptor"), rtol=0, atol=1e-5)
