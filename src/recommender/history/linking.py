"""The five raw tables together: each against its contract, then against each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.actions import NO_CONTACT, ActionSpace
from recommender.errors import InvalidInput
from recommender.history.contract_check import CheckedTable, check_table
from recommender.history.quarantine import join_quarantines
from recommender.tables import CONTRACTS

__all__ = ["RawTables", "check_tables"]

_CLEAR_MAJORITY = 0.75


@dataclass
class RawTables:
    """Clean tables that refer to each other, and what was set aside.

    Attributes
    ----------
    tables : dict of str to CheckedTable
        Those that were given.
    currency : str or None
    notes : list of str
    """

    tables: dict[str, CheckedTable]
    currency: str | None = None
    notes: list[str] = field(default_factory=list)

    def frame(self, table: str) -> pd.DataFrame | None:
        """Clean rows of a table, None where it was not given."""
        return self.tables[table].frame if table in self.tables else None

    @property
    def quarantine(self) -> pd.DataFrame:
        """Rows in quarantine of all tables."""
        return join_quarantines(checked.faults.frame() for checked in self.tables.values())

    def counts(self) -> pd.DataFrame:
        """Rows given, used and in quarantine, a line a table."""
        rows = [
            (name, checked.n_given, len(checked.frame), int(checked.faults.bad.sum()))
            for name, checked in self.tables.items()
        ]
        return pd.DataFrame(rows, columns=["table", "given", "clean", "quarantined"])


def check_tables(
    given: Mapping[str, pd.DataFrame | None],
    *,
    actions: ActionSpace,
    as_of: pd.Timestamp,
    naive_timezone: str | None = None,
    currency: str | None = None,
    rates: Mapping[str, float] | None = None,
) -> RawTables:
    """Check every table, then what refers across tables.

    Parameters
    ----------
    given : mapping of table name to DataFrame or None
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
    channels = actions.factors.get("channel", ())
    levels = dict(actions.factors)
    tables = {}
    for name, frame in given.items():
        if frame is None:
            continue
        prepared = (
            _name_no_contact(frame, actions) if name == "decisions" and isinstance(frame, pd.DataFrame) else frame
        )
        tables[name] = check_table(
            prepared,
            CONTRACTS[name],
            as_of=as_of,
            levels=levels if name in ("decisions", "contacts") else None,
            channels=channels,
            naive_timezone=naive_timezone,
        )
    raw = RawTables(tables, notes=[note for checked in tables.values() for note in checked.notes])
    _agree_on_ids(tables)
    _check_money(raw, currency, rates or {})
    _check_contacts(raw, as_of)
    _check_decisions(raw, actions)
    _check_references(raw)
    _check_outcomes(raw)
    return raw


def _name_no_contact(frame: pd.DataFrame, actions: ActionSpace) -> pd.DataFrame:
    """Rows that say ``NO_CONTACT`` in an action or factor column get null factors."""
    factors = [name for name in actions.factors if name in frame.columns]
    said = np.zeros(len(frame), dtype=bool)
    for name in ("action", *factors):
        if name in frame.columns and not pd.api.types.is_numeric_dtype(frame[name].dtype):
            said |= (frame[name] == NO_CONTACT).fillna(value=False).to_numpy(dtype=bool)
    if not said.any():
        return frame
    frame = frame.copy(deep=False)
    for name in factors:
        frame[name] = frame[name].astype(object).mask(said, None)
    return frame


def _agree_on_ids(tables: Mapping[str, CheckedTable]) -> None:
    """Give ids that refer to each other one type: integers only where every table has integers."""
    for name in ("account_id", "contact_id", "decision_id", "debtor_id"):
        holders = [checked for checked in tables.values() if name in checked.frame]
        kinds = {pd.api.types.is_integer_dtype(checked.frame[name].dtype) for checked in holders}
        for checked in holders:
            if kinds == {True}:
                continue
            checked.frame[name] = checked.frame[name].astype("str").where(checked.frame[name].notna())
            if name in checked.raw_ids:
                checked.raw_ids[name] = checked.raw_ids[name].astype("str")


def _check_money(raw: RawTables, currency: str | None, rates: Mapping[str, float]) -> None:
    """One currency: convert by rates, set a few others aside, refuse a real mix."""
    counted = [
        raw.tables[name].frame["currency"].value_counts()
        for name in ("payments", "accounts")
        if name in raw.tables and "currency" in raw.tables[name].frame
    ]
    if not counted:
        raw.currency = currency
        if currency is None:
            raw.notes.append("No currency column: all amounts are taken to be in one currency.")
        return
    counts = pd.concat(counted, axis=1).fillna(0).sum(axis=1).sort_values(ascending=False, kind="stable")
    if not len(counts):
        raw.currency = currency
        return
    main = currency or str(counts.index[0])
    others = {code: int(count) for code, count in counts.items() if code != main and code not in rates}
    if currency is None and counts[main] < _CLEAR_MAJORITY * (counts[main] + sum(others.values())):
        raise InvalidInput.in_column(
            "currency",
            "mixes currencies, and amounts of different currencies cannot be added",
            values=[f"{code}: {count:,} rows" for code, count in [(main, int(counts[main])), *others.items()]],
            mend="Pass currency=... to keep one, rates={...} to convert, or train one strategy a currency.",
        )
    raw.currency = main
    for name, amounts in (("payments", "amount_minor"), ("accounts", "balance_minor")):
        if name not in raw.tables or "currency" not in raw.tables[name].frame:
            continue
        checked = raw.tables[name]
        held = checked.frame["currency"]
        factor = held.map({**rates, main: 1.0}).astype("float64").fillna(1.0).to_numpy()
        if amounts in checked.frame and (factor != 1.0).any():
            checked.frame[amounts] = np.rint(checked.frame[amounts].to_numpy(dtype=np.float64) * factor)
            checked.frame["currency"] = held.where(held.isna() | ~held.isin(list(rates)), main)
        foreign = (held.notna() & ~held.isin([main, *rates])).to_numpy(dtype=bool)
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
        ids = checked.frame[column]
        nowhere = (ids.notna() & ~ids.isin(raw.tables[target].raw_ids[column])).to_numpy(dtype=bool)
        checked.drop(
            nowhere,
            column,
            f"unknown_{column.removesuffix('_id')}",
            f"is not in table {target!r}",
            f"Export {target} in full, or correct the id.",
        )
    if "accounts" in raw.tables:
        quarantine = raw.tables["accounts"].faults
        foreign = quarantine.frame()
        gone = set(foreign.loc[foreign["rule"] == "other_currency", "key"])
        gone -= set(raw.tables["accounts"].frame["account_id"].astype(str))
        if gone:
            for table in ("decisions", "contacts", "payments"):
                if table in raw.tables:
                    checked = raw.tables[table]
                    theirs = checked.frame["account_id"].astype(str).isin(gone).to_numpy(dtype=bool)
                    checked.drop(
                        theirs, "account_id", "cascade",
                        "belongs to an account in another currency", "Train one strategy a currency.",
                    )  # fmt: skip


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
    ids = checked.frame["contact_id"]
    checked.drop(
        (~ids.isin(contacts.raw_ids["contact_id"])).to_numpy(dtype=bool),
        "contact_id",
        "unknown_contact",
        "is not in table 'contacts'",
        "Export contacts in full, or correct the id.",
    )
    row = _position(contacts.frame["contact_id"], checked.frame["contact_id"])
    checked.drop(
        row < 0, "contact_id", "cascade", "belongs to a contact that is in quarantine", "Mend the contact first."
    )
    row = _position(contacts.frame["contact_id"], checked.frame["contact_id"])
    if len(row):
        early = checked.frame["occurred_at"].to_numpy() < contacts.frame["sent_at"].to_numpy()[row]
        checked.drop(
            early, "occurred_at", "before_its_contact", "lies before the contact was sent",
            "Check the clocks and time zones of the two systems.",
        )  # fmt: skip


def _position(ids: pd.Series, wanted: pd.Series) -> NDArray[np.int64]:
    """Position of each wanted id in ``ids``, -1 where it is not there."""
    return np.asarray(pd.Index(ids).get_indexer(pd.Index(wanted)), dtype=np.int64)
