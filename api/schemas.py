"""What goes in and out of the API. Unknown fields are refused, so that a misspelt fact cannot pass as unknown."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Scalar = str | int | float | bool | None
Identifier = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[\w.:\-]+$")]


class Strict(BaseModel):
    """Refuses unknown fields and silent conversions."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Contact(Strict):
    """A past or planned contact of the account's debtor."""

    account_id: Identifier
    sent_at: Annotated[AwareDatetime, Field(strict=False)]
    channel: str
    initiated_by: Literal["creditor", "debtor"] = "creditor"
    outcome: Literal["attempt", "delivered", "live_contact", "wrong_party", "not_connected"] | None = None
    status: Literal["sent", "planned"] = "sent"
    hour: int | None = None
    tone: str | None = None
    reward: float | None = None


class Account(Strict):
    """An account to decide about: opaque ids and facts; names, phones and addresses are refused."""

    account_id: Identifier
    debtor_id: Identifier | None = None
    country: str | None = None
    subdivision: str | None = None
    timezone: str | None = None
    phone_timezones: list[str] | None = None
    due_date: Annotated[date | None, Field(strict=False)] = None
    balance_minor: int | None = None
    consented_channels: list[str] | None = None
    flags: list[str] | None = None
    party: Literal["debtor", "codebtor", "guarantor", "reference"] | None = None
    packs: list[str] | None = None
    contacts: list[Contact] | None = Field(None, description="Null or absent = unknown, which denies; [] = none.")
    features: dict[str, Scalar] = Field(default_factory=dict, description="Context columns of the model.")


class RecommendationRequest(Strict):
    """One or many accounts."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {
                    "accounts": [
                        {
                            "account_id": "A1",
                            "debtor_id": "D1",
                            "country": "CO",
                            "timezone": "America/Bogota",
                            "due_date": "2026-11-01",
                            "balance_minor": 1200000,
                            "consented_channels": ["sms", "whatsapp", "email", "call"],
                            "flags": [],
                            "party": "debtor",
                            "contacts": [],
                            "features": {"product": "credit_card"},
                        }
                    ],
                    "as_of": "2026-11-23T08:00:00-05:00",
                    "top_k": 3,
                }
            ]
        },
    )

    accounts: list[Account] = Field(min_length=1)
    as_of: Annotated[AwareDatetime | None, Field(strict=False)] = Field(None, description="Default: now.")
    top_k: int = Field(3, ge=1, le=50)
    explore: bool = True
    seed: int | None = Field(None, description="Default: the service's own seed.")


class RankedAction(BaseModel):
    """One ranked action."""

    rank: int
    no_contact: bool
    factors: dict[str, Scalar]
    contact_at: datetime | None
    expected_reward: float | None
    lo: float | None
    hi: float | None
    propensity: float
    evidence: float
    support: bool


class Recommendation(BaseModel):
    """What to do with one account."""

    account_id: str
    decision_id: str
    policy: Literal["model", "seed_rules"]
    deterministic: bool
    actions: list[RankedAction]
    eligible_actions: int
    needs_human: bool = Field(description="A person looks at this account before anything is sent.")
    next_allowed_at: datetime | None = Field(None, description="When a contact is next legal, where none is now.")


class RecommendationAnswer(BaseModel):
    """Recommendations with the versions that made them."""

    as_of: datetime
    policy_version: str
    code_version: str
    packs: dict[str, Any]
    removed_by_rule: dict[str, int] = Field(
        description="Removed (account, action) pairs by rule id; a pair may fail several."
    )
    notes: list[str]
    recommendations: list[Recommendation]


class Problem(BaseModel):
    """Every error, as application/problem+json (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    column: str | None = None
    rows: list[int] = Field(default_factory=list)
