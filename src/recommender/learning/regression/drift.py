"""Has the world moved? How alike it was then to now, averaged over ways to move by what rows never seen say.

Effects of the context are those of now times how alike the world was, ``r(t)``, and others of then times
``(1 - r(t)^2)^1/2``, both under the precisions of the same block: the prior of an effect is at every moment what it is
in a world that stands still, so that following a world that moves costs no freedom of its own. What everybody does
(the level, and the order of actions that all accounts share) is known from few rows and walks apart from it, with
precisions of its own. Old rows still teach whatever did not change, and the model of now is the first of the weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.learning.regression.bilinear import BilinearModel
from recommender.learning.regression.linear_design import LinearDesign
from recommender.learning.stacking import group_folds

__all__ = ["Drift", "find_drift"]

Floats = NDArray[np.float64]

_RATES = (0.3, 1.0)  # of forgetting over the whole log: what held at its beginning is .74, .37 alike
_TURNS = (0.5, 0.7, 0.85)  # of the log, where a world may turn at once; finer differences show in no log
_ALIKE_BEFORE = 0.6  # by a turn; a mean of ways to move stands between this and 1
_WAVES = 3  # of a walk's own basis: nine tenths of its variance
_STILL = "still"  # the way of a world in which accounts differ as they did
_LEVEL = "level"  # what everybody does
_LEAST = 0.5  # counted gain from which the level walks: beside what a walk that nobody takes may gain by chance
_STAYS = 0.5  # probability beforehand of either that it did not move
_HALF = 0.5  # of a gain counts: rows never seen have rows beside them in time that were, tomorrow has not
_CAUTION = 1.5  # standard errors off every gain: what stands still seems to move in one of several ways by chance
_MOST_ROWS = 60_000  # of judging: gains of tens of nats there leave nothing open
_FOLDS = 2  # as telling as three, at half their cost
_FEWEST_EVENTS = 120  # fewer cannot tell
_RECENT = 0.75  # from this place on, trees are told that a row is recent
_STEADY = frozenset({"one", "bend", "wave"})  # kinds of terms that hold: bends and waves are many and say little each


def _forgotten(rate: float, place: Floats) -> Floats:
    return np.asarray(np.exp(-rate * (1.0 - place)))


def _turned(turn: float, place: Floats) -> Floats:
    return np.where(place < turn, _ALIKE_BEFORE, 1.0)


# How alike the world was to now at each place in time, by the name of the way to move.
_SHAPES: dict[str, Callable[[Floats], Floats]] = {
    _STILL: np.ones_like,
    **{f"slowly, {rate}": partial(_forgotten, rate) for rate in _RATES},
    **{f"at {turn:.0%}": partial(_turned, turn) for turn in _TURNS},
}


@dataclass(frozen=True)
class Drift:
    """A world that moved.

    Attributes
    ----------
    shares : tuple of (str, float)
        Probability of each way in which accounts may have come to differ; they add up to 1.
    level : bool
        Whether what everybody does moved.
    """

    shares: tuple[tuple[str, float], ...]
    level: bool

    def alike(self, time_rank: Floats) -> Floats:
        """How alike effects were to those of now at places in time from 0 to 1, shape (n,)."""
        return np.asarray(sum((share * _SHAPES[name](time_rank) for name, share in self.shares), start=np.zeros(1)))

    @staticmethod
    def recent(time_rank: Floats) -> NDArray[np.bool_]:
        """Rows of which trees are told that they are recent, shape (n,)."""
        return np.asarray(time_rank >= _RECENT)

    def columns(self, design: LinearDesign, U: Floats, time_rank: Floats) -> tuple[LinearDesign, NDArray[np.float32]]:
        """Columns of rows at their own time.

        Returns
        -------
        (LinearDesign, ndarray of float32 of shape (n, >= n_terms))
            Terms of now first; then those of then, which share their precisions, and the walk of the constant.
        """
        moving = [j for j, term in enumerate(design.terms) if term.kind not in _STEADY and term.crossed]
        alike = self.alike(time_rank)
        if (alike == 1.0).all():
            moving = []
        n, n_terms = U.shape
        waves = _WAVES * self.level
        columns = np.empty((n, n_terms + len(moving) + waves), dtype=np.float32)
        columns[:, :n_terms] = U
        columns[:, moving] *= alike[:, None].astype(np.float32)
        columns[:, n_terms : n_terms + len(moving)] = U[:, moving] * np.sqrt(1.0 - alike**2)[:, None]
        columns[:, n_terms + len(moving) :] = _walk(time_rank)[:, :waves]
        own = replace(design.terms[0], group=int(design.groups.max()) + 1)
        terms = (*design.terms, *(design.terms[j] for j in moving), *([own] * waves))
        return LinearDesign(terms, design.matched), columns


def _walk(time_rank: Floats) -> Floats:
    """Basis of a random walk that stands at 0 now, shape (n, _WAVES): its first Karhunen-Loeve functions."""
    turns = (np.arange(_WAVES) + 0.5) * np.pi
    return np.asarray(np.sqrt(2.0) * np.sin((1.0 - time_rank)[:, None] * turns) / turns)


def find_drift(
    design: LinearDesign,
    U: Floats,
    actions: ActionSpace,
    action: NDArray[np.int64],
    target: Floats,
    groups: NDArray[np.int64],
    time_rank: Floats | None,
    *,
    random_state: int,
) -> tuple[Drift | None, dict[str, tuple[float, float]]]:
    """How the world moved, or None where it is likelier that it did not.

    Each way to move predicts rows of accounts that it never saw, by halves, at the time of each row. So every row may
    speak of whether the world moved, not only the newest, which are too few.

    Parameters
    ----------
    groups : ndarray of int64 of shape (n,)
        Rows of one group are seen together or not at all.
    time_rank : ndarray of shape (n,), optional
        Of each row in time, from 0 to 1.

    Returns
    -------
    (Drift or None, mapping of way to gain in log-loss a row over none, and its standard error)
    """
    if time_rank is None or len(np.unique(time_rank)) < 10:
        return None, {}
    rows = np.sort(np.random.default_rng(random_state).permutation(len(target))[:_MOST_ROWS])
    if min(target[rows].sum(), (1 - target[rows]).sum()) < _FEWEST_EVENTS:
        return None, {}
    folds = group_folds(groups[rows], _FOLDS, random_state)
    judge = _Judge(design, U[rows], actions, action[rows], target[rows], time_rank[rows], folds)
    still = judge.losses(_STILL, level=False)
    gains = {_LEVEL: _gain(still - judge.losses(_STILL, level=True))}
    level = _counts(gains[_LEVEL], len(rows)) > _LEAST
    base = judge.losses(_STILL, level=level)
    ways = [name for name in _SHAPES if name != _STILL]
    gains |= {name: _gain(base - judge.losses(name, level=level)) for name in ways}
    shares = _probabilities({name: _counts(gains[name], len(rows)) for name in ways})
    if shares[_STILL] > _STAYS:
        shares = {_STILL: 1.0}
    if len(shares) == 1 and not level:
        return None, gains
    return Drift(tuple(shares.items()), level), gains


@dataclass(frozen=True, eq=False)
class _Judge:
    """What each way to move makes of rows that it never saw, at their own time."""

    design: LinearDesign
    U: Floats
    actions: ActionSpace
    action: NDArray[np.int64]
    target: Floats
    place: Floats
    folds: NDArray[np.int64]
    known: dict[tuple[bool, int], BilinearModel] = field(default_factory=dict)
    lost: dict[tuple[str, bool], Floats] = field(default_factory=dict)

    def losses(self, name: str, *, level: bool) -> Floats:
        """Log-loss of every row, shape (n,)."""
        if (name, level) not in self.lost:
            longer, columns = Drift(((name, 1.0),), level).columns(self.design, self.U, self.place)
            loss = np.empty(len(self.target))
            for fold in range(_FOLDS):
                out = self.folds == fold
                eta = self._fitted(longer, columns, fold, level).logged_scores(columns[out], self.action[out])
                loss[out] = np.logaddexp(0.0, eta) - self.target[out] * eta
            self.lost[name, level] = loss
        return self.lost[name, level]

    def _fitted(self, design: LinearDesign, columns: NDArray[np.float32], fold: int, level: bool) -> BilinearModel:
        """Without a fold; precisions are those of the world that stands still, learnt first."""
        seen = self.folds != fold
        learnt = self.known.get((level, fold))
        model = BilinearModel.fit(
            design,
            columns[seen],
            self.actions,
            self.action[seen],
            self.target[seen],
            crossing="factors",
            rounds=4,
            precision=None if learnt is None else learnt.precision,
        )
        self.known.setdefault((level, fold), model)
        return model


def _gain(difference: Floats) -> tuple[float, float]:
    """Mean and standard error."""
    return float(difference.mean()), float(difference.std() / np.sqrt(len(difference)))


def _counts(gain: tuple[float, float], n_rows: int) -> float:
    """What is taken for gained in log-likelihood."""
    return _HALF * n_rows * (gain[0] - _CAUTION * gain[1])


def _probabilities(gains: dict[str, float]) -> dict[str, float]:
    """Of each way to move, from what it gained in log-likelihood over a world that stands still."""
    before = {_STILL: _STAYS} | dict.fromkeys(gains, (1.0 - _STAYS) / len(gains))
    logs = {name: np.log(chance) + gains.get(name, 0.0) for name, chance in before.items()}
    most = max(logs.values())
    total = sum(np.exp(one - most) for one in logs.values())
    return {name: float(np.exp(one - most) / total) for name, one in logs.items()}
