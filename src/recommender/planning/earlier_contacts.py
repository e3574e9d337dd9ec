"""What a plan holds already when it asks for a further contact of a debtor: the law and the clock count it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.deciding import planned_contact

__all__ = ["EarlierContacts", "values_name"]

_HOUR_US = 3_600_000_000


def values_name(round_: int) -> str:
    """Name of the file with the values of a round."""
    return "values.f32" if round_ == 1 else f"values-{round_}.f32"


@dataclass(frozen=True)
class EarlierContacts:
    """Contacts of the rounds before.

    Attributes
    ----------
    contacts : DataFrame
        ``account_id``, ``debtor``, ``contact_at`` (UTC), ``channel``.
    round : int
        The round that is asked for, from 2 on.
    """

    contacts: pd.DataFrame
    round: int

    def joined(self, history: pd.DataFrame | None, accounts: pd.DataFrame) -> pd.DataFrame | None:
        """History of some accounts with what is planned for them; an unknown history stays unknown."""
        if history is None:
            return None
        mine = self.contacts.loc[self.contacts["account_id"].isin(accounts["account_id"].astype("str"))]
        if mine.empty:
            return history
        owner = None
        if "debtor_id" in accounts.columns:
            owner = dict(zip(accounts["account_id"].astype("str"), accounts["debtor_id"], strict=True))
        rows = [
            planned_contact(account, None if owner is None else owner[account], str(channel), when)
            for account, channel, when in zip(mine["account_id"], mine["channel"], mine["contact_at"], strict=True)
        ]
        planned = pd.DataFrame(rows)
        if owner is None:
            planned = planned.drop(columns="debtor_id")
        return planned if history.empty else pd.concat([history, planned], ignore_index=True)

    def unmet(self, debtors: pd.Series) -> NDArray[np.bool_]:
        """Debtors of whom nothing is planned yet."""
        return np.asarray(~debtors.isin(self.contacts["debtor"]), dtype=bool)

    def apart(self, debtors: pd.Series, contact_at: NDArray[np.datetime64], hours_between: float) -> NDArray[np.bool_]:
        """Hours that are far enough after everything planned for the debtor; shape of ``contact_at``.

        Only after it: what is planned was judged without a contact before it, and an answer to one may forbid the next.
        """
        apart = np.ones(contact_at.shape, dtype=bool)
        least = np.timedelta64(round(hours_between * _HOUR_US), "us")
        mine = self.contacts.loc[self.contacts["debtor"].isin(debtors)]
        held = {name: part.dt.tz_convert(None).to_numpy("datetime64[us]") for name, part in
                mine.groupby("debtor")["contact_at"]}  # fmt: skip
        for row, name in enumerate(debtors.tolist()):
            for instant in held.get(name, ()):
                with np.errstate(invalid="ignore"):
                    apart[row] &= contact_at[row] - instant >= least
        return apart
