"""The simulated log tells the truth about itself."""

import numpy as np
import pandas as pd
import pytest

from recommender.errors import InvalidInput
from recommender.simulation import simulate

WORLDS = [
    {},
    {"world": "joint"},
    {"reward": "money"},
    {"no_contact": True},
    {"no_contact": True, "reward": "money", "world": "joint"},
    {"logger": "uniform", "drift": 1.0},
    {"logger": "near_deterministic", "propensities": "hidden"},
]


@pytest.fixture(scope="module")
def log():
    """One log that many tests look at."""
    return simulate(24_000, seed=5)


@pytest.mark.parametrize("arguments", WORLDS, ids=str)
def test_same_seed_same_bytes(arguments):
    """Same seed and arguments give the same frame; another seed gives another."""
    one, two = simulate(1_500, seed=1, **arguments), simulate(1_500, seed=1, **arguments)
    pd.testing.assert_frame_equal(one.contacts, two.contacts)
    assert not one.contacts.equals(simulate(1_500, seed=2, **arguments).contacts)


@pytest.mark.parametrize("arguments", WORLDS, ids=str)
def test_expected_reward_is_the_mean_of_the_rewards(arguments):
    """Rewards average to the expected reward of the logged actions, within four standard errors."""
    simulated = simulate(30_000, seed=11, **arguments)
    rows = np.arange(len(simulated))
    expected = simulated.expected_reward()[rows, simulated.action]
    surplus = simulated.contacts["reward"].to_numpy() - expected
    assert abs(surplus.mean()) < 4 * surplus.std() / np.sqrt(len(surplus))


@pytest.mark.parametrize("arguments", WORLDS, ids=str)
def test_logging_probabilities_are_probabilities_above_zero(arguments):
    """Every action keeps a chance under every logger, and rows sum to one."""
    simulated = simulate(1_000, seed=2, **arguments)
    probabilities = simulated.logging_probabilities()
    assert probabilities.shape == (1_000, len(simulated.actions))
    assert probabilities.min() > 0
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)


def test_logged_propensity_is_that_of_the_logged_action(log):
    """The propensity column is the logging probability of what was done."""
    index = log.actions.index_of(log.contacts)
    np.testing.assert_array_equal(index, log.action)
    probabilities = log.logging_probabilities()
    np.testing.assert_array_equal(log.contacts["propensity"], probabilities[np.arange(len(log)), index])


def test_propensities_match_frequencies(log):
    """Within each business segment channels are used as often as the logging policy says."""
    channel = log.actions.codes[:, 0]
    for segment in np.unique(log.decisions.segment):
        rows = log.decisions.segment == segment
        if rows.sum() < 500:
            continue
        observed = np.bincount(channel[log.action[rows]], minlength=5) / rows.sum()
        expected = np.bincount(channel, weights=log.table[segment], minlength=5)
        assert np.abs(observed - expected).max() < 4.5 * np.sqrt(0.25 / rows.sum())


def test_hidden_propensities_are_absent():
    """A log without propensities has no such column."""
    assert "propensity" not in simulate(500, propensities="hidden").contacts


def test_rows_are_in_time_order_and_utc(log):
    """Contacts come in time order, in UTC, at the local hour that the action names."""
    sent_at = log.contacts["sent_at"]
    assert str(sent_at.dtype) == "datetime64[us, UTC]"
    assert sent_at.is_monotonic_increasing
    for zone in np.unique(log.decisions.timezone):
        rows = log.decisions.timezone == zone
        local = sent_at[rows].dt.tz_convert(str(zone))
        assert (local.dt.hour == log.contacts["hour"][rows]).all()
        assert (local.dt.day_name().str.lower() == log.contacts["weekday"][rows]).all()


def test_context_is_known_before_the_contact(log):
    """Given the account and the day, no context column depends on the action or the reward of that row."""
    again = log.world.draw_decisions(
        log.population, log.decisions.account, log.decisions.day, n_days=log.settings.n_days
    )
    pd.testing.assert_frame_equal(again.frame(), log.contacts[log.context])


def test_an_account_is_contacted_at_most_once_a_day(log):
    """No account has two rows on one day, so that "earlier" is never a tie."""
    assert not pd.DataFrame({"a": log.decisions.account, "d": log.decisions.day}).duplicated().any()


def test_base_rate_and_order_of_the_reference_policies(log):
    """About four in a hundred respond; constant, ceiling and oracle do better, in this order."""
    logging, constant, oracle = log.logging_value(), log.best_constant()[1], log.oracle_value()
    ceiling = log.bayes_ceiling().value
    assert 0.035 < logging < 0.05
    assert logging < constant < ceiling < oracle
    assert 2.0 * logging < ceiling


def test_value_agrees_with_the_matrix(log):
    """value() of a policy is the mean of probability times expected reward; one row means a constant policy."""
    rows = np.arange(300)
    expected = log.expected_reward(rows)
    policy = np.random.default_rng(0).dirichlet(np.ones(260), 300)
    assert log.value(policy, rows) == pytest.approx((expected * policy).sum(axis=1).mean(), rel=1e-12)
    assert log.value(policy[0], rows) == pytest.approx((expected @ policy[0]).mean(), rel=1e-12)
    assert log.value(log.logging_probabilities()) == pytest.approx(log.logging_value(), rel=1e-12)
    with pytest.raises(InvalidInput, match="action_probabilities has shape"):
        log.value(policy)


def test_confounding_misleads_naive_means():
    """Calls look worse than they are because the hardest debtors get them; without confounding they do not."""

    def bias(confounding):
        simulated = simulate(40_000, seed=4, confounding=confounding)
        rows = simulated.actions.codes[simulated.action, 0] == 0
        level = simulated.decisions.level
        return level[rows].mean() - level[~rows].mean()

    assert bias(1.0) < -2.0  # in steps of a twentieth of a logit
    assert abs(bias(0.0)) < 0.6


def test_worlds_are_shared_between_loggers():
    """Two loggers with one seed act on one world: the same accounts expect the same rewards."""
    one, two = simulate(2_000, seed=9), simulate(2_000, seed=9, logger="uniform")
    np.testing.assert_array_equal(one.world.personas.effect, two.world.personas.effect)
    assert one.world.personas.intercept == two.world.personas.intercept


def test_drift_changes_the_best_actions_only_late():
    """The first half of the log is untouched by drift; at the end other actions are better."""
    still, moved = simulate(4_000, seed=3), simulate(4_000, seed=3, drift=1.0)
    early = np.flatnonzero(still.decisions.day < 0.45 * still.settings.n_days)
    np.testing.assert_array_equal(still.world.personas.effect, moved.world.personas.effect[:8])
    np.testing.assert_array_equal(still.decisions.cell[early], moved.decisions.cell[early])
    assert len(early) > 100
    late = moved.decisions.take(np.flatnonzero(moved.decisions.day > 0.85 * moved.settings.n_days))
    gap = moved.world.personas.effect[late.cell] - still.world.personas.effect[late.cell % 8]
    assert np.abs(gap).mean() > 0.1


def test_near_deterministic_logger_has_weak_overlap():
    """The near-deterministic logger puts most of its weight on few actions."""
    rules, sharp = (simulate(500, logger=name).table.max(axis=1).mean() for name in ("rules", "near_deterministic"))
    assert sharp > 3 * rules


def test_fresh_accounts_are_others_of_the_same_world(log):
    """Fresh decisions share the world and its habits, and no account or debtor id."""
    fresh = log.fresh_accounts(3_000, seed=8)
    assert len(fresh) == 3_000
    assert not set(fresh.contacts["account_id"]) & set(log.contacts["account_id"])
    assert not set(fresh.contacts["debtor_id"]) & set(log.contacts["debtor_id"])
    assert fresh.contacts["account_id"].is_unique
    assert fresh.contacts["sent_at"].min() > log.contacts["sent_at"].max()
    assert fresh.logging_value() == pytest.approx(log.logging_value(), rel=0.2)
    assert fresh.contacts.columns.equals(log.contacts.columns)


def test_no_contact_pays_by_itself():
    """Left alone, some debtors pay; the more so before the due date."""
    simulated = simulate(8_000, seed=6, no_contact=True)
    assert simulated.contacts["channel"].isna().any()
    idle = simulated.expected_reward()[:, -1]
    early = (simulated.contacts["days_past_due"] <= 0).to_numpy()
    assert idle[early].mean() > 2 * idle[~early].mean() > 0
    assert (simulated.expected_reward()[:, :-1] >= idle[:, None]).all()


@pytest.mark.parametrize(
    ("arguments", "column"),
    [
        ({"n_contacts": 0}, "n_contacts"),
        ({"logger": "random"}, "logger"),
        ({"propensities": "some"}, "propensities"),
        ({"world": "flat"}, "world"),
        ({"reward": "love"}, "reward"),
        ({"confounding": -1.0}, "confounding"),
        ({"world": "joint", "drift": 1.0}, "drift"),
        ({"seed": -1}, "seed"),
    ],
)
def test_bad_arguments_name_themselves(arguments, column):
    """A wrong argument is refused by name."""
    with pytest.raises(InvalidInput) as refused:
        simulate(**{"n_contacts": 100, **arguments})
    assert refused.value.column == column
    assert refused.value.mend


def test_feedback_is_what_learners_take(log):
    """The log passes the checks of LoggedFeedback with its own actions, propensities and debtors."""
    feedback = simulate(400, seed=1).feedback()
    assert len(feedback.actions) == 260
    assert feedback.propensity is not None
    assert simulate(400, seed=1, propensities="hidden", reward="money", no_contact=True).feedback().propensity is None
