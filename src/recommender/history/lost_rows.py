"""Payments, outcomes and contacts in quarantine: where one may have counted, nothing is taken for certain."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.history.contract_check import CheckedTable
from recommender.local_time import DAY_US

__all__ = ["LostRows"]

_EVER = 2**62
_WIDEST_OFFSET_US = 14 * DAY_US // 24  # a clock without its zone is at most this far from UTC
_NO_INSTANT = ("before_its_contact",)  # readable, but told wrong: it happened some other time


@dataclass(frozen=True, eq=False)
class LostRows:
    """Quarantined rows that happened all the same; an exact repeat is no loss, its first copy counts.

    Attributes
    ----------
    payments : DataFrame
        ``account_id``, and the span in microseconds since 1970 in which the payment may lie (``earliest``, ``latest``):
        all of time where its instant cannot be told.
    outcomes : DataFrame
        ``contact_id``, the span, and ``outcome``: missing where the word cannot be told.
    contacts : DataFrame
        ``contact_id``, ``account_id``, ``decision_id``, the span, and ``astray``: the decision that the contact names
        is not in the decisions table.
    n_orphans : int
        Quarantined outcomes that name no contact of the contacts table: whose they are nobody can tell.
    """

    payments: pd.DataFrame
    outcomes: pd.DataFrame
    contacts: pd.DataFrame
    n_orphans: int = 0

    @classmethod
    def of(cls, tables: Mapping[str, CheckedTable], raw_codes: Mapping[tuple[str, str], NDArray[np.int64]]) -> LostRows:
        """Collect them from checked tables and the id codes of all rows, quarantined ones included."""
        payments = _lost(tables, raw_codes, "payments", "account_id")
        outcomes = _lost(tables, raw_codes, "outcomes", "contact_id")
        known = np.zeros(len(outcomes), dtype=bool)
        if len(outcomes) and "contacts" in tables:
            known = np.isin(outcomes["contact_id"], raw_codes["contacts", "contact_id"])
        contacts = _lost(tables, raw_codes, "contacts", "contact_id", "account_id", "decision_id")
        decided = raw_codes.get(("decisions", "decision_id"), np.zeros(0, dtype=np.int64))
        contacts["astray"] = (contacts["decision_id"] >= 0) & ~np.isin(contacts["decision_id"], decided)
        known &= outcomes["contact_id"].to_numpy() >= 0
        return cls(
            payments.loc[payments["account_id"] >= 0].reset_index(drop=True),
            outcomes.loc[known].reset_index(drop=True),
            contacts,
            int((~known).sum()),
        )

    def may_have_paid(
        self, account: pd.Series, decided: NDArray[np.int64], window: int, group_of: pd.Series | None
    ) -> NDArray[np.bool_]:
        """Where a lost payment of the account (of the group, if given) may lie in ``[decided, decided + window)``."""
        payer = self.payments["account_id"]
        if group_of is not None:
            account = account.map(group_of).fillna(account)
            payer = payer.map(group_of).fillna(payer)
        near = np.flatnonzero(account.isin(payer).to_numpy(dtype=bool))
        asked = pd.DataFrame({"who": account.to_numpy()[near], "row": near})
        return _may_fall_in(asked, self.payments.assign(who=payer), decided, window)

    def may_have_happened(
        self, decision_of: pd.DataFrame, decided: NDArray[np.int64], window: int, outcomes: Collection[str]
    ) -> NDArray[np.bool_]:
        """Where a lost outcome that may be one of ``outcomes`` may lie in ``[decided, decided + window)``.

        ``decision_of`` pairs each ``contact_id`` with the row of a ``decision`` that it carried out, or may have.
        """
        outcome = self.outcomes["outcome"]
        lost = self.outcomes.loc[outcome.isna() | outcome.isin(list(outcomes))]
        asked = decision_of.loc[decision_of["contact_id"].isin(lost["contact_id"]) & (decision_of["decision"] >= 0)]
        asked = asked.rename(columns={"contact_id": "who", "decision": "row"})
        return _may_fall_in(asked, lost.rename(columns={"contact_id": "who"}), decided, window)


def _lost(
    tables: Mapping[str, CheckedTable],
    raw_codes: Mapping[tuple[str, str], NDArray[np.int64]],
    table: str,
    *ids: str,
) -> pd.DataFrame:
    """Quarantined rows of a table: whose they are, and as far as they can be told, their instant and outcome."""
    checked = tables.get(table)
    if checked is None or checked.told_at is None or checked.naive is None:
        nothing = pd.DataFrame(columns=[*ids, "earliest", "latest"], dtype=np.int64)
        return nothing.assign(outcome=None)
    faults = checked.faults.frame()
    faults = faults.loc[faults["rule"] != "duplicate_row"]
    rows = faults["row"].to_numpy(dtype=np.int64)
    instants = checked.told_at.iloc[rows]
    known = instants.notna().to_numpy(dtype=bool) & ~faults["rule"].isin(_NO_INSTANT).to_numpy(dtype=bool)
    instant = instants.dt.as_unit("us").astype("int64").to_numpy()
    slack = np.where(checked.naive[rows], _WIDEST_OFFSET_US, 0)
    codes_of = {name: raw_codes.get((table, name)) for name in ids}
    columns: dict[str, Any] = {name: -1 if codes is None else codes[rows] for name, codes in codes_of.items()}
    columns |= {
        "earliest": np.where(known, instant - slack, -_EVER),
        "latest": np.where(known, instant + slack, _EVER),
        "outcome": None if checked.told_outcome is None else checked.told_outcome.iloc[rows].to_numpy(dtype=object),
    }
    return pd.DataFrame(columns, index=range(len(rows)))


def _may_fall_in(asked: pd.DataFrame, lost: pd.DataFrame, decided: NDArray[np.int64], window: int) -> NDArray[np.bool_]:
    """Decisions (``row``) of which a lost row of the same ``who`` may lie in the window."""
    touched = np.zeros(len(decided), dtype=bool)
    pairs = asked.merge(lost[["who", "earliest", "latest"]], on="who")
    opens = decided[pairs["row"].to_numpy(dtype=np.int64)]
    inside = (pairs["latest"].to_numpy() >= opens) & (pairs["earliest"].to_numpy() < opens + window)
    touched[pairs["row"].to_numpy(dtype=np.int64)[inside]] = True
    return touched
