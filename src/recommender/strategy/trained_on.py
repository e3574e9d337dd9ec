"""What a strategy was trained on: is there anything to learn, and what was it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from recommender.errors import InvalidInput
from recommender.history import LoggedFeedback

__all__ = ["check_learnable", "describe_log"]


def check_learnable(mature: LoggedFeedback) -> None:
    """Raise where the log holds one action only, or a constant reward."""
    taken = np.unique(mature.action)
    if len(taken) < 2:
        factor = mature.actions.factor_names[0]
        raise InvalidInput.in_column(
            factor,
            "and the other factors hold one action only, so there is nothing to compare",
            values=[mature.actions.label(int(taken[0]))],
            rows=range(len(mature)),
            mend="Add contacts made in another way (another channel, hour or tone).",
        )
    if np.ptp(mature.reward) == 0:
        name = mature.names.get("reward") or "reward"
        raise InvalidInput.in_column(
            name,
            "is constant, so no action can be told from another",
            values=[mature.reward[0]],
            rows=range(len(mature)),
            mend="Check how outcomes were joined, or wait for some responses.",
        )


def describe_log(log: LoggedFeedback, mature: LoggedFeedback) -> dict[str, Any]:
    """Describe the log a strategy was trained on, in JSON terms."""
    about: dict[str, Any] = {
        "digest": log.digest,
        "n_decisions": len(log),
        "n_mature": len(mature),
        "n_clusters": len(np.unique(log.groups)),
        "mean_reward": float(mature.reward.mean()),
        "propensities": "none" if log.propensity is None else f"{float(np.mean(~np.isnan(log.propensity))):.4f}",
    }
    if log.time is not None:
        series = pd.Series(log.time)
        about["first"], about["last"] = str(series.min()), str(series.max())
    return about
