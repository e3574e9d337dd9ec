"""What goes in and out of the forecasts of one account, ``/v1/best-hours`` and ``/v1/fallback-chains``."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, Field

from api.service.fields import Channel, Instant, Purpose, Scalar, Strict
from api.service.schemas import Account

__all__ = [
    "BestHoursAnswer", "BestHoursRequest", "ChainedContact", "FallbackChainAnswer", "FallbackChainRequest", "HourAhead",
]  # fmt: skip


class BestHoursRequest(Strict):
    """When is this account best reached over one channel."""

    account: Account
    channel: Channel
    as_of: Instant | None = Field(None, description="Default: now.")
    purpose: Purpose = "collection"
    days: int = Field(7, ge=1, le=31)
    slots: int = Field(5, ge=1, le=50, description="How many of the best are named.")


class HourAhead(BaseModel):
    """One hour of the days ahead, as the account will stand if nothing happens before."""

    date: date
    weekday: Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    hour: int = Field(description="On the debtor's clock; UTC where the time zone is not known.")
    contact_at: datetime
    legal: bool
    rules: list[str] = Field(description="What closes it.")
    citations: list[str]
    expected_reward: float | None = Field(description="Of the best action of that hour; null where closed or unknown.")
    lo: float | None
    hi: float | None
    factors: dict[str, Scalar] = Field(description="The best action's other factors.")
    template_id: str | None


class BestHoursAnswer(BaseModel):
    """Every hour, in time, and the best of them."""

    as_of: datetime
    purpose: str
    channel: str
    policy: Literal["model", "seed_rules"]
    policy_version: str
    hours: list[HourAhead]
    best: list[HourAhead] = Field(description="Legal slots, best first; the seed rules know no value: in time.")


class FallbackChainRequest(Strict):
    """What follows if a contact fails."""

    account: Account
    as_of: Instant | None = Field(None, description="Default: now.")
    purpose: Purpose = "collection"
    steps: int = Field(3, ge=1, le=10)
    wait_hours: float = Field(24.0, gt=0, le=240, description="After a contact, before it counts as failed.")
    days: int = Field(7, ge=1, le=31)
    failures: dict[Channel, Literal["bounced", "not_connected", "not_read"]] | None = Field(
        None, description="How each channel fails; a chain ends after a channel that is not named."
    )
    explore: bool = True
    seed: int | None = Field(None, description="Default: the service's own seed.")


class ChainedContact(BaseModel):
    """One step: taken when every step before it failed, and decided anew then."""

    as_of: datetime
    contact_at: datetime | None
    factors: dict[str, Scalar]
    propensity: float
    expected_reward: float | None
    template_id: str | None
    after: Literal["bounced", "not_connected", "not_read"] | None = Field(description="How the step before failed.")


class FallbackChainAnswer(BaseModel):
    """The chain; empty where no contact is legal or the account is left alone."""

    as_of: datetime
    purpose: str
    policy: Literal["model", "seed_rules"]
    policy_version: str
    steps: list[ChainedContact]
