"""Can this have happened: outcomes are learnt from, stop contacts and count as money, so each is checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from api.service.log_schemas import Outcome
from api.service.recording import Recorder
from recommender.currencies import is_currency
from recommender.errors import InvalidInput
from recommender.store.decision_log import OutcomeRecord, trouble_with_terms

__all__ = ["check_outcomes"]

_LONGEST_CHAIN = 200
_CLOCK_SKEW = timedelta(minutes=5)
_MONEY = frozenset({"paid"})
_MAY_CARRY_MONEY = _MONEY | {"promise_to_pay", "promise_kept"}


def check_outcomes(outcomes: Sequence[Outcome], recorder: Recorder, now: datetime) -> None:
    """Raise at the first outcome that cannot be true; its position is named.

    Parameters
    ----------
    outcomes : sequence of Outcome
    recorder : Recorder
    now : datetime
        Moment of arrival, with a time zone.

    Raises
    ------
    InvalidInput
        For an outcome before its decision or in the future, for money that is missing or where none belongs, for a
        promise's day or a call's moment that cannot be, for a correction of what another decision had, and for one of
        what was corrected already or that leads back to itself.
    """
    decided_at = recorder.decided_at([outcome.decision_id for outcome in outcomes])
    corrected = [outcome.replaces for outcome in outcomes if outcome.replaces is not None]
    owners = recorder.outcome_owners(corrected) if corrected else {}
    chains = _Corrections(outcomes, recorder) if corrected else None
    for position, outcome in enumerate(outcomes):
        trouble = _trouble(outcome, decided_at.get(outcome.decision_id), now)
        if trouble is None and owners.get(outcome.replaces or "", outcome.decision_id) != outcome.decision_id:
            trouble = "replaces", "is an outcome of another decision", "Correct an outcome under its own decision."
        if trouble is None and chains is not None:
            trouble = chains.trouble(outcome)
        if trouble is not None:
            column, text, mend = trouble
            raise InvalidInput(f"outcomes[{position}].{column} {text}.", column=column, rows=[position], mend=mend)


class _Corrections:
    """What takes the place of what: each outcome is corrected once, and no chain of corrections comes back.

    Of two corrections of one outcome both would stand; of a circle none would.
    """

    def __init__(self, outcomes: Sequence[Outcome], recorder: Recorder) -> None:
        told = [_correction(one) for one in outcomes]
        self._replaces: dict[str, str] = {}
        self._by: dict[tuple[str, str], set[str]] = {}
        wanted = {name for one in told for name in (one["outcome_id"], one["replaces"]) if name is not None}
        seen: set[str] = set()
        while wanted - seen and len(seen) < _LONGEST_CHAIN:
            held = recorder.corrections(sorted(wanted - seen))
            seen |= wanted
            for one in held:
                self._note(one)
                wanted |= {one["replaces"]} - {None}
        for one in told:
            self._note(one)

    def _note(self, one: Mapping[str, Any]) -> None:
        if one["replaces"] is not None:
            self._replaces[one["outcome_id"]] = one["replaces"]
            self._by.setdefault((one["decision_id"], one["replaces"]), set()).add(one["outcome_id"])

    def trouble(self, outcome: Outcome) -> tuple[str, str, str] | None:
        """What is wrong with a correction; None where nothing is."""
        if outcome.replaces is None:
            return None
        own = _correction(outcome)["outcome_id"]
        others = sorted(self._by[outcome.decision_id, outcome.replaces] - {own})
        if others:
            return "replaces", f"names an outcome that {others[0]!r} took the place of", "Correct that one."
        place: str | None = own
        for _ in range(_LONGEST_CHAIN):
            place = self._replaces.get(str(place))
            if place is None:
                return None
            if place == own:
                break
        return "replaces", "leads back to this outcome: none of them would stand", "Tell it under an id of its own."


def _correction(outcome: Outcome) -> dict[str, Any]:
    record = OutcomeRecord(**outcome.model_dump())
    return {"outcome_id": record.outcome_id, "decision_id": record.decision_id, "replaces": record.replaces}


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
