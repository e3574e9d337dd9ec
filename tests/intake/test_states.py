"""Events become states: each by its own rule, the latest wins; of what is dated ahead only what stops is known."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from recommender.intake import CASE_WORDS, CHANNEL_NAMES, account_states, with_case_states, with_states
from recommender.local_time import as_utc_us
from recommender.rules import check_case

NOW = datetime.fromisoformat("2026-11-27T10:00:00-05:00")


def accounts(**facts):
    held = {
        "account_id": "0100", "debtor_id": "D1", "country": "CO", "timezone": "America/Bogota",
        "balance_minor": 100_000,
        "due_date": "2026-10-01", "consented_channels": "call;email;sms", "flags": "", "party": "debtor", **facts,
    }  # fmt: skip
    return pd.DataFrame([held])


def contacts(*outcomes, channel="sms"):
    """Contacts of the account; each outcome is (word, days ago)."""
    return pd.DataFrame(
        {
            "contact_id": [f"K{n}" for n in range(len(outcomes))],
            "account_id": "100",  # the zeros were lost
            "sent_at": [pd.Timestamp(NOW - timedelta(days=days)).tz_convert("UTC") for _, days in outcomes],
            "channel": channel,
            "outcome": [word for word, _ in outcomes],
        }
    )


def payments(*amounts):
    return pd.DataFrame(
        {
            "account_id": "0100",
            "paid_at": [pd.Timestamp(NOW - timedelta(days=days)).tz_convert("UTC") for _, days in amounts],
            "amount_minor": [amount for amount, _ in amounts],
        }
    )


def state(*outcomes, channel="sms", paid=None, **facts):
    frame = accounts(account_id="100", **facts)
    return account_states(
        frame, contacts=contacts(*outcomes, channel=channel),
        payments=None if paid is None else payments(*paid).assign(account_id="100"), as_of=NOW,
    )[0]  # fmt: skip


EVENTS = {
    "opt-out of a channel": ([("opt_out", 5)], ["opt_out:sms"]),
    "opt-out and later consent": ([("opt_out", 5), ("opt_in", 4)], []),
    "at one instant the stop wins": ([("opt_in", 5), ("opt_out", 5)], ["opt_out:sms"]),
    "an opt-out dated tomorrow is told today": ([("opt_out", -1)], ["opt_out:sms"]),
    "consent dated tomorrow frees nobody today": ([("opt_out", 5), ("opt_in", -1)], ["opt_out:sms"]),
    "a stop and consent, both ahead": ([("opt_out", -1), ("opt_in", -2)], ["opt_out:sms"]),
    "failures ahead have not happened": ([("bounced", 1), ("bounced", -1), ("bounced", -2)], []),
    "a promise dated ahead": ([("promise_to_pay", -3)], ["promise_open"]),
    "a complaint ahead, its answer too": ([("complaint", -1), ("complaint_resolved", -2)], ["complaint"]),
    "a word that nobody knows, dated ahead": (
        [("lo que sea", -2)], [f"unknown_outcome:{one}" for one in sorted(CHANNEL_NAMES)]
    ),
    "in Spanish": ([("BAJA", 5)], ["opt_out:sms"]),
    "wrong number": (
        [("wrong_party", 1)], ["wrong_party:call", "wrong_party:ivr", "wrong_party:sms", "wrong_party:whatsapp"]
    ),
    "wrong number, later the debtor": ([("wrong_party", 9), ("right_party_contact", 2)], []),
    "a reply does not right a wrong number": (
        [("wrong_party", 9), ("replied", 2)],
        ["wrong_party:call", "wrong_party:ivr", "wrong_party:sms", "wrong_party:whatsapp"],
    ),
    "three failures": ([("not_connected", 3), ("bounced", 2), ("not_connected", 1)], ["failed:sms"]),
    "failures long ago": ([("not_connected", 93), ("bounced", 92), ("not_connected", 91)], []),
    "failures and an answer": ([("bounced", 4), ("bounced", 3), ("delivered", 2), ("bounced", 1)], []),
    "complaint": ([("complaint", 1)], ["complaint"]),
    "complaint that was answered": ([("complaint", 9), ("complaint_resolved", 2)], []),
    "dispute": ([("dispute", 100)], ["disputed"]),
    "promise": ([("promise_to_pay", 2)], ["promise_open"]),
    "promise long ago": ([("promise_to_pay", 20)], []),
    "promise kept": ([("promise_to_pay", 2), ("promise_kept", 1)], []),
    "a word that nobody knows": ([("lo que sea", 2)], [f"unknown_outcome:{one}" for one in sorted(CHANNEL_NAMES)]),
    "paid, how much nobody knows": ([("paid", 1)], ["settled"]),
    "paid in full, and taken back": ([("paid_in_full", 5), ("payment_reversed", 2)], []),
}  # fmt: skip


@pytest.mark.parametrize("what", EVENTS)
def test_each_event_has_its_state(what):
    """The right state by hand, whichever way the account's id is written."""
    events, right = EVENTS[what]
    assert sorted(state(*events).names) == right


def test_a_promise_is_kept_broken_or_waited_for():
    """Until the end of the promised day on the debtor's clock.

    How much was promised is unknown, so a part payment keeps it on its day, not before.
    """
    told = contacts(("promise_to_pay", 10))
    for day, paid, right in (
        ("2026-11-27", None, "open"),
        ("2026-11-26", None, "broken"),
        ("2026-12-05", ((100, 1),), "open"),
        ("2026-11-26", ((100, 1),), "kept"),
        ("2026-12-05", ((100_000, 1),), "kept"),
    ):
        found = account_states(
            accounts(account_id="100"), contacts=told.assign(promise_date=day), as_of=NOW,
            payments=None if paid is None else payments(*paid).assign(account_id="100"),
        )  # fmt: skip
        assert found[0].promise == right


def test_of_two_promises_or_calls_of_one_instant_the_later_end_holds_in_whatever_order():
    """One with an end says more than one without; a call without a moment holds for a day."""
    moment = pd.Timestamp(NOW) - pd.Timedelta(hours=1)
    rows = pd.DataFrame({"account_id": "100", "sent_at": moment, "channel": "sms"}, index=range(2))
    for days, until in ((("2026-12-20", "2026-12-05"), "2026-12-21"), ((None, "2026-12-05"), "2026-12-06")):
        for order in (days, days[::-1]):
            told = rows.assign(outcome="promise_to_pay", promise_date=list(order))
            (found,) = account_states(accounts(account_id="100", timezone="UTC"), contacts=told, as_of=NOW)
            assert pd.Timestamp(found.promise_until, unit="us") == pd.Timestamp(until), order
    late, soon = (pd.Timestamp(NOW) + pd.Timedelta(days=days) for days in (9, 2))
    for calls, at in (((late, soon), late), ((pd.NaT, late), late), ((pd.NaT, pd.NaT), moment + pd.Timedelta(days=1))):
        for order in (calls, calls[::-1]):
            told = rows.assign(outcome="callback_requested", callback_at=pd.Series(list(order), dtype=object))
            (found,) = account_states(accounts(account_id="100"), contacts=told, as_of=NOW)
            assert pd.Timestamp(found.callback_at, unit="us", tz="UTC") == at, order
    (found,) = account_states(accounts(account_id="100"), contacts=told, as_of=NOW + timedelta(hours=23))
    assert found.callback_at is None


def test_payments_settle_what_they_cover():
    """In full: nothing is left. A reversal takes it back. A payment that the balance knows already does not count."""
    assert state(paid=((100_000, 1),)).settled
    assert not state(paid=((99_999, 1),)).settled
    assert not state(paid=((100_000, 2), (-100_000, 1))).settled
    assert not state(paid=((100_000, 5),), balance_as_of=pd.Timestamp(NOW - timedelta(days=3))).settled
    assert state(paid=((40_000, 1),), balance_as_of=pd.Timestamp(NOW - timedelta(days=3))).balance == 60_000
    assert state(paid=((float("nan"), 1),)).settled, "an unknown amount may be all of it"


def test_what_the_debtor_said_holds_for_all_their_accounts():
    """An opt-out on one account is one on the other; a promise is of one account."""
    both = pd.concat([accounts(account_id="100"), accounts(account_id="200")], ignore_index=True)
    first, second = account_states(both, contacts=contacts(("opt_out", 3), ("promise_to_pay", 2)), as_of=NOW)
    assert first.opted_out == second.opted_out == {"sms"}
    assert (first.promise, second.promise) == ("open", None)


def test_an_outcome_is_of_everybody_whose_the_contact_is():
    """A contact of an account without a debtor that names one counts for both, and so does what was heard later."""
    both = pd.concat([accounts(account_id="100", debtor_id=None), accounts(account_id="200")], ignore_index=True)
    sent = contacts((None, 3)).assign(debtor_id="D1")
    twice = pd.concat([sent, sent.assign(account_id="100\0")], ignore_index=True)
    heard = pd.DataFrame(
        {"contact_id": ["K0"], "occurred_at": [pd.Timestamp(NOW - timedelta(days=2))], "outcome": "hardship"}
    )
    assert [one.marks for one in account_states(both, contacts=twice, outcomes=heard, as_of=NOW)] == [{"hardship"}] * 2


@pytest.mark.parametrize("seed", range(3))
def test_events_that_can_leave_no_state_need_no_reading(monkeypatch, seed):
    """Of a portfolio with every word of the vocabulary: the same states as when every event is read."""
    rng = np.random.default_rng(seed)
    words = np.array([*sorted(CASE_WORDS), "wrong_party", "lo que sea", None], dtype=object)
    usual = np.array(["delivered", "read", "not_connected", "bounced", "attempt", "right_party_contact"], dtype=object)
    n, m = 150, 700

    def outcomes_of(size):
        return np.where(rng.random(size) < 0.12, rng.choice(words, size), rng.choice(usual, size))

    def moments(size):
        return pd.Timestamp(NOW) - pd.to_timedelta(rng.integers(-2 * 24, 40 * 24, size), unit="h")

    held = pd.concat([accounts()] * n, ignore_index=True)
    held["account_id"] = [f"{row:04d}" if row % 2 else f"A-{row}" for row in range(n)]
    held["debtor_id"] = np.where(rng.random(n) < 0.6, [f"D{one}" for one in rng.integers(0, 60, n)], None)
    of = rng.integers(0, n + 5, m)
    sent = pd.DataFrame(
        {
            "contact_id": [f"K{one}" for one in rng.integers(0, m, m)],
            "account_id": [held["account_id"][one] if one < n else "elsewhere" for one in of],
            "debtor_id": np.where(rng.random(m) < 0.3, [f"D{one}" for one in rng.integers(0, 70, m)], None),
            "sent_at": moments(m),
            "channel": rng.choice(["call", "sms", "email"], m),
            "outcome": outcomes_of(m),
            "status": rng.choice(["sent", "sent", "planned"], m),
        }
    )
    heard = pd.DataFrame(
        {
            "contact_id": [f"K{one}" if one < m else None for one in rng.integers(0, m + 300, m)],
            "account_id": rng.choice(held["account_id"], m),
            "occurred_at": moments(m),
            "outcome": outcomes_of(m),
        }
    )
    paid = pd.DataFrame(
        {"account_id": rng.choice(held["account_id"], 30), "paid_at": moments(30), "amount_minor": 60_000}
    )
    for told in ({"contacts": sent}, {"contacts": sent, "outcomes": heard}, {"outcomes": heard, "payments": paid}):
        for moment in (NOW, NOW - timedelta(days=90)):
            quick = account_states(held, **told, as_of=moment)
            with monkeypatch.context() as patched:
                patched.setattr("recommender.intake.event_filter._FEW", 1 << 30)
                assert quick == account_states(held, **told, as_of=moment)
            named = {tuple(one.names) for one in quick}
            assert len(named) > (15 if moment == NOW else 5)
        assert not any(
            "failed" in name for names in named for name in names
        )  # what only counts is not known before it was


def test_states_are_facts_that_rules_deny_by():
    """What a check says of the account before and after."""
    for word, rule in (("opt_out", "floor-opt-out"), ("promise_to_pay", "floor-stop-promise-open"),
                       ("complaint", "floor-stop-complaint-open"), ("dispute", "floor-stop-disputed")):  # fmt: skip
        case = {
            "id": "1", "packs": ["CO"], "at": "2026-11-27T10:00:00-05:00", "channel": "sms", "purpose": "collection",
            "account": {"account_id": "1", "country": "CO", "timezone": "America/Bogota", "balance_minor": 100,
                        "consented_channels": ["sms"], "flags": [], "party": "debtor", "due_date": "2026-10-01"},
            "contacts": [{"sent_at": "2026-11-16T10:00:00-05:00", "channel": "sms", "outcome": "delivered"}],
        }  # fmt: skip
        assert check_case(case)["allowed"]
        case["contacts"][0]["outcome"] = word
        verdict = check_case(case)
        assert not verdict["allowed"]
        assert rule in verdict["rules"]


def test_unknown_facts_stay_unknown():
    """An event never makes known flags of flags that nobody told."""
    frame, _ = with_states(accounts(account_id="100", flags=None), contacts=contacts(("opt_out", 1)), as_of=NOW)
    assert frame["flags"].iloc[0] is None
    assert frame["consented_channels"].iloc[0] == "call;email"
    same = {"consented_channels": ["sms"], "flags": [], "balance_minor": 5.0}
    assert with_case_states(same, [], as_utc_us(NOW)) is same


def test_a_promise_that_only_its_day_tells():
    """Beside an outcome that is none, or without one; the day of a promise that was kept is none any more."""
    accounts = pd.DataFrame({"account_id": ["A"], "debtor_id": ["D"], "timezone": "America/Bogota"})
    sent_at = pd.to_datetime(["2026-11-20T15:00:00Z"])
    contact = pd.DataFrame({"account_id": ["A"], "sent_at": sent_at, "channel": "call"})
    now = datetime.fromisoformat("2026-11-25T12:00:00+00:00")

    def names(**told):
        return account_states(accounts, contacts=contact.assign(**told), as_of=now)[0].names

    assert names(promise_date="2026-11-30") == names(promise_date="2026-11-30", outcome="answered") == ["promise_open"]
    assert names(promise_date="2026-11-22", outcome="answered") == []
    assert names(promise_date="2026-11-30", outcome="promise_kept") == names(promise_date=None) == []
    assert names(callback_at="2026-11-27T15:00:00Z", outcome="answered") == ["callback_set"]
    asked = {
        "sent_at": datetime.fromisoformat("2026-11-20T15:00:00+00:00"),
        "channel": "call",
        "promise_date": "2026-11-30",
    }
    facts = with_case_states({"consented_channels": ["sms"], "flags": []}, [asked], as_utc_us(now), every_event=True)
    assert facts["flags"] == ["promise_open"]


def test_a_failure_that_two_tables_tell_of_one_contact_is_one():
    """Three failures rest a channel: a provider's row an event and the outcome beside the contact are the same two."""
    at = pd.to_datetime(["2026-03-02T10:00Z", "2026-03-03T10:00Z"], utc=True)
    contacts = pd.DataFrame({"contact_id": ["c1", "c2"], "account_id": "A", "sent_at": at, "channel": "sms",
                             "outcome": "bounced"})  # fmt: skip
    outcomes = pd.DataFrame({"contact_id": ["c1", "c2", "c2"], "outcome": "bounced",
                             "occurred_at": at[[0, 1, 1]] + pd.Timedelta("5min")})  # fmt: skip
    accounts = pd.DataFrame({"account_id": ["A"], "debtor_id": ["D"]})
    now = pd.Timestamp("2026-03-04T10:00Z").to_pydatetime()
    for told in (contacts, contacts.assign(outcome=None)):
        (state,) = account_states(accounts, contacts=told, outcomes=outcomes, as_of=now)
        assert state.blocked == {}
    third = pd.DataFrame({"contact_id": ["c3"], "account_id": "A", "sent_at": at[1:] + pd.Timedelta("8h"),
                          "channel": "sms", "outcome": "bounced"})  # fmt: skip
    (state,) = account_states(accounts, contacts=pd.concat([contacts, third]), outcomes=outcomes, as_of=now)
    assert set(state.blocked) == {"sms"}


_TICK = timedelta(microseconds=1)


def state_at(at, *events, paid=None, **facts):
    """State at a moment; each event is (word, moment)."""
    told = contacts(*((word, 0) for word, _ in events)).assign(
        sent_at=pd.to_datetime([when for _, when in events], utc=True)
    )
    money = None if paid is None else pd.DataFrame(
        {"account_id": "100", "paid_at": pd.to_datetime([when for _, when in paid], utc=True),
         "amount_minor": [amount for amount, _ in paid]}
    )  # fmt: skip
    return account_states(accounts(account_id="100", **facts), contacts=told, payments=money, as_of=at)[0]


@pytest.mark.parametrize(
    ("words", "days", "name"),
    [
        (["complaint"], 90, "complaint"),
        (["bounced", "bounced", "bounced"], 30, "failed:sms"),
        (["paid"], 7, "settled"),
        (["contact_agreed"], 30, "reviewed"),
        (["callback_requested"], 1, "callback_set"),
        (["promise_to_pay"], 14, "promise_open"),
    ],
)
def test_what_ends_by_itself_is_over_when_its_days_are(words, days, name):
    """To the microsecond; failures rest from the last of them."""
    events = [(word, NOW - timedelta(days=turn)) for turn, word in enumerate(words)]
    end = NOW + timedelta(days=days)
    assert state_at(end - _TICK, *events).names == [name]
    assert state_at(end, *events).names == []


def test_who_said_to_have_paid_keeps_a_promise_before_its_day():
    """Also when the days are over in which the balance may not know it; who had paid before promising does not."""
    for promised, paid, right in ((12, 8, "kept"), (12, 12, "kept"), (10, 11, "open")):
        found = state(("promise_to_pay", promised), ("paid", paid))
        assert (found.promise, found.settled) == (right, False)


def test_an_agreement_stands_until_something_new_is_heard():
    """Of one instant it is the older; what was heard before was known to whoever agreed."""
    assert not state(("contact_agreed", 5), ("dispute", 5)).reviewed
    assert not state(("contact_agreed", 5), ("dispute", 4)).reviewed
    assert state(("contact_agreed", 5), ("dispute", 6)).reviewed


def test_which_payments_the_balance_may_not_know():
    """From its moment on; where that is unknown seven days before the due date and thirty, or since then, after it."""
    taken = NOW - timedelta(days=3)
    for when, left in ((taken, 60_000), (taken - _TICK, None)):
        assert state_at(NOW, paid=[(40_000, when)], balance_as_of=pd.Timestamp(taken)).balance == left
    for due, days in (("2026-12-24", 7), (None, 7), ("2026-10-01", 30)):
        edge = NOW - timedelta(days=days)
        assert state_at(NOW, paid=[(100_000, edge)], due_date=due).settled
        assert not state_at(NOW, paid=[(100_000, edge - _TICK)], due_date=due).settled
    due = datetime.fromisoformat("2026-11-20T00:00:00+00:00")
    assert state_at(NOW, paid=[(100_000, due)], due_date="2026-11-20").settled
    assert not state_at(NOW, paid=[(100_000, due - _TICK)], due_date="2026-11-20").settled
    before = [(100_000, due - timedelta(days=1))]
    assert state_at(due, paid=before, due_date="2026-11-20").settled  # due today is not overdue


def test_a_payment_of_the_moment_of_a_promise_keeps_it():
    """One of before does not."""
    told = ("promise_to_pay", NOW - timedelta(days=20))
    for late, right in ((timedelta(0), "kept"), (_TICK, "broken")):
        assert state_at(NOW, told, paid=[(100, told[1] - late)]).promise == right


@pytest.mark.parametrize(("apart", "blocked"), [(timedelta(hours=12) - _TICK, set()), (timedelta(hours=12), {"sms"})])
def test_failures_of_a_contact_half_a_day_apart_are_two(apart, blocked):
    """The third rests the channel; told nearer to one that is known it is the same one, before it or after."""
    at = pd.Timestamp(NOW).tz_convert("UTC") - pd.Timedelta(days=3)
    sent = pd.DataFrame({"contact_id": ["c1", "c2"], "account_id": "A", "sent_at": [at, at - pd.Timedelta(days=9)],
                         "channel": "sms", "outcome": "bounced"})  # fmt: skip
    frame = pd.DataFrame({"account_id": ["A"], "debtor_id": ["D"]})
    for moment in (at - apart, at + apart):
        # The first row of a contact is what its own outcome says, whenever that was noted.
        told = pd.DataFrame({"contact_id": ["c1", "c1"], "outcome": "bounced", "occurred_at": [at, moment]})
        (found,) = account_states(frame, contacts=sent, outcomes=told, as_of=NOW)
        assert set(found.blocked) == blocked
