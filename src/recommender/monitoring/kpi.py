"""What collection managers count, for the policy and for a randomised control group, with honest intervals.

Every figure is a ratio of two sums over accounts: accounts reached per account, amount paid per account, cost per
amount paid. Its interval takes accounts of one debtor together, because they are not independent of each other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from recommender.errors import InvalidInput
from recommender.tables import REACHED_BY, RESPONSES

__all__ = [
    "FEWEST_ACCOUNTS",
    "FEWEST_EVENTS",
    "KPIS",
    "Kpi",
    "account_units",
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
        Columns of :func:`account_units`.
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

_EVENTS: dict[str, tuple[str, ...]] = {
    "reached": REACHED_BY["delivered"],
    "right_party_contact": RESPONSES,
    "promise": REACHED_BY["promise_to_pay"],
    "promise_kept": REACHED_BY["promise_kept"],
    "payment": REACHED_BY["paid"],
    "opt_out": REACHED_BY["opt_out"],
    "complaint": REACHED_BY["complaint"],
}


def account_units(
    decisions: pd.DataFrame,
    outcomes: pd.DataFrame,
    arm: Any,
    costs: Mapping[str, Mapping[str, float]] | None = None,
    *,
    by: Iterable[str] = (),
) -> pd.DataFrame:
    """Gather decisions and outcomes by account.

    Parameters
    ----------
    decisions : DataFrame
        ``decision_id``, ``account_id``, ``debtor_id``, ``decided_at``, ``channel`` (null: left alone),
        ``balance_minor``, ``currency``.
    outcomes : DataFrame
        ``decision_id``, ``outcome``, ``amount_minor``, ``currency``.
    arm : array-like of shape (n_decisions,)
        "policy" or "holdout" of each decision's debtor.
    costs : mapping of currency to mapping of channel to cost, optional
        In minor units a contact; without it the cost is unknown.
    by : iterable of str
        Further columns of ``decisions`` to keep apart, e.g. a week.

    Returns
    -------
    DataFrame
        One row an account (and level of ``by``): ``account_id``, ``debtor_id``, ``debtor`` (its number), ``arm``,
        ``currency``, ``accounts`` (1), ``contacts``, ``cost_minor``, ``paid_minor``, ``balance_minor`` (at the first
        decision) and 0/1 columns ``reached``, ``right_party_contact``, ``promise``, ``promise_kept``, ``payment``,
        ``opt_out``, ``complaint``.
    """
    frame = decisions.reset_index(drop=True)
    keys = ["account_id", *by]
    extra = [name for name in keys if name not in frame.columns]
    if extra:
        raise InvalidInput.missing_columns(extra, list(frame.columns), role="decisions")
    frame = frame.assign(arm=np.asarray(arm, dtype=object), contacts=frame["channel"].notna().astype(np.float64))
    frame["cost_minor"] = _costs(frame, costs)
    events = _events_by_decision(frame["decision_id"], outcomes)
    frame = pd.concat([frame, events], axis=1).sort_values("decided_at", kind="stable")
    grouped = frame.groupby(keys, sort=True)
    first = grouped[["debtor_id", "arm", "currency", "balance_minor"]].first()
    summed = grouped[["contacts", "cost_minor", "paid_minor"]].sum(min_count=1)
    happened = grouped[list(_EVENTS)].max()
    units = pd.concat([first, summed, happened], axis=1).reset_index()
    debtor, _ = pd.factorize(units["debtor_id"], use_na_sentinel=False)  # once: every figure counts clusters
    return units.assign(accounts=1.0, paid_minor=units["paid_minor"].fillna(0.0), debtor=debtor)


def _costs(frame: pd.DataFrame, costs: Mapping[str, Mapping[str, float]] | None) -> Floats:
    if costs is None:
        return np.full(len(frame), np.nan)
    pairs = zip(frame["currency"], frame["channel"], strict=True)
    return np.array(
        [0.0 if pd.isna(channel) else costs.get(str(money), {}).get(str(channel), np.nan) for money, channel in pairs],
        dtype=np.float64,
    )


def _events_by_decision(decision_id: pd.Series, outcomes: pd.DataFrame) -> pd.DataFrame:
    """0/1 for each event, and the amount paid, in the order of the decisions."""
    by_event = {}
    index = pd.Index(decision_id)
    for name, rungs in _EVENTS.items():
        has = outcomes.loc[outcomes["outcome"].isin(rungs), "decision_id"].unique()
        by_event[name] = index.isin(has).astype(np.float64)
    paid = outcomes.loc[(outcomes["outcome"] == "paid") & outcomes["amount_minor"].notna()]
    amounts = paid.groupby("decision_id")["amount_minor"].sum()
    by_event["paid_minor"] = amounts.reindex(index).fillna(0.0).to_numpy(dtype=np.float64)
    return pd.DataFrame(by_event)


def compare_arms(units: pd.DataFrame, *, confidence: float = 0.95, kpis: Collection[str] | None = None) -> pd.DataFrame:
    """Every figure for the policy and for the control group.

    Parameters
    ----------
    units : DataFrame
        From :func:`account_units`.
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
    for kpi in [one for one in KPIS if kpis is None or one.name in kpis]:
        for currency in sorted(units["currency"].dropna().unique()) if kpi.by_currency else [None]:
            part = units if currency is None else units.loc[units["currency"] == currency]
            rows.append(_compared(part, kpi, currency, confidence))
    return pd.DataFrame(rows)


def _compared(units: pd.DataFrame, kpi: Kpi, currency: str | None, confidence: float) -> dict[str, Any]:
    arms = {arm: units.loc[units["arm"] == arm] for arm in (POLICY, HOLDOUT)}
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
    if kpi.denominator in _EVENTS:  # accounts without the event are no part of the figure
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
        As for :func:`account_units`; ``outcomes`` with ``occurred_at``.
    window_days : int, default=14
    confidence : float, default=0.95

    Returns
    -------
    DataFrame
        As :func:`compare_arms`, with ``week`` (its Monday, UTC) and ``complete``: whether the window of every decision
        of the week has passed by the last instant in the log.
    """
    frame = decisions.reset_index(drop=True)
    day = frame["decided_at"].dt.tz_convert("UTC").dt.normalize().dt.tz_localize(None)
    week = day - pd.to_timedelta(day.dt.day_of_week, unit="D")
    decided = frame.set_index("decision_id")["decided_at"]
    at = outcomes["decision_id"].map(decided)
    inside = (outcomes["occurred_at"] - at) < pd.Timedelta(days=window_days)
    in_week = outcomes.loc[inside.fillna(False)]
    units = account_units(frame.assign(week=week), in_week, arm, costs, by=["week"])
    last = max(frame["decided_at"].max(), outcomes["occurred_at"].max() if len(outcomes) else frame["decided_at"].max())
    pieces = []
    for monday, part in units.groupby("week"):
        latest = frame.loc[week == monday, "decided_at"].max()
        complete = bool(latest + pd.Timedelta(days=window_days) <= last)
        pieces.append(compare_arms(part, confidence=confidence).assign(week=monday, complete=complete))
    return pd.concat(pieces, ignore_index=True)


def split_p_value(units: pd.DataFrame, holdout_share: float) -> float:
    """P value of the split of debtors against the planned one; below 0.001 the assignment or the log is broken."""
    arm = units.groupby("debtor_id")["arm"].first()
    return float(stats.binomtest(int((arm == HOLDOUT).sum()), len(arm), holdout_share).pvalue)
