"""What a strategy was trained on: is there anything to learn, what was it, and was this decision in it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.errors import InvalidInput
from recommender.history import LoggedFeedback

__all__ = ["check_learnable", "describe_log", "row_keys"]


def row_keys(log: LoggedFeedback) -> NDArray[np.uint64]:
    """Sorted 64-bit keys of the decisions, to notice later that a log was trained on."""
    keys = log.context_keys()
    columns: list[NDArray[Any]] = [log.action, log.reward]
    columns += [log.order] if log.order is not None else []
    columns += (
        [log.account_ids[log.account].astype(str)] if log.account_ids is not None and log.account is not None else []
    )
    for values in columns:
        keys = keys * np.uint64(0x9E3779B97F4A7C15) + pd.util.hash_array(
            np.asarray(values).astype(object, copy=False)
            if np.asarray(values).dtype.kind == "U"
            else np.asarray(values)
        )
    return np.sort(keys)


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
