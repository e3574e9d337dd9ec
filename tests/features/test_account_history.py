"""Account history: point-in-time, equal to a naive second implementation."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender import ActionSpace, LoggedFeedback
from recommender.features.account_history import AccountHistory

SPACE = ActionSpace({"channel": ["call", "sms"], "hour": [9, 10]}, no_contact=True)


def contacts(n, seed, accounts=4, delay=0):
    rng = np.random.default_rng(seed)
    day = rng.integers(0, 12, n)
    frame = pd.DataFrame(
        {
            "account": rng.integers(0, accounts, n),
            "sent": pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(day, unit="D"),
            "channel": rng.choice(["call", "sms"], n),
            "hour": pd.array(rng.choice([9, 10], n), dtype="Int64"),
            "reward": rng.choice([0.0, 1.0, np.nan], n, p=[0.5, 0.3, 0.2]),
            "x": 0.0,
        }
    )
    frame.loc[rng.random(n) < 0.1, ["channel", "hour"]] = None
    frame["known"] = frame["sent"] + pd.to_timedelta(rng.integers(0, delay + 1, n), unit="D")
    frame.loc[0, "reward"] = 1.0
    return frame


def log_of(frame):
    return LoggedFeedback.from_frame(
        frame, actions=SPACE, context=["x"], account="account", time="sent", known_at="known"
    )


def naive(history, frame, account, moment):
    """Row by row, straight from the definition."""
    day = (frame["sent"] - pd.Timestamp("1970-01-01", tz="UTC")) / pd.Timedelta(days=1)
    known = (frame["known"] - pd.Timestamp("1970-01-01", tz="UTC")) / pd.Timedelta(days=1)
    mine = frame["account"] == account
    before = mine & (day < moment)
    answered = mine & (known < moment) & frame["reward"].gt(0)
    values = {
        "history.contacts": before.sum(),
        "history.responses": answered.sum(),
        "history.days_since_contact": moment - day[before].max(),
        "history.days_since_response": moment - known[answered].max(),
        "history.contacts_recent": (0.5 ** ((moment - day[before]) / history.half_life)).sum(),
        "history.responses_recent": (0.5 ** ((moment - known[answered]) / history.half_life)).sum(),
    }
    for name, (factor, level, kind) in history.level_columns.items():
        rows = before if kind == "trials" else answered
        values[name] = (rows & frame[factor].eq(level).fillna(False)).sum()
    return values


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 40), st.integers(0, 10_000), st.integers(0, 5))
def test_equal_to_a_naive_second_implementation(n, seed, delay):
    """Counts, recency and per-level evidence equal a row-by-row count of strictly earlier events."""
    frame = contacts(n, seed, delay=delay)
    log = log_of(frame)
    history = AccountHistory.from_log(log)
    got = history.of_log(log)
    expected = pd.DataFrame([naive(history, frame, a, t) for a, t in zip(frame["account"], log.order, strict=True)])
    np.testing.assert_allclose(got.to_numpy(), expected[list(got.columns)].to_numpy(float), rtol=1e-5, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_shuffling_rows_and_adding_future_events_change_nothing(seed):
    """Features of a decision depend on what happened before it, not on row order or on what came later."""
    frame = contacts(30, seed, delay=3)
    base = AccountHistory.from_log(log_of(frame)).of_log(log_of(frame))
    order = np.random.default_rng(seed).permutation(len(frame))
    mixed = frame.iloc[order].reset_index(drop=True)
    got = AccountHistory.from_log(log_of(mixed)).of_log(log_of(mixed))
    pd.testing.assert_frame_equal(got, base.iloc[order].reset_index(drop=True))
    later = frame.assign(sent=frame["sent"] + pd.Timedelta(days=40), known=frame["known"] + pd.Timedelta(days=40))
    both = log_of(pd.concat([frame, later], ignore_index=True))
    again = AccountHistory.from_log(both).of_log(both).iloc[: len(frame)]
    pd.testing.assert_frame_equal(again.reset_index(drop=True), base)


def test_now_sees_everything_and_an_unseen_account_nothing():
    """Without a moment the last instant counts too; unknown ids have an empty history."""
    frame = contacts(30, 1)
    history = AccountHistory.from_log(log_of(frame))
    now = history.at([0, "0", 0.0, 99])
    assert now["history.contacts"].tolist() == [float((frame["account"] == 0).sum())] * 3 + [0.0]
    assert np.isnan(now["history.days_since_contact"].iloc[3])


def test_later_contacts_extend_the_history():
    """Contacts given at scoring time count like logged ones."""
    frame = contacts(30, 2)
    history = AccountHistory.from_log(log_of(frame))
    later = pd.DataFrame(
        {"account": [0, 77], "sent": pd.Timestamp("2026-02-01", tz="UTC"), "channel": "sms", "hour": 9, "reward": 1.0}
    )
    extended = history.only([0, 77]).extended(later, account="account", time="sent", reward="reward")
    before, after = history.at([0]), extended.at([0, 77])
    assert after["history.contacts"].iloc[0] == before["history.contacts"].iloc[0] + 1
    assert after["history.channel=sms.responses"].iloc[1] == 1


def test_merged_histories_equal_the_history_of_the_whole():
    """Past and future logs merged tell what the whole log tells."""
    frame = contacts(60, 3)
    log = log_of(frame)
    past, future = log.split("2026-01-07")
    merged = AccountHistory.from_log(past).merged(AccountHistory.from_log(future))
    whole = AccountHistory.from_log(log)
    pd.testing.assert_frame_equal(merged.at([0, 1, 2, 3]), whole.at([0, 1, 2, 3]), check_exact=False, rtol=1e-4)


def test_arrays_round_trip_for_text_and_integer_ids():
    """Saving and loading keeps every answer, whatever the type of the ids."""
    for ids in ([0, 1, 2, 3], ["a", "b", "c", "d"]):
        frame = contacts(30, 4)
        frame["account"] = [ids[i] for i in frame["account"]]
        history = AccountHistory.from_log(log_of(frame))
        again = AccountHistory.from_arrays(history.to_arrays(), SPACE)
        pd.testing.assert_frame_equal(again.at(ids), history.at(ids))
