"""Many concurrent callers: fairness, cancellation, overload, shutdown, and a short soak test."""

import asyncio
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np

from benchmarks.load import ask, connected, post
from benchmarks.service_soak import Plan, make_requests, soak
from benchmarks.service_throughput import Running
from copysight.index import Index
from copysight.model.embedder import Embedder
from copysight.pictures.decode import Picture
from service.http.problems import Overloaded
from service.inference.batching import Batcher, Prepared
from service.runtime.metrics import Metrics
from tests.service.conftest import serving

EMBEDDING = ("embedding",)


def ready(embedder, picture):
    """A picture as the decoder passes it on."""
    return Prepared(Picture(picture, *picture.size, "JPEG"), embedder.prepare(picture))


def test_a_single_picture_does_not_wait_for_a_bulk_caller(tiny_bundle, drawn):
    embedder = Embedder(tiny_bundle)
    prepared = [ready(embedder, drawn(seed)) for seed in range(4)]
    expected = embedder.run([one.inputs for one in prepared]).embedding
    order: list[str] = []

    async def one(batcher, ticket, name, number):
        found = await batcher.run(ticket, embedder, lambda: prepared[number % 4], EMBEDDING)
        order.append(name)
        assert np.array_equal(found.features.embedding, expected[number % 4])

    async def both():
        batcher = Batcher(runners=1, max_batch=1, capacity=100, metrics=Metrics())
        with batcher.admit(60) as bulk, batcher.admit(1) as single:
            work = [one(batcher, bulk, "bulk", number) for number in range(60)]
            await asyncio.gather(*work, one(batcher, single, "single", 0))
        await batcher.close()
        assert batcher.length == 0

    asyncio.run(both())
    assert len(order) == 61
    assert order.index("single") < 30  # in a plain queue it would come after all sixty


def test_pictures_of_a_cancelled_request_leave_the_queue(tiny_bundle, drawn):
    embedder = Embedder(tiny_bundle)
    prepared, metrics = ready(embedder, drawn(0)), Metrics()

    async def leave():
        batcher = Batcher(runners=1, max_batch=1, capacity=1000, metrics=metrics)
        with batcher.admit(500) as ticket:
            work = [
                asyncio.ensure_future(batcher.run(ticket, embedder, lambda: prepared, EMBEDDING)) for _ in range(500)
            ]
            await work[0]
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
        await batcher.close()

    asyncio.run(leave())
    assert metrics.registry.get_sample_value("copysight_batch_pictures_count") < 400


def test_a_request_that_would_wait_too_long_is_refused_at_once(tiny_bundle, drawn):
    """50 ms a picture, at most 0.3 s: about five are admitted, the others are told when to retry."""
    embedder = Embedder(tiny_bundle)
    prepared = ready(embedder, drawn(0))

    def slowly():
        time.sleep(0.05)
        return prepared

    async def flood():
        batcher = Batcher(runners=1, max_batch=1, capacity=1000, metrics=Metrics(), max_wait=0.3)

        async def one():
            with batcher.admit(1) as ticket:
                await batcher.run(ticket, embedder, slowly, EMBEDDING)

        await one()  # measures the pace
        began = time.monotonic()
        found = await asyncio.gather(*(one() for _ in range(20)), return_exceptions=True)
        took = time.monotonic() - began
        with batcher.admit(500):  # the queue is empty
            pass
        await batcher.close()
        return found, took

    found, took = asyncio.run(flood())
    refused = [one for one in found if one is not None]
    assert 14 <= len(refused) <= 18
    assert all(isinstance(one, Overloaded) and "too late" in one.message for one in refused)
    assert {one.data["after"] for one in refused} == {1}
    assert took < 1.0


def test_admitted_requests_are_finished_before_the_shutdown(index, jpeg, drawn):
    picture = jpeg(drawn(1, (1200, 900)))
    with serving(index, runners=1) as server, ThreadPoolExecutor(12) as pool:
        headers = {"content-type": "image/jpeg"}
        with httpx.Client(base_url=server.url, timeout=30) as http:
            waiting = [pool.submit(http.post, "/embed", content=picture, headers=headers) for _ in range(12)]
            while "copysight_queue_pictures 0.0" in server.http.get("/metrics").text:
                assert not all(one.done() for one in waiting), "all were answered before one was seen in the queue"
            server.process.send_signal(signal.SIGTERM)
            assert {one.result().status_code for one in waiting} == {200}
        assert server.process.wait(30) in {0, -signal.SIGTERM}


def test_overload_refuses_some_requests_and_answers_the_others(tmp_path, tiny_bundle, pictures):
    """The short form of benchmarks/service_soak.py: too many requests, bad pictures, disconnecting and slow clients."""
    data = [file.read_bytes() for file in sorted(pictures.glob("*.jpg"))]
    Index.create(tmp_path / "index", tiny_bundle.path).close()
    with serving(tmp_path / "index", queue=4, deadline=5) as server:
        asks = make_requests(server.port, data)
        report = soak(Running(server.process.pid, server.port), asks, 150.0, Plan(4.0, 1.0, 2.0, clients=24))
        assert report.faults == []
        assert report.of(200) > 50
        assert {status for _, status in report.counts} <= {200, 503, 504}
        assert report.percentile(0.99) < 5.5
        _settles(server)
        with connected(server.port) as peer:
            assert asks[0].fault(ask(peer, asks[0].request)) is None
            assert ask(peer, post("/embed", data[0])).status == 200


def _settles(server):
    """Wait until the queue is empty."""
    until = time.monotonic() + 10
    while "copysight_queue_pictures 0.0" not in server.http.get("/metrics").text:
        assert time.monotonic() < until, "pictures of disconnected clients still wait"
