"""How firm the prior of the served posterior is: as firm as would make one regression as bold as the stack."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from recommender.learning.joint_posterior import _FIRM, _LEAST, _MOST, _firmness

N = 50


def firmness(plain: float, firm: float | None, stack: float) -> float:
    """Of regressions and a stack whose scores differ by as much between accounts, actions for actions."""
    shape = np.random.default_rng(0).normal(size=(N, 4))
    shape -= shape.mean(axis=1, keepdims=True)
    shape -= shape.mean(axis=0)
    shape /= shape.std()

    def scores_of(boldness):
        return lambda U: (
            boldness**0.5 * shape[: len(U)] + np.arange(4) + U[:, :1]
        )  # what is so of all tells nobody apart

    told = {"linear": plain} | ({} if firm is None else {"firm": firm})
    regressions = {name: ("linear", SimpleNamespace(scores=scores_of(one))) for name, one in told.items()}
    task = type("Task", (), {"X": np.zeros((N, 2)), "__len__": lambda _: N})()
    rows = SimpleNamespace(random_state=0, task=task, U={"linear": np.random.default_rng(1).normal(size=(N, 3))})
    return _firmness(rows, regressions, scores_of(stack))


@pytest.mark.parametrize("power", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("wanted", [0.6, 1.0, 2.0, 4.0, 15.0])
def test_boldness_falls_by_a_power_of_the_firmness_and_the_stack_lies_on_that_line(power, wanted):
    """By two regressions, one of them four times as firm: the power is known, and where the stack lies on its line."""
    assert firmness(3.0, 3.0 * _FIRM**-power, 3.0 * wanted**-power) == pytest.approx(wanted)


def test_where_nothing_can_be_told_it_stays_and_it_goes_no_further_than_its_bounds():
    """Without the firm one, or where that is bolder; a stack that tells nobody apart asks for the most there is."""
    assert (
        firmness(3.0, None, 1.0) == firmness(3.0, 3.0, 1.0) == firmness(3.0, 4.0, 1.0) == firmness(0.0, 0.0, 1.0) == 1.0
    )
    assert firmness(3.0, 1.0, 0.0) == pytest.approx(_MOST) and firmness(3.0, 1.0, 1e6) == pytest.approx(_LEAST)
