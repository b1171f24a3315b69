"""Each family of timm is trained two steps, exported, loaded and embedded, or refused by the one line of its table."""

import re
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from click.testing import CliRunner
from safetensors import safe_open

from cli.main import main
from copysight.errors import InvalidArgument
from copysight.model import bundle as bundles
from copysight.model.embedder import Embedder
from tests.conftest import drawn_picture
from tests.training import families
from tests.training.families import FAMILIES, SHORT, Family
from training.checkpoints import checkpoint, pretrained
from training.networks import backbones, hybrids, layouts
from training.networks.input_sizes import in_eval

HEAD = ("--prototypes=6", "--hidden=16", "--output=8", "--queue-length=0", "--optimizer=sgd", "--lr=0.01")
LIMITED = [family for family in FAMILIES if family.module in SHORT]
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    families.register()
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(8):
        drawn_picture(seed).save(folder / f"{seed}.jpg")
    return folder


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def refusal(output: str) -> str:
    """The one line of an error; it is the last one."""
    line = output.strip().splitlines()[-1]
    assert line.startswith("copysight: "), output
    return line


def check(family: Family, pictures: Path, out: Path) -> None:
    local = [f"--local-size={family.local}", "--local-crops=2"] if family.local else ["--local-crops=0"]
    plan = [f"--backbone={family.name}", f"--global-size={family.size}", "--batch=4", "--epochs=1", "--device=cpu"]
    code, output = run(
        "train", "swav", pictures, f"--out={out / 'run'}", f"--cache={out.parent}", *plan, *local, *HEAD, "--threads=1"
    )
    if code == 0:
        assert checkpoint.load(out / "run").step == 2
        code, output = run("export", out / "run", "--out", out / "bundle", "--weights=timm")
    if family.refused:
        assert code == 1
        assert re.search(family.refused, refusal(output)), output
        return
    assert code == 0, output
    check_bundle(family, out / "bundle")
    check_places(family)


def check_bundle(family: Family, path: Path) -> None:
    embedder = Embedder(bundles.load(path))
    rows = embedder.embed([drawn_picture(90), drawn_picture(91)])
    network = backbones.build(family.name, family.size)
    assert rows.shape == (2, backbones.dimension(network, family.size))
    assert np.linalg.norm(rows, axis=1) == pytest.approx([1, 1], abs=1e-4)
    with safe_open(path / "weights.safetensors", "pt") as opened:
        assert set(opened.keys()) == set(timm.create_model(family.name, num_classes=0).state_dict())


def check_places(family: Family) -> None:
    """The channels of the last map are averaged over its places: as many numbers as channels, or a refusal."""
    network = backbones.build(family.name, family.size)
    if family.places:
        with pytest.raises(InvalidArgument, match=family.places):
            layouts.read(network, family.size)
        return
    layout = layouts.read(network, family.size)
    with in_eval(network):
        patches = layout.patches(network.forward_features(torch.randn(2, 3, family.size, family.size)))
    assert patches.shape == (2, layout.rows * layout.columns, network.num_features)


def test_the_table_has_each_family_of_timm():
    """A newer timm may have more families: add them to the table."""
    own = hybrids.__name__.rsplit(".", maxsplit=1)[-1]  # registered by us
    assert sorted(family.module for family in FAMILIES) == sorted({*timm.list_modules()} - {own})
    assert len(FAMILIES) >= 60


def check_start(family: Family, tmp_path: Path) -> None:
    """A training starts from a state dict under timm's names, also as codes save it, with another network beside it."""
    families.register()
    if family.module == "gemma4_vit":  # is refused as a backbone
        return
    network = backbones.build(family.name, family.size)
    state = network.state_dict()
    student = {f"student.backbone.{name}": torch.zeros_like(value) for name, value in state.items()}
    teacher = {f"teacher.backbone.{name}": value for name, value in state.items()}
    for content in (state, {**student, **teacher}):
        torch.save(content, tmp_path / "file.pth")
        found = pretrained.initial(str(tmp_path / "file.pth"), network).state
        assert [name for name in state if not torch.equal(found[name], state[name])] == []


@pytest.mark.parametrize("family", LIMITED, ids=lambda family: family.module)
def test_a_family_starts_from_its_state_dict(family: Family, tmp_path: Path) -> None:
    check_start(family, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.module)
def test_each_family_starts_from_its_state_dict(family: Family, tmp_path: Path) -> None:
    check_start(family, tmp_path)


@pytest.mark.parametrize("family", LIMITED, ids=lambda family: family.module)
def test_a_family_is_trained_exported_and_embedded(family: Family, pictures: Path, tmp_path: Path) -> None:
    check(family, pictures, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.module)
def test_each_family_is_trained_exported_and_embedded(family: Family, pictures: Path, tmp_path: Path) -> None:
    check(family, pictures, tmp_path)
