"""What would have to be different for the other action to win: the smallest change among observed values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.errors import InvalidInput
from recommender.explanation.action_difference import ActionDifference
from recommender.explanation.concepts import ACTION_GROUP, OTHER_GROUP

__all__ = ["flips"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Change:
    kind: str
    name: str
    group: str
    columns: tuple[int, ...]
    donor: int


def flips(contrast: ActionDifference, reference: pd.DataFrame | None, most_values: int) -> pd.DataFrame:
    """Changes of one column or one concept, to values that other accounts hold, after which ``b`` beats ``a``.

    Columns of an account's own contacts change together only, since one without the others cannot be; protected columns
    do not change. The size of a change is counted in ranks: the share of the reference accounts between old and new
    value of a number, 1 for another category or a value that comes or goes, summed over the columns.

    Parameters
    ----------
    contrast : ActionDifference
    reference : DataFrame or None
        Accounts with the context columns; None = the explained ones.
    most_values : int

    Returns
    -------
    DataFrame
        The smallest change of each column and concept that turns the order: ``kind`` ("feature" or "group"), ``group``,
        ``change`` (column -> (from, to)), ``size``, ``reward_a``, ``reward_b``; smallest first.
    """
    explanation = contrast.explanation
    served = explanation.served
    if reference is None:
        context, pool = explanation.context, explanation.X
    else:
        context = served.context(reference, None, None)
        pool = served.encode(context)
    own = explanation.X[contrast.account_index]
    if most_values < 1:
        raise InvalidInput(f"most_values must be at least 1; got {most_values}.", column="most_values", mend="Try 25.")
    categorical = set(served.encoder.categorical_positions)
    changes = _candidates(contrast, own, pool, most_values)
    columns = ["kind", "group", "change", "size", "reward_a", "reward_b"]
    if not changes:
        return pd.DataFrame(columns=columns)
    tried = np.repeat(own[None], len(changes), axis=0)
    for position, change in enumerate(changes):
        tried[position, list(change.columns)] = pool[change.donor, list(change.columns)]
    rewards = served.rewards(served.margins(tried))
    won = np.flatnonzero(rewards[:, contrast.b] > rewards[:, contrast.a])
    best: dict[tuple[str, str], tuple[float, float, int]] = {}
    ordered = {j: np.sort(pool[np.isfinite(pool[:, j]), j]) for j in range(pool.shape[1])}
    for position in won.tolist():
        change = changes[position]
        size = sum(_distance(own[j], tried[position, j], ordered[j], j in categorical) for j in change.columns)
        key = (change.kind, change.name)
        # of changes of one size, the clearest turn
        candidate = (size, float(rewards[position, contrast.a] - rewards[position, contrast.b]), position)
        best[key] = min(best.get(key, candidate), candidate)
    names = served.encoder.names
    before = explanation.context.iloc[contrast.account_index]
    smallest = []
    for size, _, position in best.values():
        change = changes[position]
        after = context.iloc[change.donor]
        moved = [names[j] for j in change.columns if not _same(own[j], tried[position, j])]
        smallest.append(
            {
                "kind": change.kind,
                "group": change.group,
                "change": {name: (before[name], after[name]) for name in moved},
                "size": size,
                "reward_a": rewards[position, contrast.a],
                "reward_b": rewards[position, contrast.b],
            }
        )
    return pd.DataFrame(smallest, columns=columns).sort_values("size", kind="stable", ignore_index=True)


def _candidates(contrast: ActionDifference, own: Floats, pool: Floats, most: int) -> list[_Change]:
    explanation = contrast.explanation
    names = explanation.served.encoder.names
    if contrast.a == contrast.b:
        return []
    free = [j for j, name in enumerate(names) if not explanation.groups.is_protected(name)]
    changes = []
    for j in free:
        if names[j].startswith("history."):
            continue
        group = explanation.feature_groups[j]
        changes += [
            _Change("feature", names[j], group, (j,), donor)
            for donor in _spread_over_values(pool[:, j], most)
            if not _same(own[j], pool[donor, j])
        ]
    for group in dict.fromkeys(explanation.feature_groups[j] for j in free):
        members = tuple(j for j in free if explanation.feature_groups[j] == group)
        if group in (ACTION_GROUP, OTHER_GROUP) or len(members) < 2:
            continue
        donors = np.unique(np.linspace(0, len(pool) - 1, most).round().astype(np.int64))
        changes += [_Change("group", group, group, members, int(donor)) for donor in donors]
    return changes


def _spread_over_values(column: Floats, most: int) -> Sequence[int]:
    """Rows that hold distinct values, evenly spread over the ranks."""
    values, first = np.unique(column, return_index=True)
    if len(values) <= most:
        return [int(row) for row in first]
    return [int(row) for row in first[np.linspace(0, len(values) - 1, most).round().astype(np.int64)]]


def _distance(old: float, new: float, ordered: Floats, is_category: bool) -> float:
    if _same(old, new):
        return 0.0
    if is_category or np.isnan(old) or np.isnan(new) or not len(ordered):
        return 1.0
    low, high = min(old, new), max(old, new)
    between = int(np.searchsorted(ordered, high, side="right") - np.searchsorted(ordered, low, side="left"))
    return max(between, 1) / len(ordered)


def _same(old: float, new: float) -> bool:
    return bool(old == new or (np.isnan(old) and np.isnan(new)))
