"""Numbers as people type them: the separators of their region, and no guess where two readings are possible."""

from __future__ import annotations

import re

import babel
from babel.numbers import get_decimal_symbol

__all__ = ["AmbiguousNumber", "read_number"]

_SPACES = re.compile(r"[\s\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}'\N{RIGHT SINGLE QUOTATION MARK}]")
_PLAIN = re.compile(r"[+-]?\d+(?:\.\d+)?")


class AmbiguousNumber(ValueError):
    """A text that may mean two numbers, e.g. 1.500 where the point is the decimal sign."""


def read_number(text: str, locale: babel.Locale, *, most_decimals: int | None = None) -> float:
    """Read a number with or without separators of thousands.

    ``12,5`` and ``12.5`` are both 12.5, since three digits must follow a separator of thousands. One separator before
    exactly three digits is read as the region writes; where that makes it a decimal sign, three decimals must be
    possible and likely, else the text is refused or read as thousands.

    Parameters
    ----------
    text : str
    locale : Locale
    most_decimals : int or None
        Of such a number, e.g. 2 for money; None = any.

    Returns
    -------
    float

    Raises
    ------
    AmbiguousNumber
        When one text may be two numbers.
    ValueError
        When it is no number.
    """
    plain = _SPACES.sub("", text).replace("\N{MINUS SIGN}", "-")
    marks = [letter for letter in plain if letter in ".,"]
    if not marks:
        return _plain(plain)
    last = marks[-1]
    if len(set(marks)) == 2:
        if marks.count(last) > 1:
            raise ValueError(f"{text!r} is no number.")
        return _plain(_without_groups(plain[: plain.rindex(last)], marks[0], text) + "." + plain.rpartition(last)[2])
    if len(marks) > 1:
        return _plain(_without_groups(plain, last, text))
    whole, _, rest = plain.partition(last)
    may_group = len(rest) == 3 and 1 <= len(whole.lstrip("+-")) <= 3 and whole.lstrip("+-")[0] != "0"
    if not may_group:
        return _plain(f"{whole}.{rest}")
    if last != get_decimal_symbol(locale) or (most_decimals is not None and most_decimals < 3):
        return _plain(whole + rest)
    raise AmbiguousNumber(f"{text!r} may be {whole}{rest} or {whole}.{rest}.")


def _without_groups(digits: str, mark: str, text: str) -> str:
    first, *groups = digits.split(mark)
    if not 1 <= len(first.lstrip("+-")) <= 3 or any(len(group) != 3 for group in groups):
        raise ValueError(f"{text!r} is no number.")
    return first + "".join(groups)


def _plain(digits: str) -> float:
    if not _PLAIN.fullmatch(digits):
        raise ValueError(f"{digits!r} is no number.")
    return float(digits)
