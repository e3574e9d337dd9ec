"""``POST /v1/recommendations``: ranked, legal next-best actions for one or many accounts."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, HTTPException

from api.answers import logged_recommendation
from api.deciding import decide_parts, recommendations, records_of
from api.deps import KeyDep, MetricsDep, RecorderDep, ServedDep, ServingDep, SettingsDep, ShadowDep
from api.schemas import Recommendation, RecommendationAnswer, RecommendationRequest
from recommender import __version__
from recommender.settings import Settings
from recommender.store.decisions import DecisionRecord

router = APIRouter(prefix="/v1", tags=["recommendations"], dependencies=[KeyDep])
_NOT_KEPT = "these decisions are not kept: the service has no decision log (RECOMMENDER_DECISION_LOG_URL)"


@router.post("/recommendations")
def recommend(
    request: RecommendationRequest,
    served: ServedDep,
    serving: ServingDep,
    settings: SettingsDep,
    recorder: RecorderDep,
    shadow: ShadowDep,
    metrics: MetricsDep,
) -> RecommendationAnswer:
    """Rank the next-best actions of each account and write the decisions down.

    Rank 1 is the action to dispatch; its ``propensity`` is the probability with which it was drawn. Without a model
    the seed rules answer and say so. Unknown consent, flags, party or history deny: then the answer is NO_CONTACT.
    Repeated (the same account, ``as_of`` and seed, or the same ``request_key``), it is answered from the log.
    """
    if len(request.accounts) > settings.max_accounts:
        raise HTTPException(413, f"At most {settings.max_accounts:,} accounts in one request; send several.")
    answers: dict[int, Recommendation] = {}
    with recorder.one_at_a_time(request.request_key):
        before = {record.account_id: record for record in recorder.decided_before(request.request_key)}
        _check_same_request(request, before, settings)
        as_of = request.as_of or (next(iter(before.values())).decided_at if before else datetime.now(UTC))
        for position, account in enumerate(request.accounts):
            if account.account_id in before:
                answers[position] = logged_recommendation(before[account.account_id])
        repeated = len(answers)
        rest = [position for position in range(len(request.accounts)) if position not in answers]
        parts = decide_parts(request, rest, as_of, served, settings)
        logged: dict[str, DecisionRecord] = {}
        if recorder.keeps:
            challenger = serving.challenger()
            records = [record for part in parts for record in records_of(part, served, challenger, shadow)]
            logged, known = recorder.write(records)
            repeated += known
    notes: dict[str, None] = {}
    removed: Counter[str] = Counter()
    law: dict[str, Any] = {}
    for part in parts:
        made = recommendations(part, logged)
        answers |= zip(part.positions, made, strict=True)
        for one in made:
            channel = one.actions[0].factors.get("channel")
            metrics.decision(one.policy, None if channel is None else str(channel))
        removed.update(part.decided.eligibility.counts())
        law = part.decided.eligibility.provenance.to_dict()
        notes |= dict.fromkeys([served.note or "", *law["warnings"]])
        if part.decided.missing_features:
            notes[f"features taken as missing: {', '.join(part.decided.missing_features)}"] = None
    metrics.removals(removed)
    if repeated:
        notes[f"{repeated:,} of these decisions had been made before: answered from the decision log"] = None
    if not recorder.keeps:
        notes[_NOT_KEPT] = None
    versions = {record.provenance.policy_version for record in before.values()}
    return RecommendationAnswer(
        as_of=as_of,
        policy_version=versions.pop() if versions and not parts else served.strategy.version_,
        code_version=__version__,
        packs={name: value for name, value in law.items() if name != "sources"},
        removed_by_rule=dict(removed),
        recorded=recorder.keeps,
        notes=[note for note in notes if note],
        recommendations=[answers[position] for position in range(len(request.accounts))],
    )


def _check_same_request(request: RecommendationRequest, before: dict[str, DecisionRecord], settings: Settings) -> None:
    """Refuse a key that was used for another request."""
    seed = settings.seed if request.seed is None else request.seed
    asked = {account.account_id for account in request.accounts}
    for record in before.values():
        other_moment = request.as_of is not None and request.as_of != record.decided_at
        if other_moment or record.seed != seed or record.account_id not in asked:
            raise HTTPException(
                409, "This request_key was used for other accounts, another as_of or seed; give each request its own."
            )
