"""Exports of an agency that nobody here knows: Brazil, Spain, Chile, the United States, tapes of banks, words of lawyers.

Each is the same as its plain spelling, or refused by column, value, row and mend; nothing that was heard is lost.
"""

# ruff: noqa: E501 - tables of spellings are read by their lines
from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa
import pytest

from recommender.errors import InvalidInput
from recommender.intake import (
    Stated,
    TableReading,
    account_states,
    canonical_word,
    flag_of,
    moment_of,
    number_of,
    refuse_faults,
)
from recommender.planning import PlanFiles, PlanOrder, make_plan
from recommender.store.files import read_table
from tests.intake.spellings import workbook
from tests.intake.test_agency_exports import ACCOUNTS as TABLE
from tests.intake.test_agency_exports import assert_the_truth, ingested, planned
from tests.intake.test_front_door import ACCOUNTS, AS_OF, CONTACTS, IDS, SEED, contacted, outcome, plan_of, write

BOGOTA = ZoneInfo("America/Bogota")
AT = datetime(2026, 11, 8, 16, 5, tzinfo=BOGOTA)


@pytest.mark.parametrize(
    "text",
    ["20261108 1605", "20261108 16:05:00", "202611081605", "8-nov-26 4:05 p.m.", "2026/11/8 4:05 p. m.", "8 de novembro de 2026 às 16:05",
     "08/nov/26 16h05", "08-11-2026 16:05 hs", "16:05 08/11/2026", "4:05 PM, 08/11/2026", "Sun Nov 08 16:05:00 2026",
     "Nov 8, 2026 at 4:05 PM", "46334,67013889"],
)  # fmt: skip
def test_local_times(text):
    """Of tapes, of Portuguese, of spreadsheets with a decimal comma, of C; the clock may come first."""
    assert moment_of(text, "dmy").at == AT.replace(tzinfo=None)


@pytest.mark.parametrize(
    "text",
    ["20261108T160500-0500", "20261108T210500Z", "2026-11-08T16:05:00-05:00[America/Bogota]", "2026-11-08 16:05:00 America/Bogota",
     "/Date(1794171900000)/", "Sun Nov 08 2026 16:05:00 GMT-0500 (hora estándar de Colombia)", "Sun Nov 08 21:05:00 UTC 2026"],
)  # fmt: skip
def test_instants(text):
    """With their zone in words, as JSON and browsers write them."""
    assert moment_of(text).at == AT


@pytest.mark.parametrize(
    "text",
    ["2026-11-08 16:05 COT", "2026-W45-7", "2026-312", "1.79417190E+09", "08/11/2026 16:05 [Bogota]", "202613081605"],
)
def test_no_instants(text):
    """Abbreviations of zones mean several; a week is no day."""
    assert moment_of(text, "dmy") is None


@pytest.mark.parametrize(
    ("clock", "read"),
    [("0.670138888888889", "16:05:00"), ("1605", "16:05"), ("160500", "16:05:00"), ("0,670138888888889", "16:05:00")],
)
def test_clock_columns_of_spreadsheets_and_tapes(tmp_path, clock, read):
    """A fraction of a day, HHMM, HHMMSS; a column of other digits is no clock."""
    frame = CONTACTS.drop(columns="sent_at").assign(Fecha="2026-11-08", Hora=clock)
    assert read_table(write(frame, tmp_path / "c.csv"), table="contacts")["sent_at"].eq(f"2026-11-08 {read}").all()
    frame = frame.assign(Hora=["9999", *frame["Hora"][1:]])
    assert "Hora" in read_table(write(frame, tmp_path / "d.csv"), table="contacts")


def test_words_of_brazil_and_of_lawyers():
    """Each is a word of the contract; a code beside its words is no hindrance, two meanings are none."""
    meant = {
        ("channel", "Ligação"): "call", ("channel", "torpedo"): "sms", ("channel", "Correio eletrônico"): "email",
        ("party", "Devedor"): "debtor", ("party", "Borrower"): "debtor", ("initiated_by", "Credor"): "creditor",
        ("outcome", "Promessa de pagamento"): "promise_to_pay", ("outcome", "Não atendeu"): "not_connected",
        ("outcome", "PTP - Promise to Pay"): "promise_to_pay", ("outcome", "01 | QUEJA"): "complaint",
        ("outcome", "Promesa - Promesa rota"): None, ("outcome", "Llamada - Tercero"): "third_party",
        ("outcome", "Abogado"): "represented", ("outcome", "Bankruptcy"): "insolvent", ("outcome", "Demandado"): "in_lawsuit",
        ("outcome", "Revoca autorización"): "opt_out_all", ("outcome", "Suplantación"): "dispute",
    }  # fmt: skip
    assert {key: canonical_word(*key) for key in meant} == meant
    assert [flag_of(text) for text in ("0.0", "1.0", "off", "VERDADERO", "FALSO", "X", "não")] == [
        False,
        True,
        False,
        True,
        False,
        True,
        False,
    ]
    assert number_of("'1000000") == 1_000_000


@pytest.mark.parametrize(
    ("column", "word", "plain"),
    [("currency", "€", "EUR"), ("currency", "R$", "BRL"), ("country", "U.S.A.", "US"), ("country", "England", "GB"),
     ("language", "es-CO", "es"), ("language", "Português", "pt"), ("language", "fr", "fr")],
)  # fmt: skip
def test_facts_of_other_countries(column, word, plain):
    """Signs that one currency alone has, regions of languages."""
    for read in (planned, ingested):
        assert read(TABLE.assign(**{column: word}), "accounts")[column].eq(plain).all(), read.__name__


@pytest.mark.parametrize(
    ("column", "word"),
    [("currency", "$"), ("language", "1"), ("language", "Español (Colombia)"), ("balance_minor", "-5")],
)
def test_facts_that_are_refused(column, word):
    """Instead of leaving everybody alone without a word."""
    assert planned(TABLE.assign(**{column: word}), "accounts") is None


def test_amounts_that_a_spreadsheet_cut_are_refused_by_both():
    """Their last digits are lost."""
    for read in (planned, ingested):
        assert read(TABLE.assign(balance_minor="1.23E+08"), "accounts") is None, read.__name__
    assert_the_truth(TABLE.assign(balance_minor=[f"{int(v):.10E}" for v in TABLE["balance_minor"]]), "accounts")


def test_a_channel_that_nobody_knows_is_no_history():
    """Unless it is of the user's own action space."""
    told = CONTACTS.assign(channel="paloma")
    for stated, right in ((Stated(), False), (Stated(channels=("paloma",)), True)):
        reading = TableReading("contacts", stated)
        reading.read(told)
        assert (not reading.faults) is right
    reading = TableReading("contacts")
    reading.read(told)
    with pytest.raises(InvalidInput, match="paloma"):
        refuse_faults([reading], 0.05)


@pytest.mark.parametrize("column", ["FALLECIDO", "No contactar", "insolvente", "Em disputa", "demandada"])
def test_a_mark_in_a_column_of_its_own_stops(tmp_path, column):
    """Beside flags that say none, and empty where nobody is marked."""
    marked = ACCOUNTS.assign(**{column: ["X", "SI", *[None] * 8]})
    plan = plan_of(tmp_path, accounts=marked, contacts=CONTACTS)
    assert contacted(plan) == 8
    assert not plan["channel"].notna()[plan["account"].isin(IDS[:2])].any()


def test_two_columns_of_consent_that_differ_are_refused(tmp_path):
    """Nobody can tell which one is meant; alike they are one."""
    assert plan_of(tmp_path / "a", accounts=ACCOUNTS.assign(channels_consented="call")) is None
    assert plan_of(tmp_path / "b", accounts=ACCOUNTS.assign(channels_consented="SMS")) is not None


PAID = pd.DataFrame({"account_id": IDS, "paid_at": "2026-11-23T12:00:00Z", "amount_minor": 100_000, "currency": "COP"})
STOP = outcome("opt_out")
STRANGE = {
    "payments of other ids": {"payments": PAID.assign(account_id=[f"Z{n}" for n in range(10)])},
    "payments of nobody": {"payments": PAID.assign(account_id=[None, *IDS[1:]])},
    "outcomes of other contacts": {"outcomes": outcome("delivered").assign(contact_id="ZZ")},
    "one opt-out of nobody": {"outcomes": STOP.assign(contact_id=["ZZ", *STOP["contact_id"][1:]], outcome=["opt_out", *["read"] * 9])},
    "contacts without ids": {"contacts": CONTACTS.drop(columns="contact_id"), "outcomes": STOP},
    "one id of two accounts": {"contacts": pd.concat([CONTACTS, CONTACTS.assign(account_id=IDS[::-1])]), "outcomes": STOP},
    "no contacts": {"contacts": None, "outcomes": STOP},
}  # fmt: skip


@pytest.mark.parametrize("what", STRANGE)
def test_what_was_heard_or_paid_by_nobody_known_is_no_plan(tmp_path, what):
    """Whoever opted out or paid would be contacted: with column, rows and mend."""
    given = {"contacts": CONTACTS, "outcomes": None, "payments": None} | STRANGE[what]
    files = {
        name: None if f is None else write(f, tmp_path / f"{name}.csv")
        for name, f in ({"accounts": ACCOUNTS} | given).items()
    }
    with pytest.raises(InvalidInput) as refused:
        make_plan(PlanFiles(**files), tmp_path / "plan.parquet", SEED, PlanOrder(AS_OF))
    assert refused.value.column in ("account_id", "contact_id")
    assert refused.value.mend
    if what == "payments of other ids":  # stated, they are those of others
        order = PlanOrder(AS_OF, other_accounts=True)
        assert make_plan(PlanFiles(**files), tmp_path / "plan.parquet", SEED, order).n_accounts == 10


def test_outcomes_by_account_stop_without_any_contact_id(tmp_path):
    """A register of who opted out names accounts, and perhaps the channel."""
    heard = pd.DataFrame(
        {"account_id": [int(n) for n in IDS], "occurred_at": "2026-11-20T09:00:00-05:00", "outcome": "BAJA"}
    )
    for spelt, right in ((heard, 0), (heard.assign(channel="correo"), 10), (heard.assign(channel="SMS"), 0)):
        folder = tmp_path / f"{right}{len(spelt.columns)}{spelt.iloc[0, -1]}"
        assert contacted(plan_of(folder, contacts=CONTACTS, outcomes=spelt)) == right
    assert contacted(plan_of(tmp_path / "alone", contacts=None, outcomes=heard)) == 0


NOW = datetime(2026, 11, 25, 12, tzinfo=ZoneInfo("UTC"))


def told(*events):
    """State of an account after (word, days ago, case)."""
    frame = pd.DataFrame(
        {"account_id": "A", "occurred_at": [pd.Timestamp(NOW - timedelta(days=d)) for _, d, _ in events],
         "outcome": [w for w, _, _ in events], "case_id": [c for _, _, c in events]}
    )  # fmt: skip
    return account_states(pd.DataFrame({"account_id": ["A"]}), outcomes=frame, as_of=NOW)[0].names


def test_what_closes_a_case_closes_that_one():
    """A resolution without a number closes all; each case has its own ninety days."""
    assert told(("complaint", 9, "7"), ("complaint", 8, "8"), ("complaint_resolved", 2, "7")) == ["complaint"]
    assert told(("complaint", 9, "7"), ("complaint", 8, 8), ("complaint_resolved", 2, None)) == []
    assert told(("complaint", 9, "007"), ("complaint_resolved", 2, "007.0")) == []
    assert told(("dispute", 9, "7"), ("dispute", 8, "8"), ("dispute_resolved", 2, "7")) == ["disputed"]
    assert told(("complaint", 91, "7"), ("complaint_resolved", 2, "8")) == []


@pytest.mark.parametrize("word", ["insolvent", "represented", "in_lawsuit", "hardship"])
def test_what_is_heard_about_the_debtor_is_a_flag(tmp_path, word):
    """For good, and every pack stops on it."""
    assert told((word, 400, None)) == [word]
    assert contacted(plan_of(tmp_path, contacts=CONTACTS, outcomes=outcome(word))) == 0


def test_a_payment_in_another_currency_may_be_all_of_it(tmp_path):
    """What it is worth is not known: nobody is asked for what may be paid."""
    few = PAID.assign(amount_minor=500, currency="USD")
    assert contacted(plan_of(tmp_path / "a", contacts=CONTACTS, payments=few)) == 0
    assert contacted(plan_of(tmp_path / "b", contacts=CONTACTS, payments=few.assign(currency="COP"))) == 10


def sheets(tmp_path, **tables):
    """A workbook of several sheets."""
    parts = {}
    for number, frame in enumerate(tables.values(), 1):
        workbook(frame, tmp_path / f"{number}.xlsx")
        with zipfile.ZipFile(tmp_path / f"{number}.xlsx") as archive:
            parts |= {place: archive.read(place).decode() for place in archive.namelist() if "sheet1" not in place}
            parts[f"xl/worksheets/sheet{number}.xml"] = archive.read("xl/worksheets/sheet1.xml").decode()
    names = "".join(f'<sheet name="{name}" sheetId="{n}" r:id="rId{n}"/>' for n, name in enumerate(tables, 1))
    start, _, rest = parts["xl/workbook.xml"].partition("<sheet ")
    parts["xl/workbook.xml"] = start + names + rest.partition("/>")[2]
    parts["xl/_rels/workbook.xml.rels"] = "<Relationships>" + "".join(
        f'<Relationship Id="rId{n}" Target="worksheets/sheet{n}.xml"/>' for n in range(1, len(tables) + 1)
    ) + "</Relationships>"  # fmt: skip
    with zipfile.ZipFile(tmp_path / "book.xlsx", "w") as archive:
        for place, text in parts.items():
            archive.writestr(place, text)
    return tmp_path / "book.xlsx"


def test_of_sheets_that_nobody_described_the_largest_is_the_log(tmp_path):
    """Covers and lists of codes are small beside it; two months of one table are not one of them."""
    month = pd.DataFrame({"kanal": ["sms", "call"] * 20, "erfolg": [0, 1] * 20})
    cover = pd.DataFrame({"about": ["Export", "2026"]})
    pd.testing.assert_frame_equal(
        read_table(sheets(tmp_path, cover=cover, Daten=month), table="log").astype(str), month.astype(str)
    )
    for february in (month, month.head(3)):
        with pytest.raises(InvalidInput, match="2 sheets that may hold the log: Januar, Februar"):
            read_table(sheets(tmp_path, cover=cover, Januar=month, Februar=february), table="log")


def test_the_sheet_that_holds_the_table_is_read(tmp_path):
    """Behind a cover; of two that may hold it nobody can tell which, and half of a history would be lost."""
    cover = pd.DataFrame({"Agencia": ["X"], "Corte": ["25/11/2026"]})
    book = sheets(tmp_path, Portada=cover, Cartera=ACCOUNTS.astype(str), Resumen=cover)
    assert read_table(book, table="accounts")["account_id"].tolist() == IDS
    book = sheets(tmp_path, ene=CONTACTS.iloc[:5], feb=CONTACTS.iloc[5:])
    with pytest.raises(InvalidInput, match=r"2 sheets.*ene, feb"):
        read_table(book, table="contacts")
    assert len(read_table(f"{book}#feb", table="contacts")) == 5


def test_packed_files(tmp_path):
    """What gzip, bzip2, xz, zstd hold is read by what it is; another packing is named."""
    packed = io.BytesIO()
    ACCOUNTS.to_parquet(packed)
    (tmp_path / "a.parquet.gz").write_bytes(gzip.compress(packed.getvalue()))
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(ACCOUNTS.to_json(orient="records", lines=True).encode()))
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(gzip.compress(ACCOUNTS.to_csv(index=False).encode())))
    for name in ("a.parquet.gz", "a.jsonl.gz", "a.csv.gz"):
        assert read_table(tmp_path / name, table="accounts")["account_id"].tolist() == IDS
    text = ACCOUNTS.to_csv(index=False).encode()
    zstd = pa.compress(text, codec="zstd", asbytes=True)
    for name, packed_text in (("a.csv.bz2", bz2.compress(text)), ("xz.csv", lzma.compress(text)), ("a.csv.zst", zstd)):
        (tmp_path / name).write_bytes(packed_text)
        assert read_table(tmp_path / name, table="accounts")["account_id"].tolist() == IDS
        (tmp_path / name).write_bytes(packed_text[: len(packed_text) // 2])
        with pytest.raises(InvalidInput, match=r"cannot be read|holds no"):
            read_table(tmp_path / name, table="accounts")
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "a.jsonl.gz", "a.jsonl.gz")
    (tmp_path / "a.7z").write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(600))
    for name, kind in (("a.tar.gz", "tar"), ("a.7z", "7-Zip")):
        with pytest.raises(InvalidInput, match=rf"is packed \({kind}\)"):
            read_table(tmp_path / name, table="accounts")
