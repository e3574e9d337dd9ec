"""Findings on both sides of what they say: weights that miss 1, contacts at night, every limit of a share or count."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from recommender import ActionSpace, LoggedFeedback
from recommender.monitoring.log_checks import (
    check_clusters,
    check_context,
    check_delay,
    check_duplicates,
    check_rewards,
    check_thin_cells,
)
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


def some(n, of):
    """A column of ones in the first n of so many rows, zeros in the rest."""
    return (np.arange(of) < n).astype(float)


def rows(n, **columns):
    """A log of two actions, taken in turn; what is given replaces a column."""
    frame = pd.DataFrame(
        {
            "arm": np.tile(["a", "b"], n)[:n],
            "reward": np.tile([0.0, 1.0, 1.0], n)[:n],
            "propensity": 0.5,
            "x": np.arange(n, dtype=float),
            "at": np.arange(n, dtype=float),
            "account_id": np.arange(n),
        }
    ).assign(**columns)
    return LoggedFeedback.from_frame(
        frame, actions=ActionSpace({"arm": ["a", "b", "c"]} if "c" in set(frame["arm"]) else {"arm": ["a", "b"]}),
        context=["x"], reward="reward", propensity="propensity", account="account_id", time="at",
    )  # fmt: skip


def unlogged(n, of):
    return np.where(some(n, of) > 0, np.nan, 0.5)


def certain(n):
    return np.where(some(n, 1_000) > 0, 1.0, 0.5)


def repeated(n):
    """A thousand rows, of which so many are there twice."""
    once = np.r_[: 1_000 - n, :n]
    return rows(
        1_000, account_id=once, at=once, x=once, arm=np.array(["a", "b"])[once % 2], reward=(once % 3 > 0) * 1.0
    )


def arms(*counts):
    """So many rows of each action."""
    return rows(sum(counts), arm=np.repeat(list("abc")[: len(counts)], counts))


def waiting(n):
    """A hundred rows, of which so many wait for their outcome."""
    return rows(100, reward=np.where(some(n, 100) > 0, np.nan, np.tile([0.0, 1.0], 50)))


@pytest.mark.parametrize(
    ("check", "make_log", "code", "grades"),
    [
        (check_propensities, lambda: rows(1_000), "missing_propensities", None),
        (
            check_propensities,
            lambda: rows(1_000, propensity=unlogged(1, 1_000)),
            "missing_propensities",
            ("fine", "fine"),
        ),
        (
            check_propensities,
            lambda: rows(1_000, propensity=unlogged(50, 1_000)),
            "missing_propensities",
            ("fine", "fine"),
        ),
        (
            check_propensities,
            lambda: rows(1_000, propensity=unlogged(51, 1_000)),
            "missing_propensities",
            ("fine", "care"),
        ),
        (check_propensities, lambda: rows(1_000, propensity=certain(300)), "often_certain", None),
        (check_propensities, lambda: rows(1_000, propensity=certain(301)), "often_certain", ("fine", "care")),
        (check_propensities, lambda: rows(1_000, propensity=certain(950)), "deterministic_policy", None),
        (check_propensities, lambda: rows(1_000, propensity=certain(951)), "deterministic_policy", ("care", "stop")),
        (check_rewards, lambda: rows(200, reward=some(30, 200)), "few_outcomes", None),
        (check_rewards, lambda: rows(200, reward=some(170, 200)), "few_outcomes", None),
        (check_rewards, lambda: rows(199, reward=some(30, 199)), "few_outcomes", ("care", "care")),
        (check_rewards, lambda: rows(200, reward=some(29, 200)), "few_outcomes", ("care", "care")),
        (check_rewards, lambda: rows(200, reward=some(171, 200)), "few_outcomes", ("care", "care")),
        (check_rewards, lambda: rows(50, reward=some(5, 50)), "few_outcomes", ("care", "care")),
        (check_rewards, lambda: rows(49, reward=some(5, 49)), "few_outcomes", ("stop", "stop")),
        (check_rewards, lambda: rows(50, reward=some(4, 50)), "few_outcomes", ("stop", "stop")),
        (
            check_context,
            lambda: rows(100, x=np.where(some(50, 100) > 0, np.nan, np.arange(100.0))),
            "mostly_missing",
            None,
        ),
        (
            check_context,
            lambda: rows(100, x=np.where(some(51, 100) > 0, np.nan, np.arange(100.0))),
            "mostly_missing",
            ("fine", "fine"),
        ),
        (check_duplicates, lambda: rows(1_000), "duplicates", None),
        (check_duplicates, lambda: repeated(1), "duplicates", ("fine", "fine")),
        (check_duplicates, lambda: repeated(2), "duplicates", ("care", "care")),
        (check_duplicates, lambda: rows(1_000, account_id=np.r_[:995, :5], at=np.r_[:995, :5]), "same_instant", None),
        (
            check_duplicates,
            lambda: rows(1_000, account_id=np.r_[:994, :6], at=np.r_[:994, :6]),
            "same_instant",
            ("care", "fine"),
        ),
        (check_thin_cells, lambda: arms(100, 30, 100), "thin_cells", None),
        (check_thin_cells, lambda: arms(100, 29, 100), "thin_cells", ("fine", "fine")),
        (check_thin_cells, lambda: arms(100, 29, 29), "thin_cells", ("care", "fine")),
        (check_thin_cells, lambda: arms(100, 100, 100), "thin_levels", None),
        (check_thin_cells, lambda: arms(100, 99, 100), "thin_levels", ("care", "care")),
        (check_delay, lambda: rows(100), "immature", None),
        (check_delay, lambda: waiting(29), "immature", ("fine", "fine")),
        (check_delay, lambda: waiting(30), "immature", ("care", "fine")),
        (check_clusters, lambda: rows(300, account_id=np.arange(300) % 100), "few_clusters", None),
        (check_clusters, lambda: rows(300, account_id=np.arange(300) % 99), "few_clusters", ("care", "care")),
    ],
)
def test_every_limit_counts_on_the_side_that_it_says(check, make_log, code, grades):
    """On a limit, and one row beyond it: whether there is a finding, and how bad it is for learning and evaluating."""
    found = [(finding.learn, finding.evaluate) for finding in check(make_log()) if finding.code == code]
    assert found == ([] if grades is None else [grades])
