"""Ratios, differences, products and clocks: what trees read of them, and that they are taken only where they help."""

import numpy as np
import pandas as pd
import pytest

from recommender.actions import ActionSpace
from recommender.learning import RewardModel, TrainingSet, TreeSettings, member_fits
from recommender.learning.tree_candidates import _best, _fewer, _Tried
from recommender.learning.trees import ActionTrees, Clock, DerivedColumns, PairColumn

FACTORS = {"channel": list("ab"), "hour": list(range(8, 20)), "tone": list("xyz")}
N = 3_000


def _log(rng, actions, n=N):
    """Answers come within five hours after somebody's own hour, where the first amount is above the second."""
    X = np.column_stack(
        [
            rng.exponential(100, n),
            rng.exponential(50, n),
            rng.integers(0, 24, n),
            rng.normal(size=n),
            rng.integers(0, 4, n),
        ]
    )
    X[rng.random(X.shape) < 0.05] = np.nan
    action = rng.integers(0, len(actions), n)
    hour = np.where(actions.codes[action, 1] < 0, np.nan, actions.codes[action, 1] + 8)
    good = (np.mod(hour - X[:, 2], 24) < 5) & (X[:, 0] > X[:, 1])
    return X, action, np.where(rng.random(n) < 0.1, ~good, good).astype(float)


@pytest.fixture(scope="module", params=[False, True], ids=["contacts only", "with NO_CONTACT"])
def grown(request):
    """Trees on every derived column."""
    rng = np.random.default_rng(0)
    actions = ActionSpace(FACTORS, no_contact=request.param)
    X, action, target = _log(rng, actions)
    derived = DerivedColumns.fit(X, [4], actions, np.arange(1, 6.0))
    settings = TreeSettings(max_rounds=40, l2=1.0)
    fitted = ActionTrees.fit(
        X, [4], actions, action, target, settings=settings, derived=derived, n_jobs=1, random_state=0
    )
    return fitted, X


def test_kinds_and_ranges_tell_which_columns_exist(grown):
    """Ratios of what is not negative, differences of like spreads, no pair of a category, hours on the dial only."""
    derived = grown[0].derived
    assert (derived.clocks, derived.factor) == ((Clock(2, 24.0),), 1)
    kinds = {(pair.kind, *sorted((pair.one, pair.other))) for pair in derived.pairs}
    assert {("ratio", 0, 1), ("ratio", 0, 2), ("difference", 0, 1), ("product", 2, 3)} <= kinds
    assert not kinds & {("ratio", 0, 3), ("difference", 0, 3)}
    assert all(4 not in (pair.one, pair.other) for pair in derived.pairs)
    assert len(DerivedColumns.fit(grown[1][:, 3:4], [], ActionSpace({"a": list("xy")}), np.ones(1))) == 0


def test_every_action_scores_as_the_booster_reads_it(grown):
    """Level by level through the kernel, as row by row through LightGBM."""
    trees, X = grown
    scores = trees.raw_scores(X[:60])
    for action in range(len(trees.actions)):
        asked = np.full(60, action)
        assert scores[:, action] == pytest.approx(trees.logged_scores(X[:60], asked), abs=1e-12)
        assert scores[:, action] == pytest.approx(trees.scores_of(X[:60], asked[:, None])[:, 0], abs=1e-12)


def test_shapley_values_belong_to_columns_and_factors_and_add_up(grown):
    """Derived columns hand what they are paid to their sources; the mean over actions is the mean of the values."""
    trees, X = grown
    rng = np.random.default_rng(1)
    share = rng.dirichlet(np.ones(len(trees.actions)))
    every = np.tile(np.arange(len(trees.actions)), (12, 1))
    values, mean, start = trees.shapley_values(X[:12], every, share)
    scores = trees.raw_scores(X[:12])
    assert values.shape == (12, len(trees.actions), X.shape[1] + 3)
    assert values.sum(axis=2) + start == pytest.approx(scores, abs=1e-9)
    assert np.einsum("nak,a->nk", values, share) == pytest.approx(mean, abs=1e-9)


def test_they_survive_the_files(grown):
    """From texts and description, to the bit."""
    trees, X = grown
    again = ActionTrees.from_texts(trees.to_texts(), trees.actions, trees.derived.to_dict())
    assert again.derived == trees.derived
    assert np.array_equal(again.raw_scores(X[:50]), trees.raw_scores(X[:50]))


def test_a_pair_is_what_it_says():
    """By hand; missing stays missing, and what lies below all that was seen divides by no zero."""
    X = np.array([[4.0, 2.0], [np.nan, 1.0], [3.0, -5.0]])
    ratio = PairColumn("ratio", 0, 1, (0.0, 1.0)).of(X)
    assert ratio[[0, 2]].tolist() == [4 / 3, 3.0]
    assert np.isnan(ratio[1])
    assert PairColumn("difference", 0, 1).of(X)[[0, 2]].tolist() == [2.0, 8.0]
    product = PairColumn("product", 0, 1, (1.0, 2.0), (2.0, 3.0)).of(X)
    assert product[2] == pytest.approx(1.0 * -7 / 3)


def test_columns_are_taken_only_where_clearly_ahead():
    """A few pairs by 1.5 standard errors of the paired difference, all by 2.5; clocks stay as they are."""
    noise = np.random.default_rng(0).normal(size=10_000)
    error = 0.01  # of the mean of such noise
    plain, near, ahead = (
        _Tried(DerivedColumns(), None, noise * size - gain * error - noise.mean() * size)
        for size, gain in ((0.0, 0.0), (1.0, 1.0), (1.0, 2.0))
    )
    assert _best(plain, near, [near]) is plain
    assert _best(plain, near, [near, ahead]) is ahead
    assert _best(plain, ahead, [near]) is plain  # dozens of columns have to be further ahead
    pairs = tuple(PairColumn("difference", 0, j) for j in range(1, 9))
    every = DerivedColumns(pairs, (Clock(0, 24.0),), 1)
    fewer = _fewer(every, np.arange(8.0))
    assert [(len(one.pairs), len(one.clocks)) for one in fewer] == [(6, 1), (2, 1)]
    assert fewer[1].pairs == pairs[-2:]


def test_a_model_takes_them_where_hours_decide(monkeypatch):
    """Somebody's own hour decides: clocks are found, served from every row, explained and kept in the files."""
    monkeypatch.setattr(member_fits, "grown_trees", lambda *_: TreeSettings(max_rounds=60, l2=1.0))
    actions = ActionSpace(FACTORS)
    X, action, target = _log(np.random.default_rng(3), actions, 2_400)
    training = TrainingSet(
        context=pd.DataFrame(X[:, :4], columns=["debt", "income", "own_hour", "other"]),
        categorical=(),
        actions=actions,
        action=action,
        reward=target,
        reward_kind="binary",
        propensity=np.full(len(X), 1 / len(actions)),
        groups=np.arange(len(X)),
    )
    model = RewardModel().fit(training)
    part = model.parts["event"]
    assert part.weights["grown"] > 0
    assert [clock.column for clock in part.trees["grown"].derived.clocks] == [2]
    again = RewardModel.from_files(model.to_files())
    assert np.array_equal(again.expected_reward(training.context[:30]), model.expected_reward(training.context[:30]))


@pytest.mark.parametrize(
    ("levels", "period"),
    [
        (range(1, 8), 7.0), (range(7), 7.0), (range(8), 24.0), (range(1, 7), 7.0), (range(8, 20), 24.0),
        (range(1, 25), 24.0), (range(1, 32), 31.0), (range(32), 31.0), ((8.5, 9, 11, 14, 17, 20), 24.0),
    ],
)  # fmt: skip
def test_a_dial_is_counted_from_zero_or_from_one(levels, period):
    """Weekdays of ISO run from 1 to 7, and hours may be called 1 to 24."""
    actions = ActionSpace({"channel": ["sms", "call"], "slot": list(levels)})
    X = np.random.default_rng(0).choice(list(levels), 500)[:, None].astype(float)
    assert DerivedColumns.fit(X, [], actions, np.zeros(1)).clocks == (Clock(0, period),)
