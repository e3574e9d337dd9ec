"""``POST /v1/check``: may this contact be made, at this instant, over this channel; the re-check at send time."""

from __future__ import annotations

from fastapi import APIRouter

from api.service.check_schemas import CheckAnswer, CheckRequest
from api.service.deps import KeyDep, RecorderDep
from api.service.send_check import case_of
from recommender.rules import PackError, check_case, pack_ids, rule_citations
from recommender.store.decision_log import refuse_contact_data

router = APIRouter(prefix="/v1", tags=["guardrails"], dependencies=[KeyDep])


@router.post("/check")
def check(request: CheckRequest, recorder: RecorderDep) -> CheckAnswer:
    """Judge one contact under the rule packs; what is missing is unknown, and denies.

    The format is that of ``python -m pipelines check --cases``, but a phone number is refused: send the time zones
    that it may be in (``phone_timezones``). What came of the contacts acts as in a decision, and so does what the
    ledger heard of the account and its debtor; contacts that it knows count. Nothing is planned or written down:
    that is ``POST /v1/dispatches``.
    """
    if unknown := sorted(set(request.packs) - set(pack_ids())):
        raise PackError(
            f"There is no rule pack {unknown[0]!r}.", column="packs", mend=f"Use some of {list(pack_ids())}."
        )
    told = request.account.model_dump(mode="json", exclude_unset=True)
    refuse_contact_data({name: value for name, value in told.items() if isinstance(value, str)}, argument="account")
    verdict = check_case(case_of(request, recorder))
    known = {} if verdict["rules"] == ["input"] else rule_citations(request.packs)
    return CheckAnswer(**verdict, citations={rule: known[rule] for rule in verdict["rules"] if known.get(rule)})
