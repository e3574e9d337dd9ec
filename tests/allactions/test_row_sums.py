"""Products of a batch with the weights: each sum has the bits of one made term by term, whatever rows share a pass."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.allactions.blend import _WIDE, row_sums


def term_by_term(U, weights):
    """One row, one action, one term after the other."""
    out = np.zeros((len(U), weights.shape[1]))
    for i, row in enumerate(U):
        for j in range(weights.shape[1]):
            total = 0.0
            for k, factor in enumerate(row):
                total += factor * weights[k, j]
            out[i, j] = total
    return out


def drawn(n, n_terms, n_actions, seed, zeros=0.4):
    rng = np.random.default_rng(seed)
    U = rng.normal(size=(n, n_terms)) * 10.0 ** rng.integers(-8, 8, (n, n_terms))
    U[rng.random(U.shape) < zeros] = 0.0
    return U, rng.normal(size=(n_terms, n_actions)) * 10.0 ** rng.integers(-8, 8, (n_terms, n_actions))


@given(
    n=st.integers(0, 11),
    n_terms=st.integers(1, 14),
    n_actions=st.integers(1, 20),
    zeros=st.sampled_from([0.0, 0.5, 1.0]),
    seed=st.integers(0, 10**6),
)
def test_sums_have_the_bits_of_a_loop(n, n_terms, n_actions, zeros, seed):
    U, weights = drawn(n, n_terms, n_actions, seed, zeros)
    assert row_sums(U, weights).tobytes() == term_by_term(U, weights).tobytes()


@pytest.mark.parametrize("n_actions", [_WIDE - 1, _WIDE, _WIDE + 1, 2 * _WIDE + 3])
@pytest.mark.parametrize("n", [3, 4, 6])
def test_more_actions_than_a_pass_holds(n, n_actions):
    U, weights = drawn(n, 9, n_actions, n_actions)
    assert row_sums(U, weights).tobytes() == term_by_term(U, weights).tobytes()


def test_an_account_has_the_same_bits_alone_and_in_a_batch():
    U, weights = drawn(9, 30, 261, 1)
    together = row_sums(U, weights)
    assert all(row_sums(U[i : i + 1], weights).tobytes() == together[i : i + 1].tobytes() for i in range(len(U)))
