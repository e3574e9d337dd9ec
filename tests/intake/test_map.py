"""Exports become the five tables: every profile on a file of its kind, a dry run first, nothing written when in doubt."""

# ruff: noqa: E501 - samples are read by their lines
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from pipelines import map as map_verb
from recommender.errors import InvalidInput
from recommender.intake import (
    Profile,
    Stated,
    flat_rows,
    map_export,
    point_key,
    propose_profiles,
    source_profiles,
)
from recommender.store.files import read_table

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "data" / "samples" / "exports"
KIND = {
    "cartera.csv": "core_banking", "vicidial_log.csv": "vicidial_log", "cdr.csv": "asterisk_cdr",
    "twilio_messages.csv": "twilio_messages", "whatsapp_webhooks.jsonl": "whatsapp_webhooks",
    "sendgrid_events.jsonl": "sendgrid_events", "pagos.csv": "core_banking_payments",
}  # fmt: skip

FURTHER = {"vicidial_list.csv": "vicidial_list", "twilio_calls.csv": "twilio_calls", "gestiones.csv": "gestiones"}
DIALLERS = {"five9_calls.csv": "five9_calls", "genesys_interactions.csv": "genesys_interactions"}


def mapped(name, folder, **options):
    map_verb.run(
        SAMPLES / name, phones=SAMPLES / "telefonos.csv", naive_timezone="America/Bogota", out=folder, **options
    )


def test_the_samples_are_those_that_the_project_makes(tmp_path):
    """Byte for byte."""
    script = Path(__file__).with_name("export_samples.py")
    subprocess.run([sys.executable, str(script), str(tmp_path)], check=True, capture_output=True)
    names = sorted(path.name for path in SAMPLES.iterdir())
    assert names == sorted(path.name for path in tmp_path.iterdir())
    for name in names:
        assert (SAMPLES / name).read_bytes() == (tmp_path / name).read_bytes()


@pytest.mark.parametrize("name", KIND | FURTHER | DIALLERS)
def test_a_file_is_known_by_its_columns(name):
    """The profile of its kind is proposed first."""
    known = KIND | FURTHER | DIALLERS
    assert propose_profiles(read_table(SAMPLES / name, table="export").columns)[0][0] == known[name]


@pytest.mark.parametrize("name", DIALLERS)
def test_diallers_of_the_cloud(tmp_path, name):
    """Thirty calls each, three of them the debtor's; local and UTC clocks are the same hours; words are mapped."""
    mapped(name, tmp_path)
    contacts, outcomes = (pd.read_parquet(tmp_path / f"{table}.parquet") for table in ("contacts", "outcomes"))
    assert (len(contacts), int((contacts["initiated_by"] == "debtor").sum())) == (30, 3)
    assert set(contacts["channel"]) == {"call"}
    assert contacts["sent_at"].dt.tz_convert("America/Bogota").dt.hour.between(8, 17).all()
    debtors = outcomes.loc[
        outcomes["contact_id"].isin(contacts.loc[contacts["initiated_by"] == "debtor", "contact_id"])
    ]
    assert set(debtors["outcome"]) == {"right_party_contact"}
    assert {"promise_to_pay", "not_connected"} < set(outcomes["outcome"])


@pytest.mark.parametrize(
    ("written", "home"),
    [("+57 300 555 1000", "3005551000"), ("0057-3005551000", "3005551000"), ("3005551000", "3005551000"),
     ("+56 9 1234 5678", "912345678"), ("912345678", "912345678"), ("+51 987 654 321", "987654321"),
     ("987654321", "987654321"), ("+52 1 55 1234 5678", "5512345678"), ("044 55 1234 5678", "5512345678"),
     ("+593 98 765 4321", "987654321"), ("0987654321", "987654321"), ("+54 9 11 2345 6789", "1123456789"),
     ("whatsapp:+573005551000", "3005551000"), ("Ana@Example.com ", "ana@example.com"), ("12345", None)],
)  # fmt: skip
def test_a_number_is_the_same_with_and_without_its_country(written, home):
    """Numbers at home have nine digits in Chile and Peru, ten in Colombia and Mexico."""
    assert point_key(written) == home


def test_leads_calls_and_gestiones(tmp_path):
    """A lead that says DNC is no account to contact; an inbound call is the debtor's; words and clocks are Spanish."""
    for name in FURTHER:
        mapped(name, tmp_path / name)
    leads = pd.read_parquet(tmp_path / "vicidial_list.csv" / "accounts.parquet")
    assert len(leads) == 60
    assert leads["do_not_contact"].astype(str).str.lower().eq("true").sum() == 3
    calls = pd.read_parquet(tmp_path / "twilio_calls.csv" / "contacts.parquet")
    assert (len(calls), int((calls["initiated_by"] == "debtor").sum())) == (60, 4)
    log = {name: pd.read_parquet(tmp_path / "gestiones.csv" / f"{name}.parquet") for name in ("contacts", "outcomes")}
    assert set(log["outcomes"]["outcome"]) <= {
        "answered",
        "not_connected",
        "promise_to_pay",
        "wrong_party",
        "right_party_contact",
    }
    assert log["contacts"]["sent_at"].dt.tz_convert("America/Bogota").dt.hour.between(8, 17).all()
    told = log["outcomes"].loc[log["outcomes"]["outcome"] == "promise_to_pay", "promise_date"]
    assert len(told)
    assert told.str.fullmatch(r"2026-(08|09)-\d\d").all()


def test_a_debtor_who_writes_stop_has_opted_out():
    """Over SMS and over WhatsApp; any other answer is an answer."""
    base = {"sid": "SM1", "from": "+573005551000", "to": "890123", "body": "BAJA", "status": "received",
            "direction": "inbound", "date_sent": "Mon, 23 Nov 2026 13:00:00 +0000", "num_segments": "1", "error_code": ""}  # fmt: skip
    frame = pd.DataFrame([base, base | {"sid": "SM2", "body": "ya pagado"}])
    found = map_export(frame, source_profiles()["twilio_messages"], phones={"3005551000": "A"})
    assert found.tables["outcomes"]["outcome"].tolist() == ["opt_out", "replied"]
    assert set(found.tables["contacts"]["initiated_by"]) == {"debtor"}
    text = {"from": "573005551000", "id": "w1", "timestamp": "1795438800", "type": "text", "text": {"body": " Stop. "}}
    document = {
        "entry": [{"changes": [{"value": {"messages": [text, text | {"id": "w2", "text": {"body": "hola"}}]}}]}]
    }
    profile = source_profiles()["whatsapp_webhooks"]
    found = map_export(flat_rows([document], profile.rows), profile, phones={"3005551000": "A"})
    assert found.tables["outcomes"]["outcome"].tolist() == ["opt_out", "replied"]
    assert "hola" not in found.tables["outcomes"].to_csv() + found.tables["contacts"].to_csv()


def test_six_sources_are_one_set_of_tables(tmp_path):
    """Ids, clocks and words agree, and no number or address is written."""
    for name in KIND:
        mapped(name, tmp_path)
    accounts, contacts, outcomes, payments = (
        pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("accounts", "contacts", "outcomes", "payments")
    )
    assert len(accounts) == 60
    assert len(contacts) == 840
    assert set(contacts["account_id"]) <= set(accounts["account_id"])
    assert set(outcomes["contact_id"]) <= set(contacts["contact_id"])
    assert not contacts["contact_id"].duplicated().any()
    assert set(contacts["channel"]) == {"call", "sms", "whatsapp", "email"}
    hours = contacts["sent_at"].dt.tz_convert("America/Bogota").dt.hour
    assert hours.between(8, 17).all(), "every source was read on its own clock"
    first = read_table(SAMPLES / "cartera.csv", table="export")["saldo_total"].iloc[0]
    assert accounts["balance_minor"].iloc[0] == 100 * int(first.removesuffix(",00").replace(".", ""))
    assert (payments["amount_minor"] > 0).all()
    written = " ".join(table.astype(str).to_csv() for table in (accounts, contacts, outcomes, payments))
    assert "example.com" not in written
    assert "300555" not in written.replace(" ", "")


def test_nothing_is_written_for_an_unmapped_word_or_an_unlikely_amount(tmp_path):
    """The word, or the unit, is named with the option that mends it; a dry run writes nothing either."""
    frame = pd.DataFrame({"id_gestion": ["1", "2"], "obligacion": ["A", "B"], "canal": "LLAMADA",
                          "fecha_gestion": "2026-11-02T10:00:00-05:00", "tipificacion": ["PROMESA", "LO PENSARÁ"]})  # fmt: skip
    frame.to_csv(tmp_path / "log.csv", index=False)
    out = tmp_path / "out"
    with pytest.raises(InvalidInput, match=r"LO PENSARÁ.*--word"):
        map_verb.run(tmp_path / "log.csv", out=out)
    map_verb.run(tmp_path / "log.csv", word=["LO PENSARÁ=right_party_contact"])
    assert not out.exists()
    map_verb.run(tmp_path / "log.csv", word=["LO PENSARÁ=right_party_contact"], out=out)
    assert pd.read_parquet(out / "outcomes.parquet")["outcome"].tolist() == ["promise_to_pay", "right_party_contact"]
    with pytest.raises(InvalidInput, match=r"whole units taken for hundredths.*--scale"):
        mapped("cartera.csv", out, scale=1 / 100)


def test_a_number_of_two_accounts_is_looked_up_for_neither(tmp_path):
    """Whose call it was nobody knows."""
    phones = pd.DataFrame({"account_id": ["A", "B", "C"], "phone": ["+57 300 5550001", "3005550001", "3005550002"]})
    phones.to_csv(tmp_path / "phones.csv", index=False)
    assert map_verb._points(tmp_path / "phones.csv") == {"3005550002": "C"}


def test_every_profile_is_whole():
    """Each names known tables and words; a dictionary that is not there is refused."""
    assert {"vicidial_log", "vicidial_list", "asterisk_cdr", "twilio_calls", "open_bandit", "gestiones"} <= set(
        source_profiles()
    )
    for profile in source_profiles().values():
        frame = pd.DataFrame(columns=[*profile.columns], dtype="str")
        if not profile.rows:
            assert set(map_export(frame, profile, stated=Stated(timezone="UTC")).tables) == set(profile.tables)
    with pytest.raises(InvalidInput, match="dictionaries"):
        Profile.from_toml('title="t"\ncolumns=["a"]\n[tables.outcomes]\noutcome={column="a",words="no"}', "mine")


def test_open_bandit_rows_are_decisions_with_their_propensities():
    """One decision a row, and an answer where there was a click."""
    frame = read_table(ROOT / "data" / "samples" / "open_bandit" / "random-men.csv.gz", table="export").head(500)
    found = map_export(frame, source_profiles()["open_bandit"])
    assert len(found.tables["decisions"]) == 500
    assert found.tables["decisions"]["propensity"].between(0, 1).all()
    assert len(found.tables["outcomes"]) == (frame["click"].astype(float) == 1).sum()


def test_a_webhook_is_one_contact_with_several_outcomes():
    """Sent, delivered, read: three rows, one message, sent at the first of them."""
    lines = (SAMPLES / "whatsapp_webhooks.jsonl").read_text(encoding="utf-8").splitlines()
    one = json.loads(lines[0])["entry"][0]["changes"][0]["value"]["statuses"][0]
    _, frame = map_verb._read(SAMPLES / "whatsapp_webhooks.jsonl", None)
    found = map_export(frame.loc[frame["id"] == one["id"]], source_profiles()["whatsapp_webhooks"],
                       phones={one["recipient_id"][-10:]: "A"})  # fmt: skip
    assert len(found.tables["contacts"]) == 1
    assert len(found.tables["outcomes"]) >= 2
    assert found.tables["contacts"]["sent_at"].iloc[0] == pd.Timestamp(int(one["timestamp"]), unit="s", tz="UTC")


def test_an_export_that_is_not_unicode_is_read_as_stated(tmp_path):
    """The refusal names an option that the verb has; the tables are those of the same export in UTF-8."""
    latin = tmp_path / "cartera.csv"
    text = (SAMPLES / "cartera.csv").read_text(encoding="utf-8-sig").replace("libre inversion", "libre inversión")
    latin.write_bytes(text.encode("cp1252"))
    (tmp_path / "unicode.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInput, match="--encoding cp1252"):
        map_verb.run(latin, profile="core_banking")
    map_verb.run(latin, profile="core_banking", encoding="cp1252", out=tmp_path / "a")
    map_verb.run(tmp_path / "unicode.csv", profile="core_banking", out=tmp_path / "b")
    told, right = (pd.read_parquet(tmp_path / folder / "accounts.parquet") for folder in "ab")
    pd.testing.assert_frame_equal(told, right)


@pytest.mark.parametrize("day", ["2024-01-31", "2031-01-31", "pronto"])
def test_a_day_that_may_end_an_account_is_not_left_out(tmp_path, day):
    """``map`` knows no day of a plan: any of them is asked about."""
    frame = read_table(SAMPLES / "cartera.csv", table="export")
    frame.assign(fecha_prescripcion=[day, *[""] * (len(frame) - 1)]).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(InvalidInput, match=r"fecha_prescripcion may tell .*1 of 60 rows"):
        map_verb.run(tmp_path / "a.csv", profile="core_banking")
    map_verb.run(tmp_path / "a.csv", profile="core_banking", no_stop_in=["fecha_prescripcion"])
