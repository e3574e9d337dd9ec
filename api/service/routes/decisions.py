"""``GET /v1/decisions/{decision_id}`` and ``POST /v1/outcomes``: what was decided, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Query

from api.service.answers import factors_of, ranked_actions
from api.service.deps import KeyDep, NowDep, RecorderDep, SettingsDep
from api.service.fields import Identifier, Instant
from api.service.log_schemas import (
    DebtorExport,
    DecisionAnswer,
    DecisionList,
    Forgotten,
    ListedDecision,
    LoggedEvent,
    LoggedOutcome,
    OutcomeAnswer,
    OutcomeRequest,
    ProvenanceAnswer,
    ShadowAnswer,
)
from api.service.outcome_checks import check_outcomes, owners_of, record_of
from recommender.store.decision_log import LoggedDecision, state_of
from recommender.store.files import drop_page_copies

SEGMENT_ID = r"^[a-z0-9][a-z0-9-]{0,63}$"

router = APIRouter(prefix="/v1", tags=["decision log"], dependencies=[KeyDep])


@router.post("/outcomes")
def tell_outcomes(request: OutcomeRequest, recorder: RecorderDep, settings: SettingsDep, now: NowDep) -> OutcomeAnswer:
    """Write down what happened after decisions; repeating it changes nothing."""
    if len(request.outcomes) > settings.max_accounts:
        raise HTTPException(413, f"At most {settings.max_accounts:,} outcomes in one request; send several.")
    check_outcomes(request.outcomes, recorder, now, numbers_are_ours=settings.numeric_ids)
    receipt = recorder.write_outcomes(list(map(record_of, request.outcomes)), owners_of(request.outcomes))
    counts = {"stored": receipt.stored, "repeated": receipt.repeated}
    return OutcomeAnswer(**counts, orphans=list(receipt.orphans), late=list(receipt.late))


@router.get("/decisions")
def list_decisions(
    recorder: RecorderDep,
    account_id: Annotated[Identifier | None, Query()] = None,
    debtor_id: Annotated[Identifier | None, Query()] = None,
    since: Annotated[Instant | None, Query(description="Made at this instant or later.")] = None,
    until: Annotated[Instant | None, Query(description="Made before this instant.")] = None,
    segment: Annotated[str | None, Query(pattern=SEGMENT_ID, description="Of the account when it was made.")] = None,
    cursor: Annotated[str | None, Query(max_length=512)] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> DecisionList:
    """List decisions by account, debtor, time and segment, newest first, a page at a time."""
    page = recorder.page(
        account_id=account_id,
        debtor_id=debtor_id,
        since=since,
        until=until,
        segment=segment,
        cursor=cursor,
        limit=limit,
    )
    return DecisionList(
        decisions=[
            ListedDecision(
                **{
                    name: getattr(record, name)
                    for name in ("decision_id", "account_id", "debtor_id", "decided_at", "contact_at", "propensity")
                },
                no_contact=record.action == record.provenance.actions.no_contact_index,
                factors=factors_of(record.provenance.actions, record.action),
                policy_version=record.provenance.policy_version,
                segment=record.ranking[0].get("segment") if record.ranking else None,
                state=state_of(events),
            )
            for record, events in page.decisions
        ],
        next_cursor=page.next_cursor,
    )


@router.get("/debtors/{debtor_id}")
def export_debtor(debtor_id: Annotated[Identifier, Path()], recorder: RecorderDep) -> DebtorExport:
    """Give everything that the log holds about one debtor (a data subject's request)."""
    return DebtorExport(**recorder.export(debtor_id))


@router.delete("/debtors/{debtor_id}")
def forget_debtor(
    debtor_id: Annotated[Identifier, Path()],
    requested_by: Annotated[
        Identifier, Query(description="Who handles the request: an operator, not the data subject.")
    ],
    recorder: RecorderDep,
    settings: SettingsDep,
    now: NowDep,
) -> Forgotten:
    """Erase everything about one debtor; what remains says when, on whose request and how many rows.

    What the pages keep of the log goes, too, and is made anew where it is shown next. The contacts of the debtor no
    longer count either: stop contacting it first.
    """
    removal = recorder.forget(debtor_id, requested_by, now)
    drop_page_copies(settings.portfolio_path)
    return Forgotten(decisions=removal.decisions, outcomes=removal.outcomes)


@router.get("/decisions/{decision_id}")
def get_decision(decision_id: Annotated[Identifier, Path()], recorder: RecorderDep) -> DecisionAnswer:
    """Give a decision as it was written down, with its outcomes so far."""
    logged = recorder.get(decision_id)
    if logged is None:
        raise HTTPException(404, "The decision log holds no decision of this id.")
    return _answer(logged, recorder.events_of([decision_id]).get(decision_id, []))


def _answer(logged: LoggedDecision, events: Sequence[Mapping[str, Any]]) -> DecisionAnswer:
    record, provenance = logged.decision, logged.decision.provenance
    actions, shadow = provenance.actions, logged.decision.shadow
    same = (
        "decision_id", "account_id", "debtor_id", "request_key", "decided_at", "contact_at", "action", "propensity",
        "fallback", "deterministic", "seed",
    )  # fmt: skip
    versions = ("policy_version", "model_digest", "holidays_version", "tzdata_version", "code_version")
    happened = ("kind", "at", "told_at", "dispatch_id", "channel", "reason", "propensity")
    names = (
        "outcome_id",
        "occurred_at",
        "outcome",
        "amount_minor",
        "currency",
        "replaces",
        "promise_date",
        "callback_at",
    )
    return DecisionAnswer(
        **{name: getattr(record, name) for name in same},
        no_contact=record.action == actions.no_contact_index,
        factors=factors_of(actions, record.action),
        eligible=record.eligible.nonzero()[0].tolist(),
        n_actions=len(actions),
        ranking=ranked_actions(record.ranking, actions),
        context=dict(record.context),
        purpose=record.purpose or "collection",
        shadow=None
        if shadow is None
        else ShadowAnswer(
            factors=factors_of(actions, shadow.action),
            expected_reward=shadow.expected_reward,
            policy_version=shadow.policy_version,
        ),
        provenance=ProvenanceAnswer(
            rule_packs=dict(provenance.rule_packs), **{name: getattr(provenance, name) for name in versions}
        ),
        state=state_of(events),
        events=[
            LoggedEvent(
                **{name: event[name] for name in happened},
                factors=None if event["action"] is None else factors_of(actions, event["action"]),
                rules=event["checks"],
            )
            for event in events
        ],
        outcomes=[LoggedOutcome(**{name: getattr(one, name) for name in names}) for one in logged.outcomes],
    )
