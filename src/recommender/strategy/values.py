"""The value ladder of an answer: chance of each rung, money, cost, net value and gain over leaving alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recommender.history import RUNGS, LoggedFeedback
from recommender.learning import LadderModel, interval_of

__all__ = ["MONEY", "Believed", "Money", "gain_over_idle", "is_value", "ladder_columns", "money_of", "value_names"]

Floats = NDArray[np.float64]
Money = Literal["net", "gross", "other"]

MONEY = ("expected_amount", "net_value", "net_gain")
"""Columns in minor units that come with an interval; ``cost`` is a number of its own."""


@dataclass(frozen=True)
class Believed:
    """Expected reward of actions with its interval; arrays of one shape."""

    expected: Floats
    lo: Floats
    hi: Floats


def money_of(log: LoggedFeedback) -> Money:
    """What the reward is in money, as the log itself shows: what came in, the same net of cost, or something else."""
    climbed = log.climbed
    if climbed is None or climbed.paid is None or log.reward_kind != "amount":
        return "other"
    known = log.mature & ~np.isnan(climbed.paid)
    if not known.any():
        return "other"
    cost = np.zeros(len(log)) if climbed.cost is None else np.nan_to_num(climbed.cost)
    if np.allclose(log.reward[known], (climbed.paid - cost)[known]):
        return "net"
    return "gross" if np.allclose(log.reward[known], climbed.paid[known]) else "other"


_ALL = frozenset(
    f"{name}{end}" for name in ("gain", *(f"p_{rung}" for rung in RUNGS), *MONEY) for end in ("", "_lo", "_hi")
) | {"cost", "offer_cost"}


def is_value(column: str) -> bool:
    """Whether a column of a recommendation belongs to the value ladder."""
    return column in _ALL


def value_names(ladder: LadderModel | None, *, with_idle: bool) -> tuple[str, ...]:
    """Columns of an answer, in order."""
    names = ["gain", "gain_lo", "gain_hi"] if with_idle else []
    if ladder is not None:
        names += [f"p_{rung}{end}" for rung in ladder.rungs for end in ("", "_lo", "_hi")]
        if ladder.has_amounts:
            money = MONEY if with_idle else MONEY[:2]
            names += ["cost", *(f"{name}{end}" for name in money for end in ("", "_lo", "_hi"))]
    return tuple(names)


def gain_over_idle(action: Believed, idle: Believed) -> dict[str, Floats]:
    """Expected reward above that of leaving the account alone, with its interval.

    References
    ----------
    Zou & Donner (2008), "Construction of confidence limits about effect measures" (MOVER): the interval of a
    difference from those of its parts. What both have in common makes it wider than need be, never narrower.
    """
    difference = action.expected - idle.expected
    below = np.hypot(action.expected - action.lo, idle.hi - idle.expected)
    above = np.hypot(action.hi - action.expected, idle.expected - idle.lo)
    return {"gain": difference, "gain_lo": difference - below, "gain_hi": difference + above}


def ladder_columns(
    ladder: LadderModel,
    X: Floats,
    ranked: NDArray[np.int64],
    *,
    believed: Believed,
    money: Money,
    idle: Believed | None,
    idle_is_nothing: bool,
) -> dict[str, Floats]:
    """Columns of the value ladder of ranked actions.

    Parameters
    ----------
    ladder : LadderModel
    X : ndarray of shape (n, n_columns)
        Encoded context.
    ranked : ndarray of shape (n, k)
    believed : Believed
        Of the ranked actions: where the reward is money, it is this that is told, and no second opinion.
    money : {"net", "gross", "other"}
    idle : Believed or None
        Of leaving alone, shape (n, 1); None where the action space has no ``NO_CONTACT``.
    idle_is_nothing : bool
        Leaving alone was never logged: it brings in nothing by definition.
    """
    alone = ladder.actions.no_contact_index
    asked = ranked if alone is None else np.column_stack([ranked, np.full(len(ranked), alone)])
    belief = ladder.believe(X, asked)
    k = ranked.shape[1]
    nothing = np.zeros(ranked.shape, dtype=bool) if alone is None else ranked == alone
    chances = np.stack([belief.rungs[name][:, :k] for name in ladder.rungs])
    columns = _rung_columns(ladder.rungs, chances, nothing, idle_is_nothing)
    if belief.amount is None:
        return columns
    cost = ladder.cost[ranked]
    if money != "other":
        return columns | {"cost": cost} | _reward_as_money(believed, idle, cost, cost if money == "net" else 0.0 * cost)
    amount = np.where((nothing & idle_is_nothing)[..., None], 0.0, belief.amount[:, :k])
    by_member = {"expected_amount": amount, "net_value": amount - cost[..., None]}
    if alone is not None:
        left = 0.0 if idle_is_nothing else belief.amount[:, k:]
        by_member["net_gain"] = np.where(nothing[..., None], 0.0, by_member["net_value"] - left)
    columns["cost"] = cost
    for name, members in by_member.items():
        mean, lo, hi = interval_of(members)
        columns |= {name: mean, f"{name}_lo": lo, f"{name}_hi": hi}
    return columns


def _rung_columns(
    rungs: Sequence[str], chances: Floats, alone: NDArray[np.bool_], idle_is_nothing: bool
) -> dict[str, Floats]:
    """Chance of each rung with its interval, the ends in order too; left alone, the only rung is payment.

    Parameters
    ----------
    rungs : sequence of str
    chances : ndarray of shape (n_rungs, n, k, n_members)
    alone : ndarray of bool of shape (n, k)
    idle_is_nothing : bool
    """
    means, los, his = interval_of(chances)
    np.clip(los, 0.0, 1.0, out=los)
    np.clip(his, 0.0, 1.0, out=his)
    columns: dict[str, Floats] = {}
    below, above = np.ones(alone.shape), np.ones(alone.shape)
    for name, mean, lo, hi in zip(rungs, means, los, his, strict=True):
        if idle_is_nothing and name == "paid":
            mean, lo, hi = (np.where(alone, 0.0, one) for one in (mean, lo, hi))
        below = np.minimum(lo, np.where(alone, 1.0, below))
        above = np.minimum(hi, np.where(alone, 1.0, above))
        columns |= {f"p_{name}": mean, f"p_{name}_lo": below, f"p_{name}_hi": above}
    return columns


def _reward_as_money(believed: Believed, idle: Believed | None, cost: Floats, taken_off: Floats) -> dict[str, Floats]:
    """The money that the reward itself is; ``taken_off`` is the cost that it is net of already."""
    ends = {"": believed.expected, "_lo": believed.lo, "_hi": believed.hi}
    columns = {f"expected_amount{end}": value + taken_off for end, value in ends.items()}
    columns |= {f"net_value{end}": value + taken_off - cost for end, value in ends.items()}
    if idle is not None:
        gained = gain_over_idle(believed, idle)
        columns |= {f"net_{name}": value - (cost - taken_off) for name, value in gained.items()}
    return columns
