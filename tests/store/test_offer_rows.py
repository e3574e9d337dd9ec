"""Offers as a state of the log: what binds the budget, who is refused, what releases them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from recommender.actions import ActionSpace
from recommender.store.decision_log import (
    BudgetSpent,
    ContactEvent,
    DecisionLog,
    DecisionRecord,
    OfferBudget,
    OutcomeRecord,
    Provenance,
    migration,
    offers_made,
)

NOW = datetime(2026, 11, 23, 13, tzinfo=UTC)
SPACE = ActionSpace({"channel": ["sms", "email"], "offer": ["none", "d20", "d5"]}, no_contact=True)
PROVENANCE = Provenance(policy_version="p", actions=SPACE)
_CODES = SPACE.index_of(pd.DataFrame({"channel": ["sms", "sms"], "offer": ["d20", "none"]}))
D20, PLAIN = map(int, _CODES)


def decided(name: str, cost: float = 100.0, days: int = 10, action: int = D20, at: datetime = NOW) -> DecisionRecord:
    """A decision that offers a discount."""
    terms = {"cost_minor": cost, "currency": "COP", "expires_at": (at + timedelta(days=days)).isoformat()}
    return DecisionRecord(
        decision_id=name, account_id=f"A{name}", debtor_id=f"D{name}", decided_at=at, action=action, propensity=1.0,
        eligible=np.ones(len(SPACE), dtype=bool), context={}, provenance=PROVENANCE,
        ranking=[{"action": action, "rank": 1, "offer": json.dumps(terms)}],
    )  # fmt: skip


def told(name: str, kind: str, **more: object) -> ContactEvent:
    """Something that became of a decision."""
    return ContactEvent(decision_id=name, debtor_id=f"D{name}", kind=kind, at=NOW, **more)  # type: ignore[arg-type]


def states(log: DecisionLog) -> dict[str, str]:
    """Status of the offer to each account, without the released ones."""
    return dict(offers_made(log)[["account_id", "status"]].to_numpy().tolist())


def test_who_read_the_budget_before_another_spent_it_is_refused_and_writes_nothing(empty_url: str) -> None:
    """Both see 150 free; the second 100 are not there, a smaller offer is; who offers nothing is never asked."""
    budget = OfferBudget("COP", 150.0, NOW)
    with DecisionLog.create(empty_url) as one, DecisionLog(empty_url) as other:
        seen = [log.standing([name], NOW, {}, offers=budget) for log, name in ((one, "D1"), (other, "D2"))]
        assert [standing.committed_minor for standing in seen] == [0.0, 0.0]
        one.record([decided("1")], seen=seen[0].seen, budget=budget)
        with pytest.raises(BudgetSpent, match="decide again"):
            other.record([decided("2")], seen=seen[1].seen, budget=budget)
        assert other.get("2") is None
        assert states(other) == {"A1": "open"}
        other.record([decided("3", cost=50.0), decided("4", action=PLAIN)], budget=budget)
        other.record([decided("1")], budget=OfferBudget("COP", 10.0, NOW))  # repeated: it costs nothing more
        again = other.standing(["D1"], NOW, {"A1": "D1"}, offers=budget)
        assert again.committed_minor == 150.0
        assert [row["offer_id"] for row in again.offers] == ["d20"]
        assert other.standing([], NOW, offers=OfferBudget("COP", 150.0, NOW + timedelta(days=11))).committed_minor == 0


def test_the_state_follows_what_is_told_in_any_order(empty_url: str) -> None:
    """Taken back, delivered at last, sent without the offer, of the sender's choosing, paid before it was known."""
    with DecisionLog.create(empty_url) as log:
        paid = {"occurred_at": NOW, "outcome": "paid", "amount_minor": 5, "currency": "COP"}
        log.record_outcomes([OutcomeRecord(decision_id="5", **paid)])
        log.record([decided(str(name)) for name in range(1, 6)])
        assert states(log) == {"A1": "open", "A2": "open", "A3": "open", "A4": "open", "A5": "accepted"}
        log.record_events([told("1", "undelivered"), told("2", "cancelled")])
        log.record_events(
            [told("3", "reserved", action=PLAIN, channel="sms"), told("4", "overridden", channel="email")]
        )
        assert states(log) == {"A4": "open", "A5": "accepted"}
        log.record_events([told("1", "delivered"), told("3", "dispatched", action=D20, channel="sms")])
        assert states(log) == {"A1": "open", "A3": "open", "A4": "open", "A5": "accepted"}


def test_a_log_of_before_offers_is_filled_from_its_decisions(empty_url: str) -> None:
    with DecisionLog.create(empty_url) as log:
        log.record([decided("1"), decided("2"), decided("3", action=PLAIN)])
        log.record_events([told("2", "cancelled")])
        migration.downgrade(log.engine, "0006")
        migration.upgrade(log.engine)
        assert states(log) == {"A1": "open"}
        # Nobody wrote down what it costs: whoever keeps to a budget offers nothing more.
        committed = log.standing([], NOW, offers=OfferBudget("COP", 150.0, NOW)).committed_minor
        assert np.isnan(committed)
