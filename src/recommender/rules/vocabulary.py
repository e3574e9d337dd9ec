"""The closed vocabulary of rule packs and checks: a word that is not here is refused, never ignored."""

from __future__ import annotations

from typing import Literal, get_args

__all__ = [
    "ABOUT",
    "ABOUT_FLAG",
    "CHANNELS",
    "DEBT_FREE_PURPOSES",
    "EXEMPT_PURPOSES",
    "FLAGS",
    "HIGHEST_RUNG",
    "KINDS",
    "OFFER_KINDS",
    "OUTCOME_RUNG",
    "PARTIES",
    "PURPOSES",
    "RUNGS",
    "STAGES",
    "TOLD_FLAGS",
    "About",
    "Channel",
    "Day",
    "Flag",
    "MessageKind",
    "Party",
    "Purpose",
    "Rung",
    "Stage",
    "Tone",
    "kind_of",
]

Channel = Literal["call", "sms", "whatsapp", "email", "ivr", "letter", "visit"]
Purpose = Literal[
    "collection",
    "pre_due_reminder",
    "promise_follow_up",
    "payment_confirmation",
    "win_back",
    "fraud_alert",
    "requested_information",
]
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
    "reviewed",
]
#: Columns of an account that hold the day of what a purpose speaks of.
About = Literal["due_date", "last_paid_on", "promise_on", "cured_on", "information_requested_on", "fraud_noticed_on"]
Party = Literal["debtor", "codebtor", "guarantor", "reference"]
Stage = Literal["pre_due", "due", "overdue"]
Rung = Literal["attempt", "delivered", "live_contact"]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Tone = Literal["friendly", "neutral", "firm", "formal-legal"]
MessageKind = Literal[
    "due_reminder",
    "overdue_notice",
    "flexible_offer",
    "incentive",
    "thanks",
    "pre_legal",
    "fraud_alert",
    "requested_information",
]

CHANNELS: tuple[Channel, ...] = get_args(Channel)
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
FLAGS: tuple[Flag, ...] = get_args(Flag)
#: Flags that a table of accounts tells; the others only follow from events (``recommender.intake.with_states``).
TOLD_FLAGS: tuple[Flag, ...] = FLAGS[:8]
ABOUT: tuple[About, ...] = get_args(About)
PARTIES: tuple[Party, ...] = get_args(Party)
STAGES: tuple[Stage, ...] = get_args(Stage)
RUNGS: tuple[Rung, ...] = get_args(Rung)
DAYS: tuple[Day, ...] = get_args(Day)
TONES: tuple[Tone, ...] = get_args(Tone)
KINDS: tuple[MessageKind, ...] = get_args(MessageKind)
#: Kinds that offer something: said only where an offer, or the kind itself, was chosen.
OFFER_KINDS: frozenset[MessageKind] = frozenset({"flexible_offer", "incentive"})

#: Purposes that neither ask for money nor sell: what stops collection does not stop them.
EXEMPT_PURPOSES: frozenset[Purpose] = frozenset({"payment_confirmation", "fraud_alert", "requested_information"})

#: Purposes for which nothing need be owed.
DEBT_FREE_PURPOSES: frozenset[Purpose] = EXEMPT_PURPOSES | {"win_back"}
#: What a purpose is about, so that it does not stop it: a promise is what its follow-up reminds of.
ABOUT_FLAG: dict[str, Flag] = {"promise_follow_up": "promise_open"}

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

#: Other words that logs use for a kind of message, folded as :func:`kind_of` folds them.
_KIND_WORDS: dict[str, MessageKind] = {
    "reminder": "due_reminder",
    "pre_due_reminder": "due_reminder",
    "overdue": "overdue_notice",
    "offer": "flexible_offer",
    "discount": "incentive",
    "thank_you": "thanks",
    "prelegal": "pre_legal",
    "legal_notice": "pre_legal",
}


def kind_of(word: object) -> MessageKind | None:
    """Kind of message that a word of a log means; None where it means none of ``KINDS``.

    Case, spaces and hyphens do not matter.

    Examples
    --------
    >>> kind_of("Flexible offer"), kind_of("pre-legal"), kind_of("poem")
    ('flexible_offer', 'pre_legal', None)
    """
    folded = "_".join(str(word).lower().replace("-", " ").replace("_", " ").split())
    return next((kind for kind in KINDS if kind == folded), _KIND_WORDS.get(folded))
