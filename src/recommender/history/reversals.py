"""Reversals: a negative amount, or an outcome that tells of one, takes back an earlier payment of the account."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.history.contract_check import CheckedTable, keep_rows
from recommender.intake import taken_back
from recommender.tables import REACHED_BY

__all__ = ["take_back"]


def take_back(tables: Mapping[str, CheckedTable], notes: list[str]) -> None:
    """Take out payments that were taken back, with what took them back; see :func:`recommender.intake.taken_back`.

    50,000 and then -50,000 is not paid, nor is 50,000 whose contact later has the outcome ``payment_reversed``, nor an
    outcome ``paid`` before it. A negative amount that equals no earlier payment may as well be a wrong sign: nobody
    knows what was paid, which the quarantine says. Known at once, so a feature of the days between does not see the
    payment that bounced.

    Parameters
    ----------
    tables : mapping of str to CheckedTable
        ``payments``: ``account_id`` as codes, ``paid_at``, ``amount_minor``; ``outcomes`` of known ``contacts``.
    notes : list of str
        Told how many there were.
    """
    told = _told(tables)
    if (payments := tables.get("payments")) is not None:
        _take_back_payments(payments, told, notes)
    if told:
        _take_back_outcomes(tables, told, notes)


def _told(tables: Mapping[str, CheckedTable]) -> dict[int, list[int]]:
    """Instants at which outcomes tell of a reversal, by account."""
    if "outcomes" not in tables or "contacts" not in tables:
        return {}
    frame = tables["outcomes"].frame
    rows = np.flatnonzero((frame["outcome"] == "payment_reversed").to_numpy(dtype=bool))
    told: dict[int, list[int]] = {}
    for account, at in zip(_owners(tables, rows).tolist(), _micros(frame["occurred_at"])[rows].tolist(), strict=True):
        told.setdefault(account, []).append(at)
    return told


def _owners(tables: Mapping[str, CheckedTable], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Account of some outcomes: that of their contact."""
    contacts = tables["contacts"].frame
    account_of = pd.Series(contacts["account_id"].to_numpy(), index=contacts["contact_id"].to_numpy())
    return np.asarray(account_of.loc[tables["outcomes"].frame["contact_id"].to_numpy()[rows]].to_numpy())


def _take_back_payments(payments: CheckedTable, told: Mapping[int, list[int]], notes: list[str]) -> None:
    frame = payments.frame
    amount = frame["amount_minor"].to_numpy(dtype=np.float64)
    reversal = amount < 0
    if not reversal.any() and not told:
        return
    account, at = frame["account_id"].to_numpy(), _micros(frame["paid_at"])
    rows = np.flatnonzero(np.isin(account, np.union1d(account[reversal], np.array([*told], dtype=account.dtype))))
    rows = rows[np.argsort(account[rows], kind="stable")]
    unmatched, gone = np.zeros(len(frame), dtype=bool), np.zeros(len(frame), dtype=bool)
    starts = np.flatnonzero(np.diff(account[rows], prepend=-2))
    for own in np.split(rows, starts[1:]) if rows.size else ():
        paid = list(zip(at[own].tolist(), amount[own].tolist(), strict=True))
        cancelled, alone = taken_back(paid, told.get(int(account[own[0]]), ()))
        gone[own[sorted(cancelled)]] = True
        unmatched[own[sorted(alone)]] = True
    kept = ~gone[~unmatched]
    payments.drop(
        unmatched,
        "amount_minor",
        "negative_amount",
        "is negative and equals no earlier payment of the account",
        "Correct the sign, or give the payment that it takes back with its instant.",
    )
    payments.frame = keep_rows(payments.frame, kept)
    notes.append(f"{int((gone & ~reversal).sum()):,} payments were taken back by a negative one or a reversal.")


def _take_back_outcomes(tables: Mapping[str, CheckedTable], told: Mapping[int, list[int]], notes: list[str]) -> None:
    """Outcomes that tell of a payment, where a later one of the account took it back."""
    frame = tables["outcomes"].frame
    rows = np.flatnonzero(frame["outcome"].isin(REACHED_BY["paid"]).to_numpy(dtype=bool))
    at = _micros(frame["occurred_at"])
    gone = np.zeros(len(frame), dtype=bool)
    for account, places in pd.Series(rows).groupby(_owners(tables, rows)).indices.items():
        own = rows[places]
        cancelled, _ = taken_back([(int(at[row]), 0.0) for row in own], told.get(account, ()))
        gone[own[sorted(cancelled)]] = True
    tables["outcomes"].frame = keep_rows(frame, ~gone)
    if gone.any():
        notes.append(f"{int(gone.sum()):,} outcomes tell of payments that were taken back.")


def _micros(instants: pd.Series) -> NDArray[np.int64]:
    return np.asarray(instants.dt.as_unit("us").astype("int64").to_numpy())
