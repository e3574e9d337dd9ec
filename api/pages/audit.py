"""Who saw and changed what: one line a page that was opened or a form that was sent, appended, never changed."""

from __future__ import annotations

import contextlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
from fastapi import APIRouter
from starlette.requests import Request

from api.pages.appended_lines import append_line
from api.pages.audit_words import place_in_words, subject_in_words
from api.pages.content import Cell, Column, Content, Section, Table
from api.pages.filters import Filter, read_filters
from api.pages.page_data import Portfolio
from api.pages.rendering import Page
from api.pages.section_pages import add_page

__all__ = ["AuditTrail", "build", "router"]

router = APIRouter()

_SHOWN = 200
_TAIL_BYTES = 400_000
_SECRET = ("token", "password")


class AuditTrail:
    """Lines kept in ``audit.jsonl`` beside the portfolio; nothing is kept where there is no folder to write to.

    Parameters
    ----------
    folder : Path or None
    """

    def __init__(self, folder: Path | None) -> None:
        writable = folder is not None and folder.is_dir() and os.access(folder, os.W_OK)
        self._path = folder / "audit.jsonl" if folder is not None and writable else None

    def add(self, manager: str, request: Request) -> None:
        """Write down who asked for what."""
        if self._path is None:
            return
        query = {name: value for name, value in request.query_params.items() if name not in _SECRET}
        entry = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "by": manager,
            "did": "changed" if request.method == "POST" else "saw",
            "path": request.url.path,
            "query": query,
        }
        append_line(self._path, entry, durable=False)  # a page that is looked at waits for no disk

    def newest(self) -> pd.DataFrame:
        """The newest lines, newest first: ``at``, ``by``, ``did``, ``path``, ``query``."""
        names = ("at", "by", "did", "path", "query")
        if self._path is None or not self._path.is_file():
            return pd.DataFrame({name: [] for name in names}, dtype=object)
        with self._path.open("rb") as file:
            file.seek(max(0, self._path.stat().st_size - _TAIL_BYTES))
            lines = file.read().split(b"\n")
        entries = []
        for line in lines:
            with contextlib.suppress(ValueError):  # the first one may be cut
                entry = json.loads(line)
                if isinstance(entry, dict) and _is_instant(entry.get("at")):
                    entries.append(entry)
        return pd.DataFrame([{name: one.get(name) for name in names} for one in reversed(entries)], columns=list(names))


def build(page: Page, portfolio: Portfolio, query: dict[str, str]) -> Content:
    """Build the page."""
    question = page.text("Who saw and changed what?")
    frame = AuditTrail(portfolio.settings.portfolio_path).newest()
    words = {"saw": page.text("saw"), "changed": page.text("changed")}
    offered = [
        Filter("by", page.text("Who"), choices=[(one, one) for one in sorted(frame["by"].unique())]),
        Filter("did", page.text("What"), choices=list(words.items())),
    ]
    filters = read_filters(offered, query, page.url("audit"))
    own = frame.loc[filters.rows(frame)] if len(frame) else frame
    rows = [
        [
            Cell(f"{page.formats.instant(datetime.fromisoformat(one.at))} UTC", one.at),
            one.by,
            Cell(words.get(one.did, one.did), words.get(one.did, one.did)),
            place_in_words(page, str(one.path)),
            Cell(subject_in_words(page, str(one.path), _query(one)) or "–"),
        ]
        for one in own.head(_SHOWN).itertuples(index=False)
    ]
    heading = page.text("Newest first")
    columns = [
        Column("at", page.text("When"), number=False),
        Column("by", page.text("Who"), number=False),
        Column("did", page.text("What"), number=False),
        Column("path", page.text("Page"), number=False),
        Column("about", page.text("About"), number=False, wide=True),
    ]
    section = Section("trail", heading, table=Table("trail", heading, columns, rows))
    changed = int((own["did"] == "changed").sum()) if len(own) else 0
    answer = page.texts(
        "{count} change among the newest entries.", "{count} changes among the newest entries.", changed
    )
    return Content("audit", question, answer, "unclear", [section], (), filters)


def _is_instant(text: object) -> bool:
    try:
        return bool(datetime.fromisoformat(str(text)))
    except ValueError:
        return False


def _query(one: object) -> dict[str, object]:
    told = getattr(one, "query", None)
    return told if isinstance(told, dict) else {}


add_page(router, "audit", "audit", build)
