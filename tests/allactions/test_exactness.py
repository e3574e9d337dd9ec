"""The scorer equals ``Booster.predict`` on boosters and rows of every kind."""

from __future__ import annotations

from typing import Any

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from recommender import ActionSpace
from recommender.allactions import ActionScorer, compilation
from recommender.allactions.layout import CellLayout
from recommender.allactions.model_text import parse_model
from recommender.allactions.verification import adversarial_rows
from tests.allactions.reference_boosters import (
    QUIET,
    cross_product,
    naive_scores,
    naive_top_k,
    scorer_from_booster,
    scorer_from_boosters,
    scorer_from_model_string,
)

SPACE = ActionSpace({"channel": list("abcd"), "hour": [8, 12, 15, 19, 20]}, no_contact=True)
ROWS = np.vstack([[(c, h) for c in range(4) for h in (8, 12, 15, 19, 20)], [[np.nan, np.nan]]]).astype(float)
COLUMNS = {"channel": 4, "hour": 5}

OBJECTIVES: dict[str, dict[str, Any]] = {
    "binary": {"objective": "binary"},
    "regression": {"objective": "regression"},
    "tweedie": {"objective": "tweedie"},
    "poisson": {"objective": "poisson"},
    "random forest": {"objective": "binary", "boosting": "rf", "bagging_fraction": 0.6, "bagging_freq": 1},
    "dart": {"objective": "regression", "boosting": "dart"},
}


def _train(
    rng: np.random.Generator,
    *,
    kind: str = "regression",
    action_share: float = 0.5,
    n_rounds: int = 12,
    missing: float = 0.1,
    **params: Any,
) -> lgb.Booster:
    n = 1500
    context = rng.normal(size=(n, 4))
    context[rng.random((n, 4)) < missing] = np.nan
    context[rng.random((n, 4)) < 0.1] = 0.0
    context[:, 2] = np.round(context[:, 2] * 3)
    context[:, 3] = rng.integers(-2, 70, n)
    X = np.hstack([context, ROWS[rng.integers(0, len(ROWS), n)]])
    filled = np.nan_to_num(X)
    signal = filled[:, 0] + (filled[:, 3] % 3 == 0) + filled[:, 1] * filled[:, 2] * 0.3
    signal += action_share * ((filled[:, 4] % 2) * filled[:, 0] + np.cos(filled[:, 5]) * (filled[:, 1] > 0)) * 3
    settings_ = {**QUIET, **OBJECTIVES[kind], "min_data_in_leaf": 3, "min_data_per_group": 2, "cat_smooth": 1, **params}
    target = {"binary": signal > 0, "random forest": signal > 0}.get(kind, signal)
    if kind in {"tweedie", "poisson"}:
        target = np.floor(np.exp(np.clip(signal, -3, 3)))
    data = lgb.Dataset(X, target, categorical_feature=[3, 4], params=settings_)
    return lgb.train(settings_, data, n_rounds)


def _assert_exact(booster: lgb.Booster, scorer: ActionScorer, context: NDArray[np.float64]) -> None:
    expected = naive_scores(booster, context, ROWS)
    found = scorer.raw_scores(context)
    assert np.abs(found - expected).max() <= scorer.error_bound
    assert scorer.error_bound <= 1e-6 * max(1.0, scorer.scale)
    ids, scores = scorer.top_k(context, 3)
    by_scorer, best = naive_top_k(found, 3)
    np.testing.assert_array_equal(ids, by_scorer)
    np.testing.assert_array_equal(scores, best)
    # the booster ranks the same wherever its scores are told apart by more than rounding
    ranked = -np.sort(-expected, axis=1)[:, :4]
    clear = (-np.diff(ranked, axis=1) > 2 * scorer.error_bound).all(axis=1)
    np.testing.assert_array_equal(ids[clear], naive_top_k(expected, 3)[0][clear])


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(
    seed=st.integers(0, 10_000),
    kind=st.sampled_from(list(OBJECTIVES)),
    n_leaves=st.sampled_from([2, 3, 8, 31, 64, 65, 150]),
    max_depth=st.sampled_from([-1, 1, 2, 5]),
    action_share=st.sampled_from([0.0, 0.5, 5.0]),
    missing=st.sampled_from([0.0, 0.2]),
    use_missing=st.booleans(),
    zero_as_missing=st.booleans(),
    max_cat_to_onehot=st.sampled_from([1, 4, 100]),
)
def test_generated_boosters_on_adversarial_rows(
    seed: int,
    kind: str,
    n_leaves: int,
    max_depth: int,
    action_share: float,
    missing: float,
    use_missing: bool,
    zero_as_missing: bool,
    max_cat_to_onehot: int,
) -> None:
    """Any depth, leaf count, missing mode, categorical mode and share of action splits is reproduced to the bound."""
    rng = np.random.default_rng(seed)
    booster = _train(
        rng,
        kind=kind,
        action_share=action_share,
        missing=missing,
        num_leaves=n_leaves,
        max_depth=max_depth,
        use_missing=use_missing,
        zero_as_missing=zero_as_missing,
        max_cat_to_onehot=max_cat_to_onehot,
    )
    scorer = scorer_from_booster(booster, SPACE, COLUMNS)
    text = booster.model_to_string()
    context = adversarial_rows(parse_model(text), rng)[:150, :4]
    _assert_exact(booster, scorer, context)
    reloaded = scorer_from_model_string(text, SPACE, COLUMNS)
    np.testing.assert_array_equal(reloaded.raw_scores(context), scorer.raw_scores(context))


@pytest.mark.parametrize("lane_factors", [(), (0,), (1,), (0, 1)])
@pytest.mark.parametrize("n_leaves", [20, 150])
def test_leaves_added_one_by_one_or_by_box(
    n_leaves: int, lane_factors: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ways give the same bits, within the bound, for boxes of one and several vectors and runs."""
    rng = np.random.default_rng(11)
    booster = _train(rng, num_leaves=n_leaves, action_share=5.0, max_cat_to_onehot=1)
    context = adversarial_rows(parse_model(booster.model_to_string()), rng)[:150, :4]
    monkeypatch.setattr(compilation, "choose_layout", lambda shape, *_: CellLayout(shape, lane_factors))
    found = []
    for worth in (0.0, 1e9):
        monkeypatch.setattr(compilation, "_WORTH_GATHERING", worth)
        scorer = scorer_from_booster(booster, SPACE, COLUMNS)
        _assert_exact(booster, scorer, context)
        found.append(scorer.raw_scores(context))
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize(
    "value", [1e-35, -1e-35, 1.0000000180025095e-35, 2e-35, -0.0, -0.5, -1.0, 2.0**31, 2.0**32 + 1]
)
def test_special_values_one_by_one(value: float) -> None:
    """Values that LightGBM casts, flushes or overflows give the booster's own scores in every column."""
    booster = _train(np.random.default_rng(3), zero_as_missing=value < 0, num_leaves=40)
    scorer = scorer_from_booster(booster, SPACE, COLUMNS)
    _assert_exact(booster, scorer, np.full((1, 4), value))


def test_no_contact_reads_its_own_values() -> None:
    """``NO_CONTACT`` is scored with the given values, not with those of any level."""
    booster = _train(np.random.default_rng(5), num_leaves=40, action_share=5.0)
    context = np.random.default_rng(6).normal(size=(40, 4))
    scorer = scorer_from_booster(booster, SPACE, COLUMNS, idle_values={"channel": 2.0, "hour": 30.0})
    expected = booster.predict(cross_product(context, np.array([[2.0, 30.0]])), raw_score=True)
    np.testing.assert_allclose(scorer.raw_scores(context)[:, -1], expected, rtol=0, atol=scorer.error_bound)


def test_factor_values_override_positions() -> None:
    """A level may be any number in the booster; numeric levels stand for themselves by default."""
    booster = _train(np.random.default_rng(7), num_leaves=40, action_share=5.0)
    context = np.random.default_rng(8).normal(size=(40, 4))
    space = ActionSpace({"hour": [20, 8], "channel": ["x", "y", "z"]})
    scorer = scorer_from_booster(booster, space, COLUMNS, factor_values={"channel": [3, 0, 99]})
    rows = np.array([(c, h) for h in (20, 8) for c in (3, 0, 99)], dtype=float)
    expected = naive_scores(booster, context, rows)
    np.testing.assert_allclose(scorer.raw_scores(context), expected, rtol=0, atol=scorer.error_bound)


def test_weighted_members_add_up() -> None:
    """Several boosters with weights score as the weighted sum of their predictions."""
    members = [_train(np.random.default_rng(seed), num_leaves=20) for seed in (1, 2)]
    context = np.random.default_rng(9).normal(size=(50, 4))
    scorer = scorer_from_boosters([(members[0], 0.25), (members[1], 0.75)], SPACE, COLUMNS)
    expected = 0.25 * naive_scores(members[0], context, ROWS) + 0.75 * naive_scores(members[1], context, ROWS)
    np.testing.assert_allclose(scorer.raw_scores(context), expected, rtol=0, atol=scorer.error_bound)


def test_constant_target_gives_single_leaves() -> None:
    """A booster that found no split scores its constant for every action."""
    X = np.random.default_rng(0).normal(size=(200, 6))
    booster = lgb.train({**QUIET, "objective": "regression"}, lgb.Dataset(X, np.full(200, 3.5)), 3)
    scores = scorer_from_booster(booster, SPACE, COLUMNS).raw_scores(X[:2, :4])
    np.testing.assert_array_equal(scores, np.full((2, 21), 3.5))


def test_model_text_without_trees_scores_zero() -> None:
    """A model text without any tree gives zeros, as a sum over nothing."""
    booster = _train(np.random.default_rng(0))
    header, rest = booster.model_to_string().split("\nTree=0", 1)
    text = header + "\nend of trees" + rest.split("end of trees", 1)[1]
    scores = scorer_from_model_string(text, SPACE, COLUMNS).raw_scores(np.zeros((3, 4)))
    np.testing.assert_array_equal(scores, np.zeros((3, 21)))


def test_only_actions_matter() -> None:
    """Trees that look at no context at all are reproduced."""
    rng = np.random.default_rng(0)
    X = np.hstack([np.zeros((900, 4)), ROWS[rng.integers(0, 20, 900)]])
    target = X[:, 4] * 3 + X[:, 5]
    params = {**QUIET, "objective": "regression", "min_data_in_leaf": 1, "min_data_per_group": 1}
    booster = lgb.train(params, lgb.Dataset(X, target, categorical_feature=[4]), 15)
    scorer = scorer_from_booster(booster, SPACE, COLUMNS)
    _assert_exact(booster, scorer, rng.normal(size=(5, 4)))


@pytest.mark.parametrize("shape", [(80,), (2, 3, 2, 4), (40, 30)])
def test_other_numbers_of_factors(shape: tuple[int, ...]) -> None:
    """One factor, four factors and a thousand actions are scored exactly."""
    rng = np.random.default_rng(1)
    rows = np.indices(shape).reshape(len(shape), -1).T.astype(float)
    X = np.hstack([rng.normal(size=(3000, 2)), rows[rng.integers(0, len(rows), 3000)]])
    target = X[:, 0] * np.sin(X[:, 2]) + np.cos(X[:, -1]) * X[:, 1]
    params = {**QUIET, "objective": "regression", "min_data_in_leaf": 2, "min_data_per_group": 2, "num_leaves": 40}
    booster = lgb.train(params, lgb.Dataset(X, target, categorical_feature=[2]), 20)
    space = ActionSpace({f"f{i}": range(size) for i, size in enumerate(shape)})
    scorer = scorer_from_booster(booster, space, {f"f{i}": 2 + i for i in range(len(shape))})
    context = rng.normal(size=(30, 2))
    expected = naive_scores(booster, context, rows)
    np.testing.assert_allclose(scorer.raw_scores(context), expected, rtol=0, atol=scorer.error_bound)
