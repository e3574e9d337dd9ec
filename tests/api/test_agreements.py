"""A person looked at a case and agreed: a state that every process decides by, until it ends or something is heard."""

from __future__ import annotations

from datetime import timedelta

import pytest

from recommender.store.decision_log import (
    DecisionLog,
    OutcomeRecord,
    agree_to_contact,
    agreed_accounts,
    stop_contact,
    withdraw_agreement,
)
from tests.api.test_dispatches import AS_OF, Sender, account

LATE = {"due_date": "2026-07-01"}  # in a late stage: a person looks first


@pytest.fixture
def sender(empty_url):
    held = Sender(empty_url)
    with held.client:
        yield held


def asks(sender, one, days=0):
    """Whether a decision about an account asks for a person some days later, and its id."""
    sender.now = AS_OF + timedelta(days=days)
    answer = sender.client.post("/v1/recommendations", json={"accounts": [one], "as_of": sender.now.isoformat()})
    (told,) = answer.json()["recommendations"]
    return told["needs_human"], told["decision_id"]


def test_an_agreement_acts_on_the_next_decision_and_on_no_other_account(sender):
    """It ends by itself, is taken back, and says nothing of the debtor's other debt."""
    one, other = account(**LATE), account("A2", **LATE)
    needed, decision = asks(sender, one)
    assert needed
    with DecisionLog(sender.url) as log:
        agree_to_contact(log, decision, at=AS_OF + timedelta(hours=1))
        assert agreed_accounts(log, AS_OF + timedelta(days=1)) == ("A1",)
        assert agreed_accounts(log, AS_OF + timedelta(days=31)) == ()
    assert [asks(sender, one, days)[0] for days in (1, 29, 31)] == [False, False, True]
    assert asks(sender, other, 1)[0]
    with DecisionLog(sender.url) as log:
        withdraw_agreement(log, decision, at=AS_OF + timedelta(days=2))
        assert agreed_accounts(log, AS_OF + timedelta(days=3)) == ()
    assert asks(sender, one, 3)[0]


@pytest.mark.parametrize("heard", ["complaint", "dispute", "hardship", "contact_stopped"])
def test_what_is_newly_heard_of_the_debtor_ends_an_agreement(sender, heard):
    """The person agreed without knowing it; what was known before ends nothing."""
    one = account(**LATE)
    _, decision = asks(sender, one)
    with DecisionLog(sender.url) as log:
        agree_to_contact(log, decision, at=AS_OF + timedelta(hours=2))
        if heard == "contact_stopped":
            stop_contact(log, decision, at=AS_OF + timedelta(hours=3))
        else:
            log.record_outcomes(
                [OutcomeRecord(decision_id=decision, occurred_at=AS_OF + timedelta(hours=3), outcome=heard)]
            )
        assert agreed_accounts(log, AS_OF + timedelta(days=1)) == ()
    assert asks(sender, one, 1)[0]
    with DecisionLog(sender.url) as log:
        agree_to_contact(log, decision, at=AS_OF + timedelta(days=2))
        assert agreed_accounts(log, AS_OF + timedelta(days=3)) == ("A1",)
    assert not asks(sender, one, 3)[0]


def test_people_s_decisions_are_found_without_reading_every_outcome(sender):
    """On SQLite the plan of the query names the index of the few, not a scan of all outcomes."""
    import sqlalchemy as sa

    from recommender.store.decision_log.schema import OF_CASES, outcomes

    with DecisionLog(sender.url) as log, log.engine.connect() as connection:
        if log.engine.dialect.name != "sqlite":  # whose planner scans a table this small
            assert "ix_outcomes_of_cases" in {one["name"] for one in sa.inspect(log.engine).get_indexes("outcomes")}
            return
        query = sa.select(outcomes.c.occurred_at).where(OF_CASES).order_by(outcomes.c.occurred_at)
        text = str(query.compile(log.engine, compile_kwargs={"literal_binds": True}))
        plan = " ".join(str(row) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}"))
    assert "ix_outcomes_of_cases" in plan
