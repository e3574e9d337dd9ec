"""Schema of a rule pack. Unknown keys, unresolved citations and empty windows are load errors."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from recommender.rules.vocabulary import About, Channel, Day, Flag, Party, Purpose, Rung, Stage, Tone

__all__ = ["Pack", "PackCase"]

Evidence = Literal["A", "A-", "B+", "B", "B-", "C", "D", "-"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class _Cited(_Strict):
    cite: str


class Source(_Strict):
    """Where a rule comes from, and how well that was seen."""

    id: str
    law: str
    article: str
    grade: Evidence
    says: str


class Holidays(_Strict):
    """Which dates are holidays: a calendar of the ``holidays`` library, named categories, and corrections."""

    country: str
    subdivision: str = ""
    categories: tuple[str, ...] = ("public",)
    extra: tuple[dt.date, ...] = ()
    remove: tuple[dt.date, ...] = ()


class Week(_Strict):
    """What "a week" is: Monday to Sunday of the local date, or any seven days in a row."""

    kind: Literal["calendar", "rolling"] = "calendar"
    starts: Day = "mon"


class Time(_Strict):
    """Clocks and calendars of the jurisdiction."""

    zones: tuple[str, ...] = ()
    week: Week = Week()
    holidays: Holidays | None = None


class Window(_Cited):
    """Hours in which contact is allowed, ``[from, to)`` of the debtor's local clock."""

    id: str
    days: tuple[Day, ...] = Field(min_length=1)
    from_: dt.time = Field(alias="from")
    to: dt.time
    closed: Literal["left", "none"] = "left"
    channels: tuple[Channel, ...] | Literal["*"] = "*"
    stages: tuple[Stage, ...] = ("pre_due", "due", "overdue")
    #: A looser reading that is off until somebody asks for it by this id.
    alternative: bool = False

    @model_validator(mode="before")
    @classmethod
    def _read_clock(cls, raw: Any) -> Any:
        """Accept "24:00" as the end of the day, which ``datetime.time`` cannot say; refuse what is no local clock."""
        if not isinstance(raw, dict):
            return raw
        for end in ("from", "to"):
            if isinstance(raw.get(end), (int, float)):
                raise ValueError(f'{end} = {raw[end]!r} is a number; write a clock, e.g. "09:00"')
        return {**raw, "to": dt.time.max} if raw.get("to") == "24:00" else raw

    @model_validator(mode="after")
    def _ordered(self) -> Window:
        if self.from_.tzinfo is not None or self.to.tzinfo is not None:
            raise ValueError(f"window {self.id!r} has an offset; hours are those of the debtor's own clock")
        if self.from_ >= self.to:
            raise ValueError(
                f"window {self.id!r} has from {self.from_} >= to {self.to}; a window that crosses midnight is written"
                " as the hours that are allowed, on each of its days"
            )
        return self


class HolidayPolicy(_Cited):
    """What a holiday means."""

    mode: Literal["forbid", "ignore"]
    channels: tuple[Channel, ...] | Literal["*"] = "*"


class Consent(_Cited):
    """Channels that need the debtor's authorisation."""

    channels: tuple[Channel, ...] | Literal["*"] = "*"


class Forbidden(_Cited):
    """Channels that are never allowed."""

    id: str
    channels: tuple[Channel, ...]


class Per(_Strict):
    """Span of a cap."""

    kind: Literal["calendar_day", "week", "rolling_days", "rolling_hours"]
    days: int | None = Field(default=None, ge=1, le=366)
    hours: int | None = Field(default=None, ge=1, le=24 * 366)

    @model_validator(mode="after")
    def _sized(self) -> Per:
        if (self.kind == "rolling_days") != (self.days is not None):
            raise ValueError("'days' belongs to kind = 'rolling_days', and only there")
        if (self.kind == "rolling_hours") != (self.hours is not None):
            raise ValueError("'hours' belongs to kind = 'rolling_hours', and only there")
        return self


class CapReading(_Strict):
    """A looser reading of a cap, off by default."""

    counts: Rung | None = None
    min_gap_days: int | None = None
    basis: str


class Cap(_Cited):
    """How often. The contact that is checked must be the ``max``-th at most."""

    id: str
    max: int = Field(ge=0)
    per: Per
    scope: tuple[Channel, ...] | Literal["all_channels", "each_channel"]
    counts: Rung = "attempt"
    exclude: tuple[Literal["not_connected", "wrong_party"], ...] = ()
    #: Local dates of two contacts differ by at least this much.
    min_gap_days: int = Field(default=0, ge=0, le=60)
    #: Where the number or address is: a cap for places away from home knows no contact without a place.
    place: Literal["any", "elsewhere"] = "any"
    alt: CapReading | None = None


class Cooldown(_Cited):
    """Silence after an event."""

    id: str
    after: Rung
    by: tuple[Channel, ...]
    days: int = Field(ge=1, le=366)
    first_day: Literal["contact_date", "next_day"] = "contact_date"
    blocks: tuple[Channel, ...]
    initiated_by: Literal["creditor", "either"] = "either"


class ExclusiveReading(_Strict):
    """A looser reading of an exclusive channel, off by default."""

    trigger: Rung
    basis: str


class ExclusiveChannel(_Cited):
    """After a contact, only its channel for the rest of the span."""

    id: str
    per: Per
    trigger: Rung = "attempt"
    alt: ExclusiveReading | None = None


class Parties(_Cited):
    """Whom one may contact."""

    allowed: tuple[Party, ...]


class Workplace(_Cited):
    """What holds at the debtor's place of work."""

    forbid: tuple[Channel, ...] = ()


class Stop(_Cited):
    """A state of the debtor or the debt that ends contact."""

    flag: Flag
    #: "money": stops messages that ask for money; "everything": also confirmations, alerts and answers.
    effect: Literal["money", "everything"] = "money"


class OptOut(_Cited):
    """The debtor no longer wants a channel."""

    honour: Literal[True]


class Settled(_Cited):
    """A debt of zero is not collected."""

    stop: Literal[True]


class Exempt(_Cited):
    """Purposes outside some rules."""

    purposes: tuple[Purpose, ...]
    from_: tuple[Literal["windows", "caps", "exclusive_channel", "cooldowns"], ...] = Field(alias="from")


class Content(_Cited):
    """What messages must not do; the linter of :mod:`recommender.messages` knows these words."""

    forbid: tuple[Literal["ask_reason_for_default", "judicial_look_alike", "threat", "third_party_disclosure"], ...]


class ToneRule(_Cited):
    """Tones that fit a stretch of days past due (both ends included; null is open)."""

    id: str
    from_days: int | None = None
    to_days: int | None = None
    tones: tuple[Tone, ...]


class Escalation(_Cited):
    """Dear channels only after cheaper ones brought no live contact."""

    id: str
    channels: tuple[Channel, ...]
    after: tuple[Channel, ...]
    attempts: int = Field(ge=1)
    within_days: int = Field(ge=1, le=366)


class NeedsHuman(_Cited):
    """Accounts that a person looks at before anything is sent: of one of the parties, with a flag, or so late."""

    id: str
    parties: tuple[Party, ...] = ()
    flags: tuple[Flag, ...] = ()
    from_days: int | None = None


class SpeaksOf(_Cited):
    """What a purpose speaks of: it is for accounts of which that is known to be so, and for no others."""

    id: str
    purpose: Purpose
    #: Column with the day of it; a day that nobody knows denies.
    about: About
    #: Days since that day, both ends included; negative before it, absent: open.
    from_days: int | None = Field(default=None, ge=-366, le=366)
    to_days: int | None = Field(default=None, ge=-366, le=3_660)
    #: A flag that says so where nobody told the day.
    or_flag: Flag | None = None
    #: No more than one contact of the purpose about it.
    once: bool = False
    #: Not while the debt is overdue.
    not_overdue: bool = False
    #: Only accounts of which so large a share of earlier dues was paid late; absent: whatever their habit.
    least_late_share: float | None = Field(default=None, gt=0, le=1)

    @model_validator(mode="after")
    def _ordered(self) -> SpeaksOf:
        if self.from_days is not None and self.to_days is not None and self.from_days > self.to_days:
            raise ValueError(f"{self.id!r} has from_days {self.from_days} > to_days {self.to_days}")
        if self.once and self.from_days is None:
            raise ValueError(f"{self.id!r} is said once, so from_days must say since when contacts count")
        return self


class Incentive(_Cited):
    """Range of discount that a message may offer."""

    min_percent: float = Field(ge=0, le=100)
    max_percent: float = Field(ge=0, le=100)
    from_days: int = 1


class PackCase(_Strict):
    """An example that the pack itself carries: allowed, or denied with the rules that must be named."""

    name: str
    at: dt.datetime
    channel: Channel
    purpose: Purpose = "collection"
    account: dict[str, Any] = Field(default_factory=dict)
    unknown_zone: bool = False
    contacts: tuple[dict[str, Any], ...] = ()
    allowed: bool
    rules: tuple[str, ...] = ()


class Pack(_Strict):
    """One rule pack: a jurisdiction, or an overlay that only tightens."""

    schema_: Literal[1] = Field(alias="schema")
    id: str = Field(pattern=r"^[A-Z][A-Z0-9_-]*$")
    title: str
    kind: Literal["law", "house_policy", "overlay"]
    jurisdiction: str = ""
    extends: str | None = None
    pack_version: str
    valid_from: dt.date
    valid_to: dt.date | None = None
    reviewed_on: dt.date
    review_max_age_days: int = Field(default=180, ge=1)
    applies_to: tuple[Literal["creditor", "agency", "debt_buyer"], ...] = ("creditor", "agency", "debt_buyer")
    unit: Literal["debtor", "debt"] = "debtor"
    legal_status: Literal["draft-not-legal-advice", "house-policy"] = "draft-not-legal-advice"
    open_questions: tuple[str, ...] = ()

    time: Time = Time()
    windows: tuple[Window, ...] = ()
    holiday_policy: HolidayPolicy | None = None
    consent: Consent | None = None
    forbidden: tuple[Forbidden, ...] = ()
    caps: tuple[Cap, ...] = ()
    cooldowns: tuple[Cooldown, ...] = ()
    exclusive_channel: tuple[ExclusiveChannel, ...] = ()
    parties: Parties | None = None
    workplace: Workplace | None = None
    stops: tuple[Stop, ...] = ()
    opt_out: OptOut | None = None
    settled: Settled | None = None
    exempt: tuple[Exempt, ...] = ()
    content: Content | None = None
    tones: tuple[ToneRule, ...] = ()
    escalation: tuple[Escalation, ...] = ()
    needs_human: tuple[NeedsHuman, ...] = ()
    incentive: Incentive | None = None
    speaks_of: tuple[SpeaksOf, ...] = ()
    sources: tuple[Source, ...] = ()
    cases: tuple[PackCase, ...] = ()

    def cited(self) -> list[tuple[str, str]]:
        """Pairs of (section, citation) of every rule of the pack."""
        pairs: list[tuple[str, str]] = []
        for name in type(self).model_fields:
            part = getattr(self, name)
            rules = part if isinstance(part, tuple) else (part,)
            pairs += [(name, rule.cite) for rule in rules if isinstance(rule, _Cited)]
        return pairs

    @model_validator(mode="after")
    def _consistent(self) -> Pack:
        known = {source.id for source in self.sources}
        lost = [f"{section}: {cite!r}" for section, cite in self.cited() if cite not in known]
        if lost:
            raise ValueError(f"citations that no [[sources]] entry resolves: {', '.join(lost)}")
        if len(known) < len(self.sources):
            raise ValueError("two [[sources]] share an id")
        ids = [
            rule.id
            for part in (
                self.windows,
                self.forbidden,
                self.caps,
                self.cooldowns,
                self.exclusive_channel,
                self.tones,
                self.escalation,
                self.needs_human,
                self.speaks_of,
            )
            for rule in part
        ]
        if repeated := sorted({name for name in ids if ids.count(name) > 1}):
            raise ValueError(f"rule ids used twice: {', '.join(repeated)}")
        if self.valid_to is not None and self.valid_to < self.valid_from:
            raise ValueError("valid_to lies before valid_from")
        if self.kind == "overlay" and self.exempt:
            raise ValueError("an overlay only tightens: it cannot exempt a purpose")
        if self.kind == "overlay" and any(w.alternative for w in self.windows):
            raise ValueError("an overlay only tightens: it cannot carry alternative windows")
        if self.holiday_policy is not None and self.holiday_policy.mode == "forbid" and self.time.holidays is None:
            raise ValueError("holiday_policy.mode = 'forbid' needs [time.holidays]")
        return self
