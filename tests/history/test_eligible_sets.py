"""Eligible sets in bits: the same booleans, in little memory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from recommender.errors import InvalidInput
from recommender.history.eligible_sets import EligibleSets

ARRAYS = hnp.arrays(bool, st.tuples(st.integers(1, 40), st.integers(1, 21)))


@given(ARRAYS, st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=60)
def test_everything_asked_of_the_sets_is_what_the_booleans_say(allowed, seed):
    """Rows, parts, single actions, sizes and the union agree with the plain array."""
    sets = EligibleSets.of_array(allowed)
    rng = np.random.default_rng(seed)
    at = rng.integers(0, len(allowed), 7)
    action = rng.integers(0, allowed.shape[1], len(allowed))
    np.testing.assert_array_equal(sets.array(), allowed)
    np.testing.assert_array_equal(sets.take(at).array(), allowed[at])
    np.testing.assert_array_equal(sets.allows(action), allowed[np.arange(len(allowed)), action])
    np.testing.assert_array_equal(sets.sizes(), allowed.sum(axis=1))
    np.testing.assert_array_equal(sets.ever(), allowed.any(axis=0))
    part = sets.take(at)  # sets that none of these decisions has say nothing of them
    np.testing.assert_array_equal(part.ever(), allowed[at].any(axis=0))
    np.testing.assert_array_equal(part.sizes(), allowed[at].sum(axis=1))
    np.testing.assert_array_equal(part.allows(action[at]), allowed[at, action[at]])
    assert len(sets.packed) == len(np.unique(allowed, axis=0))


@given(ARRAYS)
@settings(deadline=None, max_examples=30)
def test_texts_and_back(allowed):
    """Texts of 0 and 1 read back as the same sets, in one part or in several."""
    sets = EligibleSets.of_array(allowed)
    whole = EligibleSets.of_texts([sets.texts()], sets.n_actions)
    halves = [sets.take(slice(None, len(sets) // 2)).texts(), sets.take(slice(len(sets) // 2, None)).texts()]
    np.testing.assert_array_equal(whole.array(), allowed)
    np.testing.assert_array_equal(EligibleSets.of_texts(halves, sets.n_actions).array(), allowed)


@pytest.mark.parametrize("text", [None, "01", "012", "0110"])
def test_text_that_is_no_set_is_refused(text):
    """A text of another length, another sign, or none at all is an error that shows it."""
    with pytest.raises(InvalidInput, match="0 or 1 for each of the 3 actions"):
        EligibleSets.of_texts([([text], np.zeros(1, dtype=np.int64))], 3)


def test_few_sets_take_little_memory():
    """A hundred thousand decisions of four sets take less than half a megabyte, not 26."""
    rng = np.random.default_rng(0)
    sets = EligibleSets.of_sets(rng.random((4, 261)) < 0.5, rng.integers(0, 4, 100_000))
    assert sets.packed.nbytes + sets.code.nbytes < 500_000
