"""One learnt strategy, one portfolio, many logs: does the interval hold the true value when only chance differs?

``python -m tests.statistics.redrawn_logs --contacts 60000 --logs 20 --seed 0``

The strategy learns from the earlier 60 % of a simulated log, as in the demo. The contexts of the later contacts stay;
their actions are drawn again from the logging policy and their rewards from the true expected rewards, and the whole
evaluation, reward model included, is done anew. The first line is the log as it was first drawn. ``z`` is the error of
inverse propensity scoring in true standard errors: how unlucky a log is, whatever the estimator.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

import numpy as np
import pandas as pd

from recommender import ContactStrategy, OffPolicyEvaluator
from recommender.simulation import simulate
from tests.statistics.coverage import wilson


class RedrawnFuture:
    """The later part of a simulated log, whose actions and rewards can be drawn again."""

    def __init__(self, contacts, seed, jobs=1):
        world = simulate(contacts, seed=seed, no_contact=True)
        log = world.feedback()
        self.past, self.future = log.split(pd.Series(log.time).sort_values().iloc[int(0.6 * len(log))])
        rows = np.arange(len(self.past), len(log))
        self.expected, self.logging = world.expected_reward(rows), world.logging_probabilities(rows)
        self.strategy = ContactStrategy(n_jobs=jobs, random_state=seed).fit(self.past)
        self.target = np.asarray(OffPolicyEvaluator(self.future).probabilities(self.strategy))
        self.truth = world.value(self.target, rows)

    def draw(self, rng):
        """A log of the same contexts."""
        cumulative = np.cumsum(self.logging, axis=1)
        action = (cumulative < rng.random((len(cumulative), 1)) * cumulative[:, -1:]).sum(axis=1)
        action = np.minimum(action, cumulative.shape[1] - 1)
        rows = np.arange(len(action))
        reward = (rng.random(len(action)) < self.expected[rows, action]).astype(float)
        return replace(self.future, action=action, reward=reward, propensity=self.logging[rows, action])

    def luck(self, log):
        """Error of inverse propensity scoring in its true standard errors, given the contexts."""
        rows = np.arange(len(log))
        weight = self.target[rows, log.action] / self.logging[rows, log.action]
        value = (self.target * self.expected).sum(axis=1)
        square = np.divide(self.target**2, self.logging, out=np.zeros_like(self.target), where=self.target > 0)
        variance = (square * self.expected).sum(axis=1) - value**2
        return float((weight * log.reward - value).sum() / np.sqrt(variance.sum()))


def evaluated(portfolio, log):
    """Estimate, interval and what the truth makes of it."""
    report = OffPolicyEvaluator(log).evaluate(portfolio.strategy)
    row = report.default
    return {
        "estimate": float(row["value"]),
        "low": float(row["ci_low"]),
        "high": float(row["ci_high"]),
        "size": float(row["effective_sample_size"]),
        "verdict": str(report.verdict),
        "z": portfolio.luck(log),
    }


def main():
    """Print a line a log and the share of intervals that hold the true value."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contacts", type=int, default=60_000)
    parser.add_argument("--logs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    chosen = parser.parse_args()
    portfolio = RedrawnFuture(chosen.contacts, chosen.seed, chosen.jobs)
    rng = np.random.default_rng(chosen.seed + 99)
    sys.stdout.write(f"true value {portfolio.truth:.4f}\n| log | estimate | interval | ESS | z | verdict | holds |\n")
    sys.stdout.write("|---" * 7 + "|\n")
    held = 0
    for number in range(chosen.logs + 1):
        told = evaluated(portfolio, portfolio.draw(rng) if number else portfolio.future)
        holds = told["low"] <= portfolio.truth <= told["high"]
        held += holds if number else 0
        sys.stdout.write(
            f"| {number or 'as drawn'} | {told['estimate']:.4f} | {told['low']:.4f} to {told['high']:.4f} | "
            f"{told['size']:,.0f} | {told['z']:+.2f} | {told['verdict']} | {'yes' if holds else 'no'} |\n"
        )
        sys.stdout.flush()
    low, high = wilson(held, max(chosen.logs, 1))
    sys.stdout.write(f"{held} of {chosen.logs} redrawn logs hold it (99 % Wilson {low:.2f} to {high:.2f})\n")


if __name__ == "__main__":
    main()
