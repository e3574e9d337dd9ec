"""A small vectorised world of logged decisions with known truth."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def draw(probabilities, rng):
    """One action per row."""
    return (probabilities.cumsum(axis=1) > rng.random((len(probabilities), 1)) * (1 - 1e-12)).argmax(axis=1)


@dataclass
class World:
    """Response depends on context x factors and a non-additive part; the logger on the same context."""

    seed: int = 1
    shape: tuple[int, ...] = (3, 4, 2)
    n_features: int = 4
    base: float = -2.6
    effect: float = 0.3
    logger: float = 0.3
    explore: float = 0.0
    amount: bool = False
    idle_factors: tuple[int, ...] = ()
    codes: np.ndarray = field(init=False)

    def __post_init__(self):
        rng = np.random.default_rng(self.seed)
        self.codes = np.stack(np.unravel_index(np.arange(int(np.prod(self.shape))), self.shape), axis=1)
        size = (self.n_features + 1,)
        self._response = [
            rng.normal(size=(*size, k)) * (0 if j in self.idle_factors else self.effect)
            for j, k in enumerate(self.shape)
        ]
        self._joint = rng.normal(size=(*size, self.n_actions)) * (0 if self.idle_factors else self.effect * 0.4)
        self._logger = [rng.normal(size=(*size, k)) * self.logger for k in self.shape]

    @property
    def n_actions(self):
        return len(self.codes)

    def contexts(self, n, rng):
        return np.column_stack([np.ones(n), rng.normal(size=(n, self.n_features))])

    def logits(self, x):
        return self.base + x @ self._joint + sum((x @ b)[:, self.codes[:, j]] for j, b in enumerate(self._response))

    def expected(self, x):
        q = 1 / (1 + np.exp(-self.logits(x)))
        return q * np.exp(3.5) if self.amount else q

    def logging(self, x):
        mu = softmax(sum((x @ b)[:, self.codes[:, j]] for j, b in enumerate(self._logger)))
        return self.explore / self.n_actions + (1 - self.explore) * mu

    def rewards(self, x, action, rng):
        q = 1 / (1 + np.exp(-self.logits(x)[np.arange(len(x)), action]))
        hit = (rng.random(len(x)) < q).astype(float)
        return hit * np.exp(3 + rng.normal(size=len(x))) if self.amount else hit

    def soft_target(self, x, temperature=1.0, noise=0.3):
        return softmax((self.logits(x) + x @ self._noise(noise)) / temperature)

    def greedy_target(self, x, noise=0.3):
        best = (self.logits(x) + x @ self._noise(noise)).argmax(axis=1)
        return np.eye(self.n_actions)[best]

    def _noise(self, size):
        return np.random.default_rng(self.seed + 1000).normal(size=(self.n_features + 1, self.n_actions)) * size

    def log(self, n, rng, target="soft"):
        x = self.contexts(n, rng)
        mu = self.logging(x)
        action = draw(mu, rng)
        return {
            "x": x,
            "mu": mu,
            "action": action,
            "propensity": mu[np.arange(n), action],
            "reward": self.rewards(x, action, rng),
            "pi": self.soft_target(x) if target == "soft" else self.greedy_target(x),
            "truth_q": self.expected(x),
        }


def crossfit_ridge(x, codes, action, reward, rng, n_folds=3, penalty=20.0):
    """Held-out linear predictions of reward from context x factor levels; misspecified on purpose."""
    levels = [(codes[:, j] == k) for j in range(codes.shape[1]) for k in range(codes[:, j].max() + 1)]
    table = np.column_stack([np.ones(len(codes)), *levels]).astype(float)
    n = len(action)
    folds = rng.integers(0, n_folds, n)
    features = (x[:, :, None] * table[action][:, None, :]).reshape(n, -1)
    gram, moment = features.T @ features, features.T @ reward
    q = np.empty((n, len(codes)))
    low, high = reward.min(), reward.max()
    for fold in range(n_folds):
        inside = folds == fold
        own = features[inside]
        solved = np.linalg.solve(gram - own.T @ own + penalty * np.eye(len(gram)), moment - own.T @ reward[inside])
        q[inside] = np.clip(x[inside] @ solved.reshape(x.shape[1], -1) @ table.T, low, high)
    return q


def arguments(log, q, codes, rng, *, known=True, cluster=None, **more):
    """Keyword arguments of ``evaluate`` for a log of this module."""
    n = len(log["reward"])
    return {
        "reward": log["reward"],
        "action": log["action"],
        "propensity": log["propensity"],
        "propensity_logged": np.full(n, known),
        "expected_reward": q,
        "action_probabilities": log["pi"],
        "factor_codes": codes,
        "cluster": np.arange(n) if cluster is None else cluster,
        "rng": rng,
    } | more
