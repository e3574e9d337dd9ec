"""Reward and propensity models of one's own: any object of the protocol, any scikit-learn classifier or regressor."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.tree import DecisionTreeClassifier

from recommender import ActionSpace, ContactStrategy, LoggedFeedback, evaluate_policy, explain
from recommender.errors import ArtefactError, InvalidInput
from recommender.learning import (
    OwnReward,
    RewardModel,
    SklearnReward,
    cross_fit_own_propensities,
    cross_fit_own_rewards,
    training_set_of,
)

SPACE = ActionSpace({"channel": ["call", "sms"], "hour": [9, 15, 19]})


class CellMeans:
    """Mean reward of each action, in files of its own."""

    def __init__(self, prior=1.0):
        self.prior = prior
        self.means = None

    def fit(self, training):
        """Shrunken means; the context is looked at to be told apart later."""
        self.dtypes = training.context.dtypes
        count = np.bincount(training.action, minlength=len(training.actions))
        total = np.bincount(training.action, training.reward, minlength=len(training.actions))
        self.means = (total + self.prior * training.reward.mean()) / (count + self.prior)
        return self

    def expected_reward(self, context):
        """The same for everybody."""
        return np.tile(self.means, (len(context), 1))

    def to_files(self):
        """Plain JSON."""
        return {"means.json": json.dumps(self.means.tolist()).encode()}

    def from_files(self, files):
        """Read it back."""
        self.means = np.array(json.loads(files["means.json"]))
        return self


def log_of(n=900, seed=0, kind="binary", hidden=False):
    """Old customers answer calls, new ones answers messages at 19; the logger prefers calls."""
    rng = np.random.default_rng(seed)
    tenure = rng.normal(size=n)
    city = rng.choice(["Lima", "Cusco", None], n, p=[0.6, 0.3, 0.1])
    propensity = np.repeat([0.25, 0.25, 0.2, 0.1, 0.1, 0.1], 1)
    action = rng.choice(6, n, p=propensity)
    calls = np.where(tenure > 0, 1.5, -1.5)
    logit = -0.5 + np.where(SPACE.codes[action, 0] == 0, calls, -calls) + 0.4 * (SPACE.codes[action, 1] == 2)
    reward = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(float)
    if kind == "amount":
        reward = 10.0 + 5.0 * logit + rng.normal(size=n)
    frame = pd.DataFrame({"tenure": tenure, "city": city, "reward": reward, "who": np.arange(n) // 2})
    frame[["channel", "hour"]] = SPACE.describe(action)[["channel", "hour"]].to_numpy()
    frame["hour"] = frame["hour"].astype(int)
    frame["p"] = propensity[action]
    return LoggedFeedback.from_frame(
        frame,
        actions=SPACE,
        context=["tenure", "city"],
        categorical=["city"],
        reward="reward",
        propensity=None if hidden else "p",
        cluster="who",
        reward_kind=kind,
    )


@pytest.fixture(scope="module")
def log():
    """A log with a clear pattern."""
    return log_of()


def captured(strategy, seed=9):
    """Share of accounts, old and new, that get the channel they answer."""
    fresh = log_of(400, seed).context
    best = strategy.expected_reward(fresh).argmax(axis=1)
    return np.mean((SPACE.codes[best, 0] == 0) == (fresh["tenure"].to_numpy() > 0))


def test_any_object_of_the_protocol(log, tmp_path):
    """It is fitted on a copy, serves recommendations, and is saved by its own files."""
    learner = CellMeans(prior=2.0)
    strategy = ContactStrategy(reward_model=learner, random_state=0).fit(log)
    assert learner.means is None
    rate = np.bincount(log.action, log.reward) / np.bincount(log.action)
    accounts = log.context.head(5)
    assert np.abs(strategy.expected_reward(accounts)[0] - rate).max() < 0.02
    told = strategy.recommend(accounts, top_k=2, as_of="2026-01-05T12:00Z")
    assert told["lo"].isna().all() and told["hi"].isna().all()
    assert (told["evidence"] > 0).all()
    strategy.save(tmp_path / "s")
    loaded = ContactStrategy.load(tmp_path / "s", reward_model=CellMeans())
    assert (loaded.expected_reward(accounts) == strategy.expected_reward(accounts)).all()
    assert loaded.version_ == strategy.version_
    pd.testing.assert_frame_equal(loaded.recommend(accounts, as_of="2026-01-05T12:00Z", top_k=2), told)


def test_loading_needs_the_learner_itself(log, tmp_path):
    """No class is looked up by the name in a file."""
    ContactStrategy(reward_model=CellMeans()).fit(log).save(tmp_path / "s")
    with pytest.raises(ArtefactError, match=r"reward_model=CellMeans\(\.\.\.\)"):
        ContactStrategy.load(tmp_path / "s")
    with pytest.raises(ArtefactError, match="CellMeans"):
        ContactStrategy.load(tmp_path / "s", reward_model=SklearnReward(Ridge()))


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(),
        DecisionTreeClassifier(max_depth=6, random_state=0),
        HistGradientBoostingRegressor(max_iter=40, random_state=0),
    ],
    ids=lambda one: type(one).__name__,
)
def test_scikit_learn_behind_it(log, estimator):
    """Classifiers and regressors rank accounts apart, straight lines too: they are given the products."""
    strategy = ContactStrategy(reward_model=estimator, random_state=0).fit(log)
    assert captured(strategy) > 0.85
    served = strategy.expected_reward(log.context)
    assert ((served >= 0) & (served <= 1)).all()
    # calibrated in the mean over the logged actions
    assert served[np.arange(len(log)), log.action].mean() == pytest.approx(log.reward.mean(), abs=0.03)
    again = clone(strategy).fit(log)
    assert (again.expected_reward(log.context) == served).all()
    assert again.version_ == strategy.version_


def test_without_products_straight_lines_rank_alike(log):
    """Why the products are there."""
    strategy = ContactStrategy(reward_model=SklearnReward(LogisticRegression(), crossed=False)).fit(log)
    assert len(np.unique(strategy.expected_reward(log.context).argmax(axis=1))) == 1


def test_amounts_need_a_regressor():
    """A classifier is refused before anything is fitted; a regressor serves amounts in their unit."""
    log = log_of(kind="amount")
    with pytest.raises(InvalidInput, match="Pass a regressor for amounts"):
        ContactStrategy(reward_model=LogisticRegression()).fit(log)
    strategy = ContactStrategy(reward_model=Ridge()).fit(log)
    served = strategy.expected_reward(log.context)
    assert np.corrcoef(served[np.arange(len(log)), log.action], log.reward)[0, 1] > 0.6


def test_what_cannot_be_saved_says_so(log, tmp_path):
    """No pickle: the refusal names the model and the mend; the version still tells models apart."""
    strategy = ContactStrategy(reward_model=LogisticRegression()).fit(log)
    with pytest.raises(ArtefactError, match=r"SklearnReward cannot be saved.*to_files"):
        strategy.save(tmp_path / "s")
    other = ContactStrategy(reward_model=LogisticRegression(C=0.01)).fit(log)
    assert other.version_ != strategy.version_
    with pytest.raises(InvalidInput, match="own tools"):
        explain(strategy, log.context.head(2))


def test_thompson_needs_draws(log):
    """Refused at the fit, not at the first decision."""
    with pytest.raises(InvalidInput, match="sample_expected_reward"):
        ContactStrategy(policy="thompson", reward_model=CellMeans()).fit(log)


@pytest.mark.parametrize("given", ["trees", 3, LogisticRegression, object()], ids=["text", "number", "class", "object"])
def test_other_objects_are_refused(log, given):
    """With the protocol's name in the message."""
    with pytest.raises(InvalidInput, match=r"reward_model must have fit\(training\) and expected_reward"):
        ContactStrategy(reward_model=given).fit(log)


class Wrong(CellMeans):
    """Forgets an action."""

    def expected_reward(self, context):
        """One column too few."""
        return super().expected_reward(context)[:, 1:]


def test_a_wrong_shape_names_the_learner(log):
    """Whose method, which shape was wanted, which came."""
    with pytest.raises(InvalidInput, match=r"Wrong\.expected_reward must return shape \(900, 6\).*\(900, 5\)"):
        ContactStrategy(reward_model=Wrong()).fit(log)


def test_the_learner_sees_numbers_and_frozen_categories(log):
    """Training and serving get the same columns; what training never saw is the other category."""
    own = OwnReward(CellMeans()).fit(training_set_of(log, None))
    seen = []
    own.learner.expected_reward = lambda context: seen.append(context) or np.zeros((len(context), 6))
    own.expected_reward(pd.DataFrame({"tenure": [1, None], "city": ["Quito", "Lima"]}))
    assert own.learner.dtypes["tenure"] == np.float64
    assert (own.learner.dtypes == seen[0].dtypes).all()
    assert seen[0]["city"].tolist() == ["(other)", "Lima"]
    assert np.isnan(seen[0]["tenure"][1])


def test_the_built_in_model_may_be_named(log):
    """``RewardModel()`` is the default, spelt out; its files do not differ."""
    small = log.take(np.arange(300))
    plain = ContactStrategy(n_jobs=1).fit(small)
    named = ContactStrategy(n_jobs=1, reward_model=RewardModel()).fit(small)
    assert named.version_ == plain.version_


# -- nuisance models of evaluation ------------------------------------------------------------------------------------
class Remembers:
    """Predicts what it saw of a row: caught by any row that it predicts in its own training fold."""

    def fit(self, training):
        """Keep the ages."""
        self.ages, self.actions = set(training.context["tenure"]), training.actions
        return self

    def expected_reward(self, context):
        """One where the row was seen."""
        return np.tile(context["tenure"].isin(self.ages).to_numpy(float)[:, None], (1, len(self.actions)))

    def action_probabilities(self, context):
        """Uniform, unless the row was seen."""
        return 1.0 + self.expected_reward(context)


def test_cross_fitting_never_shows_a_row_to_its_judge(log):
    """Each row by a copy that saw neither it nor its cluster."""
    training = training_set_of(log, None)
    assert not cross_fit_own_rewards(training, Remembers(), n_folds=3).any()
    found = cross_fit_own_propensities(training, Remembers(), n_folds=3)
    assert np.allclose(found.all, 1 / 6)
    assert found.mean_inverse == pytest.approx(1.0)


def test_evaluation_with_models_of_ones_own():
    """Estimates agree with the built-in nuisance models within their intervals, propensities estimated or not."""
    log, hidden = log_of(1_500, 3), log_of(1_500, 3, hidden=True)
    target = np.zeros((len(log), 6))
    target[np.arange(len(log)), np.where(log.context["tenure"] > 0, 2, 5)] = 0.7
    target += 0.3 / 6
    usual = evaluate_policy(log, target).to_frame().set_index("estimator").loc["dr"]
    own = evaluate_policy(log, target, reward_model=DecisionTreeClassifier(max_depth=5, random_state=0))
    row = own.to_frame().set_index("estimator").loc["dr"]
    assert usual["ci_low"] < row["value"] < usual["ci_high"]
    estimated = evaluate_policy(hidden, target, propensity_model=LogisticRegression()).to_frame()
    row = estimated.set_index("estimator").loc["sndr"]
    assert usual["ci_low"] < row["value"] < usual["ci_high"]
    with pytest.raises(InvalidInput, match="propensity_model must have"):
        evaluate_policy(hidden, target, propensity_model=Ridge())
