"""Bring wheels in pieces: split large ones, join and unpack them where they are used.

python -m benchmarks.gpu.wheels FOLDER WHEEL …        # writes FOLDER/NAME.whl.000, NAME.whl.001 …
"""

import sys
import zipfile
from pathlib import Path

PIECE = 60 * 2**20


def split(wheel: Path, folder: Path, piece: int = PIECE) -> list[Path]:
    """Write the pieces of a wheel, or of another file. Returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    data = wheel.read_bytes()
    made = []
    for number, start in enumerate(range(0, len(data), piece)):
        made.append(folder / f"{wheel.name}.{number:03}")
        made[-1].write_bytes(data[start : start + piece])
    return made


def join(folder: Path, name: str, target: Path) -> Path:
    """Join the pieces of the file ``name`` in a folder, or copy it if it is whole, into ``target``."""
    pieces = sorted(folder.glob(f"{name}.[0-9][0-9][0-9]")) or [folder / name]
    with target.open("wb") as file:
        for piece in pieces:
            file.write(piece.read_bytes())
    return target


def unpack(folder: Path, target: Path) -> Path:
    """Join the pieces in a folder and unpack all wheels into ``target``, a directory for PYTHONPATH."""
    target.mkdir(parents=True, exist_ok=True)
    names = sorted({one.name.rpartition(".")[0] for one in folder.glob("*.whl.[0-9][0-9][0-9]")})
    for name in names:
        joined = join(folder, name, target / name)
        with zipfile.ZipFile(joined) as wheel:
            wheel.extractall(target)
        joined.unlink()
    return target


if __name__ == "__main__":
    for path in sys.argv[2:]:
        print(*split(Path(path), Path(sys.argv[1])), sep="\n")
