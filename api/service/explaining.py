"""Why a decision came out as it did: from what the log holds of it, by the strategy that made it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from fastapi import HTTPException

from api.service.answers import factors_of
from api.service.serving import Served
from recommender.actions import ActionSpace
from recommender.deciding import replay
from recommender.errors import InvalidInput
from recommender.explanation import Contrast, Explanation, explain, trace_record
from recommender.store.decision_log import DecisionRecord
from recommender.strategy import ContactStrategy

__all__ = ["action_named", "contrast_of", "explanation_of", "replay_of"]

_NONE = "none"


def replay_of(record: DecisionRecord, served: Served) -> dict[str, Any]:
    """Fields of :class:`api.service.explain_schemas.ReplayAnswer`."""
    replayed = replay(record, served.decider)
    return {
        "decision_id": record.decision_id,
        "result": replayed.result,
        "differences": [vars(one) for one in replayed.differences],
        "policy_version": served.decider.version,
    }


def explanation_of(record: DecisionRecord, served: Served, language: str, top_k: int) -> dict[str, Any]:
    """Fields of :class:`api.service.explain_schemas.ExplanationAnswer`.

    Raises
    ------
    HTTPException
        409 where another model serves than the one that decided.
    """
    trace = trace_record(record)
    answer: dict[str, Any] = {
        "decision_id": record.decision_id,
        "policy": "seed_rules" if record.fallback else "model",
        "policy_version": record.provenance.policy_version,
        "factors": factors_of(record.provenance.actions, record.action),
        "propensity": record.propensity,
        "explored": trace.explored,
        "exploration_probability": trace.exploration_probability,
        "steps": [{"step": one.key, "left": one.left, "removed": one.removed} for one in trace.steps],
        "reasons": [],
        "actions": [],
    }
    if record.fallback:
        return answer
    explained = _explained(record, served, language, top_k)
    frame = explained.to_frame()
    each = frame.groupby(["rank", "group"], sort=False)["contribution_reward"].sum()
    answer["reasons"] = _reasons(explained, record)
    answer["actions"] = [
        {
            "rank": rank,
            "factors": factors_of(explained.actions, int(explained.action[0, rank - 1])),
            "expected_reward": float(explained.rewards[0, explained.action[0, rank - 1]]),
            "baseline": float(each.get((rank, "baseline"), 0.0)),
            "concepts": _largest({group: float(value) for group, value in each[rank].items() if group != "baseline"}),
        }
        for rank in range(1, 1 + int((explained.action[0] >= 0).sum()))
    ]
    return answer


def contrast_of(
    record: DecisionRecord, served: Served, action: int, against: int | None, language: str
) -> dict[str, Any]:
    """Fields of :class:`api.service.explain_schemas.ContrastAnswer`."""
    if record.fallback:
        raise HTTPException(409, "The seed rules made this decision: nothing was learnt that could be contrasted.")
    contrast = _explained(record, served, language, 1).contrast(action, against, row=0)
    low, high = contrast.interval
    return {
        "decision_id": record.decision_id,
        "policy_version": record.provenance.policy_version,
        "action": factors_of(record.provenance.actions, contrast.a),
        "against": factors_of(record.provenance.actions, contrast.b),
        "eligible": [bool(record.eligible[one]) for one in (contrast.a, contrast.b)],
        "reward_difference": float(contrast.reward_difference),
        "lo": float(low),
        "hi": float(high),
        "concepts": _largest(_by(contrast.by_group, "group")),
        "by_factor": _by(contrast.by_factor, "factor"),
        "reasons": contrast.reasons(language),
    }


def action_named(actions: ActionSpace, name: str) -> int:
    """Action of an index, of levels in the order of the factors (``sms:9:friendly``), or of ``none``.

    Raises
    ------
    InvalidInput
    """
    if name == _NONE and actions.no_contact_index is not None:
        return actions.no_contact_index
    if name.isdecimal() and len(name) < 9 and int(name) < len(actions):
        return int(name)
    parts = name.split(":")
    levels = list(actions.factors.values())
    if len(parts) == len(levels):
        codes = [[str(level) for level in some].index(part) if part in map(str, some) else -1
                 for part, some in zip(parts, levels, strict=True)]  # fmt: skip
        if min(codes) >= 0:
            return int(np.ravel_multi_index(tuple(codes), actions.shape))
    first = ":".join(str(some[0]) for some in levels)
    raise InvalidInput.in_column(
        "action",
        "is no action of this decision",
        values=[name[:80]],
        mend=f"Give an index below {len(actions)}, levels of its factors (e.g. {first}), or {_NONE!r}.",
    )


def _explained(record: DecisionRecord, served: Served, language: str, top_k: int) -> Explanation:
    strategy = served.strategy
    if not isinstance(strategy, ContactStrategy) or strategy.version_ != record.provenance.policy_version:
        raise HTTPException(
            409,
            f"This decision was made by {record.provenance.policy_version!r}, and {strategy.version_!r} serves now: "
            "another model cannot say why. Ask a service that serves the one that decided.",
        )
    facts = {str(name): record.context.get(str(name)) for name in strategy.feature_names_in_}
    account = strategy.names_.get("account")
    frame = pd.DataFrame([facts | ({} if account is None else {account: record.account_id})])
    encoder = strategy.reward_model_.encoder
    numbers = [one.name for one in encoder.columns if one.kind == "number" and one.name in frame]
    frame = frame.assign(**{name: pd.to_numeric(frame[name]) for name in numbers})
    return explain(
        strategy,
        frame,
        actions=None,
        top_k=top_k,
        language=language,
        eligible=np.asarray(record.eligible)[None],
        as_of=record.decided_at,
    )


def _reasons(explained: Explanation, record: DecisionRecord) -> list[str]:
    if int(record.eligible.sum()) < 2:
        return []  # nothing else was open: there is nothing to prefer it to
    contrast: Contrast = explained.contrast(record.action, None, row=0)
    return contrast.reasons(explained.language)


def _by(frame: pd.DataFrame, name: str) -> dict[str, float]:
    return dict(zip(frame[name].astype(str), frame["contribution_reward"].astype(float), strict=True))


def _largest(values: dict[str, float]) -> dict[str, float]:
    return dict(sorted(values.items(), key=lambda one: (-abs(one[1]), one[0])))
