"""What moved since the month before: the change of the expected result, by group of facts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from api.pages.charts import Bar, hbars
from api.pages.content import Basis, Cell, Column, Section, Table
from api.pages.rendering import Page
from api.pages.shown import Kind
from recommender.explanation import WHOLE

__all__ = ["moved_sections"]

_TONE = {"above": "for", "below": "against", "unclear": "unclear", "unknown": "unclear"}


def moved_sections(
    page: Page, document: dict[str, Any], kind: Kind, names: dict[str, str], dimension: str, segment: str
) -> list[Section]:
    """The section, for everybody or a segment; none where the stored report does not compare periods.

    Parameters
    ----------
    page : Page
    document : dict
        The stored report; ``moved`` as of ``pipelines.pages_reports.moved_document``.
    kind : str
        Of the expected result.
    names : dict
        Of groups of facts.
    dimension, segment : str
    """
    moved = document.get("moved")
    if not moved:
        return []
    heading = page.text("What moved since the period before")
    before, now = _periods(page, moved)
    rows = pd.DataFrame(moved["rows"])
    own = rows.loc[(rows["dimension"] == dimension) & (rows["segment"] == segment)].dropna(subset=["change"])
    if own.empty:
        empty = page.text("Too few contacts in one of the two periods to say what moved.")
        return [Section("moved", heading, empty=empty)]
    whole = own.loc[own["group"] == WHOLE].iloc[0]
    parts = own.loc[own["group"] != WHOLE]
    parts = parts.iloc[parts["change"].abs().argsort(kind="stable").to_numpy()[::-1]]
    parts = parts.loc[parts["change"].abs() > 1e-9]
    shown = [(names.get(str(row.group), page.label(row.group)), row) for row in parts.itertuples(index=False)]
    total = page.text("Expected result")
    bars, cells = [], []
    for name, row in [(total, whole), *shown]:
        change = page.formats.estimate(kind, row.change, row.lo, row.hi)
        bars.append(Bar(name, row.change, change.value.text, row.lo, row.hi, _TONE[change.direction]))
        cells.append(
            [
                Cell(name, row.group),
                Cell.of(change.value, tone=change.direction),
                Cell.interval(change),
                page.formats.difference(kind, row.before) if name != total else _level(page, kind, row.before),
                page.formats.difference(kind, row.now) if name != total else _level(page, kind, row.now),
            ]
        )
    unit = page.text("units of reward")
    columns = [
        Column("group", page.text("Group of facts"), number=False),
        Column("change", page.text("Change"), unit=unit),
        Column("ci_95", page.text("95% CI"), unit=unit),
        Column("before", before, unit=unit),
        Column("now", now, unit=unit),
    ]
    n_now, n_before = (page.formats.count(int(whole[name])).text for name in ("n_now", "n_before"))
    finding = _finding(page, kind, whole, shown, now)
    return [
        Section(
            "moved",
            heading,
            finding,
            lambda width: hbars(bars, width, zero_centred=True),
            finding,
            Table("moved", heading, columns, cells),
            page.text(
                "The same model is put to both periods: what moved are the accounts and the choices, not the model. "
                "The changes of the groups add up to that of the expected result."
            ),
            basis=Basis(
                page.text("{now} against {before}", now=now, before=before),
                page.text("{n} contacts against {m}", n=n_now, m=n_before),
                page.text("Decision log"),
            ),
        )
    ]


def _finding(page: Page, kind: Kind, whole: Any, shown: list[tuple[str, Any]], now: str) -> str:
    """Whether it rose, fell or is not known to have moved, and through what."""
    change = page.formats.estimate(kind, whole["change"], whole["lo"], whole["hi"])
    words = {"size": change.value.text, "interval": change.interval, "now": now}
    if change.direction == "unclear":
        told = page.text(
            "{now}: it is not known whether the expected result of a contact rose or fell: {size} (95% CI {interval}).",
            **words,
        )
    elif change.direction == "above":
        told = page.text("{now}: the expected result of a contact rose: {size} (95% CI {interval}).", **words)
    else:
        told = page.text("{now}: the expected result of a contact fell: {size} (95% CI {interval}).", **words)
    for name, row in shown:
        part = page.formats.estimate(kind, row.change, row.lo, row.hi)
        if part.direction in ("above", "below"):
            words = {"group": name, "size": part.value.text, "interval": part.interval}
            return f"{told} " + page.text("Most of it comes from: {group}, {size} (95% CI {interval}).", **words)
    return told


def _level(page: Page, kind: Kind, value: float) -> Any:
    return page.formats.value("rate" if kind == "points" else kind, value)


def _periods(page: Page, moved: dict[str, Any]) -> tuple[str, str]:
    """The period before and the later one, their last days included."""
    since, at, until = (datetime.fromisoformat(moved[name]) for name in ("since", "at", "until"))
    ends = ((since, at - timedelta(days=1)), (at, until - timedelta(days=1)))
    before, now = (
        f"{page.formats.day(first.date()).text} {page.formats.to} {page.formats.day(last.date()).text}"
        for first, last in ends
    )
    return before, now
