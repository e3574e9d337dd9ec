"""Which actions a portfolio may be contacted with: the mask that a policy is normalised over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.rules.portfolio import Catalogue, Portfolio
from recommender.rules.provenance import Provenance
from recommender.rules.rule_details import RuleDetail, rule_detail
from recommender.rules.schema import Pack
from recommender.rules.trade import human_needed

__all__ = ["Catalogue", "Eligibility", "eligibility"]


@dataclass
class Eligibility:
    """What each account may be contacted with.

    Attributes
    ----------
    mask : ndarray of shape (n_accounts, n_actions), dtype bool
        ``NO_CONTACT`` is always True.
    contact_at : ndarray of shape (n_accounts, n_hours), dtype datetime64[us]
        UTC instants that the hours stand for; ``NaT`` where the debtor's day lacks the hour.
    needs_human : ndarray of shape (n_accounts,), dtype bool
        A person looks at these before anything is sent.
    provenance : Provenance
        Packs with versions and digests, versions of holidays and tz data, warnings.
    """

    mask: NDArray[np.bool_]
    contact_at: NDArray[np.datetime64]
    needs_human: NDArray[np.bool_]
    provenance: Provenance
    _removed: dict[str, int]
    _case: Portfolio = field(repr=False)

    def counts(self) -> dict[str, int]:
        """Number of (account, action) pairs that each rule removes; a pair may count for several rules."""
        return {rule: count for rule, count in sorted(self._removed.items()) if count}

    def rules(self, row: int, action: int) -> tuple[str, ...]:
        """Ids of every rule that removes an action of an account; empty where it is eligible."""
        return self._case.rules(row, action)

    def citations(self, row: int, action: int) -> tuple[str, ...]:
        """Law and article behind each rule that removes the action."""
        return tuple(self.provenance.citation(rule) for rule in self.rules(row, action))

    def removed(self, row: int) -> dict[str, NDArray[np.bool_]]:
        """Rule -> which actions of an account it removes, shape (n_actions,); an action may fall to several rules."""
        idle = [] if self._case.actions.no_contact_index is None else [False]
        return {rule: np.append(gone, idle).astype(np.bool_) for rule, gone in self._case.removed(row).items()}

    def detail(self, rule: str) -> RuleDetail:
        """Kind, pack, citation and limit behind a rule id."""
        return rule_detail(rule, self._case.all_packs, self.provenance.citation(rule))

    def next_allowed_at(self, row: int, action: int) -> datetime | None:
        """Earliest instant in the 60 days from the action's own at which its channel is allowed, or None."""
        return self._case.next_allowed_at(row, action)


def eligibility(
    accounts: pd.DataFrame,
    actions: ActionSpace,
    *,
    as_of: datetime | pd.Series | NDArray[np.datetime64],
    packs: Sequence[str] | None = None,
    contacts: pd.DataFrame | None = None,
    contact_at: NDArray[np.datetime64] | None = None,
    purpose: str = "collection",
    catalogue: Catalogue | None = None,
    overlays: Sequence[Pack | Mapping[str, Any] | str] = (),
    readings: Sequence[str] = (),
) -> Eligibility:
    """Judge every account x action; what is not plainly allowed is denied.

    Parameters
    ----------
    accounts : DataFrame
        Columns of the raw table ``accounts``; a missing column is a fact unknown for all, which denies. A column
        ``preferences`` may hold the wishes of debtors (see docs/guardrails.md).
    actions : ActionSpace
        Needs a factor ``channel``; ``hour`` and ``tone`` are used where they exist.
    as_of : datetime, or one instant an account
        Aware. Without a factor ``hour`` this is the instant of contact.
    packs : sequence of str, optional
        Pack ids that hold for all accounts; by default the column ``packs`` of ``accounts`` (lists, or text separated
        by ``;``) says so for each. An account without packs is under no known law and is denied.
    contacts : DataFrame or None
        Past and planned contacts (with one ``as_of`` an account, only those before it count):
        ``account_id``, ``sent_at``, ``channel`` and, where known, ``debtor_id``,
        ``initiated_by``, ``outcome``, ``status``. None means that nobody knows, which denies.
    contact_at : ndarray of shape (n_accounts, n_hours) or (n_accounts, 1), optional
        UTC instants of contact instead of the next occurrence of each hour.
    purpose : str, default="collection"
    catalogue : Catalogue, optional
        An action without an approved template is not eligible.
    overlays : sequence, optional
        Packs of the creditor, as :class:`Pack`, mapping or TOML text. They only tighten.
    readings : sequence of str, optional
        Ids of rules whose looser reading is used; recorded in the provenance.

    Returns
    -------
    Eligibility

    Raises
    ------
    InvalidInput
        For an action space without channel, an unknown purpose or a naive instant.
    PackError
        For unknown packs, or ones that have ended.
    """
    portfolio = Portfolio.read(
        accounts, actions, as_of, packs, contacts, contact_at, purpose, catalogue, overlays, readings
    )
    mask = np.zeros((len(accounts), len(actions)), dtype=bool)
    removed: dict[str, int] = {}
    for rows, law in portfolio.parts():
        verdict = portfolio.judge(rows, law)
        mask[rows] = portfolio.spread(rows, verdict, law)
        for rule, count in verdict.removed.items():
            removed[rule] = removed.get(rule, 0) + count
    if actions.no_contact_index is not None:
        mask[:, actions.no_contact_index] = True
    human = np.zeros(len(accounts), dtype=bool)
    for rows, law in portfolio.parts():
        late = portfolio.days_past_due(rows, law).max(axis=1)
        human[rows] = human_needed(law, portfolio.facts.take(rows), late)
    return Eligibility(mask, portfolio.contact_at(), human, portfolio.provenance(), removed, portfolio)
