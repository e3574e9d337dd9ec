"""What a page consists of: one question, its answer, and sections of one picture and its numbers each."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from api.pages.drawing import Drawing
from api.pages.filters import Filters
from api.pages.shown import Estimate, Shown

__all__ = ["Cell", "Column", "Content", "Section", "Table", "Tile"]


@dataclass(frozen=True)
class Column:
    """Column of a table.

    Attributes
    ----------
    key : str
        Name in the CSV.
    title : str
        Heading, with the unit.
    number : bool
        Right-aligned.
    """

    key: str
    title: str
    number: bool = True


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes
    ----------
    shown : str
    value : object
        In the CSV; the text where None.
    tone : str
        ``above``, ``below``, ``unclear``, ``good`` or empty; never the only sign of what it means.
    link : str
    note : str
        Second, smaller line.
    badge : bool
    language : str
        Where it is not that of the page.
    """

    shown: str
    value: Any = None
    tone: str = ""
    link: str = ""
    note: str = ""
    badge: bool = False
    language: str = ""

    @classmethod
    def of(cls, told: Any) -> Cell:
        """Cell of a formatted value, an estimate or a text."""
        if isinstance(told, Cell):
            return told
        if isinstance(told, Shown):
            return cls(told.text, told.value)
        if isinstance(told, Estimate):
            return cls(told.value.text, told.value.value, tone=told.direction)
        return cls(str(told), told)


@dataclass(frozen=True)
class Table:
    """Rows under columns; the first column names the row.

    Attributes
    ----------
    key : str
        Name of its export.
    caption : str
    columns : sequence of Column
    rows : sequence of sequences
        Of texts, :class:`Shown`, :class:`Estimate` or :class:`Cell`.
    stacked : bool
        On a phone each row becomes a block of name and value pairs.
    """

    key: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    stacked: bool = True

    def cells(self) -> list[list[Cell]]:
        """Rows of cells."""
        return [[Cell.of(told) for told in row] for row in self.rows]

    def to_csv(self) -> str:
        """Comma-separated values, unrounded and in no locale; texts that a spreadsheet would run are quoted."""
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow([column.key for column in self.columns])
        for row in self.cells():
            writer.writerow([_harmless(cell.shown if cell.value is None else cell.value) for cell in row])
        return out.getvalue()


def _harmless(value: Any) -> Any:
    """Text that begins like a formula gets an apostrophe, so that opening the file runs nothing."""
    like_a_formula = isinstance(value, str) and value.startswith(tuple("=+-@\t\r")) and value not in ("-", "–")
    return f"'{value}" if like_a_formula else value


@dataclass(frozen=True)
class Tile:
    """A key figure.

    Attributes
    ----------
    name, value, change : str
    tone : str
        See :class:`Cell`.
    """

    name: str
    value: str
    change: str = ""
    tone: str = ""


@dataclass(frozen=True)
class Section:
    """One picture and its numbers.

    Attributes
    ----------
    key : str
        Anchor, and name of the picture's export.
    heading : str
    finding : str
        What the picture shows, in a sentence.
    draw : callable or None
        Picture of a given width in pixels.
    label : str
        One sentence that stands for the picture.
    table : Table or None
    reading : str
        How to read this.
    open : bool
        Whether the table is open at first.
    empty : str
        Said in place of picture and table.
    half : bool
        Two such sections stand side by side where there is room.
    template : str
        Another template for the inside of the section, given ``section`` and ``extra``.
    extra : mapping
    """

    key: str
    heading: str
    finding: str = ""
    draw: Callable[[int], Drawing] | None = None
    label: str = ""
    table: Table | None = None
    reading: str = ""
    open: bool = True
    empty: str = ""
    half: bool = False
    template: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Content:
    """A page.

    Attributes
    ----------
    name : str
        Name of its route.
    question : str
        The heading.
    answer : str
        One sentence, with its interval.
    tone : str
    sections : sequence of Section
    tiles : sequence of Tile
    filters : Filters or None
    notices : sequence of str
        What limits the answer.
    """

    name: str
    question: str
    answer: str
    tone: str = "unclear"
    sections: Sequence[Section] = ()
    tiles: Sequence[Tile] = ()
    filters: Filters | None = None
    notices: Sequence[str] = ()

    def rows(self) -> list[list[Section]]:
        """Sections, those of half width two by two."""
        rows: list[list[Section]] = []
        for one in self.sections:
            if one.half and rows and len(rows[-1]) == 1 and rows[-1][0].half:
                rows[-1].append(one)
            else:
                rows.append([one])
        return rows

    def table(self, key: str) -> Table | None:
        """Table of a name."""
        return next((one.table for one in self.sections if one.table is not None and one.table.key == key), None)

    def section(self, key: str) -> Section | None:
        """Section of a name."""
        return next((one for one in self.sections if one.key == key), None)
