"""The number of malloc arenas stays at the limit, with any number of threads."""

import ctypes
import subprocess
import sys

from service.runtime import malloc

PROGRAM = """
import ctypes, sys, threading
from pathlib import Path
from service.runtime import malloc

if sys.argv[1] == "limited":
    malloc.limit_arenas(2)
libc, held = ctypes.CDLL(None), threading.Barrier(9)
libc.malloc.restype = ctypes.c_void_p
places = []

def work():
    places.append(libc.malloc(1000) >> 26)  # a thread's arena is in a 64 MB region of its own
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
