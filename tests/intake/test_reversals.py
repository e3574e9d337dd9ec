"""A payment that was taken back leaves the debt to collect, in every table that may tell of it, and earns nothing."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender import ActionSpace
from recommender.history import prepare_log
from recommender.intake import account_states, taken_back
from recommender.intake.event_records import LAG_DAYS
from recommender.local_time import DAY_US
from recommender.store.decision_log.log_reading import _standing
from tests.intake.test_states import NOW, accounts, contacts, payments, state

PAID = [(100_000, 5)]
UNDONE = {
    "an event after the row": ([("payment_reversed", 2)], PAID),
    "a negative row": ([], [*PAID, (-100_000, 2)]),
    "the one and the other are one reversal": ([("payment_reversed", 2)], [(40_000, 9), *PAID, (-100_000, 1)]),
    "an event after an event": ([("paid_in_full", 5), ("payment_reversed", 2)], None),
    "an event undoes row and event": ([("paid_in_full", 5), ("payment_reversed", 2)], PAID),
    "the latest of two": ([("payment_reversed", 2)], [(40_000, 9), *PAID]),
}


@pytest.mark.parametrize(("events", "paid"), UNDONE.values(), ids=list(UNDONE))
def test_a_debt_whose_payment_was_taken_back_is_not_settled(events, paid):
    """Whoever tells of it."""
    assert not state(*events, paid=paid, due_date="2026-11-01").settled


@pytest.mark.parametrize(
    ("events", "paid"),
    [([("payment_reversed", 6)], PAID), ([("payment_reversed", 2), ("paid_in_full", 1)], PAID),
     ([("payment_reversed", 2)], [*PAID, (100_000, 1)])],
)  # fmt: skip
def test_what_was_paid_after_the_reversal_stands(events, paid):
    """A reversal takes back what was before it."""
    assert state(*events, paid=paid, due_date="2026-11-01").settled


def test_a_reversal_that_two_systems_tell_takes_back_one_payment():
    """The 40,000 stand: balance taken before them."""
    events, paid = UNDONE["the one and the other are one reversal"]
    frame = accounts(account_id="100", balance_as_of=pd.Timestamp(NOW - timedelta(days=20)).tz_convert("UTC"))
    held = account_states(
        frame, contacts=contacts(*events), payments=payments(*paid).assign(account_id="100"), as_of=NOW
    )
    assert held[0].balance == 60_000


@given(
    st.lists(st.tuples(st.integers(0, 40), st.sampled_from([-2.0, -1.0, 1.0, 2.0])), max_size=8),
    st.lists(st.integers(0, 40), max_size=3),
)
def test_no_payment_is_taken_back_twice(paid, told):
    """Each negative amount and each event takes back at most one, and one before it."""
    rows = [(day * DAY_US, amount) for day, amount in paid]
    gone, unmatched = taken_back(rows, [day * DAY_US for day in told])
    negative = {row for row, (_, amount) in enumerate(rows) if amount < 0}
    assert not gone & unmatched
    assert unmatched <= negative <= gone | unmatched
    assert len(gone - negative) - len(gone & negative) <= len(told)
    by_events = len(gone - negative) - len(gone & negative)
    earlier = sum(max(told, default=-1) >= day for day, amount in paid if amount > 0)
    assert by_events <= earlier


def _log(outcomes, paid):
    day = pd.Timestamp("2026-03-02T12:00:00Z")
    sent = pd.DataFrame(
        {"contact_id": ["K1", "K2"], "account_id": ["A", "B"], "sent_at": day, "channel": ["call", "sms"]}
    )
    heard = pd.DataFrame(
        [("K1" if account == "A" else "K2", day + timedelta(days=d), word) for account, d, word in outcomes],
        columns=["contact_id", "occurred_at", "outcome"],
    )
    money = pd.DataFrame(
        [(account, day + timedelta(days=d), amount) for account, d, amount in paid],
        columns=["account_id", "paid_at", "amount_minor"],
    )
    given_ = {"contacts": sent, "outcomes": heard, "payments": money}

    def reward(name):
        space = ActionSpace({"channel": ["call", "sms"]})
        log = prepare_log(given_, actions=space, as_of=pd.Timestamp("2026-06-01T00:00Z"), reward=name, window_days=14)
        return log.rewards.reward.tolist()

    return reward


def test_the_reward_of_a_payment_that_was_taken_back_is_none():
    """By an outcome, in payments and in outcomes; the other account keeps its own."""
    reward = _log([("A", 1, "paid"), ("A", 30, "payment_reversed"), ("B", 1, "paid")], [("A", 1, 500), ("B", 1, 700)])
    assert reward("paid") == [0.0, 1.0]
    assert reward("amount_gross") == [0.0, 700.0]


def test_figures_of_the_decision_log_do_not_count_it_either():
    """What managers read and what is learnt from the log of decisions is one reading."""
    day = pd.Timestamp("2026-03-02T12:00:00Z")
    told = [("A", 1, "paid"), ("A", 2, "payment_reversed"), ("B", 1, "paid"), ("A", 3, "paid")]
    frame = pd.DataFrame(
        [(account, day + timedelta(days=d), word) for account, d, word in told],
        columns=["account_id", "occurred_at", "outcome"],
    )
    left = _standing(frame)
    assert list(zip(left["account_id"], left["outcome"], strict=True)) == [
        ("A", "payment_reversed"), ("B", "paid"), ("A", "paid")
    ]  # fmt: skip


@pytest.mark.parametrize("sign", [-1, 1])
def test_an_event_and_a_row_seven_days_apart_are_one_reversal(sign):
    """To the microsecond, whichever comes first; further apart the event takes back the payment before."""
    paid, week = [(0, 5.0), (30 * DAY_US, 3.0), (40 * DAY_US, -3.0)], LAG_DAYS * DAY_US
    assert taken_back(paid, [40 * DAY_US + sign * week]) == ({1, 2}, set())
    assert taken_back(paid, [40 * DAY_US + sign * (week + 1)]) == ({0, 1, 2}, set())


def test_an_event_takes_back_a_payment_of_its_own_moment_and_none_of_later():
    assert taken_back([(5, 1.0), (7, 1.0)], [6]) == ({0}, set())
    assert taken_back([(5, 1.0), (7, 1.0)], [7]) == ({1}, set())
    assert taken_back([(5, 1.0), (7, 1.0)], [4]) == (set(), set())
    assert taken_back([(5, 2.0), (5, -2.0)], []) == ({0, 1}, set())  # of one instant the payment came first
