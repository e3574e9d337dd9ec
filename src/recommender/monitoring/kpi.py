"""What collection managers count, for the policy and for a randomised control group, with honest intervals.

Every figure is a ratio of two sums over accounts: accounts reached per account, amount paid per account, cost per
amount paid. Its interval takes accounts of one debtor together, because they are not independent of each other.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from recommender.monitoring.units import EVENTS, measured, units_of

__all__ = [
    "FEWEST_ACCOUNTS",
    "FEWEST_EVENTS",
    "KPIS",
    "Kpi",
    "by_week",
    "compare_arms",
    "split_p_value",
    "weekly_trend",
]

Floats = NDArray[np.float64]

FEWEST_ACCOUNTS = 100
"""Accounts that each arm needs before a difference is shown."""

FEWEST_EVENTS = 5
"""Events (accounts with the outcome) that the two arms need together before a difference of rates is shown."""

POLICY, HOLDOUT = "policy", "holdout"


@dataclass(frozen=True)
class Kpi:
    """A figure: one sum over another.

    Attributes
    ----------
    name : str
    numerator, denominator : str
        Columns of :func:`~recommender.monitoring.units.account_units`.
    kind : {"rate", "per_thousand", "money", "number", "price"}
        ``price`` is an amount per amount, e.g. what recovering 1 costs.
    higher_is_better : bool or None
        None: neither.
    by_currency : bool
        Amounts of different currencies are never added.
    """

    name: str
    numerator: str
    denominator: str
    kind: Literal["rate", "per_thousand", "money", "number", "price"]
    higher_is_better: bool | None
    by_currency: bool = False


KPIS: tuple[Kpi, ...] = (
    Kpi("contactability", "reached", "accounts", "rate", True),
    Kpi("right_party_contact", "right_party_contact", "accounts", "rate", True),
    Kpi("promise", "promise", "accounts", "rate", True),
    Kpi("promise_kept", "promise_kept", "promise", "rate", True),
    Kpi("payment", "payment", "accounts", "rate", True),
    Kpi("recovery", "paid_minor", "accounts", "money", True, by_currency=True),
    Kpi("recovery_rate", "paid_minor", "balance_minor", "rate", True, by_currency=True),
    Kpi("cost_per_unit", "cost_minor", "paid_minor", "price", False, by_currency=True),
    Kpi("contacts", "contacts", "accounts", "number", None),
    Kpi("opt_out", "opt_out", "accounts", "per_thousand", False),
    Kpi("complaint", "complaint", "accounts", "per_thousand", False),
)


def compare_arms(units: pd.DataFrame, *, confidence: float = 0.95, kpis: Collection[str] | None = None) -> pd.DataFrame:
    """Every figure for the policy and for the control group.

    Parameters
    ----------
    units : DataFrame
        From :func:`~recommender.monitoring.units.account_units`.
    confidence : float, default=0.95
    kpis : collection of str, optional
        Names of the figures; default: all.

    Returns
    -------
    DataFrame
        One row a figure (and currency): ``kpi``, ``kind``, ``higher_is_better``, ``currency``, ``policy``, ``holdout``,
        ``n_policy``, ``n_holdout`` (accounts the figure is over: of promises kept, those with a promise),
        ``difference``, ``low``, ``high``, ``state``: "ok", "few accounts",
        "few events" or "unknown" (nothing to divide by). Only in state "ok" is there a difference.
    """
    rows = []
    currencies = sorted(units["currency"].dropna().unique())
    groups = {None: _by_arm(units)}  # split once, not for every figure
    groups |= {one: _by_arm(units.loc[units["currency"] == one]) for one in currencies}
    for kpi in [one for one in KPIS if kpis is None or one.name in kpis]:
        of = currencies if kpi.by_currency else [None]
        rows += [_compared(groups[one], kpi, one, confidence) for one in of]
    return pd.DataFrame(rows)


def _by_arm(units: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {arm: units.loc[units["arm"] == arm] for arm in (POLICY, HOLDOUT)}


def _compared(arms: Mapping[str, pd.DataFrame], kpi: Kpi, currency: str | None, confidence: float) -> dict[str, Any]:
    estimates = {arm: _ratio(part, kpi) for arm, part in arms.items()}
    row: dict[str, Any] = {
        "kpi": kpi.name,
        "kind": kpi.kind,
        "higher_is_better": kpi.higher_is_better,
        "currency": currency,
        **{arm: estimate.value for arm, estimate in estimates.items()},
        **{f"n_{arm}": estimate.n_units for arm, estimate in estimates.items()},
        "difference": np.nan,
        "low": np.nan,
        "high": np.nan,
        "state": "ok",
    }
    events = sum(float((part[kpi.numerator] > 0).sum()) for part in arms.values())
    needs_events = kpi.kind != "number"
    if min(len(part) for part in arms.values()) < FEWEST_ACCOUNTS:
        row["state"] = "few accounts"
    elif not all(np.isfinite(estimate.value) for estimate in estimates.values()):
        row["state"] = "unknown"
    elif min(estimate.n_units for estimate in estimates.values()) < FEWEST_ACCOUNTS:
        row["state"] = "few accounts"
    elif needs_events and events < FEWEST_EVENTS:
        row["state"] = "few events"
    else:
        row |= dict(zip(("difference", "low", "high"), _difference(estimates, confidence), strict=True))
    return row


@dataclass(frozen=True)
class _Ratio:
    value: float
    variance: float
    n_clusters: int
    n_units: int


def _ratio(units: pd.DataFrame, kpi: Kpi) -> _Ratio:
    """Ratio of sums with its linearised variance, by debtor."""
    over = units[kpi.numerator].to_numpy(dtype=np.float64)
    under = units[kpi.denominator].to_numpy(dtype=np.float64)
    known = ~(np.isnan(over) | np.isnan(under))
    if kpi.denominator in EVENTS:  # accounts without the event are no part of the figure
        known &= under > 0
    over, under = over[known], under[known]
    total = under.sum()
    if not total > 0:
        return _Ratio(np.nan, np.nan, 0, len(over))
    value = float(over.sum() / total)
    cluster = units["debtor"].to_numpy(dtype=np.int64)[known]
    sums = np.bincount(cluster, (over - value * under) / total)[np.bincount(cluster) > 0]
    n = len(sums)
    variance = float(n / (n - 1) * np.sum(sums**2)) if n > 1 else np.nan
    return _Ratio(value, variance, n, len(over))


def _difference(estimates: Mapping[str, _Ratio], confidence: float) -> tuple[float, float, float]:
    """Policy minus control, Welch's interval: debtors belong to one arm only, so the two are independent."""
    policy, holdout = estimates[POLICY], estimates[HOLDOUT]
    value, variance = policy.value - holdout.value, policy.variance + holdout.variance
    if not variance > 0:
        return value, value, value
    freedom = variance**2 / sum(
        estimate.variance**2 / (estimate.n_clusters - 1) for estimate in (policy, holdout) if estimate.variance > 0
    )
    half = float(stats.t.ppf(0.5 + confidence / 2, max(freedom, 1.0))) * float(np.sqrt(variance))
    return value, value - half, value + half


def weekly_trend(
    decisions: pd.DataFrame,
    outcomes: pd.DataFrame,
    arm: Any,
    costs: Mapping[str, Mapping[str, float]] | None = None,
    *,
    window_days: int = 14,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """The same comparison week by week, by the week of the decision.

    Outcomes count within ``window_days`` of their decision, so that old weeks had no longer to show an effect.

    Parameters
    ----------
    decisions, outcomes, arm, costs
        As for :func:`~recommender.monitoring.units.account_units`; ``outcomes`` with ``occurred_at``.
    window_days : int, default=14
    confidence : float, default=0.95

    Returns
    -------
    DataFrame
        As :func:`compare_arms`, with ``week`` (its Monday, UTC) and ``complete``: whether the window of every decision
        of the week has passed by the last instant in the log.
    """
    frame = decisions.reset_index(drop=True)
    decided = frame.set_index("decision_id")["decided_at"]
    inside = (outcomes["occurred_at"] - outcomes["decision_id"].map(decided)) < pd.Timedelta(days=window_days)
    last = max(frame["decided_at"].max(), outcomes["occurred_at"].max() if len(outcomes) else frame["decided_at"].max())
    own = measured(frame, outcomes.loc[inside.fillna(False)], arm, costs)
    return by_week(own, last, window_days=window_days, confidence=confidence)


def by_week(decided: pd.DataFrame, last: pd.Timestamp, *, window_days: int, confidence: float = 0.95) -> pd.DataFrame:
    """:func:`weekly_trend` of decisions whose outcomes within the window were counted.

    Parameters
    ----------
    decided : DataFrame
        As :func:`~recommender.monitoring.units.measured`.
    last : Timestamp
        Last instant in the log.
    window_days : int
    confidence : float, default=0.95
    """
    at = decided["decided_at"]
    day = at.dt.tz_convert("UTC").dt.normalize().dt.tz_localize(None)
    week = (day - pd.to_timedelta(day.dt.day_of_week, unit="D")).to_numpy()
    pieces = []
    for monday in np.unique(week):
        own = week == monday
        complete = bool(at[own].max() + pd.Timedelta(days=window_days) <= last)
        table = compare_arms(units_of(decided.loc[own]), confidence=confidence)
        pieces.append(table.assign(week=pd.Timestamp(monday), complete=complete))
    return pd.concat(pieces, ignore_index=True)


def split_p_value(units: pd.DataFrame, holdout_share: float) -> float:
    """P value of the split of debtors against the planned one; below 0.001 the assignment or the log is broken."""
    arm = units.drop_duplicates("debtor")["arm"]  # a debtor is of one arm
    return float(stats.binomtest(int((arm == HOLDOUT).sum()), len(arm), holdout_share).pvalue)
