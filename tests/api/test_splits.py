"""Any split of the same accounts into requests, processes, moments, seeds and retries keeps every cap."""

from __future__ import annotations

import os
import random
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from recommender.store.decision_log import DecisionLog, decisions
from tests.api.served import Served

AS_OF = datetime.fromisoformat("2026-11-23T08:00:00-05:00")
BOGOTA = ZoneInfo("America/Bogota")


def account(name, debtor):
    return {
        "account_id": name,
        "debtor_id": debtor,
        "country": "CO",
        "timezone": "America/Bogota",
        "due_date": "2026-11-01",
        "balance_minor": 1_200_000,
        "consented_channels": ["sms", "whatsapp", "email", "call"],
        "flags": [],
        "party": "debtor",
        "contacts": [],
        "features": {},
    }


def split(rng, number, debtors, accounts):
    """One random split of a few debtors' accounts: requests in a random order, some of them twice."""
    everybody = [
        account(f"S{number}D{debtor}A{one}", f"S{number}D{debtor}")
        for debtor in range(debtors)
        for one in range(accounts)
    ]
    # One account is asked about without its debtor: it is still that debtor's, as soon as anybody has said so.
    first = everybody[0]
    stranger = {name: value for name, value in first.items() if name != "debtor_id"}
    rng.shuffle(everybody)
    requests = []
    while everybody:
        size = rng.randint(1, min(4, len(everybody)))
        chosen, everybody = everybody[:size], everybody[size:]
        body = {"accounts": chosen, "seed": rng.choice([0, 0, 1, 2]), "top_k": 1}
        body["as_of"] = (AS_OF + timedelta(minutes=rng.choice([0, 0, 0, 7, 60]))).isoformat()
        if rng.random() < 0.4:
            body["request_key"] = f"S{number}-{len(requests)}"
        requests.append(body)
        if rng.random() < 0.4:
            requests.append(body | ({} if "request_key" in body else {"seed": rng.choice([0, 1, 2])}))
    requests.append({"accounts": [stranger], "as_of": (AS_OF + timedelta(minutes=9)).isoformat(), "top_k": 1})
    rng.shuffle(requests)
    alone = [{"accounts": [one], "as_of": AS_OF.isoformat(), "top_k": 1} for one in (stranger, first)]
    return [alone[:1], [alone[1] | {"as_of": (AS_OF + timedelta(minutes=3)).isoformat()}], requests]


def broken_caps(url, moved):
    """Debtors with two contacts on one local day, and accounts with two live decisions about one moment."""
    days, moments = defaultdict(int), defaultdict(int)
    with DecisionLog(url) as log, log.engine.connect() as connection:
        rows = connection.execute(
            sa.select(
                decisions.c.account_id, decisions.c.debtor_id, decisions.c.decided_at, decisions.c.contact_at,
                decisions.c.action_factors,
            )
        )  # fmt: skip
        count = 0
        for row in rows:
            count += 1
            moments[row.account_id, row.decided_at] += 1
            if row.action_factors.get("channel") is not None:
                debtor = moved.get(row.account_id, row.debtor_id)
                days[debtor, row.contact_at.astimezone(BOGOTA).date()] += 1
    doubled = sum(seen > 1 for seen in moments.values())
    return count, sum(seen > 1 for seen in days.values()), doubled


_AT_ONCE = 250  # splits; a long run that is cut off has told how many held


def split_all(served, url, splits):
    """Random splits, sent from several clients to all processes; all that were made are looked at after each part."""
    rng = random.Random(16)
    statuses, count, moved = Counter(), 0, {}
    for start in range(0, splits, _AT_ONCE):
        end = min(start + _AT_ONCE, splits)
        parts = [split(rng, number, debtors=2, accounts=3) for number in range(start, end)]
        asked = (one for phases in parts for requests in phases for body in requests for one in body["accounts"])
        moved |= {one["account_id"]: one["debtor_id"] for one in asked if "debtor_id" in one}
        for phase in range(3):
            bodies = [body for phases in parts for body in phases[phase]]
            count += len(bodies)
            statuses += served.post_all("/v1/recommendations", bodies, clients=6)
        made, over, doubled = broken_caps(url, moved)
        print(  # noqa: T201
            f"{end:,} splits, {count:,} requests, {len(served.ports)} processes, {made:,} decisions: {over} caps "
            f"broken, {doubled} moments decided twice, statuses {dict(statuses)}",
            flush=True,
        )
        assert set(statuses) <= {200, 207, 409, 503}
        assert statuses[200] > count // 2
        assert made and (over, doubled) == (0, 0)


def test_splits_keep_every_cap_and_raced_keys_get_one_answer(empty_url):
    with Served(empty_url, workers=2) as served:
        split_all(served, empty_url, 10)
        race(served, empty_url, 15)


@pytest.mark.proof
def test_ten_thousand_splits_keep_every_cap_and_a_thousand_keys_are_raced(empty_url):
    with Served(empty_url, workers=3) as served:
        split_all(served, empty_url, int(os.environ.get("SPLITS", "10000")))
        race(served, empty_url, int(os.environ.get("KEYS", "1000")))


def race(served, url, keys):
    """Each request key is sent several times at once, without an instant, to several processes."""
    bodies = [
        {"accounts": [account(f"K{key}A{one}", f"K{key}") for one in range(2)], "request_key": f"k{key}", "top_k": 1}
        for key in range(keys)
        for _ in range(4)
    ]
    with DecisionLog(url) as log:
        before = log.count()[0]
    answers = served.post_all("/v1/recommendations", bodies, clients=8, keep=True)
    told = defaultdict(set)
    statuses = Counter(status for status, _ in answers)
    for body, (status, answer) in zip(bodies, answers, strict=True):
        if status == 200:
            told[body["request_key"]].add(tuple(one["decision_id"] for one in answer["recommendations"]))
    doubled = sum(len(different) > 1 for different in told.values())
    with DecisionLog(url) as log:
        logged = log.count()[0] - before
    print(  # noqa: T201
        f"{keys:,} keys x 4, {len(served.ports)} processes: {doubled} doubled, {logged:,} decisions, {dict(statuses)}"
    )
    assert set(statuses) == {200}
    assert (doubled, logged, len(told)) == (0, 2 * keys, keys)
