"""Offers that the decisions of the log made: what a desk has to remember before the next one."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable

import pandas as pd
import sqlalchemy as sa

from recommender.store.decision_log.contact_event import TAKEN_BACK
from recommender.store.decision_log.decisions import DecisionLog
from recommender.store.decision_log.schema import contact_events, decisions, outcomes

__all__ = ["offers_made"]

_NO_OFFER = "none"
_TAKEN = ("promise_to_pay", "promise_kept", "paid", "paid_in_full")
_COLUMNS = ("account_id", "debtor_id", "offer_id", "offered_at", "status", "cost_minor")


def offers_made(log: DecisionLog, without: Collection[str] = ()) -> pd.DataFrame:
    """Every offer that a logged decision made and that was not taken back before it was sent.

    Parameters
    ----------
    log : DecisionLog
    without : collection of str
        Decisions that are made again now.

    Returns
    -------
    DataFrame
        ``account_id``, ``debtor_id``, ``offer_id``, ``offered_at``, ``status`` (accepted where a promise or a payment
        followed, else open) and ``cost_minor`` (missing where the decision does not say).
    """
    made = sa.cast(decisions.c.action_factors, sa.String).like('%"offer"%')
    query = sa.select(
        decisions.c.decision_id, decisions.c.account_id, decisions.c.debtor_id, decisions.c.decided_at,
        decisions.c.contact_at, decisions.c.action_factors, decisions.c.ranking,
    ).where(made)  # fmt: skip
    rows = []
    with log.engine.connect() as connection:
        taken = _ids(connection.execute(_joined(outcomes, outcomes.c.outcome.in_(_TAKEN))))
        taken_back = _ids(connection.execute(_joined(contact_events, contact_events.c.kind.in_(TAKEN_BACK))))
        for row in connection.execution_options(yield_per=5_000).execute(query):
            factors = row.action_factors if isinstance(row.action_factors, dict) else json.loads(row.action_factors)
            offer = factors.get("offer")
            if offer in (None, _NO_OFFER) or row.decision_id in without or row.decision_id in taken_back:
                continue
            first = (row.ranking or [{}])[0]
            cost = (first.get("values") or {}).get("offer_cost")
            status = "accepted" if row.decision_id in taken else "open"
            at = row.contact_at or row.decided_at
            rows.append((row.account_id, row.debtor_id, str(offer), at, status, cost))
    return pd.DataFrame(rows, columns=list(_COLUMNS)).astype({"cost_minor": "float64"})


def _joined(table: sa.Table, wanted: sa.ColumnElement[bool]) -> sa.Select[tuple[str]]:
    return sa.select(table.c.decision_id).where(wanted)


def _ids(rows: Iterable[sa.Row[tuple[str]]]) -> set[str]:
    return {row.decision_id for row in rows}
