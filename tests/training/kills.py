"""Train with real processes that are killed at random moments, and compare with a training that was not."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryFile

import torch

from tests.forks import Forked, ForkServer
from training.checkpoints import checkpoint

Running = subprocess.Popen | Forked
TRAINING = ForkServer("cli.main", "training.commands.train", "training.run.job", "training.export.export")

OPTIONS = {
    "backbone": "test_resnet", "global-size": 32, "local-size": 16, "local-crops": 2, "batch": 8, "prototypes": 8,
    "hidden": 32, "warmup-epochs": 0, "threads": 1, "device": "cpu", "log-seconds": 0, "checkpoint-minutes": 0,
}  # fmt: skip
METHODS: Mapping[str, Mapping[str, object]] = {
    "dino": {"bottleneck": 16},
    "swav": {"output": 16, "queue-length": 16, "queue-from-epoch": 0, "freeze-prototypes-steps": 1},
    "deepcluster": {"output": 16, "prototypes": 6, "rounds": 2, "refill": True},
}
PATIENCE = 180
"""Seconds after which a process is said to hang."""


def command(method: str, photos: Path, out: Path, **more: object) -> list[str]:
    """The command line of a tiny training that saves a checkpoint after every step."""
    given = {**OPTIONS, **METHODS[method], **{name.replace("_", "-"): value for name, value in more.items()}}
    options = [f"--{name}" if value is True else f"--{name}={value}" for name, value in given.items()]
    return ["train", method, str(photos), f"--out={out}", f"--cache={out.parent / 'cache'}", *options]


def start(words: list[str], world: int = 1) -> list[Running]:
    """Start the processes of ``copysight`` with some words, each with its rank. They are forks, which start fast."""
    return [
        TRAINING.start(words, environment, TemporaryFile("w+"), TemporaryFile("w+"))
        for environment in environments(world)
    ]


def start_new(words: list[str], world: int = 1) -> list[Running]:
    """Like `start`, but each is a new Python process: from its first line on, or with a program of its own (``-c``).

    SIGHUP and SIGINT act on it even where the tests ignore them: under ``nohup``, or in the background of a script.
    """
    whole = ["env", "--default-signal=HUP,INT", sys.executable, *(() if words[0] == "-c" else ("-m", "cli")), *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return [subprocess.Popen(whole, env=environment, **pipes) for environment in environments(world)]


def environments(world: int) -> Iterator[dict[str, str]]:
    """The environment of each of ``world`` processes that train together, as torchrun sets it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for rank in range(world):
        place = {"RANK": rank, "WORLD_SIZE": world, "LOCAL_WORLD_SIZE": world, "MASTER_ADDR": "127.0.0.1"}
        together = {name: str(value) for name, value in place.items()} if world > 1 else {}
        yield {**os.environ, "OMP_NUM_THREADS": "1", "MASTER_PORT": str(port), **together}


def finish(running: list[Running], patience: float = PATIENCE) -> list[tuple[int, str, str]]:
    """Exit code, output and errors of each process; all are killed if one hangs."""
    try:
        outputs = [process.communicate(timeout=patience) for process in running]
    finally:
        for process in running:
            process.kill()
    return [(process.returncode, *output) for process, output in zip(running, outputs, strict=True)]


def steps(out: Path) -> int:
    """Number of lines ``step`` in the log of a run."""
    file = out / "log.jsonl"
    return file.read_text().count('"kind": "step"') if file.exists() else 0


def kill_at_random(running: list[Running], out: Path, rng: random.Random, early: bool) -> bool:
    """Kill all processes at a random moment after the first step, or from the start on; False if they ended before."""
    if not early:
        before, limit = steps(out), time.monotonic() + PATIENCE
        while steps(out) == before and any(process.poll() is None for process in running):
            assert time.monotonic() < limit, "no step"
            time.sleep(0.02)
        time.sleep(rng.uniform(0, 0.4))
    else:
        time.sleep(rng.uniform(0, 6))
    alive = any(process.poll() is None for process in running)
    for process in rng.sample(running, len(running)):
        process.send_signal(signal.SIGKILL)
        time.sleep(rng.choice([0, rng.uniform(0, 0.02)]))
    return alive


def train_with_kills(
    words: list[str], out: Path, kills: int, seed: int, world: int = 1, patience: float = PATIENCE
) -> list[str]:
    """Kill a training ``kills`` times, then let it end. Returns the errors of starts that refused to go on."""
    rng, refused = random.Random(seed), []
    for number in range(kills):
        early = number % 5 == 4
        running = (start_new if early else start)(words, world)
        try:
            alive = kill_at_random(running, out, rng, early)
        finally:
            ended = finish(running)
        refused += [errors for code, _, errors in ended if code not in {0, -signal.SIGKILL}] if alive else []
    ended = finish(start(words, world), patience)
    return refused + [errors for code, _, errors in ended if code]


def differences(one: Path, other: Path) -> list[str]:
    """Names of tensors of the checkpoints of two runs that are not equal bit for bit."""
    first, second = checkpoint.load(one), checkpoint.load(other)
    assert first.step == second.step
    states = [dict(first.state), dict(second.state)]
    for state, saved in zip(states, (first, second), strict=True):
        for number, values in saved.optimizer["state"].items():
            state |= {f"{number}.{name}": value for name, value in values.items() if isinstance(value, torch.Tensor)}
    assert states[0].keys() == states[1].keys()
    return [name for name, value in states[0].items() if not torch.equal(value, states[1][name])]


def events(out: Path, kind: str) -> list[dict[str, object]]:
    """The events of a kind in the log of a run."""
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == kind]
