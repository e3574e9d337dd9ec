"""What members of a stack make of some actions, against loops that add one term after the other."""

import numpy as np
import pytest

from recommender.allactions import add_disagreement


def one_by_one(U, by_action, levels, shares, ranked, mean, square):
    """The sums as the definition has them: plain Python floats, term by term."""
    n, k = ranked.shape
    for i in range(n):
        for member, share in enumerate(shares.tolist()):
            level = 0.0
            for x, weight in zip(U[i].tolist(), levels[member].tolist(), strict=True):
                level += x * weight
            for position in range(k):
                score = 0.0
                for x, weight in zip(U[i].tolist(), by_action[member, ranked[i, position]].tolist(), strict=True):
                    score += x * weight
                score -= level
                mean[i, position] += share * score
                square[i, position] += share * score * score


@pytest.mark.parametrize("k", range(1, 10))
def test_sums_have_the_bits_of_loops_for_any_number_of_ranks(k):
    rng = np.random.default_rng(k)
    n, members, n_actions, terms = 5, 3, 11, 37
    U = rng.normal(size=(n, terms)) * (rng.random((n, terms)) < 0.7)
    given = (
        U,
        rng.normal(size=(members, n_actions, terms)) * 10.0 ** rng.integers(-6, 6, (members, n_actions, terms)),
        rng.normal(size=(members, terms)),
        rng.random(members),
        rng.integers(0, n_actions, (n, k)),
    )
    start = rng.normal(size=(2, n, k))
    found, wanted = start.copy(), start.copy()
    add_disagreement(*given, *found)
    one_by_one(*given, *wanted)
    assert np.array_equal(found.view(np.int64), wanted.view(np.int64))
