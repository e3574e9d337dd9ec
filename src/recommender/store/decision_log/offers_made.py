"""Offers that the decisions of the log made: what a desk has to remember before the next one."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd
import sqlalchemy as sa

from recommender.store.decision_log.decisions import DecisionLog
from recommender.store.decision_log.schema import offers

__all__ = ["offers_made"]

_COLUMNS = ("account_id", "debtor_id", "offer_id", "offered_at", "valid_until", "status", "cost_minor")


def offers_made(log: DecisionLog, without: Collection[str] = (), *, account_id: str | None = None) -> pd.DataFrame:
    """Every offer that a logged decision made and that was not released.

    Parameters
    ----------
    log : DecisionLog
    without : collection of str
        Decisions that are made again now.
    account_id : str, optional
        Of one account only.

    Returns
    -------
    DataFrame
        ``account_id``, ``debtor_id``, ``offer_id``, ``offered_at``, ``valid_until`` (missing = as the list says),
        ``status`` (open, or accepted where a promise or a payment followed) and ``cost_minor`` (missing where the
        decision does not say).
    """
    query = sa.select(offers).where(offers.c.status != "released").order_by(offers.c.made_at, offers.c.decision_id)
    if account_id is not None:
        query = query.where(offers.c.account_id == account_id)
    again = frozenset(without)
    with log.engine.connect() as connection:
        rows = [
            (row.account_id, row.debtor_id, row.offer_id, row.made_at, row.expires_at, row.status, row.cost_minor)
            for row in connection.execution_options(yield_per=5_000).execute(query)
            if row.decision_id not in again
        ]
    table = pd.DataFrame(rows, columns=list(_COLUMNS)).astype({"cost_minor": "float64"})
    return table if table["valid_until"].notna().any() else table.drop(columns="valid_until")
