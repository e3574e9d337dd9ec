"""evaluate_policy: direction, refusals, and never judging a model on what it has seen."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.tree import DecisionTreeClassifier

from recommender import ActionSpace, ContactStrategy, LoggedFeedback, OffPolicyEvaluator, evaluate_policy
from recommender.errors import InvalidInput
from recommender.proof.policies import baseline_probabilities
from recommender.strategy.policy import epsilon_greedy


def world(n=4_000, n_arms=4, seed=0, propensity=True):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    best = (np.digitize(x, [-0.7, 0, 0.7])) % n_arms
    logits = rng.normal(size=(n, n_arms)) * 0.3 + 0.8 * (np.arange(n_arms) == (best[:, None] + 1) % n_arms)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    action = (p.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    truth = 0.15 + 0.35 * (np.arange(n_arms) == best[:, None])
    frame = pd.DataFrame({"arm": action, "x": x, "reward": (rng.random(n) < truth[range(n), action]).astype(float)})
    frame["p"] = p[range(n), action]
    log = LoggedFeedback.from_frame(
        frame, actions=ActionSpace({"arm": range(n_arms)}), context=["x"], propensity="p" if propensity else None
    )
    return log, truth


@pytest.mark.parametrize("propensity", [True, False])
def test_the_oracle_is_better_and_its_reverse_is_worse(propensity):
    """Direction: the best policy is proven better than logging, the reversed one is not, and both intervals hold."""
    log, truth = world(propensity=propensity)
    allowed = np.ones(truth.shape, dtype=bool)
    for sign, verdict in ((1.0, "better"), (-1.0, "worse")):
        policy = epsilon_greedy(sign * truth, allowed, 0.1)
        report = evaluate_policy(log, policy)
        value = (policy * truth).sum(axis=1).mean()
        row = report.default
        assert row["ci_low"] - 0.02 <= value <= row["ci_high"] + 0.02
        assert report.verdict == verdict or (verdict == "worse" and report.verdict == "not proven")


def test_a_trend_that_nobody_recorded_proves_nothing():
    """Replies rise and the logger turns to arm a meanwhile: no arm does anything, and the log's time knows it."""
    rng = np.random.default_rng(5)
    n = 3_000
    day = np.sort(rng.integers(0, 120, n))
    frame = pd.DataFrame({"x": rng.normal(size=n), "day": day})
    frame["arm"] = np.where(rng.random(n) < np.where(day < 60, 0.2, 0.8), "a", "b")
    frame["reward"] = (rng.random(n) < 0.1 + 0.3 * day / 120).astype(int)
    verdicts = {}
    for time in ("day", None):
        log = LoggedFeedback.from_frame(frame, actions=ActionSpace({"arm": ["a", "b"]}), context=["x"], time=time)
        everybody = np.column_stack([np.ones(n), np.zeros(n)])
        verdicts[time] = evaluate_policy(log, everybody, estimators=(), n_folds=3).verdict
    assert verdicts == {"day": "not proven", None: "better"}


def test_marginalised_estimators_are_there_with_and_without_logged_propensities():
    """A log never holds the whole logging policy: it is estimated for the two rows that need it, and they say so."""
    for propensity, code in ((True, "estimated-logging-policy"), (False, "estimated-propensity")):
        log, _ = world(1_500, propensity=propensity)
        report = evaluate_policy(log, np.full((len(log), 4), 0.25), estimators=["mips", "factored_dr"], n_folds=2)
        table = report.to_frame().set_index("estimator")
        assert {"mips", "factored_dr"} <= set(table.index)
        assert code in table.loc["mips", "warnings"]
        assert report.diagnostics["action_determined"] is False
        assert report.diagnostics["action_predictability"] is None or not propensity


def test_a_strategy_trained_on_the_log_is_refitted_by_folds():
    """No decision is judged by a model that was trained on it: shuffled rewards promise no gain."""
    log, _ = world(1_500)
    rng = np.random.default_rng(0)
    frame = log.to_frame().rename(columns={"propensity": "p"})
    frame["reward"] = rng.permutation(frame["reward"].to_numpy())
    noise = LoggedFeedback.from_frame(frame, actions=log.actions, context=["x"], propensity="p")
    by_heart = DecisionTreeClassifier(random_state=0)  # would promise all there is, were it asked of its own rows
    strategy = ContactStrategy(policy="greedy", random_state=0, reward_model=by_heart).fit(noise)
    report = evaluate_policy(noise, strategy)
    assert report.verdict != "better"


def test_a_strategy_is_refitted_once_for_several_questions(monkeypatch):
    """An evaluator that knows a strategy's probabilities does not ask for them again."""
    log, _ = world(600)
    strategy = ContactStrategy(random_state=0, reward_model=DecisionTreeClassifier(max_depth=3)).fit(log)
    evaluator = OffPolicyEvaluator(log, n_folds=2)
    first = evaluator.probabilities(strategy)
    monkeypatch.setattr(ContactStrategy, "fit", lambda *_: pytest.fail("fitted again"))
    assert evaluator.probabilities(strategy) is first
    assert evaluator.evaluate(strategy, "uniform", estimators=()).verdict in ("better", "worse", "not proven")


def test_a_log_that_overlaps_the_training_log_is_refused():
    """A part of the training log would flatter the strategy: refused, with the mend, the interval still shown."""
    log, _ = world(1_000)
    strategy = ContactStrategy(random_state=0, reward_model=DecisionTreeClassifier(max_depth=3)).fit(log)
    report = evaluate_policy(log.take(np.arange(400)), strategy)
    assert report.verdict == "refused"
    assert "later log" in report.reasons[0]
    table = report.to_frame()
    assert table["default"].sum() == 1
    assert all("seen-in-training" in codes for codes in table["warnings"])


def test_exactly_one_default_row_and_a_reason_also_when_refused():
    """A deterministic target on many arms has no effective sample: refused, with the interval still in the table."""
    rng = np.random.default_rng(0)
    n, n_arms = 800, 80
    frame = pd.DataFrame({"arm": rng.integers(0, n_arms, n), "x": rng.normal(size=n), "p": 1 / n_arms})
    frame["reward"] = (rng.random(n) < 0.1).astype(float)
    log = LoggedFeedback.from_frame(frame, actions=ActionSpace({"arm": range(n_arms)}), context=["x"], propensity="p")
    target = np.zeros((n, n_arms))
    target[:, 7] = 1.0
    report = evaluate_policy(log, target)
    table = report.to_frame()
    assert report.verdict == "refused"
    assert "effective sample size" in " ".join(report.reasons).lower()
    assert table["default"].sum() == 1
    assert np.isfinite(table.loc[table["default"], ["ci_low", "ci_high"]].to_numpy(float)).all()
    assert {"dm", "ips", "snips", "dr", "sndr", "switch_dr", "dros"} <= set(table["estimator"])


def test_an_action_that_is_a_function_of_the_context_is_refused():
    """Without logged propensities and without overlap nothing can be known, and the reason says so."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=1_000)})
    frame["arm"] = (frame["x"] > 0).astype(int)
    frame["reward"] = (rng.random(1_000) < 0.2).astype(float)
    log = LoggedFeedback.from_frame(frame, actions=ActionSpace({"arm": [0, 1]}), context=["x"])
    report = evaluate_policy(log, np.full((1_000, 2), 0.5))
    assert report.verdict == "refused"
    assert "context" in " ".join(report.reasons)


@pytest.mark.parametrize("kind", ["thresholds", "linear"])
def test_a_rule_over_several_factors_is_told_as_a_function_of_the_context(kind):
    """The reason names it also where the models learn the rule only in part; five per cent of chance are none."""
    rng = np.random.default_rng(1)
    n, shape = 1_500, (3, 4)
    x = rng.normal(size=(n, 4))
    if kind == "linear":
        levels = [(x @ rng.normal(size=(4, k))).argmax(axis=1) for k in shape]
    else:
        levels = [np.digitize(x[:, j], [-0.6, 0.0, 0.6][: k - 1]) for j, k in enumerate(shape)]
    chance = rng.random(n) < 0.05
    for explored in (False, True):
        drawn = [
            np.where(chance & explored, rng.integers(0, k, n), level) for k, level in zip(shape, levels, strict=True)
        ]
        frame = pd.DataFrame(x, columns=list("abcd")).assign(channel=drawn[0], hour=drawn[1])
        frame["reward"] = (rng.random(n) < 0.2).astype(float)
        space = ActionSpace({"channel": range(3), "hour": range(4)})
        log = LoggedFeedback.from_frame(frame, actions=space, context=list("abcd"))
        report = evaluate_policy(log, "uniform", estimators=(), n_folds=3)
        assert report.verdict == "refused"
        assert any("function of the context" in reason for reason in report.reasons) != explored


def test_folds_and_slices_of_the_wrong_size_are_errors():
    """One fold would judge models on what they saw; a slice of another length belongs to another log."""
    log, truth = world(200)
    target = np.full(truth.shape, 0.25)
    with pytest.raises(InvalidInput, match="n_folds"):
        evaluate_policy(log, target, n_folds=1)
    with pytest.raises(InvalidInput, match="slices\\['stage'\\]"):
        evaluate_policy(log, target, slices={"stage": ["early", "late"]})


@pytest.mark.parametrize("harm", ["shape", "sum", "negative", "nan", "ineligible"])
def test_a_target_that_is_no_policy_is_refused(harm):
    """Wrong shapes, rows that do not sum to 1 and mass on ineligible actions are errors that name rows."""
    log, truth = world(200)
    target: np.ndarray = np.full(truth.shape, 0.25)
    if harm == "shape":
        target = target[:, :2]
    elif harm == "sum":
        target[3] = 0.3
    elif harm == "negative":
        target[3] = [1.5, -0.5, 0.0, 0.0]
    elif harm == "nan":
        target[3] = np.nan
    else:
        frame = log.to_frame().rename(columns={"propensity": "p"})
        eligible = np.ones(truth.shape, dtype=bool)
        eligible[3, (log.action[3] + 1) % 4] = False
        log = LoggedFeedback.from_frame(frame, actions=log.actions, context=["x"], propensity="p", eligible=eligible)
    with pytest.raises(InvalidInput) as caught:
        evaluate_policy(log, target)
    assert harm == "shape" or caught.value.rows == (3,)


def test_immature_decisions_are_left_out_and_counted():
    """Rows without a reward are not failures."""
    log, truth = world(600)
    frame = log.to_frame().rename(columns={"propensity": "p"})
    frame.loc[:99, "reward"] = np.nan
    immature = LoggedFeedback.from_frame(frame, actions=log.actions, context=["x"], propensity="p")
    report = evaluate_policy(immature, np.full(truth.shape, 0.25))
    assert report.diagnostics["n_immature"] == 100
    assert report.diagnostics["n_decisions"] == 500


def test_baselines_are_policies_and_the_seed_rules_need_a_stage(simulated_log):
    """Every named baseline is a distribution; asking for seed rules on a foreign log says what is missing."""
    for name in ("uniform", "best_constant", "seed_rules"):
        np.testing.assert_allclose(baseline_probabilities(name, simulated_log).sum(axis=1), 1)
    log, _ = world(100)
    with pytest.raises(InvalidInput, match="days_past_due"):
        baseline_probabilities("seed_rules", log)
    with pytest.raises(InvalidInput, match="Unknown baseline"):
        baseline_probabilities("astrology", log)


def test_several_policies_share_one_evaluator(simulated_log):
    """The nuisance models are fitted once; results equal the one-call function."""
    log = simulated_log.take(np.arange(700))
    evaluator = OffPolicyEvaluator(log)
    first = evaluator.evaluate("uniform", estimators=())
    again = evaluate_policy(log, np.full((len(log), log.n_actions), 1 / log.n_actions), estimators=())
    assert first.default["value"] == pytest.approx(again.default["value"])


def test_digits_as_arms():
    """A classification set read as a bandit log: ten arms, 64 numbers, no account, a biased logger."""
    images, label = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    chosen = np.where(rng.random(len(label)) < 0.5, label, rng.integers(0, 10, len(label)))
    frame = pd.DataFrame(images, columns=[f"pixel_{i}" for i in range(64)])
    frame["digit"] = chosen
    frame["reward"] = (chosen == label).astype(float)
    frame["p"] = 0.5 * (chosen == label) + 0.05
    context = [f"pixel_{i}" for i in range(64)]
    log = LoggedFeedback.from_frame(frame, actions=ActionSpace({"digit": range(10)}), context=context, propensity="p")
    strategy = ContactStrategy(random_state=0).fit(log.take(np.arange(1_200)))
    held_out = log.take(np.arange(1_200, len(log)))
    report = evaluate_policy(held_out, strategy, estimators=())
    truth = strategy.log_probabilities(held_out)[range(len(held_out)), label[1_200:]].mean()
    assert truth > held_out.reward.mean()
    assert report.verdict == "better"
    assert report.default["ci_low"] <= truth <= report.default["ci_high"]


@pytest.mark.parametrize("target", [lambda rows: rows, [["a", "b"]], [[0.5, 0.5], [1.0]]])
def test_what_is_no_policy_is_refused_in_words(target):
    """A function, words or a ragged list: what may be passed is said; it was a bare TypeError of NumPy."""
    log, _ = world(n=200)
    with pytest.raises(InvalidInput, match="must be a strategy, the name of a baseline or an array"):
        evaluate_policy(log, target)
