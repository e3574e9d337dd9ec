"""A decision from the log, decided again from what the log holds: the same to the bit, or what is not the same."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.deciding.decide import Decider
from recommender.deciding.offer_choice import offer_levels
from recommender.deciding.offer_terms import balance_then

__all__ = ["Difference", "Logged", "Replayed", "replay"]

_ROUNDING = 1e-9  # sums over another number of accounts are taken in another order
_NUMBERS = ("expected_reward", "lo", "hi", "propensity")


class Logged(Protocol):
    """A row of the decision log, as :class:`recommender.store.decision_log.DecisionRecord` has it."""

    @property
    def account_id(self) -> str:
        """Whom it was about."""

    @property
    def decided_at(self) -> datetime:
        """Moment of the decision."""

    @property
    def action(self) -> int:
        """Index of the dispatched action."""

    @property
    def propensity(self) -> float:
        """Probability with which it was drawn."""

    @property
    def eligible(self) -> NDArray[np.bool_]:
        """Mask of shape (n_actions,) that the policy was given."""

    @property
    def ranking(self) -> Sequence[Mapping[str, Any]]:
        """Ranked actions, the dispatched one first."""

    @property
    def context(self) -> Mapping[str, Any]:
        """Feature columns that the model was given."""

    @property
    def deterministic(self) -> bool:
        """Whether no chance took part."""

    @property
    def seed(self) -> int | None:
        """Of the draw."""

    @property
    def provenance(self) -> Any:
        """Action space, policy version and what else decisions share."""


@dataclass(frozen=True)
class Difference:
    """Something that came out otherwise.

    Attributes
    ----------
    what : str
        ``policy_version``, ``action_space``, or a field of a ranked action.
    rank : int or None
    logged, again : object
    """

    what: str
    rank: int | None
    logged: Any
    again: Any


@dataclass(frozen=True)
class Replayed:
    """What became of deciding again.

    Attributes
    ----------
    result : {"same", "same within rounding", "differs", "not replayed"}
        ``not replayed`` where another policy or price list is in use than the one that decided, or the log does not
        hold the balance that its offers were priced by.
    differences : tuple of Difference
    """

    result: Literal["same", "same within rounding", "differs", "not replayed"]
    differences: tuple[Difference, ...] = ()


def replay(record: Logged, decider: Decider) -> Replayed:
    """Score, mask and draw again from the logged context, eligible set, moment and seed.

    The rules are not judged again: the facts that they read are not kept. Contacts that the caller sent along are not
    kept either; a model that learns from histories may therefore see another history than it did.

    Parameters
    ----------
    record : DecisionRecord
    decider : Decider
        Of the policy that is thought to have decided.
    """
    strategy, space = decider.strategy, record.provenance.actions
    version = record.provenance.policy_version
    if version != strategy.version_:
        return Replayed("not replayed", (Difference("policy_version", None, version, strategy.version_),))
    if space != strategy.actions_:
        spaces = (_short(space), _short(strategy.actions_))
        return Replayed("not replayed", (Difference("action_space", None, *spaces),))
    if (unlike := _other_offers(record, decider)) is not None:
        return Replayed("not replayed", (unlike,))
    again = decider.again(
        _facts(record),
        as_of=record.decided_at,
        mask=np.asarray(record.eligible),
        seed=record.seed or 0,
        certain=record.deterministic,
        top_k=max(1, len(record.ranking)),
    )
    differences: list[Difference] = []
    exact = True
    logged_ranks = record.ranking or ({"action": record.action, "propensity": record.propensity},)
    for position, (logged, now) in enumerate(zip(logged_ranks, again, strict=False)):
        if logged["action"] != now["action"]:
            differences.append(Difference("action", position + 1, logged["action"], now["action"]))
            continue
        for name in _NUMBERS:
            one, other = logged.get(name), _number(now[name])
            if name not in logged or one == other:
                continue
            exact = False
            if one is None or other is None or not math.isclose(one, other, rel_tol=_ROUNDING, abs_tol=1e-12):
                differences.append(Difference(name, position + 1, one, other))
    if len(logged_ranks) != len(again):
        differences.append(Difference("ranks", None, len(logged_ranks), len(again)))
    if differences:
        return Replayed("differs", tuple(differences))
    return Replayed("same" if exact else "same within rounding")


def _other_offers(record: Logged, decider: Decider) -> Difference | None:
    """Why the offers of a decision cannot be priced again; None where they can."""
    if "offer" not in decider.actions.factors:
        return None
    first: Mapping[str, Any] = record.ranking[0] if record.ranking else {}
    lists = first.get("offers_digest"), decider.documents.get("offers_digest")
    if lists[0] != lists[1]:
        return Difference("offers_digest", None, *lists)
    levels = offer_levels(decider.actions)
    is_priced = any(levels[action] is not None for action in np.flatnonzero(np.asarray(record.eligible)).tolist())
    if is_priced and record.context.get("balance_minor") is None and balance_then(first) is None:
        return Difference("balance_minor", None, None, None)
    return None


def _facts(record: Logged) -> dict[str, Any]:
    """The account as the log holds it."""
    facts = {"account_id": record.account_id, **record.context}
    if facts.get("balance_minor") is None and record.ranking:
        balance = balance_then(record.ranking[0])
        facts |= {} if balance is None else {"balance_minor": balance}
    return facts


def _short(space: ActionSpace) -> dict[str, int]:
    return {name: len(levels) for name, levels in space.factors.items()}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
