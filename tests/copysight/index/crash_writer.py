"""A process that writes to an index and kills itself with SIGKILL at a chosen step. It is controlled by JSON lines.

Each command runs in a fork, so that the libraries are loaded only once. The parent opens no index and runs no FAISS.
`tests.faults.killer` defines a step.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from copysight.catalog import Catalog, Item, NewItem, migrations, schema
from copysight.index import Gate, Index, backup, publish, rollback
from copysight.index.generations.index_type import default_index_type
from copysight.model import bundle as bundles
from tests.faults.killer import Killer

D = 16


def vector(seed: int, dimension: int = D) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=dimension)
    return (drawn / np.linalg.norm(drawn)).astype(np.float32)


def items(first: int, count: int) -> list[NewItem]:
    return [NewItem(f"{seed}", f"{seed:064x}", 1, 1, vector(seed)) for seed in range(first, first + count)]


def add(index: Index, command: dict[str, Any]) -> None:
    for new in items(command["first"], 2):
        with index.blobs.hold():
            # The file has the sha256 that the test gave the item, not that of its bytes.
            index.blobs.store.write({new.sha256: b"picture"})
            index.catalog.add([new], model=index.bundle.id)
        send({"ack": int(new.key)})


def bulk(index: Index, command: dict[str, Any]) -> None:
    index.catalog.add(items(command["first"], 60), model=index.bundle.id)
    send({"ack": "all"})


def delete(index: Index, command: dict[str, Any]) -> None:
    for ids in command["batches"]:
        index.delete(ids)
        send({"ack": ids})


def build(index: Index, command: dict[str, Any]) -> None:
    choice = default_index_type("sq8", index.catalog.count())
    publish(index, choice=choice, gate=Gate(recall=0), keep=2)
    send({"ack": "all"})


def back(index: Index, command: dict[str, Any]) -> None:
    rollback(index)
    send({"ack": "all"})


def save(index: Index, command: dict[str, Any]) -> None:
    backup(index, Path(command["target"]))
    send({"ack": "all"})


def switch(index: Index, command: dict[str, Any]) -> None:
    """Change to another bundle of dimension 8, while an item is added just before the swap."""
    second = bundles.load(command["bundle"])
    index.catalog.models.prepare(second.id, "fp32")
    index.install(second.path)

    def supply(missing: Sequence[Item]) -> dict[str, np.ndarray]:
        return {item.sha256: vector(int(item.key), 8) for item in missing}

    def one_more(*given: Any) -> None:
        index.catalog.add(items(1000, 1), model=index.catalog.model())
        go_live(*given)

    go_live = index.catalog.models.go_live
    index.catalog.models.go_live = one_more  # type: ignore[method-assign] - after the last pass over missing vectors
    publish(index, model=second.id, supply=supply, keep=2)
    send({"ack": "all"})


def migrate(directory: Path) -> None:
    """Open the catalog with a later version, whose migration adds a column, fills it, and creates an index."""

    def step(connection: sa.Connection) -> None:
        connection.execute(sa.text("ALTER TABLE items ADD COLUMN note TEXT"))
        for row in connection.execute(sa.select(schema.items.c.id)).all():
            connection.execute(
                sa.text("UPDATE items SET note = :n WHERE id = :i"), {"n": f"note {row.id}", "i": row.id}
            )
        connection.execute(sa.text("CREATE INDEX items_note ON items (note)"))

    migrations.MIGRATIONS[schema.VERSION] = step
    schema.VERSION += 1
    Catalog.open(directory / "catalog.sqlite").close()
    send({"ack": "all"})


OPERATIONS: dict[str, Callable[[Index, dict[str, Any]], None]] = {
    "add": add,
    "bulk": bulk,
    "delete": delete,
    "build": build,
    "rollback": back,
    "backup": save,
    "switch": switch,
}


def send(answer: dict[str, Any]) -> None:
    os.write(1, (json.dumps(answer) + "\n").encode())


def run(command: dict[str, Any]) -> None:
    directory = Path(command["directory"])
    index = Index.open(directory) if command["operation"] != "migrate" else None
    killer = Killer(send)
    killer.arm(command.get("at", 0), command.get("after"))
    if index is None:
        migrate(directory)
    else:
        OPERATIONS[command["operation"]](index, command)
    sys.setprofile(None)
    send(killer.report())


def main() -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                run(json.loads(line))
            except BaseException as error:  # noqa: BLE001 - reported to the test, which then fails
                send({"error": repr(error)})
            os._exit(0)
        _, status = os.waitpid(child, 0)
        send({"killed": os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL})


if __name__ == "__main__":
    main()
