"""Pictures saved again: what a real server says of a collection's own bytes, and of the same pictures as JPEG 90.

An index of photographs is built and served; 300 of them are asked for over HTTP by their own bytes, alone and sixteen
at a time, and after decoding and saving as JPEG of quality 90.

    COPYSIGHT_DATA=folder-with-pictures python -m benchmarks.resaved [--pictures N] [--bundle BUNDLE]
"""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from copysight.pictures.scan import scan
from index_builder.build import build
from index_builder.progress import Progress
from index_builder.stages.plan import Plan

ASKED, TOGETHER = 300, 16


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory() as scratch:
        folder, index = Path(scratch) / "pictures", Path(scratch) / "index"
        folder.mkdir()
        for number, entry in enumerate(scan(Path(options.data)).entries[: options.pictures]):
            (folder / f"{number:06d}.jpg").write_bytes(entry.read())
        build(Plan(folder, index, bundle=options.bundle), Progress(StringIO()))
        files = sorted(folder.iterdir())
        files = [files[place] for place in np.linspace(0, len(files) - 1, ASKED).astype(int)]
        with served(index) as client:
            own = [file.read_bytes() for file in files]
            report("own bytes, alone", files, [answer for data in own for answer in ask(client, [data])])
            together = [own[start : start + TOGETHER] for start in range(0, len(own), TOGETHER)]
            report(f"own bytes, {TOGETHER} at a time", files, [one for part in together for one in ask(client, part)])
            again = [resaved(data) for data in own]
            report("JPEG 90", files, [answer for data in again for answer in ask(client, [data])])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default=os.environ.get("COPYSIGHT_DATA"), help="Folder or tar shards.")
    parser.add_argument("--pictures", type=int, default=1500)
    parser.add_argument("--bundle", default="default")
    options = parser.parse_args()
    if options.data is None:
        parser.error("set COPYSIGHT_DATA or --data to a folder of pictures")
    return options


@contextmanager
def served(index: Path) -> Iterator[httpx.Client]:
    """A client of a real server process on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "cli", "serve", "--index", str(index), "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                wait(client)
                yield client
        finally:
            process.terminate()


def wait(client: httpx.Client, seconds: float = 60) -> None:
    """Until the server is ready."""
    end = time.monotonic() + seconds
    while True:
        try:
            client.get("/readyz").raise_for_status()
        except httpx.HTTPError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
        else:
            return


def ask(client: httpx.Client, pictures: Sequence[bytes]) -> list[dict[str, Any]]:
    """The best match of each picture."""
    answer = client.post("/search", files=[("file", data) for data in pictures], params={"k": 1}).raise_for_status()
    return [item["matches"][0] for item in answer.json()["items"]]


def resaved(data: bytes) -> bytes:
    out = BytesIO()
    Image.open(BytesIO(data)).save(out, "JPEG", quality=90)
    return out.getvalue()


def report(name: str, files: Sequence[Path], matches: Sequence[dict[str, Any]]) -> None:
    right = np.array([match["key"] == file.name for match, file in zip(matches, files, strict=True)])
    sure = np.array([(match["probability"] or 0) >= 0.99 for match in matches])
    verdicts = {kind: sum(match["verdict"] == kind for match in matches) for kind in ("exact", "copy", "uncertain")}
    least = min(match["similarity"] for match in matches)
    print(
        f"{name:24} right {right.mean():.3f}  probability >= .99 {(sure & right).mean():.3f}  "
        f"least similarity {least:.4f}  {verdicts}",
        flush=True,
    )


if __name__ == "__main__":
    main()
