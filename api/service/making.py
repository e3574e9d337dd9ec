"""Decisions made once: what stands is the answer, what is new is decided on the ledger and written with it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from uuid import uuid4

from api.service.decided_records import decision_records, same_decision
from api.service.deciding import Part, RequestDecider, RequestTerms
from api.service.offering import RequestOffers
from api.service.planned import Planned, planned_of_record, seen_by
from api.service.problems import ServiceUnavailable
from api.service.recording import DecisionsDiffer, Recorder
from api.service.request_columns import debtor_of
from api.service.schemas import Account, RecommendationRequest
from api.service.serving import Served
from recommender.columns import Columns
from recommender.deciding import decision_ids
from recommender.errors import InvalidInput
from recommender.settings import Settings
from recommender.store.decision_log import (
    REACH,
    ContactEvent,
    DecisionConflict,
    DecisionRecord,
    ShadowChoice,
    StaleStanding,
    Standing,
    ledger_contacts,
    told_purposes,
)

__all__ = ["ClaimedMeanwhile", "RequestResult", "Task", "make"]

_ATTEMPTS = 50  # each is lost to somebody who won: so many in a row are a storm


class ClaimedMeanwhile(Exception):
    """Another worker answered the same request key first: its answers are to be read."""


@dataclass
class RequestResult:
    """What became of the accounts of a request.

    Attributes
    ----------
    parts : list of Part
        What was decided now, or decided again just as it stands in the log.
    logged : dict of str to DecisionRecord
        Decisions of these parts as the log holds them.
    stands : dict of int to DecisionRecord
        Decisions that were made before and are the answer, by position.
    refused : dict of int to InvalidInput or DecisionConflict
        What is wrong with the others, by position.
    repeated : int
        How many had been decided before.
    new : list of (str, str)
        Id and debtor of the decisions that were made now.
    unusual : set of str
        Features with values that the model never saw.
    """

    parts: list[Part] = field(default_factory=list)
    logged: dict[str, DecisionRecord] = field(default_factory=dict)
    stands: dict[int, DecisionRecord] = field(default_factory=dict)
    refused: dict[int, InvalidInput | DecisionConflict] = field(default_factory=dict)
    repeated: int = 0
    new: list[tuple[str, str]] = field(default_factory=list)
    unusual: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Task:
    """What one request wants decided, and with what.

    Attributes
    ----------
    request : RecommendationRequest
    terms : RequestTerms
    served : Served
    settings : Settings
    recorder : Recorder
    shadows : callable
        Choices of the challenger for a part.
    before : mapping of str to DecisionRecord
        Decisions under the same request key, by account.
    until : float
        Reading of the monotonic clock after which no further attempt begins.
    """

    request: RecommendationRequest
    terms: RequestTerms
    served: Served
    settings: Settings
    recorder: Recorder
    shadows: Callable[[Part], Sequence[ShadowChoice | None]]
    before: Mapping[str, DecisionRecord]
    until: float = float("inf")

    @cached_property
    def ids(self) -> list[str]:
        """Id of the decision about each account, if it is made now."""
        names = [account.account_id for account in self.request.accounts]
        table = Columns({"account_id": names}, len(names))
        version, terms = self.version, self.terms
        return decision_ids(table, terms.as_of_text, version, terms.seed, purpose=terms.purpose)

    @property
    def version(self) -> str:
        """Of the policy that decides: the strategy's, with the objective where that is another than the reward."""
        return self.served.decider_for(self.terms.purpose).version

    @cached_property
    def owners(self) -> dict[str, str]:
        """Debtor of each account."""
        return {account.account_id: debtor_of(account) for account in self.request.accounts}


def make(task: Task) -> RequestResult:
    """Decide and write down; what had been decided before stands, and is planned for the debtor's other accounts.

    Where the log holds a decision of this request that came out differently, it is decided again as it was then: with
    the contacts that were planned when it was made. Only if it still differs, other facts were sent.

    Raises
    ------
    ClaimedMeanwhile, DecisionConflict, ServiceUnavailable
    """
    differing: dict[str, DecisionRecord] = {}
    for _ in range(_ATTEMPTS):
        offers = task.served.offers
        standing = task.recorder.standing(
            task.owners.values(), task.terms.as_of - REACH, task.owners,
            None if offers is None else offers.budget(task.terms.as_of),
        )  # fmt: skip
        try:
            return _Attempt(task, standing, differing).run()
        except DecisionsDiffer as differs:
            if not differs.logged.keys() - differing.keys():
                raise DecisionConflict("decision", sorted(differs.logged)) from differs
            differing |= differs.logged
        except StaleStanding:  # somebody decided about the same debtors, or spent the budget: that counts now
            _refuse_claimed(task)
        except DecisionConflict:
            _refuse_claimed(task)
            raise
        if time.monotonic() > task.until:
            break
    raise ServiceUnavailable("Other requests decide about the same debtors all the time. Nothing was decided. Retry.")


def _refuse_claimed(task: Task) -> None:
    key = task.request.request_key
    if key is not None and len(task.recorder.decided_before(key)) > len(task.before):
        raise ClaimedMeanwhile


class _Attempt:
    """One try on one standing of the ledger."""

    def __init__(self, task: Task, standing: Standing, differing: Mapping[str, DecisionRecord]) -> None:
        self._task = task
        self._standing = standing
        self._differing = {record.account_id: record for record in differing.values()}
        self._decider = RequestDecider(task.request, task.terms, task.served, task.settings)
        self._decider.heard, self._decider.purposes = standing.outcomes, told_purposes(standing)
        offers = task.served.offers
        self._offers = None if offers is None else RequestOffers(
            offers, task.request.accounts, standing, task.terms.as_of
        )  # fmt: skip
        self._decider.offers = self._offers
        # Nobody was asked about before: each account is decided now, as almost always.
        self._is_first = not (task.before or differing or standing.live or standing.taken_back)
        self._events: list[ContactEvent] = []
        self._given_up: set[str] = set()
        self._made = RequestResult()

    def run(self) -> RequestResult:
        made = self._made
        again: list[tuple[int, DecisionRecord]] = []
        free: list[int] = []
        for position, account in enumerate(self._task.request.accounts):
            stands = self._that_stands(position, account)
            if position in made.refused:
                continue
            if stands is None:
                free.append(position)
            elif account.account_id in self._task.before:
                made.stands[position] = stands
            else:
                again.append((position, stands))
        known = [*made.stands.values(), *(record for _, record in again)]
        for position, record in again:
            self._again(position, record)
        self._events += [
            # Whoever asks again has got it now: it is not taken back for the sake of somebody who left.
            ContactEvent(
                decision_id=record.decision_id, debtor_id=str(record.debtor_id), kind="delivered",
                at=record.decided_at, event_id=f"delivered:{record.decision_id}"[:128],
            )
            for record in known
            if self._is_silent(record)
        ]  # fmt: skip
        parts = self._decider.decide(free, self._planned(known), self._used(known))
        made.refused |= self._decider.refused
        made.unusual |= self._decider.unusual
        made.repeated = len(made.stands) + len(made.parts)
        made.parts += parts
        if self._task.recorder.keeps:
            self._write(parts)
        return made

    def _is_silent(self, record: DecisionRecord) -> bool:
        """Whether nothing was told of a decision yet."""
        live = self._standing.live.get(record.account_id, ())
        return any(one.decision_id == record.decision_id and one.is_silent for one in live)

    def _that_stands(self, position: int, account: Account) -> DecisionRecord | None:
        """The decision that was made before about this account and moment, if one stands."""
        if self._is_first:
            return None
        own = self._task.ids[position]
        earlier = self._task.before.get(account.account_id)
        gone = self._standing.taken_back.get(earlier.decision_id if earlier is not None else own)
        if gone == "undelivered":
            # It never reached anybody: it is made again, and counts from now on, if it still comes out the same.
            again = earlier.decision_id if earlier is not None else own
            self._events.append(
                ContactEvent(
                    decision_id=again, debtor_id=debtor_of(account), kind="delivered", at=self._task.terms.as_of,
                    event_id=uuid4().hex,
                )
            )  # fmt: skip
            self._refuse_if_differing(position, account)
            return None
        if gone is not None:
            self._made.refused[position] = _taken_back(own, gone)
            return None
        if earlier is not None:
            return earlier
        others = [
            one
            for one in self._standing.live.get(account.account_id, ())
            if one.decided_at == self._task.terms.as_of
            and one.decision_id != own
            and (one.purpose or "collection") == self._task.terms.purpose
        ]
        if not others:
            return self._differing.get(account.account_id)
        if not self._task.request.supersede:
            return self._task.recorder.record_of(others[0].decision_id)
        if further := [one for one in others if one.state != "decided"]:
            self._made.refused[position] = _taken_back(further[0].decision_id, further[0].state)
            return None
        for one in others:
            self._given_up.add(one.decision_id)
            if self._offers is not None:
                self._offers.release(one.decision_id)
            self._events.append(
                ContactEvent(
                    decision_id=one.decision_id, debtor_id=one.debtor_id, kind="cancelled", at=self._task.terms.as_of,
                    reason="superseded", event_id=f"superseded:{one.decision_id}"[:128],
                )
            )  # fmt: skip
        return self._differing.get(account.account_id)

    def _refuse_if_differing(self, position: int, account: Account) -> None:
        if (logged := self._differing.get(account.account_id)) is not None:
            self._made.refused[position] = _taken_back(logged.decision_id, "undelivered")

    def _again(self, position: int, record: DecisionRecord) -> None:
        """Decide an account as when its logged decision was made; other facts refuse it."""
        account = self._task.request.accounts[position]
        if record.provenance.policy_version != self._task.version:
            self._made.stands[position] = record  # another model decided: the same cannot come out, and need not
            return
        heard = self._decider.heard
        self._decider.heard = {
            debtor: [one for one in some if one.occurred_at <= record.decided_at] for debtor, some in heard.items()
        }
        terms = replace(self._task.terms, seed=self._task.terms.seed if record.seed is None else record.seed)
        planned: Planned = {debtor_of(account): seen_by(record)}
        try:
            offers = self._task.served.offers
            desk = None if offers is None else offers.desk_then(record)
            part = self._decider.part([position], planned, is_first=True, terms=terms, desk=desk)
        except InvalidInput as error:
            self._made.refused[position] = error
            return
        finally:
            self._decider.heard = heard
        again = decision_records(part, self._task.served, [None])[0]
        if not same_decision(record, again):
            self._made.refused[position] = _differs(record, again)
            return
        self._made.parts.append(part)
        self._made.logged[record.decision_id] = record

    def _planned(self, known: Sequence[DecisionRecord]) -> Planned:
        """Contacts that are planned for the debtors: of the ledger, and of the decisions that stand here."""
        counted = [*(record.decision_id for record in known), *self._given_up]
        planned = ledger_contacts(self._standing, self._decider.contacts, counted)
        for record in known:
            contact = planned_of_record(record)
            if contact is not None:
                owner = self._task.owners.get(record.account_id, str(record.debtor_id))
                planned.setdefault(owner, []).append(contact | {"debtor_id": owner})
        return planned

    def _used(self, known: Iterable[DecisionRecord]) -> Counter[str]:
        contacts = (planned_of_record(record) for record in known)
        return Counter(contact["channel"] for contact in contacts if contact is not None)

    def _write(self, parts: Sequence[Part]) -> None:
        made = self._made
        records: dict[str, DecisionRecord] = {}
        for part in parts:
            shadows = self._task.shadows(part)
            for position, record in zip(
                part.positions, decision_records(part, self._task.served, shadows), strict=True
            ):
                first = records.setdefault(record.decision_id, record)
                if first is not record and not same_decision(first, record):
                    made.refused[position] = _differs(first, record)
        written = {record.decision_id for record in records.values()}
        stands = {record.decision_id for record in made.stands.values()} | made.logged.keys()
        events = [
            event
            for event in self._events
            if event.kind != "delivered" or event.decision_id in written or event.decision_id in stands
        ]
        made.new = [
            (record.decision_id, str(record.debtor_id))
            for record in records.values()
            if record.decision_id not in self._standing.seen.accounts.get(record.account_id, ())
        ]
        budget = None if self._offers is None else self._offers.budget
        logged, repeated = self._task.recorder.write(list(records.values()), self._standing.seen, events, budget)
        made.logged |= logged
        made.repeated += repeated


def _taken_back(decision_id: str, state: str) -> DecisionConflict:
    return _conflict(
        decision_id,
        f"The decision {decision_id!r} about this account and moment was {state}, and is not made again. Ask with "
        "another as_of.",
    )


def _differs(logged: DecisionRecord, again: DecisionRecord) -> DecisionConflict:
    """Why a decision is not made again: the rules changed meanwhile, else what was sent."""
    then, now = logged.provenance.rule_packs, again.provenance.rule_packs
    packs = sorted(pack for pack in {*then, *now} if then.get(pack) != now.get(pack))
    other = f"under other rules (changed since: {', '.join(packs)})" if packs else "from other facts"
    return _conflict(
        logged.decision_id,
        f"The decision {logged.decision_id!r} about this account and moment was made {other}. What is logged is never "
        "changed: ask with another as_of.",
    )


def _conflict(decision_id: str, text: str) -> DecisionConflict:
    conflict = DecisionConflict("decision", [decision_id])
    conflict.args = (text,)
    return conflict
