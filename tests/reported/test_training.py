"""What people report of training, export and evaluation of networks: files, network families, numbers that are none."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import timm
import torch
from click.testing import CliRunner, Result
from onnx import numpy_helper
from PIL import Image
from safetensors.torch import load_file, save_file
from timm.data import create_transform
from timm.models import register_model
from timm.models._registry import _model_pretrained_cfgs
from torch import nn

from cli.main import main
from copysight.model import bundle as bundles
from copysight.model.embedder import Embedder
from copysight.pictures.preprocess import to_tensor
from evaluation.features import backbone as evaluated
from tests.conftest import drawn_picture
from tests.reported.released_files import (
    as_numpy_1,
    dino_checkpoint,
    dinov2_file,
    dinov3_convnext_file,
    dinov3_file,
    swav_checkpoint,
)
from tests.training import families
from tests.training.conftest import make_method
from training.checkpoints import checkpoint, frameworks, pretrained, released
from training.export import exportable, published
from training.export.export import export
from training.networks import backbones, descriptors
from training.networks.input_sizes import in_eval

reported = pytest.mark.reported
pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning")
TINY = ("--backbone=test_resnet", "--global-size=32", "--local-size=16", "--local-crops=2", "--batch=4", "--epochs=1")


@pytest.fixture(scope="module", autouse=True)
def prepared() -> None:
    torch.set_num_threads(1)
    families.register()


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for seed in range(8):
        drawn_picture(seed, (80, 60)).save(folder / f"{seed}.png")
    return folder


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("set")
    for number in range(8):
        folder = root / ("val" if number % 2 else "train") / f"class{number // 4}"
        folder.mkdir(parents=True, exist_ok=True)
        drawn_picture(number, (60, 60)).save(folder / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("film")
    for kind in ("JPEGImages", "Annotations"):
        (root / kind / "480p" / "one").mkdir(parents=True)
    for number in range(3):
        drawn_picture(number, (128, 64)).save(root / "JPEGImages/480p/one" / f"{number:05}.jpg")
        mask = Image.new("P", (128, 64))
        mask.putpalette([0, 0, 0, 200, 0, 0])
        mask.paste(1, (20, 20, 50, 50))
        mask.save(root / "Annotations/480p/one" / f"{number:05}.png")
    return root


def copysight(*arguments: object) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def refused(result: Result) -> str:
    """The one line of a refusal: the command exits with 1 and says nothing else on stderr."""
    assert result.exit_code == 1, result.output
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.output
    assert lines[0].startswith("copysight: ")
    return lines[0]


def train(photos: Path, out: Path, *more: object, method: str = "swav") -> Result:
    heads = ("--prototypes=6", "--hidden=16", "--output=8", "--queue-length=0") if method == "swav" else ()
    fixed = (f"--out={out}", f"--cache={out.parent / 'cache'}", "--device=cpu", "--threads=1")
    return copysight("train", method, photos, *fixed, *TINY, *heads, *more)


@pytest.fixture(scope="module")
def run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    assert train(photos, out).exit_code == 0
    return out


# --- T1: numbers that are none ---


def spoiled(run: Path, out: Path, name: str, value: float) -> Path:
    """A copy of a run with one number of one tensor replaced."""
    content = torch.load(run / checkpoint.NAME, weights_only=True)
    tensor = content["state"][name]
    tensor[(0,) * tensor.ndim] = value
    content.pop("format")
    out.mkdir()
    checkpoint.save(out / checkpoint.NAME, content)
    return out


@reported("T1")
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["backbone.conv1.0.weight", "backbone.bn1.running_var", "head.prototypes.0.weight"])
def test_a_network_with_nan_or_infinity_is_not_exported(run: Path, tmp_path: Path, name: str, value: float) -> None:
    bad = spoiled(run, tmp_path / "bad", name, value)
    line = refused(copysight("export", bad, "--out", tmp_path / "bundle", "--weights", "timm"))
    assert "are not finite (1 of " in line
    assert not (tmp_path / "bundle").exists()


@reported("T1")
def test_outputs_that_overflow_are_not_exported(run: Path, tmp_path: Path) -> None:
    """All weights are finite, but what the network makes of a picture is not."""
    content = torch.load(run / checkpoint.NAME, weights_only=True)
    for name, value in content["state"].items():
        if name.startswith("backbone.") and name.endswith("conv1.weight"):
            value.mul_(1e30)
    content.pop("format")
    (tmp_path / "bad").mkdir()
    checkpoint.save(tmp_path / "bad" / checkpoint.NAME, content)
    assert "NaN or infinity for ordinary pictures" in refused(
        copysight("export", tmp_path / "bad", "--out", tmp_path / "bundle")
    )


@reported("T1")
def test_a_learning_rate_of_1e30_never_becomes_a_bundle(photos: Path, tmp_path: Path) -> None:
    trained = train(photos, tmp_path / "run", "--optimizer=sgd", "--lr=1e30", "--epochs=2")
    exported = copysight("export", tmp_path / "run", "--out", tmp_path / "bundle")
    assert (trained.exit_code, exported.exit_code) == (1, 1)
    assert not (tmp_path / "bundle").exists()
    assert (
        "sound" not in trained.output
        or checkpoint.load(tmp_path / "run").state["backbone.conv1.0.weight"].isfinite().all()
    )


@reported("T1")
def test_nothing_starts_from_weights_that_are_not_finite(run: Path, photos: Path, tmp_path: Path) -> None:
    bad = spoiled(run, tmp_path / "bad", "backbone.conv1.0.weight", float("nan"))
    for option in ("--init", "--warm-start"):
        line = refused(train(photos, tmp_path / "new", f"{option}={bad}"))
        assert "are not finite" in line
        assert not (tmp_path / "new").exists()


@reported("T1")
def test_a_bundle_with_nan_is_not_evaluated(
    run: Path, labelled: Path, film: Path, tmp_path: Path, exported_vit: Callable[..., Path]
) -> None:
    """Bundles of older versions may hold NaN and be certified. Evaluations refuse them before they read a picture."""
    bad = with_nan(exported_vit("test_vit", 32), tmp_path / "bad")
    for arguments in (
        ("knn", bad, labelled, "--k", 1),
        ("knn", f"{bad}:patches", labelled, "--k", 1),
        ("linear", bad, labelled),
        ("linear", bad, labelled, "--recipe", "vit-b", "--size", 32),
        ("retrieval", bad, labelled),
        ("retrieval", bad, labelled, "--size", 32),
        ("clusters", bad, labelled),
        ("video", bad, film),
        ("video", bad, film, "--lines", 64),
    ):
        assert re.search(r"not finite|NaN or infinity", refused(copysight("evaluate", *arguments))), arguments


def with_nan(source: Path, out: Path) -> Path:
    """A copy of a bundle, with right checksums, whose patch embedding holds a NaN in the graph and in the weights."""
    manifest = json.loads((source / bundles.DESCRIPTION).read_text())
    files = {name: (source / name).read_bytes() for name in manifest.pop("files")}
    manifest.pop("format")
    model = onnx.load_from_string(files["graph0.onnx"])
    weight = next(one for one in model.graph.initializer if one.name.endswith("patch_embed.proj.weight"))
    values = numpy_helper.to_array(weight).copy()
    values.flat[0] = np.nan
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    state = load_file(source / frameworks.FILE)
    state["patch_embed.proj.weight"][0, 0, 0, 0] = float("nan")
    about = {"backbone": manifest["backbone"], "preprocess": json.dumps(manifest["graphs"]["graph0"]["preprocess"])}
    save_file(state, out.parent / "weights", about)
    files |= {"graph0.onnx": model.SerializeToString(), frameworks.FILE: (out.parent / "weights").read_bytes()}
    return bundles.write(out, manifest, files).path


@pytest.fixture(scope="module")
def exported_vit(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Export a network with random weights and its weights.safetensors, once a network and size."""
    made: dict[tuple[str, int], Path] = {}

    def make(name: str, size: int) -> Path:
        if (name, size) not in made:
            torch.manual_seed(0)
            network = exportable.load(f"timm:{name}", size=size, random=True)
            made[name, size] = export(
                [network], tmp_path_factory.mktemp("bundles") / name, weights="timm", places=False
            ).path
        return made[name, size]

    return make


# --- T2, T10: files of other codes ---


@reported("T2")
@pytest.mark.parametrize("numpy", [1, 2])
@pytest.mark.parametrize("method", ["dino", "swav", "deepcluster"])
def test_a_checkpoint_that_the_released_training_wrote_is_read(method: str, numpy: int, tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pth"
    body = dino_checkpoint(file) if method == "dino" else swav_checkpoint(file, method == "deepcluster")
    if numpy == 1:
        as_numpy_1(file)
    found = released.load(file)
    assert found.method == method
    assert found.head is not None
    for name, value in body.state_dict().items():
        assert torch.equal(found.body.state_dict()[name], value), name
    assert torch.equal(pretrained.backbone(file).state_dict()["norm.weight" if method == "dino" else "bn1.weight"],
                       body.state_dict()["norm.weight" if method == "dino" else "bn1.weight"])  # fmt: skip


@reported("T2")
def test_such_a_checkpoint_is_exported_and_started_from(photos: Path, tmp_path: Path) -> None:
    body = dino_checkpoint(tmp_path / "checkpoint.pth")
    done = copysight("export", tmp_path / "checkpoint.pth", "--size", 32, "--out", tmp_path / "bundle")
    assert done.exit_code == 0, done.output
    bundle = bundles.load(tmp_path / "bundle")
    assert (bundle.name, bundle.method, bundle.prototypes.count) == ("dino-vit_tiny_patch16_224", "dino", 12)
    for option, more in (("--init", "--backbone=vit_tiny_patch16_224"), ("--warm-start", "--warm-start-batch=4")):
        done = train(
            photos, tmp_path / option, f"{option}={tmp_path / 'checkpoint.pth'}", more, "--warm-start-pictures=4"
        )
        assert done.exit_code == 0, done.output
    log = (tmp_path / "--init" / "log.jsonl").read_text().splitlines()[0]
    assert json.loads(log)["loaded"] == len(body.state_dict())
    assert "positions resized from 14 x 14 to 2 x 2" in log


class Touch:
    """A pickle that would make a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


@reported("T2")
def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {}, "hook": Touch(tmp_path / "made")}, tmp_path / "checkpoint.pth")
    line = refused(copysight("export", tmp_path / "checkpoint.pth", "--out", tmp_path / "bundle"))
    assert "it holds an object of " in line
    assert "only weights, numbers and settings are read" in line
    assert not (tmp_path / "made").exists()


@reported("T10")
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("registers", ["", "reg4_"])
def test_a_dinov2_file_is_read(registers: str, training: bool, tmp_path: Path) -> None:
    torch.manual_seed(0)
    name = f"vit_small_patch14_{registers}dinov2"
    body = timm.create_model(name, num_classes=0).eval()
    dinov2_file(body, tmp_path / "dinov2.pth", training)
    found = released.load(tmp_path / "dinov2.pth")
    assert (found.method, found.backbone, found.image_size) == ("dinov2", name, 518)
    for parameter, value in body.state_dict().items():
        assert torch.allclose(found.body.state_dict()[parameter], value, atol=1e-6), parameter


@reported("T10")
@pytest.mark.parametrize("bias", [False, True])
def test_a_dinov3_file_is_read(bias: bool, tmp_path: Path) -> None:
    """Its names, with a bias of queries and values, or with one that is 0, as in the distilled networks."""
    torch.manual_seed(0)
    name = "vit_small_patch16_dinov3" + ("_qkvb" if bias else "")
    body = timm.create_model(name, num_classes=0).eval()
    dinov3_file(body, tmp_path / "dinov3.pth", bias)
    found = released.load(tmp_path / "dinov3.pth")
    assert (found.method, found.backbone, found.image_size) == ("dinov3", name, 256)
    pictures = torch.randn(1, 3, 64, 64)
    with in_eval(body), in_eval(found.body):
        assert torch.equal(found.body.forward_features(pictures), body.forward_features(pictures))


@reported("T10")
def test_a_dinov3_convnext_is_read(tmp_path: Path) -> None:
    torch.manual_seed(0)
    body = timm.create_model("convnext_tiny", num_classes=0).eval()
    dinov3_convnext_file(body, tmp_path / "dinov3.pth")
    found = released.load(tmp_path / "dinov3.pth")
    assert (found.method, found.backbone) == ("dinov3", "convnext_tiny")
    for parameter, value in body.state_dict().items():
        assert torch.equal(found.body.state_dict()[parameter], value), parameter


@reported("T10")
def test_a_file_that_cannot_be_used_is_told_what_it_is(tmp_path: Path) -> None:
    tiny_8 = timm.create_model("vit_tiny_patch16_224", patch_size=8, num_classes=0).state_dict()
    plain = backbones.build("resnet50").state_dict()
    wide = {name: value.repeat(2, *[1] * (value.ndim - 1)) for name, value in plain.items() if value.ndim}
    for state, what in (
        (tiny_8, "holds a vision transformer of 12 blocks with 192 channels and patches of 8 px"),
        (wide, r"holds a ResNet of 3-4-6-3 bottlenecks, 128 channels wide"),
        ({"a.weight": torch.zeros(1)}, "holds an unknown network; its first tensors are a.weight"),
        ({"epoch": 3}, "holds no weights but epoch"),
    ):
        torch.save(state, tmp_path / "file.pth")
        line = refused(copysight("export", tmp_path / "file.pth", "--out", tmp_path / "bundle"))
        assert re.search(what, line)
        assert "--backbone vit" not in line
        assert "convit" not in line
    for data in (b"", b"<html>404</html>", b"PK\x03\x04"):
        (tmp_path / "file.pth").write_bytes(data)
        assert "cannot be read as a torch file" in refused(
            copysight("export", tmp_path / "file.pth", "--out", tmp_path / "bundle")
        )


# --- T3: where the channels are ---


@reported("T3")
@pytest.mark.parametrize(
    ("name", "size", "axis", "prefix"),
    [
        ("shrunk_swin_transformer", 224, 3, 0),
        ("shrunk_swin_transformer_v2", 256, 3, 0),
        ("shrunk_swin_transformer_v2_cr", 224, 1, 0),
        ("test_mambaout", 64, 3, 0),
        ("shrunk_sequencer", 224, 3, 0),
        ("shrunk_qwen3_vit", 64, 3, 0),
        ("shrunk_eva", 64, 2, 5),
        ("shrunk_beit", 224, 2, 1),
        ("shrunk_cait", 224, 2, 1),
        ("shrunk_xcit", 64, 2, 1),
        ("shrunk_deit", 224, 2, 2),
        ("shrunk_tnt", 224, 2, 1),
        ("shrunk_levit", 224, 2, 0),
        ("shrunk_hiera", 224, 2, 0),
        ("gmlp_ti16_224", 224, 2, 0),
        ("test_vit_relpos", 160, 2, 0),
        ("shrunk_twins", 64, 2, 0),
        ("test_coatnet", 160, 1, 0),
        ("test_convnext", 64, 1, 0),
        ("shrunk_naflexvit", 64, 2, 4),
    ],
)
def test_gem_averages_channels_over_places(name: str, size: int, axis: int, prefix: int) -> None:
    """As many numbers as channels, and each is the generalised mean of one channel, by a loop."""
    torch.manual_seed(0)
    network = exportable.load(f"timm:{name}", size=size, recipe="gem", random=True)
    body = frameworks.backbone_of(network.graph)
    pictures = torch.randn(2, 3, size, size)
    with torch.inference_mode():
        features = body.forward_features(pictures)
        found = network.graph(pictures)[0]
    width = features.shape[axis]
    assert found.shape == (2, width)
    expected = torch.empty(2, width)
    for channel in range(width):
        places = features.select(axis, channel).flatten(1)[:, prefix:]
        expected[:, channel] = places.clamp(min=1e-6).pow(3).mean(dim=1).pow(1 / 3)
    assert torch.allclose(found, nn.functional.normalize(expected, dim=1), atol=1e-5)


@reported("T3")
@pytest.mark.parametrize("name", ["crossvit_tiny_240", "efficientvim_m1", "pit_ti_224"])
def test_gem_of_a_network_without_one_map_of_places_is_refused(name: str, tmp_path: Path) -> None:
    line = refused(copysight("export", f"timm:{name}", "--random", "--recipe", "gem", "--out", tmp_path / "bundle"))
    assert "use the network's own pooling (--recipe pool)" in line


# --- T4: registers, and networks without [CLS] ---


@pytest.fixture(scope="module")
def variants() -> None:
    """Small ViTs of the kinds that reports name, under names of their own."""
    small = {"embed_dim": 48, "depth": 2, "num_heads": 2}
    with_cls = {**small, "class_token": True, "global_pool": "token"}
    for name, base in (
        ("small_registers", "vit_small_patch14_reg4_dinov2"),
        ("small_registers_gap", "vit_medium_patch16_reg4_gap_256"),
        ("small_gap", "vit_medium_patch16_gap_256"),
        ("small_parallel", "vit_small_patch16_18x2_224"),
        ("small_scaling", "vit_base_patch16_xp_224"),
        ("small_post_norm", "vit_base_patch16_rpn_224"),
        ("small_no_embed", "deit3_small_patch16_224"),
    ):
        if not timm.is_model(name):
            register_model(_variant(name, base, with_cls if name == "small_post_norm" else small))


def _variant(name: str, base: str, small: dict[str, object]) -> Callable[..., nn.Module]:
    def entry(pretrained: bool = False, **settings: object) -> nn.Module:
        return timm.create_model(base, **{**small, **settings})

    entry.__name__, entry.__module__ = name, "timm.models.vision_transformer"
    return entry


@reported("T4")
def test_registers_are_no_patches(variants: None, exported_vit: Callable[..., Path], drawn: Callable) -> None:
    """In a bundle, in an evaluation on its weights, and in the pooling of a copy descriptor."""
    torch.manual_seed(0)
    bundle = bundles.load(exported_vit("small_registers", 56))
    assert (bundle.patches.grid, bundle.attention.grid) == ((4, 4), (4, 4))
    network = evaluated.load(str(bundle.path))
    picture = drawn(0, (56, 56))
    pixels = torch.from_numpy(Embedder(bundle).prepare(picture)["graph0"])[None]
    with torch.inference_mode():
        tokens = network.network.forward_features(pixels)
    assert tokens.shape[1] == 1 + 4 + 16
    found = Embedder(bundle).run([{"graph0": pixels[0].numpy()}], ("patches",)).patches[0]
    assert np.abs(found - tokens[0, 5:].numpy()).max() < 1e-3
    mixed = network.features(pixels, evaluated.RECIPES["vit-b"])
    assert torch.allclose(mixed[:, 1::2], tokens[:, 5:].mean(dim=1), atol=1e-4)
    assert network.whole_frames(70)(drawn(1, (90, 70))).shape == (5, 6, 48)
    gem = descriptors.gem(tokens[:, 5:])
    assert torch.allclose(descriptors.pooled(network.network, pixels), torch.cat([tokens[:, 0], gem], dim=1), atol=1e-5)


@reported("T4")
@pytest.mark.parametrize("name", ["small_gap", "small_registers_gap"])
def test_a_vit_without_cls_has_no_cls_recipe_and_no_attention(
    name: str, variants: None, exported_vit: Callable[..., Path], labelled: Path, tmp_path: Path
) -> None:
    for recipe in ("cls", "cls+gem"):
        line = refused(
            copysight("export", f"timm:{name}", "--random", "--size=32", "--recipe", recipe, "--out", tmp_path / "b")
        )
        assert "choose one of pool, gem" in line
        assert "has no [CLS] token" in line
    path = exported_vit(name, 32)
    assert bundles.load(path).attention is None
    for recipe in ("vit-s", "vit-b"):
        line = refused(copysight("evaluate", "linear", path, labelled, "--recipe", recipe, "--size", 32))
        assert "has no [CLS] token" in line
    torch.manual_seed(0)
    network = exportable.load(f"timm:{name}", size=32, recipe="gem", random=True)
    assert network.graph(torch.randn(1, 3, 32, 32))[0].shape == (1, 48)
    descriptor = descriptors.build(name, 32, 8)
    assert descriptor(torch.randn(2, 3, 32, 32)).shape == (2, 8)
    assert descriptor.project.in_features == 48


@reported("T4")
def test_a_position_table_without_cls_is_trained(variants: None) -> None:
    """DeiT-III adds positions to patches only."""
    network = backbones.build("small_no_embed", 32)
    assert backbones.dimension(network, 32, 16) == 48
    assert exportable.load("timm:small_no_embed", size=32, random=True).graph(torch.randn(1, 3, 32, 32))[0].shape == (
        1,
        48,
    )


# --- T6: the width of a forward pass ---


WIDENING = (
    "mobilenetv3_small_050",
    "mobilenetv4_conv_small_035",
    "shrunk_vgg",
    "ghostnet_050",
    "efficientvit_b0",
    "test_mambaout",
)


@reported("T6")
@pytest.mark.parametrize("name", WIDENING)
@pytest.mark.parametrize("method", ["dino", "swav", "deepcluster", "deepcluster-v1"])
def test_methods_train_networks_that_widen_their_features(name: str, method: str) -> None:
    made = make_method(method, name)
    network = made.exported_backbone()
    assert backbones.dimension(network, 32) != network.num_features
    with in_eval(network):
        features = network(torch.randn(2, 3, 32, 32))
    head = {"dino": lambda: made.teacher.head, "deepcluster-v1": lambda: made.top}.get(method, lambda: made.head)()
    assert len(head.eval()(features)) == 2


# --- T7: all weights ---


@reported("T7")
@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("test_convnext", 64),
        ("test_convnext2", 64),
        ("test_mambaout", 64),
        ("shrunk_davit", 64),
        ("shrunk_swin_transformer", 224),
        ("shrunk_tresnet", 64),
        ("shrunk_hiera", 224),
        ("shrunk_nest", 224),
        ("test_vit2", 160),
        ("test_vit3", 160),
        ("test_coatnet", 160),
        ("fastvit_t8", 64),
        ("rexnet_100", 64),
        ("inception_next_atto", 64),
    ],
)
def test_weights_are_all_that_timm_has_without_classifier(name: str, size: int, tmp_path: Path) -> None:
    name = "nest_tiny" if name == "shrunk_nest" else name
    torch.manual_seed(0)
    network = exportable.load(f"timm:{name}", size=size, random=True)
    body = frameworks.backbone_of(network.graph)
    (tmp_path / "file").write_bytes(frameworks.weights(name, body, "timm", {"size": size}))
    fresh = timm.create_model(name, num_classes=0)
    fresh.load_state_dict(load_file(tmp_path / "file"), strict=True)
    pictures = torch.randn(1, 3, size, size)
    with in_eval(fresh):
        assert torch.allclose(fresh(pictures), body(pictures), atol=1e-5)


# --- T8: as published ---


@reported("T8")
def test_the_published_crop_and_interpolation_are_kept() -> None:
    """timm's own evaluation transform and ours, for a picture that is no square."""
    picture = drawn_picture(3, (330, 250))
    kinds = {
        (one.crop_mode, one.crop_pct, one.interpolation, one.input_size) for one in _model_pretrained_cfgs.values()
    }
    checked = 0
    for mode, share, interpolation, shape in sorted(kinds, key=str):
        if mode == "border" or shape[1] != shape[2] or shape[1] > 300:
            continue
        config = {"crop_mode": mode, "crop_pct": share, "interpolation": interpolation, "input_size": shape}
        config |= {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
        expected = create_transform(**config)(picture).numpy()
        found = to_tensor(picture, published.of_timm("a", config, None))
        cosine = (found * expected).sum() / np.linalg.norm(found) / np.linalg.norm(expected)
        assert cosine > 0.98, config
        checked += 1
    assert checked > 30
    assert {mode for mode, *_ in kinds} == {"center", "squash", "border"}


@reported("T8")
def test_inputs_that_a_bundle_cannot_make_are_refused(tmp_path: Path) -> None:
    for name, reason in (
        ("vit_base_patch16_sapiens2", "is 1024 x 768 px, and a bundle takes squares"),
        ("shrunk_deepseek_vit", "the whole picture with borders"),
    ):
        line = refused(copysight("export", f"timm:{name}", "--random", "--out", tmp_path / "bundle"))
        assert reason in line


# --- T9: one line that says what fits ---


@reported("T9")
def test_lines_that_do_not_fit_the_patches_are_refused(
    variants: None, exported_vit: Callable[..., Path], film: Path
) -> None:
    path = exported_vit("small_registers", 56)
    line = refused(copysight("evaluate", "video", path, film, "--lines", 64))
    assert "got --lines 64 for patches of 14 px" in line
    assert "56 or 70" in line
    done = copysight("evaluate", "video", path, film, "--lines", 70, "--json")
    assert done.exit_code == 0, done.output


@reported("T9")
def test_a_size_that_does_not_fit_is_refused_with_sizes_that_do(
    variants: None, exported_vit: Callable[..., Path], labelled: Path, photos: Path, tmp_path: Path
) -> None:
    for name, size, fits in (
        ("shrunk_swin_transformer", 96, "sizes that fit: 224 px"),
        ("eva02_tiny_patch14_224", 96, "sizes that fit: 224 px"),
        ("small_registers", 96, "choose a multiple of 14, such as 84 or 98"),
        ("halonet_h1", 96, "sizes that fit: 256 px"),
    ):
        assert fits in refused(copysight("export", f"timm:{name}", "--random", "--size", size, "--out", tmp_path / "b"))
    swin = exported_vit("shrunk_swin_transformer", 224)
    for command in ("retrieval", "linear"):
        more = ("--recipe", "resnet50") if command == "linear" else ()
        line = refused(copysight("evaluate", command, swin, labelled, *more, "--size", 96))
        assert "does not take pictures of" in line
        assert "squares that fit: 224 px" in line
    line = refused(train(photos, tmp_path / "run", "--backbone=shrunk_swin_transformer", "--global-size=224"))
    assert "does not take pictures of 16 px" in line
    assert "sizes that fit: 224 px" in line
    assert not (tmp_path / "run").exists()


@reported("T9")
@pytest.mark.parametrize("name", ["small_parallel", "small_scaling", "small_post_norm"])
def test_blocks_of_another_kind_are_exported_without_attention(
    name: str, variants: None, exported_vit: Callable[..., Path]
) -> None:
    bundle = bundles.load(exported_vit(name, 32))
    assert bundle.attention is None
    assert bundle.patches.grid == (2, 2)


@reported("T9")
def test_a_hybrid_is_exported_at_its_own_size(exported_vit: Callable[..., Path]) -> None:
    bundle = bundles.load(exported_vit("shrunk_vision_transformer_hybrid", 224))
    assert bundle.patches.grid == (7, 7)
    assert evaluated.load(str(bundle.path)).patch == 32


# --- T11, T14: where weights are from ---


@reported("T11")
def test_a_tag_in_the_name_of_a_backbone_is_refused(photos: Path, tmp_path: Path) -> None:
    line = refused(train(photos, tmp_path / "run", "--backbone=resnet10t.c3_in1k"))
    assert "a tag names published weights" in line
    assert "--backbone resnet10t --init timm:resnet10t.c3_in1k" in line
    assert not (tmp_path / "run").exists()


@reported("T11")
def test_a_bundle_of_tagged_weights_names_the_plain_backbone(tmp_path: Path) -> None:
    network = exportable.load("timm:test_vit.r160_in1k", size=32, random=True)
    bundle = export([network], tmp_path / "bundle", weights="timm", places=False)
    assert bundle.backbone == "test_vit"
    assert evaluated.load(str(bundle.path)).patch == 16
    assert pretrained.initial(str(bundle.path), backbones.build("test_vit", 32)).loaded > 10


@reported("T14")
def test_the_origin_of_a_bare_backbone_is_unknown_unless_told(tmp_path: Path) -> None:
    """Torchvision's supervised ResNet-50 has the names of DINO's."""
    body = timm.create_model("resnet50", num_classes=1000)
    torch.save(body.state_dict(), tmp_path / "resnet50.pth")
    found = exportable.load(str(tmp_path / "resnet50.pth"), size=32)
    assert (found.name, found.method, found.licence) == ("unknown-resnet50", "unknown", "unknown")
    told = exportable.load(str(tmp_path / "resnet50.pth"), size=32, method="dino", licence="Apache-2.0")
    assert (told.name, told.method, told.licence) == ("dino-resnet50", "dino", "Apache-2.0")
    bundle = export([found], tmp_path / "bundle", places=False)
    assert (bundle.method, bundle.licence) == ("unknown", "unknown")
    assert "Licence: unknown." in (bundle.path / "MODEL_CARD.md").read_text()


@reported("T14")
def test_a_file_of_dino_is_of_dino_and_its_licence_is_unknown(tmp_path: Path) -> None:
    dino_checkpoint(tmp_path / "checkpoint.pth")
    found = exportable.load(str(tmp_path / "checkpoint.pth"), size=32)
    assert (found.method, found.licence) == ("dino", "unknown")


@reported("T14")
def test_timm_weights_have_the_licence_that_timm_says(tmp_path: Path) -> None:
    save_file(timm.create_model("test_resnet", num_classes=0).state_dict(), tmp_path / "weights.safetensors")

    def licensed_resnet(pretrained: bool = False, **settings: object) -> nn.Module:
        source = {"file": str(tmp_path / "weights.safetensors"), "license": "cc-by-nc-4.0", "num_classes": 0}
        return timm.create_model("test_resnet", pretrained=pretrained, **{**settings, "pretrained_cfg_overlay": source})

    licensed_resnet.__module__ = "timm.models.resnet"
    register_model(licensed_resnet)
    assert exportable.load("timm:licensed_resnet", size=32).licence == "cc-by-nc-4.0"
