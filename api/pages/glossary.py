"""The words that need one: shown when a heading is pointed at, and all together on a page of their own."""

from __future__ import annotations

from fastapi import APIRouter

from api.pages.content import Cell, Column, Content, Section, Table
from api.pages.page_data import Portfolio
from api.pages.rendering import Page
from api.pages.section_pages import add_page

__all__ = ["build", "router"]

router = APIRouter()


def build(page: Page, portfolio: Portfolio, query: dict[str, str]) -> Content:  # noqa: ARG001 - the same for everybody
    """Build the page."""
    heading = page.text("Words of these pages")
    rows = [[Cell(word), Cell(meaning)] for word, meaning in page.glossary().items()]
    columns = [
        Column("word", page.text("Word"), number=False),
        Column("meaning", page.text("What it means here"), number=False, wide=True),
    ]
    section = Section("words", heading, table=Table("words", heading, columns, rows))
    answer = page.text("Point at a heading that is underlined with dots to see its meaning there.")
    return Content("glossary", page.text("What do the words mean?"), answer, sections=[section])


add_page(router, "glossary", "glossary", build)
