"""What was decided: arrays for services, a long frame for notebooks and plans."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from itertools import chain
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.deciding.accounts import Accounts
from recommender.deciding.offer_choice import offer_levels
from recommender.frames import texts_at
from recommender.offers import OfferDesk
from recommender.rules import Eligibility
from recommender.strategy import FEW

__all__ = ["Decided"]

Floats = NDArray[np.float64]


_FEW_INSTANTS = 32  # below it a loop is faster than arrays


@dataclass(frozen=True, eq=False)
class Decided:
    """Decisions for a set of accounts.

    Attributes
    ----------
    actions_ranked : ndarray of shape (n_accounts, top_k), dtype int64
        Action of each rank, -1 beyond the eligible ones; rank 1 is dispatched.
    expected_reward, lo, hi, propensity, evidence : ndarray of shape (n_accounts, top_k)
    template_ids : list of list of str or None
        Approved message of each ranked contact.
    decision_ids : list of str
    deterministic : bool
        No chance took part in what is dispatched.
    policy : {"model", "seed_rules"}
    eligibility : Eligibility
        Mask and the rules behind each removed action.
    accounts : Accounts
        With the situation that was worked out from them.
    actions : ActionSpace
    as_of : datetime
    policy_version : str
    missing_features : tuple of str
        Context columns that no account brought; they were taken as missing values.
    values : dict of str to ndarray of shape (n_accounts, top_k)
        The value ladder of each ranked action: chance of each rung, money, cost, gain over leaving alone; with a price
        list ``offer_cost``, what its offer costs if it is taken.
    documents : dict of str to str
        Digests of the message catalogue and the price list that were decided by; packs of the house that were
        switched off.
    """

    actions_ranked: NDArray[np.int64]
    expected_reward: Floats
    lo: Floats
    hi: Floats
    propensity: Floats
    evidence: Floats
    template_ids: list[list[str | None]]
    decision_ids: list[str]
    deterministic: bool
    policy: Literal["model", "seed_rules"]
    eligibility: Eligibility
    accounts: Accounts
    actions: ActionSpace
    as_of: datetime
    policy_version: str
    missing_features: tuple[str, ...]
    account_name: str
    values: dict[str, Floats] = field(default_factory=dict)
    documents: dict[str, str] = field(default_factory=dict)

    @property
    def action(self) -> NDArray[np.int64]:
        """The dispatched action of each account, shape (n_accounts,)."""
        return np.asarray(self.actions_ranked[:, 0])

    @property
    def support(self) -> NDArray[np.bool_]:
        """Whether the log supports each ranked action."""
        return np.asarray(self.evidence >= FEW)

    @cached_property
    def channels(self) -> list[str | None]:
        """Channel of each action of the space; None for ``NO_CONTACT``."""
        words = [*map(str, self.actions.factors["channel"]), None]
        return [words[code] for code in self.actions.codes_of("channel")]

    @cached_property
    def _hour_of(self) -> list[int]:
        """Hour code of each action, -1 where it has none."""
        return self.actions.codes_of("hour")

    def remember_offers(self, desk: OfferDesk) -> None:
        """Tell a desk of the offers that the dispatched actions make, so that the debtor's next account knows them."""
        levels = offer_levels(self.actions)
        offers = [levels[action] for action in self.action.tolist()]
        if not any(offers):
            return
        balances = self.accounts.numbers("balance_minor")
        accounts, debtors = self.accounts.values("account_id"), self.accounts.values("debtor_id")
        for row, offer in enumerate(offers):
            if offer is not None:
                at = self.contact_at(row, int(self.action[row])) or self.as_of
                desk.make(accounts[row], offer, at=at, balance_minor=float(balances[row]), debtor_id=debtors[row])

    def contact_at(self, row: int, action: int) -> datetime | None:
        """Instant of an action; None where the account is left alone or there are no hours."""
        hour = self._hour_of[action]
        when = self.eligibility.contact_at[row, hour].item() if hour >= 0 else None
        return None if when is None else when.replace(tzinfo=UTC)

    def contact_instants(self, rows: NDArray[np.int64], actions: NDArray[np.int64]) -> list[datetime | None]:
        """:meth:`contact_at` of some accounts and actions; each distinct instant is made once."""
        if len(rows) <= _FEW_INSTANTS:
            return [self.contact_at(row, action) for row, action in zip(rows.tolist(), actions.tolist(), strict=True)]
        hours = np.array(self._hour_of, dtype=np.int64)[actions]
        when = self.eligibility.contact_at[rows, np.maximum(hours, 0)].astype("datetime64[us]")
        is_none = np.isnat(when) | (hours < 0)
        distinct, places = np.unique(np.where(is_none, np.datetime64(0, "us"), when), return_inverse=True)
        instants = [instant.replace(tzinfo=UTC) for instant in distinct.tolist()]
        return [
            None if is_idle else instants[place]
            for is_idle, place in zip(is_none.tolist(), places.tolist(), strict=True)
        ]

    @cached_property
    def ranked(self) -> pd.DataFrame:
        """One row an account and rank, as :meth:`ContactStrategy.recommend` has them.

        With ``decision_id``, ``template_id`` (approved message of a contact) and ``policy`` ("model" or "seed_rules").
        ``contact_at`` are the instants that the rules were checked at, and no others.
        """
        row, position = np.nonzero(self.actions_ranked >= 0)
        action = self.actions_ranked[row, position]
        known = self.account_name in self.accounts
        ids = pd.Series(self.accounts.source(self.account_name)).take(row).array if known else None
        hour = np.array(self._hour_of, dtype=np.int64)[action]
        when = self.eligibility.contact_at[row, np.maximum(hour, 0)]
        instants = np.where(hour >= 0, when, np.datetime64("NaT", "us")).astype("datetime64[us]")
        templates = list(chain.from_iterable(self.template_ids))
        described = self.actions.describe(action)
        measures = ("expected_reward", "lo", "hi", "propensity", "evidence", "support")
        # One frame of all columns: put in one by one they cost a small round more than its decisions.
        columns: dict[str, Any] = {
            "decision_id": texts_at(self.decision_ids, row),
            "row": row,
            "account": ids,
            "rank": position + 1,
            **{name: described[name].array for name in described},
            **{name: getattr(self, name)[row, position] for name in measures},
            "contact_at": pd.Series(instants).dt.tz_localize("UTC").array,
            "deterministic": self.deterministic,
            "template_id": texts_at(templates, row * self.actions_ranked.shape[1] + position),
            "policy": self.policy,
        }
        return pd.DataFrame(columns | {name: values[row, position] for name, values in self.values.items()})
