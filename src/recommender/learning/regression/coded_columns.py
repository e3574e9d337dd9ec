"""Encoded context as codes: numbers in bins, categories, count pairs as bins of their shrunken rate, missing as 0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.learning.encoding import ContextEncoder
from recommender.learning.regression.count_pairs import CountPair
from recommender.learning.regression.shrunken_rates import beta_prior, shrunken_rate

__all__ = ["CodedColumn", "coded_columns"]

Floats = NDArray[np.float64]

_BINS, _MOST_LEVELS = 8, 15  # 12 bins gained nothing: docs/decision-quality.md


@dataclass(frozen=True)
class CodedColumn:
    """How an encoded column (or a pair of counts) becomes a code; 0 is missing.

    Attributes
    ----------
    kind : {"number", "level", "rate"}
    source, other : int
        Encoded column; for a rate ``source`` holds trials and ``other`` successes, for a level ``other`` is the last
        category with a code of its own.
    centre, scale : float
        Prior of a rate and its strength in trials.
    cuts : tuple of float
        Lower ends of the bins but the first.
    """

    kind: str
    source: int
    other: int = -1
    centre: float = 0.0
    scale: float = 1.0
    cuts: tuple[float, ...] = ()

    @property
    def n_codes(self) -> int:
        """Codes it can have."""
        return self.other + 2 if self.kind == "level" else len(self.cuts) + 2

    @property
    def sources(self) -> tuple[int, ...]:
        """Encoded columns it is made from."""
        return (self.source, self.other) if self.kind == "rate" else (self.source,)


def coded_columns(encoder: ContextEncoder, X: Floats, pairs: Sequence[CountPair]) -> list[CodedColumn]:
    """Choose bins and codes of every column from training rows; columns that hold one value alone are left out.

    Parameters
    ----------
    X : ndarray of shape (n, n_columns)
        Encoded context.
    pairs : sequence of CountPair
        Counts that enter as a rate.
    """
    # trials say how often somebody was tried, not what kind he is, and a shrunken rate depends on them
    columns, counted = [], {column for _, trials, successes in pairs for column in (trials, successes)}
    for _, trials, successes in pairs:
        prior, strength = beta_prior(X[:, trials], X[:, successes])
        if cuts := _cuts(shrunken_rate(X[:, trials], X[:, successes], prior, strength)):
            columns.append(CodedColumn("rate", trials, successes, prior, strength, cuts))
    for position, column in enumerate(encoder.columns):
        if position in counted:
            continue
        values = X[:, position]
        if column.kind == "number":
            cuts = _cuts(values)
            if cuts or 0.0 < np.isnan(values).mean() < 1.0:
                columns.append(CodedColumn("number", position, cuts=cuts))
        elif column.categories:
            columns.append(CodedColumn("level", position, min(_MOST_LEVELS, len(column.categories))))
    return columns


def _cuts(values: Floats) -> tuple[float, ...]:
    """Lower ends of bins of about equal size; ties are never cut."""
    present = values[~np.isnan(values)]
    if not present.size:
        return ()
    cuts = np.unique(np.quantile(present, np.linspace(0.0, 1.0, _BINS + 1)[1:-1], method="higher"))
    return tuple(float(cut) for cut in cuts if cut > present.min())
