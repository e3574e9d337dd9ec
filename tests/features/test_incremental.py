"""A state fed event by event against the one-pass kernel over all events."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender import ActionSpace, LoggedFeedback
from recommender.errors import InvalidInput
from recommender.features.account_history import AccountHistory
from recommender.features.incremental import HistoryState
from recommender.features.personal_memory import PersonalMemory
from recommender.features.sorted_events import SortedEvents

SPACE = ActionSpace({"channel": ["call", "sms"], "hour": [9, 10, 18]}, no_contact=True)
DAYS = st.integers(0, 40).map(lambda quarter: 20_000.0 + quarter / 4)
EVENTS = st.lists(
    st.tuples(DAYS, st.integers(0, len(SPACE) - 1), st.sampled_from([0.0, 1.0, 5.0]), st.none() | st.integers(0, 20)),
    max_size=12,
)


MEMORY = PersonalMemory(
    np.random.default_rng(3).normal(size=(len(SPACE), 2)), np.random.default_rng(4).normal(-2.0, 0.5, len(SPACE))
)


def history_of(events, memory=None):
    """All events as a history of one account; a reward may be known later than the contact, or never."""
    order = sorted(range(len(events)), key=lambda i: (events[i][0], events[i][1]))
    time = np.array([events[i][0] for i in order])
    late = [events[i][3] for i in order]
    return AccountHistory(
        actions=SPACE,
        account_ids=pd.Index(["A"], dtype="str"),
        events=SortedEvents(
            start=np.array([0, len(events)]),
            time=time,
            known=np.array([np.inf if wait is None else at + wait / 4 for at, wait in zip(time, late, strict=True)]),
            action=np.array([events[i][1] for i in order], dtype=np.int32),
            reward=np.array([events[i][2] for i in order]),
        ),
        time_kind="instant",
        half_life=30.0,
        last=float(time.max(initial=20_000.0)),
        memory=memory,
    )


@given(EVENTS, st.lists(DAYS, min_size=1, max_size=4), st.sampled_from([None, MEMORY]))
@settings(max_examples=200)
def test_a_state_tells_what_the_kernel_tells(events, moments, memory):
    """Told as they happen, kept as JSON in between, asked at several moments: the same bits, ties included."""
    history = history_of(events, memory)
    state = HistoryState(history.layout)
    told = 0
    happened = sorted(
        [(at, "contact", action) for at, action, _, _ in events]
        + [
            (at + wait / 4, "response", action)
            for at, action, reward, wait in events
            if wait is not None and reward > 0
        ]
    )
    for moment in sorted(moments):
        while told < len(happened) and happened[told][0] <= moment:
            at, what, action = happened[told]
            (state.contact if what == "contact" else state.response)(at, action)
            told += 1
        want = history.at(["A"], moment).to_numpy()[0]
        np.testing.assert_array_equal(state.features(moment), want)
        np.testing.assert_array_equal(history.state_of("A").features(moment), want)
        state = HistoryState.from_dict(json.loads(json.dumps(state.to_dict(), allow_nan=False)), history.layout)


@given(EVENTS, DAYS)
@settings(max_examples=60)
def test_personal_factors_are_one_newton_step_over_what_was_known(events, moment):
    """A naive second implementation, in dense algebra from the definition."""
    history = history_of(events, MEMORY)
    v = np.column_stack([MEMORY.loadings, np.ones(len(SPACE))])
    p = 1.0 / (1.0 + np.exp(-MEMORY.bias))
    H, g = np.diag([1.0, 1.0, 10.0]), np.zeros(3)
    for at, action, reward, wait in events:
        if at < moment:
            H += p[action] * (1 - p[action]) * np.outer(v[action], v[action])
            g -= p[action] * v[action]
        if wait is not None and reward > 0 and at + wait / 4 < moment:
            g += v[action]
    found = history.at(["A"], moment)[list(MEMORY.columns)].to_numpy()[0]
    np.testing.assert_allclose(found, np.linalg.solve(H, g)[:2], rtol=1e-5, atol=1e-5)
    assert (history.at(["nobody"], moment)[list(MEMORY.columns)].to_numpy() == 0.0).all()


def test_a_state_of_a_log_is_that_of_the_log():
    """Accounts of a checked log, by text or number; strangers have none."""
    frame = pd.DataFrame(
        {
            "account_id": [7, 7, 8],
            "sent_at": pd.to_datetime(["2026-01-01", "2026-01-03", "2026-01-02"], utc=True),
            "channel": ["sms", "call", "sms"],
            "hour": [9, 18, 10],
            "reward": [1.0, 0.0, 0.0],
            "x": [0.0, 1.0, 2.0],
        }
    )
    log = LoggedFeedback.from_frame(
        frame, actions=SPACE, context=["x"], reward="reward", account="account_id", time="sent_at"
    )
    history = AccountHistory.from_log(log)
    for account in (7, "7", 7.0, 8, 9, "nobody", 7.5):
        np.testing.assert_array_equal(
            history.state_of(account).features(20_500.0), history.at([account], 20_500.0).to_numpy()[0]
        )


def test_what_comes_too_late_is_refused():
    """Neither a moment nor an event may lie before what was asked; a state of other features is not taken."""
    history = history_of([(20_001.0, 1, 1.0, 0)])
    state = history.state_of("A")
    state.features(20_005.0)
    with pytest.raises(InvalidInput, match="go back"):
        state.features(20_004.0)
    with pytest.raises(InvalidInput, match="comes after"):
        state.contact(20_004.0, 1)
    with pytest.raises(InvalidInput, match="no index"):
        state.contact(20_006.0, len(SPACE))
    with pytest.raises(InvalidInput, match="another history"):
        HistoryState.from_dict(state.to_dict() | {"columns": ["x"]}, history.layout)
