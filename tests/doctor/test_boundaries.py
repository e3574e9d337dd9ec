"""Findings on both sides of what they say: weights that miss 1 above and below, contacts at night."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from recommender import ActionSpace, LoggedFeedback
from recommender.monitoring.overlap_checks import check_propensities
from recommender.monitoring.time_checks import check_clocks


def log_of(hours, propensity):
    """A log of contacts at given hours, chosen with given probabilities."""
    n = len(hours)
    frame = pd.DataFrame(
        {
            "hour": hours,
            "reward": np.tile([0.0, 1.0], n)[:n],
            "propensity": propensity,
            "x": np.arange(n) % 7,
            "at": pd.date_range("2026-03-02", periods=n, freq="h", tz="UTC"),
            "account_id": [f"A{i}" for i in range(n)],
        }
    )
    return LoggedFeedback.from_frame(
        frame, actions=ActionSpace({"hour": [2, 5, 6, 10, 22, 23]}), context=["x"], reward="reward",
        propensity="propensity", account="account_id", time="at",
    )  # fmt: skip


@pytest.mark.parametrize(("wrong_by", "found"), [(1.0, False), (1.5, True), (1 / 1.5, True)])
def test_weights_may_miss_one_on_either_side(wrong_by, found):
    """Propensities that are too large are as wrong as those that are too small."""
    hours = np.tile([2, 5, 6, 10, 22, 23], 100)
    codes = {finding.code for finding in check_propensities(log_of(hours, wrong_by / 6))}
    assert ("weights_do_not_add_up" in codes) == found


@pytest.mark.parametrize(("hour", "night"), [(2, True), (5, True), (6, False), (10, False), (22, False), (23, True)])
def test_night_is_from_23_to_6(hour, night):
    """One contact in ten at that hour, all others by day."""
    hours = np.where(np.arange(600) % 10 == 0, hour, 10)
    codes = {finding.code for finding in check_clocks(log_of(hours, 1 / 6))}
    assert ("contacts_at_night" in codes) == night
