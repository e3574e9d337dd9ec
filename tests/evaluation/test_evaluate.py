"""Verdicts, refusals and traps of ``evaluate``."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from recommender.errors import InvalidInput
from recommender.evaluation import evaluate
from recommender.evaluation.table import ESTIMATORS
from recommender.reports import policy_page
from tests.evaluation.world import World, arguments, crossfit_ridge, draw, softmax


def ready(n=3000, seed=0, target="soft", known=True, world=None, **more):
    rng = np.random.default_rng(seed)
    world = world or World()
    log = world.log(n, rng, target)
    q = crossfit_ridge(log["x"], world.codes, log["action"], log["reward"], rng)
    return arguments(log, q, world.codes, rng, known=known, **more), log, world


def uniform_log(n, n_actions, seed=0):
    rng = np.random.default_rng(seed)
    action = rng.integers(0, n_actions, n)
    return {
        "reward": (rng.random(n) < 0.2).astype(float),
        "action": action,
        "propensity": np.full(n, 1 / n_actions),
        "propensity_logged": np.ones(n, dtype=bool),
        "expected_reward": np.full((n, n_actions), 0.2),
        "action_probabilities": np.full((n, n_actions), 1 / n_actions),
        "factor_codes": np.arange(n_actions)[:, None],
        "cluster": np.arange(n),
        "rng": rng,
    }


def test_the_table_has_one_default_row_and_the_promised_columns():
    """One default row, intervals around every value, all estimators the input permits."""
    given, log, _ = ready()
    table = evaluate(**given, propensity_all=log["mu"]).to_frame()
    assert list(table.columns) == [
        "estimator",
        "value",
        "ci_low",
        "ci_high",
        "effective_sample_size",
        "warnings",
        "default",
    ]
    assert table["default"].sum() == 1
    assert set(table["estimator"]) == {"adaptive_dr", *ESTIMATORS}
    assert ((table["ci_low"] <= table["value"]) & (table["value"] <= table["ci_high"])).all()


def test_chosen_estimators_are_shown_and_unknown_ones_refused():
    """``estimators`` picks rows; a name that does not exist is an error that lists the known ones."""
    given, _, _ = ready()
    assert list(evaluate(**given, estimators=["ips", "dr"]).to_frame()["estimator"]) == ["adaptive_dr", "ips", "dr"]
    with pytest.raises(InvalidInput, match=r"'best'.*Known are dm, ips"):
        evaluate(**given, estimators=["best"])


def test_target_equal_to_logging_differs_by_nothing():
    """Target probabilities equal to the logged propensities: the difference is exactly 0 and nothing is proven."""
    for seed in range(20):
        given, log, _ = ready(n=500, seed=seed)
        report = evaluate(**given | {"action_probabilities": log["mu"]})
        assert report.difference.value == 0
        assert report.verdict == "not proven"


def test_target_equal_to_a_baseline_policy_differs_by_nothing():
    """The same policy on both sides: difference 0, not proven."""
    given, log, _ = ready(n=800)
    report = evaluate(**given, baseline_probabilities=log["pi"])
    assert (report.difference.value, report.difference.low, report.difference.high) == (0, 0, 0)
    assert report.verdict == "not proven"


def test_two_policies_are_compared_on_the_same_rows():
    """The paired interval of two similar policies is much narrower than either policy's own interval."""
    given, log, world = ready(n=4000)
    near = 0.9 * log["pi"] + 0.1 / world.n_actions
    report = evaluate(**given, baseline_probabilities=near)
    own = report.default["ci_high"] - report.default["ci_low"]
    assert report.difference.high - report.difference.low < own / 3


def test_too_few_matched_rows_are_refused_and_the_interval_stays():
    """Effective sample size under 50: refused, the reason names the number, the table keeps its interval."""
    given, _, _ = ready(n=400, target="greedy")
    report = evaluate(**given)
    assert report.verdict == "refused"
    assert "effective sample size of matched rows is" in report.reasons[0]
    row = report.default
    assert np.isfinite([row["value"], row["ci_low"], row["ci_high"]]).all()
    assert row["ci_low"] < row["ci_high"]
    assert "low-effective-sample-size" in row["warnings"]


def test_a_target_that_was_never_logged_is_refused():
    """No matched row at all: refused for both reasons, no invented value."""
    given = uniform_log(2000, 4)
    given["action"] = given["action"] % 3
    given["propensity"] = np.full(2000, 1 / 3)
    report = evaluate(**given | {"action_probabilities": np.eye(4)[np.full(2000, 3)]})
    assert report.verdict == "refused"
    assert len(report.reasons) == 2
    assert np.isnan(report.default["value"])
    report.to_json()
    policy_page(report)


@pytest.mark.parametrize(("share", "refused"), [(0.02, False), (0.15, True)])
def test_target_probability_without_support(share, refused):
    """More than 5 % of the target on an action the log never shows is refused; 2 % is not."""
    given = uniform_log(4000, 5)
    given["action"] = given["action"] % 4
    given["propensity"] = np.full(4000, 0.25)
    pi = np.full((4000, 5), (1 - share) / 4)
    pi[:, 4] = share
    report = evaluate(**given | {"action_probabilities": pi})
    assert (report.verdict == "refused") == refused
    assert report.diagnostics["unsupported_share"] == pytest.approx(share, abs=1e-9)
    if refused:
        assert "15.0% of the target policy's probability has no support" in report.reasons[0]


def test_probability_on_ineligible_actions_has_no_support():
    """What the logging policy was not allowed to do does not count as supported, even if it was done elsewhere."""
    given = uniform_log(4000, 4)
    eligible = np.ones((4000, 4), dtype=bool)
    eligible[::2, 3] = False
    eligible[np.arange(4000), given["action"]] = True
    report = evaluate(**given, eligible=eligible)
    assert report.verdict == "refused"
    assert report.diagnostics["unsupported_share"] == pytest.approx((~eligible).sum() / 4000 / 4)


def test_an_action_that_is_a_function_of_the_context_is_refused():
    """Estimated propensities and a predictable action: refused with that reason; logged propensities are not."""
    given, _, _ = ready(known=False)
    report = evaluate(**given, action_predictability=0.98)
    assert report.verdict == "refused"
    assert "all but a function of the context (98.0% predictable)" in " ".join(report.reasons)
    assert evaluate(**given, action_predictability=0.6).verdict != "refused"
    known, _, _ = ready(known=True)
    assert evaluate(**known, action_predictability=0.98).verdict != "refused"


def test_one_single_cluster_is_refused():
    """One cluster says nothing about variation: refused, unbounded interval, no crash."""
    given, _, _ = ready(cluster=np.zeros(3000))
    report = evaluate(**given)
    assert report.verdict == "refused"
    assert "single cluster" in report.reasons[-1]
    assert not np.isfinite(report.difference.low)
    report.to_json()
    policy_page(report)


def test_one_row_with_a_tiny_propensity_is_refused():
    """A row of propensity 1e-6 swallows the effective sample size: refused, and the warnings say so."""
    given = uniform_log(5000, 40)
    given["propensity"][7] = 1e-6
    report = evaluate(**given)
    assert report.verdict == "refused"
    assert report.diagnostics["effective_sample_size"] < 3
    assert "low-effective-sample-size" in report.default["warnings"]
    assert report.diagnostics["weight_max_share"] > 0.1


def test_constant_rewards_prove_nothing():
    """Every reward equal: value is that reward, the difference is nothing."""
    given, _, _ = ready()
    given["reward"] = np.ones(3000)
    given["expected_reward"] = np.ones_like(given["expected_reward"])
    report = evaluate(**given)
    assert report.default["value"] == pytest.approx(1.0)
    assert report.verdict == "not proven"
    assert report.difference.value == pytest.approx(0.0, abs=1e-12)


def test_no_contact_is_an_action_like_any_other():
    """A ``NO_CONTACT`` column (codes -1) passes through every estimator, the marginalised ones too."""
    rng = np.random.default_rng(4)
    codes = np.vstack([np.stack(np.unravel_index(np.arange(6), (3, 2)), axis=1), [[-1, -1]]])
    mu = np.tile(np.r_[np.full(6, 0.1), 0.4], (3000, 1))
    action = draw(mu, rng)
    reward = (rng.random(3000) < np.where(action == 6, 0.02, 0.1)).astype(float)
    q = np.tile(np.r_[np.full(6, 0.1), 0.02], (3000, 1))
    pi = np.tile(np.r_[np.full(6, 1 / 6), 0.0], (3000, 1))
    report = evaluate(
        reward=reward,
        action=action,
        propensity=mu[np.arange(3000), action],
        propensity_logged=np.ones(3000, dtype=bool),
        expected_reward=q,
        action_probabilities=pi,
        factor_codes=codes,
        cluster=np.arange(3000),
        rng=rng,
        propensity_all=mu,
    )
    table = report.to_frame().set_index("estimator")
    assert report.verdict == "better"
    assert table.loc["mips", "value"] == pytest.approx(0.1, abs=0.02)


def test_an_estimated_logging_policy_serves_the_marginalised_estimators_only():
    """With logged propensities it changes nothing else, and the two rows that lean on it say so."""
    given, log, _ = ready()
    wrong = softmax(np.log(log["mu"]) + np.random.default_rng(0).normal(size=log["mu"].shape))
    without, leaning = evaluate(**given), evaluate(**given, propensity_all=wrong)
    first, second = without.to_frame().set_index("estimator"), leaning.to_frame().set_index("estimator")
    marginalised = ["mips", "factored_dr"]
    assert set(second.index) - set(first.index) == set(marginalised)
    pd.testing.assert_frame_equal(second.drop(index=marginalised), first)
    assert without.difference == leaning.difference
    assert without.verdict == leaning.verdict
    flagged = ["estimated-logging-policy" in codes for codes in second["warnings"]]
    assert second.index[flagged].tolist() == marginalised


def test_estimated_propensities_are_flagged():
    """Estimated propensities raise their codes; estimators in which errors do not cancel say so."""
    given, log, _ = ready(known=False)
    table = evaluate(**given, propensity_all=log["mu"]).to_frame().set_index("estimator")
    assert all("estimated-propensity" in codes for codes in table["warnings"])
    assert "not-normalised" in table.loc["ips", "warnings"]
    assert "not-normalised" not in table.loc["sndr", "warnings"]


def test_biased_estimators_do_not_pretend_to_be_sure():
    """A reward model that is off by a lot: the direct method's interval is wide enough to hold the truth."""
    given, log, _ = ready(n=6000)
    given["expected_reward"] = np.clip(log["truth_q"] * 0.4, 0, 1)
    truth = float((log["pi"] * log["truth_q"]).sum(axis=1).mean())
    table = evaluate(**given).to_frame().set_index("estimator")
    assert abs(table.loc["dm", "value"] - truth) > 0.4 * truth
    assert table.loc["dm", "ci_low"] <= truth <= table.loc["dm", "ci_high"]
    assert "biased" in table.loc["dm", "warnings"]


def test_repeated_decisions_of_a_debtor_widen_the_interval():
    """Ten copies of every row in one cluster each give the interval of the original rows, not a narrower one."""
    given, _, _ = ready(n=1500, seed=1)
    once = evaluate(**given)
    tenfold = {
        name: np.repeat(value, 10, axis=0) if isinstance(value, np.ndarray) and len(value) == 1500 else value
        for name, value in given.items()
    }
    again = evaluate(**tenfold)
    width = once.default["ci_high"] - once.default["ci_low"]
    assert again.default["ci_high"] - again.default["ci_low"] == pytest.approx(width, rel=0.05)


def test_row_order_does_not_matter():
    """Shuffling the log changes no estimate."""
    given, _, _ = ready(n=900)
    order = np.random.default_rng(9).permutation(900)
    shuffled = {
        name: value[order] if isinstance(value, np.ndarray) and len(value) == 900 else value
        for name, value in given.items()
    }
    a, b = evaluate(**given).to_frame(), evaluate(**shuffled).to_frame()
    for column in ("value", "ci_low", "ci_high"):
        assert np.allclose(a[column], b[column], rtol=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"propensity": np.zeros(900)}, r"'propensity' must lie in \(0, 1\]"),
        ({"reward": np.full(900, np.nan)}, "'reward' must be a finite number"),
        ({"action": np.full(900, 99)}, r"'action' must lie in \[0, 24\)"),
        ({"action_probabilities": np.full((900, 24), 0.5)}, "'action_probabilities' must be non-negative and sum to 1"),
        ({"expected_reward": np.zeros((900, 2))}, "'expected_reward' must have shape"),
        ({"cluster": np.zeros(3)}, "'cluster' must have shape"),
    ],
)
def test_wrong_input_is_named(change, message):
    """Each wrong array is one error that names it."""
    given, _, _ = ready(n=900)
    with pytest.raises(InvalidInput, match=message):
        evaluate(**given | change)


def test_an_empty_log_is_an_error():
    """No rows: one clear error."""
    given = uniform_log(0, 3)
    with pytest.raises(InvalidInput, match="holds no decision"):
        evaluate(**given)


def test_slices_hold_together():
    """Each level is a row; a slice in which the target does nothing new is not proven; small slices are refused."""
    given, _, _ = ready(n=6000)
    stage = np.where(np.arange(6000) < 40, "rare", np.where(np.arange(6000) % 2, "early", "late")).astype(object)
    stage[-50:] = None
    report = evaluate(**given, slices={"stage": stage})
    table = report.slices.set_index("level")
    assert set(table.index) == {"rare", "early", "late", "(missing)"}
    assert table.loc["rare", "verdict"] == "refused"
    assert table["rows"].sum() == 6000
    judged = table[table["verdict"] != "refused"]
    assert (judged["ci_low"] <= judged["difference"]).all()
    assert (judged["ci_high"] >= judged["difference"]).all()
    single = evaluate(**given, slices={"all": np.zeros(6000)}).slices.iloc[0]
    assert single["difference"] == pytest.approx(report.default["value"] - given["reward"].mean(), abs=0.02)


def test_confounding_strength_grows_with_the_margin():
    """A clearer verdict takes stronger unobserved confounding to overturn; without a verdict it is 1."""
    strong, log, _ = ready(n=20_000, seed=3, world=World(effect=0.6, base=-1.5))
    report = evaluate(**strong)
    assert report.verdict == "better"
    assert report.diagnostics["confounding_to_overturn"] > 1.1
    same = evaluate(**strong | {"action_probabilities": log["mu"]})
    assert same.diagnostics["confounding_to_overturn"] == 1.0


def test_bootstrap_agrees_with_the_asymptotic_interval():
    """The cluster bootstrap of the difference is about as wide as the asymptotic interval."""
    given, _, _ = ready(n=3000)
    report = evaluate(**given, n_bootstrap=400)
    boot = report.diagnostics["bootstrap"]
    width = report.difference.high - report.difference.low
    assert boot["high"] - boot["low"] == pytest.approx(width, rel=0.35)


def test_repeated_rows_are_no_new_evidence():
    """Every row five times in its cluster: same interval and warnings; one debtor who is most of the log is refused."""
    given, _, _ = ready(n=600)
    once = evaluate(**given)
    i = np.repeat(np.arange(600), 5)
    per_row = (
        "reward",
        "action",
        "propensity",
        "propensity_logged",
        "expected_reward",
        "action_probabilities",
        "cluster",
    )
    five = evaluate(**given | {name: np.asarray(given[name])[i] for name in per_row})
    assert (five.difference.low, five.difference.high) == pytest.approx((once.difference.low, once.difference.high))
    assert ("weight-mean" in five.default["warnings"]) == ("weight-mean" in once.default["warnings"])
    assert five.verdict == once.verdict
    few = evaluate(**given | {"cluster": np.maximum(np.arange(600) - 540, 0)})
    assert few.verdict == "refused"
    assert "independent clusters" in few.reasons[0]
