"""What if: what would be recommended if something changed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pandas as pd
from babel.numbers import format_decimal, get_currency_precision
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse

from api.pages.account_case import AccountCase
from api.pages.account_charts import BESIDE, Pair, dumbbell
from api.pages.account_values import ActionNames, Values, concept
from api.pages.content import Cell, Column, Content, Section, Table
from api.pages.drawing import Drawing
from api.pages.number_input import AmbiguousNumber, read_number
from api.pages.page_data import Portfolio
from api.pages.rendering import Page, PageDep
from api.pages.section_pages import add_page
from recommender.errors import InvalidInput
from recommender.explanation import ConceptGroups, WhatIf, changeable_columns, feature_label, what_if

__all__ = ["router"]

router = APIRouter()

_WISH = "preferred_channel"
_COMPARED_WITH = 20_000
"""Accounts whose range says what is unusual."""

_SHOWN = 8
_FACT = "fact."
_WITHOUT = "no."


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


@dataclass(frozen=True)
class WhatIfContent(Content):
    """The page: levers, facts by concept, and what came of them."""

    case: AccountCase | None = None
    query: Mapping[str, Any] = field(default_factory=dict)
    levers: Sequence[Lever] = ()
    facts: Sequence[tuple[str, Sequence[Fact]]] = ()
    explore: bool = False
    hypothetical: bool = False
    warnings: Sequence[str] = ()
    links: Sequence[tuple[str, str]] = ()


def build(page: Page, portfolio: Portfolio, query: dict[str, str]) -> WhatIfContent:
    """Build the page of ``?account=`` with levers ``no.<factor>=level|level`` and facts ``fact.<column>=value``."""
    account_id = query.get("account", "").strip()
    if not account_id:
        return WhatIfContent(
            "what_if",
            page.text("What would be recommended if something changed?"),
            page.text("Choose an account to see its recommendation."),
            links=[(page.url("accounts"), page.text("Choose an account"))],
        )
    case = AccountCase.of(portfolio, account_id)
    question = page.text("What would be recommended to account {account} if something changed?", account=account_id)
    back = [(page.url("account", {"id": account_id}), page.text("Why this action"))]
    if not case.is_model:
        answer = page.text("The general rule answers: nothing has been learnt yet, so nothing would change.")
        return WhatIfContent("what_if", question, answer, case=case, links=back)
    return _content(page, case, question, query, back)


def _content(
    page: Page, case: AccountCase, question: str, query: dict[str, str], links: list[tuple[str, str]]
) -> WhatIfContent:
    explore = query.get("explore") == "1"
    without = {
        key.removeprefix(_WITHOUT): [one for one in value.split("|") if one]
        for key, value in query.items()
        if key.startswith(_WITHOUT) and value
    }
    facts, changes, missing, unreadable = _facts(page, case, query, explore)
    kept: dict[str, Any] = {key: value for key, value in query.items() if key != "page" and value}
    links = [*_situations(page, case), *links]
    parts: dict[str, Any] = {
        "case": case, "query": kept, "explore": explore, "links": links,
        "levers": _levers(page, case, without), "facts": facts,
    }  # fmt: skip
    if missing:
        answer = page.texts(
            "{count} value is missing: {names}. Without it nothing is calculated.",
            "{count} values are missing: {names}. Without them nothing is calculated.",
            len(missing), names=", ".join(missing),
        )  # fmt: skip
        return WhatIfContent("what_if", question, answer, tone="below", **parts)
    if unreadable:
        answer = page.text("This cannot be calculated: {names} cannot be read.", names=", ".join(unreadable))
        return WhatIfContent("what_if", question, answer, tone="below", **parts)
    try:
        judged = _judged(case, changes, without, explore)
    except InvalidInput:
        names = ", ".join(feature_label(page.wording, name) for name in changes) or page.text("the choices")
        answer = page.text("This cannot be calculated: a value of {names} is not possible.", names=names)
        return WhatIfContent("what_if", question, answer, tone="below", **parts)
    return WhatIfContent(
        "what_if",
        question,
        _answer(page, case, judged),
        tone="above" if judged.turns else "unclear",
        sections=[_section(page, case, judged)],
        hypothetical=judged.hypothetical,
        warnings=[*_control_warning(page, case), *_warnings(page, case, judged)],
        **parts,
    )


def _judged(
    case: AccountCase, changes: Mapping[str, Any], without: Mapping[str, Sequence[str]], explore: bool
) -> WhatIf:
    """Before under the rules of the decision, after under the rules for the changed facts."""
    after = None
    if changes:
        free = changeable_columns(case.strategy)
        numbers = {
            name: pd.to_numeric(value, errors="coerce") if not free.get(name) else value
            for name, value in changes.items()
        }
        changed = case.facts.drop(columns=[name for name in ("stage",) if "days_past_due" in changes], errors="ignore")
        after = case.eligibility_of(
            changed.assign(**{name: [value] for name, value in numbers.items()}), case.actions
        ).mask
    return what_if(
        case.strategy,
        case.model_facts,
        changes=changes,
        without=without,
        explore=explore,
        eligible=case.mask[None],
        eligible_after=after,
        as_of=case.as_of,
        history=case.history,
        reference=case.portfolio.some_accounts(_COMPARED_WITH),
    )


# -- the form ----------------------------------------------------------------------------------------------------------
def _levers(page: Page, case: AccountCase, without: Mapping[str, Sequence[str]]) -> list[Lever]:
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


def _situations(page: Page, case: AccountCase) -> list[tuple[str, str]]:
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
            f"{_FACT}{name}": _written(page, was + changes[name], 1.0) for name, was in facts.items() if was is not None
        }
        if query:
            links.append((page.url("what_if", {"account": case.account_id, "explore": "1", **query}), title))
    if _WISH in known and case.text(_WISH) not in (None, "whatsapp"):
        query = {f"{_FACT}{_WISH}": "whatsapp"}
        title = page.text("If they asked for WhatsApp")
        links.append((page.url("what_if", {"account": case.account_id, "explore": "1", **query}), title))
    return links


def _facts(
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
        unit = _unit(name, case.currency)
        was = (
            ""
            if current is None or (not isinstance(current, str) and pd.isna(current))
            else _written(page, current, unit)
        )
        asked = query.get(f"{_FACT}{name}")
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


def _unit(name: str, currency: str | None) -> float:
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


# -- what came of it ---------------------------------------------------------------------------------------------------
def _answer(page: Page, case: AccountCase, judged: WhatIf) -> str:
    names, values = ActionNames(page, case.actions), Values(page, case)
    table = judged.frame.set_index("action")
    after = table.loc[judged.best_after]
    estimate = values.estimate(after["after"], after["after_lo"], after["after_hi"])
    places = {"after": names.of(judged.best_after), "value": estimate.value.text, "interval": estimate.interval}
    if judged.turns and judged.best_before >= 0:
        return page.text(
            "{after} instead of {before}: {value} expected (95% CI {interval}).",
            before=names.of(judged.best_before),
            **places,
        )
    return page.text("{after} stays the best action: {value} expected (95% CI {interval}).", **places)


def _control_warning(page: Page, case: AccountCase) -> list[str]:
    return [page.text("Control group: do not touch. This is a calculation only.")] if case.is_control else []


def _warnings(page: Page, case: AccountCase, judged: WhatIf) -> list[str]:
    warnings = []
    for one in judged.out_of_range:
        name, unit = feature_label(page.wording, one.column), _unit(one.column, case.currency)
        if one.low is None or one.high is None:
            warnings.append(
                page.text("{name}: no account of the portfolio has this value; the model is guessing.", name=name)
            )
            continue
        low, high, value = (
            page.wording.number(number, 2) for number in (one.low / unit, one.high / unit, float(one.value) / unit)
        )
        warnings.append(
            page.text(
                "{name}: {value} lies outside of what nearly all accounts have ({low} to {high}); the "
                "model is guessing.",
                      name=name, value=value, low=low, high=high)
        )  # fmt: skip
    return warnings


def _section(page: Page, case: AccountCase, judged: WhatIf) -> Section:
    names, values = ActionNames(page, case.actions), Values(page, case)
    table = judged.frame
    wanted = list(dict.fromkeys([judged.best_after, judged.best_before, *table["action"].head(_SHOWN).tolist()]))[
        :_SHOWN
    ]
    pairs, rows, ends = [], [], []
    for row in (
        table.set_index("action").loc[[action for action in wanted if action >= 0]].reset_index().to_dict("records")
    ):
        allowed = [not pd.isna(row[f"rank_{side}"]) for side in ("before", "after")]
        before, after = (
            values.estimate(row[side], row[f"{side}_lo"], row[f"{side}_hi"]) if eligible else None
            for side, eligible in zip(("before", "after"), allowed, strict=True)
        )
        action = int(row["action"])
        text = after.value.text if after is not None else page.text("not allowed")
        pairs.append(
            Pair(
                names.of(action),
                float(row["before"]) if allowed[0] else None,
                float(row["after"]) if allowed[1] else None,
                text,
                float(row["after_lo"]) if allowed[1] else None,
                float(row["after_hi"]) if allowed[1] else None,
                marked=action == judged.best_after,
            )
        )
        ends += [row[key] for key in ("before", "after", "after_lo", "after_hi")]
        ranks = [
            page.formats.count(row[f"rank_{side}"]).text if eligible else "–"
            for side, eligible in zip(("before", "after"), allowed, strict=True)
        ]
        change = (
            page.formats.difference(values.kind, row["after"] - row["before"], decimals=2) if all(allowed) else None
        )
        rows.append(
            [
                Cell(names.of(action), note=page.text("best now") if action == judged.best_after else ""),
                Cell.of(before.value) if before else Cell(page.text("not allowed")),
                Cell.interval(before),
                Cell.of(after.value) if after else Cell(text),
                Cell.interval(after),
                Cell.of(change),
                f"{ranks[0]} → {ranks[1]}",
            ]
        )
    finding = page.text("Another action is best.") if judged.turns else page.text("The best action stays the same.")
    return Section(
        "before-after",
        page.text("Before and after"),
        finding,
        draw=partial(_draw, pairs, values.ticks([end for end in ends if not pd.isna(end)])),
        label=finding,
        table=Table(
            "before-after",
            page.text("Expected result of each action"),
            [
                Column("action", page.text("Action"), number=False),
                Column("before", page.text("Before")),
                Column("before_interval", page.text("95% CI before")),
                Column("after", page.text("After")),
                Column("after_interval", page.text("95% CI after")),
                Column("change", page.text("Change")),
                Column("rank", page.text("Rank")),
            ],
            rows,
        ),
        reading=page.text("Hollow: before. Full: after, with its 95% CI. Rules are applied again to what was changed."),
    )


def _draw(pairs: Sequence[Pair], ticks: Sequence[tuple[float, str]], width: int) -> Drawing:
    return dumbbell(pairs, ticks, min(width, BESIDE))


@router.get("/{language}/what-if/apply", name="what_if_apply", include_in_schema=False)
def apply(request: Request, page: PageDep) -> RedirectResponse:
    """Turn the form, whose boxes repeat their name, into one address: ``no.channel=call|sms``."""
    query_lists: dict[str, list[str]] = {}
    for key, value in request.query_params.multi_items():
        query_lists.setdefault(key, []).append(value)
    query = {key: "|".join(values) for key, values in query_lists.items() if any(values) or key.startswith(_FACT)}
    return RedirectResponse(page.url("what_if", query), 303)


add_page(router, "what_if", "what-if", build, template="what_if.html")
