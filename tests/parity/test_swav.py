"""Whole training steps of SwAV and DeepCluster-v2 against the released code, with a stub network."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import SGD

from training.methods import swav
from training.methods.deepcluster import DeepCluster, DeepClusterConfig
from training.methods.method import Length, Progress
from training.methods.swav import Swav, SwavConfig
from training.optim.schedules import Schedules
from training.run import loop
from training.run.collapse_guard import CollapseGuard
from training.run.loader import Views
from training.run.plan import Plan


def close(found, expected, tolerance):
    return torch.allclose(found, expected, rtol=0, atol=tolerance)


def test_swav_step(golden, monkeypatch):
    config = golden.config
    settings = SwavConfig(
        prototypes=config["n_prototypes"],
        output=config["feat_dim"],
        temperature=config["temperature"],
        epsilon=config["epsilon"],
        sinkhorn_iterations=config["sinkhorn_iterations"],
        freeze_prototypes_steps=config["freeze_prototypes_iters"],
        queue_length=config["queue_length"],
        queue_from_epoch=0,
        optimizer="sgd",
    )
    method = stub(Swav(settings, "test_vit", 32, recipe=None), config)
    weights = golden.tensors("weight_init")
    load(method, weights, [weights["prototypes.weight"]])
    per_epoch = config["iters_per_epoch"]
    method.start(Length(config["n_epochs"] * per_epoch, per_epoch, config["batch"], config["batch"] * per_epoch))
    crops = [iteration.sequence("crop") for iteration in golden.numbered("iter")]
    indices = [torch.arange(config["batch"])] * len(crops)
    run = make_run(method, crops, indices, golden["schedule/lr"], per_epoch, config)

    assignments, rows = [], []

    def recorded(scores, *others):
        rows.append(len(scores))
        assignments.append(original(scores, *others))
        return assignments[-1]

    original = swav.sinkhorn
    monkeypatch.setattr(swav, "sinkhorn", recorded)
    for number in range(len(crops)):
        assert step(run)["loss"] == pytest.approx(golden["loss"][number], abs=1e-5)
    assert np.array_equal(np.reshape(rows, (-1, 2)), golden["rows_given_to_sinkhorn"])
    found = torch.stack([codes[-config["batch"] :] for codes in assignments]).unflatten(0, (-1, 2))
    assert close(found, golden.tensor("assignments"), 1e-5)
    check(method, golden.tensors("weight_final"), [golden.tensor("weight_final/prototypes.weight")])
    if "queue_final" in golden:
        assert close(method.queue, golden.tensor("queue_final"), 5e-6)


def test_deepclusterv2(golden, monkeypatch):
    config, heads = golden.config, golden.numbered("head")
    iterations = golden.numbered("iter")
    per_epoch, batch = len(iterations), config["batch"]
    counts = np.atleast_1d(config["n_prototypes"]).tolist()
    settings = DeepClusterConfig(
        prototypes=max(len(head["centroids"]) for head in heads),
        prototype_heads=len(counts),
        kmeans_iterations=config["kmeans_iterations"],
        output=config["feat_dim"],
        temperature=config["temperature"],
        # The case begins with a clustering, as our second epoch does; our first epoch fills the memory before.
        freeze_prototypes_steps=config["freeze_prototypes_iters"] + per_epoch,
        optimizer="sgd",
    )
    method = stub(DeepCluster(settings, "test_vit", 32, recipe=None), config)
    weights = golden.tensors("weight_init")
    names = [f"prototypes.prototypes{number}.weight" for number in range(len(heads))]
    load(method, weights, [weights[name] for name in names])
    method.start(Length(2 * per_epoch, per_epoch, batch, config["n_dataset"]))
    method.memory, method.memory_index = golden.tensor("memory_embeddings"), golden.tensor("memory_index")
    draws = itertools.cycle([head.tensor("initial_centroid_rows") for head in heads])
    monkeypatch.setattr(torch, "randperm", lambda *_, **__: next(draws))
    crops = [iteration.sequence("crop") for iteration in iterations]
    indices = [iteration.tensor("index") for iteration in iterations]
    run = make_run(method, crops, indices, golden["schedule/lr"], per_epoch, config)

    method.begin_round(Progress(per_epoch, 1, 0), run.loader)
    assert torch.equal(method.assignments, golden.tensor("assignments"))
    for prototypes, head in zip(method.head.prototypes, heads, strict=True):
        assert close(prototypes.weight, head.tensor("centroids"), 2e-6)
    run.step = per_epoch
    for number in range(per_epoch):
        assert step(run)["loss"] == pytest.approx(golden["loss"][number], abs=1e-5)
    check(method, golden.tensors("weight_final"), [golden.tensor(f"weight_final/{name}") for name in names])
    assert torch.equal(method.memory_index, golden.tensor("memory_index_after"))
    assert close(method.memory, golden.tensor("memory_embeddings_after"), 5e-6)


def stub(method, config):
    """Replace the backbone, so that the network is one linear layer, the L2 norm and the prototypes."""
    method.backbone = nn.Identity()
    return method.train()


def load(method, weights, prototypes):
    rows, columns = weights["linear.weight"].shape
    method.head.projection_head = nn.Linear(columns, rows)
    method.head.projection_head.load_state_dict({"weight": weights["linear.weight"], "bias": weights["linear.bias"]})
    method.head.prototypes = nn.ModuleList(nn.Linear(rows, len(weight), bias=False) for weight in prototypes)
    for layer, weight in zip(method.head.prototypes, prototypes, strict=True):
        layer.load_state_dict({"weight": weight})


def check(method, weights, prototypes):
    linear = method.head.projection_head
    assert close(linear.weight, weights["linear.weight"], 5e-6)
    assert close(linear.bias, weights["linear.bias"], 5e-6)
    for layer, weight in zip(method.head.prototypes, prototypes, strict=True):
        assert close(layer.weight, weight, 5e-6)


def make_run(method, crops, indices, lr, per_epoch, config):
    """What one step of the loop uses of a run, with given crops instead of pictures and plain SGD."""
    decay = config["sgd_weight_decay"] if "sgd_weight_decay" in config.arrays else 0.0
    groups = [{"params": list(method.parameters()), "decayed": True}]
    steps = np.resize(lr, 2 * len(lr))
    return SimpleNamespace(
        method=method,
        plan=Plan(device="cpu", clip=0),
        length=Length(len(crops), per_epoch, config["batch"], per_epoch * config["batch"]),
        schedules=Schedules(steps, np.full(len(steps), decay)),
        optimizer=SGD(groups, lr=0.0, momentum=config["sgd_momentum"]),
        device=torch.device("cpu"),
        loader=SimpleNamespace(
            load=lambda step, part: Views(crops[step % len(crops)], indices[step % len(crops)]), labels=None
        ),
        log=SimpleNamespace(write=lambda *_, **__: None),
        step=0,
    )


def step(run):
    metrics = {}
    run.progress = Progress(run.step, *divmod(run.step, run.length.per_epoch))
    meter = SimpleNamespace(add=lambda new, _: metrics.update({name: float(value) for name, value in new.items()}))
    loop.step(run, run.method, meter, CollapseGuard(0))
    return metrics
