"""Taking out of the log what may no longer be kept; what remains says that something was removed, never about whom."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from typing import Any

import sqlalchemy as sa

from recommender.errors import InvalidInput
from recommender.intake import id_spellings
from recommender.store.decision_log.database import write
from recommender.store.decision_log.kept_states import keep_acting
from recommender.store.decision_log.late_outcomes import source_of
from recommender.store.decision_log.ledger import lock_debtors
from recommender.store.decision_log.offer_rows import anonymous_rest, still_binding
from recommender.store.decision_log.record_fields import utc_instant
from recommender.store.decision_log.rows import insert_new
from recommender.store.decision_log.schema import (
    contact_events,
    decisions,
    erased_decisions,
    idempotency_keys,
    kept_states,
    offers,
    outcomes,
    removals,
)

__all__ = ["Removal", "erase", "of_account", "of_debtor", "past_removals", "purge"]

_AT_ONCE = 500
#: What a purge takes, for as long as its transaction lasts.
_GOING = sa.Table(
    "going_decisions",
    sa.MetaData(),
    sa.Column("decision_id", sa.String(128), primary_key=True),
    prefixes=["TEMPORARY"],
)
_GONE = ~sa.select(decisions.c.decision_id).where(decisions.c.decision_id == outcomes.c.decision_id).exists()


@dataclass(frozen=True)
class Removal:
    """What a purge or an erasure took away."""

    kind: str
    removed_at: datetime
    requested_by: str
    decisions: int
    outcomes: int


def of_account(account_id: str) -> sa.ColumnElement[bool]:
    """Decisions about an account, however its id was spelt."""
    return decisions.c.account_id.in_(list(id_spellings([account_id])))


def of_debtor(connection: sa.Connection, debtor_id: str, table: sa.Table = decisions) -> sa.ColumnElement[bool]:
    """Rows about a debtor, and those about its accounts from before anybody said whose they are.

    Parameters
    ----------
    connection : Connection
        Asked first whose accounts they are: names that are given are found by index, names of a subquery are not.
    debtor_id : str
    table : Table
        Has ``debtor_id`` and ``account_id``: decisions, or what was kept of older ones.
    """
    spelt = list(id_spellings([debtor_id]))
    return _of_names(table, spelt, _accounts(connection, spelt))


def _accounts(connection: sa.Connection, spelt: Sequence[str]) -> set[str]:
    """Accounts that are known to be a debtor's, also where the decisions that said so are gone."""
    known = (sa.select(one.c.account_id).where(one.c.debtor_id.in_(spelt)) for one in (decisions, kept_states))
    return {name for query in known for name in connection.scalars(query)}


def _of_names(table: sa.Table, spelt: Sequence[str], accounts: Collection[str]) -> sa.ColumnElement[bool]:
    unnamed = sa.and_(table.c.debtor_id == table.c.account_id, table.c.account_id.in_(sorted(accounts)))
    return sa.or_(table.c.debtor_id.in_(spelt), unnamed)


def erase(
    engine: sa.Engine, *, requested_by: str, at: datetime, account_id: str | None = None, debtor_id: str | None = None
) -> Removal:
    """Erase everything about one account or one debtor; see ``DecisionLog.erase``."""
    if (account_id is None) == (debtor_id is None):
        raise InvalidInput(
            "erase needs exactly one of account_id and debtor_id.",
            column="account_id",
            mend="Name one account, or one debtor with all accounts.",
        )
    moment = _checked(requested_by, at)
    name = str(account_id if debtor_id is None else debtor_id)
    spelt = list(id_spellings([name]))

    def remove(connection: sa.Connection) -> Removal:
        # Whoever decides about them, or tells of them late, comes before, and goes too, or after.
        lock_debtors(connection, spelt if debtor_id is None else {*spelt, *_accounts(connection, spelt)})
        accounts = set() if debtor_id is None else _accounts(connection, spelt)
        whose = partial(_of_whom, by_account=debtor_id is None, spelt=spelt)
        held = sa.select(decisions.c.decision_id, decisions.c.account_id).where(whose(decisions, accounts))
        theirs = connection.execute(held.with_for_update()).all()
        accounts |= {row.account_id for row in theirs}
        kept = sa.select(kept_states.c.state_id, kept_states.c.source).where(whose(kept_states, accounts))
        of_kept = connection.execute(kept).all()
        ids = [row.decision_id for row in theirs]
        for some in (*_parts(ids), None):
            mine = whose(offers, accounts) if some is None else offers.c.decision_id.in_(some)
            rest = anonymous_rest(connection, mine, moment)
            connection.execute(sa.delete(offers).where(mine))
            if rest:
                connection.execute(sa.insert(offers), rest)
        n_outcomes = _deleted(connection, outcomes, outcomes.c.decision_id, ids)
        n_outcomes += _deleted(connection, outcomes, outcomes.c.source, {row.source for row in of_kept} - {None}, _GONE)
        _deleted(connection, contact_events, contact_events.c.decision_id, ids)
        _deleted(connection, decisions, decisions.c.decision_id, ids)
        _deleted(connection, kept_states, kept_states.c.state_id, [row.state_id for row in of_kept])
        gone = {source_of(one) for one in ids} | {row.source for row in of_kept if row.source is not None}
        if gone:
            insert_new(connection, erased_decisions, [{"source": one, "erased_at": moment} for one in gone])
        return _written_down(connection, Removal("erase", moment, requested_by, len(ids), n_outcomes))

    return _removed(engine, remove)


def _of_whom(
    table: sa.Table, accounts: Collection[str], *, by_account: bool, spelt: Sequence[str]
) -> sa.ColumnElement[bool]:
    """Rows of an account, or of a debtor with what it was called before."""
    return table.c.account_id.in_(spelt) if by_account else _of_names(table, spelt, accounts)


def _parts(ids: Collection[str]) -> Iterator[list[str]]:
    listed = list(ids)
    return (listed[start : start + _AT_ONCE] for start in range(0, len(listed), _AT_ONCE))


def _deleted(
    connection: sa.Connection,
    table: sa.Table,
    key: sa.Column[Any],
    ids: Collection[str],
    also: sa.ColumnElement[bool] | None = None,
) -> int:
    """Delete the rows of some ids; how many these were."""
    further = [] if also is None else [also]
    return sum(connection.execute(sa.delete(table).where(key.in_(some), *further)).rowcount for some in _parts(ids))


def purge(engine: sa.Engine, before: datetime, *, requested_by: str, at: datetime) -> Removal:
    """Delete decisions made before an instant with their outcomes, and orphaned outcomes as old.

    What still acts of them is kept: see :func:`~.kept_states.keep_acting`. So are offers that bind. Which decisions
    these are is settled once: one that is dated back meanwhile stays whole, until the next purge.
    """
    old, moment = utc_instant("before", before), _checked(requested_by, at)

    def remove(connection: sa.Connection) -> Removal:
        # Who tells an outcome of one comes before, and is read, or after, and knows.
        held = sa.select(decisions.c.decision_id).where(decisions.c.decided_at < old).with_for_update()
        _GOING.create(connection, checkfirst=False)
        connection.execute(sa.insert(_GOING).from_select(["decision_id"], held))
        theirs = sa.select(_GOING.c.decision_id)
        which = decisions.c.decision_id.in_(theirs)
        keep_acting(connection, which, moment)
        told = sa.or_(outcomes.c.decision_id.in_(theirs), sa.and_(outcomes.c.occurred_at < old, _GONE))
        n_outcomes = connection.execute(sa.delete(outcomes).where(told)).rowcount
        connection.execute(sa.delete(contact_events).where(contact_events.c.decision_id.in_(theirs)))
        n_decisions = connection.execute(sa.delete(decisions).where(which)).rowcount
        made = sa.select(decisions.c.decision_id).where(decisions.c.decision_id == offers.c.decision_id).exists()
        connection.execute(sa.delete(offers).where(~made, ~still_binding(moment)))
        connection.execute(sa.delete(idempotency_keys).where(idempotency_keys.c.claimed_at < old))
        connection.execute(sa.delete(erased_decisions).where(erased_decisions.c.erased_at < old))
        _GOING.drop(connection, checkfirst=False)
        return _written_down(connection, Removal("purge", moment, requested_by, n_decisions, n_outcomes))

    return _removed(engine, remove)


def past_removals(engine: sa.Engine) -> list[Removal]:
    """Purges and erasures so far, oldest first."""
    query = sa.select(removals).order_by(removals.c.removal_id)
    with engine.connect() as connection:
        return [
            Removal(row.kind, row.removed_at, row.requested_by, row.decisions, row.outcomes)
            for row in connection.execute(query)
        ]


def _checked(requested_by: str, at: datetime) -> datetime:
    if not requested_by.strip():
        raise InvalidInput("requested_by is empty.", column="requested_by", mend="Name who asks for the removal.")
    return utc_instant("at", at)


def _written_down(connection: sa.Connection, removal: Removal) -> Removal:
    """Write down that something was removed."""
    connection.execute(sa.insert(removals).values(**asdict(removal)))
    return removal


def _removed(engine: sa.Engine, remove: Callable[[sa.Connection], Removal]) -> Removal:
    removal = write(engine, remove)
    if engine.dialect.name == "sqlite":
        # Until a checkpoint the write-ahead file still holds the old pages.
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return removal
