"""What tuning may change of the boosted member, in a form that fits logs of any length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from recommender.errors import InvalidInput
from recommender.learning.trees.action_trees import TreeSettings

__all__ = ["SEARCH_SPACE", "Range", "tree_settings"]

_FEWEST_IN_LEAF = 5  # below, a leaf is an anecdote
_MOST_IN_LEAF = 1_000  # above, a million rows would have no interactions left


@dataclass(frozen=True)
class Range:
    """Values that a setting may take.

    Attributes
    ----------
    low, high : float
        Both included.
    usual : float
        Where the search starts.
    log : bool
        Whether ratios matter rather than differences.
    whole : bool
        Whole numbers only.
    """

    low: float
    high: float
    usual: float
    log: bool = True
    whole: bool = False


# A factor of three to ten around the defaults, on either side where that makes sense
SEARCH_SPACE: Mapping[str, Range] = {
    "n_leaves": Range(5, 63, 15, whole=True),
    "learning_rate": Range(0.015, 0.15, 0.05),
    "l2": Range(0.5, 200.0, 20.0),
    "leaf_share": Range(5e-5, 5e-3, 5e-4),  # smallest leaf as a share of the rows: found on a sample, used on all
    "feature_fraction": Range(0.3, 1.0, 1.0, log=False),
    "row_fraction": Range(0.5, 1.0, 0.8, log=False),
}


def tree_settings(values: Mapping[str, float], n_rows: int) -> TreeSettings:
    """Settings of a fit on so many rows.

    Parameters
    ----------
    found : mapping of str to float
        Some or all names of :data:`SEARCH_SPACE`; the others take their usual value.
    n_rows : int

    Raises
    ------
    InvalidInput
        On an unknown name or a value outside its range.
    """
    if unknown := sorted(set(values) - set(SEARCH_SPACE)):
        raise InvalidInput(
            f"Unknown tree settings {unknown}.", column="tree_settings", mend=f"Known: {sorted(SEARCH_SPACE)}."
        )
    value = {name: float(values.get(name, allowed.usual)) for name, allowed in SEARCH_SPACE.items()}
    for name, allowed in SEARCH_SPACE.items():
        if not allowed.low <= value[name] <= allowed.high:
            raise InvalidInput.in_column(
                f"tree_settings[{name!r}]",
                f"must lie in [{allowed.low:g}, {allowed.high:g}]",
                values=[value[name]],
                mend="Take it from a tuning result.",
            )
    return TreeSettings(
        n_leaves=round(value["n_leaves"]),
        learning_rate=value["learning_rate"],
        l2=value["l2"],
        min_leaf=int(np.clip(round(value["leaf_share"] * n_rows), _FEWEST_IN_LEAF, _MOST_IN_LEAF)),
        feature_fraction=value["feature_fraction"],
        row_fraction=value["row_fraction"],
        max_rounds=2_000,
    )
