"""Account: why this action and not that one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from fastapi import APIRouter
from starlette.exceptions import HTTPException

from api.pages.account_case import AccountCase
from api.pages.account_charts import BESIDE
from api.pages.account_contrast import contrast_section, counterfactual_section, factor_section, headline
from api.pages.account_history import history_section
from api.pages.account_offers import offers_section
from api.pages.account_payments import payments_section
from api.pages.account_values import ActionNames, Values, waterfall_section
from api.pages.basis import based_on, of_account
from api.pages.charts import Dot, dots
from api.pages.comments import comments_section
from api.pages.content import Cell, Column, Content, Section, Table
from api.pages.page_data import Portfolio
from api.pages.rendering import Page
from api.pages.rule_words import rule_in_words
from api.pages.section_pages import add_page
from recommender.explanation import Explanation, debtor_justification

__all__ = ["router"]

router = APIRouter()

_FEW_TRIES = 5


@dataclass(frozen=True)
class AccountContent(Content):
    """The account's page: what every page has, the case, and what links keep."""

    case: AccountCase | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    badges: Sequence[tuple[str, str]] = ()
    facts: Sequence[tuple[str, str]] = ()
    reasons: Sequence[str] = ()
    said_to_debtor: Sequence[str] = ()
    links: Sequence[tuple[str, str]] = ()


def build(page: Page, portfolio: Portfolio, query: dict[str, str]) -> AccountContent:
    """Build the page of ``?id=``, with the pair ``a``, ``b`` to compare."""
    account_id = query.get("id", "")
    if not account_id.strip():
        return AccountContent(
            "account",
            page.text("Why this action and not that one?"),
            page.text("Choose an account to see its recommendation."),
            links=[(page.url("accounts"), page.text("Choose an account"))],
        )
    case = AccountCase.of(portfolio, account_id)
    account_id = case.account_id
    own = [
        offers_section(page, case),
        history_section(page, case),
        payments_section(page, case),
        comments_section(page, portfolio, account_id, {}),
    ]
    always = based_on(of_account(page, case), [one for one in own if one is not None])
    question = page.text("Why this action for account {account}?", account=account_id)
    links = [(page.url("decision", _trace_query(case)), page.text("Decision trace: what stopped the rest"))]
    if case.known:
        links.append((page.url("best_hours", {"account": account_id}), page.text("Best hours of the coming week")))
    kept = {key: query[key] for key in ("id", "a", "b") if query.get(key)}
    extras: dict[str, Any] = {
        "case": case, "query": kept, "facts": _facts(page, case), "links": links,
        "badges": [], "notices": _notices(page, case),
    }  # fmt: skip
    if not case.is_model:
        answer = page.text("The general rule answered: nothing has been learnt yet, so there is nothing to explain.")
        extras["badges"] = [("below", page.text("General rule used"))]
        return AccountContent("account", question, answer, sections=always, **extras)
    names = ActionNames(page, case.actions)
    links.insert(0, (page.url("what_if", {"account": account_id}), page.text("What if something changed?")))
    if int(case.mask.sum()) <= 1:
        return AccountContent("account", question, _stopped(page, case), sections=always, **extras)
    explanation = case.explained(str(page.locale).replace("_", "-"))
    values = Values(page, case, explanation)
    first, second = _pair(query, case, explanation)
    contrast = explanation.contrast(first, second, row=0)
    reasons = contrast.reasons(currency=case.currency)[1:]
    extras["badges"] = _badges(page, case, explanation, contrast.a)
    if not case.is_control:  # the model's reasons are none of what the old way did
        extras["reasons"] = reasons
        extras["said_to_debtor"] = debtor_justification(explanation.contrast(case.chosen, row=0))
    sections = [
        _ranked_section(page, case, explanation, values, names),
        contrast_section(page, contrast, values, names, kept),
        factor_section(page, contrast, values),
        counterfactual_section(page, case, contrast, values, names),
        waterfall_section(page, explanation, values, names, case.chosen),
        *always,
    ]
    tone = "unclear" if case.is_control else "above" if contrast.sign_is_clear and contrast.reward_difference > 0 else (
        "below" if contrast.sign_is_clear else "unclear"
    )  # fmt: skip
    return AccountContent(
        "account",
        question,
        page.text("Control group: do not touch.") if case.is_control else headline(page, contrast, values, names),
        tone=tone,
        sections=based_on(of_account(page, case), [one for one in sections if one is not None]),
        **extras,
    )


def _of_control(page: Page) -> str:
    return page.text(
        "Control group: do not touch. The old way contacts this account, so that both can be compared; what the model "
        "would do is shown for comparison only."
    )


def _pair(query: dict[str, str], case: AccountCase, explanation: Explanation) -> tuple[int, int]:
    """Actions to compare: the dispatched one and the best of another channel, unless others are asked for."""

    def asked(name: str) -> int | None:
        text = query.get(name, "").strip()
        if not text:
            return None
        if not text.isdigit() or int(text) >= len(case.actions):
            raise HTTPException(422, f"{name}={text!r} is no action of this account.")
        return int(text)

    first = asked("a")
    first = case.chosen if first is None else first
    second = asked("b")
    return first, _best_other(case, explanation, first) if second is None else second


def _best_other(case: AccountCase, explanation: Explanation, action: int) -> int:
    """Best allowed action of another channel, since hours of one channel hardly differ; else the second best."""
    codes = explanation.actions.codes[:, 0]
    others = [int(one) for one in case.mask.nonzero()[0] if one != action]
    apart = [one for one in others if codes[one] != codes[action] and codes[one] >= 0]
    return max(apart or others or [action], key=lambda one: float(explanation.rewards[0, one]))


def _trace_query(case: AccountCase) -> dict[str, str]:
    if case.logged is None:
        return {"account": case.account_id}
    return {"id": case.logged.decision.decision_id}


def _facts(page: Page, case: AccountCase) -> list[tuple[str, str]]:
    formats = page.formats
    today = _changed_since(page, case)
    known = [(name, case.text(name)) for name in ("stage", "product", "country")]
    facts = [
        (page.label(name), (page.country(value) if name == "country" else page.label(value)) + today.get(name, ""))
        for name, value in known
        if value is not None
    ]
    if case.segment is not None:
        facts.append((page.text("Segment"), case.portfolio.segment_name(page.label)(case.segment)))
    days, money = case.number("days_past_due"), case.number("balance_minor")
    if days is not None:
        facts.append((page.label("days_past_due"), formats.count(days).text + today.get("days_past_due", "")))
    if money is not None:
        shown = formats.money(money, case.currency) if case.currency else formats.count(money)
        facts.append((page.label("balance"), shown.text + today.get("balance_minor", "")))
    when = f"{formats.instant(case.as_of, case.zone)} ({case.zone})"
    facts.append((page.text("Decided") if case.logged is not None else page.text("Judged now"), when))
    return facts


def _changed_since(page: Page, case: AccountCase) -> dict[str, str]:
    """What the portfolio says today of facts that were otherwise when it was decided; lists show today's."""
    now = case.portfolio.account(case.account_id) if case.logged is not None and case.known else None
    if now is None or now.empty:
        return {}
    then, formats, told, today_word = case, page.formats, {}, page.text("today")
    today = replace(case, facts=now.iloc[[0]].reset_index(drop=True))
    for name in ("stage", "days_past_due", "balance_minor"):
        value, number = today.text(name), today.number(name)
        if value is None or (value == then.text(name) if number is None else number == then.number(name)):
            continue
        if name == "balance_minor" and case.currency:
            shown = formats.money(number, case.currency).text
        else:
            shown = page.label(value) if number is None else formats.count(number).text
        told[name] = f" ({today_word}: {shown})"
    return told


def _notices(page: Page, case: AccountCase) -> list[str]:
    notices = [_of_control(page)] if case.is_control else []
    if case.is_stopped:
        notices.append(page.text("A person stopped all contact with this debtor."))
    if case.is_taken_back:
        notices.append(page.text("Cancelled: nobody is contacted by this decision."))
    if case.logged is None:
        notices.append(page.text("No decision about this account is logged; this is what would be decided now."))
    elif not case.same_policy and case.is_model:
        notices.append(
            page.text("The decision was made by policy {version}; the explanation is of the one in use now.",
                      version=case.logged.decision.provenance.policy_version)
        )  # fmt: skip
    if case.contacts is None:
        notices.append(page.text("No contact history is configured, so contact limits count as reached."))
    return notices


def _badges(page: Page, case: AccountCase, explanation: Explanation, action: int) -> list[tuple[str, str]]:
    """Evidence behind the action, the general rule, chance, and a person who must look."""
    tries = float(explanation.served.model.evidence(explanation.context)[0, action])
    badges = [
        ("", page.text("{count} tries on accounts like this one", count=page.formats.count(tries).text))
        if tries >= _FEW_TRIES
        else (
            "below",
            page.text("Little history ({count} tries): mostly the general rule", count=page.formats.count(tries).text),
        )
    ]
    if case.is_control:
        return [("below", page.text("control: do not touch"))]
    if case.logged is not None and case.logged.decision.fallback:
        badges.append(("below", page.text("General rule used")))
    values = explanation.rewards[0]
    best = max((int(i) for i in case.mask.nonzero()[0]), key=lambda i: float(values[i]))
    if best != case.chosen:
        badges.append(("unclear", page.text("Chance explored: it is not the best action")))
    if case.decided.eligibility.needs_human[0]:
        badges.append(("below", page.text("Needs a person before it is sent")))
    return badges


def _stopped(page: Page, case: AccountCase) -> str:
    """Which rule stopped everything, and when that lifts."""
    trace = case.trace()
    passing = ("hours", "contact_limit")
    strongest = min(trace.rules, key=lambda one: (one.kind in passing, -one.removed), default=None)
    lifts = [one.lifts_at for one in trace.rules if one.lifts_at is not None]
    if strongest is None:
        return page.text("No contact is allowed; the rules behind it cannot be judged again.")
    named = rule_in_words(page, strongest.rule).text
    if strongest.lifts_at is None or not lifts:
        return page.text("No contact is allowed: “{rule}” stops it, and time alone does not lift it.", rule=named)
    from datetime import datetime

    when = page.formats.instant(datetime.fromisoformat(min(lifts)), case.zone).text
    return page.text("No contact is allowed now: “{rule}” stops it. It lifts on {when}.", rule=named, when=when)


def _ranked_section(
    page: Page, case: AccountCase, explanation: Explanation, values: Values, names: ActionNames
) -> Section:
    """Best eligible actions with intervals; the dispatched one is always among them."""
    shown = [int(action) for action in explanation.action[0] if action >= 0]
    if case.chosen not in shown and case.chosen != explanation.served.idle_without_data:
        shown.append(case.chosen)
    intervals = values.intervals(shown)
    probabilities = explanation.served.probabilities(explanation.rewards, case.mask[None], explanation.context)[0]
    tries = explanation.served.model.evidence(explanation.context)[0]
    rows, marks = [], []
    for action in shown:
        estimate = values.estimate(explanation.rewards[0, action], *intervals[action])
        is_chosen = action == case.chosen
        note = (page.text("cancelled") if case.is_taken_back else page.text("dispatched")) if is_chosen else ""
        rows.append(
            [
                Cell(names.of(action), note=note),
                Cell.of(estimate.value),
                Cell.of(estimate.low),
                Cell.of(estimate.high),
                page.formats.percent(float(probabilities[action])),
                page.formats.count(float(tries[action])),
            ]
        )
        low, high = intervals[action]
        marks.append(
            Dot(
                names.of(action),
                float(explanation.rewards[0, action]),
                low,
                high,
                estimate.value.text,
                "above" if is_chosen else "unclear",
                is_chosen,
            )
        )
    table = Table(
        "actions",
        page.text("Best allowed actions"),
        [
            Column("action", page.text("Action"), number=False),
            Column("expected", page.text("Expected result"), unit=values.unit),
            Column("low", page.text("95% CI from"), unit=values.unit),
            Column("high", page.text("95% CI to"), unit=values.unit),
            Column("probability", page.text("Probability of being sent")),
            Column("tries", page.text("Tries on accounts like this"), unit=page.text("tries")),
        ],
        rows,
    )
    best = names.of(shown[0])
    top = values.estimate(explanation.rewards[0, shown[0]], *intervals[shown[0]])
    finding = page.text(
        "{action} has the largest expected result: {value} (95% CI {interval}).",
        action=best,
        value=top.value.text,
        interval=top.interval,
    )
    return Section(
        "actions",
        page.text("Recommended actions"),
        finding,
        draw=partial(_draw_dots, marks, values.ticks([end for mark in marks for end in (mark.low, mark.high)])),
        label=finding,
        table=table,
        reading=page.text(
            "Dot: expected result; line: 95% CI. The dispatched action is marked. Chance "
            "sometimes sends another action than the best one, so that the policy goes on learning."
        ),
    )


def _draw_dots(marks: Sequence[Dot], ticks: Sequence[tuple[float, str]], width: int) -> Any:
    return dots(marks, min(width, BESIDE), ticks=ticks)


add_page(router, "account", "account", build, template="account.html")
