"""Weights of decisions, signs of life, and a fit that is stopped leaves what was there."""

import logging

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score

from recommender import ActionSpace, ContactStrategy, LoggedFeedback, evaluate_policy
from recommender.errors import InvalidInput
from recommender.strategy.fitting import drawn_by_weight


def log_of(n=400, seed=0):
    """Two kinds of people who want two different arms."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.normal(size=n), "arm": rng.integers(0, 2, n), "account": rng.integers(0, n // 2, n)})
    frame["reward"] = (rng.random(n) < 0.2 + 0.5 * ((frame["x"] > 0) == (frame["arm"] == 0))).astype(float)
    frame["propensity"] = 0.5
    return LoggedFeedback.from_frame(
        frame, actions=ActionSpace({"arm": [0, 1]}), context=["x"], propensity="propensity", account="account"
    )


def quick(**parameters):
    """A strategy whose fit takes milliseconds."""
    return ContactStrategy(n_jobs=None, reward_model=LogisticRegression(), **parameters)


def test_decisions_without_weight_teach_nothing():
    """Weighting one half by 0 moves the answers to those of the other half's log."""
    log = log_of()
    turned = log.reward.copy()
    turned[200:] = 1 - turned[200:]
    both = LoggedFeedback.from_frame(
        log.context.assign(arm=log.action, reward=turned), actions=log.actions, context=["x"]
    )
    weight = np.r_[np.ones(200), np.zeros(200)]
    accounts = pd.DataFrame({"x": [-1.5, 1.5]})
    first = quick().fit(both, sample_weight=weight).expected_reward(accounts)
    second = quick().fit(both, sample_weight=1 - weight).expected_reward(accounts)
    assert (first.argmax(axis=1) == [1, 0]).all()
    assert (second.argmax(axis=1) == [0, 1]).all()


def test_a_weight_is_the_row_so_many_times_on_average():
    """Whole weights are exact, fractions drawn; nothing changes where all weigh alike."""
    rows = np.arange(1000) + 7
    np.testing.assert_array_equal(drawn_by_weight(rows, np.full(1007, 3.0), 0), rows)
    weight = np.ones(1007)
    weight[7:507] = 3.0
    times = np.bincount(drawn_by_weight(rows, weight, 0), minlength=1007)[7:]
    assert times[:500].mean() == pytest.approx(1.5, abs=0.08)
    assert times[500:].mean() == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize("wrong", [[1.0], -np.ones(400), np.zeros(400), np.full(400, np.nan)])
def test_weights_that_mean_nothing_are_refused(wrong):
    """One message that names the argument."""
    with pytest.raises(InvalidInput, match="sample_weight"):
        quick().fit(log_of(), sample_weight=wrong)


def test_the_score_counts_decisions_by_their_weight():
    """A weight of 0 or 1 is the mean over those that count, with the nuisance model of those alone."""
    log, strategy = log_of(), quick().fit(log_of(seed=1))
    weight = np.r_[np.ones(250), np.zeros(150)]
    assert strategy.score(log, sample_weight=weight) == pytest.approx(strategy.score(log.take(np.arange(250))))
    assert strategy.score(log, sample_weight=np.full(400, 5.0)) == pytest.approx(strategy.score(log))


@pytest.mark.parametrize("time", ["day", None])
def test_the_score_is_what_the_report_says_on_the_same_log(time):
    """One road: where the logger turned to another arm as replies rose, both know the time or neither does."""
    rng = np.random.default_rng(5)
    day = np.sort(rng.integers(0, 120, 1_200))
    frame = pd.DataFrame({"x": rng.normal(size=1_200), "day": day})
    frame["arm"] = (rng.random(1_200) < np.where(day < 60, 0.2, 0.8)).astype(int)
    frame["reward"] = (rng.random(1_200) < 0.1 + 0.3 * day / 120).astype(int)
    log = LoggedFeedback.from_frame(frame, actions=ActionSpace({"arm": [0, 1]}), context=["x"], time=time)
    strategy = quick(policy="greedy").fit(log_of(seed=1))
    table = evaluate_policy(log, strategy.log_probabilities(log), estimators=("sndr",)).to_frame()
    assert strategy.score(log) == pytest.approx(table.set_index("estimator").loc["sndr", "value"], rel=1e-9)


def test_weights_are_routed_to_fit_and_score():
    """scikit-learn's metadata routing hands them on, and a search over parameters runs."""
    log, weight = log_of(), np.random.default_rng(0).random(400)
    with config_context(enable_metadata_routing=True):
        asked = quick().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        scores = cross_val_score(asked, log, cv=2, params={"sample_weight": weight})
    assert np.isfinite(scores).all()
    found = GridSearchCV(quick(), {"epsilon": [0.0, 0.9]}, cv=2).fit(log)
    assert found.best_params_ == {"epsilon": 0.0}
    assert isinstance(found.best_estimator_, ContactStrategy)


def test_a_weighted_strategy_is_not_judged_by_an_unweighted_refit():
    """On its own log a refit by folds would lose the weights: refused, with the reason."""
    log = log_of()
    strategy = quick().fit(log, sample_weight=np.ones(400))
    report = evaluate_policy(log, strategy, estimators=())
    assert report.verdict == "refused"
    assert "sample_weight" in report.reasons[0]


def test_a_stopped_fit_leaves_the_strategy_as_it_was(monkeypatch):
    """Ctrl-C in the middle: a fitted one goes on answering as before, an unfitted one stays unfitted."""
    log = log_of()
    strategy, fresh = quick().fit(log), quick()
    version, accounts = strategy.version_, log.context.head(3)
    before = strategy.expected_reward(accounts)

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("recommender.strategy.learning_run.find_never_tried", stop)
    for one in (strategy, fresh):
        with pytest.raises(KeyboardInterrupt):
            one.fit(log_of(seed=3))
    assert strategy.version_ == version
    np.testing.assert_array_equal(strategy.expected_reward(accounts), before)
    assert not fresh.__sklearn_is_fitted__()


def test_a_fit_gives_signs_of_life_where_asked(capsys, caplog):
    """Verbose prints the steps; without it nothing is printed, and the records are there for a logger."""
    quick().fit(log_of())
    assert capsys.readouterr().out == ""
    quick(verbose=True).fit(log_of())
    told = capsys.readouterr().out
    assert "learning expected rewards of 2 actions from 400 decisions" in told
    assert "learnt" in told
    with caplog.at_level(logging.INFO, logger="recommender"):
        quick().fit(log_of())
    assert any("settling" in record.message for record in caplog.records)
    assert not logging.getLogger("recommender").handlers
