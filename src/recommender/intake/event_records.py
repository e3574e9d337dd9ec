"""What the events of a debtor and of an account add up to, one after the other, and the state that they leave."""

from __future__ import annotations

from dataclasses import dataclass, field

from recommender.intake.vocabulary import CHANNEL_NAMES
from recommender.local_time import DAY_US

__all__ = [
    "AGREEMENT_DAYS",
    "ASKS",
    "CALLBACK_DAYS",
    "COMPLAINT_DAYS",
    "FAILED",
    "FAILURES",
    "LAG_DAYS",
    "MARKS",
    "OVERDUE_LAG_DAYS",
    "PROMISE_DAYS",
    "REACHED",
    "REST_DAYS",
    "SAME_CONTACT_US",
]
__all__ += ["DebtEvents", "PersonEvents", "State"]

#: Days that a promise without a date is given; the features count it as broken after the same time.
PROMISE_DAYS = 14
#: Days that a debtor who asked to be called, without saying when, is left alone (house policy).
CALLBACK_DAYS = 1
#: Days after which a complaint that nobody closed no longer stops (house policy).
COMPLAINT_DAYS = 90
#: Days that a person's agreement to contact a case holds (house policy); what is newly heard of the debtor ends it.
AGREEMENT_DAYS = 30
#: Words of a contact that did not come through.
FAILED = frozenset(("bounced", "not_connected"))
#: Told so close to one another, of one account and channel, words of a contact are of the same one.
SAME_CONTACT_US = DAY_US // 2
#: Failures in a row after which a channel rests, and for how many days after the last (house policy).
FAILURES, REST_DAYS = 3, 30
#: Days in which a payment may not be in the balance yet, where nothing says when the balance was taken: after the due
#: date, and otherwise.
OVERDUE_LAG_DAYS, LAG_DAYS = 30, 7

MARKS = ("insolvent", "represented", "in_lawsuit", "hardship")

ASKS = ("complaint", "dispute", "contact_stopped", *MARKS)
"""What is newly heard of a debtor, or decided: an agreement of before was given without it."""

_NAMED = ("complaint", "disputed", "deceased", "stopped", "reviewed", "settled")

_POINTS = (("call", "sms", "whatsapp", "ivr"), ("email",), ("letter", "visit"))
"""Channels that share a contact point of the debtor: a number, a mail box, an address."""
_RIGHT_PARTY = ("right_party_contact", "promise_to_pay", "promise_kept")
REACHED = (*_RIGHT_PARTY, "delivered", "read", "replied", "answered", "live_contact")


@dataclass
class State:
    """What is so of one account; of its debtor where noted.

    Attributes
    ----------
    opted_out : set of str
        Channels that the debtor no longer wants (debtor).
    blocked : dict of str to str
        Channel -> why its contact point may not be used: ``wrong_party``, ``number_invalid``, ``failed``,
        ``unknown_outcome`` (debtor).
    complaint, disputed, deceased : bool
        Debtor.
    marks : set of str
        Flags that were heard, for good: ``insolvent``, ``represented``, ``in_lawsuit``, ``hardship`` (debtor).
    stopped : bool
        A person of the house stopped all contact (debtor).
    reviewed : bool
        A person of the house looked at the case and agreed to contact.
    promise : {"open", "kept", "broken"} or None
    promise_until : int or None
        Microseconds UTC.
    callback_at : int or None
        The debtor asked to be called then and not before.
    settled : bool
        Nothing is left to collect, or may be left.
    balance : float or None
        What is left, where payments after the balance say so.
    paid_at : int or None
        Last payment that stands, of known day and amount (microseconds UTC); for thanks.
    settled_at : int or None
        The payment of which it is known that it settled the debt.
    reversed_at : int or None
        When a payment was last taken back.
    """

    opted_out: set[str] = field(default_factory=set)
    blocked: dict[str, str] = field(default_factory=dict)
    complaint: bool = False
    disputed: bool = False
    deceased: bool = False
    marks: set[str] = field(default_factory=set)
    stopped: bool = False
    reviewed: bool = False
    promise: str | None = None
    promise_until: int | None = None
    callback_at: int | None = None
    settled: bool = False
    balance: float | None = None
    paid_at: int | None = None
    settled_at: int | None = None
    reversed_at: int | None = None

    @property
    def names(self) -> list[str]:
        """What stops or shapes a contact, as words for a report."""
        if self == _NOTHING:  # most accounts of a portfolio
            return []
        names = [f"opt_out:{channel}" for channel in sorted(self.opted_out)]
        names += [f"{why}:{channel}" for channel, why in sorted(self.blocked.items())]
        names += [name for name in _NAMED if getattr(self, name)]
        names += sorted(self.marks)
        names += ["promise_open"] if self.promise == "open" else []
        return names + (["callback_set"] if self.callback_at is not None else [])


_NOTHING = State()


@dataclass
class PersonEvents:
    """What the events of a debtor add up to."""

    opted_out: set[str] = field(default_factory=set)
    blocked: dict[str, str] = field(default_factory=dict)
    failures: dict[str, tuple[int, int]] = field(default_factory=dict)
    complaints: dict[str | None, int] = field(default_factory=dict)
    disputes: set[str | None] = field(default_factory=set)
    deceased: bool = False
    marks: set[str] = field(default_factory=set)
    stopped: bool = False
    asked_at: int | None = None

    def tell(self, word: str, at: int, channel: str | None, case: str | None = None) -> None:
        """Take one event in; what closes a case closes that one, and all where it names none."""
        channels = [channel] if channel in CHANNEL_NAMES else list(CHANNEL_NAMES)
        point = [name for group in _POINTS if set(group) & set(channels) for name in group]
        if word in ("opt_out", "opt_out_all"):
            self.opted_out |= set(channels if word == "opt_out" else CHANNEL_NAMES)
        elif word == "opt_in":
            self.opted_out -= set(channels)
        elif word in ("wrong_party", "third_party", "number_invalid"):
            self.blocked |= dict.fromkeys(point, "wrong_party" if word == "third_party" else word)
        elif word in FAILED:
            for name in channels:
                self.failures[name] = (self.failures.get(name, (0, 0))[0] + 1, at)
        elif word in REACHED:
            for name in channels:
                self.failures.pop(name, None)
            for name in point if word in _RIGHT_PARTY else ():
                self.blocked.pop(name, None)
        elif word == "complaint":
            self.complaints[case] = at
        elif word == "complaint_resolved":
            self.complaints = {} if case is None else {k: v for k, v in self.complaints.items() if k != case}
        elif word == "dispute":
            self.disputes.add(case)
        elif word == "dispute_resolved":
            self.disputes = set() if case is None else self.disputes - {case}
        elif word in MARKS:
            self.marks.add(word)
        elif word == "deceased":
            self.deceased = True
        elif word in ("contact_stopped", "contact_resumed"):
            self.stopped = word == "contact_stopped"
        elif word == "unknown":  # a word that nobody understands may be a stop of any kind
            self.blocked |= dict.fromkeys(CHANNEL_NAMES, "unknown_outcome")
        if word in ASKS:
            self.asked_at = at


@dataclass
class DebtEvents:
    """What the events of an account add up to."""

    promised_at: int | None = None
    promise_due: int | None = None
    promise_until: int = 0
    promise: str | None = None
    callback_told_at: int | None = None
    callback_due: int | None = None
    callback_at: int | None = None
    paid_at: int | None = None
    kept_at: int | None = None
    reversed_at: list[int] = field(default_factory=list)
    settled: bool = False
    agreed_at: int | None = None

    def tell(self, word: str, at: int, due: int | None, callback: int | None) -> None:
        """Take one event in."""
        if word == "promise_to_pay":
            if self.promise == "open" and self.promised_at == at:
                due = _stricter(self.promise_due, due)
            self.promise, self.promised_at, self.promise_due = "open", at, due
            self.promise_until = at + PROMISE_DAYS * DAY_US if due is None else due
        elif word in ("promise_kept", "promise_broken"):
            self.promise = word.removeprefix("promise_")
            self.kept_at = at if word == "promise_kept" else self.kept_at
        elif word == "callback_requested":
            if self.callback_told_at == at:
                callback = _stricter(self.callback_due, callback)
            self.callback_told_at, self.callback_due = at, callback
            self.callback_at = at + CALLBACK_DAYS * DAY_US if callback is None else callback
        elif word in ("contact_agreed", "agreement_withdrawn"):
            self.agreed_at = at if word == "contact_agreed" else None
        elif word in ("paid", "paid_in_full"):
            self.paid_at, self.settled = at, self.settled or word == "paid_in_full"
        elif word == "payment_reversed":
            self.paid_at, self.kept_at, self.settled = None, None, False
            self.reversed_at.append(at)


def _stricter(one: int | None, other: int | None) -> int | None:
    """Of two things told at one instant the later end; one without an end says less than one with it."""
    return other if one is None else one if other is None else max(one, other)
