"""The gate, the price of a rule and online experiments."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from recommender.errors import InvalidInput, NoEligibleAction
from recommender.evaluation import evaluate
from recommender.evaluation.experiment import analyse, assign, sample_size
from recommender.evaluation.gate import GateRules, decide
from recommender.evaluation.prices import mask_policy, price_of_rules
from tests.evaluation.world import World, arguments, crossfit_ridge


def strong_log(n=8000, seed=0):
    rng = np.random.default_rng(seed)
    world = World(effect=0.6, base=-1.5)
    log = world.log(n, rng)
    q = crossfit_ridge(log["x"], world.codes, log["action"], log["reward"], rng)
    return arguments(log, q, world.codes, rng), log, world


def test_a_proven_challenger_is_accepted():
    """Better, supported, no slice hurt: accepted, and the reason gives the least gain."""
    given, _, _ = strong_log()
    decision = decide(evaluate(**given), calibration_error=0.05)
    assert decision.accepted
    assert set(decision.checks) == {"support", "gain", "slices", "weights", "calibration"}
    assert "at least" in decision.reasons[0]


def test_refused_unproven_and_overclaimed_challengers_are_not():
    """Each failed check is one sentence."""
    given, log, _ = strong_log()
    same = decide(evaluate(**given | {"action_probabilities": log["mu"]}))
    assert not same.accepted
    assert "paired lower bound" in same.reasons[0]
    report = evaluate(**given)
    claimed = decide(report, claimed_gain=10 * report.difference.high)
    assert not claimed.accepted
    assert "exceeds what the log supports" in claimed.reasons[0]
    miscalibrated = decide(report, calibration_error=-0.5)
    assert "off by -50.0%" in miscalibrated.reasons[0]
    few = evaluate(**{k: v[:60] if isinstance(v, np.ndarray) and len(v) == 8000 else v for k, v in given.items()})
    assert not decide(few).accepted
    assert not decide(few).checks["support"]


@pytest.mark.parametrize("wrong", [0.5, 1.6])
def test_propensities_that_were_logged_wrong_do_not_pass(wrong):
    """Half or more than the true ones: the mean weight gives them away, and the gate refuses."""
    given, log, _ = strong_log()
    assert decide(evaluate(**given)).accepted
    report = evaluate(**given | {"propensity": np.minimum(log["propensity"] * wrong, 1.0)})
    decision = decide(report)
    assert "weight-mean" in report.default["warnings"]
    assert not decision.accepted
    assert not decision.checks["weights"]
    assert "propensities are not calibrated" in " ".join(decision.reasons)


def test_a_slice_that_is_proven_to_lose_breaks_the_gate():
    """Good on the whole, bad for one stage: the gate names the stage; a floor that tolerates it lets it pass."""
    given, log, _ = strong_log(n=20_000)
    hurt = np.arange(20_000) % 8 == 0
    order = np.argsort(np.argsort(log["truth_q"], axis=1), axis=1) == 0
    pi = np.where(hurt[:, None], 0.9 * order + 0.1 * log["mu"], log["pi"])
    pi = pi / pi.sum(axis=1, keepdims=True)
    report = evaluate(**given | {"action_probabilities": pi}, slices={"stage": np.where(hurt, "legal", "early")})
    decision = decide(report)
    assert not decision.checks["slices"]
    assert "stage=legal" in " ".join(decision.reasons)
    assert decide(report, GateRules(slice_floors={("stage", "legal"): -1.0})).checks["slices"]


def test_masking_renormalises_and_needs_a_way_out():
    """Forbidden actions hold exactly 0; an empty row falls back or is an error."""
    pi = np.array([[0.5, 0.3, 0.2], [1.0, 0.0, 0.0]])
    allowed = np.array([[False, True, True], [False, True, True]])
    assert np.allclose(mask_policy(pi, allowed), [[0, 0.6, 0.4], [0, 0.5, 0.5]])
    assert np.allclose(mask_policy(pi, allowed, fallback=2)[1], [0, 0, 1])
    with pytest.raises(NoEligibleAction, match="leaves no action"):
        mask_policy(pi, np.zeros_like(allowed))


def test_the_price_of_a_rule_is_the_value_it_takes():
    """Forbidding the best action costs about what it is worth; a rule that touches nothing is free."""
    given, log, _ = strong_log(n=15_000)
    pi = given.pop("action_probabilities")
    q = log["truth_q"]
    best = np.zeros_like(pi, dtype=bool)
    best[np.arange(len(pi)), q.argmax(axis=1)] = True
    rules = {"no best action": ~best, "nothing": np.ones_like(best)}
    prices = price_of_rules(pi, rules, **given).set_index("rule")
    truth = float(((pi - mask_policy(pi, ~best)) * q).sum(axis=1).mean())
    assert prices.loc["no best action", "verdict"] == "costs"
    assert prices.loc["no best action", "ci_low"] <= truth <= prices.loc["no best action", "ci_high"]
    assert prices.loc["nothing", "verdict"] == "free"
    assert prices.loc["nothing", "value_lost"] == 0
    taken = (pi * best).sum(axis=1)  # what the rule forbids, and no more, goes to other actions
    assert prices["probability_moved"].to_dict() == pytest.approx({"no best action": taken.mean(), "nothing": 0.0})
    assert prices["rows_touched"].to_dict() == {"no best action": np.count_nonzero(taken), "nothing": 0}


def test_sample_size_gives_the_promised_power():
    """At the computed size, 5 % -> 6 % is found in about 80 % of simulated experiments."""
    size = sample_size(0.05, 0.01)
    assert 8000 < size.control < 8400
    rng = np.random.default_rng(0)
    control = rng.binomial(size.control, 0.05, 4000) / size.control
    treated = rng.binomial(size.treated, 0.06, 4000) / size.treated
    error = np.sqrt(control * (1 - control) / size.control + treated * (1 - treated) / size.treated)
    assert np.mean((treated - control) / error > 1.96) == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("treated_share", [0.9, 0.2])
def test_the_power_is_that_of_uneven_arms_whose_rates_differ(treated_share):
    """The rarer rate varies less: a small arm of it needs fewer than a small arm of the other."""
    size = sample_size(0.02, 0.03, treated_share=treated_share)
    assert size.treated / (size.treated + size.control) == pytest.approx(treated_share, abs=0.01)
    rng = np.random.default_rng(0)
    control = rng.binomial(size.control, 0.02, 8000) / size.control
    treated = rng.binomial(size.treated, 0.05, 8000) / size.treated
    error = np.sqrt(0.02 * 0.98 / size.control + 0.05 * 0.95 / size.treated)
    assert np.mean((treated - control) / error > 1.96) == pytest.approx(0.8, abs=0.03)


def test_dependence_and_uneven_arms_need_more():
    """Correlated decisions of a debtor inflate the size by the design effect; a small holdout needs more in all."""
    plain = sample_size(0.05, 0.01)
    clustered = sample_size(0.05, 0.01, decisions_per_debtor=5, within_debtor_correlation=0.1)
    assert clustered.design_effect == pytest.approx(1.4)
    assert clustered.control == pytest.approx(1.4 * plain.control, abs=2)
    assert clustered.control_debtors == pytest.approx(clustered.control / 5, abs=1)
    holdout = sample_size(0.05, 0.01, treated_share=0.9)
    assert holdout.control + holdout.treated > plain.control + plain.treated
    with pytest.raises(InvalidInput, match="must be rates"):
        sample_size(120.0, 5.0)
    assert sample_size(120.0, 5.0, standard_deviation=80.0).control > 1000


def test_the_size_gives_its_power_with_debtors_of_uneven_size():
    """Debtors with geometric numbers of correlated decisions, analysed as planned: found about as often as promised."""
    mean, correlation = 4.0, 0.2
    size = sample_size(
        50.0,
        4.0,
        standard_deviation=20.0,
        decisions_per_debtor=mean,
        variation_of_decisions=np.sqrt(1 - 1 / mean),
        within_debtor_correlation=correlation,
    )
    debtors = size.control_debtors + size.treated_debtors
    found = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        debtor = np.repeat(np.arange(debtors), rng.geometric(1 / mean, debtors))
        treated = (rng.permutation(debtors) < size.treated_debtors)[debtor]
        shared = np.sqrt(correlation) * rng.normal(size=debtors)[debtor]
        reward = 50 + 4 * treated + 20 * (shared + np.sqrt(1 - correlation) * rng.normal(size=len(debtor)))
        found += analyse(reward, treated, debtor, treated_share=0.5).verdict == "better"
    assert found / 300 == pytest.approx(0.8, abs=0.07)
    for name in ("power", "confidence", "decisions_per_debtor", "within_debtor_correlation"):
        with pytest.raises(InvalidInput, match=name):
            sample_size(0.05, 0.01, **{name: -1.0})


def test_assignment_is_stable_balanced_and_independent_between_experiments():
    """The same id always gets the same arm, whatever the batch; shares hold; another experiment draws anew."""
    ids = [f"d{i}" for i in range(20_000)]
    shares = {"control": 0.1, "challenger": 0.9}
    arms = assign(ids, "june", shares)
    assert (assign(ids[::-1], "june", shares)[::-1] == arms).all()
    assert np.mean(arms == "control") == pytest.approx(0.1, abs=0.01)
    other = assign(ids, "july", shares)
    both = np.mean((arms == "control") & (other == "control"))
    assert both == pytest.approx(0.01, abs=0.004)
    assert (
        assign(["debtor-1", "debtor-2", "debtor-3"], "x", {"a": 0.5, "b": 0.5}).tolist()
        == assign(np.array(["debtor-1", "debtor-2", "debtor-3"]), "x", {"a": 0.5, "b": 0.5}).tolist()
    )
    with pytest.raises(InvalidInput, match="sum to 1"):
        assign(ids, "x", {"a": 0.5})


def experiment(effect, seed, n_debtors=3000):
    rng = np.random.default_rng(seed)
    treated = assign(range(n_debtors), f"e{seed}", {"c": 0.5, "t": 0.5}) == "t"
    debtor = np.repeat(np.arange(n_debtors), 3)
    level = rng.normal(size=n_debtors)
    reward = level[debtor] + rng.normal(size=3 * n_debtors) + effect * treated[debtor]
    return reward, treated[debtor], debtor, level[debtor]


def test_analysis_covers_the_effect_and_respects_debtors():
    """Over 200 experiments with dependent decisions the 95 % interval covers the effect as often as it should."""
    covered = 0
    for seed in range(200):
        reward, treated, debtor, _ = experiment(0.1, seed, n_debtors=300)
        effect = analyse(reward, treated, debtor, treated_share=0.5).effect
        covered += effect.low <= 0.1 <= effect.high
    assert 180 <= covered <= 199


def test_a_known_covariate_narrows_the_interval():
    """Taking out what was known before gives the same effect with less noise."""
    reward, treated, debtor, level = experiment(0.2, 1)
    plain = analyse(reward, treated, debtor, treated_share=0.5)
    adjusted = analyse(reward, treated, debtor, treated_share=0.5, covariate=level)
    assert adjusted.effect.standard_error < 0.6 * plain.effect.standard_error
    assert adjusted.verdict == "better"


def test_an_outcome_that_is_not_known_is_an_error():
    """NaN rewards are neither failures nor dropped in silence."""
    reward = np.array([1.0, np.nan, 0.0, 1.0])
    with pytest.raises(InvalidInput, match="not known yet") as caught:
        analyse(reward, np.array([True, True, False, False]), np.arange(4), treated_share=0.5)
    assert caught.value.rows == (1,)


def test_a_broken_assignment_is_refused():
    """A split that was not planned, or a debtor in both arms, is not analysed."""
    reward, treated, debtor, _ = experiment(0.2, 2)
    result = analyse(reward, treated, debtor, treated_share=0.9)
    assert result.verdict == "refused"
    assert "90.0% was planned" in result.reasons[0]
    mixed = treated.copy()
    mixed[0] = ~mixed[0]
    with pytest.raises(InvalidInput, match="changes within a debtor"):
        analyse(reward, mixed, debtor, treated_share=0.5)
    alone = analyse(reward[:3], treated[:3], debtor[:3], treated_share=0.5)
    assert alone.verdict == "refused"


@pytest.mark.parametrize("confidence", [0.8, 0.95])
@pytest.mark.parametrize("with_covariate", [False, True])
def test_an_experiment_is_that_of_a_loop_over_debtors(confidence, with_covariate):
    """Welch's interval, each arm's variance from what its debtors pull its mean by, and the p value with it."""
    rng = np.random.default_rng(7)
    debtor = rng.integers(0, 40, 160)
    treated = debtor % 3 == 0
    reward = rng.normal(size=40)[debtor] + rng.normal(size=160) + 0.3 * treated
    known = rng.normal(size=160) + reward if with_covariate else None
    found = analyse(reward, treated, debtor, treated_share=1 / 3, covariate=known, confidence=confidence)
    if known is not None:
        slope = np.cov(known, reward)[0, 1] / known.var(ddof=1)
        reward = reward - slope * (known - known.mean())
    mean, variance, freedom = {}, {}, {}
    for arm in (False, True):
        rows = np.flatnonzero(treated == arm)
        mean[arm] = sum(reward[rows]) / len(rows)
        pulls = [
            sum(reward[row] - mean[arm] for row in rows if debtor[row] == one) for one in set(debtor[rows].tolist())
        ]
        n = len(pulls)
        variance[arm], freedom[arm] = n / (n - 1) * sum(one**2 for one in pulls) / len(rows) ** 2, n - 1
    error = sum(variance.values()) ** 0.5
    degrees = error**4 / sum(variance[arm] ** 2 / freedom[arm] for arm in variance)
    effect = mean[True] - mean[False]
    half = stats.t.ppf(0.5 + confidence / 2, degrees) * error
    assert (found.control_mean, found.treated_mean) == (pytest.approx(mean[False]), pytest.approx(mean[True]))
    told = [found.effect.value, found.effect.low, found.effect.high, found.effect.standard_error]
    assert told == pytest.approx([effect, effect - half, effect + half, error])
    assert found.effect.degrees_of_freedom == pytest.approx(degrees)
    assert found.p_value == pytest.approx(2 * stats.t.sf(abs(effect) / error, degrees))
