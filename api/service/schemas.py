"""What goes in and out of the API. Unknown fields are refused, so that a misspelt fact cannot pass as unknown."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, FailFast, Field, model_validator

from api.service.constraints import Constraints, RequestConstraints
from api.service.fields import (
    Country,
    Day,
    Flags,
    Identifier,
    Instant,
    Purpose,
    RequestKey,
    Scalar,
    Spelt,
    Strict,
    Word,
    Zone,
)
from recommender.store.decision_log import trouble_with_terms
from recommender.tables import OUTCOMES

#: What may be told of a contact: the words of the laws' own counts, and every event.
TOLD = ("attempt", "live_contact", *OUTCOMES)


def refuse_terms(outcome: str | None, at: datetime, promise_date: date | None, callback_at: datetime | None) -> None:
    """Raise where the day or the moment that an outcome tells cannot be."""
    told = trouble_with_terms(str(outcome), at, promise_date, callback_at)
    if told is not None:
        raise ValueError(f"{told[0]} {told[1]}. {told[2]}")


class Contact(Strict):
    """A past or planned contact of the account's debtor."""

    account_id: Identifier
    sent_at: Instant
    channel: Annotated[str, Spelt("channel")]
    initiated_by: Annotated[Literal["creditor", "debtor"], Spelt("initiated_by")] = "creditor"
    outcome: Annotated[Literal[TOLD] | None, Spelt("outcome", TOLD)] = None  # type: ignore[valid-type]
    status: Annotated[Literal["sent", "planned"], Spelt("status")] = "sent"
    hour: int | None = None
    tone: str | None = None
    reward: float | None = None
    purpose: Purpose | None = Field(None, description="What it was for; null where nobody knows.")
    promise_date: Day | None = Field(None, description="As of an outcome: only with promise_to_pay.")
    callback_at: Instant | None = Field(None, description="As of an outcome: only with callback_requested.")

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        refuse_terms(self.outcome, self.sent_at, self.promise_date, self.callback_at)
        return self


class Offered(Strict):
    """An offer that was made to the account's debtor and that the decision log does not know."""

    offer_id: Word
    offered_at: Instant
    valid_until: Instant | None = Field(None, description="Default: as the price list says.")
    status: Literal["open", "sent", "accepted", "refused", "expired", "withdrawn"] = "open"
    cost_minor: float | None = Field(None, ge=0, description="Default: by the price list, of the account's balance.")


class Account(Strict):
    """An account to decide about: opaque ids and facts; names, phones and addresses are refused."""

    account_id: Identifier
    debtor_id: Identifier | None = None
    country: Country | None = None
    subdivision: Word | None = None
    timezone: Zone | None = None
    phone_timezones: list[Word] | None = None
    due_date: Annotated[date | None, Field(strict=False)] = None
    balance_minor: int | None = None
    consented_channels: list[Annotated[Word, Spelt("channel")]] | None = None
    flags: Flags | None = None
    party: Annotated[Literal["debtor", "codebtor", "guarantor", "reference"] | None, Spelt("party")] = None
    last_paid_on: Day | None = Field(None, description="Day of the last payment: who may be thanked.")
    promise_on: Day | None = Field(None, description="Day that payment was promised for: what a follow-up reminds of.")
    promise_state: Annotated[Literal["open", "kept", "broken", "none"] | None, Spelt("promise_state")] = None
    cured_on: Day | None = Field(None, description="Day on which an overdue debt was paid up: who may be won back.")
    information_requested_on: Day | None = Field(None, description="Day on which the debtor asked for information.")
    fraud_noticed_on: Day | None = Field(None, description="Day on which something was noticed that an alert is about.")
    late_due_share: float | None = Field(None, ge=0, le=1, description="Share of earlier dues that were paid late.")
    packs: list[Word] | None = None
    contacts: list[Contact] | None = Field(None, description="Null or absent = unknown, which denies; [] = none.")
    features: dict[str, Scalar] = Field(default_factory=dict, description="Context columns of the model.")
    offered: list[Offered] | None = Field(
        None,
        description="Offers made elsewhere, joined to those of the decision log: they can shut offers and spend "
        "budget, never open any. Only where the service has a price list.",
    )
    constraints: Constraints | None = Field(None, description="What is open for this account beside the law.")


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

    accounts: Annotated[list[Account], FailFast()] = Field(min_length=1)
    as_of: Instant | None = Field(None, description="Default: now.")
    top_k: int = Field(3, ge=1, le=50)
    explore: bool = True
    seed: int | None = Field(None, description="Default: the service's own seed.")
    purpose: Purpose = Field(
        "collection",
        description="What the contacts are for; prevention and thanks are read as pre_due_reminder and "
        "payment_confirmation.",
    )
    request_key: RequestKey | None = Field(
        None,
        description="Idempotency key: repeated, the request is answered from the decision log. 1 to 128 letters "
        "(without accents), digits and any of _.:- as in the header Idempotency-Key; with NDJSON at most 120.",
    )
    constraints: RequestConstraints | None = Field(
        None, description="What is open beside the law; it enters before probabilities are normalised."
    )
    supersede: bool = Field(
        False,
        description="Decide anew where a decision about the same account and moment stands; the earlier one is "
        "cancelled. Otherwise the earlier one is the answer.",
    )


class OfferAnswer(BaseModel):
    """The offer that an action makes."""

    id: str
    kind: Literal["discount", "instalments"]
    percent: float | None = Field(description="Of the balance that is forgiven (discount).")
    instalments: int | None = Field(description="Equal monthly payments (instalments).")
    cost_minor: float = Field(description="What it costs if it is taken, in minor units.")
    currency: str
    expires_at: datetime = Field(description="Told before, it runs no longer for being told again.")


class RankedAction(BaseModel):
    """One ranked action."""

    rank: int
    no_contact: bool
    factors: dict[str, Scalar]
    contact_at: datetime | None
    template_id: str | None = Field(description="Approved message of the contact.")
    expected_reward: float | None
    lo: float | None
    hi: float | None
    propensity: float
    evidence: float
    support: bool
    values: dict[str, float | None] | None = Field(
        None,
        description="Value ladder: chance of each rung (p_delivered to p_paid), expected_amount, cost, net_value, "
        "net_gain (minor units) and gain over leaving alone (units of the reward), each but cost with _lo and _hi.",
    )
    offer: OfferAnswer | None = Field(None, description="Its offer, where it makes one (docs/purposes.md).")


class Recommendation(BaseModel):
    """What to do with one account."""

    account_id: str
    decision_id: str
    policy: Literal["model", "seed_rules"]
    deterministic: bool
    actions: list[RankedAction]
    eligible_actions: int
    segment: str | None = Field(description="Group of accounts that this one belongs to, by the declared rules.")
    needs_human: bool = Field(description="A person looks at this account before anything is sent.")
    next_allowed_at: datetime | None = Field(None, description="When a contact is next legal, where none is now.")


class ItemProblem(BaseModel):
    """An item of a request that could not be answered; the others were."""

    position: int = Field(description="Place in the request, from 0.")
    account_id: str | None
    status: int = Field(description="What a request of this item alone would be answered with.")
    detail: str
    column: str | None


class RecommendationAnswer(BaseModel):
    """Recommendations with the versions that made them."""

    as_of: datetime
    purpose: str
    policy_version: str
    code_version: str
    packs: dict[str, Any]
    removed_by_rule: dict[str, int] = Field(
        description="Removed (account, action) pairs by rule id; a pair may fail several."
    )
    recorded: bool = Field(description="Whether these decisions are in the decision log.")
    notes: list[str]
    recommendations: list[Recommendation] = Field(description="In the order of the accounts, without those in errors.")
    errors: list[ItemProblem] = Field(description="Accounts that could not be answered, by position.")


class Problem(BaseModel):
    """Every error, as application/problem+json (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    column: str | None = None
    rows: list[int] = Field(default_factory=list)
    request_id: str | None = None
