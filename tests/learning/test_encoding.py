"""Context columns as numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from recommender.errors import InvalidInput
from recommender.learning.encoding import ContextEncoder


def test_kinds_and_missing_values_of_every_dtype() -> None:
    """Numbers, booleans, text, categories and columns of one value all become numbers; missing is NaN."""
    frame = pd.DataFrame(
        {
            "number": [1.5, np.nan, 3.0] * 4,
            "integer": pd.array([1, None, 3] * 4, dtype="Int64"),
            "flag": pd.array([True, None, False] * 4, dtype="boolean"),
            "text": ["a", None, "b"] * 4,
            "level": pd.Categorical(["u", None, "v"] * 4),
            "mixed": [1, None, True] * 4,
            "constant": [7] * 12,
            "empty": [None] * 12,
        }
    )
    matrix = ContextEncoder.fit(frame, ("integer",)).transform(frame)
    assert matrix.shape == (12, 8)
    assert np.isnan(matrix[1, :6]).all()
    assert set(matrix[:, 1][~np.isnan(matrix[:, 1])]) == {1.0, 2.0}


def test_unseen_and_rare_categories_share_the_code_zero() -> None:
    """A category that was not learnt is 'other', never an error and never missing."""
    frame = pd.DataFrame({"text": ["a"] * 10 + ["b"] * 5 + ["once"]})
    encoder = ContextEncoder.fit(frame, ())
    coded = encoder.transform(pd.DataFrame({"text": ["a", "b", "once", "never", None]}))[:, 0]
    np.testing.assert_array_equal(coded, [1.0, 2.0, 0.0, 0.0, np.nan])


def test_coding_does_not_depend_on_the_batch_or_its_order() -> None:
    """The same value gets the same code alone, in another order and after a round trip."""
    frame = pd.DataFrame({"text": list("aabbccdd") * 4, "n": range(32)})
    encoder = ContextEncoder.fit(frame, ())
    shuffled = ContextEncoder.fit(frame.sample(frac=1, random_state=1), ())
    assert encoder.to_dict() == shuffled.to_dict() == ContextEncoder.from_dict(encoder.to_dict()).to_dict()
    whole = encoder.transform(frame)
    np.testing.assert_array_equal(encoder.transform(frame.iloc[[5]]), whole[[5]])


def test_whole_floats_and_integers_are_one_category() -> None:
    """A CSV with a gap turns 9 into 9.0: still the same category."""
    encoder = ContextEncoder.fit(pd.DataFrame({"k": [9, 9, 9, 9, 8, 8, 8]}), ("k",))
    np.testing.assert_array_equal(encoder.transform(pd.DataFrame({"k": [9.0, None]}))[:, 0], [1.0, np.nan])


def test_text_in_a_number_column_names_column_row_and_mend() -> None:
    """Text where training saw numbers is refused, not silently missing."""
    encoder = ContextEncoder.fit(pd.DataFrame({"n": [1.0, 2.0]}), ())
    with pytest.raises(InvalidInput, match=r"'n'.*'abc'.*row 1"):
        encoder.transform(pd.DataFrame({"n": ["1.5", "abc"]}))


def test_missing_column_is_named_with_its_neighbour() -> None:
    """A column left out is named together with the closest one that is there."""
    encoder = ContextEncoder.fit(pd.DataFrame({"balance": [1.0, 2.0]}), ())
    with pytest.raises(InvalidInput, match="Did you mean 'balance' -> 'balence'"):
        encoder.transform(pd.DataFrame({"balence": [1.0]}))


@pytest.mark.parametrize(
    "values",
    [
        pd.to_datetime(["2026-01-02", None]),
        pd.to_datetime(["2026-01-02", None]).tz_localize("America/Bogota"),
        pd.to_timedelta([3, None], unit="h"),
        pd.Series([pd.Timestamp("2026-01-02"), None], dtype=object),
        pd.Series([pd.Timedelta("3h"), None], dtype=object),
        np.array([1 + 2j, np.nan]),
    ],
)
def test_an_instant_or_a_complex_number_is_not_read_as_the_number_that_was_learnt(values):
    """A log refuses instants as context; days since 1970 in place of a balance would be a silent wrong answer."""
    encoder = ContextEncoder.fit(pd.DataFrame({"balance": [1.0, 2.0, 3.0]}), ())
    with pytest.raises(InvalidInput, match=r"'balance' was a number when the model was trained.* in row 0"):
        encoder.transform(pd.DataFrame({"balance": values}))
