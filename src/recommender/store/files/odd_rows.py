"""Rows of a CSV file whose cells do not match its header: kept at their place, with what is wrong."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recommender.store.files.sheet_shape import is_footer, is_total
from recommender.tables import UNREADABLE_ROW

__all__ = ["LONG_AND_FEW", "NEWLINE", "NULLS", "Layout", "OddRows"]

NEWLINE = re.compile(r"\r\n|\r|\n")
_MOST_UNREADABLE = 100_000
NULLS = ("", "NULL", "null", "\\N", "NaN", "nan", "None", "#N/A", "<NA>", "NaT")
"""How programs write an empty cell. ``NA`` is Namibia."""
LONG_AND_FEW = ("eligible",)
"""Columns of long texts that repeat: read as categories."""


@dataclass(frozen=True)
class Layout:
    """How a file is written: encoding, separator, names of the columns, characters up to the first row, quotes."""

    encoding: str
    separator: str
    names: tuple[str, ...]
    start: int
    quote: str = '"'

    def cells(self, line: str) -> list[str]:
        """Cells of one line; empty ones beyond the header are no cells."""
        cells = next(csv.reader([line], delimiter=self.separator, quotechar=self.quote), [])
        while len(cells) > len(self.names) and not cells[-1]:
            cells.pop()
        return cells


@dataclass
class OddRows:
    """Rows whose cells do not match the header.

    Attributes
    ----------
    width : int
        Cells that the reader expects.
    skipped : list of int
        Numbers, among all rows of the file, of those that the reader could not place.
    rows_at : dict of int to list of (cells or None, what is wrong or None)
        What stands in the file at a row number: several lines where a quote was left open.
    """

    layout: Layout
    width: int
    skipped: list[int] = field(default_factory=list)
    rows_at: dict[int, list[tuple[list[str] | None, str | None]]] = field(default_factory=dict)

    def keep(self, row: Any) -> str:
        """Remember a row that the reader cannot place (its callback)."""
        if len(self.rows_at) >= _MOST_UNREADABLE:
            return "error"
        self.skipped.append(row.number - 1)
        self.rows_at[row.number - 1] = self._apart(row.text)
        return "skip"

    def look_for_swallowed(self, read: pa.Table) -> None:
        """Find rows that hold whole other rows in a cell, since a quote was left open; they have the right count."""
        places, quote = self._places(read.num_rows), self.layout.quote
        texts = [name for name in read.column_names if not pa.types.is_dictionary(read.schema.field(name).type)]
        suspects: set[int] = set()
        for name in texts if len(self.layout.names) > 2 else ():
            broken = pc.fill_null(pc.match_substring(read[name], "\n"), fill_value=False)
            suspects |= set(np.flatnonzero(broken.to_numpy()).tolist())
        for at in sorted(suspects):
            written = self.layout.separator.join(read[name][at].as_py() or "" for name in read.column_names)
            lines = [line for line in NEWLINE.split(written) if line]
            if len(lines) > 1 and all(line.count(self.layout.separator) == self.width - 1 for line in lines):
                self.rows_at[int(places[at])] = self._apart(quote + "\n".join([*lines[:-1], quote + lines[-1]]))

    def look_beyond(self, padding: pa.Table, names: list[str], read: pa.Table) -> None:
        """Rows that hold something where the others only end with a separator."""
        places = self._places(padding.num_rows)
        for name in padding.column_names:
            for at in np.flatnonzero(pc.is_valid(padding[name]).to_numpy()).tolist():
                first = read[names[0]][at].as_py()
                self.rows_at.setdefault(int(places[at]), [(None, self._said(len(names) + 1, first))])

    def put_back(self, frame: pd.DataFrame) -> pd.DataFrame:
        """All rows of the file in their order, those that are unreadable without cells."""
        frame = frame.assign(**{UNREADABLE_ROW: pd.Series(None, index=frame.index, dtype="str")})
        places = self._places(len(frame))
        good = ~np.isin(places, list(self.rows_at))
        order: list[tuple[int, int]] = []
        cells: list[list[str | None]] = []
        for number, rows in self.rows_at.items():
            for line, (read, wrong) in enumerate(rows):
                order.append((number, line))
                values = [None] * len(self.layout.names) if read is None else [None if c in NULLS else c for c in read]
                cells.append([*values, wrong])
        odd = pd.DataFrame(cells, columns=frame.columns, dtype="str")
        whole = pd.concat([frame.loc[good], odd], ignore_index=True)
        keys = np.array([*((number, 0) for number in places[good].tolist()), *order], dtype=np.int64)
        whole = whole.iloc[np.lexsort((keys[:, 1], keys[:, 0]))].reset_index(drop=True)
        for name in LONG_AND_FEW:
            if name in whole:
                whole[name] = whole[name].astype("category")
        return whole

    def _places(self, n_read: int) -> NDArray[np.int64]:
        """Number of each row that was read among all rows of the file."""
        every = np.ones(n_read + len(self.skipped), dtype=bool)
        every[self.skipped] = False
        return np.flatnonzero(every)

    def _apart(self, text: str) -> list[tuple[list[str] | None, str | None]]:
        """The lines of a row, read one by one: an open quote takes in rows that are right by themselves."""
        rows: list[tuple[list[str] | None, str | None]] = []
        for line in NEWLINE.split(text):
            if not line.strip():
                continue
            cells = self.layout.cells(line)
            if len(cells) == 1 < len(self.layout.names) and is_footer(cells[0]):
                continue
            if is_total(cells):
                continue
            if line.count(self.layout.quote) % 2:
                first = line.split(self.layout.separator)[0].replace(self.layout.quote, "")
                rows.append((None, f"a quote that is not closed, or not opened; the first cell is {first[:40]!r}"))
            elif len(cells) == len(self.layout.names):
                rows.append((cells, None))
            else:
                rows.append((None, self._said(len(cells), cells[0] if cells else None)))
        return rows

    def _said(self, count: int, first: str | None) -> str:
        """Cell count and first cell; not the line, which may hold data of a person that are not to be copied."""
        return f"{count} cells for {len(self.layout.names)} columns; the first is {(first or '')[:40]!r}"
