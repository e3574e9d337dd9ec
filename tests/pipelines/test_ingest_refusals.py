"""What cannot be ingested ends with exit code 2, one message that names the mend, and no log."""

from __future__ import annotations

import sys

import pytest

from pipelines.__main__ import main
from recommender.simulation import simulate_tables


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("tables")
    for name, frame in simulate_tables(300, days=40, seed=2).to_dict().items():
        frame.to_csv(place / f"{name}.csv", index=False)
    return place


def ingest(folder, monkeypatch, capsys, out, *more, **instead):
    """Run the verb as a user does; gives exit code, standard output and standard error."""
    given = {
        name: str(folder / f"{name}.csv") for name in ("accounts", "decisions", "contacts", "outcomes", "payments")
    }
    given |= {name: str(path) for name, path in instead.items()}
    told = [part for name, path in given.items() for part in (f"--{name}", path)]
    monkeypatch.setattr(sys, "argv", ["pipelines", "ingest", *told, "--out", str(out), *more])
    code = 0
    try:
        main()
    except SystemExit as stopped:
        code = stopped.code
    return code, *capsys.readouterr()


def test_the_tables_are_fine_as_they_are(folder, tmp_path, monkeypatch, capsys):
    """Without a fault the same call writes the log."""
    out = tmp_path / "log.parquet"
    code, said, _ = ingest(folder, monkeypatch, capsys, out, "--as-of", "2025-02-16T00:00:00Z")
    assert not code, said
    assert out.is_file()


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf", "no header line"),
        (bytes(range(256)) * 9, "binary data"),
        (b"account_id,paid_at,amount_minor,paid_at\na,b,1,c\n", "'paid_at' appears more than once"),
        (b"account_id;amount_minor\na;1\n", "'paid_at' is missing"),
        (b"PAR1\x00\x01 cut off", "cannot be read"),
        (b"PK\x03\x04 a workbook", "spreadsheet"),
        (b"account_id,paid_at,amount_minor\n" + b'A,2025-01-08T10:00:00Z,"1,5"\n' * 40, "holds a fraction"),
    ],
)
def test_an_unusable_file(folder, tmp_path, monkeypatch, capsys, content, match):
    """Whatever is wrong with the file, its table is named, with what to do."""
    path = tmp_path / "payments.csv"
    path.write_bytes(content)
    out = tmp_path / "log.parquet"
    code, _, told = ingest(folder, monkeypatch, capsys, out, "--as-of", "2025-02-16T00:00:00Z", payments=path)
    assert code == 2
    assert match in told
    assert "payments" in told
    assert told.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (["--as-of", "soon"], "as_of"),
        (["--naive-timezone", "Mars"], "IANA"),
        (["--window-days", "1e9"], "at most 3,650"),
        (["--factor", "hour=8.."], "range"),
        (["--encoding", "klingon"], "no encoding"),
        (["--reward", "happiness"], "happiness"),
        (["--currency", "pesos"], "in no row"),
    ],
)
def test_options_that_make_no_sense(folder, tmp_path, monkeypatch, capsys, options, match):
    """An option is refused before anything is written."""
    out = tmp_path / "log.parquet"
    more = options if "--as-of" in options else ["--as-of", "2025-02-16T00:00:00Z", *options]
    code, _, told = ingest(folder, monkeypatch, capsys, out, *more)
    assert code == 2
    assert match in told
    assert told.count("\n") == 1
    assert not out.exists()


def test_a_place_that_cannot_be_written(folder, tmp_path, monkeypatch, capsys):
    """A folder that is a file: the path is named, no traceback."""
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "log.parquet"
    code, _, told = ingest(folder, monkeypatch, capsys, out, "--as-of", "2025-02-16T00:00:00Z")
    assert code == 2
    assert "cannot be read or written" in told
    assert str(tmp_path / "file") in told
