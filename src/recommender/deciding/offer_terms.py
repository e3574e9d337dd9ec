"""What offers say and why others were shut, as texts that a log keeps: terms of an action, state of an account."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from recommender.deciding.decided import Decided
from recommender.deciding.offer_choice import offer_levels
from recommender.offers import STATE_RULES, OfferDesk

__all__ = ["OFFERS_KNOWN", "balance_then", "offer_terms", "offers_known", "shut_then"]

#: Under which a decision's first ranked action keeps what its offers hung on: balance, and what was shut by which rule.
OFFERS_KNOWN = "offers_known"


def offer_terms(decided: Decided, desk: OfferDesk, rows: Iterable[int], actions: Iterable[int]) -> list[str | None]:
    """Terms of the offer that each action makes to an account, as JSON; None where it makes none.

    Parameters
    ----------
    decided : Decided
    desk : OfferDesk
        As it was when the decisions were made.
    rows, actions : iterable of int
        Of the same length.
    """
    levels = offer_levels(decided.actions)
    accounts, debtors = decided.accounts.values("account_id"), decided.accounts.values("debtor_id")
    names = decided.accounts.names
    balances = decided.accounts.numbers("balance_minor") if "balance_minor" in names else None
    texts: list[str | None] = []
    for row, action in zip(rows, actions, strict=True):
        offer = None if levels[action] is None else desk.prices.get(str(levels[action]))
        if offer is None:
            texts.append(None)
            continue
        at = decided.contact_at(row, action) or decided.as_of
        balance = np.nan if balances is None else float(balances[row])
        terms = {
            "id": offer.id,
            "kind": offer.kind,
            "percent": offer.percent if offer.kind == "discount" else None,
            "instalments": offer.instalments if offer.kind == "instalments" else None,
            "cost_minor": balance * desk.prices.generosity(offer) / 100.0,
            "currency": desk.prices.currency,
            "expires_at": desk.valid_until(accounts[row], offer, at=at, debtor_id=debtors[row]).isoformat(),
        }
        texts.append(json.dumps(terms))
    return texts


def offers_known(decided: Decided) -> list[str]:
    """What the offers of each account hung on beside the list and its facts, as JSON: enough to judge them again."""
    levels = offer_levels(decided.actions)
    n = len(decided.actions_ranked)
    names = decided.accounts.names
    balances = decided.accounts.numbers("balance_minor") if "balance_minor" in names else np.full(n, np.nan)
    closed = {rule: gone for rule in STATE_RULES if (gone := decided.eligibility.closed_by(rule)) is not None}
    texts = []
    for row, balance in enumerate(balances.tolist()):
        shut = {
            rule: sorted({str(levels[one]) for one in np.flatnonzero(gone[row]).tolist()} - {"None"})
            for rule, gone in closed.items()
            if gone[row].any()
        }
        texts.append(json.dumps({"balance_minor": None if np.isnan(balance) else balance, "shut": shut}))
    return texts


def shut_then(ranked: Mapping[str, Any]) -> dict[str, list[str]]:
    """What was shut by the state of the offers when a logged decision was made: rule -> ids."""
    return dict(json.loads(ranked.get(OFFERS_KNOWN) or "{}").get("shut") or {})


def balance_then(ranked: Mapping[str, Any]) -> float | None:
    """The balance that the offers of a logged decision were priced by."""
    balance = json.loads(ranked.get(OFFERS_KNOWN) or "{}").get("balance_minor")
    return None if balance is None else float(balance)
