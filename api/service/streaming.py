"""Large batches answered a line an account, as they are decided: NDJSON, for callers that ask for it.

The accounts are decided and written down in chunks. Any split keeps every cap, since the ledger does, and what a chunk
takes of a capacity is missing in the next. A caller that leaves gets no further decisions, and the chunk that it did
not get is taken back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import HTTPException, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from pydantic_core import to_json
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.service.answering import RecommendationService
from api.service.item_problems import UnreadItems
from api.service.schemas import ItemProblem, Problem, Recommendation, RecommendationRequest
from recommender.errors import RecommenderError

__all__ = ["NDJSON", "StreamLine", "streamed", "wants_lines"]

NDJSON = "application/x-ndjson"
_CHUNK = 500
_LONGEST_KEY = 120  # with the number of the chunk it is still an id


class StreamSummary(BaseModel):
    """The last line of a whole stream."""

    answered: int
    refused: int
    recorded: bool
    policy_version: str
    notes: list[str]


class StreamLine(BaseModel):
    """An account's recommendation, what is wrong with it, a problem that ends the stream, or its summary."""

    position: int | None = Field(None, description="Place of the account in the request, from 0.")
    recommendation: Recommendation | None = None
    error: ItemProblem | None = None
    summary: StreamSummary | None = Field(None, description="Without this line the stream is not whole: ask again.")
    problem: Problem | None = None


@dataclass(frozen=True)
class _Piece:
    """Lines of one chunk, and the decisions that nobody knows of before they are delivered."""

    lines: bytes
    new: list[tuple[str, str]]


def wants_lines(request: Request) -> bool:
    """Whether the caller asks for NDJSON."""
    return NDJSON in request.headers.get("accept", "")


async def streamed(
    request: Request, service: RecommendationService, asked: RecommendationRequest, unread: UnreadItems
) -> Response:
    """Answer line by line; what is wrong with the first chunk as a whole is an answer of its own.

    Parameters
    ----------
    request : Request
    service : RecommendationService
    asked : RecommendationRequest
    unread : UnreadItems
        What could not be read of the body.

    Raises
    ------
    InvalidInput, DecisionConflict, HTTPException, ServiceUnavailable
        Before the first line.
    """
    if asked.request_key is not None and len(asked.request_key) > _LONGEST_KEY:
        raise HTTPException(422, f"A request_key of a stream has at most {_LONGEST_KEY} characters.")
    pieces = _pieces(service, asked, unread)
    first = await run_in_threadpool(next, pieces, None)

    async def lines() -> AsyncIterator[bytes]:
        piece = first
        while piece is not None:
            try:
                yield piece.lines
            except BaseException:  # the caller left: what it was not given is not planned
                request.app.state.delivery.failed(piece.new)
                raise
            if await request.is_disconnected():
                request.app.state.delivery.failed(piece.new)
                return
            piece = await run_in_threadpool(next, pieces, None)

    return StreamingResponse(lines(), media_type=NDJSON)


def _pieces(service: RecommendationService, asked: RecommendationRequest, unread: UnreadItems) -> Iterator[_Piece]:
    answered = refused = 0
    notes: dict[str, None] = {}
    used: Counter[str] = Counter()
    body: dict[str, Any] = {}
    # All chunks are of one moment: without one each would be of its own.
    moment = asked.as_of or service.first_moment(asked.request_key and f"{asked.request_key}:0")
    if unread.problems:
        yield _Piece(_lines({"position": one.position, "error": one.model_dump()} for one in unread.problems), [])
        refused += len(unread.problems)
    for start in range(0, len(asked.accounts), _CHUNK):
        positions = range(start, min(start + _CHUNK, len(asked.accounts)))
        chunk = _chunk(asked, positions, used).model_copy(update={"as_of": moment})
        known = UnreadItems(tuple(unread.position(position) for position in positions))
        try:
            answer = service.answer(chunk, known, every_item=True)
        except (RecommenderError, HTTPException) as error:
            if start == 0 and not unread.problems:
                raise
            yield _Piece(_lines([{"problem": _problem(error)}]), [])
            return
        body = answer.body
        failed = {one["position"]: one for one in body["errors"]}
        given = iter(body["recommendations"])
        lines: list[bytes] = []
        for position in known.positions or ():
            if position in failed:
                lines.append(_lines([{"position": position, "error": failed[position]}]))
                continue
            one = next(given)
            used.update(() if one.channel is None else [one.channel])
            lines.append(f'{{"position":{position},"recommendation":{one.text}}}\n'.encode())
        answered, refused = answered + len(body["recommendations"]), refused + len(failed)
        notes |= dict.fromkeys(body["notes"])
        yield _Piece(b"".join(lines), answer.new)
    summary = {
        "answered": answered,
        "refused": refused,
        "recorded": body["recorded"],
        "policy_version": body["policy_version"],
        "notes": list(notes),
    }
    yield _Piece(_lines([{"summary": summary}]), [])


def _chunk(asked: RecommendationRequest, positions: range, used: Counter[str]) -> RecommendationRequest:
    """The request about some of its accounts, with the capacity that the earlier ones left."""
    changed: dict[str, Any] = {"accounts": asked.accounts[positions.start : positions.stop]}
    if asked.request_key is not None:
        changed["request_key"] = f"{asked.request_key}:{positions.start // _CHUNK}"
    limits = asked.constraints
    if limits is not None and limits.capacity is not None:
        left = {channel: max(0, count - used[channel]) for channel, count in limits.capacity.items()}
        changed["constraints"] = limits.model_copy(update={"capacity": left})
    return asked.model_copy(update=changed)


def _problem(error: RecommenderError | HTTPException) -> dict[str, Any]:
    status = error.status_code if isinstance(error, HTTPException) else 503
    detail = str(error.detail) if isinstance(error, HTTPException) else str(error)
    return Problem(title="The stream ends here", status=status, detail=detail).model_dump()


def _lines(rows: Any) -> bytes:
    return b"".join(to_json(row) + b"\n" for row in rows)
