"""The distil method: a student learns the embeddings of bundles."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from cli.main import main
from copysight.model.bundle import Bundle, load
from copysight.model.embedder import Embedder
from copysight.pictures import edits
from copysight.pictures.preprocess import to_batch
from tests.conftest import drawn_picture
from training.methods.distil import Distil, DistilConfig, Teachers
from training.methods.method import Length, Progress
from training.views.edited_pairs import EditRecipe

SIZE = 64


def views(recipe: EditRecipe, seeds: range) -> torch.Tensor:
    pictures = [edits.mild(drawn_picture(seed), np.random.default_rng(seed)) for seed in seeds]
    return torch.from_numpy(to_batch(pictures, recipe.preprocess))


def distil(photos: Path, out: Path, *more: object) -> Result:
    small = ("--backbone=test_resnet", "--global-size=32", "--first-size=32", "--batch=8", "--epochs=1", "--device=cpu")
    words = ("train", "distil", photos, f"--out={out}", f"--cache={out.parent / 'cache'}", *small, *more)
    return CliRunner().invoke(main, [str(word) for word in words])


def test_the_target_is_the_embedding_of_the_view_itself(tiny_bundle: Bundle) -> None:
    recipe = EditRecipe(SIZE)
    pictures = [drawn_picture(seed).resize((SIZE, SIZE)) for seed in range(3)]
    batch = torch.from_numpy(to_batch(pictures, recipe.preprocess))
    expected = Embedder(tiny_bundle).embed(pictures)
    assert np.allclose(Teachers([tiny_bundle], recipe).embed(batch).numpy(), expected, atol=1e-5)


def test_similarities_to_several_teachers_are_their_mean(tiny_bundle: Bundle) -> None:
    recipe = EditRecipe(SIZE)
    other = load("default")
    batch = views(recipe, range(3))
    apart = [Teachers([one], recipe).embed(batch) for one in (tiny_bundle, other)]
    both = Teachers([tiny_bundle, other], recipe)
    joint = both.embed(batch)
    assert joint.shape == (3, both.dimension)
    assert both.dimension == tiny_bundle.dimension + other.dimension
    assert torch.allclose(joint @ joint.T, sum(one @ one.T for one in apart) / 2, atol=1e-5)


def test_the_student_comes_closer_to_its_teacher(tiny_bundle: Bundle) -> None:
    torch.manual_seed(0)
    recipe = EditRecipe(32)
    config = DistilConfig(first_size=32, lr=1e-2, warmup=0.1)
    method = Distil(config, Teachers([tiny_bundle], recipe), "test_resnet", 32, recipe)
    length = Length(40, 1, 12, 12)
    method.start(length)
    optimizer, rates, cosines = method.optimizer(), method.schedules(length), []
    batch = views(recipe, range(12))
    for step in range(40):
        progress = Progress(step, step, 0)
        method.begin_step(progress)
        for group in optimizer.param_groups:
            group["lr"] = float(rates.lr[step])
        output = method([batch], torch.arange(12))
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
        method.after_update(progress)
        cosines.append(float(output.metrics["cosine"]))
    assert cosines[-1] > max(0.9, cosines[0] + 0.2)
    assert not any("teachers" in name for name in method.state_dict())


def test_with_contrast_the_memory_holds_the_last_targets(tiny_bundle: Bundle) -> None:
    torch.manual_seed(0)
    recipe = EditRecipe(32)
    config = DistilConfig(first_size=32, contrast=1.0, memory=10)
    method = Distil(config, Teachers([tiny_bundle], recipe), "test_resnet", 32, recipe)
    method.start(Length(2, 1, 4, 4))
    first, second = views(recipe, range(4)), views(recipe, range(4, 8))
    alone = method([first, second], torch.arange(4))
    assert float(alone.metrics["infonce"]) > 0
    assert method.remembered.tolist() == [0, 1, 2, 3, 0, 1, 2, 3, -1, -1]
    assert torch.equal(method.memory[:8], method.teachers.embed(torch.cat([first, second])))
    with_memory = method([first, second], torch.arange(4, 8))
    assert float(with_memory.metrics["infonce"]) > float(alone.metrics["infonce"])
    assert method.remembered.tolist() == [4, 5, 6, 7, 4, 5, 6, 7, 0, 1]


def test_a_run_is_trained_exported_and_says_who_taught_it(tiny_bundle: Bundle, photos: Path, tmp_path: Path) -> None:
    done = distil(photos, tmp_path / "run", f"--teacher={tiny_bundle.path}")
    assert done.exit_code == 0, done.output
    bundle = tmp_path / "bundle"
    result = CliRunner().invoke(main, ["export", str(tmp_path / "run"), "--out", str(bundle)])
    assert result.exit_code == 0, result.output
    student = load(bundle)
    assert student.dimension == tiny_bundle.dimension
    assert student.licence == tiny_bundle.licence
    [teacher] = student.training["graph0"]["taught_by"]
    assert teacher == {"name": tiny_bundle.name, "id": tiny_bundle.id, "licence": tiny_bundle.licence}


def test_a_run_is_not_resumed_with_another_teacher(tiny_bundle: Bundle, photos: Path, tmp_path: Path) -> None:
    first = distil(photos, tmp_path / "run", f"--teacher={tiny_bundle.path}")
    assert first.exit_code == 0, first.output
    same = distil(photos, tmp_path / "run", f"--teacher={tiny_bundle.path}")
    assert same.exit_code == 0, same.output
    other = distil(photos, tmp_path / "run", "--teacher=default")
    assert other.exit_code == 2 or other.exit_code == 1
    assert "was trained with teachers" in other.output


def test_a_teacher_that_is_no_bundle_is_named(photos: Path, tmp_path: Path) -> None:
    done = distil(photos, tmp_path / "run", f"--teacher={tmp_path / 'nothing'}")
    assert done.exit_code != 0
    assert f"there is no bundle at {tmp_path / 'nothing'}" in done.output
    assert not (tmp_path / "run").exists()


def test_the_log_names_the_teachers(tiny_bundle: Bundle, photos: Path, tmp_path: Path) -> None:
    assert distil(photos, tmp_path / "run", f"--teacher={tiny_bundle.path}").exit_code == 0
    first = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[0])
    assert first["options"]["teacher"] == [tiny_bundle.id]


@pytest.mark.parametrize(
    "word", ["--relations=-1", "--relations=nan", "--contrast=-1", "--memory=-1", "--temperature=0"]
)
def test_numbers_have_ranges(word: str, photos: Path, tmp_path: Path) -> None:
    assert distil(photos, tmp_path / "run", word).exit_code == 2
