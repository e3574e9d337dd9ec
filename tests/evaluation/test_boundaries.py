"""Verdicts, gates and warnings at their limits: which end of an interval decides, and what "at most" includes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recommender.evaluation import evaluate
from recommender.evaluation.adaptive import select_by_error, shift_towards
from recommender.evaluation.checks import LogVectors
from recommender.evaluation.estimators import switch_dr
from recommender.evaluation.gate import GateRules, decide
from recommender.evaluation.intervals import Interval, cluster_bootstrap
from recommender.evaluation.verdict import Support, judge
from recommender.evaluation.warnings import general
from tests.evaluation.world import World, arguments, crossfit_ridge

ENOUGH = Support(1_000.0, 500.0, 0.0, None, False, 500)


def interval(low, high):
    return Interval((low + high) / 2, low, high, 1.0, 100.0, 500, "by hand")


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.1, 0.3, "better"), (0.0, 0.3, "not proven"), (-0.1, 0.3, "not proven"), (-0.3, 0.1, "not proven"),
     (-0.3, 0.0, "not proven"), (-0.3, -0.1, "worse")],
)  # fmt: skip
def test_a_verdict_needs_the_whole_interval(low, high, verdict):
    """The estimate alone proves nothing, on either side."""
    assert judge(interval(low, high), ENOUGH, scale=1.0, confidence=0.95)[0] == verdict


@pytest.mark.parametrize(
    ("harm", "refused"),
    [({"effective_sample_size": 50.0}, False), ({"effective_sample_size": 49.9}, True),
     ({"effective_clusters": 15.0}, False), ({"effective_clusters": 14.9}, True),
     ({"unsupported_share": 0.05}, False), ({"unsupported_share": 0.051}, True)],
)  # fmt: skip
def test_support_is_refused_beyond_its_limits(harm, refused):
    """Fifty matched rows, fifteen clusters and one part in twenty without support are still enough."""
    verdict, _ = judge(interval(0.1, 0.3), replace(ENOUGH, **harm), scale=1.0, confidence=0.95)
    assert verdict == ("refused" if refused else "better")


@pytest.fixture(scope="module")
def report():
    rng = np.random.default_rng(0)
    world = World()
    log = world.log(1_200, rng)
    q = crossfit_ridge(log["x"], world.codes, log["action"], log["reward"], rng)
    stage = np.where(log["x"][:, 1] > 0, "early", "late")
    return evaluate(**arguments(log, q, world.codes, rng, slices={"stage": stage}))


@pytest.mark.parametrize(("low", "passes"), [(0.21, True), (0.2, False), (0.19, False), (0.01, False)])
def test_the_gate_asks_the_lower_end_for_the_gain(report, low, passes):
    """A gain that must be shown is shown by the lower end; that the upper end reaches it is no proof."""
    better = replace(report, difference=interval(low, 0.9), verdict="better")
    assert decide(better, GateRules(least_gain=0.2)).checks["gain"] == passes
    assert not decide(replace(better, verdict="not proven"), GateRules(least_gain=0.2)).checks["gain"]


@pytest.mark.parametrize(("low", "high", "passes"), [(-0.2, 0.1, True), (-0.2, 0.0, True), (-0.2, -0.01, False)])
def test_a_slice_breaks_its_floor_only_where_that_is_proven(report, low, high, passes):
    """The upper end must lie below the floor; a slice of its own floor is held against that, a refused one is not."""
    slices = report.slices.assign(ci_low=low, ci_high=high, verdict="not proven")
    assert decide(replace(report, slices=slices)).checks["slices"] == passes
    first = slices.iloc[0]
    allowed = {(first["slice"], first["level"]): -0.5}
    alone = replace(report, slices=slices.iloc[:1])
    assert decide(alone, GateRules(slice_floors=allowed)).checks["slices"]
    assert decide(replace(report, slices=slices.assign(verdict="refused"))).checks["slices"]


@pytest.mark.parametrize(("error", "passes"), [(0.2, True), (-0.2, True), (0.21, False), (-0.21, False)])
def test_calibration_may_be_off_by_a_fifth_either_way(report, error, passes):
    """Too little is as wrong as too much."""
    assert decide(report, calibration_error=error).checks["calibration"] == passes


@pytest.mark.parametrize(
    ("high", "promised", "passes"),
    [(0.4, 0.6, True), (0.4, 0.61, False), (-0.4, -0.2, True), (-0.4, -0.19, False), (-0.4, -0.5, True)],
)
def test_a_promise_may_lie_half_of_the_upper_end_above_it(report, high, promised, passes):
    """Above, on either side of 0: where the log shows a loss, the tolerance does not turn into a demand."""
    shown = replace(report, difference=interval(high - 0.2, high))
    assert decide(shown, promised_gain=promised).checks["promise"] == passes


def codes(**support):
    """Warnings about a log by hand."""
    n = 200
    log = LogVectors(np.zeros(n), np.zeros(n, dtype=np.int64), np.ones(n), np.ones(n, dtype=bool), np.arange(n))
    return general(log, replace(ENOUGH, **support))


def test_warnings_are_raised_at_what_they_say():
    """At what their texts name: 50 matched rows, 15 clusters, 5 % without support, a single cluster."""
    for rows, raised in ((49.9, True), (50.0, False)):
        assert ("low-effective-sample-size" in codes(effective_sample_size=rows)) == raised
    for clusters, raised in ((14.9, True), (15.0, False)):
        assert ("low-effective-sample-size" in codes(effective_clusters=clusters)) == raised
    for clusters, raised in ((1, True), (2, False)):
        assert ("one-cluster" in codes(n_clusters=clusters)) == raised
    for share, raised in ((0.05, False), (0.0501, True)):
        assert ("no-support" in codes(unsupported_share=share)) == raised
    assert codes() == ()


def test_the_estimate_is_moved_at_most_as_far_as_it_may():
    """Towards a calmer estimator, and no further than the limit, to either side."""
    rng = np.random.default_rng(0)
    rough = rng.normal(0.0, 3.0, 400)
    for way in (-1.0, 1.0):
        calm = {"calm": np.full(400, rough.mean() + 0.2 * way)}
        free = shift_towards(rough, calm, np.arange(400), limit=1.0)
        assert free.towards == "calm"
        assert 0.05 < way * free.amount <= 0.2
        assert shift_towards(rough, calm, np.arange(400), limit=0.01).amount == pytest.approx(0.01 * way)


def test_how_far_the_estimate_is_moved_is_worked_out_by_hand():
    """The share of its own formula: squared bias at least two and a half variances, none beyond three errors."""
    rng = np.random.default_rng(1)
    shares = []
    for bias in np.linspace(-0.6, 0.6, 41):
        rough = rng.normal(0.0, 3.0, 300)
        other = 0.3 * rough + rng.normal(bias, 0.5, 300)
        difference = other - rough
        gap, noise, own = difference.mean(), difference.var(ddof=1) / 300, rough.var(ddof=1) / 300
        together = np.cov(rough, difference)[0, 1] / 300
        share = 0.0 if gap**2 > 9 * noise else min(max(-together / max(gap**2, 2.5 * noise), 0.0), 1.0)
        better = own + 2 * share * together + share**2 * max(gap**2, noise) < own
        moved = shift_towards(rough, {"other": other}, np.arange(300), limit=np.inf)
        assert moved.share == pytest.approx(share * better) and moved.amount == pytest.approx(share * better * gap)
        shares.append(moved.share)
    assert min(shares) == 0.0 and max(shares) > 0.5


@pytest.mark.parametrize("seed", range(6))
def test_among_estimators_the_one_of_least_error_that_is_not_proven_biased_is_taken(seed):
    """Variance and squared bias less its own noise, by hand; where all lie too far away the nearest one."""
    rng = np.random.default_rng(seed)
    unbiased, n = rng.normal(0.0, 2.0, 400), 400
    candidates = {
        (calm, bias): unbiased + bias + rng.normal(0.0, 0.4, n) - calm * (unbiased - unbiased.mean())
        for calm in (0.0, 0.4, 0.9) for bias in (-0.3, 0.0, 0.02, 0.12)
    }  # fmt: skip
    wanted, far = {}, {}
    for key, psi in candidates.items():
        gap, noise = (psi - unbiased).mean(), (psi - unbiased).var(ddof=1) / n
        wanted[key] = psi.var(ddof=1) / n + max(0.0, gap**2 - noise) if gap**2 <= 4 * noise else np.inf
        far[key] = abs(gap)
    best, errors = select_by_error(candidates, unbiased, np.arange(n))
    assert errors == pytest.approx(wanted) and wanted[best] == min(wanted.values())
    assert 1 < np.isfinite([*wanted.values()]).sum() < len(wanted)
    biased = {key: psi for key, psi in candidates.items() if np.isinf(wanted[key])}
    assert far[select_by_error(biased, unbiased, np.arange(n))[0]] == min(far[key] for key in biased)


def test_a_weight_at_the_threshold_is_small_enough():
    """Switch-DR corrects up to and including the threshold: a row of exactly that weight counts."""
    given = {
        "reward": np.array([1.0, 1.0]), "action": np.array([0, 0]), "propensity": np.array([0.25, 0.2]),
        "expected_reward": np.zeros((2, 2)), "action_probabilities": np.array([[1.0, 0.0], [1.0, 0.0]]),
    }  # fmt: skip
    assert switch_dr(**given, threshold=4.0).tolist() == [4.0, 0.0]


def test_the_bootstrap_interval_leans_to_the_side_where_the_tail_is():
    """Percentile-t: of a sample with a long right tail the upper end lies further off than the lower."""
    rng = np.random.default_rng(3)
    right = rng.exponential(size=60) ** 2
    for sample, longer in ((right, 1), (-right, -1)):
        found = cluster_bootstrap(sample, np.arange(60), rng=np.random.default_rng(0), n_resamples=400)
        below, above = found.value - found.low, found.high - found.value
        assert (above - below) * longer > 0.2 * found.standard_error
