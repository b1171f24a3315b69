"""Limit the arenas of glibc's ``malloc``, so that resident memory does not grow over weeks."""

import ctypes

M_ARENA_MAX = -8
ARENAS = 2


def limit_arenas(count: int = ARENAS) -> bool:
    """Make all threads share ``count`` arenas of glibc's ``malloc``. False with another C library.

    By default, each thread gets its own arena (up to eight for each processor), which keeps its peak memory. In the
    soak test, 343 MB were resident and varied by 13 MB; with two arenas it was a constant 309 MB. Source: mallopt(3).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(M_ARENA_MAX, count))
