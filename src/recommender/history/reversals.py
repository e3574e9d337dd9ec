"""Reversals: a negative amount takes back the earlier payment of the account that it equals."""

from __future__ import annotations

import numpy as np

from recommender.history.contract_check import CheckedTable, keep_rows

__all__ = ["take_back"]


def take_back(payments: CheckedTable | None, notes: list[str]) -> None:
    """Take out reversals together with the payments of their account that they take back, the latest of equal ones.

    50,000 and then -50,000 is not paid. A negative amount that equals no earlier payment may as well be a wrong sign:
    nobody knows what was paid, which the quarantine says. Known at once, so a feature of the days between does not
    see the payment that bounced.

    Parameters
    ----------
    payments : CheckedTable or None
        ``account_id`` as codes, ``paid_at``, ``amount_minor``.
    notes : list of str
        Told how many there were.
    """
    if payments is None:
        return
    frame = payments.frame
    amount = frame["amount_minor"].to_numpy(dtype=np.float64)
    reversal = amount < 0
    if not reversal.any():
        return
    account = frame["account_id"].to_numpy()
    at = frame["paid_at"].dt.as_unit("us").astype("int64").to_numpy()
    rows = np.flatnonzero(np.isin(account, account[reversal]))
    # In time; of one instant the payment comes before what takes it back.
    rows = rows[np.lexsort((amount[rows] < 0, at[rows], account[rows]))]
    unmatched, gone = np.zeros(len(frame), dtype=bool), np.zeros(len(frame), dtype=bool)
    open_payments: dict[float, list[int]] = {}
    owner = None
    for row in rows.tolist():
        if account[row] != owner:
            owner, open_payments = account[row], {}
        if not reversal[row]:
            open_payments.setdefault(amount[row], []).append(row)
        elif equal := open_payments.get(-amount[row]):
            gone[[row, equal.pop()]] = True
        else:
            unmatched[row] = True
    kept = ~gone[~unmatched]
    payments.drop(
        unmatched,
        "amount_minor",
        "negative_amount",
        "is negative and equals no earlier payment of the account",
        "Correct the sign, or give the payment that it takes back with its instant.",
    )
    payments.frame = keep_rows(payments.frame, kept)
    notes.append(f"{int(gone.sum()) // 2:,} payments were taken back by a negative one.")
