"""The yardstick of tuning looks forward only, values policies without bias, and weighs value against loss as told."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.actions import ActionSpace
from recommender.learning.training_set import TrainingSet
from recommender.proof.forward_value import Difference, ForwardSplit, Tally, compare, forward_splits
from recommender.strategy.policy import softmax, temperature_for_cost

SPACE = ActionSpace({"channel": ["call", "sms", "email"]})


def make(n: int, *, timed: bool = True, seed: int = 0) -> tuple[TrainingSet, np.ndarray]:
    """A log of a confounded logger with its true expected rewards."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    truth = np.column_stack([0.3 + 0.3 * (x > 0), 0.4 - 0.2 * (x > 0), np.full(n, 0.25)])
    logging = np.column_stack([0.2 + 0.5 * (x < 0), 0.6 - 0.5 * (x < 0), np.full(n, 0.2)])
    action = (rng.random(n)[:, None] > logging.cumsum(axis=1)).sum(axis=1)
    reward = (rng.random(n) < truth[np.arange(n), action]).astype(float)
    order = np.arange(n, dtype=float) if timed else None
    training = TrainingSet(
        pd.DataFrame({"x": x}),
        (),
        SPACE,
        action,
        reward,
        "binary",
        logging[np.arange(n), action],
        np.arange(n) // 2,
        order,
    )
    return training, truth


@pytest.mark.parametrize("timed", [True, False])
def test_splits_never_look_ahead_and_leave_some_clusters_out(timed: bool) -> None:
    """With time, what is judged is later than all that is learnt from; without, clusters never share both sides."""
    training, _ = make(400, timed=timed)
    pairs = forward_splits(training, [0.4, 0.6, 0.8, 1.1], 0)
    assert len(pairs) == 3
    for learn, judge in pairs:
        if training.order is not None:
            assert training.order[learn].max() < training.order[judge].min()
        else:
            assert not set(training.groups[learn]) & set(training.groups[judge])


@pytest.mark.parametrize("timed", [True, False])
def test_every_row_after_the_first_edge_is_judged_once(timed: bool) -> None:
    """A row that lies on an edge is judged after it, and not before it too."""
    training, _ = make(400, timed=timed)
    judged = np.concatenate([judge for _, judge in forward_splits(training, [0.4, 0.6, 0.8, 1.1], 0)])
    assert len(judged) == len(set(judged.tolist())) == 400 * 0.6
    if timed:
        assert judged.min() == 400 * 0.4


def test_a_quarter_of_the_judged_clusters_is_new() -> None:
    """Clusters that come again and again: three in four are known from before, one in four is not."""
    training, _ = make(400)
    returning = TrainingSet(**{**vars(training), "groups": np.arange(400) % 40})
    for learn, judge in forward_splits(returning, [0.4, 0.6, 0.8, 1.1], 0):
        judged = set(returning.groups[judge].tolist())
        assert len(judged - set(returning.groups[learn].tolist())) == len(judged) / 4


def test_rows_of_one_moment_share_a_side() -> None:
    """A log by day is cut between days."""
    training, _ = make(300)
    by_day = TrainingSet(**{**vars(training), "order": np.repeat(np.arange(10.0), 30)})
    for learn, judge in forward_splits(by_day, [0.35, 0.57, 1.1], 0):
        assert by_day.order is not None
        assert by_day.order[learn].max() < by_day.order[judge].min()


def test_the_value_of_a_policy_is_that_of_the_truth_on_average() -> None:
    """Over a dozen confounded logs the doubly robust value of a policy is its true value, unlike the plain mean."""
    values, plain, wanted = [], [], []
    for seed in range(12):
        training, truth = make(800, seed=seed)
        learn, judge = np.arange(400), np.arange(400, 800)
        split = ForwardSplit(training, learn, judge, training.propensity, seed)
        scores = truth[judge]
        values.append(split.judge(scores).mean("value")[0])
        allowed = np.ones(scores.shape, dtype=bool)
        policy = softmax(scores, allowed, temperature_for_cost(scores, allowed), 0.05)
        wanted.append((policy * scores).sum(axis=1).mean())
        plain.append(training.reward[judge].mean())
    error = np.std(values) / np.sqrt(12)
    assert abs(np.mean(values) - np.mean(wanted)) < 3.5 * error
    assert abs(np.mean(plain) - np.mean(wanted)) > 5 * error


def test_a_better_model_wins_and_its_opposite_loses() -> None:
    """The truth beats noise in value and loss; its mirror image loses in both."""
    training, truth = make(4_000)
    learn, judge = np.arange(2_000), np.arange(2_000, 4_000)
    split = ForwardSplit(training, learn, judge, training.propensity, 0)
    flat = split.judge(np.full((2_000, 3), 0.3) + 1e-3 * np.random.default_rng(0).random((2_000, 3)))
    good, bad = (split.judge(scores) for scores in (truth[judge], 0.7 - truth[judge]))
    units = {"value_unit": 0.3, "loss_unit": 0.6}
    assert compare(good, flat, **units).objective > 0 > compare(bad, flat, **units).objective
    assert compare(bad, flat, **units).clearly_worse
    assert not compare(good, flat, **units).clearly_worse
    assert compare(flat, flat, **units).objective == 0.0


def test_loss_decides_where_values_cannot_be_told_apart() -> None:
    """A value gain within one standard error counts as none; beyond it, it counts less that error."""
    rng = np.random.default_rng(0)
    rows, noise = np.full(100, 10.0), rng.normal(size=100)
    noise -= noise.mean()
    zero = Tally(np.zeros(100), np.zeros(100), rows)
    error = compare(Tally(noise, np.zeros(100), rows), zero, value_unit=1.0, loss_unit=1.0).value[1]
    within = Tally(noise + 5.0 * error, np.full(100, -1.0), rows)
    told = compare(within, zero, value_unit=1.0, loss_unit=1.0)
    assert told.value[0] == pytest.approx(0.5 * error)
    assert told.objective == pytest.approx(0.1)
    beyond = compare(Tally(noise + 30.0 * error, np.full(100, -1.0), rows), zero, value_unit=2.0, loss_unit=1.0)
    assert beyond.objective == pytest.approx(0.1 + error)


@given(st.integers(0, 1_000))
def test_bucket_sums_know_the_error_of_a_mean(seed: int) -> None:
    """The error from a hundred bucket sums is that of the rows, within what a hundred sums can tell."""
    rng = np.random.default_rng(seed)
    values, bucket = rng.exponential(size=20_000), rng.integers(0, 100, 20_000)
    tally = Tally(np.bincount(bucket, values), np.zeros(100), np.bincount(bucket).astype(float))
    mean, error = tally.mean("value")
    assert mean == pytest.approx(values.mean())
    assert error == pytest.approx(values.std() / np.sqrt(20_000), rel=0.35)


def test_amounts_are_judged_with_their_tails_cut() -> None:
    """One huge payment does not change the loss of a prediction more than the cut allows."""
    training, truth = make(1_000)
    amount = training.reward * 100.0
    huge = amount.copy()
    huge[900] = 1e6
    losses = []
    for reward in (amount, huge):
        log = TrainingSet(**{**vars(training), "reward": reward, "reward_kind": "amount"})
        split = ForwardSplit(log, np.arange(500), np.arange(500, 1_000), training.propensity, 0)
        losses.append(split.judge(100.0 * truth[500:]).mean("loss")[0])
    assert losses[1] < losses[0] + 100.0**2 / 500 + 1e-6


def test_a_tally_survives_the_journal() -> None:
    """To a dictionary and back, nothing is lost."""
    tally = Tally(np.array([0.1, 2.0]), np.array([0.3, 1 / 3]), np.array([1.0, 2.0]))
    again = Tally.from_dict(tally.to_dict())
    assert all(np.array_equal(getattr(tally, name), getattr(again, name)) for name in ("value", "loss", "rows"))


@pytest.mark.parametrize(
    ("value", "loss", "worse"),
    [
        ((-1.97, 1.0), (5.0, 1.0), True),  # the whole interval of the value is below 0
        ((-1.95, 1.0), (-5.0, 1.0), False),  # it is not, and it is told apart: the loss is not asked
        ((-0.99, 1.0), (-1.97, 1.0), True),  # not told apart: the loss decides, by its whole interval
        ((-0.99, 1.0), (-1.95, 1.0), False),
        ((0.99, 1.0), (-1.97, 1.0), True),
        ((1.01, 1.0), (-9.0, 1.0), False),
        ((0.0, 0.0), (-1.0, 0.1), True),  # the same policy, a worse prediction
        ((0.0, 0.0), (0.0, 0.0), False),
    ],
)
def test_clearly_worse_is_beyond_95_percent(value, loss, worse) -> None:
    """In value, or in loss where one standard error of the value hides which is better."""
    assert Difference(value, loss, 0.0).clearly_worse == worse


def test_the_objective_takes_one_standard_error_off_the_value_and_adds_the_loss() -> None:
    """Towards 0 from either side, never beyond it; the loss counts as it is, each in its own unit."""
    rng = np.random.default_rng(4)
    rows = rng.integers(5, 20, 100).astype(float)
    default = Tally(rng.normal(size=100), rng.normal(size=100), rows)
    for shift in (-0.4, -1e-4, 0.0, 1e-4, 0.4):
        other = Tally(default.value + rows * shift + rng.normal(size=100), default.loss + rng.normal(size=100), rows)
        found = compare(other, default, value_unit=0.5, loss_unit=0.2)
        (value, error), (loss, _) = found.value, found.loss
        rest = 0.0 if abs(value) <= error else value - error if value > 0 else value + error
        assert found.objective == pytest.approx(rest / 0.5 + loss / 0.2)
        assert loss == pytest.approx((default.loss.sum() - other.loss.sum()) / rows.sum())
