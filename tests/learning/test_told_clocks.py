"""Which clocks a log tells of: what the score test says with and without waves, and what is made of it."""

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import chi2

from recommender.actions import ActionSpace
from recommender.allactions.blend import design_columns, fuse_designs
from recommender.learning.regression.linear_design import LinearDesign, LinearTerm
from recommender.learning.told_clocks import told_clocks, wave_statistic
from recommender.learning.trees import Clock

HOURS = np.arange(8.0, 20.0)


def _naive(column, level, target, expected, period):
    """The same statistic from one dense design: every level's curve, steps of the column, then the waves."""
    present = np.isfinite(column)
    away = np.where(present, (column - column[present].mean()) / column[present].std(), 0.0).clip(-4, 4)
    parts = [
        (level == one) * part
        for one in np.unique(level)
        for part in (present.astype(float), present * away, present * away**2, (~present).astype(float))
    ]
    edges = np.unique(np.quantile(column[present], np.arange(1, 12) / 12))
    nuisance = np.column_stack([*parts, (np.where(present, column, -1.0)[:, None] > edges)])
    angle = 2 * np.pi * (level - np.where(present, column, 0.0)) / period
    waves = np.column_stack([np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)]) * present[:, None]
    root = np.sqrt(expected * (1 - expected))[:, None]
    along, *_ = np.linalg.lstsq(root * nuisance, root * waves, rcond=None)
    waves = waves - nuisance @ along
    score = waves.T @ (target - expected)
    return score @ np.linalg.solve(waves.T @ (root**2 * waves), score)


def test_the_statistic_is_that_of_one_dense_design():
    """Level by level, as by one regression on all dummies."""
    rng = np.random.default_rng(0)
    column = rng.uniform(0, 24, 900)
    column[rng.random(900) < 0.1] = np.nan
    level, expected = rng.choice(HOURS[:4], 900), rng.uniform(0.05, 0.6, 900)
    target = (rng.random(900) < expected).astype(float)
    told = wave_statistic(column, level, target, expected, 24.0)
    assert told == pytest.approx(_naive(column, level, target, expected, 24.0), rel=1e-6)


def test_without_waves_it_is_chi_squared():
    """An effect of the column of any shape, and one that differs from hour to hour along a curve, pass for no wave."""
    rng = np.random.default_rng(1)
    statistics = []
    for _ in range(300):
        column, level = rng.uniform(0, 24, 1_500), rng.choice(HOURS, 1_500)
        away = (column - 12) / 7
        by_hour = rng.normal(0, 0.25, (24, 2))
        own = by_hour[level.astype(int)]
        truth = expit(-1 + 0.4 * np.sign(away - 0.5) + away * own[:, 0] + 0.5 * (away**2 - 1) * own[:, 1])
        target = (rng.random(1_500) < truth).astype(float)
        statistics.append(wave_statistic(column, level, target, np.full(1_500, target.mean()), 24.0))
    beyond = np.mean(np.array(statistics) > chi2.ppf(0.95, 4))
    assert beyond == pytest.approx(0.05, abs=0.04)  # three standard errors
    assert np.mean(statistics) == pytest.approx(4.0, abs=3 * np.sqrt(8 / 300) + 0.1)


@pytest.mark.parametrize("idle", [False, True], ids=["contacts only", "with NO_CONTACT"])
def test_an_own_hour_is_told_from_counts_and_amounts(idle):
    """The column whose distance to the hour decides, and none of those that merely look like hours."""
    rng, n = np.random.default_rng(2), 8_000
    actions = ActionSpace({"channel": list("ab"), "hour": [int(h) for h in HOURS]}, no_contact=idle)
    X = np.column_stack([rng.uniform(0, 24, n), rng.poisson(6, n), rng.exponential(3, n).clip(0, 24)])
    X[rng.random(X.shape) < 0.1] = np.nan
    action = rng.integers(0, len(actions), n)
    hour = np.where(actions.codes[action, 1] >= 0, HOURS[actions.codes[action, 1]], np.nan)
    near = np.nan_to_num(np.cos(2 * np.pi * (hour - X[:, 0]) / 24))
    U = np.column_stack([np.ones(n), np.nan_to_num(X / 10)])

    def told(truth):
        return told_clocks(U, X, [], actions, action, (rng.random(n) < truth).astype(float))

    for groups in (None, np.zeros(n, dtype=int), np.arange(n)[::-1] // 3 - 7):  # one group, codes of any kind
        found = told_clocks(U, X, [], actions, action, (rng.random(n) < expit(-2 + near)).astype(float), groups)
        assert Clock(0, 24.0) in found.clocks
    found = told(expit(-2 + near))
    assert Clock(0, 24.0) in found.clocks
    assert found.factor == 1
    assert not found.pairs
    steady = [told(expit(-2 + 0.3 * np.nan_to_num(np.log1p(X[:, 2]) * (hour - 13) / 4))) for _ in range(5)]
    assert [len(one) for one in steady] == [0] * 5
    assert len(told_clocks(U, X[:, :0], [], actions, action, np.zeros(n))) == 0


def test_a_wave_is_what_it_says():
    """By hand; missing stands at the mean, and crossed with hours two waves are a function of the time between."""
    X = np.array([[0.0], [6.0], [np.nan], [15.0]])
    flat = LinearDesign((LinearTerm("one"),))
    design = flat.curved(X, flat.transform(X), dials={0: 24.0})
    assert [term.other for term in design.terms[1:]] == [1, -1, 2, -2]
    assert len(set(design.groups[1:])) == 1
    U = design.transform(X)
    centre = np.array([term.centre for term in design.terms[1:]])
    assert U[2, 1:] == pytest.approx(np.zeros(4))
    assert U[1, 1:] + centre == pytest.approx([0.0, 1.0, -1.0, 0.0], abs=1e-12)
    angle = 2 * np.pi * 15 / 24
    hour = 2 * np.pi * 19 / 24
    cosine, sine = (U[3, 1:] + centre)[:2]
    assert np.cos(hour) * cosine + np.sin(hour) * sine == pytest.approx(np.cos(hour - angle))
    again = LinearDesign.from_dict(design.to_dict())
    assert np.array_equal(again.transform(X), U)
    X[:3, 0] = np.inf, -1.0, 99.0  # no hour: as if it were missing, and no warning
    assert np.array_equal(design.transform(X)[:3, 1:], np.zeros((3, 4)))
    table, positions = fuse_designs({"curved": design.terms})
    assert design_columns(X, table)[:, positions["curved"]] == pytest.approx(design.transform(X), abs=1e-12)


@pytest.mark.parametrize("values", [(9.0, 13.0, 18.0), (10.0, 10.5, 11.0)])
def test_what_rounding_leaves_of_a_wave_tells_nothing(values):
    """Three values lie on every hour's curve: an effect of the column's own, whatever it is, is no wave."""
    rng, n = np.random.default_rng(3), 6_000
    column, level = rng.choice(values, n), rng.choice(HOURS, n)
    target = (rng.random(n) < expit(-1 + 1.5 * (column == values[1]))).astype(float)
    assert wave_statistic(column, level, target, np.full(n, target.mean()), 24.0) < 1e-6
    assert wave_statistic(column, level, np.zeros(n), np.full(n, 1e-9), 24.0) < 1e-6


def test_accounts_that_answer_alike_at_their_one_hour_tell_no_clock():
    """Three hundred accounts, each contacted twenty times at an hour of its own: as many opinions, not twenty times."""
    rng = np.random.default_rng(4)
    account, alone, together = np.repeat(np.arange(300), 20), [], []
    for _ in range(60):
        level, column = (rng.choice(of, 300)[account] for of in (HOURS, np.arange(24.0)))
        target = (rng.random(6_000) < expit(-1.5 + rng.normal(size=300)[account])).astype(float)
        given = column, level, target, np.full(6_000, target.mean()), 24.0
        alone.append(wave_statistic(*given))
        together.append(wave_statistic(*given, account))
    assert np.mean(alone) > 10.0  # of rows that were independent it would be 4
    assert np.mean(together) == pytest.approx(4.0, abs=3 * np.sqrt(8 / 60))
    one_each = wave_statistic(*given, np.arange(6_000))
    assert one_each == pytest.approx(alone[-1], rel=0.1)
