"""Local clocks and UTC instants, vectorised: one offset table a zone instead of one conversion a value."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib import resources
from importlib.metadata import version
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.errors import InvalidInput, shorten

__all__ = [
    "DAY_US",
    "HOUR_US",
    "TZDATA_VERSION",
    "LocalTime",
    "UnknownTimezoneWarning",
    "as_utc_us",
    "is_timezone",
    "local_time",
    "local_to_utc",
    "next_occurrence",
    "utc_us",
    "years_of",
    "zone_changes",
]

SECOND_US = 1_000_000
HOUR_US = 3_600 * SECOND_US
DAY_US = 24 * HOUR_US
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR_RANGE = (1900, 2200)
#: Release of the tz database that every verdict rests on.
TZDATA_VERSION = version("tzdata")


_MICROSECOND = timedelta(microseconds=1)


class UnknownTimezoneWarning(UserWarning):
    """A time zone name that the tz database does not know was treated as unknown."""


@lru_cache(maxsize=1)
def _known_zones() -> frozenset[str]:
    # The pinned tzdata package and not the machine's own copy: the same lock file gives the same verdicts everywhere.
    names = resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()
    return frozenset(names) - {"Factory"}  # "Factory" says that nobody set the zone


def is_timezone(name: object) -> bool:
    """Whether ``name`` is a key of the tz database (``Etc/Unknown`` is not)."""
    return isinstance(name, str) and name in _known_zones()


def as_utc_us(instant: datetime, *, column: str = "as_of") -> int:
    """Microseconds since 1970 in UTC of an aware ``datetime``.

    Raises
    ------
    InvalidInput
        When the instant carries no UTC offset.
    """
    if instant.tzinfo is None or instant.utcoffset() is None:
        raise InvalidInput.in_column(
            column,
            "needs an instant with a UTC offset",
            values=[instant.isoformat()],
            mend="Write e.g. 2026-11-22T10:00:00-05:00, or datetime(..., tzinfo=UTC).",
        )
    return (instant - _EPOCH) // _MICROSECOND


@dataclass(frozen=True)
class LocalTime:
    """Local date and clock of instants in one zone.

    Attributes
    ----------
    day : ndarray of int64
        Local calendar date as days since 1970-01-01.
    clock_us : ndarray of int64
        Microseconds since local midnight, as the wall clock shows them.
    """

    day: NDArray[np.int64]
    clock_us: NDArray[np.int64]


def local_time(instants_us: NDArray[np.int64], zone: str) -> LocalTime:
    """Read the wall clock of ``zone`` at UTC instants.

    Parameters
    ----------
    instants_us : ndarray of int64 of any shape
        Microseconds since 1970 in UTC.
    zone : str
        Key of the tz database.
    """
    instants = np.asarray(instants_us, dtype=np.int64)
    changes, offsets = zone_changes(zone, *years_of(instants))
    local = instants + offsets[np.searchsorted(changes, instants, side="right")]
    day, clock = np.divmod(local, DAY_US)
    return LocalTime(day, clock)


def local_to_utc(local_us: NDArray[np.int64], zone: str, *, fold: int = 0) -> NDArray[np.int64]:
    """UTC instant at which the wall clock of ``zone`` shows ``local_us``.

    A clock time that happens twice is its first occurrence (``fold=1``: its second). One that does not happen (the
    spring gap) is the instant of the change, the first that exists after the gap.

    Parameters
    ----------
    local_us : ndarray of int64 of any shape
        Local wall clock as microseconds since 1970-01-01 00:00 local.
    zone : str
    fold : {0, 1}, default=0
    """
    local = np.asarray(local_us, dtype=np.int64)
    changes, offsets = zone_changes(zone, *years_of(local))
    # An instant belongs to segment s when changes[s-1] <= instant < changes[s]; try the segments around the guess.
    guess = np.searchsorted(changes, local - offsets[0], side="right")
    latest = np.full(local.shape, np.iinfo(np.int64).min)
    candidates = []
    for step in (-2, -1, 0, 1, 2):
        segment = np.clip(guess + step, 0, len(changes))
        instant = local - offsets[segment]
        candidates.append(np.where(np.searchsorted(changes, instant, side="right") == segment, instant, latest))
    tried = np.stack(candidates)
    exists = tried > latest
    first = np.where(exists, tried, np.iinfo(np.int64).max).min(axis=0)
    chosen = first if fold == 0 else tried.max(axis=0)
    missing = ~exists.any(axis=0)
    if missing.any():
        chosen = np.where(missing, _end_of_gap(local, changes, offsets), chosen)
    return np.asarray(chosen, dtype=np.int64)


def _end_of_gap(local: NDArray[np.int64], changes: NDArray[np.int64], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Instant of the change whose gap holds the local time."""
    opens = changes + offsets[:-1]
    which = np.clip(np.searchsorted(opens, local, side="right") - 1, 0, len(changes) - 1)
    return np.asarray(changes[which], dtype=np.int64)


def next_occurrence(
    hours: Sequence[int],
    as_of: datetime | pd.Series | NDArray[np.datetime64],
    timezones: Sequence[str | None] | pd.Series,
) -> NDArray[np.datetime64]:
    """Next time each account's wall clock strikes each hour, in ``(as_of, as_of + 24 h]``.

    An hour that the debtor's day skips (spring change) is ``NaT``: there is no such hour to contact them at. An hour
    that happens twice is its first occurrence that lies in the span.

    Parameters
    ----------
    hours : sequence of int of length n_hours
        Local clock hours, 0 to 23.
    as_of : datetime, or one instant an account
        Aware; an array of ``datetime64`` is UTC.
    timezones : sequence of str or None of length n_accounts
        Debtor-local zones. Unknown ones (null or no key of the tz database) take UTC; the names that are no key are
        reported once as :class:`UnknownTimezoneWarning`.

    Returns
    -------
    ndarray of shape (n_accounts, n_hours), dtype datetime64[us]
        UTC instants.

    Raises
    ------
    InvalidInput
        For a naive ``as_of`` or an hour outside 0 to 23.
    """
    wrong = [hour for hour in hours if not 0 <= int(hour) <= 23]
    if wrong:
        raise InvalidInput.in_column("hours", "must lie in 0..23", values=wrong, mend="Give local clock hours.")
    codes, names = pd.factorize(pd.Series(list(timezones), dtype=object))
    unknown = [str(name) for name in names if not is_timezone(name)]
    if unknown:
        warnings.warn(
            f"Time zones {shorten(unknown)} are no keys of the tz database; 'UTC' is used instead.",
            UnknownTimezoneWarning,
            stacklevel=2,
        )
    zones = [*(name if is_timezone(name) else "UTC" for name in names), "UTC"]
    clock = np.asarray([int(hour) for hour in hours], dtype=np.int64) * HOUR_US
    if isinstance(as_of, datetime):
        start = np.array([as_utc_us(as_of)])
        return np.asarray(np.stack([_strikes(clock, start, zone)[0] for zone in zones])[codes], dtype="datetime64[us]")
    starts = utc_us(as_of, "as_of")
    instants = np.empty((len(codes), len(clock)), dtype="datetime64[us]")
    for code, zone in enumerate(zones):
        rows = np.flatnonzero(codes == (code if code < len(names) else -1))
        if len(rows):
            instants[rows] = _strikes(clock, starts[rows], zone)
    return instants


def _strikes(clock: NDArray[np.int64], starts: NDArray[np.int64], zone: str) -> NDArray[np.datetime64]:
    """First instant in (start, start + 24 h] at which ``zone`` shows each clock time; NaT where none does."""
    start = starts[:, None]
    today = local_time(start, zone).day
    first = np.full((len(starts), len(clock)), np.iinfo(np.int64).max)
    for shift in (-1, 0, 1, 2):
        for fold in (0, 1):
            candidates = local_to_utc((today + shift) * DAY_US + clock, zone, fold=fold)
            shown = local_time(candidates, zone).clock_us == clock
            valid = shown & (candidates > start) & (candidates <= start + DAY_US)
            first = np.where(valid & (candidates < first), candidates, first)
    instants = first.astype("datetime64[us]")
    instants[first == np.iinfo(np.int64).max] = np.datetime64("NaT", "us")
    return np.asarray(instants, dtype="datetime64[us]")


def utc_us(column: pd.Series | NDArray[np.datetime64], name: str) -> NDArray[np.int64]:
    """Microseconds UTC of an instant column: aware values, or ``datetime64`` arrays, which are UTC by definition.

    Raises
    ------
    InvalidInput
        For null or naive values, with the rows.
    """
    if isinstance(column, np.ndarray) and column.dtype.kind == "M":
        values = pd.Series(column.astype("datetime64[us]")).dt.tz_localize("UTC")
    else:
        values = pd.Series(column).reset_index(drop=True)
    if not len(values):
        return np.zeros(0, dtype=np.int64)
    if not isinstance(values.dtype, pd.DatetimeTZDtype):
        naive = np.arange(len(values))
        if not pd.api.types.is_datetime64_dtype(values.dtype):
            parsed = values.map(pd.Timestamp)
            naive = np.flatnonzero(
                parsed.map(lambda value: value is not pd.NaT and value.tzinfo is None).to_numpy(bool)
            )
            values = parsed if len(naive) else pd.to_datetime(parsed, utc=True)
        if len(naive):
            raise InvalidInput.in_column(
                name,
                "needs instants with a UTC offset",
                values=values.iloc[naive[:5]].astype(str).tolist(),
                rows=naive.tolist(),
                mend="Localise the column, e.g. frame[column].dt.tz_localize('UTC').",
            )
    missing = np.flatnonzero(values.isna().to_numpy())
    if len(missing):
        raise InvalidInput.in_column(
            name, "has no instant", values=[None], rows=missing.tolist(), mend="Fill or drop these rows."
        )
    instants = values.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[us]")
    return np.asarray(instants.astype(np.int64))


# -- offset tables -----------------------------------------------------------------------------------------------
def zone_changes(zone: str, first_year: int, last_year: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Instants at which the UTC offset of ``zone`` changes, and the offsets before, between and after them.

    Returns
    -------
    changes : ndarray of shape (n_changes,), microseconds UTC
    offsets : ndarray of shape (n_changes + 1,), microseconds
    """
    # Whole decades, so that one cached table serves nearby requests.
    return _zone_changes(zone, first_year // 10 * 10, last_year // 10 * 10 + 10)


@lru_cache(maxsize=1024)
def _zone_changes(zone: str, first_year: int, end_year: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if not is_timezone(zone):
        raise InvalidInput.in_column(
            "timezone", "is no key of the tz database", values=[zone], mend="Use an IANA name such as America/Bogota."
        )
    with resources.files("tzdata").joinpath("zoneinfo", *zone.split("/")).open("rb") as stream:
        info = ZoneInfo.from_file(stream, key=zone)

    def offset(second: int) -> int:
        shift = (_EPOCH + timedelta(seconds=second)).astimezone(info).utcoffset()
        return 0 if shift is None else round(shift.total_seconds())

    begin = int((datetime(first_year, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds())
    end = int((datetime(end_year, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds())
    offsets, changes = [offset(begin)], []
    step = 7 * 86_400  # no zone has changed its offset and changed back within a week
    for probe in range(begin, end + step, step):
        low, high = probe, probe + step
        if offset(high) == offsets[-1]:
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if offset(middle) == offsets[-1] else (low, middle)
        changes.append(high * SECOND_US)
        offsets.append(offset(high))
    table = np.array(changes, dtype=np.int64), np.array(offsets, dtype=np.int64) * SECOND_US
    for part in table:
        part.setflags(write=False)
    return table


def years_of(instants_us: NDArray[np.int64]) -> tuple[int, int]:
    """First and last UTC year of some instants, a day to spare on either side.

    Raises
    ------
    InvalidInput
        For instants that no contact can have: mostly a column in the wrong unit.
    """
    if not instants_us.size:
        return 2020, 2029
    low, high = int(instants_us.min()) - 2 * DAY_US, int(instants_us.max()) + 2 * DAY_US
    first, last = (
        int(np.int64(value).astype("datetime64[us]").astype("datetime64[Y]").astype(np.int64)) + 1970
        for value in (low, high)
    )
    if first < _YEAR_RANGE[0] or last > _YEAR_RANGE[1]:
        raise InvalidInput(
            f"An instant lies outside the years {_YEAR_RANGE[0]} to {_YEAR_RANGE[1]}.",
            mend="Check the unit of the column: instants are microseconds or datetimes in UTC.",
        )
    return first, last
