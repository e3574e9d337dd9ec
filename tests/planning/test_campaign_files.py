"""Campaign files by the documented columns of the systems that load them."""

import csv
import json

import pandas as pd
import pytest

from recommender.errors import InvalidInput
from recommender.messages import VARIABLES, default_catalogue, own_catalogue
from recommender.planning import packaged_adapters, write_campaigns

#: Standard fields of VICIdial's lead loader, in its order (vicidial_list), with the characters its columns hold.
VICIDIAL = {
    "vendor_lead_code": 20, "source_id": 50, "list_id": 14, "phone_code": 10, "phone_number": 18, "title": 4,
    "first_name": 30, "middle_initial": 1, "last_name": 30, "address1": 100, "address2": 100, "address3": 100,
    "city": 50, "state": 2, "province": 50, "postal_code": 10, "country_code": 3, "gender": 1, "date_of_birth": 10,
    "alt_phone": 12, "email": 70, "security_phrase": 100, "comments": 255, "rank": 5, "owner": 20,
}  # fmt: skip


def contacts_of(channel, queue, account="A1"):
    at = pd.Timestamp("2026-11-23T15:00Z")
    row = {"queue": queue, "channel": channel, "account_id": account, "contact_at": at, "priority": 1}
    return pd.DataFrame([row | {"template_id": "t-1", "decision_id": "d" * 32, "reason": "value"}])


POINTS = pd.DataFrame(
    {"account_id": ["A1"], "phone": ["+57 (300) 123"], "phone_code": ["57"], "email": ["a@b.co"], "first_name": ["Ana"]}
).set_index("account_id")


@pytest.mark.parametrize(
    ("channel", "expected"),
    [
        ("sms", {"to": "+57300123", "template_id": "t-1", "send_at": "2026-11-23T15:00:00Z", "reference": "d" * 32}),
        ("email", {"to": "a@b.co", "template_id": "t-1", "first_name": "Ana", "reference": "d" * 32}),
        (
            "call",
            {"vendor_lead_code": "A1", "phone_code": "57", "phone_number": "300123", "list_id": "7", "rank": "99"},
        ),
        ("letter", {"account_id": "A1", "channel": "letter", "priority": "1", "decision_id": "d" * 32}),
    ],
)
def test_a_campaign_file_holds_what_its_system_reads(tmp_path, channel, expected):
    written, lost = write_campaigns(contacts_of(channel, "q"), tmp_path, POINTS, None, {"list_id": "7"})
    (row,) = csv.DictReader((tmp_path / next(iter(written))).read_text().splitlines())
    assert row.items() >= expected.items() and not lost


def test_a_whatsapp_line_is_a_template_message_of_the_cloud_api(tmp_path):
    written, _ = write_campaigns(contacts_of("whatsapp", "q"), tmp_path, POINTS)
    assert json.loads((tmp_path / next(iter(written))).read_text())["body"] == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "57300123",
        "type": "template",
        "template": {"name": "t_1", "language": {"code": "es"}},
    }


def test_an_own_text_goes_out_under_the_name_that_whatsapp_approved(tmp_path):
    """Its id is the agency's own; the API knows the registered name only."""
    text = """
schema = 1
language = "en"
version = "1"
approved_by = "M. Ruiz"
approved_on = 2026-11-20
[[templates]]
id = "t-1"
channels = ["whatsapp"]
stages = ["administrative"]
tone = "friendly"
kind = "overdue_notice"
variables = []
whatsapp_template = "mora_v2"
whatsapp_category = "utility"
body = "Hello."
"""
    own = own_catalogue((("ours.toml", text),))
    written, _ = write_campaigns(contacts_of("whatsapp", "q"), tmp_path, POINTS, catalogue=own)
    template = json.loads((tmp_path / next(iter(written))).read_text())["body"]["template"]
    assert template == {"name": "mora_v2", "language": {"code": "en"}}


FILLED = {name: str(value) for name, value in VARIABLES.items()}
REMINDER = "en.due-reminder.friendly.chat"


def test_variables_of_a_whatsapp_message_stand_in_the_body_by_name(tmp_path):
    """As the Cloud API documents named parameters; the contact file comes before what is the same for everybody."""
    points = POINTS.assign(amount="$ 10.500", due_date="30/11/2026", payment_link="https://pay.example/A1", creditor="")
    fixed = {"creditor": "Banco", "contact_phone": "+57 601", "first_name": "Nobody"}
    plan = contacts_of("whatsapp", "q").assign(template_id=REMINDER)
    write_campaigns(plan, tmp_path, points, None, fixed)
    (line,) = (tmp_path / "q-whatsapp-whatsapp.jsonl").read_text().splitlines()
    template = json.loads(line)["body"]["template"]
    assert template["language"] == {"code": "en"}
    ((kind, parameters),) = [(one["type"], one["parameters"]) for one in template["components"]]
    assert kind == "body" and {one["type"] for one in parameters} == {"text"}
    expected = {"first_name": "Ana", "amount": "$ 10.500", "due_date": "30/11/2026", "creditor": "Banco",
                "payment_link": "https://pay.example/A1", "contact_phone": "+57 601"}  # fmt: skip
    assert {one["parameter_name"]: one["text"] for one in parameters} == expected


def test_a_message_without_a_variable_is_left_out_and_told(tmp_path):
    """The API refuses a template whose parameters are not all there; an SMS gateway merges what it knows itself."""
    plan = contacts_of("whatsapp", "q").assign(template_id=REMINDER)
    written, lost = write_campaigns(plan, tmp_path, POINTS, None, {k: v for k, v in FILLED.items() if k != "amount"})
    assert sum(written.values()) == 0 and lost == {"q (no value for amount)": 1}
    plan = contacts_of("sms", "q").assign(template_id="en.due-reminder.friendly.sms")
    written, lost = write_campaigns(plan, tmp_path, POINTS, None, {"creditor": "Banco"})
    (row,) = csv.DictReader((tmp_path / next(iter(written))).read_text().splitlines())
    assert json.loads(row["variables"]) == {"first_name": "Ana", "creditor": "Banco"} and not lost


def test_a_new_plan_leaves_no_file_of_the_last_and_none_of_others(tmp_path):
    """A debtor moved from calls to messages must not be dialled by the old file; a stranger's file stays."""
    (tmp_path / "mine.csv").write_text("kept")
    old, _ = write_campaigns(contacts_of("call", "agents"), tmp_path, POINTS)
    new, _ = write_campaigns(contacts_of("sms", "messages"), tmp_path, POINTS)
    assert {path.name for path in tmp_path.iterdir()} == {"mine.csv", "campaign-files.json", *new}
    assert not set(old) & set(new)


def test_who_has_no_contact_point_is_counted_and_left_out(tmp_path):
    written, lost = write_campaigns(contacts_of("sms", "messages", "A2"), tmp_path, POINTS)
    assert sum(written.values()) == 0 and lost == {"messages": 1}


def test_the_plain_list_serves_what_no_other_does():
    assert list(packaged_adapters())[-1] == "plain"


def test_a_lead_file_fits_the_columns_of_the_dialler(tmp_path):
    """Header and lengths as vicidial_list has them; ranks are small integers; the first to be dialled ranks highest."""
    calls = pd.concat([contacts_of("call", "agents").assign(priority=turn) for turn in (1, 2, 150)])
    written, _ = write_campaigns(calls, tmp_path, POINTS, None, {"list_id": "70001"})
    (name,) = written
    rows = list(csv.DictReader((tmp_path / name).read_text().splitlines()))
    assert list(rows[0]) == list(VICIDIAL) and len(rows) == 3
    assert all(len(value) <= VICIDIAL[field] for row in rows for field, value in row.items())
    assert [int(row["rank"]) for row in rows] == [99, 98, 0]
    assert all(row["phone_number"].isdigit() and row["phone_code"].isdigit() for row in rows)


def test_what_a_dialler_would_cut_off_is_refused(tmp_path):
    """An account id of more than twenty characters comes back from VICIdial as another one; nothing is written."""
    points = POINTS.rename(index={"A1": "A" * 21})
    with pytest.raises(InvalidInput, match="20 characters"):
        write_campaigns(contacts_of("call", "agents", "A" * 21), tmp_path / "new", points)
    assert not (tmp_path / "new").exists()
    twenty = "A" * 20
    written, _ = write_campaigns(contacts_of("call", "agents", twenty), tmp_path, POINTS.rename(index={"A1": twenty}))
    assert twenty in (tmp_path / next(iter(written))).read_text()


def test_every_packaged_template_has_a_name_that_whatsapp_takes(tmp_path):
    """Small letters, digits and underscores, and no two templates under one name."""
    names = []
    for one in sorted({one.id for one in default_catalogue().templates if "whatsapp" in one.channels}):
        write_campaigns(contacts_of("whatsapp", "q").assign(template_id=one), tmp_path, POINTS, None, FILLED)
        (line,) = (tmp_path / "q-whatsapp-whatsapp.jsonl").read_text().splitlines()
        names.append(json.loads(line)["body"]["template"]["name"])
    assert len(names) == len(set(names)) > 3
    assert all(name.replace("_", "a").isalnum() and name == name.lower() for name in names)


@pytest.mark.parametrize("channel", ["call", "sms", "whatsapp", "email", "letter"])
def test_what_a_person_must_see_is_in_no_file_that_a_system_loads(tmp_path, channel):
    """A list for people, without contact points; unknown counts as yes."""
    both = pd.concat([contacts_of(channel, "q").assign(needs_human=flag) for flag in (True, False, None)])
    written, _ = write_campaigns(both.assign(decision_id=["d-first", "d-second", "d-third"]), tmp_path, POINTS)
    assert written.pop("people.csv") == 2 and sum(written.values()) == 1
    people = (tmp_path / "people.csv").read_text()
    assert "d-first" in people and "d-third" in people and "d-second" not in people and "300" not in people
    assert "d-first" not in (tmp_path / next(iter(written))).read_text()


def test_a_debtor_in_two_queues_at_once_is_refused(tmp_path):
    two = pd.concat([contacts_of("call", "agents"), contacts_of("sms", "messages")]).assign(debtor="debtor D1")
    with pytest.raises(InvalidInput, match="two queues at once"):
        write_campaigns(two, tmp_path, POINTS)
    later = two.assign(contact_at=[two["contact_at"].iloc[0], two["contact_at"].iloc[0] + pd.Timedelta(hours=2)])
    assert len(write_campaigns(later, tmp_path, POINTS)[0]) == 2


@pytest.mark.parametrize("names", [("Agents", "agents"), ("a b", "a_b")])
def test_queues_of_names_that_a_folder_cannot_tell_apart_have_files_of_their_own(tmp_path, names):
    """Some systems keep one file for two names in other capitals: the second would replace the first."""
    points = pd.concat([POINTS, POINTS.set_axis(["A2"])])
    one, other = (contacts_of("sms", name, account) for name, account in zip(names, ("A1", "A2"), strict=True))
    written, _ = write_campaigns(pd.concat([one, other], ignore_index=True), tmp_path, points)
    assert len({name.casefold() for name in written}) == 2 and list(written.values()) == [1, 1]
