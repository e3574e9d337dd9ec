"""Model card: what the model may be used for, and whether it can be trusted; always in the same order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from fastapi import APIRouter

from api.pages.basis import based_on, of_evaluation
from api.pages.charts import Point, Series, nice_ticks, trend
from api.pages.content import Cell, Column, Content, Section, Table
from api.pages.drawing import Drawing
from api.pages.page_data import Portfolio
from api.pages.policy_value import gate_in_words, kind_of, window_in_words
from api.pages.rendering import Page
from api.pages.section_pages import add_page
from api.pages.shown import Shown
from recommender.strategy import ContactStrategy

__all__ = ["build", "router"]

router = APIRouter()


def build(page: Page, portfolio: Portfolio, query: dict[str, str]) -> Content:  # noqa: ARG001 - nothing to filter by
    """Build the page."""
    question = page.text("What may this model be used for, and can it be trusted?")
    served = portfolio.served
    refused = page.text("What was saved last cannot be used; the reason is in the log of the application.")
    notices = [refused] if portfolio.model_was_refused else []
    if not isinstance(served.strategy, ContactStrategy):
        answer = page.text("Nothing has been learnt yet: the written rules of the trade answer, and say so.")
        return Content("model_card", question, answer, notices=notices)
    strategy = served.strategy
    document = portfolio.document("evaluation")
    sections = [
        _facts(
            page,
            "details",
            page.text("Details"),
            _details(page, portfolio, strategy, portfolio.model_in_words(page.text)),
        ),
        _list(page, "use", page.text("Intended use"), _uses(page)),
        _list(page, "not-for", page.text("Not for"), _not_for(page)),
        _facts(page, "data", page.text("Training data"), _data(page, strategy)),
        *([] if document is None else based_on(of_evaluation(page, document), [_calibration(page, document)])),
        _list(page, "limits", page.text("Limits"), _limits(page)),
    ]
    return Content("model_card", question, *_answer(page, portfolio, strategy, document), sections, notices=notices)


def _answer(
    page: Page, portfolio: Portfolio, strategy: ContactStrategy, document: dict[str, Any] | None
) -> tuple[str, str]:
    if document is None:
        return page.text("It was never evaluated against another policy here: use it with care."), "unclear"
    if document["policy_version"] != strategy.version_:
        return page.text("The stored evaluation is of another version: evaluate this one."), "unclear"
    accepted = document["gate"]["accepted"]
    groups = document["calibration"]
    off = sum(not group["low"] <= group["predicted"] <= group["high"] for group in groups)
    said = page.text(
        "{gate} Its predictions lie within the 95% interval of what was observed in {n} of {all} groups.",
        gate=gate_in_words(page, portfolio, document),
        n=len(groups) - off,
        all=len(groups),
    )
    return said, "above" if accepted else "below"


def _facts(page: Page, key: str, heading: str, facts: Sequence[tuple[str, str | Shown]]) -> Section:
    columns = [Column("fact", page.text("Fact"), number=False), Column("value", page.text("Value"), number=False)]
    return Section(key, heading, table=Table(key, heading, columns, [[name, value] for name, value in facts]))


def _list(page: Page, key: str, heading: str, items: list[str]) -> Section:  # noqa: ARG001 - one form for all
    return Section(key, heading, template="list.html", extra={"items": items})


def _details(page: Page, portfolio: Portfolio, strategy: ContactStrategy, source: str) -> list[tuple[str, str]]:
    actions = strategy.actions_
    levels = "; ".join(
        f"{page.label(name)}: {', '.join(page.label(level) for level in offered)}"
        for name, offered in actions.factors.items()
    )
    return [
        (page.text("Version"), strategy.version_),
        (page.text("Comes from"), source),
        (page.text("Kind"), page.text("Reward model with exact scores of every action, and a policy that explores")),
        (page.text("Actions"), f"{page.formats.count(len(actions))} ({levels})"),
        (page.text("Sent although another action was expected to bring more"), _explored(page, portfolio)),
        (page.text("Least share that exploring keeps (setting)"), page.formats.percent(strategy.epsilon, 0).text),
        (page.text("Exploring gives up, of the modelled gain"), page.formats.percent(strategy.exploration_cost_).text),
        (page.text("Facts it reads"), ", ".join(page.label(name) for name in strategy.feature_names_in_)),
    ]


def _explored(page: Page, portfolio: Portfolio) -> str:
    """What the log shows of this version's own decisions: a setting says what may be tried, not what was."""
    summary = portfolio.summary()
    if summary is None or not len(summary["decisions"]):
        return page.text("No decisions have been logged yet.")
    n, explored = summary["explored"].get(portfolio.policy_version, (0, 0))
    if not n:
        return page.text("No decision of this version was ranked yet.")
    return page.text(
        "{share} of the {n} decisions of this version in the log",
        share=page.formats.percent(explored / n).text,
        n=page.formats.count(n).text,
    )


def _data(page: Page, strategy: ContactStrategy) -> list[tuple[str, str | Shown]]:
    training = strategy.trained_on_
    rate = training["mean_reward"]
    binary = strategy.reward_kind_ == "binary"
    facts: list[tuple[str, str | Shown]] = [
        (page.text("Logged decisions"), page.formats.count(training["n_decisions"])),
        (page.text("With a known result"), page.formats.count(training["n_mature"])),
        (page.text("Debtors"), page.formats.count(training["n_clusters"])),
        (
            page.text("Response rate of the log") if binary else page.text("Mean result of the log"),
            page.formats.percent(rate) if binary else page.formats.number(rate, 2),
        ),
        (
            page.text("Propensities logged"),
            page.text("none: estimated")
            if training["propensities"] == "none"
            else page.formats.percent(float(training["propensities"]), 0),
        ),
        (page.text("Digest"), training["digest"]),
    ]
    if "first" in training:
        first, last = (page.formats.day(pd.Timestamp(training[end]).date()).text for end in ("first", "last"))
        facts.insert(0, (page.text("Period"), page.text("{a} to {b}", a=first, b=last)))
    return facts


def _uses(page: Page) -> list[str]:
    return [
        page.text("Ranking the next contact of an account among those that the guardrails allow."),
        page.text("Comparing what contacts would bring, with their intervals."),
    ]


def _not_for(page: Page) -> list[str]:
    return [
        page.text("Deciding whether somebody may be contacted: the guardrails do that, before the model."),
        page.text("Credit decisions, prices, or judging a person."),
        page.text("Portfolios, countries or channels that are not in the training data."),
    ]


def _limits(page: Page) -> list[str]:
    return [
        page.text("Learnt from what was tried: actions that were hardly ever tried are known by analogy only."),
        page.text("Results that come later than the attribution window are not seen."),
        page.text("Causes that nobody wrote down are not controlled for."),
        page.text("Habits drift: train again, and look at the weekly figures."),
    ]


def _calibration(page: Page, document: dict[str, Any]) -> Section:
    """Promised and observed, by tenth of the promise."""
    kind = kind_of(document)
    groups = document["calibration"]
    cells = []
    for group in groups:
        observed = page.formats.estimate(kind, group["observed"], group["low"], group["high"], difference=False)
        inside = group["low"] <= group["predicted"] <= group["high"]
        cells.append(
            [
                page.formats.value(kind, group["predicted"]),
                observed.value,
                Cell.interval(observed),
                page.formats.count(group["n"]),
                Cell(page.text("yes") if inside else page.text("no"), inside, "good" if inside else "no", badge=True),
            ]
        )
    columns = [
        Column("predicted", page.text("Predicted"), number=False),
        Column("observed", page.text("Observed"), unit=page.text("units of reward")),
        Column("ci_95", page.text("95% CI"), unit=page.text("units of reward")),
        Column("decisions", page.text("Decisions"), unit=page.text("decisions")),
        Column("agrees", page.text("Agrees"), number=False),
    ]

    def draw(width: int) -> Drawing:
        most = max([group["predicted"] for group in groups] + [group["high"] for group in groups])
        seen = [
            Point(number + 1.0, group["observed"], group["low"], group["high"]) for number, group in enumerate(groups)
        ]
        predicted = [Point(number + 1.0, group["predicted"], hollow=True) for number, group in enumerate(groups)]
        lines = [Series(page.text("Predicted"), predicted, "unclear"), Series(page.text("Observed"), seen, "for")]
        ticks = page.formats.ticks(kind, nice_ticks(0.0, most, 4))
        labels = [(number + 1.0, f"{number + 1}") for number in range(len(groups))]
        return trend(lines, width, labels=labels, ticks=ticks)

    return Section(
        "calibration",
        page.text("Does it keep its promises?"),
        page.text("Decisions it was not trained on: {log}.", log=window_in_words(page, document)),
        draw,
        page.text("Predicted and observed results by tenth of the prediction, with 95% intervals."),
        Table("calibration", page.text("Predicted and observed results"), columns, cells),
        page.text("From the lowest tenth of predictions to the highest. The closer the two lines, the better."),
    )


add_page(router, "model_card", "model-card", build)
