"""From rankings, fresh or logged, to what is answered; both go the same way, so that a repetition reads the same."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from api.service.fields import Scalar
from api.service.planned import PLANNED
from api.service.schemas import RankedAction
from recommender.actions import ActionSpace
from recommender.deciding import OFFERS_KNOWN, Decided, Segments, default_segments, offer_terms, offers_known
from recommender.offers import OfferDesk
from recommender.store.decision_log import CheckedRanking, DecisionRecord

__all__ = ["Ranking", "factors_of", "logged_recommendation", "ranked_actions", "rankings"]
__all__ += ["recommendation"]

Ranking = Sequence[Mapping[str, Any]]

_MOST_SEARCHED = 50  # accounts of a request for which the next legal instant is looked up


def rankings(
    decided: Decided, planned: Sequence[str | None], segments: Segments | None = None, desk: OfferDesk | None = None
) -> list[CheckedRanking]:
    """Ranked actions of each account in plain values; the first also says what holds for the account.

    Parameters
    ----------
    decided : Decided
    planned : sequence of str or None
        Contacts that were planned for each account's debtor already, as the log keeps them.
    segments : Segments or None
        Rules that name each account's segment; None = those of the package.
    desk : OfferDesk or None
        As it was when they were decided; None = no offers.
    """
    desk = desk if "offer" in decided.actions.factors else None
    account = _of_accounts(decided, planned, segments or default_segments())
    if desk is not None:
        account[OFFERS_KNOWN] = list(offers_known(decided))
    rows, indices = np.nonzero(decided.actions_ranked >= 0)
    columns = _entries(decided, rows, indices, desk)
    names = sorted(columns)
    others = [dict(zip(names, values, strict=True)) for values in zip(*map(columns.get, names), strict=True)]
    starts = np.flatnonzero(indices == 0).tolist()
    firsts = {name: [values[start] for start in starts] for name, values in columns.items()} | account
    names = sorted(firsts)
    ends = [*starts[1:], len(rows)]
    return [
        CheckedRanking((dict(zip(names, values, strict=True)), *others[start + 1 : end]))
        for values, start, end in zip(zip(*map(firsts.get, names), strict=True), starts, ends, strict=True)
    ]


def _of_accounts(decided: Decided, planned: Sequence[str | None], segments: Segments) -> dict[str, list[Any]]:
    eligible = decided.eligibility
    alone = np.flatnonzero(eligible.mask.sum(axis=1) <= 1)[:_MOST_SEARCHED].tolist()
    next_at: list[str | None] = [None] * len(eligible.mask)
    for row in alone:
        when = eligible.next_contact_at(row)
        next_at[row] = None if when is None else when.isoformat()
    segment = segments.of(decided.accounts)
    human = [bool(one) for one in eligible.needs_human]
    columns: dict[str, list[Any]] = {
        "needs_human": human, "next_allowed_at": next_at, PLANNED: list(planned), "segment": list(segment),
    }  # fmt: skip
    return columns | {name: [value] * len(human) for name, value in decided.documents.items()}


def _entries(
    decided: Decided, rows: NDArray[np.int64], indices: NDArray[np.int64], desk: OfferDesk | None
) -> dict[str, Sequence[Any]]:
    """Fields of some accounts and ranks; numbers of our own, words of our own catalogue."""
    action = decided.actions_ranked[rows, indices]
    each = rows.tolist()
    columns: dict[str, Sequence[Any]] = {
        "action": action.tolist(),
        "contact_at": _instants(decided, rows, action),
        "rank": (indices + 1).tolist(),
        "template_id": [decided.template_ids[row][index] for row, index in zip(each, indices.tolist(), strict=True)],
        "values": [None] * len(each),
        "support": decided.support[rows, indices].tolist(),
    }
    for name in ("evidence", "propensity", "expected_reward", "hi", "lo"):
        columns[name] = _numbers(getattr(decided, name)[rows, indices])
    if decided.values:
        names = sorted(decided.values)
        ladder = [_numbers(decided.values[name][rows, indices]) for name in names]
        columns["values"] = [dict(zip(names, values, strict=True)) for values in zip(*ladder, strict=True)]
    if desk is not None:
        columns["offer"] = offer_terms(decided, desk, each, action.tolist())
    return columns


def _instants(decided: Decided, rows: NDArray[np.int64], actions: NDArray[np.int64]) -> list[str | None]:
    """Contact instants as text; few differ."""
    instants = decided.contact_instants(rows, actions)
    texts = {when: when.isoformat() for when in set(instants) if when is not None}
    return [None if when is None else texts[when] for when in instants]


def _numbers(values: NDArray[Any]) -> list[Any]:
    """As JSON holds them; None for what is no number, and no infinity."""
    plain: list[Any] = values.tolist()
    if np.isfinite(values).all():
        return plain
    if np.isinf(values).any():
        raise ValueError("a ranked action has an infinite value")
    return [None if math.isnan(value) else value for value in plain]


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
        "segment": ranking[0].get("segment"),  # records of before segments have none
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
        eligible_actions=int(np.count_nonzero(record.eligible)),
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
            "offer": json.loads(entry["offer"]) if entry.get("offer") else None,
        }
        for entry in ranking
    ]


def _instant(value: datetime | str | None) -> datetime | None:
    """An instant of a ranking, which the log keeps as text."""
    return _instant_of(value) if isinstance(value, str) else value


@lru_cache(maxsize=4_096)
def _instant_of(text: str) -> datetime:
    return datetime.fromisoformat(text)


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
