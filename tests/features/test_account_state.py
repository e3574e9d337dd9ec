"""State of accounts as of a moment."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.features.account_state import AccountStates, stage_names
from tests.test_calendar_days import naive

START = pd.Timestamp("2026-03-01", tz="UTC")


def utc(values):
    return pd.to_datetime(pd.Series(values, dtype=object), utc=True).astype("datetime64[us, UTC]")


def history(rows):
    frame = pd.DataFrame(rows, columns=["account_id", "valid_from", "balance_minor", "due_date"])
    frame["valid_from"] = utc(frame["valid_from"])
    frame["due_date"] = pd.to_datetime(frame["due_date"]).astype("datetime64[s]")
    return frame


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 25))
def test_state_in_force_equals_a_naive_search(seed, n):
    """The row with the latest valid_from not after the moment is the state; before the first there is none."""
    rng = np.random.default_rng(seed)
    steps = rng.permutation(60)[:n]
    frame = history(
        [
            (rng.choice(["a", "b"]), START + pd.Timedelta(days=int(s)), float(k), "2026-03-20")
            for k, s in enumerate(steps)
        ]
    )
    states = AccountStates.from_table(frame, snapshot="trust")
    for account in ("a", "b", "c"):
        moments = utc([START + pd.Timedelta(days=day) for day in (0, 11, 35, 80)])
        got = states.at(pd.Series([account] * 4), moments)
        for row, moment in enumerate(moments):
            mine = frame[(frame.account_id == account) & (frame.valid_from <= moment)].sort_values("valid_from")
            want = mine["balance_minor"].iloc[-1] if len(mine) else np.nan
            held = got["balance_minor"].iloc[row]
            assert (pd.isna(held) and pd.isna(want)) or held == want


def test_days_past_due_follow_the_debtors_calendar():
    """At 03:00 UTC it is still yesterday in Bogota, so the debt is one day younger there."""
    frame = history([("a", START, 1.0, "2026-03-10"), ("b", START, 1.0, "2026-03-10")] * 1)
    frame["timezone"] = ["America/Bogota", "UTC"]
    states = AccountStates.from_table(frame, snapshot="trust")
    got = states.at(pd.Series(["a", "b"]), utc(["2026-03-12T03:00:00Z"] * 2))
    assert got["days_past_due"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(("hours", "days"), [(0, 28.0), (23, 28.0), (24, 29.0), (24 * 64 + 1, 92.0)])
def test_days_past_due_that_were_told_move_on_with_the_calendar(hours, days):
    """They were so many when the row took force; each day since is one more, and the stage follows."""
    told = pd.DataFrame({"account_id": ["a"], "valid_from": utc([START]), "days_past_due": [28.0]})
    got = AccountStates.from_table(told, snapshot="trust").at(
        pd.Series(["a"]), utc([START + pd.Timedelta(hours=hours)])
    )
    assert got.loc[0, "days_past_due"] == days
    assert got.loc[0, "stage"] == stage_names(np.array([days]))[0]


def test_days_past_due_are_negative_before_the_due_date():
    """Before the due date the count is negative and the stage preventive."""
    states = AccountStates.from_table(history([("a", START, 1.0, "2026-03-10")]), snapshot="trust")
    got = states.at(pd.Series(["a"]), utc(["2026-03-03T12:00:00Z"]))
    assert got.loc[0, ["days_past_due", "days_to_due", "stage"]].tolist() == [-7.0, 7.0, "preventive"]


def test_what_is_overdue_is_due_in_no_days_and_no_income_gives_no_ratio():
    """Days to the due date end at 0; a balance is no number of times an income of 0."""
    frame = history([(name, START, 100.0, "2026-03-10") for name in "abc"])
    frame["income_minor"] = [0.0, 50.0, 1.0]
    states = AccountStates.from_table(frame, snapshot="trust")
    got = states.at(pd.Series(["a", "b", "c"]), utc(["2026-03-15T12:00:00Z"] * 3))
    assert got["days_to_due"].tolist() == [0.0, 0.0, 0.0]
    assert np.isnan(got.loc[0, "balance_to_income"])
    assert got.loc[1:, "balance_to_income"].tolist() == [2.0, 100.0]


def test_a_due_date_that_was_replaced_on_its_own_day_was_never_overdue():
    """An episode counts from the day after: moved on the day itself, the debt was not late yet."""
    moved = {"same": "2026-03-10T15:00:00Z", "next": "2026-03-11T15:00:00Z"}
    rows = [(name, START, 1.0, "2026-03-10") for name in moved]
    rows += [(name, at, 1.0, "2026-04-10") for name, at in moved.items()]
    states = AccountStates.from_table(history(rows), snapshot="trust")
    got = states.at(pd.Series(["same", "next"]), utc(["2026-03-20T12:00:00Z"] * 2))
    assert got["past_delinquencies"].tolist() == [0.0, 1.0]


def test_stage_bounds():
    """Stages change after day 0, 30 and 90; unknown days have no stage."""
    days = np.array([-5, 0, 1, 30, 31, 90, 91, np.nan])
    want = [
        "preventive",
        "preventive",
        "administrative",
        "administrative",
        "extrajudicial",
        "extrajudicial",
        "judicial",
    ]
    assert stage_names(days).tolist() == [*want, None]


def test_first_time_and_recurrent_debtors_differ():
    """A due date that passed unpaid and was followed by another makes the debtor recurrent from then on."""
    frame = history(
        [
            ("a", "2026-03-01T00:00Z", 1.0, "2026-03-10"),
            ("a", "2026-03-20T00:00Z", 1.0, "2026-04-10"),
            ("a", "2026-04-02T00:00Z", 1.0, "2026-05-10"),
        ]
    )
    got = AccountStates.from_table(frame).at(
        pd.Series(["a"] * 3), utc(["2026-03-15T00:00Z", "2026-03-21T00:00Z", "2026-04-03T00:00Z"])
    )
    assert got["past_delinquencies"].tolist() == [0.0, 1.0, 1.0]
    assert got["recurrent"].tolist() == [0.0, 1.0, 1.0]


def test_single_snapshot_leaves_out_what_varies():
    """One row an account: columns that vary are left out and said so, static ones stay."""
    frame = history([("a", START, 1.0, "2026-03-10"), ("b", START, 2.0, "2026-03-10")]).assign(country="CO")
    states = AccountStates.from_table(frame)
    got = states.at(pd.Series(["a"]), utc([START]))
    assert states.single_snapshot
    assert set(states.left_out) == {"balance_minor", "due_date"}
    assert "balance_minor" not in got
    assert got["country"].tolist() == ["CO"]


@pytest.mark.parametrize("volunteered", [True, False])
def test_cause_of_arrears_only_where_volunteered(volunteered):
    """The cause of arrears is context only when the table says that the debtor volunteered it."""
    frame = pd.concat(
        [history([("a", START, 1.0, "2026-03-10")]), history([("a", "2026-04-01T00:00Z", 1.0, "2026-05-10")])]
    )
    frame = frame.assign(arrears_cause="job loss")
    if volunteered:
        frame["arrears_cause_volunteered"] = [1.0, 0.0]
    states = AccountStates.from_table(frame)
    got = states.at(pd.Series(["a", "a"]), utc(["2026-03-02T00:00Z", "2026-04-02T00:00Z"]))
    names = states.context_names(got)
    assert ("arrears_cause" in names) is volunteered
    if volunteered:
        assert got["arrears_cause"].iloc[0] == "job loss"
        assert pd.isna(got["arrears_cause"].iloc[1])


def test_the_calendar_of_an_account_follows_from_the_moment_and_from_the_pay_day_in_force():
    """Local weekday, days to and since pay of the row in force, against a naive count; before the first row unknown."""
    rng = np.random.default_rng(4)
    since = [START + pd.Timedelta(days=int(day)) for day in rng.permutation(50)[:8]]
    frame = history([("ab"[k % 2], at, 1.0, "2026-03-20") for k, at in enumerate(since)])
    frame["timezone"] = np.where(frame["account_id"] == "a", "America/Bogota", "Asia/Tokyo")
    frame["payday"] = ["15;30", "31", None, "1", "28", "10;20", None, "29"]
    frame["weekday"], frame["days_to_payday"] = 3, 99  # what the table says of a moment is of another one
    states = AccountStates.from_table(frame, snapshot="trust")
    for account in ("a", "b", "c"):
        moments = [START + pd.Timedelta(hours=int(hour)) for hour in rng.integers(-48, 24 * 80, 25)]
        got = states.at(pd.Series([account] * 25), utc(moments))
        for row, moment in enumerate(moments):
            mine = frame[(frame.account_id == account) & (frame.valid_from <= moment)].sort_values("valid_from")
            if account == "c":
                assert got["weekday"].iloc[row] is None
                continue
            zone = "America/Bogota" if account == "a" else "Asia/Tokyo"
            paid = mine["payday"].iloc[-1] if len(mine) else None
            days = [] if paid is None or pd.isna(paid) else [int(one) for one in paid.split(";")]
            weekday, to, back = naive(moment.tz_convert(zone).date(), days or [1])
            assert got["weekday"].iloc[row] == weekday
            told = got[["days_to_payday", "days_since_payday"]].iloc[row].tolist()
            assert told == [to, back] if days else np.isnan(told).all()
    names = states.context_names(got)
    assert {"weekday", "days_to_payday", "days_since_payday"} <= {*names} and "payday" not in names


def test_of_a_single_snapshot_the_pay_day_is_left_out_and_the_weekday_is_known():
    """It may have been learnt from the contact it would explain; who knows better states it as static."""
    frame = pd.DataFrame({"account_id": ["a"], "timezone": ["America/Bogota"], "payday": ["15"]})
    got = AccountStates.from_table(frame).at(pd.Series(["a"]), utc(["2026-03-12T03:00:00Z"]))
    assert got["weekday"].tolist() == ["wednesday"] and "days_to_payday" not in got
    stated = AccountStates.from_table(frame, static=["payday"])
    assert stated.at(pd.Series(["a"]), utc(["2026-03-12T03:00:00Z"]))["days_to_payday"].tolist() == [4.0]


def test_an_accounts_table_without_pay_days_has_no_columns_of_them():
    """Nothing is asked of those who do not know when their debtors are paid."""
    got = AccountStates.from_table(history([("a", START, 1.0, "2026-03-10")]), snapshot="trust").at(
        pd.Series(["a"]), utc([START])
    )
    assert "weekday" in got and not {"days_to_payday", "days_since_payday"} & {*got}
