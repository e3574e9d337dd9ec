"""The form of the page "What if": levers, situations, and facts as they are typed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from babel.numbers import format_decimal, get_currency_precision

from api.pages.account_case import AccountCase
from api.pages.account_values import concept
from api.pages.number_input import AmbiguousNumber, read_number
from api.pages.rendering import Page
from recommender.explanation import ConceptGroups, changeable_columns, feature_label

__all__ = ["FACT", "WITHOUT", "Fact", "Lever", "facts_of", "levers_of", "situations_of", "unit_of"]

_WISH = "preferred_channel"
FACT = "fact."
"""What a field of the debtor begins with in the address."""

WITHOUT = "no."
"""What a lever begins with in the address."""


@dataclass(frozen=True)
class Lever:
    """A factor and its levels: value, name, whether it may be used."""

    name: str
    title: str
    levels: Sequence[tuple[str, str, bool]]


@dataclass(frozen=True)
class Fact:
    """A fact of the debtor: a number, or one of some categories."""

    name: str
    title: str
    value: str
    was: str
    choices: Sequence[tuple[str, str]] = ()
    problem: str = ""


def levers_of(page: Page, case: AccountCase, without: Mapping[str, Sequence[str]]) -> list[Lever]:
    """Factors of the actions, and which of their levels may be used."""
    levers = []
    for name, levels in case.actions.factors.items():
        gone = set(without.get(name, ()))
        shown = [
            (
                str(level),
                f"{int(level):02d}:00" if name == "hour" and str(level).isdigit() else page.label(level),
                str(level) not in gone,
            )
            for level in levels
        ]
        levers.append(Lever(name, page.label(name), shown))
    return levers


def situations_of(page: Page, case: AccountCase) -> list[tuple[str, str]]:
    """Levers of time, of promises and of what was asked for: the account with the facts that it would have then."""
    known = changeable_columns(case.strategy)
    more = {
        page.text("In 20 days, nothing paid"): {"days_past_due": 20.0},
        page.text("After a broken promise"): {"promises_12m": 1.0, "late_payments_12m": 1.0},
    }
    links = []
    for title, changes in more.items():
        facts = {name: case.number(name) for name in changes if name in known}
        query = {
            f"{FACT}{name}": _written(page, was + changes[name], 1.0) for name, was in facts.items() if was is not None
        }
        if query:
            links.append((page.url("what_if", {"account": case.account_id, "explore": "1", **query}), title))
    if _WISH in known and case.text(_WISH) not in (None, "whatsapp"):
        query = {f"{FACT}{_WISH}": "whatsapp"}
        title = page.text("If they asked for WhatsApp")
        links.append((page.url("what_if", {"account": case.account_id, "explore": "1", **query}), title))
    return links


def facts_of(
    page: Page, case: AccountCase, query: dict[str, str], explore: bool
) -> tuple[list[tuple[str, list[Fact]]], dict[str, str], list[str], list[str]]:
    """Fields by concept, the values that differ from what is known, names of emptied numbers and of unreadable ones."""
    groups = ConceptGroups.default()
    facts: dict[str, list[Fact]] = {}
    changes: dict[str, str] = {}
    missing: list[str] = []
    unreadable: list[str] = []
    for name, categories in changeable_columns(case.strategy).items():
        current = case.model_facts[name].iloc[0]
        unit = unit_of(name, case.currency)
        was = (
            ""
            if current is None or (not isinstance(current, str) and pd.isna(current))
            else _written(page, current, unit)
        )
        asked = query.get(f"{FACT}{name}")
        value = was if asked is None or not explore else asked.strip()
        title = feature_label(page.wording, name)
        title = title[:1].upper() + title[1:]
        problem = ""
        if value == "" and was != "":
            missing.append(title)
            problem = page.text("Missing")
        elif value != was and categories:
            changes[name] = value
        elif value != was:
            problem, number = _read(page, name, value, unit)
            if number is None:
                unreadable.append(title)
            else:
                changes[name] = str(round(number * unit) if unit != 1.0 else number)
                value = _written(page, number * unit, unit)  # as it was read, for the reader to see
        choices = [(one, page.label(one)) for one in categories]
        if categories and was not in categories:
            choices.insert(0, (was, page.label(was) if was else page.text("unknown")))
        facts.setdefault(concept(page, groups.group_of(name)), []).append(
            Fact(name, title, value, was, choices, problem)
        )
    return list(facts.items()), changes, missing, unreadable


def unit_of(name: str, currency: str | None) -> float:
    """Minor units are shown and typed as whole money."""
    if not name.endswith("_minor"):
        return 1.0
    return float(10.0 ** get_currency_precision(currency)) if currency is not None else 100.0


def _written(page: Page, value: Any, unit: float) -> str:
    """A value as the reader's region writes it."""
    if isinstance(value, str | bool):
        return str(value)
    number = float(value) / unit
    return str(format_decimal(float(f"{number:.12g}"), format="#,##0.######", locale=page.locale))


def _read(page: Page, name: str, text: str, unit: float) -> tuple[str, float | None]:
    """What is wrong with a typed number, and the number."""
    is_count = name.startswith(("days_", "n_"))
    decimals = 0 if is_count else round(math.log10(unit)) if unit != 1.0 else None
    try:
        return "", read_number(text, page.locale, most_decimals=decimals)
    except AmbiguousNumber:
        return page.text("May be thousands or decimals: write it without a separator of thousands."), None
    except ValueError:
        return page.text("This is no number."), None
