"""One request from what was asked to what is told: decided, written down where there is a log, then answered."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fastapi import HTTPException, Request

from api.service.answers import logged_recommendation
from api.service.deciding import Asked, Part, RequestDecider, recommendations
from api.service.metrics import Metrics
from api.service.planned import Planned, planned_of_record, seen_by
from api.service.problems import ServiceUnavailable
from api.service.recording import Differs, Recorder, decision_records, same_decision
from api.service.schemas import RecommendationRequest
from api.service.serving import Served, Serving
from api.service.shadow import Shadow
from api.service.standing import REACH, debtor_of, ledger_contacts
from recommender import __version__
from recommender.settings import Settings
from recommender.store.decision_log import DecisionConflict, DecisionRecord, ShadowChoice, StaleStanding

__all__ = ["Counsel"]

_ATTEMPTS = 50  # each is lost to somebody who won: so many in a row are a storm
_NOT_KEPT = "these decisions are not kept: the service has no decision log (RECOMMENDER_DECISION_LOG_URL)"


@dataclass(frozen=True)
class Counsel:
    """What answering takes: the parts of the application.

    Attributes
    ----------
    serving : Serving
    settings : Settings
    recorder : Recorder
    shadow : Shadow
    metrics : Metrics
    """

    serving: Serving
    settings: Settings
    recorder: Recorder
    shadow: Shadow
    metrics: Metrics

    @classmethod
    def of(cls, request: Request) -> Counsel:
        """The application's own."""
        state = request.app.state
        return cls(state.serving, state.settings, state.recorder, state.shadow, state.metrics)

    @property
    def waits_for_nothing(self) -> bool:
        """Whether answering touches no disk, network or other model."""
        return not self.recorder.keeps and not self.serving.is_due and self.serving.challenger() is None

    def answer(self, request: RecommendationRequest) -> dict[str, Any]:
        """Fields of :class:`api.service.schemas.RecommendationAnswer`."""
        settings, recorder = self.settings, self.recorder
        if len(request.accounts) > settings.max_accounts:
            raise HTTPException(413, f"At most {settings.max_accounts:,} accounts in one request; send several.")
        served = self.serving.current()
        answers: dict[int, dict[str, Any]] = {}
        with recorder.one_at_a_time(request.request_key):
            before = {record.account_id: record for record in recorder.decided_before(request.request_key)}
            _check_same_request(request, before, settings)
            as_of = request.as_of or (next(iter(before.values())).decided_at if before else datetime.now(UTC))
            for position, account in enumerate(request.accounts):
                if account.account_id in before:
                    answers[position] = logged_recommendation(before[account.account_id])
            repeated = len(answers)
            rest = [position for position in range(len(request.accounts)) if position not in answers]
            asked = Asked(as_of, settings.seed if request.seed is None else request.seed, request.request_key)
            decider = RequestDecider(request, asked, served, settings)
            parts, logged, known = self._decided(decider, rest, list(before.values()), request, served)
            repeated += known
        return self._told(request, served, parts, logged, before, answers, as_of, repeated)

    def _decided(
        self,
        decider: RequestDecider,
        positions: list[int],
        before: list[DecisionRecord],
        request: RecommendationRequest,
        served: Served,
    ) -> tuple[list[Part], dict[str, DecisionRecord], int]:
        """Decide and write down; what had been decided before stands, and is planned for the debtor's other accounts.

        Where the log holds a decision of this request that came out differently, it is decided again as it was then:
        with the contacts that were planned when it was made. Only if it still differs, other facts were sent.
        """
        fixed: dict[str, DecisionRecord] = {}
        debtors = {debtor_of(request.accounts[position]) for position in positions}
        since = decider.as_of - REACH
        for _ in range(_ATTEMPTS):
            standing = self.recorder.standing(debtors, since)
            decider.heard = standing.outcomes
            counted = [record.decision_id for record in (*before, *fixed.values())]
            planned: Planned = ledger_contacts(standing, decider.contacts, counted)
            for record in (*before, *fixed.values()):
                contact = planned_of_record(record)
                if contact is not None:
                    planned.setdefault(str(record.debtor_id), []).append(contact)
            stands = {record.account_id: record for record in fixed.values()}
            again = [position for position in positions if request.accounts[position].account_id in stands]
            parts = [self._as_it_was(decider, position, request, stands, served) for position in again]
            free = [position for position in positions if position not in set(again)]
            made = decider.decide(free, planned)
            if not self.recorder.keeps:
                return made, {}, 0
            records = [record for part in made for record in decision_records(part, served, self._shadows(part))]
            try:
                logged, known = self.recorder.write(records, standing.seen)
            except Differs as differing:
                if not differing.logged.keys() - fixed.keys():
                    raise DecisionConflict("decision", sorted(differing.logged)) from differing
                fixed |= differing.logged
                continue
            except StaleStanding:  # somebody decided about the same debtors meanwhile: their contacts count now
                continue
            return [*parts, *made], logged | fixed, known + len(again)
        raise ServiceUnavailable(
            "Other requests decide about the same debtors all the time. Nothing was decided. Retry."
        )

    def _as_it_was(
        self,
        decider: RequestDecider,
        position: int,
        request: RecommendationRequest,
        stands: dict[str, DecisionRecord],
        served: Served,
    ) -> Part:
        """Decide an account as when its logged decision was made.

        Raises
        ------
        DecisionConflict
            When it comes out differently: other facts were sent.
        """
        account = request.accounts[position]
        record = stands[account.account_id]
        planned: Planned = {debtor_of(account): seen_by(record)}
        decider.heard = {
            debtor: [one for one in heard if one.occurred_at <= record.decided_at]
            for debtor, heard in decider.heard.items()
        }
        part = decider.part([position], planned, is_first=True)
        if not same_decision(record, decision_records(part, served, [None])[0]):
            raise DecisionConflict("decision", [record.decision_id])
        return part

    def _shadows(self, part: Part) -> list[ShadowChoice | None]:
        challenger = self.serving.challenger()
        return [None] * len(part.positions) if challenger is None else self.shadow.choices(challenger, part)

    def _told(
        self,
        request: RecommendationRequest,
        served: Served,
        parts: list[Part],
        logged: dict[str, DecisionRecord],
        before: dict[str, DecisionRecord],
        answers: dict[int, dict[str, Any]],
        as_of: datetime,
        repeated: int,
    ) -> dict[str, Any]:
        notes: dict[str, None] = {}
        removed: Counter[str] = Counter()
        law: dict[str, Any] = {}
        packs: dict[str, dict[str, str]] = {}
        warnings: dict[str, None] = {}
        for part in parts:
            made = recommendations(part, logged)
            for position, one in zip(part.positions, made, strict=True):
                answers[position] = one
                channel = one["actions"][0]["factors"].get("channel")
                self.metrics.decision(one["policy"], None if channel is None else str(channel))
            removed.update(part.decided.eligibility.counts())
            law = part.decided.eligibility.provenance.told
            packs |= {pack["id"]: pack for pack in law["packs"]}
            warnings |= dict.fromkeys(law["warnings"])
            notes |= dict.fromkeys([served.note or "", *law["warnings"]])
            if missing := part.decided.missing_features:
                notes[f"features taken as missing: {', '.join(missing)}"] = None
        self.metrics.removals(removed)
        if repeated:
            notes[f"{repeated:,} of these decisions had been made before: answered from the decision log"] = None
        if not self.recorder.keeps:
            notes[_NOT_KEPT] = None
        versions = {record.provenance.policy_version for record in before.values()}
        return {
            "as_of": as_of,
            "policy_version": versions.pop() if versions and not parts else served.strategy.version_,
            "code_version": __version__,
            "packs": law and {**law, "packs": tuple(packs.values()), "warnings": tuple(warnings)},
            "removed_by_rule": dict(removed),
            "recorded": self.recorder.keeps,
            "notes": [note for note in notes if note],
            "recommendations": [answers[position] for position in range(len(request.accounts))],
        }


def _check_same_request(request: RecommendationRequest, before: dict[str, DecisionRecord], settings: Settings) -> None:
    """Refuse a key that was used for another request."""
    seed = settings.seed if request.seed is None else request.seed
    asked = {account.account_id for account in request.accounts} if before else set()
    for record in before.values():
        other_moment = request.as_of is not None and request.as_of != record.decided_at
        if other_moment or record.seed != seed or record.account_id not in asked:
            raise HTTPException(
                409, "This request_key was used for other accounts, another as_of or seed; give each request its own."
            )
