"""Taking out of the log what may no longer be kept; what remains says that something was removed, never about whom."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from recommender.errors import InvalidInput
from recommender.intake import id_spellings
from recommender.store.decision_log.database import write
from recommender.store.decision_log.offer_rows import anonymous_rest
from recommender.store.decision_log.record_fields import utc_instant
from recommender.store.decision_log.schema import contact_events, decisions, offers, outcomes, removals

__all__ = ["Removal", "erase", "of_account", "of_debtor", "past_removals", "purge"]


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
    theirs = sa.select(named.c.account_id).where(named.c.debtor_id.in_(spelt))
    unnamed = sa.and_(decisions.c.debtor_id == decisions.c.account_id, decisions.c.account_id.in_(theirs))
    return sa.or_(decisions.c.debtor_id.in_(spelt), unnamed)


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
    whose = of_account(str(account_id)) if debtor_id is None else of_debtor(debtor_id)
    return _remove(engine, "erase", whose, None, requested_by, at)


def purge(engine: sa.Engine, before: datetime, *, requested_by: str, at: datetime) -> Removal:
    """Delete decisions made before an instant with their outcomes, and orphaned outcomes as old."""
    moment = utc_instant("before", before)
    known = sa.select(decisions.c.decision_id).where(decisions.c.decision_id == outcomes.c.decision_id).exists()
    old_orphans = sa.and_(outcomes.c.occurred_at < moment, ~known)
    return _remove(engine, "purge", decisions.c.decided_at < moment, old_orphans, requested_by, at)


def past_removals(engine: sa.Engine) -> list[Removal]:
    """Purges and erasures so far, oldest first."""
    query = sa.select(removals).order_by(removals.c.removal_id)
    with engine.connect() as connection:
        return [
            Removal(row.kind, row.removed_at, row.requested_by, row.decisions, row.outcomes)
            for row in connection.execute(query)
        ]


def _remove(
    engine: sa.Engine,
    kind: str,
    which: sa.ColumnElement[bool],
    other_outcomes: sa.ColumnElement[bool] | None,
    requested_by: str,
    at: datetime,
) -> Removal:
    if not requested_by.strip():
        raise InvalidInput("requested_by is empty.", column="requested_by", mend="Name who asks for the removal.")
    moment = utc_instant("at", at)

    def remove(connection: sa.Connection) -> Removal:
        theirs = outcomes.c.decision_id.in_(sa.select(decisions.c.decision_id).where(which))
        of_whom = theirs if other_outcomes is None else sa.or_(theirs, other_outcomes)
        n_outcomes = connection.execute(sa.delete(outcomes).where(of_whom)).rowcount
        of_them = contact_events.c.decision_id.in_(sa.select(decisions.c.decision_id).where(which))
        connection.execute(sa.delete(contact_events).where(of_them))
        whose_offers = sa.select(decisions.c.decision_id).where(which)
        rest = anonymous_rest(connection, whose_offers, moment)
        connection.execute(sa.delete(offers).where(offers.c.decision_id.in_(whose_offers)))
        if rest:
            connection.execute(sa.insert(offers), rest)
        n_decisions = connection.execute(sa.delete(decisions).where(which)).rowcount
        removal = Removal(kind, moment, requested_by, n_decisions, n_outcomes)
        connection.execute(sa.insert(removals).values(**vars(removal)))
        return removal

    removal = write(engine, remove)
    if engine.dialect.name == "sqlite":
        # Until a checkpoint the write-ahead file still holds the old pages.
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return removal
