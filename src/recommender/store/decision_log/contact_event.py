"""What became of a planned contact: one event, checked on birth, and the state that a decision's events add up to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

from recommender.errors import InvalidInput
from recommender.store.decision_log.record_fields import check_id, sha256_of, utc_instant

__all__ = ["KINDS", "STOPPED", "TAKEN_BACK", "ContactEvent", "EventKind", "state_event", "state_of"]

EventKind = Literal[
    "refused", "delivered", "reserved", "dispatched", "overridden", "cancelled", "expired", "undelivered"
]
KINDS = ("refused", "delivered", "reserved", "dispatched", "overridden", "cancelled", "expired", "undelivered")
#: A contact with one of these as its state did not and will not take place.
TAKEN_BACK = frozenset({"cancelled", "expired", "undelivered"})
#: Reason of a contact that was cancelled because a person stopped all contact.
STOPPED = "stopped by a person"


@dataclass(frozen=True, kw_only=True)
class ContactEvent:
    """What became of a planned contact.

    Attributes
    ----------
    decision_id, debtor_id : str
    kind : one of :data:`KINDS`
        ``refused`` = the re-check at send time said no, which is no change of state; ``overridden`` = something else
        was sent, of the engine's own choosing; ``undelivered`` = the decision never reached the caller, ``delivered`` =
        it did when it was asked for again.
    at : datetime
        When the contact is or was made.
    channel : str or None
        What is really sent.
    reason : str or None
        A word or two, never a text.
    propensity : float or None
        Probability of what was sent under the policy over what was left; None where it was not the policy's choice.
    action : int or None
        What was sent as an action of the decision's space; None where it is none.
    eligible : bytes or None
        Packed bits of the actions that were left, where that differs from the decision's.
    checks : tuple of str or None
        Rules that the contact broke when it was re-checked; empty = none, None = not checked.
    dispatch_id : str or None
        Key of the sender.
    event_id : str
        Default: digest of the above, so that the same event told twice counts once.
    """

    decision_id: str
    debtor_id: str
    kind: EventKind
    at: datetime
    channel: str | None = None
    reason: str | None = None
    propensity: float | None = None
    action: int | None = None
    eligible: bytes | None = None
    checks: tuple[str, ...] | None = None
    dispatch_id: str | None = None
    event_id: str = ""

    def __post_init__(self) -> None:
        """Check every field; fill in the key."""
        put = object.__setattr__.__get__(self)
        for name in ("decision_id", "debtor_id"):
            check_id(name, getattr(self, name))
        if self.dispatch_id is not None:
            check_id("dispatch_id", self.dispatch_id)
        if self.kind not in KINDS:
            raise InvalidInput.in_column("kind", "is no event", values=[self.kind], mend=f"Use one of {list(KINDS)}.")
        put("at", utc_instant("at", self.at))
        if self.propensity is not None and not 0.0 < self.propensity <= 1.0:
            raise InvalidInput.in_column(
                "propensity", "must lie in (0, 1]", values=[self.propensity], mend="Log that of what was sent."
            )
        if self.checks is not None:
            put("checks", tuple(self.checks))
        put("event_id", check_id("event_id", self.event_id or self.content_digest))

    @cached_property
    def content_digest(self) -> str:
        """SHA-256 of the content without the key."""
        content: list[Any] = [
            self.decision_id, self.debtor_id, self.kind, self.at.isoformat(), self.channel, self.reason,
            self.propensity,
        ]  # fmt: skip
        more = [
            self.action,
            None if self.eligible is None else self.eligible.hex(),
            None if self.checks is None else list(self.checks),
            self.dispatch_id,
        ]
        return sha256_of(content if all(one is None for one in more) else [*content, *more])

    def to_row(self) -> dict[str, Any]:
        """Columns of the ``contact_events`` table, but for when and in which order it was told."""
        names = (
            "event_id", "decision_id", "debtor_id", "kind", "at", "channel", "reason", "propensity", "action",
            "eligible", "dispatch_id", "content_digest",
        )  # fmt: skip
        checks = None if self.checks is None else list(self.checks)
        return {name: getattr(self, name) for name in names} | {"checks": checks}


def state_event(events: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The event that a decision's state is, of all its events; None where nothing was told yet.

    Parameters
    ----------
    events : sequence of mapping
        Rows of the ``contact_events`` table of one decision, in any order.
    """
    changes = [event for event in events if event["kind"] != "refused"]
    return max(changes, key=lambda event: (event["step"], event["at"], event["event_id"]), default=None)


def state_of(events: Sequence[Mapping[str, Any]]) -> str:
    """State of a decision after its events: ``decided`` while nothing else was told."""
    last = state_event(events)
    return "decided" if last is None or last["kind"] == "delivered" else str(last["kind"])
