"""One request decided: accounts to rankings, rankings to records, records to the log, and only then an answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from api.service.answers import live_rankings, logged_recommendation, rankings, recommendation
from api.service.metrics import Metrics
from api.service.request_frames import account_rows, contact_rows, contacts_frame
from api.service.schemas import RecommendationRequest
from api.service.serving import Served
from api.service.siblings import PLANNED, of_debtors, planned_contact, planned_text, rounds
from recommender.actions import ActionSpace
from recommender.deciding import Decided, LiveDecided, NotCovered, decide, with_situation
from recommender.rules import Provenance
from recommender.settings import Settings
from recommender.store.decision_log import DecisionRecord

__all__ = ["Asked", "Desk", "Part", "recommendations"]

Planned = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Asked:
    """What of a request belongs in the records of its decisions."""

    as_of: datetime
    seed: int
    request_key: str | None


@dataclass(frozen=True)
class Part:
    """Accounts of a request that were decided in one call: one round of one kind of history.

    Attributes
    ----------
    positions : list of int
        Places in the request.
    rows : list of dict
        Facts and context of each account; with what was derived from them.
    features : list of set of str
        Names of the features that each account brought.
    decision_ids : list of str
    policy : "model" or "seed_rules"
    deterministic : bool
    ranked : list of lists of dict
        See :func:`api.service.answers.rankings`.
    action : ndarray of shape (n,), dtype int64
    mask : ndarray of shape (n, n_actions), dtype bool
    removed : dict of str to int
    law : Provenance
    missing_features : tuple of str
    actions : ActionSpace
    policy_version : str
    ask : callable
        The same question to another strategy.
    asked : Asked
    """

    positions: list[int]
    rows: list[dict[str, Any]]
    features: list[frozenset[str]]
    decision_ids: list[str]
    policy: Literal["model", "seed_rules"]
    deterministic: bool
    ranked: list[list[dict[str, Any]]]
    action: NDArray[np.int64]
    mask: NDArray[np.bool_]
    removed: dict[str, int]
    law: Provenance
    missing_features: tuple[str, ...]
    actions: ActionSpace
    policy_version: str
    ask: Callable[..., Decided]
    asked: Asked

    def planned(self) -> list[tuple[str, dict[str, Any]]]:
        """Contacts that the dispatched actions amount to, by debtor."""
        found = []
        for row, entries, action in zip(self.rows, self.ranked, self.action.tolist(), strict=True):
            when = entries[0]["contact_at"] or self.asked.as_of
            contact = planned_contact(row["account_id"], row["debtor_id"], self.actions, action, when)
            if contact is not None:
                found.append((str(row["debtor_id"]), contact))
        return found


class Desk:
    """Decides the accounts of one request, a debtor's one after the other.

    Parameters
    ----------
    request : RecommendationRequest
    asked : Asked
    served : Served
    settings : Settings
    metrics : Metrics
    tables : bool
        Whether the general path may be taken; without it, what only that path can tell is :class:`NotCovered`.
    """

    def __init__(
        self,
        request: RecommendationRequest,
        asked: Asked,
        served: Served,
        settings: Settings,
        metrics: Metrics,
        *,
        tables: bool = True,
    ) -> None:
        self._request = request
        self._asked = asked
        self._served = served
        self._settings = settings
        self._metrics = metrics
        self._tables = tables
        known = [account for account in request.accounts if account.contacts is not None]
        self._contacts = contact_rows(known)
        names = {account.account_id for account in known}
        for contact in self._contacts:
            contact["stranger"] = contact["account_id"] not in names

    def decide(self, positions: Sequence[int], planned: Planned) -> list[Part]:
        """Decide in rounds; what is dispatched is planned for the debtor's next account.

        Parameters
        ----------
        positions : sequence of int
        planned : dict
            Contacts planned already, by debtor; added to.
        """
        parts = []
        accounts = self._request.accounts
        for number, turn in enumerate(rounds(accounts, positions)):
            for is_known in (True, False):
                own = [position for position in turn if (accounts[position].contacts is not None) == is_known]
                if own:
                    parts.append(self.part(own, planned, is_known=is_known, is_first=number == 0))
            for part in parts[-2:]:
                if part.positions[0] in turn:
                    for debtor, contact in part.planned():
                        held = planned.setdefault(debtor, [])
                        if contact not in held:
                            held.append(contact)
        return parts

    def part(self, positions: list[int], planned: Planned, *, is_known: bool, is_first: bool) -> Part:
        """Decide accounts of different debtors in one call."""
        request, settings, asked = self._request, self._settings, self._asked
        chosen = [request.accounts[position] for position in positions]
        rows = account_rows(chosen, settings.packs, positions)
        waiting = [planned.get(account.debtor_id, []) if account.debtor_id else [] for account in chosen]
        contacts: list[dict[str, Any]] | None = None
        if is_known:
            contacts = self._contacts
            if len(chosen) < len(request.accounts):
                contacts = of_debtors(contacts, chosen, with_strangers=is_first)
            if any(waiting):
                contacts = [*contacts, *(contact for held in waiting for contact in held)]
        question: dict[str, Any] = {
            "as_of": asked.as_of, "packs": settings.packs, "explore": request.explore, "seed": asked.seed,
        }  # fmt: skip
        ask = partial(_ask, rows, contacts, question)
        common: dict[str, Any] = {
            "positions": positions,
            "features": [frozenset(account.features) for account in chosen],
            "ask": ask,
            "asked": asked,
        }
        live = self._served.live
        try:
            if live is None:
                raise NotCovered(self._served.why_not_live)
            decided = live.decide(rows, contacts=contacts, top_k=request.top_k, **question)
            part = Part(**_of_live(decided), **common)
        except NotCovered as reason:
            if not self._tables:
                raise
            self._metrics.left_to_tables(reason.reason)
            part = Part(**_of_tables(ask(strategy=self._served.strategy, top_k=request.top_k), rows, asked), **common)
        for entries, held in zip(part.ranked, waiting, strict=True):
            if held:
                entries[0][PLANNED] = planned_text(held)
        return part


def _ask(
    rows: list[dict[str, Any]], contacts: list[dict[str, Any]] | None, question: dict[str, Any], **more: Any
) -> Decided:
    frame = None if contacts is None else contacts_frame(contacts)
    return decide(pd.DataFrame(rows), contacts=frame, **question, **more)


def _of_live(decided: LiveDecided) -> dict[str, Any]:
    return {
        "rows": decided.rows,
        "decision_ids": decided.decision_ids,
        "policy": decided.policy,
        "deterministic": decided.deterministic,
        "ranked": live_rankings(decided),
        "action": decided.action,
        "mask": decided.eligibility.mask,
        "removed": decided.eligibility.counts(),
        "law": decided.eligibility.provenance,
        "missing_features": decided.missing_features,
        "actions": decided.actions,
        "policy_version": decided.policy_version,
    }


def _of_tables(decided: Decided, rows: list[dict[str, Any]], asked: Asked) -> dict[str, Any]:
    first = decided.ranked.loc[decided.ranked["rank"] == 1]
    frame = with_situation(pd.DataFrame(rows), asked.as_of)
    derived = [name for name in ("days_past_due", "stage") if name in frame.columns]
    return {
        "rows": [
            {**row, **dict(zip(derived, values, strict=True))}
            for row, values in zip(rows, zip(*(frame[name].tolist() for name in derived), strict=True), strict=True)
        ],
        "decision_ids": first["decision_id"].tolist(),
        "policy": first["policy"].iloc[0],
        "deterministic": bool(first["deterministic"].iloc[0]),
        "ranked": rankings(decided),
        "action": decided.action,
        "mask": decided.eligibility.mask,
        "removed": decided.eligibility.counts(),
        "law": decided.eligibility.provenance,
        "missing_features": decided.missing_features,
        "actions": decided.actions,
        "policy_version": decided.policy_version,
    }


def recommendations(part: Part, logged: dict[str, DecisionRecord]) -> list[dict[str, Any]]:
    """Answer the accounts of a part, from the log where it keeps them: so a repetition reads the same."""
    eligible = part.mask.sum(axis=1).tolist()
    return [
        logged_recommendation(logged[decision_id])
        if decision_id in logged
        else recommendation(
            part.ranked[row],
            actions=part.actions,
            account_id=part.rows[row]["account_id"],
            decision_id=decision_id,
            policy=part.policy,
            deterministic=part.deterministic,
            eligible_actions=eligible[row],
        )
        for row, decision_id in enumerate(part.decision_ids)
    ]
