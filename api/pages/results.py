"""Results: is the policy collecting more than the control group, and by how much."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import pandas as pd
from fastapi import APIRouter

from api.pages.arm_comparison import WINDOW_DAYS, compared
from api.pages.basis import based_on, of_log
from api.pages.charts import Dot, Point, Series, dots, nice_ticks, trend
from api.pages.content import Basis, Cell, Column, Content, Section, Table, Tile
from api.pages.drawing import Drawing
from api.pages.filters import Filters
from api.pages.log_filters import decision_filters
from api.pages.page_data import Portfolio
from api.pages.rendering import Page
from api.pages.result_figures import (
    difference_of,
    kind_of_row,
    kpi_names,
    state_in_words,
    title_of,
    tone_of,
    unit_of,
    value_of,
)
from api.pages.section_pages import add_page
from api.pages.shown import Direction, Estimate
from recommender.monitoring import FEWEST_ACCOUNTS

__all__ = ["BROKEN_SPLIT", "answer_of", "build", "router", "whole"]

router = APIRouter()

_FRAMES = ("segments", "table", "trend")
BROKEN_SPLIT = 0.001
_TRENDED = ("contactability", "right_party_contact", "promise", "payment", "recovery", "opt_out")
_IN_TILES = ("recovery", "payment", "right_party_contact")


def build(page: Page, portfolio: Portfolio, query: dict[str, str]) -> Content:
    """Build the page."""
    question = page.text("Is the policy collecting more than the control group?")
    filters = decision_filters(page, portfolio, query, page.url("results"))
    if portfolio.window() is None:
        return Content("results", question, page.text("No decisions have been logged yet."), filters=filters)
    settings = portfolio.settings
    if settings.holdout_experiment is None:
        answer = page.text("There is no control group, so nothing says what the policy adds.")
        notice = page.text("Name one with RECOMMENDER_HOLDOUT_EXPERIMENT and leave its debtors to the old way.")
        return Content("results", question, answer, filters=filters, notices=[notice])
    compared = _compared_groups(portfolio, filters)
    if compared is None:
        return Content("results", question, page.text("No decision passes these filters."), filters=filters)
    basis = of_log(page, portfolio, sum(compared["n_accounts"].values()), filters)
    return _content(page, question, filters, compared, basis)


def whole(page: Page, portfolio: Portfolio) -> dict[str, Any] | None:
    """The comparison over everything; None where there is nothing to compare."""
    if portfolio.window() is None or portfolio.settings.holdout_experiment is None:
        return None
    return _compared_groups(portfolio, Filters([], page.url("results")))


def _compared_groups(portfolio: Portfolio, filters: Filters) -> dict[str, Any] | None:
    """The comparison, kept for no filter and for the choices that were used; of days, for the last ones."""
    summary = portfolio.summary()
    if summary is None:
        return None
    if not filters.query:
        whole: dict[str, Any] | None = summary["whole"]
        return None if whole is None else whole | {name: summary[f"whole_{name}"] for name in _FRAMES}

    def make(made: dict[str, Any]) -> dict[str, Any] | None:
        table = made["decisions"]
        return compared(table, filters.passing(table), portfolio.settings.holdout_share, made["last"])

    return portfolio.of_summary(_kept_name(filters), json.dumps(filters.query), make)


def _kept_name(filters: Filters) -> str:
    """One place for each combination of choices, which are few, and one for all days, which are many."""
    if filters.query.keys() & {"since", "until"}:
        return "results-days"
    return f"results-{hashlib.sha256(json.dumps(filters.query, sort_keys=True).encode()).hexdigest()[:16]}"


# -- what is shown ---------------------------------------------------------------------------------------------------
def _content(page: Page, question: str, filters: Filters, compared: dict[str, Any], basis: Basis | None) -> Content:
    rows = list(compared["table"].itertuples(index=False))
    answer, tone = answer_of(page, compared)
    notices = []
    if compared["split"] < BROKEN_SPLIT:
        notices.append(
            page.text(
                "The split of debtors is not the planned one: the assignment or the log is broken. Do not read on."
            )
        )
    return Content(
        "results",
        question,
        answer,
        tone,
        based_on(basis, [_compared(page, rows, compared), *_trends(page, compared["trend"])]),
        _tiles(page, rows),
        filters,
        notices,
        basis,
    )


def answer_of(page: Page, compared: dict[str, Any]) -> tuple[str, str]:
    """How many more paid, and what that was in money where it can be said; and the tone of that."""
    sentences, tones = [], []
    for row in compared["table"].itertuples(index=False):
        change = difference_of(page, row) if row.kpi in ("payment", "recovery") else None
        if change is None:
            continue
        tones.append(change.direction)
        interval = page.text("95% CI {interval}", interval=change.interval)
        size = change.value.text.lstrip("+\N{MINUS SIGN}")
        sentences.append(_sentence(page, row, change, size, interval, compared))
    if sentences:
        seen = set(tones) - {"unclear"}
        return " ".join(sentences), "above" if seen == {"above"} else "below" if seen == {"below"} else "unclear"
    fewest = min(compared["n_accounts"].values())
    if fewest >= FEWEST_ACCOUNTS:
        return page.text("Recovery cannot be compared here."), "unclear"
    return (
        page.text(
            "Only {n} accounts in one of the groups; at least {needed} are needed. The difference is not shown.",
            n=page.formats.count(fewest),
            needed=page.formats.count(FEWEST_ACCOUNTS),
        ),
        "unclear",
    )


def _sentence(page: Page, row: Any, change: Estimate, size: str, interval: str, compared: dict[str, Any]) -> str:
    t = page.text
    if row.kpi == "payment":
        messages = {
            "above": t("{size} more of the accounts paid under the policy than in the control group ({interval})."),
            "below": t("{size} fewer of the accounts paid under the policy than in the control group ({interval})."),
            "unclear": t("It is not proven that more or fewer accounts pay ({change}; {interval})."),
        }
        return messages[change.direction].format(size=size, interval=interval, change=change.value.text)
    n = compared["policy_accounts"].get(row.currency, 0)
    whole = page.formats.money(n * abs(row.difference), row.currency, compact=True).text
    messages = {
        "above": t("In {currency} it collected {size} more per account ({interval}), {whole} in all."),
        "below": t("In {currency} it collected {size} less per account ({interval}), {whole} in all."),
        "unclear": t("In {currency} no difference in the amount is proven ({change} per account; {interval})."),
    }
    return messages[change.direction].format(
        currency=row.currency, size=size, interval=interval, whole=whole, change=change.value.text
    )


def _tiles(page: Page, rows: list[Any]) -> list[Tile]:
    tiles = []
    for row in rows:
        if row.kpi not in _IN_TILES:
            continue
        change = difference_of(page, row)
        if change is None:
            tiles.append(Tile(title_of(page, row), value_of(page, row, "policy").text, page.text("not compared")))
            continue
        said = page.text("{change} against control", change=change.value.text)
        tiles.append(
            Tile(title_of(page, row), value_of(page, row, "policy").text, said, tone_of(row, change.direction))
        )
    return tiles


def _compared(page: Page, rows: list[Any], compared: dict[str, Any]) -> Section:
    names = kpi_names(page)
    cells, marks = [], []
    for row in rows:
        change = difference_of(page, row)
        name = Cell(title_of(page, row), note=names[row.kpi][1])
        values = [value_of(page, row, "policy"), value_of(page, row, "holdout")]
        counts = [page.formats.count(row.n_policy), page.formats.count(row.n_holdout)]
        if change is None:
            cells.append([name, *values, Cell("–", ""), Cell(state_in_words(page, row), "", "unclear"), *counts])
            continue
        tone = tone_of(row, change.direction)
        unit = change.value.unit or unit_of(page, row)
        told = [Cell.of(change.value, tone=tone, unit=unit), Cell.interval(change, unit=unit)]
        cells.append([name, *values, *told, *counts])
        if not pd.isna(row.holdout) and row.holdout:
            scale = abs(row.holdout)
            direction: Direction = "above" if tone == "above" else "below" if tone == "below" else "unclear"
            ends = [row.difference / scale, row.low / scale, row.high / scale]
            placed = [float(np.clip(end, -9.9, 9.9)) for end in ends]
            relative = page.formats.percent(ends[0], 0)  # one unit an axis; the table has points and money
            text = f"+{relative}" if ends[0] > 0 else relative.text
            marks.append(Dot(title_of(page, row), placed[0], placed[1], placed[2], text, direction))
    columns = [
        Column("kpi", page.text("Figure"), number=False),
        Column("policy", page.text("Policy")),
        Column("control", page.text("Control")),
        Column("difference", page.text("Difference")),
        Column("interval_95", page.text("95% CI")),
        Column("accounts_policy", page.text("Accounts, policy"), unit=page.text("accounts")),
        Column("accounts_control", page.text("Accounts, control"), unit=page.text("accounts")),
    ]
    shown = [
        mark for mark in marks if max(abs(mark.low), abs(mark.high)) <= 3.0
    ]  # one rare event would stretch the axis for all

    def draw(width: int) -> Drawing:
        ends = [end for mark in shown for end in (mark.low, mark.high)] or [-1.0, 1.0]
        ticks = [
            (value, page.formats.percent(value, 0).text) for value in nice_ticks(min(*ends, 0.0), max(*ends, 0.0), 5)
        ]
        return dots(shown, width, zero=page.text("control"), ticks=ticks)

    n = compared["n_accounts"]
    return Section(
        "figures",
        page.text("Policy against control"),
        page.text(
            "{policy} accounts under the policy, {control} in the control group ({share} of debtors, drawn at random).",
            policy=page.formats.count(n["policy"]),
            control=page.formats.count(n["holdout"]),
            share=page.formats.percent(compared["share"], 0),
        ),
        draw if shown else None,
        page.text("Difference of each figure from the control group, relative to it, with its 95% interval."),
        Table("figures", page.text("Every figure with its interval"), columns, cells),
        page.text(
            "Left and right of the line: less and more than the control group, relative to its level. Blue is in "
            "favour, orange against; grey: the interval includes no difference. Intervals count each debtor once."
        ),
    )


def _trends(page: Page, frame: pd.DataFrame) -> list[Section]:
    """One small picture of weeks a figure."""
    sections = []
    weeks = sorted(frame["week"].unique())
    if len(weeks) < 2:
        return []
    for kpi in _TRENDED:
        part = frame.loc[frame["kpi"] == kpi]
        for currency in part["currency"].dropna().unique().tolist() or [None]:
            own = part if currency is None else part.loc[part["currency"] == currency]
            sections.append(_trend(page, own.sort_values("week"), currency))
    return sections


def _trend(page: Page, part: pd.DataFrame, currency: str | None) -> Section:
    rows = list(part.itertuples(index=False))
    title = title_of(page, rows[0])
    kind, scale = kind_of_row(rows[0])

    def number(value: float) -> float | None:
        return None if pd.isna(value) else scale * float(value)

    cells = []
    for row in rows:
        change = difference_of(page, row)
        week = page.formats.day(pd.Timestamp(row.week).date())
        note = "" if row.complete else page.text("still open")
        difference = Cell.of(change.value, tone=tone_of(row, change.direction)) if change else Cell("–", "")
        cells.append(
            [Cell.of(week, note=note), value_of(page, row, "policy"), value_of(page, row, "holdout"), difference,
             Cell.interval(change)]
        )  # fmt: skip

    def points(arm: str) -> list[Point]:
        points = []
        for row in rows:
            at, value = float(pd.Timestamp(row.week).toordinal()), number(getattr(row, arm))
            shown = page.formats.value(kind, value, currency=currency).text
            points.append(
                Point(at, value, hollow=not row.complete, title=f"{page.formats.day(row.week.date())}: {shown}")
            )
        return points

    def draw(width: int) -> Drawing:
        lines = [
            Series(page.text("Control"), points("holdout"), "unclear"),
            Series(page.text("Policy"), points("policy"), "for"),
        ]
        top = max((point.y or 0.0 for one in lines for point in one.points), default=1.0)
        ticks = page.formats.ticks(kind, nice_ticks(0.0, top * 1.08, 4) if top else [0.0], currency=currency)
        labels = [
            (float(pd.Timestamp(row.week).toordinal()), page.formats.short_day(row.week.date()).text) for row in rows
        ]
        return trend(lines, width, labels=labels, ticks=ticks)

    key = f"week-{rows[0].kpi}" + (f"-{currency}" if currency else "")
    columns = [
        Column("week", page.text("Week from"), number=False),
        Column("policy", page.text("Policy")),
        Column("control", page.text("Control")),
        Column("difference", page.text("Difference")),
        Column("interval_95", page.text("95% CI")),
    ]
    return Section(
        key,
        page.text("{figure} by week", figure=title),
        "",
        draw,
        page.text("{figure} by week of the decision, policy and control group.", figure=title),
        Table(key, page.text("{figure} by week", figure=title), columns, cells),
        page.text(
            "By week of the decision; what happened within {days} days of it counts. Open circles: not all days have "
            "passed yet.",
            days=WINDOW_DAYS,
        ),
        open=False,
        half=True,
    )


add_page(router, "results", "results", build)
