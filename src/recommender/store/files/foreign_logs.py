"""Logs that another program wrote: semicolons, tabs, UTF-16, a stated encoding, workbooks, decimal commas."""

from __future__ import annotations

import io
import re
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd

from recommender.intake import decimal_evidence, number_of
from recommender.store.files.packed import opened
from recommender.store.files.tables_io import read_table

__all__ = ["is_foreign", "read_foreign_log"]

_MARKS = (b"\xff\xfe", b"\xfe\xff")
_LOOKED_AT = 1 << 16
_COMMA = re.compile(r"\s*[-+]?\d[\d.]*,\d+\s*")


def is_foreign(file: Path) -> bool:
    """Whether a file is no Parquet file and no comma-separated one, so that its cells are read as raw tables are."""
    with opened(file) as raw:
        start = bytes(raw.read(_LOOKED_AT))
    if not file.name.lower().endswith((".csv", ".csv.gz")):
        return not start.startswith(b"PAR1") and not file.name.lower().endswith(".parquet")
    header = start.lstrip(b"\r\n").split(b"\n", 1)[0]
    return start.startswith(_MARKS) or max(header.count(sign) for sign in (b";", b"\t", b"|")) > header.count(b",")


def read_foreign_log(
    file: Path, columns: list[str] | None = None, *, encoding: str | None = None, ids: Collection[str] = ()
) -> pd.DataFrame:
    """A log as the reader of raw tables finds it, its numbers as numbers.

    Parameters
    ----------
    file : Path
    columns : list of str or None
        Those that are read, in the order of the file; None = all.
    encoding : str or None
        Of a text file that is not Unicode.
    ids : collection of str
        Columns of ids: text, whose zeros in front count.

    Raises
    ------
    InvalidInput
        As :func:`~recommender.store.files.read_table` does; names the separator's or the encoding's mend.
    """
    frame = read_table(file, table="log", encoding=encoding, columns=columns)
    of_text = [name for name in frame if frame[name].dtype == object or isinstance(frame[name].dtype, pd.StringDtype)]
    texts = [name for name in of_text if name not in ids]
    read = {name: with_points for name in texts if (with_points := _with_points(frame[name])) is not None}
    # Once more through the reader of our own files: what is a number there is one here.
    again = io.StringIO(frame.assign(**read).to_csv(index=False))
    return pd.read_csv(again, dtype=dict.fromkeys(ids, "str"))


def _with_points(cells: pd.Series) -> pd.Series | None:
    """A column of numbers with decimal commas as numbers; None where it is none."""
    told = cells.dropna().map(str)
    if not told.map(lambda cell: _COMMA.fullmatch(cell) is not None).any():
        return None
    decimal = decimal_evidence(told).decided
    numbers = {cell: number_of(cell, decimal) for cell in told.unique()}
    if decimal is None or not all(isinstance(number, float | int) for number in numbers.values()):
        return None
    return cells.map(numbers, na_action="ignore").astype(np.float64)
