"""A day ahead: what the calendar moves, what stays, and the same columns on every road to a decision."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from recommender import ContactStrategy
from recommender.calendar_days import payday_bits
from recommender.columns import Columns
from recommender.deciding import Accounts, Decider, aged, calendar_read_by, decide, week_ahead
from recommender.strategy import SeedStrategy
from tests.deciding.payday_strategy import ACCOUNT, ACTIONS, payday_strategy
from tests.made_once import MadeOnce
from tests.test_calendar_days import naive

BOGOTA = ZoneInfo("America/Bogota")
NOON = datetime(2026, 11, 23, 17, tzinfo=UTC)  # a Monday
ALL = frozenset({"weekday", "days_to_payday", "days_since_payday"})


def later(days: float) -> datetime:
    return NOON + timedelta(days=days)


def test_a_debt_ages_towards_its_due_date_and_beyond() -> None:
    """Three days on: three more past due, none to go, and the stage is worked out anew; no day on: nothing at all."""
    account = Accounts.of([{"account_id": "A", "days_past_due": -2.0, "days_to_due": 2.0, "stage": "preventive"}])
    moved = aged(account, NOON, later(3))
    assert moved.numbers("days_past_due").tolist() == [1.0]
    assert moved.numbers("days_to_due").tolist() == [0.0]
    assert moved.situated(later(3)).values("stage") == ["administrative"]
    assert aged(account, NOON, NOON) is account
    assert aged(account, NOON, NOON + timedelta(hours=5)) is account


def test_what_is_not_known_ahead_stays() -> None:
    """Days since a contact grow and days to a promise shrink; balances, own stages and unknown numbers stay."""
    rows = [
        {"account_id": "A", "days_since_contact": 4, "days_to_promise": 1, "balance_minor": 10, "stage": "vip",
         "days_past_due": 29, "days_since_payment": None, "weekday": "domingo"},
        {"account_id": "B", "days_since_contact": None, "days_to_promise": None, "balance_minor": None,
         "stage": "judicial", "days_past_due": None, "days_since_payment": 9, "weekday": None},
    ]  # fmt: skip
    moved = aged(Accounts.of(rows), NOON, later(2)).situated(later(2))
    assert moved.numbers("days_since_contact").tolist()[0] == 6 and np.isnan(moved.numbers("days_since_contact")[1])
    assert moved.numbers("days_to_promise").tolist()[0] == -1
    assert moved.numbers("days_since_payment").tolist()[1] == 11
    assert moved.values("balance_minor") == [10, None]
    assert moved.values("stage") == ["vip", "judicial"]
    assert moved.values("weekday") == ["domingo", None]


def test_a_stage_that_follows_from_a_due_date_is_worked_out_again() -> None:
    """Told today, with the date it follows from and no days: on a later day it is that of the later day."""
    account = Accounts.of([{"account_id": "A", "due_date": "2026-10-25", "stage": "administrative"}])
    assert account.situated(NOON).values("stage") == ["administrative"]
    assert aged(account, NOON, later(3)).situated(later(3)).values("stage") == ["extrajudicial"]


@pytest.mark.parametrize("paydays", [[15], [30], [31], [28], [15, 30], [1, 16]])
@pytest.mark.parametrize("start", [date(2026, 1, 27), date(2026, 2, 20), date(2028, 2, 24), date(2026, 12, 28)])
def test_pay_days_that_are_told_as_distances_come_back_as_the_pay_day_itself_would(paydays, start) -> None:
    """Days to and since are moved on as a known pay day moves them, over month ends and leap years."""
    as_of = datetime(start.year, start.month, start.day, 17, tzinfo=UTC)
    _, to, since = naive(start, paydays)
    told = Accounts.of([{"account_id": "A", "timezone": "America/Bogota", "days_to_payday": to,
                         "days_since_payday": since, "weekday": start.strftime("%A").lower()}])  # fmt: skip
    fact = Accounts.of([{"account_id": "A", "timezone": "America/Bogota", "payday": ";".join(map(str, paydays))}])
    short = any(day > 28 for day in paydays)
    for days in range(1, 14):
        at = as_of + timedelta(days=days)
        moved, known = aged(told, as_of, at), fact.situated(at, ALL)
        truth = naive(start + timedelta(days=days), paydays)
        got = [moved.values("weekday")[0], moved.numbers("days_to_payday")[0], moved.numbers("days_since_payday")[0]]
        named = [known.values("weekday")[0], *(known.numbers(f"days_{one}_payday")[0] for one in ("to", "since"))]
        assert named == list(truth)
        if not short or moved.numbers("days_to_payday")[0] < 26:  # the day of a 30th after a February is a guess
            assert got == list(truth), (paydays, start, days)


def test_days_are_those_of_the_debtors_own_calendar() -> None:
    """Six hours may be a day in Bogota and none in Madrid; a clock that leaps at midnight counts the day once."""
    rows = [{"account_id": zone, "timezone": zone, "days_since_contact": 0, "payday": 24}
            for zone in ("America/Bogota", "Europe/Madrid", "Asia/Tokyo")]  # fmt: skip
    evening = datetime(2026, 11, 24, 3, tzinfo=UTC)  # still the 23rd in Bogota
    accounts = Accounts.of(rows)
    assert aged(accounts, evening, evening + timedelta(hours=6)).numbers("days_since_contact").tolist() == [1, 0, 0]
    situated = accounts.situated(evening, ALL)
    assert situated.numbers("days_to_payday").tolist() == [1, 0, 0]
    assert situated.values("weekday") == ["monday", "tuesday", "tuesday"]


def test_a_pay_day_that_is_told_goes_before_stale_distances_and_unknown_ones_stay() -> None:
    """What follows from a fact follows from the moment; without the fact, and for an odd cell, what was told stays."""
    rows = [{"account_id": "A", "payday": "23", "days_to_payday": 9, "weekday": "friday"},
            {"account_id": "B", "payday": None, "days_to_payday": 9, "weekday": None},
            {"account_id": "C", "payday": "someday", "days_to_payday": None, "weekday": None}]  # fmt: skip
    seen = Accounts.of(rows).situated(NOON, ALL)
    assert seen.numbers("days_to_payday").tolist()[:2] == [0, 9] and np.isnan(seen.numbers("days_to_payday")[2])
    assert seen.numbers("days_since_payday").tolist()[0] == 0
    assert np.isnan(seen.numbers("days_since_payday")[1:]).all()
    assert seen.values("weekday") == ["friday", "monday", "monday"]
    assert Accounts.of(rows).situated(NOON).names == Accounts.of(rows).names
    assert "days_to_payday" not in Accounts.of(rows[1:2]).assign(days_to_payday=[9]).situated(NOON, ALL).names[3:]


def test_numbered_weekdays_move_on_from_zero_or_one() -> None:
    """A column with a 7 counts from 1."""
    for told, moved in (([6, 0, 3], [1, 2, 5]), ([7, 1, 3], [2, 3, 5])):
        table = Columns.of([{"account_id": str(day), "weekday": day} for day in told])
        assert list(aged(table, NOON, later(2)).values("weekday")) == moved


@pytest.mark.parametrize("last", [6, 7])
def test_weekdays_that_happen_to_be_missing_change_nothing(last: int) -> None:
    """Whichever weekdays a portfolio has, numbers without a 7 count from 0: each moves on by itself."""
    for some in range(1, 2**7):
        told = [last - day for day in range(7) if some >> day & 1 or (day == 0 and last == 7)]
        table = Columns.of([{"account_id": str(day), "weekday": day} for day in told])
        low = last - 6
        assert list(aged(table, NOON, later(3)).values("weekday")) == [(day - low + 3) % 7 + low for day in told]


@pytest.fixture(scope="module")
def strategy(made_once: MadeOnce) -> ContactStrategy:
    """Calls and messages are answered on the day of pay and the two after it, and next to never else."""
    return payday_strategy(made_once)


def test_a_decision_is_the_same_whether_the_pay_day_or_what_follows_from_it_is_told(strategy) -> None:
    """One account, its fact, and the numbers of the moment, to the bit; unknown stays a missing value."""
    assert calendar_read_by(strategy) == ALL
    assert calendar_read_by(SeedStrategy(ACTIONS)) == frozenset()
    for days in (0, 3, 8.3, 40):
        at = later(days)
        weekday, to, since = naive(at.astimezone(BOGOTA).date(), [1])
        told = {"weekday": weekday, "days_to_payday": to, "days_since_payday": since}
        by_fact, by_numbers, unknown = (
            decide([ACCOUNT | more], strategy=strategy, as_of=at, packs=["CO"], contacts=[])
            for more in ({"payday": 1}, told, {"payday": None})
        )
        assert by_fact.missing_features == by_numbers.missing_features == ()
        assert by_fact.ranked.equals(by_numbers.ranked)
        assert {*unknown.missing_features} == {"days_to_payday", "days_since_payday"}
        assert by_fact.accounts.numbers("days_since_payday").tolist() == [since]


def test_the_hours_after_pay_day_are_the_best_of_the_week(strategy) -> None:
    """A pay day on Thursday: no hour before it is worth as much as any on it or the day after."""
    week = week_ahead(
        Decider(strategy), [ACCOUNT | {"payday": 26}], channel="call", as_of=NOON, packs=["CO"], contacts=[], days=6
    )
    legal = week.hours[week.hours["legal"]]
    value = legal.groupby(legal["weekday"], sort=False)["expected_reward"].max()
    assert value.idxmax() in ("thu", "fri", "sat")
    assert min(value["thu"], value["fri"]) > 3 * max(value["tue"], value["wed"])


def test_many_accounts_are_read_as_each_alone(strategy) -> None:
    """A batch of every pay day and none, in three zones, against one account at a time."""
    zones = ["America/Bogota", "Europe/Madrid", "America/Mexico_City"]
    rows = [
        ACCOUNT
        | {"account_id": f"A{at}", "timezone": zones[at // 3 % 3], "payday": [None, "15;30", at % 31 + 1][at % 3]}
        for at in range(33)
    ]
    at = datetime(2026, 3, 1, 2, tzinfo=UTC)
    together = Accounts.of(rows).situated(at, ALL)
    for position, row in enumerate(rows):
        alone = Accounts.of([row]).situated(at, ALL)
        assert alone.values("weekday")[0] == together.values("weekday")[position]
        day = at.astimezone(ZoneInfo(row["timezone"])).date()
        for name in ("days_to_payday", "days_since_payday"):
            got, seen = together.numbers(name)[position], alone.numbers(name)[0]
            assert (np.isnan(got) and np.isnan(seen)) or got == seen
        days = [one + 1 for one in range(31) if payday_bits(row["payday"]) >> one & 1]
        if days:
            assert together.numbers("days_to_payday")[position] == naive(day, days)[1]
