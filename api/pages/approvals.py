"""Approvals: what waits for a human, who answered, and who let which policy serve."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from fastapi import APIRouter, Form
from numpy.typing import NDArray
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.pages.basis import based_on, of_answers, of_log, of_registry
from api.pages.content import Cell, Column, Content, Section, Table
from api.pages.filters import Filter, Filters, page_numbers, single_chunk
from api.pages.log_filters import decision_filters
from api.pages.page_data import Portfolio
from api.pages.policy_value import promotions_table
from api.pages.rendering import Page, PageDep, PortfolioDep, SessionsDep
from api.pages.reviews import Review, Reviews
from api.pages.section_pages import add_page
from recommender.intake import AGREEMENT_DAYS
from recommender.store.decision_log import (
    DecisionLog,
    agree_to_contact,
    resume_contact,
    stop_contact,
    withdraw_agreement,
)

__all__ = ["build", "n_waiting", "router", "waiting_promotion"]

router = APIRouter()

_SHOWN = 25
_LATE = "late_stage"
_MOST_AT_ONCE = 100


def build(page: Page, portfolio: Portfolio, query: dict[str, str]) -> Content:
    """Build the page."""
    question = page.text("What waits for a human?")
    filters = decision_filters(page, portfolio, query, page.url("approvals"), [_why_filter(page, portfolio)])
    reviews = Reviews(portfolio.settings.portfolio_path)
    answered = reviews.latest()
    open_rows = _open(portfolio, filters, answered)
    waiting = waiting_promotion(portfolio)
    answer = page.texts(
        "{count} account waits for somebody to look at it.", "{count} accounts wait for somebody to look at them.",
        len(open_rows),
    )  # fmt: skip
    if waiting is not None:
        answer += " " + page.text("Version {n} asks to serve and was not judged yet.", n=waiting)
    sections = [
        _queue(page, portfolio, open_rows, reviews, filters, query.get("page", "")),
        *_answers(page, portfolio, answered, reviews),
        *_promotions(page, portfolio),
    ]
    there = based_on(of_log(page, portfolio, len(open_rows), filters), sections)  # those that do not say their own
    return Content("approvals", question, answer, "unclear", there, (), filters)


def n_waiting(portfolio: Portfolio) -> int:
    """Accounts that wait for a person."""
    return len(_open(portfolio, Filters([], ""), Reviews(portfolio.settings.portfolio_path).latest()))


def _open(portfolio: Portfolio, filters: Filters, answered: dict[str, Review]) -> NDArray[np.intp]:
    """Rows of the newest decision of each account that waits; those that something was heard of first, then the newest.

    They are rows of :func:`_for_people`.
    """
    table = _for_people(portfolio)
    if table is None or not len(table):
        return np.zeros(0, dtype=np.intp)
    rows = np.flatnonzero(filters.passing(table))
    account = single_chunk(table["account"]).to_numpy(zero_copy_only=False)
    _, newest = np.unique(account[rows], return_index=True)  # the table is newest first
    rows = rows[np.sort(newest)]
    looked_at = _among(table["decision_id"], list(answered)) | _among(table["account_id"], list(portfolio.agreed()))
    rows = rows[~looked_at[rows]]
    late = single_chunk(table["why"]).is_null().to_numpy(zero_copy_only=False)[rows]
    return rows[np.argsort(late, kind="stable")]


def _among(column: pa.ChunkedArray, values: list[str]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = pc.is_in(single_chunk(column), pa.array(values, pa.string())).to_numpy(
        zero_copy_only=False
    )
    return found


def _why_filter(page: Page, portfolio: Portfolio) -> Filter:
    """Why a person is asked for: a flag of the account, or the age of its debt."""
    looked_at = _for_people(portfolio)
    reasons = [] if looked_at is None else sorted(single_chunk(looked_at["reason"]).dictionary.to_pylist())
    names = [(one, _late(page) if one == _LATE else page.label(one)) for one in reasons]
    return Filter("reason", page.text("Why"), choices=names)


def _for_people(portfolio: Portfolio) -> pa.Table | None:
    """Decisions that a person is to look at, whoever has; with ``why``, the flags of the account, joined by ``;``."""
    summary = portfolio.summary()
    return None if summary is None else summary["for_people"]


def waiting_promotion(portfolio: Portfolio) -> int | None:
    """A challenger that no request was made for."""
    version = portfolio.challenger()
    asked = {one.version for one in portfolio.promotions() or []}
    return version if version is not None and version not in asked else None


def _queue(
    page: Page, portfolio: Portfolio, rows: NDArray[np.intp], reviews: Reviews, filters: Filters, wanted: str
) -> Section:
    heading = page.text("Accounts that need a human")
    table = _for_people(portfolio)
    if table is None or not len(rows):
        return Section("queue", heading, empty=page.text("Nothing waits. Accounts appear here when the rules ask."))
    cells, forms = [], []
    n_pages = math.ceil(len(rows) / _SHOWN)
    number = min(max(int(wanted) if wanted.isdigit() else 1, 1), n_pages)
    first = (number - 1) * _SHOWN
    shown = table.take(pa.array(rows[first : first + _SHOWN])).to_pandas()
    control = portfolio.is_control(shown["debtor_id"])
    for row, is_control in zip(shown.itertuples(index=False), control.tolist(), strict=True):
        why = [page.label(one) for one in row.why.split(";")] if isinstance(row.why, str) else []
        cells.append(
            [
                Cell(row.account_id, link=page.url("account", {"id": row.account_id})),
                Cell(f"{page.formats.instant(row.decided_at)} UTC", row.decided_at.isoformat()),
                Cell("–" if not isinstance(row.stage, str) else page.label(row.stage), row.stage),
                Cell(", ".join(why) or _late(page), "; ".join(why)),
                Cell(_done(page, row), note=page.text("control: do not touch") if is_control else ""),
            ]
        )
        forms.append(row.decision_id)
    columns = [
        Column("account", page.text("Account"), number=False),
        Column("decided_at", page.text("Decided"), number=False),
        Column("stage", page.text("Stage"), number=False),
        Column("why", page.text("Why"), number=False),
        Column("action", page.text("What the policy did"), number=False),
    ]
    return Section(
        "queue",
        heading,
        page.text(
            "{a} to {b} of {all}: those that something was heard of first, then the newest.",
            a=page.formats.count(first + 1),
            b=page.formats.count(first + len(cells)),
            all=page.formats.count(len(rows)),
        ),
        table=Table("queue", heading, columns, cells),
        reading=page.text(
            "“Agree” lets the decision stand, and for {days} days no decision about the account asks for a person, "
            "unless something new is heard of the debtor. “Stop” cancels what is planned for the debtor and keeps "
            "everybody from contacting them until it is taken back. Both are written down with your name.",
            days=page.formats.count(AGREEMENT_DAYS),
        ),
        template="queue.html",
        extra={
            "decision_ids": forms,
            "can_answer": reviews.keeps,
            "number": number,
            "query": filters.query | ({"page": str(number)} if number > 1 else {}),
            "pages": [
                (one, None if one is None else page.url("approvals", filters.query | {"page": str(one)}))
                for one in page_numbers(number, n_pages)
            ],
        },
    )


def _late(page: Page) -> str:
    words = page.text("late stage")
    return words[:1].upper() + words[1:]


def _done(page: Page, row: Any) -> str:
    if getattr(row, "taken_back", False):
        return page.text("cancelled")
    if not isinstance(getattr(row, "channel", None), str):
        return page.text("left alone")
    hour = "" if pd.isna(row.hour) else f", {int(row.hour)}:00"
    return f"{page.label(row.channel)}{hour}"


def _answers(page: Page, portfolio: Portfolio, answered: dict[str, Review], reviews: Reviews) -> list[Section]:
    if not answered:
        return []
    words = {"agreed": page.text("agreed"), "stop": page.text("stop")}
    newest = sorted(answered.values(), key=lambda one: one.at, reverse=True)[:_SHOWN]
    accounts = _accounts_of(portfolio, [one.decision_id for one in newest])
    cells = [
        [
            Cell(accounts.get(one.decision_id, one.decision_id), link=page.url("decision", {"id": one.decision_id})),
            Cell(words.get(one.answer, one.answer), one.answer, "good" if one.answer == "agreed" else "no", badge=True),
            one.by,
            Cell(f"{page.formats.instant(datetime.fromisoformat(one.at))} UTC", one.at),
            one.note,
        ]
        for one in newest
    ]
    columns = [
        Column("account", page.text("Account"), number=False),
        Column("answer", page.text("Answer"), number=False),
        Column("by", page.text("By"), number=False),
        Column("at", page.text("When"), number=False),
        Column("note", page.text("Note"), number=False),
    ]
    return [
        Section(
            "answers",
            page.text("Answered"),
            table=Table("answers", page.text("Who answered what"), columns, cells),
            basis=of_answers(page, [datetime.fromisoformat(one.at) for one in newest]),
            template="answers.html",
            extra={"decision_ids": [one.decision_id for one in newest], "can_answer": reviews.keeps},
        )
    ]


def _accounts_of(portfolio: Portfolio, decision_ids: list[str]) -> dict[str, str]:
    """Account of each decision: an account means something to a person, a digest does not."""
    own = {one: portfolio.decision(one) for one in decision_ids}
    return {one: logged.decision.account_id for one, logged in own.items() if logged is not None}


def _promotions(page: Page, portfolio: Portfolio) -> list[Section]:
    promotions = portfolio.promotions()
    if not promotions:
        return []
    heading, table = page.text("Who let which policy serve"), promotions_table(page, promotions)
    return [Section("promotions", heading, table=table, basis=of_registry(page, promotions))]


add_page(router, "approvals", "approvals", build)


@router.post("/{language}/approvals", include_in_schema=False)
def answer(
    request: Request,
    page: PageDep,
    portfolio: PortfolioDep,
    sessions: SessionsDep,
    decision_id: Annotated[list[str], Form(max_length=_MOST_AT_ONCE)],
    answer: Annotated[Literal["agreed", "stop", "undone"], Form()],
    token: Annotated[str, Form()] = "",
    note: Annotated[str, Form()] = "",
    confirmed: Annotated[bool, Form()] = False,
) -> Response:
    """Ask once more, then write down who answered; an answer that is taken back makes the case wait again."""
    if page.session is None or not sessions.is_own_form(page.session, token):
        raise HTTPException(403, "This form is not of your session. Go back, reload and try again.")
    accounts = _accounts_of(portfolio, decision_id)
    if len(accounts) < len({*decision_id}):
        raise HTTPException(404, "The decision log holds no decision of this id.")
    if not confirmed:
        return page.render(
            "confirm.html", decision_ids=decision_id, answer=answer, note=note.strip(),
            accounts=list(accounts.values()), query=dict(request.query_params),
        )  # fmt: skip
    reviews = Reviews(portfolio.settings.portfolio_path)
    before = reviews.latest()
    for one in accounts:
        now = datetime.now(UTC)
        if portfolio.log is not None:  # the ledger first: what is shown as answered acts on the next decision
            _write_to_ledger(portfolio.log, one, answer, before.get(one), now)
        reviews.add(one, answer, note.strip(), by=page.session.manager, at=now)
    portfolio.forget_log()
    return RedirectResponse(page.url("approvals", dict(request.query_params)), 303)


def _write_to_ledger(log: DecisionLog, decision_id: str, answer: str, before: Review | None, at: datetime) -> None:
    """Make a state of an answer, and take the one before it back."""
    if answer == "stop":
        stop_contact(log, decision_id, at=at)
        return
    if before is not None and before.answer == "stop":
        resume_contact(log, decision_id, at=at)
    if answer == "agreed":
        agree_to_contact(log, decision_id, at=at)
    elif before is not None and before.answer == "agreed":
        withdraw_agreement(log, decision_id, at=at)
