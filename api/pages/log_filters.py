"""The filters that every page about logged decisions offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from api.pages.filters import Filter, Filters, read_filters
from api.pages.rendering import Page

__all__ = ["decision_filters"]


def decision_filters(page: Page, levels: Mapping[str, Sequence[str]], query: dict[str, str], action: str) -> Filters:
    """Period, stage, product and country, with the choices that the log holds."""

    def choices(name: str) -> list[tuple[str, str]]:
        put = page.country if name == "country" else page.label
        return [(value, put(value)) for value in levels.get(name, ())]

    offered = [
        Filter("since", page.text("From"), "since"),
        Filter("until", page.text("To"), "until"),
        Filter("stage", page.text("Stage"), choices=choices("stage")),
        Filter("product", page.text("Product"), choices=choices("product")),
        Filter("country", page.text("Country"), choices=choices("country")),
    ]
    shown = [one for one in offered if one.kind != "choice" or one.choices]
    read = read_filters(shown, query, action)
    named = [
        Filter(one.name, one.title, one.kind, one.choices or _day_choice(page, one.chosen), one.chosen)
        for one in read.filters
    ]
    return Filters(named, action)


def _day_choice(page: Page, chosen: str) -> list[tuple[str, str]]:
    return [(chosen, page.formats.day(pd.Timestamp(chosen).date()).text)] if chosen else []
