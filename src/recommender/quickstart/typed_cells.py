"""The cells of a file that nobody has described: text becomes numbers, instants or words, column by column."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from typing import Literal

import numpy as np
import pandas as pd

from recommender.errors import InvalidInput
from recommender.intake import Moment, day_evidence, decimal_evidence, moment_of, number_of, plain_word
from recommender.quickstart.column_names import ANSWERS, NO_ANSWERS, plain_name
from recommender.quickstart.joined_columns import are_clocks, join_clock, join_one_hot
from recommender.quickstart.reshaped import as_contacts

__all__ = ["TypedFrame", "type_cells"]

DayOrder = Literal["dmy", "mdy"]
_Moments = dict[str, tuple[pd.Timestamp, timedelta | None]]

_NOTHING = frozenset(("", "na", "n_a", "nan", "null", "none", "nat", "s_d", "sin_dato", "missing", "no_data"))
_NO_WORD = re.compile(r"[?.\-_#\s]*")
_NO_SHIFT = timedelta(0)
_CODE = re.compile(r"[A-Z][A-Z0-9]{0,6}")
_CODE_OF_NO_ANSWER = "NA"
_GROUPED, _SHORT = re.compile(r"-?[1-9]\d{0,2}(?:\.\d{3})+"), re.compile(r"-?(?:0|[1-9]\d{0,2})")
_ID = re.compile(r"0\d+|\d{16,}")  # a leading zero, or more digits than a float holds
_TIME_NAME = re.compile(r"(^|_)(time|timestamp|ts|date|datetime|fecha|epoch|at)($|_)")
_MOSTLY = 0.98
_TRIED = 200
_SLOTS = 24
_YEARS = range(1998, 2097)  # a contact's, where nothing but digits tells that a number is a moment
_SERIAL_DAYS = (36_526.0, 51_500.0)  # of 2000 to 2040, as spreadsheets count; seconds since midnight go beyond
_FEWEST_DIGITS = 1e7  # of a day or an epoch


@dataclass
class TypedFrame:
    """A frame whose columns are numbers, instants (UTC, or local without a zone) or words.

    Attributes
    ----------
    frame : DataFrame
    instants : list of str
        Columns of instants.
    timed : list of str
        Those whose cells carry a clock time.
    open_dates : dict of str to str
        Columns of dates that can be read two ways, with such a cell.
    written : dict of str to Series
        Instants with offsets of their own, as their clocks showed them.
    utc : list of str
        Columns of instants whose clock is that of UTC.
    parts : dict of str to str
        Column -> the column that says the same together with others.
    joined : list of str
        Columns that were made of several.
    answers : list of str
        Columns whose cells held the instant of an answer, now 1, and 0 where none was.
    told : list of str
        What was done to the table, in words.
    codes : dict of str to Series
        Columns whose codes were put in words, as they were.
    """

    frame: pd.DataFrame
    instants: list[str] = field(default_factory=list)
    timed: list[str] = field(default_factory=list)
    open_dates: dict[str, str] = field(default_factory=dict)
    written: dict[str, pd.Series] = field(default_factory=dict)
    utc: list[str] = field(default_factory=list)
    parts: dict[str, str] = field(default_factory=dict)
    joined: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    codes: dict[str, pd.Series] = field(default_factory=dict)

    def hours(self, name: str) -> pd.Series:
        """Hour of day of each instant of a column, 0 to 23, as the clock showed it that the file wrote down."""
        return self.written.get(name, self.frame[name]).dt.hour

    def speak(self, success: Sequence[str]) -> None:
        """Have columns that were put in words say their codes where a success is stated as one of these.

        Several codes have one word, and who names ``PTP`` does not mean a ``SALE``.
        """
        stated = {plain_word(word) for word in success}
        for name, codes in self.codes.items():
            known = {plain_word(str(code)) for code in pd.unique(codes.dropna())}
            words = {plain_word(str(word)) for word in pd.unique(self.frame[name].dropna())}
            if stated and stated <= known and not stated <= words:
                self.frame[name] = codes.where(codes.notna(), None).astype(object)


def type_cells(frame: pd.DataFrame, dates: DayOrder | None = None) -> TypedFrame:
    """Read the cells of every column as what nearly all of them are.

    Parameters
    ----------
    frame : DataFrame
        Cells as text, or typed already.
    dates : {"dmy", "mdy"} or None
        Order of day and month where a column does not say it itself.

    Raises
    ------
    InvalidInput
        When there is no row or no column, or two columns of one name.
    """
    if not len(frame) or not len(frame.columns):
        raise InvalidInput("The file holds no rows.", column="file", mend="Export at least the contacts of some weeks.")
    if repeated := [name for name, twice in zip(frame.columns, frame.columns.duplicated(), strict=True) if twice]:
        raise InvalidInput.in_column(
            str(repeated[0]), "appears more than once in the frame", mend="Rename or drop the repeats."
        )
    frame, told, codes = as_contacts(frame)
    typed = TypedFrame(pd.DataFrame(index=pd.RangeIndex(len(frame))), told=told, codes=codes)
    columns = {}
    for name in frame.columns:
        columns[str(name)] = _column(frame[name].reset_index(drop=True), str(name), typed, dates)
    typed.frame = pd.DataFrame(columns)
    _join(typed)
    return typed


def _join(typed: TypedFrame) -> None:
    """What the file writes in several columns becomes one; the columns stay, for whoever names them."""
    frame = typed.frame
    together = join_clock(frame, [name for name in typed.instants if name not in typed.timed])
    if together is not None:
        day, clock, instants = together
        frame[day] = instants
        typed.timed.append(day)
        if frame[clock].nunique() > _SLOTS:  # fewer are slots, which may have been chosen
            typed.parts[clock] = day
    for name in [one for one in typed.instants if _is_answer(frame, one, typed.instants)]:
        typed.answers.append(name)
        typed.told.append(f"{name}: a moment is a yes, an empty cell a no")
        for held in (typed.instants, typed.timed):
            if name in held:
                held.remove(name)
        typed.open_dates.pop(name, None)
        frame[name] = frame[name].notna().astype("float64")
    for name, (columns, levels) in join_one_hot(frame).items():
        frame[name] = levels
        typed.joined.append(name)
        typed.parts |= dict.fromkeys(columns, name)


def _is_answer(frame: pd.DataFrame, name: str, instants: list[str]) -> bool:
    """Whether a column holds the moment of an answer, and nothing where none was: ``Clicked At`` beside ``Sent At``."""
    words = set(plain_name(name).split("_"))
    empty = frame[name].isna()
    if not words & ANSWERS or words & NO_ANSWERS or not 0.02 <= empty.mean() < 1.0:
        return False
    whole = [one for one in instants if one != name and frame[one].notna().all()]
    return any((frame[name] >= frame[one])[~empty].mean() >= _MOSTLY for one in whole)


def _column(cells: pd.Series, name: str, typed: TypedFrame, dates: DayOrder | None) -> pd.Series:
    if pd.api.types.is_datetime64_any_dtype(cells.dtype):
        typed.instants.append(name)
        if (cells.dropna().dt.normalize() != cells.dropna()).any():
            typed.timed.append(name)
        if isinstance(cells.dtype, pd.DatetimeTZDtype) and str(cells.dtype.tz) in ("UTC", "UTC+00:00"):
            typed.utc.append(name)
        return cells
    if pd.api.types.is_bool_dtype(cells.dtype):
        return cells.astype("float64")
    if pd.api.types.is_numeric_dtype(cells.dtype):
        return _epochs(cells, name, typed)
    text = cells.astype(object).where(cells.notna(), None)
    words = pd.Series(pd.unique(text.dropna())).astype(str)
    meant = words[[not _is_nothing(word) for word in words]]
    if not len(meant):
        return pd.Series(np.nan, index=cells.index)
    text = text.map(lambda value: None if value is None else str(value).strip())
    numbers = None if are_clocks(meant, name) else _numbers(meant)
    if numbers is not None:
        typed.told += _points_told(meant.str.strip(), name)
        return _epochs(text.map(numbers).astype("float64"), name, typed)
    moments = _moments(meant, name, typed, dates)
    if moments is not None:
        typed.instants.append(name)
        if name in typed.timed:
            _keep_clocks(text, moments, name, typed)
        return text.map(lambda word: moments.get(word, (pd.NaT, None))[0]).astype("datetime64[us]")
    meanings = set(meant.str.strip())
    if _are_codes(meanings):
        meanings.add(_CODE_OF_NO_ANSWER)
    return text.where(text.isin(meanings), None).astype(object)


def _are_codes(words: set[str]) -> bool:
    """Whether most words are codes as dialers write them, among which ``NA`` says that nobody answered."""
    return len(words) >= 2 and sum(bool(_CODE.fullmatch(word)) for word in words) > len(words) / 2


def _is_nothing(word: str) -> bool:
    return plain_word(word) in _NOTHING or bool(_NO_WORD.fullmatch(word.strip()))


def _numbers(words: pd.Series) -> dict[str, float] | None:
    """Numbers of distinct cells, where nearly all are numbers; ids (leading zeros, very many digits) are words."""
    stripped = words.str.strip()
    if stripped.map(lambda word: bool(_ID.fullmatch(word))).any():
        return None
    plain = pd.to_numeric(stripped, errors="coerce")
    grouped = _has_grouped_thousands(stripped)
    if plain.notna().all() and not grouped:
        return dict(zip(stripped, plain.astype("float64"), strict=True))
    sign = "comma" if grouped else decimal_evidence(stripped).decided
    read = {}
    for word in stripped:
        value = number_of(word.removesuffix("%").strip(), sign)
        if isinstance(value, float):
            read[word] = value
        elif value == "open":
            read[word] = float(word.replace(",", "").replace("'", "")) if word.replace(",", "").isdigit() else np.nan
    known = sum(not np.isnan(value) for value in read.values())
    return read if known >= _MOSTLY * len(stripped) else None


def _has_grouped_thousands(words: pd.Series) -> bool:
    """Whether points part thousands: 950 beside 1.234, no 1234, no 1.5 and nothing below 1 that has a point."""
    grouped, short = words.str.fullmatch(_GROUPED.pattern), words.str.fullmatch(_SHORT.pattern)
    return bool(grouped.any() and short.any() and (grouped | short).all())


def _points_told(words: pd.Series, name: str) -> list[str]:
    """What points were taken for, where they may be two things."""
    if _has_grouped_thousands(words):
        return [f"{name}: a point parts thousands, for no cell has another number of digits behind it"]
    if words.str.fullmatch(_GROUPED.pattern).all():
        return [f"{name}: a point is read as that of decimals; write 1234 for 1.234 where it parts thousands"]
    return []


def _keep_clocks(text: pd.Series, moments: _Moments, name: str, typed: TypedFrame) -> None:
    """What the clocks of instants with an offset showed: 08:15-05:00 is 08:15 for whoever was called."""
    shifts = {shift for _, shift in moments.values() if shift is not None}
    if shifts == {_NO_SHIFT}:
        typed.utc.append(name)
    elif shifts:
        shown = {word: at + (shift or _NO_SHIFT) for word, (at, shift) in moments.items()}
        typed.written[name] = text.map(shown).astype("datetime64[us]")


def _moments(words: pd.Series, name: str, typed: TypedFrame, dates: DayOrder | None) -> _Moments | None:
    """Instant and offset of each word (None: it has none); None where the column holds no moments."""
    stripped = words.str.strip()
    order = day_evidence(stripped).decided or dates
    first = [moment_of(word, order) for word in stripped.head(_TRIED)]
    if sum(one is not None for one in first) < _MOSTLY * len(first):
        return None
    read: _Moments = {}
    timed, still_open = False, ""
    for word in stripped:
        moment = moment_of(word, order)
        if moment == "open":
            still_open, moment = still_open or word, moment_of(word, "dmy")
        if moment is None or moment == "open":
            read[word] = (pd.NaT, None)
            continue
        timed |= moment.timed
        at = moment.at.astimezone(UTC).replace(tzinfo=None) if moment.at.tzinfo else moment.at
        read[word] = (pd.Timestamp(at), moment.at.utcoffset())
    if sum(value is not pd.NaT for value, _ in read.values()) < _MOSTLY * len(stripped):
        return None
    if still_open:
        typed.open_dates[name] = still_open
    if timed:
        typed.timed.append(name)
    return read


def _epochs(cells: pd.Series, name: str, typed: TypedFrame) -> pd.Series:
    """Moments written as numbers, where the column is called like a time.

    An epoch, a spreadsheet's serial day, and digits as ``20260105081000``.
    """
    values = cells.dropna().astype("float64")
    if not len(values) or not _TIME_NAME.search(plain_name(name)):
        return cells
    if not values.between(*_SERIAL_DAYS).all() and values.lt(_FEWEST_DIGITS).any():
        return cells  # the number of a day, or seconds since midnight
    text = cells.astype("float64").map(_digits, na_action="ignore")
    words = pd.Series(pd.unique(text.dropna()))
    read = [moment_of(word) for word in words]
    if not all(isinstance(one, Moment) and one.at.year in _YEARS for one in read):
        return cells
    moments = _moments(words, name, typed, None)
    assert moments is not None, "each was read above"  # noqa: S101
    typed.instants.append(name)
    _keep_clocks(text, moments, name, typed)
    return text.map(lambda word: moments.get(word, (pd.NaT, None))[0]).astype("datetime64[us]")


def _digits(value: float) -> str:
    return f"{value:.0f}" if value.is_integer() else repr(value)
