"""Features of an account that say what stops a contact: beside its facts nobody reads them as a stop."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from recommender.intake.ended_accounts import end_has_come, names_end_day
from recommender.intake.unread_stops import asks_of_numbers, unread_stops
from recommender.spelling import column_word

__all__ = ["feature_says_stop"]


def feature_says_stop(name: str, value: Any) -> bool:
    """Whether a feature says a stop, as :func:`~recommender.intake.unread_stops` reads a column of accounts.

    A day on which an account ends (prescribed, closed, sold) counts whether or not it has come: a feature is not asked
    about its day.

    Parameters
    ----------
    name : str
    value : str, bool, number or None
    """
    if value is None or not (isinstance(value, str | bool) or _asks_of_numbers(name)):
        return False
    return _says_stop(name, value)


@lru_cache(maxsize=65_536, typed=True)
def _says_stop(name: str, value: Any) -> bool:
    if names_end_day(column_word(name)):
        return end_has_come(value, None, None) is not False
    return bool(unread_stops({name: [value]}, "accounts"))


@lru_cache(maxsize=4_096)
def _asks_of_numbers(name: str) -> bool:
    word = column_word(name)
    return asks_of_numbers(word) or names_end_day(word)
