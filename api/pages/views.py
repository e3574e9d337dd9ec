"""Views that a manager keeps: a page with its filters under a name of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Form
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from api.pages.appended_lines import append_line, read_lines
from api.pages.language import is_language
from api.pages.rendering import PageDep, PortfolioDep, SessionsDep

__all__ = ["View", "Views", "router"]

router = APIRouter()

_LONGEST = 80
_LONGEST_PATH = 1_000


@dataclass(frozen=True)
class View:
    """A view: whose, its name, and path with query but without the language."""

    by: str
    name: str
    path: str


class Views:
    """Views kept in ``views.jsonl`` beside the portfolio; the last line of a name counts, an empty path removes it."""

    def __init__(self, folder: Path | None) -> None:
        self._path = None if folder is None else folder / "views.jsonl"

    @property
    def keeps(self) -> bool:
        """Whether views can be kept."""
        return self._path is not None

    def add(self, view: View) -> None:
        """Keep a view."""
        if self._path is None:
            return
        append_line(self._path, vars(view))

    def of(self, manager: str) -> list[View]:
        """Views of a manager, by name."""
        last = {one.name: one for one in read_lines(self._path, View) if one.by == manager}
        return sorted((one for one in last.values() if one.path), key=lambda one: one.name)


@router.post("/{language}/views", name="views", include_in_schema=False)
def keep(
    page: PageDep,
    portfolio: PortfolioDep,
    sessions: SessionsDep,
    name: Annotated[str, Form(max_length=_LONGEST)],
    path: Annotated[str, Form(max_length=_LONGEST_PATH)] = "",
    token: Annotated[str, Form()] = "",
) -> Response:
    """Keep a view of one's own, or remove it with an empty path."""
    if page.session is None or not sessions.is_own_form(page.session, token):
        raise HTTPException(403, "This form is not of your session. Go back, reload and try again.")
    own = path.removeprefix(f"/{page.language}/")
    if own.startswith(("/", "\\")) or ":" in own.partition("?")[0] or is_language(own.split("/")[0]):
        raise HTTPException(422, "This is no page of ours.")
    if name.strip():
        Views(portfolio.settings.portfolio_path).add(View(page.session.manager, name.strip(), own))
    return RedirectResponse(page.url("home") + "#views", 303)
