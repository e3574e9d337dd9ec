"""Reading the cells of a raw table, a column at a time: clean values and where each kind of fault is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recommender.intake import (
    Moment,
    canonical_word,
    day_evidence,
    decimal_evidence,
    flag_of,
    id_texts,
    is_placeholder,
    moment_of,
    number_of,
    zone_name,
)
from recommender.local_time import is_timezone

__all__ = ["Instants", "read_channels", "read_flags", "read_ids", "read_instants", "read_levels", "read_numbers"]
__all__ += [
    "ambiguous_numbers",
    "implausible_dates",
    "read_currencies",
    "read_dates",
    "read_zones",
    "without_placeholders",
]

Mask = NDArray[np.bool_]
_OFFSET = r"(?:[zZ]|[+-]\d{2}:?\d{2}|[+-]\d{2}|UTC|GMT)\s*$"
_ISO = (
    r"^\s*\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?\s*(?:[zZ]|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{2})?)?\s*$"
)
_MAY_BE_PLACEHOLDER = r"^\s*(?:[^0-9A-Za-z\s]|[nNsS(]|00)"  # which few real cells begin like
_DATE_ONLY = r"^\s*\d{4}-\d{2}-\d{2}\s*$"
_EARLIEST = pd.Timestamp("1970-01-02", tz="UTC")
_THOUSANDS = r"^\s*-?[1-9][0-9]{0,2}\.[0-9]{3}\s*$"
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
        text = _as_text(column.reset_index(drop=True)).where(pd.Series(self.naive))
        spelt = _spelt_as_iso(text, ~self.naive, None)
        read = pd.to_datetime(text if spelt is None else spelt, format="ISO8601", utc=True, errors="coerce")
        return self.values.where(~pd.Series(self.naive), _utc(read))


def without_placeholders(column: pd.Series) -> pd.Series:
    """The column with its placeholders (``N/A``, ``-``, ``s/d``) as the missing cells that they stand for."""
    if column.dtype != object and not isinstance(column.dtype, pd.StringDtype):
        return column
    if column.dtype != object:
        words = pa.array(column, type=pa.large_string(), from_pandas=True)
        if not pc.any(pc.match_substring_regex(words, _MAY_BE_PLACEHOLDER)).as_py():
            return column
    codes, distinct = pd.factorize(column) if column.dtype != object else pd.factorize(column.map(_text_or_none))
    empty = [code for code, value in enumerate(distinct) if str(value).strip() and is_placeholder(str(value))]
    return column.mask(np.isin(codes, empty)) if empty else column


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None


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
    missing = _mask(column.isna())
    if pd.api.types.is_bool_dtype(column.dtype):
        return Instants(pd.Series(pd.NaT, index=column.index, dtype="datetime64[us, UTC]"), ~missing, nothing)
    text = _as_text(column)
    if (spelt := _spelt_as_iso(text, missing, order)) is not None:
        text = spelt
    missing |= _mask(text.str.strip() == "")
    has_offset = _mask(text.str.contains(_OFFSET, regex=True).fillna(value=False)) & ~_mask(
        text.str.match(_DATE_ONLY).fillna(value=False)
    )
    written = text.where(pd.Series(has_offset)).str.replace(r"\s*(?:UTC|GMT)\s*$", "Z", regex=True)
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
            changes = _mask(local.notna() & values.isna() & bare)
        else:
            naive = bare & _mask(local.notna())
    plausible = _mask(values >= _EARLIEST)
    unreadable = ~missing & ~naive & ~changes & ~plausible
    return Instants(values.where(~pd.Series(unreadable)), unreadable, naive, all_naive, changes)


def _local_instants(local: pd.Series, zone: str | None, clocks: Callable[[], pd.Series] | None) -> Instants:
    """Local times on the stated zone, else on the clock of each row; naive where there is none."""
    nothing = np.zeros(len(local), dtype=bool)
    if zone is not None or clocks is None:
        values = _localise(local, zone)
        return Instants(values, nothing, nothing, all_naive=True, clock_change=_mask(values.isna() & local.notna()))
    clock = clocks().reset_index(drop=True)
    values = pd.Series(pd.NaT, index=local.index, dtype="datetime64[us, UTC]")
    for name in clock.dropna().unique():
        rows = _mask(clock == name)
        values[rows] = _localise(local[rows], name)
    naive = _mask(clock.isna() & local.notna())
    return Instants(
        values, nothing, naive, all_naive=not naive.any(), clock_change=_mask(values.isna() & local.notna()) & ~naive
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
    return _mask(dates < _EARLIEST.tz_convert(None).as_unit("s")) | _mask(dates > latest)


def read_dates(column: pd.Series, order: Literal["dmy", "mdy"] | None = None) -> tuple[pd.Series, Mask]:
    """Calendar dates as naive midnights (datetime64[s]), and where a cell is no date, or may be two."""
    column = column.reset_index(drop=True)
    missing = _mask(column.isna())
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        stripped = column.dt.tz_localize(None) if isinstance(column.dtype, pd.DatetimeTZDtype) else column
        return stripped.dt.normalize().astype("datetime64[s]"), np.zeros(len(column), dtype=bool)
    text = _as_text(column)
    if (spelt := _spelt_as_iso(text, missing, order)) is not None:
        text = spelt
    text = text.str.strip().str.slice(0, 10)
    missing |= _mask(text == "")
    dates = pd.to_datetime(text, format="%Y-%m-%d", errors="coerce").astype("datetime64[s]")
    return dates, ~missing & _mask(dates.isna())


def read_ids(column: pd.Series) -> tuple[pd.Series, Mask]:
    """Ids as integers where every one is whole, else as text; and where one is missing or blank.

    What a program added to an id is no part of it: see :func:`recommender.intake.id_text`.
    """
    column = column.reset_index(drop=True)
    missing = _mask(column.isna())
    if pd.api.types.is_integer_dtype(column.dtype) and not missing.any():
        return column.astype("int64"), missing
    if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype):
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
        if np.all(missing | (np.isfinite(numbers) & (np.round(numbers) == numbers) & (np.abs(numbers) < 2**53))):
            return pd.Series(np.where(missing, 0, numbers).astype(np.int64)).astype("Int64").mask(missing), missing
    text = id_texts(_as_text(column))
    return text, missing | _mask(text.isna())


def read_numbers(
    column: pd.Series, decimal: Literal["comma", "point"] | None = None
) -> tuple[NDArray[np.float64], Mask]:
    """Numbers as float64 (NaN where missing), and where a cell is no finite number."""
    if pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_bool_dtype(column.dtype):
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return np.where(np.isinf(numbers), np.nan, numbers), np.isinf(numbers)
    numbers = np.array(pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan))
    text = _as_text(column.reset_index(drop=True))
    blank = _mask(column.isna()) | _mask((text.str.strip() == "").fillna(value=False))
    wrong = ~blank & ~np.isfinite(numbers)
    said = decimal or _decimal_of(text)
    other = wrong | (_thousands(text) if said == "comma" else False)
    if other.any():  # as people write them: 1.000,00 or $ 1.000
        codes, distinct = pd.factorize(text[other])
        read = [number_of(str(value), said) for value in distinct]
        numbers[other] = np.array([v if isinstance(v, float) else np.nan for v in read], dtype=np.float64)[codes]
        wrong = ~blank & ~np.isfinite(numbers)
    return np.where(wrong, np.nan, numbers), wrong


def ambiguous_numbers(column: pd.Series, decimal: Literal["comma", "point"] | None = None) -> Mask:
    """Where text may be a fraction or a thousand, and no other cell of the column tells: ``12.500``."""
    if not pd.api.types.is_string_dtype(column.dtype):
        return np.zeros(len(column), dtype=bool)
    text = column.reset_index(drop=True).astype("str")
    grouped = _thousands(text)
    return np.zeros(len(column), dtype=bool) if grouped.any() and (decimal or _decimal_of(text)) == "comma" else grouped


def _thousands(text: pd.Series) -> Mask:
    return _mask(text.str.match(_THOUSANDS).fillna(value=False))


def _decimal_of(text: pd.Series) -> Literal["comma", "point"] | None:
    """The decimal sign that a column tells."""
    words = pa.array(text, type=pa.large_string(), from_pandas=True)
    marked = pc.fill_null(pc.match_substring_regex(words, "[0-9][.,][0-9]"), fill_value=False)
    return decimal_evidence(pc.unique(words.filter(marked)).to_pylist()).decided


def read_levels(column: pd.Series, levels: Sequence[Any], name: str = "") -> tuple[NDArray[np.int64], Mask, Mask]:
    """Level code of each cell (-1 where none), where it is missing, and where it is unknown.

    A number written as text ("9", as a CSV gives it) matches the level 9. Blanks around a level (columns of fixed
    width) and its capital letters do not matter, unless two levels differ in nothing else. A word of the vocabulary
    (``LLAMADA`` in a column ``name`` of channels) is the level that it means.
    """
    positions, uniques = pd.factorize(column.reset_index(drop=True))
    exact = {_written(level): code for code, level in enumerate(levels)}
    spelt = {level.strip().casefold(): code for level, code in exact.items()}
    clear = len(spelt) == len(exact)

    def code_of(value: Any) -> int:
        written = _written(value)
        code = exact.get(written, spelt.get(written.strip().casefold(), -1) if clear else -1)
        if code < 0 and name in ("channel", "tone", "status", "outcome", "debtor_type", "initiated_by"):
            return exact.get(str(canonical_word(name, written)), -1)
        return code

    code_of_unique = np.array([code_of(value) for value in uniques] + [-1], dtype=np.int64)
    blank = np.array([isinstance(value, str) and not value.strip() for value in uniques] + [True], dtype=bool)
    codes = code_of_unique[positions]
    missing = blank[positions]
    return codes, missing, (codes < 0) & ~missing


def read_flags(column: pd.Series) -> tuple[NDArray[np.float64], Mask]:
    """Flags as 1.0 / 0.0 / NaN, and where a cell is neither true nor false."""
    return _by_unique(column, _flag)


def read_zones(column: pd.Series) -> tuple[pd.Series, Mask]:
    """IANA zone names, and where a name is unknown."""
    return _text_by_unique(column, lambda name: zone_name(name) or name.strip(), is_timezone)


def read_currencies(column: pd.Series) -> tuple[pd.Series, Mask]:
    """ISO 4217 codes in capital letters, and where a cell is not three letters."""
    return _text_by_unique(
        column, lambda code: code.strip().upper(), lambda code: len(code) == 3 and code.isascii() and code.isalpha()
    )


def read_channels(column: pd.Series, channels: Sequence[Any]) -> tuple[Mapping[str, NDArray[np.float64]], Mask]:
    """Flag per channel from a list cell: a list, JSON, or text separated by ``|``, ``;`` or ``,``, also in braces."""
    column = column.reset_index(drop=True)
    keys = column.map(
        lambda cell: cell if isinstance(cell, str) else None if _is_null(cell) else json.dumps(list(cell))
    )
    positions, uniques = pd.factorize(keys)
    known = [_written(channel) for channel in channels]
    flags = np.full((len(uniques) + 1, len(known)), np.nan)
    unknown = np.zeros(len(uniques) + 1, dtype=bool)
    for code, text in enumerate(uniques):
        named = _listed(str(text))
        unknown[code] = named is None
        flags[code] = [float(channel in (named or ())) for channel in known]
    return {channel: flags[positions, at] for at, channel in enumerate(known)}, unknown[positions]


def _listed(text: str) -> tuple[str, ...] | None:
    """Names in a list cell, or None where it is not a list of names."""
    stripped = text.strip()
    if stripped.startswith("["):
        try:
            named = json.loads(stripped.replace("'", '"'))
        except ValueError:
            return None
        return tuple(_written(name) for name in named)
    if stripped.startswith("{") and stripped.endswith("}"):  # how a database writes an array
        stripped = stripped[1:-1]
    for separator in ("|", ";", ","):
        stripped = stripped.replace(separator, " ")
    named = tuple(name.strip("\"'") for name in stripped.split())
    return named if all(re.fullmatch(r"[\w.-]+", name) for name in named) else None


def _by_unique(column: pd.Series, read: Callable[[Any], float | None]) -> tuple[NDArray[np.float64], Mask]:
    positions, uniques = pd.factorize(column.reset_index(drop=True))
    values = [read(value) for value in uniques]
    numbers = np.array([np.nan if value is None else value for value in values] + [np.nan])
    wrong = np.array([value is None for value in values] + [False], dtype=bool)
    return numbers[positions], wrong[positions]


def _flag(value: Any) -> float | None:
    flag = flag_of(value)
    return float(flag) if flag is not None else None if _written(value).strip() else np.nan


def _text_by_unique(
    column: pd.Series, spell: Callable[[str], str], is_right: Callable[[str], bool]
) -> tuple[pd.Series, Mask]:
    """Text as it should be spelt, null where blank, and where it is not right."""
    text = _as_text(column.reset_index(drop=True))
    positions, uniques = pd.factorize(text)
    spelt = [spell(str(value)) for value in uniques]
    wrong = np.array([bool(word) and not is_right(word) for word in spelt] + [False], dtype=bool)
    read = pd.Series([word or None for word in spelt] + [None], dtype="str").take(positions).reset_index(drop=True)
    return read, wrong[positions]


def _written(value: Any) -> str:
    """A scalar as a person would write it: 9.0 and numpy's 9 as ``"9"``, True as ``"true"``."""
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, bool):
        return str(plain).lower()
    return str(int(plain)) if isinstance(plain, float) and plain.is_integer() else str(plain)


def _all_match(text: pd.Series, pattern: str) -> bool:
    """Whether every cell that is not missing matches, and one does at least."""
    words = pa.array(text, type=pa.large_string(), from_pandas=True)
    return bool(pc.all(pc.match_substring_regex(words, pattern)).as_py())


def _is_null(cell: Any) -> bool:
    return cell is None or cell is pd.NA or cell is pd.NaT or (isinstance(cell, float) and np.isnan(cell))


def _as_text(column: pd.Series) -> pd.Series:
    """Cells as text, keeping nulls; instants in ISO 8601."""
    if isinstance(column.dtype, pd.StringDtype):
        return column.astype("str")
    if pd.api.types.infer_dtype(column, skipna=True) == "string":
        return column.astype("str").where(column.notna())
    return column.map(
        lambda cell: (
            None
            if _is_null(cell)
            else cell.isoformat()
            if hasattr(cell, "isoformat")
            else bytes(cell).decode("ascii", "backslashreplace")
            if isinstance(cell, bytes | bytearray)
            else _written(cell)
        )
    ).astype("str")


def _utc(column: pd.Series) -> pd.Series:
    return column.dt.tz_convert("UTC").astype("datetime64[us, UTC]")


def _localise(column: pd.Series, zone: str | None) -> pd.Series:
    localised = column.dt.tz_localize(zone or "UTC", ambiguous="NaT", nonexistent="NaT")
    return _utc(localised)


def _mask(values: pd.Series) -> Mask:
    """Booleans with nulls as false, in an array of its own."""
    return np.array(values.fillna(value=False).to_numpy(dtype=bool), dtype=bool)
