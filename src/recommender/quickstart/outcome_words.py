"""The column of an unknown file that says what came of a contact, found by its words where its name says nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from recommender.intake import canonical_word, plain_word
from recommender.quickstart import column_names as names
from recommender.quickstart.reward_words import only_affirms

__all__ = ["column_holding", "is_success", "tells_outcomes"]

_RESPONSES = frozenset(("replied", "answered", "right_party_contact", "promise_to_pay", "promise_kept", "paid",
                       "paid_in_full", "read"))  # fmt: skip
_HUNG_UP = re.compile(r"hang|hung|colg|cuelg|deslig|cort[ao]|drop|caiu|dead|mud[ao]")
_MOST_LEVELS = 100
_MOSTLY = 0.9


def column_holding(frame: pd.DataFrame, free: Sequence[str], success: Sequence[str]) -> str | None:
    """The one column of words among which are all that were stated as a success.

    A number or a bare yes tells no column: a tier is 1, too, and who has an e-mail address is a yes. None is
    found either that is called after an earlier contact or the account.
    """
    wanted = {plain_word(word) for word in success}
    if not wanted or any(map(only_affirms, wanted)):
        return None
    texts = [name for name in free if frame[name].dtype == object and frame[name].nunique() >= 2]
    texts = [name for name in texts if not _is_of_another(name)]
    holding = [name for name in texts if wanted <= {plain_word(str(word)) for word in pd.unique(frame[name].dropna())}]
    return holding[0] if len(holding) == 1 else None


def is_success(word: str) -> bool:
    """Whether a word of the ladder of outcomes is a response; who hung up was reached, and no more."""
    return canonical_word("outcome", word) in _RESPONSES and not _HUNG_UP.search(plain_word(word))


def tells_outcomes(name: str, column: pd.Series) -> bool:
    """Whether nearly all cells are words of the ladder of outcomes, a response among them, whatever it is called.

    Not where its name says that it speaks of an earlier contact, or of the account.
    """
    if column.dtype != object or not 2 <= column.nunique() <= _MOST_LEVELS:
        return False
    if _is_of_another(name):
        return False
    said = column.dropna().map({word: canonical_word("outcome", str(word)) for word in pd.unique(column.dropna())})
    return bool(said.notna().mean() >= _MOSTLY and said.isin(_RESPONSES).any() and said.nunique() >= 2)


def _is_of_another(name: str) -> bool:
    return bool(set(names.plain_name(name).split("_")) & names.NOT_OF_THIS_CONTACT)
