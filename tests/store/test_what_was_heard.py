"""What the ledger tells of a debtor: whose words count for which account, and what a stop takes back."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from recommender.store.decision_log import known, stops
from recommender.store.decision_log.standing import LedgerContact, LedgerOutcome, Standing

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)


def heard(account, word):
    return LedgerOutcome(f"d-{account}-{word}", account, "D", "sms", AT, word, None, None)


def facts_of(*accounts, debtor="D"):
    return [{"account_id": name, "debtor_id": debtor, "balance_minor": 1_000, "due_date": "2026-02-01", "country": "CO",
             "timezone": "America/Bogota", "consented_channels": ["sms", "email"], "flags": []}
            for name in accounts]  # fmt: skip


def told(account, word, hours=0, **more):
    contact = {"account_id": account, "sent_at": AT + timedelta(hours=hours), "channel": "sms", "outcome": word}
    return contact | {"status": "sent"} | more


def after(rows, contacts=(), outcomes=None):
    """Accounts a day later."""
    return known.with_heard(rows, list(contacts), outcomes or {}, AT + timedelta(days=1))


def test_a_promise_is_of_one_debt_and_a_stop_of_the_person():
    """Of the debtor's other account an opt-out counts and a promise does not; of its own both do."""
    words = [heard("A", "promise_to_pay"), heard("B", "opt_out")]
    first, second, stranger = after([*facts_of("A", "B"), *facts_of("X", debtor="E")], outcomes={"D": words})
    assert set(first["flags"]) == {"promise_open", "opt_out:sms"} and set(second["flags"]) == {"opt_out:sms"}
    assert stranger["flags"] == []


def test_what_a_caller_tells_of_one_account_stops_the_others_of_its_debtor():
    """Also where the contact was of an account that nobody asks about."""
    for contact in (told("A", "opt_out_all"), told("Z", "opt_out_all", debtor_id="D")):
        assert [row["consented_channels"] for row in after(facts_of("A", "B"), [contact])] == [[], []]
    both = [*facts_of("A", debtor="007"), *facts_of("B", debtor="7")]  # one debtor: a file lost the zeros
    assert [row["consented_channels"] for row in after(both, [told("A", "opt_out_all")])] == [[], []]
    assert after(facts_of("A", debtor=None), [told("A", "opt_out_all")])[0]["consented_channels"] == []


@pytest.mark.parametrize("names", [("A",), ("A", "B"), ("A", "B", "C")])
def test_a_failure_counts_once_however_many_accounts_and_tellers_there_are(names):
    """Two failures leave a contact point open, three close it; of one contact log and caller tell one failure."""

    def failures(n):
        return [LedgerOutcome(f"d{one}", "A", "D", "sms", AT - timedelta(days=one), "bounced", None, None)
                for one in range(n)]  # fmt: skip

    for n, points in ((2, ["sms", "email"]), (3, ["email"])):
        assert {tuple(row["consented_channels"]) for row in after(facts_of(*names), outcomes={"D": failures(n)})} == {
            tuple(points)
        }
    both = [told("A", "bounced", hours=-24 * one - 1) for one in range(2)]
    assert after(facts_of(*names), both, {"D": failures(2)})[0]["consented_channels"] == ["sms", "email"]
    assert after(facts_of(*names), [told("A", "bounced", hours=-100)], {"D": failures(2)})[0]["consented_channels"] == [
        "email"
    ]


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


def test_what_a_caller_dates_at_the_moment_itself_has_happened():
    """A third failure closes the point then; one of a microsecond later is not known yet."""
    failures = [told("A", "bounced", hours=hours) for hours in (-48, -24)]
    for late, points in ((timedelta(0), ["email"]), (timedelta(microseconds=1), ["sms", "email"])):
        last = told("A", "bounced", hours=24)
        contacts = [*failures, last | {"sent_at": last["sent_at"] + late}]
        assert after(facts_of("A"), contacts)[0]["consented_channels"] == points


@pytest.mark.parametrize("away", [timedelta(hours=-12), timedelta(hours=12)])
def test_half_a_day_apart_are_two_contacts(away):
    """A microsecond nearer they are one: counted once, with the purpose that the ledger knows, failed once."""
    contact = LedgerContact("d1", "A", "D", "sms", AT, "dispatched", purpose="reminder")
    standing = Standing(contacts={"D": [contact]})
    near = away - timedelta(microseconds=1 if away > timedelta(0) else -1)
    event = {"account_id": "A", "channel": "sms", "outcome": "bounced", "sent_at": AT}
    for gap, same in ((away, False), (near, True)):
        own = told("A", "bounced") | {"sent_at": AT + gap}
        assert bool(known.ledger_contacts(standing, [own], ())) != same
        (kept,) = known.with_purposes([own], known.told_purposes(standing))
        assert kept.get("purpose") == ("reminder" if same else None)
        assert known.not_told_twice([event], [own]) == ([] if same else [event])


@pytest.mark.parametrize("heard", [0, 1, 2, 4])
@pytest.mark.parametrize("told_of", [0, 1, 3])
def test_every_failure_that_is_told_is_one_that_was_heard_and_no_more(heard, told_of):
    """Three that a history tells of one day stand for three of the log, not for all; another channel's for none."""
    minute = timedelta(minutes=1)
    event = {"account_id": "A", "channel": "sms", "outcome": "bounced"}
    events = [event | {"sent_at": AT + number * minute} for number in range(heard)]
    own = [told("A", "bounced") | {"sent_at": AT + number * minute} for number in range(told_of)]
    others = [told("B", "bounced"), told("A", "bounced") | {"channel": "email"}, told("A", "delivered")]
    others = [one | {"sent_at": AT} for one in others]
    kept = known.not_told_twice(events, [*others, *own])
    assert len(kept) == max(0, heard - told_of) and all(one in events for one in kept)
    news = {**event, "outcome": "opt_out", "sent_at": AT}  # no failure: heard is heard, however often it is told
    assert known.not_told_twice([news, *events], [*own, *others]) == [news, *kept]
