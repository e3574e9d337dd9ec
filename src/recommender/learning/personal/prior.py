"""Which actions teach each other: a kernel over the action space from its factors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recommender.actions import ActionSpace

__all__ = ["action_kernel"]

Floats = NDArray[np.float64]

_SHARED = 0.4  # correlation of two levels of a factor without order
_SMOOTH_FROM = 6  # levels of an ordered factor from which neighbours teach each other, as in the regressions
_LENGTH, _FREE = 1.5, 0.05  # of the smooth kernel in spacings of the levels, and what each level keeps to itself


def action_kernel(actions: ActionSpace) -> Floats:
    """Prior correlation of what any two actions mean to a debtor, shape (n_actions, n_actions).

    The product over factors: levels of an ordered factor are alike the closer they are, levels of another one share a
    part. ``NO_CONTACT`` stands alone.
    """
    codes = actions.codes
    kernel = np.ones((len(actions), len(actions)))
    for position, levels in enumerate(actions.factors.values()):
        own = _level_kernel(levels)
        at = np.maximum(codes[:, position], 0)
        kernel *= own[np.ix_(at, at)]
    if actions.no_contact_index is not None:
        kernel[-1, :-1] = kernel[:-1, -1] = 0.0
        kernel[-1, -1] = 1.0
    return kernel


def _level_kernel(levels: tuple[object, ...]) -> Floats:
    n = len(levels)
    numbers = all(isinstance(level, int | float) and not isinstance(level, bool) for level in levels)
    if not numbers or n < _SMOOTH_FROM:
        return (1.0 - _SHARED) * np.eye(n) + _SHARED
    position = np.asarray(levels, dtype=np.float64)
    spacing = float(np.median(np.diff(np.sort(position)))) or 1.0
    smooth = np.exp(-0.5 * ((position[:, None] - position[None]) / (_LENGTH * spacing)) ** 2)
    return np.asarray((1.0 - _FREE) * smooth + _FREE * np.eye(n))
