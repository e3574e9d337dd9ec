"""Policies: masked before normalising, a floor under every eligible action, honest about what is dispatched."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender import ActionSpace
from recommender.errors import InvalidInput, NoEligibleAction
from recommender.strategy.policy import (
    best_constant,
    check_eligible,
    draw,
    epsilon_greedy,
    mask_and_normalise,
    softmax,
    temperature_for_cost,
    uniform,
)
from recommender.strategy.ranking import dispatch_numbers, rank_actions

SPACE = ActionSpace({"arm": list("abcd")})


def case(seed, n=8, n_actions=5):
    rng = np.random.default_rng(seed)
    eligible = rng.random((n, n_actions)) < 0.6
    eligible[np.arange(n), rng.integers(0, n_actions, n)] = True
    return rng.normal(size=(n, n_actions)), eligible


@given(st.integers(0, 10_000), st.floats(0.001, 10), st.floats(0, 0.9))
def test_every_policy_is_a_distribution_over_the_eligible_actions(seed, temperature, floor):
    """Rows sum to 1, ineligible actions hold exactly 0, eligible ones at least the floor."""
    rewards, eligible = case(seed)
    for probabilities in (
        softmax(rewards, eligible, temperature, floor),
        epsilon_greedy(rewards, eligible, floor),
        uniform(eligible),
    ):
        np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
        assert (probabilities[~eligible] == 0).all()
        least = floor / eligible.sum(axis=1, keepdims=True)
        assert (probabilities >= least * (1 - 1e-9))[eligible].all()


@given(st.integers(0, 10_000))
def test_a_better_action_is_never_less_probable(seed):
    """Direction: among eligible actions probability rises with expected reward."""
    rewards, eligible = case(seed)
    probabilities = softmax(rewards, eligible, 0.3, 0.05)
    for row in range(len(rewards)):
        held = np.flatnonzero(eligible[row])
        order = held[np.argsort(rewards[row, held])]
        assert (np.diff(probabilities[row, order]) >= -1e-15).all()
        assert epsilon_greedy(rewards, eligible, 0.1)[row].argmax() == order[-1]


def test_ties_go_to_the_lowest_index():
    """Exact ties are part of the contract."""
    assert epsilon_greedy(np.zeros((1, 4)), np.array([[False, True, True, True]]), 0.0).argmax() == 1


def test_the_temperature_keeps_its_promise():
    """The chosen softmax gives up at most the stated share of the gain, and nearly all of it."""
    rewards, eligible = case(3, n=500, n_actions=30)
    temperature = temperature_for_cost(rewards, eligible, 0.05)
    best = np.where(eligible, rewards, -np.inf).max(axis=1).mean()
    average = (rewards * uniform(eligible)).sum(axis=1).mean()
    value = (rewards * softmax(rewards, eligible, temperature, 0.0)).sum(axis=1).mean()
    assert 0.045 <= (best - value) / (best - average) <= 0.0501


def test_draws_follow_the_probabilities_and_never_take_a_zero():
    """Inverse transform at the ends and in between."""
    probabilities = np.array([[0.0, 0.5, 0.0, 0.5, 0.0]] * 3)
    assert draw(probabilities, np.array([0.0, 0.4999, 0.999999])).tolist() == [1, 1, 3]
    many = draw(np.tile([[0.1, 0.0, 0.9]], (20_000, 1)), np.random.default_rng(0).random(20_000))
    assert abs((many == 0).mean() - 0.1) < 0.01
    assert not (many == 1).any()


def test_nothing_eligible_raises_unless_there_is_no_contact():
    """A row with nothing eligible is an error that names the row; NO_CONTACT is always eligible."""
    mask = np.ones((3, 4), dtype=bool)
    mask[1] = False
    with pytest.raises(NoEligibleAction) as caught:
        check_eligible(mask, 3, SPACE)
    assert caught.value.rows == (1,)
    idle = ActionSpace({"arm": list("abcd")}, no_contact=True)
    assert check_eligible(np.zeros((2, 5), dtype=bool), 2, idle)[:, -1].all()


@pytest.mark.parametrize("bad", [np.ones((2, 3), dtype=bool), np.full((3, 4), 0.5), np.full((3, 4), np.nan)])
def test_a_mask_of_the_wrong_shape_or_kind_is_refused(bad):
    """An unknown permission must be decided by the caller, not guessed."""
    with pytest.raises(InvalidInput, match="eligible"):
        check_eligible(bad, 3, SPACE)


def test_mask_and_normalise_spreads_a_row_without_weight():
    """A row whose weight lies on ineligible actions becomes uniform over the eligible ones."""
    got = mask_and_normalise(np.array([[1.0, 0.0, 0.0]]), np.array([[False, True, True]]))
    np.testing.assert_allclose(got, [[0.0, 0.5, 0.5]])


def test_best_constant_is_not_fooled_by_a_rare_lucky_action():
    """One try with one success does not beat a thousand tries at 10 %."""
    action = np.r_[np.zeros(1000, dtype=np.int64), [1]]
    reward = np.r_[np.arange(1000) % 10 == 0, [True]].astype(float)
    values = best_constant(action, reward, 2)
    assert values[1] < 0.13
    assert values[0] == pytest.approx(0.1, abs=0.001)


@given(st.integers(0, 10_000), st.integers(1, 7))
def test_ranks_equal_a_naive_sort(seed, top_k):
    """Rank 1 is the drawn action, the rest follow by expected reward with ties to the lowest index."""
    rewards, eligible = case(seed)
    rewards = np.round(rewards, 1)  # makes ties
    probabilities = softmax(rewards, eligible, 0.5, 0.1)
    numbers = np.random.default_rng(seed).random(len(rewards))
    ranked = rank_actions(probabilities, rewards, eligible, top_k=top_k, numbers=numbers)
    first = draw(probabilities, numbers)
    for row in range(len(rewards)):
        rest = sorted(
            (a for a in np.flatnonzero(eligible[row]) if a != first[row]), key=lambda a: (-rewards[row, a], a)
        )
        expected = ([first[row], *rest] + [-1] * top_k)[:top_k]
        assert ranked[row].tolist() == expected


def test_dispatch_numbers_are_uniform_and_depend_on_every_part_of_the_key():
    """The same key gives the same number; another account, moment, version or seed another one."""
    accounts = [f"A{i}" for i in range(20_000)]
    numbers = dispatch_numbers(accounts, "2026-01-01", "v1", 0)
    assert numbers.min() >= 0 and numbers.max() < 1
    assert abs(numbers.mean() - 0.5) < 0.01
    assert np.abs(np.sort(numbers) - np.linspace(0, 1, 20_000)).max() < 0.015
    np.testing.assert_array_equal(numbers[:5], dispatch_numbers(accounts[:5], "2026-01-01", "v1", 0))
    for other in (("2026-01-02", "v1", 0), ("2026-01-01", "v2", 0), ("2026-01-01", "v1", 1)):
        assert abs(np.corrcoef(numbers, dispatch_numbers(accounts, *other))[0, 1]) < 0.03
