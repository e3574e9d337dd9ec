"""``POST /v1/recommendations``: ranked, legal next-best actions for one or many accounts."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.routing import APIRoute
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from api.service.answering import RecommendationService
from api.service.answers import written_answer
from api.service.control_characters import holds_controls
from api.service.deps import KeyDep
from api.service.idempotency import IDEMPOTENCY_KEY, key_of
from api.service.item_problems import UnreadItems, readable_part
from api.service.schemas import RecommendationAnswer, RecommendationRequest
from api.service.streaming import NDJSON, StreamLine, streamed, wants_lines

_FEW = 8  # accounts that are decided faster than a thread is found


class DirectRoute(APIRoute):
    """A route whose good requests go straight from bytes to bytes.

    What is wrong with a request is told by the general handler, so errors read as everywhere; its dependencies and
    models are also what the OpenAPI description is made from.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Build the handler."""
        general = super().get_route_handler()

        async def handle(request: Request) -> Response:
            content_type = request.headers.get("content-type", "")
            if not content_type.startswith("application/json"):
                return await general(request)
            body, unread = await request.body(), UnreadItems()
            asked = None if holds_controls(body) else _whole(body)
            if asked is None:
                part = await run_in_threadpool(readable_part, body)
                if part is None:
                    return await general(request)
                asked, unread = part
            if (key := key_of(request)) is not None:
                asked = keyed(asked, key)
            service = RecommendationService.of(request)
            if wants_lines(request):
                return await streamed(request, service, asked, unread)
            if len(asked.accounts) <= _FEW and service.waits_for_nothing:
                return _response(service.answer(asked, unread).body)
            answer = await run_in_threadpool(service.answer, asked, unread)
            if answer.new and await request.is_disconnected():
                request.app.state.delivery.failed(answer.new)
            return _response(answer.body)

        return handle


def _whole(body: bytes) -> RecommendationRequest | None:
    """The request, where all of it can be read."""
    try:
        return RecommendationRequest.model_validate_json(body)
    except ValidationError:
        return None


def keyed(asked: RecommendationRequest, key: str) -> RecommendationRequest:
    """A request under the key of its header.

    Raises
    ------
    HTTPException
        Where it names another one itself.
    """
    if asked.request_key not in (None, key):
        raise HTTPException(422, f"request_key and the header {IDEMPOTENCY_KEY} name two keys; send one of them.")
    return asked.model_copy(update={"request_key": key})


def _response(answer: dict[str, Any]) -> Response:
    return Response(written_answer(answer), 207 if answer["errors"] else 200, media_type="application/json")


router = APIRouter(prefix="/v1", tags=["recommendations"], dependencies=[KeyDep], route_class=DirectRoute)


@router.post(
    "/recommendations",
    response_model=RecommendationAnswer,
    responses={
        200: {"content": {NDJSON: {"schema": StreamLine.model_json_schema()}}},
        207: {"model": RecommendationAnswer, "description": "Some accounts were answered, others refused"},
    },
)
def recommend(asked: RecommendationRequest, request: Request) -> Response:
    """Rank the next-best actions of each account and write the decisions down.

    Rank 1 is the action to dispatch; its ``propensity`` is the probability with which it was drawn. Without a model
    the seed rules answer and say so. Unknown consent, flags, party or history deny: then the answer is NO_CONTACT.
    Repeated (the same account, ``as_of`` and seed, or the same ``request_key``), it is answered from the log.
    Accounts of one debtor are decided one after the other: what is planned for one counts for the next. An account
    that cannot be answered is named in ``errors``, and the others are answered (207); where none can be, or where the
    request itself is at fault, the answer is a problem.

    With ``Accept: application/x-ndjson`` each account is answered by a line of its own as soon as it is decided and
    written down, in chunks that each keep all caps; the last line is a summary, without which the stream is not whole.
    """
    key = key_of(request)
    return _response(RecommendationService.of(request).answer(asked if key is None else keyed(asked, key)).body)
