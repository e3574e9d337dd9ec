"""A person stops contact with a debtor or frees it again: written into the ledger, where every process reads it."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from recommender.errors import InvalidInput
from recommender.store.decision_log.contact_event import STOPPED, ContactEvent
from recommender.store.decision_log.decisions import DecisionLog, OutcomeRecord
from recommender.store.decision_log.ledger import StaleStanding
from recommender.store.decision_log.schema import decisions, outcomes
from recommender.tables import CASE_DECISIONS

__all__ = ["resume_contact", "stop_contact", "stopped_ids"]

#: How far back a planned contact may have been decided.
_REACH = timedelta(days=400)
_NOT_SENT = ("decided", "reserved")
_ATTEMPTS = 5


def stop_contact(log: DecisionLog, decision_id: str, *, at: datetime) -> list[str]:
    """Stop all contact with the debtor of a decision, and take back what is planned and not sent.

    Parameters
    ----------
    log : DecisionLog
    decision_id : str
        The decision that a person looked at.
    at : aware datetime
        Moment of the answer; contacts planned for it or later are cancelled.

    Returns
    -------
    list of str
        Decisions whose contact was cancelled.

    Raises
    ------
    InvalidInput
        For a decision that is not in the log.

    Notes
    -----
    The stop is written before the cancellations: who decides meanwhile finds it, or is told to decide again.
    """
    owner = _owner(log, decision_id)
    log.record_outcomes([_word(decision_id, "contact_stopped", at)])
    for attempt in range(_ATTEMPTS):
        standing = log.standing([owner], at - _REACH)
        planned = {
            contact.decision_id: contact for contact in standing.contacts.get(owner, ()) if contact.at >= at
        }  # fmt: skip
        live = [
            one
            for some in standing.live.values()
            for one in some
            if one.decision_id in planned and one.state in _NOT_SENT
        ]
        events = [
            ContactEvent(
                decision_id=one.decision_id, debtor_id=one.debtor_id, kind="cancelled",
                at=planned[one.decision_id].at, reason=STOPPED, event_id=f"stop:{one.decision_id}"[:128],
            )
            for one in live
        ]  # fmt: skip
        try:
            log.record_events(events, seen=standing.seen, told_at=at)
        except StaleStanding:
            if attempt == _ATTEMPTS - 1:
                raise
        else:
            return [event.decision_id for event in events]
    return []


def resume_contact(log: DecisionLog, decision_id: str, *, at: datetime) -> None:
    """Free contact with the debtor of a decision again; what was cancelled stays so, the next decision plans anew."""
    _owner(log, decision_id)
    log.record_outcomes([_word(decision_id, "contact_resumed", at)])


def stopped_ids(log: DecisionLog) -> tuple[str, ...]:
    """Accounts and debtors that a person stopped all contact with and did not free again, sorted.

    Parameters
    ----------
    log : DecisionLog
    """
    query = (
        sa.select(decisions.c.account_id, decisions.c.debtor_id, outcomes.c.outcome)
        .join(decisions, decisions.c.decision_id == outcomes.c.decision_id)
        .where(outcomes.c.outcome.in_(CASE_DECISIONS))
        # at one instant the stop wins, as in the states that events make
        .order_by(outcomes.c.occurred_at, outcomes.c.outcome.desc())
    )
    last: dict[str, tuple[str, set[str]]] = {}
    with log.engine.connect() as connection:
        for account, debtor, word in connection.execute(query):
            accounts = last.get(debtor, ("", set()))[1]
            last[debtor] = (word, {*accounts, account})
    stopped = [{debtor, *accounts} for debtor, (word, accounts) in last.items() if word == "contact_stopped"]
    return tuple(sorted(set().union(*stopped)))


def _owner(log: DecisionLog, decision_id: str) -> str:
    with log.engine.connect() as connection:
        row = connection.execute(sa.select(decisions.c.debtor_id).where(decisions.c.decision_id == decision_id)).first()
    if row is None:
        raise InvalidInput.in_column(
            "decision_id", "is not in the decision log", values=[decision_id], mend="Name a logged decision."
        )
    return str(row.debtor_id)


def _word(decision_id: str, outcome: str, at: datetime) -> OutcomeRecord:
    return OutcomeRecord(decision_id=decision_id, occurred_at=at, outcome=outcome)
