"""The clock of an account, and the day on it of what is told as a moment: one reading for all tables."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from recommender.intake.moments import Moment, moment_of
from recommender.intake.vocabulary import country_zone
from recommender.intake.words import factorized
from recommender.local_time import is_timezone

__all__ = ["account_zones", "day_of", "day_told", "local_days"]

_ISO_DAY, _LENGTH = re.compile(r"\d{4}-\d{2}-\d{2}(?!\d)"), len("2026-11-28")


def day_of(at: datetime, zone: str | None) -> date:
    """Calendar day of a moment on the clock of an account.

    Parameters
    ----------
    at : datetime
        Aware, or on the wall clock of the account. A midnight is how programs write a day (``2026-11-28T00:00:00Z``)
        and stays that day, whatever its offset.
    zone : str or None
        IANA zone of the account; None = nobody knows it: the day as it is written.
    """
    if at.tzinfo is None or at.time() == time() or not is_timezone(zone) or zone is None:
        return at.date()
    return _on_clock(at, zone)


def _on_clock(at: datetime, zone: str) -> date:
    try:
        return at.astimezone(ZoneInfo(zone)).date()
    except OverflowError:  # 9999-12-31T23:59:59Z is how programs write "never"
        return at.date()


def day_told(value: Any, zone: str | None = None) -> date | None:
    """Day of a cell that is read already: ISO text, a date, a moment; None where it tells none.

    Parameters
    ----------
    value : object
    zone : str or None
        As :func:`day_of` takes it.
    """
    if isinstance(value, str):
        return _day_of_text(value, zone)
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, np.datetime64):
        value = pd.Timestamp(value)
    if isinstance(value, datetime):  # a Timestamp is one
        return day_of(value, zone)
    return value if isinstance(value, date) else None


def _day_of_text(text: str, zone: str | None) -> date | None:
    if _ISO_DAY.match(text) is None:
        return None
    try:
        if len(text) == _LENGTH:
            return date.fromisoformat(text)
    except ValueError:
        return None
    read = moment_of(text)
    return day_of(read.at, zone) if isinstance(read, Moment) else None


def local_days(instants: pd.Series, zones: Callable[[], pd.Series] | None) -> pd.Series:
    """:func:`day_of` for a column of aware instants.

    Parameters
    ----------
    instants : Series of datetime64 with a time zone
    zones : callable or None
        Gives the zone of each row; asked only where some instant is no midnight.

    Returns
    -------
    Series of datetime64[s]
        Midnights without a zone.
    """
    written = instants.reset_index(drop=True)
    wall = written.dt.tz_localize(None)
    days = wall.dt.normalize()
    timed = (wall.notna() & (wall != days)).to_numpy(dtype=bool)
    if timed.any() and zones is not None:
        clock = zones().reset_index(drop=True).astype(object).where(lambda zone: zone.map(is_timezone), None)
        for zone in pd.unique(clock[timed].dropna()):
            rows = timed & (clock == zone).to_numpy(dtype=bool)
            days[rows] = written[rows].dt.tz_convert(zone).dt.tz_localize(None).dt.normalize()
    return days.astype("datetime64[s]")


def account_zones(accounts: pd.DataFrame) -> pd.Series:
    """Time zone of each account: its own, or that of a country that has one only."""
    zones = np.full(len(accounts), None, dtype=object)
    of_text = {"country": lambda code: country_zone(code) if isinstance(code, str) else None,
               "timezone": lambda name: name if is_timezone(name) else None}  # fmt: skip
    for column, zone_of in of_text.items():
        if column in accounts:
            codes, distinct = factorized(accounts[column])
            told = np.array([*map(zone_of, distinct), None], dtype=object)[codes]
            zones = np.where(pd.isna(told), zones, told)
    return pd.Series(zones, dtype=object)
