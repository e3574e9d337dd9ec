"""Columns that may know the outcome: by their name, or because they tell it too well."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from recommender.spelling import column_word

__all__ = ["discrimination", "leakage_suspects", "named_after_the_fact"]

_AFTER_THE_FACT = re.compile(
    r"(^|_)(duration|talk_?time|outcome|result|disposition|reward|label|target|responded|response|answered|opened|"
    r"clicked|replied|converted|conversion|recovered|resolved|cured|paid|payment_date|closed_at|hang_?up|call_?length|"
    r"duracion|duración|resultado|respondio|respondió|pagado|recuperado)($|_)",
    re.IGNORECASE,
)
_BEFORE = re.compile(
    r"(^|_)(prior|prev|previous|past|last|earlier|before|history|hist|avg|average|mean|since|days|rate|ever|lag\w*|"
    r"\d+d|anterior|previo|ultimo|último|promedio)($|_)",
    re.IGNORECASE,
)
_FORWARD = re.compile(
    r"(^|_)(next|following|future|after|within|later|siguientes?|proxim[oa]s?|próxim[oa]s?|futur[oa]|despu[eé]s)($|_)",
    re.IGNORECASE,
)
_PAYING = re.compile(
    r"(^|_)(pay|pays|paid|payments?|promises?|default\w*|pagos?|pag[oó]|promesas?)($|_)", re.IGNORECASE
)
_SCHEDULED = re.compile(r"(^|_)(due|install?ments?|scheduled?|vence|vencimiento|cuotas?)($|_)", re.IGNORECASE)
TOO_GOOD = 0.98
_FEWEST = 30


def named_after_the_fact(column: str) -> bool:
    """Whether a column is named like something that is only known after the contact.

    ``call_duration`` is, ``paid_last_30d`` is not; ``paid_next_30d`` is, ``next_payment_due_minor`` is not.
    """
    name = column_word(column)
    afterwards, paying = bool(_AFTER_THE_FACT.search(name)), bool(_PAYING.search(name))
    if _FORWARD.search(name) and (afterwards or paying):
        return not _SCHEDULED.search(name)
    return afterwards and not _BEFORE.search(name)


def discrimination(values: pd.Series, success: NDArray[np.bool_]) -> float:
    """How well one column separates success from failure: the area under its ROC curve, folded to [0.5, 1].

    Categories are ranked by their success rate on the other half of the rows, so that an identifier does not look
    like a leak; whether a value is missing is tried as a column of its own.
    """
    if success.all() or not success.any():
        return 0.5
    missing = values.isna().to_numpy(dtype=bool)
    best = _area(missing.astype(np.float64), success) if missing.any() and not missing.all() else 0.5
    if pd.api.types.is_numeric_dtype(values.dtype):
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        known = ~np.isnan(numbers)
        if known.any() and success[known].any() and not success[known].all():
            # A leak that is known for few rows only is as bad: judge it where it is known, if that is enough.
            if known.sum() >= _FEWEST and min(success[known].sum(), (~success[known]).sum()) >= _FEWEST // 3:
                best = max(best, _area(numbers[known], success[known]))
            best = max(best, _area(np.where(known, numbers, np.nanmedian(numbers)), success))
        return best
    codes, uniques = pd.factorize(values.astype(object).where(values.notna(), "missing"))
    half = np.arange(len(codes)) % 2 == 0
    prior = success.mean()
    score = np.empty(len(codes))
    for rows in (half, ~half):
        n = np.bincount(codes[~rows], minlength=len(uniques))
        hits = np.bincount(codes[~rows], weights=success[~rows], minlength=len(uniques))
        score[rows] = ((hits + prior) / (n + 1.0))[codes[rows]]
    return max(best, _area(score, success))


def leakage_suspects(
    context: pd.DataFrame | Mapping[str, pd.Series], reward: NDArray[np.float64], names: Sequence[str]
) -> dict[str, str]:
    """Columns that look as if they knew the reward, and why.

    Parameters
    ----------
    context : DataFrame of shape (n_decisions, n_features), or mapping of names to columns
    reward : ndarray of shape (n_decisions,)
        NaN where not mature.
    names : sequence of str
        Columns to judge.
    """
    mature = ~np.isnan(reward)
    value = reward[mature]
    success = value > 0
    enough = min(success.sum(), (~success).sum()) >= _FEWEST
    suspects = {}
    for name in names:
        column = context[name].loc[mature].reset_index(drop=True)
        if len(value) and pd.api.types.is_numeric_dtype(column.dtype) and len(np.unique(value)) > 1:
            numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
            if np.array_equal(numbers, value):
                suspects[name] = "equals the reward in every row"
                continue
        if named_after_the_fact(name):
            suspects[name] = "is named like something that is only known after the contact"
            continue
        if enough and (area := discrimination(column, success)) >= TOO_GOOD:
            suspects[name] = f"separates success from failure almost perfectly (area under the curve {area:.3f})"
    return suspects


def _area(score: NDArray[np.float64], success: NDArray[np.bool_]) -> float:
    ranks = rankdata(score)
    n_success = int(success.sum())
    area = (ranks[success].sum() - n_success * (n_success + 1) / 2) / (n_success * (len(success) - n_success))
    return float(max(area, 1.0 - area))
