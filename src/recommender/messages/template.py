"""One approved text: who approved it, what it may be used for, and whether it fits its channel."""

from __future__ import annotations

from datetime import date
from typing import Literal

import numpy as np
from jinja2 import StrictUndefined, TemplateSyntaxError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import BaseModel, ConfigDict, Field, model_validator

from recommender.errors import InvalidInput
from recommender.messages.sms import sms_length
from recommender.rules import Channel, MessageKind, Purpose, Tone

__all__ = [
    "ENVIRONMENT",
    "STAGES",
    "STAGE_ENDS",
    "VARIABLES",
    "CatalogueError",
    "Template",
    "sample_text",
    "stage_of",
    "too_long",
    "variables_of",
]

TradeStage = Literal["preventive", "administrative", "extrajudicial", "judicial"]
STAGES: tuple[TradeStage, ...] = ("preventive", "administrative", "extrajudicial", "judicial")
#: Last day past due of each stage but the last.
STAGE_ENDS = (0, 30, 90)

#: Variables that a template may declare, with a long but real value of each for measuring.
VARIABLES: dict[str, object] = {
    "agent_name": "Maria Fernanda",
    "amount": "$ 12.345.678",
    "contact_phone": "+57 601 234 5678",
    "creditor": "Banco Ejemplo",
    "days_past_due": 120,
    "document_link": "https://pay.example/d/AbC123",
    "due_date": "30/11/2026",
    "first_name": "Maximiliano",
    "identity_confirmed": True,
    "instalments": 12,
    "offer_percent": 15,
    "offer_until": "30/11/2026",
    "paid_on": "30/11/2026",
    "payment_link": "https://pay.example/AbC123",
    "whatsapp_link": "https://wa.example/AbC123",
}
#: Longest text a channel takes, in characters; SMS is measured in segments.
LENGTH_LIMITS: dict[str, int] = {"whatsapp": 1_024, "ivr": 600, "call": 1_500, "visit": 1_500, "email": 5_000}
ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)


class CatalogueError(InvalidInput):
    """A catalogue or template that cannot be used."""


class Template(BaseModel):
    """One approved text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    channels: tuple[Channel, ...] = Field(min_length=1)
    stages: tuple[TradeStage, ...] = Field(min_length=1)
    tone: Tone
    kind: MessageKind
    purposes: tuple[Purpose, ...] = ("collection",)
    subject: str | None = None
    #: Opted-in channel in which the conversation may go on.
    handover: Channel | None = None
    max_segments: int = Field(default=2, ge=1, le=10)
    variables: tuple[str, ...]
    body: str = Field(min_length=1)
    language: str = ""
    approved: bool = True
    #: Who approved it, and when: a text of an agency's own is sent only in somebody's name.
    approved_by: str | None = Field(default=None, min_length=1)
    approved_on: date | None = None
    version: str = ""
    #: Name and category under which WhatsApp has approved the text for conversations that the creditor begins.
    whatsapp_template: str | None = Field(default=None, pattern=r"^[a-z0-9_]{1,512}$")
    whatsapp_category: Literal["utility", "marketing", "authentication"] | None = None
    #: What a segment of SMS costs, in minor units.
    sms_segment_cost_minor: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _declares_its_variables(self) -> Template:
        try:
            used = variables_of(self.body, self.subject)
        except TemplateSyntaxError as error:
            raise ValueError(f"template {self.id!r} does not parse: {error}") from error
        if unknown := sorted({*self.variables} - {*VARIABLES}):
            raise ValueError(f"template {self.id!r} declares variables nobody fills: {', '.join(unknown)}")
        if used != {*self.variables}:
            raise ValueError(
                f"template {self.id!r} declares {sorted(self.variables)} but uses {sorted(used)}: both must agree"
            )
        if "email" in self.channels and not self.subject:
            raise ValueError(f"template {self.id!r} goes out by email and has no subject")
        if (self.whatsapp_template is None) != (self.whatsapp_category is None):
            raise ValueError(f"template {self.id!r} needs whatsapp_template and whatsapp_category, or neither")
        if self.whatsapp_template is not None and "whatsapp" not in self.channels:
            raise ValueError(f"template {self.id!r} has a whatsapp_template and does not go out by whatsapp")
        return self

    @property
    def segments(self) -> int | None:
        """SMS segments with the sample values; None where it does not go out by SMS."""
        return sms_length(sample_text(self)).segments if "sms" in self.channels else None

    @property
    def sms_cost_minor(self) -> float | None:
        """What one SMS of it costs, in minor units; None where it is none, or the cost of a segment is not known."""
        if self.segments is None or self.sms_segment_cost_minor is None:
            return None
        return self.segments * self.sms_segment_cost_minor


def variables_of(body: str, subject: str | None = None) -> set[str]:
    """Variables that a text uses.

    Raises
    ------
    TemplateSyntaxError
    """
    return meta.find_undeclared_variables(ENVIRONMENT.parse(f"{subject or ''}\n{body}"))


def too_long(template: Template, body: str, channel: str) -> str:
    """Say how a text breaks the limit of its channel; empty where it does not."""
    if channel == "sms":
        length = sms_length(body)
        if length.segments > template.max_segments:
            return (
                f"Template {template.id!r} takes {length.segments} SMS segments ({length.units} units of"
                f" {length.encoding}); at most {template.max_segments} are allowed."
            )
    elif len(body) > LENGTH_LIMITS.get(channel, len(body)):
        return f"Template {template.id!r} has {len(body)} characters; {channel} takes {LENGTH_LIMITS[channel]}."
    return ""


def sample_text(template: Template) -> str:
    """Body with the sample values of ``VARIABLES``."""
    values = {name: VARIABLES[name] for name in template.variables}
    return ENVIRONMENT.from_string(template.body.strip()).render(**values)


def stage_of(days_past_due: int) -> str:
    """Stage of the trade: preventive up to the due date, administrative to 30 days, extrajudicial to 90, judicial."""
    return STAGES[int(np.searchsorted(STAGE_ENDS, days_past_due, side="left"))]
