"""What still acts of decisions that retention deletes: an opt-out, an open promise, a contact that a rule counts.

A state outlives the row it came from. Of each only account, debtor, word, instant and channel stay, without the
decision, its facts or what came of it otherwise; what acts no longer goes at the next purge.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from recommender.intake import HeardEvent, acting_events
from recommender.store.decision_log.known import rung_of
from recommender.store.decision_log.ledger import LedgerContact, LedgerOutcome, Standing, read_standing
from recommender.store.decision_log.schema import Row, decisions, kept_states

__all__ = ["keep_acting"]

#: The longest that a rule pack can count contacts for.
_COUNTED = timedelta(days=366)
_AT_ONCE = 500
_KEPT = sa.select(kept_states)


def keep_acting(connection: sa.Connection, which: sa.ColumnElement[bool], now: datetime) -> None:
    """Write down what still acts of some decisions, and let go of what was kept and acts no longer.

    Parameters
    ----------
    connection : Connection
        In the transaction that will delete the decisions.
    which : clause
        The decisions.
    now : aware datetime
    """
    going = sa.select(decisions.c.debtor_id).where(which)
    debtors = sorted(connection.scalars(sa.union(going, sa.select(kept_states.c.debtor_id))))
    for start in range(0, len(debtors), _AT_ONCE):
        some = debtors[start : start + _AT_ONCE]
        of_some = decisions.c.debtor_id.in_(some)
        gone = set(connection.scalars(sa.select(decisions.c.decision_id).where(which, of_some)))
        held = [dict(row) for row in connection.execute(_KEPT.where(kept_states.c.debtor_id.in_(some))).mappings()]
        before = {row["state_id"] for row in held}
        standing = read_standing(connection, some, now - _COUNTED)
        rows: dict[str, Row] = {}
        for debtor in some:
            for row in _acting(standing, debtor, gone | before, now):
                # Of an account that was decided about before anybody said whose it is, the debtor is kept.
                first = rows.setdefault(row["state_id"], row)
                if first["debtor_id"] == first["account_id"]:
                    rows[row["state_id"]] = row
        named = sa.select(
            decisions.c.account_id, decisions.c.debtor_id, sa.func.max(decisions.c.decided_at).label("at")
        )
        named = named.where(which, of_some, decisions.c.debtor_id != decisions.c.account_id)
        grouped = named.group_by(decisions.c.account_id, decisions.c.debtor_id)
        owners = [dict(row) for row in connection.execute(grouped).mappings()]
        rows |= _owners([*owners, *(row for row in held if row["kind"] == "owner")], {*_debtors(rows)})
        connection.execute(sa.delete(kept_states).where(kept_states.c.state_id.in_(sorted(before - rows.keys()))))
        if new := [row | {"state_id": f"kept:{uuid4().hex}"} for key, row in rows.items() if key not in before]:
            connection.execute(sa.insert(kept_states), new)


def _acting(standing: Standing, debtor: str, going: set[str], now: datetime) -> Iterable[Row]:
    """Rows of what acts of the decisions that go and of what was kept; ``state_id`` is that of its source."""
    heard = standing.outcomes.get(debtor, [])
    events = [
        HeardEvent(one.account_id, one.occurred_at, one.outcome, one.channel, one.promise_date, one.callback_at)
        for one in heard
    ]
    free = [position for position, one in enumerate(heard) if one.decision_id in going]
    for position in acting_events(events, now, given_up=free):
        one = heard[position]
        terms = {"promise_date": one.promise_date, "callback_at": one.callback_at}
        yield _row(_key(one), one, "heard", one.occurred_at, one.outcome) | terms
    for contact in standing.contacts.get(debtor, []):
        if contact.decision_id in going:
            yield _row(contact.decision_id, contact, "contact", contact.at, rung_of(contact))


def _debtors(rows: Mapping[str, Row]) -> Iterable[str]:
    return (row["debtor_id"] for row in rows.values())


def _owners(named: Iterable[Mapping[str, Any]], acted_on: set[str]) -> dict[str, Row]:
    """Whose each account is, for debtors of whom something acts: the debtor's other accounts find it by this."""
    return {
        row.get("state_id") or f"owner|{row['account_id']}|{row['debtor_id']}": {
            "state_id": "", "account_id": row["account_id"], "debtor_id": row["debtor_id"], "kind": "owner",
            "at": row["at"], "channel": None, "outcome": None, "promise_date": None, "callback_at": None,
        }
        for row in named
        if row["debtor_id"] in acted_on
    }  # fmt: skip


def _key(one: LedgerOutcome) -> str:
    """Of an outcome that was kept before its own row; of a decision's one that no other has."""
    is_kept = one.decision_id.startswith("kept:")
    told = (one.outcome, one.occurred_at, one.promise_date, one.callback_at)
    return one.decision_id if is_kept else "|".join(map(str, (one.decision_id, *told)))


def _row(key: str, one: LedgerOutcome | LedgerContact, kind: str, at: datetime, outcome: str | None) -> Row:
    return {
        "state_id": key, "account_id": one.account_id, "debtor_id": one.debtor_id, "kind": kind, "at": at,
        "channel": one.channel, "outcome": outcome, "promise_date": None, "callback_at": None,
    }  # fmt: skip
