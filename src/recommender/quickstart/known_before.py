"""Columns of an unknown file that were known before a contact, and why the others are left out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from recommender.history import leakage_suspects, named_after_the_fact, protected_names
from recommender.quickstart import column_names as names
from recommender.quickstart.account_column import whole_numbers
from recommender.quickstart.outcome_words import tells_outcomes
from recommender.quickstart.reward_words import is_money_received
from recommender.quickstart.typed_cells import TypedFrame

__all__ = ["known_before"]

_MOST_LEVELS = 100
_MOSTLY = 0.95
_CLOCK = re.compile(r"\d{1,3}:[0-5]\d(?::[0-5]\d)?(?:[.,]\d+)?(?: ?[ap]\.? ?m\.?)?", re.IGNORECASE)


def _counts_rows(column: pd.Series) -> bool:
    """Whether its cells number the rows, in whatever order: as many whole numbers as rows, without a gap."""
    values = whole_numbers(column)
    return values is not None and column.nunique() == len(column) == values.max() - values.min() + 1


def _says_again(frame: pd.DataFrame, name: str, factors: Sequence[str]) -> bool:
    """Whether a column is a factor under another name: ``variant_name`` beside ``variant_id``, level for level."""
    first = names.plain_name(name).split("_")[0]
    for factor in factors:
        if names.plain_name(factor).split("_")[0] != first:
            continue
        pairs = frame[[name, factor]].dropna().drop_duplicates()
        if len(pairs) == pairs[name].nunique() == pairs[factor].nunique():
            return True
    return False


def _lies_after(column: pd.Series, at: pd.Series) -> bool:
    """Whether a moment is there for some rows only, and then after the contact: something that came of it."""
    empty = column.isna()
    return bool(empty.mean() > 0.02 and (column >= at)[~empty].mean() >= 0.98)


def _long_numbers(column: pd.Series) -> bool:
    """Whole numbers of seven digits and more: telephones and papers of people."""
    values = column.dropna()
    return bool(len(values) and (values == values.round()).all() and values.median() >= 1e6)


def _much_text(column: pd.Series, name: str, levels: int) -> str:
    """What a text of many values is: how long something took, or the time of a day, else an id perhaps."""
    if column.dropna().map(lambda cell: bool(_CLOCK.fullmatch(str(cell).strip()))).mean() < _MOSTLY:
        return f"is text of {levels:,} values, an id perhaps"
    if named_after_the_fact(name):
        return "is a duration, which is only known after the contact"
    return "is a duration or a time of day, written as text"


def _is_outcome(typed: TypedFrame, name: str) -> bool:
    """Whether a column says what came of this contact: by its name, or by its words whatever it is called."""
    plain = names.plain_name(name)
    if name in typed.answers or name in typed.codes or (plain in names.REWARD and plain != "poutcome"):
        return True
    return is_money_received(name) or tells_outcomes(name, typed.frame[name])


def known_before(
    typed: TypedFrame,
    free: Sequence[str],
    factors: Sequence[str],
    reward: np.ndarray[Any, np.dtype[np.float64]],
    at: str | None,
) -> tuple[list[str], dict[str, str]]:
    """Columns that were known before the contact, and why the others are left out.

    Parameters
    ----------
    typed : TypedFrame
    free : sequence of str
        Columns without a role.
    factors : sequence of str
        Columns of the action.
    reward : ndarray of float64 of shape (n,)
    at : str or None
        Column of the moment.
    """
    frame, left_out, kept = typed.frame, {}, []
    protected = set(protected_names(free))
    for name in free:
        column, plain = frame[name], names.plain_name(name)
        levels = column.nunique()
        is_text = column.dtype == object
        if levels < 2:
            left_out[name] = "holds one value"
        elif names.is_personal(name) and levels > 0.05 * len(frame) and (is_text or _long_numbers(column)):
            left_out[name] = "is personal data"
        elif name in protected:
            left_out[name] = "is named like a protected attribute"
        elif _is_outcome(typed, name):
            left_out[name] = "is another outcome"
        elif at in typed.instants and name in typed.instants and _lies_after(column, frame[at]):
            left_out[name] = "lies after the contact"
        elif is_text and levels > _MOST_LEVELS:
            left_out[name] = _much_text(column, name, levels)
        elif plain == "id" or ((plain.endswith("_id") or plain.startswith("id_")) and levels > 0.5 * len(frame)):
            left_out[name] = "is an id"
        elif _counts_rows(column):
            left_out[name] = "counts the rows"
        elif set(names.forms(name)) & set(names.ACTION) or _says_again(frame, name, factors):
            left_out[name] = "tells what was chosen, not what was known before"
        else:
            kept.append(name)
    numbers = frame[[name for name in kept if name not in typed.instants]]
    left_out |= leakage_suspects(numbers, reward, list(numbers.columns))
    return [name for name in kept if name not in left_out], left_out
