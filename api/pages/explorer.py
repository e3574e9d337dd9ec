"""Explorer: what each channel, hour and tone is expected to bring for a segment, over what the law leaves open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
from fastapi import APIRouter

from api.pages.account_contrast import verdict
from api.pages.basis import based_on, of_another_version, of_explanation
from api.pages.content import Cell, Column, Content, Section, Table
from api.pages.filters import Filter, Filters, read_filters
from api.pages.page_data import Portfolio
from api.pages.rendering import Page
from api.pages.section_pages import add_page
from api.pages.shown import Estimate, Kind
from recommender.strategy import STAGES

__all__ = ["build", "router"]

router = APIRouter()

_SHOWN = 12
_DIMENSIONS = ("segment", "stage", "product")
_SURE_ALIKE = 0.95
_FEW_TRIES = 5.0
_NEARLY_ALL = 0.995


@dataclass(frozen=True)
class _Chosen:
    """Cells of one segment in one situation, best first."""

    page: Page
    kind: Kind
    cells: pd.DataFrame
    country: str
    segment: str

    @property
    def change(self) -> Kind:
        """Kind of a difference of two values."""
        return "points" if self.kind == "rate" else "number"

    def value(self, row: Any) -> Estimate:
        """Expected result with its interval."""
        return self.page.formats.estimate(self.kind, row["mean"], row["low"], row["high"], difference=False)

    def action(self, row: Any) -> str:
        """Channel, hour and tone in words."""
        parts = [self.page.label(row["channel"])]
        parts += [f"{int(row['hour'])}:00"] if "hour" in row and pd.notna(row["hour"]) else []
        parts += [self.page.wording.label(str(row["tone"]))] if "tone" in row and pd.notna(row["tone"]) else []
        return ", ".join(parts)

    def cells_of(self, row: Any) -> list[Cell]:
        """Action, expected result and interval."""
        value = self.value(row)
        return [Cell(self.action(row)), Cell.of(value.value), Cell.interval(value)]

    def columns(self, action: str) -> list[Column]:
        """Columns of :meth:`cells_of`."""
        text = self.page.text
        return [
            Column("action", action, number=False),
            Column("expected", text("Expected result"), unit=text("units of reward")),
            Column("interval", text("95% CI"), unit=text("units of reward")),
        ]


def _situation_names(page: Page) -> dict[str, str]:
    t = page.text
    return {
        "now": t("as they are"),
        "in_20_days": t("in 20 days"),
        "broken_promise": t("after a broken promise"),
        "asked_whatsapp": t("if they asked for WhatsApp"),
    }


def build(page: Page, portfolio: Portfolio, query: dict[str, str]) -> Content:
    """Build the page."""
    question = page.text("What works for whom: channel, hour and tone?")
    document = portfolio.document("drivers")
    if document is None or not document.get("cells"):
        return Content("explorer", question, page.text("The segments of the portfolio have not been computed yet."))
    frame: pd.DataFrame = portfolio.kept("cells", document["made_at"], lambda: pd.DataFrame(document["cells"]))
    named_segment = portfolio.segment_name(page.label)
    filters, about = _filters(page, frame, query, named_segment)
    kind: Kind = "rate" if document["explanation"]["about"]["reward_kind"] == "binary" else "number"
    own = frame.loc[(frame["country"] == about["country"]) & (frame["dimension"] == about["dimension"])]
    own = own.loc[own["segment"] == about["segment"]]
    if about["channel"]:
        own = own.loc[own["channel"] == about["channel"]]
    here = own.loc[own["situation"] == about["situation"]].sort_values("mean", ascending=False, ignore_index=True)
    country = page.country(about["country"])
    put = named_segment if about["dimension"] == "segment" else page.label
    named = page.text("all accounts") if about["dimension"] == "all" else put(about["segment"])
    if here.empty:
        nothing_open = page.text("The law leaves nothing open for these accounts.")
        return Content("explorer", question, nothing_open, filters=filters)
    chosen = _Chosen(page, kind, here, country, named)
    sections = [_hours(chosen), _contrasts(chosen), _best(chosen), _tones(chosen), _situations(chosen, own, query)]
    notices = of_another_version(page, portfolio, document)
    there = based_on(of_explanation(page, document), [one for one in sections if one])
    return Content("explorer", question, _answer(chosen), "unclear", there, (), filters, notices)


def _filters(
    page: Page, frame: pd.DataFrame, query: dict[str, str], named: Callable[[object], str]
) -> tuple[Filters, dict[str, str]]:
    countries = sorted(frame["country"].unique())
    stages = [one for one in STAGES if one in set(frame.loc[frame["dimension"] == "stage", "segment"])]
    products = sorted(frame.loc[frame["dimension"] == "product", "segment"].unique())
    segments = sorted(frame.loc[frame["dimension"] == "segment", "segment"].unique())
    t = page.text
    there = set(frame["situation"])
    situations = [(name, title) for name, title in _situation_names(page).items() if name in there]
    offered = [
        Filter("country", t("Country"), choices=[(one, page.country(one)) for one in countries]),
        Filter("stage", t("Stage"), choices=[(one, page.label(one)) for one in stages]),
        Filter("product", t("Product"), choices=[(one, page.label(one)) for one in products]),
        Filter("segment", t("Segment"), choices=[(one, named(one)) for one in segments]),
        Filter("channel", t("Channel"), choices=[(one, page.label(one)) for one in sorted(frame["channel"].unique())]),
        Filter("situation", t("Situation"), choices=situations),
    ]
    asked = dict(query)
    for later in [one for one in _DIMENSIONS if asked.get(one)][1:]:
        asked.pop(later)  # one segment at a time
    read = read_filters([one for one in offered if one.choices], asked, page.url("explorer"))
    dimension = next((name for name in _DIMENSIONS if read.chosen(name)), "all")
    return read, {
        "country": read.chosen("country") or countries[0],
        "dimension": dimension,
        "segment": read.chosen(dimension) if dimension != "all" else "all",
        "channel": read.chosen("channel"),
        "situation": read.chosen("situation") or "now",
    }


def _answer(chosen: _Chosen) -> str:
    page, first = chosen.page, chosen.cells.iloc[0]
    value = chosen.value(first)
    answer = page.text(
        "In {country}, for {segment}: {action} is expected to bring most, {value} (95% CI {interval}).",
        country=chosen.country, segment=chosen.segment, action=chosen.action(first),
        value=value.value, interval=value.interval,
    )  # fmt: skip
    share = first["n_accounts"] / first["n_sampled"]
    if share < _NEARLY_ALL:
        answer += " " + page.text("The rules leave it open for {share} of them.", share=page.formats.percent(share, 0))
    others = chosen.cells.loc[chosen.cells["channel"] != first["channel"]]
    if len(others) and _is_compared(others.iloc[0]):
        answer += " " + _contrast_in_words(chosen, first, others.iloc[0])
    if first["evidence"] < _FEW_TRIES:
        answer += " " + page.text("It was hardly tried on accounts like these.")
    return answer


def _contrast_in_words(chosen: _Chosen, best: Any, other: Any) -> str:
    """The best action against the best of another channel, by what is known of both together."""
    if not _is_compared(other):  # or a model of one's own, which tells of each action alone
        return chosen.page.text("not compared: no account looked at has both open")
    page, less, low, high = chosen.page, other["less"], other["less_low"], other["less_high"]
    shown = (page.formats.estimate(chosen.change, *ends) for ends in ((less, low, high), (-less, -high, -low)))
    ahead, back = ((one.value.text, str(one.interval)) for one in shown)
    actions = (chosen.action(best), chosen.action(other))
    return verdict(page, actions, ahead, back, float(other["p_less"]), is_alike=other["p_alike"] >= _SURE_ALIKE)


def _is_compared(row: Any) -> bool:
    return "p_less" in row and pd.notna(row["p_less"])


def _contrasts(chosen: _Chosen) -> Section | None:
    """Best action of each channel against the best of all."""
    page = chosen.page
    best = chosen.cells.drop_duplicates("channel")
    if len(best) < 2:
        return None
    first = best.iloc[0]
    rows = []
    for _, row in best.iterrows():
        is_first = row["channel"] == first["channel"]
        words = page.text("the best here") if is_first else _contrast_in_words(chosen, first, row)
        rows.append([*chosen.cells_of(row), Cell(words, words)])
    against = Column("against", page.text("Against the best"), number=False, wide=True)
    columns = [*chosen.columns(page.text("Action")), against]
    return Section(
        "contrasts",
        page.text("Channel against channel"),
        table=Table("contrasts", page.text("Best action of each channel"), columns, rows),
        reading=page.text(
            "“Not known” is not “equal”: it means that the evidence does not suffice to say which is better. Compared "
            "on the accounts to whom the rules leave both open, one account at a time, on average."
        ),
    )


def _best(chosen: _Chosen) -> Section:
    page = chosen.page
    rows = [
        [
            *chosen.cells_of(row),
            page.formats.count(row["evidence"]),
            page.formats.percent(row["n_accounts"] / row["n_sampled"], 0),
        ]
        for _, row in chosen.cells.head(_SHOWN).iterrows()
    ]
    columns = [
        *chosen.columns(page.text("Action")),
        Column("evidence", page.text("Tries on accounts like these"), unit=page.text("tries")),
        Column("open", page.text("Open to (of the accounts)")),
    ]
    return Section(
        "best",
        page.text("Best actions for this segment"),
        table=Table("best", page.text("Actions with the largest expected result"), columns, rows),
        reading=page.text(
            "Expected result: mean over a sample of {n} accounts of the segment, of those to whom the rules leave the "
            "action open. The interval is that of a single account, on average: what is not known about one is not "
            "taken to cancel out over many.",
            n=page.formats.count(int(chosen.cells["n_sampled"].iloc[0])),
        ),
    )


def _grid(chosen: _Chosen, column: str, key: str, heading: str, finding: str) -> Section | None:
    """Channel by another factor, each cell the best over the rest; what the law never leaves open is empty."""
    page = chosen.page
    if column not in chosen.cells or chosen.cells[column].isna().all():
        return None
    best = chosen.cells.drop_duplicates(["channel", column])
    grid = best.pivot_table(index="channel", columns=column, values="mean", aggfunc="max")
    low, high = float(best["mean"].min()), float(best["mean"].max())
    heads = sorted(grid.columns)
    rows, cells = [], []
    for channel, line in grid.iterrows():
        shown: list[dict[str, Any]] = []
        row_cells: list[Any] = [Cell(page.label(channel), channel)]
        for level in heads:
            value = line.get(level)
            if value is None or pd.isna(value):
                shown.append({"text": "", "level": None, "best": False})
                row_cells.append(Cell(page.text("not open"), ""))
                continue
            number = page.formats.value(chosen.kind, float(value))
            step = round(8 * (float(value) - low) / ((high - low) or 1.0))
            shown.append({"text": number.text.replace("%", "").strip(), "level": step, "best": float(value) == high})
            row_cells.append(Cell.of(number))
        rows.append({"name": page.label(channel), "cells": shown})
        cells.append(row_cells)
    unit = "%" if chosen.kind == "rate" else page.text("units of reward")
    names = [f"{int(one)}" if column == "hour" else page.label(one) for one in heads]
    columns = [
        Column("channel", page.text("Channel"), number=False),
        *(Column(str(one), f"{name}:00" if column == "hour" else name) for one, name in zip(heads, names, strict=True)),
    ]
    return Section(
        key,
        heading,
        finding,
        table=Table(key, heading, columns, cells, stacked=False),
        reading=page.text(
            "Empty: the rules leave it open to nobody of the segment. The best cell is framed. A cell is the mean over "
            "those it is open to, which may be others in each; channels are compared account by account below."
        )
        + (" " + page.text("Values in %.") if chosen.kind == "rate" else ""),
        template="heat.html",
        extra={"heads": names, "rows": rows, "corner": page.text("Channel"), "unit": unit},
    )


def _hours(chosen: _Chosen) -> Section | None:
    page = chosen.page
    finding = page.text("{country}, {segment}: expected result in the best tone, hours of the debtor.",
                        country=chosen.country, segment=chosen.segment)  # fmt: skip
    return _grid(chosen, "hour", "hours", page.text("Channel by hour"), finding)


def _tones(chosen: _Chosen) -> Section | None:
    page = chosen.page
    return _grid(chosen, "tone", "tones", page.text("Channel by tone"), page.text("Expected result at the best hour."))


def _situations(chosen: _Chosen, own: pd.DataFrame, query: dict[str, str]) -> Section:
    """The best action as accounts are, and in other situations."""
    page = chosen.page
    rows = []
    for situation, word in _situation_names(page).items():
        if situation not in set(own["situation"]) and situation == "asked_whatsapp":
            continue
        part = own.loc[own["situation"] == situation].sort_values("mean", ascending=False)
        head = Cell(word, situation, link=page.url("explorer", {**query, "situation": situation}))
        nothing = [Cell(page.text("nothing is open"), ""), Cell("–", ""), Cell("–", "")]
        rows.append([head, *(nothing if part.empty else chosen.cells_of(part.iloc[0]))])
    columns = [
        Column("situation", page.text("Situation"), number=False), *chosen.columns(page.text("Best action")),
    ]  # fmt: skip
    return Section(
        "situations",
        page.text("What if things go on?"),
        table=Table("situations", page.text("Best action by situation"), columns, rows),
        reading=page.text(
            "In 20 days: the same accounts, 20 days more past due and nothing paid. After a broken promise: one more "
            "promise that was not kept. If they asked for WhatsApp: the same accounts, preferring it. It is what is "
            "expected of such accounts, not the effect of waiting."
        ),
    )


add_page(router, "explorer", "explorer", build)
