"""experiment(log): one call that splits, trains, judges, and claims nothing where there is nothing."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeClassifier

from benchmarks.null_calibration import SETTINGS, one_log
from benchmarks.rule_cuts import one_log as ask_cut_log
from recommender import ActionSpace, ContactStrategy, LoggedFeedback, evaluate_policy, experiment
from recommender.errors import InvalidInput
from recommender.proof.off_policy import OffPolicyEvaluator
from recommender.proof.whole_path import _verdict
from recommender.simulation import CUTS, cut_trial, simulated_trial


def world(n=2_400, gain=0.25, seed=0, **columns):
    """Arm a helps where x is positive, arm b elsewhere, by ``gain``; drawn by chance."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.normal(size=n), "arm": rng.choice(["a", "b", "c"], n)}).assign(**columns)
    right = np.where(frame["x"] > 0, "a", "b") == frame["arm"]
    frame["reward"] = (rng.random(n) < 0.15 + gain * right).astype(int)
    return frame


def log_of(frame, **roles):
    return LoggedFeedback.from_frame(frame, actions=ActionSpace({"arm": ["a", "b", "c"]}), context=["x"], **roles)


QUICK = {"n_jobs": 1, "random_state": 0}


def test_a_real_gain_is_proven_against_what_was_done_and_the_best_constant():
    """Two halves; the interval of each difference holds the true gain of the policies that were judged."""
    frame = world()
    report = experiment(log_of(frame), ContactStrategy(**QUICK), n_folds=3)
    assert report.verdict == "better"
    assert set(report.reports) == {"logging", "best_constant"}
    assert "days_past_due" in report.left_out["seed_rules"]
    assert (report.n_trained_on, report.n_judged, len(report.strategies)) == (2_400, 2_400, 2)
    table = report.to_frame().set_index("baseline")
    # At best 0.40; chance gives 0.15 + 0.25 / 3, a constant arm half of the gain.
    assert table.loc["logging", "ci_low"] < 0.40 - 0.2333 < table.loc["logging", "ci_high"] + 0.06
    assert table.loc["best_constant", "difference"] < table.loc["logging", "difference"]
    assert str(report).startswith("better (two halves")


def test_the_past_trains_and_the_future_judges():
    """What became known only later is not learnt from; no judged decision is older than a trained one."""
    n = 1_600
    frame = world(n, day=np.arange(n), known=np.arange(n) + 200.0)
    log = log_of(frame, time="day", known_at="known")
    report = experiment(log, ContactStrategy(**QUICK), trained_share=0.6, n_folds=2)
    (strategy,) = report.strategies
    assert report.design.startswith("trained on the past")
    assert report.n_judged == 640
    assert report.n_trained_on == 960 - 200
    assert strategy.share_seen_in_training(log.take(np.arange(960, n)))[0] == 0.0
    assert strategy.trained_on_["n_mature"] == 760


def test_a_part_that_teaches_nothing_is_one_clear_error():
    """A single response lands in one of the halves."""
    frame = world(200)
    frame["reward"] = (np.arange(200) == 7).astype(int)
    with pytest.raises(InvalidInput, match=r"would train .* teaches nothing: .*constant"):
        experiment(log_of(frame), ContactStrategy(**QUICK))
    with pytest.raises(InvalidInput, match="one moment"):
        experiment(log_of(frame.assign(day=1), time="day"))
    with pytest.raises(InvalidInput, match="unknown baseline"):
        experiment(log_of(frame), baselines=("astrology",))
    with pytest.raises(InvalidInput, match="trained_share"):
        experiment(log_of(frame), trained_share=1.0)


@pytest.mark.parametrize(
    ("when", "word"),
    [
        (["31/12/2025", "01/02/2026"], "day or the month first"),
        (["1.2.26", "02.02.26"], "day or the month first"),
        (["2025-12-31", 20260102], "mixes text"),
        ([1.0, np.inf], "finite"),
        (["2026-2-1", "2026-10-1"], "another order"),
        (["2 Nov 2025", "10 Dec 2024"], "another order"),
        (["02 de diciembre de 2025", "03 de enero de 2025"], "another order"),
        (["2026-01-01T10:00:00-05:00", "2026-01-01T12:00:00+00:00"], "another order"),
        (["9:30", "10:00"], "another order"),
        (["week 9", "week 10"], "another order"),
    ],
)
def test_times_that_would_be_sorted_wrongly_are_an_error(when, word):
    """A backtest over 31/12/2025 after 01/02/2026 would learn from the future."""
    frame = world(20).assign(when=when * 10)
    with pytest.raises(InvalidInput, match=word) as caught:
        log_of(frame, time="when")
    assert caught.value.rows
    for right in (["2025-12-31", "2026-01-02"], ["week 09", "week 10"], ["2026-01-01T05", "2026-01-01T10:30"]):
        log_of(frame.assign(when=right * 10), time="when")


def test_a_refit_is_as_wide_as_one_of_its_folds():
    """Errors of strategies that learnt from each other's rows may move together: no narrower than any alone."""
    log = log_of(world(900))
    strategy = ContactStrategy(**QUICK).fit(log)
    refitted = evaluate_policy(log, strategy, estimators=(), n_folds=2)
    given = evaluate_policy(log, strategy.log_probabilities(log), estimators=(), n_folds=2)
    widths = [report.difference.high - report.difference.low for report in (refitted, given)]
    assert 1.4 * widths[1] < widths[0] < 2.2 * widths[1]


@pytest.mark.parametrize("cut", CUTS)
def test_a_cut_keeps_the_law_of_the_context_and_the_truth(cut):
    """Weights of the logging policy give back the trial: means of the context, and the value of each arm."""
    trial = simulated_trial(3, 40_000, n_arms=3)
    made = cut_trial(trial, cut, np.random.default_rng(0), with_propensities=True)
    kept = trial.frame.iloc[made.rows]
    for name in ("recency", "past", "week"):
        error = trial.frame[name].std() / np.sqrt(len(kept))
        assert abs(kept[name].mean() - trial.frame[name].mean()) < 4 * error
    assert made.log.propensity is not None
    arm = trial.arm[made.rows]
    supported = (made.logging > 0).all(axis=0)
    for code in np.flatnonzero(supported):
        worth = (arm == code) / made.log.propensity * made.log.reward
        truth, _ = trial.value(np.eye(3)[np.full(len(trial.frame), code)])
        assert abs(worth.mean() - truth) < 4 * worth.std() / np.sqrt(len(worth))
    assert (made.logging == 0).any() == (cut in ("never", "always", "time"))


@pytest.mark.parametrize("cut", ["never", "time"])
def test_a_cut_log_is_answered_where_it_can_be_and_refused_where_not(cut):
    """Quick part of the proof: one small trial, every single arm and a policy by subgroup."""
    answers = ask_cut_log((1, cut, 0, None, 6_000, False))
    for answer in answers:
        assert not answer["wrong_claim"]
        assert (answer["verdict"] == "refused") == (answer["supported"] < 0.95), answer


@pytest.mark.proof
def test_rule_cut_logs_at_length():
    """Twelve trials x five cuts x four draws: hardly a wrong claim, and answers where there is support."""
    answers = pd.DataFrame(
        [
            answer
            for number in range(12)
            for cut in CUTS
            for draw in range(4)
            for answer in ask_cut_log((number, cut, draw, None, 12_000, False))
        ]
    )
    answered = answers["verdict"] != "refused"
    assert answers["wrong_claim"].mean() < 0.05
    assert answers.loc[answered, "missed"].mean() < 0.07
    assert answered[answers["supported"] >= 0.95].mean() > 0.8


@pytest.mark.proof
@pytest.mark.parametrize("setting", range(len(SETTINGS)))
def test_the_whole_path_claims_nothing_where_there_is_nothing(setting):
    """120 logs a setting: false "better" at 2.5 % and Monte-Carlo error against each baseline; at once, hardly ever."""
    claims = pd.DataFrame([claim for seed in range(120) for claim in one_log(setting, seed, 1_000)])
    false = (claims["verdict"] == "better").groupby(claims["baseline"]).mean()
    assert (false <= 0.025 + 2.6 * np.sqrt(0.025 * 0.975 / 120)).all(), false


def test_the_worst_answer_to_any_baseline_is_the_verdict():
    """Better than what was done and worse than one constant action is no proof of anything good."""

    def verdict(**told):
        return _verdict({name: SimpleNamespace(verdict=word) for name, word in told.items()})

    assert verdict(logging="better", best_constant="worse") == "worse"
    assert verdict(logging="better", best_constant="better") == "better"
    assert verdict(logging="better", best_constant="refused") == "not proven"
    assert verdict(logging="refused", best_constant="better") == "refused"


def test_halves_that_learnt_from_each_other_are_judged_as_dependent(monkeypatch):
    """Each half's decisions are judged by what the other taught: intervals are told of two dependent parts."""
    seen = []
    evaluate = OffPolicyEvaluator.evaluate

    def spied(self, *arguments, **more):
        seen.append(more["n_dependent_folds"])
        return evaluate(self, *arguments, **more)

    monkeypatch.setattr(OffPolicyEvaluator, "evaluate", spied)
    tree = DecisionTreeClassifier(max_depth=2, random_state=0)
    experiment(log_of(world(600)), ContactStrategy(n_jobs=1, reward_model=tree), n_folds=2)
    assert set(seen) == {2}
