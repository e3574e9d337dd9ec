"""What is believed of ranked actions: interval, evidence and value ladder."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recommender.learning import LadderModel, OwnScored, Scored
from recommender.strategy.recommendation import Belief
from recommender.strategy.values import Believed, Money, gain_over_idle, ladder_columns
from recommender.support import NeverTried

__all__ = ["ranked_belief"]

Floats = NDArray[np.float64]


def ranked_belief(
    scored: Scored | OwnScored,
    ranked: NDArray[np.int64],
    X: Floats,
    *,
    rewards: Floats,
    idle: int | None,
    idle_is_nothing: bool,
    never_tried: NeverTried,
    ladder: LadderModel | None,
    money: Money,
) -> Belief:
    """Interval and evidence of the ranked actions, and what they bring in.

    Parameters
    ----------
    scored : Scored or OwnScored
        The accounts as the reward model scored them.
    ranked : ndarray of shape (n, k)
        Actions.
    X : ndarray of shape (n, n_columns)
        The same accounts, encoded. Where the log never tried an action on accounts like these there is no evidence,
        whatever its factors show elsewhere.
    rewards : ndarray of shape (n, n_actions)
        Expected rewards as they are served.
    idle : int or None
        The action ``NO_CONTACT``, where there is one.
    idle_is_nothing : bool
        It was never logged: it earns 0 by definition, and nothing is unsure about that.
    never_tried : NeverTried
    ladder : LadderModel or None
    money : {"net", "gross", "other"}
    """
    n, k = ranked.shape
    each = np.arange(n)[:, None]
    asked = ranked
    if idle is not None:
        asked = np.full((n, k + 1), idle, dtype=np.int64)
        asked[:, :k] = ranked
    lo, hi = scored.interval(asked)
    if idle_is_nothing:
        lo, hi = np.where(asked == idle, 0.0, lo), np.where(asked == idle, 0.0, hi)
    evidence = scored.evidence(ranked)
    if never_tried:
        evidence = np.where(never_tried.cells(X)[each, ranked], 0.0, evidence)
    expected = rewards[each, asked]
    believed = Believed(expected[:, :k], lo[:, :k], hi[:, :k])
    alone = None if idle is None else Believed(expected[:, k:], lo[:, k:], hi[:, k:])
    values: dict[str, Floats] = {}
    if alone is not None:
        gained = gain_over_idle(believed, alone)
        values |= {name: np.where(ranked == idle, 0.0, gain) for name, gain in gained.items()}
    if ladder is not None:
        values |= ladder_columns(
            ladder, X, ranked, believed=believed, money=money, idle=alone, idle_is_nothing=idle_is_nothing
        )
    return Belief(believed.lo, believed.hi, evidence, values)
