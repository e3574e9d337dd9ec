"""A question to the naive reading of the packs, and how it looks on the clock of one zone; no pack is known here."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

CHANNELS = ("call", "sms", "whatsapp", "email", "ivr", "letter", "visit")
TONES = ("friendly", "neutral", "firm", "formal-legal")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LADDER = ("attempt", "delivered", "live_contact")
PURPOSES = (
    "collection", "pre_due_reminder", "promise_follow_up", "payment_confirmation", "win_back", "fraud_alert",
    "requested_information",
)  # fmt: skip
NOT_FOR_MONEY = {"payment_confirmation", "fraud_alert", "requested_information"}
AWAY = {"work", "elsewhere"}
ONE_DAY = dt.timedelta(days=1)
Raw = Mapping[str, Any]


@dataclass(frozen=True)
class Asked:
    """One account, what happened to it, and the instant of contact; ``known_at`` is when the question is asked."""

    account: Raw
    contacts: Sequence[Raw] | None
    at: dt.datetime
    known_at: dt.datetime
    purpose: str = "collection"
    readings: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Seen:
    """A contact as one zone's calendar has it."""

    sent: dt.datetime
    date: dt.date
    channel: str | None
    account: str | None
    by_debtor: bool
    outcome: str | None
    away: bool
    purpose: str | None
    planned: bool
    pending: bool

    @property
    def rung(self) -> int:
        """An unknown outcome stands highest; one that lies ahead has had no conversation yet."""
        if self.outcome in {"attempt", "not_connected", "wrong_party"}:
            return 0
        if self.outcome == "delivered":
            return 1
        return 0 if self.pending else 2


@dataclass
class Clock:
    """A question as it looks in one zone."""

    asked: Asked
    zone: str
    local: dt.datetime = field(init=False)
    today: dt.date = field(init=False)
    past: list[Seen] = field(init=False)

    def __post_init__(self) -> None:
        """Read every instant on this zone's wall clock."""
        zone = ZoneInfo(self.zone)
        self.local = self.asked.at.astimezone(zone)
        self.today = self.local.date()
        self.past = []
        for contact in self.asked.contacts or ():
            sent = dt.datetime.fromisoformat(contact["sent_at"])
            planned = contact.get("status") == "planned"
            unheard = contact.get("outcome") is None
            self.past.append(
                Seen(
                    sent,
                    sent.astimezone(zone).date(),
                    contact.get("channel"),
                    contact.get("account_id"),
                    contact.get("initiated_by") == "debtor",
                    contact.get("outcome"),
                    contact.get("place") in AWAY,
                    contact.get("purpose"),
                    planned,
                    planned and unheard and sent > self.asked.known_at,
                )
            )

    def of_unit(self, pack: Raw) -> list[Seen]:
        """Contacts of the pack's unit: all of the debtor's, or those about this debt or none in particular."""
        own = self.asked.account.get("account_id")
        if pack.get("unit", "debtor") == "debtor" or own is None:
            return self.past
        return [contact for contact in self.past if contact.account in (None, own)]

    def days_past_due(self) -> int | None:
        """Null where nobody knows the due date, which is overdue."""
        due = self.asked.account.get("due_date")
        return None if due is None else (self.today - dt.date.fromisoformat(due)).days
