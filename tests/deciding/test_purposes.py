"""Whom a purpose is for: thanks need a payment, a follow-up a promise, a reminder a due date that comes near.

What is expected is written down here by hand, row by row; :mod:`tests.rules.naive_packs` reads the packs a second time.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.actions import ActionSpace
from recommender.deciding import Decider, decide, fallback_chain, week_ahead
from recommender.intake import with_states
from recommender.rules import PURPOSES
from recommender.strategy import SeedStrategy

NOON = datetime(2026, 11, 17, 15, tzinfo=UTC)  # Tuesday 10:00 in Bogota
TODAY = date(2026, 11, 17)
SEED = SeedStrategy(ActionSpace({"channel": ["sms", "email"]}, no_contact=True))
DAY = timedelta(days=1)


def ago(days):
    """ISO day so many days before today."""
    return (TODAY - timedelta(days=days)).isoformat()


def account(number=0, **facts):
    """One whom nothing but its purpose stops."""
    return {
        "account_id": f"A{number}", "debtor_id": f"D{number}", "country": "CO", "timezone": "America/Bogota",
        "due_date": ago(10), "balance_minor": 9_000, "currency": "COP", "consented_channels": ["sms", "email"],
        "flags": [], "party": "debtor", "language": "es",
    } | facts  # fmt: skip


def contacted(purpose, accounts, contacts=(), **more):
    """Rows that are contacted, and the rules that leave each of the others alone."""
    found = decide(
        accounts, strategy=SEED, as_of=NOON, packs=("CO",), contacts=list(contacts), purpose=purpose, explore=False,
        **more,
    )  # fmt: skip
    idle = SEED.actions_.no_contact_index
    rows = {row for row, action in enumerate(found.action.tolist()) if action != idle}
    return rows, [found.eligibility.rules(row, 0) for row in range(len(accounts))], found


CASES = {
    "pre_due_reminder": [
        ({"due_date": ago(-4)}, "purpose-due"),
        ({"due_date": ago(-3)}, None),
        ({"due_date": ago(0)}, None),
        ({"due_date": None}, "purpose-due-unknown"),
    ],
    "promise_follow_up": [
        ({}, "purpose-promise-unknown"),
        ({"promise_on": ago(-20), "flags": ["promise_open"]}, None),
        ({"promise_on": ago(1)}, None),
        ({"promise_on": ago(2)}, "purpose-promise"),
        ({"flags": ["promise_open"]}, None),
        ({"promise_on": ago(-2), "promise_state": "kept"}, "purpose-promise"),
        ({"promise_state": "broken"}, "purpose-promise"),
        ({"promise_on": ago(-2), "promise_state": "Pendiente"}, None),
        ({"promise_on": ago(-2), "promise_state": "quizas"}, "purpose-promise"),
        ({"promise_state": "sin promesa"}, "purpose-promise"),
        ({"promise_state": " "}, "purpose-promise-unknown"),
    ],
    "payment_confirmation": [
        ({}, "purpose-payment-unknown"),
        ({"last_paid_on": ago(0)}, None),
        ({"last_paid_on": ago(7), "balance_minor": 0}, None),
        ({"last_paid_on": ago(8)}, "purpose-payment"),
        ({"last_paid_on": ago(-1)}, "purpose-payment"),
        ({"last_paid_on": "soon"}, "purpose-payment-unknown"),
    ],
    "win_back": [
        ({"balance_minor": 0}, "purpose-cure-unknown"),
        ({"balance_minor": 0, "cured_on": ago(3)}, None),
        ({"balance_minor": 0, "cured_on": ago(31)}, "purpose-cure"),
        ({"cured_on": ago(3)}, "purpose-cure-overdue"),
        ({"cured_on": ago(3), "due_date": ago(-20)}, None),
        ({"cured_on": ago(3), "due_date": None}, "purpose-cure-overdue"),
    ],
    "fraud_alert": [({}, "purpose-fraud-unknown"), ({"fraud_noticed_on": ago(1)}, None),
                    ({"fraud_noticed_on": ago(4)}, "purpose-fraud")],
    "requested_information": [({}, "purpose-request-unknown"), ({"information_requested_on": ago(1)}, None),
                              ({"information_requested_on": ago(16)}, "purpose-request")],
}  # fmt: skip


@pytest.mark.parametrize("purpose", CASES)
def test_a_purpose_is_for_those_of_whom_what_it_speaks_of_is_so(purpose):
    """Unknown denies under a name that says which fact is missing; every denial is counted."""
    accounts = [account(row, **facts) for row, (facts, _) in enumerate(CASES[purpose])]
    rows, rules, found = contacted(purpose, accounts)
    for row, (facts, rule) in enumerate(CASES[purpose]):
        assert (row in rows) == (rule is None), facts
        assert [name for name in rules[row] if name.startswith("purpose-")] == ([] if rule is None else [rule])
    counted = found.eligibility.counts()
    wanted = [rule for _, rule in CASES[purpose] if rule is not None]
    assert {name for name in counted if name.startswith("purpose-")} == set(wanted)
    assert all(counted[rule] == 2 * wanted.count(rule) for rule in wanted)  # both channels
    assert "PURPOSE" in [pack["id"] for pack in found.eligibility.provenance.packs]
    assert all(found.eligibility.provenance.citation(rule) == "house policy" for rule in wanted)


def test_collection_is_for_everybody_and_is_judged_by_no_further_pack():
    """Neither a rule nor a pack more than before."""
    rows, _, found = contacted("collection", [account()])
    assert rows == {0}
    assert [pack["id"] for pack in found.eligibility.provenance.packs] == ["FLOOR", "CO"]


def test_a_run_without_the_pack_speaks_to_everybody_and_says_so():
    """Switched off by name, it is in no provenance and named in every decision."""
    rows, _, found = contacted("payment_confirmation", [account()], without=("PURPOSE",))
    assert rows == {0}
    assert found.documents["switched_off"] == "PURPOSE"
    assert "PURPOSE" not in [pack["id"] for pack in found.eligibility.provenance.packs]


def sent(days, purpose="payment_confirmation", **facts):
    """A contact of the creditor so many days ago."""
    return {
        "account_id": "A0", "debtor_id": "D0", "sent_at": NOON - days * DAY, "channel": "email",
        "initiated_by": "creditor", "outcome": "delivered", "status": "sent", "purpose": purpose,
    } | facts  # fmt: skip


@pytest.mark.parametrize(
    ("contact", "is_said"),
    [
        (sent(1), True),
        (sent(3), True),  # the day of the payment itself
        (sent(4), False),  # for a payment before this one
        (sent(1, outcome=None, status="planned", sent_at=NOON + DAY), True),
        (sent(1, "agradecimiento"), True),
        (sent(1, outcome="bounced"), False),
        (sent(1, "collection"), False),
        (sent(1, None), False),
        (sent(1, "a kind word"), True),  # it may have been
        (sent(1, "a kind word", outcome="bounced"), False),
        (sent(1, account_id="A9"), False),  # for another of the debtor's accounts
        (sent(1, initiated_by="debtor"), False),
    ],
)  # fmt: skip
def test_nobody_is_thanked_twice_for_a_payment(contact, is_said):
    """A contact of the purpose since the payment, sent or planned, that did not fail; the purpose in any spelling."""
    rows, rules, _ = contacted("payment_confirmation", [account(last_paid_on=ago(3))], [contact])
    assert ("purpose-payment-said" in rules[0]) == is_said
    assert (rows == set()) == is_said


def test_who_pays_on_time_is_not_reminded_where_the_house_says_so():
    """An overlay tightens: a least share of late dues; where the share is not known nobody is reminded."""
    overlay = """
schema = 1
id = "MINE"
title = "Reminders for who needs them"
kind = "overlay"
pack_version = "1"
valid_from = 2020-01-01
reviewed_on = 2026-11-30
[[speaks_of]]
id = "mine-due"
purpose = "pre_due_reminder"
about = "due_date"
from_days = -1
least_late_share = 0.2
cite = "policy"
[[sources]]
id = "policy"
law = "house policy"
article = "-"
grade = "-"
says = "-"
"""
    due = ago(-1)
    shares = [0.5, 0.2, 0.1, None, 7.0]
    accounts = [account(row, due_date=due, late_due_share=share) for row, share in enumerate(shares)]
    accounts.append(account(5, due_date=ago(-2), late_due_share=0.5))
    rows, rules, _ = contacted("pre_due_reminder", accounts, overlays=(overlay,))
    assert rows == {0, 1}
    assert [*rules[2:]] == [("mine-due-habit",), *[("mine-due-habit-unknown",)] * 2, ("mine-due",)]


# -- events ------------------------------------------------------------------------------------------------------------
def heard(word, days, **more):
    """A contact of which an outcome was heard so many days ago."""
    return {"account_id": "A0", "debtor_id": "D0", "sent_at": NOON - days * DAY, "channel": "email",
            "initiated_by": "creditor", "outcome": word, "status": "sent"} | more  # fmt: skip


@pytest.mark.parametrize(
    ("purpose", "facts", "events", "is_for"),
    [
        ("payment_confirmation", {}, [heard("pago parcial", 2)], True),
        ("payment_confirmation", {}, [heard("paid", 9)], False),
        ("payment_confirmation", {}, [heard("paid", 2), heard("payment_reversed", 1)], False),
        ("payment_confirmation", {"last_paid_on": ago(2)}, [heard("reverso", 1)], False),
        ("payment_confirmation", {}, [heard("promise_kept", 2)], True),
        ("promise_follow_up", {}, [heard("promise_to_pay", 3, promise_date=ago(-2))], True),
        ("promise_follow_up", {}, [heard("promise_to_pay", 9, promise_date=ago(3))], False),
        ("promise_follow_up", {}, [heard("promise_to_pay", 3, promise_date=ago(1))], True),
        ("promise_follow_up", {}, [heard("promise_to_pay", 3, promise_date=ago(-2)),
                                   heard("promise_broken", 1)], False),
        ("promise_follow_up", {"flags": ["promise_open"]}, [heard("promise_to_pay", 3, promise_date=ago(-2)),
                                                           heard("paid_in_full", 1)], False),
        ("promise_follow_up", {"flags": ["promise_open"]}, [heard("promise_kept", 1)], False),
        ("win_back", {}, [heard("paid_in_full", 2)], True),
        ("win_back", {}, [heard("paid", 2)], False),  # part of it, perhaps
        ("win_back", {"due_date": ago(1)}, [heard("paid_in_full", 2)], False),  # it was never overdue
    ],
)  # fmt: skip
def test_what_was_heard_opens_and_closes_a_purpose(purpose, facts, events, is_for):
    """A record is a state: the next decision knows of the payment, the promise, the reversal."""
    rows, _, _ = contacted(purpose, [account(**facts)], events)
    assert (rows == {0}) == is_for


@pytest.mark.parametrize(
    ("facts", "is_open"),
    [
        ({"promise_on": ago(-3)}, True),
        ({"promise_on": ago(-3), "promise_state": "abierta"}, True),
        ({"promise_state": "open"}, True),
        ({"promise_on": ago(1)}, True),  # until its day is over wherever a debtor may live
        ({"promise_on": ago(2)}, False),
        ({"promise_on": ago(-3), "promise_state": "Cumplida"}, False),
        ({"promise_on": ago(-3), "promise_state": "kept"}, False),
        ({"promise_on": ago(-3), "promise_state": "incumplida"}, False),
        ({"promise_on": ago(-3), "promise_state": "pendiente"}, True),
        ({"promise_on": ago(-3), "promise_state": "en curso"}, True),
        ({"promise_on": ago(-3), "promise_state": "quizas"}, True),  # what nobody can read stops
        ({"promise_on": ago(-3), "promise_state": ""}, True),
        ({"promise_on": ago(-3), "promise_state": "Ninguna"}, True),  # a day ahead says otherwise
        ({"promise_on": ago(3), "promise_state": "quizas"}, False),
        ({"promise_state": "hasta el 30 de noviembre"}, True),
        ({"promise_state": "Pendiente"}, True),
        ({"promise_state": "sin promesa"}, False),
        ({"promise_state": "Vencida"}, False),
        ({}, False),
    ],
)
def test_a_promise_that_a_column_tells_stops_collection_as_one_that_was_heard(facts, is_open):
    """What opens the follow-up closes the collection: one promise, whoever tells it."""
    rows, rules, _ = contacted("collection", [account(**facts)])
    assert ("floor-stop-promise-open" in rules[0]) == is_open
    assert (rows == set()) == is_open


def payments(*told):
    """Rows of the payments table: days ago and amount."""
    frame = pd.DataFrame(told, columns=["days", "amount_minor"])
    return pd.DataFrame({"account_id": "A0", "paid_at": [NOON - days * DAY for days in frame["days"]],
                         "amount_minor": frame["amount_minor"].astype("float64")})  # fmt: skip


@pytest.mark.parametrize(
    ("told", "balance", "paid", "cured"),
    [
        ([(2, 100)], 9_000, ago(2), None),
        ([(5, 100), (2, 50)], 9_000, ago(2), None),
        ([(5, 100), (2, 50), (1, -50)], 9_000, ago(5), None),
        ([(5, 100), (4, -100)], 9_000, None, None),
        ([(2, float("nan"))], 9_000, None, None),  # in another currency: of what amount, nobody knows
        ([(2, 9_000)], 9_000, ago(2), ago(2)),  # the balance is of before the payment
        ([(2, 100)], 0, ago(2), ago(2)),
        ([(12, 100)], 0, ago(12), None),  # in time
    ],
)
def test_payments_tell_the_last_day_and_whether_a_late_debt_was_settled(told, balance, paid, cured):
    """The last payment that stands; a settlement that is known, of a debt that was overdue."""
    rows = pd.DataFrame([account(balance_minor=balance, balance_as_of=NOON - 20 * DAY)])
    stated, _ = with_states(rows, payments=payments(*told), as_of=NOON)
    found = {name: stated[name].iloc[0] if name in stated else None for name in ("last_paid_on", "cured_on")}
    assert found == {"last_paid_on": paid, "cured_on": cured}


@pytest.mark.parametrize("outcome", ["paid", "paid_in_full", "promise_kept"])
def test_a_payment_that_is_dated_ahead_or_nowhere_stops_and_is_not_thanked_for(outcome):
    """A scheduled transfer, a cheque of next week, a row without its day: as an event and as a row of payments."""
    owed = account(due_date=ago(10), balance_as_of=ago(5))
    heard = sent(-3, None, outcome=outcome)
    for purpose in ("payment_confirmation", "win_back", *(() if outcome == "promise_kept" else ("collection",))):
        assert contacted(purpose, [owed], [heard])[0] == set(), purpose
    frame = pd.DataFrame([owed])
    for paid_at in (NOON + DAY, None):
        ahead = {"account_id": "A0", "paid_at": pd.Timestamp(paid_at) if paid_at else pd.NaT, "amount_minor": 9_000}
        told, (state,) = with_states(frame, payments=pd.DataFrame([ahead]), as_of=NOON)
        assert state.settled and told.get("last_paid_on", pd.Series([None])).iloc[0] is None
        earlier = {"account_id": "A0", "paid_at": NOON - 3 * DAY, "amount_minor": 100}
        both = pd.DataFrame([earlier, ahead]).assign(
            paid_at=pd.to_datetime([NOON - 3 * DAY, ahead["paid_at"]], utc=True)
        )
        told, _ = with_states(frame, payments=both, as_of=NOON)
        assert told["last_paid_on"].iloc[0] == ago(3)
        assert told.get("cured_on", pd.Series([None])).iloc[0] is None


def test_a_settlement_that_is_only_likely_is_no_cure():
    """Where nothing says when the balance was taken, the payment may be in it already."""
    stated, states = with_states(pd.DataFrame([account()]), payments=payments((2, 9_000)), as_of=NOON)
    assert states[0].settled
    assert "cured_on" not in stated or stated["cured_on"].isna().all()


def test_days_are_those_of_the_debtors_own_calendar():
    """Paid at 23:00 in Bogota is paid on that day, whatever day it is in UTC."""
    late = pd.DataFrame({"account_id": ["A0"], "paid_at": [datetime(2026, 11, 10, 4, tzinfo=UTC)],
                         "amount_minor": [5.0]})  # fmt: skip
    stated, _ = with_states(pd.DataFrame([account()]), payments=late, as_of=NOON)
    assert stated["last_paid_on"].iloc[0] == "2026-11-09"
    rows, rules, _ = contacted("payment_confirmation", stated.to_dict("records"))
    assert rows == set() and "purpose-payment" in rules[0]


# -- forecasts ---------------------------------------------------------------------------------------------------------
SPACE = SeedStrategy(ActionSpace({"channel": ["sms", "email"], "hour": [9, 15]}, no_contact=True))


def test_the_week_ahead_knows_on_which_days_a_purpose_holds():
    """Thanks end a week after the payment, reminders begin three days before the due date."""
    for purpose, facts, days in (
        ("payment_confirmation", {"last_paid_on": ago(5)}, {TODAY, TODAY + DAY, TODAY + 2 * DAY}),
        ("pre_due_reminder", {"due_date": ago(-5)}, {TODAY + n * DAY for n in (2, 3, 4, 5)}),
    ):
        week = week_ahead(
            Decider(SPACE, purpose=purpose), [account(**facts)], channel="sms", as_of=NOON - timedelta(hours=3),
            packs=("CO",), contacts=[],
        )  # fmt: skip
        legal = week.hours.groupby("date")["legal"].any()
        assert {day for day, is_open in legal.items() if is_open and day.weekday() < 6} == {
            day for day in days if day.weekday() < 6
        }


def test_a_chain_goes_on_after_a_failure_and_stops_once_it_was_said():
    """Thanks that bounced were not said; thanks that were delivered and not read were."""
    one = [account(last_paid_on=ago(1))]
    asked = {"as_of": NOON - timedelta(hours=3), "packs": ("CO",), "contacts": [], "explore": False}
    decider = Decider(SPACE, purpose="payment_confirmation")
    failing = fallback_chain(decider, one, failures={"sms": "bounced", "email": "bounced"}, **asked)
    read = fallback_chain(decider, one, failures={"sms": "not_read", "email": "not_read"}, **asked)
    assert (len(failing), len(read)) == (2, 1)


facts = st.fixed_dictionaries(
    {
        "due_date": st.integers(-40, 40).map(ago) | st.none(),
        "balance_minor": st.sampled_from([0, 1, 9_000, None]),
        "last_paid_on": st.integers(-3, 40).map(ago) | st.none(),
        "promise_on": st.integers(-20, 20).map(ago) | st.none(),
        "promise_state": st.sampled_from([None, "open", "kept", "broken", "none", "perhaps"]),
        "cured_on": st.integers(-3, 40).map(ago) | st.none(),
        "information_requested_on": st.integers(-3, 40).map(ago) | st.none(),
        "fraud_noticed_on": st.integers(-3, 40).map(ago) | st.none(),
    }
)
NEEDS = {"pre_due_reminder": "due_date", "promise_follow_up": "promise_on", "payment_confirmation": "last_paid_on",
         "win_back": "cured_on", "fraud_alert": "fraud_noticed_on",
         "requested_information": "information_requested_on"}  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(facts, st.sampled_from(PURPOSES[1:]), st.sampled_from(sorted(NEEDS.values())))
def test_knowing_less_never_opens_a_purpose(told, purpose, forgotten):
    """Whoever is contacted has the fact of the purpose, and is left alone once that is forgotten.

    A promise that is called open needs no day: forgetting a day that is over leaves an open promise. And a promised day
    that is to come is a reason to wait, whatever the purpose: without it nothing was promised.
    """
    rows, _, _ = contacted(purpose, [account(**told)])
    less, _, _ = contacted(purpose, [account(**(told | {forgotten: None}))])
    by_name = purpose == "promise_follow_up" and told["promise_state"] == "open"
    assert less <= rows or forgotten == "promise_on"
    if rows:
        assert told[NEEDS[purpose]] is not None or by_name
    if NEEDS[purpose] == forgotten and not by_name:
        assert less == set()
