"""Taking out of the log what may no longer be kept; what remains says that something was removed, never about whom."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from recommender.errors import InvalidInput
from recommender.intake import id_spellings
from recommender.store.decision_log.database import write
from recommender.store.decision_log.kept_states import keep_acting
from recommender.store.decision_log.late_outcomes import source_of
from recommender.store.decision_log.offer_rows import anonymous_rest, still_binding
from recommender.store.decision_log.record_fields import utc_instant
from recommender.store.decision_log.schema import (
    contact_events,
    decisions,
    idempotency_keys,
    kept_states,
    offers,
    outcomes,
    removals,
)

__all__ = ["Removal", "erase", "kept_of_debtor", "of_account", "of_debtor", "past_removals", "purge"]

_AT_ONCE = 500
_KNOWN = sa.select(decisions.c.decision_id).where(decisions.c.decision_id == outcomes.c.decision_id).exists()


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


def of_debtor(debtor_id: str) -> sa.ColumnElement[bool]:
    """Decisions about a debtor, and those about its accounts from before anybody said whose they are."""
    named, spelt = decisions.alias("named"), list(id_spellings([debtor_id]))
    theirs = sa.union(sa.select(named.c.account_id).where(named.c.debtor_id.in_(spelt)), _kept_accounts(spelt))
    unnamed = sa.and_(decisions.c.debtor_id == decisions.c.account_id, decisions.c.account_id.in_(theirs))
    return sa.or_(decisions.c.debtor_id.in_(spelt), unnamed)


def kept_of_debtor(debtor_id: str) -> sa.ColumnElement[bool]:
    """What was kept of a debtor, and of its accounts from before anybody said whose they are."""
    named, spelt = decisions.alias("named"), list(id_spellings([debtor_id]))
    theirs = sa.union(sa.select(named.c.account_id).where(named.c.debtor_id.in_(spelt)), _kept_accounts(spelt))
    unnamed = sa.and_(kept_states.c.debtor_id == kept_states.c.account_id, kept_states.c.account_id.in_(theirs))
    return sa.or_(kept_states.c.debtor_id.in_(spelt), unnamed)


def _kept_accounts(debtors: Sequence[str]) -> sa.Select[tuple[str]]:
    """Accounts that are known to be a debtor's although the decisions that said so are gone."""
    owners = kept_states.alias("owners")
    return sa.select(owners.c.account_id).where(owners.c.debtor_id.in_(debtors))


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
    whose = of_account(str(account_id)) if debtor_id is None else of_debtor(debtor_id)

    def remove(connection: sa.Connection) -> Removal:
        _hold(connection, whose)
        theirs = sa.select(decisions.c.decision_id).where(whose)
        spelt = list(id_spellings([str(account_id if debtor_id is None else debtor_id)]))
        names = set(connection.scalars(sa.select(decisions.c.account_id).where(whose)).all())
        kept = kept_states.c.account_id.in_(spelt) if debtor_id is None else kept_of_debtor(debtor_id)
        of_kept = connection.execute(sa.select(kept_states.c.state_id, kept_states.c.source).where(kept)).all()
        made = offers.c.decision_id
        of_offers = sa.select(made).where(sa.or_(made.in_(theirs), _of_names(offers, debtor_id, spelt, names)))
        rest = anonymous_rest(connection, of_offers, moment)
        gone = connection.scalars(of_offers).all()
        connection.execute(sa.delete(offers).where(made.in_(gone)))
        if rest:
            connection.execute(sa.insert(offers), rest)
        n_late = _without_late(connection, {row.source for row in of_kept} - {None})
        removal = _deleted(connection, "erase", whose, None, requested_by, moment, n_late)
        for start in range(0, len(of_kept), _AT_ONCE):  # they tell whose the decisions are, and go last
            some = [row.state_id for row in of_kept[start : start + _AT_ONCE]]
            connection.execute(sa.delete(kept_states).where(kept_states.c.state_id.in_(some)))
        return removal

    return _removed(engine, remove)


def _of_names(
    table: sa.Table, debtor_id: str | None, spelt: Sequence[str], accounts: Collection[str]
) -> sa.ColumnElement[bool]:
    """Rows of a table that may outlive their decision: of an account, or of a debtor with what it was called before."""
    if debtor_id is None:
        return table.c.account_id.in_(spelt)
    unnamed = sa.and_(table.c.debtor_id == table.c.account_id, table.c.account_id.in_(sorted(accounts)))
    return sa.or_(table.c.debtor_id.in_(spelt), unnamed)


def purge(engine: sa.Engine, before: datetime, *, requested_by: str, at: datetime) -> Removal:
    """Delete decisions made before an instant with their outcomes, and orphaned outcomes as old.

    What still acts of them is kept: see :func:`~.kept_states.keep_acting`. So are offers that bind.
    """
    old, moment = utc_instant("before", before), _checked(requested_by, at)
    old_orphans = sa.and_(outcomes.c.occurred_at < old, ~_KNOWN)
    which = decisions.c.decided_at < old

    def remove(connection: sa.Connection) -> Removal:
        _hold(connection, which)
        keep_acting(connection, which, moment)
        removal = _deleted(connection, "purge", which, old_orphans, requested_by, moment)
        made = sa.select(decisions.c.decision_id).where(decisions.c.decision_id == offers.c.decision_id).exists()
        connection.execute(sa.delete(offers).where(~made, ~still_binding(moment)))
        connection.execute(sa.delete(idempotency_keys).where(idempotency_keys.c.claimed_at < old))
        return removal

    return _removed(engine, remove)


def past_removals(engine: sa.Engine) -> list[Removal]:
    """Purges and erasures so far, oldest first."""
    query = sa.select(removals).order_by(removals.c.removal_id)
    with engine.connect() as connection:
        return [
            Removal(row.kind, row.removed_at, row.requested_by, row.decisions, row.outcomes)
            for row in connection.execute(query)
        ]


def _hold(connection: sa.Connection, which: sa.ColumnElement[bool]) -> None:
    """Hold the decisions that are to go: who tells an outcome of one comes before, and is read, or after, and knows."""
    connection.execute(sa.select(decisions.c.decision_id).where(which).with_for_update())


def _without_late(connection: sa.Connection, sources: Collection[str]) -> int:
    """Delete outcomes whose decisions went before them, by what was kept of these; how many."""
    if not sources:
        return 0
    orphaned = connection.scalars(sa.select(outcomes.c.decision_id).where(~_KNOWN).distinct()).all()
    theirs = [one for one in orphaned if source_of(one) in sources]
    gone = 0
    for start in range(0, len(theirs), _AT_ONCE):
        some = theirs[start : start + _AT_ONCE]
        gone += connection.execute(sa.delete(outcomes).where(outcomes.c.decision_id.in_(some))).rowcount
    return gone


def _checked(requested_by: str, at: datetime) -> datetime:
    if not requested_by.strip():
        raise InvalidInput("requested_by is empty.", column="requested_by", mend="Name who asks for the removal.")
    return utc_instant("at", at)


def _deleted(
    connection: sa.Connection,
    kind: str,
    which: sa.ColumnElement[bool],
    other_outcomes: sa.ColumnElement[bool] | None,
    requested_by: str,
    moment: datetime,
    n_late: int = 0,
) -> Removal:
    """Delete decisions with their outcomes and events, and write down that it was done, with outcomes gone before."""
    theirs = sa.select(decisions.c.decision_id).where(which)
    of_them = outcomes.c.decision_id.in_(theirs)
    of_whom = of_them if other_outcomes is None else sa.or_(of_them, other_outcomes)
    n_outcomes = n_late + connection.execute(sa.delete(outcomes).where(of_whom)).rowcount
    connection.execute(sa.delete(contact_events).where(contact_events.c.decision_id.in_(theirs)))
    n_decisions = connection.execute(sa.delete(decisions).where(which)).rowcount
    row = {"kind": kind, "removed_at": moment, "requested_by": requested_by}
    counts = {"decisions": n_decisions, "outcomes": n_outcomes}
    connection.execute(sa.insert(removals).values(**row, **counts))
    return Removal(kind, moment, requested_by, n_decisions, n_outcomes)


def _removed(engine: sa.Engine, remove: Callable[[sa.Connection], Removal]) -> Removal:
    removal = write(engine, remove)
    if engine.dialect.name == "sqlite":
        # Until a checkpoint the write-ahead file still holds the old pages.
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return removal
