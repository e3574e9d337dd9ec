"""Estimators that use the factors of an action: weights of cells (say channel x tone) instead of single actions."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.evaluation.estimators import Floats, Integers, policy_expectation

__all__ = ["cell_candidates", "factored_dr", "marginal_weights", "mips"]

_MOST_FACTORS = 6


def cell_candidates(factor_codes: Integers) -> dict[tuple[int, ...], NDArray[np.int64]]:
    """Every way to merge actions by ignoring factors, from single actions to one cell.

    ``NO_CONTACT`` (codes of -1) always is a cell of its own.

    Parameters
    ----------
    factor_codes : ndarray of int of shape (n_actions, n_factors)

    Returns
    -------
    dict of tuple of int to ndarray of shape (n_actions,)
        Factors kept -> cell of each action. With more than six factors only the nested prefixes are tried.
    """
    n_factors = factor_codes.shape[1]
    if n_factors > _MOST_FACTORS:
        kept_sets = [tuple(range(size)) for size in range(n_factors, -1, -1)]
    else:
        kept_sets = [kept for size in range(n_factors, -1, -1) for kept in combinations(range(n_factors), size)]
    no_contact = (factor_codes < 0).all(axis=1)
    candidates: dict[tuple[int, ...], NDArray[np.int64]] = {}
    for kept in kept_sets:
        columns = np.column_stack([no_contact.astype(np.int64), *(factor_codes[:, k] for k in kept)])
        _, cells = np.unique(columns, axis=0, return_inverse=True)
        candidates[kept] = np.asarray(cells, dtype=np.int64).reshape(-1)
    return candidates


def marginal_weights(
    action_probabilities: NDArray[Any],
    propensity_all: NDArray[Any],
    action: Integers,
    cells: Integers,
    propensity: NDArray[Any] | None = None,
) -> Floats:
    """Ratio of the target's to the logging policy's probability of the logged action's cell.

    Parameters
    ----------
    action_probabilities, propensity_all : ndarray of shape (n, n_actions)
        Target and logging policy.
    action : ndarray of int of shape (n,)
    cells : ndarray of int of shape (n_actions,)
        Cell of each action.
    propensity : ndarray of shape (n,), optional
        Of the logged action, where it is known better than ``propensity_all`` says: the cell then holds this
        probability and, of what is left, the share that ``propensity_all`` gives to its other actions.

    Returns
    -------
    ndarray of shape (n,)
    """
    logged_cell = cells[action]
    target = np.zeros(len(action))
    logging = np.zeros(len(action))
    for cell in np.unique(logged_cell):
        rows = np.flatnonzero(logged_cell == cell)
        members = np.flatnonzero(cells == cell)
        target[rows] = action_probabilities[np.ix_(rows, members)].sum(axis=1, dtype=np.float64)
        logging[rows] = propensity_all[np.ix_(rows, members)].sum(axis=1, dtype=np.float64)
    if propensity is not None:
        own = propensity_all[np.arange(len(action)), action].astype(np.float64)
        others = np.divide(logging - own, 1.0 - own, out=np.zeros(len(action)), where=own < 1.0 - 1e-6)
        logging = propensity + (1.0 - propensity) * np.clip(others, 0.0, 1.0)
    return np.asarray(target / np.maximum(logging, np.finfo(np.float64).tiny), dtype=np.float64)


def mips(
    *,
    reward: NDArray[Any],
    action: Integers,
    propensity_all: NDArray[Any],
    action_probabilities: NDArray[Any],
    cells: Integers,
) -> Floats:
    r"""Marginalised IPS: :math:`\frac{\pi(c_i \mid x_i)}{\mu(c_i \mid x_i)} r_i` with :math:`c` the action's cell.

    Unbiased when the reward depends on the action through its cell only.

    References
    ----------
    Saito and Joachims, "Off-policy evaluation for large action spaces via embeddings", ICML 2022.
    """
    weight = marginal_weights(action_probabilities, propensity_all, action, cells)
    return np.asarray(weight * reward, dtype=np.float64)


def factored_dr(
    *,
    reward: NDArray[Any],
    action: Integers,
    propensity_all: NDArray[Any],
    expected_reward: NDArray[Any],
    action_probabilities: NDArray[Any],
    cells: Integers,
) -> Floats:
    r"""Factored DR: :math:`v_i + w(c_i)(r_i - q(x_i, a_i))`, the residual weighted by cell.

    Unbiased when the reward model is right about differences *within* a cell, whatever its level.

    References
    ----------
    Saito, Ren and Joachims, "Off-policy evaluation for large action spaces via conjunct effect modeling", ICML 2023.
    """
    weight = marginal_weights(action_probabilities, propensity_all, action, cells)
    residual = reward - expected_reward[np.arange(len(action)), action]
    value = policy_expectation(action_probabilities, expected_reward)
    return np.asarray(value + weight * residual, dtype=np.float64)
