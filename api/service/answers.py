"""From rankings, fresh or logged, to what is answered; both go the same way, so that a repetition reads the same."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from api.service.fields import Scalar
from api.service.schemas import RankedAction
from recommender.actions import ActionSpace
from recommender.deciding import Decided
from recommender.store.decision_log import DecisionRecord

__all__ = ["Ranking", "factors_of", "logged_recommendation", "ranked_actions", "rankings"]
__all__ += ["recommendation"]

Ranking = Sequence[Mapping[str, Any]]

_MOST_SEARCHED = 50  # accounts of a request for which the next legal instant is looked up


def rankings(decided: Decided) -> list[list[dict[str, Any]]]:
    """Ranked actions of each account in plain values; the first also says what holds for the account."""
    numbers = (decided.propensity, decided.evidence, decided.support, decided.expected_reward, decided.lo, decided.hi)
    tables = [table.tolist() for table in (decided.actions_ranked, *numbers)]
    ladder = {name: values.tolist() for name, values in decided.values.items()}
    answer = []
    searched = 0
    eligible = decided.eligibility
    for row, (alone, *values) in enumerate(zip(eligible.mask.sum(axis=1) <= 1, *tables, strict=True)):
        entries: list[dict[str, Any]] = []
        for index, (action, propensity, evidence, support, reward, lo, hi) in enumerate(zip(*values, strict=True)):
            if action < 0:
                break
            entries.append(
                {
                    "rank": index + 1,
                    "propensity": propensity,
                    "evidence": evidence,
                    "support": support,
                    "expected_reward": _number(reward),
                    "lo": _number(lo),
                    "hi": _number(hi),
                    "action": action,
                    "template_id": decided.template_ids[row][index],
                    "contact_at": decided.contact_at(row, action),
                    "values": {name: _number(values[row][index]) for name, values in ladder.items()} or None,
                }
            )
        searched += int(alone)
        look = alone and searched <= _MOST_SEARCHED
        entries[0]["needs_human"] = bool(eligible.needs_human[row])
        entries[0] |= decided.documents
        entries[0]["next_allowed_at"] = eligible.next_contact_at(row) if look else None
        answer.append(entries)
    return answer


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def recommendation(
    ranking: Ranking,
    *,
    actions: ActionSpace,
    account_id: str,
    decision_id: str,
    policy: Literal["model", "seed_rules"],
    deterministic: bool,
    eligible_actions: int,
) -> dict[str, Any]:
    """What to do with one account: the fields of :class:`api.service.schemas.Recommendation`."""
    return {
        "account_id": account_id,
        "decision_id": decision_id,
        "policy": policy,
        "deterministic": deterministic,
        "actions": _actions(ranking, actions),
        "eligible_actions": eligible_actions,
        "needs_human": ranking[0]["needs_human"],
        "next_allowed_at": _instant(ranking[0]["next_allowed_at"]),
    }


def logged_recommendation(record: DecisionRecord) -> dict[str, Any]:
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
    return [RankedAction(**entry) for entry in _actions(ranking, actions)]


def _actions(ranking: Ranking, actions: ActionSpace) -> list[dict[str, Any]]:
    """Fields of each :class:`api.service.schemas.RankedAction`, in their order."""
    levels = _levels_of(actions)
    idle = len(levels) - 1 if actions.no_contact else None
    return [
        {
            "rank": entry["rank"],
            "no_contact": entry["action"] == idle,
            "factors": levels[entry["action"]],
            "contact_at": _instant(entry["contact_at"]),
            "template_id": entry["template_id"],
            "expected_reward": entry["expected_reward"],
            "lo": entry["lo"],
            "hi": entry["hi"],
            "propensity": entry["propensity"],
            "evidence": entry["evidence"],
            "support": entry["support"],
            "values": entry.get("values"),  # records of before the value ladder have none
        }
        for entry in ranking
    ]


def _instant(value: datetime | str | None) -> datetime | None:
    """An instant of a ranking, which the log keeps as text."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def factors_of(actions: ActionSpace, action: int) -> dict[str, Scalar]:
    """Factor levels of an action; null where the account is left alone."""
    return _levels_of(actions)[action]


_LEVELS: dict[int, tuple[ActionSpace, list[dict[str, Scalar]]]] = {}


def _levels_of(actions: ActionSpace) -> list[dict[str, Scalar]]:
    """By identity: hashing a space takes longer than answering."""
    cached = _LEVELS.get(id(actions))
    if cached is None or cached[0] is not actions:
        if len(_LEVELS) > 64:
            _LEVELS.clear()
        cached = _LEVELS[id(actions)] = (actions, _equal_levels(actions))
    return cached[1]


@lru_cache(maxsize=16)
def _equal_levels(actions: ActionSpace) -> list[dict[str, Scalar]]:
    factors = [
        (name, [level.item() if isinstance(level, np.generic) else level for level in levels])
        for name, levels in actions.factors.items()
    ]
    return [
        {name: None if code < 0 else levels[code] for (name, levels), code in zip(factors, codes, strict=True)}
        for codes in actions.codes.tolist()
    ]
