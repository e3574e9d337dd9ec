"""Horizontal bars that start where they are told to: a waterfall, or bars to both sides of zero, with matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from recommender.extras import needs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["StepBar", "StepBars", "draw_step_bars"]

Tone: TypeAlias = Literal["for", "against", "total"]

_COLOURS: dict[Tone, str] = {"for": "#1f6fb4", "against": "#c8651b", "total": "#6b6b6b"}


@dataclass(frozen=True)
class StepBar:
    """One bar.

    Attributes
    ----------
    label : str
    start, end : float
        On the axis.
    text : str
        Written beside the bar: its size in the reader's language.
    tone : {"for", "against", "total"}
    """

    label: str
    start: float
    end: float
    text: str
    tone: Tone


@dataclass(frozen=True)
class StepBars:
    """Bars under a title, in the reader's language.

    Attributes
    ----------
    title, axis : str
    bars : sequence of StepBar
        From top to bottom.
    zero_line : bool
    """

    title: str
    axis: str
    bars: Sequence[StepBar]
    zero_line: bool = False


def draw_step_bars(chart: StepBars) -> Figure:
    """Draw the bars without global state."""
    with needs("plots"):
        from matplotlib.figure import Figure  # an extra of its own: who only reads numbers need not install it

    bars = chart.bars
    figure = Figure(figsize=(8.0, 0.45 * len(bars) + 1.2), layout="constrained")
    axes = figure.subplots()
    rows = range(len(bars))
    lefts = [min(bar.start, bar.end) for bar in bars]
    rights = [max(bar.start, bar.end) for bar in bars]
    axes.barh(
        rows,
        [right - left for left, right in zip(lefts, rights, strict=True)],
        left=lefts,
        color=[_COLOURS[bar.tone] for bar in bars],
    )
    span = max(max(rights, default=0.0) - min([0.0, *lefts]), 1e-12)
    for row, right, bar in zip(rows, rights, bars, strict=True):
        axes.text(right + 0.01 * span, row, bar.text, va="center")
    axes.set_yticks(rows, [bar.label for bar in bars])
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.spines[["top", "right"]].set_visible(False)
    if chart.zero_line:
        axes.axvline(0.0, color=_COLOURS["total"], linewidth=0.8)
    axes.set_title(chart.title, loc="left")
    axes.set_xlabel(chart.axis)
    return figure
