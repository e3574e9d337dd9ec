"""Levers of the business, action by action: weights on what is gained, floors, and shares that leave a probability."""

from __future__ import annotations

import numpy as np
import pytest

from recommender import ActionSpace
from recommender.deciding import Lever, Objective

LEVERS = (
    Lever(factor="channel", level="sms", weight=2.0, minimum_share=0.2),
    Lever(factor="channel", level="call", minimum_share=0.1, floor=0.3),
    Lever(factor="hour", level="9", weight=0.5, minimum_share=0.05, floor=-0.2),
)


@pytest.fixture(params=[True, False])
def space(request):
    return ActionSpace({"channel": ["sms", "call", "email"], "hour": [9, 18]}, no_contact=request.param)


def levels_of(space, action):
    """Levels of an action by factor; none of leaving alone."""
    if action == space.no_contact_index:
        return {}
    return {name: str(level) for name, level in space.describe(np.array([action])).iloc[0].items()}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("levers", [LEVERS, LEVERS[:1], ()])
def test_shares_go_to_what_is_open_and_what_is_left_stays_as_it_was(space, seed, levers):
    """Rows sum to 1, also where no action of a level is open: then nobody has to give it anything."""
    rng = np.random.default_rng(seed)
    mask = rng.random((40, len(space))) < 0.4
    mask[np.arange(40), rng.integers(0, len(space), 40)] = True
    given = np.where(mask, rng.random(mask.shape), 0.0)
    given /= given.sum(axis=1, keepdims=True)
    shared = Objective(levers=levers).shared(given, mask, space)
    assert shared.sum(axis=1) == pytest.approx(np.ones(40))
    assert (shared[~mask] == 0.0).all()
    for row in range(40):
        owed = {}
        for lever in levers:
            own = [one for one in np.flatnonzero(mask[row]) if levels_of(space, one).get(lever.factor) == lever.level]
            for one in own:
                owed[one] = owed.get(one, 0.0) + lever.minimum_share / len(own)
            if own:
                assert shared[row, own].sum() >= lever.minimum_share - 1e-12
        rest = 1.0 - sum(owed.values())
        expected = [owed.get(one, 0.0) + rest * given[row, one] for one in range(len(space))]
        assert shared[row] == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(3))
def test_weights_and_floors_are_of_what_an_action_brings_above_leaving_alone(space, seed):
    """A weight above 1 helps, whether money is made or lost; an unknown value is closed, leaving alone never."""
    rng = np.random.default_rng(seed)
    values = np.where(rng.random((30, len(space))) < 0.1, np.nan, rng.normal(0.2, 1.0, (30, len(space))))
    leaned, kept = Objective(levers=LEVERS).leaned(values, space)
    idle = space.no_contact_index
    for row in range(30):
        alone = 0.0 if idle is None else np.nan_to_num(values[row, idle])
        for action in range(len(space)):
            own = levels_of(space, action)
            mine = [lever for lever in LEVERS if own.get(lever.factor) == lever.level]
            above = np.nan_to_num(values[row, action]) - alone
            weight = float(np.prod([lever.weight for lever in mine]))
            assert leaned[row, action] == pytest.approx(alone + (above * weight if above > 0 else above / weight))
            floors = [lever.floor for lever in mine if lever.floor is not None]
            is_open = not np.isnan(values[row, action]) and all(above >= floor for floor in floors)
            assert kept[row, action] == (is_open or action == idle)
