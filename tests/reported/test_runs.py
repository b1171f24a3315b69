"""What people report of trainings: numbers that are none, other data on resume, odd options, kills, longer runs."""

import dataclasses
import json
import re
import shlex
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from cli.main import main
from copysight.errors import TrainingDiverged
from copysight.system.numbers import Pixels
from tests.conftest import drawn_picture
from tests.training import kills
from tests.training.conftest import PLAN, make_method
from training.checkpoints import checkpoint
from training.data import pack as packs
from training.run import loop
from training.run.collapse_guard import CollapseGuard
from training.run.run import Run
from training.run.training_log import Meter, TrainingLog

reported = pytest.mark.reported
METHODS = ("dino", "swav", "deepcluster", "deepcluster-v1")
NAN = float("nan")
SMALL = (
    "--backbone=test_resnet",
    "--global-size=32",
    "--local-size=16",
    "--local-crops=2",
    "--batch=8",
    "--device=cpu",
)
SWAV = (*SMALL, "--prototypes=8", "--hidden=32", "--output=16", "--warmup-epochs=0")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def write_photos(folder: Path, first: int = 0) -> Path:
    for number in range(28):
        inner = folder / f"part{number % 2}"
        inner.mkdir(parents=True, exist_ok=True)
        drawn_picture(first + number, (72, 56) if number % 3 else (48, 80)).save(inner / f"{number:02d}.png")
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photos(tmp_path_factory.mktemp("photos"))


@pytest.fixture
def new_run(photos: Path, tmp_path: Path) -> Callable[..., Run]:
    def make(name: str, out: str = "run", **changes: Any) -> Run:
        folder = tmp_path / out
        folder.mkdir(exist_ok=True)
        pack = packs.pack(photos, tmp_path / "cache")
        plan = dataclasses.replace(PLAN, **changes)
        return Run(make_method(name), plan, pack, [], folder, TrainingLog(folder, lambda _: None))

    return make


def train(photos: Path, out: Path, *more: str, method: str = "swav", given: tuple[str, ...] = SWAV) -> Result:
    files = (str(photos), f"--out={out}", f"--cache={out.parent / 'cache'}")
    return CliRunner().invoke(main, ["train", method, *files, *given, *more])


def one_line(result: Result) -> str:
    """The only line of an error: exit code 1, no trace."""
    assert result.exit_code == 1, result.output
    lines = result.stderr.splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def tensors(run: Run) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in run.method.state_dict().items()}


def poison(run: Run, *at: int) -> None:
    """Let the views of some steps be NaN, as an overflow in half precision would make them."""

    def spoil(_: torch.nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        crops, indices = given
        return [crop * NAN if run.step in at else crop for crop in crops], indices

    run.method.register_forward_pre_hook(spoil)


def one_step(run: Run, guard: CollapseGuard) -> dict[str, float]:
    meter = Meter()
    loop.step(run, run.method, meter, guard)
    return meter.take()


@reported("T1")
@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("method", METHODS)
def test_a_step_that_is_nan_changes_nothing(method: str, accumulate: int, new_run: Callable[..., Run]) -> None:
    run, guard = new_run(method, accumulate=accumulate), CollapseGuard(0)
    poison(run, 4)
    for _ in range(4):
        one_step(run, guard)
    run.method.begin_step(run.progress)  # SwAV normalises its prototypes here, before a step is known to be good
    before = tensors(run)
    assert "loss" not in one_step(run, guard)
    assert (run.step, run.skipped, guard.skipped_in_a_row) == (5, 1, 1)
    for name, value in run.method.state_dict().items():
        same = (
            torch.allclose(value, before[name], atol=1e-6) if "prototypes" in name else torch.equal(value, before[name])
        )
        assert same, name
    loss = one_step(run, guard)["loss"]
    assert loss == loss
    assert (run.skipped, guard.skipped_in_a_row) == (1, 0)
    assert all(value.isfinite().all() for value in run.method.state_dict().values() if value.is_floating_point())
    events = kills.events(run.out, "skipped")
    assert [(one["step"], one["total"], one["loss"]) for one in events] == [(5, 1, "nan")]


@reported("T1")
def test_ten_nan_steps_in_a_row_end_a_training_and_nine_do_not(new_run: Callable[..., Run]) -> None:
    run = new_run("dino", epochs=8)
    poison(run, *range(2, 11), *range(12, 21))
    assert loop.train(run)
    assert run.skipped == 18
    assert kills.events(run.out, "step")[-1]["skipped"] == 18
    saved = checkpoint.load(run.out)
    assert saved.training["skipped"] == 18
    run = new_run("dino", "longer", epochs=8, checkpoint_minutes=0.0)
    poison(run, *range(5, 15))
    with pytest.raises(TrainingDiverged, match=r"10 steps in a row \(steps 6 to 15\); .*; the checkpoint of step 5 is"):
        loop.train(run)
    assert checkpoint.load(run.out).step == 5


@reported("T1")
@pytest.mark.parametrize("weight", [NAN, float("inf"), 1e30])
def test_broken_weights_do_not_replace_a_good_checkpoint(weight: float, new_run: Callable[..., Run]) -> None:
    run = new_run("swav")
    one_step(run, CollapseGuard(0))
    loop.save(run)
    good = (run.out / checkpoint.NAME).read_bytes()
    with torch.no_grad():
        for parameter in run.method.backbone.parameters():
            parameter.fill_(weight)
    with pytest.raises(TrainingDiverged, match="not finite"):
        loop.save(run)
    assert (run.out / checkpoint.NAME).read_bytes() == good


@reported("T1")
@pytest.mark.parametrize("epochs", [1, 5])
def test_a_learning_rate_of_1e30_ends_with_one_line_and_without_a_checkpoint(
    epochs: int, photos: Path, tmp_path: Path
) -> None:
    line = one_line(train(photos, tmp_path / "run", "--lr=1e30", f"--epochs={epochs}"))
    assert "not finite" in line
    assert "lower --lr" in line
    assert not (tmp_path / "run" / checkpoint.NAME).exists()


@reported("T1")
def test_a_run_that_is_nan_is_not_resumed(new_run: Callable[..., Run], photos: Path, tmp_path: Path) -> None:
    assert train(photos, tmp_path / "run", "--epochs=1").exit_code == 0
    file = tmp_path / "run" / checkpoint.NAME
    content = torch.load(file, weights_only=True)
    content["state"]["head.prototypes.0.weight"][0, 0] = NAN
    torch.save(content, file)
    before = file.read_bytes()
    line = one_line(train(photos, tmp_path / "run", "--epochs=1"))
    assert "not finite" in line
    assert "head.prototypes.0.weight" in line
    assert file.read_bytes() == before


ONE_BAD_PROCESS = """
import sys, torch
from pathlib import Path
from tests.reported import test_runs as t
from training import distributed
from training.run import job, loop

photos, out = map(Path, sys.argv[1:])
torch.set_num_threads(1)
plan = t.dataclasses.replace(t.PLAN, epochs=2)
job.join_processes(job.Job(photos, out, out, plan))
pack = t.packs.pack(photos, out / f"cache{distributed.rank()}")
run = t.Run(t.make_method("dino"), plan, pack, [], out, t.TrainingLog(None, print))
if distributed.rank() == 1:
    t.poison(run, 2, 3)
assert loop.train(run)
assert run.skipped == 2, run.skipped
torch.save(run.method.state_dict(), out / f"rank{distributed.rank()}.pt")
"""


@reported("T1")
def test_two_processes_skip_a_step_together(photos: Path, tmp_path: Path) -> None:
    words = ["-c", ONE_BAD_PROCESS, str(photos), str(tmp_path)]
    ended = kills.finish(kills.start_new(words, 2))
    assert [code for code, *_ in ended] == [0, 0], ended
    one, other = (torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in range(2))
    parameters = [name for name in one if "running" not in name and "tracked" not in name]
    assert all(torch.equal(one[name], other[name]) for name in parameters)
    assert all(value.isfinite().all() for value in one.values() if value.is_floating_point())


@reported("T5")
@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--local-crops=3", "local_crops = 2, this run has 3"),
        ("--local-size=24", "local_size = 16, this run has 24"),
        ("--global-scale=0.2,1", r"global_scale = (0.14, 1.0), this run has (0.2, 1.0)"),
        ("--local-scale=0.05,0.2", "local_scale = (0.05, 0.14), this run has (0.05, 0.2)"),
        ("--colours=0.5", "colour jitter (--colours)"),
        ("--lr=0.1", "lr = 0.6, this run has 0.1"),
        ("--global-size=64", "image_size = 32, this run has 64"),
    ],
)
def test_a_resume_with_other_views_is_refused_before_anything_is_decoded(
    option: str, said: str, photos: Path, tmp_path: Path
) -> None:
    assert train(photos, tmp_path / "run", "--epochs=1").exit_code == 0
    shutil.rmtree(tmp_path / "cache")
    name, _, values = option.partition("=")
    line = one_line(train(photos, tmp_path / "run", "--epochs=1", name, *values.split(",")))
    assert said in line
    assert not (tmp_path / "cache").exists()


@reported("T5")
def test_a_resume_with_other_pictures_of_the_same_number_is_refused(photos: Path, tmp_path: Path) -> None:
    assert train(photos, tmp_path / "run", "--epochs=1").exit_code == 0
    other = write_photos(tmp_path / "other")
    one = other / "part1" / "03.png"
    with Image.open(one) as opened:
        changed = opened.copy()
    changed.putpixel((0, 0), (1, 2, 3))
    changed.save(one)
    assert "the fingerprint of the pictures" in one_line(train(other, tmp_path / "run", "--epochs=1"))
    one.unlink()
    assert "the number of pictures = 28, this run has 27" in one_line(train(other, tmp_path / "run", "--epochs=1"))


@reported("T5")
def test_a_run_goes_on_when_its_pictures_have_moved(photos: Path, tmp_path: Path) -> None:
    stopped = train(photos, tmp_path / "run", "--epochs=1", "--stop-after=0.000001")
    assert "stopped" in stopped.output
    moved = shutil.copytree(photos, tmp_path / "elsewhere")
    assert "done" in train(moved, tmp_path / "run", "--epochs=1").output


@reported("T5")
def test_a_pack_of_an_older_version_has_the_same_fingerprint(photos: Path, tmp_path: Path) -> None:
    pack = packs.pack(photos, tmp_path)
    about = json.loads((pack.path / "pack.json").read_text())
    del about["pixels"]
    (pack.path / "pack.json").write_text(json.dumps(about))
    assert packs.load(pack.path).fingerprint == pack.fingerprint


def commands(group: click.Group, *names: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, *names, name)
        else:
            yield (*names, name), command


NUMBERS = [
    pytest.param(names, option, id=f"{'-'.join(names)}{option.opts[-1]}")
    for names, command in commands(main)
    for option in command.params
    if isinstance(option.type, click.types.IntParamType | click.types.FloatParamType | Pixels)
]


@reported("T12")
@pytest.mark.parametrize(("names", "option"), NUMBERS)
def test_every_number_has_a_range(names: tuple[str, ...], option: click.Option) -> None:
    kind, flag = option.type, max(option.opts, key=len)
    assert isinstance(kind, click.IntRange | click.FloatRange | Pixels)
    assert kind.min is not None
    wrong = ["nan", "inf", "-inf", "x", str(kind.min - 1)]
    wrong += [str(kind.min)] if getattr(kind, "min_open", False) else []
    wrong += [str(kind.max + 1)] if kind.max is not None else []
    for value in wrong:
        result = CliRunner().invoke(main, [*names, flag, *([value] * option.nargs)])
        assert result.exit_code == 2, (value, result.output)
        last = result.stderr.splitlines()[-1]
        assert last.startswith("Error: Invalid value for"), last
        assert flag in last


def test_there_are_numbers_to_check() -> None:
    assert len(NUMBERS) > 150


@reported("T12")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--epochs=-1",), "'--epochs': -1.0 is not in the range"),
        (("--batch=0",), "'--batch'"),
        (("--accumulate=0",), "'--accumulate'"),
        (("--local-crops=-1",), "'--local-crops'"),
        (("--prototypes=1",), "'--prototypes'"),
        (("--global-scale", "1", "0.4"), "'--global-scale': 1 0.4 is no range"),
        (("--local-scale", "0.5", "1.5"), "'--local-scale'"),
        (("--device=gpu",), "'--device': 'gpu' is no device"),
        (("--seed=-1",), "'--seed'"),
        (("--warmup-epochs=3", "--epochs=2"), "got a warm-up of 3 epochs in a training of 2 epochs"),
        (("--queue-length=4",), "--queue-length 4 for a --batch of 8"),
        (("--optimizer=adam",), "'--optimizer'"),
    ],
)
def test_options_without_sense_are_usage_errors(
    options: tuple[str, ...], said: str, photos: Path, tmp_path: Path
) -> None:
    result = train(photos, tmp_path / "run", *options)
    assert result.exit_code == 2, result.output
    assert said in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.output
    assert not (tmp_path / "run").exists()


@reported("T12")
def test_one_picture_at_a_time_is_refused_only_where_batchnorm_cannot_work(photos: Path, tmp_path: Path) -> None:
    v1 = (*SMALL[:2], "--batch=1", "--device=cpu", "--clusters=6", "--pca=12", "--epochs=0.1")
    line = one_line(train(photos, tmp_path / "run", method="deepcluster-v1", given=v1))
    assert "has BatchNorm, which needs more than one crop of 32 px" in line
    vit = ("--backbone=test_vit", *v1[1:])
    assert train(photos, tmp_path / "vit", method="deepcluster-v1", given=vit).exit_code == 0


@pytest.fixture(scope="module")
def pair(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trainings of two processes: ``whole``, and one that was stopped after step 1 (``first``) and 2 (``second``)."""
    folder = tmp_path_factory.mktemp("pair")
    whole = kills.command("swav", photos, folder / "whole", epochs=2)
    assert [code for code, *_ in kills.finish(kills.start(whole, 2))] == [0, 0]
    short = kills.command("swav", photos, folder / "second", epochs=2, stop_after=0.000001)
    assert [code for code, *_ in kills.finish(kills.start(short, 2))] == [0, 0]
    shutil.copytree(folder / "second", folder / "first")
    assert [code for code, *_ in kills.finish(kills.start(short, 2))] == [0, 0]
    assert [checkpoint.load(folder / name).step for name in ("first", "second")] == [1, 2]
    return folder


@reported("T13")
@pytest.mark.parametrize("moment", ["before rank 0", "after rank 0"])
def test_a_kill_between_the_files_of_two_processes_keeps_a_whole_pair(
    moment: str, pair: Path, photos: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(pair / "second", tmp_path / "run")
    # The files at the moment of the kill: process 1 has written step 2, process 0 has or has not.
    (out / "checkpoint.rank1.pt").rename(out / "checkpoint.rank1.next.pt")
    shutil.copy(pair / "first" / "checkpoint.rank1.pt", out)
    if moment == "before rank 0":
        shutil.copy(pair / "first" / checkpoint.NAME, out)
    ended = kills.finish(kills.start(kills.command("swav", photos, out, epochs=2), 2))
    assert [code for code, *_ in ended] == [0, 0], ended
    assert kills.differences(out, pair / "whole") == []


@reported("T13")
def test_a_lost_part_of_a_checkpoint_is_named(pair: Path, photos: Path, tmp_path: Path) -> None:
    out = shutil.copytree(pair / "first", tmp_path / "run")
    (out / "checkpoint.rank1.pt").unlink()
    ended = kills.finish(kills.start(kills.command("swav", photos, out, epochs=2), 2))
    assert "no state of process 1 for step 1" in ended[1][2]


@reported("T13")
@pytest.mark.parametrize(("method", "world"), [("dino", 1), pytest.param("swav", 2, marks=pytest.mark.long)])
def test_a_run_that_is_killed_three_times_ends_with_the_same_weights(
    method: str, world: int, photos: Path, tmp_path: Path
) -> None:
    check_kills(method, world, photos, tmp_path, epochs=20, count=3)


@reported("T13")
@pytest.mark.long
@pytest.mark.parametrize(("method", "world"), [("dino", 1), ("swav", 2), ("deepcluster", 1)])
def test_a_run_that_is_killed_fifty_times_ends_with_the_same_weights(
    method: str, world: int, photos: Path, tmp_path: Path
) -> None:
    check_kills(method, world, photos, tmp_path, epochs=300, count=50, patience=10 * kills.PATIENCE)


def check_kills(
    method: str,
    world: int,
    photos: Path,
    tmp_path: Path,
    epochs: int,
    count: int,
    patience: float = kills.PATIENCE,
) -> None:
    whole, killed = (kills.command(method, photos, tmp_path / name, epochs=epochs) for name in ("whole", "killed"))
    assert [code for code, *_ in kills.finish(kills.start(whole, world), patience)] == [0] * world
    assert kills.train_with_kills(killed, tmp_path / "killed", count, seed=0, world=world, patience=patience) == []
    assert kills.differences(tmp_path / "whole", tmp_path / "killed") == []
    assert not list((tmp_path / "killed").glob(".*.tmp"))
    assert len(kills.events(tmp_path / "killed", "pictures")) > 1  # it did start more than once


@reported("T15")
def test_a_run_can_be_made_longer_and_says_what_that_changes(photos: Path, tmp_path: Path) -> None:
    assert train(photos, tmp_path / "run", "--epochs=1").exit_code == 0
    line = one_line(train(photos, tmp_path / "run", "--epochs=2"))
    assert "epochs = 1.0, this run has 2.0; add --extend" in line
    longer = train(photos, tmp_path / "run", "--epochs=2", "--extend")
    assert longer.exit_code == 0, longer.output
    assert "from 1 to 2 epochs, at step 3 of now 6: learning rate 0.1505 -> 0.3003" in longer.output
    [event] = kills.events(tmp_path / "run", "extended")
    assert event["changes"]["learning rate"] == pytest.approx([0.1505, 0.3003], abs=1e-4)  # type: ignore[index]
    assert checkpoint.load(tmp_path / "run").step == 6
    again = train(photos, tmp_path / "run", "--epochs=2", "--extend")
    assert (again.exit_code, "extended" in again.output) == (0, False)
    shorter = one_line(train(photos, tmp_path / "run", "--epochs=1", "--extend"))
    assert "epochs = 2.0, this run has 1.0; use the same value" in shorter


@reported("T15")
def test_an_extension_of_each_method_is_said(new_run: Callable[..., Run], photos: Path, tmp_path: Path) -> None:
    dino = (*SMALL, "--prototypes=8", "--hidden=32", "--bottleneck=16", "--warmup-epochs=0")
    copies = (*SMALL[:2], *SMALL[4:], "--dimension=16", "--first-size=16", "--grow-at=0.6")
    for method, given, said in (
        ("dino", dino, "teacher momentum 0.999 -> 0.998"),
        ("copy", copies, "size of views 32 -> 16"),
    ):
        out = tmp_path / method
        assert train(photos, out, "--epochs=1", method=method, given=given).exit_code == 0
        longer = train(photos, out, "--epochs=2", "--extend", method=method, given=given)
        assert longer.exit_code == 0, longer.output
        assert said in longer.output


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_a_run_with_a_checkpoint_and_the_command_that_goes_on(
    number: signal.Signals, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "my run"
    words = kills.command("dino", photos, out, epochs=20_000, checkpoint_minutes=60)
    [process] = running = kills.start_new(words)
    try:
        limit = time.monotonic() + kills.PATIENCE
        while kills.steps(out) == 0:
            assert time.monotonic() < limit
            time.sleep(0.05)
        process.send_signal(number)
    finally:
        [(code, output, errors)] = kills.finish(running)
    assert code == 0, errors
    stopped, last = output.splitlines()[-2:]
    assert re.fullmatch(r"stopped +step (\d+)  minutes \S+  skipped 0", stopped)
    assert checkpoint.load(out).step == int(stopped.split()[2])
    program, *rest = shlex.split(last.removeprefix("to go on: "))
    assert program == "copysight"
    assert rest[:3] == ["train", "dino", str(photos)]
    rest[rest.index("--epochs") + 1] = str(checkpoint.load(out).config["run"]["epochs"])
    again = CliRunner().invoke(main, [*rest, "--stop-after=0.000001"])
    assert again.exit_code == 0, again.output
    assert checkpoint.load(out).step == int(stopped.split()[2]) + 1


def test_a_signal_while_pictures_are_decoded_leaves_nothing_half_written(tmp_path: Path) -> None:
    many = write_photos(tmp_path / "photos")
    Image.effect_noise((2500, 2500), 90).save(many / "large0.png", compress_level=0)
    for number in range(1, 60):
        shutil.copy(many / "large0.png", many / f"large{number}.png")
    words = kills.command("dino", many, tmp_path / "run", epochs=1)
    [process] = running = kills.start_new(words)
    try:
        limit = time.monotonic() + kills.PATIENCE
        while not list((tmp_path / "cache").glob(".*.tmp")):
            assert time.monotonic() < limit
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
    finally:
        [(code, _, errors)] = kills.finish(running)
    assert code == 128 + signal.SIGTERM
    assert errors.splitlines()[-1] == "copysight: stopped by SIGTERM; run the same command again to go on"
    assert not list((tmp_path / "cache").iterdir())


def test_two_trainings_in_one_folder_are_refused(photos: Path, tmp_path: Path) -> None:
    words = kills.command("dino", photos, tmp_path / "run", epochs=20_000)
    running = kills.start(words)
    try:
        limit = time.monotonic() + kills.PATIENCE
        while kills.steps(tmp_path / "run") == 0:
            assert time.monotonic() < limit
            time.sleep(0.05)
        [(code, _, errors)] = kills.finish(kills.start(words))
        assert code == 1
        assert f"another training runs in {tmp_path / 'run'}" in errors
        running[0].send_signal(signal.SIGTERM)
    finally:
        [(code, *_)] = kills.finish(running)
    assert code == 0


def test_a_list_of_files_and_tiff_can_be_trained_on(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "tiff").mkdir()
    names = []
    for file in sorted(photos.rglob("*.png")):
        with Image.open(file) as picture:
            picture.save(tmp_path / "tiff" / f"{file.stem}.tif")
        names.append(f"../tiff/{file.stem}.tif")
    (tmp_path / "lists" / "train.txt").write_text("\n".join([*names, "../none.tif"]))
    result = train(tmp_path / "lists" / "train.txt", tmp_path / "run", "--epochs=1")
    assert result.exit_code == 0, result.output
    [scan] = kills.events(tmp_path / "run", "scan")
    assert (scan["taken"], scan["unreadable"]["unreadable_file"]["count"]) == (28, 1)  # type: ignore[index]


def test_lines_of_the_log_have_the_remaining_time(photos: Path, tmp_path: Path) -> None:
    result = train(photos, tmp_path / "run", "--epochs=2", "--log-seconds=0")
    assert re.search(r"step 1  of 6 .* remaining \d+ s", result.output)
    lines = kills.events(tmp_path / "run", "step")
    assert all(isinstance(line["remaining_minutes"], float) for line in lines)
    assert lines[-1]["remaining_minutes"] == 0
