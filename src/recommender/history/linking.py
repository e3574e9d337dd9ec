"""The five raw tables together: each against its contract, then against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from recommender.actions import NO_CONTACT, ActionSpace
from recommender.errors import InvalidInput
from recommender.history.contract_check import CheckedTable, check_table
from recommender.history.id_codes import IdCodes, code_ids
from recommender.history.lost_rows import LostRows
from recommender.history.raw_tables import RawTable, RawTables
from recommender.history.reversals import take_back
from recommender.history.told_with_contacts import ToldWithContacts
from recommender.history.usable_tables import check_currency, check_zone, id_hint, refuse_unusable
from recommender.intake import Stated, account_zones, as_frame, country_code, id_keys, id_texts, one_spelling
from recommender.tables import CONTRACTS, contracted_names

__all__ = ["check_tables"]

_ASKED_FOR: dict[str, tuple[str, ...]] = {
    "contacts": (
        "contact_id", "account_id", "decision_id", "sent_at", "channel", "initiated_by", "status", "cost_minor",
    ),
    "outcomes": ("contact_id", "occurred_at", "outcome"),
    "payments": ("account_id", "paid_at", "amount_minor", "currency"),
}  # fmt: skip
"""What is used of tables whose further columns are no context: they tell what came of a contact."""
_NOT_IN_CONTRACT = ("eligible",)
_FEW_KINDS = ("status", "initiated_by", "outcome", "policy_version", "channel")


def check_tables(
    given: Mapping[str, RawTable | None],
    *,
    actions: ActionSpace,
    as_of: pd.Timestamp,
    naive_timezone: str | None = None,
    currency: str | None = None,
    rates: Mapping[str, float] | None = None,
    stated: Stated | None = None,
) -> RawTables:
    """Check every table, then what refers across tables.

    Parameters
    ----------
    given : mapping of table name to DataFrame, to a function that reads one, or to None
        A table that is read here is let go of column by column, so that one table at a time is held twice.
    actions : ActionSpace
        Its levels are the known channels and tones.
    as_of : Timestamp
    naive_timezone : str or None
    currency : str or None
        Currency of the strategy; None = the one of at least three rows in four.
    rates : mapping of currency to float, optional
        Units of ``currency`` that one unit of another is worth; rows in these currencies are converted.

    Raises
    ------
    InvalidInput
        A table that cannot be used, or currencies of which none has a clear majority.
    """
    check_zone(naive_timezone)
    channels = actions.factors.get("channel", ())
    levels = dict(actions.factors)
    tables: dict[str, CheckedTable] = {}
    heard = ToldWithContacts(pd.DataFrame())
    for name in CONTRACTS:  # accounts before what hangs on their clocks, contacts before what came of them
        source = given.get(name)
        frame, renamed = _opened(name, source, levels)
        if name == "outcomes":
            frame = heard.beside(frame, tables.get("contacts"))
        if frame is None:
            continue
        if name == "contacts" and isinstance(frame, pd.DataFrame):
            heard = ToldWithContacts(frame)
        if name == "decisions" and isinstance(frame, pd.DataFrame):
            frame = _name_no_contact(frame, actions)
        tables[name] = check_table(
            frame,
            CONTRACTS[name],
            as_of=as_of,
            levels=levels if name in ("decisions", "contacts") else None,
            channels=channels,
            naive_timezone=naive_timezone,
            consume=callable(source),
            clocks=_Clocks(tables),
            stated=stated,
        )
        tables[name].notes += [f"{name}.{old} was read as {new}." for old, new in renamed.items()]
        _slim(tables[name], levels, decided=given.get("decisions") is not None)
    refuse_unusable(tables.values())
    raw = RawTables(tables, notes=[note for checked in tables.values() for note in checked.notes])
    _agree_on_ids(raw)
    _check_money(raw, currency, rates or {})
    _check_contacts(raw, as_of)
    _check_decisions(raw, actions)
    _check_references(raw)
    _check_outcomes(raw)
    take_back(raw.tables, raw.notes)
    refuse_unusable(tables.values())
    raw.lost = LostRows.of(raw.tables, raw.raw_codes)
    raw.raw_codes = {}
    for checked in raw.tables.values():
        checked.told_at = checked.naive = checked.told_outcome = None
    return raw


def _opened(name: str, source: RawTable | None, levels: Mapping[str, Sequence[Any]]) -> tuple[Any, dict[str, str]]:
    """A raw table under the contract's names, and which of its columns were called otherwise."""
    frame: Any = source() if callable(source) else source
    if hasattr(frame, "__arrow_c_stream__") or hasattr(frame, "collect"):  # Polars, Arrow, DuckDB
        frame = as_frame(frame)
    if not isinstance(frame, pd.DataFrame):
        return frame, {}
    renamed = contracted_names(frame.columns, (*CONTRACTS[name].names, *_NOT_IN_CONTRACT, *levels))
    return frame.rename(columns=renamed) if renamed else frame, renamed


@dataclass(frozen=True)
class _Clocks:
    """Zone of each row of a table: that of its account, where the accounts were read before."""

    tables: Mapping[str, CheckedTable]

    def __call__(self, owners: pd.DataFrame) -> pd.Series:
        """Zones of rows by their ``account_id`` or ``contact_id``, else by their own ``timezone`` and ``country``."""
        if "accounts" not in self.tables:
            told = {
                name: one_spelling(owners[name], "accounts", name) for name in ("country", "timezone") if name in owners
            }
            return account_zones(pd.DataFrame(told, index=range(len(owners))))
        accounts = self.tables["accounts"]
        frame = accounts.frame
        zones = account_zones(frame.assign(country=frame["country"].map(country_code, na_action="ignore"))
                              if "country" in frame else frame)  # fmt: skip
        ids = accounts.raw_ids["account_id"].iloc[frame["_position"].to_numpy()]
        zone_of = pd.Series(zones.to_numpy(), index=id_keys(id_texts(ids)))
        zone_of = zone_of[~zone_of.index.duplicated(keep="last")]
        only = zone_of.dropna().unique()
        if len(only) == 1 and zone_of.notna().all():
            return pd.Series(np.full(len(owners), only[0], dtype=object))
        if "account_id" in owners:
            account = id_keys(id_texts(owners["account_id"]))
        elif "contact_id" in owners and "contacts" in self.tables:
            contacts = self.tables["contacts"].raw_ids
            of = pd.Series(id_keys(id_texts(contacts["account_id"])), index=id_keys(id_texts(contacts["contact_id"])))
            of = of[of.index.notna() & ~of.index.duplicated()]
            account = pd.Series(id_keys(id_texts(owners["contact_id"]))).map(of).to_numpy()
        else:
            return pd.Series([None] * len(owners), dtype=object)
        return pd.Series(account).map(zone_of).astype(object)


def _slim(checked: CheckedTable, factors: Mapping[str, Sequence[Any]], *, decided: bool) -> None:
    """Let go of what nobody asks for, and hold text of few kinds as categories."""
    table = checked.contract.table
    if table in _ASKED_FOR:
        asked = (*_ASKED_FOR[table], "_position", *(() if decided else factors))
        checked.frame = checked.frame[[name for name in checked.frame if name in asked]]
    repeating = _FEW_KINDS if decided else _FEW_KINDS[:-1]  # without decisions the contacts' factors are the action
    for name in (*repeating, *(factors if table == "decisions" else ())):
        if name in checked.frame and pd.api.types.is_string_dtype(checked.frame[name].dtype):
            checked.text_dtypes[name] = checked.frame[name].dtype
            checked.frame[name] = checked.frame[name].astype("category")
    pa.default_memory_pool().release_unused()


def _name_no_contact(frame: pd.DataFrame, actions: ActionSpace) -> pd.DataFrame:
    """Rows that say ``NO_CONTACT`` in an action or factor column get null factors."""
    factors = [name for name in actions.factors if name in frame.columns]
    said = np.zeros(len(frame), dtype=bool)
    for name in ("action", *factors):
        if name in frame.columns and not pd.api.types.is_numeric_dtype(frame[name].dtype):
            words = [word for word in frame[name].unique() if str(word).strip().upper() == NO_CONTACT]
            said |= frame[name].isin(words).to_numpy(dtype=bool)
    if not said.any():
        return frame
    frame = frame.copy(deep=False)
    for name in factors:
        frame[name] = frame[name].astype(object).mask(said, None)
    return frame


def _agree_on_ids(raw: RawTables) -> None:
    """Give ids that refer to each other one type and one code: integers only where every table has integers."""
    whole: set[str] = set()
    for kind in (("account_id", "debtor_id"), ("contact_id",), ("decision_id",)):
        holders = [(name, checked) for checked in raw.tables.values() for name in kind if name in checked.raw_ids]
        if not holders:
            continue
        columns = [checked.raw_ids.pop(name) for name, checked in holders]
        for name in kind:
            dtypes = [column.dtype for (key, _), column in zip(holders, columns, strict=True) if key == name]
            if dtypes and all(pd.api.types.is_integer_dtype(dtype) for dtype in dtypes):
                whole.add(name)
        if not all(name in whole for name, _ in holders):
            # Text stays as it is: a copy of the ids of every table was the peak of long logs.
            columns = [
                column if isinstance(column.dtype, pd.StringDtype) else column.astype("str").where(column.notna())
                for column in columns
            ]
        ids, codes = code_ids(columns)
        del columns
        pa.default_memory_pool().release_unused()
        for (name, checked), code in zip(holders, codes, strict=True):
            table = checked.contract.table
            raw.ids[name] = checked.ids[name] = ids
            raw.raw_codes[table, name] = code
            checked.frame[name] = code[checked.frame["_position"].to_numpy()]
            if name == checked.contract.key[0] and pd.api.types.is_string_dtype(checked.faults.keys.dtype):
                # The ids are held once: the quarantine names its rows from there.
                checked.faults.keys, checked.faults.ids = pd.Series(code.astype(np.int32)), ids
    if "accounts" in raw.tables and "debtor_id" in raw.tables["accounts"].frame:
        accounts = raw.tables["accounts"].frame
        alone = accounts["debtor_id"] < 0
        if alone.any():
            accounts["debtor_id"] = accounts["debtor_id"].mask(alone, accounts["account_id"])
            whole -= set() if "account_id" in whole else {"debtor_id"}
    raw.whole = frozenset(whole)


def _check_money(raw: RawTables, currency: str | None, rates: Mapping[str, float]) -> None:
    """One currency: convert by rates, set a few others aside, refuse a real mix."""
    counted: dict[str, pd.Series] = {
        name: raw.tables[name].frame["currency"].value_counts()
        for name in ("payments", "accounts")
        if name in raw.tables and "currency" in raw.tables[name].frame
    }
    if not counted:
        raw.currency = currency
        if currency is None:
            raw.notes.append("No currency column: all amounts are taken to be in one currency.")
        return
    raw.currency = main = check_currency(counted, currency, rates)
    if main is None:
        return
    for name, amounts in (("payments", "amount_minor"), ("accounts", "balance_minor")):
        if name not in raw.tables or "currency" not in raw.tables[name].frame:
            continue
        checked = raw.tables[name]
        codes = checked.frame["currency"]
        factor = codes.map({**rates, main: 1.0}).astype("float64").fillna(1.0).to_numpy()
        if amounts in checked.frame and (factor != 1.0).any():
            checked.frame[amounts] = np.rint(checked.frame[amounts].to_numpy(dtype=np.float64) * factor)
            checked.frame["currency"] = codes.where(codes.isna() | ~codes.isin(list(rates)), main)
        foreign = (codes.notna() & ~codes.isin([main, *rates])).to_numpy(dtype=bool)
        checked.drop(
            foreign,
            "currency",
            "other_currency",
            f"is not in {main}, the currency of this strategy",
            "Pass rates={...} to convert it, or train one strategy a currency.",
        )


def _check_contacts(raw: RawTables, as_of: pd.Timestamp) -> None:
    """Only sent contacts happened; what is planned is left aside without a fault."""
    if "contacts" not in raw.tables:
        return
    checked = raw.tables["contacts"]
    planned = (
        (checked.frame["status"] == "planned").fillna(value=False).to_numpy(dtype=bool)
        if "status" in checked.frame
        else np.zeros(len(checked.frame), dtype=bool)
    )
    checked.drop(
        (checked.frame["sent_at"] > as_of).to_numpy(dtype=bool) & ~planned,
        "sent_at",
        "after_as_of",
        f"lies after as_of ({as_of.isoformat()}) although the contact is not planned",
        "Correct the instant, or move as_of if the table is newer.",
    )
    if planned.any():
        raw.notes.append(f"{int(planned.sum()):,} planned contacts were not sent and play no part.")
    if "channel" not in checked.frame:
        checked.frame["channel"] = None
        raw.notes.append("contacts has no channel column: fatigue is counted over all channels together.")


def _check_decisions(raw: RawTables, actions: ActionSpace) -> None:
    """Every factor has a level, or none has and the row is ``NO_CONTACT``."""
    if "decisions" not in raw.tables:
        return
    checked = raw.tables["decisions"]
    if missing := [name for name in actions.factors if name not in checked.frame]:
        raise InvalidInput.missing_columns(missing, checked.frame.columns.tolist(), role="table 'decisions', factors")
    for name in actions.factors:
        null = checked.frame[list(actions.factors)].isna()
        alone = null.all(axis=1).to_numpy(dtype=bool) & actions.no_contact
        checked.drop(
            null[name].to_numpy(dtype=bool) & ~alone,
            name,
            "missing",
            "has no level although it is an action factor",
            "Fill it; only a decision with every factor empty means NO_CONTACT"
            + ("." if actions.no_contact else ", and this ActionSpace has no NO_CONTACT."),
        )


def _check_references(raw: RawTables) -> None:
    """Ids that point nowhere; an id whose row is in quarantine does exist."""
    pointers = [
        ("decisions", "account_id", "accounts"),
        ("contacts", "account_id", "accounts"),
        ("payments", "account_id", "accounts"),
        ("contacts", "decision_id", "decisions"),
    ]
    for table, column, target in pointers:
        if table not in raw.tables or target not in raw.tables or column not in raw.tables[table].frame:
            continue
        checked = raw.tables[table]
        exists = np.zeros(len(raw.ids[column].ids) + 1, dtype=bool)  # the last place is that of -1: a missing id
        exists[raw.raw_codes[target, column]] = True
        exists[-1] = True
        _drop_unknown(checked, column, target, exists, raw.ids[column])
    if "accounts" in raw.tables:
        accounts = raw.tables["accounts"]
        foreign = accounts.faults.frame()
        rows = foreign.loc[foreign["rule"] == "other_currency", "row"].to_numpy(dtype=np.int64)
        gone = np.setdiff1d(raw.raw_codes["accounts", "account_id"][rows], accounts.frame["account_id"].to_numpy())
        for table in ("decisions", "contacts", "payments") if gone.size else ():
            if table in raw.tables:
                checked = raw.tables[table]
                checked.drop(
                    np.isin(checked.frame["account_id"].to_numpy(), gone), "account_id", "cascade",
                    "belongs to an account in another currency", "Train one strategy a currency.",
                )  # fmt: skip


def _drop_unknown(checked: CheckedTable, column: str, target: str, exists: NDArray[np.bool_], ids: IdCodes) -> None:
    """Set aside rows whose id is not in the table that it points to; ``exists`` has a place more, for a missing id."""
    codes = checked.frame[column].to_numpy()
    unknown = ~exists[codes]
    hint = id_hint(codes[unknown], exists[:-1], ids, target) if unknown.any() else ""
    checked.drop(
        unknown,
        column,
        f"unknown_{column.removesuffix('_id')}",
        f"is not in table {target!r}",
        f"Export {target} in full, or correct the id.{hint}",
    )


def _check_outcomes(raw: RawTables) -> None:
    """Outcomes of unknown, quarantined or unsent contacts, and outcomes before their contact."""
    if "outcomes" not in raw.tables:
        return
    if "contacts" not in raw.tables:
        raise InvalidInput(
            "Outcomes were given without contacts, and they are joined by contact_id.",
            column="contacts",
            mend="Pass the contacts table too.",
        )
    checked, contacts = raw.tables["outcomes"], raw.tables["contacts"]
    exists = np.zeros(len(raw.ids["contact_id"].ids) + 1, dtype=bool)
    exists[raw.raw_codes["contacts", "contact_id"]] = True
    exists[-1] = False
    _drop_unknown(checked, "contact_id", "contacts", exists, raw.ids["contact_id"])
    row = np.full(len(exists), -1, dtype=np.int64)
    row[contacts.frame["contact_id"].to_numpy()] = np.arange(len(contacts.frame))
    checked.drop(
        row[checked.frame["contact_id"].to_numpy()] < 0,
        "contact_id", "cascade", "belongs to a contact that is in quarantine", "Mend the contact first.",
    )  # fmt: skip
    sent_at = _micros(contacts.frame["sent_at"])[row[checked.frame["contact_id"].to_numpy()]]
    checked.drop(
        _micros(checked.frame["occurred_at"]) < sent_at, "occurred_at", "before_its_contact",
        "lies before the contact was sent", "Check the clocks and time zones of the two systems.",
    )  # fmt: skip


def _micros(instants: pd.Series) -> NDArray[np.int64]:
    return np.asarray(instants.dt.as_unit("us").astype("int64").to_numpy())
