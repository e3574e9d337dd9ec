"""What a model of the past would have earned on what came next: the yardstick of tuning, paired between candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.learning import TrainingSet, cross_fit_propensities, cross_fit_rewards
from recommender.strategy import check_eligible, softmax, temperature_for_cost

__all__ = ["Difference", "ForwardSplit", "Tally", "compare", "forward_splits", "propensities_of"]

_BUCKETS = 100
_FLOOR = 0.05
_TAIL = 0.005
_NORMAL_95 = 1.959963984540054
_TOLD_APART = 1.0  # standard errors under which a difference of value counts as none

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Tally:
    """How one candidate did on the judged rows, summed over random buckets of clusters.

    A hundred sums say as much about the error of a paired difference as the rows do, and fit into a journal.

    Attributes
    ----------
    value, loss, rows : ndarray of shape (n_buckets,)
        Doubly robust contributions of its policy, loss of its predictions on logged actions, and number of rows.
    """

    value: Floats
    loss: Floats
    rows: Floats

    def to_dict(self) -> dict[str, list[float]]:
        """JSON-ready form."""
        return {name: values.tolist() for name, values in vars(self).items()}

    @classmethod
    def from_dict(cls, content: dict[str, list[float]]) -> Tally:
        """Inverse of :meth:`to_dict`."""
        return cls(**{name: np.asarray(values, dtype=np.float64) for name, values in content.items()})

    @classmethod
    def total(cls, parts: Sequence[Tally]) -> Tally:
        """Sum over splits; clusters keep their bucket in all of them."""
        return cls(*(np.sum([getattr(part, name) for part in parts], axis=0) for name in ("value", "loss", "rows")))

    def mean(self, name: str) -> tuple[float, float]:
        """Mean per row of ``value`` or ``loss`` and its standard error."""
        return _mean_and_error(getattr(self, name), self.rows)


@dataclass(frozen=True)
class Difference:
    """A candidate against the default on the same rows.

    Attributes
    ----------
    value, loss : (float, float)
        Mean gain per row and its standard error; a positive loss gain is a smaller loss.
    objective : float
        See :func:`compare`.
    """

    value: tuple[float, float]
    loss: tuple[float, float]
    objective: float

    @property
    def clearly_worse(self) -> bool:
        """Whether the value is worse beyond chance, or cannot be told apart while the loss is."""
        value, loss = (mean + _NORMAL_95 * error for mean, error in (self.value, self.loss))
        significant = abs(self.value[0]) > _TOLD_APART * self.value[1]
        return value < 0 or (not significant and loss < 0)


def compare(candidate: Tally, default: Tally, *, value_unit: float, loss_unit: float) -> Difference:
    """Gain of a candidate over the default.

    The objective is the gain of policy value in units of the mean reward, less what one standard error explains, plus
    the gain of loss in units of the loss of knowing only the mean. So value rules where it can be told apart, and the
    loss, which every logged row informs, decides where it cannot. The default's own objective is 0.

    Parameters
    ----------
    candidate, default : Tally
        On the same rows.
    value_unit, loss_unit : float
        Mean absolute reward, and loss of the constant prediction.
    """
    value = _mean_and_error(candidate.value - default.value, default.rows)
    loss = _mean_and_error(default.loss - candidate.loss, default.rows)
    beyond = np.sign(value[0]) * max(abs(value[0]) - _TOLD_APART * value[1], 0.0)
    return Difference(value, loss, float(beyond / value_unit + loss[0] / loss_unit))


def _mean_and_error(sums: Floats, rows: Floats) -> tuple[float, float]:
    mean = float(sums.sum() / rows.sum())
    used = rows > 0
    n = int(used.sum())
    spread = float((((sums - mean * rows)[used]) ** 2).sum())
    return mean, float(np.sqrt(n / max(n - 1, 1) * spread) / rows.sum())


def _places(training: TrainingSet, random_state: int) -> Floats:
    """Place of each row in [0, 1): by time where the log has one, else clusters in random order."""
    n = len(training)
    if training.order is not None:
        key = training.order
    else:
        codes = np.unique(training.groups, return_inverse=True)[1]
        key = np.random.default_rng(random_state).permutation(int(codes.max()) + 1)[codes].astype(np.float64)
    rank = np.empty(n)
    rank[np.argsort(key, kind="stable")] = np.arange(n) / n
    # rows of one moment (or one cluster) stay on one side of every edge
    _, inverse = np.unique(key, return_inverse=True)
    first = np.full(int(inverse.max()) + 1, np.inf)
    np.minimum.at(first, inverse, rank)
    return np.asarray(first[inverse])


def forward_splits(training: TrainingSet, edges: Sequence[float], random_state: int) -> list[tuple[Rows, Rows]]:
    """Rows to learn from and rows to judge on, which come next, for each pair of neighbouring edges.

    A quarter of the judged clusters are left out of what is learnt from, the others may be known from before: as in
    service, where some accounts are new.
    """
    position = _places(training, random_state)
    pairs = []
    for start, stop in pairwise(edges):
        judge = (position >= start) & (position < stop)
        new = np.unique(training.groups[judge])[::4]
        learn = (position < start) & ~np.isin(training.groups, new)
        if judge.any() and learn.any():
            pairs.append((np.flatnonzero(learn), np.flatnonzero(judge)))
    return pairs


class ForwardSplit:
    """One split with everything that judging needs but no candidate changes.

    Parameters
    ----------
    training : TrainingSet
    learn, judge : ndarray of int
    propensity : ndarray of shape (n,)
        Of the logged action of every row of ``training``, logged or estimated.
    random_state : int
    """

    def __init__(
        self, training: TrainingSet, learn: Rows, judge: Rows, propensity: Floats, random_state: int = 0
    ) -> None:
        self.past, self.future = training.take(learn), training.take(judge)
        n = len(judge)
        # neither candidate grades itself: rewards are modelled on the judged window, across its clusters
        self._expected = cross_fit_rewards(
            self.future.context,
            self.future.categorical,
            training.actions,
            self.future.action,
            self.future.reward,
            self.future.groups,
            random_state=random_state,
            reward_kind=training.reward_kind,
        )
        self._eligible = check_eligible(self.future.eligible, n, training.actions)
        self._eligible[np.arange(n), self.future.action] = True
        self._inverse = 1.0 / propensity[judge]
        codes = np.unique(training.groups, return_inverse=True)[1]
        bucket = np.random.default_rng(random_state).permutation(int(codes.max()) + 1) % _BUCKETS
        self._bucket = bucket[codes[judge]]
        self._cuts = np.quantile(self.past.reward, [_TAIL, 1 - _TAIL])

    def judge(self, expected: Floats) -> Tally:
        """Tally a model that was fitted on ``past`` by its expected rewards of ``future``.

        Its policy is the softmax that is served by default; its value is doubly robust, the correction self-normalised.

        Parameters
        ----------
        expected : ndarray of shape (len(future), n_actions)
        """
        rows, action, reward = np.arange(len(expected)), self.future.action, self.future.reward
        policy = softmax(expected, self._eligible, temperature_for_cost(expected, self._eligible), _FLOOR)
        weight = policy[rows, action] * self._inverse
        residual = reward - self._expected[rows, action]
        shift = float(np.average(residual, weights=weight))
        value = (policy * self._expected).sum(axis=1) + shift + weight / weight.mean() * (residual - shift)
        return self._tally(value, self._loss(expected[rows, action]))

    def _loss(self, predicted: Floats | float) -> Floats:
        if self.future.reward_kind == "binary":
            p = np.clip(predicted, 1e-9, 1 - 1e-9)
            return np.asarray(-(self.future.reward * np.log(p) + (1 - self.future.reward) * np.log1p(-p)))
        # tails cut: one payment must not choose the settings
        return np.asarray((np.clip(self.future.reward, *self._cuts) - np.clip(predicted, *self._cuts)) ** 2)

    def _tally(self, value: Floats, loss: Floats) -> Tally:
        def summed(rows: NDArray[Any] | None) -> Floats:
            return np.bincount(self._bucket, weights=rows, minlength=_BUCKETS).astype(np.float64)

        return Tally(summed(value), summed(loss), summed(None))

    @property
    def units(self) -> tuple[float, float]:
        """Sum of absolute rewards, and of the loss of predicting the mean of the past, over the judged rows."""
        known = float(np.clip(self.past.reward, *self._cuts).mean())
        return float(np.abs(self.future.reward).sum()), float(self._loss(known).sum())


def propensities_of(training: TrainingSet, random_state: int) -> Floats:
    """Propensity of each logged action: as logged, else estimated across clusters."""
    if training.propensity is not None:
        return training.propensity
    return cross_fit_propensities(
        training.context,
        training.categorical,
        training.actions,
        training.action,
        training.groups,
        training.eligible,
        random_state=random_state,
    ).logged
