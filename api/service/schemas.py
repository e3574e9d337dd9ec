"""What goes in and out of the API. Unknown fields are refused, so that a misspelt fact cannot pass as unknown."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, FailFast, Field

from api.service.constraints import Constraints, RequestConstraints
from api.service.fields import (
    Channel,
    Clock,
    Country,
    Flags,
    Identifier,
    Instant,
    Purpose,
    Scalar,
    Spelt,
    Strict,
    Word,
    Zone,
)
from recommender.tables import OUTCOMES

_TOLD = ("attempt", "live_contact", *OUTCOMES)


class Contact(Strict):
    """A past or planned contact of the account's debtor."""

    account_id: Identifier
    sent_at: Instant
    channel: Annotated[str, Spelt("channel")]
    initiated_by: Annotated[Literal["creditor", "debtor"], Spelt("initiated_by")] = "creditor"
    outcome: Annotated[Literal[_TOLD] | None, Spelt("outcome", _TOLD)] = None  # type: ignore[valid-type]
    status: Annotated[Literal["sent", "planned"], Spelt("status")] = "sent"
    hour: int | None = None
    tone: str | None = None
    reward: float | None = None


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
    packs: list[Word] | None = None
    contacts: list[Contact] | None = Field(None, description="Null or absent = unknown, which denies; [] = none.")
    features: dict[str, Scalar] = Field(default_factory=dict, description="Context columns of the model.")
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
    request_key: Identifier | None = Field(
        None, description="Idempotency key: repeated, the request is answered from the decision log."
    )
    constraints: RequestConstraints | None = Field(
        None, description="What is open beside the law; it enters before probabilities are normalised."
    )
    supersede: bool = Field(
        False,
        description="Decide anew where a decision about the same account and moment stands; the earlier one is "
        "cancelled. Otherwise the earlier one is the answer.",
    )


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


class Outcome(Strict):
    """One thing that happened after a decision."""

    decision_id: Identifier
    occurred_at: Instant
    outcome: Literal[OUTCOMES] = Field(description="A rung of the outcome ladder.")  # type: ignore[valid-type]
    amount_minor: int | None = Field(None, ge=0, description="Minor units; only with currency.")
    currency: str | None = Field(None, pattern="^[A-Z]{3}$", description="ISO 4217.")
    outcome_id: Identifier | None = Field(
        None, description="Key of the sender; default: the content, so that the same event told twice counts once."
    )
    replaces: Identifier | None = Field(None, description="Id of an outcome told wrongly; this one takes its place.")


class OutcomeRequest(Strict):
    """One or many outcomes; all of them are written down, or none."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {
                    "outcomes": [
                        {
                            "decision_id": "0123456789abcdef0123456789abcdef",
                            "occurred_at": "2026-11-23T18:05:00-05:00",
                            "outcome": "promise_to_pay",
                        }
                    ]
                }
            ]
        },
    )

    outcomes: Annotated[list[Outcome], FailFast()] = Field(min_length=1)


class OutcomeAnswer(BaseModel):
    """What became of the outcomes."""

    stored: int = Field(description="New ones.")
    repeated: int = Field(description="Known before, with the same content.")
    orphans: list[str] = Field(
        description="Decision ids that the log does not hold; their outcomes are kept and attach when they arrive."
    )


class LoggedOutcome(BaseModel):
    """An outcome as it was told."""

    outcome_id: str
    occurred_at: datetime
    outcome: str
    amount_minor: int | None
    currency: str | None
    replaces: str | None


class ShadowAnswer(BaseModel):
    """What the challenger would have done."""

    factors: dict[str, Scalar]
    expected_reward: float | None
    policy_version: str


class ProvenanceAnswer(BaseModel):
    """The versions that a decision was made with."""

    policy_version: str
    model_digest: str | None
    rule_packs: dict[str, str]
    holidays_version: str | None
    tzdata_version: str | None
    code_version: str | None


class LoggedEvent(BaseModel):
    """Something that became of a planned contact, as it was told."""

    kind: str
    at: datetime
    told_at: datetime | None
    dispatch_id: str | None
    channel: str | None
    reason: str | None
    propensity: float | None
    factors: dict[str, Scalar] | None = Field(description="Of what was to be sent; null = as decided, or no action.")
    rules: list[str] | None = Field(description="Rules that it broke; null = not checked.")


class DecisionAnswer(BaseModel):
    """A decision as it was written down, with its outcomes so far."""

    decision_id: str
    account_id: str
    debtor_id: str | None
    request_key: str | None
    decided_at: datetime
    contact_at: datetime | None
    no_contact: bool
    action: int
    factors: dict[str, Scalar]
    propensity: float
    eligible: list[int] = Field(description="Indices of the actions that the guardrails allowed.")
    n_actions: int
    ranking: list[RankedAction]
    context: dict[str, Scalar]
    fallback: bool
    deterministic: bool
    seed: int | None
    shadow: ShadowAnswer | None
    provenance: ProvenanceAnswer
    state: str = Field(description="decided, reserved, dispatched, overridden, cancelled, expired or undelivered.")
    events: list[LoggedEvent]
    outcomes: list[LoggedOutcome]


class ListedDecision(BaseModel):
    """A decision in short."""

    decision_id: str
    account_id: str
    debtor_id: str | None
    decided_at: datetime
    contact_at: datetime | None
    no_contact: bool
    factors: dict[str, Scalar]
    propensity: float
    policy_version: str
    state: str


class DecisionList(BaseModel):
    """A page of decisions, newest first."""

    decisions: list[ListedDecision]
    next_cursor: str | None = Field(description="Give it as cursor for the next page; null after the last one.")


class DebtorExport(BaseModel):
    """Everything that the log holds about one debtor; the rows as they are kept."""

    debtor_id: str
    decisions: list[dict[str, Any]]


class Forgotten(BaseModel):
    """What an erasure took away."""

    decisions: int
    outcomes: int


class CheckedContact(Strict):
    """A contact of the history that a check counts; what is missing is unknown."""

    sent_at: Instant
    channel: Channel | None = None
    account_id: Identifier | int | None = None
    initiated_by: Literal["creditor", "debtor"] | None = None
    outcome: Literal["attempt", "delivered", "live_contact", "wrong_party", "not_connected"] | None = None
    status: Literal["sent", "planned"] | None = None
    place: str | None = None


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


class Problem(BaseModel):
    """Every error, as application/problem+json (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    column: str | None = None
    rows: list[int] = Field(default_factory=list)
    request_id: str | None = None
