"""Can this have happened: outcomes are learnt from, stop contacts and count as money, so each is checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from api.service.log_schemas import Outcome
from api.service.recording import Recorder
from recommender.currencies import is_currency
from recommender.errors import InvalidInput
from recommender.intake import id_key
from recommender.store.decision_log import OutcomeRecord, Whose, refuse_personal_id, trouble_with_terms

__all__ = ["check_outcomes", "owners_of", "record_of"]

_CLOCK_SKEW = timedelta(minutes=5)
_MONEY = frozenset({"paid"})
_MAY_CARRY_MONEY = _MONEY | {"promise_to_pay", "promise_kept"}


def check_outcomes(
    outcomes: Sequence[Outcome], recorder: Recorder, now: datetime, *, numbers_are_ours: bool = False
) -> None:
    """Raise at the first outcome that cannot be true; its position is named (a false correction is refused by the log).

    Parameters
    ----------
    outcomes : sequence of Outcome
    recorder : Recorder
    now : datetime
        Moment of arrival, with a time zone.
    numbers_are_ours : bool, default=False
        Ids of digits alone are this system's own and no phones.

    Raises
    ------
    InvalidInput
        For an outcome before its decision or in the future, for money that is missing or where none belongs, for a
        promise's day or a call's moment that cannot be, and for an account or debtor that is not the decision's.
    """
    decided_at = recorder.decided_at([outcome.decision_id for outcome in outcomes])
    told = owners_of(outcomes)
    for one in told.values():
        for column, name in (("account_id", one.account_id), ("debtor_id", one.debtor_id)):
            if name is not None:
                refuse_personal_id(column, name, numbers_are_ours=numbers_are_ours)
    whose = recorder.whose_are(list(told)) if told else {}
    for position, outcome in enumerate(outcomes):
        trouble = _trouble(outcome, decided_at.get(outcome.decision_id), now)
        if trouble is None and outcome.decision_id in told:
            trouble = _other_person(outcome, (whose.get(outcome.decision_id), told[outcome.decision_id]))
        if trouble is not None:
            column, text, mend = trouble
            raise InvalidInput(f"outcomes[{position}].{column} {text}.", column=column, rows=[position], mend=mend)


def record_of(outcome: Outcome) -> OutcomeRecord:
    """An outcome as the log keeps it."""
    return OutcomeRecord(**outcome.model_dump(exclude={"account_id", "debtor_id"}))


def owners_of(outcomes: Iterable[Outcome]) -> dict[str, Whose]:
    """Account and debtor of decisions, of those whose outcomes tell them."""
    told: dict[str, Whose] = {}
    for one in outcomes:
        if one.account_id is not None or one.debtor_id is not None:
            before = told.get(one.decision_id, Whose(None))
            told[one.decision_id] = Whose(one.account_id or before.account_id, one.debtor_id or before.debtor_id)
    return told


def _other_person(outcome: Outcome, known: Iterable[Whose | None]) -> tuple[str, str, str] | None:
    """What is wrong with the account or the debtor that an outcome tells, beside what log and batch say of them."""
    for whose in known:
        for column in ("account_id", "debtor_id"):
            own, other = getattr(outcome, column), None if whose is None else getattr(whose, column)
            if own is not None and other is not None and id_key(own) != id_key(other):
                if column == "debtor_id" and whose is not None and other == whose.account_id:
                    continue  # nobody had said whose the account is
                return column, "is not that of the decision", "Tell whom the decision was about, or leave it out."
    return None


def _trouble(outcome: Outcome, decided: datetime | None, now: datetime) -> tuple[str, str, str] | None:
    if outcome.occurred_at > now + _CLOCK_SKEW:
        return "occurred_at", "lies in the future", "Tell what has happened, and check the sender's clock."
    if decided is not None and outcome.occurred_at < decided:
        return "occurred_at", "lies before the decision", "Name the decision that led to it."
    if (outcome.amount_minor is None) != (outcome.currency is None):
        return "amount_minor", "and currency go together", "Give both, e.g. 150000 and COP, or neither."
    if outcome.outcome in _MONEY and outcome.amount_minor is None:
        return "amount_minor", "is missing: a payment has an amount", "Give amount_minor and currency."
    if outcome.amount_minor is not None and outcome.outcome not in _MAY_CARRY_MONEY:
        return (
            "amount_minor",
            f"does not belong to {outcome.outcome!r}",
            f"Only {sorted(_MAY_CARRY_MONEY)} carry money.",
        )
    if outcome.currency is not None and not is_currency(outcome.currency):
        return "currency", f"{outcome.currency!r} is no currency of ISO 4217", "Write e.g. COP, MXN or USD."
    return trouble_with_terms(outcome.outcome, outcome.occurred_at, outcome.promise_date, outcome.callback_at)
