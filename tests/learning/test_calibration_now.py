"""The calibration as of now, on logs whose level and slopes are known at every moment."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from recommender.learning.calibration import LEAST_SLOPE, MOST_SLOPE, Calibration, calibrate
from recommender.learning.calibration_now import _mean_path, _Parabolas, _paths, calibration_now

N = 40_000
STILL = (lambda t: 0.0 * t, lambda t: 1.0 + 0.0 * t)
LEVEL_FALLS = (lambda t: -0.5 * (t > 0.8), lambda t: 1.0 + 0.0 * t)
ORDER_FADES = (lambda t: 0.0 * t, lambda t: 1.0 - 0.4 * np.clip((t - 0.5) / 0.3, 0.0, 1.0))
BOTH = (lambda t: -0.4 * t, lambda t: 1.0 - 0.3 * t)
Moves = tuple[Callable, Callable]


def drawn(moves: Moves, seed: int, n: int = N):
    """Rows in order of time; one in ten has an event."""
    rng = np.random.default_rng(seed)
    place = np.arange(n) / n
    level, advantage = rng.normal(-2.4, 0.5, n), rng.normal(0.0, 0.7, n)
    target = (rng.random(n) < expit(level + moves[0](place) + moves[1](place) * advantage)).astype(float)
    return level, advantage, target, place


def promised(line: Calibration, advantage: float) -> float:
    """At the usual level."""
    return float(expit(line.intercept - 2.4 * line.level + line.advantage * line.bent(np.array(advantage))))


def errors(moves: Moves, seed: int) -> tuple[float, float]:
    """Relative error of the promise of a good action, by all rows alike and as of now."""
    level, advantage, target, place = drawn(moves, seed)
    usual = calibrate(level, advantage, target, "binomial")
    now = calibration_now(usual, level, advantage, target, place)
    assert now.bend == usual.bend
    end = np.ones(1)
    truth = float(expit(-2.4 + moves[0](end) + moves[1](end) * 1.4)[0])
    return promised(usual, 1.4) / truth - 1.0, promised(now, 1.4) / truth - 1.0


@pytest.mark.parametrize("moves", [LEVEL_FALLS, ORDER_FADES, BOTH], ids=["level", "order", "both"])
def test_what_moved_is_promised_as_it_is_now(moves: Moves) -> None:
    """All rows alike promise a fifth too much or more; as of now it is a third of that, or less."""
    found = np.array([errors(moves, seed) for seed in (1, 2, 3)])
    assert abs(found[:, 0].mean()) > 0.15
    assert abs(found[:, 1].mean()) < 0.4 * abs(found[:, 0].mean())


@pytest.mark.parametrize("advantage", [-3.0, 1.0, 9.0])
@pytest.mark.parametrize("level", [-6.0, 0.0, 9.0])
def test_whatever_the_newest_rows_say_the_order_is_never_turned_round(level: float, advantage: float) -> None:
    """Slopes end where those of all rows may end: no gain turns into a harm, nor into many times itself."""
    moves = (lambda t: 0.0 * t, lambda t: 1.0 + (advantage - 1.0) * t)
    heights, gains, _, place = drawn(moves, 3, 4_000)
    tilt = 1.0 + (level - 1.0) * place
    chance = expit(-2.4 + tilt * (heights + 2.4) + moves[1](place) * gains)
    target = (np.random.default_rng(4).random(4_000) < chance).astype(float)
    now = calibration_now(calibrate(heights, gains, target, "binomial"), heights, gains, target, place)
    assert 0.0 <= now.level <= MOST_SLOPE and LEAST_SLOPE <= now.advantage <= MOST_SLOPE
    if advantage == level == 9.0:
        assert now.level == now.advantage == MOST_SLOPE
    if advantage == -3.0 and level == -6.0:
        assert (now.level, now.advantage) == (0.0, LEAST_SLOPE)


def test_what_stands_still_is_left_nearly_as_it_is() -> None:
    """Newest rows differ by chance alone: the promise moves by less than its own error."""
    found = np.array([errors(STILL, seed) for seed in range(4)])
    assert np.abs(found[:, 1] - found[:, 0]).mean() < 0.04


def test_few_rows_and_rows_of_one_kind_are_no_reason() -> None:
    """Less than a row a tenth is what it was; no event in a tenth is no infinite step."""
    usual = Calibration(0.1, 0.9, 0.8, -0.2, 2.0)
    few = np.arange(5.0)
    assert calibration_now(usual, few, few, np.ones(5), few) is usual
    level, advantage, target, place = drawn(STILL, 5, 3_000)
    target[place > 0.9] = 0.0
    now = calibration_now(usual, level, advantage, target, place)
    assert np.isfinite([now.intercept, now.level, now.advantage]).all()
    assert -6.0 < now.intercept < 0.1


def test_paths_are_those_of_a_naive_maximum() -> None:
    """Where each step is written out and the penalised parabolas are minimised by hand."""
    level, advantage, target, place = drawn(ORDER_FADES, 8, 4_000)
    columns = np.column_stack([np.ones(len(level)), level + 2.4, advantage])
    tenth = (place * 10).astype(np.int64)
    start = np.tile([-2.4, 1.0, 1.0], (10, 1))
    rows = _Parabolas.of(columns, target, tenth, start)
    firmness, mean = np.array([0.5, 4.0, 4.0]), np.array([-2.4, 1.0, 1.0])
    speeds = np.array([0.9, 0.3, 0.3])  # the last of all combinations

    def loss(point: np.ndarray) -> float:
        path = point.reshape(10, 3)
        value = 0.5 * float(firmness @ (path[0] - mean) ** 2)
        value += 0.5 * float((((path[1:] - path[:-1]) / speeds * np.sqrt(10)) ** 2).sum())
        for k in range(10):
            value += 0.5 * float(path[k] @ rows.bend[k] @ path[k]) - float(rows.pull[k] @ path[k])
        return value

    naive = minimize(loss, start.ravel(), method="L-BFGS-B", options={"maxiter": 5_000, "maxfun": 10**6, "ftol": 1e-15})
    *_, (_, _, path) = _paths(rows, firmness, mean)
    np.testing.assert_allclose(path, naive.x.reshape(10, 3), atol=5e-3)
    every = [one for _, _, one in _paths(rows, firmness, mean)]
    assert np.ptp(every[0], axis=0).max() < 1e-9  # nothing moves
    inside = _mean_path(rows, firmness, mean)
    assert (inside >= np.min(every, axis=0) - 1e-9).all()
    assert (inside <= np.max(every, axis=0) + 1e-9).all()
