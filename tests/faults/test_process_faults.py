"""The service is killed, stopped, crowded, starved of disk and locked out: what it acknowledged is logged, once."""

from __future__ import annotations

import resource
import signal
import socket
import sqlite3
import time

import pytest

from recommender.store.decision_log import DecisionLog
from tests.api.served import Served
from tests.faults.test_postgres_faults import wait_for
from tests.faults.traffic import Traffic, count_up, healthy

GRACE = 30.0  # seconds that a stop may take on a busy machine; the service's own is 10


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'decisions.db'}"


def file_of(url):
    return url.removeprefix("sqlite:///")


def killed(served, url):
    process = served.processes[0]
    process.kill()
    process.wait()
    served.processes[0] = served.start(served.ports[0])
    served.wait(served.ports[0])


def disk_full(served, url):
    """Files may grow no further: what a full disk does, and it can be lifted again."""
    pid = served.processes[0].pid
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    try:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (4_096, before[1]))
        told = wait_for(served, 503)
        assert told["status"] == "not ready" and "cannot be written" in told["decision_log"]
        time.sleep(0.5)
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def locked(served, url):
    """Another program holds the database for longer than readiness waits."""
    holder = sqlite3.connect(file_of(url), isolation_level=None, timeout=30)
    holder.execute("BEGIN IMMEDIATE")
    try:
        assert wait_for(served, 503)["status"] == "not ready"
    finally:
        holder.execute("ROLLBACK")
        holder.close()


def crowded(served, url):
    """Connections that say nothing, and bodies that arrive a byte at a time."""
    head = (
        b"POST /v1/recommendations HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n"
    )
    held = [socket.create_connection(("127.0.0.1", served.ports[0]), timeout=30) for _ in range(200)]
    try:
        for connection in held[:60]:
            connection.sendall(head + b"{")
        for _ in range(5):
            for connection in held[:60]:
                connection.sendall(b" ")
            time.sleep(0.1)
        connection = held[0]
        status = connection.recv(64)  # nobody else needs its turn: the service ends it
        assert b" 408 " in status, status
    finally:
        for connection in held:
            connection.close()


def test_a_process_that_breaks_loses_and_doubles_nothing(url):
    with Served(url, read_timeout_seconds="2") as served:
        for name, fault in (("crowded", crowded), ("locked", locked), ("disk full", disk_full)):
            with healthy(served) as told, Traffic(served, name=name.replace(" ", "-")) as traffic:
                traffic.wait_for(3)
                fault(served, url)
                wait_for(served, 200)
                traffic.wait_for(3)
            count_up(url, served, traffic, f"{name} (health {told[0]:.2f} s at most)")
        with Traffic(served, name="killed") as traffic:
            traffic.wait_for(5)
            killed(served, url)
            traffic.wait_for(3)
        count_up(url, served, traffic, "kill -9")
        stopped(served, url)


def stopped(served, url):
    """A stop ends within its grace period, and what was acknowledged until then is in the log."""
    process = served.processes[0]
    with Traffic(served, name="stopped") as traffic:
        traffic.wait_for(5)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(GRACE)
        seconds = time.monotonic() - began
    with DecisionLog(url) as log:
        lost = sum(log.get(decision) is None for decision in traffic.told.values())
    print(f"stopped in {seconds:.1f} s: {len(traffic.told)} acknowledged, {lost} lost, {dict(traffic.statuses)}")  # noqa: T201
    assert traffic.told and lost == 0 and set(traffic.statuses) <= {200, 503}
