"""Decoding in worker processes: a crash, a hang or too much memory only fails that picture."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from copysight.errors import CorruptPicture, PictureError, TooManyBytes
from copysight.pictures.decode import Limits, decode
from copysight.pictures.exact import digest
from service.http.problems import DecoderCrashed, DecoderOutOfMemory, DecoderTooSlow
from service.intake import decode_worker, decoding
from service.intake.decode_worker import Message
from service.intake.decoding import ProcessDecoder
from tests.copysight.pictures.test_decode import bomb
from tests.service.conftest import serving

LIMITS = Limits()


def children(pid):
    """Child processes of a process."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(one) for task in tasks for one in (task / "children").read_text().split()]


@pytest.fixture
def two():
    processes = ProcessDecoder(2, LIMITS, 512 * 2**20, 20)
    yield processes
    processes.close()


@pytest.fixture(scope="module")
def large(jpeg):
    """A PNG of 49 million pixels in 50 kB: within the pixel limit, but 250 MB while it is decoded."""
    return jpeg(Image.new("L", (7000, 7000)), "PNG")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_processes_and_threads_decode_the_same_pixels(kind, two, drawn, jpeg):
    data = jpeg(drawn(1, (640, 480)), kind)
    for at_least in (None, 100):
        here, there = decode(data, LIMITS, at_least), two.decode(data, at_least)
        assert np.array_equal(np.asarray(here.pixels), np.asarray(there.pixels))
        assert (here.width, here.height, here.format) == (there.width, there.height, there.format)
    assert digest(data, LIMITS) == two.digest(data)


def test_processes_and_threads_raise_the_same_errors(two, drawn, jpeg):
    whole = jpeg(drawn(1))
    pids = two.pids
    for data in (b"", b"no picture", whole[: len(whole) // 2], bomb(60_000), jpeg(Image.new("RGB", (1, 1)), "PNG")):
        with pytest.raises(PictureError) as here:
            decode(data, LIMITS)
        with pytest.raises(type(here.value)) as there:
            two.decode(data)
        assert there.value.message == here.value.message
    assert two.pids == pids, "an ordinary error does not replace a process"


def test_too_many_bytes_never_reach_a_process(jpeg, drawn):
    processes = ProcessDecoder(1, Limits(max_bytes=1000), 512 * 2**20, 20)
    with pytest.raises(TooManyBytes):
        processes.decode(jpeg(drawn(1)))
    processes.close()


def test_memory_is_limited(drawn, jpeg, large):
    processes = ProcessDecoder(1, LIMITS, 128 * 2**20, 20)
    before = processes.pids
    with pytest.raises((DecoderOutOfMemory, CorruptPicture)):
        processes.decode(large)
    assert processes.decode(jpeg(drawn(1))).width == 160
    assert processes.pids != before
    processes.close()


def test_time_is_limited(large, drawn, jpeg):
    """A stopped process simulates a hang: it is killed and replaced, and the next picture succeeds."""
    processes = ProcessDecoder(1, LIMITS, 512 * 2**20, 1.0)
    assert processes.decode(jpeg(drawn(1))).width == 160
    [stuck] = processes.pids
    os.kill(stuck, signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(DecoderTooSlow, match="1 s"):
        processes.decode(jpeg(drawn(1)))
    assert time.monotonic() - began < 10
    assert processes.pids != [stuck]
    assert processes.decode(jpeg(drawn(2))).width == 160
    processes.close()


def test_a_process_killed_at_work_only_loses_its_picture(two, jpeg, drawn):
    """One of two is stopped, so that it has a picture when it is killed; the other decodes the rest."""
    good = jpeg(drawn(1))
    two.decode(good)
    stuck = two.pids[0]
    os.kill(stuck, signal.SIGSTOP)
    with ThreadPoolExecutor(2) as pool:
        work = []
        for _ in range(100):  # the other process may decode both of a pair, one after the other
            work += [pool.submit(two.decode, good) for _ in range(2)]
            if len(wait(work, timeout=2).not_done) == 1:
                break
        os.kill(stuck, signal.SIGKILL)
        errors = [one.exception() for one in work]
    assert [type(error) for error in errors if error is not None] == [DecoderCrashed]
    assert [one.result().width for one in work if one.exception() is None] == [160] * (len(work) - 1)
    assert len(two.pids) == 2
    assert stuck not in two.pids


def test_a_process_killed_while_idle_loses_no_picture(two, jpeg, drawn):
    good = jpeg(drawn(1))
    two.decode(good)
    for pid in two.pids:
        os.kill(pid, signal.SIGKILL)
    for _ in range(100):
        if not any(_running(pid) for pid in two.pids):
            break
        time.sleep(0.01)
    assert [two.decode(good).width for _ in range(3)] == [160] * 3


@pytest.mark.parametrize(
    "head",
    [
        {},
        {"columns": 4, "rows": 4, "width": 4, "height": 4, "format": "HEIC"},
        {"columns": 4, "rows": 5, "width": 4, "height": 4, "format": "PNG"},
        {"columns": -4, "rows": -4, "width": 4, "height": 4, "format": "PNG"},
        {"columns": "4", "rows": 4, "width": 4, "height": 4, "format": "PNG"},
        {"columns": 4, "rows": 4, "width": 10**12, "height": 4, "format": "PNG"},
    ],
)
def test_answers_of_a_process_are_checked(head):
    """Answers that a process under the control of a hostile file might send."""
    with pytest.raises(DecoderCrashed):
        decoding._picture(Message(head, bytes(48)), LIMITS)


def test_invalid_messages_are_refused():
    import socket

    for nonsense in (
        decode_worker.LENGTHS.pack(2**31, 0),
        decode_worker.LENGTHS.pack(0, 2**40),
        decode_worker.LENGTHS.pack(2, 0) + b"[]",
    ):
        here, there = socket.socketpair()
        with here, there:
            there.sendall(nonsense)
            with pytest.raises(ValueError, match="got a message"):
                decode_worker.receive(here, 1000, time.monotonic() + 5)
    here, there = socket.socketpair()
    with here, there:
        with pytest.raises(TimeoutError):
            decode_worker.receive(here, 1000, time.monotonic() + 0.01)
        threading.Timer(0.05, there.close).start()
        assert decode_worker.receive(here, 1000, time.monotonic() + 5) is None


def test_a_server_with_processes(index, pictures, jpeg, drawn, large):
    """Thirty good pictures beside a bomb, a truncated one, one that needs too much memory: only those three fail."""
    good = [(pictures / f"{number % 12}.jpg").read_bytes() for number in range(30)]
    truncated = good[0][: len(good[0]) // 2]
    with serving(index, decode="process", decode_memory=128 * 2**20, decoders=2) as server:
        alone = server.http.post("/embed", files=[("file", data) for data in good]).json()["items"]
        mixed = [*good[:9], bomb(60_000), *good[9:19], truncated, *good[19:], large]
        items = server.http.post("/embed", files=[("file", data) for data in mixed]).json()["items"]
        assert [item for item in items if "error" not in item] == alone
        assert (items[9]["error"]["code"], items[20]["error"]["code"]) == ("too_many_pixels", "corrupt_picture")
        assert items[32]["error"]["code"] in {"decoder_out_of_memory", "corrupt_picture"}
        workers = children(server.process.pid)
        assert len(workers) == 2
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        again = server.http.post("/embed", files=[("file", data) for data in good]).json()["items"]
        assert sum("error" in item for item in again) <= 2, "at most the pictures in the killed processes"
        assert (
            server.http.post("/search", files={"file": good[3]}).json()["items"][0]["matches"][0]["verdict"] == "exact"
        )
        workers = children(server.process.pid)
    for _ in range(200):
        if not any(_running(pid) for pid in workers):
            break
        time.sleep(0.05)
    assert not any(_running(pid) for pid in workers), "processes outlived their server"


def test_processes_end_when_their_server_is_killed(index):
    with serving(index, decode="process", decoders=1) as server:
        [pid] = children(server.process.pid)
        server.process.kill()
        server.process.wait()
    for _ in range(400):
        if not _running(pid):
            break
        time.sleep(0.05)
    assert not _running(pid)


def _running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
