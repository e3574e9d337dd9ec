"""Wishes of a debtor, however they are written: hours of the law they add to, or an error, and never a crash."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.rules import PackError
from recommender.rules.preferences import preference_overlay

WORDS = st.sampled_from(["mon", "sun", "sms", "call", "09:00", "18:00", "24:00", "09:00Z", "18:00+05:00", "", "x"])
SCALARS = st.none() | st.booleans() | st.integers(-1, 90_000) | st.floats() | WORDS
ANYTHING = st.recursive(SCALARS, lambda one: st.lists(one, max_size=3) | st.dictionaries(WORDS, one, max_size=2))


@given(st.dictionaries(st.sampled_from(["hours", "days", "channels"]), ANYTHING))
def test_whatever_is_wished_is_read_or_refused(wishes):
    try:
        overlay = preference_overlay(wishes)
    except PackError:
        return
    (window,) = overlay.windows
    assert window.from_.tzinfo is None and window.from_ < window.to


@pytest.mark.parametrize(
    "wishes",
    [
        {"hours": ["09:00Z", "18:00Z"]},  # of another clock than the debtor's
        {"hours": ["09:00", "18:00-05:00"]},
        {"hours": [32400, 64800]},
        {"hours": ["09:00", 1]},
        {"days": 5},
        {"days": None},
        {"days": {"sun": False}},
        {"channels": {"call": False}},
        {"channels": [None]},
        {"channels": "sms"},
        {"channels": ["sms", 1]},
    ],
)
def test_what_is_no_clock_and_no_list_is_refused(wishes):
    with pytest.raises(PackError):
        preference_overlay(wishes)
