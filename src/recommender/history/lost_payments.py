"""Payments that lie in quarantine: whom they may have counted for, so that nobody is taken to have paid nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.history.linking import RawTables
from recommender.local_time import DAY_US

__all__ = ["LostPayments"]

_EVER = 2**62
_WIDEST_OFFSET_US = 14 * DAY_US // 24  # a clock without its zone is at most this far from UTC


@dataclass(frozen=True, eq=False)
class LostPayments:
    """Quarantined payments by account and the span in which each may lie.

    Attributes
    ----------
    account : ndarray of int64
    earliest, latest : ndarray of int64
        Microseconds since 1970; all of time where the instant cannot be told.
    """

    account: NDArray[np.int64]
    earliest: NDArray[np.int64]
    latest: NDArray[np.int64]

    @classmethod
    def of(cls, raw: RawTables) -> LostPayments:
        """Quarantined payments of known accounts; an exact repeat is no loss, its first copy counts."""
        nothing = np.zeros(0, dtype=np.int64)
        checked = raw.tables.get("payments")
        if checked is None or checked.told_at is None or checked.naive is None or not checked.faults.bad.any():
            return cls(nothing, nothing, nothing)
        faults = checked.faults.frame()
        rows = faults.loc[faults["rule"] != "duplicate_row", "row"].to_numpy(dtype=np.int64)
        rows = rows[raw.raw_codes["payments", "account_id"][rows] >= 0]
        told = checked.told_at.iloc[rows]
        known = told.notna().to_numpy(dtype=bool)
        instant = told.dt.as_unit("us").astype("int64").to_numpy()
        slack = np.where(checked.naive[rows], _WIDEST_OFFSET_US, 0)
        return cls(
            raw.raw_codes["payments", "account_id"][rows],
            np.where(known, instant - slack, -_EVER),
            np.where(known, instant + slack, _EVER),
        )

    def __len__(self) -> int:
        """Count them."""
        return len(self.account)

    def may_fall_in(
        self, account: pd.Series, decided: NDArray[np.int64], window: int, group_of: pd.Series | None
    ) -> NDArray[np.bool_]:
        """Where a lost payment of the account (of the group, if given) may lie in ``[decided, decided + window)``."""
        touched = np.zeros(len(account), dtype=bool)
        payer = pd.Series(self.account)
        if group_of is not None:
            account = account.map(group_of).fillna(account)
            payer = payer.map(group_of).fillna(payer)
        near = np.flatnonzero(account.isin(payer).to_numpy(dtype=bool))
        if near.size:
            lost = pd.DataFrame({"who": payer, "earliest": self.earliest, "latest": self.latest})
            asked = pd.DataFrame({"who": account.to_numpy()[near], "at": decided[near], "row": near})
            pairs = asked.merge(lost, on="who")
            inside = (pairs["latest"] >= pairs["at"]) & (pairs["earliest"] < pairs["at"] + window)
            touched[pairs.loc[inside, "row"].to_numpy()] = True
        return touched
