"""Public holidays as day numbers, from the ``holidays`` library; outside its range nobody knows, so nobody acts."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from recommender.extras import later
from recommender.intake import is_subdivision, subdivision_code
from recommender.rules.schema import Holidays

__all__ = ["HOLIDAYS_VERSION", "holiday_days", "known_subdivision"]

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
    country = country if rule.country == "account" else rule.country
    country = _ALIASES.get(country, country)
    subdivision = known_subdivision(country, subdivision) if rule.subdivision == "account" else rule.subdivision
    try:
        calendar = library.country_holidays(
            country, subdiv=subdivision or None, years=[year], categories=rule.categories
        )
    except (NotImplementedError, ValueError):
        return None
    if not calendar.start_year <= year <= calendar.end_year:
        return None
    dates = ({*calendar} | {*rule.extra}) - {*rule.remove}
    return np.array(sorted((date - _EPOCH).days for date in dates if date.year == year), dtype=np.int64)
