"""Is it still true: the doctor of a log, and what watches a strategy in service."""

from recommender.monitoring.doctor import (
    diagnose,
    diagnose_refusal,
)
from recommender.monitoring.doctor_card import (
    card_html,
)
from recommender.monitoring.findings import (
    Diagnosis,
    Finding,
)
from recommender.monitoring.kpi import (
    FEWEST_ACCOUNTS,
    FEWEST_EVENTS,
    account_units,
    compare_arms,
    split_p_value,
    weekly_trend,
)
from recommender.monitoring.written_clocks import (
    check_written_clock,
)

__all__ = [
    "FEWEST_ACCOUNTS",
    "FEWEST_EVENTS",
    "Diagnosis",
    "Finding",
    "account_units",
    "card_html",
    "check_written_clock",
    "compare_arms",
    "diagnose",
    "diagnose_refusal",
    "split_p_value",
    "weekly_trend",
]
