"""What a campaign engine gets wrong or tries: clocks, corrections, cursors, empty constraints, races, late news."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from fastapi.testclient import TestClient

from api.main import create_app
from recommender.store.decision_log import DecisionLog
from tests.api.test_dispatches import AS_OF, Sender, account

HOUR = timedelta(hours=1)


@pytest.fixture
def sender(empty_url):
    held = Sender(empty_url)
    with held.client:
        yield held


CLOCKS = [
    ("America/New_York", "2026-03-08T01:59:59-05:00"),  # the hour after does not exist
    ("America/New_York", "2026-11-01T01:30:00-04:00"),  # the hour comes twice
    ("America/Santiago", "2026-09-05T23:59:59-04:00"),  # midnight does not exist
    ("Australia/Lord_Howe", "2026-10-04T01:59:00+10:30"),  # half an hour of summer
    ("Asia/Kathmandu", "2026-11-23T06:59:59+05:45"),
    ("Pacific/Chatham", "2026-04-05T03:44:59+13:45"),
    ("Pacific/Apia", "2026-11-23T00:00:00+13:00"),
    ("America/Bogota", "2026-11-22T23:59:59.999999-05:00"),
    ("America/Bogota", "2028-02-29T08:00:00-05:00"),
    ("America/Bogota", "1990-01-01T00:00:00+00:00"),
    ("America/Bogota", "2099-12-30T23:59:59+00:00"),
]


@pytest.mark.parametrize(("zone", "at"), CLOCKS)
def test_whatever_the_clock_what_is_planned_lies_ahead_and_is_legal_by_the_check(sender, zone, at):
    """To the second of its instant; a due date on a leap day is one."""
    one = account(timezone=zone, due_date="2024-02-29", contacts=[])
    answer = sender.client.post("/v1/recommendations", json={"accounts": [one], "as_of": at, "top_k": 50})
    assert answer.status_code == 200, answer.text
    (told,) = answer.json()["recommendations"]
    facts = {name: value for name, value in one.items() if name not in ("contacts", "features", "debtor_id")}
    for action in told["actions"]:
        if action["no_contact"]:
            continue
        when = datetime.fromisoformat(action["contact_at"])
        assert datetime.fromisoformat(at) <= when < datetime.fromisoformat(at) + timedelta(days=8)
        case = {"packs": ["CO", "HOUSE", "TRADE"], "at": action["contact_at"], "channel": action["factors"]["channel"],
                "account": facts | {"account_id": "unknown"}, "contacts": []}  # fmt: skip
        verdict = sender.client.post("/v1/check", json=case).json()
        assert verdict["allowed"], (action, verdict)


@pytest.mark.parametrize("limits", [{"channels": []}, {"allowed_actions": []}, {"earliest": "2099-01-01T00:00:00Z"}])
@pytest.mark.parametrize("place", ["request", "account"])
def test_constraints_that_leave_nothing_leave_alone(sender, limits, place):
    """With certainty, whoever states them."""
    body = {"accounts": [account()], "as_of": AS_OF.isoformat()}
    (body if place == "request" else body["accounts"][0])["constraints"] = limits
    answer = sender.client.post("/v1/recommendations", json=body)
    (told,) = answer.json()["recommendations"]
    assert told["actions"][0]["no_contact"] and told["actions"][0]["propensity"] == 1.0
    assert told["eligible_actions"] == 1


def test_the_same_account_in_two_batches_at_once_is_decided_once(sender):
    """Whatever else is in the batches, and under other names of its debtor."""
    batches = [[account("S"), account(f"T{n}", debtor_id=f"T{n}")] for n in range(6)]
    with ThreadPoolExecutor(6) as pool:
        told = list(pool.map(lambda some: sender.decide(*some), batches))
    assert len({answer[0]["decision_id"] for answer in told}) == 1
    with DecisionLog(sender.url) as log:
        assert log.count() == (7, 0)


def test_a_cursor_belongs_to_its_list(sender):
    """With another filter it would leave decisions out and not say so."""
    for number in range(3):
        sender.decide(account(f"C{number}", debtor_id="C"))
    page = sender.client.get("/v1/decisions", params={"debtor_id": "C", "limit": 1}).json()
    asked = {"debtor_id": "C", "limit": 2, "cursor": page["next_cursor"]}
    assert len(sender.client.get("/v1/decisions", params=asked).json()["decisions"]) == 2
    for other in ({"debtor_id": "D"}, {"account_id": "C1"}, {"since": AS_OF.isoformat()}, {"segment": "late"}):
        answer = sender.client.get("/v1/decisions", params=asked | other)
        assert answer.status_code == 422 and "cursor" in answer.text, other


def tell(sender, told, word, status=200, **more):
    heard = {"decision_id": told["decision_id"], "occurred_at": AS_OF.isoformat(), "outcome": word, **more}
    answer = sender.client.post("/v1/outcomes", json={"outcomes": [heard]})
    assert answer.status_code == status, answer.text
    return answer.json()


def words(sender, one):
    with DecisionLog(sender.url) as log:
        standing = log.standing([one["debtor_id"]], AS_OF - timedelta(days=9), {one["account_id"]: one["debtor_id"]})
    return sorted(heard.outcome for heard in standing.outcomes.get(one["debtor_id"], []))


def test_what_was_heard_at_the_moment_of_a_decision_is_part_of_it_and_what_came_later_is_not(sender):
    """Asked again after more was heard, a decision comes out as it did: with all that was heard until its moment."""
    told, one = sender.contacting()
    moment = AS_OF + 14 * 24 * HOUR
    sender.now = moment
    body = {"accounts": [one], "as_of": moment.isoformat(), "top_k": 3}
    heard = {"decision_id": told["decision_id"], "occurred_at": moment.isoformat(), "outcome": "opt_out"}
    assert sender.client.post("/v1/outcomes", json={"outcomes": [heard]}).status_code == 200
    made = sender.client.post("/v1/recommendations", json=body).json()["recommendations"]
    sender.now = moment + HOUR
    later = heard | {"occurred_at": sender.now.isoformat(), "outcome": "opt_out_all"}
    assert sender.client.post("/v1/outcomes", json={"outcomes": [later]}).status_code == 200
    again = sender.client.post("/v1/recommendations", json=body)
    assert again.status_code == 200, again.text
    assert again.json()["recommendations"] == made
    (stopped,) = sender.decide(one, as_of=sender.now.isoformat())
    assert stopped["actions"][0]["no_contact"] and not made[0]["actions"][0]["no_contact"]


@pytest.mark.parametrize("length", [3, 450])
@pytest.mark.parametrize("in_log", [0, 1, 400])
def test_a_circle_of_corrections_is_refused_however_long_it_is(sender, length, in_log):
    """In a batch, or closed by its last outcome over those that the log holds; the same without its end is taken."""
    told, _ = sender.contacting()
    heard = {"decision_id": told["decision_id"], "occurred_at": AS_OF.isoformat(), "outcome": "opt_out"}
    chain = [heard | {"outcome_id": f"c{one}", "replaces": f"c{one + 1}"} for one in range(length - 1)]
    end = heard | {"outcome_id": f"c{length - 1}"}
    if in_log:
        assert sender.client.post("/v1/outcomes", json={"outcomes": chain[:in_log]}).status_code == 200
    rest = chain[min(in_log, length - 2) :]
    refused = sender.client.post("/v1/outcomes", json={"outcomes": [*rest, end | {"replaces": "c0"}]})
    assert refused.status_code == 422 and "leads back" in refused.json()["detail"]
    assert sender.client.post("/v1/outcomes", json={"outcomes": [*rest, end]}).status_code == 200


def test_an_outcome_is_corrected_once_and_a_correction_can_be_corrected(sender):
    """Of two corrections of one outcome both would act, of a circle none: an opt-out would be gone."""
    told, one = sender.contacting()
    tell(sender, told, "delivered", outcome_id="o1")
    tell(sender, told, "opt_out", outcome_id="o2", replaces="o1")
    assert tell(sender, told, "opt_out", outcome_id="o2", replaces="o1")["repeated"] == 1
    assert "o2" in tell(sender, told, "read", 422, outcome_id="o3", replaces="o1")["detail"]
    tell(sender, told, "complaint", outcome_id="o4", replaces="o2")
    assert words(sender, one) == ["complaint"]
    tell(sender, told, "opt_out", outcome_id="a", replaces="b")  # told before what it corrects
    assert "back" in tell(sender, told, "opt_out", 422, outcome_id="b", replaces="a")["detail"]
    tell(sender, told, "read", outcome_id="c", replaces="d")
    tell(sender, told, "read", outcome_id="d", replaces="e")
    tell(sender, told, "read", 422, outcome_id="e", replaces="c")
    both = [
        {"decision_id": told["decision_id"], "occurred_at": AS_OF.isoformat(), "outcome": "read", "outcome_id": name,
         "replaces": "o4"} for name in ("x", "y")
    ]  # fmt: skip
    assert sender.client.post("/v1/outcomes", json={"outcomes": both}).status_code == 422
    assert "opt_out" in words(sender, one)


def test_a_contact_was_not_sent_before_its_decision(sender):
    """It would count for another week than the one it was made in."""
    told, one = sender.contacting()
    sender.at(told)
    refused = sender.send(told, 207, state="sent", at=(AS_OF - timedelta(days=30)).isoformat(), account=one)
    assert refused["status"] == 422 and refused["column"] == "at"
    assert sender.send(told, state="sent", account=one)["state"] == "dispatched"


def test_what_comes_late_about_an_erased_debtor_is_kept_of_nobody(sender):
    """It is named as an orphan; a contact cannot be told of, and the account is a stranger's."""
    told, one = sender.contacting()
    assert sender.client.delete(f"/v1/debtors/{one['debtor_id']}?requested_by=desk").status_code == 200
    assert tell(sender, told, "opt_out")["orphans"] == [told["decision_id"]]
    assert sender.send(told, 207, state="sent")["status"] == 404
    assert sender.client.get(f"/v1/debtors/{one['debtor_id']}").json()["decisions"] == []
    assert words(sender, one) == []


def test_a_reservation_that_ran_out_is_not_given_again_and_what_was_sent_all_the_same_is_known(sender):
    told, one = sender.contacting()
    sender.at(told)
    assert sender.send(told, account=one)["may_send"]
    assert sender.send(told, state="expired")["no_contact"]
    assert sender.send(told, 207, account=one, dispatch_id="x2")["status"] == 409
    assert sender.send(told, state="sent", account=one)["state"] == "dispatched"
    with DecisionLog(sender.url) as log:
        assert len(log.standing([one["debtor_id"]], AS_OF - HOUR).contacts[one["debtor_id"]]) == 1


def test_another_model_at_send_time_changes_neither_what_was_drawn_nor_its_probability(sender):
    """The planned contact is sent as it was decided; the service that sends it decides by other hours."""
    told, one = sender.contacting()
    sender.at(told)
    settings = sender.client.app.state.settings.model_copy(update={"contact_hours": (8, 9, 10)})
    with TestClient(create_app(settings, clock=lambda: sender.now)) as other:
        body = {"dispatch_id": "x", "decision_id": told["decision_id"], "account": one}
        (reserved,) = other.post("/v1/dispatches", json={"dispatches": [body]}).json()["results"]
        assert reserved["may_send"] and reserved["propensity"] == told["actions"][0]["propensity"]
        assert reserved["factors"] == told["actions"][0]["factors"]
        closed = body | {"dispatch_id": "x", "closed_channels": [reserved["factors"]["channel"]], "fallback": True}
        answer = other.post("/v1/dispatches", json={"dispatches": [closed]}).json()
        (refused,) = answer["results"]
        assert not refused["may_send"] and "model-changed" in refused["rules"]


def test_what_is_heard_between_the_moment_of_a_batch_and_its_decision_acts(sender):
    """The batch is as of eight, the opt-out of ten past, the decision of half past."""
    one = account()
    late = {"account_id": "A1", "sent_at": (AS_OF + timedelta(minutes=10)).isoformat(), "channel": "sms",
            "outcome": "opt_out_all", "initiated_by": "debtor"}  # fmt: skip
    sender.now = AS_OF + timedelta(minutes=30)
    (told,) = sender.decide(one | {"contacts": [late]})
    assert told["actions"][0]["no_contact"]
    promised = late | {"outcome": "promise_to_pay", "promise_date": (AS_OF + timedelta(days=2)).date().isoformat()}
    much_later = late | {"outcome": "delivered", "sent_at": (AS_OF + timedelta(days=9)).isoformat()}
    (told,) = sender.decide(account("P", debtor_id="P", contacts=[
        promised | {"account_id": "P"}, much_later | {"account_id": "P", "status": "sent"},
    ]))  # fmt: skip
    assert told["actions"][0]["no_contact"], "the promise is open at eight, whatever is told of next week"


def purged(sender, days=2):
    with DecisionLog(sender.url) as log:
        log.purge(AS_OF + timedelta(days=days), requested_by="retention", at=AS_OF + timedelta(days=days))


def test_late_news_of_a_deleted_decision_act_on_its_debtor(sender):
    """An opt-out after retention stops the next contact of all accounts; what nobody knows is reported."""
    told, one = sender.contacting()
    purged(sender)
    sender.now = AS_OF + timedelta(days=3)
    heard = {"decision_id": told["decision_id"], "occurred_at": sender.now.isoformat(), "outcome": "opt_out_all"}
    answer = sender.client.post("/v1/outcomes", json={"outcomes": [heard, heard | {"decision_id": "never-made"}]})
    assert (answer.json()["late"], answer.json()["orphans"]) == ([told["decision_id"]], ["never-made"])
    body = {"accounts": [one | {"account_id": "other"}], "top_k": 1}
    (next_one,) = sender.client.post("/v1/recommendations", json=body).json()["recommendations"]
    assert next_one["actions"][0]["no_contact"]


def test_late_news_act_on_the_account_that_is_told(sender):
    """Of a decision of which nothing is left; another account than the decision's, or a person's name, is refused."""
    told, one = sender.contacting()
    sender.now = AS_OF + timedelta(days=3)
    heard = {"decision_id": "never-made", "occurred_at": sender.now.isoformat(), "outcome": "opt_out_all"}
    owner = {name: one[name] for name in ("account_id", "debtor_id")}
    answer = sender.client.post("/v1/outcomes", json={"outcomes": [heard | owner]})
    assert (answer.json()["late"], answer.json()["orphans"]) == (["never-made"], [])
    (next_one,) = sender.client.post("/v1/recommendations", json={"accounts": [one]}).json()["recommendations"]
    assert next_one["actions"][0]["no_contact"]
    known = heard | {"decision_id": told["decision_id"]}
    assert sender.client.post("/v1/outcomes", json={"outcomes": [known | owner]}).json()["orphans"] == []
    for column, wrong in (("account_id", "other"), ("debtor_id", "other")):
        refused = sender.client.post(
            "/v1/outcomes", json={"outcomes": [heard | owner, known | owner | {column: wrong}]}
        )
        assert (refused.status_code, refused.json()["column"], refused.json()["rows"]) == (422, column, [1])
    twice = [heard | owner, heard | owner | {"account_id": "other", "outcome": "read"}]
    assert sender.client.post("/v1/outcomes", json={"outcomes": twice}).status_code == 422
    refused = sender.client.post("/v1/outcomes", json={"outcomes": [heard | {"account_id": "573105550187"}]})
    assert (refused.status_code, refused.json()["column"]) == (422, "account_id")
    assert "573105550187" not in refused.text
