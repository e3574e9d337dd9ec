"""``python -m api.pages.static_report``: the portfolio pages as one self-contained file."""

from __future__ import annotations

import argparse
import json
import os
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

from starlette.exceptions import HTTPException

from api.pages import approvals, drivers, explorer, model_card, policy_value, results, rule_costs
from api.pages.content import Content
from api.pages.exports import sheet_of, to_xlsx
from api.pages.language import language_tags
from api.pages.page_data import Portfolio
from api.pages.rendering import Page
from api.service.serving import Serving
from recommender import __version__
from recommender.errors import InvalidInput, RecommenderError
from recommender.settings import Settings

__all__ = ["main", "report", "write_tables"]

_PAGES = (results, policy_value, explorer, drivers, rule_costs, approvals, model_card)
_STYLE = Path(__file__).parent / "static" / "pages.css"

FILTERS = ("since", "until", "stage", "product", "country", "segment")


def report(portfolio: Portfolio, settings: Settings, language: str, query: Mapping[str, str] | None = None) -> str:
    """The pages one after the other, with their style inside and nothing to fetch.

    Parameters
    ----------
    portfolio : Portfolio
    settings : Settings
    language : str
    query : mapping of str to str, optional
        ``since``, ``until``, ``stage``, ``product``, ``country``, ``segment``, as in the address of a page; each page
        takes those that it knows.
    """
    page, contents = _built(portfolio, settings, language, query)
    window = portfolio.window()
    facts = [
        (page.text("Policy"), portfolio.policy_version),
        (page.text("Model"), portfolio.model_in_words(page.text)),
        (page.text("Software"), __version__),
        (page.text("Made"), f"{page.formats.instant(page.made_at)} UTC"),
    ]
    if window is not None:
        first, last = (page.formats.day(end.date()).text for end in window)
        facts.insert(0, (page.text("Data"), f"{first} {page.formats.to} {last}"))
    chosen = next((tuple(one.filters.chips()) for one in contents if one.filters is not None), ())
    if chosen:
        facts.insert(0, (page.text("Part"), ", ".join(chip.text for chip in chosen)))
    return page.markup("report.html", contents=contents, style=_STYLE.read_text(encoding="utf-8"), facts=facts)


def write_tables(
    out: Path, portfolio: Portfolio, settings: Settings, language: str, query: Mapping[str, str] | None = None
) -> None:
    """Write every table of the report as a workbook, ``<page>-<table>.xlsx``, into one ZIP file."""
    page, contents = _built(portfolio, settings, language, query)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for content in contents:
            for section in content.sections:
                if (table := section.table) is not None:
                    written = b"".join(to_xlsx(sheet_of(page, table), table.caption))
                    archive.writestr(f"{content.name}-{table.key}.xlsx", written)


def _built(
    portfolio: Portfolio, settings: Settings, language: str, query: Mapping[str, str] | None
) -> tuple[Page, list[Content]]:
    """What the report holds, a part a page."""
    page, asked = Page(language, settings), dict(query or {})
    return page, [module.build(page, portfolio, asked) for module in _PAGES]


def main(arguments: list[str] | None = None) -> int:
    """Write the report."""
    parser = argparse.ArgumentParser(prog="python -m api.pages.static_report", description=report.__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--language", choices=language_tags(), default="es")
    parser.add_argument("--site", type=Path)
    parser.add_argument("--tables", type=Path)
    for name in FILTERS:
        parser.add_argument(f"--{name}", default="")
    given = parser.parse_args(arguments)
    try:
        if given.site is not None:
            os.environ.update(_environment(given.site))
        settings = Settings()
        serving = Serving(settings)
        portfolio = Portfolio(settings, serving)
        query = {name: site for name in FILTERS if (site := getattr(given, name))}
        try:
            given.out.write_text(report(portfolio, settings, given.language, query), encoding="utf-8")
            if given.tables is not None:
                write_tables(given.tables, portfolio, settings, given.language, query)
        finally:
            portfolio.close()
            serving.close()
    except HTTPException as refused:  # a filter that there is not, or a damaged file, as a page says it
        sys.stderr.write(f"{refused.detail}\n")
        return 1
    except (RecommenderError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _environment(site: Path) -> dict[str, str]:
    """Settings of a demo site."""
    try:
        told = json.loads((site / "site.json").read_text(encoding="utf-8"))["environment"]
        return {str(name): str(value) for name, value in told.items()}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InvalidInput(
            f"{site / 'site.json'} is no demo site's.", column="site", mend="Make one with the verb demo-site."
        ) from error


if __name__ == "__main__":
    raise SystemExit(main())
