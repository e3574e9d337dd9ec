"""What is known of all actions of an account together: which is better, by how much, and whether that is known at all.

The margin of an account's actions is taken as Gaussian with a covariance of low rank: one root from the posterior of
the regression that counts most (:func:`~recommender.learning.regression.posterior_root`), one from how the members of
the stack, and the trees of each fold, disagree. Rewards follow through the hurdle, by one fixed set of draws, so that
an answer never depends on who else is asked about.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recommender.learning.hurdle import Hurdle

__all__ = ["DifferenceBelief", "JointBelief", "Standing"]

Floats = NDArray[np.float64]
Standing = Literal["better", "worse", "as good as", "not known"]

_DRAWS = 2_000  # of a pair: a share of .025 is told to within .003
_DRAWS_OF_ALL = 500  # of every action
_ALIKE = 0.1  # of what the better action earns: within it two actions are as good as each other
_SURE = 0.95  # as every interval of the package


@dataclass(frozen=True, eq=False)
class DifferenceBelief:
    """The difference of the expected rewards of two actions, one pair an account; arrays of shape (n,).

    Attributes
    ----------
    expected : ndarray
        Reward of the first less that of the second.
    lo, hi : ndarray
        95 % interval.
    p_better : ndarray
        P(the first earns more than the second).
    p_alike : ndarray
        P(they differ by less than a tenth of what the better one is expected to earn).
    """

    expected: Floats
    lo: Floats
    hi: Floats
    p_better: Floats
    p_alike: Floats

    @property
    def standing(self) -> list[Standing]:
        """What may be said of the first action.

        ``better`` or ``worse`` where the interval leaves 0 out, ``as good as`` where they differ by less than a tenth
        with 95 %, else ``not known``: ignorance is not equality.
        """
        return [
            "better" if lo > 0 else "worse" if hi < 0 else "as good as" if alike >= _SURE else "not known"
            for lo, hi, alike in zip(self.lo, self.hi, self.p_alike, strict=True)
        ]


@dataclass(frozen=True, eq=False)
class JointBelief:
    """Belief about the rewards of all actions of some accounts.

    Parameters
    ----------
    hurdle : Hurdle
    margins : mapping of str to ndarray of shape (n, n_actions)
        Expected margin by part.
    roots : mapping of str to ndarray of shape (n, rank, n_actions)
        Root of its covariance.
    idle : int or None
        An action that earns 0 by definition.
    """

    hurdle: Hurdle
    margins: Mapping[str, Floats]
    roots: Mapping[str, Floats]
    idle: int | None = None

    @cached_property
    def expected_reward(self) -> Floats:
        """Expected reward of every action, shape (n, n_actions)."""
        rewards = self.hurdle.reward_of(self.margins)
        if self.idle is not None:
            rewards[:, self.idle] = 0.0
        return rewards

    def draws(self, n_draws: int, rng: np.random.Generator) -> Iterator[Floats]:
        """Rewards of every action, drawn; one draw serves every row.

        Yields
        ------
        ndarray of shape (n, n_actions)
        """
        for noise in _noise_of(self.roots, n_draws, rng):
            drawn = {name: self.margins[name] + _summed(noise[name], root) for name, root in self.roots.items()}
            rewards = self.hurdle.reward_of(drawn)
            if self.idle is not None:
                rewards[:, self.idle] = 0.0
            yield rewards

    def p_best(self, eligible: NDArray[np.bool_] | None = None) -> Floats:
        """P(action is the best of those allowed), shape (n, n_actions); rows sum to 1."""
        rows = np.arange(len(self.expected_reward))
        wins = np.zeros(self.expected_reward.shape)
        for drawn in self.draws(_DRAWS_OF_ALL, np.random.default_rng(0)):
            allowed = drawn if eligible is None else np.where(eligible, drawn, -np.inf)
            wins[rows, allowed.argmax(axis=1)] += 1.0
        return wins / _DRAWS_OF_ALL

    def difference(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> DifferenceBelief:
        """Compare one pair of actions an account.

        Parameters
        ----------
        a, b : ndarray of int of shape (n,)
        """
        first, second = (self._drawn(np.asarray(action, dtype=np.int64)) for action in (a, b))
        difference = first - second
        rows = np.arange(len(difference))
        at_a, at_b = self.expected_reward[rows, a], self.expected_reward[rows, b]
        lo, hi = np.quantile(difference, [0.5 - _SURE / 2, 0.5 + _SURE / 2], axis=1)
        near = _ALIKE * np.maximum(np.abs(at_a), np.abs(at_b))[:, None]
        return DifferenceBelief(
            at_a - at_b,
            lo,
            hi,
            (difference > 0).mean(axis=1) + 0.5 * (difference == 0).mean(axis=1),
            (np.abs(difference) <= near).mean(axis=1),
        )

    def _drawn(self, action: NDArray[np.int64]) -> Floats:
        """Rewards of one action a row, shape (n, _DRAWS)."""
        rows = np.arange(len(action))
        margins = {
            name: self.margins[name][rows, action][:, None]
            + np.stack([_noise(name, root.shape[1]) @ one for one in root[rows, :, action]])
            for name, root in self.roots.items()
        }
        rewards = self.hurdle.above_usual(margins) + self.hurdle.usual[action][:, None]
        if self.idle is not None:
            rewards[action == self.idle] = 0.0
        return rewards


@lru_cache(maxsize=16)
def _noise(part: str, rank: int) -> Floats:
    """Standard normal numbers and their mirror images, the same for every account, shape (_DRAWS, rank)."""
    half = np.random.default_rng([len(part), rank]).standard_normal((_DRAWS // 2, rank))
    return np.vstack([half, -half])


def _noise_of(roots: Mapping[str, Floats], n_draws: int, rng: np.random.Generator) -> Iterator[dict[str, Floats]]:
    for _ in range(n_draws):
        yield {name: np.asarray(rng.standard_normal(root.shape[1])) for name, root in roots.items()}


def _summed(noise: Floats, root: Floats) -> Floats:
    """``noise @ root`` of every row, in one order whatever the number of rows."""
    total: Floats = noise[0] * root[:, 0]
    for k in range(1, len(noise)):
        total += noise[k] * root[:, k]
    return total
