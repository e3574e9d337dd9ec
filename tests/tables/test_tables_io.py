"""Reading raw tables from files and databases, and the ingest and doctor verbs."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
import typer
from typer.testing import CliRunner

from pipelines import doctor, ingest
from recommender.errors import InvalidInput
from recommender.history.contract_check import check_table
from recommender.simulation import plant_faults, simulate_tables
from recommender.store.files.log_files import feedback_from_file
from recommender.store.files.tables_io import read_table
from recommender.tables import CONTRACTS

FRAME = pd.DataFrame({"account_id": ["a", "b"], "product": ["crédito", "tarjeta ñ"], "balance_minor": [1, None]})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_in_unicode_encodings_is_recognised(tmp_path, encoding, separator):
    """UTF-8 and UTF-16, with or without a mark, and the usual separators, read alike."""
    path = tmp_path / "accounts.csv"
    path.write_bytes(FRAME.to_csv(index=False, sep=separator).encode(encoding))
    read = read_table(path, table="accounts")
    assert read["product"].tolist() == ["crédito", "tarjeta ñ"]
    assert read.columns.tolist() == FRAME.columns.tolist()


SPANISH = "account_id,product\n" + "".join(f"a{i},{'crédito “ágil” €' if i % 3 else 'card'}\n" for i in range(60))


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_file_in_another_encoding_is_refused_with_the_mend_or_read_when_told(tmp_path, encoding):
    """Nothing is guessed: unless its encoding is stated the file is refused, naming it and showing the text."""
    path = tmp_path / "accounts.csv"
    text = SPANISH if encoding == "cp1252" else SPANISH.replace(" “ágil” €", "")
    path.write_bytes(text.encode(encoding))
    read = read_table(path, table="accounts", encoding=encoding)
    assert read["product"].tolist() == [line.split(",")[1] for line in text.splitlines()[1:]]
    with pytest.raises(InvalidInput, match=r"40 of 60 rows cannot be decoded.*crédito") as error:
        read_table(path, table="accounts")
    assert "--encoding cp1252" in error.value.mend


def test_header_in_another_encoding_is_refused(tmp_path):
    """A column name that cannot be decoded would be lost for every row."""
    path = tmp_path / "accounts.csv"
    path.write_bytes("account_id,señal\na,1\n".encode("latin-1"))
    with pytest.raises(InvalidInput, match="header line") as error:
        read_table(path, table="accounts")
    assert "--encoding" in error.value.mend


def test_few_rows_in_another_encoding_are_marked_and_the_rest_is_used(tmp_path):
    """Two exports pasted together: rows that cannot be decoded carry U+FFFD, which the contract check sets aside."""
    path = tmp_path / "accounts.csv"
    path.write_bytes(SPANISH.encode("utf-8") + "z1,crédito\nz2,débito\n".encode("cp1252"))
    read = read_table(path, table="accounts")
    assert read["product"].str.contains("\ufffd").tolist() == [False] * 60 + [True] * 2
    checked = check_table(read, CONTRACTS["accounts"], as_of=pd.Timestamp("2026-06-01", tz="UTC"))
    assert checked.faults.frame()[["key", "rule"]].to_numpy().tolist() == [
        ["z1", "wrong_encoding"],
        ["z2", "wrong_encoding"],
    ]


def test_wrongly_stated_encoding_is_caught(tmp_path):
    """UTF-8 read as Latin-1 looks like text ("crÃ©dito"): set aside row by row; what cannot be decoded is refused."""
    path = tmp_path / "accounts.csv"
    path.write_bytes(SPANISH.encode("utf-8"))
    read = read_table(path, table="accounts", encoding="latin-1")
    checked = check_table(read, CONTRACTS["accounts"], as_of=pd.Timestamp("2026-06-01", tz="UTC"))
    assert (checked.faults.frame()["rule"] == "wrong_encoding").sum() == 40
    assert len(checked.frame) == 20
    with pytest.raises(InvalidInput, match="is not cp1252") as error:
        read_table(path, table="accounts", encoding="cp1252")
    assert "--encoding utf-8" in error.value.mend


def test_parquet_and_sql_read_alike(tmp_path):
    """A Parquet file and a database table give the same rows; the table is named after '#'."""
    FRAME.to_parquet(tmp_path / "accounts.parquet")
    url = f"sqlite:///{tmp_path / 'crm.db'}"
    engine = sa.create_engine(url)
    FRAME.to_sql("cuentas", engine, index=False)
    engine.dispose()
    from_file = read_table(tmp_path / "accounts.parquet", table="accounts")
    from_base = read_table(f"{url}#cuentas", table="accounts")
    assert from_base["product"].tolist() == from_file["product"].tolist()
    with pytest.raises(InvalidInput, match="no table 'accounts'") as error:
        read_table(url, table="accounts")
    assert "cuentas" in error.value.mend


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("gone.csv", None, "no file"),
        ("empty.csv", b"", "empty"),
        ("broken.parquet", b"PAR1 not really", "cannot be read"),
        ("binary.csv", bytes(range(256)) * 4, "binary data"),
    ],
)
def test_unusable_file_is_one_clear_error(tmp_path, name, content, match):
    """A file that cannot be read names the table, the file and the mend."""
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidInput, match=match) as error:
        read_table(path, table="accounts")
    assert error.value.mend


def test_password_of_a_database_is_not_repeated():
    """An address that cannot be reached is refused without its password."""
    with pytest.raises(InvalidInput) as error:
        read_table("nosuchdb://user:hunter2@host/db", table="accounts")
    assert "hunter2" not in str(error.value)


@pytest.fixture(scope="module")
def app():
    held = typer.Typer(pretty_exceptions_enable=False)
    ingest.register(held)
    doctor.register(held)
    return held


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Faulty tables as CSV files, and the planted faults."""
    folder = tmp_path_factory.mktemp("export")
    simulated = simulate_tables(1500, days=60, seed=5)
    faulty = plant_faults(simulated, share=0.03)
    for name, frame in faulty.tables.items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    (folder / "actions.json").write_text(json.dumps(simulated.actions.to_dict()), encoding="utf-8")
    return folder, faulty.planted, simulated


def test_ingest_writes_log_quarantine_and_counts(app, exported):
    """The verb writes a log that reads back as feedback, the bad rows with reasons, and the counts."""
    folder, planted, simulated = exported
    tables = [part for name in ingest.TABLES for part in (f"--{name}", str(folder / f"{name}.csv"))]
    out = folder / "log.parquet"
    told = ["--actions", str(folder / "actions.json"), "--as-of", simulated.as_of.isoformat(), "--reward", "response"]
    result = CliRunner().invoke(app, ["ingest", *tables, *told, "--out", str(out)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    log = feedback_from_file(out)
    assert log.eligible is not None
    assert log.actions == simulated.actions
    bad = pd.concat([pd.read_csv(path) for path in (folder / "log.parquet.quarantine").glob("*.quarantine.csv")])
    own = bad[bad["rule"] != "cascade"]
    assert set(zip(own["table"], own["row"], strict=True)) == set(zip(planted["table"], planted["row"], strict=True))
    report = json.loads((folder / "log.parquet.quarantine" / "report.json").read_text(encoding="utf-8"))
    assert sum(line["quarantined"] for line in report["tables"]) == len(bad)
    assert len(log) == report["decisions"]
    card = folder / "card.html"
    told = CliRunner().invoke(app, ["doctor", str(out), "--json", "--html", str(card)], catch_exceptions=False)
    assert told.exit_code == 0
    assert json.loads(told.stdout)["evaluate"] in ("yes", "with care")
    assert card.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_eligible_sets_without_an_action_space_are_not_guessed(app, exported):
    """Sets written in the order of an unknown space are not read, and the verb says so."""
    folder, _, simulated = exported
    tables = [part for name in ingest.TABLES for part in (f"--{name}", str(folder / f"{name}.csv"))]
    out = folder / "plain.parquet"
    told = ["--as-of", simulated.as_of.isoformat(), "--reward", "response", "--out", str(out)]
    result = CliRunner().invoke(app, ["ingest", *tables, *told], catch_exceptions=False)
    assert "eligible sets were not read" in " ".join(result.output.split())
    log = feedback_from_file(out)
    assert log.eligible is None
    assert sorted(log.actions.factors["channel"]) == sorted(simulated.actions.factors["channel"])
    assert np.isin(log.actions.factors["hour"], range(24)).all()
