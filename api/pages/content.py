"""What a page consists of: one question, its answer, and sections of one picture and its numbers each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from api.pages.drawing import Drawing
from api.pages.filters import Filters
from api.pages.shown import MISSING, Estimate, Shown

__all__ = ["Basis", "Cell", "Column", "Content", "Section", "Table", "Tile"]


@dataclass(frozen=True)
class Basis:
    """What figures rest on.

    Attributes
    ----------
    period : str
        Days, or the moment that they speak of.
    of : str
        What they are over: so many accounts, or decisions.
    source : str
    """

    period: str
    of: str
    source: str


@dataclass(frozen=True)
class Column:
    """Column of a table.

    Attributes
    ----------
    key : str
        Name in programs; exports have the title, in the reader's language.
    title : str
    number : bool
        Right-aligned.
    wide : bool
        Sentences: takes the whole width on a phone.
    unit : str
        Of its numbers, where the cells do not bring one: what is counted.
    """

    key: str
    title: str
    number: bool = True
    wide: bool = False
    unit: str = ""


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes
    ----------
    shown : str
    value : object
        In exports: a number in ``unit``, an ISO day or instant, a code; the text where None.
    unit : str
        ``%``, points or an ISO currency.
    low, high : float or None
        Ends of an interval, in ``unit``; an interval leaves as two numbers.
    tone : str
        ``above``, ``below``, ``unclear``, ``good`` or empty; never the only sign of what it means.
    link : str
    note : str
        Second, smaller line.
    badge : bool
    language, note_language : str
        Where it is not that of the page.
    """

    shown: str
    value: Any = None
    tone: str = ""
    unit: str = ""
    low: float | None = None
    high: float | None = None
    link: str = ""
    note: str = ""
    badge: bool = False
    language: str = ""
    note_language: str = ""

    @classmethod
    def of(cls, content: Any, **changes: Any) -> Cell:
        """Cell of a formatted value, an estimate or a text; ``changes`` are attributes set otherwise."""
        if isinstance(content, Cell):
            made = content
        elif isinstance(content, Shown):
            made = cls(content.text, "" if content.value is None else content.amount, unit=content.unit)
        elif isinstance(content, Estimate):
            made = replace(cls.of(content.value), tone=content.direction)
        elif content is None:
            made = cls(MISSING, "")
        else:
            made = cls(str(content), content)
        return replace(made, **changes)

    @classmethod
    def exact(cls, shown: Shown, value: float, tone: str = "") -> Cell:
        """Cell of a rounded value whose export is not rounded, e.g. of parts that are rounded to sum."""
        return cls.of(shown, value=value * shown.scale, tone=tone)

    @classmethod
    def interval(cls, estimate: Estimate | None, **changes: Any) -> Cell:
        """Cell of an estimate's interval."""
        if estimate is None or estimate.low.value is None or estimate.high.value is None:
            return cls(MISSING, "", **changes)
        low, high = (end.amount for end in (estimate.low, estimate.high))
        told = {"unit": estimate.low.unit} | changes
        return cls(estimate.interval, "", low=low, high=high, **told)  # type: ignore[arg-type]


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
        return [[Cell.of(content) for content in row] for row in self.rows]


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
    basis : Basis or None
        None: it holds no figures.
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
    basis: Basis | None = None


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
    tiles_basis : Basis or None
        What the tiles rest on.
    """

    name: str
    question: str
    answer: str
    tone: str = "unclear"
    sections: Sequence[Section] = ()
    tiles: Sequence[Tile] = ()
    filters: Filters | None = None
    notices: Sequence[str] = ()
    tiles_basis: Basis | None = None

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
