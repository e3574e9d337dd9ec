"""Value by slice (stage, channel, product, country ...), with intervals that hold for all slices together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.errors import InvalidInput
from recommender.evaluation.checks import LogVectors
from recommender.evaluation.diagnostics import effective_sample_size
from recommender.evaluation.estimators import self_normalised
from recommender.evaluation.intervals import cluster_interval
from recommender.evaluation.policy_view import PolicyView, paired_with
from recommender.evaluation.verdict import LEAST_EFFECTIVE_SAMPLE_SIZE, MOST_UNSUPPORTED

__all__ = ["SLICE_COLUMNS", "evaluate_slices", "holm"]

SLICE_COLUMNS = [
    "slice",
    "level",
    "rows",
    "effective_sample_size",
    "value",
    "difference",
    "ci_low",
    "ci_high",
    "p_adjusted",
    "verdict",
]


def holm(p_values: NDArray[Any]) -> NDArray[np.float64]:
    """Holm-adjusted p-values: the chance of any false claim among all slices stays below the level.

    References
    ----------
    Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 1979.
    """
    order = np.argsort(p_values, kind="stable")
    steps = len(order) - np.arange(len(order))
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(np.asarray(p_values)[order] * steps))
    return adjusted


def evaluate_slices(
    log: LogVectors,
    target: PolicyView,
    baseline: PolicyView | None,
    slices: Mapping[str, NDArray[Any]],
    confidence: float,
    *,
    widen: float = 1.0,
    unshown: NDArray[Any] | None = None,
) -> pd.DataFrame:
    """One row a level of each slicing column.

    ``value`` and ``difference`` (target minus baseline) are self-normalised doubly robust estimates within the
    slice. Intervals of the difference are simultaneous over all judged slices (Bonferroni); ``p_adjusted`` and
    ``verdict`` follow Holm. A slice with an effective sample size under 50 is shown and refused, and so is one with
    more than 5 % of the probability where the log never tried it (``unshown``, by row); less of it widens the interval
    by whatever a reward there might be. ``widen`` multiplies every standard error.
    """
    hidden = np.zeros(len(log.reward)) if unshown is None else unshown
    reach = float(np.ptp(log.reward))
    rows: list[dict[str, Any]] = []
    masks: list[NDArray[np.int64]] = []
    for name, values in slices.items():
        if len(values) != len(log.reward):
            raise InvalidInput.in_column(
                name, f"must have one entry a decision ({len(log.reward):,})", values=[len(values)], mend="Mend it."
            )
        level_codes, levels = pd.factorize(pd.Series(values), sort=False)
        for code in sorted(set(level_codes.tolist())):
            members = np.flatnonzero(level_codes == code)
            size = effective_sample_size(target.weight[members])
            level = "(missing)" if code < 0 else levels[code]
            rows.append({"slice": name, "level": level, "rows": len(members), "effective_sample_size": size})
            masks.append(members)
    if not rows:
        return pd.DataFrame(columns=SLICE_COLUMNS)
    judged = [
        position
        for position, row in enumerate(rows)
        if row["effective_sample_size"] >= LEAST_EFFECTIVE_SAMPLE_SIZE
        and len(np.unique(log.cluster[masks[position]])) >= 2
        and float(hidden[masks[position]].mean()) <= MOST_UNSUPPORTED
    ]
    simultaneous = 1.0 - (1.0 - confidence) / max(1, len(judged))
    raw = np.ones(len(rows))
    for position, (row, members) in enumerate(zip(rows, masks, strict=True)):
        pair = paired_with(target, baseline, log, members)
        interval = cluster_interval(
            pair.contribution,
            log.cluster[members],
            simultaneous,
            weight=pair.weight,
            extra_variance=pair.extra_variance,
            pooled_noise=pair.pooled,
        ).stretched(widen)
        room = float(hidden[members].mean()) * reach
        interval = replace(interval, low=interval.low - room, high=interval.high + room)
        own = self_normalised(target.weight[members], target.residual[members])
        value = float(np.mean(target.model_value[members] + own))
        row |= {"value": value, "difference": interval.value, "ci_low": interval.low, "ci_high": interval.high}
        if position in judged:
            raw[position] = interval.p_value if room == 0.0 or not interval.low <= 0 <= interval.high else 1.0
    adjusted = np.full(len(rows), np.nan)
    adjusted[judged] = holm(raw[judged])
    for position, row in enumerate(rows):
        row["p_adjusted"] = adjusted[position]
        proven = adjusted[position] < 1.0 - confidence
        direction = "better" if row["difference"] > 0 else "worse"
        row["verdict"] = "refused" if position not in judged else direction if proven else "not proven"
    return pd.DataFrame(rows, columns=SLICE_COLUMNS)
