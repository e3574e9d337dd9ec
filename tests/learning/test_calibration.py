"""Correction of a stack's scores: level, advantage and its bend, learnt from rows never seen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from recommender.learning.calibration import Calibration, calibrate, recalibrate

LINES = st.builds(
    Calibration,
    st.floats(-3, 3),
    st.floats(0, 3),
    st.floats(0.05, 3),
    st.floats(-0.9, 0.9),
    st.floats(0.1, 5),
)


def naive_line(calibration: Calibration, advantage: float, steps: int = 4_000) -> float:
    """The area under a slope that changes evenly within reach, by the midpoint rule."""
    total, width = 0.0, advantage / steps
    for k in range(steps):
        at = (k + 0.5) * width
        total += (1 + calibration.bend * max(-1.0, min(1.0, at / calibration.reach))) * width
    return total


@given(LINES, st.floats(-10, 10))
def test_a_bent_line_is_the_area_under_its_slope(line: Calibration, advantage: float) -> None:
    """Against a sum over small steps."""
    assert float(line.bent(np.array(advantage))) == pytest.approx(naive_line(line, advantage), abs=1e-4)


@given(LINES, st.integers(0, 1_000))
def test_no_calibration_changes_the_order(line: Calibration, seed: int) -> None:
    """Whatever it is, and whatever it is given."""
    rng = np.random.default_rng(seed)
    eta, share = rng.normal(0, 3, (300, 6)), rng.dirichlet(np.ones(6))
    corrected = line.apply(eta, share)
    assert (corrected.argsort(axis=1) == eta.argsort(axis=1)).all()
    np.testing.assert_array_equal(line.apply(eta[130:131], share), corrected[130:131])


@given(LINES, st.integers(0, 1_000))
def test_advantages_are_found_again(line: Calibration, seed: int) -> None:
    """From what was served alone."""
    rng = np.random.default_rng(seed)
    eta, share = rng.normal(0, 3, (20, 6)), rng.dirichlet(np.ones(6))
    wanted = eta - (eta @ share)[:, None]
    np.testing.assert_allclose(line.advantages(line.apply(eta, share), share), wanted, atol=1e-6)


def test_without_a_bend_it_is_a_straight_line_to_the_bit() -> None:
    """Models of earlier formats serve what they served."""
    rng = np.random.default_rng(0)
    eta, share = rng.normal(size=(5, 4)), np.full(4, 0.25)
    level = (eta @ share)[:, None]
    line = Calibration(0.3, 0.8, 1.2)
    np.testing.assert_allclose(line.apply(eta, share), 0.3 + 0.8 * level + 1.2 * (eta - level), rtol=1e-14)


def test_calibration_mends_level_and_advantage_apart() -> None:
    """An advantage that was exaggerated twofold is halved while the level stays."""
    rng = np.random.default_rng(3)
    level, advantage = rng.normal(-2, 0.5, 40_000), rng.normal(0, 0.8, 40_000)
    target = (rng.random(40_000) < expit(level + 0.5 * advantage)).astype(float)
    found = calibrate(level, advantage, target, "binomial")
    assert found.level == pytest.approx(1.0, abs=0.1)
    assert found.advantage == pytest.approx(0.5, abs=0.06)
    assert abs(found.bend) < 0.2


def test_what_levels_off_at_the_top_is_not_promised() -> None:
    """Rates level off where the advantage goes on: the best are promised what they earn; amounts stay straight."""
    rng = np.random.default_rng(5)
    level, advantage = rng.normal(-2.5, 0.3, 40_000), rng.normal(0, 1.0, 40_000)
    chance = expit(level - np.logaddexp(0.0, -advantage))
    target = (rng.random(40_000) < chance).astype(float)
    found = calibrate(level, advantage, target, "binomial")
    assert found.bend < -0.4
    best = advantage > 2.0
    straight = recalibrate(Calibration(0.0, 1.0, 1.0), level, advantage, target, "binomial", least_gain=0.0)

    def promised(line: Calibration) -> float:
        eta = line.intercept + line.level * level[best] + line.advantage * line.bent(advantage[best])
        return float(expit(eta).mean())

    assert promised(found) == pytest.approx(chance[best].mean(), rel=0.08)
    assert promised(straight) > 1.2 * chance[best].mean()
    assert calibrate(level, advantage, np.minimum(advantage, 0.5), "gaussian").bend == 0.0


def test_an_advantage_that_says_nothing_leaves_the_line_straight() -> None:
    """One action, or scores alike for all: nothing to bend."""
    rng = np.random.default_rng(6)
    level, target = rng.normal(-1, 0.5, 500), (rng.random(500) < 0.3).astype(float)
    found = calibrate(level, np.zeros(500), target, "binomial")
    assert found.bend == 0.0
    assert np.isfinite(found.apply(np.zeros((2, 1)), np.ones(1))).all()


def test_new_rows_move_the_calibration_where_they_speak_clearly() -> None:
    """Rows that agree keep the usual correction to the bit; rows whose advantage halved get their own."""
    rng = np.random.default_rng(4)
    usual = Calibration(0.0, 1.0, 1.0, -0.3, 2.4)
    level, advantage = rng.normal(-2, 0.5, 10_000), rng.normal(0, 0.8, 10_000)
    line = usual.bent(advantage)
    same, moved = ((rng.random(10_000) < expit(level + s * line)).astype(float) for s in (1.0, 0.5))
    assert recalibrate(usual, level, advantage, same, "binomial", least_gain=9.0) is usual
    whole = recalibrate(usual, level, advantage, moved, "binomial", least_gain=9.0)
    assert whole.advantage == pytest.approx(0.5, abs=0.12)
    assert whole.bend == usual.bend
    assert recalibrate(usual, level, advantage, moved, "binomial", least_gain=1e6) is usual


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_what_rises_faster_at_the_top_is_promised_and_what_levels_off_is_not(sign: float) -> None:
    """Bent either way, as far as the rows show: the best actions' chances come out as they are."""
    rng = np.random.default_rng(5)
    advantage, level = rng.normal(0.0, 1.0, 20_000), rng.normal(-0.5, 0.5, 20_000)
    truth = Calibration(0.0, 1.0, 1.0, 0.6 * sign, 3.0)
    chance = expit(level + truth.bent(advantage))
    found = calibrate(level, advantage, (rng.random(20_000) < chance).astype(float), "binomial")
    assert 0.3 < sign * found.bend <= 0.9
    told = expit(found.intercept + found.level * level + found.advantage * found.bent(advantage))
    for best in (advantage > 1.5, advantage < -1.5):
        assert told[best].mean() == pytest.approx(chance[best].mean(), abs=0.02)
