"""Comments on an account and its decisions: one line each, appended, never changed; no contact data of anybody."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Form
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from api.pages.appended_lines import append_line, read_lines
from api.pages.content import Cell, Column, Section, Table
from api.pages.page_data import Portfolio
from api.pages.rendering import Page, PageDep, PortfolioDep, SessionsDep
from recommender.store.decision_log import personal_kind

__all__ = ["Comment", "Comments", "comments_section", "router", "tells_of_a_person"]

router = APIRouter()

LONGEST = 1_000
_SHOWN = 50
_NUMBERS = re.compile(r"\+?\(?\d[\d\s()./\-]*\d")
_PAPERS = re.compile(
    r"\b(?:c\.?\s?c|c\.?\s?e|c[eé]dula|nit|dni|rut|rfc|ruc|cuit|cuil|cpf|cnpj|curp|tel[eé]?f?o?n?o?|cel(?:ular)?|phone)\b"
    r"[\s.:#nNº°]*\+?\d[\d.\s\-]{5,}",
    re.IGNORECASE,
)
_MONEY = re.compile(
    r"(?:\b[A-Z]{3}|R\$|S/\.?|\$)\s?\d[\d.,]*|\d[\d.,]*\s?(?:pesos|soles|reais|d[oó]lares)\b", re.IGNORECASE
)
_AMOUNT = re.compile(  # grouped as only amounts are, or with cents
    r"(?<![\d.,\-/+])(?:\d{1,3}([.,])\d{3}(?:\1\d{3})*(?:[.,]\d{1,2})?|\d+[.,]\d{1,2})(?![\d\-/]|[.,]\d)"
)
_DAY = re.compile(r"\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[/.\-]\d{1,2}[/.\-]\d{2,4}")
_FEWEST_DIGITS = 7


@dataclass(frozen=True)
class Comment:
    """What somebody wrote about an account.

    Attributes
    ----------
    account_id : str
    decision_id : str
        Empty: about the account as a whole.
    text : str
        As it was written, in whatever language.
    by : str
    at : str
        ISO instant, UTC.
    """

    account_id: str
    decision_id: str
    text: str
    by: str
    at: str


class Comments:
    """Comments kept in ``comments.jsonl`` beside the portfolio.

    Parameters
    ----------
    folder : Path or None
        None: nothing can be kept.
    """

    def __init__(self, folder: Path | None) -> None:
        self._path = None if folder is None else folder / "comments.jsonl"

    @property
    def keeps(self) -> bool:
        """Whether comments can be written down."""
        return self._path is not None

    def add(self, comment: Comment) -> None:
        """Write a comment down; it is on disk when this returns."""
        if self._path is None:
            return
        append_line(self._path, asdict(comment))

    def of(self, account_id: str) -> list[Comment]:
        """Comments on an account, newest first."""
        known = read_lines(self._path, Comment, holding=json.dumps(account_id, ensure_ascii=False))
        return [one for one in reversed(known) if one.account_id == account_id]


def tells_of_a_person(text: str) -> bool:
    """Whether a text holds an e-mail address, a phone or an identity number; amounts of money and days pass."""
    if _PAPERS.search(text):
        return True
    if any(
        personal_kind(word.strip(".,;:()¿?¡!\"'")) not in (None, "a name") for word in _without_amounts(text).split()
    ):
        return True
    return any(sum(map(str.isdigit, found)) >= _FEWEST_DIGITS for found in _NUMBERS.findall(_without_amounts(text)))


def _without_amounts(text: str) -> str:
    """Text without days, and without numbers that are grouped as only amounts are."""
    return _AMOUNT.sub(" ", _MONEY.sub(" ", _DAY.sub(" ", text)))


def comments_section(page: Page, portfolio: Portfolio, account_id: str, query: Mapping[str, str]) -> Section | None:
    """What was written about an account, and the form to write more; None where nothing can be kept.

    Parameters
    ----------
    page : Page
    portfolio : Portfolio
    account_id : str
    query : mapping
        Of the page; with ``id`` of a decision in ``decision``, comments are about that one.
    """
    comments = Comments(portfolio.settings.portfolio_path)
    if not comments.keeps:
        return None
    written = comments.of(account_id)[:_SHOWN]
    rows = [
        [
            Cell(f"{page.formats.instant(datetime.fromisoformat(one.at))} UTC", one.at),
            one.by,
            Cell(one.text, one.text, language="und"),
            Cell(page.text("this account"), "")
            if not one.decision_id
            else Cell(one.decision_id, link=page.url("decision", {"id": one.decision_id})),
        ]
        for one in written
    ]
    columns = [
        Column("at", page.text("When"), number=False),
        Column("by", page.text("By"), number=False),
        Column("text", page.text("Comment"), number=False, wide=True),
        Column("about", page.text("About"), number=False),
    ]
    heading = page.text("Comments")
    return Section(
        "comments",
        heading,
        page.texts("{count} comment.", "{count} comments.", len(written)) if written else page.text("No comment yet."),
        table=Table("comments", heading, columns, rows) if rows else None,
        template="comments.html",
        extra={"account": account_id, "decision": query.get("decision", ""), "longest": LONGEST},
    )


@router.post("/{language}/comments", name="comments", include_in_schema=False)
def write(
    page: PageDep,
    portfolio: PortfolioDep,
    sessions: SessionsDep,
    account: Annotated[str, Form(max_length=256)],
    text: Annotated[str, Form(max_length=4 * LONGEST)] = "",
    decision: Annotated[str, Form(max_length=128)] = "",
    token: Annotated[str, Form()] = "",
) -> Response:
    """Write a comment down; what holds contact data is shown again with the reason, and not kept."""
    if page.session is None or not sessions.is_own_form(page.session, token):
        raise HTTPException(403, "This form is not of your session. Go back, reload and try again.")
    logged = portfolio.decision(decision) if decision else None
    if decision and (logged is None or logged.decision.account_id != account):
        raise HTTPException(404, "The decision log holds no such decision of the account.")
    own = portfolio.account(account)
    if (own is None or own.empty) and not portfolio.decision_ids_of(account):
        raise HTTPException(404, "There is no such account.")
    said = text.strip()
    problem = "long" if len(said) > LONGEST else "person" if tells_of_a_person(said) else ""
    if problem:
        return page.render("comment.html", 422, account=account, decision=decision, text=said, problem=problem,
                           longest=LONGEST)  # fmt: skip
    comments = Comments(portfolio.settings.portfolio_path)
    if said:
        comments.add(Comment(account, decision, said, page.session.manager, datetime.now(UTC).isoformat()))
    back = page.url("decision", {"id": decision}) if decision else page.url("account", {"id": account})
    return RedirectResponse(f"{back}#comments", 303)
