"""Caps hold over the debtor's midnight and over changes of the clock, raced by several services; keys that expire."""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from api.main import create_app
from recommender.settings import Settings
from recommender.store.decision_log import DecisionLog, decisions
from tests.api.asking import account
from tests.api.test_races import Services

MOMENTS = [
    ("CO", "America/Bogota", "2026-11-24T00:00:00-05:00"),
    ("US", "America/New_York", "2026-11-01T01:00:00-05:00"),  # the hour from one comes twice, on a Sunday
    ("MX", "America/Tijuana", "2026-11-01T01:00:00-08:00"),
    ("CO", "Africa/Cairo", "2026-10-29T23:00:00+02:00"),  # the hour before midnight comes twice, on a Thursday
    ("CL", "America/Santiago", "2026-09-06T01:00:00-03:00"),  # midnight does not exist
]
#: The days of a law hang on no database: PostgreSQL is asked about every moment in the long proofs only.
EVERYWHERE = [
    pytest.param(kind, *moment, marks=[pytest.mark.postgres] * (kind == "postgresql") + [pytest.mark.proof] * late)
    for kind in ("sqlite", "postgresql")
    for number, moment in enumerate(MOMENTS)
    for late in [kind == "postgresql" and number in (1, 2, 3)]
]
AROUND = [timedelta(seconds=one) for one in (-7_200, -3_601, -3_600, -1, 0, 1, 599, 3_599, 3_600, 7_200)]
DEBTORS, ACCOUNTS = 6, 4


def asked(rng: random.Random, country: str, zone: str, middle: datetime) -> list[dict[str, object]]:
    """Requests about a few debtors around a moment and over the days that follow, in a random order."""
    bodies = []
    for debtor in range(DEBTORS):
        for one in range(ACCOUNTS):
            facts = account(
                f"M{debtor}A{one}", debtor_id=f"M{debtor}", country=country, timezone=zone, due_date="2026-08-20"
            )
            for day in (0, 0, 1, 2, 4):
                at = middle + rng.choice(AROUND) + timedelta(days=day)
                bodies.append({"accounts": [facts], "as_of": at.isoformat(), "top_k": 1, "seed": rng.choice([0, 1])})
    rng.shuffle(bodies)
    return bodies


def planned(url: str) -> list[tuple[str, datetime, datetime]]:
    """Debtor, instant and moment of the decision of every contact in the log."""
    one = decisions.c
    query = sa.select(one.debtor_id, one.contact_at, one.decided_at, one.action_factors)
    with DecisionLog(url) as log, log.engine.connect() as connection:
        rows = connection.execute(query).all()
    return [(row.debtor_id, row.contact_at, row.decided_at) for row in rows if row.action_factors.get("channel")]


@pytest.mark.parametrize(("empty_url", "country", "zone", "middle"), EVERYWHERE, indirect=["empty_url"])
def test_caps_hold_over_midnight_and_changes_of_the_clock(empty_url: str, country: str, zone: str, middle: str) -> None:
    """One contact a local day and three a week of the debtor, whatever the order, the service and the clock."""
    bodies, local = asked(random.Random(16), country, zone, datetime.fromisoformat(middle)), ZoneInfo(zone)
    with Services(empty_url) as services:
        for start in range(0, len(bodies), 6):
            calls = [("POST", "/v1/recommendations", body) for body in bodies[start : start + 6]]
            assert {answer.status_code for answer in services.at_once(*calls)} <= {200, 409}
    contacts = planned(empty_url)
    assert len(contacts) >= DEBTORS, "there is something to count"
    days = Counter((debtor, at.astimezone(local).date()) for debtor, at, _ in contacts)
    weeks = Counter((debtor, at.astimezone(local).date().isocalendar()[:2]) for debtor, at, _ in contacts)
    assert max(days.values()) == 1
    assert max(weeks.values()) <= 3
    assert all(decided <= at for _, at, decided in contacts)
    assert all(7 <= at.astimezone(local).hour < 21 for _, at, _ in contacts)


@pytest.mark.parametrize(("empty_url", "country", "zone", "middle"), EVERYWHERE, indirect=["empty_url"])
def test_what_was_sent_at_midnight_counts_for_the_day_that_it_was_sent_on(
    empty_url: str, country: str, zone: str, middle: str
) -> None:
    """Told while others decide: the day it was sent on is full, the other one is not, and the check agrees."""
    local, change = ZoneInfo(zone), datetime.fromisoformat(middle)
    midnight = (change.astimezone(local) + timedelta(hours=12)).replace(hour=0, minute=0, second=0)
    with Services(empty_url) as services:
        for number, seconds in enumerate((-1, 0, 1, -3_600, 3_600)):
            sent_at = datetime.fromtimestamp(midnight.timestamp() + seconds, tz=local)
            services.now = sent_at.astimezone(UTC) + timedelta(seconds=1)
            facts = account(f"N{number}", debtor_id=f"N{number}", country=country, timezone=zone, due_date="2026-08-20")
            other = {**facts, "account_id": f"O{number}"}
            (told,) = services.decide(
                facts, as_of=(services.now - timedelta(hours=30)).isoformat(), constraints={"channels": []}
            )
            sent = {
                "dispatch_id": f"x{number}", "decision_id": told["decision_id"], "state": "sent",
                "at": sent_at.isoformat(), "account": facts, "instead": {"channel": "sms", "reason": "agent"},
            }  # fmt: skip
            body = {"accounts": [other], "as_of": services.now.isoformat(), "top_k": 1}
            first, second = services.at_once(
                ("POST", "/v1/dispatches", {"dispatches": [sent]}), ("POST", "/v1/recommendations", body)
            )
            assert (first.status_code, second.status_code) == (200, 200), (first.text, second.text)
            later = services.decide(other, as_of=(services.now + timedelta(seconds=1)).isoformat())
            for one in later:
                at = one["actions"][0]["contact_at"]
                assert at is None or datetime.fromisoformat(at).astimezone(local).date() != sent_at.date()


def expiring(url: str, expires: datetime) -> tuple[Settings, dict[str, str]]:
    key = "k" * 43
    named = {
        "engine": {"sha256": sha256(key.encode()).hexdigest(), "scopes": ["score"], "expires": expires.isoformat()}
    }
    return Settings(model_path=None, pages=False, decision_log_url=url, named_keys=named), {"X-API-Key": key}


def test_a_request_that_was_let_in_is_answered_whole_when_its_key_expires_meanwhile(empty_url: str) -> None:
    """In one answer and in a stream of several chunks; whoever comes after it is refused before anything is decided."""
    expires = datetime.fromisoformat("2026-11-24T00:00:00-05:00")
    settings, headers = expiring(empty_url, expires)
    looks = 0

    def clock() -> datetime:
        """Every look at it is a second later; the first is the last second of the key."""
        nonlocal looks
        looks += 1
        return expires + timedelta(seconds=looks - 2)

    with TestClient(create_app(settings, clock=clock)) as client:
        body = {"accounts": [account(f"E{one}", debtor_id=f"E{one}") for one in range(600)], "top_k": 1}
        streamed = client.post("/v1/recommendations", json=body, headers=headers | {"accept": "application/x-ndjson"})
        lines = [json.loads(line) for line in streamed.text.splitlines()]
        assert lines[-1]["summary"]["answered"] == 600 and len(lines) == 601
        looks = 0
        assert client.post("/v1/recommendations", json=body, headers=headers).status_code == 200
        with DecisionLog(empty_url) as log:
            made = log.count()
        assert client.post("/v1/recommendations", json=body, headers=headers).status_code == 401
        with DecisionLog(empty_url) as log:
            assert log.count() == made
