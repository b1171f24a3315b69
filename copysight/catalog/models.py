"""The live model of the catalog, the model that a re-embedding prepares, and the change from one to the other."""

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

VectorSupply = Callable[[Sequence[Item]], Mapping[str, npt.NDArray[np.float32]]]
"""A function that returns vectors ``(D,)`` by sha256 for items. It leaves out items that it cannot embed."""


class Models:
    """The models whose vectors the catalog holds: the live one, and those that publishers prepare or keep."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def prepare(self, model: str, variant: str) -> str:
        """Record that vectors of ``model`` are being computed, so that `discard` keeps them until it is live.

        Returns the variant to compute them with. If an earlier call prepared the same model, this is the variant of
        that call, so that a continued re-embedding does not mix variants. For the live model, the record is cleared.
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
        """Id of the bundle that a running or stopped re-embedding prepares, or None."""
        with self._database.read() as connection:
            found: str | None = connection.execute(sa.select(state.c.coming_model)).scalar_one()
        return found

    def go_live(
        self,
        model: str,
        variant: str,
        swap: Callable[[], bool],
        allow_missing: bool = False,
        supply: VectorSupply | None = None,
    ) -> None:
        """Make a model live if ``swap`` returns true. ``swap`` is called while all other writers are locked out.

        First, ``supply`` computes the vectors of items that have none. Raises ``BundleMismatch`` if an item still has
        no vector of the model, unless ``allow_missing`` is true or the model is already live.
        """
        with self._database.write() as connection:
            allow_missing |= model == connection.execute(sa.select(state.c.model)).scalar_one()
            if supply is not None:
                missing = [item_of(row) for row in connection.execute(placed.without_vector(model, 0))]
                if given := supply(missing) if missing else {}:
                    additions.put_vectors(
                        connection, given, placed.model_id(connection, model), sequence.advance(connection)
                    )
            left = None if allow_missing else connection.execute(placed.without_vector(model, 0).limit(1)).first()
            if left is not None:
                raise BundleMismatch(
                    f"item {left.id} ({left.key!r}) has no vector of the bundle {model[:12]}…; "
                    "use `copysight index rebuild --bundle` or `copysight index rollback` to compute missing vectors",
                    id=left.id,
                )
            if swap():
                coming = sa.case((state.c.coming_model == model, None), else_=state.c.coming_model)
                connection.execute(state.update().values(model=model, variant=variant, coming_model=coming))

    def discard(self, horizon: int, keep: Iterable[str]) -> None:
        """Delete tombstones up to ``horizon``, and vectors of models neither live, prepared nor in ``keep``."""
        with self._database.write() as connection:
            row = connection.execute(sa.select(state)).one()
            names = {row.model, row.coming_model or row.model, *keep}
            kept = sa.select(models.c.id).where(models.c.name.in_(names))
            connection.execute(tombstones.delete().where(tombstones.c.sequence <= horizon))
            connection.execute(vectors.delete().where(vectors.c.model.not_in(kept)))
            connection.execute(
                state.update().values(horizon=sa.case((state.c.horizon > horizon, state.c.horizon), else_=horizon))
            )


def check_live(connection: sa.Connection, model: str) -> None:
    """Raise ``BundleMismatch`` unless ``model`` is the live model."""
    live = connection.execute(sa.select(state.c.model)).scalar_one()
    if live != model:
        raise BundleMismatch(
            f"got vectors of the bundle {model[:12]}…, needed is {live[:12]}…; embed with the bundle of the index",
            got=model,
            needed=live,
        )
