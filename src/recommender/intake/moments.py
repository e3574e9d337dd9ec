"""Dates and instants as exports write them: one cell in, its parts out; which of two numbers is the day is asked apart.

``03/04/2026`` says nothing by itself. A column says it by any cell whose first (or second) number exceeds twelve.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Literal
from zoneinfo import ZoneInfo

from recommender.local_time import is_timezone
from recommender.spelling import plain_word

__all__ = ["DayEvidence", "Moment", "day_evidence", "moment_of"]

DayOrder = Literal["dmy", "mdy"]

_CLOCK = re.compile(
    r"(?:T|\s|,|@|a las|[aà]s|at)*(\d{1,2})"
    r"(?:(?:[:h.])(\d{2}))?(?::(\d{2})(?:[.,](\d{1,9}))?)?\s*([ap]\.?\s*m\.?|m\.?)?"
    r"\s*(?:h|hs|hrs|horas)?\.?"
    r"\s*(Z|(?:UTC|GMT)?\s*[+-]\d{1,2}(?::?\d{2})?|UTC|GMT)?",
    re.IGNORECASE,
)
_YMD = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(.*)", re.DOTALL)
_AB = re.compile(r"(\d{1,2})\s?([-/.])\s?(\d{1,2})\s?\2\s?(\d{4}|\d{2})((?:[Tt ,].*)?)", re.DOTALL)
_COMPACT = re.compile(
    r"((?:19|20)\d{2})(\d{2})(\d{2})(?:([T ]?)(\d{2}:?\d{2}(?::?\d{2})?)(?:[.,](\d{1,9}))?"
    r"\s?(Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?)?",
    re.IGNORECASE,
)
_DAY_NAMED = re.compile(
    r"(?:[a-z]+[.,]*\s+)?(\d{1,2})(?:st|nd|rd|th|o)?[\s\-/.]*(?:de\s+)?([a-z]{3,10})[\s\-/.,]*(?:del?\s+)?(\d{4}|(?<=[-/])\d{2}(?!\d))(.*)",
    re.IGNORECASE | re.DOTALL,
)
_MONTH_NAMED = re.compile(
    r"(?:[a-z]+[.,]*\s+)?([a-z]{3,10})\.?\s+(\d{1,2})(?:st|nd|rd|th|o)?,?\s+(?:del?\s+)?(\d{4})(.*)",
    re.IGNORECASE | re.DOTALL,
)
_YEAR_FIRST = re.compile(r"(\d{4})[\s\-/.]+([a-z]{3,10})\.?[\s\-/.]+(\d{1,2})(?!\d)(.*)", re.IGNORECASE | re.DOTALL)
_CLOCK_FIRST = re.compile(r"(\d{1,2}:\d{2}(?::\d{2})?(?:\s?[ap]\.?\s?m\.?)?)[\s,]+(\S.*)", re.IGNORECASE)
_ON_A_CLOCK = re.compile(r"(.*\S)\s*\[?\b((?:Africa|America|Asia|Atlantic|Australia|Europe|Pacific)/[A-Za-z_/\-]+)\]?")
_AS_C_WRITES = re.compile(
    r"[a-z]{3}\s+([a-z]{3})\s+(\d{1,2})\s+(\d{2}:\d{2}:\d{2})\s+(?:(Z|UTC|GMT)\s+)?(\d{4})", re.IGNORECASE
)
#: The same offset a second time, as Go, Ruby and Python write it: ``-0500 -05``, ``+0000 UTC``, ``+00:00Z``.
_OFFSET_TWICE = re.compile(
    r"(.*:\d{2}\S*\s?(?:Z|[+-]\d{1,2}:?\d{2}))\s+(?:UTC|GMT|Z|[+-]\d{2}(?::?\d{2})?|[A-Z]{3,4})|(.*:\d{2}\S*\+00:?00)Z",
    re.IGNORECASE,
)
_DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-"))
_DIGITS_OF_A_CLOCK = re.compile(r"T(\d{2})(\d{2})(\d{2})?(?!\d)", re.IGNORECASE)
_ENDS_IN_OFFSET = re.compile(r"(?:Z|UTC|GMT|[+-]\d{1,2}:?\d{2}|(?:UTC|GMT)\s?[+-]\d{1,2})$", re.IGNORECASE)
_WEEKDAYS = frozenset(
    [
        "lun",
        "mar",
        "mie",
        "jue",
        "vie",
        "sab",
        "dom",
        "mon",
        "tue",
        "wed",
        "thu",
        "fri",
        "sat",
        "sun",
        "seg",
        "ter",
        "qua",
        "qui",
        "sex",
    ]
)
_JSON_EPOCH = re.compile(r"\\?/Date\((\d{12,13})(?:[+-]\d{4})?\)\\?/")
_SERIAL = re.compile(r"\d{5}(?:[.,]\d+)?")
_EPOCH = re.compile(r"\d{9,10}(?:\.\d+)?|\d{12,13}|\d{15,16}|\d{18,19}")
_WHOLE_EPOCH = re.compile(r"^(\d{12,19})\.0+$")  # as programs write a column that has empty cells
_MONTHS = {
    name: number
    for number, names in enumerate(
        ("jan january ene enero janeiro", "feb february febrero fev fevereiro", "mar march marzo marco",
         "apr april abr abril", "may mayo mai maio", "jun june junio junho", "jul july julio julho",
         "aug august ago agosto", "sep sept september septiembre set setiembre setembro",
         "oct october octubre out outubro", "nov november noviembre novembro",
         "dec december dic diciembre dez dezembro"), 1,
    )
    for name in names.split()
}  # fmt: skip
_SPREADSHEET_DAY_0 = datetime(1899, 12, 30)  # noqa: DTZ001 - a spreadsheet's days are local days
_SERIALS = (25_569.0, 62_093.0)  # 1970 to 2070


@dataclass(frozen=True)
class Moment:
    """What a cell says.

    Attributes
    ----------
    at : datetime
        Local wall clock, or aware where the cell carries its offset.
    timed : bool
        The cell carries a clock time.
    """

    at: datetime
    timed: bool

    @property
    def aware(self) -> bool:
        """Whether the cell carries its offset."""
        return self.at.tzinfo is not None


@dataclass(frozen=True)
class DayEvidence:
    """What the cells of a column say about the order of day and month.

    Attributes
    ----------
    dmy, mdy : bool
        Some cell can only be read with the day (the month) first.
    open : bool
        Some cell may be read both ways, to two different days.
    """

    dmy: bool = False
    mdy: bool = False
    open: bool = False

    def __or__(self, other: DayEvidence) -> DayEvidence:
        """Evidence of both."""
        return DayEvidence(self.dmy or other.dmy, self.mdy or other.mdy, self.open or other.open)

    @property
    def decided(self) -> DayOrder | None:
        """The order, where the column says so with one voice."""
        return None if self.dmy == self.mdy else "dmy" if self.dmy else "mdy"


def day_evidence(texts: Iterable[str]) -> DayEvidence:
    """Evidence of some cells."""
    dmy = mdy = undecided = False
    for text in texts:
        if match := _AB.fullmatch(_bare(text)):
            first, second, year = int(match[1]), int(match[3]), match[4]
            dmy |= first > 12 >= second and len(year) == 4
            mdy |= second > 12 >= first and len(year) == 4
            undecided |= max(first, second) <= 12 and first != second
    return DayEvidence(dmy, mdy, undecided)


def moment_of(text: str, order: DayOrder | None = None) -> Moment | Literal["open"] | None:
    """Read a cell.

    Parameters
    ----------
    text : str
        ISO 8601 and its relatives, ``27/11/2026 8:00 a. m.``, ``27 de noviembre de 2026``, ``Nov 27, 2026``,
        ``20261127``, RFC 2822, a spreadsheet's serial day, an epoch of seconds to nanoseconds.
    order : {"dmy", "mdy"} or None
        Order of the column; a year of two digits is only read where it is known.

    Returns
    -------
    Moment, ``"open"`` where two days may be meant, or None where the cell is no moment.
    """
    bare = _bare(text)
    try:
        if named := _ON_A_CLOCK.fullmatch(bare):
            local = named[1].rstrip("[ ")
            return _on_the_clock(_numbers(local) or _written(local, order), named[2])
        return _numbers(bare) or _written(bare, order)
    except (ValueError, OverflowError):
        return None


def _on_the_clock(read: Moment | Literal["open"] | None, zone: str) -> Moment | Literal["open"] | None:
    """A local time with the name of its zone behind; an offset before the name says the same more exactly."""
    if not isinstance(read, Moment) or read.aware:
        return read
    return Moment(read.at.replace(tzinfo=ZoneInfo(zone)), read.timed) if read.timed and is_timezone(zone) else None


def _bare(text: str) -> str:
    """A cell without what programs put around it: apostrophes, a zone in words, the clock before the day."""
    bare = " ".join(unicodedata.normalize("NFKC", text).translate(_DASHES).strip().strip("'").split())
    bare = _WHOLE_EPOCH.sub(r"\1", bare)
    if bare.endswith(")") and not bare.startswith(("/", "\\")):
        before, _, inside = bare.rpartition("(")
        inside = inside.rstrip(")").strip()
        # GMT-0500 (Colombia Standard Time) says the same twice; 10:05 (GMT-5) says it there alone.
        told = _ENDS_IN_OFFSET.search(before.strip()) is not None or plain_word(inside)[:3] in _WEEKDAYS
        bare = before.strip() if told else f"{before.strip()} {inside}"
    if twice := _OFFSET_TWICE.fullmatch(bare):
        bare = twice[1] or twice[2]
    if first := _CLOCK_FIRST.fullmatch(bare):
        bare = f"{first[2]} {first[1]}"
    if c := _AS_C_WRITES.fullmatch(bare):
        bare = f"{c[1]} {c[2]}, {c[5]} {c[3]}{c[4] or ''}"
    if epoch := _JSON_EPOCH.fullmatch(bare):
        bare = epoch[1]
    return bare


def _numbers(bare: str) -> Moment | None:
    if _SERIAL.fullmatch(bare) and _SERIALS[0] <= (serial := float(bare.replace(",", "."))) < _SERIALS[1]:
        # Days as binary fractions: a spreadsheet's own resolution is about a millisecond.
        at = _SPREADSHEET_DAY_0 + timedelta(seconds=round(serial * 86_400))
        return Moment(at, timed=not serial.is_integer())
    match = _COMPACT.fullmatch(bare)  # twelve digits: a day and a clock; as an epoch they lie before 2002
    if _EPOCH.fullmatch(bare) and not (match and len(bare) == 12):
        digits = len(bare.partition(".")[0])
        micros = (
            round(float(bare) * 1e6) if digits <= 10 else int(bare) * 1_000_000 // 10 ** (3 * ((digits - 10 + 2) // 3))
        )
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
        return Moment(at, timed=True)
    if match is None:
        return None
    year, month, day, _, clock, fraction, offset = match.groups()
    clock = (clock or "").replace(":", "")
    at = datetime(int(year), int(month), int(day), *(int(clock[k : k + 2]) for k in range(0, len(clock), 2)))  # type: ignore[arg-type] # noqa: DTZ001
    at = at.replace(microsecond=int((fraction or "0").ljust(6, "0")[:6]))
    return Moment(at if offset is None else at.replace(tzinfo=_offset(offset)), timed=bool(clock))


def _written(bare: str, order: DayOrder | None) -> Moment | Literal["open"] | None:
    if match := _YMD.fullmatch(bare):
        return _with_clock((int(match[1]), int(match[3]), int(match[4])), match[5])
    if match := _AB.fullmatch(bare):
        first, second, year = int(match[1]), int(match[3]), match[4]
        if len(year) == 2:
            if order is None:
                return "open"
            year = f"20{year}"
        if order is None:
            if max(first, second) <= 12 and first != second:
                return "open"
            order = "dmy" if first > 12 or first == second else "mdy"
        return _with_clock((int(year), *((second, first) if order == "dmy" else (first, second))), match[5])
    plain = "".join(c for c in unicodedata.normalize("NFKD", bare) if not unicodedata.combining(c))
    if match := _DAY_NAMED.fullmatch(plain):
        day, name, year, rest = match.groups()
    elif match := _MONTH_NAMED.fullmatch(plain):
        name, day, year, rest = match.groups()
    elif match := _YEAR_FIRST.fullmatch(plain):
        year, name, day, rest = match.groups()
    else:
        return None
    year = year if len(year) == 4 else f"20{year}"  # 29-nov-26: how spreadsheets write a day
    month_number = _MONTHS.get(plain_word(name))
    return None if month_number is None else _with_clock((int(year), month_number, int(day)), rest)


def _with_clock(day: tuple[int, int, int], rest: str) -> Moment | None:
    at = datetime(*day)  # noqa: DTZ001 - local until an offset is found
    if not rest.strip(" ,"):
        return Moment(at, timed=False)
    rest = _DIGITS_OF_A_CLOCK.sub(lambda m: ":".join(part for part in m.groups() if part), rest, count=1)
    match = _CLOCK.fullmatch(rest.strip(" ,"))
    if match is None:
        return None
    hour, minute, second, fraction, half, offset = match.groups()
    hours = int(hour)
    if minute is None and half is None:
        return None
    if half:
        letter = half[0].lower()
        if not 1 <= hours <= 12 or (letter == "m" and hours != 12):  # "12:00 m." is noon
            return None
        hours = hours % 12 + (12 if letter in "pm" else 0)
    micros = int((fraction or "0").ljust(6, "0")[:6])
    at = at.replace(hour=hours, minute=int(minute or 0), second=int(second or 0), microsecond=micros)
    return Moment(at if offset is None else at.replace(tzinfo=_offset(offset)), timed=True)


def _offset(text: str) -> timezone:
    written = re.sub(r"^(?:UTC|GMT)\s*", "", text.strip(), flags=re.IGNORECASE).strip()
    if written in ("", "Z", "z"):
        return UTC
    sign = -1 if written[0] == "-" else 1
    digits = written[1:].replace(":", "")
    hours, minutes = (digits[:-2], digits[-2:]) if len(digits) > 2 else (digits, "0")
    return timezone(sign * timedelta(hours=int(hours), minutes=int(minutes)))
