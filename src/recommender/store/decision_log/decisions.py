"""The decision log: every decision when it is made, every outcome when it is known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Self

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from recommender.actions import ActionSpace
from recommender.store.decision_log import log_reading, migration, removing
from recommender.store.decision_log.contact_event import ContactEvent
from recommender.store.decision_log.database import DatabaseUnavailable, open_engine, refuse_missing_file, write
from recommender.store.decision_log.feedback_frame import read_feedback_frame
from recommender.store.decision_log.ledger import (
    known_debtors,
    lock_debtors,
    read_standing,
    refuse_stale,
)
from recommender.store.decision_log.log_reading import CHUNK_ROWS
from recommender.store.decision_log.offer_rows import (
    OfferBudget,
    committed,
    hold_budget,
    keep_offers,
    offer_row,
    offers_of,
    refuse_overspent,
    settle_offers,
)
from recommender.store.decision_log.outcome_record import OutcomeRecord
from recommender.store.decision_log.receipts import LoggedDecision, OutcomeReceipt, Receipt
from recommender.store.decision_log.record_fields import unpack_eligible
from recommender.store.decision_log.records import DecisionRecord, Provenance, ShadowChoice
from recommender.store.decision_log.removing import Removal
from recommender.store.decision_log.rows import (
    ALL_EVENTS,
    DecisionConflict,
    by_ids,
    decision_of,
    insert_checked,
    insert_events,
    insert_new,
    joined,
    outcome_of,
    rows_of_ids,
    without_repeats,
)
from recommender.store.decision_log.schema import (
    OF_CASES,
    Row,
    SchemaMismatch,
    contact_events,
    decisions,
    heartbeats,
    idempotency_keys,
    outcomes,
    provenances,
)
from recommender.store.decision_log.shared_turns import take_turns
from recommender.store.decision_log.standing import Seen, Standing

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

_REVIEWS = sa.select(outcomes.c.decision_id, outcomes.c.occurred_at, outcomes.c.outcome).where(OF_CASES)
_CORRECTIONS = sa.select(outcomes.c.outcome_id, outcomes.c.decision_id, outcomes.c.replaces)
_TOLD_OF = (
    (sa.select(contact_events.c.decision_id), contact_events.c.decision_id),
    (sa.select(outcomes.c.decision_id), outcomes.c.decision_id),
)


class DecisionLog:
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
            When something about one of these debtors was written meanwhile.
        """
        batch = without_repeats(events, "event", lambda event: event.event_id)
        if not batch:
            return Receipt(0, 0)

        def insert(connection: sa.Connection) -> int:
            named = {event.debtor_id for event in batch.values()}
            lock_debtors(connection, named if seen is None else {*named, *seen.debtors, *seen.accounts})
            if seen is not None:
                refuse_stale(connection, seen, batch)
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
            free = {key: event for key, event in batch.items() if event.decision_id not in known}
            stored = insert_events(connection, free, told_at) if free else 0
            settle_offers(connection, {event.decision_id for event in free.values()})
            return stored

        return write(self.engine, insert) if batch else 0

    def record_outcomes(self, records: Iterable[OutcomeRecord]) -> OutcomeReceipt:
        """Log outcomes in one transaction: all of them or none.

        An outcome whose decision is not in the log is stored all the same and reported; it belongs to the decision
        as soon as that is logged.

        Raises
        ------
        DecisionConflict
            When an ``outcome_id`` is logged with other content.
        """
        batch = without_repeats(records, "outcome", lambda record: str(record.outcome_id))
        if not batch:
            return OutcomeReceipt(0, 0)
        rows = [record.to_row() for record in batch.values()]
        about = list(dict.fromkeys(record.decision_id for record in batch.values()))

        def insert(connection: sa.Connection) -> tuple[int, tuple[str, ...]]:
            stored = insert_checked(connection, outcomes, "outcome", rows)
            settle_offers(connection, about)
            known = {row["decision_id"] for row in by_ids(connection, decisions.c.decision_id, about)}
            return stored, tuple(decision_id for decision_id in about if decision_id not in known)

        stored, orphans = write(self.engine, insert)
        return OutcomeReceipt(stored, len(rows) - stored, orphans)

    def claim_key(self, key_digest: str, body_digest: str, at: datetime) -> tuple[str, bool]:
        """Claim an idempotency key for a body: the digest that it stands for, and whether it was claimed just now."""
        row = {"key_digest": key_digest, "body_digest": body_digest, "claimed_at": at}

        def claim(connection: sa.Connection) -> tuple[str, bool]:
            stored = insert_new(connection, idempotency_keys, [row])
            held = sa.select(idempotency_keys.c.body_digest).where(idempotency_keys.c.key_digest == key_digest)
            return str(connection.scalars(held).one()), bool(stored)

        return write(self.engine, claim)

    def release_key(self, key_digest: str) -> None:
        """Give a claimed key back: what was asked under it came to nothing."""
        gone = sa.delete(idempotency_keys).where(idempotency_keys.c.key_digest == key_digest)
        write(self.engine, lambda connection: connection.execute(gone))

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

    # -- read ------------------------------------------------------------------------------------------------------
    def get(self, decision_id: str) -> LoggedDecision | None:
        """One decision with its outcomes, or None.

        Raises
        ------
        RecommenderError
            When the stored row is not what was logged: it was altered outside of this software.
        """
        with self.engine.connect() as connection:
            decision_row = connection.execute(joined().where(decisions.c.decision_id == decision_id)).mappings().first()
            if decision_row is None:
                return None
            outcome_rows = connection.execute(
                sa.select(outcomes)
                .where(outcomes.c.decision_id == decision_id)
                .order_by(outcomes.c.occurred_at, outcomes.c.outcome_id)
            ).mappings()
            return LoggedDecision(decision_of(decision_row), tuple(outcome_of(row) for row in outcome_rows))

    def decided_at(self, decision_ids: Sequence[str]) -> dict[str, datetime]:
        """When each of some decisions was made; unknown ids are left out."""
        with self.engine.connect() as connection:
            ids = list(dict.fromkeys(decision_ids))
            rows = by_ids(connection, decisions.c.decision_id, ids, decisions.c.decided_at)
            return {row["decision_id"]: row["decided_at"] for row in rows}

    def corrections(self, outcome_ids: Sequence[str]) -> list[Row]:
        """Outcomes that are some others or take the place of some: ``outcome_id``, ``decision_id``, ``replaces``."""
        with self.engine.connect() as connection:
            ids = list(dict.fromkeys(outcome_ids))
            return rows_of_ids(connection, _CORRECTIONS, outcomes.c.outcome_id, ids, outcomes.c.replaces)

    def outcome_owners(self, outcome_ids: Sequence[str]) -> dict[str, str]:
        """Decision of each of some outcomes; unknown ids are left out."""
        with self.engine.connect() as connection:
            rows = by_ids(connection, outcomes.c.outcome_id, list(dict.fromkeys(outcome_ids)), outcomes.c.decision_id)
            return {row["outcome_id"]: row["decision_id"] for row in rows}

    def standing(
        self,
        debtors: Iterable[str],
        since: datetime,
        accounts: Mapping[str, str] | None = None,
        *,
        offers: OfferBudget | None = None,
    ) -> Standing:
        """What is planned, sent and known of some debtors; see :func:`~.ledger.read_standing`.

        With ``offers`` also what they were offered, and what all offers of the log may cost.
        """
        with self.engine.connect() as connection:
            standing = read_standing(connection, list(dict.fromkeys(debtors)), since, accounts)
            if offers is None:
                return standing
            made = offers_of(connection, [*standing.seen.debtors, *standing.seen.accounts], accounts or {})
            return replace(standing, offers=made, committed_minor=committed(connection, offers))

    def known_debtors(self, accounts: Sequence[str]) -> dict[str, str]:
        """Debtor under whom each account was last decided about, where one was named."""
        with self.engine.connect() as connection:
            return known_debtors(connection, accounts)

    def events_of(self, decision_ids: Sequence[str]) -> dict[str, list[Row]]:
        """Rows of ``contact_events`` of some decisions, in the order they were told."""
        by_decision: dict[str, list[Row]] = {}
        with self.engine.connect() as connection:
            for row in rows_of_ids(connection, ALL_EVENTS, contact_events.c.decision_id, decision_ids):
                by_decision.setdefault(row["decision_id"], []).append(row)
        for events in by_decision.values():
            events.sort(key=lambda event: (event["step"], event["at"], event["event_id"]))
        return by_decision

    def agreed(self, decision_ids: Sequence[str], until: datetime) -> set[str]:
        """Those of some decisions that a person looked at and agreed to before an instant, and did not take back."""
        told: dict[str, tuple[datetime, str]] = {}
        with self.engine.connect() as connection:
            for row in rows_of_ids(connection, _REVIEWS, outcomes.c.decision_id, decision_ids):
                if row["occurred_at"] < until:
                    told[row["decision_id"]] = max(
                        told.get(row["decision_id"], (row["occurred_at"], "")), (row["occurred_at"], row["outcome"])
                    )
        return {decision_id for decision_id, (_, word) in told.items() if word == "contact_agreed"}

    def latest_of_accounts(self) -> list[Row]:
        """Newest decision of every account, as plain values.

        Keys are ``decision_id``, ``account_id``, ``debtor_id``, ``decided_at``, ``action``, ``propensity``,
        ``ranking``, ``action_factors``, ``fallback`` and ``deterministic``.
        """
        return log_reading.latest_of_accounts(self.engine)

    def by_request_key(self, request_key: str) -> list[DecisionRecord]:
        """Decisions of one request, in its order: the answer to a repeated request."""
        query = joined().where(decisions.c.request_key == request_key).order_by(decisions.c.request_position)
        with self.engine.connect() as connection:
            return [decision_of(row) for row in connection.execute(query).mappings()]

    def read(
        self, since: datetime | None = None, until: datetime | None = None, *, chunk_rows: int = CHUNK_ROWS
    ) -> Iterator[pd.DataFrame]:
        """Decisions of ``since <= decided_at < until`` in time order, in frames of at most ``chunk_rows`` rows.

        Columns are those of the ``decisions`` and ``provenances`` tables; ``context``, ``ranking`` and
        ``action_factors`` hold plain objects, ``eligible`` boolean arrays. No transaction stays open between frames.
        """
        for rows in self.rows(since, until, chunk_rows=chunk_rows):
            frame = pd.DataFrame(rows)
            frame["eligible"] = [
                unpack_eligible(row["eligible"], len(ActionSpace.from_dict(row["action_space"]))) for row in rows
            ]
            yield frame

    def rows(
        self, since: datetime | None = None, until: datetime | None = None, *, chunk_rows: int = CHUNK_ROWS
    ) -> Iterator[list[Row]]:
        """Like :meth:`read`, as lists of plain rows with packed eligible bits."""
        return log_reading.decision_rows(self.engine, since, until, chunk_rows=chunk_rows)

    def outcome_frame(self, since: datetime | None = None, until: datetime | None = None) -> pd.DataFrame:
        """Outcomes of the decisions of ``since <= decided_at < until``; orphans are not among them."""
        return log_reading.outcome_frame(self.engine, since, until)

    def orphans(self) -> list[OutcomeRecord]:
        """Outcomes whose decision is not in the log."""
        return log_reading.orphaned_outcomes(self.engine)

    def count(self) -> tuple[int, int]:
        """Number of decisions and of outcomes."""
        return log_reading.row_counts(self.engine)

    def newest(self) -> dict[str, datetime | None]:
        """When the last decision was made (``last_decision``) and the last outcome happened (``last_outcome``)."""
        return log_reading.newest(self.engine)

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
        binds, a contact that a rule may count; account, debtor, word, instant and channel of it, and nothing else.
        """
        return removing.purge(self.engine, before, requested_by=requested_by, at=at)

    def removals(self) -> list[Removal]:
        """Purges and erasures so far, oldest first."""
        return removing.past_removals(self.engine)
