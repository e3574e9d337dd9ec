"""What happened after a decision, checked once, on birth."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any

import numpy as np

from recommender.errors import InvalidInput
from recommender.store.decision_log.outcome_terms import trouble_with_terms
from recommender.store.decision_log.record_fields import LARGEST_INTEGER, check_id, sha256_of, utc_instant
from recommender.tables import OUTCOMES

__all__ = ["OutcomeRecord"]


@dataclass(frozen=True, kw_only=True)
class OutcomeRecord:
    """One thing that happened after a decision.

    Attributes
    ----------
    decision_id : str
    occurred_at : datetime
        With a time zone; kept in UTC.
    outcome : str
        A rung of :data:`~recommender.tables.OUTCOMES`.
    amount_minor : int or None
        In minor units (cents); only with ``currency``.
    currency : str or None
        ISO 4217.
    outcome_id : str or None
        Idempotency key. Default: digest of the fields above, so that the same event told twice counts once.
    replaces : str or None
        Id of an outcome that was told wrongly and that this one takes the place of; both rows stay.
    promise_date : date or None
        Day until which the debtor promised to pay; only of ``promise_to_pay``.
    callback_at : datetime or None
        With a time zone; the debtor asked to be called then and not before. Only of ``callback_requested``.
    """

    decision_id: str
    occurred_at: datetime
    outcome: str
    amount_minor: int | None = None
    currency: str | None = None
    outcome_id: str | None = None
    replaces: str | None = None
    promise_date: date | None = None
    callback_at: datetime | None = None

    def __post_init__(self) -> None:
        """Check every field; fill in the key."""
        put = object.__setattr__.__get__(self)
        check_id("decision_id", self.decision_id)
        put("occurred_at", utc_instant("occurred_at", self.occurred_at))
        if self.outcome not in OUTCOMES:
            raise InvalidInput.in_column(
                "outcome", "is not on the outcome ladder", values=[self.outcome], mend=f"Use one of {list(OUTCOMES)}."
            )
        if (self.amount_minor is None) != (self.currency is None):
            raise InvalidInput.in_column(
                "amount_minor",
                "and currency go together",
                values=[self.amount_minor, self.currency],
                mend="Give both, e.g. amount_minor=150_000, currency='COP', or neither.",
            )
        if self.amount_minor is not None:
            amount: Any = self.amount_minor
            whole = isinstance(amount, int | np.integer) and not isinstance(amount, bool)
            if not whole or not 0 <= self.amount_minor <= LARGEST_INTEGER:
                raise InvalidInput.in_column(
                    "amount_minor",
                    "must be a whole number of minor units, 0 or more",
                    values=[self.amount_minor],
                    mend="Convert to cents first; a reversed payment is not an outcome.",
                )
            put("amount_minor", int(self.amount_minor))
        if self.currency is not None and not (
            len(self.currency) == 3 and self.currency.isascii() and self.currency.isupper()
        ):
            raise InvalidInput.in_column(
                "currency", "must be an ISO 4217 code", values=[self.currency], mend="Write e.g. 'COP' or 'USD'."
            )
        told = trouble_with_terms(self.outcome, self.occurred_at, self.promise_date, self.callback_at)
        if told is not None:
            raise InvalidInput(f"{told[0]} {told[1]}.", column=told[0], mend=told[2])
        if self.callback_at is not None:
            put("callback_at", utc_instant("callback_at", self.callback_at))
        if self.outcome_id is None:
            put("outcome_id", self.content_digest)
        check_id("outcome_id", self.outcome_id)
        if self.replaces is not None:
            check_id("replaces", self.replaces)
            if self.replaces == self.outcome_id:
                raise InvalidInput.in_column(
                    "replaces", "names the outcome itself", values=[self.replaces], mend="Name the one told wrongly."
                )

    @cached_property
    def content_digest(self) -> str:
        """SHA-256 of the content without the key."""
        content = [self.decision_id, self.occurred_at.isoformat(), self.outcome, self.amount_minor, self.currency]
        content += [] if self.replaces is None else [self.replaces]
        # Named, and only where they are told: what was logged before they were known keeps its digest.
        terms = {name: getattr(self, name) for name in ("promise_date", "callback_at")}
        named = {name: value.isoformat() for name, value in terms.items() if value is not None}
        return sha256_of([*content, named] if named else content)

    def to_row(self) -> dict[str, Any]:
        """Columns of the ``outcomes`` table."""
        names = (
            "outcome_id", "decision_id", "occurred_at", "outcome", "amount_minor", "currency", "replaces",
            "content_digest", "promise_date", "callback_at",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}
