"""Open Bandit logs as feedback: a real bandit log with known propensities, from another domain."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from recommender.actions import ActionSpace
from recommender.errors import InvalidInput
from recommender.history import LoggedFeedback

__all__ = ["open_bandit_feedback", "read_open_bandit"]

_NEEDED = ("timestamp", "item_id", "position", "click", "propensity_score")
_AFFINITY = "user-item_affinity_"


def read_open_bandit(path: Path | str) -> pd.DataFrame:
    """Read one log (CSV, also gzipped) in its own order.

    Returns
    -------
    DataFrame
        ``timestamp`` as UTC instants; ``position``, a place on the page, and the hashed ``user_feature_*`` as text.
        The unnamed first column, a row number, is left out.

    Raises
    ------
    InvalidInput
        When the columns of an Open Bandit log are not there.
    """
    frame = pd.read_csv(path)
    if missing := [name for name in _NEEDED if name not in frame.columns]:
        raise InvalidInput.missing_columns(missing, frame.columns.tolist(), role="an Open Bandit log")
    frame = frame.drop(columns=[name for name in frame.columns if str(name).startswith("Unnamed")])
    frame["timestamp"] = pd.to_datetime(frame["timestamp"], utc=True, format="ISO8601")
    frame["position"] = frame["position"].astype("str")
    return frame


def open_bandit_feedback(path: Path | str, *, n_items: int | None = None, affinities: bool = False) -> LoggedFeedback:
    """Read one log as checked feedback: one factor (the item), propensities logged, the click as reward.

    Parameters
    ----------
    path : path
    n_items : int or None
        Number of items of the campaign; None = as many as there are affinity columns, one an item.
    affinities : bool, default=False
        Whether the affinity of the user to each item is context too.

    Examples
    --------
    >>> log = open_bandit_feedback("data/samples/open_bandit/random-men.csv.gz")  # doctest: +SKIP
    >>> log.n_actions, len(log)  # doctest: +SKIP
    (34, 10000)
    """
    frame = read_open_bandit(path)
    affinity = [str(name) for name in frame.columns if str(name).startswith(_AFFINITY)]
    items = n_items or max(len(affinity), int(frame["item_id"].max()) + 1)
    frame["hour_utc"] = frame["timestamp"].dt.hour.astype(np.float64)
    context = ["hour_utc", "position", *(str(name) for name in frame.columns if str(name).startswith("user_feature_"))]
    return LoggedFeedback.from_frame(
        frame,
        actions=ActionSpace({"item_id": range(items)}),
        context=[*context, *(affinity if affinities else [])],
        reward="click",
        propensity="propensity_score",
        time="timestamp",
        reward_kind="binary",
    )
