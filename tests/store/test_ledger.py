"""The contact ledger: a debtor's standing, whoever decided, and writes that a changed standing refuses."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from recommender.errors import InvalidInput
from recommender.store.decision_log import (
    ContactEvent,
    DecisionConflict,
    DecisionLog,
    DecisionRecord,
    OutcomeRecord,
    StaleStanding,
)
from tests.store.conftest import NOON

Decide = Callable[..., DecisionRecord]
LONG_AGO = NOON - timedelta(days=365)


def _contact(decide: Decide, number: int, debtor: str = "D", **more: Any) -> DecisionRecord:
    """A decision that contacts somebody: action 0 of the test space."""
    return decide(number, account_id=f"A{number}", debtor_id=debtor, action=0, ranking=(), **more)


def _event(record: DecisionRecord, kind: str, minutes: float = 60, **more: Any) -> ContactEvent:
    at = NOON + timedelta(minutes=minutes)
    return ContactEvent(decision_id=record.decision_id, debtor_id=str(record.debtor_id), kind=kind, at=at, **more)


def test_a_decision_to_contact_counts_for_the_debtor_at_once(log: DecisionLog, decide: Decide) -> None:
    """It is reserved without anybody telling more; leaving alone reserves nothing."""
    made = _contact(decide, 1, contact_at=NOON + timedelta(hours=2))
    space = made.provenance.actions
    idle = decide(2, account_id="A2", debtor_id="D", action=len(space) - 1, ranking=())
    log.record([made, idle])
    standing = log.standing(["D", "nobody"], LONG_AGO)
    (contact,) = standing.contacts["D"]
    assert (contact.decision_id, contact.at, contact.state) == (made.decision_id, made.contact_at, "reserved")
    assert contact.channel == space.factors["channel"][0]
    assert standing.seen.debtors == {"D": frozenset({made.decision_id, idle.decision_id}), "nobody": frozenset()}


def test_a_contact_that_was_handed_over_is_still_to_come(log: DecisionLog, decide: Decide) -> None:
    """Delivered to whoever dispatches, not to the debtor: it counts for its own hour, as a plan, until it is sent."""
    made = _contact(decide, 1, contact_at=NOON + timedelta(days=2))
    log.record([made])
    log.record_events([_event(made, "delivered")])
    (contact,) = log.standing(["D"], NOON + timedelta(days=1)).contacts["D"]
    assert (contact.at, contact.state) == (made.contact_at, "reserved")
    log.record_events([_event(made, "dispatched", 2_890)])
    (contact,) = log.standing(["D"], NOON + timedelta(days=1)).contacts["D"]
    assert (contact.at, contact.state) == (NOON + timedelta(minutes=2_890), "dispatched")


@pytest.mark.parametrize("kind", ["cancelled", "expired", "undelivered"])
def test_a_contact_that_was_taken_back_no_longer_counts(log: DecisionLog, decide: Decide, kind: str) -> None:
    """The decision stays in the log; its contact is gone."""
    made = _contact(decide, 1)
    log.record([made])
    log.record_events([_event(made, kind)])
    assert log.standing(["D"], LONG_AGO).contacts == {}
    assert log.get(made.decision_id) is not None


def test_what_was_really_sent_counts(log: DecisionLog, decide: Decide) -> None:
    """An override counts on the channel and at the moment that were used."""
    sent, changed = _contact(decide, 1), _contact(decide, 2)
    log.record([sent, changed])
    log.record_events(
        [_event(sent, "dispatched", 30, channel="sms"), _event(changed, "overridden", 90, channel="visit")]
    )
    found = {one.decision_id: one for one in log.standing(["D"], LONG_AGO).contacts["D"]}
    assert found[sent.decision_id].state == "dispatched"
    assert found[changed.decision_id].channel == "visit"
    assert found[changed.decision_id].at == NOON + timedelta(minutes=90)


def test_old_contacts_are_left_out_and_outcomes_are_not(log: DecisionLog, decide: Decide) -> None:
    """An opt-out of years ago still stands; a contact at the very moment is none of the old ones."""
    made = _contact(decide, 1, contact_at=NOON)
    log.record([made])
    log.record_outcomes([OutcomeRecord(decision_id=made.decision_id, occurred_at=NOON, outcome="opt_out")])
    assert len(log.standing(["D"], NOON).contacts["D"]) == 1
    assert log.standing(["D"], NOON + timedelta(microseconds=1)).contacts == {}
    standing = log.standing(["D"], NOON + timedelta(days=400))
    assert standing.contacts == {}
    assert [(one.outcome, one.account_id) for one in standing.outcomes["D"]] == [("opt_out", "A1")]


@pytest.mark.parametrize(("kept", "asked"), [("00107", "107"), ("107", "000107"), ("0", "000")])
def test_an_id_is_the_same_with_and_without_its_zeros(log: DecisionLog, decide: Decide, kept: str, asked: str) -> None:
    """An opt-out under 00107 stops 107: zeros are what programs add and drop. A standing read so goes stale so."""
    made = decide(1, account_id=kept, debtor_id=kept, action=0, ranking=())
    log.record([made])
    log.record_outcomes([OutcomeRecord(decision_id=made.decision_id, occurred_at=NOON, outcome="opt_out")])
    standing = log.standing([asked, "107x"], LONG_AGO, {asked: asked})
    assert [one.outcome for one in standing.outcomes[asked]] == ["opt_out"]
    assert [one.decision_id for one in standing.contacts[asked]] == [made.decision_id]
    assert standing.seen.debtors[asked] == {made.decision_id}
    other = decide(2, account_id=kept, debtor_id=kept, action=0, ranking=())
    log.record([other])
    with pytest.raises(StaleStanding):
        log.record([decide(3, account_id=asked, debtor_id=asked, action=0, ranking=())], seen=standing.seen)
    assert log.erase(requested_by="test", at=NOON, debtor_id=asked).decisions == 2


def test_a_correction_takes_the_place_of_what_was_told_wrongly(log: DecisionLog, decide: Decide) -> None:
    """Both rows stay; only the correction counts, in the standing and in the outcomes that are learnt from."""
    made = _contact(decide, 1)
    log.record([made])
    wrong = OutcomeRecord(decision_id=made.decision_id, occurred_at=NOON, outcome="opt_out")
    right = OutcomeRecord(
        decision_id=made.decision_id, occurred_at=NOON, outcome="not_connected", replaces=wrong.outcome_id
    )
    log.record_outcomes([wrong, right])
    assert [one.outcome for one in log.standing(["D"], LONG_AGO).outcomes["D"]] == ["not_connected"]
    assert log.outcome_frame()["outcome"].tolist() == ["not_connected"]
    assert log.count() == (1, 2)
    logged = log.get(made.decision_id)
    assert logged is not None and {one.replaces for one in logged.outcomes} == {None, wrong.outcome_id}


def test_an_event_told_twice_counts_once_and_other_content_under_its_key_is_refused(
    log: DecisionLog, decide: Decide
) -> None:
    made = _contact(decide, 1)
    log.record([made])
    event = _event(made, "dispatched", channel="sms")
    assert log.record_events([event, event]).stored == 1
    assert log.record_events([event]).repeated == 1
    with pytest.raises(DecisionConflict):
        log.record_events([_event(made, "cancelled", event_id=event.event_id)])


def test_a_batch_made_on_a_standing_that_has_changed_is_refused_whole(log: DecisionLog, decide: Decide) -> None:
    """A new decision or a new event of the debtor makes it stale; its own repetition does not."""
    first, second, other = (_contact(decide, number, debtor) for number, debtor in ((1, "D"), (2, "D"), (3, "E")))
    seen = log.standing(["D", "E"], LONG_AGO).seen
    log.record([first], seen=seen)
    assert log.record([first], seen=seen).repeated == 1
    with pytest.raises(StaleStanding, match="1 debtor"):
        log.record([second, other], seen=seen)
    assert log.count() == (1, 0)
    fresh = log.standing(["D", "E"], LONG_AGO).seen
    log.record_events([_event(first, "cancelled")])
    with pytest.raises(StaleStanding):
        log.record([second, other], seen=fresh)
    log.record([second, other], seen=log.standing(["D", "E"], LONG_AGO).seen)
    assert log.count() == (3, 0)


def test_an_account_is_claimed_once_under_a_request_key(log: DecisionLog, decide: Decide) -> None:
    """Another decision of the same request about the same account is a conflict, not a second decision."""
    log.record([_contact(decide, 1, request_key="r")])
    again = decide(9, account_id="A1", debtor_id="D", action=0, ranking=(), request_key="r")
    with pytest.raises(DecisionConflict):
        log.record([again])
    assert log.count() == (1, 0)


def test_of_many_writers_on_one_standing_one_wins(log: DecisionLog, decide: Decide) -> None:
    """Eight threads decide about one debtor from the same standing: one contact is planned."""
    seen = log.standing(["D"], LONG_AGO).seen
    won: list[int] = []
    gate = threading.Barrier(8)

    def try_to_write(number: int) -> None:
        gate.wait()
        try:
            log.record([_contact(decide, number)], seen=seen)
        except StaleStanding:
            return
        won.append(number)

    threads = [threading.Thread(target=try_to_write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert log.count() == (1, 0)


def test_erasing_a_debtor_erases_the_events(log: DecisionLog, decide: Decide) -> None:
    made = _contact(decide, 1)
    log.record([made])
    log.record_events([_event(made, "dispatched", channel="sms")])
    log.erase(requested_by="privacy desk", at=NOON, debtor_id="D")
    assert log.standing(["D"], LONG_AGO).seen.debtors == {"D": frozenset()}


def test_what_was_heard_counts_for_the_channel_that_was_used(log: DecisionLog, decide: Decide) -> None:
    """Who opts out of a letter that was sent in place of a call opts out of letters."""
    made, changed = _contact(decide, 1), _contact(decide, 2, "E")
    log.record([made, changed])
    log.record_events([_event(changed, "overridden", 90, channel="visit")])
    log.record_outcomes(
        [OutcomeRecord(decision_id=one.decision_id, occurred_at=NOON, outcome="opt_out") for one in (made, changed)]
    )
    heard = log.standing(["D", "E"], LONG_AGO).outcomes
    assert heard["D"][0].channel == log.standing(["D"], LONG_AGO).contacts["D"][0].channel
    assert heard["E"][0].channel == "visit"


def test_a_correction_is_of_its_own_decision(log: DecisionLog, decide: Decide) -> None:
    """Of another's outcome it takes nothing away: neither from the standing nor from what is learnt."""
    made, other = _contact(decide, 1), _contact(decide, 2)
    log.record([made, other])
    told = OutcomeRecord(decision_id=made.decision_id, occurred_at=NOON, outcome="opt_out")
    astray = OutcomeRecord(
        decision_id=other.decision_id, occurred_at=NOON, outcome="delivered", replaces=told.outcome_id
    )
    with pytest.raises(InvalidInput, match=r"outcomes\[1\]\.replaces is an outcome of another decision"):
        log.record_outcomes([told, astray])
    assert log.count() == (2, 0)
    log.record_outcomes([astray])  # nobody knows yet whose the other one is
    log.record_outcomes([told])
    assert sorted(one.outcome for one in log.standing(["D"], LONG_AGO).outcomes["D"]) == ["delivered", "opt_out"]
    assert sorted(log.outcome_frame()["outcome"]) == ["delivered", "opt_out"]


def test_money_that_was_taken_back_is_not_learnt_from(log: DecisionLog, decide: Decide) -> None:
    """A reversal that is told of another decision of the account takes back its latest payment."""
    first, second = _contact(decide, 1), decide(2, account_id="A1", debtor_id="D", action=0, ranking=())
    log.record([first, second])
    paid = {"outcome": "paid", "amount_minor": 500, "currency": "COP"}
    log.record_outcomes(
        [
            OutcomeRecord(decision_id=first.decision_id, occurred_at=NOON, **paid),
            OutcomeRecord(
                decision_id=second.decision_id, occurred_at=NOON + timedelta(days=3), outcome="payment_reversed"
            ),
        ]
    )
    assert log.outcome_frame()["outcome"].tolist() == ["payment_reversed"]


def test_the_event_that_was_told_last_is_the_state_whatever_its_moment(log: DecisionLog, decide: Decide) -> None:
    """Each told on its own, dated before the one before it: each is the next step of its decision."""
    made = _contact(decide, 1, contact_at=NOON + timedelta(hours=2))
    log.record([made])
    for turn, kind in enumerate(("reserved", "cancelled", "reserved", "cancelled", "reserved", "dispatched")):
        log.record_events([_event(made, kind, 60 - turn)])
        contacts = log.standing(["D"], LONG_AGO).contacts
        assert [one.state for one in contacts.get("D", ())] == ([] if kind == "cancelled" else [kind])
