"""Rules of the clock and the calendar, and the clocks that an account's place is read on.

What clocks forbid hangs on the account only through the stage of its debt, so it is worked out once for a place: a
byte of channels for each instant before the due date, on it and after it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.local_time import DAY_US, local_time, years_of, zone_changes
from recommender.rules.calendars import holiday_days
from recommender.rules.rule_tables import channel_bits
from recommender.rules.schema import Holidays, Pack
from recommender.rules.vocabulary import DAYS, STAGES

__all__ = ["ClockRule", "Reading", "candidate_zones", "clock_rules", "clock_us", "distinct_zones", "not_in_force_rule"]
__all__ += ["REACH_US", "read_clock"]

#: No rule looks further back or ahead than this.
REACH_US = 400 * DAY_US


@dataclass(frozen=True)
class Reading:
    """Instants read on the clock of one zone, for a country.

    Attributes
    ----------
    day, clock_us : ndarray of shape (n or 1, k)
        Local date and wall clock.
    """

    day: NDArray[np.int64]
    clock_us: NDArray[np.int64]
    country: str
    subdivision: str


@dataclass(frozen=True)
class ClockRule:
    """A rule about clock and calendar.

    Attributes
    ----------
    id, cite : str
    forbids : callable
        Reading -> set of forbidden channels, of shape (n or 1, k), or (3, n or 1, k) where it differs by ``STAGES``.
    by_stage : bool
    """

    id: str
    cite: str
    forbids: Callable[[Reading], NDArray[np.uint8]]
    by_stage: bool = False


def not_in_force_rule(pack: Pack) -> ClockRule:
    """A pack speaks of no date outside its own."""
    first = _day_number(pack.valid_from)
    last = np.iinfo(np.int64).max if pack.valid_to is None else _day_number(pack.valid_to)
    every = channel_bits("*")

    def forbids(read: Reading) -> NDArray[np.uint8]:
        return np.where((read.day < first) | (read.day > last), every, 0).astype(np.uint8)

    return ClockRule(f"{pack.id.lower()}-not-in-force", "", forbids)


def clock_rules(pack: Pack, readings: frozenset[str], *, with_windows: bool) -> list[ClockRule]:
    """Windows and holidays of one pack."""
    rules: list[ClockRule] = []
    prefix = pack.id.lower()
    if pack.windows and with_windows:
        by_stage = any(len(window.stages) < len(STAGES) for window in pack.windows)
        rules.append(
            ClockRule(f"{prefix}-window", pack.windows[0].cite, lambda read: _outside(pack, readings, read), by_stage)
        )
    policy, calendar = pack.holiday_policy, pack.time.holidays
    if policy is not None and policy.mode == "forbid" and calendar is not None:
        bits = channel_bits(policy.channels)
        rules.append(ClockRule(f"{prefix}-holiday", policy.cite, lambda read: _holiday(calendar, bits, read, True)))
        rules.append(
            ClockRule(f"{prefix}-holiday-unknown", policy.cite, lambda read: _holiday(calendar, bits, read, False))
        )
    return rules


def _outside(pack: Pack, readings: frozenset[str], read: Reading) -> NDArray[np.uint8]:
    """Channels that some window speaks of and none allows."""
    weekday = (read.day + 3) % 7
    spoken = 0
    inside = np.zeros((len(STAGES), *read.day.shape), dtype=np.uint8)
    for window in pack.windows:
        bits = channel_bits(window.channels)
        spoken |= bits
        if window.alternative and window.id not in readings:
            continue
        start, end = clock_us(window.from_), clock_us(window.to)
        after = read.clock_us > start if window.closed == "none" else read.clock_us >= start
        days = np.isin(weekday, [DAYS.index(day) for day in window.days])
        is_open = np.where(after & (read.clock_us < end) & days, bits, 0).astype(np.uint8)
        for stage in window.stages:
            inside[STAGES.index(stage)] |= is_open
    outside = (~inside & spoken).astype(np.uint8)
    return outside if any(len(window.stages) < len(STAGES) for window in pack.windows) else outside[0]


def clock_us(time: dt.time) -> int:
    """Microseconds since midnight; the last moment that ``datetime.time`` can say stands for 24:00."""
    if time == dt.time.max:
        return DAY_US
    return ((time.hour * 60 + time.minute) * 60 + time.second) * 1_000_000 + time.microsecond


def _holiday(rule: Holidays, bits: int, read: Reading, known: bool) -> NDArray[np.uint8]:
    """Dates that are holidays (``known``) or of which the calendar cannot tell."""
    years = read.day.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
    answer = np.zeros(read.day.shape, dtype=bool)
    for year in range(int(years.min()), int(years.max()) + 1) if years.size else ():
        dates = holiday_days(rule, read.country, read.subdivision, year)
        if dates is None:
            answer |= (years == year) & (not known)
        elif known:
            answer |= np.isin(read.day, dates)
    return np.where(answer, bits, 0).astype(np.uint8)


def _day_number(date: dt.date) -> int:
    return (date - dt.date(1970, 1, 1)).days


# -- zones ---------------------------------------------------------------------------------------------------------
def candidate_zones(zone: str | None, phone_zones: tuple[str, ...], pack_zones: tuple[str, ...]) -> tuple[str, ...]:
    """Zones the debtor may be in: the address's and the phone's; without an address also every one of the pack."""
    known = (zone,) if zone is not None else pack_zones
    if not known:
        return ()
    return tuple(dict.fromkeys((*known, *phone_zones)))


def distinct_zones(zones: Iterable[str], low_us: int, high_us: int) -> dict[str, str]:
    """For each zone, the first one whose clock never differs from its own between two instants."""
    first_year, last_year = years_of(np.array([low_us, high_us]))
    seen: dict[tuple[bytes, bytes], str] = {}
    same = {}
    for zone in zones:
        changes, offsets = zone_changes(zone, first_year, last_year)
        first, last = np.searchsorted(changes, [low_us, high_us], side="right")
        key = (changes[first:last].tobytes(), offsets[first : last + 1].tobytes())
        same[zone] = seen.setdefault(key, zone)
    return same


def read_clock(instant_us: NDArray[np.int64], zone: str, country: str, subdivision: str) -> Reading:
    """Read instants on the clock of a zone."""
    local = local_time(instant_us, zone)
    return Reading(local.day, local.clock_us, country, subdivision)
