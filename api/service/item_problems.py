"""What is wrong with single items of a request: the good ones are answered, the bad ones are named."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from api.service.control_characters import CONTROLS_MEND, HOLDS_ONE, controlled_place
from api.service.schemas import Account, ItemProblem, RecommendationRequest
from recommender.errors import InvalidInput
from recommender.store.decision_log import DecisionConflict

__all__ = ["UnreadItems", "item_problem", "problem_text", "readable_part"]

_TOLD = 3
_LONGEST_ID = 128


@dataclass(frozen=True)
class UnreadItems:
    """What could not be read of a request.

    Attributes
    ----------
    positions : tuple of int or None
        Position in the body of each account that could be read; None = their own.
    problems : tuple of ItemProblem
        The others.
    """

    positions: tuple[int, ...] | None = None
    problems: tuple[ItemProblem, ...] = field(default_factory=tuple)

    def position(self, position: int) -> int:
        """Where an account that could be read stands in the body."""
        return position if self.positions is None else self.positions[position]


def readable_part(body: bytes) -> tuple[RecommendationRequest, UnreadItems] | None:
    """Read the accounts that are well-formed; None where none is, or where the fault is not in the accounts.

    Parameters
    ----------
    body : bytes
        A request that could not be read as a whole.
    """
    try:
        content = json.loads(body)
    except ValueError:
        return None
    if not isinstance(content, dict) or not isinstance(content.get("accounts"), list):
        return None
    good: list[Any] = []
    positions: list[int] = []
    problems: list[ItemProblem] = []
    for position, item in enumerate(content["accounts"]):
        trouble = _trouble(item)
        if trouble is None:
            good.append(item)
            positions.append(position)
            continue
        detail, column = trouble
        name = item.get("account_id") if isinstance(item, dict) else None
        shown = name if isinstance(name, str) and len(name) <= _LONGEST_ID and controlled_place(name) is None else None
        problems.append(ItemProblem(position=position, account_id=shown, status=422, detail=detail, column=column))
    rest = {**content, "accounts": good}
    if not good or not problems or controlled_place(rest) is not None:
        return None
    try:
        request = RecommendationRequest.model_validate_json(json.dumps(rest))
    except ValidationError:
        return None
    return request, UnreadItems(tuple(positions), tuple(problems))


def _trouble(item: Any) -> tuple[str, str | None] | None:
    """What is wrong with an account, and in which column."""
    place = controlled_place(item)
    if place is not None:
        return f"{'.'.join(place)} {HOLDS_ONE}. {CONTROLS_MEND}", place[0] if place else None
    try:
        Account.model_validate_json(json.dumps(item))
    except ValidationError as error:
        return problem_text(error), next((str(part) for part in error.errors()[0]["loc"][:1]), None)
    return None


def problem_text(error: ValidationError) -> str:
    """What pydantic found, without the values."""
    errors: Sequence[Mapping[str, Any]] = error.errors(include_input=False, include_url=False)
    return "; ".join(f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in errors[:_TOLD])


def item_problem(position: int, name: str | None, error: InvalidInput | DecisionConflict) -> ItemProblem:
    """Name an item that was refused."""
    return ItemProblem(
        position=position,
        account_id=name,
        status=409 if isinstance(error, DecisionConflict) else 422,
        detail=str(error),
        column=error.column if isinstance(error, InvalidInput) else None,
    )
