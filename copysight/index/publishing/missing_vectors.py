"""Items that lack a vector of the model that is to go live, and how they come to it while others are being added."""

from copysight.catalog import Catalog, VectorSupply

CHUNK = 256  # items between two durable steps
FEW = 32  # that may be left for the moment of the swap, while writers wait
ROUNDS = 8


def work_off(catalog: Catalog, model: str, supply: VectorSupply) -> None:
    """Ask ``supply`` for what is missing, again and again, until hardly anything comes that it can give.

    Each chunk is durable before the next is asked for, so a killed run goes on where it stopped. What is added faster
    than it is worked off is left for ``Catalog.go_live``, which makes writers wait for it.
    """
    for _ in range(ROUNDS):
        if _once(catalog, model, supply) <= FEW:
            return


def _once(catalog: Catalog, model: str, supply: VectorSupply) -> int:
    """One pass over all items; returns how many vectors it brought."""
    after = made = 0
    while lacking := catalog.missing(model, CHUNK, after):
        if given := supply(lacking):
            catalog.add_vectors(model, given)
        after, made = lacking[-1].id, made + len(given)
    return made
