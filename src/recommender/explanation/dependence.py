"""How the contribution of a feature moves with its value: binned curves with density, and points for a beeswarm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.explanation.explained_accounts import ExplainedAccounts

__all__ = ["beeswarm_points", "dependence_curves"]

Floats = NDArray[np.float64]

_MOST_BINS = 12
_MOST_LEVELS = 12
_LEAST_IN_BIN = 15
_STEPS = 24
_DEVIATIONS = 1.96


def dependence_curves(
    explanation: ExplainedAccounts, split: Floats, features: Sequence[int], shrink: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Mean contribution by value, and where the accounts lie.

    Numbers are cut at their quantiles, so that every bin holds enough accounts; categories beyond the most frequent
    are joined. Missing values have a bin of their own, last.

    Parameters
    ----------
    explanation : ExplainedAccounts
    split : ndarray of shape (n, n_features)
        Contributions in units of reward.
    features : sequence of int
        Context columns to show.
    shrink : float
        Factor on standard errors (finite population).

    Returns
    -------
    (DataFrame, DataFrame)
        ``dependence`` and ``density`` of :class:`~recommender.explanation.global_explanation.GlobalExplanation`.
    """
    curves: list[dict[str, Any]] = []
    density: list[dict[str, Any]] = []
    categorical = set(explanation.served.encoder.categorical_positions)
    for position in features:
        name = explanation.features[position]
        column = explanation.X[:, position]
        values = explanation.context[name]
        known = np.isfinite(column) & ~values.isna().to_numpy()
        kind = "category" if position in categorical else "number"
        bins_of_feature = _category_bins(values, known) if kind == "category" else _number_bins(column, known)
        if not known.all():
            bins_of_feature.append(((None, None, None), ~known))
        for order, ((low, high, level), rows) in enumerate(bins_of_feature):
            here = split[rows, position]
            spread = here.std(ddof=1) / math.sqrt(len(here)) if len(here) > 1 else np.nan
            half = _DEVIATIONS * shrink * spread
            curves.append(
                {
                    "feature": name,
                    "kind": kind,
                    "position": order,
                    "low": low,
                    "high": high,
                    "level": level,
                    "n_accounts": len(here),
                    "share": len(here) / len(split),
                    "mean": here.mean(),
                    "lo": here.mean() - half,
                    "hi": here.mean() + half,
                    "p10": np.quantile(here, 0.1),
                    "p90": np.quantile(here, 0.9),
                }
            )
        if kind == "number" and known.any() and np.ptp(column[known]) > 0:
            # tails that a few accounts stretch would flatten the picture
            low, high = np.quantile(column[known], [0.005, 0.995])
            high = high if high > low else column[known].max()
            counts, edges = np.histogram(np.clip(column[known], low, high), bins=_STEPS, range=(low, high))
            density += [
                {"feature": name, "low": a, "high": b, "share": count / len(split)}
                for a, b, count in zip(edges[:-1], edges[1:], counts, strict=True)
            ]
    wanted = ["feature", "kind", "position", "low", "high", "level", "n_accounts", "share", "mean", "lo", "hi"]
    return (
        pd.DataFrame(curves, columns=[*wanted, "p10", "p90"]),
        pd.DataFrame(density, columns=["feature", "low", "high", "share"]),
    )


def beeswarm_points(
    explanation: ExplainedAccounts, split: Floats, features: Sequence[int], n_points: int, rng: np.random.Generator
) -> pd.DataFrame:
    """Contributions of a few accounts, each with the rank of its value among all."""
    rows = np.sort(rng.permutation(len(split))[:n_points])
    categorical = set(explanation.served.encoder.categorical_positions)
    pieces = []
    for position in features:
        name = explanation.features[position]
        column = explanation.X[:, position]
        known = np.isfinite(column)
        ranks = np.full(len(column), np.nan)
        if position not in categorical and known.any() and np.ptp(column[known]) > 0:
            order = pd.Series(column[known]).rank(method="average").to_numpy()
            ranks[known] = (order - order.min()) / (order.max() - order.min())
        pieces.append(
            pd.DataFrame(
                {
                    "feature": name,
                    "value": [_value_text(value) for value in explanation.context[name].iloc[rows]],
                    "value_rank": ranks[rows],
                    "contribution": split[rows, position],
                }
            )
        )
    if not pieces:
        return pd.DataFrame(columns=["feature", "value", "value_rank", "contribution"])
    return pd.concat(pieces, ignore_index=True)


_Bin = tuple[tuple[float | None, float | None, str | None], NDArray[np.bool_]]


def _number_bins(column: Floats, known: NDArray[np.bool_]) -> list[_Bin]:
    present = column[known]
    if not present.size:
        return []
    distinct = np.unique(present)
    if len(distinct) <= _MOST_BINS:
        return [((float(value), float(value), None), known & (column == value)) for value in distinct]
    n_bins = int(np.clip(present.size // _LEAST_IN_BIN, 1, _MOST_BINS))
    edges = np.unique(np.quantile(present, np.linspace(0.0, 1.0, n_bins + 1)))
    bin_index = np.clip(np.searchsorted(edges, column, side="right") - 1, 0, len(edges) - 2)
    bins: list[_Bin] = []
    for number in range(len(edges) - 1):
        rows = known & (bin_index == number)
        if rows.any():
            bins.append(((float(column[rows].min()), float(column[rows].max()), None), rows))
    return bins


def _category_bins(values: pd.Series, known: NDArray[np.bool_]) -> list[_Bin]:
    texts = values.astype(str).to_numpy(dtype=object)
    counts = pd.Series(texts[known]).value_counts()
    kept = counts.index[:_MOST_LEVELS].tolist()
    bins: list[_Bin] = [((None, None, str(level)), known & (texts == level)) for level in kept]
    rest = known & ~np.isin(texts, kept)
    return [*bins, ((None, None, "(others)"), rest)] if rest.any() else bins


def _value_text(value: Any) -> str | None:
    if value is None or (not isinstance(value, str) and pd.isna(value)):
        return None
    if isinstance(value, float | np.floating):
        return f"{float(value):.6g}"
    return str(value)
