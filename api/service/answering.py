"""One request from what was asked to what is told: decided, written down where there is a log, then answered."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import HTTPException, Request

from api.service.answers import logged_recommendation
from api.service.deciding import Part, RequestTerms, recommendations
from api.service.item_problems import UnreadItems, item_problem
from api.service.making import ClaimedMeanwhile, RequestResult, Task, make
from api.service.metrics import Metrics
from api.service.offering import refuse_told
from api.service.problems import ServiceUnavailable
from api.service.recording import Recorder
from api.service.schemas import RecommendationRequest
from api.service.serving import Served, Serving
from api.service.shadow import Shadow
from recommender import __version__
from recommender.settings import Settings
from recommender.store.decision_log import DecisionRecord, ShadowChoice

__all__ = ["Answer", "RecommendationService"]

_ALL_READ = UnreadItems()
_ATTEMPTS = 50  # each is lost to somebody who won: so many in a row are a storm
_NOT_KEPT = "these decisions are not kept: the service has no decision log (RECOMMENDER_DECISION_LOG_URL)"
_NO_OFFERS = "there is a price list (RECOMMENDER_OFFERS), and what decides knows no action factor offer: none is made"


@dataclass(frozen=True)
class Answer:
    """What is told, and which decisions were made for it.

    Attributes
    ----------
    body : dict
        Fields of :class:`api.service.schemas.RecommendationAnswer`; its recommendations are written already, see
        :func:`api.service.answers.written_answer`.
    new : list of (str, str)
        Id and debtor of the decisions that nobody knows of before this is delivered.
    """

    body: dict[str, Any]
    new: list[tuple[str, str]]


@dataclass(frozen=True)
class RecommendationService:
    """What answering takes: the parts of the application.

    Attributes
    ----------
    serving : Serving
    settings : Settings
    recorder : Recorder
    shadow : Shadow
    metrics : Metrics
    clock : callable
        The present moment, for requests that name none.
    """

    serving: Serving
    settings: Settings
    recorder: Recorder
    shadow: Shadow
    metrics: Metrics
    clock: Callable[[], datetime]

    @classmethod
    def of(cls, request: Request) -> RecommendationService:
        """The application's own."""
        state = request.app.state
        return cls(state.serving, state.settings, state.recorder, state.shadow, state.metrics, state.clock)

    @property
    def waits_for_nothing(self) -> bool:
        """Whether answering touches no disk, network or other model."""
        return not self.recorder.keeps and not self.serving.is_due and self.serving.challenger() is None

    def first_moment(self, request_key: str | None) -> datetime:
        """Now, or when a request with this key was first answered."""
        before = self.recorder.decided_before(request_key)
        return before[0].decided_at if before else self.clock()

    def answer(
        self, request: RecommendationRequest, unread: UnreadItems = _ALL_READ, *, every_item: bool = False
    ) -> Answer:
        """Decide, or find what was decided.

        Parameters
        ----------
        request : RecommendationRequest
        unread : UnreadItems
            What could not be read of the body; the accounts of the request are the others.
        every_item : bool, default=False
            Name what is wrong with each account also where none can be answered.

        Raises
        ------
        InvalidInput, DecisionConflict
            When no account can be answered.
        """
        if len(request.accounts) > self.settings.max_accounts:
            raise HTTPException(413, f"At most {self.settings.max_accounts:,} accounts in one request; send several.")
        until = time.monotonic() + self.settings.deadline_seconds
        for _ in range(_ATTEMPTS):
            try:
                with self.recorder.one_at_a_time(request.request_key, self.settings.deadline_seconds):
                    return self._answered(request, unread, until, every_item=every_item)
            except ClaimedMeanwhile:
                if time.monotonic() > until:
                    break
        raise ServiceUnavailable("Other workers answer the same request key all the time. Retry.")

    def _answered(
        self, request: RecommendationRequest, unread: UnreadItems, until: float, *, every_item: bool
    ) -> Answer:
        served, settings = self.serving.current(), self.settings
        if settings.require_model and not served.is_model:
            raise ServiceUnavailable(f"No model serves, and one is required: {served.note}. Nothing was decided.")
        if served.house.offers is None:
            refuse_told(request.accounts)
        before = {record.account_id: record for record in self.recorder.decided_before(request.request_key)}
        _check_same_request(request, before, settings)
        as_of = request.as_of or (next(iter(before.values())).decided_at if before else self.clock())
        request = self._with_known_debtors(request)
        seed = settings.seed if request.seed is None else request.seed
        terms = RequestTerms(as_of, seed, request.request_key, request.purpose)
        made = make(Task(request, terms, served, settings, self.recorder, self._shadows, before, until))
        if len(made.refused) == len(request.accounts) and not unread.problems and not every_item:
            raise made.refused[min(made.refused)]
        return Answer(self._body(request, served, made, as_of, unread), made.new)

    def _with_known_debtors(self, request: RecommendationRequest) -> RecommendationRequest:
        """The request, with the debtors that the ledger knows of accounts that name none."""
        unnamed = [account.account_id for account in request.accounts if account.debtor_id is None]
        known = self.recorder.known_debtors(unnamed)
        if not known:
            return request
        accounts = [
            account.model_copy(update={"debtor_id": known[account.account_id]})
            if account.debtor_id is None and account.account_id in known
            else account
            for account in request.accounts
        ]
        return request.model_copy(update={"accounts": accounts})

    def _shadows(self, part: Part) -> list[ShadowChoice | None]:
        challenger = self.serving.challenger()
        return [None] * len(part.positions) if challenger is None else self.shadow.choices(challenger, part)

    def _body(
        self,
        request: RecommendationRequest,
        served: Served,
        made: RequestResult,
        as_of: datetime,
        unread: UnreadItems,
    ) -> dict[str, Any]:
        answers = {position: logged_recommendation(record) for position, record in made.stands.items()}
        notes: dict[str, None] = {}
        removed: Counter[str] = Counter()
        counts: Counter[tuple[str, str | None]] = Counter()
        law: dict[str, Any] = {}
        packs: dict[str, dict[str, str]] = {}
        warnings: dict[str, None] = {}
        for part in made.parts:
            answered = recommendations(part, made.logged)
            for position, one in zip(part.positions, answered, strict=True):
                answers[position] = one
                counts[one.policy, one.channel] += 1
            removed.update(part.decided.eligibility.counts())
            law = part.decided.eligibility.provenance.summary
            packs |= {pack["id"]: pack for pack in law["packs"]}
            warnings |= dict.fromkeys(law["warnings"])
            notes |= dict.fromkeys([served.note or "", *law["warnings"]])
            if missing := part.decided.missing_features:
                notes[f"features taken as missing: {', '.join(missing)}"] = None
        if made.unusual:
            notes[f"features with values that the model never saw: {', '.join(sorted(made.unusual))}"] = None
        self.metrics.removals(removed)
        self.metrics.decided(counts)
        if made.repeated:
            notes[f"{made.repeated:,} of these decisions had been made before: answered from the decision log"] = None
        if served.house.offers is not None and served.offers is None:
            notes[_NO_OFFERS] = None
        if not self.recorder.keeps:
            notes[_NOT_KEPT] = None
        versions = {record.provenance.policy_version for record in made.stands.values()}
        errors = [
            *unread.problems,
            *(
                item_problem(unread.position(position), request.accounts[position].account_id, error)
                for position, error in made.refused.items()
            ),
        ]
        return {
            "as_of": as_of,
            "purpose": request.purpose,
            "policy_version": versions.pop() if versions and not made.parts else served.decider.version,
            "code_version": __version__,
            "packs": law and {**law, "packs": tuple(packs.values()), "warnings": tuple(warnings)},
            "removed_by_rule": dict(removed),
            "recorded": self.recorder.keeps,
            "notes": [note for note in notes if note],
            "recommendations": [
                answers[position] for position in range(len(request.accounts)) if position not in made.refused
            ],
            "errors": [one.model_dump() for one in sorted(errors, key=lambda one: one.position)],
        }


def _check_same_request(request: RecommendationRequest, before: dict[str, DecisionRecord], settings: Settings) -> None:
    """Refuse a key that was used for another request."""
    seed = settings.seed if request.seed is None else request.seed
    asked = {account.account_id for account in request.accounts} if before else set()
    for record in before.values():
        other_moment = request.as_of is not None and request.as_of != record.decided_at
        is_other = other_moment or record.seed != seed or (record.purpose or "collection") != request.purpose
        if is_other or record.account_id not in asked:
            raise HTTPException(
                409,
                "This request_key was used for other accounts, another as_of, seed or purpose; give each request its "
                "own.",
            )
