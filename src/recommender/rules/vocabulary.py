"""The closed vocabulary of rule packs and checks: a word that is not here is refused, never ignored."""

from __future__ import annotations

from typing import Literal, get_args

__all__ = [
    "CHANNELS",
    "EXEMPT_PURPOSES",
    "FLAGS",
    "HIGHEST_RUNG",
    "OUTCOME_RUNG",
    "PARTIES",
    "PURPOSES",
    "RUNGS",
    "STAGES",
    "TOLD_FLAGS",
    "Channel",
    "Day",
    "Flag",
    "Party",
    "Purpose",
    "Rung",
    "Stage",
    "Tone",
]

Channel = Literal["call", "sms", "whatsapp", "email", "ivr", "letter", "visit"]
Purpose = Literal["collection", "pre_due_reminder", "payment_confirmation", "fraud_alert", "requested_information"]
Flag = Literal[
    "do_not_contact",
    "disputed",
    "insolvent",
    "represented",
    "in_lawsuit",
    "hardship",
    "deceased",
    "cease_contact",
    "promise_open",
    "complaint_open",
    "callback_set",
]
Party = Literal["debtor", "codebtor", "guarantor", "reference"]
Stage = Literal["pre_due", "due", "overdue"]
Rung = Literal["attempt", "delivered", "live_contact"]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Tone = Literal["friendly", "neutral", "firm", "formal-legal"]

CHANNELS: tuple[Channel, ...] = get_args(Channel)
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
FLAGS: tuple[Flag, ...] = get_args(Flag)
#: Flags that a table of accounts tells; the others only follow from events (``recommender.intake.with_states``).
TOLD_FLAGS: tuple[Flag, ...] = FLAGS[:8]
PARTIES: tuple[Party, ...] = get_args(Party)
STAGES: tuple[Stage, ...] = get_args(Stage)
RUNGS: tuple[Rung, ...] = get_args(Rung)
DAYS: tuple[Day, ...] = get_args(Day)
TONES: tuple[Tone, ...] = get_args(Tone)

#: Purposes that do not ask for money.
EXEMPT_PURPOSES: frozenset[Purpose] = frozenset({"payment_confirmation", "fraud_alert", "requested_information"})

HIGHEST_RUNG = len(RUNGS) - 1

#: Rung of each outcome: the words of a check and the finer ladder of a history. An outcome that is not listed, or not
#: known, stands on the highest rung: it counts under every reading.
OUTCOME_RUNG: dict[str, int] = {
    "attempt": 0,
    "attempted": 0,
    "not_connected": 0,
    "bounced": 0,
    "wrong_party": 0,
    "delivered": 1,
    "read": 1,
    "live_contact": 2,
    "replied": 2,
    "right_party_contact": 2,
    "promise_to_pay": 2,
    "promise_kept": 2,
    "paid": 2,
}
