"""A state told event by event against the event log of the same raw tables."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.errors import InvalidInput
from recommender.features.event_log import EventLog
from recommender.features.incremental_events import EventState
from recommender.tables import OUTCOMES

DAY = 86_400_000_000
START = 1_760_000_000_000_000
QUARTERS = st.integers(0, 4 * 120)  # quarters of a day, so that windows expire exactly at a moment and events tie
CONTACTS = st.lists(
    st.tuples(QUARTERS, st.sampled_from(["sms", "call", "fax"]), st.sampled_from(["creditor", "debtor"])), max_size=6
)
RESULTS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 80), st.sampled_from(OUTCOMES)), max_size=8)
PAYMENTS = st.lists(st.tuples(QUARTERS, st.integers(1, 5)), max_size=5)


def instants(values):
    return pd.to_datetime(pd.Series(list(values), dtype="int64"), unit="us", utc=True)


def tables(contacts, results, payments):
    """Raw tables of one account."""
    sent = [START + at * DAY // 4 for at, *_ in contacts]
    kept = [(on, wait, what) for on, wait, what in results if on < len(contacts)]
    return (
        pd.DataFrame({
            "contact_id": [f"c{i}" for i in range(len(contacts))], "account_id": ["A"] * len(contacts),
            "sent_at": instants(sent), "channel": [one[1] for one in contacts],
            "initiated_by": [one[2] for one in contacts],
        }),
        pd.DataFrame({
            "contact_id": [f"c{on}" for on, *_ in kept],
            "occurred_at": instants([sent[on] + wait * DAY // 4 for on, wait, _ in kept]),
            "outcome": [what for *_, what in kept],
        }),
        pd.DataFrame({
            "account_id": ["A"] * len(payments), "paid_at": instants([START + at * DAY // 4 for at, _ in payments]),
            "amount_minor": [amount for _, amount in payments],
        }),
    )  # fmt: skip


def told(state, tables, until, done):
    """Tell the events up to a moment, each once."""
    contacts, outcomes, payments = tables
    for row in contacts.itertuples():
        at = row.sent_at.value // 1_000
        if at <= until and row.contact_id not in done:
            done.add(row.contact_id)
            state.contact(row.contact_id, at, row.channel, hour_local=row.sent_at.hour, initiated_by=row.initiated_by)
    for row in outcomes.itertuples():
        at = row.occurred_at.value // 1_000
        if at <= until and ("o", row.Index) not in done:
            done.add(("o", row.Index))
            state.outcome(row.contact_id, at, row.outcome)
    for row in payments.itertuples():
        at = row.paid_at.value // 1_000
        if at <= until and ("p", row.Index) not in done:
            done.add(("p", row.Index))
            state.payment(at, row.amount_minor)


@given(CONTACTS, RESULTS, PAYMENTS, st.lists(st.integers(0, 4 * 220), min_size=1, max_size=4))
@settings(max_examples=100)
def test_a_state_tells_what_the_event_log_tells(contacts, results, payments, moments):
    """Windows expire to the microsecond, events of one instant do not see each other, JSON in between: equal bits."""
    raw = tables(contacts, results, payments)
    log = EventLog.from_tables(*raw, channels=["sms", "call"])
    state, done = EventState(log), set()
    for quarter in sorted(moments):
        moment = START + quarter * DAY // 4
        told(state, raw, moment, done)
        want = log.features(pd.Series(["A"]), instants([moment]))
        assert tuple(want.columns) == state.column_names
        np.testing.assert_array_equal(state.features(moment), want.to_numpy()[0])
        state = EventState.from_dict(json.loads(json.dumps(state.to_dict(), allow_nan=False)), log)


def test_what_a_state_cannot_place_is_refused():
    """Late events, moments gone by, outcomes of strangers, unknown rungs, states of other features."""
    log = EventLog.from_tables(*tables([(0, "sms", "creditor")], [], []), channels=["sms"])
    state = EventState(log)
    state.contact("c", START, "sms", hour_local=9)
    state.features(START + DAY)
    with pytest.raises(InvalidInput, match="go back"):
        state.features(START)
    with pytest.raises(InvalidInput, match="comes after"):
        state.payment(START, 5)
    with pytest.raises(InvalidInput, match="no contact"):
        state.outcome("x", START + DAY, "paid")
    with pytest.raises(InvalidInput, match="rung"):
        state.outcome("c", START + DAY, "smiled")
    with pytest.raises(InvalidInput, match="other features"):
        EventState.from_dict(state.to_dict() | {"columns": []}, log)
