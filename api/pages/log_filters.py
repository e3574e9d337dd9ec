"""The filters that every page about logged decisions offers."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from api.pages.filters import Filter, Filters, read_filters
from api.pages.page_data import Portfolio
from api.pages.rendering import Page

__all__ = ["decision_filters"]


def decision_filters(
    page: Page, portfolio: Portfolio, query: dict[str, str], action: str, more: Sequence[Filter] = ()
) -> Filters:
    """Period, stage, product, country and segment, with the choices that the log holds, and ``more``."""
    levels = portfolio.levels()
    named = {"country": page.country, "segment": portfolio.segment_name(page.label)}

    def choices(name: str) -> list[tuple[str, str]]:
        put = named.get(name, page.label)
        return [(value, put(value)) for value in levels.get(name, ())]

    offered = [
        Filter("since", page.text("From"), "since"),
        Filter("until", page.text("To"), "until"),
        Filter("stage", page.text("Stage"), choices=choices("stage")),
        Filter("product", page.text("Product"), choices=choices("product")),
        Filter("country", page.text("Country"), choices=choices("country")),
        Filter("segment", page.text("Segment"), choices=choices("segment")),
        *more,
    ]
    shown = [one for one in offered if one.kind != "choice" or one.choices]
    read = read_filters(shown, query, action)
    titled = [
        Filter(one.name, one.title, one.kind, one.choices or _day_choice(page, one.chosen), one.chosen)
        for one in read.filters
    ]
    return Filters(titled, action)


def _day_choice(page: Page, chosen: str) -> list[tuple[str, str]]:
    return [(chosen, page.formats.day(pd.Timestamp(chosen).date()).text)] if chosen else []
