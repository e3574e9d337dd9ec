"""Several aims as one reward: money collected, what the contact cost, and what its harm weighs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recommender.errors import InvalidInput

__all__ = ["net_value"]


def net_value(
    amount: ArrayLike,
    *,
    contact_cost: ArrayLike = 0.0,
    harms: Mapping[str, ArrayLike] | None = None,
    penalties: Mapping[str, float] | None = None,
) -> NDArray[np.float64]:
    """Reward of each decision: amount minus contact cost minus penalty x harm, all in one currency unit.

    Parameters
    ----------
    amount : array-like of shape (n,)
        Money received in the attribution window; NaN (not mature) stays NaN.
    contact_cost : float or array-like of shape (n,)
        What sending cost.
    harms : mapping of str to array-like of shape (n,), optional
        Events that count against the decision, e.g. ``{"opt_out": ..., "complaint": ...}``; 0/1 or counts.
    penalties : mapping of str to float, optional
        What one such event weighs; every harm needs one.

    Returns
    -------
    ndarray of float64 of shape (n,)

    Raises
    ------
    InvalidInput
        When a harm has no penalty, or a cost or penalty is negative.

    Examples
    --------
    >>> net_value([100.0, 0.0], contact_cost=2.0, harms={"opt_out": [0, 1]}, penalties={"opt_out": 50.0})
    array([ 98., -52.])
    """
    cost = np.asarray(contact_cost, dtype=np.float64)
    if (cost < 0).any():
        raise InvalidInput.in_column(
            "contact_cost",
            "must not be negative",
            values=cost[cost < 0].ravel().tolist(),
            mend="Give costs as positive.",
        )
    value = np.asarray(amount, dtype=np.float64) - cost
    for name, events in (harms or {}).items():
        weight = (penalties or {}).get(name)
        if weight is None or weight < 0:
            raise InvalidInput.in_column(
                name, "needs a penalty of 0 or more", values=[weight], mend=f"Pass penalties={{{name!r}: ...}}."
            )
        value = value - weight * np.asarray(events, dtype=np.float64)
    return np.asarray(value, dtype=np.float64)
