"""What a rule id stands for: its kind, its pack with version, the law behind it and the limit it sets. Read-only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Literal, TypeAlias

from recommender.rules.purpose_rules import speaks_names
from recommender.rules.schema import Cap, Pack, Per, SpeaksOf, Window

__all__ = ["RuleDetail", "RuleKind", "rule_detail"]

RuleKind: TypeAlias = Literal[
    "contact_limit", "hours", "consent", "stop", "message", "purpose", "unknown_fact", "other"
]

_ENGINE: dict[str, RuleKind] = {
    "input": "unknown_fact",
    "unknown-country": "unknown_fact",
    "unknown-party": "unknown_fact",
    "unknown-flags": "unknown_fact",
    "unknown-contacts": "unknown_fact",
    "unknown-balance": "unknown_fact",
    "missing-hour": "hours",
    "no-template": "message",
}


@dataclass(frozen=True)
class RuleDetail:
    """One rule as a reader needs it.

    Attributes
    ----------
    rule : str
    kind : str
        What it protects: how often, when, consent, a stop, the message, whom the purpose is for, or that something is
        not known.
    pack, pack_version : str
        Empty for rules of the engine.
    citation : str
        Law and article; empty for rules of the engine.
    limit : mapping
        What it allows, in plain values: ``max`` and ``per`` of a cap, ``days`` of a silence, ``windows``, ``flag``,
        ``tones`` by days past due, ``about`` what a purpose speaks of and how many days from it.
    """

    rule: str
    kind: RuleKind
    pack: str = ""
    pack_version: str = ""
    citation: str = ""
    limit: Mapping[str, Any] = field(default_factory=dict)


def rule_detail(rule: str, packs: Sequence[Pack], citation: str = "") -> RuleDetail:
    """Look a rule id up in the packs that were in force.

    Parameters
    ----------
    rule : str
        As :meth:`recommender.rules.Eligibility.rules` names it.
    packs : sequence of Pack
    citation : str
        Law and article, where known.
    """
    for pack in packs:
        match = _in_pack(rule, pack)
        if match is not None:
            kind, limit = match
            return RuleDetail(rule, kind, pack.id, pack.pack_version, citation, limit)
    return RuleDetail(
        rule, _ENGINE.get(rule, "unknown_fact" if rule.startswith("unknown-") else "other"), "", "", citation
    )


def _in_pack(rule: str, pack: Pack) -> tuple[RuleKind, dict[str, Any]] | None:
    prefix = f"{pack.id.lower()}-"
    return _named(rule, pack) or (_of_the_pack(rule.removeprefix(prefix), pack) if rule.startswith(prefix) else None)


def _named(rule: str, pack: Pack) -> tuple[RuleKind, dict[str, Any]] | None:
    """Kind and limit of a rule that has an id of its own in the pack."""
    limits = chain(
        ((cap.id, {"max": cap.max, **_per(cap.per), **_scope(cap)}) for cap in pack.caps),
        ((f"{cap.id}-gap", {"gap_days": cap.min_gap_days, **_scope(cap)}) for cap in pack.caps),
        ((one.id, {"silence_days": one.days, "after": one.after}) for one in pack.cooldowns),
        ((one.id, {"one_channel": True, **_per(one.per)}) for one in pack.exclusive_channel),
        (
            (step.id, {"attempts": step.attempts, "within_days": step.within_days, "first": list(step.after)})
            for step in pack.escalation
        ),
    )
    for name, limit in limits:
        if rule == name:
            return "contact_limit", limit
    for ban in pack.forbidden:
        if rule == ban.id:
            return "stop", {"forbidden": list(ban.channels)}
    for one in pack.speaks_of:
        for name, _ in speaks_names(one):
            if rule == name:
                return "unknown_fact" if name.endswith("-unknown") else "purpose", _spoken(one)
    return None


def _spoken(rule: SpeaksOf) -> dict[str, Any]:
    limit = {"about": rule.about, "from_days": rule.from_days, "to_days": rule.to_days, "once": rule.once}
    return limit | ({} if rule.least_late_share is None else {"least_late_share": rule.least_late_share})


def _of_the_pack(name: str, pack: Pack) -> tuple[RuleKind, dict[str, Any]] | None:
    """Kind and limit of a rule that a pack has once, by its name without that of the pack."""
    if name in ("window", "no-window"):
        return "hours", {"windows": [_window(window) for window in pack.windows if not window.alternative]}
    if name in ("holiday", "holiday-unknown"):
        return "hours", {"holiday": True}
    if name == "tone":
        ladder = [
            {"from_days": tones.from_days, "to_days": tones.to_days, "tones": list(tones.tones)} for tones in pack.tones
        ]
        return "message", {"ladder": ladder}
    if name.startswith("stop-"):
        return "stop", {"flag": name.removeprefix("stop-").replace("-", "_")}
    if name in ("consent", "opt-out"):
        return "consent", {name.replace("-", "_"): True}
    if name in ("party", "settled", "workplace", "not-in-force"):
        return "stop", {name.replace("-", "_"): True}
    return None


def _per(per: Per) -> dict[str, Any]:
    return {"per": per.kind, "days": per.days, "hours": per.hours}


def _scope(cap: Cap) -> dict[str, Any]:
    return {"scope": cap.scope if isinstance(cap.scope, str) else list(cap.scope)}


def _window(window: Window) -> dict[str, Any]:
    end = "24:00" if window.to.hour == 23 and window.to.minute == 59 else window.to.strftime("%H:%M")
    return {
        "days": list(window.days),
        "from": window.from_.strftime("%H:%M"),
        "to": end,
        "channels": window.channels if isinstance(window.channels, str) else list(window.channels),
    }
