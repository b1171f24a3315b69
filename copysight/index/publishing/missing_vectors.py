"""Compute the missing vectors of a model before it becomes live, while other items are being added."""

from copysight.catalog import Catalog, VectorSupply

CHUNK = 256  # items per durable step
FEW_LEFT = 32  # items that may be left for the swap, during which writers wait
ROUNDS = 8


def fill(catalog: Catalog, model: str, supply: VectorSupply) -> None:
    """Store vectors from ``supply`` for items that have none, in up to 8 passes, until at most 32 are new in a pass.

    Each chunk is durable before the next begins, so a killed run can be continued. Items that are added during the last
    pass are left for ``Models.go_live``, which makes writers wait for it.
    """
    for _ in range(ROUNDS):
        if _pass(catalog, model, supply) <= FEW_LEFT:
            return


def _pass(catalog: Catalog, model: str, supply: VectorSupply) -> int:
    """Make one pass over all items without a vector. Returns the number of stored vectors."""
    after = made = 0
    while missing := catalog.missing(model, CHUNK, after):
        if vectors := supply(missing):
            catalog.add_vectors(model, vectors)
        after, made = missing[-1].id, made + len(vectors)
    return made
