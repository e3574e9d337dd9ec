"""What a decision trace consists of: steps, rules and ranked actions in plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

__all__ = ["DecisionTrace", "Replay", "TraceStep", "TracedAction", "TracedRule"]

Replay: TypeAlias = Literal["live", "same", "differs", "not replayed"]


@dataclass(frozen=True)
class TraceStep:
    """Actions left after a step.

    Steps are ``considered``, ``eligible``, ``contact_limits``, ``capacity`` (where there is a plan), ``ranked`` and
    ``chosen``. Where the rules could not be judged again, ``eligible`` holds all that any rule removed.
    """

    key: str
    left: int
    removed: int


@dataclass(frozen=True)
class TracedRule:
    """A rule that removed something.

    Attributes
    ----------
    rule, kind, pack, pack_version, citation : str
        See :class:`recommender.rules.rule_details.RuleDetail`.
    limit : mapping
        What the rule allows.
    value : mapping
        What was read of this account.
    step : {"eligible", "contact_limits"}
    removed : int
        Actions it removes, whatever other rules do.
    alone : int
        Of these, actions that nothing else removes.
    channels : tuple of str
        Channels it removes something of.
    lifts_at : str or None
        ISO instant at which one of these channels is next allowed by every rule, where time alone brings that.
    """

    rule: str
    kind: str
    pack: str
    pack_version: str
    citation: str
    limit: Mapping[str, Any]
    value: Mapping[str, Any]
    step: str
    removed: int
    alone: int
    channels: tuple[str, ...]
    lifts_at: str | None


@dataclass(frozen=True)
class TracedAction:
    """A ranked action; numbers are null where the policy has none."""

    rank: int
    action: int
    factors: Mapping[str, Any]
    expected_reward: float | None
    lo: float | None
    hi: float | None
    propensity: float | None
    contact_at: str | None


@dataclass(frozen=True)
class DecisionTrace:
    """The way from all actions to the dispatched one.

    Attributes
    ----------
    decision_id, account_id, decided_at, policy_version : str
    policy : {"model", "seed_rules"}
    replay : {"live", "same", "differs", "not replayed"}
        Whether the rules are those of the decision itself, or were judged again and left the same actions, or others.
    steps : tuple of TraceStep
    rules : tuple of TracedRule
        Largest first within a step.
    ranked : tuple of TracedAction
    exploration_probability : float or None
        Probability with which chance would have dispatched another action than the best one; 0 without chance.
    explored : bool
        Whether it did.
    notes : tuple of str
        Codes: ``no_contact_only``, ``facts_changed``, ``no_facts``.
    packs : mapping of str to str
        Rule pack -> version (live) or digest (logged).
    """

    decision_id: str
    account_id: str
    decided_at: str
    policy_version: str
    policy: str
    replay: Replay
    steps: tuple[TraceStep, ...]
    rules: tuple[TracedRule, ...]
    ranked: tuple[TracedAction, ...]
    propensity: float
    deterministic: bool
    exploration_probability: float | None
    explored: bool
    notes: tuple[str, ...] = ()
    packs: Mapping[str, str] = field(default_factory=dict)

    @property
    def chosen(self) -> TracedAction:
        """The dispatched action."""
        return self.ranked[0]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON takes them."""
        return asdict(self)
