"""Offers among the actions: which may be made to whom, what they cost, and whether a text tells them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.columns import Columns
from recommender.messages import STAGES, Catalogue
from recommender.offers import NO_OFFER, Offer, OfferDesk
from recommender.rules import CHANNELS, KINDS, TONES, Eligibility, kind_of
from recommender.strategy import ContactStrategy

__all__ = ["OfferChoice", "offer_levels"]

_FACTOR = "offer"
_LONGEST_DAYS = 100_000  # past due: beyond it the due date is unknown


class OfferChoice:
    """Offers of one action space: the levels of its factor ``offer``, where it has one.

    Parameters
    ----------
    actions : ActionSpace
        A level is the id of an offer on the price list, or "none".
    desk : OfferDesk or None
        Without one no offer is eligible.
    catalogue : Catalogue
    purpose : str
    """

    def __init__(self, actions: ActionSpace, desk: OfferDesk | None, catalogue: Catalogue, purpose: str) -> None:
        self._desk, self._catalogue, self._purpose = desk, catalogue, purpose
        self._actions = actions
        names = actions.factor_names
        codes = actions.codes[: actions.n_contact_actions]
        self._levels = actions.factors.get(_FACTOR, ())
        self._level = codes[:, names.index(_FACTOR)] if _FACTOR in names else np.zeros(len(codes), dtype=np.int64)
        self._hour = codes[:, names.index("hour")] if "hour" in names else np.zeros(len(codes), dtype=np.int64)
        self._offers: list[Offer | None] = [
            None if desk is None or str(level) == NO_OFFER else desk.prices.get(str(level)) for level in self._levels
        ]

    @property
    def is_offered(self) -> bool:
        """Whether offers are among the actions."""
        return bool(self._levels)

    def kinds(self) -> list[str | None] | None:
        """Kind of message that each contact action asks for by its offer; None where there are no offers."""
        if not self.is_offered:
            return None
        kinds = [None if offer is None else offer.message_kind for offer in self._offers]
        return [kinds[level] for level in self._level.tolist()]

    def narrowed(self, eligible: Eligibility, accounts: Columns, as_of: datetime) -> Eligibility:
        """Take out the offers that may not be made, each by the name of the rule."""
        if not self.is_offered:
            return eligible
        made = np.array([str(level) != NO_OFFER for level in self._levels])
        unknown = made & np.array([offer is None for offer in self._offers])
        if unknown.any():
            rule = "offer-no-price-list" if self._desk is None else "offer-not-listed"
            eligible = self._without(eligible, np.repeat(unknown[None], len(accounts), axis=0), rule)
        if self._desk is None:
            return eligible
        ids = self._desk.prices.ids
        listed = np.array([-1 if offer is None else ids.index(offer.id) for offer in self._offers])
        days = eligible.days_past_due()
        undated = days.max(axis=1) > _LONGEST_DAYS
        eligible = self._without(eligible, undated[:, None] & (listed >= 0)[None], "offer-stage")
        # An offer must be right on every day that it may be told.
        for day in (days.min(axis=1), days.max(axis=1)):
            ruled = self._desk.rules(accounts, as_of=as_of, days_past_due=day, ranges=eligible.incentive_ranges())
            for rule, gone in ruled.removed.items():
                eligible = self._without(eligible, np.where(listed >= 0, gone[:, np.maximum(listed, 0)], False), rule)
        return eligible.narrowed(self._told(accounts, days), "no-template")

    def _without(self, eligible: Eligibility, gone: NDArray[np.bool_], rule: str) -> Eligibility:
        """Take levels out, ``gone`` of shape (n, n_levels)."""
        if not gone.any():
            return eligible
        allowed = np.ones((len(gone), len(self._actions)), dtype=bool)
        allowed[:, : len(self._level)] = ~gone[:, self._level]
        return eligible.narrowed(allowed, rule)

    def _told(self, accounts: Columns, days: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Where an approved text of the offer's kind, or no offer, is there; shape (n, n_actions)."""
        names, codes = self._actions.factor_names, self._actions.codes[: len(self._level)]

        def word(factor: str) -> list[Any]:
            return [self._actions.factors[factor][code] for code in codes[:, names.index(factor)].tolist()]

        n = len(days)
        kinds = self.kinds() or []
        answer = np.ones((n, len(self._actions)), dtype=bool)
        stated = [kind_of(one) for one in word("message_kind")] if "message_kind" in names else [None] * len(kinds)
        channels, tones = word("channel"), word("tone") if "tone" in names else [None] * len(kinds)
        stage = np.searchsorted((0, 30, 90), days, side="left")
        tongues = accounts.values("language") if "language" in accounts else [None] * n
        tables = {one: self._catalogue.available(self._purpose, one) for one in {_tongue(name) for name in tongues}}
        there = np.stack([tables[_tongue(name)] for name in tongues]) if n else np.zeros((0, len(STAGES), 1, 1, 1))
        for action, (kind, said) in enumerate(zip(kinds, stated, strict=True)):
            if kind is None:
                continue
            if said is not None and said != kind:  # the text would not tell the offer
                answer[:, action] = False
                continue
            if "tone" not in names:  # nothing is written that could tell it
                continue
            channel = CHANNELS.index(channels[action]) if channels[action] in CHANNELS else -1
            tone = TONES.index(tones[action]) if tones[action] in TONES else -1
            if channel < 0 or tone < 0:
                answer[:, action] = False
                continue
            at = stage[:, self._hour[action]]
            answer[:, action] = there[np.arange(n), at, channel, KINDS.index(kind), tone]
        return answer

    @property
    def has_prices(self) -> bool:
        """Whether some action makes an offer of the price list."""
        return self._desk is not None and any(self._offers)

    def costs(self, accounts: Columns, *, beyond_money: bool = False) -> NDArray[np.float64] | None:
        """Minor units that the offer of each action costs if it is taken, shape (n, n_actions); None without offers.

        Parameters
        ----------
        accounts : Columns
        beyond_money : bool, default=False
            Only what does not show in the money that comes in: of a discount less comes in, of instalments it comes
            in later.
        """
        if self._desk is None or not self.has_prices:
            return None
        prices = self._desk.prices
        balance = accounts.numbers("balance_minor") if "balance_minor" in accounts else np.full(len(accounts), np.nan)
        each = np.nan_to_num(prices.costs(balance))
        answer = np.zeros((len(accounts), len(self._actions)))
        for level, offer in enumerate(self._offers):
            if offer is None or (beyond_money and offer.kind == "discount"):
                continue
            answer[:, np.flatnonzero(self._level == level)] = each[:, [prices.ids.index(offer.id)]]
        return answer

    def paid_later(
        self, strategy: ContactStrategy, accounts: Columns, X: NDArray[np.float64], *, beyond_money: bool = True
    ) -> NDArray[np.float64] | None:
        """What the offer of each action is expected to cost, shape (n, n_actions): its cost times who takes it.

        Parameters
        ----------
        strategy : ContactStrategy
        accounts : Columns
        X : ndarray of shape (n, n_columns)
            Encoded context.
        beyond_money : bool, default=True
            See :meth:`costs`.
        """
        costs = self.costs(accounts, beyond_money=beyond_money)
        if costs is None or not costs.any():
            return None
        if strategy.ladder_ is None or not strategy.ladder_.has_amounts:
            return costs  # nobody knows who takes it: as if everybody did
        dear = np.flatnonzero(costs.any(axis=0))
        costs[:, dear] *= strategy.ladder_.believe(X, np.repeat(dear[None], len(X), axis=0)).rungs["paid"].mean(axis=-1)
        return costs

    def asked_for(self, eligible: Eligibility, accounts: Columns, as_of: datetime) -> NDArray[np.float64]:
        """What each offer of the list that an eligible action makes would newly cost, shape (n, n_offers); NaN: none.

        Asked of a desk without a budget: what of it each account may have is settled from this.

        Parameters
        ----------
        eligible : Eligibility
            Of these accounts, narrowed by :meth:`narrowed` already.
        accounts : Columns
        as_of : aware datetime
        """
        if self._desk is None:
            return np.full((len(accounts), 0), np.nan)
        made = np.zeros((len(accounts), len(self._desk.prices.ids)), dtype=bool)
        for level, offer in enumerate(self._offers):
            if offer is not None:
                open_ = eligible.mask[:, : len(self._level)][:, self._level == level]
                made[:, self._desk.prices.ids.index(offer.id)] |= open_.any(axis=1)
        return self._desk.asked_for(accounts, made, as_of)


def offer_levels(actions: ActionSpace) -> list[str | None]:
    """Offer that each action makes; None where it makes none, or offers are no factor."""
    if _FACTOR not in actions.factors:
        return [None] * len(actions)
    codes = actions.codes[:, actions.factor_names.index(_FACTOR)].tolist()
    levels = [str(level) for level in actions.factors[_FACTOR]]
    return [None if code < 0 or levels[code] == NO_OFFER else levels[code] for code in codes]


def _tongue(name: Any) -> str | None:
    return name if isinstance(name, str) else None
