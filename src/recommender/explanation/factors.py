"""What each factor of an action is worth: exact Shapley values over the factors, from scores already at hand."""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations
from math import factorial

import numpy as np
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.errors import InvalidInput

__all__ = ["factor_contrast", "factor_effects"]

Floats = NDArray[np.float64]

_MOST_FACTORS = 12


def factor_contrast(scores: Floats, actions: ActionSpace, a: int, b: int) -> Floats:
    """Split ``scores[a] - scores[b]`` over the factors in which the two actions differ.

    Baseline Shapley values: the worth of a set of factors is the score of the action that takes these levels from ``a``
    and the others from ``b``. With ``f`` differing factors this reads ``2 ** f`` scores and calls no model.

    Parameters
    ----------
    scores : ndarray of shape (n_actions,)
        Of one account, on any scale: margin or expected reward.
    actions : ActionSpace
    a, b : int
        Action indices.

    Returns
    -------
    ndarray of shape (n_factors + 1,)
        One value a factor, then the whole difference where one of the two is ``NO_CONTACT``, which has no levels. They
        sum to ``scores[a] - scores[b]``; equal levels hold 0; swapping ``a`` and ``b`` changes every sign.

    References
    ----------
    Sundararajan and Najmi (2020), "The many Shapley values for model explanation".
    """
    n_factors = len(actions.factors)
    answer = np.zeros(n_factors + 1)
    if a == b:
        return answer
    idle = actions.no_contact_index
    if idle in (a, b):
        answer[-1] = scores[a] - scores[b]
        return answer
    from_a, from_b = actions.codes[a].tolist(), actions.codes[b].tolist()
    strides = [int(np.prod(actions.shape[position + 1 :])) for position in range(n_factors)]
    differing = [position for position in range(n_factors) if from_a[position] != from_b[position]]
    if len(differing) > _MOST_FACTORS:
        raise InvalidInput(
            f"The actions differ in {len(differing)} factors; at most {_MOST_FACTORS} can be split exactly.",
            column="actions",
            mend="Contrast actions that share some levels.",
        )
    steps = np.array([(from_a[p] - from_b[p]) * strides[p] for p in differing])
    masks, weights = _shapley_weights(len(differing))
    values = np.asarray(scores, dtype=np.float64)[b + masks @ steps]
    answer[differing] = weights @ values
    return answer


@lru_cache(maxsize=16)
def _shapley_weights(n: int) -> tuple[NDArray[np.int64], Floats]:
    """Membership of every subset, shape (2 ** n, n), and the weight of its worth in each value, shape (n, 2 ** n)."""
    masks = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    size = masks.sum(axis=1)
    joining = np.array([factorial(s) * factorial(n - s - 1) / factorial(n) if s < n else 0.0 for s in range(n + 1)])
    weights = np.where(masks.T == 1, joining[np.maximum(size - 1, 0)], -joining[size])
    return masks, weights


def factor_effects(scores: Floats, actions: ActionSpace) -> tuple[float, Floats, Floats]:
    """Split every action's score against the mean over the contact actions.

    Shapley values whose worth of a set of factors is the mean over all levels of the others.

    Parameters
    ----------
    scores : ndarray of shape (n_actions,)
    actions : ActionSpace

    Returns
    -------
    mean : float
    effects : ndarray of shape (n_actions, n_factors)
    contact : ndarray of shape (n_actions,)
        What ``NO_CONTACT`` differs by; 0 elsewhere.
    """
    shape = actions.shape
    n_factors = len(shape)
    table = np.asarray(scores[: actions.n_contact_actions], dtype=np.float64).reshape(shape)
    mean = float(table.mean())
    effects = np.zeros((len(actions), n_factors))
    contact = np.zeros(len(actions))
    if actions.no_contact_index is not None:
        contact[-1] = scores[-1] - mean
    # the interaction of a set of factors (functional ANOVA) belongs to its members in equal parts
    varying = [position for position, size in enumerate(shape) if size > 1]
    pure: dict[tuple[int, ...], Floats] = {(): np.full((1,) * n_factors, mean)}
    for size in range(1, len(varying) + 1):
        for members in combinations(varying, size):
            others = tuple(position for position in range(n_factors) if position not in members)
            part = table.mean(axis=others, keepdims=True)
            for smaller in range(size):
                for subset in combinations(members, smaller):
                    part = part - pure[subset]
            pure[members] = part
            spread = np.broadcast_to(part, shape).ravel() / size
            effects[: actions.n_contact_actions, list(members)] += spread[:, None]
    return mean, effects, contact
