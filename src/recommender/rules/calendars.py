"""Public holidays as day numbers, from the ``holidays`` library; outside its range nobody knows, so nobody acts."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.extras import later
from recommender.intake import is_subdivision, subdivision_code
from recommender.rules.schema import Holidays

__all__ = ["HOLIDAYS_VERSION", "holiday_days", "holiday_name", "known_subdivision"]

HOLIDAYS_VERSION = version("holidays")
library = later("holidays", "holidays")  # a dependency of the core; who only learns or recommends need not load it
_EPOCH = dt.date(1970, 1, 1)
_ALIASES = {"UK": "GB"}


def known_subdivision(country: str, subdivision: str | None) -> str:
    """Code under which the library knows the subdivision ("CL-AP" and "AP" alike), empty where it does not."""
    code = subdivision_code(country, subdivision)
    return code.partition("-")[2] if code is not None and is_subdivision(code) else ""


@lru_cache(maxsize=4096)
def holiday_days(rule: Holidays, country: str, subdivision: str, year: int) -> NDArray[np.int64] | None:
    """Holidays of one year as days since 1970-01-01, or None where the library cannot say.

    Parameters
    ----------
    rule : Holidays
    country, subdivision : str
        Of the account; used where the rule says ``"account"``.
    year : int
    """
    calendar = _calendar(rule, country, subdivision, year)
    if calendar is None:
        return None
    dates = ({*calendar} | {*rule.extra}) - {*rule.remove}
    return np.array(sorted((date - _EPOCH).days for date in dates if date.year == year), dtype=np.int64)


def holiday_name(rule: Holidays, country: str, subdivision: str, day: dt.date, language: str) -> tuple[str, str] | None:
    """Name of a holiday and the language it is in, None on other days and where the date has no name.

    Parameters
    ----------
    rule : Holidays
    country, subdivision : str
        As for :func:`holiday_days`.
    day : date
    language : str
        Wished, e.g. ``"es"``; a calendar that does not speak it names its days in its own language.
    """
    calendar = None if day in rule.remove else _calendar(rule, country, subdivision, day.year)
    if calendar is None or day not in calendar:
        return None
    spoken = next((one for one in calendar.supported_languages if one.partition("_")[0] == language), None)
    named = spoken or calendar.default_language  # never none where there is one: that is the language of the process
    calendar = _calendar(rule, country, subdivision, day.year, named)
    return str(calendar[day]), (named or language).partition("_")[0]


@lru_cache(maxsize=256)
def _calendar(rule: Holidays, country: str, subdivision: str, year: int, language: str | None = None) -> Any:
    """Calendar of one year, or None where the library cannot say."""
    country = country if rule.country == "account" else rule.country
    country = _ALIASES.get(country, country)
    subdivision = known_subdivision(country, subdivision) if rule.subdivision == "account" else rule.subdivision
    try:
        calendar = library.country_holidays(
            country, subdiv=subdivision or None, years=[year], categories=rule.categories, language=language
        )
    except (NotImplementedError, ValueError):
        return None
    return calendar if calendar.start_year <= year <= calendar.end_year else None
