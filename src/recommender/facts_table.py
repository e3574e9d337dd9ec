"""A few facts about an object as the small HTML table that a notebook shows for it."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

__all__ = ["facts_table"]

_LONGEST = 160


def facts_table(title: str, facts: Mapping[str, object]) -> str:
    """Name and value a row; long values are cut and stand whole in the tooltip.

    Parameters
    ----------
    title : str
    facts : mapping of str to object
    """
    rows = []
    for name, value in facts.items():
        text = str(value)
        shown = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "\u2026"
        rows.append(
            f'<tr><th style="text-align:left">{escape(name)}</th>'
            f'<td style="text-align:left" title="{escape(text)}">{escape(shown)}</td></tr>'
        )
    return f"<table><caption>{escape(title)}</caption><tbody>{''.join(rows)}</tbody></table>"
