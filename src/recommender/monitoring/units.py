"""Decisions and outcomes gathered by account: the sums that the figures of collection managers are ratios of."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.errors import InvalidInput
from recommender.tables import REACHED_BY, RESPONSES

__all__ = ["EVENTS", "account_units", "measured", "units_of"]

Floats = NDArray[np.float64]

EVENTS: dict[str, tuple[str, ...]] = {
    "reached": REACHED_BY["delivered"],
    "right_party_contact": RESPONSES,
    "promise": REACHED_BY["promise_to_pay"],
    "promise_kept": REACHED_BY["promise_kept"],
    "payment": REACHED_BY["paid"],
    "opt_out": REACHED_BY["opt_out"],
    "complaint": REACHED_BY["complaint"],
}
"""What happened to an account, by the outcomes that say so."""

_OF_A_DECISION = ("account_id", "debtor_id", "decided_at", "currency", "balance_minor")
_NEEDED = ("decision_id", *_OF_A_DECISION, "channel")
_FIRST = ("debtor_id", "arm", "currency", "balance_minor")
_SUMMED = ("contacts", "cost_minor", "paid_minor")


def account_units(
    decisions: pd.DataFrame,
    outcomes: pd.DataFrame,
    arm: Any,
    costs: Mapping[str, Mapping[str, float]] | None = None,
) -> pd.DataFrame:
    """Gather decisions and outcomes by account.

    Parameters
    ----------
    decisions : DataFrame
        ``decision_id``, ``account_id``, ``debtor_id``, ``decided_at``, ``channel`` (null: left alone),
        ``balance_minor``, ``currency``.
    outcomes : DataFrame
        ``decision_id``, ``outcome``, ``amount_minor``.
    arm : array-like of shape (n_decisions,)
        "policy" or "holdout" of each decision's debtor.
    costs : mapping of currency to mapping of channel to cost, optional
        In minor units a contact; without it the cost is unknown.

    Returns
    -------
    DataFrame
        As :func:`units_of`.
    """
    return units_of(measured(decisions, outcomes, arm, costs))


def measured(
    decisions: pd.DataFrame,
    outcomes: pd.DataFrame,
    arm: Any,
    costs: Mapping[str, Mapping[str, float]] | None = None,
) -> pd.DataFrame:
    """What each decision adds to the sums of its account; parameters as for :func:`account_units`.

    Returns
    -------
    DataFrame
        A row a decision: ``account_id``, ``debtor_id``, ``decided_at``, ``currency``, ``balance_minor``, ``arm``,
        ``contacts``, ``cost_minor``, ``paid_minor`` and a 0/1 column for each of :data:`EVENTS`.
    """
    missing = [name for name in _NEEDED if name not in decisions.columns]
    if missing:
        raise InvalidInput.missing_columns(missing, list(decisions.columns), role="decisions")
    frame = decisions.reset_index(drop=True)
    place = pd.Index(frame["decision_id"]).get_indexer(outcomes["decision_id"])
    known, word, n = place >= 0, outcomes["outcome"].astype("category"), len(frame)
    paid = known & (outcomes["outcome"] == "paid").to_numpy() & outcomes["amount_minor"].notna().to_numpy()
    amounts = outcomes["amount_minor"].to_numpy(dtype=np.float64, na_value=np.nan)
    added = {
        "arm": np.asarray(arm, dtype=object),
        "contacts": frame["channel"].notna().to_numpy(dtype=np.float64),
        "cost_minor": _costs(frame, costs),
        "paid_minor": np.bincount(place[paid], weights=amounts[paid], minlength=n),
    }
    for name, rungs in EVENTS.items():
        says = np.isin(word.cat.codes, np.flatnonzero(word.cat.categories.isin(rungs)))
        added[name] = (np.bincount(place[known & says], minlength=n) > 0).astype(np.float64)
    return frame[[*_OF_A_DECISION]].assign(**added)


def units_of(decided: pd.DataFrame) -> pd.DataFrame:
    """Sums by account of what its decisions add.

    Parameters
    ----------
    decided : DataFrame
        As :func:`measured`; ids may be numbers.

    Returns
    -------
    DataFrame
        One row an account: ``account_id``, ``debtor_id``, ``debtor`` (its number), ``arm``, ``currency``, ``accounts``
        (1), ``contacts``, ``cost_minor``, ``paid_minor``, ``balance_minor`` (at the first decision) and 0/1 columns
        for :data:`EVENTS`.
    """
    frame = decided
    if not frame["decided_at"].is_monotonic_increasing:
        frame = frame.sort_values("decided_at", kind="stable")
    code, names = pd.factorize(frame["account_id"], sort=True, use_na_sentinel=False)
    n = len(names)
    columns: dict[str, Any] = {"account_id": names}
    columns |= {name: _first_known(frame[name], code, n) for name in _FIRST}
    columns |= {name: _sum_of_known(frame[name].to_numpy(dtype=np.float64), code, n) for name in _SUMMED}
    for name in EVENTS:
        happened = code[frame[name].to_numpy() > 0]
        columns[name] = (np.bincount(happened, minlength=n) > 0).astype(np.float64)
    debtor, _ = pd.factorize(columns["debtor_id"], use_na_sentinel=False)  # once: every figure counts clusters
    columns["paid_minor"] = np.nan_to_num(columns["paid_minor"], nan=0.0)
    return pd.DataFrame({**columns, "accounts": np.ones(n), "debtor": debtor})


def _costs(frame: pd.DataFrame, costs: Mapping[str, Mapping[str, float]] | None) -> Floats:
    """Cost of each contact: nothing where the debtor was left alone, missing where no price is known."""
    if costs is None:
        return np.full(len(frame), np.nan)
    money, currencies = pd.factorize(frame["currency"])
    way, channels = pd.factorize(frame["channel"])
    prices = np.full((len(currencies) + 1, len(channels) + 1), np.nan)  # the last ones, at -1, are of missing values
    for (row, currency), (column, channel) in product(enumerate(currencies), enumerate(channels)):
        prices[row, column] = costs.get(str(currency), {}).get(str(channel), np.nan)
    prices[:, -1] = 0.0
    found: Floats = prices[money, way]
    return found


def _first_known(values: pd.Series, code: NDArray[np.intp], n: int) -> Any:
    """First value of each group that is not missing; missing where there is none."""
    known = np.flatnonzero(values.notna().to_numpy())[::-1]
    rows = np.full(n, -1, dtype=np.intp)
    rows[code[known]] = known  # of a group the last that is written stays: the first of its rows
    if (rows >= 0).all():
        return values.array.take(rows)
    return pd.api.extensions.take(values.array, rows, allow_fill=True)


def _sum_of_known(values: Floats, code: NDArray[np.intp], n: int) -> Floats:
    """Sum of each group over what is known; missing where nothing is."""
    known = ~np.isnan(values)
    total = np.bincount(code[known], weights=values[known], minlength=n)
    return np.where(np.bincount(code[known], minlength=n) > 0, total, np.nan)
