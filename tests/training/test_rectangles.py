"""Trainings on rectangular crops: every method, export, an index that is served, and what cannot be rectangular."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from cli.main import main
from copysight.errors import InvalidArgument
from copysight.model import bundle as bundles
from copysight.model.embedder import Embedder
from tests.conftest import drawn_picture
from tests.service.conftest import serving
from tests.training import families
from tests.training.families import FAMILIES, Family
from training.checkpoints import checkpoint
from training.export import exportable
from training.networks import backbones
from training.networks.fixed_size import at_size

HEAD = ("--hidden=16", "--warmup-epochs=0", "--local-size=32x16", "--local-crops=2")
METHODS = {
    "dino": ("--backbone=test_vit", "--prototypes=16", "--bottleneck=8", *HEAD),
    "swav": ("--backbone=test_resnet", "--prototypes=6", "--output=8", "--queue-length=0", *HEAD),
    "deepcluster": ("--backbone=test_resnet", "--prototypes=4", "--output=8", *HEAD),
    "deepcluster-v1": ("--backbone=test_resnet", "--clusters=4", "--pca=8"),
    "copy": ("--backbone=test_resnet", "--dimension=16", "--first-size=48x32"),
}
REFUSED = {
    "convit": "must match the existing size",
    "deepseek_vit": r"Input width \(144\) should be divisible",
    "efficientformer": "must match the size",
    "efficientformer_v2": "must match the size",
    "gcvit": "is invalid for input",
    "gemma4_vit": "holds infinite constants",
    "hiera": "is invalid for input",
    "hieradet_sam2": "must match the size",
    "maxxvit": "must match the size",
    "nest": r"Input width \(112\) doesn't match",
}
"""Families that need squares, or sides of a kind -> the reason in their line."""
SIDES = {"csatv2": (512, 256), **dict.fromkeys(("inception_resnet_v2", "inception_v3", "inception_v4"), (96, 160))}
"""Rectangles of the families that need more pixels."""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(12):
        drawn_picture(seed, (120, 100)).save(folder / f"{seed}.jpg")
    return folder


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def train(method: str, pictures: Path, out: Path, *more: str) -> tuple[int, str]:
    plan = ("--global-size=64x48", "--batch=4", "--epochs=1", "--device=cpu", "--threads=1")
    return run("train", method, pictures, "--out", out, f"--cache={pictures.parent / 'cache'}", *plan, *more)


@pytest.mark.parametrize(
    "method", [pytest.param(name, marks=pytest.mark.long if name.startswith("deepcluster") else ()) for name in METHODS]
)
def test_a_method_trains_on_rectangles_and_its_bundle_takes_them(method: str, pictures: Path, tmp_path: Path) -> None:
    first = train(method, pictures, tmp_path / "run", *METHODS[method], "--stop-after=0.000001")
    assert first[0] == 0, first[1]
    code, output = train(method, pictures, tmp_path / "run", *METHODS[method])
    assert code == 0, output
    saved = checkpoint.load(tmp_path / "run")
    assert (saved.step, saved.image_size) == (3, (64, 48))
    code, output = run("export", tmp_path / "run", "--out", tmp_path / "bundle", "--json")
    assert code == 0, output
    assert json.loads(output)["largest_difference"] <= 1e-4
    bundle = bundles.load(tmp_path / "bundle")
    preprocess = bundle.graphs[bundle.embedding.graph].preprocess
    assert preprocess.size == (64, 48)
    embedded = Embedder(bundle).embed([drawn_picture(seed, (120, 100)) for seed in range(3)])
    assert embedded.shape == (3, bundle.dimension)
    code, output = train(method, pictures, tmp_path / "run", *METHODS[method], "--global-size=48x64")
    assert code == 1
    assert output.strip().endswith("use the same value, or choose another --out")
    assert "image_size = (64, 48), this run has (48, 64)" in output


def test_the_crops_of_a_step_are_rectangles(new_run: Any) -> None:
    from training.methods.dino import Dino
    from training.run.run import Run
    from training.views import multi_crop

    tiny = new_run("dino")
    recipe = multi_crop.dino_recipe((40, 24), (16, 8), 2)
    method = Dino(tiny.method.config, "test_resnet", (40, 24), recipe)
    made = Run(method, tiny.plan, tiny.loader.pack, [], tiny.out, tiny.log)
    shapes = [tuple(crop.shape[2:]) for crop in made.loader.crops(made.loader.order(0)[:4], 0)]
    assert shapes == [(40, 24)] * 2 + [(16, 8)] * 2
    assert made.loader.plain(made.loader.order(0)[:4]).shape == (4, 3, 40, 24)


def test_an_index_of_a_rectangular_bundle_is_built_searched_and_shows_attention(
    pictures: Path, tmp_path: Path, jpeg: Any
) -> None:
    assert train("dino", pictures, tmp_path / "run", *METHODS["dino"])[0] == 0
    assert run("export", tmp_path / "run", "--out", tmp_path / "bundle", "--size=96x48")[0] == 0
    code, output = run("index", "build", pictures, "--index", tmp_path / "index", "--bundle", tmp_path / "bundle")
    assert code == 0, output
    with serving(tmp_path / "index") as server:
        itself = server.http.post("/search?k=1", files={"file": (pictures / "5.jpg").read_bytes()}).json()
        assert itself["items"][0]["matches"][0]["key"] == "5.jpg"
        [item] = server.http.post("/attention", files={"file": jpeg(drawn_picture(5, (120, 120)))}).json()["items"]
        assert item["grid"] == [6, 3]
        left, top, right, bottom = item["box"]
        assert (right - left) * 2 == pytest.approx(bottom - top)


def test_weights_go_from_a_rectangle_to_a_square_and_back(pictures: Path, tmp_path: Path) -> None:
    assert train("dino", pictures, tmp_path / "run", *METHODS["dino"])[0] == 0
    square = ("--global-size=64", "--init", str(tmp_path / "run"))
    code, output = train("dino", pictures, tmp_path / "square", *METHODS["dino"], *square)
    assert code == 0, output
    assert "positions resized from 4 x 3 to 4 x 4" in output
    back = ("--global-size=48x96", "--init", str(tmp_path / "square"))
    code, output = train("dino", pictures, tmp_path / "back", *METHODS["dino"], *back)
    assert code == 0, output
    assert "positions resized from 4 x 4 to 3 x 6" in output


def test_a_warm_start_takes_the_shape_of_the_crops(pictures: Path, tmp_path: Path) -> None:
    assert train("swav", pictures, tmp_path / "teacher", *METHODS["swav"])[0] == 0
    warm = ("--warm-start", str(tmp_path / "teacher"), "--warm-start-pictures=8", "--warm-start-batch=4")
    code, output = train("dino", pictures, tmp_path / "run", *METHODS["dino"], *warm, "--stop-after=0.000001")
    assert code == 0, output
    assert "to go on: copysight train dino" in output
    assert "--global-size 64x48" in output
    assert "--local-size 32x16" in output


@pytest.mark.parametrize(
    ("method", "options", "said"),
    [
        ("swav", ("--weights=timm",), "--weights is for networks of squares, and swav-test_resnet takes 64 x 48 px"),
        ("dino", ("--size=90x64",), "got a size of 90 x 64 px for patches of 16 px; choose a multiple of 16, such as"),
        ("copy", ("--views",), "--views cuts squares, and "),
    ],
)
def test_what_needs_squares_says_so_in_one_line(
    method: str, options: tuple[str, ...], said: str, pictures: Path, tmp_path: Path
) -> None:
    assert train(method, pictures, tmp_path / "run", *METHODS[method])[0] == 0
    code, output = run("export", tmp_path / "run", "--out", tmp_path / "bundle", *options)
    assert code == 1
    assert output.startswith(f"copysight: {said}")
    assert output.count("\n") == 1
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("size", ["64x", "x48", "64x48x3", "64*48", "6.4x48", "4x48", "64x9000", "٦٤x٤٨"])
def test_a_size_that_is_none_is_a_usage_error(size: str, pictures: Path, tmp_path: Path) -> None:
    code, output = train("swav", pictures, tmp_path / "run", *METHODS["swav"], f"--global-size={size}")
    assert code == 2
    assert "Invalid value for '--global-size'" in output.strip().splitlines()[-1]


def test_two_equal_sides_are_one(pictures: Path, tmp_path: Path) -> None:
    code, output = train("swav", pictures, tmp_path / "run", *METHODS["swav"], "--global-size=48X48")
    assert code == 0, output
    assert checkpoint.load(tmp_path / "run").image_size == 48


@pytest.mark.parametrize(
    ("name", "patch"),
    [("deit_tiny_patch16_224", 16), ("vit_small_patch14_reg4_dinov2", 14), ("vit_small_patch16_dinov3", 16)],
)
def test_attention_and_patches_have_the_grid_of_the_rectangle(name: str, patch: int) -> None:
    size = (4 * patch, 14 * patch)
    graph = graph_of(name, size)
    found = dict(zip(graph.names, graph(torch.rand(1, 3, *size)), strict=True))
    assert found["patches"].shape[1] == 4 * 14
    assert found["attention"].shape[2:] == (4, 14)


@pytest.mark.long
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.module)
def test_each_family_takes_rectangles_or_says_in_one_line_why_not(family: Family) -> None:
    families.register()
    half = family.size // 2
    size = SIDES.get(family.module, (family.size, half if half % 16 == 0 else family.size + 32))
    if family.module in REFUSED:
        with pytest.raises(InvalidArgument, match=REFUSED[family.module]) as raised:
            graph_of(family.name, size)
        assert "\n" not in str(raised.value)
        return
    assert torch.isfinite(graph_of(family.name, size)(torch.rand(1, 3, *size))[0]).all()


def graph_of(name: str, size: tuple[int, int]) -> Any:
    """The graph that would be exported of a network for pictures of this height and width."""
    body = backbones.build(name, size)
    backbones.dimension(body, size)
    return exportable._graph(at_size(name, body, size), None, None, size)[0].eval()
