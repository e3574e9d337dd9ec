"""What is wrong with single items of a request: the good ones are answered, the bad ones are named."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

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
        try:
            Account.model_validate_json(json.dumps(item))
        except ValidationError as error:
            named = item.get("account_id") if isinstance(item, dict) else None
            problems.append(
                ItemProblem(
                    position=position,
                    account_id=named if isinstance(named, str) and len(named) <= _LONGEST_ID else None,
                    status=422,
                    detail=problem_text(error),
                    column=next((str(part) for part in error.errors()[0]["loc"][:1]), None),
                )
            )
        else:
            good.append(item)
            positions.append(position)
    if not good or not problems:
        return None
    try:
        request = RecommendationRequest.model_validate_json(json.dumps({**content, "accounts": good}))
    except ValidationError:
        return None
    return request, UnreadItems(tuple(positions), tuple(problems))


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
