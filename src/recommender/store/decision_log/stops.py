"""A person stops contact with a debtor, frees it, or agrees to it: in the ledger, where every process reads it."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from recommender.errors import InvalidInput
from recommender.intake import AGREEMENT_DAYS, ASKS, LIFTS
from recommender.store.decision_log.contact_event import STOPPED, ContactEvent
from recommender.store.decision_log.decisions import DecisionLog
from recommender.store.decision_log.ledger import StaleStanding
from recommender.store.decision_log.outcome_record import OutcomeRecord
from recommender.store.decision_log.schema import OF_CASES, decisions, kept_states, outcomes
from recommender.tables import CASE_DECISIONS

__all__ = ["agree_to_contact", "agreed_accounts", "resume_contact", "stop_contact", "stopped_ids", "withdraw_agreement"]

#: How far back a planned contact may have been decided.
_REACH = timedelta(days=400)
_NOT_SENT = ("decided", "reserved")
_ATTEMPTS = 5
_AT_ONCE = 500
_STOPS = ("contact_stopped", "contact_resumed")


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


def agree_to_contact(log: DecisionLog, decision_id: str, *, at: datetime) -> None:
    """Write that a person looked at the account of a decision: for 30 days no decision about it asks for one.

    What is newly heard of the debtor meanwhile (a complaint, a dispute, a mark) ends it.

    Raises
    ------
    InvalidInput
        For a decision that is not in the log.
    """
    _owner(log, decision_id)
    log.record_outcomes([_word(decision_id, "contact_agreed", at)])


def withdraw_agreement(log: DecisionLog, decision_id: str, *, at: datetime) -> None:
    """Take :func:`agree_to_contact` back: the next decision about the account asks for a person again."""
    _owner(log, decision_id)
    log.record_outcomes([_word(decision_id, "agreement_withdrawn", at)])


def agreed_accounts(log: DecisionLog, at: datetime) -> tuple[str, ...]:
    """Accounts that a person looked at and agreed to, as it holds at a moment, sorted.

    Parameters
    ----------
    log : DecisionLog
    at : aware datetime
    """
    agreed: dict[str, tuple[str, str, datetime]] = {}
    for account, debtor, word, when in _decided(log):
        if word == "contact_agreed" and when <= at:
            agreed[account] = (account, debtor, when)
        elif word == "agreement_withdrawn":
            agreed.pop(account, None)
    live = [one for one in agreed.values() if at < one[2] + timedelta(days=AGREEMENT_DAYS)]
    asked = _asked_since(log, sorted({debtor for _, debtor, _ in live}))
    return tuple(sorted(account for account, debtor, when in live if debtor not in asked or asked[debtor] < when))


def stopped_ids(log: DecisionLog) -> tuple[str, ...]:
    """Accounts and debtors that a person stopped all contact with and did not free again, sorted.

    Parameters
    ----------
    log : DecisionLog
    """
    last: dict[str, tuple[str, set[str]]] = {}
    for account, debtor, word, _ in _decided(log):
        if word in _STOPS:
            accounts = last.get(debtor, ("", set()))[1]
            last[debtor] = (word, {*accounts, account})
    stopped = [{debtor, *accounts} for debtor, (word, accounts) in last.items() if word == "contact_stopped"]
    return tuple(sorted(set().union(*stopped)))


def _decided(log: DecisionLog) -> list[tuple[str, str, str, datetime]]:
    """Account, debtor, word and moment of what people decided about cases, oldest first."""
    query = (
        sa.select(decisions.c.account_id, decisions.c.debtor_id, outcomes.c.outcome, outcomes.c.occurred_at)
        .join(decisions, decisions.c.decision_id == outcomes.c.decision_id)
        .where(OF_CASES)
    )
    one = kept_states.c
    kept = sa.select(one.account_id, one.debtor_id, one.outcome, one.at).where(
        one.kind == "heard", one.outcome.in_(CASE_DECISIONS)
    )
    with log.engine.connect() as connection:
        told = [*connection.execute(query), *connection.execute(kept)]
    decided = [(str(account), str(debtor), word, at) for account, debtor, word, at in told]
    # at one instant the stop wins, as in the states that events make
    return sorted(decided, key=lambda one: (one[3], one[2] not in LIFTS))


def _asked_since(log: DecisionLog, debtors: list[str]) -> dict[str, datetime]:
    """When something that asks for a person was last heard of each debtor."""
    latest: dict[str, datetime] = {}
    with log.engine.connect() as connection:
        for start in range(0, len(debtors), _AT_ONCE):
            query = (
                sa.select(decisions.c.debtor_id, sa.func.max(outcomes.c.occurred_at).label("at"))
                .join(outcomes, decisions.c.decision_id == outcomes.c.decision_id)
                .where(decisions.c.debtor_id.in_(debtors[start : start + _AT_ONCE]), outcomes.c.outcome.in_(ASKS))
                .group_by(decisions.c.debtor_id)
            )
            latest |= {str(row.debtor_id): row.at for row in connection.execute(query)}
            one = kept_states.c
            kept = sa.select(one.debtor_id, one.at).where(
                one.kind == "heard", one.outcome.in_(ASKS), one.debtor_id.in_(debtors[start : start + _AT_ONCE])
            )
            for row in connection.execute(kept):
                latest[str(row.debtor_id)] = max(row.at, latest.get(str(row.debtor_id), row.at))
    return latest


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
