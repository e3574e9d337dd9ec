"""Figures of the results page: their names, units and formats, and why some are not compared."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from api.pages.rendering import Page
from api.pages.shown import Estimate, Kind, Shown
from recommender.monitoring import FEWEST_ACCOUNTS, FEWEST_EVENTS

__all__ = [
    "currency_of",
    "difference_of",
    "kind_of_row",
    "kpi_names",
    "state_in_words",
    "title_of",
    "tone_of",
    "unit_of",
    "value_of",
]


def kpi_names(page: Page) -> dict[str, tuple[str, str]]:
    """Name and definition of each figure."""
    t = page.text
    return {
        "contactability": (t("Contactability"), t("accounts of whom a contact connected")),
        "right_party_contact": (t("Right-party contact"), t("accounts whose debtor answered")),
        "promise": (t("Promise to pay"), t("accounts with a promise")),
        "promise_kept": (t("Promise kept"), t("of the accounts with a promise")),
        "payment": (t("Payment"), t("accounts that paid anything")),
        "recovery": (t("Recovered per account"), t("amount paid over accounts")),
        "recovery_rate": (t("Recovery rate"), t("amount paid over balance at the first decision")),
        "cost_per_unit": (t("Cost per 100 recovered"), t("contact cost over amount paid")),
        "contacts": (t("Contacts per account"), t("contacts made over accounts")),
        "opt_out": (t("Opt-outs per 1,000"), t("accounts that closed a channel")),
        "complaint": (t("Complaints per 1,000"), t("accounts that complained")),
    }


def kind_of_row(row: Any) -> tuple[Kind, float]:
    """How a figure is formatted, and what it is multiplied by before."""
    kinds: dict[str, tuple[Kind, float]] = {"price": ("number", 100.0), "number": ("number", 1.0)}
    return kinds.get(row.kind, (row.kind, 1.0))


def currency_of(row: Any) -> str | None:
    """Currency of an amount; None where it is none."""
    return row.currency if isinstance(row.currency, str) else None


def title_of(page: Page, row: Any) -> str:
    """Name of a figure, with its currency."""
    name = kpi_names(page)[row.kpi][0]
    return f"{name} ({row.currency})" if isinstance(row.currency, str) else name


def unit_of(page: Page, row: Any) -> str:
    """What a plain number counts."""
    if row.kpi == "cost_per_unit":
        return page.text("per 100 recovered")
    return page.text("contacts") if row.kind == "number" else ""


def value_of(page: Page, row: Any, arm: str) -> Shown:
    """A figure of a group."""
    kind, scale = kind_of_row(row)
    value = getattr(row, arm)
    shown = page.formats.value(kind, None if pd.isna(value) else scale * value, currency=currency_of(row))
    return shown if shown.unit else replace(shown, unit=unit_of(page, row))


def difference_of(page: Page, row: Any) -> Estimate | None:
    """Policy less control with its interval; None where they are not compared."""
    if row.state != "ok":
        return None
    kind, scale = kind_of_row(row)
    return page.formats.estimate(
        kind, scale * row.difference, scale * row.low, scale * row.high, currency=currency_of(row)
    )


def tone_of(row: Any, direction: str) -> str:
    """Colour of a direction: blue in favour, orange against; neither where more is not better or worse."""
    if direction not in ("above", "below") or row.higher_is_better is None or pd.isna(row.higher_is_better):
        return "unclear"
    return "above" if (direction == "above") == bool(row.higher_is_better) else "below"


def state_in_words(page: Page, row: Any) -> str:
    """Why two groups are not compared."""
    if row.state == "few accounts":
        fewest = min(row.n_policy, row.n_holdout)
        return page.text(
            "Only {n} accounts in one group; {needed} are needed.",
            n=page.formats.count(fewest),
            needed=page.formats.count(FEWEST_ACCOUNTS),
        )
    if row.state == "few events":
        return page.text("Fewer than {n} such accounts: not compared.", n=FEWEST_EVENTS)
    return page.text("Not known: nothing to divide by, or no costs were given.")
