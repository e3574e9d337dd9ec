"""The first and the last instant that count for a reward, for every attribution, to the microsecond."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from recommender import ActionSpace
from recommender.history import build_feedback

DECIDED = datetime(2026, 3, 2, 15, tzinfo=UTC)
WINDOW = timedelta(days=14)
TICK = timedelta(microseconds=1)
LATER = datetime(2026, 6, 1, tzinfo=UTC)
SPACE = ActionSpace({"channel": ["call", "sms"]}, no_contact=True)


ONCE = ["account", "debtor", "last_contact"]


def log_of(decisions, *, payments=(), outcomes=(), reward="amount", attribution="account", as_of=LATER):
    """The log of decisions given as (id, account, instant, channel), payments and outcomes by account and decision."""
    return build_feedback(
        pd.DataFrame(
            [
                {"account_id": name, "debtor_id": "D", "valid_from": "2025-01-01T00:00:00+00:00"}
                for name in dict.fromkeys([row[1] for row in decisions] + [row[0] for row in payments])
            ]
        ),
        pd.DataFrame(
            [
                {"decision_id": name, "account_id": account, "decided_at": at.isoformat(), "channel": channel}
                for name, account, at, channel in decisions
            ]
        ),
        pd.DataFrame(
            [
                {"contact_id": f"c-{name}", "decision_id": name, "account_id": account, "channel": channel or "sms",
                 "sent_at": at.isoformat()}
                for name, account, at, channel in decisions if channel
            ],
            columns=["contact_id", "decision_id", "account_id", "channel", "sent_at"],
        ),
        pd.DataFrame(
            [
                {"contact_id": f"c-{name}", "occurred_at": at.isoformat(), "outcome": word}
                for name, at, word in outcomes
            ],
            columns=["contact_id", "occurred_at", "outcome"],
        ),
        pd.DataFrame(
            [{"account_id": name, "paid_at": at.isoformat(), "amount_minor": amount} for name, at, amount in payments],
            columns=["account_id", "paid_at", "amount_minor"],
        ),
        actions=SPACE,
        as_of=as_of,
        reward=reward,
        window_days=WINDOW.days,
        attribution=attribution,
    )  # fmt: skip


def rewards(*given, **told):
    """Reward by decision."""
    frame = log_of(*given, **told).frame
    return dict(zip(frame["decision_id"], frame["reward"], strict=True))


@pytest.mark.parametrize("attribution", ONCE)
@pytest.mark.parametrize(
    ("after", "counts"),
    [
        (-TICK, False),
        (timedelta(0), True),
        (TICK, True),
        (WINDOW - TICK, True),
        (WINDOW, False),
        (WINDOW + TICK, False),
    ],
)
def test_a_payment_counts_from_the_decision_up_to_the_end_of_its_window(attribution, after, counts):
    """The window is closed where it begins and open where it ends, whoever the payment counts for."""
    found = rewards([("x", "a", DECIDED, "sms")], payments=[("a", DECIDED + after, 70)], attribution=attribution)
    assert found == {"x": 70.0 * counts}


@pytest.mark.parametrize("attribution", ONCE)
@pytest.mark.parametrize(
    ("after", "may_count"), [(-TICK, False), (timedelta(0), True), (WINDOW - TICK, True), (WINDOW, False)]
)
def test_a_payment_of_unknown_amount_leaves_open_what_it_may_count_for(attribution, after, may_count):
    """The same window: where the payment lies in it nobody knows the sum; outside it is nothing."""
    both = [("x", "a", DECIDED, "sms"), ("y", "a", DECIDED + 3 * WINDOW, "sms")]
    found = rewards(both, payments=[("a", DECIDED + after, "many")], attribution=attribution)
    np.testing.assert_equal(found, {"x": np.nan if may_count else 0.0, "y": 0.0})


@pytest.mark.parametrize("gap", [timedelta(days=13), WINDOW - TICK, WINDOW, WINDOW + TICK])
def test_a_payment_counts_once_for_the_last_contact_in_reach(gap):
    """At the very instant of the second decision the payment is the second's; a tick before it is the first's."""
    both = [("x", "a", DECIDED, "sms"), ("y", "a", DECIDED + gap, "call")]
    told = {"attribution": "last_contact"}
    assert rewards(both, payments=[("a", DECIDED + gap, 5)], **told) == {"x": 0.0, "y": 5.0}
    first = 5.0 if gap - TICK < WINDOW else 0.0
    assert rewards(both, payments=[("a", DECIDED + gap - TICK, 5)], **told) == {"x": first, "y": 0.0}


@pytest.mark.parametrize(
    ("alone_at", "paid_at", "whose"),
    [
        (timedelta(days=2), timedelta(days=3), "x"),  # a contact in reach goes before a later decision to wait
        (timedelta(days=2), WINDOW - TICK, "x"),
        (timedelta(days=2), WINDOW, "idle"),  # out of the contact's reach, in that of the decision to wait
        (timedelta(days=2), WINDOW + timedelta(days=2) - TICK, "idle"),
        (timedelta(days=2), WINDOW + timedelta(days=2), None),
    ],
)
def test_leaving_alone_is_credited_only_where_no_contact_is_in_reach(alone_at, paid_at, whose):
    """``last_contact``: NO_CONTACT earns what no contact can have earned."""
    decisions = [("x", "a", DECIDED, "sms"), ("idle", "a", DECIDED + alone_at, None)]
    found = rewards(decisions, payments=[("a", DECIDED + paid_at, 9)], attribution="last_contact")
    assert found == {name: 9.0 * (name == whose) for name in ("x", "idle")}


@pytest.mark.parametrize(
    ("after", "counts"), [(timedelta(0), True), (WINDOW - TICK, True), (WINDOW, False), (WINDOW + TICK, False)]
)
def test_an_answer_counts_within_the_same_window(after, counts):
    """A reply is known when it came; silence is known when the window closes."""
    log = log_of([("x", "a", DECIDED, "sms")], outcomes=[("x", DECIDED + after, "replied")], reward="response")
    assert log.frame["reward"].tolist() == [float(counts)]
    known = DECIDED + (after if counts else WINDOW)
    assert pd.to_datetime(log.frame["known_at"], utc=True).tolist() == [pd.Timestamp(known)]


@pytest.mark.parametrize(("early", "known"), [(timedelta(0), True), (TICK, False)])
def test_a_reward_is_known_from_the_instant_at_which_its_window_closes(early, known):
    """One tick earlier it is unknown, also where an answer is already there: young successes would flatter."""
    log = log_of(
        [("x", "a", DECIDED, "sms"), ("old", "b", DECIDED - timedelta(days=30), "sms")],
        outcomes=[("x", DECIDED + timedelta(days=1), "replied")],
        reward="response",
        as_of=DECIDED + WINDOW - early,
    )
    found = dict(zip(log.frame["decision_id"], log.frame["reward"], strict=True))
    assert found["old"] == 0.0
    assert np.isnan(found["x"]) == (not known)
