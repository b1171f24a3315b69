"""Rebuilds that the service starts: on a schedule, when due, on request; never two at once."""

import os
import time

import pytest

from copysight.catalog import Job
from copysight.index import Index, Status
from service.jobs.rebuilds import RETRY_SECONDS, Rebuilder, should_rebuild
from tests.service.conftest import serving

NOW = 1_000_000.0


def status(count=100, delta=0, tombstones=0, age=0.0, fault=None):
    made = None if age is None else NOW - age
    return Status("000001", "model", "fp32", count, delta, tombstones, "flat", 1.0, made, 7, fault, 0)


def job(state, ago=0.0):
    return Job(1, "rebuild", state, 0, 0, "", NOW - ago, NOW - ago)


@pytest.mark.parametrize(
    ("given", "every", "when_due", "latest", "answer"),
    [
        ({}, 0, True, None, False),
        ({"delta": 1}, 0, True, None, False),
        ({"delta": 1001}, 0, True, None, True),
        ({"delta": 1001}, 0, False, None, False),
        ({"tombstones": 1001}, 0, True, None, True),
        ({"delta": 1001, "count": 100_000}, 0, True, None, False),
        ({"delta": 10_001, "count": 100_000}, 0, True, None, True),
        ({"fault": "damaged"}, 0, True, None, True),
        ({"age": 9000}, 3600, True, None, False),
        ({"delta": 1, "age": 3599}, 3600, True, None, False),
        ({"delta": 1, "age": 3600}, 3600, True, None, True),
        ({"tombstones": 1, "age": 3600}, 3600, False, None, True),
        ({"delta": 1, "age": None}, 3600, True, None, True),
        ({"delta": 1, "age": 3600}, 3600, True, job("done"), True),
        ({"delta": 1, "age": 3600}, 3600, True, job("failed", RETRY_SECONDS - 1), False),
        ({"delta": 1, "age": 3600}, 3600, True, job("failed", RETRY_SECONDS), True),
    ],
)
def test_when_a_rebuild_is_due(given, every, when_due, latest, answer):
    assert should_rebuild(status(**given), latest, every, when_due, NOW) is answer


def until(seconds, reached):
    """Wait until ``reached`` returns something true, and return it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = reached()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s")


def rebuilds(server):
    return [one for one in server.http.get("/jobs").json()["jobs"] if one["kind"] == "rebuild"]


def test_the_schedule_rebuilds_only_a_changed_index(index, drawn, jpeg):
    with serving(index, rebuild_every=1 / 3600) as server:
        server.http.post("/images", files={"file": jpeg(drawn(50))}).raise_for_status()
        found = until(30, lambda: (now := server.http.get("/index").json())["generation"] == "000002" and now)
        assert (found["count"], found["delta"]) == (13, 0)
        time.sleep(1.5)  # several checks of an index that is older than the schedule, and unchanged
        assert [one["state"] for one in rebuilds(server)] == ["done"]


def test_only_one_rebuild_runs_at_a_time(index):
    with serving(index) as server:
        jobs = [server.http.post("/index/rebuild").json()["id"] for _ in range(5)]
        assert len(set(jobs)) == 1
        until(30, lambda: server.http.get(f"/jobs/{jobs[0]}").json()["state"] == "done")
        assert len(rebuilds(server)) == 1
        second = until(10, lambda: (one := server.http.post("/index/rebuild").json()["id"]) != jobs[0] and one)
        until(30, lambda: server.http.get(f"/jobs/{second}").json()["state"] == "done")
        assert "copysight_rebuild_failed 0.0" in server.http.get("/metrics").text


def test_a_worker_has_a_low_priority_and_gets_no_signals_of_the_terminal(index):
    with Index.open(index) as opened:
        rebuilder = Rebuilder(index, opened)
        rebuilder.start()
        worker = rebuilder._worker
        try:
            until(10, lambda: os.getpriority(os.PRIO_PROCESS, worker.pid) == min(19, os.nice(0) + 10))
            assert os.getsid(worker.pid) == os.getsid(0)
            assert os.getpgid(worker.pid) == worker.pid
        finally:
            worker.kill()
            worker.wait()


def test_the_job_of_a_killed_worker_is_marked_as_failed(index):
    with Index.open(index) as opened:
        rebuilder = Rebuilder(index, opened)
        assert rebuilder.latest() is None
        started = rebuilder.start()
        rebuilder._worker.kill()
        rebuilder._worker.wait()
        found = rebuilder.latest()
        assert (found.id, found.state) == (started.id, "failed")
        assert "status -9" in found.message
