"""Prices of scarce capacity by map and reduce: values stay with the workers, sums and prices travel.

The plan of a part at these prices is the part's own business; that no plan within the limits is worth more than the
bound holds for the whole portfolio, whoever computed it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.errors import InvalidInput
from recommender.planning import DualPart, PlanProblem, collect, dual_bound, minimise_dual

__all__ = ["prices_on"]

_DEPTH = 3  # actions kept of an account
_ROUNDS = ((0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003), (0.003, 0.001, 0.0003))


def prices_on(client: Any, parts: Sequence[PlanProblem]) -> tuple[NDArray[np.float64], float]:
    """Prices of the capacities that all parts share, and the bound of the whole at these prices.

    Parameters
    ----------
    client : distributed.Client
    parts : sequence of PlanProblem
        Accounts of a portfolio by part, each debtor in one part only, all under the same rows; at most one contact a
        debtor. Values in files are read by the workers, which must see them.

    Returns
    -------
    prices : ndarray of shape (n_rows,)
    bound : float
        No plan of all parts together within the limits is worth more.

    Raises
    ------
    InvalidInput
        When the parts differ in their rows, or allow several contacts a debtor.
    """
    if not parts:
        raise InvalidInput("There is no part to price.", column="parts", mend="Give at least one.")
    rows = parts[0].rows
    for part in parts:
        same = part.rows.names == rows.names and np.array_equal(part.rows.use, rows.use)
        if not same or not np.array_equal(part.rows.limit, rows.limit):
            raise InvalidInput("Parts of a plan share their limits and uses.", column="rows", mend="Give all the same.")
        if part.contacts_per_debtor != 1:
            raise InvalidInput(
                "Prices are found for one contact a debtor at a time.",
                column="contacts_per_debtor",
                mend="Plan rounds.",
            )
    remote = [client.submit(_given, part, pure=False) for part in parts]
    prices = np.zeros(len(rows.names))
    for cooling in _ROUNDS:
        duals = client.map(_dual_part, remote, prices=prices, pure=False)
        typical = client.gather(client.map(_typical, duals, pure=False))
        scale = client.submit(_scale, duals[0], pure=False).result()

        def summed(price: NDArray[np.float64], temperature: float) -> Any:
            sums = client.gather(client.map(_at, duals, price=price, temperature=temperature, pure=False))  # noqa: B023
            return sum(one[0] for one in sums), sum(one[1] for one in sums), sum(one[2] for one in sums)

        mean = sum(one[0] for one in typical) / max(sum(one[1] for one in typical), 1) or 1.0
        prices = minimise_dual(summed, scale, rows.limit, prices, mean, cooling)
    bounds = client.gather(client.map(_bound_without_limits, remote, prices=prices, pure=False))
    return prices, float(sum(bounds)) + float(prices @ rows.limit)


def _given(part: PlanProblem) -> PlanProblem:
    return part


def _dual_part(part: PlanProblem, prices: NDArray[np.float64]) -> DualPart:
    return DualPart.of(part, collect(part, prices, _DEPTH))


def _typical(dual: DualPart) -> tuple[float, int]:
    return dual.typical()


def _scale(dual: DualPart) -> NDArray[np.float64]:
    return dual.scale


def _at(dual: DualPart, price: NDArray[np.float64], temperature: float) -> Any:
    return dual.at(price, temperature)


def _bound_without_limits(part: PlanProblem, prices: NDArray[np.float64]) -> float:
    """What the debtors of a part gain at most after paying; actions that no capacity holds stay closed."""
    return dual_bound(part, prices) - float(prices @ part.rows.limit)
