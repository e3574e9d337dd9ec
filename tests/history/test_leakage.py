"""Columns that tell the outcome too well: what is found, and what only looks like it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from recommender.history.leakage import TOO_GOOD, discrimination, leakage_suspects

N = 1_200


@pytest.fixture(scope="module")
def success():
    return np.random.default_rng(0).random(N) < 0.3


@pytest.mark.parametrize("rows_each", [1, 2, 3, 6, 40])
def test_levels_that_know_nothing_are_no_leak(success, rows_each):
    """However few rows a level has, an identifier too: it is ranked by other rows than those that it is judged on."""
    rng = np.random.default_rng(rows_each)
    levels = pd.Series(rng.permutation(np.arange(N) // rows_each)).astype("str")
    assert discrimination(levels, success) < 0.65


def test_a_level_that_tells_the_outcome_is_found(success):
    """In every row; in one of eight it is wrong, and the area says so."""
    rng = np.random.default_rng(1)
    words = pd.Series(np.where(success, "settled", "open"))
    assert discrimination(words, success) == 1.0
    odd = np.where(rng.random(N) < 1 / 8, ~success, success)
    assert discrimination(pd.Series(np.where(odd, "settled", "open")), success) == pytest.approx(
        roc_auc_score(success, odd),
        abs=0.01,  # the halves rank by their own rates
    )


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_numbers_are_judged_by_their_area_to_either_side(success, sign):
    """Ties counted half; unknown cells stand in the middle, and whether a cell is known is a column of its own."""
    rng = np.random.default_rng(2)
    values = sign * (rng.integers(0, 6, N) + 2 * success)
    assert discrimination(pd.Series(values), success) == pytest.approx(roc_auc_score(success, sign * values))
    known = pd.Series(np.where(success, values, np.nan))
    assert discrimination(known, success) == 1.0
    few = pd.Series(np.where(rng.random(N) < 0.1, sign * success, np.nan))  # known of few, and right of them
    assert discrimination(few, success) == 1.0


def test_suspects_are_named_with_their_reason(success):
    """By the outcome itself, by its name, by how well it tells; an identifier and a fact of before are none."""
    reward = np.where(success, 50.0, 0.0)
    reward[:5] = np.nan  # not known yet, whatever a column says
    table = pd.DataFrame({
        "copy": np.nan_to_num(reward, nan=7.0), "call_duration": 3.0, "closed": np.where(success, "yes", "no"),
        "id": np.arange(N).astype("str"), "paid_last_30d": np.random.default_rng(3).random(N),
    })  # fmt: skip
    found = leakage_suspects(table, reward, list(table))
    assert set(found) == {"copy", "call_duration", "closed"}
    assert "equals" in found["copy"] and "named" in found["call_duration"] and "1.000" in found["closed"]
    assert TOO_GOOD < 1.0
