"""What moved the results of a log of less than two months: halves of whole days, every contact in one of them."""

import json
import math
from datetime import datetime, timedelta

from recommender.store.decision_log import DecisionLog


def test_a_short_log_is_cut_in_halves_of_whole_days(demo_site):
    """Two weeks: the later half ends with the day of the last decision, the earlier one begins after the first."""
    told = json.loads((demo_site / "drivers.json").read_text())["moved"]
    since, at, until = (datetime.fromisoformat(told[name]) for name in ("since", "at", "until"))
    with DecisionLog(f"sqlite:///{demo_site}/decisions.db", read_only=True) as log:
        decided = [one["decided_at"] for part in log.rows() for one in part]
    assert until - timedelta(days=1) <= max(decided) < until
    assert at - since == until - at == timedelta(days=math.ceil((until - min(decided)) / timedelta(days=1)) // 2)
    assert min(decided) - timedelta(days=1) <= since <= min(decided) + timedelta(days=1)
    assert told["rows"]
