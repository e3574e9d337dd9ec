"""Checks of the columns of a log; each returns a clean array or names what is wrong."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from decimal import Decimal
from numbers import Real
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.errors import InvalidInput, NotMature
from recommender.history.eligible_sets import EligibleSets

__all__ = [
    "amounts_of",
    "check_names",
    "checked_sets",
    "codes_of",
    "context_columns",
    "propensity_column",
    "reward_column",
]

_LARGEST_REWARD = 1e30  # intervals sum sixth powers, which must stay numbers; no currency comes near it


def check_names(
    frame: pd.DataFrame,
    actions: ActionSpace,
    context: list[str],
    categorical: list[str],
    roles: Mapping[str, str | None],
) -> None:
    """Raise where columns are missing, repeated, or used for two things that must stay apart."""
    repeated = frame.columns[frame.columns.duplicated()].unique().tolist()
    if repeated:
        raise InvalidInput.in_column(
            str(repeated[0]), "appears more than once in the frame", mend="Rename or drop the repeats."
        )
    for role, wanted in (("action factors", list(actions.factors)), ("context", context)):
        if missing := [name for name in wanted if name not in frame.columns]:
            raise InvalidInput.missing_columns(missing, frame.columns.tolist(), role=role)
    for role, name in roles.items():
        if name is not None and name not in frame.columns:
            raise InvalidInput.missing_columns([name], frame.columns.tolist(), role=role)
    if twice := [name for position, name in enumerate(context) if name in context[:position]]:
        raise InvalidInput.in_column(twice[0], "is listed twice in context", mend="List it once.")
    if outside := [name for name in categorical if name not in context]:
        raise InvalidInput.in_column(
            outside[0], "is listed in categorical but not in context", mend="Add it to context or drop it."
        )
    after_the_fact = dict.fromkeys(actions.factors, "an action factor")
    after_the_fact |= {
        name: f"the {role} column"
        for role, name in roles.items()
        if name and role in ("reward", "propensity", "known_at", "rung", "paid", "cost")
    }
    for name in context:
        if name in after_the_fact:
            raise InvalidInput.in_column(
                name,
                f"is {after_the_fact[name]} and cannot be context: it was not known before the decision",
                mend="Remove it from context.",
            )


def context_columns(
    frame: pd.DataFrame, context: list[str], categorical: list[str]
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Take the context columns; numbers are checked to be finite or missing, text joins the categorical ones.

    Numbers become float64, but float32 stays what it is: every value of it is a float64, in half the memory.
    """
    kept: dict[str, Any] = {}
    categories = list(categorical)
    for name in context:
        column = kept[name] = frame[name]
        if name in categorical:
            continue
        if pd.api.types.is_datetime64_any_dtype(column.dtype) or pd.api.types.is_timedelta64_dtype(column.dtype):
            raise InvalidInput.in_column(
                name,
                "holds instants",
                values=column.head(1),
                mend="Turn it into a number, e.g. days before the decision.",
            )
        _refuse_uncountable(column, name)
        if _holds_numbers(column):
            column = kept[name] = column.astype("float64")
        if pd.api.types.is_bool_dtype(column.dtype):
            kept[name] = column.astype("float64")
        elif pd.api.types.is_numeric_dtype(column.dtype):
            single = column.dtype == np.float32
            numbers = column.to_numpy() if single else column.to_numpy(dtype=np.float64, na_value=np.nan)
            infinite = np.flatnonzero(np.isinf(numbers))
            if infinite.size:
                raise InvalidInput.in_column(
                    name,
                    "must be finite or missing",
                    values=numbers[infinite],
                    rows=infinite.tolist(),
                    mend="Replace infinities by NaN (missing) or by the largest meaningful value.",
                )
            kept[name] = column if single or column.dtype == np.float64 else numbers
        else:
            categories.append(name)
    # Copy on write: the columns are shared with the frame until someone writes to one of them.
    return pd.DataFrame(kept, index=frame.index, copy=False), tuple(name for name in context if name in categories)


def reward_column(
    column: pd.Series, name: str, kind: Literal["binary", "amount"] | None
) -> tuple[NDArray[np.float64], Literal["binary", "amount"]]:
    """Rewards as float64 with NaN where not mature, and their kind."""
    rewards = _numbers(column, name, "Rewards are numbers: 1/0 for a response, or an amount.")
    infinite = np.flatnonzero(np.abs(rewards) > _LARGEST_REWARD)
    if infinite.size:
        raise InvalidInput.in_column(
            name,
            f"must be finite and at most {_LARGEST_REWARD:g} in size",
            values=rewards[infinite],
            rows=infinite.tolist(),
            mend="Correct or drop these rows.",
        )
    mature = ~np.isnan(rewards)
    if not mature.any():
        raise NotMature.in_column(
            name,
            "holds no mature reward (all are null)",
            mend="Wait until outcomes are known, or check how the column was joined.",
        )
    zero_one = np.isin(rewards[mature], (0.0, 1.0)).all()
    if kind is None:
        return rewards, "binary" if zero_one else "amount"
    if kind not in ("binary", "amount"):
        raise InvalidInput(
            f"reward_kind must be 'binary' or 'amount'; got {kind!r}.", column="reward_kind", mend="Use one of the two."
        )
    if kind == "binary" and not zero_one:
        rows = np.flatnonzero(mature & ~np.isin(rewards, (0.0, 1.0)))
        raise InvalidInput.in_column(
            name,
            "must be 0 or 1 for a binary reward",
            values=rewards[rows],
            rows=rows.tolist(),
            mend="Use reward_kind='amount' if these are amounts.",
        )
    return rewards, kind


def amounts_of(column: pd.Series, name: str) -> NDArray[np.float64]:
    """Money as float64, NaN where unknown.

    Raises
    ------
    InvalidInput
        For what is no finite number.
    """
    amounts = _numbers(column, name, "Amounts are numbers, in minor units.")
    if (infinite := np.flatnonzero(np.isinf(amounts))).size:
        raise InvalidInput.in_column(
            name, "must be finite", values=amounts[infinite], rows=infinite.tolist(), mend="Correct or drop these rows."
        )
    return amounts


def propensity_column(column: pd.Series, name: str) -> NDArray[np.float64]:
    """Propensities in (0, 1], NaN where not logged."""
    propensity = _numbers(column, name, "Propensities are probabilities in (0, 1].")
    with np.errstate(invalid="ignore"):
        rows = np.flatnonzero((propensity <= 0) | (propensity > 1))
    if rows.size:
        raise InvalidInput.in_column(
            name,
            "must lie in (0, 1]: it is the probability of the action that was taken",
            values=propensity[rows],
            rows=rows.tolist(),
            mend="Correct these rows, set unknown ones to NaN, or pass propensity=None to have all of them estimated.",
        )
    if np.isnan(propensity).all():
        raise InvalidInput.in_column(
            name,
            "holds no value (all are NaN)",
            values=[np.nan],
            rows=range(len(propensity)),
            mend="Pass propensity=None to have propensities estimated.",
        )
    return propensity


def codes_of(column: pd.Series, name: str) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
    """Integer code of each id and the id of each code, in order of first appearance."""
    codes, ids = pd.factorize(column)
    rows = np.flatnonzero(codes < 0)
    if rows.size:
        raise InvalidInput.in_column(
            name,
            "has missing ids",
            values=[None],
            rows=rows.tolist(),
            mend="Give each row an id (a unique one where the account is unknown), or do not name the column.",
        )
    return codes.astype(np.int64), np.asarray(ids, dtype=object)


def checked_sets(eligible: Any, action: NDArray[np.int64], actions: ActionSpace) -> EligibleSets:
    """Eligible set of each decision, from booleans (n_decisions, n_actions); the logged action must be in it."""
    shape = (len(eligible), eligible.n_actions) if isinstance(eligible, EligibleSets) else np.shape(eligible)
    if shape != (len(action), len(actions)):
        raise InvalidInput(
            f"eligible must have shape {(len(action), len(actions))} (decisions x actions); got {shape}.",
            column="eligible",
            mend="Order its columns as actions.to_frame().",
        )
    if isinstance(eligible, EligibleSets):
        allowed = eligible
    else:
        given = np.asarray(eligible)
        if given.dtype != bool and not np.isin(given, (0, 1)).all():
            raise InvalidInput(
                f"eligible must be boolean; got dtype {given.dtype}.", column="eligible", mend="Convert it to bool."
            )
        allowed = EligibleSets.of_array(given.astype(bool, copy=False))
    outside = np.flatnonzero(~allowed.allows(action))
    if outside.size:
        raise InvalidInput.in_column(
            "eligible",
            "excludes the action that was taken",
            values=[actions.label(int(code)) for code in action[outside[:5]]],
            rows=outside.tolist(),
            mend="Correct the eligible set: it must be the one the logging policy saw.",
        )
    return allowed


def _refuse_uncountable(column: pd.Series, name: str) -> None:
    """Refuse cells that are neither a number nor a level: complex numbers, and lists or objects in a cell."""
    what = "complex numbers" if pd.api.types.is_complex_dtype(column.dtype) else None
    rows = np.arange(min(len(column), 1))
    if column.dtype == object:
        wrong = column.map(lambda value: isinstance(value, complex) or not isinstance(value, Hashable))
        rows = np.flatnonzero(wrong.to_numpy(dtype=bool))
        what = "cells of several values" if rows.size else None
    if what is not None:
        raise InvalidInput.in_column(
            name,
            f"holds {what}",
            values=column.iloc[rows].tolist(),
            rows=rows.tolist(),
            mend="Give each part that matters a column of its own, or write them as text.",
        )


def _holds_numbers(column: pd.Series) -> bool:
    """Whether an object column holds numbers (Decimals among them) and nulls only, as databases give them."""
    if not pd.api.types.is_object_dtype(column.dtype):
        return False
    kinds = {type(value) for value in column.dropna()}
    return bool(kinds) and all(issubclass(kind, (Real, Decimal)) and not issubclass(kind, bool) for kind in kinds)


def _numbers(column: pd.Series, name: str, mend: str) -> NDArray[np.float64]:
    """Column as float64, or an error that names the values that are no numbers."""
    is_real = pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_complex_dtype(column.dtype)
    if is_real or pd.api.types.is_bool_dtype(column.dtype):
        return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
    if _holds_numbers(column) and not any(isinstance(value, Decimal) for value in column):
        return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
    numbers = pd.to_numeric(column, errors="coerce")
    wrong = np.flatnonzero(numbers.isna() & column.notna())
    if wrong.size or column.notna().any():
        rows = wrong if wrong.size else np.flatnonzero(column.notna())
        raise InvalidInput.in_column(
            name,
            "must be numeric",
            values=column.iloc[rows].tolist(),
            rows=rows.tolist(),
            mend=f"{mend} Convert the column first: pd.to_numeric(frame[{name!r}]) for Decimal and plain text, "
            "a replacement of currency signs and separators before it for money as people write it.",
        )
    return np.full(len(column), np.nan)
