"""The tricky cases of the trade, numbered as in docs/guardrails.md, each with its plain answer.

Cases 6, 12, 26 and 27 are properties over random cases in ``test_properties``; 3 and 28 are in ``test_packs``.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recommender import ActionSpace
from recommender.rules import CHANNELS, FLAGS, check_case, eligibility

ZONE = {"CO": "America/Bogota", "CL": "America/Santiago", "PE": "America/Lima", "MX": "America/Mexico_City",
        "EC": "America/Guayaquil", "US": "America/New_York", "US-MA": "America/New_York", "BR-SP": "America/Sao_Paulo",
        "BR-AL": "America/Maceio", "BR": "America/Sao_Paulo", "AR": "America/Argentina/Buenos_Aires",
        "ES": "Europe/Madrid", "UK": "Europe/London"}  # fmt: skip
#: A Tuesday noon that is a working day everywhere above.
NOON = {pack: dt.datetime(2026, 11, 17, 16, 30, tzinfo=dt.UTC) for pack in ZONE}


def check(
    pack: str | list[str], at: str | dt.datetime, channel: str = "sms", *, contacts: Any = (), **account: Any
) -> dict:
    """Judge a case that is fine but for what is said."""
    packs = [pack] if isinstance(pack, str) else pack
    purpose = account.pop("purpose", "collection")
    facts = {
        "account_id": "A1", "debtor_id": "D1", "country": packs[0][:2].replace("UK", "GB"), "subdivision": None,
        "timezone": ZONE[packs[0]], "phone": None, "due_date": "2026-10-01", "balance_minor": 50_000,
        "consented_channels": list(CHANNELS), "flags": [], "party": "debtor",
    } | account  # fmt: skip
    return check_case(
        {
            "id": 1,
            "packs": packs,
            "at": at if isinstance(at, str) else at.isoformat(),
            "channel": channel,
            "purpose": purpose,
            "account": {name: value for name, value in facts.items() if value != "missing"},
            "contacts": list(contacts) if not isinstance(contacts, str) else None,
        }
    )


def contact(at: str, channel: str = "sms", outcome: str | None = "attempt", **more: Any) -> dict:
    """A contact that the creditor made about the account itself."""
    return {"sent_at": at, "channel": channel, "account_id": "A1", "initiated_by": "creditor", "outcome": outcome,
            "status": "sent"} | more  # fmt: skip


def allowed(*args: Any, **kwargs: Any) -> bool:
    """Just the verdict."""
    return bool(check(*args, **kwargs)["allowed"])


@pytest.mark.parametrize("pack", sorted(ZONE))
def test_a_plain_contact_at_noon_is_allowed(pack):
    """A check that denies everything fails too."""
    for channel in ("call", "sms", "whatsapp", "email", "ivr", "letter"):
        assert check(pack, NOON[pack], channel)["rules"] == []


def test_01_windows_are_half_open():
    """18:59:59.999 is inside, 19:00:00 is not; 07:00:00 is."""
    assert allowed("CO", "2026-11-17T18:59:59.999-05:00")
    assert not allowed("CO", "2026-11-17T19:00:00-05:00")
    assert allowed("CO", "2026-11-17T07:00:00-05:00")
    assert not allowed("CO", "2026-11-17T06:59:59.999999-05:00")


def test_02_us_denies_both_ends():
    """Statute and regulation differ at 08:00:00 and 21:00:00; both instants are denied."""
    assert not allowed("US", "2026-11-17T08:00:00-05:00")
    assert allowed("US", "2026-11-17T08:00:00.000001-05:00")
    assert allowed("US", "2026-11-17T20:59:59.999999-05:00")
    assert not allowed("US", "2026-11-17T21:00:00-05:00")
    assert check("US", "2026-11-17T07:00:00-05:00")["next_allowed_at"] == "2026-11-17T13:00:00.000001Z"


def test_04_a_holiday_wins_over_any_window():
    """A Saturday holiday in Chile, a Monday holiday in Colombia."""
    assert not allowed("CL", "2026-08-15T10:00:00-04:00")
    assert check("CO", "2026-11-16T10:00:00-05:00")["rules"] == ["co-holiday"]
    assert not allowed("CO", "2026-07-13T10:00:00-05:00"), "Ley 2578 de 2026 added this one"


def test_05_the_local_date_counts():
    """19:30 local on the eve is the next day in UTC, and no holiday yet."""
    assert allowed("CL", "2026-09-17T19:30:00-03:00")
    assert not allowed("CL", "2026-09-18T10:00:00-03:00")
    assert not allowed("MX", "2026-11-16T23:30:00+00:00"), "a holiday at 17:30 local"


def test_06_phone_and_address_that_disagree_must_both_allow():
    """A New York number on a Los Angeles address: not before 08:00 in California."""
    morning = "2026-11-17T09:00:00-05:00"
    assert allowed("US", morning, "call")
    assert not allowed("US", morning, "call", timezone="America/Los_Angeles", phone="+12125551234")
    assert not allowed("US", "2026-11-17T19:00:00-08:00", "call", timezone="America/Los_Angeles", phone="+12125551234")
    assert allowed("US", "2026-11-17T12:00:00-08:00", "call", timezone="America/Los_Angeles", phone="+12125551234")


@pytest.mark.parametrize("zone", ["Etc/Unknown", "Mars/Phobos", "", "bogota", "Factory", "../etc/passwd", "America"])
def test_06_a_zone_that_is_none_is_refused(zone):
    """What is no key of the tz database is malformed, not unknown."""
    assert check("CO", NOON["CO"], timezone=zone)["rules"] == ["input"]


@pytest.mark.parametrize(
    "phone", ["abc", "+1", "3001234567", "+999999999999999", "+15555550100", "", "+57 300 1234567"]
)
def test_06_an_invalid_phone_is_refused(phone):
    """A number that no numbering plan knows could be anywhere."""
    assert check("CO", NOON["CO"], phone=phone)["rules"] == ["input"]


def test_07_both_folds_of_a_repeated_hour_are_judged_alike():
    """Santiago repeats 23:00 on 4 April 2026; in spring the window moves with the clock."""
    folds = [allowed("CL", f"2026-04-05T{hour}:30:00+00:00", timezone="America/Santiago") for hour in ("02", "03")]
    assert folds == [False, False]
    assert allowed("US", "2026-03-08T08:00:01-04:00", "call")
    changed = [allowed("US", f"2026-03-0{day}T13:30:00+00:00", timezone="America/Chicago") for day in (7, 8)]
    assert changed == [False, True], "07:30 on the day before the change, 08:30 on the day itself"


def test_08_and_09_calendar_day_and_rolling_hours_differ():
    """Two contacts 23 hours apart on two dates: legal a calendar day, not in rolling 24 hours."""
    past = [contact("2026-11-17T12:00:00-05:00")]
    overlay = {
        "schema": 1, "id": "R24", "title": "t", "kind": "overlay", "pack_version": "1", "valid_from": "2020-01-01",
        "reviewed_on": "2026-11-01",
        "caps": [{"id": "r24", "max": 1, "per": {"kind": "rolling_hours", "hours": 24}, "scope": "all_channels",
                  "cite": "p"}],
        "sources": [{"id": "p", "law": "house", "article": "-", "grade": "-", "says": "-"}],
    }  # fmt: skip
    case = {"id": 1, "packs": ["CO"], "at": "2026-11-18T11:00:00-05:00", "channel": "sms", "contacts": past,
            "account": {"account_id": "A1", "country": "CO", "timezone": "America/Bogota", "balance_minor": 1,
                        "consented_channels": ["sms"], "flags": [], "party": "debtor"}}  # fmt: skip
    assert check_case(case)["allowed"]
    rolling = check_case(case, overlays=[overlay])
    assert rolling["rules"] == ["r24"]
    assert rolling["next_allowed_at"] == "2026-11-18T17:00:00Z"
    week = overlay | {"id": "R7", "caps": [overlay["caps"][0] | {"per": {"kind": "rolling_days", "days": 7}}]}
    sunday = case | {"at": "2026-11-23T11:00:00-05:00"}
    assert check_case(sunday, overlays=[week])["rules"] == ["r24"]
    assert check_case(sunday)["allowed"]


def test_10_seven_in_seven_counts_local_dates():
    """Seven attempts in the seven days that end today deny; when the oldest leaves the next one passes."""
    calls = [contact(f"2026-11-{day:02d}T23:59:00-05:00" if day == 10 else f"2026-11-{day:02d}T10:00:00-05:00", "call")
             for day in range(10, 17)]  # fmt: skip
    assert not allowed("US", "2026-11-16T20:00:00-05:00", "call", contacts=calls)
    assert allowed("US", "2026-11-17T10:00:00-05:00", "call", contacts=calls)
    assert allowed("US", "2026-11-16T20:00:00-05:00", "sms", contacts=calls)
    assert allowed("US", "2026-11-16T20:00:00-05:00", "call", contacts=calls[1:])


def test_11_the_day_of_the_conversation_is_day_one():
    """Monday's conversation blocks calls through Sunday; the next Monday is free."""
    talk = [contact("2026-11-16T10:00:00-05:00", "call", "live_contact")]
    for day in range(16, 23):
        assert not allowed("US", f"2026-11-{day}T12:00:00-05:00", "call", contacts=talk)
    verdict = check("US", "2026-11-18T12:00:00-05:00", "ivr", contacts=talk)
    assert verdict["next_allowed_at"] == "2026-11-23T13:00:00.000001Z"
    assert allowed("US", "2026-11-18T12:00:00-05:00", "email", contacts=talk)


@pytest.mark.parametrize(
    ("outcome", "us"), [("attempt", False), ("not_connected", True), (None, False), ("odd", False)]
)
def test_13_what_did_not_connect_is_left_out_in_the_us_only(outcome, us):
    """Seven such calls: the US leaves unconnected ones out, Colombia counts each; an unknown outcome counts."""
    calls = [contact(f"2026-11-{day:02d}T10:00:00-05:00", "call", outcome) for day in range(11, 18)]
    assert allowed("US", "2026-11-17T15:00:00-05:00", "call", contacts=calls) == us
    assert not allowed("CO", "2026-11-17T15:00:00-05:00", "call", contacts=calls)


def test_14_a_wrong_person_starts_no_wait():
    """A wrong person on the line is an attempt and no conversation."""
    wrong = [contact("2026-11-16T10:00:00-05:00", "call", "wrong_party")]
    assert allowed("US", "2026-11-17T10:00:00-05:00", "call", contacts=wrong)
    assert not allowed("CO", "2026-11-18T10:00:00-05:00", "sms",
                       contacts=[contact("2026-11-17T10:00:00-05:00", "call", "wrong_party")])  # fmt: skip
    wrongs = [contact(f"2026-11-{day:02d}T10:00:00-05:00", "call", "wrong_party") for day in range(11, 18)]
    assert not allowed("US", "2026-11-17T15:00:00-05:00", "call", contacts=wrongs)


def test_15_the_debtors_own_call_is_no_attempt_but_starts_the_us_wait():
    """Inbound contacts do not count against caps; in the US the conversation starts the wait."""
    inbound = [contact("2026-11-17T09:00:00-05:00", "call", "live_contact", initiated_by="debtor")]
    assert allowed("CO", "2026-11-17T15:00:00-05:00", "sms", contacts=inbound)
    assert not allowed("US", "2026-11-17T15:00:00-05:00", "call", contacts=inbound)
    assert not allowed("CO", "2026-11-17T15:00:00-05:00", "sms",
                       contacts=[inbound[0] | {"initiated_by": None}]), "unknown counts"  # fmt: skip


@pytest.mark.parametrize("purpose", ["payment_confirmation", "fraud_alert", "requested_information"])
def test_16_exempt_purposes_in_colombia(purpose):
    """Free of hours, caps and the one channel; not of holidays, consent, references or the person's own stops."""
    past = [contact("2026-11-17T10:00:00-05:00", "call")]
    night = "2026-11-17T22:30:00-05:00"
    assert allowed("CO", night, "sms", contacts=past, purpose=purpose)
    assert allowed("CO", night, "sms", contacts=past, purpose=purpose, balance_minor=0)
    assert not allowed("CO", night, "sms", contacts=past, purpose="pre_due_reminder")
    assert not allowed("CO", "2026-11-16T10:00:00-05:00", "sms", purpose=purpose)
    assert not allowed("CO", night, "sms", purpose=purpose, consented_channels=["email"])
    assert not allowed("CO", night, "sms", purpose=purpose, flags=["opt_out:sms"])
    assert not allowed("CO", night, "sms", purpose=purpose, party="reference")
    assert not allowed("CO", night, "sms", purpose=purpose, flags=["deceased"])
    assert not allowed("PE", night, "sms", purpose=purpose), "other countries exempt nothing"
    assert not allowed(["CO", "HOUSE"], night, "sms", purpose=purpose), "nor does an overlay"


def test_17_a_reminder_before_the_due_date_follows_the_same_rules():
    """Before, on and after the due date the hours are the same; an unknown due date is overdue."""
    for due in ("2026-12-24", "2026-11-17", "2026-10-01", None, "missing"):
        assert allowed("CO", NOON["CO"], due_date=due, purpose="pre_due_reminder")
        assert not allowed("CO", "2026-11-17T20:00:00-05:00", due_date=due, purpose="pre_due_reminder")
    assert check("CO", NOON["CO"], due_date="tomorrow")["rules"] == ["input"]


def test_18_a_settled_debt_is_not_collected():
    """Balance zero ends collection; a confirmation of the payment may still go out."""
    assert check("PE", NOON["PE"], balance_minor=0)["rules"] == ["floor-settled"]
    assert allowed("PE", NOON["PE"], balance_minor=0, purpose="payment_confirmation")
    assert not allowed("PE", NOON["PE"], balance_minor=None)


def test_19_two_debts_of_one_debtor_share_counters_except_in_the_us():
    """Contacts about the other account count in Colombia, not under the seven calls per debt of the US."""
    other = [contact(f"2026-11-{day:02d}T10:00:00-05:00", "call", account_id="A2") for day in range(11, 18)]
    assert allowed("US", "2026-11-17T15:00:00-05:00", "call", contacts=other)
    assert not allowed("CO", "2026-11-17T15:00:00-05:00", "call", contacts=other)
    nobody = [past | {"account_id": None} for past in other]
    assert not allowed("US", "2026-11-17T15:00:00-05:00", "call", contacts=nobody)
    assert not allowed("US", "2026-11-17T15:00:00-05:00", "call", contacts=other, account_id=None)
    assert not allowed(["US", "CO"], "2026-11-17T15:00:00-05:00", "call", contacts=other)


@pytest.mark.parametrize(("party", "fine"), [("debtor", True), ("codebtor", True), ("guarantor", True),
                                             ("reference", False), (None, False), ("missing", False),
                                             ("aunt", False)])  # fmt: skip
@pytest.mark.parametrize("pack", sorted(ZONE))
def test_21_parties(pack, party, fine):
    """Co-debtors and guarantors under the debtor's conditions, references and strangers never."""
    assert allowed(pack, NOON[pack], party=party) == fine


@pytest.mark.parametrize(
    "flag", [*(one for one in FLAGS if one != "reviewed"), "opt_out:sms", "vip", "opt_out:fax", "opt_out"]
)
@pytest.mark.parametrize("pack", sorted(ZONE))
def test_22_and_23_every_flag_denies_collection_in_every_pack(pack, flag):
    """Stops and opt-outs hold everywhere; an unknown flag denies too."""
    verdict = check(pack, NOON[pack], flags=[flag])
    assert not verdict["allowed"]
    assert verdict["next_allowed_at"] is None
    if flag == "opt_out:sms":
        assert allowed(pack, NOON[pack], "email", flags=[flag])


@pytest.mark.parametrize("pack", sorted(ZONE))
def test_23_an_agreement_of_a_person_denies_nothing(pack):
    """``reviewed`` is the one flag that is no stop: it says that a person looked."""
    assert check(pack, NOON[pack], flags=["reviewed"])["allowed"]


def test_24_dirty_history_closes_every_channel_until_the_week_ends():
    """Two channels used in one week: nothing more until Monday."""
    dirty = [contact("2026-11-17T10:00:00-05:00", "sms"), contact("2026-11-18T10:00:00-05:00", "email")]
    for channel in ("sms", "email", "call", "whatsapp"):
        verdict = check("CO", "2026-11-19T10:00:00-05:00", channel, contacts=dirty)
        assert verdict["rules"] == ["co-one-channel-week"]
        assert verdict["next_allowed_at"] == "2026-11-23T12:00:00Z"


def test_25_two_full_days_between_chilean_messages():
    """Monday and Wednesday are too close, Monday and Thursday are not; a third in the week is one too many."""
    monday = [contact("2026-11-16T10:00:00-03:00", "email")]
    assert check("CL", "2026-11-18T10:00:00-03:00", contacts=monday)["rules"] == ["cl-message-gap"]
    assert allowed("CL", "2026-11-19T10:00:00-03:00", contacts=monday)
    both = [*monday, contact("2026-11-19T10:00:00-03:00", "sms")]
    assert "cl-message" in check("CL", "2026-11-21T10:00:00-03:00", contacts=both)["rules"]


def test_26_a_planned_contact_counts():
    """A queued message of the evening closes the morning for another."""
    queued = [contact("2026-11-17T18:00:00-05:00", "sms", None, status="planned")]
    assert check("CO", "2026-11-17T09:00:00-05:00", contacts=queued)["rules"] == ["co-day"]
    assert not allowed("CL", "2026-11-17T09:00:00-03:00",
                       contacts=[contact("2026-11-18T18:00:00-03:00", "sms", None, status="planned")])  # fmt: skip
    call = [contact("2026-11-17T18:00:00-05:00", "call", None, status="planned")]
    assert allowed("US", "2026-11-17T09:00:00-05:00", "call", contacts=call), "no conversation yet"


def test_29_beyond_the_holiday_table_nothing_is_allowed():
    """No calendar is known for 2150: nobody may conclude that there are no holidays."""
    assert "co-holiday-unknown" in check("CO", "2150-11-17T10:00:00-05:00")["rules"]
    assert allowed("US", "2150-11-17T10:00:00-05:00"), "no holiday rule there"


def test_30_the_check_at_send_time_sees_the_later_clock():
    """Scheduled for 18:59, sent at 19:01: denied."""
    assert allowed("CO", "2026-11-17T18:59:00-05:00")
    assert not allowed("CO", "2026-11-17T19:01:00-05:00")


def test_31_the_place_of_work():
    """US calls do not go to work; two in thirty days elsewhere in Massachusetts."""
    assert not allowed("US", NOON["US"], "call", place="work")
    past = [
        contact(f"2026-{month}-{day}T10:00:00-05:00", "sms", place="work")
        for month, day in (("10", "25"), ("11", "02"))
    ]
    verdict = check("US-MA", NOON["US-MA"], "sms", contacts=past, place="work")
    assert verdict["rules"] == ["us-ma-two-in-thirty-elsewhere"]
    assert allowed("US-MA", NOON["US-MA"], "sms", contacts=past)


def test_32_a_municipal_holiday_comes_as_an_overlay():
    """No library knows the holidays of a town; an overlay adds them and the provenance names the pack."""
    overlay = {
        "schema": 1, "id": "TOWN", "title": "t", "kind": "overlay", "pack_version": "1", "valid_from": "2020-01-01",
        "reviewed_on": "2026-11-01", "time": {"holidays": {"country": "CO", "extra": [dt.date(2026, 11, 17)]}},
        "holiday_policy": {"mode": "forbid", "cite": "p"},
        "sources": [{"id": "p", "law": "decree", "article": "1", "grade": "A", "says": "-"}],
    }  # fmt: skip
    accounts = pd.DataFrame({
        "account_id": ["A"], "debtor_id": ["D"], "country": ["CO"], "timezone": ["America/Bogota"], "flags": [[]],
        "balance_minor": [1], "party": ["debtor"], "consented_channels": [["sms"]]})  # fmt: skip
    nothing = pd.DataFrame({"account_id": [], "sent_at": []})
    found = eligibility(
        accounts, ActionSpace({"channel": ["sms"]}, no_contact=True), as_of=NOON["CO"], packs=["CO"], contacts=nothing,
        overlays=[overlay],
    )  # fmt: skip
    assert np.array_equal(found.mask, [[False, True]])
    assert found.rules(0, 0) == ("town-holiday",)
    assert "TOWN" in [pack["id"] for pack in found.provenance.packs]


@pytest.mark.parametrize("country", ["XX", "ZZ", "", "Colombia", "co", None, "missing"])
def test_an_unknown_country_is_never_allowed(country):
    """Adversarial input is denied or refused, also where the packs are named."""
    assert not allowed("CO", NOON["CO"], country=country)


def test_a_planned_call_may_have_become_a_conversation_once_it_is_due():
    """Before the planned call another is fine; the next instant offered stays legal when it is asked about again."""
    planned = [contact("2026-11-17T18:00:00-05:00", "call", None, status="planned")]
    assert allowed("US", "2026-11-17T17:00:00-05:00", "call", contacts=planned)
    assert not allowed("US", "2026-11-18T12:00:00-05:00", "call", contacts=planned)
    early = check("US", "2026-11-17T07:00:00-05:00", "call", contacts=planned)["next_allowed_at"]
    assert early == "2026-11-17T13:00:00.000001Z"
    late = check("US", "2026-11-17T21:30:00-05:00", "call", contacts=planned)["next_allowed_at"]
    assert late == "2026-11-24T13:00:00.000001Z"
    assert allowed("US", late, "call", contacts=planned)
