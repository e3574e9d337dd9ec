"""From rankings, fresh or logged, to what is answered; both go the same way, so that a repetition reads the same."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import pandas as pd

from api.schemas import RankedAction, Recommendation, Scalar
from recommender.actions import ActionSpace
from recommender.decisions import Decided
from recommender.store.decisions import DecisionRecord

__all__ = ["Ranking", "factors_of", "logged_recommendation", "ranked_actions", "rankings", "recommendation"]

Ranking = Sequence[Mapping[str, Any]]

_MOST_SEARCHED = 50  # accounts of a request for which the next legal instant is looked up
_NUMBERS = ("expected_reward", "lo", "hi")


def rankings(decided: Decided) -> list[list[dict[str, Any]]]:
    """Ranked actions of each account in plain values; the first also says what holds for the account."""
    ranked, actions = decided.ranked, decided.actions
    columns = {name: ranked[name].tolist() for name in ("row", "rank", "propensity", "evidence", "support", *_NUMBERS)}
    columns["action"] = actions.index_of(ranked[list(actions.factors)]).tolist()
    columns["template_id"] = [name if isinstance(name, str) else None for name in ranked["template_id"]]
    columns["contact_at"] = [None if when is pd.NaT else when.to_pydatetime() for when in ranked["contact_at"]]
    answer: list[list[dict[str, Any]]] = [[] for _ in range(len(decided.action))]
    for values in zip(*columns.values(), strict=True):
        entry = dict(zip(columns, values, strict=True))
        for name in _NUMBERS:
            entry[name] = None if math.isnan(entry[name]) else entry[name]
        answer[entry.pop("row")].append(entry)
    searched = 0
    for row, (entries, alone) in enumerate(zip(answer, decided.eligibility.mask.sum(axis=1) <= 1, strict=True)):
        searched += int(alone)
        entries[0]["needs_human"] = bool(decided.eligibility.needs_human[row])
        entries[0]["next_allowed_at"] = _next_allowed(decided, row) if alone and searched <= _MOST_SEARCHED else None
    return answer


def recommendation(
    ranking: Ranking,
    *,
    actions: ActionSpace,
    account_id: str,
    decision_id: str,
    policy: Literal["model", "seed_rules"],
    deterministic: bool,
    eligible_actions: int,
) -> Recommendation:
    """What to do with one account."""
    return Recommendation(
        account_id=account_id,
        decision_id=decision_id,
        policy=policy,
        deterministic=deterministic,
        actions=ranked_actions(ranking, actions),
        eligible_actions=eligible_actions,
        needs_human=ranking[0]["needs_human"],
        next_allowed_at=ranking[0]["next_allowed_at"],
    )


def logged_recommendation(record: DecisionRecord) -> Recommendation:
    """The answer that was given when the decision was made."""
    return recommendation(
        record.ranking,
        actions=record.provenance.actions,
        account_id=record.account_id,
        decision_id=record.decision_id,
        policy="seed_rules" if record.fallback else "model",
        deterministic=record.deterministic,
        eligible_actions=int(record.eligible.sum()),
    )


def ranked_actions(ranking: Ranking, actions: ActionSpace) -> list[RankedAction]:
    """Ranked actions by their factors."""
    levels = _levels_of(actions)
    idle = actions.no_contact_index
    names = ("rank", "contact_at", "propensity", "evidence", "support", *_NUMBERS)
    return [
        RankedAction(
            no_contact=entry["action"] == idle,
            factors=levels[entry["action"]],
            template_id=entry["template_id"],
            **{name: entry[name] for name in names},
        )
        for entry in ranking
    ]


def factors_of(actions: ActionSpace, action: int) -> dict[str, Scalar]:
    """Factor levels of an action; null where the account is left alone."""
    return _levels_of(actions)[action]


@lru_cache(maxsize=16)
def _levels_of(actions: ActionSpace) -> list[dict[str, Scalar]]:
    factors = [
        (name, [level.item() if isinstance(level, np.generic) else level for level in levels])
        for name, levels in actions.factors.items()
    ]
    return [
        {name: None if code < 0 else levels[code] for (name, levels), code in zip(factors, codes, strict=True)}
        for codes in actions.codes.tolist()
    ]


def _next_allowed(decided: Decided, row: int) -> datetime | None:
    """Earliest instant at which any channel becomes legal for an account that is left alone now."""
    codes = decided.actions.codes[:, decided.actions.factor_names.index("channel")]
    first_of_channel = [int(np.flatnonzero(codes == code)[0]) for code in np.unique(codes[codes >= 0])]
    found = [decided.eligibility.next_allowed_at(row, action) for action in first_of_channel]
    return min((instant for instant in found if instant is not None), default=None)
