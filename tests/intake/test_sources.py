"""Workbooks, JSON lines, Arrow, DuckDB and foreign frames hold the cells that a CSV of them would."""

# ruff: noqa: E501 - samples are read by their lines
from __future__ import annotations

import zipfile

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.feather as pf
import pytest

from recommender.errors import InvalidInput
from recommender.intake import as_frame
from recommender.store.files import read_table

FRAME = pd.DataFrame(
    {
        "account_id": ["0001", "0002"],
        "paid_at": ["2026-11-01T10:00:00Z", "2026-11-02T10:00:00Z"],
        "amount_minor": ["5", "7"],
    }
)
_NS = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def workbook(path, *, entity=False):
    """A workbook as a spreadsheet writes it: shared texts, a date style, a title above the header, a line of totals."""
    rows = [
        '<row r="1"><c r="A1" t="s"><v>3</v></c></row>',
        '<row r="2"><c r="A2" t="s"><v>0</v></c><c r="B2" t="s"><v>1</v></c><c r="C2" t="inlineStr"><is><t>amount_minor</t></is></c></row>',
        '<row r="3"><c r="A3" t="s"><v>2</v></c><c r="B3" s="1"><v>46353.3333333</v></c><c r="C3"><v>5</v></c></row>',
        '<row r="4"><c r="A4"><v>7</v></c><c r="B4" s="1"><v>46354</v></c><c r="C4"><v>12.5</v></c></row>',
        '<row r="5"><c r="A5" t="inlineStr"><is><t>TOTAL</t></is></c><c r="C5"><v>17.5</v></c></row>',
    ]
    head = '<?xml version="1.0"?>' + ('<!DOCTYPE x [<!ENTITY a "aaa">]>' if entity else "")
    parts = {
        "xl/workbook.xml": f'<workbook {_NS} xmlns:r="r"><sheets><sheet name="Pagos" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": '<Relationships><Relationship Id="rId1" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/sharedStrings.xml": f"<sst {_NS}><si><t>account_id</t></si><si><r><t>paid</t></r><r><t>_at</t></r></si><si><t>0001</t></si>"
        "<si><t>Pagos de noviembre</t></si></sst>",
        "xl/styles.xml": f'<styleSheet {_NS}><cellXfs><xf numFmtId="0"/><xf numFmtId="22"/></cellXfs></styleSheet>',
        "xl/worksheets/sheet1.xml": f"{head}<worksheet {_NS}><sheetData>{''.join(rows)}</sheetData></worksheet>",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return path


def test_a_workbook_is_read_as_its_cells_are_shown(tmp_path):
    """Texts keep their zeros, days become ISO, the title and the line of totals are no rows."""
    frame = read_table(f"{workbook(tmp_path / 'pagos.xlsx')}#Pagos", table="payments")
    assert frame.to_dict("list") == {
        "account_id": ["0001", "7"], "paid_at": ["2026-11-27T08:00:00", "2026-11-28"], "amount_minor": ["5", "12.5"],
    }  # fmt: skip
    with pytest.raises(InvalidInput, match="has no sheet 'Otros'"):
        read_table(f"{tmp_path / 'pagos.xlsx'}#Otros", table="payments")


def test_a_workbook_with_entities_is_refused(tmp_path):
    """Entities are how such files do harm."""
    with pytest.raises(InvalidInput, match="entities"):
        read_table(workbook(tmp_path / "bad.xlsx", entity=True), table="payments")


def test_other_files_hold_the_same(tmp_path):
    """JSON lines, Arrow, DuckDB: the frame that was written."""
    FRAME.to_json(tmp_path / "p.jsonl", orient="records", lines=True)
    pf.write_feather(pa.Table.from_pandas(FRAME), str(tmp_path / "p.arrow"))
    with duckdb.connect(str(tmp_path / "p.duckdb")) as book:
        book.execute("CREATE TABLE payments (account_id VARCHAR, paid_at VARCHAR, amount_minor VARCHAR)")
        book.executemany("INSERT INTO payments VALUES (?, ?, ?)", FRAME.to_numpy().tolist())
    for name in ("p.jsonl", "p.arrow", "p.duckdb"):
        assert read_table(tmp_path / name, table="payments").to_dict("list") == FRAME.to_dict("list")
    (tmp_path / "bad.jsonl").write_text('{"a": 1}\n[1]\n', encoding="utf-8")
    with pytest.raises(InvalidInput, match="no objects"):
        read_table(tmp_path / "bad.jsonl", table="payments")


def test_frames_of_other_libraries_are_frames():
    """What speaks the Arrow stream is a table; a text is none."""
    table = pa.Table.from_pandas(FRAME)
    assert as_frame(table).equals(FRAME)
    assert as_frame(duckdb.sql("SELECT 1 AS a")).to_dict("list") == {"a": [1]}
    with pytest.raises(InvalidInput, match="got str"):
        as_frame("accounts")
