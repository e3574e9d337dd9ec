"""From a decision to what was really sent: re-checked on present facts, reserved, told.

``decided -> reserved -> dispatched | overridden | cancelled | expired``.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

from api.service.dispatch_case import Case, Terms
from api.service.dispatch_schemas import Dispatch
from api.service.problems import ServiceUnavailable
from api.service.recording import Recorder
from api.service.request_columns import debtor_of
from api.service.serving import Served
from recommender.errors import InvalidInput
from recommender.settings import Settings
from recommender.store.decision_log import (
    REACH,
    StaleStanding,
    refuse_free_text,
)

__all__ = ["Dispatcher", "UnknownDecision"]

_ATTEMPTS = 50
_SKEW = timedelta(minutes=5)


class UnknownDecision(Exception):
    """The log holds no decision of this id."""


class Dispatcher:
    """Handles dispatches one by one.

    Parameters
    ----------
    recorder : Recorder
    served : Served
    settings : Settings
    now : datetime
    """

    def __init__(self, recorder: Recorder, served: Served, settings: Settings, now: datetime) -> None:
        self.recorder = recorder
        self.terms = Terms(served, settings, now)

    def handle(self, asked: Dispatch) -> dict[str, Any]:
        """Fields of :class:`api.service.dispatch_schemas.DispatchResult`.

        Raises
        ------
        UnknownDecision
        DecisionConflict
            When the decision is in a state that does not allow it.
        InvalidInput
            When facts are missing or cannot be.
        """
        logged = self.recorder.get(asked.decision_id)
        if logged is None:
            raise UnknownDecision
        for reason in (asked.reason, None if asked.instead is None else asked.instead.reason):
            refuse_free_text({"reason": reason}, argument="dispatch")
        if asked.at is not None and asked.state != "reserve" and asked.at > self.terms.now + _SKEW:
            raise InvalidInput("at lies in the future.", column="at", mend="Tell what has happened.")
        made_at = logged.decision.decided_at
        if asked.at is not None and asked.at < made_at - _SKEW and made_at <= self.terms.now:
            raise InvalidInput(
                "at lies before the decision.", column="at", mend="Name the decision that led to the contact."
            )
        until = time.monotonic() + self.terms.settings.deadline_seconds
        for _ in range(_ATTEMPTS):
            if time.monotonic() > until:
                break
            record = logged.decision
            owner = str(record.debtor_id)
            named = owner if asked.account is None else debtor_of(asked.account)
            standing = self.recorder.standing({owner, named}, self.terms.now - REACH, {record.account_id: named})
            events = self.recorder.events_of([record.decision_id]).get(record.decision_id, [])
            case = Case(self.terms, asked, record, standing, events)
            earlier = case.repeated()
            if earlier is not None:
                return earlier
            event, answer = case.judged()
            try:
                self.recorder.write_events([event], self.terms.now, standing.seen)
            except StaleStanding:  # somebody wrote about the same debtor: judge again
                logged = self.recorder.get(asked.decision_id)
                if logged is None:  # it was erased meanwhile
                    raise UnknownDecision from None
                continue
            return answer
        raise ServiceUnavailable("Other requests write about the same debtor all the time. Retry.")
