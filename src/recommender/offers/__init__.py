"""What may be offered to whom: a price list, what was offered before, and what is left of the budget."""

from recommender.offers.desk import (
    NO_OFFER,
    STATE_RULES,
    OfferDesk,
    OfferRules,
)
from recommender.offers.price_list import (
    AUTHORITIES,
    Authority,
    Offer,
    PriceList,
    PriceListError,
)

__all__ = [
    "AUTHORITIES",
    "NO_OFFER",
    "STATE_RULES",
    "Authority",
    "Offer",
    "OfferDesk",
    "OfferRules",
    "PriceList",
    "PriceListError",
]
