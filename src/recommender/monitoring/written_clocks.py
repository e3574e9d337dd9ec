"""Checks of a time column as it is written in a file: offsets, naive local times, and the hours that clocks change."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.history import read_instants
from recommender.local_time import is_timezone
from recommender.monitoring.findings import Finding

__all__ = ["check_written_clock"]

_OFFSET = r"([+-]\d{2}):?(\d{2})\s*$"


def check_written_clock(
    column: pd.Series, name: str, *, zones: pd.Series | None = None, naive_timezone: str | None = None
) -> Iterator[Finding]:
    """Examine how instants are written, before they are read.

    Parameters
    ----------
    column : Series of shape (n,)
        Text or instants, as read from a file.
    name : str
        Of the column, for the findings.
    zones : Series of str of shape (n,) or None
        Time zone of each row's account, where known: the clock that naive times are most likely on.
    naive_timezone : str or None
        IANA zone that naive times are stated to be on; overrules ``zones``.
    """
    if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype):
        return
    column = column.reset_index(drop=True)
    read = read_instants(column)
    if unreadable := int(read.unreadable.sum()):
        shown = ", ".join(map(repr, column[read.unreadable].astype(str).head(3)))
        yield Finding(
            "unreadable_instants",
            f"{unreadable:,} cells of {name!r} are no instant, e.g. {shown}.",
            "Write ISO 8601 with an offset, e.g. 2026-05-01T14:30:00Z; a spreadsheet's serial date is no instant.",
            "care",
            "care",
            {"rows": unreadable},
        )
    is_naive = read.naive | (np.full(len(column), fill_value=read.all_naive) & column.notna().to_numpy(dtype=bool))
    if is_naive.any():
        yield from _naive(column, name, is_naive, zones, naive_timezone)
    elif zones is not None:
        yield from _offsets(column, name, zones.reset_index(drop=True))


def _naive(
    column: pd.Series,
    name: str,
    is_naive: NDArray[np.bool_],
    zones: pd.Series | None,
    naive_timezone: str | None,
) -> Iterator[Finding]:
    some = not is_naive.all()
    yield Finding(
        "naive_timestamps",
        f"{int(is_naive.sum()):,} of {len(column):,} instants in {name!r} have no UTC offset"
        + (" although others have one." if some else f"; they are read as {naive_timezone or 'UTC'}."),
        "Export instants with an offset, or state --naive-timezone.",
        "care",
        "care",
        {"rows": int(is_naive.sum()), "share": float(is_naive.mean())},
    )
    local = pd.to_datetime(column[is_naive].astype(str), format="ISO8601", errors="coerce")
    local = local.dt.tz_localize(None) if isinstance(local.dtype, pd.DatetimeTZDtype) else local
    if naive_timezone is not None:
        clock = pd.Series(naive_timezone, index=local.index)
    elif zones is not None:
        clock = zones.reset_index(drop=True)[is_naive]
    else:
        return
    skipped: list[int] = []
    repeated: list[int] = []
    zone_of: dict[int, str] = {}
    for zone in clock.dropna().unique():
        if not is_timezone(zone):
            continue
        times = local[(clock == zone) & local.notna()]
        first = np.ones(len(times), dtype=bool)
        gone = times[times.dt.tz_localize(zone, ambiguous=first, nonexistent="NaT").isna()]
        twice = times[times.dt.tz_localize(zone, ambiguous="NaT", nonexistent="shift_forward").isna()]
        skipped += gone.index.tolist()
        repeated += twice.index.tolist()
        zone_of |= dict.fromkeys([*gone.index, *twice.index], zone)
    if skipped:
        at = skipped[0]
        yield Finding(
            "times_in_clock_gap",
            f"{len(skipped):,} local times in {name!r} do not exist: daylight saving skips them, e.g. {column[at]} in "
            f"{zone_of[at]}.",
            "The column is not on that clock (UTC, perhaps): state the right --naive-timezone or export offsets.",
            "care",
            "care",
            {"rows": len(skipped), "example_row": int(at)},
        )
    if repeated:
        at = repeated[0]
        yield Finding(
            "times_in_repeated_hour",
            f"{len(repeated):,} local times in {name!r} happened twice when the clocks went back, e.g. {column[at]} in "
            f"{zone_of[at]}: which one is meant, and what came first, cannot be told.",
            "Export instants with an offset.",
            "care" if len(repeated) > 0.01 * len(column) else "fine",
            "care" if len(repeated) > 0.01 * len(column) else "fine",
            {"rows": len(repeated), "example_row": int(at)},
        )


def _offsets(column: pd.Series, name: str, zones: pd.Series) -> Iterator[Finding]:
    """Compare written offsets with those of the accounts' zones: one offset all year ignores daylight saving."""
    if not pd.api.types.is_string_dtype(column.dtype):
        return
    matches = column.astype("str").str.extract(_OFFSET)
    hours, minutes = matches[0].astype("float64"), matches[1].astype("float64")
    written = (hours * 60 + np.sign(hours.where(hours != 0, 1.0)) * minutes).to_numpy()
    has_offset = ~np.isnan(written) & (written != 0)
    instants = pd.to_datetime(column, format="ISO8601", utc=True, errors="coerce")
    wrong, judged = 0, 0
    for zone in zones[has_offset].dropna().unique():
        if not is_timezone(zone):
            continue
        rows = has_offset & (zones == zone).to_numpy(dtype=bool) & instants.notna().to_numpy(dtype=bool)
        local = instants[rows].dt.tz_convert(zone).dt.tz_localize(None)
        truth = (local - instants[rows].dt.tz_localize(None)).dt.total_seconds().to_numpy() / 60
        judged += int(rows.sum())
        wrong += int((np.abs(truth - written[rows]) == 60).sum())
    if judged and wrong > 0.01 * judged:
        yield Finding(
            "offset_ignores_daylight_saving",
            f"{wrong:,} of {judged:,} offsets in {name!r} are one hour off the accounts' zones at that instant.",
            "The exporting system writes one offset all year: every instant of the other season is an hour wrong.",
            "care",
            "care",
            {"rows": wrong, "judged": judged},
        )
