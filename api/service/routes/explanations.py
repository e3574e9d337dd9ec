"""Why a decision came out as it did, why not otherwise, and whether it would again."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Path, Query

from api.service.deps import KeyDep, RecorderDep, ServedDep
from api.service.explain_schemas import ContrastAnswer, ExplanationAnswer, ReplayAnswer
from api.service.explaining import action_named, contrast_of, explanation_of, replay_of
from api.service.fields import Identifier
from api.service.recording import Recorder
from recommender.store.decision_log import DecisionRecord

router = APIRouter(prefix="/v1/decisions/{decision_id}", tags=["explanations"], dependencies=[KeyDep])

DecisionId = Annotated[Identifier, Path()]
Language = Annotated[Literal["es", "en"], Query(description="Of the sentences.")]
Action = Query(max_length=256, description="An index, levels in the order of the factors (sms:9:friendly), or none.")


@router.get("/explanation")
def explain_decision(
    decision_id: DecisionId,
    recorder: RecorderDep,
    served: ServedDep,
    language: Language = "es",
    top_k: Annotated[int, Query(ge=1, le=10)] = 3,
) -> ExplanationAnswer:
    """Say why this action: what the rules left, what each concept adds, and sentences.

    From the logged context alone; 409 where another model serves than the one that decided.
    """
    return ExplanationAnswer(**explanation_of(_record(recorder, decision_id), served, language, top_k))


@router.get("/contrast")
def contrast_actions(
    decision_id: DecisionId,
    recorder: RecorderDep,
    served: ServedDep,
    action: Annotated[str | None, Action] = None,
    against: Annotated[str | None, Action] = None,
    language: Language = "es",
) -> ContrastAnswer:
    """Say why one action (default: the dispatched one) and not another (default: the best other eligible one)."""
    record = _record(recorder, decision_id)
    space = record.provenance.actions
    first = record.action if action is None else action_named(space, action)
    second = None if against is None else action_named(space, against)
    return ContrastAnswer(**contrast_of(record, served, first, second, language))


@router.get("/replay")
def replay_decision(decision_id: DecisionId, recorder: RecorderDep, served: ServedDep) -> ReplayAnswer:
    """Decide again from what the log holds, and say whether the same comes out, to the bit.

    The rules are taken as they were logged: the facts that they read, and contacts that were sent along, are not kept.
    """
    return ReplayAnswer(**replay_of(_record(recorder, decision_id), served))


def _record(recorder: Recorder, decision_id: str) -> DecisionRecord:
    logged = recorder.get(decision_id)
    if logged is None:
        raise HTTPException(404, "The decision log holds no decision of this id.")
    return logged.decision
