"""One dispatch on one standing of the ledger: what may be done, what is written down and what is answered.

The planned contact of a decision may change once on the way: where it cannot be sent, another is drawn from the policy
over what is left, with its own probability.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import sha256
from typing import Any, Literal, cast
from uuid import uuid4

import numpy as np

from api.service.answers import factors_of
from api.service.constraints import RequestConstraints
from api.service.deciding import RequestDecider, RequestTerms
from api.service.dispatch_schemas import Dispatch
from api.service.fields import Channel
from api.service.planned import ContactPlan
from api.service.schemas import RecommendationRequest
from api.service.send_check import PresentFacts, Verdict
from api.service.serving import Served
from recommender.errors import InvalidInput
from recommender.settings import Settings
from recommender.store.decision_log import (
    ContactEvent,
    DecisionConflict,
    DecisionRecord,
    Standing,
    state_event,
    state_of,
    told_purposes,
)

__all__ = ["Case", "Terms"]

_EARLY, _SLOT = timedelta(minutes=5), timedelta(hours=1)
#: Reason of a reservation that is for later and has no sender yet.
_PLANNED = "planned"
_SENT = frozenset({"dispatched", "overridden"})
_GIVEN_UP = frozenset({"cancelled", "expired", "undelivered"})


@dataclass(frozen=True)
class Terms:
    """What a dispatch is judged by: the strategy in use, the settings and the present moment."""

    served: Served
    settings: Settings
    now: datetime


class Case:
    """One dispatch on one standing of the ledger."""

    def __init__(
        self,
        terms: Terms,
        asked: Dispatch,
        record: DecisionRecord,
        standing: Standing,
        events: Sequence[Mapping[str, Any]],
    ) -> None:
        self._by = terms
        self._asked = asked
        self._record = record
        self._standing = standing
        self._events = events
        self._last = state_event(events)
        self._at = (asked.at or terms.now).astimezone(UTC)

    # -- what is there ---------------------------------------------------------------------------------------------
    @cached_property
    def _space(self) -> Any:
        return self._record.provenance.actions

    @property
    def _purpose(self) -> str:
        return self._record.purpose or "collection"

    @cached_property
    def _present(self) -> PresentFacts | None:
        account = self._asked.account
        if account is None:
            return None
        if account.account_id != self._record.account_id:
            raise InvalidInput(
                "account is another one than that of the decision.", column="account", mend="Send the decision's own."
            )
        return PresentFacts(
            account, self._standing, self._record.decision_id, self._by.settings.packs_in_force, self._purpose,
            self._by.settings.purpose_packs,
        )  # fmt: skip

    @cached_property
    def _plan(self) -> ContactPlan:
        record, last = self._record, self._last
        if last is not None and last["kind"] == "reserved" and last["action"] is not None:
            is_drawn_first = last["reason"] is None and last["eligible"] is None
            return ContactPlan(
                last["action"],
                last["channel"],
                # What the decision drew has its own hour, whenever in it, or before it, somebody asked to send.
                (is_drawn_first and record.contact_at) or last["at"],
                last["propensity"],
                last["eligible"],
            )
        channel = factors_of(self._space, record.action).get("channel")
        return ContactPlan(
            record.action, None if channel is None else str(channel), record.contact_at or record.decided_at,
            record.propensity, None,
        )  # fmt: skip

    # -- answers ---------------------------------------------------------------------------------------------------
    def repeated(self) -> dict[str, Any] | None:
        """The answer that this dispatch was given before, if it was; a reservation is judged anew."""
        kinds = ("dispatched", "overridden") if self._asked.state == "sent" else (self._asked.state,)
        for event in reversed(self._events):
            if event["dispatch_id"] == self._asked.dispatch_id and event["kind"] in kinds:
                return self._result(event, None, repeated=True)
        return None

    @property
    def _is_mine(self) -> bool:
        """Whether this dispatch holds the reservation."""
        last = self._last
        return last is not None and last["kind"] == "reserved" and last["dispatch_id"] == self._asked.dispatch_id

    def judged(self) -> tuple[ContactEvent, dict[str, Any]]:
        """What is to be written down, and what is answered once it is."""
        state = self._asked.state
        last = None if self._last is None else str(self._last["kind"])
        if last in _SENT or (last in _GIVEN_UP and state != "sent"):
            raise self._conflict(f"it is {last} already")
        if state == "reserve":
            return self._reserve()
        if state == "sent":
            return self._sent()
        event = self._event(state, self._plan, self._at, reason=self._asked.reason)
        return event, self._result(vars(event), None)

    def _reserve(self) -> tuple[ContactEvent, dict[str, Any]]:
        last, present = self._last, self._present
        if last is not None and last["kind"] == "reserved" and last["reason"] != _PLANNED and not self._is_mine:
            raise self._conflict("another dispatch holds it; let that one be told sent or cancelled first")
        if present is None:
            raise InvalidInput(
                "account is missing: a contact is re-checked on present facts.",
                column="account",
                mend="Send the account as in /v1/recommendations.",
            )
        instead = self._asked.instead
        if instead is not None:
            plan = self._own_choice(instead.channel, instead.tone)
            verdict = self._verdict(present, instead.channel)
            return self._reserved_or_refused(plan, verdict, instead.reason)
        plan = self._plan
        if plan.channel is None:
            return self._reserved_or_refused(plan, Verdict(("no-contact",), None), None)
        verdict = self._timely(plan) or self._verdict(present, plan.channel)
        if verdict.rules and verdict.rules != ("too-early",) and self._asked.fallback:
            return self._fallback(present)
        return self._reserved_or_refused(plan, verdict, None)

    def _timely(self, plan: ContactPlan) -> Verdict | None:
        """What the clock says against a plan: another hour is another action."""
        when = plan.contact_at
        if when is None:
            return None
        if self._at < when - _EARLY:
            return Verdict(("too-early",), when.isoformat())
        return Verdict(("slot-passed",), None) if self._at >= when + _SLOT else None

    def _verdict(self, present: PresentFacts, channel: str) -> Verdict:
        verdict = present.verdict(channel, self._at)
        if channel in self._asked.closed_channels:
            return Verdict((*verdict.rules, "not-open"), verdict.next_allowed_at)
        return verdict

    def _reserved_or_refused(
        self, plan: ContactPlan, verdict: Verdict, reason: str | None
    ) -> tuple[ContactEvent, dict[str, Any]]:
        kind: Literal["refused", "reserved"] = "refused" if verdict.rules else "reserved"
        event = self._event(kind, plan, self._at, reason=reason, checks=verdict.rules)
        return event, self._result(vars(event), verdict.next_allowed_at)

    def _fallback(self, present: PresentFacts) -> tuple[ContactEvent, dict[str, Any]]:
        """Draw another action from the policy over what is left: this hour's if legal right now, and later hours'."""
        served, record = self._by.served, self._record
        if served.decider.actions != self._space:
            return self._reserved_or_refused(self._plan, Verdict(("model-changed",), None), None)
        began, hour = present.hour_starts(self._at), present.local_hour(self._at)
        if began is None or hour is None:
            return self._reserved_or_refused(self._plan, Verdict(("timezone-unknown",), None), None)
        levels = [str(level) for level in self._space.factors["channel"]]
        usable = [channel for channel in levels if channel not in self._asked.closed_channels]
        # Whatever is drawn for the present hour is sent at once: so each channel is judged at this very moment.
        shut = [channel for channel in usable if present.verdict(channel, self._at).rules]
        has_hour = "hour" in self._space.factors and hour in self._space.factors["hour"]
        limits = RequestConstraints.model_construct(
            channels=cast("list[Channel]", usable),
            excluded_actions=[{"channel": channel, "hour": hour} for channel in shut if has_hour],
        )
        request = RecommendationRequest.model_construct(
            accounts=[present.account], top_k=1, explore=not record.deterministic, constraints=limits
        )
        seed = self._by.settings.seed if record.seed is None else record.seed
        question = RequestTerms(began - timedelta(microseconds=1), seed, None, self._purpose)
        decider = RequestDecider(request, question, served, self._by.settings)
        decider.heard, decider.purposes = self._standing.outcomes, told_purposes(self._standing)
        offers = served.offers
        # Another contact may tell the offer that was made or none: another one was never weighed against the budget.
        own = factors_of(self._space, record.action).get("offer")
        desk = None if offers is None else offers.desk_of_one(record.account_id, None if own is None else str(own))
        decided = decider.part([0], present.planned, is_first=True, desk=desk).decided
        action = int(decided.action[0])
        channel = decided.channels[action]
        when = decided.contact_at(0, action)
        plan = ContactPlan(
            action, channel, when, 1.0 if decided.deterministic else min(1.0, float(decided.propensity[0, 0])),
            np.packbits(decided.eligibility.mask[0]).tobytes(),
        )  # fmt: skip
        if channel is None or (when is not None and when > self._at):
            event = self._event("reserved", plan, when or self._at, reason=_PLANNED, checks=())
            return event, self._result(vars(event), None)
        event = self._event("reserved", plan, self._at, checks=())
        return event, self._result(vars(event), None)

    def _sent(self) -> tuple[ContactEvent, dict[str, Any]]:
        last, instead = self._last, self._asked.instead
        mine = self._is_mine
        if last is not None and last["kind"] == "reserved" and not mine and last["reason"] != _PLANNED:
            raise self._conflict("another dispatch holds it")
        plan, kind, reason = self._plan, "dispatched", None
        if instead is not None:
            plan, kind, reason = self._own_choice(instead.channel, instead.tone), "overridden", instead.reason
        elif mine and last is not None and last["reason"] not in (None, _PLANNED):
            plan = ContactPlan(last["action"], last["channel"], last["at"], None, None)
            kind, reason = "overridden", last["reason"]
        elif plan.channel is None:
            raise InvalidInput(
                "The decision plans no contact.", column="instead", mend="Say what was sent instead, and why."
            )
        elif self._timely(plan):
            # Sent in another hour than the drawn one: not what the policy chose.
            plan = self._own_choice(plan.channel, self._tone(plan))
            kind, reason = "overridden", "off-plan"
        checks = None
        if self._present is not None:
            checks = self._present.verdict(str(plan.channel), self._at).rules
        elif mine and last is not None and last["checks"] is not None:
            checks = tuple(last["checks"])
        event = self._event(kind, plan, self._at, reason=reason, checks=checks)
        return event, self._result(vars(event), None)

    # -- parts -----------------------------------------------------------------------------------------------------
    def _tone(self, plan: ContactPlan) -> str | None:
        tone = None if plan.action is None else factors_of(self._space, plan.action).get("tone")
        return None if tone is None else str(tone)

    def _own_choice(self, channel: str, tone: str | None) -> ContactPlan:
        """A contact that the policy did not choose, as an action of the space where it is one."""
        present, space = self._present, self._space
        wanted: dict[str, Any] = {"channel": channel, "tone": tone}
        hour = None if present is None else present.local_hour(self._at)
        if "hour" in space.factors:
            wanted["hour"] = hour
        action = None
        if set(wanted) >= set(space.factors):
            matches = [
                index
                for index in range(space.n_contact_actions)
                if all(level == wanted[name] for name, level in factors_of(space, index).items())
            ]
            action = matches[0] if matches else None
        return ContactPlan(action, channel, self._at, None, None)

    def _event(
        self,
        kind: Any,
        plan: ContactPlan,
        at: datetime,
        *,
        reason: str | None = None,
        checks: tuple[str, ...] | None = None,
    ) -> ContactEvent:
        identity = f"{self._asked.dispatch_id}|{self._record.decision_id}|{kind}"
        # A reservation is judged anew each time; everything else is told once.
        key = uuid4().hex if self._asked.state == "reserve" else sha256(identity.encode()).hexdigest()
        own = reason is not None and reason != _PLANNED and kind in ("reserved", "refused", "overridden")
        return ContactEvent(
            decision_id=self._record.decision_id,
            debtor_id=str(self._record.debtor_id),
            kind=kind,
            at=at,
            channel=plan.channel,
            reason=reason,
            propensity=None if own else plan.propensity,
            action=plan.action,
            eligible=plan.eligible,
            checks=checks,
            dispatch_id=self._asked.dispatch_id,
            event_id=key,
        )

    def _result(
        self, event: Mapping[str, Any], next_allowed_at: str | None, *, repeated: bool = False
    ) -> dict[str, Any]:
        kind = str(event["kind"])
        own = event["propensity"] is None and kind in ("reserved", "refused", "overridden")
        factors = dict(factors_of(self._space, self._space.no_contact_index or 0)) if event["action"] is None else None
        factors = (
            factors_of(self._space, event["action"]) if factors is None else factors | {"channel": event["channel"]}
        )
        state = kind
        if kind == "refused":
            state = state_of(self._events)
        return {
            "dispatch_id": self._asked.dispatch_id,
            "decision_id": self._record.decision_id,
            "state": state,
            "may_send": kind == "reserved" and event["reason"] != _PLANNED,
            "no_contact": event["channel"] is None or kind in _GIVEN_UP,
            "chosen_by": "sender" if own else "policy" if event["eligible"] is None else "fallback",
            "factors": factors,
            "contact_at": event["at"],
            "propensity": event["propensity"],
            "rules": None if event["checks"] is None else list(event["checks"]),
            "next_allowed_at": next_allowed_at,
            "repeated": repeated or (kind == "reserved" and self._is_mine),
        }

    def _conflict(self, why: str) -> DecisionConflict:
        conflict = DecisionConflict("decision", [self._record.decision_id])
        conflict.args = (f"Nothing can be done about the decision {self._record.decision_id!r}: {why}.",)
        return conflict
