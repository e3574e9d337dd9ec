"""Has the world moved? How alike it was then to now, averaged over ways to move by what rows never seen say.

Effects of the context are those of now times how alike the world was, ``r(t)``, and others of then times
``(1 - r(t)^2)^1/2``, both under the precisions of the same block: the prior of an effect is at every moment what it is
in a world that stands still, so that following a world that moves costs no freedom of its own. What everybody does
(the level, and the order of actions that all accounts share) is known from few rows and walks apart from it, with
precisions of its own. Old rows still teach whatever did not change, and the model of now is the first of the weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.learning.regression.bilinear import BilinearModel
from recommender.learning.regression.linear_design import LinearDesign
from recommender.learning.stacking import group_folds

__all__ = ["Drift", "find_drift"]

Floats = NDArray[np.float64]

_RATES = (0.2, 0.5, 1.2)  # of forgetting over the whole log: what held at its beginning is .82, .61, .30 alike
_TURNS = (0.5, 0.7, 0.85)  # of the log, where a world may turn at once; finer differences show in no log
_ALIKE_BEFORE = (0.8, 0.5)  # a turn that leaves more is a slow one's, one that leaves less has not been met
_WAVES = 3  # of a walk's own basis: nine tenths of its variance
_NONE, _LEVEL = "none", "level"  # nothing moved; only what everybody does
_STAYS = 0.5  # probability beforehand that nothing moved
_HALF = 0.5  # of a gain counts: rows never seen have rows beside them in time that were, tomorrow has not
_MOST_ROWS = 100_000  # of judging: gains of tens of nats there leave nothing open
_FEWEST_EVENTS = 60  # among those that judge: fewer cannot tell
_RECENT = 0.75  # from this place on, trees are told that a row is recent
_STEADY = frozenset({"one", "bend", "wave"})  # kinds of terms that hold: bends and waves are many and say little each


def _shapes() -> dict[str, Callable[[Floats], Floats]]:
    """How alike the world was at each place in time, by name."""
    shapes: dict[str, Callable[[Floats], Floats]] = {_NONE: np.ones_like, _LEVEL: np.ones_like}
    for rate in _RATES:
        shapes[f"slowly, {rate}"] = lambda t, rate=rate: np.exp(-rate * (1.0 - t))
    for turn in _TURNS:
        for before in _ALIKE_BEFORE:
            shapes[f"at {turn:.0%} to {before}"] = lambda t, turn=turn, before=before: np.where(t < turn, before, 1.0)
    return shapes


_SHAPES = _shapes()


@dataclass(frozen=True)
class Drift:
    """A world that moved.

    Attributes
    ----------
    shares : tuple of (str, float)
        Probability of each way to move; they add up to 1.
    """

    shares: tuple[tuple[str, float], ...]

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
        columns = np.empty((n, n_terms + len(moving) + _WAVES), dtype=np.float32)
        columns[:, :n_terms] = U
        columns[:, moving] *= alike[:, None].astype(np.float32)
        columns[:, n_terms : n_terms + len(moving)] = U[:, moving] * np.sqrt(1.0 - alike**2)[:, None]
        columns[:, n_terms + len(moving) :] = _walk(time_rank)
        own = replace(design.terms[0], group=int(design.groups.max()) + 1)
        terms = (*design.terms, *(design.terms[j] for j in moving), *([own] * _WAVES))
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

    Each way to move predicts a third of the accounts at the time of each of their rows; no row of theirs was seen.
    So every row may speak of whether the world moved, not only the newest, which are too few.

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
    judging = group_folds(groups[rows], 3, random_state) == 0
    out, seen = rows[judging], rows[~judging]
    if min(target[out].sum(), (1 - target[out]).sum()) < _FEWEST_EVENTS:
        return None, {}

    def losses(name: str) -> Floats:
        way = Drift(((name, 1.0),))

        def columns(part: NDArray[np.int64]) -> tuple[LinearDesign, NDArray[np.floating]]:
            return (design, U[part]) if name == _NONE else way.columns(design, U[part], time_rank[part])

        longer, of_seen = columns(seen)
        model = BilinearModel.fit(
            longer, of_seen, actions, action[seen], target[seen], crossing="factors", rounds=4
        )
        eta = model.logged_scores(columns(out)[1], action[out])
        return np.asarray(np.logaddexp(0.0, eta) - target[out] * eta)

    plain = losses(_NONE)
    differences = {name: plain - losses(name) for name in _SHAPES if name != _NONE}
    gains = {
        name: (float(one.mean()), float(one.std() / np.sqrt(len(one)))) for name, one in differences.items()
    }
    shares = _probabilities({name: float(one.sum()) for name, one in differences.items()})
    if shares[_NONE] > _STAYS:
        return None, gains
    return Drift(tuple(shares.items())), gains


def _probabilities(gains: dict[str, float]) -> dict[str, float]:
    """Of each way to move, from gains in log-likelihood over none."""
    before = {_NONE: _STAYS} | dict.fromkeys(gains, (1.0 - _STAYS) / len(gains))
    logs = {name: np.log(chance) + _HALF * gains.get(name, 0.0) for name, chance in before.items()}
    most = max(logs.values())
    total = sum(np.exp(one - most) for one in logs.values())
    return {name: float(np.exp(one - most) / total) for name, one in logs.items()}
