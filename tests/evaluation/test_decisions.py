"""What turns numbers into a verdict: each threshold, each widening and each check of the gate, on both of its sides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recommender.evaluation import GateRules, decide, evaluate
from recommender.evaluation.checks import LogVectors
from recommender.evaluation.diagnostics import action_is_function_of_context, unsupported_share
from recommender.evaluation.intervals import Interval, cluster_interval
from recommender.evaluation.policy_view import paired_with, view_policy
from recommender.evaluation.slices import evaluate_slices, holm
from recommender.evaluation.unshown import Unshown, unshown_part
from recommender.evaluation.verdict import Support, judge
from tests.evaluation.world import World, arguments, crossfit_ridge

ENOUGH = Support(400.0, 300.0, 0.0, None, False, 500)


def interval(value, half, **more):
    return Interval(value, value - half, value + half, half / 1.96, 400.0, 500, "cr2", **more)


@pytest.fixture(scope="module")
def told():
    rng = np.random.default_rng(0)
    world = World(effect=0.6, base=-1.5)
    log = world.log(3_000, rng)
    q = crossfit_ridge(log["x"], world.codes, log["action"], log["reward"], rng)
    return arguments(log, q, world.codes, rng, estimators=()), log


def vectors(given):
    n = len(given["reward"])
    return LogVectors(given["reward"], given["action"], given["propensity"], np.ones(n, dtype=bool), np.arange(n))


# -- verdict -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"effective_sample_size": 49.9}, "effective sample size"),
        ({"effective_clusters": 14.9}, "independent clusters"),
        ({"unsupported_share": 0.0501}, "no support"),
        ({"action_determined": True}, "function of the context"),
        ({"n_clusters": 1}, "single cluster"),
        ({"weights_do_not_add_up": True}, "instead of 1"),
    ],
)
def test_each_refusal_has_its_trigger(change, word):
    """One sentence each, and nothing else is said."""
    verdict, reasons = judge(interval(0.2, 0.1), replace(ENOUGH, **change), scale=1.0, confidence=0.95)
    assert verdict == "refused"
    assert len(reasons) == 1
    assert word in reasons[0]


@pytest.mark.parametrize(
    "change",
    [
        {"effective_sample_size": 50.0},
        {"effective_clusters": 15.0},
        {"effective_clusters": 9.0, "n_clusters": 14},
        {"unsupported_share": 0.05},
        {"n_clusters": 2, "effective_clusters": 2.0},
    ],
)
def test_on_the_threshold_it_is_answered(change):
    """A log of fourteen debtors is not refused for having no fifteen."""
    assert judge(interval(0.2, 0.1), replace(ENOUGH, **change), scale=1.0, confidence=0.95)[0] == "better"


def test_the_sign_and_the_rounding_error_decide():
    """Better above zero, worse below, neither when it holds zero or is rounding."""
    assert judge(interval(-0.2, 0.1), ENOUGH, scale=1.0, confidence=0.95)[0] == "worse"
    assert judge(interval(0.05, 0.1), ENOUGH, scale=1.0, confidence=0.95)[0] == "not proven"
    assert judge(interval(2e-10, 1e-10), ENOUGH, scale=1.0, confidence=0.95)[0] == "not proven"
    assert judge(interval(2e-10, 1e-10), ENOUGH, scale=1e-3, confidence=0.95)[0] == "better"


def test_estimators_that_contradict_each_other_withhold_a_claim():
    """And only a claim: what is not proven stays so, with its own reason."""
    verdict, reasons = judge(interval(0.2, 0.1), ENOUGH, scale=1.0, confidence=0.95, disagreement=True)
    assert verdict == "not proven"
    assert "contradict" in reasons[0]
    assert "contradict" not in judge(interval(0.0, 0.1), ENOUGH, scale=1.0, confidence=0.95, disagreement=True)[1][0]


def test_weights_that_do_not_add_up_refuse(told):
    """Logged: 5 %; estimated: 20 %, because estimates are shrunk; both beyond three standard errors."""
    given, log = told
    for factor, known, refused in ((1.0, True, False), (0.88, True, True), (0.88, False, False), (0.7, False, True)):
        estimated = {} if known else {"propensity_all": log["mu"]}
        changed = {
            "propensity": np.minimum(log["propensity"] / factor, 1.0),
            "propensity_logged": np.full(3_000, known),
            **estimated,
        }
        report = evaluate(**given | changed)
        assert ("weight-mean" in report.default["warnings"]) == refused, (factor, known)
        assert any("instead of 1" in reason for reason in report.reasons) == refused


# -- support -----------------------------------------------------------------------------------------------------------
def test_an_action_that_was_never_chosen_has_no_support():
    """In a log long enough to have shown it; a short one with logged propensities may have missed it."""
    target = np.full((200, 4), 0.25)
    action = np.arange(200) % 3
    for n, share in ((200, 0.25), (60, 0.0)):
        given = {"propensity_logged": np.ones(n, dtype=bool)}
        assert unsupported_share(np.ones(n), action[:n], target[:n], **given) == pytest.approx(share)
    unlogged = unsupported_share(np.ones(60), action[:60], target[:60], propensity_logged=np.zeros(60, dtype=bool))
    assert unlogged == pytest.approx(0.25)


@pytest.mark.parametrize("seed", range(4))
def test_support_is_counted_cell_by_cell_and_once(seed):
    """In plain loops: the target's probability where an action was not eligible, was never chosen, or both."""
    rng = np.random.default_rng(seed)
    n, n_actions = 150, 6
    target = rng.dirichlet(np.ones(n_actions), n)
    eligible = rng.random((n, n_actions)) < 0.7
    action = rng.integers(0, n_actions - 2, n)  # the last two never
    eligible[np.arange(n), action] = True
    lacking = 0.0
    for row in range(n):
        for one in range(n_actions):
            lacking += target[row, one] * (one >= n_actions - 2 or not eligible[row, one])
    weight = np.ones(n)  # says nothing against it
    given = {"propensity_logged": np.ones(n, dtype=bool), "eligible": eligible}
    assert unsupported_share(weight, action, target, **given) == pytest.approx(lacking / n)


def test_estimated_propensities_below_one_decision_are_no_support():
    """Less than 1 / n, or one in a hundred in a short log."""
    target = np.full((1_000, 2), 0.5)
    action = np.arange(1_000) % 2
    for thin, share in ((0.0009, 0.5), (0.0011, 0.0)):
        estimated = np.column_stack([np.full(1_000, 1 - thin), np.full(1_000, thin)])
        given = {"propensity_logged": np.zeros(1_000, dtype=bool), "propensity_all": estimated}
        assert unsupported_share(np.ones(1_000), action, target, **given) == pytest.approx(share)
    given = {"propensity_logged": np.zeros(50, dtype=bool), "propensity_all": np.tile([0.985, 0.015], (50, 1))}
    assert unsupported_share(np.ones(50), action[:50], target[:50], **given) == 0.0


def test_a_mean_weight_short_of_one_is_missing_support():
    """What is missing beyond 2.33 standard errors."""
    rng = np.random.default_rng(0)
    weight = rng.binomial(1, 0.4, 2_000) * 2.0
    given = {"propensity_logged": np.ones(2_000, dtype=bool)}
    share = unsupported_share(weight, rng.integers(0, 2, 2_000), np.full((2_000, 2), 0.5), **given)
    assert share == pytest.approx(1 - weight.mean() - 2.33 * weight.std() / np.sqrt(2_000), abs=1e-4)


def test_a_context_that_decides_needs_both_witnesses():
    """95 % predictable is enough alone; 70 % needs that hardly an alternative was tried, per factor."""
    action = np.arange(100) % 2
    assert action_is_function_of_context(0.95, action)
    assert not action_is_function_of_context(0.94, action)
    assert action_is_function_of_context(0.7, action, propensity=np.full(100, 1 / 1.75))
    assert not action_is_function_of_context(0.7, action, propensity=np.full(100, 1 / 1.76))
    assert not action_is_function_of_context(0.69, action, propensity=np.full(100, 0.9))
    assert action_is_function_of_context(0.7, action, propensity=np.full(100, 1 / 3.0), n_factors=2)
    assert action_is_function_of_context(None, np.zeros(5, dtype=int))


# -- what widens -------------------------------------------------------------------------------------------------------
def test_unshown_probability_gets_the_worst_and_the_best_reward():
    """By hand: 2 % gained, 1 % lost, rewards between -1 and 3, worth .03 to the model."""
    wide = Unshown(0.02, 0.01, 0.03).widened(interval(0.5, 0.1), -1.0, 3.0)
    assert wide.low == pytest.approx(0.4 + 0.02 * -1 - 0.01 * 3 - 0.03)
    assert wide.high == pytest.approx(0.6 + 0.02 * 3 - 0.01 * -1 - 0.03)
    assert Unshown().widened(interval(0.5, 0.1), -1.0, 3.0) == interval(0.5, 0.1)
    # A model that takes the cells for worth more than any reward does not narrow the interval.
    assert Unshown(0.02, 0.0, 0.5).widened(interval(0.5, 0.1), 0.0, 1.0).high == pytest.approx(0.6)


def test_what_a_difference_takes_unshown_cells_to_be_worth(told):
    """The model's word and the usual correction of each policy, weighted by what it puts there; by hand."""
    given, _ = told
    log, model = vectors(given), given["expected_reward"]
    uniform = np.full_like(given["action_probabilities"], 1 / model.shape[1])
    views = [view_policy(log, policy, model, 0.95, None) for policy in (given["action_probabilities"], uniform)]
    cells = np.zeros(model.shape, dtype=bool)
    cells[:60, :2] = True
    parts = [(given["action_probabilities"], views[0]), (uniform, views[1])]
    value, difference = unshown_part(cells, *parts, model)
    worth = []
    for policy, view in parts:
        usual = np.sum(view.weight * view.residual) / np.sum(view.weight)
        worth.append(float((np.where(cells, policy, 0.0) * (model + usual)).sum() / len(model)))
    assert value.assumed == pytest.approx(worth[0])
    assert difference.assumed == pytest.approx(worth[0] - worth[1])
    net = np.where(cells, parts[0][0] - uniform, 0.0)
    assert (difference.gained, difference.lost) == pytest.approx(
        (np.maximum(net, 0).sum() / len(net), np.maximum(-net, 0).sum() / len(net))
    )


def test_the_less_certain_weights_of_both_policies_count(told):
    """Estimated propensities may be further off where the baseline goes than where the target goes."""
    given, _ = told
    log, model = vectors(given), given["expected_reward"]
    uniform = np.full_like(model, 1 / model.shape[1])
    views = [view_policy(log, policy, model, 0.95, None) for policy in (given["action_probabilities"], uniform)]
    for own, other in ((1e-4, 3e-4), (3e-4, 1e-4)):
        target, baseline = replace(views[0], extra_variance=own), replace(views[1], extra_variance=other)
        assert paired_with(target, baseline, log).extra_variance == pytest.approx(3e-4)
    weight = paired_with(*views, log).weight  # of each row, that of whichever policy leans on it more
    assert all((weight >= view.relative - 1e-12).all() for view in views)
    assert np.isclose(weight[:, None], np.column_stack([view.relative for view in views])).any(axis=1).all()


def test_a_loss_takes_as_strong_a_confounder_as_the_same_gain(told):
    """Rewards turned around: better becomes worse, and the strength that overturns it stays."""
    given, _ = told
    gain = evaluate(**given)
    loss = evaluate(**given | {"reward": 1 - given["reward"], "expected_reward": 1 - given["expected_reward"]})
    assert (gain.verdict, loss.verdict) == ("better", "worse")
    strengths = [report.diagnostics["confounding_to_overturn"] for report in (gain, loss)]
    assert strengths[0] > 1.05
    assert strengths[1] == pytest.approx(strengths[0], rel=0.02)


@pytest.mark.parametrize("share", [0.02, 0.08])
def test_cells_that_were_never_tried_widen_or_refuse(told, share):
    """Every reward in the cells lies inside the interval; above 5 % there is no verdict; paired cells cancel."""
    given, _ = told
    n, hidden = 3_000, int(3_000 * share)
    cells = np.zeros((n, given["action_probabilities"].shape[1]), dtype=bool)
    cells[:hidden] = True
    plain = evaluate(**given)
    report = evaluate(**given | {"never_tried": cells, "never_tried_in_words": ["x = 1 and arm 2: 0 of 99"]})
    assert report.diagnostics["never_tried_share"] == pytest.approx(share)
    assert (report.verdict == "refused") == (share > 0.05)
    assert "x = 1 and arm 2: 0 of 99" in report.reasons[0]
    reach = report.default["ci_high"] - report.default["ci_low"]
    assert reach == pytest.approx(plain.default["ci_high"] - plain.default["ci_low"] + share, rel=1e-6)
    assert report.difference.high - report.difference.low == pytest.approx(
        plain.difference.high - plain.difference.low + share, rel=1e-6
    )
    # What the baseline does where nothing was tried counts, though the target does nothing there.
    other = given["action_probabilities"].copy()
    other[:hidden] = np.eye(other.shape[1])[0]
    one = np.zeros_like(cells)
    one[:hidden, 0] = True
    target = np.where(one, 0.0, given["action_probabilities"])
    target /= target.sum(axis=1, keepdims=True)
    against = evaluate(**given | {"never_tried": one, "action_probabilities": target, "baseline_probabilities": other})
    assert against.diagnostics["never_tried_share"] == pytest.approx(share)
    assert (against.verdict == "refused") == (share > 0.05)
    same = evaluate(**given | {"never_tried": cells, "baseline_probabilities": given["action_probabilities"]})
    assert same.difference.low == same.difference.high == 0.0


def test_dependent_folds_widen_by_the_root_of_their_number(told):
    """Value, difference and slices."""
    given, log = told
    given = given | {"slices": {"side": log["x"][:, 1] > 0}}
    one, three = evaluate(**given), evaluate(**given, n_dependent_folds=3)
    assert three.difference.value == one.difference.value
    assert three.difference.high - three.difference.value == pytest.approx(
        np.sqrt(3) * (one.difference.high - one.difference.value)
    )
    assert three.default["ci_high"] - three.default["value"] == pytest.approx(
        np.sqrt(3) * (one.default["ci_high"] - one.default["value"]), rel=0.05
    )
    widths = [(report.slices["ci_high"] - report.slices["ci_low"]).to_numpy() for report in (one, three)]
    np.testing.assert_allclose(widths[1], np.sqrt(3) * widths[0])


# -- slices ------------------------------------------------------------------------------------------------------------
def test_slices_share_the_error_by_bonferroni(told):
    """Each interval of k judged slices is that of 1 - 5 % / k."""
    given, _ = told
    log = vectors(given)
    target = view_policy(log, given["action_probabilities"], given["expected_reward"], 0.95, None)
    level = np.arange(3_000) % 3
    for slices, judged in (({"third": level}, 3), ({"one": np.where(level == 0, 0, np.nan)}, 2)):
        table = evaluate_slices(log, target, None, slices, 0.95)
        assert (table["verdict"] != "refused").sum() == judged
        members = np.flatnonzero(level == 0)
        pair = paired_with(target, None, log, members)
        alone = cluster_interval(
            pair.contribution,
            log.cluster[members],
            1 - 0.05 / judged,
            weight=pair.weight,
            extra_variance=pair.extra_variance,
            pooled_noise=pair.pooled,
        )
        row = table[table["level"] == 0].iloc[0]
        assert (row["ci_low"], row["ci_high"]) == pytest.approx((alone.low, alone.high))


def test_slices_are_claimed_by_holm(told):
    """Four slices of one column: adjusted p-values step down over all of them."""
    given, log_of_world = told
    log = vectors(given)
    target = view_policy(log, given["action_probabilities"], given["expected_reward"], 0.95, None)
    level = np.digitize(log_of_world["x"][:, 1], [-0.7, 0.0, 0.7])
    table = evaluate_slices(log, target, None, {"quarter": level}, 0.95)
    raw = []
    for code in table["level"]:
        members = np.flatnonzero(level == code)
        pair = paired_with(target, None, log, members)
        raw.append(
            cluster_interval(
                pair.contribution,
                log.cluster[members],
                weight=pair.weight,
                extra_variance=pair.extra_variance,
                pooled_noise=pair.pooled,
            ).p_value
        )
    judged = (table["verdict"] != "refused").to_numpy()
    assert judged.sum() >= 3
    np.testing.assert_allclose(table["p_adjusted"][judged], holm(np.array(raw)[judged]), rtol=1e-6)


def test_a_slice_where_nothing_was_tried_is_refused(told):
    """6 % of the slice hidden: refused; 4 %: widened by whatever a reward there may be."""
    given, _ = told
    log = vectors(given)
    target = view_policy(log, given["action_probabilities"], given["expected_reward"], 0.95, None)
    slices = {"half": np.arange(3_000) % 2}
    plain = evaluate_slices(log, target, None, slices, 0.95)
    for share, refused in ((0.06, True), (0.04, False)):
        hidden = np.where(np.arange(3_000) % 2 == 0, share, 0.0)
        table = evaluate_slices(log, target, None, slices, 0.95, unshown=hidden)
        assert (table["verdict"].iloc[0] == "refused") == refused
        assert table["verdict"].iloc[1] == plain["verdict"].iloc[1]
        if not refused:
            assert table["ci_low"].iloc[0] == pytest.approx(plain["ci_low"].iloc[0] - share)
            assert table["ci_high"].iloc[0] == pytest.approx(plain["ci_high"].iloc[0] + share)


# -- gate --------------------------------------------------------------------------------------------------------------
def report_of(told, **changes):
    given, _ = told
    report = evaluate(**given)
    diagnostics = report.diagnostics | changes.pop("diagnostics", {})
    codes = changes.pop("codes", ())
    table = report.table.assign(warnings=[(*row, *codes) for row in report.table["warnings"]])
    return replace(report, diagnostics=diagnostics, table=table, **changes)


@pytest.mark.parametrize(("strength", "accepted"), [(1.049, False), (1.051, True)])
def test_estimated_propensities_must_survive_a_confounder(told, strength, accepted):
    """1.05 by default, and only where propensities were estimated."""
    found = {"confounding_to_overturn": strength}
    estimated = decide(report_of(told, codes=("estimated-propensity",), diagnostics=found))
    assert estimated.accepted == estimated.checks["confounding"] == accepted
    logged = decide(report_of(told, diagnostics=found))
    assert logged.accepted
    assert "confounding" not in logged.checks


def test_the_gate_wants_the_lower_end_above_the_least_gain(told):
    """At the least gain is not above it."""
    report = report_of(told)
    assert decide(report, GateRules(least_gain=report.difference.low - 1e-9)).accepted
    assert not decide(report, GateRules(least_gain=report.difference.low)).accepted


@pytest.mark.parametrize("name", ["promised_gain", "claimed_gain"])
def test_promises_and_claims_are_held_against_the_upper_end(told, name):
    """A claim may reach it; a model's own promise half as much again."""
    report = report_of(told)
    most = report.difference.high * (1.5 if name == "promised_gain" else 1.0)
    assert decide(report, **{name: most - 1e-9}).accepted
    assert not decide(report, **{name: most + 1e-6}).accepted


@pytest.mark.parametrize(("error", "accepted"), [(0.2, True), (-0.2, True), (0.21, False), (-0.21, False)])
def test_calibration_may_err_by_a_fifth_either_way(told, error, accepted):
    """Both signs."""
    assert decide(report_of(told), calibration_error=error).accepted == accepted


def test_a_floor_of_one_slice_goes_before_the_floor_of_all(told):
    """A tolerated loss is tolerated, a slice of its own is not."""
    given, log = told
    report = evaluate(**given, slices={"side": np.where(log["x"][:, 1] > 0, "up", "down")})
    high = report.slices.set_index("level")["ci_high"]
    assert decide(report, GateRules(slice_floor=-1.0)).accepted
    own = GateRules(slice_floor=-1.0, slice_floors={("side", "up"): float(high["up"]) + 1e-9})
    refused = decide(report, own)
    assert not refused.accepted
    assert "side=up" in refused.reasons[0]
    assert not decide(report, GateRules(slice_floor=float(high.min()) + 1e-9)).checks["slices"]
