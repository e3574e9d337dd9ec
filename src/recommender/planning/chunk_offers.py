"""What the debtors of a chunk were offered before, and what of the budget its accounts were granted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recommender.offers import Authority, OfferDesk, PriceList

__all__ = ["ChunkOffers"]


@dataclass(frozen=True)
class ChunkOffers:
    """Offers of a chunk.

    Attributes
    ----------
    made : list of dict
        As :class:`~recommender.offers.OfferDesk` reads them, instants in ISO 8601.
    granted : dict of account to float, or None
        What an offer to it may cost; None = the list has no budget.
    """

    made: list[dict[str, Any]] = field(default_factory=list)
    granted: dict[str, float] | None = None

    def save(self, path: Path) -> None:
        """Write as JSON."""
        path.write_text(json.dumps({"made": self.made, "granted": self.granted}), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> ChunkOffers:
        """Inverse of :meth:`save`."""
        stored = json.loads(path.read_text(encoding="utf-8"))
        return cls(stored["made"], stored["granted"])

    def desk(
        self, prices: PriceList | None, authority: Authority, more: Sequence[dict[str, Any]] = ()
    ) -> OfferDesk | None:
        """A desk that remembers them, and what is planned besides; None without a price list."""
        if prices is None:
            return None
        made = [*self.made, *more]
        granted = {} if self.granted is None and prices.budget_minor is not None else self.granted
        return OfferDesk(prices, made or None, authority=authority, granted=granted)
