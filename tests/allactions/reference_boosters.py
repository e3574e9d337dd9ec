"""Boosters of every kind that the scorer must reproduce."""

from __future__ import annotations

from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from recommender import ActionSpace
from recommender.allactions import ActionScorer

QUIET: dict[str, Any] = {"verbosity": -1, "num_threads": 1, "seed": 0, "deterministic": True, "force_col_wise": True}


def cross_product(context: NDArray[np.float64], action_rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Every row with every action; the factor columns come last."""
    return np.hstack([np.repeat(context, len(action_rows), axis=0), np.tile(action_rows, (len(context), 1))])


def naive_scores(
    booster: lgb.Booster, context: NDArray[np.float64], action_rows: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Raw scores of the cross product by ``Booster.predict``: the reference of every test here."""
    flat = booster.predict(cross_product(context, action_rows), raw_score=True, num_threads=1)
    return np.asarray(flat).reshape(len(context), len(action_rows))


def naive_top_k(
    scores: NDArray[np.float64], k: int, mask: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Best allowed actions, row by row, by a stable sort."""
    ids = np.full((len(scores), k), -1, dtype=np.int64)
    best = np.full((len(scores), k), np.nan)
    for row, values in enumerate(scores):
        allowed = [a for a in range(len(values)) if mask is None or mask[row, a]]
        ranked = sorted(allowed, key=lambda a: (-values[a], a))[:k]
        ids[row, : len(ranked)] = ranked
        best[row, : len(ranked)] = values[ranked]
    return ids, best


def scorer_from_booster(booster: lgb.Booster, space: ActionSpace, columns: Any, **more: Any) -> ActionScorer:
    """Compile for an action space; ``NO_CONTACT`` is the idle action."""
    return ActionScorer.from_booster(booster, space.factors, columns, **_idle(space, more))


def scorer_from_boosters(members: Any, space: ActionSpace, columns: Any, **more: Any) -> ActionScorer:
    """Compile a weighted sum for an action space."""
    return ActionScorer.from_boosters(members, space.factors, columns, **_idle(space, more))


def scorer_from_model_string(text: str, space: ActionSpace, columns: Any, **more: Any) -> ActionScorer:
    """Compile a text for an action space."""
    return ActionScorer.from_model_string(text, space.factors, columns, **_idle(space, more))


def _idle(space: ActionSpace, more: dict[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in more.items() if value is not None}
    return {"idle_values": {} if space.no_contact else None} | given
