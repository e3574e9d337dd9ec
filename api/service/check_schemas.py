"""What goes in and out of ``POST /v1/check``."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.service.fields import Channel, Clock, Day, Identifier, Instant, Purpose, Spelt, Strict, Word
from api.service.schemas import TOLD, refuse_terms

__all__ = ["CheckAnswer", "CheckRequest", "CheckedAccount", "CheckedContact", "Preferences"]


class CheckedContact(Strict):
    """A contact of the history that a check counts; what is missing is unknown.

    What came of it acts as in a decision: an opt-out, a wrong number, a promise until its day, a payment, a complaint.
    """

    sent_at: Instant
    channel: Channel | None = None
    account_id: Identifier | int | None = None
    initiated_by: Literal["creditor", "debtor"] | None = None
    outcome: Annotated[Literal[TOLD] | None, Spelt("outcome", TOLD)] = None  # type: ignore[valid-type]
    status: Literal["sent", "planned"] | None = None
    place: str | None = None
    purpose: Purpose | None = Field(None, description="What it was for; null where nobody knows.")
    promise_date: Day | None = Field(None, description="As of an outcome: only with promise_to_pay.")
    callback_at: Instant | None = Field(None, description="As of an outcome: only with callback_requested.")

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        refuse_terms(self.outcome, self.sent_at, self.promise_date, self.callback_at)
        return self


class Preferences(Strict):
    """What the debtor asked for; it only tightens."""

    hours: tuple[Clock, Clock] | None = Field(None, description="From, until; local and half-open.", strict=False)
    days: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]] | None = None
    channels: list[Channel] | None = None


class CheckedAccount(Strict):
    """What is known of the account; what is missing is unknown, and denies. A phone number is refused."""

    account_id: Identifier | int | None = None
    debtor_id: Identifier | int | None = None
    country: Word | None = None
    subdivision: Word | None = None
    timezone: Word | None = None
    phone_timezones: list[Word] | None = Field(None, description="IANA zones that the phone may be in.")
    due_date: Annotated[date | None, Field(strict=False)] = None
    balance_minor: int | float | None = None
    consented_channels: list[Word] | None = None
    flags: list[Word] | None = None
    party: Literal["debtor", "codebtor", "guarantor", "reference"] | None = None
    place: Literal["home", "work"] | None = None
    last_paid_on: Day | None = None
    promise_on: Day | None = None
    promise_state: Annotated[Literal["open", "kept", "broken", "none"] | None, Spelt("promise_state")] = None
    cured_on: Day | None = None
    information_requested_on: Day | None = None
    fraud_noticed_on: Day | None = None
    late_due_share: Annotated[float | None, Field(ge=0, le=1)] = None
    preferences: Preferences | None = None


class CheckRequest(Strict):
    """One contact to judge before it is sent."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {
                    "id": "1",
                    "packs": ["CO"],
                    "at": "2026-11-23T10:00:00-05:00",
                    "channel": "sms",
                    "purpose": "collection",
                    "account": {
                        "account_id": "A1",
                        "country": "CO",
                        "timezone": "America/Bogota",
                        "due_date": "2026-11-01",
                        "balance_minor": 1200000,
                        "consented_channels": ["sms"],
                        "flags": [],
                        "party": "debtor",
                    },
                    "contacts": [],
                }
            ]
        },
    )

    id: str | int | None = None
    packs: list[str] = Field(min_length=1)
    at: Instant
    channel: Channel
    purpose: Purpose = "collection"
    account: CheckedAccount = Field(default_factory=CheckedAccount)
    contacts: list[CheckedContact] | None = Field(None, description="Null or absent = unknown, which denies.")


class CheckAnswer(BaseModel):
    """Whether the contact may be made."""

    id: str | int | None
    allowed: bool
    rules: list[str] = Field(description="Every rule that fails.")
    citations: dict[str, str] = Field(description="Law and article behind each of them, where there is one.")
    next_allowed_at: str | None = Field(description="UTC; null when not within 60 days.")
