"""One request decided: accounts to rankings, a debtor's one after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from api.service.answers import WrittenAccount, WrittenAnswer, logged_recommendation, rankings, recommendations_of
from api.service.constraints import openings
from api.service.offering import RequestOffers
from api.service.planned import Planned, planned_text
from api.service.request_columns import account_columns, contact_columns, debtor_of
from api.service.schemas import RecommendationRequest
from api.service.serving import Served
from recommender.columns import Columns
from recommender.deciding import Decided, Decider, after_planned, debtor_rounds, planned_contacts
from recommender.errors import InvalidInput
from recommender.offers import OfferDesk
from recommender.rules import Eligibility
from recommender.settings import Settings
from recommender.store.decision_log import DecisionRecord, LedgerOutcome, heard_facts, known_purposes
from recommender.strategy import ContactStrategy, SeedStrategy

__all__ = ["Part", "RequestDecider", "RequestTerms", "recommendations"]


@dataclass(frozen=True)
class RequestTerms:
    """What of a request belongs in the records of its decisions."""

    as_of: datetime
    seed: int
    request_key: str | None
    purpose: str = "collection"

    @property
    def as_of_text(self) -> str:
        """The moment as ids of decisions hold it."""
        return self.as_of.astimezone(UTC).isoformat()


@dataclass(frozen=True, eq=False)
class Part:
    """Accounts of a request that were decided in one call: one round.

    Attributes
    ----------
    positions : list of int
        Places in the request.
    features : list of set of str
        Names of the features that each account brought; the door has looked at them all.
    decided : Decided
    ranked : list of WrittenAccount
        See :func:`api.service.answers.rankings`.
    ask : callable
        The same question to another strategy.
    terms : RequestTerms
    """

    positions: list[int]
    features: Sequence[AbstractSet[str]]
    decided: Decided
    ranked: Sequence[WrittenAccount]
    ask: Callable[..., Decided]
    terms: RequestTerms

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """Facts and context of each account, with what was derived from them."""
        return self.decided.accounts.rows()

    @property
    def brought(self) -> set[str]:
        """Names of the features that any of the accounts brought."""
        return set().union(*set(map(tuple, self.features)))


class RequestDecider:
    """Decides the accounts of one request.

    Parameters
    ----------
    request : RecommendationRequest
    terms : RequestTerms
    served : Served
    settings : Settings

    Attributes
    ----------
    heard : mapping of str to sequence of LedgerOutcome
        What the ledger heard from each debtor.
    purposes : mapping
        What the ledger's contacts were for, see :func:`recommender.store.decision_log.told_purposes`.
    offers : RequestOffers or None
        What may be offered; None = nothing.
    refused : dict of int to InvalidInput
        What is wrong with the accounts that could not be decided, by position.
    unusual : set of str
        Features of which some account brought a value that the model never saw.
    """

    def __init__(self, request: RecommendationRequest, terms: RequestTerms, served: Served, settings: Settings) -> None:
        self.heard: Mapping[str, Sequence[LedgerOutcome]] = {}
        self.purposes: Mapping[tuple[str, str], Sequence[tuple[datetime, str]]] = {}
        self.offers: RequestOffers | None = None
        self.refused: dict[int, InvalidInput] = {}
        self._request = request
        self._terms = terms
        self._served = served
        self._contract = served.contract(settings)
        self.unusual: set[str] = set()
        self._settings = settings
        self._contacts = contact_columns(request.accounts)
        self._names = {account.account_id for account in request.accounts}

    def decide(self, positions: Sequence[int], planned: Planned, used: Counter[str] | None = None) -> list[Part]:
        """Decide in rounds; what is dispatched is planned for the debtor's next account.

        Parameters
        ----------
        positions : sequence of int
        planned : dict
            Contacts planned already, by debtor; added to while further rounds follow.
        used : Counter of str
            Contacts that the request has planned on each channel already; they count against its capacity.
        """
        if not positions:
            return []
        accounts = [self._request.accounts[position] for position in positions]
        names, debtors = [one.account_id for one in accounts], [one.debtor_id for one in accounts]
        turn = debtor_rounds(Columns({"account_id": names, "debtor_id": debtors}, len(accounts))).tolist()
        last = max(turn)
        parts = []
        left = self._capacity(used or Counter())
        for number in range(last + 1):
            own = [position for position, round_ in zip(positions, turn, strict=True) if round_ == number]
            for part in self._within_capacity(own, planned, left, is_first=number == 0):
                parts.append(part)
                for contact in planned_contacts(part.decided) if number < last else ():
                    contacts = planned.setdefault(contact["debtor_id"] or contact["account_id"], [])
                    if contact not in contacts:
                        contacts.append(contact)
        return parts

    def _capacity(self, used: Counter[str]) -> dict[str, int]:
        limits = self._request.constraints
        capacity = {} if limits is None or limits.capacity is None else limits.capacity
        return {channel: left - used[channel] for channel, left in capacity.items()}

    def _within_capacity(
        self, positions: list[int], planned: Planned, left: dict[str, int], *, is_first: bool
    ) -> list[Part]:
        """Decide one round; where a channel is used up on the way, the accounts after that are decided without it."""
        parts: list[Part] = []
        while positions:
            closed = frozenset(channel for channel, count in left.items() if count <= 0)
            mark = 0 if self.offers is None else self.offers.mark
            decided = self._sound(positions, planned, is_first=is_first, closed=closed)
            taken: list[int] = []
            for number, part in enumerate(decided):
                fits = _fitting(part, left)
                taken += part.positions[:fits]
                if fits == len(part.positions):
                    parts.append(part)
                    continue
                if self.offers is not None:  # neither this part nor those after it are made
                    self.offers.back_to(mark + number)
                if fits:
                    parts += self._sound(part.positions[:fits], planned, is_first=is_first, closed=closed)
                break
            done = {*taken, *self.refused}
            positions = [position for position in positions if position not in done]
        return parts

    def _sound(self, positions: list[int], planned: Planned, *, is_first: bool, closed: frozenset[str]) -> list[Part]:
        """Decide accounts of different debtors; those that cannot be are found by halves and refused."""
        if not positions:
            return []
        try:
            part = self.part(positions, planned, is_first=is_first, closed=closed)
            if self.offers is not None:
                self.offers.remember(part.decided)
            return [part]
        except InvalidInput as error:
            if len(positions) == 1:
                self.refused[positions[0]] = error
                return []
        half = len(positions) // 2
        return [
            part
            for some in (positions[:half], positions[half:])
            for part in self._sound(some, planned, is_first=is_first, closed=closed)
        ]

    def part(
        self,
        positions: list[int],
        planned: Planned,
        *,
        is_first: bool,
        closed: frozenset[str] = frozenset(),
        terms: RequestTerms | None = None,
        desk: OfferDesk | None = None,
    ) -> Part:
        """Decide accounts of different debtors in one call.

        Parameters
        ----------
        positions : list of int
        planned : dict
            Contacts planned already, by debtor.
        is_first : bool
            Whether contacts of strangers are looked at as well.
        closed : frozenset of str
            Channels without capacity.
        terms : RequestTerms or None
            In place of the request's own.
        desk : OfferDesk or None
            Likewise.
        """
        request, in_force = self._request, self._settings.packs_in_force
        terms = terms or self._terms
        chosen = [request.accounts[position] for position in positions]
        waiting = [planned.get(debtor_of(account), []) for account in chosen]
        sent = self._contacts_of(positions, is_first=is_first)
        sent = sent.with_cells(known_purposes(sent, self.purposes))
        accounts = account_columns(chosen, in_force, positions, self._contract, self.unusual)
        question: dict[str, Any] = {
            "accounts": accounts.with_cells(heard_facts(accounts, sent, self.heard, terms.as_of)),
            "contacts": sent.with_rows([one for contacts in waiting for one in contacts]) if any(waiting) else sent,
            "as_of": terms.as_of,
            "packs": in_force,
            "explore": request.explore,
            "seed": terms.seed,
        }
        own = [account.constraints for account in chosen]
        limited = request.constraints is not None or closed or any(one is not None for one in own) or any(waiting)

        def ask(strategy: ContactStrategy | SeedStrategy, decide: Callable[..., Decided], top_k: int) -> Decided:
            actions = strategy.actions_

            def allowed(eligible: Eligibility) -> NDArray[np.bool_]:
                opened = openings(actions, eligible, request.constraints, own, closed)
                return opened & after_planned(actions, eligible, waiting)

            return decide(top_k=top_k, allowed=allowed if limited else None, **question)

        decider = self._served.decider_for(terms.purpose)
        if desk is None and self.offers is not None:
            desk = self.offers.desk()
        if desk is not None:
            decider = decider.with_offers(desk)
        decided = ask(self._served.strategy, decider.decide, request.top_k)
        planned_before = [planned_text(contacts) if contacts else None for contacts in waiting]
        ranked = rankings(decided, planned_before, self._served.segments, desk)
        features = [account.features.keys() for account in chosen]
        return Part(
            positions,
            features,
            decided,
            ranked,
            lambda strategy, top_k: ask(
                strategy,
                Decider(
                    strategy,
                    purpose=terms.purpose,
                    catalogue=self._served.decider.catalogue,
                    offers=desk,
                    without=self._served.house.without,
                ).decide,
                top_k,
            ),
            terms,
        )

    @property
    def as_of(self) -> datetime:
        """Moment of the decisions."""
        return self._terms.as_of

    @property
    def contacts(self) -> Columns:
        """All contacts that the caller sent."""
        return self._contacts

    def _contacts_of(self, positions: list[int], *, is_first: bool) -> Columns:
        """Contacts of some accounts and of their debtors' others; strangers' belong to no account of the request."""
        accounts = self._request.accounts
        if len(positions) == len(accounts):
            return self._contacts
        names = {accounts[position].account_id for position in positions}
        debtors = {accounts[position].debtor_id for position in positions} - {None}
        whose = zip(self._contacts.values("account_id"), self._contacts.values("debtor_id"), strict=True)
        mine = [
            row
            for row, (account, debtor) in enumerate(whose)
            if account in names or debtor in debtors or (is_first and account not in self._names)
        ]
        return self._contacts.take(np.array(mine, dtype=np.int64))


def _fitting(part: Part, left: dict[str, int]) -> int:
    """How many accounts of a part, in their order, the capacity is enough for; it is taken from what is left."""
    if not left:
        return len(part.positions)
    for row, action in enumerate(part.decided.action.tolist()):
        channel = part.decided.channels[action]
        if channel is None or channel not in left:
            continue
        if left[channel] <= 0:
            return row
        left[channel] -= 1
    return len(part.positions)


def recommendations(part: Part, logged: dict[str, DecisionRecord]) -> list[WrittenAnswer]:
    """Answer the accounts of a part; from the log where it held them before, so that a repetition reads the same."""
    decided = part.decided
    eligible = decided.eligibility.mask.sum(axis=1).tolist()
    answers = recommendations_of(
        [written.told for written in part.ranked],
        account_id=decided.accounts.values("account_id"),
        decision_id=decided.decision_ids,
        policy=decided.policy,
        deterministic=decided.deterministic,
        eligible_actions=eligible,
        channel=[decided.channels[action] for action in decided.action.tolist()],
    )
    for row, (decision_id, written) in enumerate(zip(decided.decision_ids, part.ranked, strict=True)):
        record = logged.get(decision_id)
        if record is not None and record.ranking is not written.kept:
            answers[row] = logged_recommendation(record)
    return answers
