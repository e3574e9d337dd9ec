"""Cross-fitted nuisance models: out of fold, calibrated, any factor structure, few rows or many arms."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from recommender.actions import ActionSpace
from recommender.history import LoggedFeedback
from recommender.learning.nuisance import LogNuisance, assign_folds, cross_fit_propensities, cross_fit_rewards
from recommender.learning.nuisance.of_log import dated_context
from recommender.learning.nuisance.propensities import summarise


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def draw(p, rng):
    return (p.cumsum(axis=1) > rng.random((len(p), 1)) * (1 - 1e-9)).argmax(axis=1)


def collections_log(n=3000, seed=0, no_contact=False):
    rng = np.random.default_rng(seed)
    space = ActionSpace({"channel": ["call", "sms", "email"], "hour": range(9, 14)}, no_contact=no_contact)
    x = rng.normal(size=(n, 3))
    stage = rng.integers(0, 3, n)
    score = rng.normal(size=(3, len(space)))[stage] + x @ (0.4 * rng.normal(size=(3, len(space))))
    mu = softmax(score)
    action = draw(mu, rng)
    codes = np.maximum(space.codes, 0)
    q = 1 / (1 + np.exp(2 - 0.8 * codes[:, 0] - x[:, :1] * (codes[:, 1] - 2) * 0.3))
    reward = (rng.random(n) < q[np.arange(n), action]).astype(float)
    context = pd.DataFrame(x, columns=["a", "b", "c"])
    context["stage"] = pd.Series(stage).map({0: "pre", 1: "early", 2: "late"})
    context.loc[::50, "a"] = np.nan
    return space, context, mu, action, q, reward


def log_of(n=400, **roles):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=n), "arm": rng.choice(["a", "b"], n), "reward": rng.integers(0, 2, n)})
    frame["at"] = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(np.arange(n) * 2, unit="h")
    frame["p"] = np.where(np.arange(n) % 2, 0.37, np.nan)
    return LoggedFeedback.from_frame(frame, actions=ActionSpace({"arm": ["a", "b"]}), context=["x"], **roles)


def test_what_was_logged_is_used_and_the_rest_is_estimated():
    """Row by row, and whoever asks is told which is which."""
    propensity, known, estimate = LogNuisance(log_of(propensity="p"), n_folds=2).propensities
    np.testing.assert_array_equal(known, np.arange(400) % 2 == 1)
    assert (propensity[known] == 0.37).all()
    np.testing.assert_array_equal(propensity[~known], estimate.logged[~known])


def test_instants_count_in_whole_weeks_and_other_times_in_blocks():
    """Weekdays stay comparable within a period; where all is logged no period is asked for."""
    log = log_of(time="at")
    assert dated_context(log)["weeks since the first at"].tolist() == [float(row // 84) for row in range(400)]
    numbered = LoggedFeedback.from_frame(
        log.context.assign(arm=log.actions.describe(log.action)["arm"], reward=log.reward, day=np.arange(400) // 4),
        actions=log.actions, context=["x"], time="day",
    )  # fmt: skip
    assert dated_context(numbered)["day"].nunique() == 30
    assert list(LogNuisance(log_of()).confounders) == ["x"]


def test_the_logged_action_counts_as_allowed():
    """A mask that forbids what was done leaves it its probability, and what is forbidden otherwise gets none."""
    space, context, _, action, _, _ = collections_log(600)
    eligible = np.ones((600, len(space)), dtype=bool)
    eligible[:, action[0]] = False
    estimate = cross_fit_propensities(context, ["stage"], space, action, None, eligible, n_folds=2)
    own = action == action[0]
    assert (estimate.all[own, action[0]] > 0).all()
    assert (estimate.all[~own, action[0]] == 0).all()


def test_folds_keep_groups_together_and_are_balanced():
    """No group is in two folds; folds hold about equal numbers of rows; one group falls back to rows."""
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 200, 1000)
    folds = assign_folds(groups, 1000, 5, rng)
    assert all(len(set(folds[groups == g])) == 1 for g in np.unique(groups))
    assert np.bincount(folds, minlength=5).min() > 120
    assert len(set(assign_folds(np.zeros(50), 50, 5, rng))) == 5
    assert set(assign_folds(np.arange(3), 3, 5, rng)) == {0, 1, 2}


def test_rewards_follow_the_truth():
    """Expected rewards correlate with the truth over all actions and keep its level."""
    space, context, _, action, q, reward = collections_log()
    predicted = cross_fit_rewards(context, ["stage"], space, action, reward, None, random_state=1)
    assert predicted.shape == q.shape
    assert predicted.dtype == np.float64
    assert np.corrcoef(predicted.ravel(), q.ravel())[0, 1] > 0.85
    assert predicted[np.arange(3000), action].mean() == pytest.approx(reward.mean(), abs=0.01)


def test_a_row_never_sees_its_own_reward():
    """Changing the rewards of one group leaves that group's own predictions as they were."""
    space, context, _, action, _, reward = collections_log(n=600)
    groups = np.arange(600) // 2
    folds_seed = {"n_folds": 3, "random_state": 2}
    before = cross_fit_rewards(context, ["stage"], space, action, reward, groups, **folds_seed)
    folds = assign_folds(groups, 600, 3, np.random.default_rng(2))
    last = int(folds.max())
    changed = np.where(folds == last, 1 - reward, reward)
    after = cross_fit_rewards(context, ["stage"], space, action, changed, groups, **folds_seed)
    assert np.array_equal(after[folds == last], before[folds == last])
    assert np.abs(after[folds != last] - before[folds != last]).mean() > 0.1


def test_amounts_are_predicted_in_their_unit():
    """Many zeros and heavy tails: the mean of predictions is near the mean amount, none below the smallest."""
    space, context, _, action, _, paid = collections_log(n=4000)
    amount = paid * np.exp(np.random.default_rng(3).normal(4, 0.8, 4000))
    predicted = cross_fit_rewards(context, ["stage"], space, action, amount, None, reward_kind="amount")
    assert predicted[np.arange(4000), action].mean() == pytest.approx(amount.mean(), rel=0.1)
    assert predicted.min() >= 0


def test_constant_rewards_are_returned():
    """One reward value: that value for every action."""
    space, context, _, action, _, _ = collections_log(n=100)
    assert (cross_fit_rewards(context, ["stage"], space, action, np.ones(100), None) == 1.0).all()


@pytest.mark.parametrize("no_contact", [False, True])
def test_propensities_are_a_calibrated_policy(no_contact):
    """Rows sum to 1, beat the action frequencies on held-out rows and come near the truth."""
    space, context, mu, action, _, _ = collections_log(n=6000, no_contact=no_contact)
    estimate = cross_fit_propensities(context, ["stage"], space, action, None, random_state=0)
    assert estimate.all.shape == mu.shape
    assert np.allclose(estimate.all.sum(axis=1), 1, atol=1e-4)
    true_loss = -np.log(mu[np.arange(6000), action]).mean()
    assert estimate.log_loss < estimate.base_log_loss - 0.3 * (estimate.base_log_loss - true_loss)
    assert ((estimate.logged > 0) & (estimate.logged <= 1)).all()
    assert np.average(estimate.all[:, :3].sum(axis=1)) == pytest.approx((action < 3).mean(), abs=0.02)
    assert estimate.predictability < 0.5


def test_ineligible_actions_hold_no_propensity():
    """The mask is respected exactly and rows still sum to 1."""
    space, context, _, action, _, _ = collections_log(n=1000)
    eligible = np.random.default_rng(4).random((1000, len(space))) < 0.7
    eligible[np.arange(1000), action] = True
    estimate = cross_fit_propensities(context, ["stage"], space, action, None, eligible)
    assert (estimate.all[~eligible] == 0).all()
    assert np.allclose(estimate.all.sum(axis=1), 1, atol=1e-4)


def test_a_rule_is_recognised_as_a_function_of_the_context():
    """A deterministic business rule is predictable above 0.95; a random logger is not."""
    rng = np.random.default_rng(5)
    context = pd.DataFrame({"days_past_due": rng.integers(-10, 120, 4000), "stage": rng.choice(["x", "y"], 4000)})
    space = ActionSpace({"channel": ["sms", "call", "letter"], "tone": ["soft", "firm"]})
    channel = np.digitize(context["days_past_due"], [0, 60])
    action = channel * 2 + (context["stage"] == "y").to_numpy()
    rule = cross_fit_propensities(context, ["stage"], space, action, None)
    assert rule.predictability > 0.95
    chance = cross_fit_propensities(context, ["stage"], space, rng.integers(0, 6, 4000), None)
    assert chance.predictability < 0.1


def test_a_tiny_log_with_constant_context():
    """Three arms, 90 rows, nothing known about them: the action frequencies."""
    rng = np.random.default_rng(6)
    space = ActionSpace({"arm": ["a", "b", "c"]})
    action = rng.choice(3, 90, p=[0.6, 0.3, 0.1])
    context = pd.DataFrame({"constant": np.ones(90)})
    estimate = cross_fit_propensities(context, [], space, action, np.arange(90))
    assert np.allclose(estimate.all.mean(axis=0), np.bincount(action) / 90, atol=0.05)
    q = cross_fit_rewards(context, [], space, action, (rng.random(90) < 0.3).astype(float), np.arange(90))
    assert np.isfinite(q).all()


def test_one_factor_of_eighty_arms_and_an_arm_never_seen():
    """Many arms, few rows each, one never logged: finite, small but positive probability."""
    rng = np.random.default_rng(7)
    space = ActionSpace({"item": range(80)})
    action = rng.integers(0, 79, 1500)
    context = pd.DataFrame({"user": rng.choice(list("abcd"), 1500), "affinity": rng.normal(size=1500)})
    estimate = cross_fit_propensities(context, ["user"], space, action, None, n_folds=3)
    assert np.isfinite(estimate.all).all()
    assert 0 < estimate.all[:, 79].mean() < 0.005
    assert estimate.mean_inverse == pytest.approx(79 / 80, abs=0.15)


def test_the_same_state_gives_the_same_numbers():
    """Two calls with one random state agree to the bit."""
    space, context, _, action, _, reward = collections_log(n=400)
    one, two = (cross_fit_rewards(context, ["stage"], space, action, reward, None, random_state=3) for _ in range(2))
    assert np.array_equal(one, two)
    one, two = (cross_fit_propensities(context, ["stage"], space, action, None, random_state=3) for _ in range(2))
    assert np.array_equal(one.all, two.all)


@pytest.mark.parametrize("n", [50, 999, 1_001, 20_000])
def test_a_propensity_is_lifted_to_the_floor_and_no_further(n):
    """A thousandth, or one row of the log where that is less; what lies above it stays to the bit."""
    rng = np.random.default_rng(0)
    own = np.concatenate([[1e-9, 1e-3, 1.0 / n], rng.uniform(0.0, 0.01, n - 3)]).astype(np.float32)
    told = summarise(np.column_stack([own, 1 - own]), np.zeros(n, dtype=np.int64), None)
    floor = 1e-3 if n <= 1_000 else 1.0 / n
    assert told.floor == pytest.approx(floor)
    assert told.logged.min() == told.floor
    above = own.astype(np.float64) >= told.floor
    assert (told.logged[above] == own[above]).all()
    assert told.n_floored == int((~above).sum()) > 0


def test_the_mean_of_inverse_propensities_is_1_where_they_are_right():
    """Over what each row was allowed: five of ten actions drawn evenly are as right as all ten."""
    rng = np.random.default_rng(1)
    eligible = np.argsort(rng.random((4_000, 10)), axis=1) < rng.integers(1, 11, 4_000)[:, None]
    policy = (eligible / eligible.sum(axis=1, keepdims=True)).astype(np.float32)
    told = summarise(policy, draw(policy, rng), eligible)
    assert told.mean_inverse == pytest.approx(1.0, abs=1e-5)


def test_what_only_its_own_group_shows_does_not_predict_a_row():
    """Every debtor is always called at an hour of his own: known from himself alone, so nobody is told it."""
    rng = np.random.default_rng(2)
    space = ActionSpace({"hour": range(9, 13)})
    debtor = np.repeat(np.arange(60), 10)
    action = rng.integers(0, 4, 60)[debtor]
    context = pd.DataFrame({"who": pd.Series(debtor).map("d{}".format), "place": rng.normal(size=60)[debtor]})
    told = cross_fit_propensities(context, ["who"], space, action, debtor)
    assert told.predictability < 0.2
    assert told.log_loss > 0.95 * told.base_log_loss
    # the same decisions taken for people of their own: now others of the same name tell it
    known = cross_fit_propensities(context, ["who"], space, action, np.arange(600))
    assert known.predictability > 0.9 and known.log_loss < 0.3 * known.base_log_loss
