"""Shapley values of trees over accounts and actions: LightGBM's own, and exact in the mean over all actions."""

import lightgbm as lgb
import numpy as np
import pytest

from recommender import ActionSpace
from recommender.allactions import KernelError, tree_shapley
from recommender.allactions.boxes import ActionGrid
from recommender.allactions.tree_shapley import TreeShapley
from recommender.learning.trees.action_trees import ActionTrees, TreeSettings
from recommender.learning.trees.tree_columns import factor_levels

SPACES = {
    "three factors": ActionSpace(
        {"channel": ["call", "sms", "email"], "hour": range(8, 14), "tone": ["soft", "firm"]}, no_contact=True
    ),
    "one factor": ActionSpace({"arm": [f"a{i}" for i in range(9)]}, no_contact=False),
    "four factors": ActionSpace({"a": [0, 1, 2], "b": ["x", "y"], "c": [1.5, 2.5, 7.0], "d": ["p"]}, no_contact=False),
}


def fitted(space, objective, seed, *, rounds=25, leaves=31):
    """Trees over numbers with gaps and zeros, a category with gaps, and the action."""
    rng = np.random.default_rng(seed)
    n = 1_500
    X = np.column_stack(
        [
            rng.normal(size=n),
            np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
            np.where(rng.random(n) < 0.4, 0.0, rng.normal(size=n)),
            np.where(rng.random(n) < 0.1, np.nan, rng.integers(0, 7, n)),
        ]
    )
    action = rng.integers(0, len(space), n)
    signal = X[:, 0] * (action % 3) + np.nan_to_num(X[:, 1]) + (X[:, 3] == 2) * (action % 2)
    target = (signal + rng.normal(size=n) > 0.3).astype(float) if objective == "binary" else signal
    settings = TreeSettings(objective=objective, n_leaves=leaves, min_leaf=3, l2=0.1, max_rounds=rounds)
    trees = ActionTrees.fit(X, [3], space, action, target, settings=settings, n_jobs=1, random_state=seed)
    return trees, np.vstack([X[:6], [[np.nan, 0.0, 1e-40, 99.0]], [[5.0, np.nan, np.nan, -0.5]]])


def lightgbm_values(trees, X, action):
    """TreeSHAP values as LightGBM gives them, averaged over boosters."""
    levels = np.stack([values for _, values, _ in factor_levels(trees.actions)], axis=1)
    design = np.column_stack([np.repeat(X, action.shape[1], axis=0), levels[action.ravel()]])
    split = np.mean([b.predict(design, pred_contrib=True, num_threads=1) for b in trees.boosters], axis=0)
    return split[:, :-1].reshape(*action.shape, -1), split[0, -1]


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
@pytest.mark.parametrize("objective", ["binary", "regression"])
def test_values_are_lightgbms(space, objective):
    """Every action of rows with missing, zero and unseen values: LightGBM's contributions, and their mean by share."""
    one, X = fitted(space, objective, 1)
    two, _ = fitted(space, objective, 2, leaves=5)
    trees = ActionTrees.mean_of([one, two])
    action = np.broadcast_to(np.arange(len(space)), (len(X), len(space)))
    share = np.random.default_rng(0).dirichlet(np.ones(len(space)))
    values, mean, start = trees.shapley_values(X, action, share)
    wanted, bias = lightgbm_values(trees, X, action)
    assert start == pytest.approx(bias, abs=1e-12)
    assert np.abs(values - wanted).max() < 1e-10
    assert np.abs(mean - np.einsum("naf,a->nf", wanted, share)).max() < 1e-10
    assert np.abs(start + values.sum(axis=2) - trees.raw_scores(X)).max() < 1e-9


def test_without_a_share_the_mean_is_left_out():
    """Differences between actions need no mean."""
    trees, X = fitted(SPACES["one factor"], "binary", 3)
    values, mean, _ = trees.shapley_values(X, np.zeros((len(X), 1), dtype=np.int64))
    assert values.any()
    assert not mean.any()


def test_the_means_of_many_shares_are_kept_for_a_few(monkeypatch):
    """A process that explains for months holds no more tables than it may; what was let go is computed again."""
    monkeypatch.setattr(tree_shapley, "_MOST_SHARES", 2)
    space = SPACES["one factor"]
    trees, X = fitted(space, "regression", 4, rounds=3)
    shares = np.random.default_rng(1).dirichlet(np.ones(len(space)), size=5)
    none = np.zeros((len(X), 0), dtype=np.int64)
    first = [trees.shapley_values(X, none, share)[1] for share in shares]
    for share, mean in zip(shares, first, strict=True):
        assert (trees.shapley_values(X, none, share)[1] == mean).all()
        assert len(trees._shapley._mean_of) <= 2


@pytest.mark.parametrize("levels", [(3.0,), (3.0, 5.0), (-1.0, 0.5, 8.0)])
def test_constant_models_pay_nobody(levels):
    """Boosters that never split hold their values, in the mean over boosters, as the start."""
    space = SPACES["one factor"]
    boosters = [
        lgb.train({"objective": "regression", "verbosity": -1}, lgb.Dataset(np.zeros((50, 2)), np.full(50, level)), 2)
        for level in levels
    ]
    values, mean, start = ActionTrees(boosters, space).shapley_values(
        np.zeros((2, 1)), np.array([[0, 4], [1, 1]]), np.full(9, 1 / 9)
    )
    assert not values.any()
    assert not mean.any()
    assert start == pytest.approx(np.mean([one.predict(np.zeros((1, 2)), raw_score=True)[0] for one in boosters]))


def test_texts_without_counts_and_misplaced_factors_are_refused():
    """Path-dependent values rest on the rows behind each split."""
    space = SPACES["one factor"]
    trees, _ = fitted(space, "binary", 4)
    grid = ActionGrid((4,), (np.arange(9.0),), None)
    text = "\n".join(line for line in trees.to_texts()[0].splitlines() if not line.startswith("leaf_count"))
    with pytest.raises(KernelError, match="row counts"):
        TreeShapley([text], grid, space.codes)
    with pytest.raises(KernelError, match="behind the context"):
        TreeShapley(trees.to_texts(), ActionGrid((1,), (np.arange(9.0),), None), space.codes)


def test_a_value_on_a_threshold_goes_where_lightgbm_sends_it():
    """Accounts whose numbers are the very thresholds of the trees: at most is left, for each of them."""
    space = SPACES["three factors"]
    trees, _ = fitted(space, "regression", 4)
    table = trees.boosters[0].trees_to_dataframe()
    column = table["split_feature"].str.removeprefix("Column_")
    X = np.zeros((0, 4))
    for feature in ("0", "1", "2"):
        edges = table.loc[(column == feature) & (table["decision_type"] == "<="), "threshold"].astype(float).unique()
        rows = np.zeros((min(8, len(edges)), 4))
        rows[:, int(feature)] = edges[: len(rows)]
        X = np.vstack([X, rows])
    assert len(X) > 15
    action = np.broadcast_to(np.arange(len(space)), (len(X), len(space)))
    values, _, _ = trees.shapley_values(X, action)
    wanted, _ = lightgbm_values(trees, X, action)
    assert np.abs(values - wanted).max() < 1e-10
