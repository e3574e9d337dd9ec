"""Contacts in quarantine: every decision that one may have carried out, and no other, as plain loops find them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from recommender.history.decision_rows import link_contacts, link_lost_contacts

HOUR = 3_600_000_000
START = 1_750_000_000_000_000  # microseconds
EVER = 2**62


def rows_of(rng, n=60):
    """Decisions about few accounts, on the hour."""
    decided = START + rng.integers(0, 200, n) * HOUR
    return pd.DataFrame(
        {"decision_id": np.arange(n), "account_id": rng.integers(0, 12, n), "channel": rng.choice(["sms", "call"], n),
         "decided_at": pd.to_datetime(decided, unit="us", utc=True)}
    ).sort_values(["decided_at", "decision_id"], ignore_index=True)  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("named", [True, False])
def test_a_lost_contact_may_belong_to_what_was_decided_in_the_48_hours_before(seed, named):
    """By the decision it names; where it names none of the table, by account and time, both ends included."""
    rng = np.random.default_rng(seed)
    rows = rows_of(rng)
    left_alone = rng.random(len(rows)) < 0.3
    m = 40
    at = START + rng.integers(-60, 260, m) * HOUR + rng.integers(-1, 2, m)
    known = rng.random(m) < 0.8
    slack = rng.choice([0, 14 * HOUR], m)
    astray = rng.random(m) < 0.4
    lost = pd.DataFrame(
        {"contact_id": np.arange(m), "account_id": rng.integers(0, 14, m),
         "decision_id": np.where(astray, 1_000, rng.integers(0, 60, m)), "astray": astray,
         "earliest": np.where(known, at - slack, -EVER), "latest": np.where(known, at + slack, EVER)}
    )  # fmt: skip
    raw = SimpleNamespace(lost=SimpleNamespace(contacts=lost), frame=lambda _: rows)
    sent = pd.DataFrame({"decision_id": [5 if named else -1]})
    found = link_lost_contacts(raw, rows, sent, left_alone)
    expected = set()
    decided = rows["decided_at"].dt.as_unit("us").astype("int64")
    for contact in lost.itertuples():
        for row in range(len(rows)):
            if named and not contact.astray:
                may = contact.decision_id == rows["decision_id"][row]
            else:
                in_time = contact.earliest - 48 * HOUR <= decided[row] <= contact.latest
                may = contact.account_id == rows["account_id"][row] and in_time and not left_alone[row]
            if may:
                expected.add((contact.contact_id, row))
    assert set(zip(found["contact_id"], found["decision"], strict=True)) == expected
    assert len(found) == len(expected) > 10


@pytest.mark.parametrize("seed", range(3))
def test_a_sent_contact_is_of_the_latest_decision_for_its_channel_in_the_48_hours_before(seed):
    """Where none names its decision: to the microsecond at both ends; of one that is named, what it names."""
    rng = np.random.default_rng(seed)
    rows = rows_of(rng)
    m = 80
    at = START + rng.integers(-60, 260, m) * HOUR + rng.integers(-1, 2, m)
    sent = pd.DataFrame(
        {"contact_id": np.arange(m), "account_id": rng.integers(0, 14, m), "channel": rng.choice(["sms", "call"], m),
         "sent_at": pd.to_datetime(at, unit="us", utc=True)}
    )  # fmt: skip
    raw = SimpleNamespace(frame=lambda _: rows, notes=[])
    linked = link_contacts(raw, rows, sent, SimpleNamespace(factors={"channel": ("sms", "call")}))
    decided = rows["decided_at"].dt.as_unit("us").astype("int64")
    for row, contact in enumerate(sent.itertuples()):
        fitting = [
            one
            for one in range(len(rows))
            if rows["account_id"][one] == contact.account_id and rows["channel"][one] == contact.channel
            and 0 <= at[row] - decided[one] <= 48 * HOUR
        ]  # fmt: skip
        latest = [one for one in fitting if decided[one] == max(decided[other] for other in fitting)]
        assert linked[row] in (latest or [-1])
    assert (linked >= 0).sum() > 10
    named = sent.assign(decision_id=np.where(np.arange(m) % 3 == 0, -1, np.arange(m) % 70))
    positions = {one: row for row, one in enumerate(rows["decision_id"])}
    expected = [-1 if one < 0 else positions.get(one, -1) for one in named["decision_id"]]
    assert link_contacts(raw, rows, named, SimpleNamespace(factors={})).tolist() == expected
