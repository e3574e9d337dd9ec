"""The decision log: what goes in comes out, once, and never changes; the same on SQLite and PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import sqlalchemy as sa

from recommender.errors import InvalidInput, RecommenderError
from recommender.store.decision_log.decisions import (
    DecisionConflict,
    DecisionLog,
    DecisionRecord,
    OutcomeRecord,
    ShadowChoice,
)
from recommender.store.decision_log.schema import decisions

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
Decide = Callable[..., DecisionRecord]


def test_a_decision_comes_back_exactly_as_it_was_logged(log: DecisionLog, decide: Decide) -> None:
    """Every field, numbers to the last bit, and the eligible set survive the round trip."""
    eligible = np.array([True, False, True, False, False, True, False, False, True, True])
    record = decide(
        action=2,
        eligible=eligible,
        propensity=0.1 + 0.2,
        context={
            "stage": "preventive",
            "tiny": 5e-324,
            "large": 1e22,
            "zero": -0.0,
            "gap": float("nan"),
            "n": 2**53 + 1,
        },
        ranking=[{"action": 2, "expected_reward": 0.031, "lo": None}, {"action": 9, "expected_reward": 0.01}],
        request_key="request-1",
        contact_at=NOON + timedelta(hours=3),
        fallback=True,
        deterministic=True,
        seed=-(2**62),
        shadow=ShadowChoice(action=5, expected_reward=0.04, policy_version="8"),
    )
    assert log.record([record]).stored == 1

    found = log.get(record.decision_id)
    assert found is not None
    assert found.decision == record
    assert found.outcomes == ()
    np.testing.assert_array_equal(found.decision.eligible, eligible)
    assert found.decision.context["gap"] is None
    assert str(found.decision.context["zero"]) == "-0.0"
    assert isinstance(found.decision.context["large"], float)
    assert found.decision.provenance == record.provenance
    assert found.decision.decided_at.utcoffset() == timedelta(0)
    assert found.decision.shadow == record.shadow


def test_an_unknown_decision_is_none(log: DecisionLog) -> None:
    """Asking for an id that was never logged is not an error."""
    assert log.get("nobody") is None


def test_the_same_decision_twice_is_logged_once(log: DecisionLog, decide: Decide) -> None:
    """A repeated batch, or a repeat within a batch, changes nothing and says so."""
    batch = [decide(number) for number in range(5)]
    assert log.record([*batch, batch[0]]).stored == 5
    receipt = log.record([*batch, decide(5)])
    assert (receipt.stored, receipt.repeated) == (1, 5)
    assert log.count() == (6, 0)
    assert log.record([]).stored == 0


def test_another_content_under_a_logged_id_is_refused_with_the_whole_batch(log: DecisionLog, decide: Decide) -> None:
    """What is logged is never changed, and a refused batch leaves nothing behind."""
    log.record([decide(0)])
    with pytest.raises(DecisionConflict, match="'d00000'") as caught:
        log.record([decide(1), decide(0, propensity=0.5)])
    assert caught.value.keys == ("d00000",)
    assert log.count() == (1, 0)
    found = log.get("d00000")
    assert found is not None
    assert found.decision.propensity == 0.25
    with pytest.raises(DecisionConflict):
        log.record([decide(2), decide(2, seed=1)])


def test_outcomes_attach_to_their_decision_in_the_order_they_happened(log: DecisionLog, decide: Decide) -> None:
    """Outcomes may arrive in any order and repeatedly."""
    log.record([decide(0)])
    paid = OutcomeRecord(
        decision_id="d00000", occurred_at=NOON + timedelta(days=2), outcome="paid", amount_minor=150_000, currency="COP"
    )
    read = OutcomeRecord(decision_id="d00000", occurred_at=NOON + timedelta(hours=1), outcome="read")
    assert log.record_outcomes([paid, read]).stored == 2
    again = log.record_outcomes([read, paid, read])
    assert (again.stored, again.repeated, again.orphans) == (0, 2, ())
    found = log.get("d00000")
    assert found is not None
    assert found.outcomes == (read, paid)


def test_an_outcome_key_with_other_content_is_refused(log: DecisionLog, decide: Decide) -> None:
    """The sender's own idempotency key is honoured."""
    log.record([decide(0)])
    first = OutcomeRecord(decision_id="d00000", occurred_at=NOON, outcome="read", outcome_id="event-1")
    log.record_outcomes([first])
    assert log.record_outcomes([first]).repeated == 1
    with pytest.raises(DecisionConflict, match="event-1"):
        log.record_outcomes([replace(first, outcome="replied")])


def test_an_outcome_of_an_unknown_decision_is_kept_and_reported(log: DecisionLog, decide: Decide) -> None:
    """It is not lost: it is listed as an orphan, and belongs to the decision as soon as that arrives."""
    early = OutcomeRecord(decision_id="d00003", occurred_at=NOON + timedelta(hours=1), outcome="delivered")
    receipt = log.record_outcomes([early])
    assert (receipt.stored, receipt.orphans) == (1, ("d00003",))
    assert log.orphans() == [early]
    log.record([decide(3)])
    assert log.orphans() == []
    found = log.get("d00003")
    assert found is not None
    assert found.outcomes == (early,)


def test_a_request_is_answered_again_in_its_own_order(log: DecisionLog, decide: Decide) -> None:
    """The decisions of an idempotency key come back as they were sent, whatever their ids."""
    sent = [decide(number, request_key="k", request_position=place) for place, number in enumerate((5, 1, 9))]
    log.record([*sent, decide(2, request_key="other")])
    assert log.by_request_key("k") == sent
    assert log.by_request_key("unknown") == []


def test_reading_pages_through_an_interval_in_time_order(log: DecisionLog, decide: Decide) -> None:
    """Half-open in time, complete and without repeats across pages, also where instants are equal."""
    records = [decide(number, decided_at=NOON + timedelta(minutes=number // 4)) for number in range(25)]
    log.record(records[::-1])
    frames = list(log.read(NOON, NOON + timedelta(minutes=5), chunk_rows=6))
    assert [len(frame) for frame in frames] == [6, 6, 6, 2]
    seen = [decision_id for frame in frames for decision_id in frame["decision_id"]]
    assert seen == [f"d{number:05d}" for number in range(20)]
    assert frames[0]["eligible"].iloc[0].tolist() == [True] * 10
    assert frames[0]["action_factors"].iloc[1] == {"channel": "call", "hour": 13}
    assert frames[0]["rule_packs"].iloc[0] == {"CO": "cd" * 32, "house": "ef" * 32}
    assert sum(len(frame) for frame in log.read()) == 25


def test_erasing_an_account_removes_it_and_counts(log: DecisionLog, decide: Decide) -> None:
    """A data subject's request takes decisions and outcomes; what stays says when and who asked, not about whom."""
    log.record([decide(number) for number in range(14)])
    log.record_outcomes(
        [
            OutcomeRecord(decision_id=f"d{n:05d}", occurred_at=NOON + timedelta(days=1), outcome="read")
            for n in range(14)
        ]
    )
    removal = log.erase(account_id="a2", requested_by="privacy desk", at=NOON)
    assert (removal.decisions, removal.outcomes) == (2, 2)
    assert log.count() == (12, 12)
    assert log.get("d00002") is None
    by_debtor = log.erase(debtor_id="p0", requested_by="privacy desk", at=NOON)
    assert by_debtor.decisions == 4
    assert log.removals() == [removal, by_debtor]
    assert "a2" not in repr(log.removals())
    with pytest.raises(InvalidInput, match="exactly one"):
        log.erase(requested_by="privacy desk", at=NOON)


def test_purging_by_date_keeps_what_is_younger(log: DecisionLog, decide: Decide) -> None:
    """Retention removes old decisions with all their outcomes, and orphans of that age; nothing else."""
    log.record([decide(number) for number in range(10)])
    cut = NOON + timedelta(minutes=4)
    late = [
        OutcomeRecord(decision_id=f"d{n:05d}", occurred_at=NOON + timedelta(days=3), outcome="read") for n in (1, 8)
    ]
    orphans = [
        OutcomeRecord(decision_id="x", occurred_at=NOON, outcome="read"),
        OutcomeRecord(decision_id="y", occurred_at=NOON + timedelta(days=1), outcome="read"),
    ]
    log.record_outcomes([*late, *orphans])
    removal = log.purge(cut, requested_by="retention job", at=NOON + timedelta(days=30))
    assert (removal.kind, removal.decisions, removal.outcomes) == ("purge", 4, 2)
    assert log.count() == (6, 2)
    assert log.orphans() == [orphans[1]]


def test_a_row_changed_behind_our_back_is_noticed(log: DecisionLog, decide: Decide) -> None:
    """The digest written with a decision no longer fits after an edit in the database."""
    log.record([decide(0)])
    with log.engine.begin() as connection:
        connection.execute(sa.update(decisions).values(propensity=0.9))
    with pytest.raises(RecommenderError, match="altered"):
        log.get("d00000")


def test_many_threads_write_at_once_without_loss(log: DecisionLog, decide: Decide) -> None:
    """Overlapping batches from many threads end as each decision once."""
    failures: list[BaseException] = []
    stored: list[int] = []

    def send(start: int) -> None:
        try:
            batches = [[decide(number) for number in range(first, first + 8)] for first in range(start, start + 20, 4)]
            stored.extend(log.record(batch).stored for batch in batches)
        except BaseException as error:  # noqa: BLE001 - reported by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=send, args=(start,)) for start in range(0, 60, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert log.count() == (74, 0)
    assert sum(stored) == 74


def test_sql_in_a_value_stays_a_value(log: DecisionLog, decide: Decide) -> None:
    """Ids and texts reach the database as parameters only."""
    hostile = "x'); DROP TABLE decisions; --"
    log.record([decide(0, decision_id=hostile, account_id=hostile, context={"stage": hostile, hostile: 1.0})])
    found = log.get(hostile)
    assert found is not None
    assert found.decision.context == {"stage": hostile, hostile: 1.0}
    assert log.erase(account_id=hostile + "' OR '1'='1", requested_by="x", at=NOON).decisions == 0
    assert log.count() == (1, 0)


def test_a_purge_leaves_the_outcomes_of_decisions_that_stay(log: DecisionLog, decide: Decide) -> None:
    """An outcome that an early clock dates before the limit belongs to its decision, which was made after it."""
    log.record([decide(0), decide(1)])
    moment = log.get("d00001").decision.decided_at
    early = OutcomeRecord(decision_id="d00001", occurred_at=moment - timedelta(hours=3), outcome="read")
    log.record_outcomes([early])
    removal = log.purge(moment, requested_by="retention job", at=moment + timedelta(days=1))
    assert (removal.decisions, removal.outcomes) == (1, 0)
    assert log.get("d00001").outcomes == (early,) or [*log.get("d00001").outcomes] == [early]


def test_outcomes_are_read_of_the_decisions_of_an_interval(log: DecisionLog, decide: Decide) -> None:
    """Half-open, by the moment of the decision and not of the outcome."""
    records = [decide(number, decided_at=NOON + timedelta(minutes=number)) for number in range(4)]
    log.record(records)
    later = NOON + timedelta(days=1)
    log.record_outcomes(
        [OutcomeRecord(decision_id=one.decision_id, occurred_at=later, outcome="delivered") for one in records]
    )
    found = log.outcome_frame(NOON + timedelta(minutes=1), NOON + timedelta(minutes=3))
    assert sorted(found["decision_id"]) == [one.decision_id for one in records[1:3]]
    assert len(log.outcome_frame()) == 4
