"""Policy against control, over the decisions that pass some filters, from a table of a row a decision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from api.pages.filters import single_chunk
from recommender.monitoring import EVENTS, by_week, compare_arms, split_p_value, units_of
from recommender.strategy import STAGES

__all__ = ["WINDOW_DAYS", "compared", "event_bits"]

WINDOW_DAYS = 14
"""By week, what happened so many days after a decision counts."""

_ARMS = ("policy", "holdout")


def event_bits(measured: pd.DataFrame) -> NDArray[np.uint8]:
    """What happened after each decision, a bit for each of :data:`~recommender.monitoring.EVENTS`."""
    bits = np.zeros(len(measured), dtype=np.uint8)
    for number, name in enumerate(EVENTS):
        bits |= (measured[name].to_numpy() > 0).astype(np.uint8) << number
    return bits


def compared(
    table: pa.Table, passing: NDArray[np.bool_] | None, share: float, last: int | None
) -> dict[str, Any] | None:
    """The comparison of the decisions that pass; None where none does.

    Parameters
    ----------
    table : Table
        ``decisions`` of :func:`~api.pages.log_summary.summarised`.
    passing : ndarray of bool or None
        None: all of them.
    share : float
        Of debtors that are drawn into the control group.
    last : int or None
        Last instant in the log, in microseconds.
    """
    rows = np.arange(len(table)) if passing is None else np.flatnonzero(passing)
    if last is None or not len(rows):
        return None
    part = _decoded(table, rows, "paid_minor", "events")
    units = _with_first(units_of(part), table, rows, ("stage", "country"))
    trend = by_week(
        _decoded(table, rows, "paid_soon_minor", "events_soon"),
        pd.Timestamp(last, unit="us", tz="UTC"), window_days=WINDOW_DAYS,
    )  # fmt: skip
    policy = units.loc[units["arm"] == "policy", "currency"].value_counts()
    return {
        "segments": _by_stage(units),
        "table": compare_arms(units),
        "trend": trend,
        "split": split_p_value(units, share),
        "n_debtors": int(units["debtor"].nunique()),
        "n_accounts": {arm: int((units["arm"] == arm).sum()) for arm in _ARMS},
        "policy_accounts": {str(name): int(n) for name, n in policy.items()},
        "share": share,
    }


def _decoded(table: pa.Table, rows: NDArray[np.intp], paid: str, events: str) -> pd.DataFrame:
    """Rows as :func:`~recommender.monitoring.units_of` takes them."""

    def column(name: str) -> NDArray[Any]:
        values: NDArray[Any] = single_chunk(table[name]).to_numpy(zero_copy_only=False)
        return values[rows]

    bits = column(events)
    return pd.DataFrame(
        {
            "account_id": column("account"),
            "debtor_id": column("debtor"),
            "decided_at": pd.DatetimeIndex(column("decided_at")).tz_localize("UTC"),
            "currency": _categories(table, "currency", rows),
            "balance_minor": column("balance_minor"),
            "arm": pd.Categorical.from_codes(column("is_control").astype(np.int8), categories=list(_ARMS)),
            "contacts": column("contacts"),
            "cost_minor": column("cost_minor"),
            "paid_minor": column(paid),
            **{name: (bits >> number) & 1 for number, name in enumerate(EVENTS)},
        },
        copy=False,
    )


def _categories(table: pa.Table, name: str, rows: NDArray[np.intp]) -> pd.Categorical:
    column = single_chunk(table[name])
    codes = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)[rows]
    return pd.Categorical.from_codes(codes, categories=pd.Index(column.dictionary.to_pylist(), dtype="str"))


def _with_first(units: pd.DataFrame, table: pa.Table, rows: NDArray[np.intp], names: Sequence[str]) -> pd.DataFrame:
    """Add what held at the first decision of each account; rows are oldest first, units in the order of accounts."""
    account = single_chunk(table["account"]).to_numpy(zero_copy_only=False)[rows]
    _, first = np.unique(account, return_index=True)
    return units.assign(**{name: _categories(table, name, rows[first]) for name in names})


def _by_stage(units: pd.DataFrame) -> pd.DataFrame:
    """Who pays, by currency and stage.

    Returns
    -------
    DataFrame
        Of :func:`~recommender.monitoring.compare_arms` for payment and recovery, with ``segment_currency``,
        ``country`` (empty where it is not one), ``stage`` and ``accounts``.
    """
    pieces = []
    for currency in sorted(units["currency"].dropna().unique()):
        own = units.loc[units["currency"] == currency]
        countries = set(own["country"].dropna())
        for stage in [one for one in STAGES if (own["stage"] == one).any()]:
            part = own.loc[own["stage"] == stage]
            table = compare_arms(part, kpis=("payment", "recovery"))
            country = str(next(iter(countries))) if len(countries) == 1 else ""
            about = {"segment_currency": currency, "country": country, "stage": stage, "accounts": len(part)}
            pieces.append(table.assign(**about))
    return pd.concat(pieces, ignore_index=True) if pieces else pd.DataFrame({"stage": pd.Series(dtype="str")})
