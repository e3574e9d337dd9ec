"""What the days between now and a later moment do to an account: what the calendar moves is known ahead."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.calendar_days import WEEKDAYS, OwnCalendar
from recommender.columns import Columns
from recommender.local_time import as_utc_us
from recommender.rules import due_days, own_days
from recommender.strategy import STAGES

__all__ = ["aged"]

Table = TypeVar("Table", bound=Columns)

_TO, _SINCE = "days_to_payday", "days_since_payday"
_AT_LEAST_ZERO = ("days_to_due",)  # counted to the due date and not beyond it, where they are worked out here


def aged(accounts: Table, as_of: datetime, at: datetime) -> Table:
    """Accounts as they will stand at a later moment if nothing happens before: the one reading of a day ahead.

    Days are those of each debtor's own calendar between the two moments. ``days_past_due`` and ``days_since_...`` grow,
    ``days_to_...`` shrink, ``weekday`` moves on as a name or a number, pay days come back on their day of the month,
    and a ``stage`` that follows from the days past due is left to be worked out again. Everything else is as it is
    known now. What follows from a fact (a due date, a ``payday``) is worked out by :meth:`Accounts.situated` anyway.

    Parameters
    ----------
    accounts : Accounts or other Columns
        As they stand at ``as_of``.
    as_of, at : aware datetime

    Returns
    -------
    the same kind of table
        ``accounts`` itself where no debtor's day is another.
    """
    today, then = own_days(accounts, as_utc_us(as_of)), own_days(accounts, as_utc_us(at))
    days = then - today
    if not days.any():
        return accounts
    moved: dict[str, Any] = _paydays(accounts, today, then)
    for name in accounts.names:
        if name in moved:
            continue
        if name == "days_past_due" or name.startswith("days_since_"):
            moved[name] = accounts.numbers(name) + days
        elif name.startswith("days_to_"):
            told = accounts.numbers(name)
            left = told - days
            moved[name] = np.where(told >= 0, np.maximum(left, 0.0), left) if name in _AT_LEAST_ZERO else left
        elif name == "weekday":
            moved[name] = _later_weekday(accounts, days.astype(np.int64))
    if "stage" in accounts and ("days_past_due" in moved or "due_date" in accounts):
        moved["stage"] = _told_stage(accounts, moved)
    return accounts.assign(**moved)


def _paydays(accounts: Columns, today: NDArray[np.float64], then: NDArray[np.float64]) -> dict[str, Any]:
    """Days to and since pay days of which only these numbers are told: each comes back on its day of the month."""
    told = {name: accounts.numbers(name) for name in (_TO, _SINCE) if name in accounts}
    if not told:
        return {}
    ahead = today + np.floor(told.get(_TO, np.full(len(today), np.nan)))
    behind = today - np.floor(told.get(_SINCE, np.full(len(today), np.nan)))
    calendar = OwnCalendar(then, _bit(ahead, behind) | _bit(behind, ahead))
    days = then - today
    moved = {}
    if _TO in told:
        left = told[_TO] - days
        moved[_TO] = np.where(left < 0, calendar.days_to_payday, left)
    if _SINCE in told:
        since = calendar.days_since_payday
        is_paid = np.where(np.isnan(ahead), since < told[_SINCE] + days, ahead <= then)
        moved[_SINCE] = np.where(is_paid & ~np.isnan(told[_SINCE]), since, told[_SINCE] + days)
    return moved


def _bit(payday: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.int64]:
    """The day of the month of a pay day as a bit; none where it is the last of a month too short for the other's."""
    bits = np.zeros(len(payday), dtype=np.int64)
    known = np.isfinite(payday)
    if not known.any():
        return bits
    of_month, is_last = _day_of_month(payday[known])
    others = np.full(len(payday), -1, dtype=np.int64)
    seen = np.isfinite(other)
    others[seen] = _day_of_month(other[seen])[0]
    bits[known] = np.where(is_last & (others[known] > of_month), 0, 1 << of_month)
    return bits


def _day_of_month(day: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Days of the month, from 0, and whether they are the last of it."""
    dates = day.astype(np.int64).astype("datetime64[D]")
    month = dates.astype("datetime64[M]")
    of_month = (dates - month.astype("datetime64[D]")).astype(np.int64)
    return of_month, (dates + np.timedelta64(1, "D")).astype("datetime64[M]") > month


def _later_weekday(accounts: Columns, days: NDArray[np.int64]) -> Any:
    """Weekdays some days on: names of ours, or numbers from 0 or 1; other words stay as they are."""
    words = pd.Series(accounts.values("weekday"), dtype=object)
    number = pd.to_numeric(words, errors="coerce")
    if number.notna().any() and words.notna().equals(number.notna()):
        low = 1 if number.max() == 7 else 0
        return ((number - low + days) % 7 + low).to_numpy()
    place = {name: at for at, name in enumerate(WEEKDAYS)}
    return [
        WEEKDAYS[(place[word] + more) % 7] if word in place else word
        for word, more in zip(words, days.tolist(), strict=True)
    ]


def _told_stage(accounts: Columns, moved: dict[str, Any]) -> list[Any]:
    """Stages that do not follow from days past due; of the others nothing is said, so that they are worked out."""
    days = moved["days_past_due"] if "days_past_due" in moved else np.full(len(accounts), np.nan)
    follows = np.isfinite(days) | np.isfinite(due_days(accounts))
    stages = accounts.values("stage")
    return [None if mine and stage in STAGES else stage for stage, mine in zip(stages, follows.tolist(), strict=True)]
