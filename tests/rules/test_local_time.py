"""Local clocks: offsets, gaps, folds, and the next time an hour strikes."""

# ruff: noqa: DTZ001 - naive instants are what is refused here
from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.errors import InvalidInput
from recommender.local_time import (
    DAY_US,
    UnknownTimezoneWarning,
    as_utc_us,
    is_timezone,
    local_time,
    local_to_utc,
    next_occurrence,
    utc_us,
)

ZONES = ["America/Bogota", "America/Santiago", "America/New_York", "America/Tijuana", "Europe/Madrid", "Asia/Kolkata",
         "Australia/Lord_Howe", "Pacific/Apia"]  # fmt: skip
EPOCH = dt.date(1970, 1, 1)
instants = st.datetimes(dt.datetime(2005, 1, 1), dt.datetime(2030, 1, 1)).map(lambda at: at.replace(tzinfo=dt.UTC))


@settings(max_examples=200, deadline=None)
@given(instants, st.sampled_from(ZONES))
def test_the_clock_is_that_of_zoneinfo_and_back(at, zone):
    """Date, clock and both folds agree with the standard library."""
    shown = at.astimezone(ZoneInfo(zone))
    read = local_time(np.array([as_utc_us(at)]), zone)
    assert int(read.day[0]) == (shown.date() - EPOCH).days
    midnight = dt.datetime.combine(shown.date(), dt.time())
    assert int(read.clock_us[0]) == (shown.replace(tzinfo=None) - midnight) // dt.timedelta(microseconds=1)
    back = local_to_utc(read.day * DAY_US + read.clock_us, zone, fold=shown.fold)
    assert int(back[0]) == as_utc_us(at)


@settings(max_examples=100, deadline=None)
@given(instants, st.sampled_from(ZONES))
def test_an_hour_strikes_within_a_day_or_is_skipped(at, zone):
    """In (as_of, as_of + 24 h], on the hour, and nothing earlier strikes it; NaT only where no minute shows it."""
    found = next_occurrence(range(24), at, [zone])[0]
    for hour, instant in enumerate(found):
        steps = [at.replace(minute=0, second=0, microsecond=0) + dt.timedelta(minutes=30 * step) for step in range(52)]
        strikes = [step for step in steps if at < step <= at + dt.timedelta(days=1)
                   and (local := step.astimezone(ZoneInfo(zone))).hour == hour and local.minute == 0]  # fmt: skip
        if np.isnat(instant):
            assert strikes == []
        else:
            assert pd.Timestamp(instant).tz_localize("UTC") == min(strikes)


def test_a_gap_is_nat_and_a_fold_the_first_time():
    """New York skips 02:00 on 8 March 2026 and repeats 01:00 on 1 November."""
    spring = next_occurrence([1, 2, 3], dt.datetime(2026, 3, 8, 5, tzinfo=dt.UTC), ["America/New_York"])[0]
    assert np.isnat(spring).tolist() == [False, True, False]
    autumn = next_occurrence([1], dt.datetime(2026, 11, 1, 4, 30, tzinfo=dt.UTC), ["America/New_York"])[0, 0]
    assert autumn == np.datetime64("2026-11-01T05:00")
    later = next_occurrence([1], dt.datetime(2026, 11, 1, 5, 0, tzinfo=dt.UTC), ["America/New_York"])[0, 0]
    assert later == np.datetime64("2026-11-01T06:00")
    assert local_to_utc(np.array([as_utc_us(dt.datetime(2026, 3, 8, 2, 30, tzinfo=dt.UTC))]), "America/New_York")[
        0
    ] == as_utc_us(dt.datetime(2026, 3, 8, 7, tzinfo=dt.UTC))


def test_unknown_zones_take_utc_and_are_reported():
    """Null is silent, a name that is no key is said once."""
    at = dt.datetime(2026, 11, 17, 12, tzinfo=dt.UTC)
    with pytest.warns(UnknownTimezoneWarning, match="Mars"):
        found = next_occurrence([9], at, ["Mars/Phobos", "UTC", None])
    assert found[:, 0].tolist() == [dt.datetime(2026, 11, 18, 9)] * 3


def test_one_instant_an_account_equals_one_at_a_time():
    """Vectorised over accounts with their own instants."""
    at = [dt.datetime(2026, 3, 7 + i % 3, 3 * i % 24, tzinfo=dt.UTC) for i in range(20)]
    zones = [ZONES[i % len(ZONES)] for i in range(20)]
    together = next_occurrence([2, 9, 23], pd.Series(at), zones)
    alone = np.concatenate([next_occurrence([2, 9, 23], one, [zone]) for one, zone in zip(at, zones, strict=True)])
    assert (np.isnat(together) == np.isnat(alone)).all()
    assert (together == alone)[~np.isnat(alone)].all()


@pytest.mark.parametrize("name", ["Etc/Unknown", "Factory", "america/bogota", "", None, 3, "UTC+3"])
def test_what_is_no_zone(name):
    """Only keys of the tz database are zones."""
    assert not is_timezone(name)


@pytest.mark.parametrize(
    "call",
    [
        lambda: next_occurrence([9], dt.datetime(2026, 1, 1), ["UTC"]),
        lambda: next_occurrence([24], dt.datetime(2026, 1, 1, tzinfo=dt.UTC), ["UTC"]),
        lambda: local_time(np.array([10**18]), "UTC"),
        lambda: local_time(np.array([0]), "nowhere"),
        lambda: utc_us(pd.Series([dt.datetime(2026, 1, 1)]), "sent_at"),
        lambda: utc_us(pd.Series([pd.NaT, pd.Timestamp("2026-01-01", tz="UTC")]), "sent_at"),
    ],
)
def test_what_is_refused(call):
    """Naive, missing and impossible values name themselves."""
    with pytest.raises(InvalidInput):
        call()
