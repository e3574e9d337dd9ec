"""A raw table in one spelling: the same facts give the same cells, however they were written.

Two steps, so that a table may come in pieces: :meth:`TableReading.observe` gathers what the cells say about the order
of day and month and about the decimal sign; :meth:`TableReading.read` then writes each piece anew. What cannot be read
is reported, all of it at once, with its column, values, rows and mend.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.calendar_days import payday_text
from recommender.intake.cell_texts import is_text, odd_texts, undecoded
from recommender.intake.days import account_zones, day_of, local_days
from recommender.intake.encodings import text_of_bytes, wrongly_encoded
from recommender.intake.faults import Fault, Stated
from recommender.intake.ids import digits_lost, id_texts
from recommender.intake.moments import DayEvidence, DayOrder, Moment, day_evidence, moment_of
from recommender.intake.numbers import DecimalEvidence, decimal_evidence, number_of
from recommender.intake.refusals import with_spoken_refusals
from recommender.intake.subdivisions import subdivision_codes
from recommender.intake.vocabulary import (
    canonical_word,
    country_code,
)
from recommender.intake.words import (
    channel_list,
    currency_code,
    factorized,
    flag_list,
    flag_of,
    is_blank,
    is_empty,
    language_code,
    numeral,
    zone_name,
)
from recommender.tables import DEBTOR_FLAGS, Kind, fields

__all__ = ["TableReading"]

_ISO = r"^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?$"
_ORDER_MEND = "State the order with --dates dmy (day first) or --dates mdy, or write YYYY-MM-DD."
_CUT = "was cut by a spreadsheet (an exponent in place of the last digits)"
_CUT_MEND = "Export it as text: the digits are lost in this file."
_MOSTLY_NEGATIVE = "mostly_negative"
_NEGATIVE = "is negative, as it is in most rows: a negative amount takes a payment back"
_NEGATIVE_MEND = "Write what was received as positive amounts (python -m pipelines map EXPORT --scale -1)."
_IN_CREDIT = "is negative, as it is in most rows: nothing would be owed"
_IN_CREDIT_MEND = "Write what is owed as positive amounts."
_TWO_CONSENTS = "differs from channels_consented, and nobody can tell which is meant"
_ZONE_MEND = "Write e.g. America/Bogota; a bare offset does not say when the clocks change."
_ENCODING = "is in the wrong encoding (bytes, replacement characters, or UTF-8 read as Latin-1)"
_ENCODING_MEND = "Export the table again as UTF-8, or state its encoding (--encoding)."
_FEWEST = 5
_OF_CLOCKS = ("country", "timezone")
#: Years that a date of a debt may lie in; 1900-01-01 and 9999-12-31 stand for none.
_YEARS = (1971, 2090)
#: Kinds of columns whose cells are words: how each is spelt, what is wrong with another, and the mend.
_SPELT: dict[Kind, tuple[Callable[[Any], Any], str, str]] = {
    "country": (country_code, "names no country", "Write ISO 3166 codes: CO, COL or 170."),
    "zone": (zone_name, "is no IANA time zone", _ZONE_MEND),
    "currency": (currency_code, "is no currency code", "Write ISO 4217 codes, e.g. COP."),
    "channels": (channel_list, "lists a channel that is not known",
                 "Use call, sms, whatsapp, email, ivr, letter, visit."),
    "flags": (flag_list, "holds a flag that is not known", f"Use {', '.join(DEBTOR_FLAGS)} or opt_out:<channel>."),
    "language": (language_code, "names no language", "Write ISO 639 codes: es, en, pt."),
    "paydays": (payday_text, "names no days of the month", "Write 15, or 15;30 (31 is the last)."),
    "subdivision": (lambda value: str(value).strip(), "", ""),  # by its code once the country is read
}  # fmt: skip


class TableReading:
    """Reads one raw table, whole or piece by piece.

    Parameters
    ----------
    table : str
        ``accounts``, ``contacts``, ``outcomes`` or ``payments``.
    stated : Stated
    """

    def __init__(self, table: str, stated: Stated | None = None) -> None:
        self.table = table
        self.stated = stated or Stated()
        self.n_rows = 0
        self.faults: dict[tuple[str, str], Fault] = {}
        self._days: dict[str, DayEvidence] = {}
        self._decimals: dict[str, DecimalEvidence] = {}
        self._signs = [0, 0]  # of the table's amounts of money: negative ones, and all
        #: Instants of the piece read last that were local times on a clock nobody stated.
        self.guessed: dict[str, NDArray[np.bool_]] = {}

    @property
    def columns(self) -> frozenset[str]:
        """Columns that are read; further ones stay as they are."""
        return frozenset(name for name, field in fields(self.table).items() if field.kind != "text")

    # -- evidence --------------------------------------------------------------------------------------------------
    def observe(self, frame: pd.DataFrame) -> None:
        """Take note of how cells are written."""
        frame = text_of_bytes(frame)
        for name, kind in self._read_here(frame):
            if not is_text(frame[name]):
                continue
            if kind in ("date", "instant"):
                self._days[name] = self._days.get(name, DayEvidence()) | day_evidence(odd_texts(frame[name], _ISO))
            elif kind in ("number", "probability"):
                evidence = decimal_evidence(odd_texts(frame[name], r"^-?\d+$"))
                self._decimals[name] = self._decimals.get(name, DecimalEvidence()) | evidence

    def order_of(self, name: str) -> DayOrder | None:
        """Order of day and month in a column; None where nothing tells."""
        evidence = self._days.get(name, DayEvidence())
        if self.stated.dates is not None:
            return self.stated.dates
        return evidence.decided

    # -- cells -----------------------------------------------------------------------------------------------------
    def read(self, frame: pd.DataFrame, zones: pd.Series | None = None) -> pd.DataFrame:
        """A piece in the one spelling.

        Parameters
        ----------
        frame : DataFrame
        zones : Series of str, optional
            Time zone of each row's account: the clock of local times without an offset, and of days that are told as
            moments. Of accounts it is what they say themselves.

        Returns
        -------
        DataFrame
            Ids, countries, words as text; instants in UTC; dates as ``YYYY-MM-DD``; lists separated by ``;``. A cell
            that cannot be read stays as it was where text may stand (the rules deny it), else it is missing.
        """
        frame = with_spoken_refusals(text_of_bytes(frame))
        read = {str(name): frame[name].reset_index(drop=True) for name in frame.columns}
        self.guessed = {}
        # What tells the clock goes first.
        for name, kind in sorted(self._read_here(frame), key=lambda column: column[1] not in ("country", "zone")):
            if zones is None and self.table == "accounts" and kind in ("date", "instant"):
                zones = account_zones(
                    pd.DataFrame({one: read[one] for one in _OF_CLOCKS if one in read}, read[name].index)
                )
            read[name] = self._column(read[name], name, kind, zones)
        if self.table == "accounts" and {"consented_channels", "channels_consented"} <= read.keys():
            one, other = (read[name].astype(object) for name in ("consented_channels", "channels_consented"))
            differ = (one.notna() & other.notna() & (one != other)).to_numpy(dtype=bool)
            self._fault(
                differ, read["consented_channels"], "consented_channels", "two_consents", _TWO_CONSENTS, "Keep one."
            )
        self.n_rows += len(frame)
        whole = pd.DataFrame(read, index=range(len(frame)), copy=False)
        return whole.assign(subdivision=subdivision_codes(whole)) if "subdivision" in self._known_in(whole) else whole

    def _read_here(self, frame: pd.DataFrame) -> list[tuple[str, Kind]]:
        known = fields(self.table)
        return [(name, known[name].kind) for name in known if name in frame.columns and name in self.columns]

    def _known_in(self, frame: pd.DataFrame) -> frozenset[str]:
        return self.columns & {*frame.columns}

    def _column(self, cells: pd.Series, name: str, kind: Kind, zones: pd.Series | None) -> pd.Series:
        if kind in _SPELT:
            return self._words(cells, name, *_SPELT[kind])
        match kind:
            case "id":
                self.doubt(digits_lost(cells), cells, name, "digits_lost", _CUT, _CUT_MEND, self.n_rows)
                self._fault(undecoded(cells), cells, name, "wrong_encoding", _ENCODING, _ENCODING_MEND)
                return id_texts(cells)
            case "date":
                return self._dates(cells, name, zones)
            case "instant":
                return self._instants(cells, name, zones)
            case "number" | "probability":
                return self._numbers(cells, name)
            case "flag":
                return self._words(cells, name, flag_of, "is neither true nor false", "Write true or false.").astype(
                    object
                )
            case _:
                return self._level(cells, name)

    def _level(self, cells: pd.Series, name: str) -> pd.Series:
        known = fields(self.table)[name]
        if known.levels is not None:
            return self._words(cells, name, lambda value: canonical_word(name, value), f"is no known {name}",
                               "See data/README.md for the words, or map them: `pipelines map`.")  # fmt: skip
        if name != "channel":  # a factor of the user's own action space
            return self._words(cells, name, lambda value: canonical_word(name, value) or str(value).strip(), "", "")
        own = {str(channel): str(channel) for channel in self.stated.channels}
        return self._words(
            cells, name, lambda value: own.get(str(value).strip()) or canonical_word(name, value),
            "is no known channel", "Use call, sms, whatsapp, email, ivr, letter, visit, or `pipelines map`.",
        )  # fmt: skip

    def doubt(
        self, where: NDArray[np.bool_], cells: pd.Series, name: str, rule: str, reason: str, mend: str, start: int
    ) -> None:
        """Note cells that were read by a guess on which a decision hangs; ``start`` is the number of the first row."""
        self._fault(where, cells, name, rule, reason, mend, start=start)
        if (name, rule) in self.faults:
            self.faults[name, rule].decides = True

    def note(
        self, where: NDArray[np.bool_], cells: pd.Series, name: str, rule: str, reason: str, mend: str, start: int
    ) -> None:
        """Note cells on which no decision hangs: unknown, and said so, however many they are."""
        self._fault(where, cells, name, rule, reason, mend, start=start)
        if (name, rule) in self.faults:
            self.faults[name, rule].is_note = True

    def _decides(self, name: str) -> bool:
        return (known := fields(self.table).get(name)) is None or known.decides

    def _fault(
        self, where: NDArray[np.bool_], cells: pd.Series, name: str, rule: str, reason: str, mend: str,
        *, start: int | None = None,
    ) -> None:  # fmt: skip
        at = np.flatnonzero(where)
        if not at.size:
            return
        start = self.n_rows if start is None else start
        told = Fault(self.table, name, rule, reason, mend, is_note=not self._decides(name))
        fault = self.faults.setdefault((name, rule), told)
        fault.rows += int(at.size)
        for row in at[: max(0, _FEWEST - len(fault.examples))].tolist():
            value = cells.iloc[row]
            fault.examples.append((start + row, "(empty)" if is_empty(value) else str(value)[:60]))

    def _words(self, cells: pd.Series, name: str, spell: Callable[[Any], Any], reason: str, mend: str) -> pd.Series:
        codes, distinct = factorized(cells)
        # An empty list is known to be empty; only a cell that is not there is unknown.
        empty = "" if spell in (flag_list, channel_list) else None
        # Whether somebody is dead: a question mark is no empty cell.
        blank = [is_blank(value) and not (spell is flag_of and "?" in str(value)) for value in distinct]
        spelt: list[Any] = [
            (empty if isinstance(value, str) and not value.strip() else None) if nothing else spell(value)
            for value, nothing in zip(distinct, blank, strict=True)
        ]
        wrong = np.array([word is None and not no for word, no in zip(spelt, blank, strict=True)] + [False])
        stay = wrong[:-1] & self._decides(name)  # of other columns, what cannot be read is unknown
        kept = [value if bad else word for word, value, bad in zip(spelt, distinct, stay, strict=True)]
        odd = np.append(wrongly_encoded(pd.Series(distinct, dtype=object)), False)
        self._fault(odd[codes], cells, name, "wrong_encoding", _ENCODING, _ENCODING_MEND)
        self._fault(wrong[codes] & ~odd[codes], cells, name, "unknown_word", reason, mend)
        words = pd.Series([*kept, None], dtype=object)
        return words.take(codes).reset_index(drop=True)

    def _numbers(self, cells: pd.Series, name: str) -> pd.Series:
        numbers = self._as_numbers(cells, name)
        if (self.table, name) in (("payments", "amount_minor"), ("accounts", "balance_minor")):
            self._check_signs(cells, numbers, name)
        return numbers

    def _check_signs(self, cells: pd.Series, amounts: pd.Series, name: str) -> None:
        """A negative amount takes a payment back, a negative balance is nothing owed: most are no such thing."""
        values = amounts.to_numpy(dtype=np.float64, na_value=np.nan)
        negative = np.asarray(values < 0)
        self._signs = [self._signs[0] + int(negative.sum()), self._signs[1] + int(np.isfinite(values).sum())]
        key = (name, _MOSTLY_NEGATIVE)
        if 2 * self._signs[0] <= self._signs[1] or self._signs[0] < 2:
            self.faults.pop(key, None)
            return
        self.faults.pop(key, None)
        reason, mend = (_NEGATIVE, _NEGATIVE_MEND) if self.table == "payments" else (_IN_CREDIT, _IN_CREDIT_MEND)
        self.doubt(negative, cells, *key, reason, mend, self.n_rows)
        if key in self.faults:
            self.faults[key].rows = self._signs[0]

    def _as_numbers(self, cells: pd.Series, name: str) -> pd.Series:
        if not is_text(cells):
            return cells if pd.api.types.is_numeric_dtype(cells.dtype) else pd.to_numeric(cells, errors="coerce")
        evidence = self._decimals.get(name, DecimalEvidence())
        decimal = self.stated.decimal or evidence.decided
        codes, distinct = factorized(cells)
        read = [np.nan if is_blank(value) else number_of(str(value), decimal) for value in distinct]
        unclear = np.array([value == "open" for value in read] + [False])
        wrong = np.array([value is None for value in read] + [False])
        self._fault(unclear[codes], cells, name, "ambiguous_number", "may be a fraction or hold a sign of thousands",
                    "State it with --decimal comma or --decimal point, or write plain numbers.")  # fmt: skip
        self._fault(wrong[codes], cells, name, "not_a_number", "is not a number", "Write plain numbers.")
        values = np.array([v if isinstance(v, float) else np.nan for v in read] + [np.nan], dtype=np.float64)
        if name.endswith("_minor"):
            self._fault(np.append(digits_lost(pd.Series(distinct)), False)[codes], cells, name, "digits_lost", _CUT,
                        "Export plain numbers.")  # fmt: skip
        if name in ("balance_minor", "amount_minor"):
            with np.errstate(invalid="ignore"):
                broken = np.abs(values - np.round(values)) > 1e-6
            self._fault(broken[codes], cells, name, "fraction", "holds a fraction, and minor units are whole",
                        "Multiply it by 100 if it is in whole units, or map the export.")  # fmt: skip
        return pd.Series(values[codes])

    def _dates(self, cells: pd.Series, name: str, zones: pd.Series | None) -> pd.Series:
        if isinstance(cells.dtype, pd.DatetimeTZDtype):
            cells = local_days(cells, None if zones is None else lambda: zones)
        if pd.api.types.is_datetime64_any_dtype(cells.dtype):
            return cells.dt.strftime("%Y-%m-%d").astype(object).where(cells.notna(), None)
        codes, distinct, read = self._moments(cells, name)
        far = np.array([isinstance(m, Moment) and not _YEARS[0] <= m.at.year <= _YEARS[1] for m in read] + [False])
        self._fault(far[codes], cells, name, "unlikely_date", "is a day that stands for none",
                    "Leave the cell empty where there is no date.")  # fmt: skip
        days = [m.at.date().isoformat() if isinstance(m, Moment) else None if is_blank(v) else str(v)
                for m, v in zip(read, distinct, strict=True)]  # fmt: skip
        days = [None if wrong else day for day, wrong in zip(days, far[:-1], strict=True)]
        told = pd.Series([*days, None], dtype=object).take(codes).reset_index(drop=True)
        moved = np.array([isinstance(m, Moment) and self._is_moved(m) for m in read] + [False]) & ~far
        rows = np.flatnonzero(moved[codes])
        if rows.size:
            clocks = [None] * rows.size if zones is None else zones.iloc[rows].tolist()
            pairs = list(zip(codes[rows].tolist(), clocks, strict=True))
            day_of_pair = {pair: self._day(read[pair[0]].at, pair[1]) for pair in set(pairs)}
            told.iloc[rows] = [day_of_pair[pair] for pair in pairs]
        return told

    def _is_moved(self, moment: Moment) -> bool:
        """Whether the day of a moment may be another on the clock of its row than it is written."""
        return moment.at.time() != time() and (moment.aware or self.stated.zone is not None)

    def _day(self, at: datetime, zone: str | None) -> str:
        """Day of a moment on the clock of its row; without an offset it lies on the stated clock, if there is one."""
        if at.tzinfo is None and self.stated.zone is not None:
            at = at.replace(tzinfo=ZoneInfo(self.stated.zone))
        return day_of(at, zone).isoformat()

    def _moments(self, cells: pd.Series, name: str) -> tuple[NDArray[np.int64], Any, list[Any]]:
        codes, distinct = factorized(cells)
        order = self.order_of(name)
        read = [None if is_blank(value) else moment_of(numeral(value), order) for value in distinct]
        unclear = np.array([value == "open" for value in read] + [False])
        wrong = np.array([m is None and not is_blank(v) for m, v in zip(read, distinct, strict=True)] + [False])
        mixed = self._days.get(name, DayEvidence())
        reason = (
            "has the day first in some rows and the month first in others, and cannot be told apart"
            if mixed.dmy and mixed.mdy
            else "does not say which number is the day"
        )
        self._fault(unclear[codes], cells, name, "ambiguous_date", reason, _ORDER_MEND)
        instant = fields(self.table)[name].kind == "instant"
        self._fault(wrong[codes], cells, name, "unreadable_date", "is no instant" if instant else "is no date",
                    "Write e.g. 2026-05-01T14:30:00-05:00." if instant else "Write YYYY-MM-DD.")  # fmt: skip
        return codes, distinct, read

    def _instants(self, cells: pd.Series, name: str, zones: pd.Series | None) -> pd.Series:
        if isinstance(cells.dtype, pd.DatetimeTZDtype):
            return cells.dt.tz_convert("UTC").astype("datetime64[us, UTC]")
        if pd.api.types.is_datetime64_any_dtype(cells.dtype):
            local = cells.astype("datetime64[us]")
            aware = pd.Series(pd.NaT, index=cells.index, dtype="datetime64[us, UTC]")
        else:
            aware, local = self._text_instants(cells, name)
        bare = local.notna().to_numpy(dtype=bool)
        if not bare.any():
            return aware
        if aware.notna().any() and self.stated.zone is None:
            self._fault(bare, cells, name, "naive_timestamp", "has no UTC offset although others in the column do",
                        "Write instants with an offset, or state --naive-timezone.")  # fmt: skip
            return aware
        clock = pd.Series(self.stated.zone, index=cells.index, dtype=object)
        if self.stated.timezone is None:
            self.guessed[name] = bare
        if self.stated.zone is None and zones is not None:
            clock = zones.reset_index(drop=True).astype(object)
        read = aware.copy()
        for zone in pd.unique(clock[bare].dropna()):
            rows = bare & (clock == zone).to_numpy(dtype=bool)
            at = local[rows].dt.tz_localize(
                zone, ambiguous=np.ones(int(rows.sum()), dtype=bool), nonexistent="shift_forward"
            )
            read[rows] = at.dt.tz_convert("UTC").astype("datetime64[us, UTC]")
        self._fault(bare & read.isna().to_numpy(dtype=bool), cells, name, "naive_timestamp",
                    "is a local time and nothing says on which clock",
                    "Write instants with an offset, give accounts.timezone, or state --naive-timezone.")  # fmt: skip
        return read

    def _text_instants(self, cells: pd.Series, name: str) -> tuple[pd.Series, pd.Series]:
        """Instants that carry their offset, and local times that do not."""
        if is_text(cells) and not len(odd_texts(cells, _ISO)):
            text = cells.astype("str")
            offset = text.str.contains(r"(?:Z|[+-]\d{2}:?\d{2})$", regex=True).fillna(value=False).to_numpy(dtype=bool)
            if offset.all() or not (~offset & cells.notna().to_numpy()).any():
                read = pd.to_datetime(text, format="ISO8601", utc=True, errors="coerce").astype("datetime64[us, UTC]")
                if not (read.isna() & cells.notna()).any():
                    return read, pd.Series(pd.NaT, index=cells.index, dtype="datetime64[us]")
        codes, _, read_cells = self._moments(cells, name)
        moments = [m if isinstance(m, Moment) else None for m in read_cells]
        aware = pd.to_datetime(
            pd.Series([m.at if m and m.aware else None for m in moments] + [None], dtype=object), utc=True
        ).astype("datetime64[us, UTC]")
        local = pd.to_datetime(
            pd.Series([m.at if m and not m.aware else None for m in moments] + [None], dtype=object)
        ).astype("datetime64[us]")
        return aware.take(codes).reset_index(drop=True), local.take(codes).reset_index(drop=True)
