"""Coverage in worlds unlike those of the coverage table: rare rewards, learnt targets, few debtors, heavy amounts.

``python -m tests.statistics.other_worlds --logs 400 > table.md``

Contexts are a few hundred cells, so that the true value is a finite sum. The target is learnt from a log of its own
(the past), nearly greedy with a floor, and judged on a second log (the future), as a team would do it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.polynomial.hermite_e import hermegauss
from scipy.special import expit

from recommender.actions import ActionSpace
from recommender.evaluation import evaluate
from recommender.learning.nuisance import cross_fit_propensities
from tests.evaluation.world import softmax
from tests.statistics.coverage import fitted_logger, wilson

_N_CELLS = 300
_FLOOR = 0.1


class Cells:
    """Cells of contexts x actions: response rates, a logging policy of preferences, and how a target is learnt."""

    def __init__(self, seed, shape=(5, 4, 3), rate=0.03, explore=0.2, masked=False):
        rng = np.random.default_rng([seed, 4041])
        self.codes = np.stack(np.unravel_index(np.arange(np.prod(shape)), shape), axis=1)
        self.n_actions = len(self.codes)
        self.share = rng.dirichlet(np.full(_N_CELLS, 2.0))
        traits = rng.normal(size=(_N_CELLS, 6))
        traits[:, 3:] = traits[:, 3:] > 0.3
        self.features = np.column_stack([np.ones(_N_CELLS), traits])
        logits = 0.32 * rng.normal(size=(_N_CELLS, self.n_actions)) + 0.8 * traits[:, :1]
        taste = np.zeros((_N_CELLS, self.n_actions))
        for j, size in enumerate(shape):
            logits += (traits @ rng.normal(size=(6, size)) * 0.4)[:, self.codes[:, j]]
            liked = (traits @ rng.normal(size=(6, size))).argmax(axis=1)
            taste += 1.8 * (self.codes[None, :, j] == liked[:, None])
        self.allowed = np.ones((_N_CELLS, self.n_actions), dtype=bool)
        if masked:
            self.allowed = rng.random((_N_CELLS, self.n_actions)) < 0.6
            self.allowed[np.arange(_N_CELLS), rng.integers(0, self.n_actions, _N_CELLS)] = True
        mu = (explore / self.n_actions + (1 - explore) * softmax(taste)) * self.allowed
        self.mu = mu / mu.sum(axis=1, keepdims=True)
        self._cumulative = np.cumsum(self.mu, axis=1)
        low, high = -12.0, 5.0
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (middle, high) if self.value(self.mu, expit(middle + logits)) < rate else (low, middle)
        self.logits = low + logits
        levels = [self.codes[:, j] == k for j in range(len(shape)) for k in range(shape[j])]
        self._table = np.column_stack([np.ones(self.n_actions), *levels]).astype(float)

    def value(self, policy, rates):
        return float((self.share[:, None] * policy * rates).sum())

    def choose(self, cell, rng):
        cumulative = self._cumulative[cell]
        drawn = (cumulative < rng.random((len(cell), 1)) * cumulative[:, -1:]).sum(axis=1)
        return np.minimum(drawn, self.n_actions - 1)

    def ridge(self, cell, action, reward, penalty):
        """Expected reward of every cell and action by ridge regression on traits x levels."""
        pair, where = np.unique(cell * self.n_actions + action, return_inverse=True)
        rows = self.features[pair // self.n_actions][:, :, None] * self._table[pair % self.n_actions][:, None, :]
        rows = rows.reshape(len(pair), -1)
        gram = rows.T @ (rows * np.bincount(where)[:, None]) + penalty * np.eye(rows.shape[1])
        weights = np.linalg.solve(gram, rows.T @ np.bincount(where, reward))
        return self.features @ weights.reshape(self.features.shape[1], -1) @ self._table.T

    def learn(self, cell, action, reward, temperature):
        score = self.ridge(cell, action, reward, 10.0)
        sharp = softmax(score / (temperature * score.std(axis=1).mean())) * self.allowed
        sharp = sharp / np.maximum(sharp.sum(axis=1, keepdims=True), 1e-300)
        even = self.allowed / self.allowed.sum(axis=1, keepdims=True)
        policy = (1 - _FLOOR) * sharp + _FLOOR * even
        return policy / policy.sum(axis=1, keepdims=True)

    def held_out(self, cell, action, reward, cluster, rng):
        fold = rng.integers(0, 3, cluster.max() + 1)[cluster]
        answer = np.empty((len(cell), self.n_actions))
        for k in range(3):
            fitted = self.ridge(cell[fold != k], action[fold != k], reward[fold != k], 20.0)
            answer[fold == k] = np.clip(fitted[cell[fold == k]], reward.min(), reward.max())
        return answer


@lru_cache(maxsize=7)
def _world(seed, **about):
    """A world is the same for every log drawn from it, and nothing changes it: seven of a setting, made once each."""
    return Cells(seed, **about)


@dataclass(frozen=True)
class Drawn:
    """One log, and the mean reward of each cell and action over everything that is drawn besides them."""

    cell: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    cluster: np.ndarray
    mean: np.ndarray
    time: np.ndarray | None = None


def _averaged(logits, spread):
    """Response rates averaged over a normal effect on the logit."""
    points, weights = hermegauss(15)
    return sum(w * expit(logits + spread * t) for t, w in zip(points, weights / weights.sum(), strict=True))


def independent(world, rng, n):
    """Every decision on a debtor of its own."""
    cell = rng.choice(_N_CELLS, n, p=world.share)
    action = world.choose(cell, rng)
    rates = expit(world.logits)
    reward = (rng.random(n) < rates[cell, action]).astype(float)
    return Drawn(cell, action, reward, np.arange(n), rates)


def debtors(world, rng, n, mean_size, spread):
    """Decisions of one debtor share a strong effect; sizes are geometric."""
    size = np.minimum(rng.geometric(1 / mean_size, n), 300)
    cluster = np.repeat(np.arange(n), size)
    own = rng.choice(_N_CELLS, n, p=world.share)[cluster]
    cell = np.where(rng.random(len(own)) < 0.7, own, rng.choice(_N_CELLS, len(own), p=world.share))
    action = world.choose(cell, rng)
    effect = spread * rng.normal(size=n)[cluster]
    reward = (rng.random(len(cell)) < expit(world.logits[cell, action] + effect)).astype(float)
    return Drawn(cell, action, reward, cluster, _averaged(world.logits, spread))


def amounts(world, rng, n, spread):
    """Log-normal amounts whose size depends on the channel."""
    drawn = independent(world, rng, n)
    size = np.exp(4 + 0.3 * np.sin(np.arange(world.n_actions)))
    paid = drawn.reward * size[drawn.action] * np.exp(spread * rng.normal(size=n) - spread**2 / 2)
    return Drawn(drawn.cell, drawn.action, paid, drawn.cluster, drawn.mean * size)


def drifting(world, rng, n, trend, shock):
    """The level rises over the log, and each of 60 days has a shock of its own."""
    cell, day = rng.choice(_N_CELLS, n, p=world.share), np.sort(rng.integers(0, 60, n))
    action = world.choose(cell, rng)
    level = trend * (day / 59 - 0.5) + shock * rng.normal(size=60)[day]
    reward = (rng.random(n) < expit(world.logits[cell, action] + level)).astype(float)
    rates = np.mean([_averaged(world.logits + trend * (d / 59 - 0.5), shock) for d in range(60)], axis=0)
    return Drawn(cell, action, reward, np.arange(n), rates, day)


def by_the_wrong_model(world, log, rng):
    """Cross-fitted propensities, linear in traits where the logger decides by the best of several scores."""
    scaled = world.features / np.maximum(world.features.std(axis=0), 1)
    fitted = fitted_logger(scaled[log.cell], world.codes, log.action, rng)
    n = len(log.cell)
    return np.maximum(fitted[np.arange(n), log.action], 1 / n)


def by_the_package(world, log, rng):
    """Propensities as ``evaluate_policy`` estimates them."""
    del rng
    names = [f"trait{j}" for j in range(6)]
    traits = pd.DataFrame(world.features[log.cell][:, 1:], columns=names)
    space = ActionSpace({f"factor{j}": range(int(size)) for j, size in enumerate(world.codes.max(axis=0) + 1)})
    return cross_fit_propensities(traits, [], space, log.action, log.cluster, n_folds=3).logged


@dataclass(frozen=True)
class Setting:
    """One row of the table: a world, how it is drawn, and how sharp the target is."""

    name: str
    draw: Callable[..., Drawn]
    drawn: dict[str, Any]
    world: dict[str, Any] = field(default_factory=dict)
    temperature: float = 0.25
    estimated_by: Callable[[Cells, Drawn, np.random.Generator], np.ndarray] | None = None

    @property
    def known(self) -> bool:
        """Whether the log holds its propensities."""
        return self.estimated_by is None


_SMALL = {"shape": (4, 3)}
SETTINGS = (
    Setting("1.5 % respond, 60 actions", independent, {"n": 5_000}, {"rate": 0.015}),
    Setting("3 % respond, 60 actions", independent, {"n": 5_000}, {"rate": 0.03}),
    Setting("1 % respond, 60 actions", independent, {"n": 20_000}, {"rate": 0.01}),
    Setting("3 % respond, 60 actions, sharp", independent, {"n": 10_000}, {"rate": 0.03}, 0.08),
    Setting("2 % respond, 240 actions", independent, {"n": 20_000}, {"rate": 0.02, "shape": (5, 12, 4)}),
    Setting("4 % respond, 240 actions, explored 5 %", independent, {"n": 20_000},
            {"rate": 0.04, "shape": (5, 12, 4), "explore": 0.05}, 0.1),
    Setting("three arms, 2 % respond", independent, {"n": 5_000}, {"rate": 0.02, "shape": (3,)}),
    Setting("three arms, 40 % respond, sharp", independent, {"n": 2_000}, {"rate": 0.4, "shape": (3,)}, 0.02),
    Setting("4 % respond, two fifths masked", independent, {"n": 8_000}, {"rate": 0.04, "masked": True}),
    Setting("2,000 debtors of 4", debtors, {"n": 2_000, "mean_size": 4, "spread": 1.5}, _SMALL | {"rate": 0.03}),
    Setting("300 debtors of 20", debtors, {"n": 300, "mean_size": 20, "spread": 2.0}, _SMALL | {"rate": 0.05}),
    Setting("60 debtors of 60", debtors, {"n": 60, "mean_size": 60, "spread": 1.5}, {"shape": (3,), "rate": 0.15}),
    Setting("amounts, log-normal, sigma 1", amounts, {"n": 8_000, "spread": 1.0}, _SMALL | {"rate": 0.05}),
    Setting("amounts, log-normal, sigma 1.5", amounts, {"n": 15_000, "spread": 1.5}, _SMALL | {"rate": 0.04}),
    Setting("trend and daily shocks", drifting, {"n": 10_000, "trend": 1.5, "shock": 0.4}, _SMALL | {"rate": 0.03}),
    Setting("propensities estimated by the wrong model", independent, {"n": 8_000}, _SMALL | {"rate": 0.05},
            estimated_by=by_the_wrong_model),
    Setting("propensities estimated by the package", independent, {"n": 4_000}, _SMALL | {"rate": 0.08},
            estimated_by=by_the_package),
)  # fmt: skip


def one_log(setting, seed):
    """Evaluate one simulated future: the interval against the truth, for the value and the gain over logging."""
    world, rng = _world(seed % 7, **setting.world), np.random.default_rng([seed, 77])
    past = setting.draw(world, rng, **setting.drawn)
    policy = world.learn(past.cell, past.action, past.reward, setting.temperature)
    log = setting.draw(world, rng, **setting.drawn)
    n = len(log.cell)
    propensity = world.mu[log.cell, log.action]
    if setting.estimated_by is not None:
        propensity = setting.estimated_by(world, log, rng)
    report = evaluate(
        reward=log.reward,
        action=log.action,
        propensity=propensity,
        propensity_logged=np.full(n, setting.known),
        expected_reward=world.held_out(log.cell, log.action, log.reward, log.cluster, rng),
        action_probabilities=policy[log.cell],
        factor_codes=world.codes,
        cluster=log.cluster,
        time=log.time,
        eligible=world.allowed[log.cell],
        estimators=("sndr",),
        rng=rng,
    )
    truth, logging = world.value(policy, log.mean), world.value(world.mu, log.mean)
    row, gain = report.default, report.difference
    return {
        "refused": report.verdict == "refused",
        "error": float(row["value"]) - truth,
        "unshrunk": float(report.to_frame().set_index("estimator").loc["sndr", "value"]) - truth,
        "low": float(row["ci_low"]) - truth,
        "high": float(row["ci_high"]) - truth,
        "gain_low": gain.low - (truth - logging),
        "gain_high": gain.high - (truth - logging),
        "size": float(row["effective_sample_size"]),
    }


def summary(setting, n_logs, first=0):
    """Coverage, misses of either side and bias over the logs that were not refused."""
    results = [one_log(setting, seed) for seed in range(first, first + n_logs)]
    judged = [row for row in results if not row["refused"]]
    held = {key: np.array([row[key] for row in judged]) for key in judged[0]}
    hits = int(np.sum((held["low"] <= 0) & (held["high"] >= 0)))
    gain_hits = int(np.sum((held["gain_low"] <= 0) & (held["gain_high"] >= 0)))
    return {
        "setting": setting,
        "judged": len(judged),
        "refused": len(results) - len(judged),
        "size": float(np.median(held["size"])),
        "coverage": hits / len(judged),
        "wilson": wilson(hits, len(judged)),
        "gain_coverage": gain_hits / len(judged),
        "below": float(np.mean(held["gain_low"] > 0)),
        "above": float(np.mean(held["gain_high"] < 0)),
        "bias": float(np.mean(held["error"]) / np.std(held["unshrunk"])),
        "unshrunk_bias": float(np.mean(held["unshrunk"]) / np.std(held["unshrunk"])),
        "ratio": float(np.sqrt(np.mean(held["error"] ** 2) / np.mean(held["unshrunk"] ** 2))),
    }


def main():
    """Write the table to standard output."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--logs", type=int, default=400)
    parser.add_argument("--only", type=int, nargs="*", help="positions in SETTINGS")
    chosen = parser.parse_args()
    sys.stdout.write(
        "| world | decisions (debtors) | median ESS | judged | refused | coverage (99 % Wilson) | of the gain | "
        "below | above | bias / sd | of `sndr` | RMSE to `sndr` |\n" + "|---" * 12 + "|\n"
    )
    for position in range(len(SETTINGS)) if chosen.only is None else chosen.only:
        told = summary(SETTINGS[position], chosen.logs)
        low, high = told["wilson"]
        sys.stdout.write(
            f"| {told['setting'].name} | {told['setting'].drawn['n']:,} | {told['size']:,.0f} | {told['judged']} | "
            f"{told['refused']} | {told['coverage']:.3f} ({low:.3f} to {high:.3f}) | {told['gain_coverage']:.3f} | "
            f"{told['below']:.3f} | {told['above']:.3f} | {told['bias']:+.2f} | "
            f"{told['unshrunk_bias']:+.2f} | {told['ratio']:.2f} |\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
