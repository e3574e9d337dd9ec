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

__all__ = ["Unread", "item_problem", "readable_part", "told_of"]

_TOLD = 3
_LONGEST_ID = 128


@dataclass(frozen=True)
class Unread:
    """What could not be read of a request.

    Attributes
    ----------
    places : tuple of int or None
        Position in the body of each account that could be read; None = their own.
    problems : tuple of ItemProblem
        The others.
    """

    places: tuple[int, ...] | None = None
    problems: tuple[ItemProblem, ...] = field(default_factory=tuple)

    def place(self, position: int) -> int:
        """Where an account that could be read stands in the body."""
        return position if self.places is None else self.places[position]


def readable_part(body: bytes) -> tuple[RecommendationRequest, Unread] | None:
    """Read the accounts that are well-formed; None where none is, or where the fault is not in the accounts.

    Parameters
    ----------
    body : bytes
        A request that could not be read as a whole.
    """
    try:
        told = json.loads(body)
    except ValueError:
        return None
    if not isinstance(told, dict) or not isinstance(told.get("accounts"), list):
        return None
    good: list[Any] = []
    places: list[int] = []
    problems: list[ItemProblem] = []
    for position, item in enumerate(told["accounts"]):
        try:
            Account.model_validate_json(json.dumps(item))
        except ValidationError as error:
            named = item.get("account_id") if isinstance(item, dict) else None
            problems.append(
                ItemProblem(
                    position=position,
                    account_id=named if isinstance(named, str) and len(named) <= _LONGEST_ID else None,
                    status=422,
                    detail=told_of(error),
                    column=next((str(part) for part in error.errors()[0]["loc"][:1]), None),
                )
            )
        else:
            good.append(item)
            places.append(position)
    if not good or not problems:
        return None
    try:
        request = RecommendationRequest.model_validate_json(json.dumps({**told, "accounts": good}))
    except ValidationError:
        return None
    return request, Unread(tuple(places), tuple(problems))


def told_of(error: ValidationError) -> str:
    """What pydantic found, without the values."""
    found: Sequence[Mapping[str, Any]] = error.errors(include_input=False, include_url=False)
    return "; ".join(f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in found[:_TOLD])


def item_problem(position: int, name: str | None, error: InvalidInput | DecisionConflict) -> ItemProblem:
    """Name an item that was refused."""
    return ItemProblem(
        position=position,
        account_id=name,
        status=409 if isinstance(error, DecisionConflict) else 422,
        detail=str(error),
        column=error.column if isinstance(error, InvalidInput) else None,
    )
