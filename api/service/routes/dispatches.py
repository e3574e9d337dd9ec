"""``POST /v1/dispatches``: may it be sent now, what was sent, what was given up."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Response

from api.service.deps import KeyDep, NowDep, RecorderDep, ServedDep, SettingsDep
from api.service.dispatch_schemas import DispatchAnswer, DispatchRequest, DispatchResult
from api.service.dispatching import Dispatcher, UnknownDecision
from api.service.item_problems import item_problem
from api.service.schemas import ItemProblem
from recommender.errors import InvalidInput
from recommender.store.decision_log import DecisionConflict

router = APIRouter(prefix="/v1", tags=["decision log"], dependencies=[KeyDep])


@router.post(
    "/dispatches",
    responses={207: {"model": DispatchAnswer, "description": "Some could not be handled: see errors"}},
)
def dispatch(
    request: DispatchRequest,
    response: Response,
    recorder: RecorderDep,
    served: ServedDep,
    settings: SettingsDep,
    now: NowDep,
) -> DispatchAnswer:
    """Re-check contacts on present facts right before they are sent, and tell what was really sent.

    A reservation is given to one ``dispatch_id``: send only on ``may_send``, then tell ``sent`` under the same id.
    Where the planned action cannot be sent and ``fallback`` is asked for, another is drawn from the policy over what
    is left; it may be for a later hour. ``instead`` is a choice of your own, and logged as one. What was sent is always
    written down, with the rules that it broke.
    """
    if len(request.dispatches) > settings.max_accounts:
        raise HTTPException(413, f"At most {settings.max_accounts:,} dispatches in one request; send several.")
    dispatcher = Dispatcher(recorder, served, settings, now)
    answer = DispatchAnswer(results=[], errors=[])
    for position, asked in enumerate(request.dispatches):
        name = None if asked.account is None else asked.account.account_id
        try:
            answer.results.append(DispatchResult(**dispatcher.handle(asked)))
        except UnknownDecision:
            detail = "The decision log holds no decision of this id."
            answer.errors.append(
                ItemProblem(position=position, account_id=name, status=404, detail=detail, column="decision_id")
            )
        except (InvalidInput, DecisionConflict) as error:
            answer.errors.append(item_problem(position, name, error))
    if answer.errors:
        response.status_code = 207
    return answer
