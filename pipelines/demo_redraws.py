"""The same portfolio drawn again and again: how often an interval of the demo holds the value that is true."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.evaluation import evaluate
from recommender.proof import OffPolicyEvaluator
from recommender.reports import Words
from recommender.simulation import SimulatedLog

__all__ = ["Redraw", "interval_lines", "redrawn"]

_WIDTH = 60


@dataclass(frozen=True)
class Redraw:
    """Estimate and interval of one redrawn log."""

    value: float
    low: float
    high: float

    def holds(self, truth: float) -> bool:
        """Whether the interval holds a value."""
        return self.low <= truth <= self.high


def redrawn(
    world: SimulatedLog,
    rows: NDArray[np.int64],
    evaluator: OffPolicyEvaluator,
    target: NDArray[np.float64],
    n_logs: int,
    seed: int,
) -> Iterator[Redraw]:
    """Judge one policy on further logs of the same decisions: the logging policy draws actions, the truth rewards.

    The reward model is the one of the log that was really drawn, so it knows nothing of the redrawn rewards, as a
    cross-fitted one knows nothing of the rows it predicts. ``python -m tests.statistics.redrawn_logs`` fits it anew.
    """
    part = evaluator.part
    logging, expected = world.logging_probabilities(rows), world.expected_reward(rows)
    cumulative = np.cumsum(logging, axis=1)
    rng = np.random.default_rng(seed)
    at = np.arange(len(rows))
    for _ in range(n_logs):
        action = (cumulative < rng.random((len(rows), 1)) * cumulative[:, -1:]).sum(axis=1)
        action = np.minimum(action, logging.shape[1] - 1)
        report = evaluate(
            reward=(rng.random(len(rows)) < expected[at, action]).astype(np.float64),
            action=action,
            propensity=logging[at, action],
            propensity_logged=np.ones(len(rows), dtype=bool),
            expected_reward=evaluator.nuisance.expected_reward,
            action_probabilities=target,
            factor_codes=part.actions.codes,
            cluster=part.groups,
            time=part.order,
            estimators=(),
            rng=rng,
        ).default
        yield Redraw(float(report["value"]), float(report["ci_low"]), float(report["ci_high"]))


def interval_lines(drawn: list[Redraw], truth: float, in_use: float, t: Words) -> list[str]:
    """Intervals under each other: ``|`` the truth, ``:`` the policy in use."""
    low = min(in_use, *(one.low for one in drawn))
    high = max(truth, *(one.high for one in drawn))
    step = (high - low) / (_WIDTH - 1)

    def at(value: Any) -> int:
        return round(float((value - low) / step))

    lines = []
    for one in drawn:
        cells = [" "] * _WIDTH
        cells[at(in_use)] = ":"
        cells[at(one.low) : at(one.high) + 1] = "-" * (at(one.high) - at(one.low) + 1)
        cells[at(one.value)] = "o"
        cells[at(truth)] = "|"
        misses = "" if one.holds(truth) else f"  {t('does not hold it')}"
        lines.append(f"  {''.join(cells)} {misses}".rstrip())
    return lines
