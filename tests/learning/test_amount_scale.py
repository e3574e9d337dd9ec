"""Amounts as targets: on the log where all are positive, else cut at their tails; what usually comes of an action."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.learning.amount_scale import TAIL, AmountScale, usual_reward

amounts = st.lists(st.floats(-1e6, 1e6).map(lambda one: round(one, 2)), min_size=1, max_size=60).map(np.array)


@given(amounts, amounts)
@settings(max_examples=40)
def test_a_scale_cuts_tails_keeps_the_order_and_takes_any_later_amount(seen, later):
    """Its own amounts have the spread of one unit; what comes later is finite, even where none of it is positive."""
    for given_, is_log in ((seen, bool((seen > 0).all())), (np.abs(seen) + 0.01, True)):
        scale = AmountScale.of(given_)
        target = scale.target(given_)
        assert scale.log == is_log and np.isfinite(scale.target(later)).all()
        if is_log:
            np.testing.assert_allclose(target, np.log(given_))  # a large payment is no tail on the log
        else:
            low, high = np.quantile(given_, [TAIL, 1 - TAIL])
            inside = np.minimum(np.maximum(given_, low), high)
            np.testing.assert_allclose(target * scale.unit, inside)
            assert target.std() == pytest.approx(1.0) or inside.std() == 0.0
        assert (np.diff(scale.target(np.sort(later))) >= 0).all()
        again = AmountScale.of_later(later, log=scale.log, unit=scale.unit)
        assert (again.log, again.unit) == (scale.log, scale.unit) and np.isfinite(again.target(later)).all()
        if is_log and (later > 0).any():
            assert again.target(later).min() == pytest.approx(np.log(later[later > 0].min()))


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0.0, -2.0, 5.0, 9.0])), min_size=1, max_size=40))
def test_what_usually_comes_of_an_action_is_said_by_more_than_half_of_its_tries(rows):
    """Twice at least; else what comes most often over all actions, which an action without tries has too."""
    action, reward = (np.array(side) for side in zip(*rows, strict=True))
    found = usual_reward(SimpleNamespace(action=action, reward=reward, actions=range(5)))
    kinds, often = np.unique(reward, return_counts=True)
    overall = kinds[often.argmax()]
    for one in range(5):
        mine = reward[action == one]
        most = [kind for kind in kinds if (mine == kind).sum() >= 2 and 2 * (mine == kind).sum() > len(mine)]
        assert found[one] == (most[0] if most else overall)
