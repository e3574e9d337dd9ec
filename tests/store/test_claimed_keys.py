"""One key, one body, as long as anybody claims it: against a model, and raced by threads and processes."""

from __future__ import annotations

import json
import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from recommender.store.decision_log import DecisionLog
from recommender.store.decision_log import database as database_module
from recommender.store.decision_log.database import write
from recommender.store.decision_log.schema import idempotency_keys
from tests.forked import Forked
from tests.store.conftest import NOON

BODIES = ("a" * 64, "b" * 64, "c" * 64)


def claims(log: DecisionLog) -> dict[str, tuple[str, int]]:
    with log.engine.connect() as connection:
        return {
            row.key_digest: (row.body_digest, row.claims) for row in connection.execute(sa.select(idempotency_keys))
        }


def test_a_request_that_fails_takes_no_key_from_another_of_its_body(log: DecisionLog) -> None:
    """A claims, B of the same body is let in, A fails: the key is B's; then B fails too, and it is free."""
    one, other, _ = BODIES
    assert [log.claim_key("k", one, NOON) for _ in range(2)] == [one, one]
    log.release_key("k", one)
    assert log.claim_key("k", other, NOON) == one and claims(log) == {"k": (one, 1)}
    log.release_key("k", other)  # who was refused has no claim to give back
    assert log.claim_key("k", other, NOON) == one
    log.release_key("k", one)
    assert claims(log) == {} and log.claim_key("k", other, NOON) == other


def test_any_order_of_claims_and_ends_is_that_of_a_plain_list(log: DecisionLog) -> None:
    """Against the naive rule: the key stands for a body while one of its requests is at work or has succeeded."""
    draw = random.Random(7)
    held: dict[str, list[str]] = {"k0": [], "k1": []}
    at_work: list[tuple[str, str]] = []
    for _ in range(300):
        if at_work and draw.random() < 0.55:
            key, body = at_work.pop(draw.randrange(len(at_work)))
            if draw.random() < 0.9:
                log.release_key(key, body)
                held[key].remove(body)
            if draw.random() < 0.1 and not any(one == key for one, _ in at_work):  # retention
                with log.engine.begin() as connection:
                    connection.execute(sa.delete(idempotency_keys).where(idempotency_keys.c.key_digest == key))
                held[key].clear()
        else:
            key, body = draw.choice(sorted(held)), draw.choice(BODIES)
            expected = held[key][0] if held[key] else body
            assert log.claim_key(key, body, NOON) == expected
            if expected == body:
                held[key].append(body)
                at_work.append((key, body))
        assert claims(log) == {key: (bodies[0], len(bodies)) for key, bodies in held.items() if bodies}


def _race(url: str, number: int, folder: str) -> None:
    """Claim one key again and again for a body of its own or that of another process; write down who was let in."""
    spans: list[tuple[float, float, str]] = []
    own = BODIES[number]

    def one(turn: int) -> None:
        draw = random.Random(100 * number + turn)
        wanted = [draw.choice(BODIES) for _ in range(25)]
        while wanted or own not in {body for *_, body in spans}:  # each body is let in once, whatever the chances
            body = wanted.pop() if wanted else own
            if log.claim_key("k", body, NOON) == body:
                begun = time.monotonic()
                time.sleep(draw.random() / 500)
                spans.append((begun, time.monotonic(), body))
                log.release_key("k", body)

    with DecisionLog(url) as log, ThreadPoolExecutor(3) as pool:
        list(pool.map(one, range(3)))
    (Path(folder) / f"{number}.json").write_text(json.dumps(spans))


def test_threads_and_processes_never_hold_a_key_for_two_bodies(empty_url: str, tmp_path: Path) -> None:
    """Three processes of three threads: of any two that were let in at once the bodies are the same; at the end the
    key is free, so no claim was lost or counted twice.
    """
    DecisionLog.create(empty_url).close()
    racers = [Forked(_race, empty_url, number, str(tmp_path)) for number in range(3)]
    assert [racer.wait(120) for racer in racers] == [0, 0, 0]
    spans = sorted(tuple(span) for file in tmp_path.glob("*.json") for span in json.loads(file.read_text()))
    assert len({body for *_, body in spans}) == len(BODIES) < len(spans)
    at_once = 0
    for place, (_, ended, body) in enumerate(spans):
        for begun, _, other in spans[place + 1 :]:
            if begun >= ended:
                break
            at_once += 1
            assert other == body
    assert at_once
    with DecisionLog(empty_url) as log:
        assert claims(log) == {}


@pytest.fixture
def lost_once(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A connection that is lost after its first commit, before anybody is told."""
    tries = [0]
    monkeypatch.setattr(database_module, "_PAUSE_SECONDS", 0.0)
    return tries


@pytest.mark.parametrize("empty_url", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True)
@pytest.mark.parametrize(("repeats", "expected"), [(True, 2), (False, 1)])
def test_what_must_not_be_done_twice_is_not_repeated_after_a_lost_connection(
    log: DecisionLog, lost_once: list[int], repeats: bool, expected: int
) -> None:
    def work(connection: sa.Connection) -> None:
        lost_once[0] += 1
        if lost_once[0] == 1:
            raise DBAPIError("x", None, Exception("server closed the connection"), connection_invalidated=True)

    if repeats:
        write(log.engine, work)
    else:
        with pytest.raises(DBAPIError):
            write(log.engine, work, may_repeat_lost=False)
    assert lost_once[0] == expected
