"""Types that several requests and answers share."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from recommender.intake import canonical_word, country_code, plain_word, zone_name

__all__ = [
    "Channel",
    "Clock",
    "Country",
    "Day",
    "Flags",
    "Identifier",
    "Instant",
    "Purpose",
    "Scalar",
    "Spelt",
    "Strict",
    "Word",
]
__all__ += ["KEY_LETTERS", "RequestKey", "Zone"]

Channel = Literal["call", "sms", "whatsapp", "email", "ivr", "letter", "visit"]
_Purpose = Literal[
    "collection",
    "pre_due_reminder",
    "promise_follow_up",
    "payment_confirmation",
    "win_back",
    "fraud_alert",
    "requested_information",
]
Scalar = str | int | float | bool | None
_FIRST_YEAR, _LAST_YEAR = 1990, 2100
_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _in_reach(instant: datetime) -> datetime:
    """Refuse instants that no contact of ours can have; the ends of the calendar overflow when a zone is applied."""
    if not _FIRST_YEAR <= instant.year < _LAST_YEAR:
        raise ValueError(f"an instant lies between {_FIRST_YEAR} and {_LAST_YEAR}")
    return instant


Instant = Annotated[AwareDatetime, Field(strict=False), AfterValidator(_in_reach)]


def _day_of(value: object) -> object:
    """A date from its ISO form alone; a number, an instant and another order of the parts are refused."""
    if not isinstance(value, str):
        return value
    try:
        return date.fromisoformat(value if _ISO_DAY.fullmatch(value) else "")
    except ValueError:
        raise ValueError(f"{value[:32]!r} is no date; write the day as YYYY-MM-DD, e.g. 2026-12-31") from None


Day = Annotated[date, BeforeValidator(_day_of)]
Word = Annotated[str, StringConstraints(max_length=64)]


class Spelt(BeforeValidator):
    """The word of a vocabulary that a text means (``SMS``, ``DEUDOR``); another text stays, and its type judges it."""

    def __init__(self, column: str, own: Collection[str] = ()) -> None:
        super().__init__(
            lambda value: (
                canonical_word(column, value) or value if isinstance(value, str) and value not in own else value
            )
        )


Purpose = Annotated[_Purpose, Spelt("purpose")]
Country = Annotated[Word, BeforeValidator(lambda value: (isinstance(value, str) and country_code(value)) or value)]
Flags = Annotated[list[Annotated[Word, Spelt("flags")]], BeforeValidator(lambda value: _without_none(value))]
Zone = Annotated[Word, BeforeValidator(lambda value: (isinstance(value, str) and zone_name(value)) or value)]
Clock = Annotated[str, Field(pattern=r"^([01]\d|2[0-4]):[0-5]\d$")]
Identifier = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[\w.:\-]+$")]
#: What a key of a request is made of, in its body and in a header, which carries no other letters.
KEY_LETTERS = r"[A-Za-z0-9_.:\-]"
RequestKey = Annotated[str, Field(min_length=1, max_length=128, pattern=f"^{KEY_LETTERS}+$")]


def _without_none(flags: object) -> object:
    """A list that says that there is none, empty."""
    if not isinstance(flags, list):
        return flags
    return [
        one for one in flags if not isinstance(one, str) or plain_word(one) not in ("", "none", "ninguno", "ninguna")
    ]


class Strict(BaseModel):
    """Refuses unknown fields, silent conversions and numbers without an end (1e999 is valid JSON, and infinite)."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
