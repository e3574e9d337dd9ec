"""The decision log: every decision when it is made, every outcome when it is known."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Self

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from recommender.store.decision_log import claimed_keys, migration, removing
from recommender.store.decision_log.contact_event import ContactEvent
from recommender.store.decision_log.corrections import hold_told, refuse_false_corrections
from recommender.store.decision_log.database import DatabaseUnavailable, open_engine, refuse_missing_file, write
from recommender.store.decision_log.feedback_frame import read_feedback_frame
from recommender.store.decision_log.late_outcomes import (
    Whose,
    erased_among,
    hold_decisions,
    hold_late,
    keep_late,
    source_of,
)
from recommender.store.decision_log.ledger import StaleStanding, lock_debtors, refuse_stale
from recommender.store.decision_log.offer_rows import (
    OfferBudget,
    committed,
    hold_budget,
    keep_offers,
    offer_row,
    refuse_overspent,
    settle_offers,
)
from recommender.store.decision_log.outcome_record import OutcomeRecord
from recommender.store.decision_log.read_log import ReadLog
from recommender.store.decision_log.receipts import LoggedDecision, OutcomeReceipt, Receipt
from recommender.store.decision_log.records import DecisionRecord, Provenance, ShadowChoice
from recommender.store.decision_log.removing import Removal
from recommender.store.decision_log.rows import (
    DecisionConflict,
    insert_checked,
    insert_events,
    insert_new,
    rows_of_ids,
    without_repeats,
)
from recommender.store.decision_log.schema import (
    Row,
    SchemaMismatch,
    contact_events,
    decisions,
    heartbeats,
    outcomes,
    provenances,
)
from recommender.store.decision_log.shared_turns import take_turns
from recommender.store.decision_log.standing import Seen

__all__ = [
    "DecisionConflict",
    "DecisionLog",
    "DecisionRecord",
    "LoggedDecision",
    "OutcomeReceipt",
    "OutcomeRecord",
    "Provenance",
    "Receipt",
    "Removal",
    "SchemaMismatch",
    "ShadowChoice",
    "read_feedback_frame",
]

_TOLD_OF = (
    (sa.select(contact_events.c.decision_id), contact_events.c.decision_id),
    (sa.select(outcomes.c.decision_id), outcomes.c.decision_id),
)


class DecisionLog(ReadLog):
    """Decisions and outcomes in SQLite or PostgreSQL.

    One instance serves many threads; several processes may write to the same database. Nothing that is logged is
    ever changed: a record repeated with the same content is a no-op, with other content an error.

    Parameters
    ----------
    url : str
        ``sqlite:///path/to/decisions.db`` or ``postgresql+psycopg://user@host/database``.
    read_only : bool, default=False
        The database refuses whatever would write.

    Raises
    ------
    SchemaMismatch
        When there is no log at ``url`` yet (see :meth:`create`) or it has another schema (see :meth:`upgrade`).
    """

    def __init__(self, url: str, *, read_only: bool = False) -> None:
        refuse_missing_file(url)
        self.engine = open_engine(url, read_only=read_only)
        try:
            migration.check_revision(self.engine)
        except DBAPIError as error:
            self.engine.dispose()
            raise DatabaseUnavailable(
                f"The decision log at {self.engine.url.render_as_string(hide_password=True)} cannot be read "
                f"({type(error.orig).__name__}). Check that its server is up, the address and the rights of the user."
            ) from error
        except BaseException:
            self.engine.dispose()
            raise
        self._known_provenances: set[str] = set()

    # -- birth and end ---------------------------------------------------------------------------------------------
    @classmethod
    def create(cls, url: str) -> Self:
        """Create the log where there is none, bring an older one up to date, and open it."""
        cls.upgrade(url)
        return cls(url)

    @staticmethod
    def upgrade(url: str) -> None:
        """Migrate the database at ``url`` to this version's schema; a no-op when it is there."""
        engine = open_engine(url)
        try:
            migration.upgrade(engine)
        finally:
            engine.dispose()

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        """Close on exit."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    # -- write -----------------------------------------------------------------------------------------------------
    def record(
        self,
        records: Iterable[DecisionRecord],
        *,
        seen: Seen | None = None,
        events: Iterable[ContactEvent] = (),
        budget: OfferBudget | None = None,
    ) -> Receipt:
        """Log decisions in one transaction: all of them or none.

        Parameters
        ----------
        records : iterable of DecisionRecord
        seen : Seen, optional
            Standing of the debtors that the decisions were made on (:attr:`Standing.seen`).
        events : iterable of ContactEvent
            Written with them: what they take back.
        budget : OfferBudget, optional
            What the offers of the log may cost with those that these decisions make.

        Raises
        ------
        DecisionConflict
            When a ``decision_id`` is logged with other content, or an account twice under one ``request_key``.
        StaleStanding
            When somebody decided about one of these debtors meanwhile, or (``BudgetSpent``) spent the budget.
        """
        batch = without_repeats(records, "decision", lambda record: record.decision_id)
        news = without_repeats(events, "event", lambda event: event.event_id)
        if not batch:
            self.record_events(news.values(), seen=seen)
            return Receipt(0, 0)
        shared = {record.provenance.digest: record.provenance for record in batch.values()}
        rows = [record.to_row() for record in batch.values()]
        made = [row for record in batch.values() if (row := offer_row(record)) is not None]
        limit = budget if made else None

        def insert(connection: sa.Connection) -> int:
            if seen is not None:
                lock_debtors(connection, [*seen.debtors, *seen.accounts])
                refuse_stale(connection, seen, [*batch, *news])
            before = 0.0
            if limit is not None:
                hold_budget(connection, limit)
                before = committed(connection, limit)
            if unknown := [shared[digest].to_row() for digest in shared.keys() - self._known_provenances]:
                insert_new(connection, provenances, unknown)
            stored = insert_checked(connection, decisions, "decision", rows, lambda key: batch[key].first_digest)
            if news:
                _refuse_gone(connection, news.values())
                insert_events(connection, news, None)
            keep_offers(connection, made, {event.decision_id for event in news.values()})
            if limit is not None:
                refuse_overspent(connection, limit, before, {row["debtor_id"] for row in made})
            return stored

        stored = write(self.engine, insert)
        self._known_provenances |= shared.keys()
        return Receipt(stored, len(rows) - stored)

    def record_events(
        self, events: Iterable[ContactEvent], *, seen: Seen | None = None, told_at: datetime | None = None
    ) -> Receipt:
        """Log what became of planned contacts, in one transaction; repeating it changes nothing.

        Parameters
        ----------
        events : iterable of ContactEvent
        seen : Seen, optional
            Standing of the debtors that a re-check was made on.
        told_at : datetime, optional
            Moment of arrival.

        Raises
        ------
        DecisionConflict
            When an ``event_id`` is logged with other content.
        StaleStanding
            When something about one of these debtors was written meanwhile, or one of the decisions is not in the log
            (any more).
        """
        batch = without_repeats(events, "event", lambda event: event.event_id)
        if not batch:
            return Receipt(0, 0)

        def insert(connection: sa.Connection) -> int:
            named = {event.debtor_id for event in batch.values()}
            lock_debtors(connection, named if seen is None else {*named, *seen.debtors, *seen.accounts})
            if seen is not None:
                refuse_stale(connection, seen, batch)
            _refuse_gone(connection, batch.values())
            stored = insert_events(connection, batch, told_at)
            settle_offers(connection, {event.decision_id for event in batch.values()})
            return stored

        stored = write(self.engine, insert)
        return Receipt(stored, len(batch) - stored)

    def record_undelivered(self, events: Iterable[ContactEvent], *, told_at: datetime | None = None) -> int:
        """Take back decisions that reached nobody; those that anything was told of since are left alone."""
        batch = without_repeats(events, "event", lambda event: event.event_id)

        def insert(connection: sa.Connection) -> int:
            lock_debtors(connection, {event.debtor_id for event in batch.values()})
            about = [event.decision_id for event in batch.values()]
            known = {
                row["decision_id"]
                for query, column in _TOLD_OF
                for row in rows_of_ids(connection, query, column, about)
            }
            held = hold_decisions(connection, about)
            free = {key: one for key, one in batch.items() if one.decision_id in held and one.decision_id not in known}
            stored = insert_events(connection, free, told_at) if free else 0
            settle_offers(connection, {event.decision_id for event in free.values()})
            return stored

        return write(self.engine, insert) if batch else 0

    def record_outcomes(
        self, records: Iterable[OutcomeRecord], *, owners: Mapping[str, Whose] | None = None
    ) -> OutcomeReceipt:
        """Log outcomes in one transaction: all of them or none.

        An outcome whose decision is not in the log is stored all the same and belongs to the decision as soon as that
        is logged. Until then it acts on the debtor of a decision that retention deleted, or on the one that ``owners``
        names; where neither is known it is reported. Of a decision that was erased, or of which retention kept nothing,
        it is kept only where ``owners`` names somebody, whom it must act on: an id is all that it would be of else.

        Parameters
        ----------
        records : iterable of OutcomeRecord
        owners : mapping of str to Whose, optional
            Account and debtor by decision, as the sender tells them; of a decision in the log they say nothing.

        Raises
        ------
        DecisionConflict
            When an ``outcome_id`` is logged with other content.
        InvalidInput
            For a correction of what another decision had, of what was corrected already, and for one that leads back to
            itself; whoever else tells outcomes of the decision at the same time.
        """
        told = list(records)
        batch = without_repeats(told, "outcome", lambda record: str(record.outcome_id))
        if not batch:
            return OutcomeReceipt(0, 0)
        about = list(dict.fromkeys(record.decision_id for record in batch.values()))

        def insert(connection: sa.Connection) -> OutcomeReceipt:
            hold_told(connection, about)
            hold_late(connection, about, owners or {})
            known = hold_decisions(connection, about)
            unknown = tuple(decision_id for decision_id in about if decision_id not in known)
            named = {one for one, whose in (owners or {}).items() if whose.account_id or whose.debtor_id}
            erased = erased_among(connection, unknown) - named
            kept = [record for record in batch.values() if record.decision_id not in erased]
            rows = _outcome_rows(kept, known)
            stored = insert_checked(connection, outcomes, "outcome", rows) if rows else 0
            refuse_false_corrections(connection, told)
            settle_offers(connection, about)
            late = keep_late(connection, kept, unknown, owners or {}) if unknown else set()
            return OutcomeReceipt(
                stored,
                len(kept) - stored,
                tuple(one for one in unknown if one not in late),
                tuple(one for one in unknown if one in late),
            )

        return write(self.engine, insert)

    def claim_key(self, key_digest: str, body_digest: str, at: datetime) -> str:
        """Claim an idempotency key for a body; see :func:`~.claimed_keys.claim_key`."""
        return claimed_keys.claim_key(self.engine, key_digest, body_digest, at)

    def release_key(self, key_digest: str, body_digest: str) -> None:
        """Give one claim back: what was asked under it came to nothing."""
        claimed_keys.release_key(self.engine, key_digest, body_digest)

    def prove_writable(self, worker: str, at: datetime) -> None:
        """Commit one small row; raise what the database raises where it cannot be written."""

        def beat(connection: sa.Connection) -> None:
            changed = connection.execute(sa.update(heartbeats).where(heartbeats.c.worker == worker).values(at=at))
            if not changed.rowcount:
                connection.execute(sa.insert(heartbeats).values(worker=worker, at=at))

        write(self.engine, beat)

    def take_turns(self, name: str, *, limit: int, seconds: float, wanted: int, now: float) -> int:
        """Turns of a caller that the workers share; see :func:`~.shared_turns.take_turns`."""
        return take_turns(self.engine, name, limit=limit, seconds=seconds, wanted=wanted, now=now)

    # -- remove ----------------------------------------------------------------------------------------------------
    def erase(
        self, *, requested_by: str, at: datetime, account_id: str | None = None, debtor_id: str | None = None
    ) -> Removal:
        """Erase everything about one account or one debtor (a data subject's request).

        What remains is a row in ``removals``: when, on whose request, how many rows; not about whom.

        Parameters
        ----------
        requested_by : str
            Who handles the request (an operator, not the data subject).
        at : datetime
        account_id, debtor_id : str
            Exactly one of them.
        """
        return removing.erase(self.engine, requested_by=requested_by, at=at, account_id=account_id, debtor_id=debtor_id)

    def purge(self, before: datetime, *, requested_by: str, at: datetime) -> Removal:
        """Delete decisions made before an instant with their outcomes, and orphaned outcomes as old (retention).

        What still acts at ``at`` stays without them: an opt-out, an open promise, a person's agreement, an offer that
        binds, a contact that a rule may count; account, debtor, word, instant, channel and
        purpose of it, and nothing else.
        """
        return removing.purge(self.engine, before, requested_by=requested_by, at=at)


def _refuse_gone(connection: sa.Connection, events: Iterable[ContactEvent]) -> None:
    """Raise where a decision was erased meanwhile: an event of it would be all that is left of its debtor."""
    by_decision = {event.decision_id: event.debtor_id for event in events}
    gone = by_decision.keys() - hold_decisions(connection, list(by_decision))
    if gone:
        raise StaleStanding({by_decision[one] for one in gone})


def _outcome_rows(told: Iterable[OutcomeRecord], known: Collection[str]) -> list[Row]:
    """Rows of outcomes; those of decisions that the log does not hold with the digest that an erasure finds them by."""
    return [one.to_row() | {"source": None if one.decision_id in known else source_of(one.decision_id)} for one in told]
