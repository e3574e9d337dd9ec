"""The service's own log as training data: rewards in the window, maturity, propensity, eligible sets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import numpy as np
import pandas as pd
import pytest

from recommender.actions import ActionSpace
from recommender.errors import InvalidInput
from recommender.history.feedback import LoggedFeedback
from recommender.store.decision_log.contact_event import ContactEvent
from recommender.store.decision_log.decisions import (
    DecisionLog,
    DecisionRecord,
    OutcomeRecord,
    Provenance,
    read_feedback_frame,
)
from recommender.store.decision_log.feedback_frame import LogWarning
from recommender.store.decision_log.listing import decisions_page
from recommender.store.decision_log.stops import agree_to_contact, stop_contact, withdraw_agreement
from recommender.tables import REACHED_BY

Decide = Callable[..., DecisionRecord]
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=60)
DAY = timedelta(days=1)


def outcome(
    number: int, after: timedelta, name: str, amount: int | None = None, currency: str = "COP"
) -> OutcomeRecord:
    """An outcome some time after the decision of that number."""
    return OutcomeRecord(
        decision_id=f"d{number:05d}",
        occurred_at=NOON + timedelta(minutes=number) + after,
        outcome=name,
        amount_minor=amount,
        currency=None if amount is None else currency,
    )


@pytest.fixture
def filled(log: DecisionLog, decide: Decide) -> DecisionLog:
    """Forty decisions with random eligible sets, and outcomes in and out of the window."""
    rng = np.random.default_rng(5)
    records, told = [], []
    for number in range(40):
        eligible = rng.random(10) < 0.5
        eligible[number % 10] = True
        records.append(decide(number, eligible=eligible, propensity=float(rng.uniform(0.05, 1))))
        names = rng.choice(["delivered", "read", "replied", "promise_to_pay", "complaint"], rng.integers(0, 4)).tolist()
        told += [outcome(number, float(rng.uniform(0, 20)) * DAY, name) for name in names]
        amounts = rng.integers(1, 10_000, rng.integers(0, 3)).tolist()
        told += [outcome(number, float(rng.uniform(0, 20)) * DAY, "paid", amount) for amount in amounts]
    log.record(records)
    log.record_outcomes(told)
    return log


@pytest.mark.parametrize("reward", ["replied", "read", "complaint", "response", "amount_gross"])
def test_rewards_agree_with_a_row_by_row_reading(filled: DecisionLog, space: ActionSpace, reward: str) -> None:
    """A second, naive implementation over `get` gives the same rewards, maturity, sets and propensities."""
    as_of = NOON + timedelta(minutes=25) + 14 * DAY  # the last decisions are not mature
    frame, roles = read_feedback_frame(filled, space, reward, 14, as_of)
    assert len(frame) == 40
    for row, decision_id in enumerate(frame["decision_id"]):
        found = filled.get(decision_id)
        assert found is not None
        decision = found.decision
        ends = decision.decided_at + 14 * DAY
        inside = [told for told in found.outcomes if told.occurred_at < ends and told.occurred_at <= as_of]
        if reward == "amount_gross":
            expected = float(sum(told.amount_minor or 0 for told in inside if told.outcome == "paid"))
        else:
            expected = float(any(told.outcome in REACHED_BY[reward] for told in inside))
        held = frame.loc[row, "reward"]
        assert np.isnan(held) if ends > as_of else held == expected
        assert frame.loc[row, "propensity"] == decision.propensity
        earning = [told.occurred_at for told in inside if told.outcome in REACHED_BY.get(reward, ())]
        assert frame.loc[row, "known_at"] == (min(earning) if earning and ends <= as_of else ends)
        np.testing.assert_array_equal(roles["eligible"][row], decision.eligible)
    assert frame["reward"].isna().sum() == 14

    feedback = LoggedFeedback.from_frame(frame, **roles)
    assert feedback.reward_kind == ("amount" if reward == "amount_gross" else "binary")
    assert feedback.categorical == ("stage",)
    np.testing.assert_array_equal(feedback.action, np.arange(40) % 10)
    assert len(np.unique(feedback.cluster)) == 3
    assert len(np.unique(feedback.account)) == 7


def test_nothing_after_as_of_is_seen(filled: DecisionLog, space: ActionSpace, decide: Decide) -> None:
    """Reading as of a past moment gives what would have been read then."""
    as_of = NOON + timedelta(minutes=30) + 14 * DAY
    before, _ = read_feedback_frame(filled, space, "replied", 14, as_of)
    filled.record([decide(99, decided_at=as_of + DAY)])
    filled.record_outcomes([outcome(number, 30 * DAY, "replied") for number in range(40)])
    after, _ = read_feedback_frame(filled, space, "replied", 14, as_of)
    pd.testing.assert_frame_equal(before, after)
    assert len(read_feedback_frame(filled, space, "replied", 14, LATER)[0]) == 41


def test_the_interval_is_half_open_and_an_empty_one_is_an_error(filled: DecisionLog, space: ActionSpace) -> None:
    """`since` is in, `until` is out."""
    since, until = NOON + timedelta(minutes=10), NOON + timedelta(minutes=20)
    frame, roles = read_feedback_frame(filled, space, "replied", 14, LATER, since=since, until=until)
    assert frame["decision_id"].tolist() == [f"d{number:05d}" for number in range(10, 20)]
    assert roles["eligible"].shape == (10, 10)
    with pytest.raises(InvalidInput, match="no usable decision"):
        read_feedback_frame(filled, space, "replied", 14, LATER, since=LATER)


READERS = {
    "rows": lambda log, since, until: [row["decision_id"] for rows in log.rows(since, until) for row in rows],
    "frames": lambda log, since, until: [one for frame in log.read(since, until) for one in frame["decision_id"]],
    "outcomes": lambda log, since, until: sorted(log.outcome_frame(since, until)["decision_id"].unique()),
    "pages": lambda log, since, until: [
        record.decision_id for record, _ in reversed(decisions_page(log, since=since, until=until).decisions)
    ],
}


def test_every_reader_takes_the_first_instant_and_leaves_the_last(log: DecisionLog, decide: Decide) -> None:
    """Limits an instant before, on and after a decision: `since <= decided_at < until`, wherever it is asked."""
    log.record([decide(number) for number in range(6)])
    log.record_outcomes([outcome(number, timedelta(hours=1), "read") for number in range(6)])
    near = [timedelta(microseconds=one) for one in (-1, 0, 1)]
    begins = [None, *(NOON + timedelta(minutes=2) + one for one in near)]
    ends = [None, *(NOON + timedelta(minutes=4) + one for one in near)]
    for (name, read), since, until in product(READERS.items(), begins, ends):
        expected = [
            f"d{number:05d}"
            for number in range(6)
            if (since is None or since <= NOON + timedelta(minutes=number))
            and (until is None or NOON + timedelta(minutes=number) < until)
        ]
        assert read(log, since, until) == expected, (name, since, until)


def test_decisions_of_another_space_are_translated_by_their_levels(
    log: DecisionLog, decide: Decide, provenance: Provenance
) -> None:
    """A wider or reordered space reads the same decisions; one without their levels refuses or drops them, counted."""
    log.record([decide(number) for number in range(10)])
    wider = ActionSpace({"hour": [8, 9, 13, 18], "channel": ["sms", "call", "email", "letter"]}, no_contact=True)
    frame, roles = read_feedback_frame(log, wider, "replied", 14, LATER)
    assert frame["channel"].tolist()[:9] == ["call"] * 3 + ["sms"] * 3 + ["email"] * 3
    assert frame["hour"].tolist()[:9] == [9, 13, 18] * 3
    assert frame.loc[9, ["channel", "hour"]].isna().all()
    feedback = LoggedFeedback.from_frame(frame, **roles)
    assert feedback.eligible is not None
    allowed = wider.to_frame()[feedback.eligible[0]]
    assert set(allowed["channel"].dropna()) == {"call", "sms", "email"}
    assert 8 not in set(allowed["hour"].dropna())
    assert feedback.eligible.sum(axis=1).tolist() == [10] * 10

    narrower = ActionSpace({"channel": ["call", "sms"], "hour": [9, 13, 18]}, no_contact=True)
    with pytest.raises(InvalidInput, match="3 logged decisions"):
        read_feedback_frame(log, narrower, "replied", 14, LATER)
    with pytest.warns(LogWarning, match="3 logged decisions"):
        frame, roles = read_feedback_frame(log, narrower, "replied", 14, LATER, other_spaces="drop")
    assert len(frame) == len(roles["eligible"]) == 7
    LoggedFeedback.from_frame(frame, **roles)


def test_contexts_of_different_versions_share_a_frame(log: DecisionLog, decide: Decide) -> None:
    """A feature that a decision lacks is missing there; a feature called like one of our columns keeps its name."""
    log.record([decide(0), decide(1, context={"reward": 3, "new": "x", "is_new": None})])
    frame, roles = read_feedback_frame(log, decide(0).provenance.actions, "replied", 14, LATER)
    assert frame["reward"].tolist()[1] == 3.0
    assert np.isnan(frame["reward"].tolist()[0])
    assert roles["reward"] == "_reward"
    assert frame["is_new"].dtype == np.float64
    assert frame["is_new"].isna().tolist() == [False, True]
    feedback = LoggedFeedback.from_frame(frame, **roles)
    assert set(feedback.categorical) == {"stage", "new"}
    assert feedback.reward.tolist() == [0.0, 0.0]


def test_money_needs_one_currency_and_amounts(log: DecisionLog, decide: Decide, space: ActionSpace) -> None:
    """Mixed currencies are refused; a payment of unknown amount leaves its decision unknown, not zero."""
    log.record([decide(number) for number in range(3)])
    log.record_outcomes([outcome(0, DAY, "paid", 100), outcome(0, 2 * DAY, "paid", 50), outcome(1, DAY, "paid")])
    with pytest.warns(LogWarning, match="1 payments have no amount"):
        frame, _ = read_feedback_frame(log, space, "amount_gross", 14, LATER)
    np.testing.assert_array_equal(frame["reward"], [150.0, np.nan, 0.0])
    with pytest.warns(LogWarning):
        net, _ = read_feedback_frame(log, space, "amount", 14, LATER, cost_minor=[7.0, 1.0, 2.0, *[0.0] * 7])
    np.testing.assert_array_equal(net["reward"], [143.0, np.nan, -2.0])
    with pytest.raises(InvalidInput, match="cost of each of the 10 actions"):
        read_feedback_frame(log, space, "amount", 14, LATER)
    log.record_outcomes([outcome(2, DAY, "paid", 5, "USD")])
    with pytest.raises(InvalidInput, match="mixes currencies"):
        read_feedback_frame(log, space, "amount_gross", 14, LATER)


def test_outcomes_before_their_decision_are_counted_not_used(
    log: DecisionLog, decide: Decide, space: ActionSpace
) -> None:
    """A sender with a wrong clock is noticed."""
    log.record([decide(0)])
    log.record_outcomes([outcome(0, -DAY, "replied")])
    with pytest.warns(LogWarning, match="1 outcomes lie before"):
        frame, _ = read_feedback_frame(log, space, "replied", 14, LATER)
    assert frame["reward"].tolist() == [0.0]


def test_policies_share_the_log_and_stay_apart(log: DecisionLog, decide: Decide, provenance: Provenance) -> None:
    """Each row says which policy decided, and whether it was the fallback."""
    fallback = replace(provenance, policy_version="seed-rules", model_digest=None)
    log.record([decide(0), decide(1, provenance=fallback, fallback=True, deterministic=True, propensity=1.0)])
    frame, _ = read_feedback_frame(log, provenance.actions, "replied", 14, LATER)
    assert frame["policy_version"].tolist() == ["7", "seed-rules"]
    assert frame["fallback"].tolist() == [False, True]
    assert frame["deterministic"].tolist() == [False, True]


@pytest.mark.parametrize(
    ("reward", "window", "as_of", "column"),
    [("rpc", 14, LATER, "reward"), ("replied", 0, LATER, "window_days"),
     ("replied", float("nan"), LATER, "window_days"),
     ("replied", 14, LATER.replace(tzinfo=None), "as_of")],
)  # fmt: skip
def test_faulty_questions_are_refused(
    log: DecisionLog, space: ActionSpace, reward: str, window: float, as_of: datetime, column: str
) -> None:
    """The error names the argument."""
    with pytest.raises(InvalidInput) as caught:
        read_feedback_frame(log, space, reward, window, as_of)
    assert caught.value.column == column


@pytest.mark.parametrize(
    ("after", "counts"),
    [(timedelta(0), True), (14 * DAY - timedelta(microseconds=1), True), (14 * DAY, False), (15 * DAY, False)],
)
def test_an_outcome_at_the_end_of_the_window_is_too_late(
    log: DecisionLog, decide: Decide, space: ActionSpace, after: timedelta, counts: bool
) -> None:
    """The window is half-open, as in a log that is built from raw tables."""
    log.record([decide(0)])
    log.record_outcomes([outcome(0, after, "replied")])
    frame, roles = read_feedback_frame(log, space, "replied", 14, LATER)
    assert frame[roles["reward"]].tolist() == [float(counts)]


def test_what_people_decided_is_theirs(log: DecisionLog, space: ActionSpace, decide: Decide) -> None:
    """An agent's contact has his action, reason and outcome, and no propensity; what a person stopped is counted."""
    at = NOON + timedelta(hours=2)
    log.record([decide(number, debtor_id=f"p{number}", contact_at=at) for number in range(4)])

    def told(number: int, kind: str, **more: object) -> ContactEvent:
        return ContactEvent(decision_id=f"d{number:05d}", debtor_id=f"p{number}", kind=kind, at=at, checks=(), **more)

    events = [
        told(0, "overridden", channel="email", action=8, reason="debtor-asked"),
        told(1, "dispatched", channel="call", action=1, propensity=0.25),
        told(
            2, "dispatched", channel="sms", action=4, propensity=0.5, eligible=np.packbits(np.ones(10, bool)).tobytes()
        ),
    ]
    log.record_events(events, told_at=at)
    assert stop_contact(log, "d00003", at=NOON + timedelta(hours=1)) == ["d00003"]
    log.record_outcomes([outcome(0, DAY, "paid", 700)])
    with pytest.warns(LogWarning, match="1 decisions were stopped by a person"):
        frame, roles = read_feedback_frame(log, space, "amount_gross", 14, LATER)
    assert frame["chosen_by"].tolist() == ["sender", "policy", "fallback"]
    assert frame["override_reason"].tolist()[0] == "debtor-asked" and frame["override_reason"].isna().sum() == 2
    assert frame["propensity"].isna().tolist() == [True, False, False]
    assert frame["reward"].tolist() == [700.0, 0.0, 0.0]
    feedback = LoggedFeedback.from_frame(frame, **roles)
    np.testing.assert_array_equal(feedback.action, [8, 1, 4])
    assert not {"chosen_by", "override_reason"} & {*roles["context"]}


def test_what_waited_for_a_person_counts_only_where_it_was_sent(
    log: DecisionLog, space: ActionSpace, decide: Decide
) -> None:
    """Told as sent, or agreed to and not taken back; to leave alone waits for nobody. The frame says which."""
    late = [{"action": 0, "needs_human": True}]
    log.record(
        [decide(number, debtor_id=f"p{number}", account_id=f"a{number}", action=0, ranking=late) for number in range(6)]
    )
    idle = len(space) - 1
    log.record([decide(6, action=idle, ranking=[{"action": idle, "needs_human": True}]), decide(7)])
    at = NOON + timedelta(hours=1)
    told = {"decision_id": "d00001", "debtor_id": "p1", "at": at}
    log.record_events(
        [
            ContactEvent(kind="dispatched", **told),
            ContactEvent(kind="delivered", **told | {"decision_id": "d00005", "debtor_id": "p5"}),
        ]
    )
    agree_to_contact(log, "d00002", at=at)
    agree_to_contact(log, "d00003", at=at)
    withdraw_agreement(log, "d00003", at=at + timedelta(minutes=1))
    agree_to_contact(log, "d00004", at=LATER + DAY)  # after what is read
    log.record_outcomes([outcome(0, DAY, "replied"), outcome(2, DAY, "replied")])
    with pytest.warns(LogWarning, match="4 decisions waited for a person"):
        frame, roles = read_feedback_frame(log, space, "replied", 14, LATER)
    assert frame["decision_id"].tolist() == ["d00001", "d00002", "d00006", "d00007"]
    assert frame["needs_human"].tolist() == [True, True, True, False]
    assert [one if isinstance(one, str) else None for one in frame["review"]] == [None, "agreed", None, None]
    assert frame["chosen_by"].eq("policy").all()
    assert frame["reward"].tolist() == [0.0, 1.0, 0.0, 0.0]
    assert not {"needs_human", "review"} & {*roles["context"]}
    LoggedFeedback.from_frame(frame, **roles)
