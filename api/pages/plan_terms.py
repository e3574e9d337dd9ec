"""What a plan is after: objective, levers, texts, offers and what of their budget it uses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd

from api.pages.content import Cell, Column, Section, Table
from api.pages.rendering import Page
from recommender.offers import OfferDesk, PriceList
from recommender.planning import offers_of_plan

__all__ = ["objective_in_words", "offers_in_money", "terms_section"]


def objective_in_words(page: Page, name: str) -> str:
    """What is maximised."""
    t = page.text
    names = {
        "reward": t("the result that was learnt"),
        "gain": t("the result beyond leaving the account alone"),
        "p_delivered": t("the chance that the message arrives"),
        "p_reached": t("the chance of reaching the debtor"),
        "p_promise_to_pay": t("the chance of a promise to pay"),
        "p_promise_kept": t("the chance of a promise that is kept"),
        "p_paid": t("the chance of a payment"),
        "expected_amount": t("the amount paid"),
        "net_value": t("the amount paid, costs taken off"),
        "net_gain": t("the amount paid beyond what comes anyway, costs taken off"),
    }
    return names.get(name, name)


def terms_section(page: Page, about: Mapping[str, Any]) -> Section:
    """The terms of a plan, one a row."""
    objective = about.get("objective") or {"name": "reward", "levers": []}
    after = objective_in_words(page, str(objective["name"]))
    rows: list[list[Any]] = [[page.text("What is maximised"), Cell(after, objective["name"])]]
    rows += [[page.text("Lever"), _lever(page, lever)] for lever in objective["levers"]]
    if not objective["levers"]:
        rows.append([page.text("Levers"), page.text("none")])
    texts = page.text("your own") if about.get("own_texts") else page.text("those of the package")
    rows.append([page.text("Texts of messages"), Cell(texts, note=str(about.get("messages_digest", ""))[:12])])
    if off := about.get("switched_off"):
        words = page.text("these packs do not hold: {packs}", packs=", ".join(map(str, off)))
        rows.append([page.text("Rules of the house switched off by name"), words])
    rows += _offers(page, about)
    columns = [Column("term", page.text("Term"), number=False), Column("value", page.text("Value"), number=False)]
    heading = page.text("What this plan is after")
    finding = page.text("It maximises {objective}.", objective=after)
    return Section("terms", heading, finding, table=Table("terms", heading, columns, rows))


def _lever(page: Page, lever: Mapping[str, Any]) -> str:
    parts = []
    if lever.get("weight", 1.0) != 1.0:
        parts.append(page.text("counts {weight} times", weight=page.formats.number(float(lever["weight"]), 2)))
    if lever.get("floor") is not None:
        parts.append(page.text("must bring at least {floor}", floor=page.formats.number(float(lever["floor"]), 2)))
    if lever.get("minimum_share"):
        share = page.formats.percent(float(lever["minimum_share"]), 0)
        parts.append(page.text("at least {share} of those who may have it", share=share))
    told = ", ".join(parts) or page.text("as it is")
    return f"{page.label(lever['level'])}: {told}"


def _offers(page: Page, about: Mapping[str, Any]) -> list[list[Any]]:
    """What the offers of the plan cost against their budget."""
    offers = about.get("offers")
    if not offers:
        return [[page.text("Offers"), page.text("none: there is no price list")]]
    money = offers["currency"]
    rows: list[list[Any]] = [
        [
            page.text("Offers in this plan"),
            page.text(
                "{n}, which cost {cost} if all are taken",
                n=page.formats.count(int(offers["made"])),
                cost=page.formats.money(float(offers["cost_minor"]), money),
            ),
        ]
    ]
    if offers.get("budget_minor") is None:
        return [*rows, [page.text("Budget for offers"), page.text("no limit")]]
    budget, before = float(offers["budget_minor"]), float(offers["before_minor"])
    left = budget - before - float(offers["cost_minor"])
    return [
        *rows,
        [page.text("Budget for offers"), page.formats.money(budget, money).text],
        [page.text("Used by offers made before"), page.formats.money(before, money).text],
        [page.text("Left after this plan"), page.formats.money(left, money).text],
    ]


def offers_in_money(
    contacts: pd.DataFrame, prices: PriceList, offered: list[pd.DataFrame], as_of: datetime
) -> dict[str, Any]:
    """What the offers of a plan may cost, beside those made before: ``about["offers"]``, which the section shows."""
    made = offers_of_plan(contacts, prices)
    before = OfferDesk(prices, offered[0] if offered and len(offered[0]) else None).committed(as_of)
    return {
        "currency": prices.currency,
        "budget_minor": prices.budget_minor,
        "before_minor": before if math.isfinite(before) else 0.0,
        "made": len(made),
        "cost_minor": float(made["cost_minor"].fillna(0.0).sum()),
    }
