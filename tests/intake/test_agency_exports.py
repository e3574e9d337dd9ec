"""How agencies of Colombia, Mexico, Peru and Chile write the same facts: both readings of a table give the truth."""

# ruff: noqa: E501 - tables of spellings are read by their lines
from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.score import on_disk
from recommender.errors import InvalidInput
from recommender.history.contract_check import check_table
from recommender.intake import Stated, TableReading, country_code, moment_of, number_of, refuse_faults, zone_name
from recommender.store.files import read_table
from recommender.tables import CONTRACTS

AS_OF = pd.Timestamp("2026-11-25T12:30:00Z")
IDS = [f"00{100 + 7 * number}" for number in range(8)]
ACCOUNTS = pd.DataFrame(
    {
        "account_id": IDS, "debtor_id": [f"D{number}" for number in range(8)], "country": "CO", "timezone": "America/Bogota",
        "balance_minor": [str(123_456_700 + 1000 * number) for number in range(8)], "currency": "COP",
        "due_date": [f"2026-{9 if number % 2 else 10:02d}-{13 + number}" for number in range(8)],
        "consented_channels": ["sms", "call;sms"] * 4,
    }
)  # fmt: skip
CONTACTS = pd.DataFrame(
    {
        "contact_id": [f"K{number}" for number in range(8)], "account_id": IDS, "channel": ["sms", "call"] * 4,
        "sent_at": [f"2026-11-{10 + number}T{8 + number:02d}:05:00-05:00" for number in range(8)], "status": "sent",
        "initiated_by": "creditor",
    }
)  # fmt: skip
TABLES = {"accounts": ACCOUNTS, "contacts": CONTACTS}
MONTHS = ("ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sep", "oct", "nov", "dic")


def planned(frame, table, stated=None):
    """A table as ``score``, ``plan``, ``check`` and the service read it; None where it is refused."""
    reading = TableReading(table, stated)
    reading.observe(frame)
    read = reading.read(frame, pd.Series(["America/Bogota"] * len(frame), dtype=object))
    try:
        refuse_faults([reading], 0.05)
    except InvalidInput:
        return None
    return read


def ingested(frame, table, stated=None):
    """The same as ``ingest`` reads it."""
    clocks = None if stated is None else lambda rows: pd.Series(["America/Bogota"] * len(rows), dtype=object)
    checked = check_table(
        frame.copy(), CONTRACTS[table], as_of=AS_OF, channels=["sms", "call"], levels={"channel": ["sms", "call"]},
        stated=stated, clocks=clocks,
    )  # fmt: skip
    return None if checked.faults.bad.any() else checked.frame


def assert_the_truth(frame, table, stated=None):
    """Both readings, to the cell."""
    for read in (planned, ingested):
        spelt, right = read(frame, table, stated), read(TABLES[table], table)
        assert spelt is not None, read.__name__
        pd.testing.assert_frame_equal(spelt[right.columns.tolist()], right, check_dtype=False)


def thousands(value, group=".", decimals=""):
    return f"{int(value):,}".replace(",", group) + decimals


AMOUNTS = {
    "$ 1.234.567": lambda v: f"$ {thousands(v)}", "$1.234.567.-": lambda v: f"${thousands(v)}.-",
    "S/ 1,234.00": lambda v: f"S/ {thousands(v, ',', '.00')}", "S/. 1,234.00": lambda v: f"S/. {thousands(v, ',', '.00')}",
    "1,234.00 MXN": lambda v: f"{thousands(v, ',', '.00')} MXN", "MX$1,234.00": lambda v: f"MX${thousands(v, ',', '.00')}",
    "Col$ 1.234": lambda v: f"Col$ {thousands(v)}", "1,234.00 M.N.": lambda v: f"{thousands(v, ',', '.00')} M.N.",
    "1'234.567,00": lambda v: f"{int(v) // 10**6}'{thousands(int(v) % 10**6, decimals=',00')}",
    "hard blanks": lambda v: thousands(v, "\u202f"), "+": lambda v: f"+{v}", "$  1.234 ": lambda v: f" $   {thousands(v)} ",
}  # fmt: skip
DAYS = {
    "15-ene-2026": lambda d, m, y: f"{d}-{m}-{y}", "15-Ene-26": lambda d, m, y: f"{d}-{m.title()}-{y[2:]}",
    "15/ene./2026": lambda d, m, y: f"{d}/{m}./{y}", "15ENE2026": lambda d, m, y: f"{d}{m.upper()}{y}",
    "2026-ene-15": lambda d, m, y: f"{y}-{m}-{d}", "ene 15 de 2026": lambda d, m, y: f"{m}. {d} de {y}",
    "jueves, 15 de": lambda d, m, y: f"jueves, {d} de {m} de {y}",
}  # fmt: skip


@pytest.mark.parametrize("how", AMOUNTS)
def test_amounts(how):
    """Signs of currencies before and behind, thousands of every kind, a dash for no cents."""
    assert_the_truth(ACCOUNTS.assign(balance_minor=[AMOUNTS[how](v) for v in ACCOUNTS["balance_minor"]]), "accounts")


@pytest.mark.parametrize("how", DAYS)
def test_days_with_the_month_in_words(how):
    """In Spanish, short and long, in every order."""
    cells = [DAYS[how](day[8:], MONTHS[int(day[5:7]) - 1], day[:4]) for day in ACCOUNTS["due_date"]]
    assert_the_truth(ACCOUNTS.assign(due_date=cells), "accounts")


@pytest.mark.parametrize(
    ("column", "word"),
    [("timezone", "SA Pacific Standard Time"), ("timezone", "(UTC-05:00) Bogota, Lima, Quito, Rio Branco"),
     ("timezone", "Bogotá"), ("timezone", "america/bogota"), ("country", "170"), ("country", "COL"),
     ("country", "República de Colombia"), ("country", 170)],
)  # fmt: skip
def test_countries_and_zones(column, word):
    """Numeric and three-letter codes, the style of a state, names of Windows, a city."""
    assert_the_truth(ACCOUNTS.assign(**{column: word}), "accounts")


@pytest.mark.parametrize(
    ("column", "word"),
    [("timezone", "UTC-5"), ("timezone", "-05:00"), ("timezone", "COT"), ("country", "57"), ("country", 32), ("country", "Atlantis"),
     ("balance_minor", "1'234.567"), ("balance_minor", "1.234 CR"), ("due_date", "15102026"), ("country", "C\x00O")],
)  # fmt: skip
def test_what_may_mean_two_things_is_refused_by_both(column, word):
    """An offset that does not say when clocks change, a prefix of telephones, a lost zero, a byte in a cell."""
    for read in (planned, ingested):
        assert read(ACCOUNTS.assign(**{column: word}), "accounts") is None, read.__name__


def test_names_that_the_tables_know():
    """Every code is one country; a zone of Windows is a zone; 056 is Belgium, 56 a prefix."""
    assert [country_code(word) for word in ("MEX", "484", "Perú", "PER", "604", "CHL", "152", "032", "056", "56")] == [
        "MX", "MX", "PE", "PE", "PE", "CL", "CL", "AR", "BE", None,
    ]  # fmt: skip
    assert country_code("República Dominicana") == "DO"
    assert zone_name("Central Standard Time (Mexico)") == "America/Mexico_City"
    assert zone_name("(UTC-06:00) Guadalajara, Mexico City, Monterrey") == "America/Mexico_City"
    assert zone_name("Pacific SA Standard Time") == "America/Santiago"
    assert number_of("(S/ 1,234.50)") == number_of("1,234.50-") == -1234.5
    assert moment_of("Octubre 15 de 2026").at == moment_of("2026-oct-15").at


@pytest.mark.parametrize("spell", ["{}-", "({})", "-$ {}", "$-{}"])
def test_payments_that_are_all_negative_are_not_reversals(spell):
    """An account's statement writes what came in with a minus: nothing would be paid, everything taken back."""
    payments = pd.DataFrame(
        {"account_id": IDS[:3], "paid_at": "2026-11-20T10:00:00-05:00", "amount_minor": ["100", "250", "300"]}
    )
    assert planned(payments, "payments") is not None
    spelt = payments.assign(amount_minor=[spell.format(value) for value in payments["amount_minor"]])
    assert planned(spelt, "payments") is None
    with pytest.raises(InvalidInput, match="negative in 3 of 3"):
        ingested(spelt, "payments")
    one = payments.assign(amount_minor=["100", "250", spell.format(300)])
    assert planned(one, "payments")["amount_minor"].tolist() == [100, 250, -300]


def written(frame, folder, text, name="x.csv", encoding="utf-8"):
    (folder / name).write_bytes(text(frame).encode(encoding))
    return folder / name


def csv(frame, sep=","):
    return frame.to_csv(index=False, sep=sep)


def ends(text):
    signs = ["\n", "\r\n", "\r", "\n", "\r\n", "\n", "\r", "\r\n", "\n"]
    return "".join(line + sign for line, sign in zip(text.splitlines(), signs, strict=True))


SHEETS = {
    "BOM and sep=": lambda f: "\ufeffsep=;\r\n" + csv(f, ";").replace("\n", "\r\n"), "mixed line ends": lambda f: ends(csv(f)),
    "CR only": lambda f: csv(f).replace("\n", "\r"), "empty columns at the end": lambda f: "".join(f"{line},,,\n" for line in csv(f).splitlines()),
    "only the header has them": lambda f: csv(f).replace("\n", ",,,\n", 1), "NULs at the end": lambda f: csv(f) + "\x00" * 5000,
    "NULs fill the cells": lambda f: csv(f).replace("\n", "\x00" * 9 + "\n").replace(",", "\x00,"),
    "NULs between lines": lambda f: csv(f) + "\n" + "\x00" * 70_000 + "\n",
    "two header rows": lambda f: "DATOS" + "," * (len(f.columns) - 1) + "\n" + csv(f),
    "merged header": lambda f: ",".join(["DATOS"] * 3 + ["OTROS"] * (len(f.columns) - 3)) + "\n" + csv(f),
    "a column twice": lambda f: csv(pd.concat([f, f[["account_id"]]], axis=1)), '="00100"': lambda f: csv(f.assign(account_id=[f'="{v}"' for v in IDS])),
    "quoted line breaks": lambda f: csv(f.assign(nota='uno\ndos, con coma; y "comillas"')), "tildes": lambda f: csv(f, "~"), "carets": lambda f: csv(f, "^"),
    "single quotes": lambda f: "".join(",".join(f"'{cell}'" for cell in line.split(",")) + "\n" for line in csv(f).splitlines()),
    "pipes at both ends": lambda f: "".join(f"|{line}|\n" for line in csv(f, "|").splitlines()),
    "a document of JSON": lambda f: json.dumps({"results": f.to_dict("records"), "count": 8}),
    "JSON lines in data": lambda f: "\n".join(json.dumps({"data": row}) for row in f.to_dict("records")),
    "a list": lambda f: json.dumps(f.to_dict("records"), indent=1),
}  # fmt: skip


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("how", SHEETS)
def test_files(tmp_path, how, table):
    """Whatever stands around and between the cells, the table is the one that was written."""
    read = read_table(written(TABLES[table], tmp_path, SHEETS[how]), table=table)
    pd.testing.assert_frame_equal(read[TABLES[table].columns.tolist()], TABLES[table], check_dtype=False)


def test_json_in_another_unicode_encoding(tmp_path):
    """As programs of Windows write it."""
    path = written(ACCOUNTS, tmp_path, lambda f: "\n".join(map(json.dumps, f.to_dict("records"))), "x.jsonl", "utf-16")
    pd.testing.assert_frame_equal(read_table(path, table="accounts"), ACCOUNTS, check_dtype=False)


def test_a_byte_inside_a_cell_is_a_fault_of_its_row(tmp_path):
    """It may stand for a lost sign: nothing is guessed."""
    read = read_table(written(CONTACTS, tmp_path, lambda f: csv(f).replace("sms", "s\x00ms")), table="contacts")
    assert planned(read, "contacts") is None
    assert ingested(read, "contacts") is None


@pytest.mark.parametrize(
    ("day", "clock", "names"),
    [("%d/%m/%Y", "%H:%M:%S", ("Fecha", "Hora")), ("%Y-%m-%d 00:00:00", "%I:%M %p", ("Fecha gestión", "Hora gestión")),
     ("%d-%m-%Y", "1899-12-30T%H:%M:%S", ("fecha", "hora_de_gestion"))],
)  # fmt: skip
def test_day_and_clock_in_two_columns(tmp_path, day, clock, names):
    """One instant; a column of clocks beside whole instants is another fact and changes nothing."""
    local = pd.to_datetime(CONTACTS["sent_at"], utc=True).dt.tz_convert("America/Bogota")
    frame = CONTACTS.drop(columns="sent_at").assign(
        **{names[0]: local.dt.strftime(day), names[1]: local.dt.strftime(clock)}
    )
    path = tmp_path / "c.csv"
    frame.to_csv(path, index=False)
    assert_the_truth(read_table(path, table="contacts"), "contacts", Stated(timezone="account"))
    CONTACTS.assign(hora="07:00").to_csv(path, index=False)
    assert_the_truth(read_table(path, table="contacts"), "contacts")


def test_columns_of_parquet(tmp_path):
    """Dictionaries, large strings, bytes, decimals, dates, instants of any unit and zone."""
    plain = pa.Table.from_pandas(ACCOUNTS, preserve_index=False).replace_schema_metadata(None)
    large = [pa.array(ACCOUNTS[name], pa.large_string()) for name in ACCOUNTS]
    for number, table in enumerate(
        [
            pa.table([column.dictionary_encode() for column in plain.columns], names=plain.column_names),
            pa.table(large, names=plain.column_names),
            plain.set_column(0, "account_id", pa.array([one.encode() for one in IDS])),
            plain.set_column(4, "balance_minor", pa.array([Decimal(v) for v in ACCOUNTS["balance_minor"]], pa.decimal128(18, 2))),
            plain.set_column(6, "due_date", pa.array(pd.to_datetime(ACCOUNTS["due_date"]).dt.date)),
            plain.set_column(7, "consented_channels", pa.array([v.split(";") for v in ACCOUNTS["consented_channels"]])),
        ]
    ):  # fmt: skip
        pq.write_table(table, tmp_path / f"{number}.parquet")
        assert_the_truth(read_table(tmp_path / f"{number}.parquet", table="accounts"), "accounts")
    instants = pd.to_datetime(CONTACTS["sent_at"], utc=True)
    for unit in ("ns", "us", "ms", "s"):
        typed = pa.array(instants.dt.to_pydatetime().tolist(), pa.timestamp(unit, "America/Lima"))
        pq.write_table(
            pa.table({**{n: CONTACTS[n] for n in CONTACTS if n != "sent_at"}, "sent_at": typed}), tmp_path / "c.parquet"
        )
        assert_the_truth(read_table(tmp_path / "c.parquet", table="contacts"), "contacts")


def test_a_folder_of_parquet_is_one_table(tmp_path):
    """Fetched as one file for the time of a plan."""
    folder = tmp_path / "accounts"
    folder.mkdir()
    ACCOUNTS.iloc[:4].to_parquet(folder / "a.parquet", index=False)
    ACCOUNTS.iloc[4:].to_parquet(folder / "b.parquet", index=False)
    with on_disk(
        {"accounts": str(folder), "contacts": None, "outcomes": None, "payments": None}, tmp_path / "out"
    ) as files:
        pd.testing.assert_frame_equal(pd.read_parquet(files.accounts), ACCOUNTS)
    (tmp_path / "empty").mkdir()
    with (
        pytest.raises(InvalidInput, match="no Parquet"),
        on_disk({"accounts": str(tmp_path / "empty")}, tmp_path / "out"),
    ):
        pass


def test_a_row_of_parquet_that_does_not_fit(tmp_path):
    """Files of two schemas are no table."""
    folder = Path(tmp_path) / "two"
    folder.mkdir()
    ACCOUNTS.to_parquet(folder / "a.parquet", index=False)
    pd.DataFrame({"account_id": [[1.5]]}).to_parquet(folder / "b.parquet", index=False)
    with pytest.raises(InvalidInput, match="one table"), on_disk({"accounts": str(folder)}, tmp_path / "out"):
        pass
