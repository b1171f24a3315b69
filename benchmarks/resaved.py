"""Search a real server for indexed pictures: by their original bytes, and after saving them again as JPEG 90.

Builds and serves an index of photographs. Then 300 of them are searched over HTTP: by their original bytes (one and
sixteen per request), and after decoding and saving as JPEG of quality 90.

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

QUERIES, BATCH = 300, 16


def main() -> None:
    options = parse_arguments()
    with tempfile.TemporaryDirectory() as scratch:
        folder, index = Path(scratch) / "pictures", Path(scratch) / "index"
        folder.mkdir()
        for number, entry in enumerate(scan(Path(options.data)).entries[: options.pictures]):
            (folder / f"{number:06d}.jpg").write_bytes(entry.read())
        build(Plan(folder, index, bundle=options.bundle), Progress(StringIO()))
        files = sorted(folder.iterdir())
        files = [files[place] for place in np.linspace(0, len(files) - 1, QUERIES).astype(int)]
        with server_client(index) as client:
            own = [file.read_bytes() for file in files]
            print_matches(
                "original bytes, 1 per request",
                files,
                [answer for data in own for answer in best_matches(client, [data])],
            )
            batches = [own[start : start + BATCH] for start in range(0, len(own), BATCH)]
            print_matches(
                f"own bytes, {BATCH} at a time", files, [one for part in batches for one in best_matches(client, part)]
            )
            resaved = [resave(data) for data in own]
            print_matches("JPEG 90", files, [answer for data in resaved for answer in best_matches(client, [data])])


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", default=os.environ.get("COPYSIGHT_DATA"), help="Folder or tar files. By default COPYSIGHT_DATA."
    )
    parser.add_argument("--pictures", type=int, default=1500, help="Number of indexed pictures. Default: 1500.")
    parser.add_argument("--bundle", default="default", help="Bundle of the index. Default: default.")
    options = parser.parse_args()
    if options.data is None:
        parser.error("set COPYSIGHT_DATA or --data to a folder of pictures")
    return options


@contextmanager
def server_client(index: Path) -> Iterator[httpx.Client]:
    """Run a server process on a free port; yield a client."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "cli", "serve", "--index", str(index), "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                wait_until_ready(client)
                yield client
        finally:
            process.terminate()


def wait_until_ready(client: httpx.Client, seconds: float = 60) -> None:
    """Wait until the server is ready."""
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


def best_matches(client: httpx.Client, pictures: Sequence[bytes]) -> list[dict[str, Any]]:
    """Return the best match of each picture."""
    answer = client.post("/search", files=[("file", data) for data in pictures], params={"k": 1}).raise_for_status()
    return [item["matches"][0] for item in answer.json()["items"]]


def resave(data: bytes) -> bytes:
    out = BytesIO()
    Image.open(BytesIO(data)).save(out, "JPEG", quality=90)
    return out.getvalue()


def print_matches(name: str, files: Sequence[Path], matches: Sequence[dict[str, Any]]) -> None:
    right = np.array([match["key"] == file.name for match, file in zip(matches, files, strict=True)])
    sure = np.array([(match["probability"] or 0) >= 0.99 for match in matches])
    verdicts = {kind: sum(match["verdict"] == kind for match in matches) for kind in ("exact", "copy", "uncertain")}
    least = min(match["similarity"] for match in matches)
    print(
        f"{name:32} correct {right.mean():.3f}  probability >= 0.99 {(sure & right).mean():.3f}  "
        f"minimum similarity {least:.4f}  {verdicts}",
        flush=True,
    )


if __name__ == "__main__":
    main()
