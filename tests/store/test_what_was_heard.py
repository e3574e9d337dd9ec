"""What the ledger tells of a debtor: whose words count for which account, and what a stop takes back."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from recommender.store.decision_log import known, stops
from recommender.store.decision_log.ledger import LedgerContact, LedgerOutcome

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)


def heard(account, word):
    return LedgerOutcome(f"d-{account}-{word}", account, "D", "sms", AT, word, None, None)


def test_a_promise_is_of_one_debt_and_a_stop_of_the_person():
    """Of the debtor's other account an opt-out counts and a promise does not; of its own both do."""
    words = [heard("A", "promise_to_pay"), heard("B", "promise_to_pay"), heard("B", "opt_out"), heard("A", "opt_out")]
    told = known.heard_events("A", "D", {"D": words})
    assert [one["outcome"] for one in told] == ["promise_to_pay", "opt_out", "opt_out"]
    assert {one["account_id"] for one in told} == {"A"}
    assert known.heard_events("A", "E", {"D": words}) == []


@pytest.mark.parametrize(("hours", "cancelled"), [(-1, []), (0, ["d1"]), (1, ["d1"])])
def test_a_stop_takes_back_what_is_planned_for_that_moment_or_later(hours, cancelled, monkeypatch):
    """A contact of the very moment is not made either; what was before is the past."""
    contact = LedgerContact("d1", "A", "D", "sms", AT + timedelta(hours=hours), "reserved", ())
    live = SimpleNamespace(decision_id="d1", debtor_id="D", state="reserved")
    written = []
    log = SimpleNamespace(
        record_outcomes=lambda _: None,
        standing=lambda *_: SimpleNamespace(contacts={"D": [contact]}, live={"D": [live]}, seen={}),
        record_events=lambda events, **_: written.extend(events),
    )
    monkeypatch.setattr(stops, "_owner", lambda *_: "D")
    assert stops.stop_contact(log, "d1", at=AT) == cancelled
    assert [event.kind for event in written] == ["cancelled"] * len(cancelled)
