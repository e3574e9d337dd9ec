"""The page of a first look: one self-contained HTML file with drawings that need no library to be made or seen."""

from __future__ import annotations

from importlib import resources
from os import PathLike
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from recommender.reports.first_look_lines import FirstPage, PolicyLine, shown_value
from recommender.reports.words import Words

__all__ = ["first_page"]

_LEFT, _WIDE, _HIGH = 190, 560, 34
_TONES = ("#f1f6f9", "#d3e6ef", "#a5cbdd", "#6aa8c6", "#2f80a8", "#0b5578")
_MOST_COLUMNS = 31


def first_page(page: FirstPage, path: str | PathLike[str] | None = None) -> str:
    """Write a first look as HTML text, and to ``path`` when given.

    Parameters
    ----------
    page : FirstPage
    path : str or path-like, optional

    Returns
    -------
    str
    """
    source = resources.files(__package__).joinpath("first_page.html").read_text(encoding="utf-8")
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(source)
    text = template.render(
        page=page,
        cells=_cells(page),
        across=page.map.columns[:_MOST_COLUMNS],
        chart=_chart(page),
        t=Words(page.language),
        value=lambda number, sign=False: _value(page, number, sign=sign),
    )
    if path is not None:
        Path(path).write_text(text, encoding="utf-8")
    return text


def _cells(page: FirstPage) -> list[tuple[str, list[dict[str, str]]]]:
    """Rows of the map: level, then colour, ink, value and count of each cell."""
    value_map, t = page.map, Words(page.language)
    seen = np.where(value_map.times > 0, value_map.values, np.nan)
    low, high = (np.nanmin(seen), np.nanmax(seen)) if np.isfinite(seen).any() else (0.0, 1.0)
    rows = []
    for row, name in enumerate(value_map.rows):
        cells = []
        for column in range(min(len(value_map.columns), _MOST_COLUMNS)):
            value, times = float(value_map.values[row, column]), float(value_map.times[row, column])
            share = (value - low) / (high - low) if high > low else 1.0
            tone = int(np.clip(share * len(_TONES), 0, len(_TONES) - 1)) if np.isfinite(value) else 0
            cells.append(
                {
                    "colour": _TONES[tone] if times else "#ffffff",
                    "ink": "#ffffff" if times and tone >= 4 else "#1b2a41",
                    "value": _value(page, value) if times else "\u2013",
                    "times": t("done {times:,.0f} times", times=times),
                }
            )
        rows.append((name, cells))
    return rows


def _chart(page: FirstPage) -> dict[str, Any]:
    """Places of the drawing of policies: a line an interval, a dot an estimate, a bar the truth."""
    ends = [x for p in page.policies for x in (p.value, p.low, p.high, p.truth) if x is not None and np.isfinite(x)]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    margin = 0.06 * (high - low) or 1.0
    low, high = low - margin, high + margin

    def at(value: float | None) -> float | None:
        if value is None or not np.isfinite(value):
            return None
        return round(_LEFT + _WIDE * (value - low) / (high - low), 1)

    def row(number: int, policy: PolicyLine) -> dict[str, Any]:
        return {
            "name": policy.name, "y": _HIGH * number + 22, "dot": at(policy.value), "from": at(policy.low),
            "to": at(policy.high), "truth": at(policy.truth), "first": number == 0,
        }  # fmt: skip

    ticks = np.linspace(low + margin, high - margin, 5)
    return {
        "rows": [row(number, policy) for number, policy in enumerate(page.policies)],
        "ticks": [(at(float(tick)), _value(page, float(tick))) for tick in ticks],
        "height": _HIGH * len(page.policies) + 40,
        "width": _LEFT + _WIDE + 40,
    }


def _value(page: FirstPage, value: float | None, *, sign: bool = False) -> str:
    return shown_value(value, page.per, sign=sign, language=page.language)
