"""Check a raw table against its contract: a clean table, and a quarantine of the rows that break it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.errors import InvalidInput
from recommender.history import cells
from recommender.history.contract_numbers import broken_units, check_range, check_unit
from recommender.history.duplicate_rows import check_key
from recommender.history.id_codes import IdCodes
from recommender.history.instants import implausible_dates, read_dates, read_instants
from recommender.history.quarantine import Faults
from recommender.history.unread_columns import refuse_unread_stops
from recommender.intake import (
    Stated,
    country_code,
    digits_lost,
    kind_of_name,
    language_code,
    one_spelling,
    personal_columns,
    subdivision_codes,
    text_of_bytes,
    with_spoken_refusals,
    wrongly_encoded,
)
from recommender.tables import UNREADABLE_ROW, Column, Contract

__all__ = ["CheckedTable", "check_table", "keep_rows"]

_SETS = ("eligible",)  # no words: as long as there are actions, and held once each where they come as categories
_WHOSE = ("account_id", "contact_id", "timezone", "country")


@dataclass
class CheckedTable:
    """A raw table after its contract check.

    Attributes
    ----------
    frame : DataFrame
        The rows that keep the contract, cleaned, in their order; ``_position`` is the row number in the table as given.
    faults : Faults
        The rows in quarantine; later checks across tables add to it.
    raw_ids : dict of str to Series
        Ids as read of every row, quarantined ones included: what other tables may refer to.
    ids : dict of str to IdCodes
        Id column -> the ids its codes stand for, once the tables agreed on ids.
    text_dtypes : dict of str to dtype
        Dtype of text columns that are held as categories.
    told_at : Series or None
        Instant of every row as far as it can be told, quarantined rows included (contacts, outcomes, payments); NaT
        where it cannot. Let go of once the tables are checked, like the next two.
    naive : ndarray of bool or None
        Where ``told_at`` lacked its offset and was read as UTC.
    told_outcome : Series or None
        Outcome of every row, quarantined rows included; missing where the word is unknown.
    notes : list of str
        What a reader should know that is no fault of a row.
    """

    contract: Contract
    frame: pd.DataFrame
    faults: Faults
    raw_ids: dict[str, pd.Series]
    notes: list[str] = field(default_factory=list)
    n_given: int = 0
    ids: dict[str, IdCodes] = field(default_factory=dict)
    text_dtypes: dict[str, Any] = field(default_factory=dict)
    told_at: pd.Series | None = None
    naive: NDArray[np.bool_] | None = None
    told_outcome: pd.Series | None = None

    def drop(self, where: NDArray[np.bool_], column: str, rule: str, reason: str, mend: str) -> None:
        """Put clean rows into quarantine after all."""
        if not where.any():
            return
        at = self.frame["_position"].to_numpy()[where]
        mask = np.zeros(len(self.faults.rows), dtype=bool)
        mask[at] = True
        shown = pd.Series(index=range(len(mask)), dtype=object)
        if column in self.frame:
            values = self.frame[column].loc[where]
            values = self.ids[column].original(values) if column in self.ids else values
            shown.iloc[at] = values.to_numpy(dtype=object)
        self.faults.add(mask, column, rule, reason, mend, shown)
        self.frame = keep_rows(self.frame, ~where)


def keep_rows(frame: pd.DataFrame, kept: NDArray[np.bool_]) -> pd.DataFrame:
    """Rows to keep, one column after the other, so that the table is never held twice."""
    if kept.all():
        return frame
    columns = {}
    for name in frame.columns.tolist():
        columns[name] = frame[name].loc[kept].reset_index(drop=True)
    return pd.DataFrame(columns, index=range(int(kept.sum())), copy=False)


def check_table(
    frame: pd.DataFrame,
    contract: Contract,
    *,
    as_of: pd.Timestamp,
    levels: Mapping[str, Sequence[Any]] | None = None,
    channels: Sequence[Any] = (),
    naive_timezone: str | None = None,
    consume: bool = False,
    clocks: Callable[[pd.DataFrame], pd.Series] | None = None,
    stated: Stated | None = None,
) -> CheckedTable:
    """Read and check every contracted column; further columns pass through, checked only for their encoding.

    Parameters
    ----------
    frame : DataFrame
    contract : Contract
    as_of : Timestamp
        Instants of things past that lie after it are in quarantine.
    levels : mapping of str to sequence, optional
        Allowed levels of columns such as ``channel``, and of further columns that must be checked (action factors).
    channels : sequence, optional
        Channels that the columns of channel lists are spread over.
    naive_timezone : str or None
        IANA zone of instants without an offset.
    clocks : callable, optional
        Gives the zone of each row of the table's ids: the clock of local times, where no zone is stated.
    stated : Stated, optional
        Order of day and month, and decimal sign, where the columns do not tell.
    consume : bool, default=False
        Take each column out of ``frame`` once it is read: the caller has no further use for it.

    Raises
    ------
    InvalidInput
        When the table cannot be used at all: not a frame, a required column is missing or repeated.
    """
    if not isinstance(frame, pd.DataFrame):
        raise InvalidInput(
            f"Table {contract.table!r} must be a pandas DataFrame; got {type(frame).__name__}.",
            column=contract.table,
            mend="Read it first, e.g. pd.read_parquet(path).",
        )
    if missing := [name for name in contract.required if name not in frame.columns]:
        raise InvalidInput.missing_columns(missing, frame.columns.tolist(), role=f"table {contract.table!r}")
    repeated = frame.columns[frame.columns.duplicated()].unique().tolist()
    if repeated:
        raise InvalidInput.in_column(
            str(repeated[0]), f"appears more than once in table {contract.table!r}", mend="Rename or drop the repeats."
        )
    given = text_of_bytes(frame.reset_index(drop=True))
    if consume:
        for name in frame.columns.tolist():
            del frame[name]
    levels = dict(levels or {})
    key = contract.key[0]
    n_given = len(given)
    faults = Faults(contract.table, given[key], np.arange(n_given, dtype=np.int32))
    checked = CheckedTable(contract, given.iloc[:0], faults, {}, n_given=n_given)
    if UNREADABLE_ROW in given:
        unreadable = given.pop(UNREADABLE_ROW)
        faults.add(
            unreadable.notna().to_numpy(dtype=bool),
            "row",
            "unreadable_row",
            "does not have one cell for each column of the header",
            "Write cells that hold the separator, a line break or a quote between quotes; write empty cells too.",
            unreadable,
        )
    _check_encodings(given, faults)
    given = with_spoken_refusals(given)
    owners = given[[name for name in _WHOSE if name in given.columns]]
    spelling = _Spelling(stated or Stated(timezone=naive_timezone), None if clocks is None else partial(clocks, owners))
    refuse_unread_stops(given.drop(columns=[c for c in given if c in levels]), faults, spelling.stated)
    clean: dict[str, Any] = {}
    known = {column.name: column for column in contract.columns}
    for name in given.columns.tolist():
        cells_of = given.pop(name)
        column = known.get(str(name))
        if column is None and name in levels:
            column = Column(str(name), "level")
        if column is None and str(name) in _SETS:
            clean[str(name)] = cells_of
            continue
        if column is None:
            if _is_personal(cells_of, str(name), checked.contract.table):
                checked.notes.append(f"{contract.table}.{name} looks like contact data of a person and was not read.")
            else:
                clean[str(name)] = one_spelling(cells_of, contract.table, str(name))
            continue
        allowed = levels.get(column.name, column.levels)
        cells_of = cells.without_placeholders(cells_of) if column.nullable else cells_of
        clean |= _read(cells_of, column, checked, as_of, allowed, channels, naive_timezone, spelling)
    read = pd.DataFrame(clean, index=range(n_given), copy=False)
    if "subdivision" in read and "subdivision" in known:
        read["subdivision"] = subdivision_codes(read)
    clean.clear()
    read["_position"] = faults.rows
    check_key(read, contract, faults)
    checked.frame = keep_rows(read, ~faults.bad)
    return checked


def _is_personal(cells_of: pd.Series, name: str, table: str) -> bool:
    """Whether a column holds contact data; of tables whose further columns are no context the name alone is asked."""
    if table in ("accounts", "decisions"):
        return bool(personal_columns(cells_of.to_frame(name)))
    return kind_of_name(name) in ("contact", "about contact")


def _check_encodings(frame: pd.DataFrame, faults: Faults) -> None:
    for name in frame.columns:
        faults.add(
            wrongly_encoded(frame[name]),
            str(name),
            "wrong_encoding",
            "the text is in the wrong encoding (bytes, replacement characters, or UTF-8 read as Latin-1)",
            "Export the table again as UTF-8, or state its encoding when reading it.",
            frame[name],
        )


def _read(
    given: pd.Series,
    column: Column,
    checked: CheckedTable,
    as_of: pd.Timestamp,
    levels: Sequence[Any] | None,
    channels: Sequence[Any],
    naive_timezone: str | None,
    spelling: _Spelling,
) -> dict[str, Any]:
    """Clean values of one column (several where it is a list of channels); faults are added on the way."""
    faults, name = checked.faults, column.name

    def fault(where: NDArray[np.bool_], rule: str, reason: str, mend: str) -> None:
        faults.add(where, name, rule, reason, mend, given)

    read: dict[str, Any]
    missing = np.asarray(given.isna().to_numpy(dtype=bool))
    match column.kind:
        case "id":
            fault(digits_lost(given), "digits_lost", "was cut by a spreadsheet (an exponent for the last digits)",
                  "Export it as text: the digits are lost in this file.")  # fmt: skip
            ids, missing = cells.read_ids(given)
            checked.raw_ids[name] = ids.mask(missing) if missing.any() else ids
            read = {name: checked.raw_ids[name]}
        case "instant":
            instants = read_instants(
                given,
                naive_timezone,
                clocks=spelling.clocks or spelling.nobody(len(given)),
                order=spelling.stated.dates,
            )
            fault(instants.naive, "naive_timestamp", "is a local time, and nothing says on which clock",
                  "Write instants with an offset (2026-05-01T14:30:00Z), give accounts.timezone, or state the zone "
                  "(--naive-timezone).")  # fmt: skip
            if instants.clock_change is not None:
                fault(instants.clock_change, "unreadable_clock_change",
                      f"is skipped or repeated by daylight saving on the clock of {naive_timezone}",
                      "Write instants with an offset: this local time is no single instant.")  # fmt: skip
            fault(instants.unreadable, "unreadable_instant", "is not an instant",
                  "Write instants as ISO 8601 with an offset, e.g. 2026-05-01T14:30:00Z.")  # fmt: skip
            if instants.all_naive and instants.values.notna().any():
                checked.notes.append(
                    f"{faults.table}.{name} has no time zone in any row; read on the clock of "
                    f"{naive_timezone or 'each account'}."
                )
            future = np.asarray((instants.values > as_of).fillna(value=False).to_numpy(dtype=bool))
            if column.past and not _may_be_future(checked, name):
                fault(future, "after_as_of", f"lies after as_of ({as_of.isoformat()})",
                      "Correct the instant, or move as_of if the table is newer.")  # fmt: skip
            missing = np.asarray(instants.values.isna().to_numpy(dtype=bool))
            read = {name: instants.values}
            if checked.contract.table in ("contacts", "outcomes", "payments"):
                checked.told_at, checked.naive = instants.as_far_as_read(given).mask(future), instants.naive
        case "date":
            dates, wrong = read_dates(given, spelling.stated.dates, clocks=spelling.clocks)
            fault(wrong, "unreadable_date", "is not a date, or may be two (which number is the day?)",
                  "Write dates as YYYY-MM-DD, or state the order (--dates dmy or mdy).")  # fmt: skip
            fault(implausible_dates(dates, as_of), "unlikely_date",
                  "lies before 1971 or more than sixty years ahead, as dates do that stand for 'none'",
                  "Leave the cell empty where there is no date.")  # fmt: skip
            read = {name: dates}
        case "level":
            read, missing = _read_level(given, name, levels, faults)
            if name == "outcome":
                checked.told_outcome = read[name].astype("category")
        case "number" | "probability":
            numbers, wrong = cells.read_numbers(given, spelling.stated.decimal)
            fault(wrong, "not_a_number", "is not a finite number", "Write plain numbers, without signs or separators.")
            if column.name.endswith("_minor"):
                fault(cells.ambiguous_numbers(given, spelling.stated.decimal), "ambiguous_number",
                      "may be a fraction or hold a separator of thousands, and minor units are whole",
                      "Write plain numbers, e.g. 12500, or state the sign (--decimal comma or point).")  # fmt: skip
            if column.name.endswith("_minor"):
                fault(digits_lost(given), "digits_lost", "was cut by a spreadsheet (an exponent for the last digits)",
                      "Export plain numbers: the digits are lost in this file.")  # fmt: skip
            check_unit(numbers, column, checked.contract.table)
            fault(broken_units(numbers, column), "not_a_whole_number", "holds a fraction, and minor units are whole",
                  "Write minor units (cents) without decimals.")  # fmt: skip
            check_range(numbers, column, fault)
            missing = np.isnan(numbers)
            read = {name: numbers}
        case "flag":
            flags, wrong = cells.read_flags(given)
            fault(wrong, "not_a_flag", "is neither true nor false", "Write true or false.")
            read = {name: flags}
        case "zone":
            zones, wrong = cells.read_zones(given)
            fault(wrong, "unknown_time_zone", "is not an IANA time zone", "Write e.g. America/Bogota or nothing.")
            read = {name: zones}
        case "country":
            countries = one_spelling(given, checked.contract.table, name)
            known = {value: country_code(value) is not None for value in countries.dropna().unique()}
            fault(np.asarray(~countries.map(known).fillna(value=True).to_numpy(dtype=bool)), "unknown_country",
                  "names no country", "Write ISO 3166 codes: CO, COL or 170.")  # fmt: skip
            read = {name: countries}
        case "language":
            languages = one_spelling(given, checked.contract.table, name)
            known = {value: language_code(value) is not None for value in languages.dropna().unique()}
            fault(np.asarray(~languages.map(known).fillna(value=True).to_numpy(dtype=bool)), "unknown_language",
                  "names no language", "Write ISO 639 codes: es, en, pt.")  # fmt: skip
            read = {name: languages}
        case "currency":
            codes, wrong = cells.read_currencies(given)
            fault(wrong, "unknown_currency", "is not a three-letter currency code", "Write ISO 4217 codes, e.g. COP.")
            read = {name: codes}
        case "paydays":
            days, wrong = cells.read_paydays(given)
            fault(wrong, "no_day_of_the_month", "names no days of the month", "Write 15, or 15;30 (31 is the last).")
            read = {name: days}
        case "channels":
            flags_of, wrong = cells.read_channels(given, channels)
            fault(wrong, "unreadable_list", "is not a list of channels", "Write e.g. call|sms.")
            role = name.removeprefix("channels_")
            read = {f"{role}_{channel}": flags for channel, flags in flags_of.items()}
        case _:
            read = {name: one_spelling(given, checked.contract.table, name)}
    if not column.nullable:
        fault(missing, "missing", "is missing", "Fill the cell in the source system.")
    return read


@dataclass(frozen=True)
class _Spelling:
    """How cells of the table may be read: what is stated, and the clock of each row."""

    stated: Stated
    clocks: Callable[[], pd.Series] | None

    def nobody(self, n: int) -> Callable[[], pd.Series]:
        """No row has a clock."""
        return lambda: pd.Series([None] * n, dtype=object)


def _may_be_future(checked: CheckedTable, name: str) -> bool:
    """Contacts may be planned ahead; their instants are judged once the status is known."""
    return checked.contract.table == "contacts" and name == "sent_at" and "status" in checked.frame.columns


def _read_level(
    given: pd.Series, name: str, levels: Sequence[Any] | None, faults: Faults
) -> tuple[dict[str, Any], NDArray[np.bool_]]:
    if levels is None:
        return {name: given}, np.asarray(given.isna().to_numpy(dtype=bool))
    codes, missing, unknown = cells.read_levels(given, levels, name)
    for value in pd.unique(given[unknown]):
        close = get_close_matches(str(value).strip().lower(), [str(level) for level in levels], n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        shown = ", ".join(map(str, levels[:14])) + (", ..." if len(levels) > 14 else "")
        faults.add(
            unknown & np.asarray((given == value).fillna(value=False).to_numpy(dtype=bool)),
            name,
            "unknown_level",
            f"is not a known {name}",
            f"Use one of: {shown}.{hint}",
            given,
        )
    typed = pd.Series(list(levels)).convert_dtypes() if missing.any() or unknown.any() else pd.Series(list(levels))
    return {name: typed.reindex(codes).reset_index(drop=True)}, missing
