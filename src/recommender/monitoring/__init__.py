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
    by_week,
    compare_arms,
    split_p_value,
    weekly_trend,
)
from recommender.monitoring.units import (
    EVENTS,
    account_units,
    measured,
    units_of,
)
from recommender.monitoring.written_clocks import (
    check_written_clock,
)

__all__ = [
    "EVENTS",
    "FEWEST_ACCOUNTS",
    "FEWEST_EVENTS",
    "Diagnosis",
    "Finding",
    "account_units",
    "by_week",
    "card_html",
    "check_written_clock",
    "compare_arms",
    "diagnose",
    "diagnose_refusal",
    "measured",
    "split_p_value",
    "units_of",
    "weekly_trend",
]
