"""The one way to read words and names of columns: without accents, capitals, humps and punctuation."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

__all__ = ["by_name", "column_forms", "column_word", "plain_word"]

_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_OF_A_CRM = re.compile(r"__c$")  # as Salesforce marks a column of the user's own


@lru_cache(maxsize=65_536)
def plain_word(text: str) -> str:
    """A word without accents, capitals, blanks and punctuation: ``" Día de pago "`` is ``dia_de_pago``."""
    return re.sub(r"[^a-z0-9]+", "_", _without_accents(text.casefold())).strip("_")


def column_word(name: object) -> str:
    """:func:`plain_word` of the name of a column, its humps apart.

    ``doNotCall``, ``DoNotCall__c`` and ``DO NOT CALL`` are ``do_not_call``; ``ÚltimoTeléfono`` is ``ultimo_telefono``.
    """
    return plain_word(_HUMPS.sub("_", _without_accents(_OF_A_CRM.sub("", str(name).strip()))))


def column_forms(name: object) -> tuple[str, str]:
    """The name of a column as one word and with its humps apart: ``CallDate`` is ``calldate`` and ``call_date``."""
    return plain_word(str(name)), column_word(name)


def by_name(columns: Iterable[Any]) -> dict[str, Any]:
    """Columns by both of their :func:`column_forms`; what is written so from the start goes first."""
    named: dict[str, Any] = {}
    forms = [(column_forms(column), column) for column in columns]
    for place in (0, 1):
        for one, column in forms:
            named.setdefault(one[place], column)
    return named


def _without_accents(text: str) -> str:
    return "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))
