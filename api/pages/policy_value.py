"""Policy value: what the policy and others would have earned on past contacts, and what the gate said."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter

from api.pages.basis import based_on, of_another_version, of_evaluation, of_registry
from api.pages.charts import Dot, dots, nice_ticks
from api.pages.content import Cell, Column, Content, Section, Table, Tile
from api.pages.drawing import Drawing
from api.pages.gate_words import reason_in_words
from api.pages.page_data import Portfolio
from api.pages.rendering import Page
from api.pages.section_pages import add_page
from api.pages.shown import Direction, Estimate, Kind
from recommender.store.registry import Promotion

__all__ = ["build", "gate_in_words", "kind_of", "promotions_table", "router", "window_in_words"]

router = APIRouter()


def kind_of(document: dict[str, Any]) -> Kind:
    """How values of a report are shown: responses as rates, amounts as numbers."""
    return "rate" if document.get("reward_kind") == "binary" else "number"


def window_in_words(page: Page, document: dict[str, Any]) -> str:
    """Which decisions a report rests on."""
    log = document.get("log", {})
    n = page.formats.count(log.get("n_decisions"))
    if "first" not in log:
        return page.text("{n} logged decisions", n=n)
    first, last = (page.formats.day(datetime.fromisoformat(log[end]).date()) for end in ("first", "last"))
    return page.text("{n} logged decisions, {first} to {last}", n=n, first=first, last=last)


def build(page: Page, portfolio: Portfolio, query: dict[str, str]) -> Content:  # noqa: ARG001 - nothing to filter by
    """Build the page."""
    question = page.text("What would the policy have earned on past contacts?")
    document = portfolio.document("evaluation")
    promotions = _promotions(page, portfolio)
    if document is None:
        answer = page.text("No evaluation has been stored yet.")
        return Content("policy_value", question, answer, sections=promotions)
    kind = kind_of(document)
    own = next(one["report"] for one in document["policies"] if one["role"] == "served")
    change = _estimate(page, kind, own["difference"])
    sections = [
        _policies(page, document, kind),
        *_slices(page, own, kind),
        _gate(page, portfolio, document),
    ]
    basis = of_evaluation(page, document)
    sections = [*based_on(basis, sections), *promotions]
    return Content(
        "policy_value",
        question,
        _answer(page, own["verdict"], change, document),
        change.direction if own["verdict"] in ("better", "worse") else "unclear",
        sections,
        _tiles(page, document, own, kind),
        notices=of_another_version(page, portfolio, document),
        tiles_basis=basis,
    )


def serving_in_words(page: Page, portfolio: Portfolio) -> str:
    """Who let the serving version serve, which need not be what the gate says of it today; empty where not known."""
    accepted = [one for one in portfolio.promotions() or [] if one.decision == "accepted"]
    if not accepted:
        return ""
    last = accepted[-1]
    return page.text(
        "Version {n} serves since {day}: {who} asked for it, and it was let through then.",
        n=last.version,
        day=page.formats.day(last.decided_at.date()).text,
        who=last.requested_by,
    )


def gate_in_words(page: Page, portfolio: Portfolio, document: dict[str, Any]) -> str:
    """The gate's answer on the stored evaluation, and why the policy serves all the same where it was refused."""
    if document["gate"]["accepted"]:
        return page.text("The gate accepts this policy.")
    failed = [name for name, passed in document["gate"]["checks"].items() if not passed]
    names = _check_names(page)
    words = page.text(
        "The gate would refuse this policy today (not passed: {checks}).",
        checks=", ".join(names.get(name, page.label(name)).lower() for name in failed),
    )
    return f"{words} {serving_in_words(page, portfolio)}".strip()


def _estimate(page: Page, kind: Kind, interval: dict[str, Any]) -> Estimate:
    return page.formats.estimate(kind, interval["value"], interval["low"], interval["high"])


def _answer(page: Page, verdict: str, change: Estimate, document: dict[str, Any]) -> str:
    t = page.text
    messages = {
        "better": t("Proven better than what was done: {change} per decision (95% CI {interval}), on {log}."),
        "worse": t("Proven worse than what was done: {change} per decision (95% CI {interval}), on {log}."),
        "not proven": t("Not proven either way: {change} per decision (95% CI {interval}), on {log}."),
        "refused": t("The log cannot say: it hardly shows what the policy would do ({log})."),
    }
    return messages[verdict].format(
        change=change.value.text, interval=change.interval, log=window_in_words(page, document)
    )


def _default(report: dict[str, Any]) -> dict[str, Any]:
    return next(row for row in report["estimates"] if row["default"])


def _names(page: Page) -> dict[str, str]:
    t = page.text
    return {
        "strategy": t("Learnt policy"),
        "seed_rules": t("Written rules of the trade"),
        "best_constant": t("Best single action for everybody"),
    }


def _verdicts(page: Page) -> dict[str, tuple[str, str]]:
    t = page.text
    return {
        "better": (t("better"), "above"),
        "worse": (t("worse"), "below"),
        "not proven": (t("not proven"), "unclear"),
        "refused": (t("cannot be said"), "unclear"),
    }


def _tiles(page: Page, document: dict[str, Any], own: dict[str, Any], kind: Kind) -> list[Tile]:
    value, support = _default(own), own["diagnostics"]
    logged = page.formats.value(kind, document["logging_value"])
    return [
        Tile(
            page.text("Value per decision"),
            page.formats.value(kind, value["value"]).text,
            page.text("what was done: {value}", value=logged),
        ),
        Tile(
            page.text("Matched decisions"),
            page.formats.count(value["effective_sample_size"]).text,
            page.text("as many decisions as the estimate really rests on"),
        ),
        Tile(
            page.text("Not supported"),
            page.formats.percent(support.get("unsupported_share")).text,
            page.text("of what the policy would do, the log never shows"),
        ),
    ]


def _policies(page: Page, document: dict[str, Any], kind: Kind) -> Section:
    names, verdicts = _names(page), _verdicts(page)
    cells, marks = [], []
    for one in document["policies"]:
        report = one["report"]
        row = _default(report)
        value = page.formats.estimate(kind, row["value"], row["ci_low"], row["ci_high"], difference=False)
        change = _estimate(page, kind, report["difference"])
        word, tone = verdicts[report["verdict"]]
        name = names.get(one["name"], one["name"])
        cells.append(
            [
                Cell(name, one["name"]),
                value.value,
                Cell.interval(value),
                Cell.of(change.value, tone=change.direction),
                Cell.interval(change),
                page.formats.count(row["effective_sample_size"]),
                Cell(word, report["verdict"], tone, badge=True),
            ]
        )
        if change.low.value is not None and change.high.value is not None:
            ends = [float(report["difference"][end]) for end in ("value", "low", "high")]
            direction: Direction = change.direction if report["verdict"] != "refused" else "unclear"
            marks.append(Dot(name, ends[0], ends[1], ends[2], change.value.text, direction, one["role"] == "served"))
    columns = [
        Column("policy", page.text("Policy"), number=False),
        Column("value", page.text("Value"), unit=page.text("units of reward")),
        Column("value_ci_95", page.text("95% CI"), unit=page.text("units of reward")),
        Column("difference", page.text("Against what was done"), unit=page.text("units of reward")),
        Column("difference_ci_95", page.text("95% CI"), unit=page.text("units of reward")),
        Column("effective_sample_size", page.text("Rests on decisions"), unit=page.text("decisions")),
        Column("verdict", page.text("Verdict"), number=False),
    ]

    def draw(width: int) -> Drawing:
        ends = [end for mark in marks for end in (mark.low, mark.high)] + [0.0]
        ticks = page.formats.ticks(kind, nice_ticks(min(ends), max(ends), 5), difference=True)
        return dots(marks, width, zero=page.text("what was done"), ticks=ticks)

    return Section(
        "policies",
        page.text("Policies on the same past contacts"),
        page.text(
            "Estimated from {log}; a new policy is judged without being tried.", log=window_in_words(page, document)
        ),
        draw if marks else None,
        page.text("Difference in value per decision from what was done, by policy, with its 95% interval."),
        Table("policies", page.text("Value per decision"), columns, cells),
        page.text(
            "Right of the line: would have earned more than what was done. Each debtor counts once; "
            "“cannot be said” means that the log hardly shows what that policy would do."
        ),
    )


def _slices(page: Page, own: dict[str, Any], kind: Kind) -> list[Section]:
    if not own["slices"]:
        return []
    verdicts = _verdicts(page)
    cells = []
    for row in own["slices"]:
        change = page.formats.estimate(kind, row["difference"], row["ci_low"], row["ci_high"])
        word, tone = verdicts[row["verdict"]]
        level = page.country(str(row["level"])) if row["slice"] == "country" else page.label(row["level"])
        cells.append(
            [
                Cell(f"{page.label(row['slice'])}: {level}", f"{row['slice']}={row['level']}"),
                page.formats.count(row["rows"]),
                Cell.of(change.value, tone=change.direction),
                Cell.interval(change),
                Cell(word, row["verdict"], tone, badge=True),
            ]
        )
    columns = [
        Column("group", page.text("Group"), number=False),
        Column("decisions", page.text("Decisions"), unit=page.text("decisions")),
        Column("difference", page.text("Against what was done"), unit=page.text("units of reward")),
        Column("ci_95", page.text("95% CI, all groups together"), unit=page.text("units of reward")),
        Column("verdict", page.text("Verdict"), number=False),
    ]
    return [
        Section(
            "groups",
            page.text("By group"),
            page.text("Does anybody lose by it?"),
            table=Table("groups", page.text("Difference by group"), columns, cells),
            reading=page.text("Intervals hold for all groups together, so they are wider than that of the whole."),
        )
    ]


def _check_names(page: Page) -> dict[str, str]:
    t = page.text
    return {
        "support": t("The log shows what the policy would do"),
        "gain": t("The gain is proven"),
        "slices": t("No group is proven to lose"),
        "weights": t("Logged propensities are calibrated"),
        "calibration": t("The model keeps its promises"),
        "confounding": t("The verdict survives an unseen cause"),
        "claim": t("The claimed gain is supported"),
        "promise": t("The promised gain is supported"),
    }


def _gate(page: Page, portfolio: Portfolio, document: dict[str, Any]) -> Section:
    gate, names = document["gate"], _check_names(page)
    cells = [
        [
            Cell(names.get(name, page.label(name)), name),
            Cell(
                page.text("passed") if passed else page.text("failed"), passed, "good" if passed else "no", badge=True
            ),
        ]
        for name, passed in gate["checks"].items()
    ]
    columns = [Column("check", page.text("Check"), number=False), Column("result", page.text("Result"), number=False)]
    return Section(
        "gate",
        page.text("The promotion gate"),
        gate_in_words(page, portfolio, document),
        table=Table("gate", page.text("What was checked"), columns, cells, stacked=False),
        reading=page.text("Every check must pass before a policy may serve."),
    )


def promotions_table(page: Page, promotions: list[Promotion]) -> Table:
    """Who asked for what and when, what the gate said, newest first."""
    kinds = {"promotion": page.text("promotion"), "rollback": page.text("rollback")}
    cells = []
    for one in reversed(promotions):
        accepted = one.decision == "accepted"
        cells.append(
            [
                Cell(f"{page.formats.instant(one.decided_at)} UTC", one.decided_at.isoformat()),
                Cell(
                    page.text("{kind} of version {n}", kind=kinds[one.kind], n=one.version), f"{one.kind} {one.version}"
                ),
                one.requested_by,
                Cell(
                    page.text("accepted") if accepted else page.text("refused"),
                    one.decision,
                    "good" if accepted else "no",
                    badge=True,
                ),
                _reasons(page, one),
            ]
        )
    columns = [
        Column("decided_at", page.text("When"), number=False),
        Column("what", page.text("What"), number=False),
        Column("requested_by", page.text("Asked for by"), number=False),
        Column("decision", page.text("Decision"), number=False),
        Column("reasons", page.text("Reasons"), number=False, wide=True),
    ]
    return Table("promotions", page.text("Requests to change who serves"), columns, cells)


def _reasons(page: Page, promotion: Promotion) -> Cell:
    """Why, in the reader's language; what people wrote as they wrote it."""
    reasons = [reason_in_words(page, reason) for reason in promotion.reasons]
    own = [text for text, language in reasons if not language]
    written = [f"“{text}”" for text, language in reasons if language]
    if not own and written:
        return Cell(" ".join(written), "; ".join(promotion.reasons), language="en")
    return Cell(" ".join(own), "; ".join(promotion.reasons), note=" ".join(written), note_language="en")


def _promotions(page: Page, portfolio: Portfolio) -> list[Section]:
    promotions = portfolio.promotions()
    if promotions is None:
        empty = page.text("No registry is followed, or it did not answer.")
        return [Section("promotions", page.text("Who decided"), empty=empty)]
    if not promotions:
        return [Section("promotions", page.text("Who decided"), empty=page.text("Nobody has asked for a change yet."))]
    table = promotions_table(page, promotions)
    return [Section("promotions", page.text("Who decided"), table=table, basis=of_registry(page, promotions))]


add_page(router, "policy_value", "policy-value", build)
