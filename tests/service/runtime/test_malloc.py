"""Arenas of glibc: as many as were asked for, however many threads ask for memory."""

import ctypes
import subprocess
import sys

from service.runtime import malloc

PROGRAM = """
import ctypes, sys, threading
from pathlib import Path
from service import memory

if sys.argv[1] == "limited":
    memory.limit_arenas(2)
libc, held = ctypes.CDLL(None), threading.Barrier(9)
libc.malloc.restype = ctypes.c_void_p
places = []

def work():
    places.append(libc.malloc(1000) >> 26)  # an arena of a thread lies in 64 MB of its own
    held.wait()

threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
held.wait()
for thread in threads:
    thread.join()
print(len(set(places)))
"""


def test_threads_share_two_arenas():
    if not hasattr(ctypes.CDLL(None), "mallopt"):  # another C library
        assert not malloc.limit_arenas()
        return

    def places(how):
        return int(subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, check=True).stdout)

    assert places("limited") <= 2
    assert places("free") > 2
