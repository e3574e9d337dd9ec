"""What still acts of decisions that retention deletes: an opt-out, an open promise, a contact that a rule counts.

A state outlives the row it came from. Of each only account, debtor, word, instant, channel and what a contact was
for stay, without the decision, its facts or what came of it otherwise; what acts no longer goes at the next purge. A
digest of the decision's id stays with them, by which an outcome that comes later finds whose it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from uuid import uuid4

import sqlalchemy as sa

from recommender.intake import HeardEvent, acting_events
from recommender.store.decision_log.known import rung_of
from recommender.store.decision_log.late_outcomes import source_of
from recommender.store.decision_log.ledger import kept_id, read_standing
from recommender.store.decision_log.rows import by_ids, insert_new, rows_of_ids
from recommender.store.decision_log.schema import Row, decisions, erased_decisions, kept_states, outcomes
from recommender.store.decision_log.standing import LedgerContact, LedgerOutcome, Standing

__all__ = ["keep_acting"]

#: The longest that a rule pack can count contacts for.
_COUNTED = timedelta(days=366)
_AT_ONCE = 500
_KEPT = sa.select(kept_states)
_OF_NO_DECISION = ~sa.select(decisions.c.decision_id).where(decisions.c.decision_id == outcomes.c.decision_id).exists()


def keep_acting(connection: sa.Connection, which: sa.ColumnElement[bool], now: datetime) -> None:
    """Write down what still acts of some decisions, and let go of what was kept and acts no longer.

    Of whom nothing is kept no outcome may stay either: an erasure could not find it, as little as a later outcome could
    find its debtor. Digests of these decisions are written to those of the erased ones.

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
    chunks = [debtors[start : start + _AT_ONCE] for start in range(0, len(debtors), _AT_ONCE)]
    ended: set[str] = set()  # sources of states that may have acted for the last time
    for some in chunks:
        gone = _going(connection, which, some)
        held = sa.select(kept_states.c.state_id, kept_states.c.source)
        held = held.where(kept_states.c.kind != "owner", kept_states.c.debtor_id.in_(some))
        source_by_state = {row.state_id: row.source for row in connection.execute(held)}
        before = set(source_by_state)
        standing = read_standing(connection, some, now - _COUNTED)
        rows: dict[str, Row] = {}
        for debtor in some:
            for row in _acting(standing, debtor, gone | before, now):
                # Of an account that was decided about before anybody said whose it is, the debtor is kept.
                first = rows.setdefault(row["state_id"], row)
                if first["debtor_id"] == first["account_id"]:
                    rows[row["state_id"]] = row
        _replace(connection, before, rows)
        ended |= {source_by_state[one] for one in before - rows.keys()} - {None}
    for some in chunks:  # when it is known of every account whether something acts
        _keep_owners(connection, which, some)
        _let_go(connection, {source_of(one) for one in _going(connection, which, some)}, now)
    _let_go(connection, ended, now)


def _going(connection: sa.Connection, which: sa.ColumnElement[bool], debtors: list[str]) -> set[str]:
    """Decisions about some debtors that will be deleted."""
    query = sa.select(decisions.c.decision_id).where(which, decisions.c.debtor_id.in_(debtors))
    return set(connection.scalars(query))


def _let_go(connection: sa.Connection, sources: set[str], now: datetime) -> None:
    """Of decisions of which nothing is kept: their late outcomes go, and none that is told later stays."""
    acting = {row["source"] for row in by_ids(connection, kept_states.c.source, list(sources))}
    rest = sorted(sources - acting)
    for start in range(0, len(rest), _AT_ONCE):
        some = rest[start : start + _AT_ONCE]
        connection.execute(sa.delete(outcomes).where(outcomes.c.source.in_(some), _OF_NO_DECISION))
        insert_new(connection, erased_decisions, [{"source": one, "erased_at": now} for one in some])


def _replace(connection: sa.Connection, before: set[str], rows: Mapping[str, Row]) -> None:
    """Of the rows that were there keep those that are named again, and write down the others."""
    connection.execute(sa.delete(kept_states).where(kept_states.c.state_id.in_(sorted(before - rows.keys()))))
    if new := [_named(row) for key, row in rows.items() if key not in before]:
        connection.execute(sa.insert(kept_states), new)


def _named(row: Row) -> Row:
    """A row under an id of its own; what was heard has the one by which a correction finds it."""
    return row if row["kind"] == "heard" else row | {"state_id": f"kept:{uuid4().hex}"}


def _keep_owners(connection: sa.Connection, which: sa.ColumnElement[bool], debtors: list[str]) -> None:
    """Whose each account is, where something acts of debtor or account: the debtor's other accounts find it by this.

    An opt-out may have been heard before anybody said whose the account is, and who said so may contact nobody.
    """
    one = decisions.c
    query = sa.select(one.account_id, one.debtor_id, sa.func.max(one.decided_at).label("at"))
    query = query.where(which, one.debtor_id.in_(debtors), one.debtor_id != one.account_id)
    named = connection.execute(query.group_by(one.account_id, one.debtor_id)).mappings()
    latest: dict[tuple[str, str], Row] = {}
    before = set()
    kept = connection.execute(_KEPT.where(kept_states.c.kind == "owner", kept_states.c.debtor_id.in_(debtors)))
    for held in kept.mappings():
        before.add(held["state_id"])
        latest[held["account_id"], held["debtor_id"]] = dict(held)
    for row in named:
        pair = row["account_id"], row["debtor_id"]
        if pair not in latest or latest[pair]["at"] < row["at"]:
            latest[pair] = _owner(*pair, row["at"])
    acting = sa.select(kept_states.c.account_id, kept_states.c.debtor_id).where(kept_states.c.kind != "owner")
    accounts = sorted({account for account, _ in latest})
    of_debtors = rows_of_ids(connection, acting, kept_states.c.debtor_id, debtors)
    of_accounts = rows_of_ids(connection, acting, kept_states.c.account_id, accounts)
    people = {row["debtor_id"] for row in of_debtors}
    things = {row["account_id"] for row in of_accounts}
    rows = {row["state_id"]: row for (account, debtor), row in latest.items() if debtor in people or account in things}
    _replace(connection, before, rows)


def _owner(account: str, debtor: str, at: datetime) -> Row:
    return {
        "state_id": f"owner|{account}|{debtor}", "account_id": account, "debtor_id": debtor, "kind": "owner", "at": at,
        "channel": None, "outcome": None, "promise_date": None, "callback_at": None, "source": None,
        "purpose": None,
    }  # fmt: skip


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


def _key(one: LedgerOutcome) -> str:
    """Of an outcome that was kept before its own row; of a decision's one the row that it gets."""
    return one.decision_id if one.outcome_id is None else kept_id(one.decision_id, one.outcome_id)


def _row(key: str, one: LedgerOutcome | LedgerContact, kind: str, at: datetime, outcome: str | None) -> Row:
    return {
        "state_id": key, "account_id": one.account_id, "debtor_id": one.debtor_id, "kind": kind, "at": at,
        "channel": one.channel, "outcome": outcome, "promise_date": None, "callback_at": None,
        "source": source_of(one.decision_id), "purpose": one.purpose if isinstance(one, LedgerContact) else None,
    }  # fmt: skip
