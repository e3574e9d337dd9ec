"""Factors at any place among the columns, in any number and kind: the scorer reads what the booster reads."""

from __future__ import annotations

from itertools import product

import lightgbm as lgb
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recommender import ActionSpace
from recommender.allactions.model_text import parse_model
from recommender.allactions.verification import adversarial_rows
from tests.allactions.reference_boosters import QUIET, naive_top_k, scorer_from_booster

# What a booster may read for a level: casts of categories, NaN, ties of two levels.
READ = [0.0, 1.0, 2.0, 5.0, 31.0, 32.0, 64.0, -0.5, -3.0, -0.0, 1e-36, 1e6, 2.0**31, float("nan")]
# Ways to grow trees that differ in what their text holds.
GROWN = {
    "plain": {},
    "extra trees": {"extra_trees": True},
    "random forest": {"boosting": "rf", "bagging_fraction": 0.6, "bagging_freq": 1},
    "dart": {"boosting": "dart"},
    "few bins": {"max_bin": 3, "min_data_in_bin": 1},
    "no average": {"boost_from_average": False},
}


@st.composite
def described_factors(draw: st.DrawFn) -> list[tuple[str, list[float], bool]]:
    """Kind (code, numeric or given), values read, whether the column is categorical; at most 200 actions."""
    factors = []
    cells = 1
    for _ in range(draw(st.integers(1, 5))):
        size = draw(st.integers(1, min(70, 200 // cells)))
        cells *= size
        kind = draw(st.sampled_from(["code", "numeric", "given"]))
        if kind == "numeric":
            values = [
                level / 2 for level in draw(st.lists(st.integers(-9, 150), min_size=size, max_size=size, unique=True))
            ]
        elif kind == "given":
            values = draw(st.lists(st.sampled_from(READ), min_size=size, max_size=size))
        else:
            values = [float(level) for level in range(size)]
        factors.append((kind, values, draw(st.booleans())))
    return factors


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(
    seed=st.integers(0, 10_000),
    factors=described_factors(),
    grown=st.sampled_from(list(GROWN)),
    n_leaves=st.sampled_from([2, 31, 64, 90, 512]),
    n_context=st.integers(0, 4),
    no_contact=st.sampled_from(["absent", "missing", "given"]),
    share_allowed=st.sampled_from([0.0, 0.1, 0.7]),
    k=st.sampled_from([1, 3, 300]),
)
def test_any_factors_anywhere(
    seed: int,
    factors: list[tuple[str, list[float], bool]],
    grown: str,
    n_leaves: int,
    n_context: int,
    no_contact: str,
    share_allowed: float,
    k: int,
) -> None:
    """Scores equal the booster's on the cross product, and the best allowed actions are those of a stable sort."""
    rng = np.random.default_rng(seed)
    names = [f"f{i}" for i in range(len(factors))]
    order = rng.permutation(n_context + len(factors))
    at, context_at = order[: len(factors)], np.sort(order[len(factors) :])
    none = rng.choice([-1.0, 0.0, 7.0, 300.0], len(factors)) if no_contact == "given" else np.full(len(factors), np.nan)
    rows = np.array(list(product(*(values for _, values, _ in factors))))
    if no_contact != "absent":
        rows = np.vstack([rows, none])
    X = rng.normal(size=(700, len(order))).round(1)
    X[rng.random(X.shape) < 0.1] = np.nan
    X[:, at] = rows[rng.integers(0, len(rows), 700)]
    parameters = {
        **QUIET, "objective": "regression", "num_leaves": n_leaves, "min_data_in_leaf": 1, "min_data_per_group": 1,
        "cat_smooth": 1, "feature_pre_filter": False, **GROWN[grown],
    }  # fmt: skip
    filled = np.nan_to_num(np.clip(X, -99, 99))
    target = np.sin(filled * 3).sum(axis=1) + filled[:, at[0]] % 3 * filled[:, order[-1]]
    categorical = [int(column) for column, (_, _, is_categorical) in zip(at, factors, strict=True) if is_categorical]
    booster = lgb.train(parameters, lgb.Dataset(X, target, categorical_feature=categorical, params=parameters), 8)

    space = ActionSpace(
        {
            name: values if kind == "numeric" else [f"level {i}" for i in range(len(values))]
            for name, (kind, values, _) in zip(names, factors, strict=True)
        },
        no_contact=no_contact != "absent",
    )
    scorer = scorer_from_booster(
        booster,
        space,
        dict(zip(names, at.tolist(), strict=True)),
        factor_values={name: values for name, (kind, values, _) in zip(names, factors, strict=True) if kind == "given"},
        idle_values=dict(zip(names, none.tolist(), strict=True)) if no_contact == "given" else None,
    )
    context = adversarial_rows(parse_model(booster.model_to_string()), rng)[:12, context_at]
    full = np.empty((len(context) * len(rows), len(order)))
    full[:, context_at], full[:, at] = np.repeat(context, len(rows), axis=0), np.tile(rows, (len(context), 1))
    expected = booster.predict(full, raw_score=True, num_threads=1).reshape(len(context), len(rows))
    found = scorer.raw_scores(context)
    assert np.abs(found - expected).max() <= scorer.error_bound
    mask = rng.random(found.shape) < share_allowed
    ids, scores = scorer.top_k(context, k, mask)
    by_sort, best = naive_top_k(found, k, mask)
    np.testing.assert_array_equal(ids, by_sort)
    np.testing.assert_array_equal(scores, best)
    many = np.tile(context, (60, 1))
    np.testing.assert_array_equal(scorer.raw_scores(many, n_threads=2), np.tile(found, (60, 1)))
