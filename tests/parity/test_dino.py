"""Network, head, loss and whole training steps of DINO against the released code."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from evaluation.features.tokens import last_blocks, multi_scale
from training.methods.dino import Dino, DinoConfig, Network
from training.methods.method import Length, Progress
from training.networks import backbones
from training.networks.export_graphs import cls_attention
from training.networks.heads import DinoHead, rebuild
from training.optim import schedules
from training.optim.schedules import Schedules
from training.run import loop
from training.run.collapse_guard import CollapseGuard
from training.run.loader import Views
from training.run.plan import Plan


def close(found, expected, tolerance):
    return torch.allclose(found, expected, rtol=0, atol=tolerance)


def test_dino_vit(golden, transformer):
    vit = transformer(golden.config, golden.tensors("weight"))
    for case in golden.numbered("input"):
        x, patch = case.tensor("x"), golden.config["patch_size"]
        rows, columns = (side // patch for side in x.shape[2:])
        table = backbones.resize_positions(vit.pos_embed, vit.patch_embed.grid_size, rows, columns)
        assert close(table, case.tensor("pos_embed_used"), 5e-6)
        before, last = last_blocks(vit, x, 2)
        assert close(last, case.tensor("tokens"), 1e-5)
        assert close(before, case.tensor("intermediate_minus2"), 1e-5)
        with torch.no_grad():
            assert close(vit(x), case.tensor("cls"), 1e-5)
            tokens = vit._pos_embed(vit.patch_embed(x))
            for block in vit.blocks[:-1]:
                tokens = block(tokens)
            row = cls_attention(vit.blocks[-1], tokens, prefix=0)
        assert close(row, case.tensor("last_attention_cls_row"), 5e-6)
        if "last_attention_image0" in case:
            assert close(row[0], case.tensor("last_attention_image0")[:, 0], 5e-6)
    found = multi_scale(vit, golden.tensor("multi_scale/x"))
    assert close(found, golden.tensor("multi_scale/output"), 1e-5)


def test_dino_head(golden):
    config = golden.config
    head = DinoHead(
        config["in_dim"],
        config["out_dim"],
        config["hidden_dim"],
        config["bottleneck_dim"],
        config["n_layers"],
        bool(config["use_bn"]),
        bool(config["norm_last_layer"]),
    )
    head.load_state_dict(golden.tensors("weight"))
    assert head.last_layer.weight_g.requires_grad == bool(golden["weight_g_requires_grad"])
    x = golden.tensor("x").requires_grad_()
    assert close(head.eval()(x), golden.tensor("output_eval"), 5e-6)
    output = head.train()(x)
    assert close(output, golden.tensor("output_train"), 5e-6)
    output.backward(golden.tensor("output_grad"))
    gradients = {name: value.grad for name, value in head.named_parameters() if value.grad is not None}
    expected = golden.tensors("weight_grad_train")
    assert gradients.keys() == expected.keys()
    pairs = {"x": (x.grad, golden.tensor("x_grad_train"))}
    pairs |= {name: (gradient, expected[name]) for name, gradient in gradients.items()}
    scales = {name: float(wanted.abs().max()) for name, (_, wanted) in pairs.items()}
    largest = max(scales.values())
    for name, (gradient, wanted) in pairs.items():
        # The gradient of a bias before BatchNorm is rounding noise; use the scale of the other gradients there.
        scale = scales[name] if scales[name] > 1e-5 * largest else largest
        assert close(gradient, wanted, 1e-5 * scale), name
    buffers = dict(head.named_buffers())
    for name, wanted in golden.tensors("buffer_after_one_train_forward").items():
        assert close(buffers[name].double(), wanted.double(), 1e-5), name


def test_multicrop(golden, transformer):
    weights = golden.tensors("weight")
    vit = transformer(golden.config)
    body, top = (
        {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
        for prefix in ("backbone.", "head.")
    )
    vit.load_state_dict(body)
    head = rebuild(top)
    network = Network(vit, head).eval()
    for layout in golden.numbered("layout"):
        shapes = []
        hook = vit.register_forward_pre_hook(lambda _, args, shapes=shapes: shapes.append(list(args[0].shape)))
        with torch.no_grad():
            _, output = network(layout.sequence("crop"))
        hook.remove()
        if "raises" in layout:  # crops of equal width and different height: our code runs one pass for each
            assert output.shape == (layout["n_crops"] * len(layout["crop0"]), len(top["last_layer.weight_v"]))
            continue
        assert close(output, layout.tensor("output"), 5e-6)
        assert shapes == layout["backbone_call_shapes"].tolist()
    with torch.no_grad():
        assert close(network([golden.tensor("single_tensor/x")])[1], golden.tensor("single_tensor/output"), 5e-6)


class StubNetwork(nn.Module):
    """Stands in for a network: its output is ``logits``, or the crops themselves."""

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))
        self.logits = None

    def forward(self, crops):
        logits = torch.cat(list(crops)) if self.logits is None else self.logits
        return logits, logits


def test_dino_loss(golden):
    config = golden.config
    temperatures = schedules.teacher_temperature(
        config["warmup_teacher_temp"],
        config["teacher_temp"],
        config["warmup_teacher_temp_epochs"],
        config["n_epochs"],
    )
    assert temperatures == pytest.approx(golden["teacher_temp_per_epoch"], abs=1e-12)
    settings = DinoConfig(
        prototypes=config["out_dim"],
        hidden=8,
        bottleneck=8,
        student_temperature=config["student_temp"],
        warmup_teacher_temperature=config["warmup_teacher_temp"],
        teacher_temperature=config["teacher_temp"],
        warmup_teacher_epochs=config["warmup_teacher_temp_epochs"],
        centre_momentum=config["center_momentum"],
    )
    dino = Dino(settings, "test_vit", 32, recipe=None)
    dino.student, dino.teacher = StubNetwork(), StubNetwork()
    dino.start(Length(steps=config["n_epochs"], per_epoch=1, batch=config["batch"], pictures=config["batch"]))
    for call in golden.numbered("call"):
        progress = Progress(call["epoch"], call["epoch"], 0)
        student = call.tensor("student_logits").requires_grad_()
        dino.teacher.logits = call.tensor("teacher_logits")
        assert close(dino.centre, call.tensor("center_before"), 1e-6)
        dino.begin_step(progress)
        loss = dino(student.chunk(config["n_crops"]), torch.arange(config["batch"])).loss
        loss.backward()
        dino.after_update(progress)
        assert loss.item() == pytest.approx(call["loss"], abs=1e-5)
        assert close(student.grad, call.tensor("student_grad"), 2e-6)
        assert close(dino.centre, call.tensor("center_after"), 1e-6)


def test_dino_step(golden, transformer):
    config = golden.config
    steps, each = len(golden["loss"]), config["iters_per_epoch"]
    dino = _dino(config, transformer)
    dino.student.load_state_dict(golden.tensors("student_init"))
    dino.teacher.load_state_dict(golden.tensors("teacher_init"))
    dino.start(Length(steps, each, config["batch"], each * config["batch"]))
    plan = golden.below("schedule")
    dino._momenta = plan["teacher_momentum"]
    crops = [iteration.sequence("crop") for iteration in golden.numbered("iter")]
    run = _run(dino, crops, Schedules(plan["lr"], plan["weight_decay"]), each, config["clip_grad"])
    norms = {}
    for name, parameter in dino.student.named_parameters():
        if parameter.requires_grad:
            parameter.register_post_accumulate_grad_hook(
                lambda p, name=name: norms.update({name: float(p.grad.norm())})
            )
    names = golden["grad_param_names"].tolist()
    largest = golden["grad_norm_before_clip"].max() if "grad_norm_before_clip" in golden else 1.0
    for number in range(steps):
        metrics = _step(run)
        assert metrics["loss"] == pytest.approx(golden["loss"][number], abs=1e-5)
        assert close(dino.centre[0], golden.tensor("center_after_each_iteration")[number], 2e-6)
        if "grad_norm_before_clip" in golden:
            row = [norms[name] for name in names]
            assert row == pytest.approx(golden["grad_norm_before_clip"][number], abs=1e-5 * float(largest))
    negligible = golden.tensors("grad_negligible")
    for who, network in (("student_final", dino.student), ("teacher_final", dino.teacher)):
        state = network.state_dict()
        expected = golden.tensors(who)
        assert state.keys() == expected.keys()
        for name, value in expected.items():
            if not name.endswith("running_mean"):
                counts = ~negligible.get(name, torch.zeros_like(value, dtype=torch.bool))
                assert close(state[name][counts].double(), value[counts].double(), 1e-5), (who, name)


def _dino(config, transformer):
    settings = DinoConfig(
        prototypes=config["out_dim"],
        hidden=config["head_hidden_dim"],
        bottleneck=config["head_bottleneck_dim"],
        head_bn=bool(config["head_use_bn"]),
        norm_last_layer=bool(config["student_norm_last_layer"]),
        freeze_last_layer=config["freeze_last_layer"],
        warmup_teacher_temperature=config["warmup_teacher_temp"],
        teacher_temperature=config["teacher_temp"],
        warmup_teacher_epochs=config["warmup_teacher_temp_epochs"],
        drop_path=config["drop_path"],
    )
    dino = Dino(settings, "test_vit", 32, recipe=None)
    # timm has no name for the small ViT of the case, so the networks are built here.
    sizes = (config["embed_dim"], config["out_dim"], config["head_hidden_dim"], config["head_bottleneck_dim"], 3)
    use_bn = bool(config["head_use_bn"])
    student_head = DinoHead(*sizes, use_bn, bool(config["student_norm_last_layer"]))
    dino.student = Network(transformer(config), student_head)
    dino.teacher = Network(transformer(config), DinoHead(*sizes, use_bn, True))
    dino.teacher.requires_grad_(False)
    return dino.train()


def _run(method, crops, plan, per_epoch, clip):
    """What one step of the loop uses of a run, with given crops instead of pictures."""
    batch = len(crops[0][0])
    return SimpleNamespace(
        method=method,
        plan=Plan(device="cpu", clip=clip),
        length=Length(len(crops), per_epoch, batch, per_epoch * batch),
        schedules=plan,
        optimizer=method.optimizer(),
        device=torch.device("cpu"),
        loader=SimpleNamespace(load=lambda step, part: Views(crops[step], torch.arange(batch))),
        log=None,
        step=0,
    )


def _step(run):
    metrics = {}
    run.progress = Progress(run.step, *divmod(run.step, run.length.per_epoch))
    meter = SimpleNamespace(add=lambda new, count: metrics.update({k: float(v) for k, v in new.items()}, count=count))
    loop.step(run, run.method, meter, CollapseGuard(0))
    assert all(math.isfinite(value) for value in metrics.values())
    return metrics
