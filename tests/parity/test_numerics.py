"""Numeric kernels against the released code of DINO, DINOv2, SwAV and DeepCluster."""

import numpy as np
import pytest
import torch
from torch import nn

from training.clusters import pseudo_labels
from training.losses.koleo import koleo
from training.losses.sinkhorn import sinkhorn
from training.optim import parameter_groups, schedules
from training.optim.schedules import Schedules


class Named(nn.Module):
    """A module with parameters of the given dotted names."""

    def __init__(self, parameters):
        super().__init__()
        for name, parameter in parameters.items():
            *path, last = name.split(".")
            module = self
            for part in path:
                if part not in module._modules:
                    module.add_module(part, nn.Module())
                module = module._modules[part]
            module.register_parameter(last, parameter)


def test_schedule(golden):
    for case in golden.numbered("case"):
        each = case["iters_per_epoch"]
        steps, warmup = case["epochs"] * each, case["warmup_epochs"] * each
        found = schedules.cosine(case["base_value"], case["final_value"], steps, warmup, case["start_warmup_value"])
        assert found == pytest.approx(case["schedule"], rel=1e-12, abs=0)


def test_swav_schedule(golden):
    for case in golden.numbered("case"):
        each = case["iters_per_epoch"]
        steps, warmup = case["epochs"] * each, case["warmup_epochs"] * each
        found = schedules.cosine(case["base_lr"], case["final_lr"], steps, warmup, case["start_warmup"])
        assert found == pytest.approx(case["schedule"], rel=1e-12, abs=0)


def test_param_groups(golden):
    flags = zip(golden["names"].tolist(), golden["shapes"].tolist(), golden["requires_grad"].tolist(), strict=True)
    parameters = {
        name: nn.Parameter(torch.zeros([int(n) for n in shape.split(",")]), grad) for name, shape, grad in flags
    }
    names = {id(parameter): name for name, parameter in parameters.items()}
    decayed, undecayed = parameter_groups.groups(Named(parameters))
    assert [names[id(p)] for p in decayed["params"]] == golden["group_order_regularised"].tolist()
    for group, key in ((decayed, "regularised"), (undecayed, "not_regularised")):
        assert {names[id(p)] for p in group["params"]} == set(golden["names"][golden[key]].tolist())
    assert undecayed["weight_decay"] == golden["weight_decay_of_second_group"]


def test_clip_gradients(golden):
    names = golden["names_in_order"].tolist()
    parameters = []
    for name in names:
        gradient = golden.tensor(f"grad_in/{name}")
        parameters.append(nn.Parameter(torch.zeros_like(gradient)))
        parameters[-1].grad = gradient
    parameter_groups.clip(parameters, golden["clip"])
    for name, parameter in zip(names, parameters, strict=True):
        assert torch.allclose(parameter.grad, golden.tensor(f"grad_out/{name}"), rtol=1e-6, atol=0)


def test_lars(golden):
    config = golden.config
    parameters = {name: nn.Parameter(value) for name, value in golden.tensors("param_init").items()}
    without = golden["params_without_weight_decay"].tolist()
    decayed = [value for name, value in parameters.items() if name not in without]
    undecayed = [parameters[name] for name in without]
    groups = [{"params": decayed, "decayed": True}, {"params": undecayed, "decayed": False}]
    lars = parameter_groups.build("lars", groups)
    for group in lars.param_groups:
        group |= {"momentum": config["momentum"], "eta": config["eta"]}
    plan = Schedules(config["lr"], np.full(len(config["lr"]), config["weight_decay"]))
    for number, step in enumerate(golden.numbered("step")):
        parameter_groups.set_step(lars, plan, number)
        for name, gradient in step.tensors("grad").items():
            parameters[name].grad = gradient
        lars.step()
        for name, expected in step.tensors("param_after").items():
            assert torch.allclose(parameters[name], expected, rtol=0, atol=2e-6), (number, name)


def test_dinov2_koleo(golden):
    for number, case in enumerate(golden.numbered("case")):
        features = case.tensor("features").requires_grad_()
        loss = koleo(features)
        assert loss.item() == pytest.approx(case["loss"], abs=1e-5 if "grad" in case else 1e-4)
        if "grad" in case:
            loss.backward()
            assert torch.allclose(features.grad, case.tensor("grad"), rtol=0, atol=2e-5), number


def test_dinov2_sinkhorn(golden):
    for case in golden.numbered("case"):
        found = sinkhorn(case.tensor("teacher_logits"), case["teacher_temp"], case["iterations"])
        assert torch.allclose(found, case.tensor("assignments"), rtol=0, atol=5e-6)


def test_swav_sinkhorn(golden):
    for case in golden.numbered("case"):
        found = sinkhorn(case.tensor("scores"), case["epsilon"], case["iterations"])
        assert torch.allclose(found, case.tensor("assignments"), rtol=0, atol=5e-6)


def test_deepcluster_preprocess(golden):
    for case in golden.numbered("case"):
        found = pseudo_labels.whiten(case["features"], case["pca_dim"])
        found *= np.sign((found * case["output"]).sum(axis=0))
        assert found == pytest.approx(case["output"], abs=5e-5)


def test_deepcluster_uniform_sampler(golden):
    for case in golden.numbered("case"):
        labels, draws = case["cluster_of_image"], case["draws_per_nonempty_cluster"]
        order = pseudo_labels.uniform_order(labels, np.random.default_rng(case["numpy_legacy_seed"]))
        assert len(order) == case["length"] == case["n"]
        sizes = np.bincount(labels, minlength=case["n_clusters"])
        counts = np.bincount(labels[order], minlength=case["n_clusters"])
        cut = draws * np.count_nonzero(sizes) - case["n"]
        assert counts[sizes == 0].sum() == 0
        assert (counts <= draws).all()
        assert (counts[sizes > 0] >= draws - cut).all()
        for cluster in np.flatnonzero(sizes > draws):
            mine = order[labels[order] == cluster]
            assert len(np.unique(mine)) == len(mine)
