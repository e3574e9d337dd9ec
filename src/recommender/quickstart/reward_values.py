"""The column of what came of a contact, as numbers: amounts, a code, or words of which some are a success."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.errors import InvalidInput, shorten
from recommender.intake import canonical_word, plain_word
from recommender.quickstart.outcome_words import is_success
from recommender.quickstart.reward_words import affirmed, meanings_of

__all__ = ["reward_of"]


def reward_of(column: pd.Series, success: Sequence[str]) -> tuple[NDArray[np.float64], list[str]]:
    """Reward as numbers, and the words that count as success where it is text.

    Raises
    ------
    InvalidInput
        When it is not clear which words are a success.
    """
    name = str(column.name)
    if pd.api.types.is_numeric_dtype(column.dtype):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        kinds = np.unique(values[~np.isnan(values)])
        if success:
            wanted = [_number_among(kinds, one, name) for one in success]
            return np.where(np.isnan(values), np.nan, np.isin(values, wanted)).astype(np.float64), list(success)
        if np.array_equal(kinds, [1.0, 2.0]):
            raise InvalidInput.in_column(
                name,
                "holds 1 and 2, and statistics programs write yes as either",
                values=["1", "2"],
                mend="State which is the success: --success 1 or --success 2.",
            )
        if len(kinds) == 2 and not np.array_equal(kinds, [0.0, 1.0]):  # -1/1, 0/100: the larger one is the success
            return np.where(np.isnan(values), np.nan, values == kinds[1]).astype(np.float64), [f"{kinds[1]:g}"]
        return values, []
    if not pd.api.types.is_object_dtype(column.dtype) and not pd.api.types.is_string_dtype(column.dtype):
        raise InvalidInput.in_column(name, "holds instants, not outcomes", mend="Name the reward with --reward COLUMN.")
    distinct = [str(word) for word in pd.unique(column.dropna())]
    chosen = [word for word in distinct if plain_word(word) in {plain_word(one) for one in success}]
    if not success:
        ladder = {word: canonical_word("outcome", word) for word in distinct}
        responses = [word for word in distinct if is_success(word)]
        known = column.map(ladder).notna().sum() / max(int(column.notna().sum()), 1)
        meanings = meanings_of(distinct)
        if len(meanings) == 2:
            chosen = affirmed(meanings, {plain_word(word) for word in responses})
        elif known >= 0.9:
            chosen = responses
    if not chosen or len(chosen) == len(distinct):
        likely = [word for word in distinct if is_success(word)][:6]
        such = "".join(f" --success {shlex.quote(word)}" for word in likely if len(likely) < len(distinct))
        raise InvalidInput.in_column(
            name,
            f"is text, and it is not clear which of its words are a success: {shorten(distinct, 20)}",
            mend=f"State them:{such or ' --success WORD'} (repeat for more), or name another reward: --reward COLUMN.",
        )
    values = np.where(column.isna(), np.nan, column.isin(chosen)).astype(np.float64)
    return values, chosen


def _number_among(kinds: NDArray[np.float64], word: str, column: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise InvalidInput.in_column(
            column,
            f"holds numbers, and a success was stated as {word!r}; its numbers are "
            f"{shorten([f'{one:g}' for one in kinds], 8)}",
            mend="State numbers, --success 1, or the column that holds the word: --reward COLUMN.",
        ) from None
