"""Means that the verbs tell with a 95 % interval: accounts of one debtor are one draw, in every one of them."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import log_loss

from pipelines import pages_reports, segment_values, training_record


def of_segments(values, debtor):
    mean, half = segment_values._clustered_mean(values, debtor)
    return mean - half, mean + half


INTERVALS = (of_segments, training_record._interval_of_mean)


@pytest.fixture(params=[0, 1, 2])
def draws(request):
    """Accounts of debtors that differ, some with many of them."""
    rng = np.random.default_rng(request.param)
    debtor = np.repeat(np.arange(30), rng.integers(1, 6, 30))
    return rng.normal(size=30)[debtor] + rng.normal(size=len(debtor)), rng.permutation(30)[debtor]


@pytest.mark.parametrize("interval", INTERVALS)
def test_an_interval_is_1_96_errors_of_a_loop_over_debtors(interval, draws):
    """In plain Python: what each debtor pulls the mean by, squared, with one degree of freedom for the mean."""
    values, debtor = draws
    mean = math.fsum(values) / len(values)
    pulls = [math.fsum(values[debtor == one] - mean) / len(values) for one in set(debtor.tolist())]
    half = 1.959964 * math.sqrt(len(pulls) / (len(pulls) - 1) * math.fsum(pull**2 for pull in pulls))
    low, high = interval(values, debtor)
    assert (low, high) == (pytest.approx(mean - half, abs=1e-4 * half), pytest.approx(mean + half, abs=1e-4 * half))


@pytest.mark.parametrize("interval", INTERVALS)
def test_repeating_what_a_debtor_did_narrows_nothing_and_more_debtors_do(interval, draws):
    """Each row twice under its debtor is no more evidence; four times as many debtors halve the interval."""
    values, debtor = draws
    low, high = interval(values, debtor)
    again = interval(np.tile(values, 2), np.tile(debtor, 2))
    assert again == (pytest.approx(low), pytest.approx(high))
    others = interval(np.tile(values, 4), np.concatenate([debtor + 30 * copy for copy in range(4)]))
    assert 2 * (others[1] - others[0]) == pytest.approx((high - low) * math.sqrt(29 / 30 * 120 / 119), rel=1e-6)


class Part:
    """Decisions of a log, as far as they are asked about here."""

    def __init__(self, action, reward):
        self.action, self.reward = action, reward

    def __len__(self):
        return len(self.action)


def test_a_calibration_curve_says_how_sure_the_observed_rewards_are():
    """Of each tenth of the prediction: what was predicted, what came, and 1.96 errors of it; never below nothing."""
    rng = np.random.default_rng(5)
    n = 1_000
    expected, action = rng.uniform(0.0, 0.4, (n, 2)), rng.integers(0, 2, n)
    predicted = expected[np.arange(n), action]
    reward = (rng.random(n) < predicted).astype(float)
    evaluator = SimpleNamespace(part=Part(action, reward))
    curve = pages_reports.calibration_curve(evaluator, SimpleNamespace(log_expected_reward=lambda _: expected))
    by_prediction = np.array_split(np.argsort(predicted), len(curve))
    assert len(curve) == 10
    for one, rows in zip(curve, by_prediction, strict=True):
        came = reward[rows]
        half = 1.96 * came.std(ddof=1) / math.sqrt(len(rows))
        assert (one["n"], one["observed"]) == (len(rows), pytest.approx(came.mean()))
        assert one["predicted"] == pytest.approx(predicted[rows].mean())
        assert (one["low"], one["high"]) == (pytest.approx(max(0.0, came.mean() - half)), came.mean() + half)


@pytest.mark.parametrize("rate", [0.02, 0.3, 0.9])
def test_numbers_of_a_training_are_of_known_rewards_and_the_base_rate_has_its_own_loss(rate):
    """The loss of a constant, as scikit-learn counts it; what is no number is not told."""
    rng = np.random.default_rng(0)
    reward = (rng.random(500) < rate).astype(float)
    mature = np.arange(500) % 5 > 0
    reward[~mature] = np.nan

    class Log:
        """Decisions, as far as they are asked about here."""

        def __init__(self, rows):
            self.reward, self.groups, self.mature = reward[rows], np.arange(500)[rows] // 3, mature[rows]
            self.reward_kind = "binary"

        def __len__(self):
            return len(self.reward)

        def take(self, rows):
            return Log(rows)

    report = {"event": {"members": ["linear", "trees"], "losses": [0.5, math.nan]}}
    strategy = SimpleNamespace(exploration_cost_=0.04, reward_model_=SimpleNamespace(report_=report))
    told = training_record.metrics_of(strategy, Log(np.arange(500)))
    known = reward[mature]
    assert told["base_rate"] == known.mean() and told["base_rate_low"] < known.mean() < told["base_rate_high"]
    assert told["loss_base_rate"] == pytest.approx(log_loss(known, np.full(len(known), known.mean())))
    assert (told["n_decisions"], told["n_mature"], told["n_clusters"]) == (500, 400, 167)
    assert {name: value for name, value in told.items() if "fold" in name} == {"loss_out_of_fold.event.linear": 0.5}
    assert told["exploration_cost"] == 0.04
