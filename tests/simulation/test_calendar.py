"""Debtors who follow the calendar: known truth, real months, and the world of before where nobody asks for it."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from recommender.errors import InvalidInput
from recommender.history import build_feedback
from recommender.simulation import DebtorWorld, simulate, simulate_tables
from tests.test_calendar_days import naive


def test_answers_follow_pay_days_and_weekdays_in_the_truth_that_the_log_carries():
    """The same accounts on other days: more on the day of pay than a week after it, on Tuesday than on Sunday."""
    log = simulate(12_000, seed=2, calendar=1.0)
    assert "days_since_payday" in log.context and "days_since_payday" in log.feedback().context.columns
    truth = log.expected_reward().mean(axis=1)
    since, weekday = log.contacts["days_since_payday"].to_numpy(), log.contacts["weekday"].to_numpy()
    assert truth[since == 0].mean() > 1.3 * truth[(since > 6) & (since < 15)].mean()
    assert truth[weekday == "tuesday"].mean() > truth[weekday == "sunday"].mean()
    assert log.contacts["reward"].mean() == pytest.approx(0.042, abs=0.006)  # the rules earn what they did before
    ceiling = log.bayes_ceiling(rows=slice(0, 400), matrix=False).value
    assert log.logging_value(slice(0, 400)) < ceiling < log.oracle_value(slice(0, 400))


def test_pay_days_are_those_of_the_real_months():
    """Every context row against a count of days one after the other; a 30th is the end of February."""
    world = DebtorWorld(60, seed=3, calendar=1.0)
    for _ in range(64):
        world.end_day()
        frame = world.accounts()
        today = date(2025, 1, 6) + timedelta(days=world.today)
        for payday in (1, 15, 30):
            mine = frame[frame["payday"] == payday]
            told = {tuple(row) for row in mine[["weekday", "days_to_payday", "days_since_payday"]].to_numpy()}
            assert told <= {naive(today, [payday])}


def test_the_world_of_before_tells_no_pay_day_and_answers_as_it_did():
    """Without the option neither the facts nor the columns are there; with it the debtors are the same."""
    plain, followed = DebtorWorld(80, seed=1), DebtorWorld(80, seed=1, calendar=1.0)
    assert not {"payday", "days_since_payday"} & {*plain.accounts()}
    assert "days_since_payday" not in simulate(500, seed=1).contacts
    pd.testing.assert_series_equal(plain.accounts()["balance_minor"], followed.accounts()["balance_minor"])
    account, action = np.arange(80), np.full(80, 100)
    before, after = (one.response_probability(account, action) for one in (plain, followed))
    assert not np.allclose(before, after)
    with pytest.raises(InvalidInput, match="additive"):
        simulate(500, world="joint", calendar=1.0)
    with pytest.raises(InvalidInput, match="calendar"):
        DebtorWorld(10, calendar=-1.0)


def test_raw_tables_with_pay_days_become_features_as_of_each_decision():
    """The pay day is a fact of the accounts; what a decision knew of it is counted from its own day."""
    tables = simulate_tables(700, days=40, seed=5, calendar=1.0)
    assert "payday" in tables.accounts
    built = build_feedback(
        **tables.to_dict(), actions=tables.actions, as_of=tables.as_of, reward="response", window_days=3
    )
    frame = built.frame.merge(
        tables.accounts.drop_duplicates("account_id")[["account_id", "payday", "timezone"]], on="account_id"
    )
    assert {"weekday", "days_to_payday", "days_since_payday"} <= {*built.roles["context"]}
    assert "payday" not in built.roles["context"] and "weekday" in built.roles["categorical"]
    for row in frame.sample(60, random_state=0).itertuples():
        zone = row.timezone if isinstance(row.timezone, str) else "UTC"
        day = row.decided_at.tz_convert(zone).date()
        assert (row.weekday, row.days_to_payday, row.days_since_payday) == naive(day, [row.payday])
    without = simulate_tables(300, days=20, seed=5)
    plain = build_feedback(**without.to_dict(), actions=without.actions, as_of=without.as_of, reward="response")
    assert "weekday" in plain.roles["context"] and "days_to_payday" not in plain.roles["context"]
