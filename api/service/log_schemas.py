"""What goes in and out of the decision log: outcomes told, decisions read, a debtor's data given or erased."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, FailFast, Field

from api.service.fields import Day, Identifier, Instant, Scalar, Strict
from api.service.schemas import RankedAction
from recommender.tables import OUTCOMES

__all__ = [
    "DebtorExport", "DecisionAnswer", "DecisionList", "Forgotten", "ListedDecision", "LoggedEvent", "LoggedOutcome",
    "Outcome", "OutcomeAnswer", "OutcomeRequest", "ProvenanceAnswer", "ShadowAnswer",
]  # fmt: skip


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
    account_id: Identifier | None = Field(
        None, description="Account of the decision: of one that the log no longer holds, the outcome acts on it."
    )
    debtor_id: Identifier | None = Field(None, description="Debtor of that account; default: as the log knows it.")
    promise_date: Day | None = Field(
        None, description="Only of promise_to_pay: no contact about the debt until that day is over; default: 14 days."
    )
    callback_at: Instant | None = Field(
        None, description="Only of callback_requested: no contact about the debt before it; default: a day later."
    )


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
                            "promise_date": "2026-12-15",
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
        description="Decision ids that nothing is known of; their outcomes are kept, act on nobody, and attach when "
        "the decisions arrive. Of decisions that were erased, or of which retention left nothing, none is kept. Tell "
        "account_id (and debtor_id) to have them act."
    )
    late: list[str] = Field(
        description="Decision ids that the log does not hold, of an account that it knows or that was told: their "
        "outcomes act on its debtor."
    )


class LoggedOutcome(BaseModel):
    """An outcome as it was told."""

    outcome_id: str
    occurred_at: datetime
    outcome: str
    amount_minor: int | None
    currency: str | None
    replaces: str | None
    promise_date: date | None
    callback_at: datetime | None


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
    purpose: str
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
    segment: str | None
    state: str


class DecisionList(BaseModel):
    """A page of decisions, newest first."""

    decisions: list[ListedDecision]
    next_cursor: str | None = Field(description="Give it as cursor for the next page; null after the last one.")


class DebtorExport(BaseModel):
    """Everything that the log holds about one debtor; the rows as they are kept."""

    debtor_id: str
    decisions: list[dict[str, Any]]
    kept_states: list[dict[str, Any]] = Field(description="What still acts of decisions that retention deleted.")


class Forgotten(BaseModel):
    """What an erasure took away."""

    decisions: int
    outcomes: int
