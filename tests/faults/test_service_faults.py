"""A database that hangs: what was acknowledged is kept, nothing is doubled, health goes on answering."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections import Counter

import pytest
import sqlalchemy as sa

from recommender.store.decision_log import DecisionLog
from tests.api.served import Served
from tests.api.test_dispatches import account

_SOON = 5.0  # seconds; far more than health takes, so that a busy machine fails no test


def health(served):
    """Seconds that the health probe takes."""
    began = time.monotonic()
    assert served.ask("GET", "/healthz", timeout=30)[0] == 200
    return time.monotonic() - began


class Traffic:
    """Clients that ask about ever new debtors, each under a key of its own, until they are told to stop."""

    def __init__(self, served, clients=4):
        self.told, self.failed = {}, []
        self.statuses = Counter()
        self._served, self._stop = served, threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(clients)]

    def _run(self, client):
        number = 0
        while not self._stop.is_set():
            key = f"c{client}-{number}"
            try:
                status, answer = self._served.ask("POST", "/v1/recommendations", body_of(key), timeout=60)
            except (OSError, ValueError):
                self.failed.append(key)
                time.sleep(0.05)
            else:
                self.statuses[status] += 1
                if status == 200:
                    self.told[key] = answer["recommendations"][0]["decision_id"]
                else:
                    self.failed.append(key)
            number += 1

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()


def body_of(key):
    return {"accounts": [account(key, debtor_id=f"D-{key}")], "request_key": key, "top_k": 1}


def count_up(url, served, traffic, name):
    """Retry what failed, then compare with the log: acknowledged, lost, doubled."""
    for key in dict.fromkeys(traffic.failed):
        status, answer = served.ask("POST", "/v1/recommendations", body_of(key))
        assert status == 200, answer
        traffic.told.setdefault(key, answer["recommendations"][0]["decision_id"])
    with DecisionLog(url) as log, log.engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT request_key, decision_id FROM decisions")).all()
    logged = Counter(key for key, _ in rows)
    held = {decision for _, decision in rows}
    lost = sum(decision not in held for decision in traffic.told.values())
    doubled = sum(count > 1 for count in logged.values())
    stray = len(logged.keys() - traffic.told.keys())
    print(  # noqa: T201
        f"{name}: {len(traffic.told):,} acknowledged ({len(set(traffic.failed)):,} after a retry), {lost} lost, "
        f"{doubled} doubled, {stray} logged and never told; statuses {dict(traffic.statuses)}"
    )
    assert traffic.told and (lost, doubled, stray) == (0, 0, 0)


def server_processes(url):
    """The PostgreSQL server's processes."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        folder = connection.execute(sa.text("SHOW data_directory")).scalar_one()
    with open(f"{folder}/postmaster.pid", encoding="utf-8") as file:  # noqa: PTH123
        postmaster = int(file.readline())
    children = subprocess.run(["pgrep", "-P", str(postmaster)], capture_output=True, text=True, check=False).stdout
    return [postmaster, *map(int, children.split())]


@pytest.mark.postgres
def test_a_hung_database_silences_nothing_but_decisions(postgres_server):
    """While it hangs, health answers, readiness says why not, requests end; afterwards everything is as it was told."""
    url = postgres_server
    with Served(url) as served:
        assert served.ask("POST", "/v1/recommendations", body_of("warm"))[0] == 200
        stopped = server_processes(url)
        for process in stopped:
            os.kill(process, signal.SIGSTOP)
        try:
            with Traffic(served, clients=6) as traffic:
                slowest = max(health(served) for _ in range(4) if time.sleep(0.5) is None)
                status, told = served.ask("GET", "/readyz", timeout=30)
                assert (status, told["status"]) == (503, "not ready")
        finally:
            for process in stopped:
                os.kill(process, signal.SIGCONT)
        assert slowest < _SOON
        traffic.told["warm"] = served.ask("POST", "/v1/recommendations", body_of("warm"))[1]["recommendations"][0][
            "decision_id"
        ]
        count_up(url, served, traffic, f"hung PostgreSQL (health {slowest:.2f} s at most)")
