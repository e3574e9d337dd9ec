"""Reversals: a negative amount takes back what the account paid last; what is left of a payment was paid."""

from __future__ import annotations

import numpy as np

from recommender.history.contract_check import CheckedTable, keep_rows

__all__ = ["take_back"]


def take_back(payments: CheckedTable | None, notes: list[str]) -> None:
    """Net reversals against earlier payments of their account, the latest first.

    A payment that was taken back whole never was: 50,000 and then -50,000 is not paid. Known at once, so a feature of
    the days between does not see the payment that bounced.

    Parameters
    ----------
    payments : CheckedTable or None
        ``account_id`` as codes, ``paid_at``, ``amount_minor``. A reversal of more than was paid goes into quarantine.
    notes : list of str
        Told how many there were.
    """
    if payments is None:
        return
    frame = payments.frame
    amount = frame["amount_minor"].to_numpy(dtype=np.float64).copy()
    reversal = amount < 0
    if not reversal.any():
        return
    account = frame["account_id"].to_numpy()
    at = frame["paid_at"].dt.as_unit("us").astype("int64").to_numpy()
    rows = np.flatnonzero(np.isin(account, account[reversal]))
    # In time; of one instant the payment comes before what takes it back.
    rows = rows[np.lexsort((amount[rows] < 0, at[rows], account[rows]))]
    unmatched = np.zeros(len(frame), dtype=bool)
    open_payments: list[int] = []
    owner = None
    for row in rows.tolist():
        if account[row] != owner:
            owner, open_payments = account[row], []
        if not reversal[row]:
            open_payments.append(row)
            continue
        owed = -amount[row]
        while owed > 0 and open_payments:
            taken = min(owed, amount[open_payments[-1]])
            amount[open_payments[-1]] -= taken
            owed -= taken
            if amount[open_payments[-1]] <= 0:
                open_payments.pop()
        unmatched[row] = owed > 0
    frame = frame.assign(amount_minor=amount)
    payments.frame = frame
    payments.drop(
        unmatched,
        "amount_minor",
        "negative_amount",
        "takes back more than the account had paid before",
        "Give the payments that it reverses, with their instants.",
    )
    payments.frame = keep_rows(payments.frame, payments.frame["amount_minor"].to_numpy(dtype=np.float64) > 0)
    notes.append(f"{int(reversal.sum()):,} payments are negative: they took earlier ones back.")
