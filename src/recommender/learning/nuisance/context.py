"""Context as a design matrix for the nuisance models, folds that keep groups together, and one thread for both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

__all__ = ["assign_folds", "design_matrix", "one_thread"]

_Function = TypeVar("_Function", bound=Callable[..., Any])

_MOST_LEVELS = 30  # indicators a category: the rest is told apart by too few rows


def one_thread(function: _Function) -> _Function:
    """Keep many small fits to one thread: threads that waited for each other took nine times as long."""
    return cast("_Function", threadpool_limits.wrap(limits=1)(function))


def assign_folds(groups: NDArray[Any] | None, n: int, n_folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Fold of each row, all rows of a group in one fold and folds of about equal size.

    Parameters
    ----------
    groups : ndarray of shape (n,) or None
        Rows are their own groups when None, or when there is only one group.
    n : int
    n_folds : int
    rng : numpy.random.Generator
    """
    if groups is None:
        codes = np.arange(n)
    else:
        _, codes = np.unique(np.asarray(groups), return_inverse=True)
        codes = codes.reshape(-1)
        if codes.max(initial=0) == 0:
            codes = np.arange(n)
    n_groups = int(codes.max(initial=0)) + 1
    n_folds = max(1, min(n_folds, n_groups))
    order = rng.permutation(n_groups)
    sizes = np.bincount(codes, minlength=n_groups)[order]
    # Cut the shuffled groups where the running number of rows passes each share; every fold gets a group.
    fold_of = np.minimum((np.cumsum(sizes) - 1) * n_folds // n, n_folds - 1)
    if len(np.unique(fold_of)) < n_folds:
        fold_of = np.arange(n_groups) * n_folds // n_groups
    folds = np.empty(n_groups, dtype=np.int64)
    folds[order] = fold_of
    return folds[codes]


def design_matrix(context: pd.DataFrame, categorical: Sequence[str], *, n_bins: int = 0) -> NDArray[np.float32]:
    """Numbers standardised (skewed ones on a log scale), categories as indicators, missing values marked.

    Parameters
    ----------
    context : DataFrame of shape (n, n_columns)
    categorical : sequence of str
    n_bins : int, default=0
        Also indicators of this many quantile bins per number, for rules with thresholds.

    Returns
    -------
    ndarray of shape (n, n_features), dtype float32
        Constant features are left out; there may be none.
    """
    features: list[NDArray[np.float32]] = []
    for name in context.columns:
        series = context[name]
        is_number = pd.api.types.is_numeric_dtype(series.dtype) or pd.api.types.is_datetime64_any_dtype(series.dtype)
        if name in set(categorical) or not is_number:
            features.extend(_indicators(series))
        else:
            features.extend(_number(series, n_bins))
    kept = [feature for feature in features if float(np.ptp(feature)) > 0]
    return np.column_stack(kept).astype(np.float32) if kept else np.empty((len(context), 0), dtype=np.float32)


def _indicators(series: pd.Series) -> list[NDArray[np.float32]]:
    codes, levels = pd.factorize(series.astype(object).where(series.notna(), "(missing)"), sort=False)
    counts = np.bincount(codes, minlength=len(levels))
    common = np.argsort(-counts, kind="stable")[:_MOST_LEVELS]
    return [(codes == code).astype(np.float32) for code in common if counts[code] >= 5]


def _number(series: pd.Series, n_bins: int) -> list[NDArray[np.float32]]:
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        series = (series - series.min()).dt.total_seconds()
    values = series.to_numpy(dtype=np.float64, na_value=np.nan)
    values = np.where(np.isinf(values), np.nan, values)
    missing = np.isnan(values)
    if missing.all():
        return []
    values = np.where(missing, np.nanmedian(values), values)
    low, middle, high = np.quantile(values, [0.01, 0.5, 0.99])
    linear = values
    if values.min() >= 0 and high - middle > 4 * (middle - low):
        linear = np.log1p(values)
    spread = float(np.std(linear))
    scaled = np.clip((linear - np.mean(linear)) / spread, -4, 4) if spread > 0 else np.zeros(len(linear))
    features = [scaled.astype(np.float32)]
    if missing.any():
        features.append(missing.astype(np.float32))
    if n_bins:
        edges = np.unique(np.quantile(values, np.linspace(0, 1, n_bins + 1)[1:-1]))
        cell = np.searchsorted(edges, values, side="left")
        features.extend((cell == c).astype(np.float32) for c in range(1, len(edges) + 1))
    return features
