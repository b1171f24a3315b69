"""A full disk or a read-only directory gives a clear error and loses nothing; writes work again with free space."""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from copysight.index import Index, publish, verify
from copysight.model.bundle import Bundle

# A limit on file sizes makes the kernel fail writes half-way through them, as on a full disk.
FULL = """
import resource, sys
from pathlib import Path
from copysight.errors import NotWritable
from copysight.index import Index, backup, publish
from copysight.index.generations.index_type import default_index_type
from tests.copysight.index.crash_writer import items

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

def refused(what, act):
    try:
        act()
    except NotWritable as error:
        print(what, error.code)
    else:
        sys.exit(f"{what}: no error")

with Index.open(Path(sys.argv[1])) as index:
    index.catalog.add(items(50, 10), model=index.catalog.model())
    wal = Path(f"{index.layout.catalog}-wal").stat().st_size
    limit(wal + 10_000)
    refused("add", lambda: index.catalog.add(items(100, 500), model=index.catalog.model()))
    assert index.catalog.count() == 60
    limit(2000)
    refused("blob", lambda: index.blobs.put_original(bytes(9000)))
    refused("delete", lambda: index.delete([1]))
    for kind in ("flat", "hnsw"):
        refused("publish", lambda: publish(index, choice=default_index_type(kind, 60)))
    refused("backup", lambda: backup(index, index.directory.parent / "saved"))
    assert index.snapshot().search(items(7, 1)[0].vector[None], 1)[0][0].similarity == 1.0
    limit(resource.RLIM_INFINITY)
    index.catalog.add(items(100, 5), model=index.catalog.model())
    publish(index)
"""

READ_ONLY = """
import os, sys
from pathlib import Path
from copysight.errors import NotWritable
from copysight.index import Index
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    with Index.open(Path(sys.argv[1])) as index:
        index.catalog.delete([1])
except NotWritable as error:
    print(error.message)
else:
    sys.exit("no error")
"""


def run(script: str, directory: Path) -> str:
    command = [sys.executable, "-c", script, str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[3], check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_full_disk_loses_nothing(index: Index, add: Callable) -> None:
    add(index, *range(50))
    publish(index)
    index.close()
    said = run(FULL, index.directory).splitlines()
    assert [line.split()[0] for line in said] == ["add", "blob", "delete", "publish", "publish", "backup"]
    assert {line.split()[1] for line in said} == {"not_writable"}
    with Index.open(index.directory) as again:
        assert again.catalog.count() == 65
        assert again.status().generation == "000002"
        assert verify(again) == []
        assert not list(again.directory.rglob(".*.tmp"))
        assert not (again.directory.parent / "saved").exists()


def test_the_error_names_a_read_only_directory(graphless: Bundle) -> None:
    # Root may write everywhere, so the writer runs as "nobody", in a directory that other users may enter.
    with tempfile.TemporaryDirectory() as room:
        directory = Path(room) / "index"
        Index.create(directory, graphless.path).close()
        changed = [directory, *directory.rglob("*")]
        try:
            Path(room).chmod(0o755)
            for path in changed:
                path.chmod(0o555 if path.is_dir() else 0o444)
            assert str(directory) in run(READ_ONLY, directory)
        finally:
            for path in changed:
                path.chmod(0o755)
