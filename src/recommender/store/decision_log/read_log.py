"""What is asked of a decision log: decisions, outcomes, standing of debtors, frames; nothing here writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import pandas as pd
import sqlalchemy as sa

from recommender.actions import ActionSpace
from recommender.store.decision_log import log_reading, removing
from recommender.store.decision_log.late_outcomes import Whose, whose_are
from recommender.store.decision_log.ledger import known_debtors, read_standing
from recommender.store.decision_log.log_reading import CHUNK_ROWS
from recommender.store.decision_log.offer_rows import OfferBudget, committed, offers_of
from recommender.store.decision_log.outcome_record import OutcomeRecord
from recommender.store.decision_log.receipts import LoggedDecision
from recommender.store.decision_log.record_fields import unpack_eligible
from recommender.store.decision_log.records import DecisionRecord
from recommender.store.decision_log.removing import Removal
from recommender.store.decision_log.rows import (
    ALL_EVENTS,
    by_ids,
    decision_of,
    joined,
    outcome_of,
    rows_of_ids,
)
from recommender.store.decision_log.schema import OF_CASES, Row, contact_events, decisions, outcomes
from recommender.store.decision_log.standing import Standing

__all__ = ["ReadLog"]

_REVIEWS = sa.select(outcomes.c.decision_id, outcomes.c.occurred_at, outcomes.c.outcome).where(OF_CASES)


class ReadLog:
    """The questions that a :class:`~.decisions.DecisionLog` answers."""

    engine: sa.Engine

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

    def whose_are(self, decision_ids: Sequence[str]) -> dict[str, Whose]:
        """Account and debtor of some decisions, also of those that retention left something of; others are left out."""
        with self.engine.connect() as connection:
            return whose_are(connection, list(dict.fromkeys(decision_ids)))

    def decided_at(self, decision_ids: Sequence[str]) -> dict[str, datetime]:
        """When each of some decisions was made; unknown ids are left out."""
        with self.engine.connect() as connection:
            ids = list(dict.fromkeys(decision_ids))
            rows = by_ids(connection, decisions.c.decision_id, ids, decisions.c.decided_at)
            return {row["decision_id"]: row["decided_at"] for row in rows}

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

    def removals(self) -> list[Removal]:
        """Purges and erasures so far, oldest first."""
        return removing.past_removals(self.engine)
