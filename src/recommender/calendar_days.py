"""The calendar of an account, which is known ahead: weekdays, and the days of the month on which its debtor is paid."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CALENDAR", "PAYDAY", "WEEKDAYS", "OwnCalendar", "payday_bits", "payday_text"]

PAYDAY = "payday"
"""Column of the days of the month on which a debtor is paid: ``15``, or ``15;30``; 31 is the last day of any month."""

WEEKDAYS: tuple[str, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

CALENDAR: tuple[str, ...] = ("weekday", "days_to_payday", "days_since_payday")
"""Context columns that follow from the day on the debtor's own calendar."""

_LAST = 31
_DAY = re.compile(r"(\d{1,2})(?:\.0+)?")
_BETWEEN = re.compile(r"[\s;,|&()\[\]{}'\"]+")
_AND = frozenset(("", "y", "e", "and"))
_THURSDAY = 3  # 1970-01-01


def payday_text(cell: Any) -> str | None:
    """Days of the month of a cell that holds some, in the one spelling: ``15;30``.

    Returns
    -------
    str or None
        None for what names no days of a month.

    Examples
    --------
    >>> payday_text("30, 15"), payday_text("15 y 30"), payday_text(15.0), payday_text("friday")
    ('15;30', '15;30', '15', None)
    """
    words = [word for word in _BETWEEN.split(str(cell)) if word not in _AND]  # a list is written in brackets
    days = {_day_of_month(word) for word in words}
    if not days or None in days:
        return None
    return ";".join(str(day) for day in sorted(day for day in days if day is not None))


def _day_of_month(word: str) -> int | None:
    found = _DAY.fullmatch(word)
    return int(found[1]) if found and 1 <= int(found[1]) <= _LAST else None


def payday_bits(cell: Any) -> int:
    """The same as bits, the lowest for the first of the month; 0 where nothing is known."""
    text = None if cell is None else payday_text(cell)
    return 0 if text is None else sum(1 << (int(day) - 1) for day in text.split(";"))


@dataclass(frozen=True)
class OwnCalendar:
    """Days on the calendars of some accounts.

    Attributes
    ----------
    day : ndarray of shape (n,)
        Days since 1970-01-01, each on the account's own calendar.
    paydays : ndarray of shape (n,), dtype int64
        :func:`payday_bits` of each; 0 where they are not known. A month that is shorter pays on its last day.

    Examples
    --------
    >>> import numpy as np
    >>> leap = np.array(["2028-02-28"], dtype="datetime64[D]").astype(np.int64)
    >>> last = OwnCalendar(leap, np.array([payday_bits(30)]))
    >>> last.weekday.tolist(), last.days_to_payday.tolist(), last.days_since_payday.tolist()
    (['monday'], [1.0], [29.0])
    """

    day: NDArray[Any]
    paydays: NDArray[np.int64]

    @property
    def weekday(self) -> NDArray[np.object_]:
        """Names of the weekdays."""
        return np.array(WEEKDAYS, dtype=object)[(self.day.astype(np.int64) + _THURSDAY) % 7]

    @property
    def days_to_payday(self) -> NDArray[np.float64]:
        """Days to the next day of pay, 0 on it; NaN where none is known."""
        return self._nearest((0, 1), 1)

    @property
    def days_since_payday(self) -> NDArray[np.float64]:
        """Days since the last day of pay, 0 on it; NaN where none is known."""
        return self._nearest((0, -1), -1)

    def _nearest(self, months: Iterable[int], sign: int) -> NDArray[np.float64]:
        """Days to the nearest day of pay on one side, which lies in one of these months from the present one."""
        today = self.day.astype(np.int64)
        month = today.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
        nearest = np.full(len(today), np.inf)
        for shift in months:
            first, next_first = _first_days(month + shift), _first_days(month + shift + 1)
            length = next_first - first
            for one in range(_LAST):
                paid = (self.paydays >> one & 1).astype(bool)
                if paid.any():
                    away = sign * (first + np.minimum(one, length - 1) - today)
                    nearest = np.where(paid & (away >= 0), np.minimum(nearest, away), nearest)
        return np.where(np.isinf(nearest), np.nan, nearest)


def _first_days(month: NDArray[np.int64]) -> NDArray[np.int64]:
    """First days of months, both counted from January 1970."""
    return month.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
