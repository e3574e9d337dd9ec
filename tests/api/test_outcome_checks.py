"""What may have happened, and when the debtor's hour began: to the second."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from api.service.log_schemas import Outcome
from api.service.outcome_checks import check_outcomes
from api.service.schemas import Account
from api.service.send_check import PresentFacts
from recommender.errors import InvalidInput
from recommender.store.decision_log import Standing

NOW = datetime(2026, 11, 23, 13, 24, 35, 678, tzinfo=UTC)


def told(seconds: float, decided: float = -60.0) -> None:
    """Check an outcome of so many seconds from now, of a decision so many seconds ago."""
    outcome = Outcome(decision_id="d1", occurred_at=NOW + timedelta(seconds=seconds), outcome="delivered")
    log = SimpleNamespace(decided_at=lambda ids: dict.fromkeys(ids, NOW + timedelta(seconds=decided)))
    check_outcomes([outcome], log, NOW)  # type: ignore[arg-type]


def test_clocks_may_differ_by_five_minutes_and_an_outcome_comes_after_its_decision():
    told(300)
    told(-60)
    with pytest.raises(InvalidInput, match="lies in the future"):
        told(301)
    with pytest.raises(InvalidInput, match="lies before the decision"):
        told(-61)


def test_an_hour_begins_on_the_debtors_clock():
    """A zone half an hour off has its own hours; without a zone there is none."""
    account = Account(account_id="A1", timezone="America/St_Johns", contacts=[])
    present = PresentFacts(account, Standing(), "d1", ("CO",))
    assert present.hour_starts(NOW) == datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
    assert present.local_hour(NOW) == 9
    unknown = PresentFacts(account.model_copy(update={"timezone": None}), Standing(), "d1", ("CO",))
    assert unknown.hour_starts(NOW) is unknown.local_hour(NOW) is None
