"""A raw table in one spelling: the same facts give the same cells, however they were written.

Two steps, so that a table may come in pieces: :meth:`TableReading.observe` gathers what the cells say about the order
of day and month and about the decimal sign; :meth:`TableReading.read` then writes each piece anew. What cannot be read
is reported, all of it at once, with its column, values, rows and mend.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal
from zoneinfo import available_timezones

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recommender.errors import InvalidInput, shorten
from recommender.intake.ids import digits_lost, id_texts
from recommender.intake.moments import DayEvidence, DayOrder, Moment, day_evidence, moment_of
from recommender.intake.numbers import Decimal, DecimalEvidence, decimal_evidence, number_of
from recommender.intake.vocabulary import (
    canonical_channel,
    canonical_word,
    column_synonyms,
    country_code,
    country_zone,
    is_placeholder,
    plain_word,
)
from recommender.local_time import is_timezone

__all__ = [
    "Fault",
    "Stated",
    "TableReading",
    "account_zones",
    "one_spelling",
    "refuse_faults",
    "renamed_columns",
    "zone_name",
]

Kind = Literal[
    "id", "instant", "date", "number", "country", "zone", "currency", "channels", "flags", "flag", "word", "level"
]
_FLAG_COLUMNS = (
    "do_not_contact", "disputed", "insolvent", "represented", "in_lawsuit", "hardship", "deceased", "cease_contact",
)  # fmt: skip
_KINDS: dict[str, dict[str, Kind]] = {
    "accounts": {
        "account_id": "id", "debtor_id": "id", "valid_from": "instant", "country": "country", "timezone": "zone",
        "due_date": "date", "balance_minor": "number", "currency": "currency", "consented_channels": "channels",
        "channels_consented": "channels", "channels_reachable": "channels", "channels_preferred": "channels",
        "flags": "flags", "party": "word", "debtor_type": "word", "language": "level", "balance_as_of": "instant",
        "days_past_due": "number", **dict.fromkeys(_FLAG_COLUMNS, "flag"),
    },
    "decisions": {"decision_id": "id", "account_id": "id", "decided_at": "instant", "propensity": "number"},
    "contacts": {
        "contact_id": "id", "account_id": "id", "debtor_id": "id", "decision_id": "id", "sent_at": "instant",
        "channel": "level", "tone": "level", "status": "word", "initiated_by": "word", "outcome": "word",
        "cost_minor": "number", "promise_date": "date", "callback_at": "instant",
    },
    "outcomes": {
        "contact_id": "id", "account_id": "id", "occurred_at": "instant", "outcome": "word", "promise_date": "date",
        "callback_at": "instant",
    },
    "payments": {"account_id": "id", "paid_at": "instant", "amount_minor": "number", "currency": "currency"},
}  # fmt: skip
ACCOUNT_CLOCK = "account"
_ISO = r"^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?$"
_ORDER_MEND = "State the order with --dates dmy (day first) or --dates mdy, or write YYYY-MM-DD."
_CUT = "was cut by a spreadsheet (an exponent in place of the last digits)"
_CUT_MEND = "Export it as text: the digits are lost in this file."
_TRUE = frozenset(["true", "t", "yes", "y", "1", "si", "s", "sim", "verdadero", "x"])
_FALSE = frozenset(["false", "f", "no", "n", "0", "nao", "falso"])
_FEWEST = 5
#: Years that a date of a debt may lie in; 1900-01-01 and 9999-12-31 stand for none.
_YEARS = (1971, 2090)


@dataclass(frozen=True)
class Stated:
    """What the user states about the spelling of a source, because its cells do not tell.

    Attributes
    ----------
    dates : {"dmy", "mdy"} or None
    decimal : {"comma", "point"} or None
    timezone : str or None
        IANA zone of local times without an offset; ``account`` = that of each row's account.
    ids_as_numbers : bool
        Leading zeros of ids say nothing: ``00107`` and ``107`` are one account.
    encoding : str or None
        Of text files that are not Unicode.
    """

    dates: DayOrder | None = None
    decimal: Decimal | None = None
    timezone: str | None = None
    ids_as_numbers: bool = False
    encoding: str | None = None

    def __post_init__(self) -> None:
        """Refuse a zone that is none."""
        if self.timezone not in (None, ACCOUNT_CLOCK) and not is_timezone(self.timezone):
            raise InvalidInput.in_column(
                "naive_timezone", "is no IANA time zone", values=[self.timezone],
                mend="Write e.g. America/Bogota, or account.",
            )  # fmt: skip

    @property
    def zone(self) -> str | None:
        """The one zone of all local times, where one is stated."""
        return None if self.timezone == ACCOUNT_CLOCK else self.timezone


@dataclass
class Fault:
    """Cells of one column that break one rule; one that decides is refused however few they are."""

    table: str
    column: str
    rule: str
    reason: str
    mend: str
    rows: int = 0
    examples: list[tuple[int, str]] = field(default_factory=list)
    decides: bool = False

    def told(self, n_rows: int) -> str:
        """One sentence: how many rows, which values, what to do."""
        values = shorten(value for _, value in self.examples)
        at = shorten(row for row, _ in self.examples)
        return (
            f"{self.table}.{self.column} {self.reason} in {self.rows:,} of {n_rows:,} rows ({self.rows / n_rows:.0%}; "
            f"{values} in row {at}). {self.mend}"
        )


def renamed_columns(columns: Sequence[object], table: str) -> dict[str, str]:
    """Columns that are written in another way than the contract does -> its names; only where one alone is meant."""
    known = _KINDS.get(table, {})
    held = [str(column) for column in columns]
    meant: dict[str, list[str]] = {}
    for name in held:
        plain = plain_word(name)
        target = plain if plain in known else column_synonyms(name)
        if target in known and name not in known:
            meant.setdefault(str(target), []).append(name)
    return {names[0]: target for target, names in meant.items() if len(names) == 1 and target not in held}


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
        #: Instants of the piece read last that were local times on a clock nobody stated.
        self.guessed: dict[str, NDArray[np.bool_]] = {}

    @property
    def columns(self) -> frozenset[str]:
        """Columns that are read; further ones stay as they are."""
        return frozenset(_KINDS.get(self.table, {}))

    # -- evidence --------------------------------------------------------------------------------------------------
    def observe(self, frame: pd.DataFrame) -> None:
        """Take note of how cells are written."""
        for name, kind in self._read_here(frame):
            if not _is_text(frame[name]):
                continue
            if kind in ("date", "instant"):
                self._days[name] = self._days.get(name, DayEvidence()) | day_evidence(_odd_texts(frame[name], _ISO))
            elif kind == "number":
                found = decimal_evidence(_odd_texts(frame[name], r"^-?\d+$"))
                self._decimals[name] = self._decimals.get(name, DecimalEvidence()) | found

    def order_of(self, name: str) -> DayOrder | None:
        """Order of day and month in a column; None where nothing tells."""
        found = self._days.get(name, DayEvidence())
        if self.stated.dates is not None:
            return self.stated.dates
        return found.decided

    # -- cells -----------------------------------------------------------------------------------------------------
    def read(self, frame: pd.DataFrame, zones: pd.Series | None = None) -> pd.DataFrame:
        """A piece in the one spelling.

        Parameters
        ----------
        frame : DataFrame
        zones : Series of str, optional
            Time zone of each row's account: the clock of local times without an offset.

        Returns
        -------
        DataFrame
            Ids, countries, words as text; instants in UTC; dates as ``YYYY-MM-DD``; lists separated by ``;``. A cell
            that cannot be read stays as it was where text may stand (the rules deny it), else it is missing.
        """
        read = {str(name): frame[name].reset_index(drop=True) for name in frame.columns}
        self.guessed = {}
        for name, kind in self._read_here(frame):
            read[name] = self._column(read[name], name, kind, zones)
        self.n_rows += len(frame)
        return pd.DataFrame(read, index=range(len(frame)), copy=False)

    def _read_here(self, frame: pd.DataFrame) -> list[tuple[str, Kind]]:
        return [(name, kind) for name, kind in _KINDS.get(self.table, {}).items() if name in frame.columns]

    def _column(self, cells: pd.Series, name: str, kind: Kind, zones: pd.Series | None) -> pd.Series:
        match kind:
            case "id":
                self.doubt(digits_lost(cells), cells, name, "digits_lost", _CUT, _CUT_MEND, self.n_rows)
                return id_texts(cells)
            case "date":
                return self._dates(cells, name)
            case "instant":
                return self._instants(cells, name, zones)
            case "number":
                return self._numbers(cells, name)
            case "country":
                return self._words(cells, name, country_code, "names no country", "Write ISO 3166 codes, e.g. CO.")
            case "zone":
                return self._words(cells, name, zone_name, "is no IANA time zone", "Write e.g. America/Bogota.")
            case "currency":
                return self._words(cells, name, _currency, "is no currency code", "Write ISO 4217 codes, e.g. COP.")
            case "channels":
                return self._words(cells, name, _channels, "lists a channel that is not known",
                                   "Use call, sms, whatsapp, email, ivr, letter, visit.")  # fmt: skip
            case "flags":
                return self._words(cells, name, _flags, "holds a flag that is not known",
                                   f"Use {', '.join(_FLAG_COLUMNS)} or opt_out:<channel>.")  # fmt: skip
            case "flag":
                return self._words(cells, name, _flag, "is neither true nor false", "Write true or false.").astype(
                    object
                )
            case "level":  # further levels are allowed: they are of the user's own action space
                return self._words(cells, name, lambda value: canonical_word(name, value) or str(value).strip(), "", "")
            case _:
                return self._words(cells, name, lambda value: canonical_word(name, value), f"is no known {name}",
                                   "See data/README.md for the words, or map them: `pipelines map`.")  # fmt: skip

    def doubt(
        self, where: NDArray[np.bool_], cells: pd.Series, name: str, rule: str, reason: str, mend: str, start: int
    ) -> None:
        """Note cells that were read by a guess on which a decision hangs; ``start`` is the number of the first row."""
        self._fault(where, cells, name, rule, reason, mend, start=start)
        if (name, rule) in self.faults:
            self.faults[name, rule].decides = True

    def _fault(
        self, where: NDArray[np.bool_], cells: pd.Series, name: str, rule: str, reason: str, mend: str,
        *, start: int | None = None,
    ) -> None:  # fmt: skip
        at = np.flatnonzero(where)
        if not at.size:
            return
        start = self.n_rows if start is None else start
        fault = self.faults.setdefault((name, rule), Fault(self.table, name, rule, reason, mend))
        fault.rows += int(at.size)
        for row in at[: max(0, _FEWEST - len(fault.examples))].tolist():
            value = cells.iloc[row]
            fault.examples.append((start + row, "(empty)" if _is_empty(value) else str(value)[:60]))

    def _words(self, cells: pd.Series, name: str, spell: Callable[[Any], Any], reason: str, mend: str) -> pd.Series:
        hashable = cells.map(_hashable) if cells.dtype == object else cells
        codes, distinct = pd.factorize(hashable)
        # An empty list is known to be empty; only a cell that is not there is unknown.
        empty = "" if spell in (_flags, _channels) else None
        spelt: list[Any] = [
            (empty if isinstance(value, str) and not value.strip() else None) if _blank(value) else spell(value)
            for value in distinct
        ]
        wrong = np.array([word is None and not _blank(v) for word, v in zip(spelt, distinct, strict=True)] + [False])
        kept = [value if bad else word for word, value, bad in zip(spelt, distinct, wrong[:-1], strict=True)]
        self._fault(wrong[codes], cells, name, "unknown_word", reason, mend)
        held = pd.Series([*kept, None], dtype=object)
        return held.take(codes).reset_index(drop=True)

    def _numbers(self, cells: pd.Series, name: str) -> pd.Series:
        if not _is_text(cells):
            return cells if pd.api.types.is_numeric_dtype(cells.dtype) else pd.to_numeric(cells, errors="coerce")
        found = self._decimals.get(name, DecimalEvidence())
        decimal = self.stated.decimal or found.decided
        codes, distinct = pd.factorize(cells)
        read = [np.nan if _blank(value) else number_of(str(value), decimal) for value in distinct]
        unclear = np.array([value == "open" for value in read] + [False])
        wrong = np.array([value is None for value in read] + [False])
        self._fault(unclear[codes], cells, name, "ambiguous_number", "may be a fraction or hold a sign of thousands",
                    "State it with --decimal comma or --decimal point, or write plain numbers.")  # fmt: skip
        self._fault(wrong[codes], cells, name, "not_a_number", "is not a number", "Write plain numbers.")
        values = np.array([v if isinstance(v, float) else np.nan for v in read] + [np.nan], dtype=np.float64)
        if name in ("balance_minor", "amount_minor"):
            self._fault(np.append(digits_lost(pd.Series(distinct)), False)[codes], cells, name, "digits_lost", _CUT,
                        "Export plain numbers.")  # fmt: skip
            with np.errstate(invalid="ignore"):
                broken = np.abs(values - np.round(values)) > 1e-6
            self._fault(broken[codes], cells, name, "fraction", "holds a fraction, and minor units are whole",
                        "Multiply it by 100 if it is in whole units, or map the export.")  # fmt: skip
        return pd.Series(values[codes])

    def _dates(self, cells: pd.Series, name: str) -> pd.Series:
        if pd.api.types.is_datetime64_any_dtype(cells.dtype):
            return cells.dt.strftime("%Y-%m-%d").astype(object).where(cells.notna(), None)
        codes, distinct, read = self._moments(cells, name)
        far = np.array([isinstance(m, Moment) and not _YEARS[0] <= m.at.year <= _YEARS[1] for m in read] + [False])
        self._fault(far[codes], cells, name, "unlikely_date", "is a day that stands for none",
                    "Leave the cell empty where there is no date.")  # fmt: skip
        days = [m.at.date().isoformat() if isinstance(m, Moment) else None if _blank(v) else str(v)
                for m, v in zip(read, distinct, strict=True)]  # fmt: skip
        days = [None if wrong else day for day, wrong in zip(days, far[:-1], strict=True)]
        return pd.Series([*days, None], dtype=object).take(codes).reset_index(drop=True)

    def _moments(self, cells: pd.Series, name: str) -> tuple[NDArray[np.int64], Any, list[Any]]:
        codes, distinct = pd.factorize(cells)
        order = self.order_of(name)
        read = [None if _blank(value) else moment_of(_numeral(value), order) for value in distinct]
        unclear = np.array([value == "open" for value in read] + [False])
        wrong = np.array([m is None and not _blank(v) for m, v in zip(read, distinct, strict=True)] + [False])
        mixed = self._days.get(name, DayEvidence())
        reason = (
            "has the day first in some rows and the month first in others, and cannot be told apart"
            if mixed.dmy and mixed.mdy
            else "does not say which number is the day"
        )
        self._fault(unclear[codes], cells, name, "ambiguous_date", reason, _ORDER_MEND)
        self._fault(wrong[codes], cells, name, "unreadable_date", "is no date", "Write YYYY-MM-DD.")
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
        if _is_text(cells) and not len(_odd_texts(cells, _ISO)):
            text = cells.astype("str")
            offset = text.str.contains(r"(?:Z|[+-]\d{2}:?\d{2})$", regex=True).fillna(value=False).to_numpy(dtype=bool)
            if offset.all() or not (~offset & cells.notna().to_numpy()).any():
                read = pd.to_datetime(text, format="ISO8601", utc=True, errors="coerce").astype("datetime64[us, UTC]")
                if not (read.isna() & cells.notna()).any():
                    return read, pd.Series(pd.NaT, index=cells.index, dtype="datetime64[us]")
        codes, _, read_cells = self._moments(cells, name)
        told = [m if isinstance(m, Moment) else None for m in read_cells]
        aware = pd.to_datetime(
            pd.Series([m.at if m and m.aware else None for m in told] + [None], dtype=object), utc=True
        ).astype("datetime64[us, UTC]")
        local = pd.to_datetime(
            pd.Series([m.at if m and not m.aware else None for m in told] + [None], dtype=object)
        ).astype("datetime64[us]")
        return aware.take(codes).reset_index(drop=True), local.take(codes).reset_index(drop=True)


def refuse_faults(readings: Sequence[TableReading], most: float) -> list[str]:
    """Refuse tables of which too many rows are at fault; else say what was found.

    Parameters
    ----------
    readings : sequence of TableReading
    most : float
        Largest share of a table's rows that one fault may touch.

    Raises
    ------
    InvalidInput
        Names every fault of every table: column, values, rows, share and mend.
    """
    told = [(fault, reading.n_rows) for reading in readings for fault in reading.faults.values()]
    heavy = [(fault, n) for fault, n in told if fault.rows > most * n or fault.decides]
    if heavy:
        first = heavy[0][0]
        lines = "".join(f"\n- {fault.told(n)}" for fault, n in told)
        share = "a fault on which a decision hangs" if first.decides else f"a fault in more than {most:.0%} of the rows"
        raise InvalidInput(
            f"The tables cannot be understood ({share}):{lines}",
            column=first.column,
            rows=[row for row, _ in first.examples],
            mend="Nothing was planned." if len(heavy) == 1 else "Nothing was planned; these are all faults found.",
        )
    return [fault.told(n) for fault, n in told]


def one_spelling(cells: pd.Series, table: str, name: str) -> pd.Series:
    """Cells of a column of words in the one spelling of :class:`TableReading`; further text without outer blanks."""
    kind = _KINDS.get(table, {}).get(name)
    if not _is_text(cells):
        return cells
    if kind in ("country", "zone", "currency", "channels", "flags", "word", "level"):
        return TableReading(table).read(cells.to_frame(name))[name]
    if kind is not None:
        return cells
    words = pa.array(cells, type=pa.large_string(), from_pandas=True) if _all_texts(cells) else None
    if words is None or not pc.any(pc.match_substring_regex(words, r"^\s|\s$")).as_py():
        return cells
    return cells.astype("str").str.strip()


def _all_texts(cells: pd.Series) -> bool:
    return isinstance(cells.dtype, pd.StringDtype) or pd.api.types.infer_dtype(cells, skipna=True) == "string"


def account_zones(accounts: pd.DataFrame) -> pd.Series:
    """Time zone of each account: its own, or that of a country that has one only."""
    n = len(accounts)
    zones = accounts["timezone"].astype(object) if "timezone" in accounts else pd.Series([None] * n, dtype=object)
    zones = zones.where(zones.map(is_timezone), None).reset_index(drop=True)
    if "country" in accounts:
        of_country = {
            code: country_zone(code) for code in accounts["country"].dropna().unique() if isinstance(code, str)
        }
        zones = zones.where(zones.notna(), accounts["country"].reset_index(drop=True).map(of_country))
    return zones


def _is_text(cells: pd.Series) -> bool:
    return cells.dtype == object or isinstance(cells.dtype, pd.StringDtype)


def _odd_texts(cells: pd.Series, usual: str) -> list[str]:
    """Distinct texts of a column that are not written in the usual way."""
    text = cells.dropna()
    if text.dtype == object:
        text = text[text.map(lambda value: isinstance(value, str))]
    text = text.astype("str")
    odd = text[~text.str.match(usual).to_numpy(dtype=bool)]
    return [value for value in odd.unique().tolist() if value.strip()]


def _numeral(value: Any) -> str:
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _blank(value: Any) -> bool:
    if _is_empty(value):
        return True
    return is_placeholder(value) if isinstance(value, str) else not str(value).strip()


def _is_empty(value: Any) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or value != value


def _hashable(value: Any) -> Any:
    if isinstance(value, str) or value is None or not isinstance(value, list | tuple | set | np.ndarray):
        return value
    return ";".join(str(item) for item in value) if len(value) else "[]"


def zone_name(value: Any) -> str | None:
    """IANA name of a zone, in whatever capitals it is written; None where there is none."""
    text = str(value).strip()
    return text if is_timezone(text) else _zones().get(text.casefold().replace(" ", "_"))


@lru_cache(maxsize=1)
def _zones() -> dict[str, str]:
    return {name.casefold(): name for name in sorted(available_timezones()) if "/" in name and is_timezone(name)}


def _currency(value: Any) -> str | None:
    code = str(value).strip().upper()
    return code if len(code) == 3 and code.isascii() and code.isalpha() else None


def _items(value: Any) -> list[str]:
    text = str(value).strip()
    if text[:1] in "[{(" and text[-1:] in "]})":
        text = text[1:-1]
    text = re.sub(r"[|,/+&\n]|\s+(?:y|e|and)\s+", ";", text)
    items = [item.strip().strip("\"'") for item in text.split(";")]
    if len(items) == 1 and canonical_channel(items[0]) is None and " " in items[0]:
        items = items[0].split()
    return [item for item in items if item]


def _channels(value: Any) -> str | None:
    items = _items(value)
    if [plain_word(item) for item in items] in (["ninguno"], ["none"], ["ninguna"], ["no"]):
        return ""
    named = [canonical_channel(item) for item in items]
    return None if None in named else ";".join(sorted({name for name in named if name}))


def _flags(value: Any) -> str | None:
    named: list[str] = []
    for item in _items(value):
        head, colon, tail = item.partition(":")
        if colon:
            channel = canonical_channel(tail)
            if plain_word(head) != "opt_out" or channel is None:
                return None
            named.append(f"opt_out:{channel}")
        elif (word := canonical_word("flags", item)) is not None:
            named.append(word)
        elif plain_word(item) not in ("ninguno", "none", "ninguna", "no"):
            return None
    return ";".join(sorted(set(named)))


def _flag(value: Any) -> bool | None:
    if isinstance(value, bool | np.bool_):
        return bool(value)
    word = plain_word(_numeral(value))
    return True if word in _TRUE else False if word in _FALSE else None
