"""Pay days and weekdays of an account's own calendar, against a second, naive reading of the months."""

from datetime import date, timedelta

import numpy as np
import pytest

from recommender.calendar_days import WEEKDAYS, OwnCalendar, payday_bits, payday_text


def is_payday(day: date, days: list[int]) -> bool:
    """Whether somebody is paid on a day: on that of the month, or on its last one where the month is shorter."""
    last = (day + timedelta(days=1)).month != day.month
    return any(day.day == one or (last and one > day.day) for one in days)


def naive(day: date, days: list[int]) -> tuple[str, int, int]:
    """Weekday, days to and since pay, one day after the other."""
    ahead = next(n for n in range(40) if is_payday(day + timedelta(days=n), days))
    behind = next(n for n in range(40) if is_payday(day - timedelta(days=n), days))
    return day.strftime("%A").lower(), ahead, behind


@pytest.mark.parametrize("days", [[1], [15], [28], [29], [30], [31], [15, 30], [1, 16], [5, 20, 31]])
def test_every_day_of_years_with_and_without_a_leap_is_as_far_from_pay_as_one_counts(days):
    """1999 to 2004 and around 2100, which is no leap year: month ends, February, the turn of the year."""
    every = [date(1999, 12, 1) + timedelta(days=n) for n in range(1_600)]
    every += [date(2099, 12, 20) + timedelta(days=n) for n in range(120)]
    at = np.array(every, dtype="datetime64[D]").astype(np.int64)
    own = OwnCalendar(at, np.full(len(at), payday_bits(";".join(map(str, days)))))
    told = list(zip(own.weekday.tolist(), own.days_to_payday.tolist(), own.days_since_payday.tolist(), strict=True))
    assert told == [naive(day, days) for day in every]


def test_who_has_no_known_pay_day_is_at_no_distance_from_it():
    """Unknown is unknown, beside accounts that have one; the weekday is known all the same."""
    own = OwnCalendar(np.array([0, 0]), np.array([payday_bits(None), payday_bits(3)]))
    assert own.weekday.tolist() == ["thursday", "thursday"]
    assert np.isnan(own.days_to_payday[0])
    assert np.isnan(own.days_since_payday[0])
    assert own.days_to_payday[1] == 2 and own.days_since_payday[1] == 29


def test_days_of_the_month_are_read_as_people_write_them():
    """Numbers, lists, any separator, in order and once each; what is no day of a month is nothing."""
    lists = ("[15, 30]", [30, 15, 15], np.array([15, 30]), ("15", "30"))
    for cell in (*lists, "15;30", "30, 15", "15|30", "15; 30.0", "15 y 30", "15 e 30", "15 & 30", "15 30"):
        assert payday_text(cell) == "15;30", cell
    assert payday_text(31) == payday_text("31.0") == "31"
    for cell in (
        None,
        float("nan"),
        "",
        "0",
        "32",
        "15;x",
        "friday",
        1.5,
        -1,
        True,
        "2026-01-15",
        "15/01",
        "1e1",
        "15 de cada mes",
        "y",
    ):
        assert payday_text(cell) is None, cell
        assert payday_bits(cell) == 0
    assert payday_bits("1;31") == 1 + 2**30
    assert len(set(WEEKDAYS)) == 7
