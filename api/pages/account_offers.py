"""What a decision offers an account and what that costs, what was offered before, and why nothing else was."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from api.pages.account_case import AccountCase
from api.pages.content import Cell, Column, Section, Table
from api.pages.rendering import Page
from api.pages.shown import Shown
from recommender.deciding import OFFERS_KNOWN
from recommender.offers import PriceList
from recommender.store.decision_log import offers_made

__all__ = ["offer_in_words", "offers_section"]


def offer_in_words(page: Page, terms: Mapping[str, Any]) -> str:
    """Terms of an offer: ``kind``, ``percent``, ``instalments``, ``id``."""
    if terms.get("kind") == "discount" and terms.get("percent") is not None:
        share = float(terms["percent"])
        percent = page.formats.percent(share / 100.0, 0 if share.is_integer() else 1)
        return page.text("{percent} of the debt forgiven", percent=percent)
    if terms.get("kind") == "instalments" and terms.get("instalments"):
        return page.text("the debt in {n} monthly payments", n=page.formats.count(int(terms["instalments"])))
    return str(terms.get("id", ""))


def offers_section(page: Page, case: AccountCase) -> Section | None:
    """Offer of the newest decision and those made before; None where nothing was ever offered or could be."""
    first = case.logged.decision.ranking[0] if case.logged is not None and case.logged.decision.ranking else {}
    log = case.portfolio.log
    if log is None:
        return None
    made = offers_made(log, account_id=case.account_id)
    if made.empty and OFFERS_KNOWN not in first:
        return None
    terms = json.loads(first.get("offer") or "{}")
    house = case.portfolio.served.house.offers
    prices = None if house is None else house.prices
    finding = _offered(page, case, terms) if terms else page.text("This decision makes no offer.")
    shut = (json.loads(first.get(OFFERS_KNOWN) or "{}").get("shut") or {}) if not case.is_control else {}
    reading = " ".join(_why_shut(page, rule, len(ids)) for rule, ids in sorted(shut.items()))
    states = {
        "open": page.text("open"),
        "accepted": page.text("accepted"),
        "refused": page.text("refused by the debtor"),
        "expired": page.text("expired"),
        "withdrawn": page.text("withdrawn"),
    }
    rows = []
    for row in made.sort_values("offered_at", ascending=False).to_dict("records"):
        ends = row.get("valid_until")
        over = ends is not None and ends == ends and ends.to_pydatetime() <= page.made_at and row["status"] == "open"
        state = "expired" if over else str(row["status"])
        rows.append(
            [
                Cell(_listed(page, prices, str(row["offer_id"])), str(row["offer_id"])),
                Cell(page.formats.instant(row["offered_at"], case.zone).text, row["offered_at"].isoformat()),
                _day(page, case, ends),
                Cell(states.get(state, state), state),
                _cost(page, prices.currency if prices is not None else case.currency, row["cost_minor"]),
            ]
        )
    heading = page.text("Offers")
    columns = [
        Column("offer", page.text("Offer"), number=False),
        Column("offered_at", page.text("Offered"), number=False),
        Column("until", page.text("Until"), number=False),
        Column("state", page.text("State"), number=False),
        Column("cost", page.text("Cost if it is taken"), unit=page.text("minor units")),
    ]
    table = Table("offers", page.text("Offers made to this account"), columns, rows) if rows else None
    return Section("offers", heading, finding, table=table, reading=reading)


def _offered(page: Page, case: AccountCase, terms: Mapping[str, Any]) -> str:
    """The offer in a sentence: terms, end and cost."""
    ends = terms.get("expires_at")
    until = "" if ends is None else page.formats.instant(datetime.fromisoformat(ends), case.zone).text
    cost = _cost(page, terms.get("currency"), terms.get("cost_minor")).shown
    return page.text(
        "It offers {offer}, until {until}; it costs {cost} if it is taken.",
        offer=offer_in_words(page, terms), until=until or "–", cost=cost,
    )  # fmt: skip


def _why_shut(page: Page, rule: str, n: int) -> str:
    """Why other offers could not be made."""
    count = page.formats.count(n)
    if rule == "offer-open":
        return page.text("{n} others could not be made: one that was made before is still open.", n=count)
    if rule == "offer-better":
        return page.text("{n} others could not be made: they give more than an earlier one, and waiting must not pay.",
                         n=count)  # fmt: skip
    return page.text("{n} others could not be made: the budget for offers does not reach.", n=count)


def _listed(page: Page, prices: PriceList | None, offer_id: str) -> str:
    offer = None if prices is None else prices.get(offer_id)
    return offer_id if offer is None else offer_in_words(page, offer.model_dump())


def _day(page: Page, case: AccountCase, moment: Any) -> Cell:
    if moment is None or moment != moment:
        return Cell("–", "")
    return Cell(page.formats.instant(moment, case.zone).text, moment.isoformat())


def _cost(page: Page, currency: Any, minor: Any) -> Cell:
    if minor is None or math.isnan(float(minor)):
        return Cell("–", "")
    shown: Shown = (
        page.formats.money(float(minor), currency) if isinstance(currency, str) else page.formats.count(float(minor))
    )
    return Cell.of(shown)
