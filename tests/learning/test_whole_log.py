"""Trees from the whole of a log: what whoever boosts them is given, and what becomes of it."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from recommender import ActionSpace, ContactStrategy, LoggedFeedback
from recommender.learning.trees.action_trees import ActionTrees

N = 1_500


def _log(reward="binary", seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"arm": rng.integers(0, 3, N), "x": rng.uniform(-2, 2, N), "kind": rng.choice(list("abc"), N)})
    fits = (np.abs(frame["x"]) > 1) == (frame["arm"] == 0)  # no sum of an account's and an action's part
    event = rng.random(N) < 0.15 + 0.6 * fits
    noise = 0.3 * rng.normal(size=N)
    worth = {"binary": 1.0, "hurdle": np.exp(fits + noise), "dense": 2.0 * fits + noise}[reward]
    frame["reward"] = worth if reward == "dense" else event * worth
    return LoggedFeedback.from_frame(
        frame, actions=ActionSpace({"arm": range(3)}), context=["x", "kind"], reward="reward"
    )


class Booster:
    """Boosts here, and remembers what it was given and what came of it."""

    def __init__(self):
        self.given, self.grown = [], []

    def __call__(self, X, categorical, actions, action, target, *, settings, rounds, random_state):
        self.given.append({"X": X, "action": action, "target": target, "rounds": rounds, "settings": settings})
        self.grown.append(
            ActionTrees.fit(
                X,
                categorical,
                actions,
                action,
                target,
                settings=replace(settings, max_rounds=rounds),
                n_jobs=1,
                random_state=random_state,
            )
        )
        return self.grown[-1]


def test_the_trees_served_are_those_of_every_row():
    """Of a log longer than max_rows the trees see all; weights and calibration stay those of the sample's folds."""
    log, boost = _log(), Booster()
    sampled = ContactStrategy(n_jobs=1, max_rows=600).fit(log)
    whole = ContactStrategy(n_jobs=1, max_rows=600).fit(log, boost=boost)
    (given,) = boost.given
    assert len(given["X"]) == len(given["action"]) == N
    assert np.array_equal(given["target"], log.reward)
    there, here = (strategy.reward_model_.parts["event"] for strategy in (whole, sampled))
    assert there.trees["trees"] is boost.grown[0]
    assert there.weights == here.weights
    assert there.calibration == here.calibration
    folds = here.trees["trees"]
    assert given["rounds"] == round(folds.rounds / len(folds.boosters)) == boost.grown[0].rounds
    assert whole.trained_on_["n_boosted"] == N
    assert whole.trained_on_["n_mature"] == 600
    assert "n_boosted" not in sampled.trained_on_
    assert whole.version_ != sampled.version_


def test_what_was_boosted_elsewhere_is_an_ordinary_strategy(tmp_path):
    """It is saved, loaded and scored through the kernel as any other; expected rewards are those of its members."""
    log = _log()
    strategy = ContactStrategy(n_jobs=1).fit(log, boost=Booster())
    loaded = ContactStrategy.load(strategy.save(tmp_path / "strategy"))
    accounts = log.context.head(200)
    assert loaded.version_ == strategy.version_
    assert np.array_equal(loaded.expected_reward(accounts), strategy.expected_reward(accounts))
    model = strategy.reward_model_
    slow = 1 / (1 + np.exp(-model.parts["event"].scores(model.encoder.transform(accounts))))
    np.testing.assert_allclose(strategy.expected_reward(accounts), slow, atol=1e-6)
    json.dumps(strategy.get_params())  # who boosted is not part of what is saved


@pytest.mark.parametrize("kind", ["hurdle", "dense"])
def test_amounts_are_boosted_on_the_scale_they_are_learnt_on(kind):
    """With events and amounts, both; where every reward is an amount, that part alone, on every row."""
    log, boost = _log(kind), Booster()
    strategy = ContactStrategy(n_jobs=1, max_rows=900).fit(log, boost=boost)
    objectives = [given["settings"].objective for given in boost.given]
    parts = strategy.reward_model_.parts
    assert objectives == [
        {"event": "binary", "amount": "regression"}[name] for name in parts if parts[name].weights["trees"] > 0
    ]
    assert "regression" in objectives
    amounts = boost.given[-1]["target"]
    if kind == "hurdle":
        paid = log.reward[log.reward > 0]
        shown = amounts > amounts.min()  # the sample's least amount stands for what is less
        np.testing.assert_allclose(amounts[shown], np.log(paid)[shown])
        assert shown.mean() > 0.95
    else:
        assert len(amounts) == N
    assert np.isfinite(amounts).all()


def test_the_recent_part_begins_when_it_does_in_the_sample():
    """Where the world has moved, the trees are told which rows are recent; the boundary is a moment, not a share."""
    rng = np.random.default_rng(3)
    n = 8_000
    frame = pd.DataFrame({"arm": rng.integers(0, 3, n), "day": np.sort(rng.random(n))})
    frame["x"], frame["z"] = rng.normal(size=n), rng.normal(size=n)
    alike = frame["x"] * frame["z"] > 0  # which of all members only trees can say
    best = np.where(alike, np.where(frame["day"] < 0.7, 0, 2), 1)
    frame["reward"] = (rng.random(n) < 0.1 + 0.5 * (frame["arm"] == best)).astype(float)
    frame["sent_at"] = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(frame["day"] * 100, unit="D")
    log = LoggedFeedback.from_frame(
        frame, actions=ActionSpace({"arm": range(3)}), context=["x", "z"], reward="reward", time="sent_at"
    )
    boost = Booster()
    strategy = ContactStrategy(n_jobs=1, max_rows=4_000).fit(log, boost=boost)
    assert strategy.reward_model_.parts["event"].with_time
    (given,) = boost.given
    recent = given["X"][:, -1]
    assert given["X"].shape == (n, len(strategy.reward_model_.encoder.names) + 1)
    assert set(np.unique(recent)) == {0.0, 1.0}
    assert np.array_equal(recent, np.sort(recent))  # the log is in order of time
    newest = frame[alike].tail(100)
    assert (strategy.expected_reward(newest).argmax(axis=1) == 2).mean() > 0.9


def test_without_weight_nothing_is_boosted_again():
    """Too few rows for trees: nobody is asked to boost."""
    boost = Booster()
    log = _log().take(np.arange(15))
    ContactStrategy(n_jobs=1).fit(log, boost=boost)
    assert not boost.given
