"""Which offer may be made to which debtor now: range, authority, what was offered before, and the budget."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.columns import Columns, Tabular
from recommender.errors import InvalidInput
from recommender.local_time import as_utc_us
from recommender.messages import STAGES
from recommender.offers.price_list import AUTHORITIES, Authority, Offer, PriceList

__all__ = ["NO_OFFER", "STATE_RULES", "OfferDesk", "OfferRules"]

NO_OFFER = "none"
"""Level of the action factor ``offer`` by which none is made."""

#: Rules that hang on what was offered to whom before, and not on the list and the account alone.
STATE_RULES = ("offer-open", "offer-better", "offer-budget")

Bools = NDArray[np.bool_]
_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
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

    account: str
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
    granted : mapping of account to float, optional
        What an offer to each account may cost, where the budget was shared out before
        (:meth:`shared_out`): it takes the place of the budget, and an account that is not named gets nothing.
    committed_minor : float, optional
        What all offers that bind may cost, where ``offered`` holds only those to some debtors; NaN where nobody knows.
    as_then : mapping of account to mapping of rule to sequence of str, optional
        Offers that were shut by :data:`STATE_RULES` when each account was decided about: they take the place of memory
        and budget, so that a decision is judged again as it was.

    Notes
    -----
    A debtor has one open offer at most: while it runs it may be repeated, and no other is made. No later offer gives
    more than the one before it, whatever became of that one: waiting never pays.
    """

    def __init__(
        self,
        prices: PriceList,
        offered: Tabular | None = None,
        *,
        authority: Authority = "automatic",
        granted: Mapping[str, float] | None = None,
        committed_minor: float | None = None,
        as_then: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
    ) -> None:
        if authority not in AUTHORITIES:
            raise InvalidInput.in_column(
                "authority", "is not known", values=[authority], mend=f"Use one of {', '.join(AUTHORITIES)}."
            )
        self.prices = prices
        self._power = AUTHORITIES.index(authority)
        self._generosity = {offer.id: prices.generosity(offer) for offer in prices.offers}
        self._granted = granted
        self._committed, self._as_then = committed_minor, as_then
        self._since: list[_Made] = []
        self._made: dict[str, list[_Made]] = {}
        if offered is not None:
            self._read(Columns.of(offered))

    def _read(self, table: Columns) -> None:
        for name in ("account_id", "offer_id", "offered_at"):
            if name not in table:
                raise InvalidInput.missing_columns([name], list(table.names), role="offers made")
        n = len(table)
        at = table.instants("offered_at")
        until = np.full(n, np.nan)
        if "valid_until" in table:  # a row that does not say so runs as the list says
            said = np.array([one is not None for one in table.values("valid_until")], dtype=bool)
            if said.any():
                until[said] = table.take(np.flatnonzero(said)).instants("valid_until")
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
            self._keep(_Made(str(account), str(offer_id), int(ends), status, cost), account, debtor)

    def _keep(self, made: _Made, account: Any, debtor: Any) -> None:
        """Remember under the account and, where one is named, the debtor: whoever asks may name only one of them."""
        for key in {_owner(None, account), _owner(debtor, account)}:
            self._made.setdefault(key, []).append(made)

    def _offered_to(self, owner: str, account: Any) -> list[_Made]:
        """What a debtor, or the account, was offered."""
        rows = {id(one): one for key in (owner, _owner(None, account)) for one in self._made.get(key, ())}
        return list(rows.values())

    def committed(self, as_of: datetime) -> float:
        """Minor units that offers which are open or were accepted may cost; NaN where one of them is unknown."""
        now = as_utc_us(as_of)
        if self._committed is not None:
            return self._committed + float(sum(one.cost for one in self._since))
        costs: dict[tuple[str, str, int], float] = {}  # told again while it ran, an offer is the same one
        for one in {id(one): one for offers in self._made.values() for one in offers}.values():
            if one.status in _BINDING or (one.status in _OPEN and one.until > now):
                key = one.account, one.offer, one.until
                costs[key] = max(costs.get(key, -np.inf), one.cost) if not np.isnan(one.cost) else np.nan
        return float(np.sum(list(costs.values()))) if costs else 0.0

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
        if self._as_then is not None:
            return self._judged_then(accounts, allowed, removed)
        busy, better = np.zeros_like(allowed), np.zeros_like(allowed)
        owners = self._owners(accounts)
        for row, (owner, account) in enumerate(owners):
            for one in self._offered_to(owner, account):
                if one.status in _OPEN and one.until > now:
                    busy[row] |= [offer.id != one.offer or str(account) != one.account for offer in offers]
                elif one.status in _BINDING:
                    busy[row] |= str(account) == one.account
                # An offer that left the list bounds nothing that can be compared: nothing may follow it.
                better[row] |= gives > self._generosity.get(one.offer, -1.0) + 1e-12
        take_out("offer-open", busy)
        take_out("offer-better", better)
        allowed &= ~busy & ~better
        allowed = self._one_a_debtor(owners, allowed, removed)
        return OfferRules(self._within_budget(owners, allowed, balance, as_of, removed), removed)

    def _judged_then(self, accounts: Columns, allowed: Bools, removed: dict[str, Bools]) -> OfferRules:
        """Shut what was shut when the accounts were decided about."""
        shut = [(self._as_then or {}).get(str(account), {}) for _, account in self._owners(accounts)]
        for rule in STATE_RULES:
            gone = np.array([[offer in one.get(rule, ()) for offer in self.prices.ids] for one in shut], dtype=bool)
            if gone.any():
                removed[rule] = gone
                allowed = allowed & ~gone
        return OfferRules(allowed, removed)

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
        if self._granted is not None:
            return self._within_grants(owners, allowed, balance, as_of, removed)
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
            fresh = ~self._running(owner, account, now)  # a repeated one is paid for
            mine = reserved.get((owner, account), 0.0)
            dear[row] = allowed[row] & fresh & ~(costs[row] <= left + mine)
            kept = costs[row][allowed[row] & fresh & ~dear[row]]
            need = max(mine, float(kept.max(initial=0.0)))
            left -= need - mine
            reserved[owner, account] = need
        if dear.any():
            removed["offer-budget"] = dear
        return allowed & ~dear

    def _within_grants(
        self,
        owners: Sequence[tuple[str, Any]],
        allowed: Bools,
        balance: NDArray[np.float64],
        as_of: datetime,
        removed: dict[str, Bools],
    ) -> Bools:
        """Keep what each account was granted; an offer that runs is paid for already."""
        granted = self._granted or {}
        costs, now = self.prices.costs(balance), as_utc_us(as_of)
        dear = np.zeros_like(allowed)
        for row in np.flatnonzero(allowed.any(axis=1)).tolist():
            fresh = ~self._running(*owners[row], now)
            dear[row] = allowed[row] & fresh & ~(costs[row] <= granted.get(str(owners[row][1]), 0.0))
        if dear.any():
            removed["offer-budget"] = dear
        return allowed & ~dear

    def _running(self, owner: str, account: Any, now: int) -> Bools:
        """Which offers of the list run for a debtor."""
        made = self._offered_to(owner, account)
        running = {one.offer for one in made if one.status in _OPEN and one.until > now}
        return np.array([offer.id in running for offer in self.prices.offers])

    def asked_for(self, accounts: Columns, allowed: Bools, as_of: datetime) -> NDArray[np.float64]:
        """What each offer that may be made to an account would newly cost, shape (n, n_offers); NaN where none may.

        Parameters
        ----------
        accounts : Columns
        allowed : ndarray of bool of shape (n, n_offers)
        as_of : aware datetime
        """
        balance = accounts.numbers("balance_minor") if "balance_minor" in accounts else np.full(len(accounts), np.nan)
        running = np.array([self._running(*owner, as_utc_us(as_of)) for owner in self._owners(accounts)])
        fresh = ~running.reshape(allowed.shape)
        return np.where(allowed & fresh, self.prices.costs(balance), np.nan)

    def shared_out(self, asked: Iterable[tuple[str, NDArray[np.float64]]], as_of: datetime) -> dict[str, float]:
        """Share the budget out among accounts, the first served first: to each the dearest offer that is left for.

        Every grant counts as spent, whether the offer is drawn and taken or not: so whoever decides about some of the
        accounts alone, in any order, the budget holds.

        Parameters
        ----------
        asked : iterable of (account, costs of shape (n_offers,))
            In the order in which they are served, see :meth:`asked_for`.
        as_of : aware datetime
        """
        budget = self.prices.budget_minor
        committed = self.committed(as_of)
        left = np.inf if budget is None else -1.0 if np.isnan(committed) else budget - committed
        grants: dict[str, float] = {}
        for account, costs in asked:
            grant = float(np.max(costs, initial=0.0, where=costs <= left))
            if grant > 0.0 or (costs <= left).any():
                grants[account] = grant
                left -= grant
        return grants

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
        offered = self._offered_to(_owner(debtor_id, account_id), account_id)
        if any(one.offer == offer_id and one.status in _OPEN and one.until > now for one in offered):
            return  # repeated while it runs: it is the same offer, and it does not run longer
        until = as_utc_us(at + offer.valid_days * _DAY)
        cost = balance_minor * self.prices.generosity(offer) / 100.0
        made = _Made(str(account_id), offer_id, until, "open", cost)
        self._since.append(made)
        self._keep(made, account_id, debtor_id)

    def valid_until(self, account_id: Any, offer: Offer, *, at: datetime, debtor_id: Any = None) -> datetime:
        """When an offer that is made at an instant runs out: one that is repeated does not run longer for it."""
        now = as_utc_us(at)
        running = [
            one.until
            for one in self._offered_to(_owner(debtor_id, account_id), account_id)
            if one.offer == offer.id and one.account == str(account_id) and one.status in _OPEN and one.until > now
        ]
        ends = at + offer.valid_days * _DAY
        earlier = [(_EPOCH + timedelta(microseconds=until)).astimezone(at.tzinfo) for until in running]
        return min(ends, *earlier) if earlier else ends

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
