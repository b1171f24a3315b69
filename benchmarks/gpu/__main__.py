"""Run the GPU's proofs and measurements one after the other, each in a process of its own, within nine minutes.

    python -m benchmarks.gpu [STEP …] [--device cuda] [--tiny] [--out RESULTS.jsonl] [--minutes 9] [--wheels FOLDER]

It needs nothing from outside: pictures are drawn, networks start from random weights, the bundle is the default one.
Each step prints one line of JSON, with `ok`, its figures and `seconds`; `not_run` says what was missing. A step that
fails, hangs or crashes costs its own time only. The exit status is 1 if one failed. `--tiny` with `--device cpu` is the
dry run of the tests. `--wheels` holds wheels that were split by ``benchmarks.gpu.wheels``; they are used from there.
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
    "parity": 120, "resume": 40, "nccl": 40, "export": 40, "service": 60, "faiss": 40, "pipeline": 40,
    "training": 80, "embedding": 40, "search": 40,
}  # fmt: skip
"""Steps in their order, with the seconds that each may take: 540 together."""


def main() -> None:
    """Run the steps and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("steps", nargs="*", help=f"Some of: {', '.join(STEPS)}. Default: all.")
    parser.add_argument("--device", default="cuda", help="Torch device. Default: cuda.")
    parser.add_argument("--tiny", action="store_true", help="Tiny sizes, to try the script.")
    parser.add_argument("--out", type=Path, help="File to append the lines to.")
    parser.add_argument("--minutes", type=float, default=9.0, help="Time for all steps. Default: 9.")
    parser.add_argument("--wheels", type=Path, help="Folder with pieces of wheels to use.")
    options = parser.parse_args()
    if unknown := [one for one in options.steps if one not in STEPS]:
        parser.error(f"got the step {unknown[0]!r}; there are {', '.join(STEPS)}")
    until, environment = time.monotonic() + 60 * options.minutes, dict(os.environ)
    with tempfile.TemporaryDirectory() as scratch:
        if options.wheels is not None:
            site = wheels.unpack(options.wheels, Path(scratch) / "site")
            environment["PYTHONPATH"] = os.pathsep.join([str(site), str(Path.cwd()), environment.get("PYTHONPATH", "")])
        lines = []
        for name in options.steps or STEPS:
            seconds = min(STEPS[name] * (3 if options.tiny else 1), until - time.monotonic())
            lines.append(_run(name, options.device, options.tiny, seconds, environment))
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


def _run(name: str, device: str, tiny: bool, seconds: float, environment: dict[str, str]) -> dict[str, Any]:
    """The line of one step: what its process printed last."""
    began = time.monotonic()
    if seconds <= 0:
        return {"step": name, "ok": False, "error": "no time was left", "seconds": 0.0}
    command = [sys.executable, "-m", "benchmarks.gpu.step", name, device, *(["--tiny"] if tiny else [])]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, env=environment, check=False)
    except subprocess.TimeoutExpired:
        found: dict[str, Any] = {"ok": False, "error": f"took longer than {seconds:.0f} s"}
    else:
        last = (done.stdout.strip().splitlines() or [""])[-1]
        found = json.loads(last) if last.startswith("{") else {"ok": False, "error": done.stderr.strip()[-500:]}
        if not found["ok"]:
            found["stderr"] = done.stderr.strip()[-500:]
    return {"step": name, **found, "seconds": round(time.monotonic() - began, 1)}


if __name__ == "__main__":
    main()
