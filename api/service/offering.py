"""Offers of a request: the price list with what the log knows was offered, what the caller tells, and what is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from api.service.request_columns import debtor_of
from api.service.schemas import Account
from recommender.columns import Columns
from recommender.deciding import Decided, shut_then
from recommender.errors import InvalidInput
from recommender.offers import STATE_RULES, Authority, OfferDesk, PriceList
from recommender.store.decision_log import DecisionRecord, OfferBudget, Standing

__all__ = ["OfferTerms", "RequestOffers", "refuse_told"]


@dataclass(frozen=True)
class OfferTerms:
    """What the service may offer: the same for every request.

    Attributes
    ----------
    prices : PriceList
    authority : {"automatic", "agent", "supervisor"}
        Whose word its offers have.
    text : str
        The list as it is written, for plans.
    """

    prices: PriceList
    authority: Authority = "automatic"
    text: str = ""

    @property
    def desk(self) -> OfferDesk:
        """A desk that remembers nothing: which offers there are, and what tells them."""
        return OfferDesk(self.prices, authority=self.authority)

    def budget(self, as_of: datetime) -> OfferBudget:
        """What the log is asked for, and held to."""
        return OfferBudget(self.prices.currency, self.prices.budget_minor, as_of)

    def desk_then(self, record: DecisionRecord) -> OfferDesk:
        """A desk that shuts what was shut when a logged decision was made."""
        shut = shut_then(record.ranking[0]) if record.ranking else {}
        return OfferDesk(self.prices, authority=self.authority, as_then={record.account_id: shut})

    def desk_of_one(self, account_id: str, offer_id: str | None) -> OfferDesk:
        """A desk that has one offer for an account, the one that it was made, or none."""
        others = [one for one in self.prices.ids if one != offer_id]
        return OfferDesk(self.prices, authority=self.authority, as_then={account_id: {STATE_RULES[0]: others}})


class RequestOffers:
    """The desk of one request on one standing of the ledger.

    What the caller tells of is joined to what the log knows: it can shut offers and spend budget, never open any.

    Parameters
    ----------
    terms : OfferTerms
    accounts : sequence of Account
    standing : Standing
        Read with :meth:`OfferTerms.budget`.
    as_of : aware datetime

    Raises
    ------
    InvalidInput
        For an offer told that cannot be read.
    """

    def __init__(self, terms: OfferTerms, accounts: Sequence[Account], standing: Standing, as_of: datetime) -> None:
        self._terms = terms
        self._logged = [_of_log(row) for row in standing.offers]
        self._told = [row for account in accounts for row in _told(account)]
        theirs = OfferDesk(terms.prices, _table(self._told)).committed(as_of)
        self._committed = standing.committed_minor + theirs
        budget = terms.budget(as_of)
        left = None if budget.minor is None else budget.minor - theirs
        self.budget = OfferBudget(budget.currency, left, as_of)
        self._made: list[Decided] = []

    def desk(self) -> OfferDesk:
        """What may be offered now, after what this request has offered already."""
        desk = OfferDesk(
            self._terms.prices,
            _table([*self._logged, *self._told]),
            authority=self._terms.authority,
            committed_minor=self._committed,
        )
        for decided in self._made:
            decided.remember_offers(desk)
        return desk

    def remember(self, decided: Decided) -> None:
        """Count what decisions offer against the next ones."""
        self._made.append(decided)

    def release(self, decision_id: str) -> None:
        """Count the offer of a decision no longer that is taken back with this request."""
        for row in [one for one in self._logged if one["decision_id"] == decision_id]:
            self._logged.remove(row)
            again = any(all(one[name] == row[name] for name in _ONE_OFFER) for one in self._logged)
            if not again and row["cost_minor"] is not None:
                self._committed = max(0.0, self._committed - row["cost_minor"])

    @property
    def mark(self) -> int:
        """Place to go back to."""
        return len(self._made)

    def back_to(self, mark: int) -> None:
        """Forget decisions that are not made after all."""
        del self._made[mark:]


def refuse_told(accounts: Iterable[Account]) -> None:
    """Raise where offers are told to a service that makes none."""
    if any(account.offered for account in accounts):
        raise InvalidInput(
            "offered is told, and this service has no price list.",
            column="offered",
            mend="Set RECOMMENDER_OFFERS (docs/purposes.md), or leave it out.",
        )


#: Rows of the log that are alike in these tell one offer: it was repeated while it ran.
_ONE_OFFER = ("account_id", "offer_id", "valid_until")


def _of_log(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "decision_id": row["decision_id"],
        "account_id": row["account_id"], "debtor_id": row["debtor_id"], "offer_id": row["offer_id"],
        "offered_at": row["made_at"], "valid_until": row["expires_at"], "status": row["status"],
        "cost_minor": row["cost_minor"], "balance_minor": None,
    }  # fmt: skip


def _told(account: Account) -> list[dict[str, Any]]:
    return [
        {
            "decision_id": None,
            "account_id": account.account_id, "debtor_id": debtor_of(account), "offer_id": one.offer_id,
            "offered_at": one.offered_at, "valid_until": one.valid_until, "status": one.status,
            "cost_minor": one.cost_minor, "balance_minor": account.balance_minor,
        }
        for one in account.offered or ()
    ]  # fmt: skip


def _table(rows: list[dict[str, Any]]) -> Columns | None:
    """Rows as a table; a column that no row fills is not there, so that the list says it."""
    if not rows:
        return None
    filled = [name for name in rows[0] if any(row[name] is not None for row in rows)]
    return Columns.of([{name: row[name] for name in filled} for row in rows])
