"""Run one other program for duplicates on a folder: `python benchmarks/dedupe_peer_calls.py PEER SETTING FOLDER OUT`.

Started by ``benchmarks.dedupe_peers`` with the interpreter in which the peer is installed, so it needs nothing but the
peer. OUT gets the pairs of file names that it calls copies, as JSON. A peer that forms sets has all pairs of each.
"""

import contextlib
import json
import sys
from collections.abc import Iterable
from importlib import import_module
from itertools import combinations
from pathlib import Path
from typing import Any

Pairs = Iterable[tuple[str, str]]


def main() -> None:
    peer, setting, folder, out = sys.argv[1:]
    with contextlib.redirect_stdout(sys.stderr):
        found = sorted({tuple(sorted(pair)) for pair in CALLS[peer](Path(folder), setting)})
    Path(out).write_text(json.dumps(found))


def imagededup_hash(folder: Path, setting: str) -> Pairs:
    """A hash of 64 bits and the largest distance, such as ``PHash 10``, which is the default."""
    methods = import_module("imagededup.methods")
    name, distance = setting.split()
    found = getattr(methods, name)().find_duplicates(image_dir=folder, max_distance_threshold=int(distance))
    return ((one, other) for one, others in found.items() for other in others)


def imagededup_cnn(folder: Path, setting: str) -> Pairs:
    """MobileNetV3, whose weights are downloaded at the first call, and the least cosine; its default is 0.9."""
    found = (
        import_module("imagededup.methods")
        .CNN()
        .find_duplicates(image_dir=folder, min_similarity_threshold=float(setting))
    )
    return ((one, other) for one, others in found.items() for other in others)


def immaculate(folder: Path, setting: str) -> Pairs:
    """``pdq`` (default), ``phash``, ``sscd`` or ``sscd_distilled``; the thresholds are fixed."""
    found = import_module("immaculate").find_duplicates(folder, setting)
    return _of_sets([*found.exact, *found.near])


def cleanvision(folder: Path, setting: str) -> Pairs:
    """Equal perceptual hashes; the setting is the side of the hash, 8 by default."""
    lab = import_module("cleanvision").Imagelab(data_path=str(folder))
    wanted: dict[str, Any] = {"exact_duplicates": {}, "near_duplicates": {"hash_size": int(setting)}}
    lab.find_issues(wanted, verbose=False)
    return _of_sets([places for kind in wanted for places in lab.info[kind]["sets"]])


def czkawka(folder: Path, setting: str) -> Pairs:
    """The similarity level, 0 to 50, smaller is stricter; bindings of the library of the program."""
    finder = import_module("czkawka").ImageSimilarity()
    finder.set_directories([folder])
    finder.set_similarity(int(setting))
    return _of_sets(finder.find_similar())


CALLS = {
    "imagededup hash": imagededup_hash,
    "imagededup CNN": imagededup_cnn,
    "immaculate": immaculate,
    "cleanvision": cleanvision,
    "czkawka": czkawka,
}


def _of_sets(sets: Iterable[Iterable[Any]]) -> Pairs:
    return (pair for one in sets for pair in combinations(sorted({Path(path).name for path in one}), 2))


if __name__ == "__main__":
    main()
