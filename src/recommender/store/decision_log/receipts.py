"""What the decision log gives back: receipts of what was written, and a decision with what came of it."""

from __future__ import annotations

from dataclasses import dataclass

from recommender.store.decision_log.outcome_record import OutcomeRecord
from recommender.store.decision_log.records import DecisionRecord

__all__ = ["LoggedDecision", "OutcomeReceipt", "Receipt"]


@dataclass(frozen=True)
class Receipt:
    """How many records were new, and how many had been logged before with the same content."""

    stored: int
    repeated: int


@dataclass(frozen=True)
class OutcomeReceipt(Receipt):
    """Adds the ids of decisions that the log does not hold; their outcomes are kept and attach when they arrive.

    Attributes
    ----------
    orphans : tuple of str
        Of nobody that is known: their outcomes act on no debtor.
    late : tuple of str
        Of a debtor that is known, by what retention kept or by the sender: their outcomes act on it.
    """

    orphans: tuple[str, ...] = ()
    late: tuple[str, ...] = ()


@dataclass(frozen=True)
class LoggedDecision:
    """A decision with its outcomes so far, in the order they happened."""

    decision: DecisionRecord
    outcomes: tuple[OutcomeRecord, ...]
