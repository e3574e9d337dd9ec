"""The feature families of collections: payment history, current situation, capacity to pay, contact engagement ..."""

from __future__ import annotations

import re

from recommender.spelling import column_word

__all__ = ["FAMILIES", "family_of"]

FAMILIES: dict[str, str] = {
    "payment_history": (
        r"^(debtor_)?(payments_|paid_|days_since_payment|last_payment|promises_)|^(past_delinquencies|recurrent)"
    ),
    "situation": (
        r"^(stage$|days_past_due|days_to_due|weekday$|days_(to|since)_payday)"
        r"|^(balance_minor|product$|principal_|overdue_|arrears_amount)"
    ),
    "capacity": r"(income|salary|employ|capacity|expense|credit_limit|solvency|balance_to_)",
    "engagement": (
        r"^(debtor_)?(contacts_|responses_|days_since_(contact|response)|inbound_|undelivered_|opt_outs_|complaints_)"
    ),
    "preference": r"^(reachable_|consented_|preferred_|prefers_|language$)",
    "arrears_cause": r"^arrears_cause$",
    "status": r"^(do_not_contact|disputed|insolvent|represented|in_lawsuit|hardship|deceased|cease_contact)$",
}
"""Family -> pattern of its column names; a column outside every family belongs to ``profile``."""


def family_of(column: str) -> str:
    """Name of the family a context column belongs to."""
    name = column_word(column)
    return next((family for family, pattern in FAMILIES.items() if re.search(pattern, name)), "profile")
