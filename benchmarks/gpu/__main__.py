"""Run the GPU's proofs and measurements one after the other, each in a process of its own, within nine minutes.

    python -m benchmarks.gpu [STEP …] [--device cuda] [--tiny] [--out RESULTS.jsonl] [--minutes 9] [--wheels FOLDER]
    python -m benchmarks.gpu descriptor|dense --seconds 420 --pictures FOLDER --keep FOLDER [--since FOLDER]
        [--runs FOLDER] [--options "--epochs 100 --batch 512"]

It needs nothing from outside: pictures are drawn, networks start from random weights, the bundle is the default one.
Each step prints one line of JSON, with `ok`, its figures and `seconds`; `not_run` says what was missing. A step that
fails, hangs or crashes costs its own time only. The exit status is 1 if one failed. `--tiny` with `--device cpu` is the
dry run of the tests. `--wheels` holds wheels that were split by ``benchmarks.gpu.wheels``; they are used from there.

`descriptor` and `dense` train; they run only if they are named, each for `--seconds`, and go on where the last call
stopped: from the checkpoint in `--runs` if the machine is still the same, else from what `--keep` held, by `--since`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.gpu import wheels

STEPS = {
    "parity": 110, "resume": 35, "nccl": 30, "export": 35, "service": 50, "faiss": 35, "pipeline": 40,
    "training": 55, "compiled": 90, "embedding": 30, "search": 30,
}  # fmt: skip
"""Steps in their order, with the seconds that each may take: 540 together."""
TRAININGS, AROUND = ("descriptor", "dense"), 150
"""Steps that run only if they are named, and seconds for decoding, compiling and saving around a training."""


def main() -> None:
    """Run the steps and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = (*STEPS, *TRAININGS)
    parser.add_argument("steps", nargs="*", help=f"Some of: {', '.join(names)}. Default: all that do not train.")
    parser.add_argument("--device", default="cuda", help="Torch device. Default: cuda.")
    parser.add_argument("--tiny", action="store_true", help="Tiny sizes, to try the script.")
    parser.add_argument("--out", type=Path, help="File to append the lines to.")
    parser.add_argument("--minutes", type=float, default=9.0, help="Time for all steps. Default: 9.")
    parser.add_argument("--wheels", type=Path, help="Folder with pieces of wheels to use.")
    parser.add_argument("--seconds", type=float, default=240.0, help="Seconds of each training. Default: 240.")
    parser.add_argument("--pictures", default="", help="Pictures of a training. Default: drawn ones.")
    parser.add_argument("--keep", default="", help="Folder for weights (half precision) and checkpoint, in pieces.")
    parser.add_argument("--since", default="", help="Folder that --keep named in an earlier call.")
    parser.add_argument("--runs", default="", help="Folder in which runs and decoded pictures stay.")
    parser.add_argument("--options", default="", help="More options of `copysight train`.")
    options = parser.parse_args()
    if unknown := [one for one in options.steps if one not in names]:
        parser.error(f"got the step {unknown[0]!r}; there are {', '.join(names)}")
    training = {name: getattr(options, name) for name in ("seconds", "pictures", "keep", "since", "runs", "options")}
    until, environment = time.monotonic() + 60 * options.minutes, dict(os.environ)
    with tempfile.TemporaryDirectory() as scratch:
        if options.wheels is not None:
            site = wheels.unpack(options.wheels, Path(scratch) / "site")
            environment["PYTHONPATH"] = os.pathsep.join([str(site), str(Path.cwd()), environment.get("PYTHONPATH", "")])
        lines = []
        for name in options.steps or STEPS:
            most = options.seconds + AROUND if name in TRAININGS else STEPS[name]
            seconds = min(most * (3 if options.tiny else 1), until - time.monotonic())
            size = "tiny" if options.tiny else "full"
            lines.append(_run([name, options.device, size, json.dumps(training)], seconds, environment))
            print(json.dumps(lines[-1]), flush=True)
            if options.out is not None:
                with options.out.open("a") as file:
                    file.write(json.dumps(lines[-1]) + "\n")
    failed = [one["step"] for one in lines if not one["ok"]]
    print(
        f"{len(lines) - len(failed)} of {len(lines)} steps passed"
        + (f"; failed: {', '.join(failed)}" if failed else "")
    )
    sys.exit(bool(failed))


def _run(arguments: list[str], seconds: float, environment: dict[str, str]) -> dict[str, Any]:
    """The line of one step: what its process printed last. ``arguments``: those of ``benchmarks.gpu.step``."""
    name, began = arguments[0], time.monotonic()
    if seconds <= 0:
        return {"step": name, "ok": False, "error": "no time was left", "seconds": 0.0}
    command = [sys.executable, "-m", "benchmarks.gpu.step", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, env=environment, check=False)
    except subprocess.TimeoutExpired as late:
        found = {"ok": False, "error": f"took longer than {seconds:.0f} s", **_last(late.stdout or b"")}
    else:
        found = _last(done.stdout) or {"ok": False, "error": done.stderr.strip()[-500:]}
        if done.returncode:
            found |= {"ok": False, "error": done.stderr.strip()[-500:]}
        if not found["ok"]:
            found["stderr"] = done.stderr.strip()[-500:]
    return {"step": name, **found, "seconds": round(time.monotonic() - began, 1)}


def _last(printed: str | bytes) -> dict[str, Any]:
    """The last line of JSON, or nothing; from a process that was stopped, only the figures so far."""
    text = printed.decode(errors="replace") if isinstance(printed, bytes) else printed
    lines = [line for line in text.strip().splitlines() if line.startswith("{")]
    return dict(json.loads(lines[-1])) if lines else {}


if __name__ == "__main__":
    main()
