"""The price of a rule, cap or lever: what a policy loses when actions are masked and it is renormalised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.errors import InvalidInput, NoEligibleAction
from recommender.evaluation.evaluate import evaluate

__all__ = ["mask_policy", "price_of_rules", "refusals"]


def mask_policy(
    action_probabilities: NDArray[Any], allowed: NDArray[np.bool_], *, fallback: int | None = None
) -> NDArray[np.float64]:
    """Give forbidden actions probability 0 and renormalise each row.

    Parameters
    ----------
    action_probabilities : ndarray of shape (n, n_actions)
    allowed : ndarray of bool of shape (n, n_actions)
    fallback : int, optional
        Action of a row that keeps no probability, e.g. ``NO_CONTACT``; otherwise such a row spreads evenly over what
        is allowed.

    Raises
    ------
    NoEligibleAction
        When a row has nothing allowed and there is no fallback.
    """
    if np.shape(allowed) != np.shape(action_probabilities):
        raise InvalidInput.in_column(
            "allowed", "must have the shape of the policy", values=[np.shape(allowed)], mend="Pass one cell an action."
        )
    kept = np.where(allowed, action_probabilities, 0.0).astype(np.float64, copy=False)
    total = kept.sum(axis=1)
    empty = np.flatnonzero(total <= 0)
    if empty.size:
        if fallback is not None:
            kept[empty, fallback] = 1.0
        else:
            count = np.asarray(allowed)[empty].sum(axis=1)
            barred = empty[count == 0]
            if barred.size:
                raise NoEligibleAction.in_column(
                    "allowed",
                    "leaves no action",
                    rows=barred.tolist(),
                    mend="Name a fallback action, e.g. the index of NO_CONTACT.",
                )
            kept[empty] = np.asarray(allowed)[empty] / count[:, None]
        total = kept.sum(axis=1)
    kept /= total[:, None]
    return kept


def price_of_rules(
    action_probabilities: NDArray[Any],
    rules: Mapping[str, NDArray[np.bool_]],
    *,
    fallback: int | None = None,
    confidence: float = 0.95,
    **log: Any,
) -> pd.DataFrame:
    """Value per decision lost to each rule, with a paired interval.

    Parameters
    ----------
    action_probabilities : ndarray of shape (n, n_actions)
        Policy without the rules.
    rules : mapping of str to ndarray of bool of shape (n, n_actions)
        What each rule allows.
    fallback : int, optional
        As for :func:`mask_policy`.
    confidence : float, default=0.95
    **log
        The other arguments of :func:`evaluate`: ``reward``, ``action``, ``propensity`` ...

    Returns
    -------
    DataFrame
        Columns ``rule``, ``rows_touched``, ``probability_moved`` (mean), ``value_lost``, ``ci_low``, ``ci_high``,
        ``verdict`` (costs, gains, free, not proven, refused) and ``reasons``. A rule that the logging policy already
        obeyed has no record of what it forbids: such a price is refused, its interval shown.
    """
    rows = []
    for name, allowed in rules.items():
        masked = mask_policy(action_probabilities, allowed, fallback=fallback)
        apart = masked - action_probabilities
        moved = 0.5 * np.abs(apart, out=apart).sum(axis=1)
        del apart
        report = evaluate(
            action_probabilities=action_probabilities,
            baseline_probabilities=masked,
            confidence=confidence,
            estimators=(),
            **log,
        )
        lost = report.difference
        untouched = not bool((moved > 1e-12).any())
        words = {"better": "costs", "worse": "gains"}
        rows.append(
            {
                "rule": name,
                "rows_touched": int(np.sum(moved > 1e-12)),
                "probability_moved": float(np.mean(moved)),
                "value_lost": 0.0 if untouched else lost.value,
                "ci_low": 0.0 if untouched else lost.low,
                "ci_high": 0.0 if untouched else lost.high,
                "verdict": "free" if untouched else words.get(report.verdict, report.verdict),
                "reasons": ("The rule changes nothing here.",) if untouched else report.reasons,
            }
        )
    columns = ["rule", "rows_touched", "probability_moved", "value_lost", "ci_low", "ci_high", "verdict", "reasons"]
    return pd.DataFrame(rows, columns=columns)


def refusals(prices: pd.DataFrame) -> dict[str, list[str]]:
    """Why prices were refused: each reason once, with the rules it refuses."""
    rules: dict[str, list[str]] = {}
    for row in prices.to_dict(orient="records"):
        reasons = row.get("reasons")
        for reason in reasons if row.get("verdict") == "refused" and isinstance(reasons, tuple) else ():
            rules.setdefault(reason, []).append(row["rule"])
    return rules
