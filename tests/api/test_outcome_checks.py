"""What may have happened, and when the debtor's hour began: to the second."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest

from api.service.log_schemas import Outcome
from api.service.outcome_checks import check_outcomes
from api.service.schemas import Account, refuse_terms
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


@pytest.mark.parametrize(
    ("outcome", "terms", "says"),
    [
        ("paid", {"promise_date": date(2026, 12, 1)}, "2026-12-01 does not belong to 'paid'. Only"),
        ("promise_to_pay", {"promise_date": date(2026, 11, 1)}, "2026-11-01 lies before the promise, which"),
        ("promise_to_pay", {"promise_date": date(2028, 1, 1)}, "2028-01-01 is more than a year ahead, after"),
        ("paid", {"callback_at": NOW}, f"{NOW} does not belong to 'paid'. Only"),
        ("callback_requested", {"callback_at": NOW.replace(tzinfo=None)}, "has no time zone. Write the offset"),
        ("callback_requested", {"callback_at": NOW - timedelta(hours=1)}, "lies before the request. Tell the moment"),
        ("callback_requested", {"callback_at": NOW + timedelta(days=91)}, "is more than 90 days ahead. Check the date"),
    ],
)
def test_terms_that_cannot_be_are_refused_in_a_sentence(outcome, terms, says):
    """The field first, then its value and what is wrong with it, then the mend."""
    (field,) = terms
    with pytest.raises(ValueError, match=rf"^{field} .*\.$") as refused:
        refuse_terms(outcome, NOW, terms.get("promise_date"), terms.get("callback_at"))
    assert says in str(refused.value)
