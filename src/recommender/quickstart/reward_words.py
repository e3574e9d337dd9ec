"""What tells a success: which of two words affirms, which column is money that came in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from recommender.intake import plain_word
from recommender.quickstart import column_names as names

__all__ = ["affirmed", "is_money_received", "meanings_of", "only_affirms"]

_NEGATION = re.compile(r"(?:no|not|non|un|sin|nao|did_not|didn_t|nunca|never)_?")


_BARE = frozenset(
    ("yes", "y", "si", "s", "sim", "true", "t", "verdadero", "verdadeiro", "ok", "x", "positive", "positivo")
)


def only_affirms(word: str) -> bool:
    """Whether a plain word is a number or a bare yes, which a flag of anything holds."""
    return word in _BARE or word.replace("_", "").isdecimal()


def meanings_of(words: Sequence[str]) -> dict[str, list[str]]:
    """Spellings by what they mean: ``Yes`` and ``yes`` are one."""
    meanings: dict[str, list[str]] = {}
    for word in words:
        meanings.setdefault(plain_word(word), []).append(word)
    return meanings


def affirmed(meanings: Mapping[str, Sequence[str]], heard: frozenset[str] | set[str]) -> list[str]:
    """Which of two meanings is the success, in all its spellings; empty where that is not clear.

    Parameters
    ----------
    meanings : mapping of two meanings to their spellings
    heard : set of str
        Meanings that are a response by the ladder of outcomes.
    """
    known = [one for one in meanings if one in names.SUCCESSES or one in heard]
    if not known:
        one, other = meanings
        known = [a for a, b in ((one, other), (other, one)) if _denies(b, a) and a not in names.UNWANTED]
    return [word for one in known for word in meanings[one]]


def _denies(word: str, of: str) -> bool:
    return bool(word.endswith(of) and word != of and _NEGATION.fullmatch(word.removesuffix(of)))


def is_money_received(name: str) -> bool:
    """Whether a column is called as money that came in: ``valor_recaudado``, ``amount collected``."""
    parts = set(names.plain_name(name).split("_"))
    return len(parts) > 1 and bool(parts & names.RECEIVED) and parts <= names.RECEIVED | names.SUM
