"""What if: what would be recommended if something changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pandas as pd
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse

from api.pages.account_case import AccountCase
from api.pages.account_charts import BESIDE, Pair, dumbbell
from api.pages.account_values import ActionNames, Values
from api.pages.basis import based_on, of_account
from api.pages.content import Cell, Column, Content, Section, Table
from api.pages.drawing import Drawing
from api.pages.page_data import Portfolio
from api.pages.rendering import Page, PageDep
from api.pages.section_pages import add_page
from api.pages.what_if_form import FACT, WITHOUT, Fact, Lever, facts_of, levers_of, situations_of, unit_of
from recommender.errors import InvalidInput
from recommender.explanation import WhatIf, changeable_columns, feature_label, what_if

__all__ = ["router"]

router = APIRouter()

_COMPARED_WITH = 20_000
"""Accounts whose range says what is unusual."""

_SHOWN = 8


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
    account_id = query.get("account", "")
    if not account_id.strip():
        return WhatIfContent(
            "what_if",
            page.text("What would be recommended if something changed?"),
            page.text("Choose an account to see its recommendation."),
            links=[(page.url("accounts"), page.text("Choose an account"))],
        )
    case = AccountCase.of(portfolio, account_id)
    account_id = case.account_id
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
        key.removeprefix(WITHOUT): [one for one in value.split("|") if one]
        for key, value in query.items()
        if key.startswith(WITHOUT) and value
    }
    facts, changes, missing, unreadable = facts_of(page, case, query, explore)
    kept: dict[str, Any] = {key: value for key, value in query.items() if key != "page" and value}
    links = [*situations_of(page, case), *links]
    parts: dict[str, Any] = {
        "case": case, "query": kept, "explore": explore, "links": links,
        "levers": levers_of(page, case, without), "facts": facts,
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
        sections=based_on(of_account(page, case), [_section(page, case, judged)]),
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
        name, unit = feature_label(page.wording, one.column), unit_of(one.column, case.currency)
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
                Column("before", page.text("Before"), unit=values.unit),
                Column("before_interval", page.text("95% CI before"), unit=values.unit),
                Column("after", page.text("After"), unit=values.unit),
                Column("after_interval", page.text("95% CI after"), unit=values.unit),
                Column("change", page.text("Change"), unit=values.unit),
                Column("rank", page.text("Rank"), unit=page.text("ranks")),
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
    query = {key: "|".join(values) for key, values in query_lists.items() if any(values) or key.startswith(FACT)}
    return RedirectResponse(page.url("what_if", query), 303)


add_page(router, "what_if", "what-if", build, template="what_if.html")
