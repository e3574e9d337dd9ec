"""Worlds of habits: what is hidden, that the ceiling is the exact posterior, and that nobody beats it."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from recommender.errors import InvalidInput
from recommender.simulation import habits, simulate_habits

LAWS = ["smooth", "windows", "products", "rhythms"]


def best_constant(log):
    """Scores by the mean reward of each action in the log."""
    action = log.actions.index_of(log.contacts)
    n = np.bincount(action, minlength=len(log.actions))
    rate = np.bincount(action, log.contacts["reward"], minlength=len(log.actions)) / np.maximum(n, 1)
    return np.tile(rate, (len(log.accounts), 1))


@pytest.mark.parametrize("law", LAWS)
def test_past_answers_are_worth_much(law):
    """With twenty contacts the ceiling is far above what is best for everybody; with none it is that."""
    log = simulate_habits(1_200, 20, law=law, seed=2)
    assert log.captured(log.ceiling) > log.captured(best_constant(log)) + 0.1
    assert log.captured(log.truth) == pytest.approx(1.0)
    silent = simulate_habits(200, 0.0, law=law, seed=2)
    assert len(silent.contacts) == 0
    levels = {row.tobytes() for row in silent.ceiling.round(12)}
    assert len(levels) <= 17  # the context gives the level alone


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"moving": 0.4},
        {"informative": 0.5},
        {"confounded": True, "missing": 0.2},
        {"law": "windows", "moving": 1.0},
    ],
    ids=str,
)
def test_the_ceiling_keeps_its_promises(more):
    """An exact posterior mean is calibrated on its own choice, and on the choice of anybody else who sees the same."""
    log = simulate_habits(4_000, 8, seed=5, **more)
    rows = np.arange(len(log.accounts))
    for scores in (log.ceiling, best_constant(log), -log.ceiling):
        chosen = scores.argmax(axis=1)
        difference = log.ceiling[rows, chosen] - log.truth[rows, chosen]
        assert abs(difference.mean()) < 4 * difference.std() / np.sqrt(len(rows))


def test_posterior_equals_a_plain_product():
    """Bayes' rule contact by contact, habit by habit, moved or not."""
    rng = np.random.default_rng(0)
    table, level = rng.normal(size=(5, 4)), np.array([0.25, -0.5, 0.25])
    debtor, action = rng.integers(0, 3, 30), rng.integers(0, 4, 30)
    reward, second = rng.random(30) < 0.4, rng.random(30) < 0.5
    for moving in (0.0, 0.3, 1.0):
        found = habits._log_posterior(table, level, debtor, action, reward, second, moving)
        found = np.exp(found - found.max(axis=1, keepdims=True))
        for i in range(3):
            weight = np.zeros(5)
            for now in range(5):
                for before in range(5):
                    prior = (1 - moving) * (now == before) + moving / 5
                    for at in np.flatnonzero(debtor == i):
                        p = expit(table[now if second[at] else before, action[at]] + level[i])
                        prior *= p if reward[at] else 1 - p
                    weight[now] += prior
            assert found[i] / found[i].sum() == pytest.approx(weight / weight.sum())


def test_moving_habits_are_harder_and_signs_help():
    """Old answers mislead about who moved; informative columns raise the ceiling where histories are short."""
    still, moved = (simulate_habits(2_000, 20, seed=3, moving=share) for share in (0.0, 0.8))
    assert moved.captured(moved.ceiling) < still.captured(still.ceiling) - 0.05
    plain, told = (simulate_habits(2_000, 2, seed=3, informative=share) for share in (0.0, 1.0))
    assert told.captured(told.ceiling) > plain.captured(plain.ceiling) + 0.05


def test_the_log_is_one_that_learners_take():
    """Base rate as asked, propensities right, time order, equal bytes for equal arguments."""
    log = simulate_habits(2_000, 10, seed=7, confounded=True, missing=0.1, base_rate=0.2)
    again = simulate_habits(2_000, 10, seed=7, confounded=True, missing=0.1, base_rate=0.2)
    pd.testing.assert_frame_equal(log.contacts, again.contacts)
    feedback = log.feedback()
    assert len(feedback) == len(log.contacts)
    assert log.contacts["sent_at"].is_monotonic_increasing
    uniform = (log.contacts["reward"] / log.contacts["propensity"]).sum() / (1 / log.contacts["propensity"]).sum()
    assert uniform == pytest.approx(0.2, abs=0.03)
    assert log.contacts[log.context].isna().mean().mean() == pytest.approx(0.1, abs=0.02)
    assert (1 / feedback.propensity).mean() == pytest.approx(len(log.actions), rel=0.1)


@pytest.mark.parametrize("wrong", [{"law": "magic"}, {"moving": 1.5}, {"base_rate": 0.0}, {"n_debtors": 0}], ids=str)
def test_refusals_name_the_argument(wrong):
    """The argument, its range, what came."""
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        simulate_habits(**wrong)
