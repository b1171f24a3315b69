"""Compare the CPU time of `/search` with and without lists, in one run: what asking 20 lists adds to a search.

    COPYSIGHT_DATA=FOLDER OMP_NUM_THREADS=1 python -m benchmarks.list_cost [--items 2000] [--lists 20] [--each 50]
        [--queries 60] [--rounds 5] [--index DIR]

The index holds `--items` pictures and `--lists` lists of `--each` pictures, with thumbnails, and is published. Queries
are pictures that are not in it (strangers), edited copies of items of no list, and edited copies of items of lists. A
server answers each block of queries with `lists=true` and `lists=false`, in changing order; the first round is a
warm-up. The ratio of a kind is the median of the ratios of its blocks. Matches with lists are also recorded, durably,
which costs a write. COPYSIGHT_DATA is a folder or tar file of pictures; else pictures are drawn, which are as unlike
each other as noise and show no cost of verification. The index is built in DIR if absent.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from benchmarks.load import ask, connected, cpu_seconds, post
from benchmarks.service_throughput import Running, drawn, processor_name, run_server
from copysight.catalog.moderation.lists import ListPolicy
from copysight.client import Added, Client, New
from copysight.errors import PictureError
from copysight.index import Index, publish
from copysight.pictures.decode import decode
from copysight.pictures.scan import scan

BLOCK, QUALITY, SIDE = 20, 80, 500


@dataclass(frozen=True)
class Sizes:
    """Number of items of no list, of lists, of items of each list, and of queries of each kind."""

    items: int
    lists: int
    each: int
    queries: int

    @property
    def listed(self) -> int:
        """Number of items of all lists."""
        return self.lists * self.each


def main() -> None:
    """Print one line for each kind of query."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=2000, help="Items of no list. Default: 2000.")
    parser.add_argument("--lists", type=int, default=20, help="Number of lists. Default: 20.")
    parser.add_argument("--each", type=int, default=50, help="Items of each list. Default: 50.")
    parser.add_argument("--queries", type=int, default=60, help="Queries of each kind. Default: 60.")
    parser.add_argument("--rounds", type=int, default=5, help="Rounds besides the warm-up. Default: 5.")
    parser.add_argument("--index", type=Path, help="Folder of the index; it is built if absent. Default: temporary.")
    options = parser.parse_args()
    sizes = Sizes(options.items, options.lists, options.each, options.queries)
    pictures = list(load_pictures(sizes.items + sizes.listed + sizes.queries))
    with tempfile.TemporaryDirectory() as scratch:
        directory = options.index or Path(scratch) / "index"
        if not directory.exists():
            fill(directory, pictures, sizes)
        command = [sys.executable, "-m", "cli", "serve", "--index", str(directory), "--rebuild-when-due", "false"]
        with run_server([*command, "--port"]) as server:
            found = measure(server, queries(pictures, sizes), options.rounds)
    print(f"{processor_name()}; {sizes.items:,} items and {sizes.lists} lists of {sizes.each}; ms of CPU a search")
    for kind, blocks in found.items():
        without, asked = (median(one[place] for one in blocks) * 1e3 for place in (0, 1))
        ratios = sorted(more / base for base, more in blocks)
        print(
            f"{kind:18} without lists {without:6.2f}, with {asked:6.2f}; ratio {median(ratios):.3f} "
            f"({ratios[len(ratios) // 4]:.3f} to {ratios[-len(ratios) // 4]:.3f})"
        )


def fill(directory: Path, pictures: Sequence[bytes], sizes: Sizes) -> None:
    """Build the index through a server, so that items have thumbnails and features, and publish it."""
    Index.create(directory).close()
    news = [
        New(data, key=str(number), collection=_collection(number, sizes))
        for number, data in enumerate(pictures[: sizes.items + sizes.listed])
    ]
    command = [sys.executable, "-m", "cli", "serve", "--index", str(directory), "--port"]
    with run_server(command) as server, Client(f"http://127.0.0.1:{server.port}") as client:
        failed = [one for one in client.add_many(news) if not isinstance(one, Added)]
    if failed:
        raise RuntimeError(f"{len(failed)} pictures were not added: {failed[0]}")
    with Index.open(directory) as index:
        publish(index)
        for number in range(sizes.lists):
            index.catalog.moderation.put_list(ListPolicy(f"list-{number}", "block"))


def _collection(number: int, sizes: Sizes) -> str:
    return "default" if number < sizes.items else f"list-{(number - sizes.items) % sizes.lists}"


def queries(pictures: Sequence[bytes], sizes: Sizes) -> dict[str, list[bytes]]:
    """Queries by kind: pictures that are not in the index, copies of items of no list, and copies of items of lists."""
    first_listed, first_stranger = sizes.items, sizes.items + sizes.listed
    return {
        "strangers": list(pictures[first_stranger:]),
        "copies": [_edited(one) for one in pictures[: sizes.queries]],
        "copies of lists'": [_edited(one) for one in pictures[first_listed : first_listed + sizes.queries]],
    }


def measure(server: Running, asked: dict[str, list[bytes]], rounds: int) -> dict[str, list[tuple[float, float]]]:
    """CPU seconds a query without and with lists, for each block of each kind."""
    found: dict[str, list[tuple[float, float]]] = {kind: [] for kind in asked}
    with connected(server.port) as peer:
        for turn in range(rounds + 1):
            for kind, data in asked.items():
                for start in range(0, len(data), BLOCK):
                    block = data[start : start + BLOCK]
                    spent: dict[bool, float] = {}
                    for lists in (True, False) if (turn + start // BLOCK) % 2 else (False, True):
                        used = cpu_seconds(server.pid)
                        for one in block:
                            answer = ask(peer, post(f"/search?lists={str(lists).lower()}", one))
                            if answer.status != 200:
                                raise RuntimeError(f"/search answered {answer.status}: {answer.body[:200]!r}")
                        spent[lists] = (cpu_seconds(server.pid) - used) / len(block)
                    if turn:
                        found[kind].append((spent[False], spent[True]))
    return found


def _edited(data: bytes) -> bytes:
    """A copy that is cropped to nine tenths, smaller and recompressed."""
    with Image.open(BytesIO(data)) as picture:
        width, height = picture.size
        part = picture.crop((width // 20, height // 20, width - width // 20, height - height // 20))
    return _jpeg(part.resize((part.width * 2 // 3, part.height * 2 // 3)))


def load_pictures(count: int) -> Iterator[bytes]:
    """JPEGs of COPYSIGHT_DATA in random order, at most SIDE pixels; or drawn ones. Raises ``SystemExit`` if too few."""
    folder = os.environ.get("COPYSIGHT_DATA")
    if folder is None:
        yield from (_jpeg(drawn(seed)) for seed in range(count))
        return
    entries, made = scan(Path(folder)).entries, 0
    for row in np.random.default_rng(0).permutation(len(entries)):
        try:
            picture = decode(entries[int(row)].read()).pixels
        except PictureError:
            continue
        picture.thumbnail((SIDE, SIDE))
        yield _jpeg(picture)
        made += 1
        if made == count:
            return
    raise SystemExit(f"got {made} pictures in COPYSIGHT_DATA; {count} are needed")


def _jpeg(picture: Image.Image) -> bytes:
    out = BytesIO()
    picture.convert("RGB").save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


if __name__ == "__main__":
    main()
