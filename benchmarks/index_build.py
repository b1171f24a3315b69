"""Compare whole jobs of `index build` with a bare loop over the same pictures, in turn, on the same cores.

The bare loop has one thread per core. Each thread reads, decodes, preprocesses and embeds one picture after the other
and discards the result. The job also hashes, stores originals and thumbnails, stages durably, commits, clusters and
publishes.

    COPYSIGHT_DATA=folder-with-pictures python -m benchmarks.index_build [--pictures N] [--rounds R] [--bundle BUNDLE]
"""

import argparse
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from statistics import median

from copysight.model import bundle as bundles
from copysight.model.bundle import Bundle
from copysight.model.embedder import Embedder, Runtime
from copysight.pictures.decode import decode
from copysight.pictures.scan import Entry, scan
from index_builder.build import build
from index_builder.progress import Progress
from index_builder.stages.embedding import cores
from index_builder.stages.plan import Plan


def main() -> None:
    options = parse_arguments()
    bundle = bundles.load(options.bundle)
    with tempfile.TemporaryDirectory() as scratch:
        source = copy_pictures(Path(options.data), Path(scratch) / "pictures", options.pictures)
        entries = list(scan(source).entries)
        print(f"{len(entries)} pictures, {cores()} cores, {platform.processor() or platform.machine()}, {bundle.name}")
        print("pictures per second of wall-clock time, and per second of CPU time (steadier beside other load)")
        print(f"{'round':>5} {'bare':>8} {'job':>8} {'ratio':>6} {'bare CPU':>10} {'job CPU':>8} {'ratio':>6}")
        ratios = []
        for turn in range(options.rounds):
            bare = run_bare_loop(entries, bundle)
            job = run_job(source, Path(scratch) / f"index{turn}", options)
            ratios.append((bare.clock / job.clock, bare.cpu / job.cpu))
            row = [len(entries) / seconds for seconds in (bare.clock, job.clock, bare.cpu, job.cpu)]
            print(
                f"{turn:5} {row[0]:8.1f} {row[1]:8.1f} {ratios[-1][0]:6.3f} {row[2]:10.1f} {row[3]:8.1f} "
                f"{ratios[-1][1]:6.3f}",
                flush=True,
            )
        clock, cpu = (median(column) for column in zip(*ratios, strict=True))
        print(f"median ratio: {clock:.3f} in wall-clock time, {cpu:.3f} in CPU time (target: at least 0.9)")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", default=os.environ.get("COPYSIGHT_DATA"), help="Folder or tar files. By default COPYSIGHT_DATA."
    )
    parser.add_argument("--pictures", type=int, default=3000, help="Number of pictures. Default: 3000.")
    parser.add_argument("--rounds", type=int, default=3, help="Number of rounds. Default: 3.")
    parser.add_argument("--bundle", default="default", help="Bundle that embeds the pictures. Default: default.")
    parser.add_argument("--originals", default="keep", help="Policy for originals, as in `index build`. Default: keep.")
    options = parser.parse_args()
    if options.data is None:
        parser.error("set COPYSIGHT_DATA or --data to a folder of pictures")
    return options


def copy_pictures(data: Path, out: Path, count: int) -> Path:
    """Copy the first ``count`` pictures to a folder, so that both sides read the same files."""
    out.mkdir()
    for number, entry in enumerate(scan(data).entries[:count]):
        (out / f"{number:06d}{Path(entry.key).suffix}").write_bytes(entry.read())
    return out


@dataclass(frozen=True)
class Seconds:
    """Seconds by the clock, and CPU seconds of all threads."""

    clock: float
    cpu: float


def measure(work: Callable[[], object]) -> Seconds:
    clock, cpu = time.perf_counter(), time.process_time()
    work()
    return Seconds(time.perf_counter() - clock, time.process_time() - cpu)


def run_bare_loop(entries: list[Entry], bundle: Bundle) -> Seconds:
    embedder = Embedder(bundle, Runtime(variant=bundle.default_variant))

    def one(entry: Entry) -> None:
        picture = decode(entry.file.read_bytes(), at_least=bundle.at_least)
        embedder.run([embedder.prepare(picture.pixels)])

    with ThreadPoolExecutor(cores()) as pool:
        return measure(lambda: list(pool.map(one, entries)))


def run_job(source: Path, index: Path, options: argparse.Namespace) -> Seconds:
    plan = Plan(source, index, bundle=options.bundle, policy=options.originals)
    seconds = measure(lambda: build(plan, Progress(StringIO())))
    shutil.rmtree(index)
    return seconds


if __name__ == "__main__":
    main()
