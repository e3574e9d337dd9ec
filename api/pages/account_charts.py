"""Pictures of one account: a waterfall, a history by channel, a funnel and a before-and-after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from api.pages.drawing import Drawing

__all__ = ["BESIDE", "Contact", "Pair", "Step", "dumbbell", "funnel", "timeline", "waterfall"]

_NARROW = 500
BESIDE = 620
"""Width of a picture with a column beside it: its letters stay as large as the text around them."""


@dataclass(frozen=True)
class Step:
    """A row of a waterfall or funnel: ``start`` and ``end`` on the axis, and what is written beside it."""

    name: str
    start: float
    end: float
    text: str
    tone: str
    note: str = ""


@dataclass(frozen=True)
class Contact:
    """A past contact: ``at`` in [0, 1] along the axis, the row of its channel, and whether it was answered."""

    at: float
    lane: int
    tone: str
    title: str


@dataclass(frozen=True)
class Pair:
    """Before and after of an action; None where it is not allowed."""

    name: str
    before: float | None
    after: float | None
    text: str
    low: float | None = None
    high: float | None = None
    marked: bool = False


def waterfall(rows: Sequence[Step], width: int) -> Drawing:
    """Bars that each begin where the one before ended; the first and last stand on zero."""
    narrow = width < _NARROW
    height = 44.0 if narrow else 30.0
    left = 0.0 if narrow else 0.34 * width
    right = width - (0.0 if narrow else 0.14 * width)
    made = Drawing(width, 4 + height * len(rows))
    ends = [0.0, *(end for row in rows for end in (row.start, row.end))]
    low, high = min(ends), max(ends)
    scale = (right - left) / ((high - low) or 1.0)

    def x(value: float) -> float:
        return left + (value - low) * scale

    made.line(x(0.0), 0, x(0.0), made.height, "axis")
    for number, row in enumerate(rows):
        top = 2 + height * number
        middle = top + (height - 12 if narrow else height / 2)
        thick = 11.0 if narrow else 15.0
        strong = row.tone == "accent"
        made.text(0, middle - 12 if narrow else middle + 4, row.name, strong=strong)
        made.text(width, middle - 12 if narrow else middle + 4, row.text, anchor="end", strong=True)
        begin, end = sorted((x(row.start), x(row.end)))
        made.rect(begin, middle - thick / 2, max(end - begin, 1.5), thick, row.tone)
        if number + 1 < len(rows):
            made.line(x(row.end), middle + thick / 2, x(row.end), middle + height - thick / 2, "soft", dashed=True)
    return made


def funnel(rows: Sequence[Step], width: int) -> Drawing:
    """One bar a step, as long as what is left of it; what fell away is the pale part."""
    narrow = width < _NARROW
    height = 54.0 if narrow else 42.0
    left = 0.0 if narrow else 0.30 * width
    right = width - (0.0 if narrow else 0.24 * width)
    made = Drawing(width, 4 + height * len(rows))
    most = max((row.start for row in rows), default=1.0) or 1.0
    for number, row in enumerate(rows):
        middle = 2 + height * number + (height - 18 if narrow else height / 2)
        thick = 16.0 if narrow else 22.0
        label = middle - 15 if narrow else middle + 4
        made.text(0, label, row.name, strong=number == len(rows) - 1)
        before, after = (max(value / most * (right - left), 2.5) for value in (row.start, row.end))
        made.rect(left, middle - thick / 2, before, thick, "wash")
        made.rect(left, middle - thick / 2, after, thick, row.tone)
        made.text(width, label, row.text, anchor="end", strong=True)
        if row.note and not narrow:
            made.text(width, middle + 17, row.note, "soft", anchor="end", size=11.5)
    return made


def timeline(lanes: Sequence[str], rows: Sequence[Contact], ticks: Sequence[tuple[float, str]], width: int) -> Drawing:
    """A row a channel, a dot a contact."""
    narrow = width < _NARROW
    height = 34.0
    left = 92.0 if narrow else 0.18 * width
    right = width - 14.0
    made = Drawing(width, 8 + height * len(lanes) + 24)
    for share, text in ticks if not narrow else [*ticks[:1], *ticks[-1:]]:
        at = left + share * (right - left)
        made.line(at, 4, at, made.height - 20, "line")
        anchor = "start" if share < 0.08 else "end" if share > 0.92 else "middle"
        made.text(at, made.height - 5, text, "soft", anchor=anchor, size=11.5)  # type: ignore[arg-type]
    for number, lane in enumerate(lanes):
        y = 8 + height * number + height / 2
        made.text(0, y + 4, lane)
        made.line(left, y, right, y, "line")
    for row in rows:
        at, y = left + row.at * (right - left), 8 + height * row.lane + height / 2
        made.circle(at, y, 6.5, "paper")
        made.circle(at, y, 5.0, row.tone, title=row.title)
        if row.tone == "unclear":  # told apart without colour: not answered is hollow
            made.circle(at, y, 2.8, "paper")
    return made


def dumbbell(rows: Sequence[Pair], ticks: Sequence[tuple[float, str]], width: int) -> Drawing:
    """Hollow before, full after, with the interval of the after."""
    narrow = width < _NARROW
    height = 52.0 if narrow else 36.0
    left = 6.0 if narrow else 0.34 * width
    right = width - (6.0 if narrow else 0.20 * width)
    made = Drawing(width, 6 + height * len(rows) + 24)
    ends = [value for row in rows for value in (row.before, row.after, row.low, row.high) if value is not None]
    ends += [position for position, _ in ticks]
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    pad = 0.03 * ((high - low) or 1.0)
    low, high = low - pad, high + pad

    def x(value: float) -> float:
        return left + (value - low) / (high - low) * (right - left)

    for position, text in ticks:
        made.line(x(position), 4, x(position), made.height - 20, "line")
        made.text(x(position), made.height - 5, text, "soft", anchor="middle", size=11.5)
    for number, row in enumerate(rows):
        y = 6 + height * number + (height - 14 if narrow else height / 2)
        label = y - 14 if narrow else y + 4
        made.text(0, label, row.name, strong=row.marked)
        made.text(width, label, row.text, anchor="end", strong=True)
        if row.low is not None and row.high is not None and row.after is not None:
            made.rect(x(row.low), y - 4, x(row.high) - x(row.low), 8, "heat-2")
        if row.before is not None and row.after is not None:
            made.line(x(row.before), y, x(row.after), y, "for" if row.after >= row.before else "against", width=2)
        if row.before is not None:
            made.circle(x(row.before), y, 6, "soft")
            made.circle(x(row.before), y, 3.6, "paper")
        if row.after is not None:
            better = row.before is None or row.after >= row.before
            made.circle(x(row.after), y, 6, "for" if better else "against")
    return made
