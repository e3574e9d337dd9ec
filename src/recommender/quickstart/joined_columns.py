"""What a file writes in several columns and means as one: a day and its clock, an action in a column a level."""

from __future__ import annotations

import re
from collections import defaultdict

import numpy as np
import pandas as pd

from recommender.intake import canonical_channel
from recommender.quickstart.column_names import DONE, NOT_THE_MOMENT, plain_name

__all__ = ["are_clocks", "join_clock", "join_one_hot"]

_CLOCK_NAME = re.compile(r"(^|_)(hora|hour|time|clock|horario)($|_)")
_CLOCK = re.compile(r"(\d{1,2})[:.h](\d{2})(?::(\d{2})(?:\.\d+)?)?\s*(?:([ap])\.?\s*m\.?)?", re.IGNORECASE)
_POINTED = re.compile(r"\d{1,2}\.\d{2}")
_MOSTLY = 0.98
_HALVES = 4  # quarters of an hour are written alike by the clock and in decimals
_IDLE = "none"


def join_clock(frame: pd.DataFrame, days: list[str]) -> tuple[str, str, pd.Series] | None:
    """Day column, clock column and the instants that they make; None where no one day goes with no one clock.

    Parameters
    ----------
    frame : DataFrame
    days : list of str
        Columns of instants that carry no clock time.
    """
    clocks = {name: read for name in frame.columns if (read := _clock(frame[name], name)) is not None}
    if len(clocks) != 1:
        return None
    clock, times = next(iter(clocks.items()))
    about = set(plain_name(clock).split("_"))
    days = [name for name in days if not NOT_THE_MOMENT.search(plain_name(name))]
    alike = [name for name in days if set(plain_name(name).split("_")) & about] or days
    if len(alike) != 1:
        return None
    day = alike[0]
    return day, clock, (frame[day] + times.fillna(pd.Timedelta(0))).astype(frame[day].dtype)


def are_clocks(words: pd.Series, name: str) -> bool:
    """Whether numbers of a column that is called like a clock are one: ``08.30``, minutes below 60 and many of them."""
    if not _CLOCK_NAME.search(plain_name(name)):
        return False
    stripped = words.str.strip()
    if not all(_POINTED.fullmatch(word) and _since_midnight(word) is not None for word in stripped):
        return False
    return bool(stripped.str[-2:].nunique() > _HALVES)


def _clock(column: pd.Series, name: str) -> pd.Series | None:
    """A column of clock times as time since midnight; None where it is none."""
    if column.dtype != object or not _CLOCK_NAME.search(plain_name(name)):
        return None
    read = {word: _since_midnight(str(word)) for word in pd.unique(column.dropna())}
    if not read or sum(one is not None for one in read.values()) < _MOSTLY * len(read):
        return None
    return pd.to_timedelta(column.map(read))


def _since_midnight(word: str) -> pd.Timedelta | None:
    found = _CLOCK.fullmatch(word.strip())
    if found is None:
        return None
    hour, minute, second = int(found[1]), int(found[2]), int(found[3] or 0)
    if found[4]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found[4].lower() == "p" else 0)
    if hour > 23 or minute > 59 or second > 59:
        return None
    return pd.Timedelta(hours=hour, minutes=minute, seconds=second)


def join_one_hot(frame: pd.DataFrame) -> dict[str, tuple[list[str], pd.Series]]:
    """Actions written as a column of 0 and 1 for each level: name, the columns, and the level of each row.

    Only columns whose common first word says that something was done (``sent_sms``, ``sent_email``), or that are called
    as channels are, and of which no row has two; a row that has none was left alone.
    """
    groups: dict[str, dict[str, str]] = defaultdict(dict)
    for name in frame.columns:
        if not _is_flag(frame[name]):
            continue
        first, _, rest = plain_name(name).partition("_")
        if first in DONE and rest:
            groups[first][name] = rest
        elif canonical_channel(name) is not None:
            groups["channel"][name] = plain_name(name)
    joined = {}
    for name, levels in groups.items():
        flags = frame[list(levels)].to_numpy(dtype=np.int64)
        done = flags.sum(axis=1)
        if len(levels) < 2 or name in frame.columns or done.max() > 1 or done.mean() < 0.5:
            continue
        words = np.array([*levels.values(), _IDLE], dtype=object)
        joined[name] = (list(levels), pd.Series(words[np.where(done == 1, flags.argmax(axis=1), len(levels))]))
    return joined


def _is_flag(column: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column.dtype) and column.isin((0, 1)).all() and column.nunique() == 2)
