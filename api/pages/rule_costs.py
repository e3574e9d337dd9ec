"""Rule costs: what the policy would lose without a channel, an hour or a tone, and under a rule pack."""

from __future__ import annotations

import re
from typing import Any

from fastapi import APIRouter

from api.pages.basis import based_on, of_evaluation, of_explanation
from api.pages.charts import Bar, Dot, dots, hbars, nice_ticks
from api.pages.content import Cell, Column, Content, Section, Table
from api.pages.drawing import Drawing
from api.pages.page_data import Portfolio
from api.pages.policy_value import kind_of, window_in_words
from api.pages.rendering import Page
from api.pages.rule_words import citation_in_words, rule_in_words
from api.pages.section_pages import add_page
from api.pages.shown import Direction, Kind

__all__ = ["build", "router"]

router = APIRouter()

_LEVER = re.compile(r"without (?P<factor>\S+) (?P<level>.+)")


def build(page: Page, portfolio: Portfolio, query: dict[str, str]) -> Content:  # noqa: ARG001 - nothing to filter by
    """Build the page."""
    question = page.text("What does each rule or missing lever cost?")
    document, explained = portfolio.document("rule_costs"), portfolio.document("drivers")
    legal = [] if explained is None else based_on(of_explanation(page, explained), _legal(page, explained))
    if document is None or not document["rules"]:
        no_prices = page.text("No price of rules has been computed yet.")
        return Content("rule_costs", question, no_prices if not legal else legal[0].finding, sections=legal)
    kind = kind_of(document)
    words: dict[str, tuple[str, Direction]] = {
        "costs": (page.text("costs"), "below"),
        "gains": (page.text("gains"), "above"),
        "free": (page.text("free"), "unclear"),
        "not proven": (page.text("not proven"), "unclear"),
        "refused": (page.text("cannot be said"), "unclear"),
    }
    cells, marks = [], []
    known = [row for row in document["rules"] if row.get("value_lost") is not None]
    for row in sorted(known, key=lambda row: -row["value_lost"]):
        name = rule_name(page, row["rule"])
        lost = page.formats.estimate(kind, -row["value_lost"], -row["ci_high"], -row["ci_low"])
        word, tone = words[row["verdict"]]
        cells.append(
            [
                Cell(name, row["rule"]),
                page.formats.percent(row["probability_moved"]),
                Cell(page.text("only the interval"), "", tone) if _at_an_end(row) else Cell.of(lost.value, tone=tone),
                Cell.interval(lost),
                Cell(word, row["verdict"], tone, badge=True),
            ]
        )
        marks.append(
            Dot(
                name,
                -(row["ci_low"] + row["ci_high"]) / 2.0 if _at_an_end(row) else -row["value_lost"],
                -row["ci_high"],
                -row["ci_low"],
                lost.interval if _at_an_end(row) else lost.value.text,
                tone,
            )
        )
    columns = [
        Column("rule", page.text("Rule or lever"), number=False),
        Column("probability_moved", page.text("Decisions moved")),
        Column("change", page.text("Change per decision"), unit=page.text("units of reward")),
        Column("ci_95", page.text("95% CI"), unit=page.text("units of reward")),
        Column("verdict", page.text("Verdict"), number=False),
    ]

    def draw(width: int) -> Drawing:
        ends = [end for mark in marks for end in (mark.low, mark.high)]
        places = nice_ticks(min(*ends, 0.0), max(*ends, 0.0), 5)
        ticks = page.formats.ticks(kind, places, difference=True)
        return dots(marks, width, zero=page.text("no cost"), ticks=ticks)

    section = Section(
        "rules",
        page.text("Change in value per decision"),
        page.text("Estimated from {log}.", log=window_in_words(page, document)),
        draw,
        page.text("Change in value per decision under each rule, with its 95% interval."),
        Table("rules", page.text("Price of rules and levers"), columns, cells),
        page.text(
            "Left of the line: the policy earns less when the rule holds, after it has moved to its next best actions. "
            "Grey: the interval includes no cost, or the log cannot say. Where the estimate lies at an end of its "
            "interval, only the interval is said."
        ),
    )
    answer = " ".join([legal[0].finding, _answer(page, document)] if legal else [_answer(page, document)])
    priced = based_on(of_evaluation(page, document), [section])
    return Content("rule_costs", question, answer, "unclear", [*legal, *priced])


def _at_an_end(row: dict[str, Any]) -> bool:
    """Whether an estimate lies at or beyond an end of its interval: then it says less than the interval does."""
    width = row["ci_high"] - row["ci_low"]
    return bool(width > 0 and not row["ci_low"] + 0.01 * width < row["value_lost"] < row["ci_high"] - 0.01 * width)


def _legal(page: Page, document: dict[str, Any]) -> list[Section]:
    """What each rule of the law and the house holds back today, a country at a time."""
    if not document.get("rules"):
        return []
    kind: Kind = "points" if document["explanation"]["about"]["reward_kind"] == "binary" else "number"
    rules = sorted(document["rules"], key=lambda row: -row["lost"])
    rows, bars = [], []
    for row in rules:
        words, country = rule_in_words(page, row["rule"]), page.country(row["country"])
        lost = page.formats.estimate(kind, row["lost"], row["low"], row["high"])
        name = f"{country}: {words.name}"
        rows.append(
            [
                Cell(name, f"{row['country']} {row['rule']}", note=citation_in_words(page, row["citation"])),
                page.formats.percent(row["share"]),
                Cell.of(lost.value, shown=lost.value.text.lstrip("+"), tone=lost.direction),
                Cell.interval(lost),
                page.formats.count(row["n_accounts"]),
            ]
        )
        bars.append(Bar(name, row["lost"], lost.value.text.lstrip("+"), row["low"], row["high"]))
    first = rules[0]
    dearest = page.formats.estimate(kind, first["lost"], first["low"], first["high"])
    finding = page.text(
        "The dearest rule is “{rule}” in {country}: {lost} of expected result per account (95% CI {interval}).",
        rule=rule_in_words(page, first["rule"]).name,
        country=page.country(first["country"]),
        lost=dearest.value.text.lstrip("+"),
        interval=dearest.interval,
    )
    heading = page.text("What each rule of the law holds back")
    columns = [
        Column("rule", page.text("Rule"), number=False),
        Column("share", page.text("Accounts that it alone binds")),
        Column("lost", page.text("Held back per account"), unit=page.text("units of reward")),
        Column("ci_95", page.text("95% CI"), unit=page.text("units of reward")),
        Column("accounts", page.text("Accounts looked at"), unit=page.text("accounts")),
    ]
    return [
        Section(
            "legal",
            heading,
            finding,
            lambda width: hbars(bars, width),
            page.text("Expected result per account that each rule alone holds back, with its 95% interval."),
            Table("legal", heading, columns, rows),
            page.text(
                "How much more the best contact would be expected to bring if this rule alone were not there, over all "
                "accounts looked at. It is the cost of keeping the law, and no reason not to."
            ),
        )
    ]


def _answer(page: Page, document: dict[str, Any]) -> str:
    kind = kind_of(document)
    proven = [row for row in document["rules"] if row["verdict"] == "costs"]
    if not proven:
        return page.text(
            "Of channels, hours and tones none is proven to cost anything if it is missing, on {log}.",
            log=window_in_words(page, document),
        )
    dearest = max(proven, key=lambda row: row["value_lost"])
    lost = page.formats.estimate(kind, -dearest["value_lost"], -dearest["ci_high"], -dearest["ci_low"])
    return page.text(
        "The dearest is “{rule}”: {lost} per decision (95% CI {interval}). {n} of {all} are proven to cost something.",
        rule=rule_name(page, dearest["rule"]),
        lost=lost.value.text,
        interval=lost.interval,
        n=len(proven),
        all=len(document["rules"]),
    )


def rule_name(page: Page, name: str) -> str:
    """Rule in the reader's words."""
    if name.startswith("pack "):
        return page.text("Rule pack {pack}", pack=name.removeprefix("pack "))
    match = _LEVER.fullmatch(name)
    if match is None:
        return name
    factor, level = match["factor"], match["level"]
    if factor == "hour":
        ends = level.split(" to ")
        return page.text("Without the hours {a} to {b}", a=f"{ends[0]}:00", b=f"{int(ends[-1]) + 1}:00")
    if factor == "channel":
        return page.text("Without the channel {level}", level=page.wording.label(level))
    if factor == "tone":
        return page.text("Without the tone {level}", level=page.wording.label(level))
    return page.text("Without {factor} {level}", factor=page.label(factor), level=page.label(level))


add_page(router, "rule_costs", "rule-costs", build)
