"""Errors of the engine in the reader's language: what they are about, from their parts; the rest is told as it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.pages.rendering import Page
from api.pages.rule_words import rule_in_words

__all__ = ["problem_in_words"]


def problem_in_words(page: Page, problem: Mapping[str, Any]) -> str:
    """A sentence about the column, rule or setting at fault, and the rows where it shows.

    Parameters
    ----------
    page : Page
    problem : mapping
        ``column`` (empty: none is at fault alone) and ``rows``.
    """
    column, rows = str(problem.get("column") or ""), list(problem.get("rows") or ())
    if not column:
        return page.text("The plan could not be made; ask again, or send the technical message to your team.")
    if column.startswith(("unknown-", "floor-")):
        return page.text("Most accounts stay without contact because of one rule: {rule}.",
                         rule=rule_in_words(page, column).name)  # fmt: skip
    name = page.label(column.rpartition(".")[2])
    if rows:
        return page.text(
            "“{name}” cannot be used as it is; it shows in row {row} of the file.",
            name=name, row=page.formats.count(rows[0] + 1),
        )  # fmt: skip
    return page.text("“{name}” cannot be used as it is.", name=name)
