"""Numbers as they are shown: formatted once on the server, so that sentence, chart and table read the same."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from typing import Literal, TypeAlias

import babel
from babel.dates import format_date, format_datetime, format_skeleton, get_timezone
from babel.numbers import (
    format_compact_decimal,
    format_currency,
    format_decimal,
    get_currency_precision,
    get_currency_symbol,
)

__all__ = ["Direction", "Estimate", "Formats", "Kind", "Shown"]

Kind: TypeAlias = Literal["rate", "points", "money", "number", "count", "per_thousand"]
Direction: TypeAlias = Literal["above", "below", "unclear", "unknown"]

MISSING = "–"
_NOTHING = 1e-9
PER_THOUSAND = "‰"
_NBSP = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class Shown:
    """A value and its text in the reader's format.

    Attributes
    ----------
    value : object
        For charts: rates in [0, 1], money in minor units; None where there is nothing to show.
    text : str
    unit : str
        Of the number as it is written: ``%``, points, an ISO currency; empty where it is a plain number or no number.
    scale : float
        What the value is multiplied with to be written.
    """

    value: float | str | date | None
    text: str
    unit: str = ""
    scale: float = 1.0

    @property
    def amount(self) -> float | str | date | None:
        """The value in its unit, unrounded: what an export holds."""
        return self.value * self.scale if isinstance(self.value, float) else self.value

    def __str__(self) -> str:
        """Text."""
        return self.text


@dataclass(frozen=True)
class Estimate:
    """A value with its interval, all formatted.

    Attributes
    ----------
    value, low, high : Shown
    interval : str
        e.g. ``1.1 to 7.3``, without the unit.
    direction : {"above", "below", "unclear", "unknown"}
        Where the interval lies relative to zero.
    """

    value: Shown
    low: Shown
    high: Shown
    interval: str
    direction: Direction

    def __str__(self) -> str:
        """Text of the value."""
        return self.value.text


class Formats:
    """Formats of one region.

    Parameters
    ----------
    locale : Locale
    to : str
        Word between the ends of an interval: an interval of negative numbers cannot be written with a dash.
    points : str
        Unit of a difference of percentages, e.g. ``pp``.
    """

    def __init__(self, locale: babel.Locale, *, to: str = "to", points: str = "pp") -> None:
        self.locale = locale
        self.to = to
        self._points = points

    # -- numbers ---------------------------------------------------------------------------------------------------
    def number(self, value: float | None, decimals: int = 1, *, signed: bool = False) -> Shown:
        """Fixed count of decimals, true minus sign."""
        if value is None or not math.isfinite(value):
            return Shown(None, MISSING)
        rounded = round(float(value), decimals) + 0.0
        pattern = "#,##0" + ("." + "0" * decimals if decimals else "")
        text = _minus(str(format_decimal(rounded, format=pattern, locale=self.locale)))
        return Shown(float(value), f"+{text}" if signed and rounded > 0 else text)

    def count(self, value: float | None) -> Shown:
        """Whole number."""
        return self.number(value, 0)

    def percent(self, rate: float | None, decimals: int = 1) -> Shown:
        """Rate in [0, 1] as a percentage."""
        number = self.number(None if rate is None else 100.0 * rate, _telling(rate, 100.0, decimals))
        return number if number.value is None else Shown(rate, self._percent(number.text), "%", 100.0)

    def points(self, difference: float | None, decimals: int = 1) -> Shown:
        """Difference of two rates in percentage points, with its sign."""
        number = self.number(None if difference is None else 100.0 * difference, decimals, signed=True)
        if number.value is None:
            return number
        return Shown(difference, f"{number.text}{_NBSP}{self._points}", self._points, 100.0)

    def money(
        self,
        minor: float | None,
        currency: str,
        *,
        signed: bool = False,
        compact: bool = False,
        decimals: int | None = None,
    ) -> Shown:
        """Amount in minor units; no decimals from a hundred on, two at most below."""
        if minor is None or not math.isfinite(minor):
            return Shown(None, MISSING)
        amount_scale = 10.0 ** -get_currency_precision(currency)
        amount = minor * amount_scale
        if compact and abs(amount) >= 1e6:
            return self._compact_money(minor, amount, currency, signed)
        places = decimals if decimals is not None else (0 if abs(amount) >= 100 or amount == 0 else 2)
        pattern = str(self.locale.currency_formats["standard"].pattern).split(";")[0]
        if not places:
            pattern = pattern.replace(".00", "")
        rounded = round(amount, places) + 0.0
        symbol = self._symbol(currency)
        if symbol == currency:
            pattern = pattern.replace("¤", "¤¤")
        text = format_currency(rounded, currency, format=pattern, locale=self.locale, currency_digits=False)
        if symbol[-1:].isalpha():  # CLDR sets letters apart from digits
            text = re.sub(rf"{re.escape(symbol)}(?=\d)", f"{symbol}{_NBSP}", text)
        return Shown(float(minor), ("+" if signed and rounded > 0 else "") + _minus(str(text)), currency, amount_scale)

    def _symbol(self, currency: str) -> str:
        """Symbol of a currency; a bare $ says not which, so that a portfolio of two countries cannot be read."""
        symbol = str(get_currency_symbol(currency, locale=self.locale))
        return currency if symbol == "$" else symbol

    def _compact_money(self, minor: float, amount: float, currency: str, signed: bool) -> Shown:
        number = _minus(format_compact_decimal(amount, fraction_digits=1, locale=self.locale))
        pattern = str(self.locale.currency_formats["standard"].pattern).split(";")[0]
        symbol = self._symbol(currency)
        gap = _NBSP if symbol[-1:].isalpha() else ""
        text = f"{symbol}{gap}{number}" if pattern.startswith("¤") else f"{number}{_NBSP}{symbol}"
        return Shown(float(minor), ("+" if signed and amount > 0 else "") + text, currency, amount / minor)

    def _per_thousand(self, rate: float | None, decimals: int, *, signed: bool = False) -> Shown:
        number = self.number(None if rate is None else 1_000.0 * rate, decimals, signed=signed)
        return number if number.value is None else Shown(rate, number.text, PER_THOUSAND, 1_000.0)

    def value(
        self, kind: Kind, value: float | None, *, currency: str | None = None, decimals: int | None = None
    ) -> Shown:
        """Value of a kind: a rate as percentage, an amount with its currency."""
        match kind:
            case "rate":
                return self.percent(value, 1 if decimals is None else decimals)
            case "points":
                return self.points(value, 1 if decimals is None else decimals)
            case "money":
                return self.money(value, currency or "XXX", decimals=decimals)
            case "per_thousand":
                return self._per_thousand(value, 1 if decimals is None else decimals)
            case "count":
                return self.count(value)
            case _:
                return self.number(value, 2 if decimals is None else decimals)

    def difference(
        self, kind: Kind, value: float | None, *, currency: str | None = None, decimals: int | None = None
    ) -> Shown:
        """Difference of two values of a kind, with its sign; of rates in percentage points."""
        match kind:
            case "rate" | "points":
                return self.points(value, 1 if decimals is None else decimals)
            case "money":
                return self.money(value, currency or "XXX", signed=True, decimals=decimals)
            case "per_thousand":
                return self._per_thousand(value, 1 if decimals is None else decimals, signed=True)
            case "count":
                return self.number(value, 0, signed=True)
            case _:
                return self.number(value, 2 if decimals is None else decimals, signed=True)

    def ticks(
        self, kind: Kind, places: Sequence[float], *, currency: str | None = None, difference: bool = False
    ) -> list[tuple[float, str]]:
        """Text of the places on an axis, all with as many decimals as their step needs."""
        step = min((b - a for a, b in pairwise(places)), default=1.0)
        if kind == "money" and currency is not None:
            return [(value, self.money(value, currency, compact=True, decimals=0).text) for value in places]
        scale = {"rate": 100.0, "points": 100.0, "per_thousand": 1_000.0}.get(kind, 1.0)
        decimals = max(0, math.ceil(-math.log10(step * scale) - 1e-9)) if step > 0 else 0
        put = self.difference if difference else self.value
        return [(value, put(kind, value, currency=currency, decimals=decimals).text) for value in places]

    def estimate(
        self,
        kind: Kind,
        value: float | None,
        low: float | None,
        high: float | None,
        *,
        currency: str | None = None,
        difference: bool = True,
    ) -> Estimate:
        """Value and interval; a digit is shown only where half the interval's width supports it.

        Parameters
        ----------
        kind : str
        value, low, high : float or None
        currency : str or None
        difference : bool, default=True
            Show signs, and rates as percentage points.
        """
        decimals = self._supported_decimals(kind, low, high, difference=difference)
        put = self.difference if difference else self.value
        ends = [put(kind, end, currency=currency, decimals=decimals) for end in (value, low, high)]
        if low is None or high is None or ends[1].value is None or ends[2].value is None:
            return Estimate(ends[0], ends[1], ends[2], MISSING, "unknown")
        plain = [self._without_unit(kind, end, decimals, currency) for end in (low, high)]
        direction: Direction = "above" if low > 0 else "below" if high < 0 else "unclear"
        return Estimate(ends[0], ends[1], ends[2], f"{plain[0]} {self.to} {plain[1]}", direction)

    def _without_unit(self, kind: Kind, value: float | None, decimals: int | None, currency: str | None) -> str:
        if value is None:
            return MISSING
        scale = {"rate": 100.0, "points": 100.0, "per_thousand": 1_000.0}.get(kind, 1.0)
        if kind == "money":
            scale = 10.0 ** -get_currency_precision(currency or "XXX")
        places = (0 if abs(value * scale) >= 100 else 2) if decimals is None and kind == "money" else decimals
        return self.number(value * scale, 1 if places is None else places).text

    @staticmethod
    def _supported_decimals(kind: Kind, low: float | None, high: float | None, *, difference: bool) -> int | None:
        if kind == "count":
            return 0
        if low is None or high is None or not math.isfinite(high - low) or kind == "money":
            return None
        scale = {"rate": 100.0, "points": 100.0, "per_thousand": 1_000.0}.get(kind, 1.0)
        half = scale * (high - low) / 2.0
        most = 4 if kind == "number" else 2
        if half <= 0:  # nothing is uncertain: as many as the value itself needs
            return _telling(low, scale, 1)
        fitting = min(most, max(0 if half >= 10 else 1, math.ceil(-math.log10(half)) + 1))
        if not difference:
            return fitting
        # an end of a difference that is not zero must not read as zero: it says on which side of zero the interval lies
        return max(_telling(end, scale, fitting) for end in (low, high))

    def _percent(self, number: str) -> str:
        pattern = str(self.locale.percent_formats[None].pattern)
        return f"{number}{_NBSP}%" if _NBSP in pattern or " " in pattern else f"{number}%"

    # -- dates -----------------------------------------------------------------------------------------------------
    def day(self, when: date | None) -> Shown:
        """Day, e.g. 5 Mar 2026."""
        if when is None:
            return Shown(None, MISSING)
        return Shown(when.isoformat(), str(format_date(when, "medium", locale=self.locale)))

    def short_day(self, when: date) -> Shown:
        """Day and month, e.g. 5 Mar."""
        return Shown(when.isoformat(), str(format_skeleton("MMMd", when, locale=self.locale)))

    def weekday_day(self, when: date, *, long: bool = False) -> Shown:
        """Weekday, day and month, e.g. Tue, Dec 8."""
        return Shown(when.isoformat(), str(format_skeleton("MMMMEEEEd" if long else "MMMEd", when, locale=self.locale)))

    def instant(self, when: datetime | None, zone: str = "UTC") -> Shown:
        """Day and time in a zone, e.g. 5 Mar 2026, 14:30."""
        if when is None:
            return Shown(None, MISSING)
        local = when.astimezone(get_timezone(zone))
        time = str(format_datetime(local, "HH:mm", tzinfo=local.tzinfo, locale=self.locale))
        return Shown(when.isoformat(), f"{self.day(local.date()).text}, {time}")


def _telling(value: float | None, scale: float, decimals: int) -> int:
    """As many decimals as a value needs that is not zero, not to read as zero; four at most."""
    if value is None or not math.isfinite(value) or abs(value) < _NOTHING:
        return decimals
    while decimals < 4 and round(value * scale, decimals) == 0:
        decimals += 1
    return decimals


def _minus(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")
