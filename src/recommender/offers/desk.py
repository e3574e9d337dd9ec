"""Which offer may be made to which debtor now: range, authority, what was offered before, and the budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.columns import Columns, Tabular
from recommender.errors import InvalidInput
from recommender.local_time import as_utc_us
from recommender.messages import STAGES
from recommender.offers.price_list import AUTHORITIES, Authority, PriceList

__all__ = ["NO_OFFER", "OfferDesk", "OfferRules"]

NO_OFFER = "none"
"""Level of the action factor ``offer`` by which none is made."""

Bools = NDArray[np.bool_]
_DAY = timedelta(days=1)
#: Statuses of an offer that stays open till its end, and of one that binds the budget for good.
_OPEN, _BINDING = ("open", "sent"), ("accepted",)
_STATUSES = (*_OPEN, *_BINDING, "refused", "expired", "withdrawn")


@dataclass(frozen=True)
class OfferRules:
    """Offers of a price list that each account may be made.

    Attributes
    ----------
    allowed : ndarray of bool of shape (n_accounts, n_offers)
    removed : dict of str to ndarray of bool of shape (n_accounts, n_offers)
        Rule -> what it takes out.
    """

    allowed: Bools
    removed: dict[str, Bools]


@dataclass
class _Made:
    """What one debtor was offered."""

    account: Any
    offer: str
    until: int
    status: str
    cost: float


class OfferDesk:
    """A price list with the memory of what was offered.

    Parameters
    ----------
    prices : PriceList
    offered : DataFrame, Arrow table, list of JSON objects, or None
        Offers made before: ``account_id``, ``offer_id``, ``offered_at``; ``debtor_id``, ``valid_until`` (default: as
        the list says), ``status`` (open, accepted, refused, expired, withdrawn; default open) and ``cost_minor``
        (default: of the balance in ``balance_minor``, else unknown, which an open budget refuses) where known.
    authority : {"automatic", "agent", "supervisor"}
        Whose word the offers of this run have.

    Notes
    -----
    A debtor has one open offer at most: while it runs it may be repeated, and no other is made. No later offer gives
    more than the one before it, whatever became of that one: waiting never pays.
    """

    def __init__(
        self, prices: PriceList, offered: Tabular | None = None, *, authority: Authority = "automatic"
    ) -> None:
        if authority not in AUTHORITIES:
            raise InvalidInput.in_column(
                "authority", "is not known", values=[authority], mend=f"Use one of {', '.join(AUTHORITIES)}."
            )
        self.prices = prices
        self._power = AUTHORITIES.index(authority)
        self._generosity = {offer.id: prices.generosity(offer) for offer in prices.offers}
        self._made: dict[str, list[_Made]] = {}
        if offered is not None:
            self._read(Columns.of(offered))

    def _read(self, table: Columns) -> None:
        for name in ("account_id", "offer_id", "offered_at"):
            if name not in table:
                raise InvalidInput.missing_columns([name], list(table.names), role="offers made")
        n = len(table)
        at = table.instants("offered_at")
        until = table.instants("valid_until") if "valid_until" in table else np.full(n, np.nan)
        costs = table.numbers("cost_minor") if "cost_minor" in table else np.full(n, np.nan)
        balances = table.numbers("balance_minor") if "balance_minor" in table else np.full(n, np.nan)
        debtors = table.values("debtor_id") if "debtor_id" in table else [None] * n
        states = table.values("status") if "status" in table else [None] * n
        each = zip(table.values("account_id"), debtors, table.values("offer_id"), states, strict=True)
        order = np.argsort(at, kind="stable")
        rows = list(each)
        for row in order.tolist():
            account, debtor, offer_id, state = rows[row]
            status = str(state or "open")
            if status not in _STATUSES:
                raise InvalidInput.in_column(
                    "status", "of an offer is not known", values=[state], rows=[row],
                    mend=f"Use one of {', '.join(_STATUSES)}.",
                )  # fmt: skip
            offer = self.prices.get(str(offer_id))
            days = 10 if offer is None else offer.valid_days
            ends = float(until[row]) if np.isfinite(until[row]) else float(at[row]) + days * 86_400e6
            cost = float(costs[row])
            if np.isnan(cost) and offer is not None:
                cost = float(balances[row]) * self.prices.generosity(offer) / 100.0
            made = _Made(account, str(offer_id), int(ends), status, cost)
            self._made.setdefault(_owner(debtor, account), []).append(made)

    def committed(self, as_of: datetime) -> float:
        """Minor units that offers which are open or were accepted may cost; NaN where one of them is unknown."""
        now = as_utc_us(as_of)
        costs = [
            one.cost
            for offers in self._made.values()
            for one in offers
            if one.status in _BINDING or (one.status in _OPEN and one.until > now)
        ]
        return float(np.sum(costs)) if costs else 0.0

    def rules(
        self,
        accounts: Columns,
        *,
        as_of: datetime,
        days_past_due: NDArray[np.integer[Any]],
        ranges: Sequence[tuple[str, NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]] = (),
    ) -> OfferRules:
        """Judge every offer of the list for every account, in the order of the rows: the budget serves the first.

        Parameters
        ----------
        accounts : Columns
            ``account_id``, ``balance_minor``; ``debtor_id`` and ``currency`` where known.
        as_of : aware datetime
        days_past_due : ndarray of int of shape (n,)
        ranges : sequence of (rule, least, most, from_days)
            Ranges of rule packs, in per cent of the balance and days past due, each of shape (n,); NaN = no range.
        """
        n, offers = len(accounts), self.prices.offers
        now = as_utc_us(as_of)
        balance = accounts.numbers("balance_minor") if "balance_minor" in accounts else np.full(n, np.nan)
        stage = np.searchsorted((0, 30, 90), days_past_due, side="left")
        gives = np.array([self._generosity[offer.id] for offer in offers])
        removed: dict[str, Bools] = {}

        def take_out(rule: str, gone: Bools) -> None:
            if gone.any():
                removed[rule] = gone

        open_stages = np.array([[name in offer.stages for offer in offers] for name in STAGES])
        take_out("offer-stage", ~open_stages[stage])
        covered = np.array([[offer.covers(one) for offer in offers] for one in balance.tolist()]).reshape(
            n, len(offers)
        )
        take_out("offer-balance", ~covered)  # an unknown balance is in no range
        if "currency" in accounts:
            other = np.array([one is not None and one != self.prices.currency for one in accounts.values("currency")])
            take_out("offer-currency", np.repeat(other[:, None], len(offers), axis=1))
        power = np.array([AUTHORITIES.index(offer.authority) for offer in offers])
        take_out("offer-authority", np.repeat((power > self._power)[None], n, axis=0))
        for rule, least, most, from_days in ranges:
            bound = ~np.isnan(most)
            outside = (gives < least[:, None]) | (gives > most[:, None]) | (days_past_due < from_days)[:, None]
            take_out(rule, bound[:, None] & outside)
        allowed = ~np.logical_or.reduce([np.zeros((n, len(offers)), dtype=bool), *removed.values()])
        busy, better = np.zeros_like(allowed), np.zeros_like(allowed)
        owners = self._owners(accounts)
        for row, (owner, account) in enumerate(owners):
            for one in self._made.get(owner, ()):
                if one.status in _OPEN and one.until > now:
                    busy[row] |= [offer.id != one.offer or account != one.account for offer in offers]
                elif one.status in _BINDING:
                    busy[row] |= account == one.account
                # An offer that left the list bounds nothing that can be compared: nothing may follow it.
                better[row] |= gives > self._generosity.get(one.offer, -1.0) + 1e-12
        take_out("offer-open", busy)
        take_out("offer-better", better)
        allowed &= ~busy & ~better
        allowed = self._one_a_debtor(owners, allowed, removed)
        return OfferRules(self._within_budget(owners, allowed, balance, as_of, removed), removed)

    def _one_a_debtor(self, owners: Sequence[tuple[str, Any]], allowed: Bools, removed: dict[str, Bools]) -> Bools:
        """Of several accounts of a debtor in one run the first that may be offered something is."""
        taken: dict[str, Any] = {}
        second = np.zeros_like(allowed)
        for row in np.flatnonzero(allowed.any(axis=1)).tolist():
            owner, account = owners[row]
            second[row] = taken.setdefault(owner, account) != account
        if second.any():
            removed["offer-open"] = removed.get("offer-open", np.zeros_like(allowed)) | second
        return allowed & ~second

    def _within_budget(
        self,
        owners: Sequence[tuple[str, Any]],
        allowed: Bools,
        balance: NDArray[np.float64],
        as_of: datetime,
        removed: dict[str, Bools],
    ) -> Bools:
        """Keep for each account the dearest offer that it may draw; who comes when it is spent is offered less."""
        if self.prices.budget_minor is None:
            return allowed
        committed = self.committed(as_of)
        left = -1.0 if np.isnan(committed) else self.prices.budget_minor - committed
        costs = self.prices.costs(balance)
        dear = np.zeros_like(allowed)
        now = as_utc_us(as_of)
        reserved: dict[Any, float] = {}
        for row in np.flatnonzero(allowed.any(axis=1)).tolist():
            owner, account = owners[row]
            running = {one.offer for one in self._made.get(owner, ()) if one.status in _OPEN and one.until > now}
            fresh = np.array([offer.id not in running for offer in self.prices.offers])  # a repeated one is paid for
            mine = reserved.get((owner, account), 0.0)
            dear[row] = allowed[row] & fresh & ~(costs[row] <= left + mine)
            kept = costs[row][allowed[row] & fresh & ~dear[row]]
            need = max(mine, float(kept.max(initial=0.0)))
            left -= need - mine
            reserved[owner, account] = need
        if dear.any():
            removed["offer-budget"] = dear
        return allowed & ~dear

    def make(
        self, account_id: Any, offer_id: str, *, at: datetime, balance_minor: float, debtor_id: Any = None
    ) -> None:
        """Remember that an offer was made.

        Raises
        ------
        InvalidInput
            For an offer that is not on the list.
        """
        offer = self.prices.get(offer_id)
        if offer is None:
            raise InvalidInput.in_column(
                "offer_id",
                "is not on the price list",
                values=[offer_id],
                mend=f"Known are {', '.join(self.prices.ids)}.",
            )
        now = as_utc_us(at)
        offered = self._made.setdefault(_owner(debtor_id, account_id), [])
        if any(one.offer == offer_id and one.status in _OPEN and one.until > now for one in offered):
            return  # repeated while it runs: it is the same offer, and it does not run longer
        until = as_utc_us(at + offer.valid_days * _DAY)
        cost = balance_minor * self.prices.generosity(offer) / 100.0
        offered.append(_Made(account_id, offer_id, until, "open", cost))

    def _owners(self, accounts: Columns) -> list[tuple[str, Any]]:
        n = len(accounts)
        debtors = accounts.values("debtor_id") if "debtor_id" in accounts else [None] * n
        names = accounts.values("account_id") if "account_id" in accounts else [None] * n
        return [
            (_owner(debtor, name if name is not None else row), name if name is not None else row)
            for row, (debtor, name) in enumerate(zip(debtors, names, strict=True))
        ]


def _owner(debtor: Any, account: Any) -> str:
    """Whom an offer is made to: the debtor, where one is named."""
    return f"d|{debtor}" if debtor is not None else f"a|{account}"
