"""The column of an unknown file that tells accounts apart."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from recommender.intake import column_is_personal, column_synonyms, moment_of
from recommender.quickstart import column_names as names

__all__ = ["account_of", "whole_numbers", "with_account"]

_SLOTS = 24
_DIGITS_OF_AN_ID = 6
_NO_GAPS = 0.8  # of the numbers between the least and the greatest are there
_TRIED = 200
_OFTEN = 1.25  # contacts of one id at least, in the mean: of an id of contacts there is one
_PERSON = re.compile(
    r"(?:(?:external|associated|related|crm)_?)?(?:contact|contacto|contato|prospect|prospecto|party|recipient|target|patient|profile|perfil|record)_?(?:external_?|ext_?|crm_?)?"
    r"(?:id|key|ref|uuid|number|numero|no)|external_id|id_(?:externo|contacto|contato|prospecto)"
)


def account_of(frame: pd.DataFrame, free: Sequence[str]) -> str | None:
    """The column that tells accounts apart, by its name and its cells; None where none does."""
    for wanted in names.ACCOUNT:
        for name in free:
            if wanted in names.forms(name) and frame[name].notna().all() and len(frame[name].unique()) > 1:
                return name
    for name in free:  # Nro. Obligación, CustNo: not listed, but a unit with a number's mark
        column, read = frame[name], names.forms(name)
        marked = any(names.MARKED_ACCOUNT.fullmatch(form.replace("_", "")) for form in read) or (
            set(read) & set(names.COUNTED) and _counts_through(column)
        )
        if marked and column.notna().all() and column.nunique() > max(_SLOTS, 0.05 * len(column)):
            return name
    for name in free:  # the contract of exports knows more spellings
        if (
            column_synonyms(name) in ("account_id", "debtor_id")
            and frame[name].notna().all()
            and len(frame[name].unique()) > _SLOTS
        ):
            return name
    for name in free:  # contact.external_id, prospect_id: whoever was contacted, where the same ones come again
        if _PERSON.fullmatch(names.plain_name(name)) and frame[name].notna().all():
            times = len(frame) / max(frame[name].nunique(), 1)
            if times >= _OFTEN and frame[name].nunique() > _SLOTS:
                return name
    return None


def with_account(facts: pd.DataFrame) -> pd.DataFrame:
    """Rows with the account of each, where no column is called like one that tells them apart.

    The one column of ids that does is taken; without one each row is an account of its own. What is there stays: a
    column of accounts with gaps, and facts of each row that differ by chance, as balances, moments and addresses do.
    """
    if account_of(facts, list(facts.columns)) is not None:
        return facts
    name = next(name for name in (*names.ACCOUNT, "row_account") if name not in facts.columns)
    whole = [one for one in facts.columns if _is_key(str(one), facts[one])]
    if len(whole) == 1:
        return facts.rename(columns={whole[0]: name})
    return facts.assign(**{name: [f"row {row}" for row in range(1, len(facts) + 1)]})


def _is_key(name: str, column: pd.Series) -> bool:
    """Whether cells are ids that tell all rows apart: words or numbers in a row, and nothing of people or time."""
    if not column.notna().all() or not column.is_unique or pd.api.types.is_datetime64_any_dtype(column.dtype):
        return False
    words = [str(cell).strip() for cell in column]
    if names.is_personal(name) or column_is_personal(name, words):
        return False
    if all(moment_of(word, "dmy") is not None for word in words[:_TRIED]):
        return False
    numbers = pd.to_numeric(pd.Series(words, dtype=object), errors="coerce")
    if numbers.isna().any():
        return bool(numbers.isna().all())
    return bool((numbers == numbers.round()).all() and len(words) >= _NO_GAPS * (numbers.max() - numbers.min() + 1))


def whole_numbers(column: pd.Series) -> pd.Series | None:
    """Cells as whole numbers, or None where one has a fraction or is empty."""
    if not pd.api.types.is_numeric_dtype(column.dtype) or column.isna().any():
        return None
    values = column.astype("float64")
    return values if (values == values.round()).all() else None


def _counts_through(column: pd.Series) -> bool:
    """Whether cells are ids, no amounts: words, whole numbers nearly without a gap, or all of the same many digits."""
    if column.dtype == object:
        return True
    values = whole_numbers(column)
    if values is None:
        return False
    if column.nunique() >= _NO_GAPS * (values.max() - values.min() + 1):
        return True
    return bool(
        values.min() >= 10 ** (_DIGITS_OF_AN_ID - 1) and len(f"{values.min():.0f}") == len(f"{values.max():.0f}")
    )
