"""Names of public holidays as the packs of an account know them, for people to read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

from recommender.rules.calendars import holiday_name
from recommender.rules.loading import rule_books

__all__ = ["named_holidays"]


def named_holidays(
    packs: Sequence[str], days: Iterable[dt.date], *, country: str, subdivision: str | None = None, language: str = "en"
) -> dict[dt.date, tuple[str, str]]:
    """Name of each day that is a holiday in some pack, and the language of the name.

    Parameters
    ----------
    packs : sequence of str
    days : iterable of date
    country : str
    subdivision : str or None
        Of the account; read by packs whose calendar follows it.
    language : str, default="en"
        Wished; a calendar that does not speak it names its days in its own.

    Raises
    ------
    PackError
        For a pack that is not known.
    """
    rules = [pack.time.holidays for book in rule_books(packs) for pack in book.packs if pack.time.holidays is not None]
    found: dict[dt.date, tuple[str, str]] = {}
    for day in days:
        names = (holiday_name(rule, country, subdivision or "", day, language) for rule in dict.fromkeys(rules))
        name = next((one for one in names if one is not None), None)
        if name is not None:
            found[day] = name
    return found
