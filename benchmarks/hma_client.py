"""Compare the HMA paths of the service with the package `threatexchange`: hashes of files, matches of edited copies.

    VENV/bin/pip install threatexchange
    COPYSIGHT_DATA=FOLDER python -m benchmarks.hma_client VENV/bin/python [--pictures 100]

The first half of the pictures is put into a bank. Both hash all of them and an edited copy of each (cropped by 1 %,
smaller, recompressed); `threatexchange` builds its PDQ index of the bank and looks up everything, the service answers
`/h/hash` and `/m/raw_lookup`. It prints how many hashes and answers are equal.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from io import BytesIO
from pathlib import Path

import httpx
from PIL import Image

from benchmarks.list_cost import load_pictures
from benchmarks.service_throughput import run_server
from copysight.index import Index

REFERENCE = """
import json, sys
from pathlib import Path
from threatexchange.signal_type.pdq.signal import PdqSignal
folder, banked = Path(sys.argv[1]), int(sys.argv[2])
hashes = [PdqSignal.hash_from_bytes(file.read_bytes()) for file in sorted(folder.iterdir())]
index = PdqSignal.get_index_cls().build([(hash, number) for number, hash in enumerate(hashes[:banked]) if hash])
found = [
    sorted((one.metadata, int(one.similarity_info.pretty_str())) for one in index.query(hash)) if hash else []
    for hash in hashes
]
print(json.dumps({"hashes": hashes, "found": found}))
"""


def main() -> None:
    """Print the number of equal hashes and answers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("python", help="Interpreter of an environment that has threatexchange.")
    parser.add_argument("--pictures", type=int, default=100, help="Number of pictures. Default: 100.")
    options = parser.parse_args()
    originals = list(load_pictures(options.pictures))
    data, banked = [*originals, *map(edited, originals)], options.pictures // 2
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "pictures"
        folder.mkdir()
        for number, one in enumerate(data):
            (folder / f"{number:06}.jpg").write_bytes(one)
        command = [options.python, "-c", REFERENCE, str(folder), str(banked)]
        theirs = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        ours = answers(Path(scratch) / "index", data, banked)
    equal = sum(one == other for one, other in zip(ours["hashes"], theirs["hashes"], strict=True))
    same = sum(one == other for one, other in zip(ours["found"], theirs["found"], strict=True))
    copies = sum(bool(found) for found in theirs["found"][len(originals) : len(originals) + banked])
    print(f"{equal} of {len(data)} hashes are equal, and {same} of {len(data)} answers with their distances")
    print(f"{copies} of {banked} edited copies match by PDQ")


def answers(directory: Path, data: list[bytes], banked: int) -> dict[str, list[object]]:
    """The service's hash of each picture, and the (number, distance) of the contents that match it."""
    Index.create(directory).close()
    command = [sys.executable, "-m", "cli", "serve", "--index", str(directory), "--hma", "true", "--port"]
    with run_server(command) as server, httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=120) as http:
        http.post("/c/banks", json={"name": "BANK"}).raise_for_status()
        number_of = {}
        for number, one in enumerate(data[:banked]):
            added = http.post("/c/bank/BANK/content", files={"photo": one}).raise_for_status().json()
            number_of[added["id"]] = number
        hashes = [http.post("/h/hash", params={"types": "pdq"}, files={"photo": one}).json()["pdq"] for one in data]
        found = []
        for signal in hashes:
            asked = {"signal": signal, "signal_type": "pdq", "include_distance": "true"}
            matches = http.get("/m/raw_lookup", params=asked).json()["matches"] if signal else []
            found.append(sorted([number_of[one["bank_content_id"]], int(one["distance"])] for one in matches))
    return {"hashes": hashes, "found": found}


def edited(data: bytes) -> bytes:
    """A copy, cropped by 1 % on each side, smaller and recompressed."""
    with Image.open(BytesIO(data)) as picture:
        across, down = picture.width // 100, picture.height // 100
        part = picture.crop((across, down, picture.width - across, picture.height - down))
        out = BytesIO()
        part.resize((part.width * 3 // 4, part.height * 3 // 4)).save(out, "JPEG", quality=60)
    return out.getvalue()


if __name__ == "__main__":
    main()
