"""Numbers as people and programs write them: which sign is the decimal one is read off the column, or asked for."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

__all__ = ["DecimalEvidence", "decimal_evidence", "number_of"]

Decimal = Literal["comma", "point"]

_PLAIN = re.compile(r"[+-]?\d+(?:[eE][+-]?\d{1,3})?")
_ONE_SIGN = re.compile(r"[+-]?(\d*)([.,])(\d+)")
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:([.,' ])\d{3})(?:\1\d{3})*(?:([.,])(\d+))?")
_MILLIONS = re.compile(
    r"[+-]?\d{1,3}'\d{3}([.,])\d{3}(?:([.,])\d+)?"
)  # 1'234.567,89: millions have a sign of their own
_EXPONENT = re.compile(r"[+-]?\d*([.,]?)\d+[eE][+-]?\d{1,3}")
_MONEY = re.compile(
    r"^(?:[A-Za-z]{1,3}\$|[A-Z]{3}|S/\.?|[$€£])\s*"
    r"|\s*(?:[A-Z]{3}|[$€£]|[.,]\s?-{1,2}|(?i:pesos|soles|d[oó]lares|euros|m/?cte\.?|m\.?\s?n\.?))$"
)


@dataclass(frozen=True)
class DecimalEvidence:
    """What the cells of a column say about its decimal sign.

    Attributes
    ----------
    comma, point : bool
        Some cell can only be read with a decimal comma (point).
    open : bool
        Some cell may be a fraction or a thousand (``12.500``).
    """

    comma: bool = False
    point: bool = False
    open: bool = False

    def __or__(self, other: DecimalEvidence) -> DecimalEvidence:
        """Evidence of both."""
        return DecimalEvidence(self.comma or other.comma, self.point or other.point, self.open or other.open)

    @property
    def decided(self) -> Decimal | None:
        """The sign, where the column says so with one voice."""
        return None if self.comma == self.point else "comma" if self.comma else "point"


def decimal_evidence(texts: Iterable[str]) -> DecimalEvidence:
    """Evidence of some cells."""
    comma = point = undecided = False
    for text in texts:
        sign = _sign_of(_bare(text))
        comma |= sign == "comma"
        point |= sign == "point"
        undecided |= sign == "open"
    return DecimalEvidence(comma, point, undecided)


def number_of(text: str, decimal: Decimal | None = None) -> float | Literal["open"] | None:
    """The number that a cell holds; None where it is none, ``"open"`` where it may be two.

    Parameters
    ----------
    text : str
        Currency signs, blanks, thousands signs, a trailing minus and accountants' parentheses are understood.
    decimal : {"comma", "point"} or None
        The decimal sign of the column, where it is known.
    """
    bare = _bare(text)
    sign = _sign_of(bare)
    if sign == "none":
        return None
    if sign == "open":
        if decimal is None:
            return "open"
        sign = decimal
    if sign != "plain":
        bare = bare.replace("'", "").replace(" ", "")
        thousands, mark = (".", ",") if sign == "comma" else (",", ".")
        bare = bare.replace(thousands, "").replace(mark, ".")
    value = float(bare)
    return value if abs(value) < float("inf") else None


def _bare(text: str) -> str:
    bare = unicodedata.normalize("NFKC", text).strip().removeprefix("'").replace("\u2212", "-")
    bare = _MONEY.sub("", _MONEY.sub("", bare)).strip()
    if bare.startswith("(") and bare.endswith(")"):
        bare = "-" + bare[1:-1].strip()
    if bare.endswith("-"):
        bare = "-" + bare[:-1].strip()
    if bare.startswith("-"):
        bare = "-" + _MONEY.sub("", bare[1:].strip())
    return bare.replace("\u2019", "'")


def _sign_of(bare: str) -> Literal["plain", "comma", "point", "open", "none"]:
    if _PLAIN.fullmatch(bare):
        return "plain"
    if one := _ONE_SIGN.fullmatch(bare):
        whole, mark, rest = one.groups()
        if len(rest) == 3 and 1 <= len(whole) <= 3 and not whole.startswith("0"):
            return "open"
        return "comma" if mark == "," else "point"
    if (millions := _MILLIONS.fullmatch(bare)) and millions[1] != millions[2]:
        if millions[2] is None:
            return "open"
        return "comma" if millions[2] == "," else "point"
    if grouped := _GROUPED.fullmatch(bare):
        group, mark, _ = grouped.groups()
        if mark is not None and mark != group:
            return "comma" if mark == "," else "point"
        if mark is None:
            return "comma" if group == "." else "point"  # 1.234.567: points part thousands
        return "none"
    if exponent := _EXPONENT.fullmatch(bare):
        return "comma" if exponent[1] == "," else "point"
    return "none"
