"""How the process asks for memory, so that a month of it looks like its first minute."""

import ctypes

M_ARENA_MAX = -8
ARENAS = 2


def limit_arenas(count: int = ARENAS) -> bool:
    """Have glibc's ``malloc`` share ``count`` arenas among all threads; False where another C library is at work.

    Left alone, each thread gets an arena of its own (up to eight a processor) that keeps its high-water mark: under the
    soak's load 343 MB were resident, and it swung by 13 MB; with two arenas 309 MB, and it stood still.
    Source: mallopt(3).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(M_ARENA_MAX, count))
