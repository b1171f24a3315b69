"""The catalog: items with metadata and vectors, tombstones, and jobs. Generations are built from it alone."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from copysight.catalog import additions, limits, migrations, placed, reading, relocation, schema, sequence
from copysight.catalog.additions import CHUNK, chunks, item_of
from copysight.catalog.audit.audit import Audit
from copysight.catalog.audit.note import note_items
from copysight.catalog.audit.usage import Usage
from copysight.catalog.curation import removals
from copysight.catalog.curation.cluster_moves import ClusterMoves
from copysight.catalog.curation.curation import Curation
from copysight.catalog.database import Database
from copysight.catalog.engines import opening
from copysight.catalog.engines.engine import Lock
from copysight.catalog.filtering.fields import Fields
from copysight.catalog.hashes.hashes import Hashes
from copysight.catalog.jobs import Jobs
from copysight.catalog.models import Models, check_live
from copysight.catalog.moderation.moderation import Moderation
from copysight.catalog.moderation.review_queue import ReviewQueue
from copysight.catalog.names import ClusterNames
from copysight.catalog.outbox.outbox import Outbox
from copysight.catalog.recent.recent import Recent
from copysight.catalog.records import Added, Changes, Item, NewItem, Vectors
from copysight.catalog.relocation import Known, Move, Relocated
from copysight.catalog.schema import items, orphans, state, tombstones
from copysight.errors import IndexCorrupt, IndexNotFound, InvalidArgument, KeyConflict
from copysight.system import storable
from copysight.system.locks.shared_lock import SharedLock

POLICIES = ("keep", "reference", "discard")


class Catalog:
    """One database. Every method is thread-safe and one transaction, which is durable when the method returns.

    ``sequence`` counts changes. Compare it with an earlier value to detect changes with one cheap query.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database = Database(path)
        self.jobs = Jobs(self._database)
        self.fields = Fields(self._database)
        self.names = ClusterNames(self._database)
        self.moves = ClusterMoves(self._database)
        self.models = Models(self._database)
        self.curation = Curation(self._database)
        self.moderation = Moderation(self._database)
        self.reviews = ReviewQueue(self._database)
        self.outbox = Outbox(self._database)
        self.audit = Audit(self._database)
        self.usage = Usage(self._database)
        self.hashes = Hashes(self._database)
        self.recent = Recent(self._database)

    @classmethod
    def create(cls, path: Path, model: str, variant: str = "fp32", policy: str = "keep", local: bool = False) -> Self:
        """Create an empty catalog atomically: the file ``path``, or a schema on the server of COPYSIGHT_CATALOG.

        ``local``: always the file. Raises ``InvalidArgument`` if it exists.
        """
        if path.exists() or path.with_suffix(".json").exists():
            raise InvalidArgument(f"{path} exists; open it, or choose another path")
        if policy not in POLICIES:
            raise InvalidArgument(f"got the policy {policy!r} for originals; it must be one of {', '.join(POLICIES)}")
        return cls(opening.create(path, lambda connection: schema.create(connection, model, variant, policy), local))

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a catalog, and migrate it if its version is older. Raises ``IndexNotFound`` or ``IndexCorrupt``."""
        if not path.is_file():
            raise IndexNotFound(f"there is no index at {path.parent}; create one with `copysight index build`")
        catalog = cls(path)
        try:
            with catalog._database.read() as connection:
                version = connection.execute(sa.text("SELECT version FROM state WHERE id = 1")).scalar_one()
            if version != schema.VERSION:
                migrations.upgrade(catalog._database, version, schema.VERSION)
            catalog._database.locate(catalog._state("identity"))
        except (sa.exc.OperationalError, sa.exc.NoResultFound) as error:
            catalog.close()
            raise IndexCorrupt(f"{path} is not a catalog ({error}); restore the index from a backup") from error
        except BaseException:
            catalog.close()
            raise
        return catalog

    @staticmethod
    def renew_identity(path: Path) -> None:
        """Give the closed copy of a catalog an identity of its own."""
        database = Database(path)
        try:
            with database.write() as connection:
                connection.execute(state.update().values(identity=schema.identity()))
        finally:
            database.close()

    @staticmethod
    def move_to_server(path: Path) -> Path:
        """Move a closed SQLite catalog to the server of COPYSIGHT_CATALOG; nothing happens if that is not set.

        Returns the path of the catalog.
        """
        return opening.move_to_server(path, schema.metadata)

    def identity(self) -> str:
        """The id of this catalog, 32 hexadecimal digits. A backup has another one."""
        return str(self._state("identity"))

    def close(self) -> None:
        """Close all connections to the database."""
        self._database.close()

    def fault(self) -> str | None:
        """Why the file is not at its place any more, because it was moved or replaced; None if it is. Takes 4 us."""
        return self._database.fault()

    def check_place(self) -> None:
        """Raise ``NotWritable`` if the catalog or its directory was moved or replaced while it was open."""
        self._database.check_place()

    # Writing

    def add(self, new: Iterable[NewItem], *, model: str, replace: bool = False) -> list[Added | KeyConflict]:
        """Add items in one durable transaction. Returns one outcome per item, in their order.

        An item with a known key is ``unchanged`` if its sha256 is the same. Otherwise it is a ``KeyConflict``, or with
        ``replace`` it replaces the picture and keeps the id. Raises ``BundleMismatch`` if ``model`` is not the live
        one, and ``InvalidArgument``.
        """
        new = list(new)
        for item in new:
            limits.check(item)
        with self._database.write() as connection:
            check_live(connection, model)
            return additions.add(
                connection, new, placed.model_id(connection, model), sequence.advance(connection), replace
            )

    def add_vectors(self, model: str, new: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Store vectors ``(D,)`` by sha256 for a model that need not be live. Used for re-embedding."""
        with self._database.write() as connection:
            in_use = reading.sha256s_in_use(connection, list(new))
            given = {sha256: vector for sha256, vector in new.items() if sha256 in in_use}
            additions.put_vectors(connection, given, placed.model_id(connection, model), sequence.advance(connection))

    def set_metadata(self, id: int, metadata: Mapping[str, Any]) -> Item:  # noqa: A002 - the API's word
        """Replace an item's metadata. Raises ``ItemNotFound`` or ``InvalidArgument``."""
        limits.check_metadata(metadata)
        with self._database.write() as connection:
            changed = {"metadata": dict(metadata), "changed": sequence.advance(connection)}
            connection.execute(items.update().where(items.c.id == id).values(**changed))
            item = reading.one(connection, id)
            additions.put_values(connection, [item])
            note_items(connection, "item.metadata", [item])
            return item

    def set_sources(self, sources: Mapping[int, str]) -> None:
        """Replace the paths of original files, by item id."""
        for source in sources.values():
            storable.check_text(source, "source")
        with self._database.write() as connection:
            for number, source in sources.items():
                connection.execute(items.update().where(items.c.id == number).values(source=source))

    def delete(self, ids: Iterable[int]) -> int:
        """Delete items with their metadata and unused vectors, and leave tombstones. Returns how many were deleted.

        ``Index.delete``, which calls this, also removes their files.
        """
        with self._database.write() as connection:
            return relocation.delete(connection, ids, sequence.advance(connection))

    def relocate(self, collection: str, moves: Iterable[Move], removed: Iterable[Known]) -> Relocated:
        """Give items of a collection other keys, and delete others, in one durable transaction.

        Items that have changed since they were read are left alone, and so are moves to the key of another item.
        """
        with self._database.write() as connection:
            now = sequence.advance(connection)
            return relocation.relocate(connection, collection, list(moves), list(removed), now)

    # Reading items

    def get(self, id: int) -> Item:  # noqa: A002
        """One item. Raises ``ItemNotFound``."""
        with self._database.read() as connection:
            return reading.one(connection, id)

    def get_many(self, ids: Iterable[int]) -> dict[int, Item]:
        """Items by id; deleted items are absent."""
        # Every search runs this query, and through SQLAlchemy it takes four times as long.
        rows = self._database.rows(reading.BY_ID, ids=[int(one) for one in ids])
        return {row[0]: reading.item(row) for row in rows}

    def find(self, collection: str, key: str) -> Item | None:
        """The item with this key, or None."""
        return self.find_many(collection, [key]).get(key)

    def find_many(self, collection: str, keys: Iterable[str]) -> dict[str, Item]:
        """Items by key."""
        return {item.key: item for item in self._select(items.c.key, list(keys), items.c.collection == collection)}

    def known(self, collection: str) -> list[Known]:
        """Id, key, sha256 and source of all items of a collection, ordered by id."""
        with self._database.read() as connection:
            return relocation.known(connection, collection)

    def known_by_ids(self, ids: Iterable[int]) -> dict[int, Known]:
        """What names items, by id; deleted items are absent. Takes a fifth of the time of `get_many`."""
        rows = self._database.rows(reading.KNOWN_BY_ID, ids=[int(one) for one in ids])
        return {row[0]: Known(*row) for row in rows}

    def sha256s(self) -> list[str]:
        """The distinct sha256 of all pictures whose files are needed, ascending: also of removed items."""
        with self._database.read() as connection:
            return sorted(reading.sha256s_of_items(connection) | removals.restorable(connection))

    def sha256s_of_items(self) -> set[str]:
        """The distinct sha256 of all pictures of items."""
        with self._database.read() as connection:
            return reading.sha256s_of_items(connection)

    def with_files(self, files: bool | None) -> Iterator[Item]:
        """The items whose files were stored with them (True), were not (False), or may have been (None), by id."""
        after = 0
        while True:
            query = sa.select(items).where(items.c.id > after, items.c.files.is_(files)).order_by(items.c.id)
            with self._database.read() as connection:
                found = [item_of(row) for row in connection.execute(query.limit(CHUNK))]
            if not found:
                return
            yield from found
            after = found[-1].id

    def by_sha256(self, sha256: str) -> list[Item]:
        """Items whose picture has this sha256, ordered by id."""
        return sorted(self._select(items.c.sha256, [sha256]), key=lambda item: item.id)

    def page(
        self,
        collection: str | None = None,
        after: int = 0,
        limit: int = 100,
        key: str | None = None,
        filter: object | None = None,  # noqa: A002 - the API's word
        text: str | None = None,
        order: reading.Order | None = None,
    ) -> list[Item]:
        """At most ``limit`` items with ids above ``after``, by id, or a page in an ``order``. ``text``: within the key.

        Raises ``InvalidArgument``.
        """
        with self._database.read() as connection:
            return reading.page(connection, reading.Chosen(collection, key, filter, text), after, limit, order)

    def total(self, chosen: reading.Chosen) -> int:
        """The number of these items. Raises ``InvalidArgument``."""
        with self._database.read() as connection:
            return reading.total(connection, chosen)

    def matching(self, filter: object | None = None, collection: str | None = None) -> npt.NDArray[np.int64]:  # noqa: A002
        """Ascending ids of the items that match a filter (JSON) and a collection. Raises ``InvalidArgument``."""
        with self._database.read() as connection:
            return reading.matching(connection, filter, collection)

    # Reading counts and state

    def sequence(self) -> int:
        """The change sequence, which grows with every change of items, vectors or fields."""
        at_hand = self._database.sequence_at_hand()
        return int(self._database.rows(sequence.QUERY)[0][0]) if at_hand is None else at_hand

    def sequence_at_hand(self) -> int | None:
        """The change sequence if it can be told without waiting for another machine, else None."""
        return self._database.sequence_at_hand()

    def follow(self) -> None:
        """From now on, hear of changes as they are made, so that `sequence_at_hand` knows them."""
        self._database.follow()

    def lock(self, name: str) -> Lock:
        """The lock of this catalog with a ``name``: `publisher`, `reembedding` or `webhooks`."""
        return self._database.lock(name)

    def blob_lock(self) -> SharedLock:
        """The lock of the blobs: shared by who adds them, held alone by who removes those without an item."""
        return self._database.blob_lock()

    def count(self, collection: str | None = None, after: int = -1) -> int:
        """Number of items; with ``after``, of those whose picture is new or was replaced after this sequence."""
        with self._database.read() as connection:
            return reading.count(connection, collection, after)

    def collections(self) -> dict[str, int]:
        """Number of items by collection."""
        query = sa.select(items.c.collection, sa.func.count()).group_by(items.c.collection)
        with self._database.read() as connection:
            return {name: int(count) for name, count in connection.execute(query)}

    def model(self) -> str:
        """Id of the bundle whose vectors are live."""
        return str(self._state("model"))

    def variant(self) -> str:
        """Variant of the bundle, such as ``fp32``, that computed the live vectors."""
        return str(self._state("variant"))

    def policy(self) -> str:
        """The policy for originals: ``keep``, ``reference`` or ``discard``."""
        return str(self._state("policy"))

    # Vectors and changes

    def vectors(self, ids: Iterable[int], model: str) -> dict[int, npt.NDArray[np.float32]]:
        """Vectors ``(D,)`` by item id; items without a vector are absent."""
        rows = self._database.rows(placed.BY_IDS, ids=[int(one) for one in ids], model=model)
        return {number: np.frombuffer(vector, "<f4") for number, vector in rows if vector is not None}

    def vector_of(self, sha256: str, model: str) -> npt.NDArray[np.float32] | None:
        """The stored vector ``(D,)`` of the picture with this sha256, or None."""
        with self._database.read() as connection:
            return placed.vector_of(connection, sha256, model)

    def missing(self, model: str, limit: int | None = None, after: int = 0) -> list[Item]:
        """Items without a vector of the model and with ids above ``after``, ordered by id."""
        with self._database.read() as connection:
            return [item_of(row) for row in connection.execute(placed.without_vector(model, after).limit(limit))]

    def missing_count(self, model: str) -> int:
        """Number of items without a vector of the model."""
        with self._database.read() as connection:
            return placed.count_without_vector(connection, model)

    def changes(self, since: int, model: str) -> Changes:
        """All changes after the sequence ``since``, read in one transaction."""
        with self._database.read() as connection:
            now = connection.execute(_STATE).one()
            found = placed.since(connection, since, model)
            deleted_ids = connection.execute(_DELETED_SINCE, {"since": since}).scalars()
            deleted = np.fromiter(deleted_ids, dtype=np.int64)
            # For the live model, every item was added with its vector, or left out when the model went live.
            complete = now.model == model or not placed.any_without_vector(connection, since, model)
        return Changes(now.sequence, now.horizon, found, deleted, complete)

    def stream(self, model: str, size: int = 4096) -> Iterator[Vectors | int]:
        """Yield the sequence, then all vectors of the model, ordered by id, ``size`` at a time, in one transaction."""
        with self._database.read() as connection:
            yield sequence.current(connection)
            yield from placed.stream(connection, model, size)

    # For publishers

    def orphans(self) -> list[str]:
        """The sha256 of pictures that no item uses any more and whose files must still be removed."""
        with self._database.read() as connection:
            return list(connection.execute(sa.select(orphans.c.sha256)).scalars())

    def clear_orphans(self, sha256s: Sequence[str]) -> None:
        """Remove pictures from the list of orphans, after their files have been removed."""
        with self._database.write() as connection:
            for part in chunks(sha256s):
                connection.execute(orphans.delete().where(orphans.c.sha256.in_(part)))

    def faults(self) -> list[str]:
        """Faults found by the engine's own checks and by ours; empty if there are none."""
        with self._database.read() as connection:
            bad = connection.execute(placed.bad_vectors()).all()
        return self._database.faults() + [f"vector {row.id} has {row.size} bytes, not {row.expected}" for row in bad]

    def copy_to(self, path: Path) -> None:
        """Write a consistent copy with an identity of its own to a new SQLite file, while others read and write."""
        self._database.copy_to(path, schema.identity(), schema.metadata)

    def _state(self, column: str) -> Any:
        with self._database.read() as connection:
            return connection.execute(sa.select(state.c[column])).scalar_one()

    def _select(self, column: sa.Column[Any], wanted: Sequence[Any], *more: sa.ColumnElement[bool]) -> list[Item]:
        with self._database.read() as connection:
            return [
                item_of(row)
                for part in chunks(wanted)
                for row in connection.execute(sa.select(items).where(column.in_(part), *more))
            ]


_STATE = sa.select(state)
_DELETED_SINCE = sa.select(tombstones.c.item).where(tombstones.c.sequence > sa.bindparam("since"))
