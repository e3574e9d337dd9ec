"""Checks of what is evaluated, made once; every error names the array, the value, the row and the mend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.errors import InvalidInput

__all__ = ["LogVectors", "checked_policy", "checked_vectors"]


@dataclass(frozen=True)
class LogVectors:
    """The checked columns of a log, each of shape (n,)."""

    reward: NDArray[np.float64]
    action: NDArray[np.int64]
    propensity: NDArray[np.float64]
    propensity_logged: NDArray[np.bool_]
    cluster: NDArray[np.int64]


def checked_vectors(
    reward: NDArray[Any],
    action: NDArray[Any],
    propensity: NDArray[Any],
    propensity_logged: NDArray[Any],
    cluster: NDArray[Any],
    *,
    n_actions: int,
) -> LogVectors:
    """Check lengths and ranges of the columns of a log.

    Raises
    ------
    InvalidInput
        Names the array, the value and the rows at fault.
    """
    n = len(reward)
    if n == 0:
        raise InvalidInput("The log holds no decision with a known reward.", column="reward", mend="Pass some rows.")
    columns = {
        "action": action,
        "propensity": propensity,
        "propensity_logged": propensity_logged,
        "cluster": cluster,
    }
    for name, values in columns.items():
        if np.shape(values) != (n,):
            raise InvalidInput.in_column(
                name, f"must have shape ({n},)", values=[np.shape(values)], mend="Pass one entry a decision."
            )
    rewards = np.asarray(reward, dtype=np.float64)
    _refuse("reward", "must be a finite number", rewards, ~np.isfinite(rewards), "Drop rows that are not mature yet.")
    actions = np.asarray(action, dtype=np.int64)
    _refuse(
        "action",
        f"must lie in [0, {n_actions})",
        actions,
        (actions < 0) | (actions >= n_actions),
        "Use the row numbers of the action space.",
    )
    probability = np.asarray(propensity, dtype=np.float64)
    _refuse(
        "propensity",
        "must lie in (0, 1]",
        probability,
        ~((probability > 0) & (probability <= 1)),
        "Log the probability of the action that was taken; leave it out to have it estimated.",
    )
    _, codes = np.unique(np.asarray(cluster), return_inverse=True)
    return LogVectors(
        rewards, actions, probability, np.asarray(propensity_logged, dtype=bool), codes.reshape(-1).astype(np.int64)
    )


def checked_policy(probabilities: NDArray[Any], n: int, n_actions: int, name: str) -> None:
    """Check that every row is a probability distribution over the actions.

    Raises
    ------
    InvalidInput
        Names the rows that are not.
    """
    if np.shape(probabilities) != (n, n_actions):
        raise InvalidInput.in_column(
            name,
            f"must have shape ({n}, {n_actions})",
            values=[np.shape(probabilities)],
            mend="Pass one row a decision and one column an action, in the order of ActionSpace.to_frame().",
        )
    smallest, total = probabilities.min(axis=1), probabilities.sum(axis=1, dtype=np.float64)
    wrong = ~((smallest >= 0) & (np.abs(total - 1.0) <= 1e-6))
    _refuse(name, "must be non-negative and sum to 1 in every row", total, wrong, "Divide each row by its sum.")


def _refuse(name: str, what: str, values: NDArray[Any], wrong: NDArray[np.bool_], mend: str) -> None:
    rows = np.flatnonzero(wrong)
    if rows.size:
        raise InvalidInput.in_column(name, what, values=values[rows].tolist(), rows=rows.tolist(), mend=mend)
