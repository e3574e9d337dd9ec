"""The room can be taken out: copied elsewhere, it compiles and explains a booster without the package around it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import recommender.allactions

ROOM = Path(recommender.allactions.__file__).parent

ALONE = """
import sys
sys.modules["recommender"] = None  # whoever imports it fails
import lightgbm as lgb
import numpy as np
from allactions import ActionGrid, ActionScorer, KernelError, TreeShapley

rng = np.random.default_rng(0)
X = np.column_stack([rng.normal(size=(400, 2)), rng.integers(0, 3, 400), rng.integers(9, 13, 400)])
settings = {"verbosity": -1, "num_threads": 1, "min_data_in_leaf": 5}
booster = lgb.train(settings, lgb.Dataset(X, X[:, 0] * X[:, 2] + X[:, 3]), num_boost_round=5)
factors = {"arm": ["a", "b", "c"], "hour": range(9, 13)}
scorer = ActionScorer.from_booster(booster, factors, {"arm": 2, "hour": 3}, idle_values={})
scores = scorer.raw_scores(X[:7, :2])
assert scores.shape == (7, 13)
rows = np.array([[*x, arm, hour] for x in X[:7, :2] for arm in range(3) for hour in range(9, 13)])
assert np.allclose(scores[:, :12].ravel(), booster.predict(rows, raw_score=True), atol=1e-12)
grid = ActionGrid((2, 3), (np.arange(3.0), np.arange(9.0, 13.0)), None)
codes = np.stack(np.unravel_index(np.arange(12), (3, 4)), axis=1)
shapley = TreeShapley([booster.model_to_string()], grid, codes)
values, _ = shapley.values(X[:7, :2], np.zeros((7, 1), dtype=np.int64))
assert np.allclose(values[:, 0].sum(axis=1) + shapley.expected_value, scores[:, 0])
try:
    ActionScorer.from_booster(booster, factors, {"arm": 2, "hour": 9})
except KernelError as error:
    assert error.column == "factor_columns" and error.mend
else:
    raise AssertionError("a column that is not there was taken")
"""


def test_a_copy_of_the_folder_works_alone(tmp_path):
    """Nothing of the package is imported: the folder is a package of its own."""
    shutil.copytree(ROOM, tmp_path / "allactions", ignore=shutil.ignore_patterns("__pycache__"))
    quickly = os.environ | {
        "NUMBA_OPT": "0"
    }  # compiled once and hardly run: a quarter of the time went into optimising
    done = subprocess.run(
        [sys.executable, "-c", ALONE], cwd=tmp_path, env=quickly, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
