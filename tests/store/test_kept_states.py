"""Retention takes rows, not the states that came from them: who opted out is left alone all the same."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from recommender.store.decision_log import (
    ContactEvent,
    DecisionLog,
    DecisionRecord,
    OutcomeRecord,
    agree_to_contact,
    agreed_accounts,
    debtor_export,
    resume_contact,
    stop_contact,
    stopped_ids,
)
from recommender.store.decision_log.schema import kept_states
from tests.store.conftest import NOON

Decide = Callable[..., DecisionRecord]
DAY = timedelta(days=1)
LATER = NOON + 400 * DAY
YEAR = timedelta(days=400)


def made(decide: Decide, number: int, debtor: str = "D", **more: object) -> DecisionRecord:
    """A decision to contact, by action 0 of the test space."""
    return decide(number, account_id=f"A{number}", debtor_id=debtor, action=0, ranking=(), **more)


def heard(number: int, word: str, days: float = 1, **more: object) -> OutcomeRecord:
    return OutcomeRecord(decision_id=f"d{number:05d}", occurred_at=NOON + days * DAY, outcome=word, **more)


def retained(log: DecisionLog, days: float) -> None:
    """Everything of before that day is deleted."""
    log.purge(NOON + days * DAY, requested_by="retention", at=NOON + days * DAY)


def words(log: DecisionLog, debtor: str = "D", **accounts: str) -> list[tuple[str, str, object]]:
    standing = log.standing([debtor], NOON - YEAR, accounts)
    told = standing.outcomes.get(debtor, [])
    return [
        (one.account_id, one.outcome, one.promise_date)
        for one in sorted(told, key=lambda one: (one.occurred_at, one.account_id))
    ]


def rows(log: DecisionLog) -> list[dict[str, object]]:
    with log.engine.connect() as connection:
        return [dict(row) for row in connection.execute(sa.select(kept_states)).mappings()]


def test_an_opt_out_a_promise_and_a_complaint_outlive_their_decisions(log: DecisionLog, decide: Decide) -> None:
    """What was heard is read as before; of the decision, its facts and what stopped acting nothing stays."""
    log.record([made(decide, 1), made(decide, 2), made(decide, 3, "E")])
    promised = date(2026, 9, 1)
    log.record_outcomes(
        [heard(1, "opt_out"), heard(2, "promise_to_pay", promise_date=promised), heard(2, "complaint", 20),
         heard(3, "delivered"), heard(1, "read")]
    )  # fmt: skip
    retained(log, 30)
    assert log.count() == (0, 0)
    assert words(log) == [("A1", "opt_out", None), ("A2", "promise_to_pay", promised), ("A2", "complaint", None)]
    assert words(log, "E") == []
    assert {row["channel"] for row in rows(log) if row["kind"] == "heard"} == {"call"}
    held = debtor_export(log, "D")
    assert held["decisions"] == [] and {one["outcome"] for one in held["kept_states"]} >= {"opt_out", "complaint"}
    retained(log, 120)  # the complaint is over
    assert [word for _, word, _ in words(log)] == ["opt_out", "promise_to_pay"]
    retained(log, 200)  # so is the promise
    assert [word for _, word, _ in words(log)] == ["opt_out"]


def test_a_correction_and_a_lift_are_kept_as_what_they_leave(log: DecisionLog, decide: Decide) -> None:
    """What was told wrongly or taken back acts on nobody after the purge either."""
    log.record([made(decide, 1), made(decide, 2), made(decide, 3)])
    log.record_outcomes([heard(1, "opt_out", outcome_id="o"), heard(1, "delivered", 2, replaces="o")])
    log.record_outcomes([heard(2, "dispute"), heard(3, "dispute_resolved", 3)])
    retained(log, 30)
    assert words(log) == []


def test_contacts_that_rules_count_stay_and_old_ones_go(log: DecisionLog, decide: Decide) -> None:
    """Over the channel that was used, with how far they got; what was taken back is none."""
    log.record([made(decide, 1), made(decide, 2), made(decide, 3)])
    told = [("d00001", "overridden", "email"), ("d00002", "cancelled", None)]
    log.record_events(
        [
            ContactEvent(decision_id=one, debtor_id="D", kind=kind, at=NOON, channel=channel)
            for one, kind, channel in told
        ]
    )
    log.record_outcomes([heard(1, "read")])
    before = log.standing(["D"], NOON - YEAR).contacts["D"]
    retained(log, 5)
    after = log.standing(["D"], NOON - YEAR).contacts["D"]
    assert [(one.account_id, one.channel, one.at) for one in after] == [
        (one.account_id, one.channel, one.at) for one in before
    ]
    assert [one.outcome for one in after[0].outcomes] == ["delivered"]
    assert log.standing(["D"], NOON + DAY).contacts == {}
    retained(log, 366)
    assert len(log.standing(["D"], NOON - YEAR).contacts["D"]) == 2
    retained(log, 367)
    assert rows(log) == []


def test_what_people_decided_stays(log: DecisionLog, decide: Decide) -> None:
    """A stop until it is taken back, an agreement for its thirty days."""
    log.record([made(decide, 1), made(decide, 2, "E"), made(decide, 3, "F")])
    stop_contact(log, "d00001", at=NOON + DAY)
    stop_contact(log, "d00002", at=NOON + DAY)
    resume_contact(log, "d00002", at=NOON + 2 * DAY)
    agree_to_contact(log, "d00003", at=NOON + DAY)
    retained(log, 5)
    assert stopped_ids(log) == ("A1", "D")
    assert agreed_accounts(log, NOON + 6 * DAY) == ("A3",) and agreed_accounts(log, NOON + 32 * DAY) == ()
    log.record([made(decide, 4, "F", decided_at=NOON + 7 * DAY)])
    log.record_outcomes([heard(4, "dispute", 8)])
    assert agreed_accounts(log, NOON + 9 * DAY) == ()
    retained(log, 20)
    assert stopped_ids(log) == ("A1", "D") and agreed_accounts(log, NOON + 20 * DAY) == ()


@pytest.mark.parametrize("by_account", [False, True])
def test_an_erasure_takes_the_states_too(log: DecisionLog, decide: Decide, by_account: bool) -> None:
    log.record([made(decide, 1), made(decide, 2, "E")])
    log.record_outcomes([heard(1, "opt_out"), heard(2, "opt_out")])
    retained(log, 5)
    log.erase(requested_by="desk", at=LATER, **({"account_id": "A1"} if by_account else {"debtor_id": "D"}))
    assert words(log) == [] and [word for _, word, _ in words(log, "E")] == ["opt_out"]
    assert debtor_export(log, "D")["kept_states"] == [] or by_account
    assert "D" not in {row["debtor_id"] for row in rows(log) if row["kind"] != "owner"}


def test_whose_account_it_is_is_known_after_a_purge(log: DecisionLog, decide: Decide) -> None:
    """Of a debtor of whom something acts: an account that is asked about without its debtor is the debtor's still."""
    log.record([made(decide, 1), made(decide, 2), made(decide, 3, "E")])
    log.record_outcomes([heard(1, "opt_out_all")])
    assert log.known_debtors(["A2"]) == {"A2": "D"}
    retained(log, 400)
    assert log.known_debtors(["A1", "A2", "A3"]) == {"A1": "D", "A2": "D"}
    retained(log, 500)
    assert log.known_debtors(["A2"]) == {"A2": "D"} and len(rows(log)) == 3


@pytest.mark.parametrize("at_once", [1, 500])
def test_what_was_heard_before_anybody_said_whose_the_account_is_acts_on_the_debtor(
    log: DecisionLog, decide: Decide, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """Nothing acts of the decision that said so: after an opt-out it was to leave the account alone."""
    monkeypatch.setattr("recommender.store.decision_log.kept_states._AT_ONCE", at_once)
    named = decide(2, account_id="A1", debtor_id="Z", action=0, ranking=())
    log.record([made(decide, 1, "A1"), made(decide, 3, "M"), named])
    log.record_events([ContactEvent(decision_id="d00002", debtor_id="Z", kind="cancelled", at=NOON)])
    log.record_outcomes([heard(1, "opt_out_all")])
    for days in (30, 60):
        retained(log, days)
        assert words(log, "Z", B="Z") == [("A1", "opt_out_all", None)]
    log.record([decide(4, account_id="A1", debtor_id="Z", action=0, ranking=())])
    retained(log, 400)
    owners = [row for row in rows(log) if row["kind"] == "owner"]
    assert [(row["account_id"], row["debtor_id"]) for row in owners] == [("A1", "Z")]  # once, and M's no more
    assert "opt_out_all" in {one["outcome"] for one in debtor_export(log, "Z")["kept_states"]}
    log.erase(requested_by="desk", at=LATER, debtor_id="Z")
    assert rows(log) == []
