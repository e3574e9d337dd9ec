"""Decision trace: which steps led here, and what stopped the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse

from api.pages.account_case import AccountCase, decision_case
from api.pages.account_charts import Step, funnel
from api.pages.account_values import Values
from api.pages.basis import based_on, of_account
from api.pages.comments import comments_section
from api.pages.content import Cell, Column, Content, Section, Table
from api.pages.page_data import Portfolio
from api.pages.rendering import Page, PageDep, PortfolioDep
from api.pages.rule_words import citation_in_words, rule_in_words
from api.pages.section_pages import add_page
from recommender.explanation import DecisionTrace, TracedAction, TracedRule

__all__ = ["router"]

router = APIRouter()


@dataclass(frozen=True)
class TraceContent(Content):
    """The trace's page."""

    case: AccountCase | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    facts: Sequence[tuple[str, str]] = ()


@router.get("/{language}/decision.json", name="decision_json", include_in_schema=False)
def as_json(request: Request, page: PageDep, portfolio: PortfolioDep) -> JSONResponse:
    """The trace as data."""
    del page  # nobody gets in without a login
    trace = decision_case(portfolio, dict(request.query_params)).trace()
    return JSONResponse(trace.to_dict(), headers={"Content-Disposition": 'inline; filename="decision.json"'})


def build(page: Page, portfolio: Portfolio, query: dict[str, str]) -> TraceContent:
    """Build the page of ``?id=`` (a decision) or ``?account=`` (its newest one, else one made now)."""
    case = decision_case(portfolio, query)
    trace = case.trace()
    kept = {key: query[key] for key in ("id", "account") if query.get(key)}
    names = _Names(page, case)
    considered, left = (
        trace.steps[0].left,
        next(s.left for s in reversed(trace.steps) if s.key not in ("ranked", "chosen")),
    )
    if "no_contact_only" in trace.notes:
        answer = page.text("Nothing was left but to leave the account alone: the rules stopped all {count} contacts.",
                           count=page.formats.count(considered - 1).text)  # fmt: skip
    else:
        answer = page.text(
            "Of {count} actions {left} were allowed; {action} was chosen.",
            count=page.formats.count(considered).text,
            left=page.formats.count(left).text,
            action=names.of(trace.chosen),
        )  # fmt: skip
    about = {} if case.logged is None else {"decision": case.logged.decision.decision_id}
    sections = [
        _funnel(page, trace),
        _rules(page, case, trace),
        _ranked(page, case, trace, names),
        comments_section(page, portfolio, case.account_id, about),
    ]
    return TraceContent(
        "decision",
        page.text("Which steps led to this decision, and what stopped the rest?"),
        answer,
        tone="below" if "no_contact_only" in trace.notes else "above",
        sections=based_on(of_account(page, case), [one for one in sections if one is not None]),
        notices=_notices(page, case, trace),
        case=case,
        query=kept,
        facts=_facts(page, case, trace),
    )


class _Names:
    """Traced actions in words; they may be of another action space than the one in use."""

    def __init__(self, page: Page, case: AccountCase) -> None:
        self._page = page
        del case

    def of(self, action: TracedAction) -> str:
        """One action."""
        parts = []
        for name, level in action.factors.items():
            if level is None:
                return self._page.text("Leave alone")
            parts.append(
                f"{level:02d}:00" if name == "hour" and isinstance(level, int) else self._page.wording.label(str(level))
            )
        text = ", ".join(parts)
        return text[:1].upper() + text[1:]


def _facts(page: Page, case: AccountCase, trace: DecisionTrace) -> list[tuple[str, str]]:
    formats = page.formats
    chance = trace.exploration_probability
    facts = [
        (page.text("Decision"), trace.decision_id),
        (page.text("Decided"), f"{formats.instant(datetime.fromisoformat(trace.decided_at), case.zone)} ({case.zone})"),
        (page.text("Policy"), trace.policy_version),
        (page.text("Probability of the chosen action"), formats.percent(trace.propensity).text),
    ]
    if chance is not None:
        facts.append((page.text("Probability of chance choosing another"), formats.percent(chance).text))
    if trace.packs:
        facts.append(
            (page.text("Rule packs"), ", ".join(f"{name} {version[:12]}" for name, version in trace.packs.items()))
        )
    return facts


def _notices(page: Page, case: AccountCase, trace: DecisionTrace) -> list[str]:
    notices = [page.text("Control group: do not touch.")] if case.is_control else []
    if case.is_stopped:
        notices.append(page.text("A person stopped all contact with this debtor."))
    if case.is_taken_back:
        notices.append(page.text("Cancelled: nobody is contacted by this decision."))
    if trace.policy == "seed_rules":
        notices.append(
            page.text("The general rule answered: the ranking follows the written advice of the trade, not a model.")
        )
    if trace.explored:
        notices.append(
            page.text(
                "Chance explored: another action had a larger expected result. Some exploration "
                "keeps the policy learning."
            )
        )
    if trace.replay == "differs":
        notices.append(
            page.text(
                "Facts or contacts have changed since: the rules below are judged from what is "
                "known now and leave other actions than then. The counts are those of the decision."
            )
        )
    if trace.replay == "not replayed":
        notices.append(
            page.text(
                "The facts of then are not at hand, so the rules cannot be named; the counts are those of the decision."
            )
        )
    return notices


def _step_names(page: Page) -> dict[str, str]:
    return {
        "considered": page.text("Considered"),
        "eligible": page.text("Eligible"),
        "contact_limits": page.text("Within contact limits"),
        "capacity": page.text("Within capacity"),
        "ranked": page.text("Ranked at the top"),
        "chosen": page.text("Chosen"),
    }


def _funnel(page: Page, trace: DecisionTrace) -> Section:
    names, formats = _step_names(page), page.formats
    steps, rows = [], []
    before = trace.steps[0].left
    for step in trace.steps:
        left, gone = formats.count(step.left), formats.count(step.removed)
        note = page.text("{count} fewer", count=gone.text) if step.removed else ""
        steps.append(
            Step(names[step.key], before, step.left, left.text, "accent" if step.key == "chosen" else "for", note)
        )
        rows.append([names[step.key], left, gone])
        before = step.left
    finding = page.text("What is left after each step.")
    return Section(
        "steps",
        page.text("From all actions to one"),
        finding,
        draw=partial(funnel, steps),
        label=", ".join(f"{step.name}: {step.text}" for step in steps),
        table=Table(
            "steps",
            page.text("Actions left after each step"),
            [
                Column("step", page.text("Step"), number=False),
                Column("left", page.text("Left"), unit=page.text("actions")),
                Column("removed", page.text("Removed"), unit=page.text("actions")),
            ],
            rows,
            stacked=False,
        ),
        open=False,
        reading=page.text(
            "An action is a channel at an hour in a tone. Rules come first, whatever the model "
            "expects; only what they leave is ranked."
        ),
    )


def _rules(page: Page, case: AccountCase, trace: DecisionTrace) -> Section:
    heading = page.text("Which rules stopped what")
    if not trace.rules:
        empty = (
            page.text("The rules cannot be named.")
            if trace.replay == "not replayed"
            else page.text("No rule removed anything.")
        )
        return Section("rules", heading, empty=empty)
    formats = page.formats
    rows = []
    for rule in trace.rules:
        lifts = page.text("not by time alone")
        if rule.lifts_at is not None:
            lifts = formats.instant(datetime.fromisoformat(rule.lifts_at), case.zone).text
        elif rule.kind == "message":
            lifts = page.text("with another tone or template")
        version = f"{rule.pack} {rule.pack_version}".strip() or page.text("engine")
        rows.append(
            [
                Cell(rule_in_words(page, rule.rule).name, rule.rule, note=rule.rule),
                Cell(version, note=citation_in_words(page, rule.citation)),
                Cell(_limit(page, rule)),
                Cell(_read(page, rule)),
                Cell(
                    formats.count(rule.removed).text,
                    rule.removed,
                    note=page.text("{count} alone", count=formats.count(rule.alone).text),
                ),
                Cell(lifts, rule.lifts_at or ""),
            ]
        )
    first = trace.rules[0]
    finding = page.text(
        "{rule} removes the most: {count} actions.",
        rule=rule_in_words(page, first.rule).text,
        count=formats.count(first.removed).text,
    )
    return Section(
        "rules",
        heading,
        finding,
        table=Table(
            "rules",
            page.text("Rules that removed something"),
            [
                Column("rule", page.text("Rule"), number=False),
                Column("pack", page.text("Pack and law"), number=False),
                Column("limit", page.text("Limit"), number=False),
                Column("value", page.text("Value read"), number=False),
                Column("removed", page.text("Removes"), unit=page.text("actions")),
                Column("lifts_at", page.text("Next allowed"), number=False),
            ],
            rows,
        ),
        reading=page.text(
            "An action may fall to several rules; “alone” counts those that nothing else removes. "
            "Next allowed is when a channel that the rule stops is free of every rule."
        ),
    )


def _limit(page: Page, rule: TracedRule) -> str:
    """What the rule allows, in words."""
    limit, wording, text = rule.limit, page.wording, page.text
    if "max" in limit:
        spans = {
            "calendar_day": text("a day"),
            "week": text("a week"),
            "rolling_days": text("in {count} days", count=limit.get("days")),
            "rolling_hours": text("in {count} hours", count=limit.get("hours")),
        }
        return text("at most {count} {span}", count=limit["max"], span=spans[limit["per"]])
    if "gap_days" in limit:
        return page.texts("{count} day between contacts", "{count} days between contacts", limit["gap_days"])
    if "silence_days" in limit:
        return page.texts(
            "{count} day of silence after an answer", "{count} days of silence after an answer", limit["silence_days"]
        )
    if "one_channel" in limit:
        return text("one channel at a time")
    if "attempts" in limit:
        first = ", ".join(wording.label(one) for one in limit["first"])
        return text("first {count} tries by {channels}", count=limit["attempts"], channels=first)
    if limit.get("windows"):
        windows = limit["windows"]
        days = {f"{one['from']}–{one['to']}" for one in windows}
        return ", ".join(sorted(days))
    if limit.get("holiday"):
        return text("not on public holidays")
    if "ladder" in limit:
        return text("tones by days past due")
    if "flag" in limit:
        return text("no contact while: {flag}", flag=wording.label(limit["flag"]))
    if "consent" in limit:
        return text("only channels consented to")
    if "opt_out" in limit:
        return text("no channel opted out of")
    said = {
        "unknown_fact": text("must be known"),
        "message": text("an approved template"),
        "purpose": text("what the message is about must be so"),
    }
    return said.get(rule.kind, "–")


def _read(page: Page, rule: TracedRule) -> str:
    """What was read of the account, in words."""
    value = rule.value
    if "at_least" in value:
        return page.text("{count} or more", count=value["at_least"])
    shown = []
    for name, content in value.items():
        if content is None or content in ("", []):
            shown.append(page.text("nothing on record"))
            continue
        several = content if isinstance(content, list) else str(content).replace("|", ";").split(";")
        if isinstance(content, float):
            several = [page.wording.number(content, 0)]
        if name == "language":  # a code of ISO 639
            several = [str(page.locale.languages.get(str(content).split("-")[0], content))]
        label = "" if name in ("timezone", "consented_channels", "flags") else f"{page.wording.label(name)}: "
        shown.append(
            label + ", ".join(str(one) if name == "timezone" else page.wording.label(str(one)) for one in several)
        )
    return "; ".join(shown) or "–"


def _ranked(page: Page, case: AccountCase, trace: DecisionTrace, names: _Names) -> Section:
    values = Values(page, case)
    rows = []
    for one in trace.ranked:
        estimate = page.formats.estimate(values.kind, one.expected_reward, one.lo, one.hi, difference=False)
        when = None if one.contact_at is None else datetime.fromisoformat(one.contact_at)
        rows.append(
            [
                Cell(names.of(one), note=page.text("dispatched") if one.rank == 1 else ""),
                Cell(
                    estimate.value.text,
                    estimate.value.value,
                    note=""
                    if estimate.low.value is None
                    else page.text("95% CI {interval}", interval=estimate.interval),
                ),
                page.formats.percent(one.propensity),
                Cell(page.formats.instant(when, case.zone).text, one.contact_at or ""),
            ]
        )
    return Section(
        "ranked",
        page.text("What was ranked"),
        page.text("The first was dispatched; the others follow by expected result."),
        table=Table(
            "ranked",
            page.text("Ranked actions"),
            [
                Column("action", page.text("Action"), number=False),
                Column("expected", page.text("Expected result"), unit=values.unit),
                Column("probability", page.text("Probability of being sent")),
                Column("contact_at", page.text("Contact, in the debtor's time"), number=False),
            ],
            rows,
        ),
    )


add_page(router, "decision", "decision", build, template="trace.html")
