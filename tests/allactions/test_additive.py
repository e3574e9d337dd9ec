"""Additive tables against a loop over accounts, actions and factors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender import ActionSpace
from recommender.allactions import KernelError, combine_tables


@settings(max_examples=25, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    no_contact=st.booleans(),
    seed=st.integers(0, 1000),
    n=st.integers(0, 6),
)
def test_equals_a_plain_loop(sizes: list[int], no_contact: bool, seed: int, n: int) -> None:
    """Every score is the base plus the entries of the action's levels, pairs and its own constant."""
    rng = np.random.default_rng(seed)
    space = ActionSpace({f"f{i}": range(size) for i, size in enumerate(sizes)}, no_contact=no_contact)
    base, constant = rng.normal(size=n), rng.normal(size=len(space))
    per_factor = [rng.normal(size=(n, size)) if rng.random() < 0.8 else None for size in sizes]
    pairs = [(f, g) for f in range(len(sizes)) for g in range(len(sizes)) if f < g]
    per_pair = [((f, g), rng.normal(size=(n, sizes[f] * sizes[g]))) for f, g in pairs]
    start = rng.normal(size=(n, len(space)))
    found = combine_tables(base, per_factor, per_pair, constant, space.codes, weight=0.3, out=start.copy())
    for row in range(n):
        for action, code in enumerate(space.codes):
            total = base[row] + constant[action]
            if code[0] >= 0:
                total += sum(table[row, code[f]] for f, table in enumerate(per_factor) if table is not None)
                total += sum(table[row, code[f] * sizes[g] + code[g]] for (f, g), table in per_pair)
            assert found[row, action] == pytest.approx(start[row, action] + 0.3 * total, abs=1e-12)


def test_a_table_that_does_not_fit_is_named() -> None:
    """The error says which table has which shape."""
    space = ActionSpace({"a": range(2), "b": range(3)})
    with pytest.raises(KernelError, match=r"per_factor\[1\] must have shape \(4, 3\)"):
        combine_tables(np.zeros(4), [None, np.zeros((4, 2))], [], None, space.codes)
    with pytest.raises(KernelError, match=r"per_pair\[0, 1\]"):
        combine_tables(np.zeros(4), [], [((0, 1), np.zeros((4, 5)))], None, space.codes)
    with pytest.raises(KernelError, match="3 tables for 2 factors"):
        combine_tables(np.zeros(4), [None, None, None], [], None, space.codes)
