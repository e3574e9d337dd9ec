"""Point-in-time features of contacts, outcomes and payments."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.features.event_log import EventLog

_spec = importlib.util.spec_from_file_location("naive_point_in_time", Path(__file__).with_name("oracle.py"))
oracle = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(oracle)

CHANNELS = ("call", "sms")
START = pd.Timestamp("2026-03-01", tz="UTC")
OUTCOMES = ("delivered", "replied", "promise_to_pay", "promise_kept", "not_connected", "opt_out", "complaint")


def utc(values):
    return pd.to_datetime(pd.Series(values, dtype=object), utc=True).astype("datetime64[us, UTC]")


def tables(draw_hours, seed):
    """Small tables on a coarse clock, so that many events share an instant."""
    rng = np.random.default_rng(seed)
    n, m, p = draw_hours
    at = lambda k: START + pd.to_timedelta(rng.integers(0, 130 * 4, k) * 6, unit="h")  # noqa: E731
    contacts = pd.DataFrame(
        {
            "contact_id": np.arange(n),
            "account_id": rng.choice(["a", "b", "c"], n),
            "sent_at": at(n),
            "channel": rng.choice(["call", "sms", "letter"], n),
            "initiated_by": rng.choice(["agency", "agency", "debtor"], n),
        }
    )
    outcomes = pd.DataFrame(
        {
            "contact_id": rng.integers(0, n + 1, m),
            "occurred_at": at(m),
            "outcome": rng.choice(OUTCOMES, m),
        }
    )
    paid_at = at(p)[rng.integers(0, p, p) if p else []]  # two of one instant are the last: the larger counts
    payments = pd.DataFrame(
        {"account_id": rng.choice(["a", "b", "d"], p), "paid_at": paid_at, "amount_minor": rng.integers(1, 999, p)}
    )
    for frame, name in ((contacts, "sent_at"), (outcomes, "occurred_at"), (payments, "paid_at")):
        frame[name] = utc(frame[name])
    return contacts, outcomes, payments


@settings(max_examples=15, deadline=None)
@given(
    st.tuples(st.integers(1, 30), st.integers(0, 30), st.integers(0, 12)),
    st.integers(0, 10_000),
    st.sampled_from(["UTC", "America/Santiago", "Asia/Kolkata"]),
)
def test_features_equal_a_naive_second_implementation(sizes, seed, zone):
    """Every feature equals a row-by-row loop, whatever the ties, windows and zones."""
    contacts, outcomes, payments = tables(sizes, seed)
    log = EventLog.from_tables(contacts, outcomes, payments, channels=CHANNELS, default_zone=zone)
    moments = utc([START + pd.Timedelta(hours=6 * step) for step in (7, 200, 521)])
    for account in ("a", "d"):
        got = log.features(pd.Series([account] * len(moments)), moments)
        for row, moment in enumerate(moments):
            want = oracle.naive_features(account, moment, contacts, outcomes, payments, CHANNELS, zone)
            assert set(want.index) == set(got.columns)
            np.testing.assert_allclose(
                got.loc[row, want.index].to_numpy(dtype=float), want.to_numpy(), rtol=1e-5, atol=1e-5, equal_nan=True
            )


def test_event_of_the_same_instant_is_not_seen():
    """A contact at the moment itself does not count; a microsecond later it does."""
    contacts = pd.DataFrame({"contact_id": [1], "account_id": ["a"], "sent_at": utc([START]), "channel": ["call"]})
    log = EventLog.from_tables(contacts, channels=CHANNELS)
    moments = utc([START, START + pd.Timedelta(microseconds=1)])
    assert log.features(pd.Series(["a", "a"]), moments)["contacts_7d"].tolist() == [0.0, 1.0]


def test_window_includes_its_start():
    """An event exactly seven days old still counts; one microsecond older does not."""
    contacts = pd.DataFrame({"contact_id": [1], "account_id": ["a"], "sent_at": utc([START]), "channel": ["call"]})
    log = EventLog.from_tables(contacts, channels=CHANNELS)
    week = START + pd.Timedelta(days=7)
    moments = utc([week, week + pd.Timedelta(microseconds=1)])
    assert log.features(pd.Series(["a", "a"]), moments)["contacts_7d"].tolist() == [1.0, 0.0]


def test_shuffled_rows_change_nothing():
    """The order of raw rows and of questions plays no part."""
    contacts, outcomes, payments = tables((60, 60, 20), 3)
    moments = utc([START + pd.Timedelta(days=day) for day in range(40, 100)])
    accounts = pd.Series((["a", "b", "c", "d"] * 15)[:60])
    straight = EventLog.from_tables(contacts, outcomes, payments, channels=CHANNELS).features(accounts, moments)
    mixed = [frame.sample(frac=1, random_state=1) for frame in (contacts, outcomes, payments)]
    order = np.random.default_rng(0).permutation(60)
    again = EventLog.from_tables(*mixed, channels=CHANNELS).features(accounts.iloc[order], moments.iloc[order])
    pd.testing.assert_frame_equal(again, straight.iloc[order].reset_index(drop=True))


def test_future_events_change_nothing():
    """Dropping every event from the moment on leaves the answer the same."""
    contacts, outcomes, payments = tables((80, 80, 30), 4)
    sent = contacts.set_index("contact_id")["sent_at"].reindex(outcomes["contact_id"]).reset_index(drop=True)
    outcomes = outcomes[(outcomes["occurred_at"] >= sent).to_numpy()]
    cut = START + pd.Timedelta(days=60)
    ask = (pd.Series(["a", "b", "c"]), utc([cut] * 3))
    whole = EventLog.from_tables(contacts, outcomes, payments, channels=CHANNELS).features(*ask)
    past = EventLog.from_tables(
        contacts[contacts.sent_at < cut],
        outcomes[outcomes.occurred_at < cut],
        payments[payments.paid_at < cut],
        channels=CHANNELS,
    ).features(*ask)
    pd.testing.assert_frame_equal(whole, past)


def test_one_account_gets_the_same_answer_as_in_the_batch():
    """The function for training answers a single account from its own rows alike."""
    contacts, outcomes, payments = tables((80, 80, 30), 5)
    moments = utc([START + pd.Timedelta(days=90)] * 3)
    batch = EventLog.from_tables(contacts, outcomes, payments, channels=CHANNELS).features(
        pd.Series(["a", "b", "c"]), moments
    )
    own = contacts[contacts.account_id == "b"]
    single = EventLog.from_tables(
        own,
        outcomes[outcomes.contact_id.isin(own.contact_id)],
        payments[payments.account_id == "b"],
        channels=CHANNELS,
    ).features(pd.Series(["b"]), moments.head(1))
    pd.testing.assert_frame_equal(single, batch.iloc[[1]].reset_index(drop=True))


@pytest.mark.parametrize("names", [["days_since_payment", "contacts_30d_call"], ["promises_broken"]])
def test_chosen_columns_come_in_the_asked_order(names):
    """Asking for some columns gives those, equal to the whole answer."""
    contacts, outcomes, payments = tables((50, 80, 30), 6)
    log = EventLog.from_tables(contacts, outcomes, payments, channels=CHANNELS)
    ask = (pd.Series(["a", "b"]), utc([START + pd.Timedelta(days=100)] * 2))
    pd.testing.assert_frame_equal(log.features(*ask, columns=names), log.features(*ask)[names])


def test_many_events_of_one_account_are_sorted():
    """An account with thousands of events takes the long sort and counts them all."""
    n = 3000
    order = np.random.default_rng(0).permutation(n)
    sent = utc([START + pd.Timedelta(minutes=int(k)) for k in order])
    contacts = pd.DataFrame({"contact_id": range(n), "account_id": 7, "sent_at": sent, "channel": "call"})
    log = EventLog.from_tables(contacts, channels=CHANNELS)
    counted = log.features(contacts["account_id"], contacts["sent_at"])["contacts_7d"]
    np.testing.assert_array_equal(counted.to_numpy(), order)
