"""Which steps led to a decision, and what stopped the other actions: as plain data, live or from the decision log."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.deciding import Decided, Logged
from recommender.explanation.trace_parts import DecisionTrace, Replay, TracedAction, TracedRule, TraceStep
from recommender.rules import Eligibility

__all__ = ["DecisionTrace", "TraceStep", "TracedAction", "TracedRule", "trace_decision", "trace_record"]

_LIFTED_BY_TIME = ("contact_limit", "hours")


class Recorded(Logged, Protocol):
    """A row of the decision log, as :class:`recommender.store.decision_log.decisions.DecisionRecord` has it."""

    @property
    def decision_id(self) -> str: ...

    @property
    def fallback(self) -> bool: ...


def trace_decision(
    decided: Decided,
    accounts: pd.DataFrame,
    row: int,
    *,
    as_of: datetime,
    capacity: NDArray[np.bool_] | None = None,
) -> DecisionTrace:
    """Trace a decision that was just made.

    Parameters
    ----------
    decided : Decided
    accounts : DataFrame
        The accounts it decided about.
    row : int
        Position of the account.
    as_of : aware datetime
        Moment of the decision.
    capacity : ndarray of bool of shape (n_actions,) or None
        Actions that a plan has room for; None where there is no plan.
    """
    ranked = decided.ranked[decided.ranked["row"] == row].sort_values("rank")
    actions = decided.actions
    index = actions.index_of(ranked[list(actions.factors)])
    entries = [
        {
            "action": int(action),
            **{name: entry[name] for name in ("expected_reward", "lo", "hi", "propensity", "contact_at")},
        }
        for action, (_, entry) in zip(index, ranked.iterrows(), strict=True)
    ]
    first = ranked.iloc[0]
    account = accounts.reset_index(drop=True).iloc[row]
    provenance = decided.eligibility.provenance
    return _trace(
        actions,
        entries,
        decided.eligibility.mask[row],
        decided.eligibility,
        row,
        account.to_dict(),
        capacity,
        decision_id=str(first["decision_id"]),
        account_id=str(account.get("account_id", row)),
        decided_at=as_of.isoformat(),
        policy_version=decided.policy_version,
        policy=str(first["policy"]),
        replay="live",
        propensity=float(first["propensity"]),
        deterministic=bool(first["deterministic"]),
        packs={pack["id"]: pack["version"] for pack in provenance.packs},
    )


def trace_record(
    record: Recorded, allowed: Eligibility | None = None, *, row: int = 0, account: Mapping[str, Any] | None = None
) -> DecisionTrace:
    """Trace a decision from the log.

    Parameters
    ----------
    record : DecisionRecord
    allowed : Eligibility or None
        The rules judged again at ``record.decided_at``, from facts and contacts of then; None where they are gone:
        then only the counts are known.
    row : int
        Position of the account in ``allowed``.
    account : mapping or None
        Facts that ``allowed`` was judged from.
    """
    actions: ActionSpace = record.provenance.actions
    usable = allowed if allowed is not None and allowed.mask.shape[1] == len(actions) else None
    replay: Replay = "not replayed"
    notes: tuple[str, ...] = ("no_facts",)
    if usable is not None:
        same = bool((usable.mask[row] == record.eligible).all())
        replay, notes = ("same", ()) if same else ("differs", ("facts_changed",))
    trace = _trace(
        actions,
        record.ranking or [{"action": record.action, "propensity": record.propensity}],
        np.asarray(record.eligible, dtype=bool),
        usable,
        row,
        {**record.context, **(account or {})},
        None,
        decision_id=record.decision_id,
        account_id=record.account_id,
        decided_at=record.decided_at.isoformat(),
        policy_version=record.provenance.policy_version,
        policy="seed_rules" if record.fallback else "model",
        replay=replay,
        propensity=record.propensity,
        deterministic=record.deterministic,
        packs=dict(record.provenance.rule_packs),
    )
    return replace(trace, notes=(*trace.notes, *notes))


def _trace(
    actions: ActionSpace,
    entries: Sequence[Mapping[str, Any]],
    eligible: NDArray[np.bool_],
    allowed: Eligibility | None,
    row: int,
    account: Mapping[str, Any],
    capacity: NDArray[np.bool_] | None,
    *,
    deterministic: bool,
    **further: Any,
) -> DecisionTrace:
    removed = {} if allowed is None else allowed.removed(row)
    details = {} if allowed is None else {rule: allowed.detail(rule) for rule in removed}
    step_of = {rule: "contact_limits" if one.kind == "contact_limit" else "eligible" for rule, one in details.items()}
    left = np.ones(len(actions), dtype=bool)
    steps = [TraceStep("considered", len(actions), 0)]
    for key in ("eligible", "contact_limits"):
        gone = [mask for rule, mask in removed.items() if step_of[rule] == key]
        after = left & ~np.logical_or.reduce(gone) if gone else left
        steps.append(TraceStep(key, int(after.sum()), int(left.sum() - after.sum())))
        left = after
    if (left != eligible).any():  # what was allowed then counts, whatever is read now
        n_eligible = int(eligible.sum())
        steps = [steps[0], TraceStep("eligible", n_eligible, len(actions) - n_eligible)]
        left = eligible
    if capacity is not None:
        after = left & capacity
        steps.append(TraceStep("capacity", int(after.sum()), int(left.sum() - after.sum())))
        left = after
    ranked = tuple(_action(actions, rank, entry) for rank, entry in enumerate(entries, 1))
    steps.append(TraceStep("ranked", len(ranked), int(left.sum()) - len(ranked)))
    steps.append(TraceStep("chosen", 1, len(ranked) - 1))
    known = [one for one in ranked if one.expected_reward is not None]
    best = max(known, key=lambda one: one.expected_reward or 0.0, default=ranked[0])
    chance = 0.0 if deterministic else None if best.propensity is None else max(0.0, 1.0 - best.propensity)
    only_idle = int(eligible.sum()) <= 1 and ranked[0].action == actions.no_contact_index
    return DecisionTrace(
        steps=tuple(steps),
        rules=_rules(actions, removed, details, step_of, allowed, row, account),
        ranked=ranked,
        deterministic=deterministic,
        exploration_probability=chance,
        explored=not deterministic and best.action != ranked[0].action,
        notes=("no_contact_only",) if only_idle else (),
        **further,
    )


def _rules(
    actions: ActionSpace,
    removed: Mapping[str, NDArray[np.bool_]],
    details: Mapping[str, Any],
    step_of: Mapping[str, str],
    allowed: Eligibility | None,
    row: int,
    account: Mapping[str, Any],
) -> tuple[TracedRule, ...]:
    if allowed is None or not removed:
        return ()
    times = np.sum(list(removed.values()), axis=0)
    position = actions.factor_names.index("channel")
    codes = actions.codes[:, position]
    next_at: dict[int, str | None] = {}
    removing = []
    for rule, mask in removed.items():
        detail = details[rule]
        blocked = np.unique(codes[mask & (codes >= 0)]).tolist()
        lifts = []
        if detail.kind in _LIFTED_BY_TIME:
            for code in blocked:
                if code not in next_at:
                    instant = allowed.next_allowed_at(row, int(np.flatnonzero(codes == code)[0]))
                    next_at[code] = None if instant is None else instant.isoformat()
                lifts.append(next_at[code])
        removing.append(
            TracedRule(
                rule=rule,
                kind=detail.kind,
                pack=detail.pack,
                pack_version=detail.pack_version,
                citation=detail.citation,
                limit=dict(detail.limit),
                value=_read(detail, account),
                step=step_of[rule],
                removed=int(mask.sum()),
                alone=int((mask & (times == 1)).sum()),
                channels=tuple(str(actions.factors["channel"][code]) for code in blocked),
                lifts_at=min((instant for instant in lifts if instant is not None), default=None),
            )
        )
    return tuple(sorted(removing, key=lambda one: (one.step == "contact_limits", -one.removed, one.rule)))


def _read(detail: Any, account: Mapping[str, Any]) -> dict[str, Any]:
    """Facts of the account that a rule looks at; contacts are told by the limit they reach."""
    names: tuple[str, ...] = ()
    match detail.kind:
        case "contact_limit":
            return {"at_least": detail.limit["max"]} if "max" in detail.limit else {}
        case "consent":
            names = ("consented_channels",)
        case "stop":
            names = ("flags",) if "flag" in detail.limit else ("party",) if "party" in detail.limit else ()
        case "hours":
            names = ("timezone",)
        case "message":
            names = ("days_past_due", "language")
        case "purpose":
            names = (detail.limit["about"],)
        case "unknown_fact":
            names = (detail.limit.get("about", detail.rule.removeprefix("unknown-")),)
    return {name: _plain(account[name]) for name in names if name in account}


def _action(actions: ActionSpace, rank: int, entry: Mapping[str, Any]) -> TracedAction:
    action = int(entry["action"])
    codes = actions.codes[action].tolist()
    factors = {
        name: None if code < 0 else _plain(levels[code])
        for (name, levels), code in zip(actions.factors.items(), codes, strict=True)
    }
    numbers = {name: _plain(entry.get(name)) for name in ("expected_reward", "lo", "hi", "propensity")}
    return TracedAction(rank, action, factors, contact_at=_instant(entry.get("contact_at")), **numbers)


def _instant(value: Any) -> str | None:
    return (
        None
        if value is None or value is pd.NaT
        else value
        if isinstance(value, str)
        else pd.Timestamp(value).isoformat()
    )


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
