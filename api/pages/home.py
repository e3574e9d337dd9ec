"""Home: whether more is earned, tomorrow's plan, whether it is still right, what waits, what changed; then down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pandas as pd
from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.pages import approvals, results
from api.pages.basis import of_log
from api.pages.content import Cell, Column, Content, Section, Table
from api.pages.exports import Suffix, sheet_of, table_file
from api.pages.page_data import Portfolio
from api.pages.plan_desk import PlanDesk
from api.pages.policy_value import serving_in_words
from api.pages.rendering import Page, PageDep, PortfolioDep
from api.pages.reviews import Reviews
from api.pages.tomorrow_content import PlanText
from api.pages.views import Views
from recommender.monitoring import FEWEST_ACCOUNTS

__all__ = ["build", "router"]

router = APIRouter()

_CHANGES = 6


@dataclass(frozen=True)
class Card:
    """One question, its answer in a sentence, and where to read on.

    Attributes
    ----------
    question, answer : str
    tone : str
        As :class:`~api.pages.content.Cell`.
    state : str
        One or two words that say the same as the tone.
    href, link : str
    """

    question: str
    answer: str
    tone: str
    state: str
    href: str
    link: str


@dataclass(frozen=True)
class HomeContent(Content):
    """Home: cards, then sections."""

    cards: Sequence[Card] = ()
    views: Sequence[tuple[str, str]] = ()
    changes: Sequence[Mapping[str, str]] = field(default_factory=list)


def build(page: Page, portfolio: Portfolio, desk: PlanDesk | None) -> HomeContent:
    """Build the page."""
    compared = results.whole(page, portfolio)
    cards = [
        _earning(page, portfolio, compared),
        _tomorrow(page, desk),
        _still_right(page, portfolio, compared),
        _waiting(page, portfolio, desk),
    ]
    answer = " ".join(card.answer for card in cards[:1])
    return HomeContent(
        "home",
        page.text("How is collection doing today?"),
        answer,
        cards[0].tone,
        _segments(page, portfolio, compared),
        cards=cards,
        views=_views(page, portfolio),
        changes=_changes(page, portfolio, desk),
    )


def _earning(page: Page, portfolio: Portfolio, compared: dict[str, Any] | None) -> Card:
    question = page.text("Are we collecting more?")
    link = page.text("See all figures")
    if compared is None:
        why_not = results.build(page, portfolio, {}).answer
        return Card(question, why_not, "unclear", page.text("not known"), page.url("results"), link)
    answer, tone = results.answer_of(page, compared)
    words = {"above": page.text("yes"), "below": page.text("no, less"), "unclear": page.text("not proven")}
    money = compared["table"].loc[compared["table"]["kpi"] == "recovery"]
    if tone == "above" and not (money["low"] > 0).any():
        words["above"] = page.text("more pay; amount not proven")
    window = portfolio.window()
    if window is not None:
        answer += " " + page.text("Since {day}.", day=page.formats.day(window[0].date()))
    return Card(question, answer, tone, words[tone], page.url("results"), link)


def _tomorrow(page: Page, desk: PlanDesk | None) -> Card:
    question, href = page.text("What is planned?"), page.url("tomorrow")
    made = desk.finished() if desk is not None and desk.folder is not None else []
    plan = desk.read(made[0]) if desk is not None and made else None
    if plan is None:
        answer = page.text("Nothing is planned yet.")
        return Card(question, answer, "unclear", page.text("no plan"), href, page.text("Plan a day"))
    approved = plan.approval is not None
    state = page.text("approved") if approved else page.text("waits for approval")
    words = PlanText(page, plan)
    return Card(question, words.answer(), "above" if approved else "unclear", state, href, page.text("Open the plan"))


def _still_right(page: Page, portfolio: Portfolio, compared: dict[str, Any] | None) -> Card:
    question, href = page.text("Is it still right?"), page.url("model_card")
    sentences, tone = [], "above"
    age = page.data_age()
    if age:
        sentences.append(age)
        tone = "below"
    else:
        window = portfolio.window()
        if window is not None:
            sentences.append(page.text("The data reach to {day}.", day=page.formats.day(window[1].date())))
    if compared is not None and compared["split"] < results.BROKEN_SPLIT:
        sentences.append(page.text("The control group is not split as planned: the comparison cannot be trusted."))
        tone = "below"
    evaluation = portfolio.document("evaluation")
    if not portfolio.served.is_model:
        sentences.append(page.text("Nothing has been learnt yet: the written rules of the trade decide."))
        tone = "unclear" if tone == "above" else tone
    elif evaluation is None or evaluation["policy_version"] != portfolio.policy_version:
        sentences.append(page.text("The version in use was not tested on later contacts here."))
        tone = "unclear" if tone == "above" else tone
    else:
        groups = evaluation["calibration"]
        kept = sum(group["low"] <= group["predicted"] <= group["high"] for group in groups)
        sentences.append(
            page.text(
                "Of {all} groups of accounts, {n} answered as often as was predicted.",
                n=page.formats.count(kept), all=page.formats.count(len(groups)),
            )
        )  # fmt: skip
        if kept < 0.8 * len(groups):
            tone = "below"
    sentences.append(serving_in_words(page, portfolio))
    words = {"above": page.text("yes"), "below": page.text("look at it"), "unclear": page.text("not tested")}
    return Card(
        question, " ".join(one for one in sentences if one), tone, words[tone], href, page.text("See the model card")
    )


def _waiting(page: Page, portfolio: Portfolio, desk: PlanDesk | None) -> Card:
    n = approvals.n_waiting(portfolio)
    answer = page.texts(
        "{count} account waits for somebody to look at it.", "{count} accounts wait for somebody to look at them.", n
    )
    if desk is not None and desk.folder is not None and (made := desk.finished()):
        plan = desk.read(made[0])
        if plan is not None and plan.approval is None:
            answer += " " + page.text("The newest plan waits for approval.")
    version = approvals.waiting_promotion(portfolio)
    if version is not None:
        answer += " " + page.text("Version {n} asks to serve and was not judged yet.", n=version)
    state = page.text("nothing") if n == 0 and version is None else page.text("waits for you")
    return Card(
        page.text("What waits for a person?"),
        answer,
        "unclear",
        state,
        page.url("approvals"),
        page.text("Open the queue"),
    )


def _changes(page: Page, portfolio: Portfolio, desk: PlanDesk | None) -> list[dict[str, str]]:
    """Who changed what, newest first: versions that serve, plans let out, answers about accounts."""
    changes: list[tuple[datetime, str, str]] = []
    for one in portfolio.promotions() or []:
        text = (
            page.text("Version {n} began to serve.", n=one.version)
            if one.decision == "accepted"
            else page.text("Version {n} was refused.", n=one.version)
        )
        changes.append((one.decided_at, one.requested_by, text))
    if desk is not None:
        changes += [
            (datetime.fromisoformat(one["at"]), one["by"], page.text("A plan was approved."))
            for one in desk.approvals().values()
        ]
    words = {
        "agreed": page.text("A decision was agreed to."),
        "stop": page.text("Contact with a debtor was stopped."),
        "undone": page.text("An answer was taken back."),
    }
    changes += [
        (datetime.fromisoformat(one.at), one.by, words[one.answer])
        for one in Reviews(portfolio.settings.portfolio_path).all()
    ]
    changes.sort(key=lambda one: one[0], reverse=True)
    return [
        {"at": f"{page.formats.instant(at)} UTC", "by": by, "text": text} for at, by, text in changes[:_CHANGES]
    ]  # fmt: skip


def _views(page: Page, portfolio: Portfolio) -> list[tuple[str, str]]:
    """Name and address of the reader's own views."""
    if page.session is None:
        return []
    kept = Views(portfolio.settings.portfolio_path).of(page.session.manager)
    return [(one.name, f"/{page.language}/{one.path}") for one in kept]


def _segments(page: Page, portfolio: Portfolio, compared: dict[str, Any] | None) -> list[Section]:
    """Stages of each country, one currency at a time: how many pay, against control, and the way down to accounts."""
    if compared is None:
        return []
    segments = compared["segments"]
    if segments.empty:
        return []
    sections = []
    for currency, own in segments.groupby("segment_currency", sort=True):
        where = str(own["country"].iloc[0])
        rows = [_segment_row(page, part, str(stage), where, currency)
                for stage, part in own.groupby("stage", sort=False)]  # fmt: skip
        name = page.country(where) if where else currency
        heading = page.text("{country}: by stage, in {currency}", country=name, currency=currency)
        columns = [
            Column("stage", page.text("Stage"), number=False),
            Column("accounts", page.text("Accounts"), unit=page.text("accounts")),
            Column("paid", page.text("Paid, policy")),
            Column("paid_control", page.text("Paid, control")),
            Column("difference", page.text("Difference")),
            Column("interval", page.text("95% CI")),
            Column("recovered", page.text("Recovered per account, policy")),
        ]
        window = portfolio.window()
        ends = [] if window is None else [str(page.formats.day(end.date())) for end in window]
        days = f" {page.formats.to} ".join(ends)
        sections.append(
            Section(
                f"segments-{currency}",
                heading,
                page.text(
                    "Share of accounts that paid anything ({days}). Choose a stage to see its accounts.", days=days
                ),
                table=Table(f"segments-{currency}", heading, columns, rows),
                reading=page.text(
                    "Paid: accounts with a payment, out of the accounts of the stage at their first decision. The "
                    "control group is contacted the old way; without {n} accounts in each group nothing is compared.",
                    n=page.formats.count(FEWEST_ACCOUNTS),
                ),
                basis=of_log(page, portfolio, int(own.drop_duplicates("stage")["accounts"].sum())),
            )
        )
    return sections


def _segment_row(page: Page, part: pd.DataFrame, stage: str, country: str, currency: str) -> list[Any]:
    table = part.set_index("kpi")
    paid, money = table.loc["payment"], table.loc["recovery"]
    query = {"stage": stage} | ({"country": country} if country else {})
    change = None
    if paid["state"] == "ok":
        change = page.formats.estimate("rate", paid["difference"], paid["low"], paid["high"])
    return [
        Cell(page.label(stage), stage, link=page.url("accounts", query)),
        page.formats.count(int(part["accounts"].iloc[0])),
        page.formats.percent(paid["policy"]),
        page.formats.percent(paid["holdout"]),
        Cell.of(change, tone=change.direction) if change is not None else Cell(page.text("too few"), ""),
        Cell.interval(change),
        page.formats.money(money["policy"], currency),
    ]


@router.get("/{language}/", name="home", include_in_schema=False)
def show(page: PageDep, portfolio: PortfolioDep) -> Response:
    """The page."""
    return page.render("home.html", content=build(page, portfolio, _desk(page)))


@router.get("/{language}/home/tables/{key}.{suffix}", name="home_table", include_in_schema=False)
def table(page: PageDep, portfolio: PortfolioDep, key: str, suffix: Suffix) -> Response:
    """A table of the page as a file."""
    table = build(page, portfolio, _desk(page)).table(key)
    if table is None:
        raise HTTPException(404, page.text("There is no such table."))
    return table_file(sheet_of(page, table), key, table.caption, suffix)


def _desk(page: Page) -> PlanDesk | None:
    return None if page.request is None else page.request.app.state.plan_desk
