"""Models: whose vectors are live, whose are coming, and how one takes the other's place."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from copysight.catalog import additions, placed, sequence
from copysight.catalog.additions import item_of
from copysight.catalog.database import Database
from copysight.catalog.records import Item
from copysight.catalog.schema import models, state, tombstones, vectors
from copysight.errors import BundleMismatch

Supply = Callable[[Sequence[Item]], Mapping[str, npt.NDArray[np.float32]]]
"""Makes vectors ``(D,)`` by sha256 for items that lack one, as far as it can."""


class Models:
    """The bundles whose vectors the catalog holds: the live one, and those that publishers make or keep."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def prepare(self, model: str, variant: str) -> str:
        """Note that vectors of ``model`` are being made, so that `forget` keeps them until it is live.

        Returns the precision to make them in: that of an earlier call for this model, if it is still coming, so that
        work which goes on after a kill stays of one kind. The live model is never coming.
        """
        with self._database.write() as connection:
            row = connection.execute(sa.select(state)).one()
            if model == row.model:
                connection.execute(state.update().values(coming_model=None, coming_variant=None))
                return str(row.variant)
            variant = row.coming_variant if row.coming_model == model else variant
            connection.execute(state.update().values(coming_model=model, coming_variant=variant))
            return variant

    def coming(self) -> str | None:
        """Id of the bundle that a re-embedding under way, or one that was stopped, leads to."""
        with self._database.read() as connection:
            found: str | None = connection.execute(sa.select(state.c.coming_model)).scalar_one()
        return found

    def go_live(
        self,
        model: str,
        variant: str,
        swap: Callable[[], bool],
        allow_missing: bool = False,
        supply: Supply | None = None,
    ) -> None:
        """Make a model live if ``swap``, called while no other writer can write, returns true.

        ``supply`` is asked for the vectors of items that lack one. Raises ``BundleMismatch`` when an item has no
        vector of the model even then, unless ``allow_missing``, or the model is live already and leaves them out.
        """
        with self._database.write() as connection:
            allow_missing |= model == connection.execute(sa.select(state.c.model)).scalar_one()
            if supply is not None:
                lacking = [item_of(row) for row in connection.execute(placed.without(model, 0))]
                if given := supply(lacking) if lacking else {}:
                    additions.put_vectors(
                        connection, given, placed.model_id(connection, model), sequence.advance(connection)
                    )
            left = None if allow_missing else connection.execute(placed.without(model, 0).limit(1)).first()
            if left is not None:
                raise BundleMismatch(
                    f"item {left.id} ({left.key!r}) has no vector of the bundle {model[:12]}…; "
                    "`copysight index rebuild --bundle` and `copysight index rollback` make what is missing",
                    id=left.id,
                )
            if swap():
                coming = sa.case((state.c.coming_model == model, None), else_=state.c.coming_model)
                connection.execute(state.update().values(model=model, variant=variant, coming_model=coming))

    def forget(self, horizon: int, keep: Iterable[str]) -> None:
        """Forget tombstones up to ``horizon``, and vectors of models that are neither live, coming nor in ``keep``."""
        with self._database.write() as connection:
            row = connection.execute(sa.select(state)).one()
            names = {row.model, row.coming_model or row.model, *keep}
            kept = sa.select(models.c.id).where(models.c.name.in_(names))
            connection.execute(tombstones.delete().where(tombstones.c.sequence <= horizon))
            connection.execute(vectors.delete().where(vectors.c.model.not_in(kept)))
            connection.execute(state.update().values(horizon=sa.func.max(state.c.horizon, horizon)))


def check_live(connection: sa.Connection, model: str) -> None:
    """Raises ``BundleMismatch`` unless ``model`` is the live one."""
    live = connection.execute(sa.select(state.c.model)).scalar_one()
    if live != model:
        raise BundleMismatch(
            f"got vectors of the bundle {model[:12]}…, the index is of {live[:12]}…; embed with the index's bundle",
            got=model,
            needed=live,
        )
