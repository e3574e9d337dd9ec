"""Refuse what looks like personal contact data before it is written down."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from recommender.errors import InvalidInput
from recommender.intake import cell_is_personal, kind_of_name, text_is_personal

__all__ = [
    "column_is_free_of_people",
    "is_plain_name",
    "refuse_contact_data",
    "refuse_contact_identifier",
    "refuse_free_text",
]

_MEND = "Leave contact data out of the context: the log keeps features and opaque ids only."

# Free text hides anything: a level of a feature is a short word or two.
_LONGEST_LEVEL, _MOST_WORDS = 64, 5
_DIGITS_OF_SOMEBODY = re.compile(
    r"(?<![\d.,])\d{7,19}(?![\d.,]|-\d)"  # in one run, and no end of a range
    r"|(?<!\d)\(?\d{2,3}\)?[ .-]\d{3,4}[ .-]\d{2,4}(?:[ .-]\d{2,4})?(?!\d)"  # in groups, as phones are written
)
_STREET = re.compile(
    r"\b(?:calle|cll?|carrera|cra|kr|avenida|av|avda|transversal|diagonal|jiron|jirón|jr|pasaje|street|st|road|rd)\b\.?"
    r"\s+\S*\d",
    re.IGNORECASE,
)
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ][\d:.+\-]+Z?)?")
_NO_TEXT = frozenset({int, float, bool, type(None)})
_NUMBERS = frozenset({int, float})


def refuse_contact_data(context: Mapping[str, Any], *, argument: str = "context") -> None:
    """Raise when a key or a value of ``context`` looks like a name, phone, e-mail, address or identity number.

    Features *about* contact data pass (``email_read_rate_90d``, ``phone_type = "mobile"``); the data themselves do
    not. This is a net, not a proof: free text can hide anything, so the context should hold no free text.

    Raises
    ------
    InvalidInput
        Names the key; the value is not repeated, since errors are logged.
    """
    if _are_plain(tuple(context)):
        suspects = [
            key
            for key, value in context.items()
            if type(value) is str and ("@" in value or ("+" in value and value.lstrip()[:1] == "+"))
        ]
    else:
        suspects = list(context)
    for key in suspects:
        if cell_is_personal(str(key), context[key]):
            raise InvalidInput(
                f"Column {str(key)!r} of {argument} looks like personal contact data and is not written to the log.",
                column=str(key),
                mend=_MEND,
            )


def refuse_free_text(context: Mapping[str, Any], *, argument: str = "context") -> None:
    """Raise when a text value is no level of a feature but a sentence, a number of somebody or a street.

    Raises
    ------
    InvalidInput
        Names the key; the value is not repeated, since errors are logged.
    """
    for key, value in context.items():
        if isinstance(value, str) and (reason := _no_level(value)):
            raise InvalidInput(
                f"Column {str(key)!r} of {argument} {reason}, which looks like personal contact data or free text and "
                "is not written to the log.",
                column=str(key),
                mend=_MEND,
            )


@lru_cache(maxsize=65_536)
def _no_level(value: str) -> str | None:
    """What is wrong with a level; cached, since levels repeat."""
    text = value.strip()
    if len(text) > _LONGEST_LEVEL:
        return f"is longer than {_LONGEST_LEVEL} characters"
    if len(text.split()) > _MOST_WORDS:
        return f"holds more than {_MOST_WORDS} words"
    if not _INSTANT.fullmatch(text) and _DIGITS_OF_SOMEBODY.search(text):
        return "holds a number as long as a phone's or an identity's"
    if _STREET.search(text):
        return "holds what reads like a street"
    return None


def column_is_free_of_people(name: str, values: Sequence[Any], *, levels: bool) -> bool:
    """Whether :func:`refuse_contact_data` passes every value of a column, and with ``levels`` free text as well.

    Distinct values are looked at once.
    """
    is_plain = is_plain_name(name)
    kinds = set(map(type, values))
    if is_plain and kinds <= _NO_TEXT:
        return True
    # Kind by kind: False equals 0, and only one of them says that there is nothing.
    distinct = [one for kind in kinds for one in {value for value in values if type(value) is kind}]
    if not is_plain and any(cell_is_personal(name, value) for value in _suspects(name, distinct)):
        return False
    texts = [value for value in distinct if isinstance(value, str)]
    return not any(text_is_personal(text) or (levels and _no_level(text) is not None) for text in texts)


def _suspects(name: str, distinct: Sequence[Any]) -> Iterable[Any]:
    """What of a column has to be looked at: of its numbers the largest, since only long ones are somebody's."""
    numbers = [value for value in distinct if type(value) in _NUMBERS and value == value]
    if not numbers or kind_of_name(name) == "contact":
        return distinct
    return [max(numbers, key=abs), *(value for value in distinct if type(value) not in _NUMBERS or value != value)]


def is_plain_name(name: str) -> bool:
    """Whether the name of a column speaks of no contact data: then only its texts can hold any."""
    return kind_of_name(name) == "plain"


def refuse_contact_identifier(name: str, identifier: str) -> None:
    """Raise when an id is really an e-mail address or a phone number."""
    if text_is_personal(identifier):
        raise InvalidInput(
            f"Column {name!r} holds an e-mail address or a phone number where an opaque id is expected.",
            column=name,
            mend="Use your system's internal id, or a keyed hash of it.",
        )


@lru_cache(maxsize=4096)
def _are_plain(keys: tuple[Any, ...]) -> bool:
    """Whether no key speaks of contact data; cached by their whole list, since every account brings the same."""
    return all(kind_of_name(str(key)) == "plain" for key in keys)
