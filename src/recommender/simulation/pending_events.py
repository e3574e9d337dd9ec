"""What a living world writes down: outcomes, payments and changes of accounts, known only once they have happened."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.tables import OUTCOMES

__all__ = ["Answer", "PendingEvents"]

Ints = NDArray[np.int64]
Instants = NDArray[np.datetime64]


class Answer(NamedTuple):
    """What happened and became known: rows of the raw tables ``outcomes`` and ``payments``."""

    outcomes: pd.DataFrame
    payments: pd.DataFrame


class PendingEvents:
    """Events in the order they are caused; handed over in the order they happen."""

    def __init__(self) -> None:
        self._names: list[tuple[Ints, NDArray[np.object_]]] = []
        self._n_contacts = 0
        self._outcomes: list[pd.DataFrame] = []
        self._payments: list[pd.DataFrame] = []
        self._changes: list[pd.DataFrame] = []

    def number_contacts(self, n: int, names: pd.Series | None) -> Ints:
        """Give contacts running numbers, and names where the caller has none."""
        numbers = self._n_contacts + np.arange(n)
        self._n_contacts += n
        if names is not None:
            self._names.append((numbers, names.astype("str").to_numpy(dtype=object)))
        return numbers

    def contact_ids(self) -> pd.Series:
        """Names of all contacts, by number."""
        ids = "C" + pd.Series(np.arange(self._n_contacts)).astype("str").str.zfill(9)
        if self._names:
            positions = np.concatenate([numbers for numbers, _ in self._names])
            ids.iloc[positions] = np.concatenate([names for _, names in self._names])
        return ids

    def note(self, number: Ints, occurred_at: Instants, outcome: Ints) -> None:
        """Write down rungs that contacts reach, now or later."""
        if len(number):
            moments = occurred_at.astype("datetime64[us]")
            self._outcomes.append(pd.DataFrame({"number": number, "occurred_at": moments, "outcome": outcome}))

    def pay(self, account_id: object, paid_at: Instants, amount_minor: Ints, currency: str) -> None:
        """Write down payments."""
        if len(amount_minor):
            moments = pd.DatetimeIndex(paid_at).tz_localize("UTC")
            self._payments.append(
                pd.DataFrame(
                    {"account_id": account_id, "paid_at": moments, "amount_minor": amount_minor, "currency": currency}
                )
            )

    def change(self, account: Ints, valid_from: Instants, balance_minor: Ints, consented: Ints, flags: Ints) -> None:
        """Write down a new state of accounts; consents and flags as bit sets."""
        moments = np.asarray(valid_from).astype("datetime64[us]")
        self._changes.append(
            pd.DataFrame(
                {
                    "account": account,
                    "valid_from": moments,
                    "balance_minor": balance_minor,
                    "consented": consented,
                    "flags": flags,
                }
            )
        )

    def changes(self) -> pd.DataFrame:
        """All changes, by account and moment; of several at one moment the last."""
        rows = pd.concat(self._changes, ignore_index=True)
        rows = rows.sort_values(["account", "valid_from"], kind="stable")
        return rows.drop_duplicates(["account", "valid_from"], keep="last").reset_index(drop=True)

    def release(self, now: np.datetime64) -> Answer:
        """Hand over, once, what happened before ``now``; what lies ahead stays."""
        noted = _joined(self._outcomes, ("number", "occurred_at", "outcome"))
        known = (noted["occurred_at"].to_numpy() < now) if len(noted) else np.zeros(0, dtype=bool)
        self._outcomes = [noted[~known]] if (~known).any() else []
        outcomes = self._outcome_rows(noted[known])
        payments = _joined(self._payments, ("account_id", "paid_at", "amount_minor", "currency"))
        self._payments = []
        if len(payments):
            payments = payments.sort_values("paid_at", kind="stable", ignore_index=True)
        return Answer(outcomes, payments)

    def _outcome_rows(self, noted: pd.DataFrame) -> pd.DataFrame:
        order = np.lexsort((noted["outcome"], noted["number"], noted["occurred_at"]))
        noted = noted.iloc[order]
        moments = pd.DatetimeIndex(noted["occurred_at"].to_numpy(dtype="datetime64[us]")).tz_localize("UTC")
        return pd.DataFrame(
            {
                "contact_id": self.contact_ids().array.take(noted["number"].to_numpy(dtype=np.int64)),
                "occurred_at": moments,
                "outcome": pd.array(list(OUTCOMES), dtype="str").take(noted["outcome"].to_numpy(dtype=np.int64)),
            }
        )


def _joined(pieces: list[pd.DataFrame], columns: tuple[str, ...]) -> pd.DataFrame:
    return pd.concat(pieces, ignore_index=True) if pieces else pd.DataFrame({name: [] for name in columns})
