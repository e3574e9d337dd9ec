"""From contributions on the margin to units of reward, so that they sum exactly to the difference that is shown.

The rule is the Aumann-Shapley one: walk on a straight line from one set of margins to another and give each
contribution what it adds along the way. With one margin that is the slope of the secant, the same for all of them, so
that signs and ratios are those of the margin; with two (event and amount of a hurdle) each margin has its mean slope
along the line.

References
----------
Aumann and Shapley (1974), "Values of Non-Atomic Games"; Sundararajan, Taly and Yan (2017), "Axiomatic attribution for
deep networks".
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from recommender.explanation.served import ServedModel

__all__ = ["reward_slopes"]

Floats = NDArray[np.float64]

_NODES, _NODE_WEIGHTS = np.polynomial.legendre.leggauss(48)
_FLAT = 1e-7  # margins closer than this have the slope of the point


def reward_slopes(served: ServedModel, start: Mapping[str, Floats], end: Mapping[str, Floats]) -> dict[str, Floats]:
    """Mean slope of the reward by each margin, on the line from ``start`` to ``end``.

    Parameters
    ----------
    served : ServedModel
    start, end : mapping of part to ndarray, all of one shape

    Returns
    -------
    dict of part to ndarray
        The products of slopes and differences of margins sum to the difference of rewards.
    """
    names = list(end)
    difference = {name: end[name] - start[name] for name in names}
    slopes = {name: np.zeros(np.shape(end[name])) for name in names}
    for node, weight in zip(0.5 * (_NODES + 1.0), 0.5 * _NODE_WEIGHTS, strict=True):
        at = served.slopes({name: start[name] + node * difference[name] for name in names})
        for name in names:
            slopes[name] += weight * at[name]
    # close what the quadrature leaves, on the margin that moved most
    rest = served.response(end) - served.response(start)
    for name in names:
        rest = rest - slopes[name] * difference[name]
    size = np.stack([np.abs(difference[name]) for name in names])
    widest = size.argmax(axis=0)
    for position, name in enumerate(names):
        here = (widest == position) & (size[position] > _FLAT)
        slopes[name] += np.where(here, rest / np.where(here, difference[name], 1.0), 0.0)
    return slopes
