"""The action space: order, types, NO_CONTACT and its errors."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender import ActionSpace, LoggedFeedback
from recommender.errors import InvalidInput

LEVELS = st.lists(
    st.one_of(st.integers(-5, 30), st.text("abcdef", min_size=1, max_size=3)), min_size=1, max_size=4, unique=True
)
SPACES = st.dictionaries(st.sampled_from(["channel", "hour", "tone", "offer"]), LEVELS, min_size=1, max_size=3)


@given(SPACES, st.booleans())
def test_rows_are_in_c_order_and_no_contact_is_last(factors, no_contact):
    """to_frame lists the product of the levels, last factor fastest, NO_CONTACT last with null factors."""
    space = ActionSpace(factors, no_contact=no_contact)
    expected = list(itertools.product(*factors.values()))
    frame = space.to_frame()
    assert len(frame) == len(space) == len(expected) + no_contact
    for row, levels in enumerate(expected):
        assert tuple(frame.iloc[row].tolist()) == levels
    if no_contact:
        assert frame.iloc[-1].isna().all()
        assert space.no_contact_index == len(space) - 1


@given(SPACES, st.booleans(), st.integers(0, 10_000))
def test_index_of_inverts_describe(factors, no_contact, seed):
    """Describing actions and indexing them again gives the same actions."""
    space = ActionSpace(factors, no_contact=no_contact)
    action = np.random.default_rng(seed).integers(0, len(space), 20)
    np.testing.assert_array_equal(space.index_of(space.describe(action)), action)
    assert ActionSpace.from_dict(space.to_dict()) == space


def test_level_types_are_kept():
    """Hours stay integers, with and without NO_CONTACT."""
    assert ActionSpace({"hour": range(8, 11)}).to_frame()["hour"].dtype == np.int64
    assert ActionSpace({"hour": range(8, 11)}, no_contact=True).to_frame()["hour"].dtype == "Int64"
    assert ActionSpace({"hour": range(8, 11)}).factors["hour"] == (8, 9, 10)


def test_hours_read_as_floats_are_found():
    """A CSV with gaps turns 9 into 9.0; that is still the level 9."""
    space = ActionSpace({"hour": [8, 9]}, no_contact=True)
    assert space.index_of(pd.DataFrame({"hour": [9.0, np.nan]})).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("frame", "column", "rows", "told"),
    [
        ({"channel": ["sms", "fax", "call"], "hour": [8, 8, 9]}, "channel", (1,), "fax"),
        ({"channel": ["sms", None, "call"], "hour": [8, 8, 9]}, "channel", (1,), "no level"),
        ({"channel": ["sms", "sms", "call"], "hour": ["8", "9", "8"]}, "hour", (0, 1, 2), "convert"),
        ({"channel": ["sms"]}, "hour", (), "missing"),
    ],
)
def test_a_bad_level_names_column_value_and_rows(frame, column, rows, told):
    """Unknown, missing and wrongly typed levels are one error that names column, value, rows and mend."""
    space = ActionSpace({"channel": ["call", "sms"], "hour": [8, 9]})
    with pytest.raises(InvalidInput, match=told) as caught:
        space.index_of(pd.DataFrame(frame))
    assert caught.value.column == column
    assert caught.value.rows == rows
    assert caught.value.mend
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "factors", [{}, {"channel": []}, {"channel": ["a", "a"]}, {"channel": [None]}, {"channel": "call"}, {"x": [np.nan]}]
)
def test_an_impossible_space_is_refused(factors):
    """No factor, no level, repeated or null levels are errors."""
    with pytest.raises(InvalidInput):
        ActionSpace(factors)


def test_a_space_of_columns_has_the_levels_that_were_logged_in_order():
    log = pd.DataFrame(
        {
            "channel": ["sms", "call", None, "sms"],
            "hour": [18.0, 9.0, None, 9.0],  # a CSV with a gap
            "size": pd.Categorical(["small", "large", None, "large"], categories=["small", "middle", "large"]),
        }
    )
    space = ActionSpace.from_frame(log, ["channel", "hour", "size"])
    assert space.factors == {"channel": ("call", "sms"), "hour": (9, 18), "size": ("small", "large")}
    assert space.no_contact and space.index_of(log).tolist() == [6, 1, 8, 5]
    assert ActionSpace.from_frame(log.dropna(), "channel") == ActionSpace({"channel": ["call", "sms"]})
    mixed = ActionSpace.from_frame(pd.DataFrame({"slot": [9, "late", 9]}), ["slot"])
    assert mixed.factors == {"slot": (9, "late")}


@pytest.mark.parametrize(
    ("factors", "named"),
    [(["chanel"], "chanel"), (["empty"], "empty"), (["id"], "id"), (["id", "channel"], "id"), ([], "factor")],
)
def test_columns_that_are_no_choice_are_refused_by_name(factors, named):
    log = pd.DataFrame({"channel": ["sms", "call"] * 1_500, "id": range(3_000), "empty": None})
    with pytest.raises(InvalidInput) as refused:
        ActionSpace.from_frame(log, factors)
    assert named in str(refused.value)


def test_a_log_takes_names_of_columns_as_its_actions():
    rows = pd.DataFrame({"channel": ["sms", "call", "sms"], "days": [1, 2, 3], "reward": [0, 1, 0]})
    named = LoggedFeedback.from_frame(rows, actions=["channel"], context=["days"])
    given = LoggedFeedback.from_frame(rows, actions=ActionSpace({"channel": ["call", "sms"]}), context=["days"])
    assert named.actions == given.actions and named.action.tolist() == given.action.tolist()
    with pytest.raises(InvalidInput, match="names of columns"):
        LoggedFeedback.from_frame(rows, actions={"channel": ["call", "sms"]}, context=["days"])
