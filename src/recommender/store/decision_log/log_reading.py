"""Reading the whole log: decisions in time order, outcomes as a frame, the newest decision of every account."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pandas as pd
import sqlalchemy as sa

from recommender.intake import taken_back
from recommender.local_time import as_utc_us
from recommender.store.decision_log.outcome_record import OutcomeRecord
from recommender.store.decision_log.record_fields import utc_instant
from recommender.store.decision_log.rows import joined, outcome_of
from recommender.store.decision_log.schema import Row, decisions, outcomes
from recommender.tables import REACHED_BY

__all__ = [
    "CHUNK_ROWS",
    "decided_within",
    "decision_rows",
    "latest_of_accounts",
    "newest",
    "orphaned_outcomes",
    "outcome_frame",
    "outcomes_between",
    "payments_taken_back",
    "row_counts",
]

Key = tuple[datetime, str]
"""Place of a decision in the order of the log: its moment and its id."""

CHUNK_ROWS = 20_000
_REVERSED = "payment_reversed"
_correction, _corrected = outcomes.alias("correction"), outcomes.alias("corrected")


def latest_of_accounts(engine: sa.Engine) -> list[Row]:
    """Newest decision of every account, as plain values.

    Keys are ``decision_id``, ``account_id``, ``debtor_id``, ``decided_at``, ``action``, ``propensity``,
    ``ranking``, ``action_factors``, ``fallback`` and ``deterministic``.
    """
    ranked = sa.func.row_number().over(
        partition_by=decisions.c.account_id, order_by=(decisions.c.decided_at.desc(), decisions.c.decision_id)
    )
    shown = (
        "decision_id", "account_id", "debtor_id", "decided_at", "action", "propensity", "ranking",
        "action_factors", "fallback", "deterministic",
    )  # fmt: skip
    ordered = sa.select(*(decisions.c[name] for name in shown), ranked.label("nth_newest")).subquery()
    query = sa.select(*(ordered.c[name] for name in shown)).where(ordered.c.nth_newest == 1)
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def decided_within(since: datetime | None, until: datetime | None) -> sa.ColumnElement[bool]:
    """Condition ``since <= decided_at < until``; a limit that is None is none."""
    limits: list[sa.ColumnElement[bool]] = [sa.true()]
    if since is not None:
        limits.append(decisions.c.decided_at >= utc_instant("since", since))
    if until is not None:
        limits.append(decisions.c.decided_at < utc_instant("until", until))
    return sa.and_(*limits)


def decision_rows(
    engine: sa.Engine, since: datetime | None = None, until: datetime | None = None, *, chunk_rows: int = CHUNK_ROWS
) -> Iterator[list[Row]]:
    """Decisions in time order as lists of plain rows with packed eligible bits; see ``DecisionLog.read``."""
    key = sa.tuple_(decisions.c.decided_at, decisions.c.decision_id)
    query = joined().order_by(decisions.c.decided_at, decisions.c.decision_id).limit(chunk_rows)
    page = query = query.where(decided_within(since, until))
    while True:
        with engine.connect() as connection:
            rows = [dict(row) for row in connection.execute(page).mappings()]
        if rows:
            yield rows
        if len(rows) < chunk_rows:
            return
        page = query.where(
            key
            > sa.tuple_(
                sa.bindparam("last_decided_at", rows[-1]["decided_at"], decisions.c.decided_at.type),
                sa.bindparam("last_id", rows[-1]["decision_id"], decisions.c.decision_id.type),
            )
        )


def outcome_frame(engine: sa.Engine, since: datetime | None = None, until: datetime | None = None) -> pd.DataFrame:
    """Outcomes of the decisions of ``since <= decided_at < until``.

    Orphans are not among them, nor are payments that were taken back.

    Returns
    -------
    DataFrame
        ``decision_id``, ``occurred_at``, ``outcome``, ``amount_minor``, ``currency``, ``promise_date`` (date) and
        ``callback_at`` (instant).
    """
    query = (
        sa.select(
            outcomes.c.decision_id,
            outcomes.c.occurred_at,
            outcomes.c.outcome,
            outcomes.c.amount_minor,
            outcomes.c.currency,
            outcomes.c.promise_date,
            outcomes.c.callback_at,
            decisions.c.account_id,
        )
        .join(decisions, decisions.c.decision_id == outcomes.c.decision_id)
        .where(outcomes.c.outcome_id.not_in(_replaced()))
        .where(decided_within(since, until))
        .order_by(outcomes.c.occurred_at, outcomes.c.outcome_id)
    )
    with engine.connect() as connection:
        result = connection.execute(query)
        frame = pd.DataFrame(result.fetchall(), columns=list(result.keys()))
    return _standing(frame).drop(columns="account_id")


def _replaced() -> sa.Select[tuple[str]]:
    """Outcomes that a later one corrects; as one set: a search for each is quadratic where hardly any is corrected."""
    return (
        sa.select(_correction.c.replaces)
        .join(_corrected, _corrected.c.outcome_id == _correction.c.replaces)
        .where(_corrected.c.decision_id == _correction.c.decision_id)
    )


def _standing(happened: pd.DataFrame) -> pd.DataFrame:
    """Outcomes without the payments that a later one of the account took back: money that was not kept."""
    return happened.drop(index=_rows_taken_back(happened)).reset_index(drop=True)


def _rows_taken_back(happened: pd.DataFrame) -> list[int]:
    """Index of the payments that a later outcome of the account took back."""
    told = happened.loc[happened["outcome"] == _REVERSED]
    paid = happened.loc[happened["outcome"].isin(REACHED_BY["paid"]) & happened["account_id"].isin(told["account_id"])]
    gone: list[int] = []
    for account, own in paid.groupby("account_id"):
        reversed_at = told.loc[told["account_id"] == account, "occurred_at"]
        rows, _ = taken_back([(as_utc_us(at), 0.0) for at in own["occurred_at"]], [as_utc_us(at) for at in reversed_at])
        gone += own.index[sorted(rows)].tolist()
    return gone


def payments_taken_back(engine: sa.Engine) -> frozenset[str]:
    """Ids of the outcomes that do not stand, for those who read the log in pieces.

    A reversal names no decision's payment: it may have been written with a decision of another piece.
    """
    of_account = decisions.join(outcomes, decisions.c.decision_id == outcomes.c.decision_id)
    told = sa.select(decisions.c.account_id).select_from(of_account).where(outcomes.c.outcome == _REVERSED)
    query = (
        sa.select(outcomes.c.outcome_id, outcomes.c.occurred_at, outcomes.c.outcome, decisions.c.account_id)
        .select_from(of_account)
        .where(
            decisions.c.account_id.in_(told),
            outcomes.c.outcome.in_([*REACHED_BY["paid"], _REVERSED]),
            outcomes.c.outcome_id.not_in(_replaced()),
        )
        .order_by(outcomes.c.occurred_at, outcomes.c.outcome_id)
    )
    with engine.connect() as connection:
        result = connection.execute(query)
        frame = pd.DataFrame(result.fetchall(), columns=list(result.keys()))
        replaced = connection.execute(_replaced()).scalars().all()
    return frozenset({*frame.loc[_rows_taken_back(frame), "outcome_id"], *replaced})


def outcomes_between(engine: sa.Engine, first: Key, last: Key, gone: frozenset[str] = frozenset()) -> pd.DataFrame:
    """Outcomes of the decisions from one place of the log to another, both among them.

    Parameters
    ----------
    engine : Engine
    first, last : (datetime, str)
    gone : frozenset of str
        Outcomes to leave out, from :func:`payments_taken_back`.

    Returns
    -------
    DataFrame
        ``decision_id``, ``occurred_at`` (UTC), ``outcome`` and ``amount_minor``.
    """
    key = sa.tuple_(decisions.c.decided_at, decisions.c.decision_id)
    kinds = (decisions.c.decided_at.type, decisions.c.decision_id.type)
    ends = [sa.tuple_(*map(sa.literal, place, kinds)) for place in (first, last)]
    query = (
        sa.select(
            outcomes.c.outcome_id,
            outcomes.c.decision_id,
            sa.type_coerce(outcomes.c.occurred_at, sa.DateTime(timezone=True)),  # UTC either way: set once, below
            outcomes.c.outcome,
            outcomes.c.amount_minor,
        )
        .join(decisions, decisions.c.decision_id == outcomes.c.decision_id)
        .where(key >= ends[0], key <= ends[1])
    )
    with engine.connect() as connection:
        rows = [row[1:] for row in connection.execute(query) if row[0] not in gone]
    frame = pd.DataFrame(rows, columns=["decision_id", "occurred_at", "outcome", "amount_minor"])
    return frame.assign(
        occurred_at=pd.to_datetime(frame["occurred_at"], utc=True).dt.as_unit("us"),
        amount_minor=frame["amount_minor"].astype("float64"),
    )


def orphaned_outcomes(engine: sa.Engine) -> list[OutcomeRecord]:
    """Outcomes whose decision is not in the log."""
    known = sa.select(decisions.c.decision_id).where(decisions.c.decision_id == outcomes.c.decision_id).exists()
    query = sa.select(outcomes).where(~known).order_by(outcomes.c.occurred_at, outcomes.c.outcome_id)
    with engine.connect() as connection:
        return [outcome_of(row) for row in connection.execute(query).mappings()]


def newest(engine: sa.Engine) -> dict[str, datetime | None]:
    """Instants of the last decision and the last outcome; None where there is none."""
    with engine.connect() as connection:
        return {
            "last_decision": connection.execute(sa.select(sa.func.max(decisions.c.decided_at))).scalar_one(),
            "last_outcome": connection.execute(sa.select(sa.func.max(outcomes.c.occurred_at))).scalar_one(),
        }


def row_counts(engine: sa.Engine) -> tuple[int, int]:
    """Number of decisions and of outcomes."""
    with engine.connect() as connection:
        n_decisions, n_outcomes = (
            connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in (decisions, outcomes)
        )
        return int(n_decisions), int(n_outcomes)
