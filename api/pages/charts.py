"""The pictures of the portfolio pages, each a function from formatted values and a width to a drawing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from api.pages.drawing import Anchor, Drawing
from api.pages.shown import Direction

__all__ = ["Bar", "Dot", "Point", "Series", "dots", "hbars", "nice_ticks", "scatter", "trend"]

_ROW, _NARROW_ROW = 34.0, 52.0
_NARROW = 500
_TONES: dict[str, str] = {"above": "for", "below": "against", "unclear": "unclear", "unknown": "unclear"}


@dataclass(frozen=True)
class Dot:
    """An estimate with its interval on a row of its own.

    Attributes
    ----------
    name : str
    value, low, high : float
        On the axis.
    text : str
        Written beside it.
    direction : str
        See :class:`api.pages.shown.Estimate`.
    marked : bool
        Emphasised name.
    """

    name: str
    value: float
    low: float
    high: float
    text: str
    direction: Direction = "unclear"
    marked: bool = False


@dataclass(frozen=True)
class Bar:
    """A bar with an optional interval."""

    name: str
    value: float
    text: str
    low: float | None = None
    high: float | None = None
    tone: str = "accent"


@dataclass(frozen=True)
class Point:
    """A point of a series; ``hollow``: not final yet."""

    x: float
    y: float | None
    low: float | None = None
    high: float | None = None
    hollow: bool = False
    title: str = ""


@dataclass(frozen=True)
class Series:
    """A line with its name."""

    name: str
    points: Sequence[Point]
    colour: str


def _fitting(name: str, room: float, *, strong: bool = False) -> str:
    """A name that does not run into what stands beside it: its middle goes, since names often differ at their ends."""
    most = max(5, math.floor(room / (6.8 if strong else 6.2)))
    if len(name) <= most:
        return name
    head = 2 * most // 5
    return f"{name[:head].rstrip()}\N{HORIZONTAL ELLIPSIS}{name[len(name) - (most - head - 1) :].lstrip()}"


def nice_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers that span an interval."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low]
    step = 10.0 ** math.floor(math.log10((high - low) / max(most, 1)))
    step = next(step * factor for factor in (1, 2, 2.5, 5, 10) if (high - low) / (step * factor) <= most)
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


def dots(rows: Sequence[Dot], width: int, *, zero: str = "", ticks: Sequence[tuple[float, str]] = ()) -> Drawing:
    """Dot and interval a row around a common axis; ``zero`` names the line at 0.

    Parameters
    ----------
    rows : sequence of Dot
    width : int
    zero : str
        Empty: no line at zero, and the axis need not hold it.
    ticks : sequence of (place, text)
    """
    narrow = width < _NARROW
    height = _NARROW_ROW if narrow else _ROW
    left = 0.0 if narrow else 0.32 * width
    right = width - (0.0 if narrow else 0.25 * width)
    top = 26.0
    ends = [end for row in rows for end in (row.low, row.high, row.value) if math.isfinite(end)]
    ends += [0.0] if zero else []
    ends += [position for position, _ in ticks]
    low, high = (min(ends), max(ends)) if ends else (-1.0, 1.0)
    pad = 0.06 * ((high - low) or 1.0)
    low, high = low - pad, high + pad
    made = Drawing(width, top + height * len(rows) + (22 if ticks else 6))

    def x(value: float) -> float:
        return left + (min(max(value, low), high) - low) / (high - low) * (right - left)

    middles = [top + height * number + (height - 12 if narrow else height / 2) for number in range(len(rows))]
    # names stand above their rows where there is little room: lines down the whole picture would cross them out
    spans = [(y - 9, y + 9) for y in middles] if narrow else [(top - 4, made.height - (18 if ticks else 2))]
    for position, text in ticks:
        for upper, lower in spans:
            made.line(x(position), upper, x(position), lower, "line")
        made.text(x(position), made.height - 4, text, "soft", anchor=_edge(x(position), left, right), size=11.5)
    if zero:
        for upper, lower in spans:
            made.line(x(0.0), upper, x(0.0), lower, "ink", width=1.2)
        made.text(x(0.0), 12, zero, "soft", anchor=_edge(x(0.0), left, right), size=11.5)
    for row, y in zip(rows, middles, strict=True):
        colour = _TONES[row.direction]
        room = width - 7.4 * len(row.text) - 12 if narrow else left - 8
        beside = y - 16 if narrow else y + 4
        made.text(0, beside, _fitting(row.name, room, strong=row.marked), strong=row.marked)
        made.text(width, beside, row.text, colour, anchor="end", strong=True)
        if math.isfinite(row.low) and math.isfinite(row.high):
            made.line(x(row.low), y, x(row.high), y, colour, width=3)
            made.line(x(row.low), y - 4, x(row.low), y + 4, colour, width=1.5)
            made.line(x(row.high), y - 4, x(row.high), y + 4, colour, width=1.5)
        if math.isfinite(row.value):
            made.circle(x(row.value), y, 7, "paper")
            made.circle(x(row.value), y, 5, colour)
    return made


def _edge(position: float, left: float, right: float) -> Anchor:
    """Anchor that keeps a text inside."""
    if position - left < 24:
        return "start"
    return "end" if right - position < 24 else "middle"


def hbars(rows: Sequence[Bar], width: int, *, zero_centred: bool = False) -> Drawing:
    """Horizontal bars with their value at the end, and a whisker where there is an interval."""
    narrow = width < _NARROW
    height = _NARROW_ROW - 8 if narrow else 30.0
    left = 0.0 if narrow else 0.30 * width
    right = width - (0.0 if narrow else 0.16 * width)
    made = Drawing(width, 6 + height * len(rows))
    ends = [abs(end) for row in rows for end in (row.value, row.high or 0.0, row.low or 0.0) if math.isfinite(end)]
    most = max(ends, default=1.0) or 1.0
    start = (left + right) / 2 if zero_centred else left
    scale = (right - left) / most / (2 if zero_centred else 1)
    for number, row in enumerate(rows):
        y = 3 + height * number
        middle = y + (height - 10 if narrow else height / 2)
        thick = 10.0 if narrow else 14.0
        end = start + row.value * scale
        room = width - 7.4 * len(row.text) - 12 if narrow else left - 8
        beside = middle - 11 if narrow else middle + 4
        made.text(0, beside, _fitting(row.name, room))
        made.text(width, beside, row.text, anchor="end", strong=True)
        made.rect(min(start, end), middle - thick / 2, abs(end - start), thick, row.tone)
        if row.low is not None and row.high is not None and math.isfinite(row.high - row.low):
            made.line(start + row.low * scale, middle, start + row.high * scale, middle, "ink", width=1.4)
            for bound in (row.low, row.high):
                made.line(start + bound * scale, middle - 3.5, start + bound * scale, middle + 3.5, "ink", width=1.4)
    if zero_centred:
        made.line(start, 0, start, made.height, "axis")
    return made


def trend(
    series: Sequence[Series], width: int, *, labels: Sequence[tuple[float, str]], ticks: Sequence[tuple[float, str]]
) -> Drawing:
    """Lines over time with whiskers; hollow points are not final."""
    narrow = width < _NARROW
    height = 190.0 if narrow else 230.0
    left = 14.0 + 6.8 * max((len(text) for _, text in ticks), default=5)
    right, top, bottom = width - (8.0 if narrow else 96.0), 14.0, height - 26.0
    made = Drawing(width, height + (18.0 * len(series) if narrow else 0.0))
    xs = [position for position, _ in labels] or [0.0]
    ys = [position for position, _ in ticks]
    ys += [point.y for one in series for point in one.points if point.y is not None]
    low, high = min(ys, default=0.0), max(ys, default=1.0)
    high = high if high > low else low + 1.0

    def x(value: float) -> float:
        span = (max(xs) - min(xs)) or 1.0
        return left + 10 + (value - min(xs)) / span * (right - left - 20)

    def y(value: float) -> float:
        return bottom - (min(max(value, low), high) - low) / (high - low) * (bottom - top)

    for position, tick in ticks:
        made.line(left, y(position), right, y(position), "line")
        made.text(left - 6, y(position) + 4, tick, "soft", anchor="end", size=11.5)
    step = max(1, math.ceil(len(labels) / (4 if narrow else 8)))
    for number, (position, text) in enumerate(labels):
        if number % step == 0:
            made.text(x(position), height - 8, text, "soft", anchor="middle", size=11.5)
    ends: list[tuple[float, Series]] = []
    for shift, one in enumerate(series):
        points = [point for point in one.points if point.y is not None]
        for point in points:
            if point.low is not None and point.high is not None:
                at = x(point.x) + 3 * shift
                made.line(at, y(point.low), at, y(point.high), one.colour, width=1.2)
        made.path([(x(point.x), y(point.y or 0.0)) for point in points], one.colour, width=2)
        for point in points:
            made.circle(x(point.x), y(point.y or 0.0), 4, one.colour, title=point.title)
            if point.hollow:
                made.circle(x(point.x), y(point.y or 0.0), 2.5, "paper")
        if points:
            ends.append((y(points[-1].y or 0.0), one))
    _name_lines(made, ends, series, right, height, narrow=narrow)
    return made


def _name_lines(
    made: Drawing,
    ends: list[tuple[float, Series]],
    series: Sequence[Series],
    right: float,
    height: float,
    *,
    narrow: bool,
) -> None:
    if narrow:
        for number, one in enumerate(series):
            made.circle(8, height + 10 + 18 * number, 4, one.colour)
            made.text(20, height + 14 + 18 * number, one.name)
        return
    last = -100.0
    for wanted, one in sorted(ends, key=lambda pair: pair[0]):
        last = max(wanted, last + 16)
        made.text(right + 10, last + 4, one.name, one.colour, strong=True)


def scatter(
    rows: Sequence[tuple[str, Sequence[tuple[float, float | None, str]]]],
    width: int,
    *,
    ticks: Sequence[tuple[float, str]],
) -> Drawing:
    """Beeswarm: a row a name, a point an account at its contribution; colour is the rank of the value.

    Parameters
    ----------
    rows : sequence of (name, points)
        Points are (place, rank in [0, 1] or None, title).
    width : int
    ticks : sequence of (place, text)
    """
    narrow = width < _NARROW
    height = 56.0 if narrow else 40.0
    left, right = (6.0, width - 6.0) if narrow else (0.30 * width, width - 12.0)
    made = Drawing(width, 8 + height * len(rows) + 22)
    places = [at for _, points in rows for at, _, _ in points] + [at for at, _ in ticks] + [0.0]
    low, high = min(places), max(places)
    span = (high - low) or 1.0

    def x(value: float) -> float:
        return left + (value - low) / span * (right - left)

    for at, text in ticks:
        made.line(x(at), 4, x(at), made.height - 20, "ink" if at == 0 else "line")
        made.text(x(at), made.height - 5, text, "soft", anchor=_edge(x(at), left, right), size=11.5)
    for number, (name, points) in enumerate(rows):
        middle = 8 + height * number + (height - 16 if narrow else height / 2)
        made.text(0, middle - 18 if narrow else middle + 4, _fitting(name, width - 4 if narrow else left - 8))
        stacks: dict[int, int] = {}
        for at, rank, title in points:
            column = round(x(at) / 3.2)
            level = stacks.get(column, 0)
            stacks[column] = level + 1
            rise = (level + 1) // 2 * (2.6 if level % 2 else -2.6)
            colour = (
                "unclear" if rank is None else ("heat-2" if rank < 1 / 3 else "heat-5" if rank < 2 / 3 else "heat-8")
            )
            made.circle(column * 3.2, middle + max(-13.0, min(13.0, rise)), 2.0, colour, title=title)
    return made
