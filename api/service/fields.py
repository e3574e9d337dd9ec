"""Types that several requests and answers share."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

__all__ = ["Channel", "Clock", "Identifier", "Instant", "Purpose", "Scalar", "Strict", "Word"]

Channel = Literal["call", "sms", "whatsapp", "email", "ivr", "letter", "visit"]
Purpose = Literal[
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


def _in_reach(instant: datetime) -> datetime:
    """Refuse instants that no contact of ours can have; the ends of the calendar overflow when a zone is applied."""
    if not _FIRST_YEAR <= instant.year < _LAST_YEAR:
        raise ValueError(f"an instant lies between {_FIRST_YEAR} and {_LAST_YEAR}")
    return instant


Instant = Annotated[AwareDatetime, Field(strict=False), AfterValidator(_in_reach)]
Word = Annotated[str, StringConstraints(max_length=64)]
Clock = Annotated[str, Field(pattern=r"^([01]\d|2[0-4]):[0-5]\d$")]
Identifier = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[\w.:\-]+$")]


class Strict(BaseModel):
    """Refuses unknown fields and silent conversions."""

    model_config = ConfigDict(extra="forbid", strict=True)
