"""Folders of files on S3, beside the blobs of an index: bundles and generations, which replicas fetch."""

from pathlib import Path

from copysight.blobs.s3.address import Address
from copysight.blobs.s3.failures import explaining
from copysight.blobs.s3.store import bucket_of
from copysight.system import durable

CHUNK = 8 * 2**20


class Folders:
    """Flat folders below a prefix. A folder is there when its ``last`` file is: that one is uploaded last."""

    def __init__(self, address: Address) -> None:
        self._bucket = bucket_of(address)

    def read(self, name: str) -> bytes | None:
        """The contents of a small file; None if there is none. Raises ``BlobsUnavailable``, like all methods."""
        try:
            with explaining():
                return bytes(self._bucket.get(name).bytes())
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        """Write a small file."""
        with explaining():
            self._bucket.put(name, data, use_multipart=False)

    def upload(self, directory: Path, name: str, last: str) -> None:
        """Upload the files of ``directory`` as the folder ``name``."""
        files = sorted(path for path in directory.iterdir() if path.is_file() and path.name != last)
        for file in [*files, directory / last]:
            with explaining():
                self._bucket.put(f"{name}/{file.name}", file, chunk_size=CHUNK)

    def download(self, name: str, target: Path) -> None:
        """Download the folder ``name`` to ``target``, which appears complete."""
        with durable.writable(target), durable.new_directory(target) as directory:
            for file in self._files(name):
                with explaining(), (directory / file).open("wb") as out:
                    for part in self._bucket.get(f"{name}/{file}").stream(min_chunk_size=CHUNK):
                        out.write(part)

    def names(self, parent: str, last: str) -> list[str]:
        """Names of the complete folders below ``parent``, sorted."""
        with explaining():
            found = [one["path"].split("/") for part in self._bucket.list(f"{parent}/") for one in part]
        return sorted(path[-2] for path in found if path[-1] == last)

    def delete(self, name: str, last: str) -> None:
        """Remove a folder; from then on it is not complete."""
        files = [last, *(file for file in self._files(name) if file != last)]
        for file in files:
            with explaining():
                self._bucket.delete(f"{name}/{file}")

    def _files(self, name: str) -> list[str]:
        with explaining():
            return [one["path"].rpartition("/")[2] for part in self._bucket.list(f"{name}/") for one in part]
