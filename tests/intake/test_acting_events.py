"""What is given up of a debtor's events changes no state, now or when the others end by themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.intake import HeardEvent, account_states, acting_events
from recommender.tables import OUTCOMES

NOW = datetime(2026, 11, 23, 15, tzinfo=UTC)
DAY = timedelta(days=1)


def event(days: float, word: str, channel: str | None = "sms", account: str = "A", **more: object) -> HeardEvent:
    """Something heard so many days ago."""
    return HeardEvent(account, NOW - days * DAY, word, channel, **more)


def test_what_is_over_goes_and_what_acts_stays() -> None:
    events = [
        event(400, "opt_out"), event(300, "opt_in"), event(200, "opt_out", "email"),
        event(190, "opt_out", "email"), event(100, "complaint"), event(80, "complaint"), event(60, "promise_to_pay"),
        event(50, "promise_to_pay", promise_date=(NOW + 3 * DAY).date()), event(40, "paid"),
        event(30, "contact_agreed"), event(20, "delivered"), event(10, "contact_agreed", account="B"),
    ]  # fmt: skip
    kept = [events[one].word for one in acting_events(events, NOW)]
    assert kept == ["opt_out", "complaint", "contact_agreed"], "the promise was kept by the payment after it"
    assert acting_events(events, NOW + 20 * DAY) == [3]
    assert acting_events(events[:8], NOW) == [3, 5, 7]
    assert acting_events(events, NOW, given_up=[0, 2]) == [], "a younger one of the same kind stays anyhow"
    assert acting_events([event(5, "bounced"), event(4, "bounced"), event(3, "bounced")], NOW) == [0, 1, 2]
    assert acting_events([event(5, "bounced"), event(4, "bounced"), event(3, "delivered")], NOW) == []


some = st.builds(
    event,
    st.integers(0, 120),
    st.sampled_from([word for word in OUTCOMES if word != "payment_reversed"]),
    st.sampled_from(["sms", "email", None]),
    st.sampled_from(["A", "B"]),
)


def states(events: list[HeardEvent], at: datetime) -> list[object]:
    """States as a decision sees them."""
    accounts = pd.DataFrame({"account_id": ["A", "B"], "debtor_id": "D"})
    rows = [{"account_id": one.account, "sent_at": one.at, "channel": one.channel, "outcome": one.word,
             "promise_date": one.promise_date, "callback_at": one.callback_at} for one in events]  # fmt: skip
    told = pd.DataFrame(rows) if rows else None
    return [sorted(one.names) for one in account_states(accounts, contacts=told, as_of=at)]


@given(st.lists(some, max_size=8), st.sampled_from([0, 1, 6, 13, 40, 100]))
def test_without_what_is_given_up_the_states_are_the_same_on_any_later_day(heard: list[HeardEvent], days: int) -> None:
    """The oracle is the reading that decisions use."""
    fewer = [heard[one] for one in acting_events(heard, NOW)]
    assert states(fewer, NOW + days * DAY) == states(heard, NOW + days * DAY)
    assert acting_events(fewer, NOW) == sorted(range(len(fewer)), key=lambda one: fewer[one].at)[: len(fewer)]


@pytest.mark.parametrize(
    ("words", "days"),
    [(["paid"], 7), (["complaint"], 90), (["contact_agreed"], 30), (["callback_requested"], 1),
     (["promise_to_pay"], 14), (["bounced", "bounced", "bounced"], 30)],
)  # fmt: skip
def test_what_is_over_is_given_up_at_that_very_moment(words: list[str], days: int) -> None:
    """Not a microsecond before it; failures rest from the last of them."""
    events = [event(turn, word) for turn, word in enumerate(words)]
    end = NOW + days * DAY
    assert len(acting_events(events, end - timedelta(microseconds=1))) == len(words)
    assert acting_events(events, end) == []
