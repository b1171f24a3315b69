"""Losses of the methods against loops over pairs of crops, and the updates of teacher, centre and queue."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.training.conftest import make_method
from training.clusters import agreement
from training.methods import dino, swav
from training.methods.method import Length, Progress

LENGTH = Length(steps=8, per_epoch=4, batch=4, pictures=18)


def crops(seed: int, count: int = 4, locals_: int = 2) -> list[torch.Tensor]:
    torch.manual_seed(seed)
    return [torch.randn(count, 3, 32, 32) for _ in range(2)] + [torch.randn(count, 3, 16, 16) for _ in range(locals_)]


@pytest.mark.parametrize("views", [2, 3, 6])
@pytest.mark.parametrize("k", [5, 33])
def test_dino_loss_is_the_mean_over_pairs_of_different_crops(views: int, k: int) -> None:
    torch.manual_seed(views)
    student, target = torch.randn(views * 3, k), torch.randn(6, k).softmax(dim=1)
    total = 0.0
    for i in range(2):
        for v in range(views):
            if v != i:
                for b in range(3):
                    log_p = F.log_softmax(student[v * 3 + b] / 0.1, dim=0)
                    total -= float((target[i * 3 + b] * log_p).sum()) / 3
    expected = total / (2 * (views - 1))
    assert float(dino.cross_view_loss(student, target, views, 0.1)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("views", [2, 5])
def test_swav_loss_is_the_mean_over_assigned_crops_and_others(views: int) -> None:
    torch.manual_seed(views)
    scores, codes = torch.randn(views * 3, 7), torch.randn(2, 3, 7).softmax(dim=-1)
    total = 0.0
    for i in range(2):
        others = [v for v in range(views) if v != i]
        for v in others:
            log_p = F.log_softmax(scores[v * 3 : v * 3 + 3] / 0.2, dim=1)
            total += -float((codes[i] * log_p).sum(dim=1).mean()) / len(others)
    assert float(swav.swapped_loss(scores, codes, views, 0.2)) == pytest.approx(total / 2, rel=1e-5)


def test_entropy_of_uniform_targets_is_ln_k() -> None:
    assert float(dino.entropy(torch.full((3, 64), 1 / 64))) == pytest.approx(math.log(64))
    assert float(dino.entropy(torch.eye(4))) == 0


def test_the_teacher_is_a_moving_average_with_its_own_batch_statistics() -> None:
    method = make_method("dino").train()
    method.start(LENGTH)
    with torch.no_grad():
        for parameter in method.student.parameters():
            parameter.add_(1)
    before = {name: value.clone() for name, value in method.teacher.state_dict().items()}
    method.begin_step(Progress(0, 0, 0))
    method(crops(0), torch.arange(4))
    method.after_update(Progress(0, 0, 0))
    names = dict(method.teacher.named_parameters())
    for name, parameter in names.items():
        assert torch.allclose(parameter, 0.996 * before[name] + 0.004 * (before[name] + 1), atol=1e-5), name
    student, teacher = method.student.state_dict(), method.teacher.state_dict()
    moved = [name for name in teacher if name.endswith("running_mean") and not torch.equal(teacher[name], before[name])]
    assert moved
    assert not torch.equal(teacher[moved[0]], student[moved[0]])


def test_the_centre_is_the_running_mean_of_raw_teacher_logits() -> None:
    method = make_method("dino", "test_vit")
    method.start(LENGTH)
    views, progress = crops(1), Progress(0, 0, 0)
    method.begin_step(progress)
    with torch.no_grad():
        logits = method.teacher(views[:2])[1]
    method(views, torch.arange(4))
    assert not method.centre.any()
    method.after_update(progress)
    assert torch.allclose(method.centre, 0.1 * logits.mean(dim=0, keepdim=True), atol=1e-6)


def test_sinkhorn_centring_needs_no_centre() -> None:
    method = make_method("dino", "test_vit", centring="sinkhorn")
    method.start(LENGTH)
    method.begin_step(Progress(0, 0, 0))
    metrics = method(crops(2), torch.arange(4)).metrics
    method.after_update(Progress(0, 0, 0))
    assert not method.centre.any()
    assert 0 < float(metrics["entropy"]) < math.log(24)


def test_koleo_is_added_with_its_weight() -> None:
    losses = {}
    for weight in (0.0, 0.1, 1.0):
        method = make_method("dino", "test_vit", koleo=weight, drop_path=0.0)
        method.start(LENGTH)
        method.begin_step(Progress(0, 0, 0))
        output = method(crops(3), torch.arange(4))
        losses[weight] = float(output.loss.detach())
    spread_loss = float(output.metrics["koleo"])
    assert losses[0.1] == pytest.approx(losses[0.0] + 0.1 * spread_loss, rel=1e-5)
    assert losses[1.0] == pytest.approx(losses[0.0] + spread_loss, rel=1e-5)


def test_layers_have_no_gradient_while_they_are_frozen() -> None:
    for name, layer in (("dino", "student.head.last_layer"), ("swav", "head.prototypes")):
        method = make_method(name)
        method.start(LENGTH)
        for step, frozen in ((0, True), (5, False)):
            progress = Progress(step, *divmod(step, 4))
            method.begin_step(progress)
            method(crops(step), torch.arange(4)).loss.backward()
            method.after_backward(progress)
            gradients = [p.grad for n, p in method.named_parameters() if n.startswith(layer) and p.requires_grad]
            assert all((gradient is None) == frozen for gradient in gradients), (name, step)
            method.zero_grad()


def test_the_queue_adds_new_embeddings_at_the_front() -> None:
    method = make_method("swav")
    method.start(LENGTH)
    assert method.queue.shape == (2, 16, 16)
    for step in range(5):
        method.begin_step(Progress(step, *divmod(step, 4)))
        before = method.queue.clone()
        method(crops(step), torch.arange(4))
        assert torch.equal(method.queue[:, 4:], before[:, :-4])
        assert torch.allclose(method.queue[:, :4].norm(dim=2), torch.ones(2, 4), atol=1e-5)
        assert bool((before[:, -1] != 0).any()) == (step >= 4)


def test_prototypes_in_use_are_counted() -> None:
    codes = torch.zeros(2, 3, 6)
    codes[0, :, 1] = codes[1, 0, 4] = codes[1, 1:, 1] = 1
    assert float(agreement.prototypes_used(codes)) == 2


def test_mutual_information_equals_that_of_scikit_learn() -> None:
    from sklearn.metrics import normalized_mutual_info_score

    rng = np.random.default_rng(0)
    for k in (1, 2, 9):
        a, b = rng.integers(0, k, 60), rng.integers(0, 5, 60)
        b[:20] = a[:20]
        found = agreement.nmi(torch.from_numpy(a), torch.from_numpy(b))
        assert found == pytest.approx(normalized_mutual_info_score(a, b), abs=1e-9)
    same = torch.tensor([0, 0, 1, 2])
    assert agreement.nmi(same, torch.tensor([5, 5, 3, 1])) == pytest.approx(1)
    assert agreement.nmi(torch.tensor([0, 1, -100]), torch.tensor([1, 0, 0])) == pytest.approx(1)
    assert agreement.sizes(torch.tensor([0, 0, 2, -100]), 4) == {
        "clusters_used": 2.0,
        "largest_cluster": 2.0,
        "median_cluster": 0.0,
    }
