"""Reading columns of instants and of dates: values in UTC, and where each kind of fault is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recommender.history.cells import as_text, true_cells
from recommender.intake import Moment, day_evidence, day_told, local_days, moment_of

__all__ = ["Instants", "have_offset", "implausible_dates", "read_dates", "read_instants"]

Mask = NDArray[np.bool_]
_OFFSET = r"(?i:z|[+-]\d{2}:?\d{2}|[+-]\d{2}|utc|gmt)\s*$"
#: Offsets in letters that pandas does not read: ``z``, `` Z``, ``UTC``, ``gmt``.
_NAMED_OFFSET = r"(?:\s*(?i:utc|gmt)|\s*z|\s+Z)\s*$"
_ISO = (
    r"^\s*\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?\s*(?i:z|utc|gmt|[+-]\d{2}:?\d{2}|[+-]\d{2})?)?\s*$"
)
_MIDNIGHT = r"[Tt ]00:00(?::00(?:\.0*)?)?\s*(?:[+-]|(?i:z|utc|gmt))"
_DATE_ONLY = r"^\s*\d{4}-\d{2}-\d{2}\s*$"
_EARLIEST = pd.Timestamp("1970-01-02", tz="UTC")
_FARTHEST_DUE = pd.Timedelta(days=60 * 366)


@dataclass(frozen=True)
class Instants:
    """Instants of one column.

    Attributes
    ----------
    values : Series of datetime64[us, UTC]
        NaT where missing, unreadable, or naive among instants with an offset.
    unreadable, naive : ndarray of bool
        Cells that are no instant; cells without an offset in a column where others have one.
    all_naive : bool
        No cell has an offset; the column was read in the given zone, UTC by default.
    clock_change : ndarray of bool or None
        Local times that daylight saving skips or repeats in the given zone: no single instant.
    """

    values: pd.Series
    unreadable: Mask
    naive: Mask
    all_naive: bool = False
    clock_change: Mask | None = None

    def as_far_as_read(self, column: pd.Series) -> pd.Series:
        """Instants as far as the cells of ``column`` tell them, naive ones as if on UTC."""
        if not self.naive.any():
            return self.values
        text = as_text(column.reset_index(drop=True)).where(pd.Series(self.naive))
        spelt = _spelt_as_iso(text, ~self.naive, None)
        read = pd.to_datetime(text if spelt is None else spelt, format="ISO8601", utc=True, errors="coerce")
        return self.values.where(~pd.Series(self.naive), _utc(read))


def read_instants(
    column: pd.Series,
    naive_timezone: str | None = None,
    *,
    clocks: Callable[[], pd.Series] | None = None,
    order: Literal["dmy", "mdy"] | None = None,
) -> Instants:
    """Read instants, however they are written; an offset is expected in every cell or in none.

    Parameters
    ----------
    column : Series
    naive_timezone : str or None
        IANA zone of cells without an offset; local times that daylight saving skips or repeats are unreadable.
    clocks : callable, optional
        Gives the zone of each row, asked where no cell has an offset and no zone is stated; a row without one is naive.
        Without it such a column is read as UTC (a log that this system wrote).
    order : {"dmy", "mdy"} or None
        Which of two numbers is the day; None = what the column itself tells.
    """
    column = column.reset_index(drop=True)
    nothing = np.zeros(len(column), dtype=bool)
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return Instants(_utc(column), nothing, nothing)
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return _local_instants(column, naive_timezone, clocks)
    missing = true_cells(column.isna())
    if pd.api.types.is_bool_dtype(column.dtype):
        return Instants(pd.Series(pd.NaT, index=column.index, dtype="datetime64[us, UTC]"), ~missing, nothing)
    text = as_text(column)
    if (spelt := _spelt_as_iso(text, missing, order)) is not None:
        text = spelt
    words = pa.array(text, type=pa.large_string(), from_pandas=True)
    missing |= _matches(words, r"^\s*$")
    has_offset = have_offset(words)
    written = text if has_offset.all() else text.where(pd.Series(has_offset))
    if _matches(words, _NAMED_OFFSET).any():
        written = written.str.replace(_NAMED_OFFSET, "Z", regex=True)
    aware = _utc(pd.to_datetime(written, format="ISO8601", utc=True, errors="coerce"))
    bare = ~has_offset & ~missing
    naive, all_naive = nothing, bool(not has_offset.any() and bare.any())
    changes = nothing
    values = aware
    if bare.any():
        local = pd.to_datetime(text.where(pd.Series(bare)), format="ISO8601", errors="coerce")
        if all_naive and naive_timezone is None and clocks is not None:
            read = _local_instants(local, None, clocks)
            values, naive = read.values, read.naive
            changes = nothing if read.clock_change is None else read.clock_change
        elif all_naive or naive_timezone is not None:
            values = aware.where(pd.Series(has_offset), _localise(local, naive_timezone))
            changes = true_cells(local.notna() & values.isna() & bare)
        else:
            naive = bare & true_cells(local.notna())
    plausible = true_cells(values >= _EARLIEST)
    unreadable = ~missing & ~naive & ~changes & ~plausible
    return Instants(values.where(~pd.Series(unreadable)), unreadable, naive, all_naive, changes)


def _local_instants(local: pd.Series, zone: str | None, clocks: Callable[[], pd.Series] | None) -> Instants:
    """Local times on the stated zone, else on the clock of each row; naive where there is none."""
    nothing = np.zeros(len(local), dtype=bool)
    if zone is not None or clocks is None:
        values = _localise(local, zone)
        return Instants(
            values, nothing, nothing, all_naive=True, clock_change=true_cells(values.isna() & local.notna())
        )
    clock = clocks().reset_index(drop=True)
    values = pd.Series(pd.NaT, index=local.index, dtype="datetime64[us, UTC]")
    for name in clock.dropna().unique():
        rows = true_cells(clock == name)
        values[rows] = _localise(local[rows], name)
    naive = true_cells(clock.isna() & local.notna())
    return Instants(
        values,
        nothing,
        naive,
        all_naive=not naive.any(),
        clock_change=true_cells(values.isna() & local.notna()) & ~naive,
    )


def _spelt_as_iso(text: pd.Series, missing: Mask, order: Literal["dmy", "mdy"] | None) -> pd.Series | None:
    """Cells of another spelling as ISO 8601 where they can be told; None where all are ISO already."""
    words = pa.array(text, type=pa.large_string(), from_pandas=True)
    iso = pc.fill_null(pc.match_substring_regex(words, _ISO), fill_value=True)
    if pc.all(iso).as_py():
        return None
    odd = np.flatnonzero(~np.asarray(iso.to_numpy(zero_copy_only=False), dtype=bool) & ~missing)
    if not odd.size:
        return None
    codes, distinct = pd.factorize(text.iloc[odd])
    day_order = order or day_evidence(map(str, distinct)).decided
    read = [moment_of(str(value), day_order) for value in distinct]
    spelt = [
        moment.at.isoformat() if isinstance(moment, Moment) else str(v)
        for moment, v in zip(read, distinct, strict=True)
    ]
    iso_text = text.astype(object)
    iso_text.iloc[odd] = np.array(spelt, dtype=object)[codes]
    return iso_text.astype("str").where(~pd.Series(missing))


def implausible_dates(dates: pd.Series, as_of: pd.Timestamp) -> Mask:
    """Where a date stands for "none" (1900-01-01, 9999-12-31): before 1971, or sixty years after ``as_of``."""
    latest = (as_of.tz_convert(None) + _FARTHEST_DUE).as_unit("s")
    return true_cells(dates < _EARLIEST.tz_convert(None).as_unit("s")) | true_cells(dates > latest)


def read_dates(
    column: pd.Series,
    order: Literal["dmy", "mdy"] | None = None,
    *,
    clocks: Callable[[], pd.Series] | None = None,
) -> tuple[pd.Series, Mask]:
    """Calendar dates as naive midnights (datetime64[s]), and where a cell is no date, or may be two.

    Parameters
    ----------
    column : Series
    order : {"dmy", "mdy"} or None
        Which of two numbers is the day; None = what the column itself tells.
    clocks : callable, optional
        Gives the zone of each row: the calendar of days that are told as moments with an offset.
    """
    column = column.reset_index(drop=True)
    missing = true_cells(column.isna())
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        days = local_days(column, clocks) if isinstance(column.dtype, pd.DatetimeTZDtype) else column.dt.normalize()
        return days.astype("datetime64[s]"), np.zeros(len(column), dtype=bool)
    text = as_text(column)
    if (spelt := _spelt_as_iso(text, missing, order)) is not None:
        text = spelt
    words = pa.array(text, type=pa.large_string(), from_pandas=True)
    missing |= _matches(words, r"^\s*$")
    moments = have_offset(words)
    if moments.any():
        moments &= ~_matches(words, _MIDNIGHT)
    if not _matches(words, r"^\d{4}-\d{2}-\d{2}$").all():
        text = text.str.strip().str.slice(0, 10)
    dates = pd.to_datetime(text, format="%Y-%m-%d", errors="coerce").astype("datetime64[s]")
    if moments.any() and clocks is not None:
        told = words.filter(pa.array(moments)).to_pylist()
        pairs = list(zip(told, clocks().loc[moments].tolist(), strict=True))
        day_of_pair = {pair: day_told(pair[0].strip(), pair[1]) for pair in set(pairs)}
        dates.loc[moments] = np.array([day_of_pair[pair] for pair in pairs], dtype="datetime64[s]")
    return dates, ~missing & true_cells(dates.isna())


def _utc(column: pd.Series) -> pd.Series:
    return column.dt.tz_convert("UTC").astype("datetime64[us, UTC]")


def _localise(column: pd.Series, zone: str | None) -> pd.Series:
    localised = column.dt.tz_localize(zone or "UTC", ambiguous="NaT", nonexistent="NaT")
    return _utc(localised)


def have_offset(words: pa.Array) -> Mask:
    """Where a text tells an instant with its offset; the end of a date alone is none."""
    told = _matches(words, _OFFSET)
    return told & ~_matches(words, _DATE_ONLY) if told.any() else told


def _matches(words: pa.Array, pattern: str) -> Mask:
    """Where a cell matches; null is no match."""
    where = pc.fill_null(pc.match_substring_regex(words, pattern), fill_value=False)
    return np.array(where.to_numpy(zero_copy_only=False), dtype=bool)
