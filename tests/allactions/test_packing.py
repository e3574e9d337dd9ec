"""The packed tables are the tables."""

from __future__ import annotations

import lightgbm as lgb
import numpy as np
import pytest

from recommender import ActionSpace
from recommender.allactions.action_columns import action_grid
from recommender.allactions.compilation import compile_ensemble
from recommender.allactions.model_text import parse_model
from recommender.allactions.packing import pack, unit_of, unpack_coding, unpack_leaves, unpack_words
from tests.allactions.reference_boosters import QUIET


@pytest.mark.parametrize("constant", [False, True])
def test_every_table_comes_back_as_it_was(constant: bool) -> None:
    """Numbers, kinds and shapes survive, also where a model has no split and tables are empty."""
    rng = np.random.default_rng(0)
    X = np.column_stack(
        [rng.normal(size=800), rng.integers(0, 90, 800), rng.integers(0, 3, 800), rng.integers(0, 9, 800)]
    )
    target = np.ones(800) if constant else X[:, 0] * (X[:, 1] % 3) + X[:, 2] * (X[:, 3] > 4)
    parameters = {**QUIET, "objective": "regression", "num_leaves": 80, "min_data_in_leaf": 3}
    booster = lgb.train(parameters, lgb.Dataset(X, target, categorical_feature=[1]), 12)
    ensemble = parse_model(booster.model_to_string())
    actions = ActionSpace({"channel": ["a", "b", "c"], "hour": range(9)})
    grid = action_grid(actions.factors, ensemble, {"channel": 2, "hour": 3}, {}, None)
    compiled = compile_ensemble(ensemble, grid)
    packed = pack(compiled, 0.25)
    assert unit_of(packed) == 0.25
    pairs = [
        (compiled.coding, unpack_coding(packed)),
        (compiled.words, unpack_words(packed)),
        (compiled.leaves, unpack_leaves(packed)),
    ]
    for given, found in pairs:
        assert type(found) is type(given)
        for name in given._fields:
            np.testing.assert_array_equal(getattr(found, name), getattr(given, name), err_msg=name)
            assert np.asarray(getattr(found, name)).dtype == np.asarray(getattr(given, name)).dtype, name
