"""Clients that go on asking while something breaks, and the count of what became of their decisions."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import contextmanager

import sqlalchemy as sa

from recommender.store.decision_log import DecisionLog
from tests.api.test_dispatches import account

#: Seconds that health may take; far more than it does, so that a busy machine fails no test.
SOON = 5.0


def health(served):
    """Seconds that the health probe takes."""
    began = time.monotonic()
    assert served.ask("GET", "/healthz", timeout=30)[0] == 200
    return time.monotonic() - began


@contextmanager
def healthy(served, every=0.1):
    """Ask for health all the time, from a thread of its own; slowest answer in ``told[0]``."""
    stop, told = threading.Event(), [0.0, None]

    def run():
        while not stop.is_set():
            try:
                told[0] = max(told[0], health(served))
            except (OSError, AssertionError) as error:
                told[1] = error
                return
            stop.wait(every)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield told
    finally:
        stop.set()
        thread.join()
    assert told[1] is None and told[0] < SOON, told


class Traffic:
    """Clients that ask about ever new debtors, each under a key of its own, until they are told to stop."""

    def __init__(self, served, clients=4, name="c"):
        self.told, self.failed = {}, []
        self.statuses = Counter()
        self._served, self._stop, self._name = served, threading.Event(), name
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(clients)]

    def _run(self, client):
        number = 0
        while not self._stop.is_set():
            key = f"{self._name}-{client}-{number}"
            try:
                status, answer = self._served.ask("POST", "/v1/recommendations", body_of(key), timeout=60)
            except (OSError, ValueError):
                self.failed.append(key)  # nobody knows what became of it: the same is asked again
                time.sleep(0.2)
                continue
            else:
                self.statuses[status] += 1
                if status == 200:
                    self.told[key] = answer["recommendations"][0]["decision_id"]
                else:
                    self.failed.append(key)
            number += 1

    def wait_for(self, more, seconds=60.0):
        """Until some more decisions were acknowledged."""
        end, wanted = time.monotonic() + seconds, len(self.told) + more
        while len(self.told) < wanted:
            assert time.monotonic() < end, f"no decisions: {dict(self.statuses)}"
            time.sleep(0.05)

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
    """Retry what failed, then compare with the log: acknowledged, lost, doubled, logged and never told."""
    asked = {*traffic.told, *traffic.failed}
    for key in dict.fromkeys(traffic.failed):
        status, answer = served.ask("POST", "/v1/recommendations", body_of(key))
        assert status == 200, answer
        traffic.told.setdefault(key, answer["recommendations"][0]["decision_id"])
    with DecisionLog(url) as log, log.engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT request_key, decision_id FROM decisions")).all()
    logged = Counter(key for key, _ in rows if key in asked)
    held = {decision for _, decision in rows}
    lost = sum(decision not in held for decision in traffic.told.values())
    doubled = sum(count > 1 for count in logged.values())
    stray = len(logged.keys() - traffic.told.keys())
    print(  # noqa: T201
        f"{name}: {len(traffic.told):,} acknowledged ({len(set(traffic.failed)):,} after a retry), {lost} lost, "
        f"{doubled} doubled, {stray} logged and never told; statuses {dict(traffic.statuses)}"
    )
    assert traffic.told and (lost, doubled, stray) == (0, 0, 0)
