"""`dedupe` beside other programs on one folder of edited copies: recall, precision, processor time and memory.

    python -m benchmarks.dedupe_peers PHOTOGRAPHS FOLDER [--count 1800] [--python PYTHON]... [--only NAME]

The folder is that of ``benchmarks.dedupe_edits`` (imagededup's protocol), which is made if it is not there. Peers are
run with the first interpreter, of this one and those given, that has their package; without one, a line says that the
peer is not installed. A pair of pictures is found if a program calls them copies, or puts them into one set.
Each row is one process from start to end, embedding included. Results are kept in FOLDER/peers and not made again.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from benchmarks.dedupe_edits import EDITS, make

PACKAGES = {
    "imagededup hash": "imagededup",
    "imagededup CNN": "imagededup",
    "immaculate": "immaculate",
    "cleanvision": "cleanvision",
    "czkawka": "czkawka",
}
SETTINGS = {
    "imagededup hash": ("PHash 10", "PHash 4", "DHash 10"),
    "imagededup CNN": ("0.9",),
    "immaculate": ("phash", "pdq", "sscd_distilled", "sscd"),
    "cleanvision": ("8",),
    "czkawka": ("5", "10", "20"),
}
OURS = "copysight dedupe"
PROBABILITIES = ("0.9", "0.5")
PRECISION = 0.999
CALLS = Path(__file__).with_name("dedupe_peer_calls.py")


@dataclass(frozen=True)
class Row:
    """What one program found with one setting: ``right`` and ``wrong`` pairs, seconds and MiB of its processes.

    ``failed`` is the last line that it printed, if it did not finish.
    """

    name: str
    setting: str
    right: int = 0
    wrong: int = 0
    processor: float = 0.0
    wall: float = 0.0
    peak: float = 0.0
    failed: str | None = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=1800)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--python", type=Path, action="append", default=[], help="interpreter that has a peer")
    parser.add_argument("--only", action="append", default=[], help="run only programs with this name")
    options = parser.parse_args()
    pictures = options.folder / "pictures"
    if not pictures.exists():
        make(options.photographs, pictures, options.count, np.random.default_rng(options.seed))
    count = len({path.name.split("-")[0] for path in pictures.iterdir()})
    true = count * len(EDITS) * (len(EDITS) - 1) // 2
    print(f"{count * len(EDITS):,} pictures, {true:,} true pairs, {os.cpu_count()} processors", flush=True)
    print(f"{'program':24} {'setting':16} recall  precision  wrong  recall at {PRECISION}  processor s  wall s   MiB")
    pythons = [Path(sys.executable), *options.python]
    for name in (OURS, *PACKAGES):
        if not options.only or name in options.only:
            compare(name, pictures, options.folder / "peers", pythons, true)


def compare(name: str, pictures: Path, kept: Path, pythons: Sequence[Path], true: int) -> None:
    """Print the rows of one program."""
    kept.mkdir(exist_ok=True)
    python = pythons[0] if name == OURS else next((one for one in pythons if _has(one, PACKAGES[name])), None)
    if python is None:
        print(f"{name:24} not installed", flush=True)
        return
    for setting in PROBABILITIES if name == OURS else SETTINGS[name]:
        stored = kept / f"{name} {setting}.json".replace(" ", "-")
        if not stored.exists():
            row = run(name, setting, python, pictures, stored.with_suffix(".pairs"))
            stored.write_text(json.dumps(asdict(row)))
        print(line(Row(**json.loads(stored.read_text())), true), flush=True)


def run(name: str, setting: str, python: Path, pictures: Path, out: Path) -> Row:
    """Run one program as a process of its own, and count its pairs."""
    if name == OURS:
        cache = out.with_suffix(".cache")
        call = ["-m", "cli", "dedupe", str(pictures), "--cache", str(cache), "--probability", setting, "--json"]
    else:
        call = [str(CALLS), name, setting, str(pictures), str(out)]
    began = time.monotonic()
    with out.with_suffix(".log").open("wb") as log, out.with_suffix(".answer").open("wb") as answer:
        child = subprocess.Popen([str(python), *call], stdout=answer, stderr=log)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - began
    if child.returncode:
        lines = out.with_suffix(".log").read_text(errors="replace").strip().splitlines()
        return Row(name, setting, failed=lines[-1] if lines else f"exit status {child.returncode}")
    pairs = _of_groups(out.with_suffix(".answer")) if name == OURS else json.loads(out.read_text())
    wrong = sum(one.split("-")[0] != other.split("-")[0] for one, other in pairs)
    processor = used.ru_utime + used.ru_stime
    return Row(name, setting, len(pairs) - wrong, wrong, processor, wall, used.ru_maxrss / 2**10)


def line(row: Row, true: int) -> str:
    """A row of the table."""
    if row.failed is not None:
        return f"{row.name:24} {row.setting:16} failed: {row.failed[:100]}"
    recall, precision = row.right / true, row.right / max(1, row.right + row.wrong)
    bar = f"{recall:.4f}" if precision >= PRECISION else "–"
    return (
        f"{row.name:24} {row.setting:16} {recall:.4f}  {precision:.5f}  {row.wrong:6}  {bar:>15}  "
        f"{row.processor:11,.0f}  {row.wall:6,.0f}  {row.peak:5,.0f}"
    )


def _has(python: Path, package: str) -> bool:
    there = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({package!r}) is None)"
    return subprocess.run([str(python), "-c", there], capture_output=True, check=False).returncode == 0


def _of_groups(answer: Path) -> list[tuple[str, str]]:
    groups = json.loads(answer.read_text())["groups"]
    names = [[group["keep"], *(one["path"] for one in group["members"])] for group in groups]
    return [pair for one in names for pair in combinations(one, 2)]


if __name__ == "__main__":
    main()
