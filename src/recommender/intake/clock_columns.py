"""An instant that an export writes in two columns, a day and a clock time: one column of local times."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from recommender.intake.vocabulary import is_placeholder
from recommender.spelling import column_forms

__all__ = ["clock_column", "with_clock"]

#: The instant of each table, as the contract names it.
_INSTANT = {"contacts": "sent_at", "outcomes": "occurred_at", "payments": "paid_at", "decisions": "decided_at"}
_DAYS = frozenset(("fecha", "date", "dia", "fecha_y_hora", "fecha_hora", "datetime", "timestamp"))
_CLOCKS = re.compile(r"(?:hora|time)(?:_(?:de_)?(?:la_)?[a-z]+)?|[a-z]+_(?:hora|time)")
_CLOCK_CELL = r"^\s*(?:1899-12-3[01][T ])?\d{1,2}[:.h]\d{2}"
#: A clock time as a spreadsheet holds it (a fraction of a day), or as a bank's tape writes it (HHMM, HHMMSS).
_FRACTION, _DIGITS = r"^\s*0?[.,]\d{3,}$", r"^\s*(?:[01]\d|2[0-3])[0-5]\d(?:[0-5]\d)?$"
_DAY_CELL = r"^(.*?)[T ]+0{1,2}:00(?::00(?:\.0+)?)?$"


def clock_column(columns: Sequence[object], table: str) -> tuple[str, str | None] | None:
    """Columns of day and clock time that stand for the instant of a table; None where its own column may be whole.

    Parameters
    ----------
    columns : sequence
        Names, as far as they are known under those of the contract.
    table : str
    """
    instant = _INSTANT.get(table)
    if instant is None:
        return None
    names = [str(name) for name in columns]
    days = [instant] if instant in names else [name for name in names if not _DAYS.isdisjoint(column_forms(name))]
    clocks = [name for name in names if name not in days and any(map(_CLOCKS.fullmatch, column_forms(name)))]
    if len(days) != 1 or (len(clocks) != 1 and days == [instant]):
        return None
    return days[0], clocks[0] if len(clocks) == 1 else None


def with_clock(frame: pd.DataFrame, table: str) -> pd.DataFrame:
    """The table with its instants in one column, where a column of days and one of clock times make them."""
    columns = clock_column(frame.columns.tolist(), table)
    if columns is None:
        return frame
    instant, (day, clock) = _INSTANT[table], columns
    if clock is None:
        return frame.rename(columns={day: instant})
    days, clocks = _texts(frame[day]), _texts(frame[clock])
    clocks = _as_clocks(clocks)
    if not clocks.notna().any() or not clocks.dropna().str.match(_CLOCK_CELL).all():
        return frame if day == instant else frame.rename(columns={day: instant})
    bare = days.str.replace(_DAY_CELL, r"\1", regex=True)
    if bare.dropna().str.contains(":").any():  # the day carries a time of its own: the other column says another thing
        return frame if day == instant else frame.rename(columns={day: instant})
    times = clocks.str.replace(r"^\s*1899-12-3[01][T ]", "", regex=True)
    written = (bare + " " + times).where(bare.notna() & times.notna(), bare)
    return frame.assign(**{day: written}).rename(columns={day: instant}).drop(columns=clock)


def _as_clocks(clocks: pd.Series) -> pd.Series:
    """Fractions of a day and bare digits as clock times, where the whole column is written so."""
    told = clocks.dropna()
    if len(told) and told.str.match(_FRACTION).all():
        seconds = (told.str.replace(",", ".").astype(float) * 86_400).round().astype(int) % 86_400
        return seconds.map(lambda s: f"{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}").reindex(clocks.index)
    if len(told) and told.str.match(_DIGITS).all():
        return clocks.str.strip().str.replace(r"^(\d\d)(\d\d)(\d\d)?$", _with_colons, regex=True)
    return clocks


def _with_colons(match: re.Match[str]) -> str:
    return ":".join(part for part in match.groups() if part)


def _texts(cells: pd.Series) -> pd.Series:
    """Cells as text; null where there is none."""
    texts = [None if value is None or value != value or is_placeholder(str(value)) else str(value) for value in cells]
    return pd.Series(texts, index=cells.index, dtype="str")
