"""A promise holds until its own day, and a call that was asked for is not made before its moment."""

from __future__ import annotations

from datetime import datetime, timedelta

import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.__main__ import build_app
from recommender.store.decision_log import DecisionLog, debtor_export
from tests.api.test_dispatches import AS_OF, Sender

TOLD_AT = AS_OF + timedelta(hours=8)


@pytest.fixture
def sender(empty_url):
    held = Sender(empty_url)
    with held.client:
        yield held


def tell(sender, told, word, status=200, **more):
    """Tell an outcome of a decision, an hour after it happened; the answer."""
    sender.now = max(sender.now, TOLD_AT + timedelta(hours=1))
    heard = {"decision_id": told["decision_id"], "occurred_at": TOLD_AT.isoformat(), "outcome": word, **more}
    answer = sender.client.post("/v1/outcomes", json={"outcomes": [heard]})
    assert answer.status_code == status, answer.text
    return answer.json()


def may_contact(sender, one, at):
    """Whether any action but to leave the account alone is open at an instant, as a process of its own answers it."""
    other = Sender(sender.url)
    other.now = at
    with other.client:
        body = {"accounts": [one], "as_of": at.isoformat(), "top_k": 50}
        (found,) = other.client.post("/v1/recommendations", json=body).json()["recommendations"]
    return any(not action["no_contact"] for action in found["actions"])


def test_a_promise_holds_until_its_day_and_no_longer(sender):
    """On day 15, which the default does not reach, and on the day itself."""
    told, one = sender.contacting()
    promised = tell(sender, told, "promise_to_pay", promise_date="2027-01-11", outcome_id="p1")
    assert promised["stored"] == 1
    for day in (1, 15, 48, 49):  # the 49th is the day that was promised
        assert not may_contact(sender, one, AS_OF + timedelta(days=day)), day
    assert may_contact(sender, one, AS_OF + timedelta(days=50))


def test_without_a_date_a_promise_holds_for_14_days_and_one_of_tomorrow_for_less(sender):
    """The default is as it was; a near day ends earlier."""
    (told, one), days = sender.contacting(), timedelta(days=1)
    tell(sender, told, "promise_to_pay")
    assert [may_contact(sender, one, AS_OF + n * days) for n in (13, 15)] == [False, True]
    (near,) = sender.decide(other := one | {"account_id": "B1", "debtor_id": "B"})
    tell(sender, near, "promise_to_pay", promise_date="2026-11-24")
    assert [may_contact(sender, other, AS_OF + n * days) for n in (1, 2)] == [False, True]


def test_a_day_that_was_told_wrongly_is_corrected(sender):
    """The correction's day counts alone, be it earlier or later; both rows stay and are exported, and are erased."""
    told, one = sender.contacting()
    tell(sender, told, "promise_to_pay", promise_date="2027-01-11", outcome_id="p1")
    tell(sender, told, "promise_to_pay", promise_date="2026-12-21", outcome_id="p2", replaces="p1")
    assert [may_contact(sender, one, AS_OF + timedelta(days=n)) for n in (28, 29)] == [False, True]
    tell(sender, told, "promise_to_pay", promise_date="2027-02-01", outcome_id="p3", replaces="p2")
    assert [may_contact(sender, one, AS_OF + timedelta(days=n)) for n in (30, 70, 71)] == [False, False, True]
    shown = sender.client.get(f"/v1/decisions/{told['decision_id']}").json()["outcomes"]
    assert sorted(row["promise_date"] for row in shown) == ["2026-12-21", "2027-01-11", "2027-02-01"]
    exported = sender.client.get(f"/v1/debtors/{one['debtor_id']}").json()["decisions"]
    days = [row["promise_date"] for entry in exported for row in entry["outcomes"]]
    assert sorted(days) == ["2026-12-21", "2027-01-11", "2027-02-01"]
    with DecisionLog(sender.url) as log:
        frame = log.outcome_frame()
        assert [str(day) for day in frame["promise_date"]] == ["2027-02-01"]
        assert debtor_export(log, one["debtor_id"])["decisions"][0]["outcomes"][0]["callback_at"] is None
    assert sender.client.delete(f"/v1/debtors/{one['debtor_id']}?requested_by=me").json()["outcomes"] == 3
    with DecisionLog(sender.url) as log:
        assert log.outcome_frame().empty
    assert may_contact(sender, one, AS_OF + timedelta(days=30))


def test_the_same_promise_twice_counts_once_and_another_day_is_another(sender):
    """Under no key the day is part of what was told; of one instant the later day holds, in whatever order."""
    told, one = sender.contacting()
    answers = [
        tell(sender, told, "promise_to_pay", promise_date=day) for day in ("2026-12-21", "2026-12-21", "2026-12-07")
    ]
    assert [(one["stored"], one["repeated"]) for one in answers] == [(1, 0), (0, 1), (1, 0)]
    assert not may_contact(sender, one, AS_OF + timedelta(days=28))
    tell(sender, told, "promise_to_pay")
    assert [may_contact(sender, one, AS_OF + timedelta(days=n)) for n in (28, 29)] == [False, True]
    conflict = {"promise_date": "2026-12-22", "outcome_id": "k"}
    tell(sender, told, "promise_to_pay", **conflict)
    tell(sender, told, "promise_to_pay", 409, **conflict | {"promise_date": "2026-12-23"})


def test_a_call_is_not_made_before_its_moment(sender):
    """To the minute; other channels wait as well, and a request without a moment holds for a day."""
    told, one = sender.contacting()
    at = AS_OF + timedelta(days=3, hours=2)
    tell(sender, told, "callback_requested", callback_at=at.isoformat())
    assert not may_contact(sender, one, at - timedelta(minutes=1))
    assert may_contact(sender, one, at)
    shown = sender.client.get(f"/v1/decisions/{told['decision_id']}").json()["outcomes"]
    assert datetime.fromisoformat(shown[0]["callback_at"]) == at
    (asked,) = sender.decide(other := one | {"account_id": "B1", "debtor_id": "B"})
    tell(sender, asked, "callback_requested")
    assert not may_contact(sender, other, TOLD_AT + timedelta(hours=16))
    assert may_contact(sender, other, AS_OF + timedelta(days=2))


def scored(sender, folder, one, at, history=None):
    """Whether ``score`` with the log contacts the account at an instant."""
    facts = {name: one[name] for name in ("account_id", "debtor_id", "country", "timezone", "due_date", "party")}
    facts |= {"balance_minor": 1_200_000, "currency": "COP", "consented_channels": "sms;email;call", "flags": "none"}
    pd.DataFrame([facts]).to_csv(folder / "a.csv", index=False)
    known = ["--no-contacts-yet"]
    if history is not None:
        history.to_csv(folder / "c.csv", index=False)
        known = ["--contacts", str(folder / "c.csv")]
    words = ["score", str(folder / "a.csv"), "--as-of", at.isoformat(), "--strategy", "none", *known,
             "--out", str(folder / "plan.parquet"), "--decision-log", sender.url]  # fmt: skip
    answer = CliRunner().invoke(build_app(), words)
    assert answer.exit_code in (0, 3), (answer.output, answer.exception)
    return bool(pd.read_parquet(folder / "plan.parquet")["channel"].notna().any())


def test_score_knows_the_day_and_the_moment_that_the_service_was_told(sender, tmp_path):
    """Also beside a history that brings such columns of its own, as dates and instants."""
    told, one = sender.contacting()
    tell(sender, told, "promise_to_pay", promise_date="2027-01-11", outcome_id="p1")
    history = pd.DataFrame(
        {"account_id": one["account_id"], "sent_at": ["2026-11-01T10:00:00-05:00", "2026-11-02T10:00:00-05:00"],
         "channel": "sms", "outcome": ["callback_requested", "promise_to_pay"], "promise_date": [None, "2026-11-03"],
         "callback_at": ["2026-11-03T10:00:00-05:00", None]}
    )  # fmt: skip
    for day, rows, right in ((15, None, False), (49, history, False), (50, history, True)):
        assert scored(sender, tmp_path, one, AS_OF + timedelta(days=day), rows) == right
    tell(sender, told, "promise_to_pay", promise_date="2026-12-14", outcome_id="p2", replaces="p1")
    at = AS_OF + timedelta(days=60)
    tell(sender, told, "callback_requested", callback_at=at.isoformat())
    for moment, rows, right in ((at - timedelta(minutes=1), history, False), (at, None, True)):
        assert scored(sender, tmp_path, one, moment, rows) == right


REFUSED = [
    ("promise_to_pay", {"promise_date": "2026-11-22"}, "promise_date", "2026-11-22"),
    ("promise_to_pay", {"promise_date": "2027-11-25"}, "promise_date", "2027-11-25"),
    ("promise_to_pay", {"promise_date": "15/12/2026"}, "promise_date", "15/12/2026"),
    ("promise_to_pay", {"promise_date": "2026-02-30"}, "promise_date", "2026-02-30"),
    ("promise_to_pay", {"promise_date": 1797379200}, "promise_date", ""),
    ("paid", {"promise_date": "2026-12-15", "amount_minor": 1, "currency": "COP"}, "promise_date", "paid"),
    ("promise_to_pay", {"callback_at": "2026-12-01T09:00:00-05:00"}, "callback_at", "promise_to_pay"),
    ("callback_requested", {"callback_at": "2026-11-23T15:59:59-05:00"}, "callback_at", "2026-11-23T15:59:59"),
    ("callback_requested", {"callback_at": "2027-02-21T16:00:01-05:00"}, "callback_at", "2027-02-21T16:00:01"),
    ("callback_requested", {"callback_at": "2026-12-01T09:00:00"}, "callback_at", ""),
    ("callback_requested", {"promise_date": "2026-12-15"}, "promise_date", "callback_requested"),
]
TAKEN = [
    ("promise_to_pay", {"promise_date": "2026-11-23"}),
    ("promise_to_pay", {"promise_date": "2027-11-24"}),  # a year on where it is 11:00 of the 24th
    ("callback_requested", {"callback_at": "2026-11-23T16:00:00-05:00"}),
    ("callback_requested", {"callback_at": "2027-02-21T16:00:00-05:00"}),
]


def test_what_cannot_be_is_refused_with_field_value_and_mend_and_the_edges_are_in(sender):
    """Nothing of what is refused is stored. The log knows no debtor's zone: a day is past once it is so everywhere."""
    told, _ = sender.contacting()
    for word, more, column, value in REFUSED:
        answer = tell(sender, told, word, 422, **more)
        assert (answer["column"] or "").endswith(column) or column in answer["detail"], more
        assert value in answer["detail"], more
    with DecisionLog(sender.url) as log:
        assert log.outcome_frame().empty
    for word, more in TAKEN:
        assert tell(sender, told, word, **more)["stored"] == 1


def test_a_contact_of_the_request_says_it_as_an_outcome_does(sender):
    """Without an entry of the log, in a decision and before sending; what cannot be is refused."""
    told, one = sender.contacting()
    contact = {"account_id": one["account_id"], "sent_at": TOLD_AT.isoformat(), "channel": "call"}
    promise = contact | {"outcome": "promise_to_pay", "promise_date": "2027-01-11"}
    held = one | {"contacts": [promise]}
    long_ago = promise | {"sent_at": (AS_OF - timedelta(days=20)).isoformat()}
    sender.now = datetime.fromisoformat(told["actions"][0]["contact_at"])
    for number, (day, right) in enumerate((("2026-12-01", False), ("2026-11-22", True))):
        facts = one | {"contacts": [long_ago | {"promise_date": day}]}
        assert sender.send(told, account=facts, dispatch_id=f"x{number}")["may_send"] == right, day
    assert [may_contact(sender, held, AS_OF + timedelta(days=n)) for n in (15, 49, 50)] == [False, False, True]
    at = AS_OF + timedelta(days=52)
    call = contact | {"outcome": "callback_requested", "callback_at": at.isoformat()}
    held = one | {"contacts": [call]}
    assert [may_contact(sender, held, moment) for moment in (at - timedelta(minutes=1), at)] == [False, True]
    for wrong in (promise | {"outcome": "delivered"}, call | {"callback_at": AS_OF.isoformat()}):
        body = {"accounts": [one | {"contacts": [wrong]}], "as_of": sender.now.isoformat()}
        answer = sender.client.post("/v1/recommendations", json=body)
        assert answer.status_code == 422 and ("promise_date" in answer.text or "callback_at" in answer.text)
