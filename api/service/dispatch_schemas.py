"""What goes in and out of ``POST /v1/dispatches``."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.service.fields import Channel, Identifier, Instant, Scalar, Strict, Word
from api.service.schemas import Account, ItemProblem

__all__ = ["Dispatch", "DispatchAnswer", "DispatchRequest", "DispatchResult", "Instead"]


class Instead(Strict):
    """A contact of the sender's own choosing."""

    channel: Channel
    tone: Word | None = Field(None, description="Without one, learning cannot use the contact.")
    reason: Word = Field(min_length=1, description="A word or two, e.g. agent-request.")


class Dispatch(Strict):
    """One contact: may it be sent now, was it sent, was it given up."""

    dispatch_id: Identifier = Field(
        description="The sender's key of this contact. A reservation is held by one key; repeated, it is judged anew."
    )
    decision_id: Identifier
    state: Literal["reserve", "sent", "cancelled", "expired", "undelivered"] = Field(
        "reserve",
        description="reserve = asked right before sending; sent = it was; cancelled, expired = it will not be; "
        "undelivered = the decision was not received.",
    )
    at: Instant | None = Field(None, description="Moment of the contact. Default: now.")
    account: Account | None = Field(
        None, description="The account as it is now; a reservation is not given without. Unknown facts deny."
    )
    closed_channels: list[Channel] = Field(default_factory=list, description="Channels that do not work now.")
    fallback: bool = Field(
        False, description="Draw another action from the policy where the planned one cannot be sent now."
    )
    instead: Instead | None = None
    reason: Word | None = Field(None, description="Why a contact was given up; a word or two.")

    @model_validator(mode="after")
    def _whole(self) -> Dispatch:
        if self.instead is not None and self.state not in ("reserve", "sent"):
            raise ValueError("instead belongs to a contact that is to be or was sent")
        if self.instead is not None and self.fallback:
            raise ValueError("a fallback is the policy's choice, instead is the sender's: give one of them")
        return self


class DispatchRequest(Strict):
    """One or many contacts, each judged on its own."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {
                    "dispatches": [
                        {
                            "dispatch_id": "run-7:A1",
                            "decision_id": "0123456789abcdef0123456789abcdef",
                            "state": "cancelled",
                            "reason": "campaign-stopped",
                        }
                    ]
                }
            ]
        },
    )

    dispatches: list[Dispatch] = Field(min_length=1)


class DispatchResult(BaseModel):
    """What became of one contact."""

    dispatch_id: str
    decision_id: str
    state: str = Field(description="Of the decision: decided, reserved, dispatched, overridden, cancelled, ...")
    may_send: bool = Field(description="Send it now; only after a reservation.")
    no_contact: bool = Field(description="Nothing is planned for this decision (any more).")
    chosen_by: Literal["policy", "fallback", "sender"]
    factors: dict[str, Scalar] = Field(description="What is to be or was sent.")
    contact_at: datetime | None
    propensity: float | None = Field(description="Of what is sent; null where the policy did not choose it.")
    rules: list[str] | None = Field(description="Rules that the contact breaks at that moment; null = not checked.")
    next_allowed_at: str | None
    repeated: bool


class DispatchAnswer(BaseModel):
    """Results in the order of the request, without those in errors."""

    results: list[DispatchResult]
    errors: list[ItemProblem]
