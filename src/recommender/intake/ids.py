"""One rule by which ids of two tables are the same: what programs add to an id, or drop from it, is no part of it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recommender.intake.vocabulary import is_placeholder
from recommender.intake.words import factorized

__all__ = ["digits_lost", "id_key", "id_keys", "id_spellings", "id_text", "id_texts", "padded", "places_of"]

_WHOLE_AS_FRACTION = r"^([0-9]+)\.0+$"
_WHOLE_EXPONENT = re.compile(r"([0-9])(?:\.([0-9]+))?[eE]\+?([0-9]{1,2})")
_LONGEST_PADDED = 20  # digits that systems pad a number to
_PLAIN = r"^[!-~]+$"  # printable ASCII without blanks
_ODD = r"\.0+$|[eE]\+?[0-9]+$|^'|^[^0-9A-Za-z]|/|^[^0-9]*$|^0+-"  # apostrophes, exponents, words for nothing


def id_text(value: Any) -> str | None:
    """An id as text without what a program added: blanks around it, ``.0``, an exponent; None where there is none."""
    if type(value) is str and value.isascii() and value.isalnum() and _is_plain(value):
        return value
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and np.isnan(value)):
        return None
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    if isinstance(value, bytes | bytearray):
        value = bytes(value).decode("utf-8", "replace")
    text = unicodedata.normalize("NFC", str(value)).strip().strip("\u200b\ufeff").strip()
    text = text.removeprefix("'")  # how spreadsheets are told that a number is a text
    if is_placeholder(text):
        return None
    text = re.sub(_WHOLE_AS_FRACTION, r"\1", text)
    if exponent := _WHOLE_EXPONENT.fullmatch(text):
        digits = exponent[1] + (exponent[2] or "")
        if int(exponent[3]) + 1 >= len(digits) and "." in text:
            text = digits.ljust(int(exponent[3]) + 1, "0")
    return text or None


def _is_plain(value: str) -> bool:
    """Digits alone, or a letter first and a digit behind: no exponent, and no word for nothing."""
    return value.isdigit() or (value[0].isalpha() and not value.isalpha())


def id_texts(column: pd.Series) -> pd.Series:
    """:func:`id_text` of a column."""
    column = column.reset_index(drop=True)
    if pd.api.types.is_integer_dtype(column.dtype):
        return column.astype("Int64").astype("str").where(column.notna())
    if isinstance(column.dtype, pd.StringDtype) or pd.api.types.infer_dtype(column, skipna=True) == "string":
        words = pa.array(column, type=pa.large_string(), from_pandas=True)
        plain = pc.all(pc.match_substring_regex(words, _PLAIN)).as_py()
        odd = pc.any(pc.match_substring_regex(words, _ODD)).as_py()
        if plain is not False and not odd:
            return column.astype("str").where(column.notna())
    codes, distinct = factorized(column)
    spelt = pd.Series([*(id_text(value) for value in distinct), None], dtype="str")
    return spelt.take(codes).reset_index(drop=True)


def digits_lost(column: pd.Series) -> NDArray[np.bool_]:
    """Where a program cut digits off an id: ``5.70001E+11`` is any of many accounts, as is a float past 2**53."""
    lost = np.zeros(len(column), dtype=bool)
    if pd.api.types.is_float_dtype(column.dtype):
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return np.asarray(np.abs(numbers) >= 2.0**53)
    if column.dtype != object and not isinstance(column.dtype, pd.StringDtype):
        return lost
    text = column.reset_index(drop=True)
    text = text if isinstance(text.dtype, pd.StringDtype) else text.where(text.notna()).astype("str")
    words = pa.array(text, type=pa.large_string(), from_pandas=True)
    powers = pc.fill_null(pc.match_substring_regex(words, r"^[0-9][.,][0-9]+[eE]\+?[0-9]{1,2}$"), fill_value=False)
    for row in np.flatnonzero(powers.to_numpy(zero_copy_only=False)).tolist():
        mantissa, _, power = text.iloc[row].lower().partition("e")
        lost[row] = int(power) >= 6 and len(mantissa) - 2 < int(power)
    return lost


def places_of(texts: pd.Series, known: pd.Series | pa.Array) -> NDArray[np.int64]:
    """Place of each text among distinct known ones, -1 where it is none of them or missing."""
    mine, others = (
        cells if isinstance(cells, pa.Array) else pa.array(cells, type=pa.large_string(), from_pandas=True)
        for cells in (texts, known)
    )
    at = pc.fill_null(pc.index_in(mine, value_set=others, skip_nulls=True), -1)
    return np.asarray(at.to_numpy(zero_copy_only=False), dtype=np.int64)


def padded(texts: pd.Series | pa.Array) -> bool:
    """Whether an id may have leading zeros: else each id is its own key."""
    words = texts if isinstance(texts, pa.Array) else pa.array(texts, type=pa.large_string(), from_pandas=True)
    return bool(pc.any(pc.starts_with(words, "0")).as_py())


def id_keys(texts: pd.Series | NDArray[np.object_]) -> NDArray[np.object_]:
    """What ids are compared by: the text, without the leading zeros of a whole number; None where there is none."""
    words = pa.array(texts, type=pa.large_string(), from_pandas=True)
    if padded(words):
        zeros = pc.match_substring_regex(words, r"^0+[0-9]+$")
        bare = pc.replace_substring_regex(words, r"^0+([0-9]+)$", r"\1")
        words = pc.if_else(pc.fill_null(zeros, fill_value=False), bare, words)
    return np.asarray(words.to_numpy(zero_copy_only=False), dtype=object)


def id_key(text: str) -> str:
    """:func:`id_keys` of one id."""
    return (text.lstrip("0") or "0") if text.isascii() and text.isdigit() else text


def id_spellings(texts: Iterable[str]) -> dict[str, str]:
    """Every spelling under which an id may be kept elsewhere, with the id as it is spelt here.

    A whole number may have been padded with zeros, or have lost them; where an id itself is given it stands for itself.
    """
    spelt = {text: text for text in texts}
    for text in [one for one in spelt if one.isdigit() and one.isascii()]:
        key = id_key(text)
        for length in range(len(key), _LONGEST_PADDED + 1):
            spelt.setdefault(key.zfill(length), text)
    return spelt
