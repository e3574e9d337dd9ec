"""Decisions about the accounts of one request: what ``decide`` gives, without a frame.

Everything that does not depend on the request is compiled once for a strategy: the reward model, the guardrails, the
encoding of context, the messages. What only tables can express is refused (:class:`NotCovered`), never guessed; the
caller then takes the general path, which answers the same.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.deciding.live_context import ContextOfRows, days_past_due, with_situation
from recommender.errors import InvalidInput
from recommender.messages import Catalogue, default_catalogue
from recommender.rules import NotCovered, RowEligibility, RowGuardrails
from recommender.strategy import (
    FEW,
    Belief,
    ContactStrategy,
    SeedStrategy,
    dispatch_numbers,
    epsilon_greedy,
    nothing_learnt,
    rank_actions,
    scores_by_stage,
    stage_of,
)

__all__ = ["LiveDecided", "LiveDecider", "NotCovered"]


@dataclass(frozen=True)
class LiveDecided:
    """As :class:`~recommender.deciding.decide.Decided`, by arrays of shape (n_accounts, top_k) where ranked.

    Attributes
    ----------
    ranked : ndarray of int64
        Action of each rank, -1 beyond the eligible ones; rank 1 is dispatched.
    expected_reward, lo, hi, propensity, evidence : ndarray of float64
    template_ids : list of list of str or None
    decision_ids : list of str
    deterministic : bool
    policy : str
    eligibility : RowEligibility
    actions : ActionSpace
    policy_version : str
    missing_features : tuple of str
    rows : list of dict
        The rows with what was derived from them.
    """

    ranked: NDArray[np.int64]
    expected_reward: NDArray[np.float64]
    lo: NDArray[np.float64]
    hi: NDArray[np.float64]
    propensity: NDArray[np.float64]
    evidence: NDArray[np.float64]
    template_ids: list[list[str | None]]
    decision_ids: list[str]
    deterministic: bool
    policy: str
    eligibility: RowEligibility
    actions: ActionSpace
    policy_version: str
    missing_features: tuple[str, ...]
    rows: list[dict[str, Any]]

    @property
    def action(self) -> NDArray[np.int64]:
        """The dispatched action of each account."""
        return np.asarray(self.ranked[:, 0])

    def supported(self) -> NDArray[np.bool_]:
        """Whether the log supports each ranked action."""
        return np.asarray(self.evidence >= FEW)

    def contact_at(self, row: int, action: int) -> datetime | None:
        """Instant of an action; None where the account is left alone or there are no hours."""
        names = self.actions.factor_names
        if "hour" not in names or action == self.actions.no_contact_index:
            return None
        hour = int(self.actions.codes[action, names.index("hour")])
        when = self.eligibility.contact_at[row, hour]
        return None if np.isnat(when) else when.astype("datetime64[us]").item().replace(tzinfo=UTC)


class LiveDecider:
    """A strategy ready to decide about single accounts.

    Parameters
    ----------
    strategy : ContactStrategy or SeedStrategy
    purpose : str, default="collection"
    catalogue : Catalogue or None
        Approved messages; None = the one that ships with the package.

    Raises
    ------
    NotCovered
        When the strategy needs tables: Thompson sampling, actions without a channel, context of lists.
    """

    def __init__(
        self,
        strategy: ContactStrategy | SeedStrategy,
        *,
        purpose: str = "collection",
        catalogue: Catalogue | None = None,
    ) -> None:
        self.strategy = strategy
        self.actions = strategy.actions_
        self._messages = catalogue or default_catalogue()
        self._purpose = purpose
        self._guardrails = RowGuardrails(self.actions, purpose, self._messages)
        self._template = lru_cache(4_096)(self._template_of)
        factors = self.actions.factor_names
        self._says_what = "channel" in factors and "tone" in factors
        if isinstance(strategy, SeedStrategy):
            self._by_stage = scores_by_stage(self.actions)
            return
        if strategy.policy == "thompson":
            raise NotCovered("thompson")
        self._context = ContextOfRows(strategy)

    def warm_up(self) -> None:
        """Decide once about nobody, so that the first request finds everything compiled."""
        nobody = {"account_id": "nobody", "due_date": None, "packs": ["FLOOR"]}
        at = datetime(2026, 1, 5, 12, tzinfo=UTC)
        self.decide([nobody], as_of=at, packs=(), contacts=[])

    # -- decide ------------------------------------------------------------------------------------------------------
    def decide(
        self,
        accounts: Sequence[Mapping[str, Any]],
        *,
        as_of: datetime,
        packs: Sequence[str],
        contacts: Sequence[Mapping[str, Any]] | None = None,
        top_k: int = 3,
        explore: bool = True,
        seed: int = 0,
    ) -> LiveDecided:
        """Rank the eligible actions of each account; see :func:`recommender.deciding.decide.decide`.

        Parameters
        ----------
        accounts : sequence of mappings
            Facts and context columns by name. ``packs`` of an account goes before ``packs`` of the call.
        as_of : aware datetime
        packs : sequence of str
        contacts : sequence of mappings or None
            ``account_id``, ``sent_at`` (aware datetime), ``channel`` and, where known, the further columns of
            :func:`~recommender.deciding.decide.decide`; None = unknown, which denies.
        top_k : int, default=3
        explore : bool, default=True
        seed : int, default=0

        Raises
        ------
        NotCovered
            Where only tables can tell; nothing was decided.
        """
        rows = with_situation(accounts, as_of)
        laws = [tuple(row["packs"]) if row.get("packs") is not None else tuple(packs) for row in rows]
        allowed = self._guardrails.judge(rows, laws, contacts, as_of)
        moment = _moment(as_of)
        strategy = self.strategy
        draws_nothing = not explore or strategy.policy == "greedy"
        name = strategy.names_.get("account") or "account_id"  # as recommendation_frame draws
        ids: Any = [row.get(name) for row in rows]
        if not all(isinstance(one, str) for one in ids):
            if any(name in row for row in rows):
                raise NotCovered("account_id")
            ids = range(len(rows))
        missing: tuple[str, ...] = ()
        if isinstance(strategy, SeedStrategy):
            stage = stage_of(np.array([days_past_due(row.get("days_past_due")) for row in rows]))
            rewards = self._by_stage[stage]
            probabilities = epsilon_greedy(rewards, allowed.mask, strategy.epsilon)
            believe = nothing_learnt
        else:
            present = set().union(*(row.keys() for row in rows))
            missing = tuple(column for column in self._context.names if column not in present)
            X = self._context.matrix(rows, contacts, as_of, strategy.names_.get("account"))
            scored = strategy.reward_model_.compiled.score(X)
            rewards = strategy.served_rewards(scored)
            probabilities = strategy.served_probabilities(rewards, allowed.mask, X)

            def believe(ranked: NDArray[np.int64]) -> Belief:
                return strategy.belief(scored, ranked, X)

        numbers = None if draws_nothing else dispatch_numbers(ids, moment, strategy.version_, seed)
        ranked = rank_actions(probabilities, rewards, allowed.mask, top_k=top_k, numbers=numbers)
        taken = np.maximum(ranked, 0)
        each = np.arange(len(rows))
        if not allowed.mask[each, ranked[:, 0]].all():  # the last line of defence
            raise InvalidInput(
                "A forbidden action was ranked first; nothing is returned.", mend="Report this as a bug."
            )
        belief = believe(taken)
        is_seed = isinstance(strategy, SeedStrategy)
        return LiveDecided(
            ranked=ranked,
            expected_reward=np.full(taken.shape, np.nan) if is_seed else rewards[each[:, None], taken],
            lo=belief.lo,
            hi=belief.hi,
            propensity=probabilities[each[:, None], taken],
            evidence=belief.evidence,
            template_ids=[self._templates(row, actions) for row, actions in zip(rows, ranked.tolist(), strict=True)],
            decision_ids=[_decision_id(row["account_id"], moment, strategy.version_, seed) for row in rows],
            deterministic=draws_nothing,
            policy="seed_rules" if is_seed else "model",
            eligibility=allowed,
            actions=self.actions,
            policy_version=strategy.version_,
            missing_features=missing,
            rows=rows,
        )

    # -- messages ----------------------------------------------------------------------------------------------------
    def _templates(self, row: Mapping[str, Any], actions: list[int]) -> list[str | None]:
        if not self._says_what:
            return [None] * len(actions)
        days = days_past_due(row.get("days_past_due"))
        late = 1 if math.isnan(days) else math.floor(days)
        return [self._template(action, late, row.get("language")) for action in actions]

    def _template_of(self, action: int, late: int, language: str | None) -> str | None:
        """Approved template of an action; the contact may fall on the next day."""
        if action < 0 or action == self.actions.no_contact_index:
            return None
        codes = dict(zip(self.actions.factor_names, self.actions.codes[action].tolist(), strict=True))
        channel, tone = (str(self.actions.factors[name][codes[name]]) for name in ("channel", "tone"))
        for days in (late, late + 1):
            found = self._messages.template_ids(
                channel=[channel], tone=[tone], days_past_due=[days], language=[language], purpose=self._purpose
            )
            if found[0] is not None:
                return found[0]
        return None


def _moment(as_of: datetime) -> str:
    """As ``Moment.of(as_of).text``, of an aware datetime."""
    return as_of.astimezone(UTC).isoformat()


def _decision_id(account: str, moment: str, policy_version: str, seed: int) -> str:
    return hashlib.sha256(f"{account}|{moment}|{policy_version}|{seed}".encode()).hexdigest()[:32]
