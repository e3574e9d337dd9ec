"""The whole way from raw tables to a log, against a second implementation that reads the tables row by row."""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from recommender.history import build_feedback
from recommender.simulation import simulate_tables
from recommender.tables import RESPONSES

DAY = timedelta(days=1)
WINDOW = 14 * DAY


@pytest.fixture(scope="module")
def tables():
    """Simulated tables, with payments, inbound contacts and responses at the very instant of a decision."""
    simulated = simulate_tables(350, days=60, seed=21)
    held = simulated.to_dict()
    some = held["decisions"].iloc[::7].reset_index(drop=True)
    held["payments"] = pd.concat(
        [
            held["payments"],
            pd.DataFrame({"account_id": some["account_id"], "paid_at": some["decided_at"], "currency": "COP"}).assign(
                amount_minor=lambda frame: 1000 + np.arange(len(frame))
            ),
        ],
        ignore_index=True,
    )
    calls = some.iloc[::2].reset_index(drop=True)
    inbound = pd.DataFrame(
        {
            "contact_id": [f"in{place}" for place in range(len(calls))],
            "account_id": calls["account_id"],
            "sent_at": calls["decided_at"],
            "channel": "call",
            "initiated_by": "debtor",
            "status": "sent",
            "cost_minor": 0,
        }
    )
    held["contacts"] = pd.concat([held["contacts"], inbound], ignore_index=True)
    return simulated, held


def build(simulated, held, as_of=None):
    return build_feedback(
        *held.values(), actions=simulated.actions, as_of=as_of or simulated.as_of, reward="response", window_days=14
    )


def records(frame, *columns):
    return list(frame[list(columns)].itertuples(index=False, name=None))


def test_every_decision_equals_a_reading_row_by_row(tables):
    """Context and reward of each decision, from nothing but loops over the raw rows."""
    simulated, held = tables
    log = build(simulated, held).frame
    contacts = records(
        held["contacts"], "contact_id", "account_id", "decision_id", "sent_at", "channel", "initiated_by"
    )
    outcomes = records(held["outcomes"], "contact_id", "occurred_at", "outcome")
    payments = records(held["payments"], "account_id", "paid_at", "amount_minor")
    states = records(held["accounts"], "account_id", "debtor_id", "valid_from", "balance_minor", "due_date", "timezone")
    debtor_of = {account: debtor for account, debtor, *_ in states}
    answered = {}  # a contact is answered once, at its first response
    for contact, at, outcome in outcomes:
        if outcome in RESPONSES:
            answered[contact] = min(at, answered.get(contact, at))
    compared = 0
    for row in log.itertuples(index=False):
        now, account = row.decided_at, row.account_id
        want = dict.fromkeys(
            ("contacts_7d", "contacts_30d_call", "inbound_90d", "responses_30d", "payments_90d", "paid_90d_minor"), 0
        )
        want |= {"debtor_contacts_7d": 0, "days_since_contact": math.nan, "balance_minor": math.nan}
        mine = set()
        for contact, whose, decision, sent, channel, by in contacts:
            if decision == row.decision_id:
                mine.add(contact)
            if contact in answered and whose == account and now - 30 * DAY <= answered[contact] < now:
                want["responses_30d"] += 1
            if sent >= now or debtor_of[whose] != debtor_of[account]:
                continue
            if by == "debtor":
                want["inbound_90d"] += whose == account and sent >= now - 90 * DAY
                continue
            want["debtor_contacts_7d"] += sent >= now - 7 * DAY
            if whose == account:
                want["contacts_7d"] += sent >= now - 7 * DAY
                want["contacts_30d_call"] += channel == "call" and sent >= now - 30 * DAY
                since = (now - sent) / DAY
                want["days_since_contact"] = np.nanmin([since, want["days_since_contact"]])
        for whose, paid, amount in payments:
            if whose == account and now - 90 * DAY <= paid < now:
                want["payments_90d"] += 1
                want["paid_90d_minor"] += amount
        latest = None
        for whose, _, since, balance, due, zone in states:
            if whose == account and since <= now and (latest is None or since > latest):
                latest, want["balance_minor"] = since, balance
                local = now.tz_convert(zone if isinstance(zone, str) else "UTC").date()
                want["days_past_due"] = math.nan if pd.isna(due) else (local - due.date()).days
        success = any(
            contact in mine and outcome in RESPONSES and now <= at < now + WINDOW for contact, at, outcome in outcomes
        )
        want["reward"] = math.nan if now + WINDOW > simulated.as_of else float(success)
        for name, value in want.items():
            if name in log.columns:
                assert getattr(row, name) == pytest.approx(value, rel=1e-5, nan_ok=True), (row.decision_id, name)
                compared += 1
    assert compared > 3500
    assert log["inbound_90d"].sum() > 0
    assert log["payments_90d"].sum() > 0


def test_order_of_rows_and_later_rows_change_nothing(tables):
    """Shuffled tables give the same log; what happened later changes no context, and no reward that was known."""
    simulated, held = tables
    whole = build(simulated, held).frame
    shuffled = {name: frame.sample(frac=1, random_state=4) for name, frame in held.items()}
    pd.testing.assert_frame_equal(build(simulated, shuffled).frame, whole)
    cut = simulated.as_of - 25 * DAY
    instants = {
        "accounts": "valid_from", "decisions": "decided_at", "contacts": "sent_at", "outcomes": "occurred_at",
        "payments": "paid_at",
    }  # fmt: skip
    past = {name: frame.loc[frame[instants[name]] <= cut] for name, frame in held.items()}
    early = build(simulated, past, as_of=cut).frame
    then = whole.loc[whole["decided_at"] <= cut].reset_index(drop=True)
    labels = ("reward", "known_at", "ladder_rung", "ladder_paid_minor", "ladder_cost_minor")  # what came of a decision
    context = [name for name in early.columns if name not in labels]
    pd.testing.assert_frame_equal(early[context], then[context])
    known = early["reward"].notna()
    assert known.sum() > 50
    np.testing.assert_array_equal(early.loc[known, "reward"], then.loc[known, "reward"])
    told = early["ladder_rung"].notna()
    assert told.sum() > 50
    assert (early.loc[told, "ladder_rung"] == then.loc[told, "ladder_rung"]).all()
