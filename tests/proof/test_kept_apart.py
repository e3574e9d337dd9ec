"""What judges has not taught: halves, baselines, folds and overlaps, with strategies that learn quickly."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeClassifier

from recommender import ActionSpace, ContactStrategy, LoggedFeedback, OffPolicyEvaluator, evaluate_policy, experiment
from recommender.proof import whole_path
from recommender.proof.policies import baseline_probabilities, seen_in_training
from recommender.strategy import best_constant

ARMS = ActionSpace({"arm": ["a", "b", "c"]})


def rows(n=900, seed=0, **columns):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.normal(size=n), "arm": rng.choice(["a", "b", "c"], n), "p": 1 / 3})
    right = np.where(frame["x"] > 0, "a", "b") == frame["arm"]
    return frame.assign(reward=(rng.random(n) < 0.15 + 0.25 * right).astype(int), **columns)


def log_of(frame, **roles):
    return LoggedFeedback.from_frame(frame, actions=ARMS, context=["x"], propensity="p", **roles)


def quick(**more):
    return ContactStrategy(n_jobs=1, reward_model=DecisionTreeClassifier(max_depth=2, random_state=0), **more)


def test_the_best_constant_is_chosen_by_what_is_known():
    """Decisions whose outcome is still open choose nothing, though they get a policy."""
    frame = rows(1_200).assign(arm=lambda f: np.where(f.index % 2, "b", f["arm"]))
    frame["reward"] = np.where(frame["arm"] == "b", 0.9, 0.1).round()
    frame.loc[::3, "reward"] = np.nan
    probabilities = baseline_probabilities("best_constant", log_of(frame))
    assert (probabilities.argmax(axis=1) == 1).all()


@pytest.mark.parametrize(("seen", "refused"), [(40, False), (60, True)])
def test_one_decision_in_twenty_may_have_been_learnt_from(seen, refused):
    """Known by their ids: 4 % pass, 6 % are refused with the share."""
    log = log_of(rows(1_500))
    strategy = quick().fit(log.take(np.arange(500)))
    reason = seen_in_training(strategy, log.take(np.arange(500 - seen, 1_500 - seen)))
    assert (reason is not None) == refused
    assert not refused or "6%" in reason


@pytest.fixture
def asked(monkeypatch):
    """How each evaluation of an experiment was asked for."""
    seen = []

    class Listening(OffPolicyEvaluator):
        def evaluate(self, *given, **more):
            seen.append(more)
            return super().evaluate(*given, **more)

    monkeypatch.setattr(whole_path, "OffPolicyEvaluator", Listening)
    return seen


def test_halves_depend_on_each_other_and_never_judge_themselves(asked):
    """Each strategy knows none of the decisions of its own half; every interval allows for two dependent halves."""
    log = log_of(rows())
    report = experiment(log, quick(), n_folds=2, random_state=3)
    fold = log.fold_codes(2, 3)
    for own, strategy in enumerate(report.strategies):
        assert strategy.share_seen_in_training(log.take(fold == own)) == (0.0, "ids")
        assert strategy.share_seen_in_training(log.take(fold != own)) == (1.0, "ids")
    assert [more["n_dependent_folds"] for more in asked] == [2, 2]


def test_a_cut_by_time_judges_once(asked):
    """Nothing depends on the other part: no interval is wider than its data."""
    experiment(log_of(rows(day=np.arange(900)), time="day"), quick(), n_folds=2)
    assert [more["n_dependent_folds"] for more in asked] == [1, 1]


def test_the_best_constant_keeps_to_what_was_tried():
    """The best arm was never given to a third of the accounts: there the next best stands for it."""
    frame = rows(2_000)
    frame["arm"] = np.where((frame["arm"] == "a") & (frame["x"] > 0.5), "b", frame["arm"])
    frame["reward"] = np.where(frame["arm"] == "a", 1, frame["reward"])
    frame["reward"] = np.where(np.arange(2_000) % 3 == 0, 0, frame["reward"])
    log = LoggedFeedback.from_frame(frame, actions=ARMS, context=["x"])
    report = experiment(log, quick(), n_folds=2).reports["best_constant"]
    assert report.diagnostics["never_tried_share"] < 0.02
    assert report.verdict != "refused"


@pytest.mark.parametrize(
    ("verdicts", "told"),
    [
        ({"logging": "better", "best_constant": "better"}, "better"),
        ({"logging": "better", "best_constant": "not proven"}, "not proven"),
        ({"logging": "better", "best_constant": "refused"}, "not proven"),
        ({"logging": "better", "best_constant": "worse"}, "worse"),
        ({"logging": "refused", "best_constant": "better"}, "refused"),
        ({"logging": "refused", "best_constant": "worse"}, "refused"),
        ({"best_constant": "refused"}, "refused"),
        ({"best_constant": "better"}, "better"),
    ],
)
def test_the_verdict_over_all_baselines(verdicts, told):
    """Better than every one of them; worse than one; refused where even what was done cannot be compared with."""
    reports = {name: SimpleNamespace(verdict=verdict) for name, verdict in verdicts.items()}
    assert whole_path._verdict(reports) == told


@pytest.mark.parametrize(("own", "refused"), [(90, True), (20, False)])
def test_a_tenth_of_own_decisions_is_too_many(own, refused):
    """As target or as baseline; 2 % is less than the 5 % that may be."""
    whole = log_of(rows(1_800))
    strategy = quick().fit(whole.take(np.arange(900)))
    judged = whole.take(np.r_[np.arange(own), np.arange(900, 1_800)])
    other = np.full((len(judged), 3), 1 / 3)
    evaluator = OffPolicyEvaluator(judged, n_folds=2)
    for target, baseline in ((strategy, "logging"), (other, strategy)):
        report = evaluator.evaluate(target, baseline, ())
        assert (report.verdict == "refused") == refused
        assert ("seen-in-training" in report.default["warnings"]) == refused


def test_a_refitted_baseline_widens_as_a_refitted_target_does():
    """Three strategies that learnt from each other's decisions, on either side of the difference."""
    log = log_of(rows())
    strategy, other = quick().fit(log), np.full((900, 3), 1 / 3)
    evaluator = OffPolicyEvaluator(log, n_folds=2)
    ahead, behind = evaluator.evaluate(strategy, other, ()), evaluator.evaluate(other, strategy, ())
    widths = [report.difference.high - report.difference.low for report in (ahead, behind)]
    assert widths[0] == pytest.approx(widths[1], rel=0.02)


def test_the_best_constant_of_a_fold_is_that_of_the_others():
    """By hand: no decision chooses the arm that it is judged on."""
    log = log_of(rows(60, 5))
    chosen = baseline_probabilities("best_constant", log).argmax(axis=1)
    fold = log.fold_codes(5, 0)
    by_hand = np.empty(60, dtype=int)
    for own in range(5):
        others = fold != own
        by_hand[~others] = best_constant(log.action[others], log.reward[others], 3).argmax()
    np.testing.assert_array_equal(chosen, by_hand)
    assert len(set(by_hand)) > 1


def test_a_log_of_one_debtor_cannot_be_refitted():
    """There are no folds of debtors to refit by."""
    log = log_of(rows(id="one"), account="id")
    report = evaluate_policy(log, quick().fit(log), estimators=())
    assert report.verdict == "refused"
    assert any("single cluster" in reason for reason in report.reasons)
