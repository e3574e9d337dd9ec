"""Reports around a table, placeholders, cut digits: the same facts as the plain table, or a refusal that says where."""

# ruff: noqa: E501 - tables of spellings are read by their lines
from __future__ import annotations

import gzip
import io
import zipfile

import pandas as pd
import pytest

from recommender.errors import InvalidInput
from recommender.intake import Stated, digits_lost, id_text, is_placeholder, moment_of, number_of
from recommender.planning import PlanFiles, PlanOrder, make_plan
from recommender.store.files import read_table
from tests.intake.spellings import AS_OF, workbook
from tests.intake.test_one_door import SEED

N = 12
ACCOUNTS = pd.DataFrame(
    {
        "account_id": [f"A{k:03d}" for k in range(N)], "debtor_id": [f"D{k}" for k in range(N)], "country": "CO",
        "balance_minor": [str(123_450_000 + 100 * k) for k in range(N)], "due_date": [f"2026-10-{k + 13}" for k in range(N)],
        "party": "debtor", "flags": "none", "consented_channels": "sms;whatsapp;call",
    }
)  # fmt: skip
CONTACTS = pd.DataFrame(
    {
        "contact_id": [f"K{k}" for k in range(N)], "account_id": ACCOUNTS["account_id"], "channel": "sms",
        "sent_at": [f"2026-11-{k + 12}T09:00:00-05:00" for k in range(N)], "status": "sent", "initiated_by": "creditor",
    }
)  # fmt: skip
LINES = ACCOUNTS.to_csv(index=False).splitlines()
HEADER, ROWS = LINES[0], LINES[1:]
WIDTH = len(ACCOUNTS.columns)


def padded(*cells):
    return ",".join([*cells, *[""] * (WIDTH - len(cells))])


SHAPES = {
    "title": ["CARTERA AGENCIA X, S.A.", "Corte: 25/11/2026", "", *LINES],
    "padded title": [padded("CARTERA AGENCIA X"), padded(), *LINES],
    "merged group header": [padded("Datos", "", "Lugar", "Deuda", "", "Persona"), *LINES],
    "repeated group header": ["Datos,Datos,Lugar,Deuda,Deuda,Persona,Persona,Persona", *LINES],
    "header again": [*LINES[:6], HEADER, *LINES[6:]],
    "rule below the header": [HEADER, ",".join(["------"] * WIDTH), *ROWS],
    "subtotals": [*LINES[:6], padded("Subtotal Bogotá", "", "", "617.250.000"), *LINES[6:], padded("Total general:", "", "", "9")],
    "total in a further column": [*LINES, padded("", "TOTAL", "", "1481400000")],
    "rows counted": [*LINES, "", "Registros: 12"],
    "rows counted by a database": [*LINES, "", "(12 rows affected)"],
    "empty lines": [*LINES, padded(), padded()],
    "a column twice": [f"{line},{line.split(',')[0]}" for line in LINES],
    "an empty column twice": [f"{HEADER},obs,obs", *(f"{row},," for row in ROWS)],
    "notes of one name": [f"{HEADER},obs,obs", *(f"{row},x,y" for row in ROWS)],
    "formulas for texts": [HEADER, *(f'="{row.split(",")[0]}",{row.split(",", 1)[1]}' for row in ROWS)],
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_the_table_is_found_in_the_sheet(tmp_path, shape):
    """As CSV with another separator too."""
    for separator in (",", ";"):
        lines = SHAPES[shape] if separator == "," else [
            line if "," not in line or line.endswith("S.A.") else line.replace(";", "|").replace(",", ";")
            for line in SHAPES[shape]
        ]  # fmt: skip
        path = tmp_path / "accounts.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        read = read_table(path, table="accounts")[ACCOUNTS.columns.tolist()].astype(object)
        wanted = ACCOUNTS.assign(
            consented_channels=ACCOUNTS["consented_channels"].str.replace(";", "|" if separator == ";" else ";")
        )
        pd.testing.assert_frame_equal(read, wanted.astype(object))


def test_the_table_is_found_in_a_workbook(tmp_path):
    """Under a title and a header of groups, above a total."""
    rows = [["Cartera", *[""] * (WIDTH - 1)], ["Datos", "", "Lugar", *[""] * (WIDTH - 3)], ACCOUNTS.columns.tolist()]
    rows += [*ACCOUNTS.astype(object).to_numpy().tolist(), ["TOTAL", "", "", "1481400000", *[""] * (WIDTH - 4)]]
    workbook(pd.DataFrame(rows[1:], columns=pd.Index(rows[0])), tmp_path / "book.xlsx")
    pd.testing.assert_frame_equal(
        read_table(tmp_path / "book.xlsx", table="accounts").astype(object), ACCOUNTS.astype(object)
    )


@pytest.mark.parametrize("place", [0, 5, N - 1])
@pytest.mark.parametrize("label", ["Total", "Suma SAS", "Subtotal Bogota", "Gran Total", "Totalplay"])
def test_a_line_whose_cells_are_no_sums_is_a_row(tmp_path, label, place):
    """A debtor may be called what totals are called, and its line may be a cell short or one too long."""
    for lines, read_on in (
        ([",".join([label, *line.split(",")[1:]]) if at == place else line for at, line in enumerate(ROWS)], True),
        (
            [",".join([label, *line.split(",")[1:], "x"]) if at == place else line for at, line in enumerate(ROWS)],
            False,
        ),
        ([",".join([label, *line.split(",")[1:-1]]) if at == place else line for at, line in enumerate(ROWS)], False),
    ):
        (tmp_path / "accounts.csv").write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
        read = read_table(tmp_path / "accounts.csv", table="accounts")
        assert len(read) == N
        assert not read_on or read["account_id"].iloc[place] == label


@pytest.mark.parametrize("ending", ["zip", "csv", "dat", "xls"])
def test_a_file_is_read_by_what_it_holds(tmp_path, ending):
    """Archives, packed files and texts, whatever their names say."""
    text = "\n".join(LINES).encode()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("cartera.csv", text)
    held = {"zip": archive.getvalue(), "csv": gzip.compress(text), "dat": text, "xls": text.replace(b",", b"\t")}
    path = tmp_path / f"accounts.{ending}"
    path.write_bytes(held[ending])
    pd.testing.assert_frame_equal(read_table(path, table="accounts").astype(object), ACCOUNTS.astype(object))


def test_a_web_page_and_an_archive_of_several_are_refused_with_a_mend(tmp_path):
    """Nobody can tell which file is meant, or that HTML is a table."""
    (tmp_path / "a.xls").write_text(ACCOUNTS.to_html(), encoding="utf-8")
    with pytest.raises(InvalidInput, match="web page"):
        read_table(tmp_path / "a.xls", table="accounts")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("one.csv", "\n".join(LINES))
        packed.writestr("two.csv", "a,b\n1,2\n")
    with pytest.raises(InvalidInput, match=r"one.csv, two.csv"):
        read_table(tmp_path / "a.zip", table="accounts")
    assert len(read_table(f"{tmp_path}/a.zip#one.csv", table="accounts")) == N


def test_columns_of_one_name_that_mean_something_are_refused(tmp_path):
    """With the cells that differ, and where."""
    path = tmp_path / "accounts.csv"
    path.write_text("\n".join([f"{HEADER},due_date", *(f"{row},2026-01-01" for row in ROWS)]), encoding="utf-8")
    with pytest.raises(InvalidInput, match="due_date") as caught:
        read_table(path, table="accounts")
    assert caught.value.rows


@pytest.mark.parametrize(
    "text", ["N/A", "n/a", "-", "--", "s/d", "S/D", "#N/D", "#N/A", "#REF!", "Sin dato", "sin información", "No aplica", "0000-00-00", "0000-00-00 00:00:00.000000", "(en blanco)", "?", "—", " ", 40 * "-"]
)  # fmt: skip
def test_placeholders_are_empty_cells(text):
    """However people write that there is nothing."""
    assert is_placeholder(text)


@pytest.mark.parametrize(
    "text", ["NA", "no", "none", "ninguno", "0", "A-1", "1/2", "-5", "desconocido", "n", "S", 8 * "no aplica "]
)
def test_answers_are_no_placeholders(text):
    """Namibia, a refusal, a zero, a sentence."""
    assert not is_placeholder(text)


def plan_of(folder, accounts=ACCOUNTS, contacts=CONTACTS, stated=None):
    for name, frame in (("accounts", accounts), ("contacts", contacts)):
        frame.to_csv(folder / f"{name}.csv", index=False)
    files = PlanFiles(folder / "accounts.csv", folder / "contacts.csv")
    make_plan(files, folder / "plan.parquet", SEED, PlanOrder(AS_OF, stated=stated or Stated()))
    return pd.read_parquet(folder / "plan.parquet")


@pytest.mark.parametrize("word", ["N/A", "s/d", "-"])
def test_a_placeholder_says_what_an_empty_cell_says(tmp_path, word):
    """In facts of accounts and in what was heard."""
    gaps = ACCOUNTS.assign(due_date=ACCOUNTS["due_date"].where(ACCOUNTS.index != 3), language=None)
    heard = CONTACTS.assign(outcome=None)
    empty = plan_of(tmp_path, gaps, heard)
    pd.testing.assert_frame_equal(plan_of(tmp_path, gaps.fillna(word), heard.fillna(word)), empty)


MANY = pd.concat([CONTACTS] * 20, ignore_index=True).assign(contact_id=[f"K{k}" for k in range(20 * N)])


@pytest.mark.parametrize(
    ("column", "value"),
    [("account_id", None), ("account_id", "N/A"), ("sent_at", None), ("sent_at", "pendiente"), ("sent_at", "-"), ("account_id", "5.70001E+10")],
)  # fmt: skip
def test_one_contact_of_nobody_or_of_no_moment_is_no_plan(tmp_path, column, value):
    """However few they are: the debtor that it was would be contacted again."""
    spoilt = MANY.astype(object)
    spoilt.loc[7, column] = value
    with pytest.raises(InvalidInput) as caught:
        plan_of(tmp_path, contacts=spoilt)
    assert caught.value.column == column
    assert caught.value.rows == (7,) or list(caught.value.rows) == [7]
    assert caught.value.mend


@pytest.mark.parametrize(
    "ids", [[f"{57_000_100_000 + k:.5E}" for k in range(N)], [float(2**60 + 4096 * k) for k in range(N)]]
)
def test_ids_whose_digits_are_lost_are_refused(tmp_path, ids):
    """A spreadsheet's exponent, a float past its whole numbers."""
    with pytest.raises(InvalidInput, match="cut by a spreadsheet"):
        plan_of(tmp_path, ACCOUNTS.assign(account_id=ids), CONTACTS.assign(account_id=ids))


def test_cells_as_spreadsheets_write_them():
    """Days with two digits of a year, exponents with a comma, words of money."""
    assert moment_of("29-nov-26").at.isoformat() == "2026-11-29T00:00:00"
    assert moment_of("29-nov-26 8:05 p. m.").at.isoformat() == "2026-11-29T20:05:00"
    assert moment_of("nov-26") is None
    assert number_of("1,2345E+08") == 123_450_000.0
    assert [number_of(text) for text in ("COL$ 1.234.567", "1.234.567 pesos", "1'234'567.00")] == [1_234_567.0] * 3
    assert id_text("—") is None
    assert digits_lost(pd.Series(["5.70001E+11", "57000100000", "1.5E+01", "A1.5E+09"])).tolist() == [
        True,
        False,
        False,
        False,
    ]
    assert digits_lost(pd.Series(["5,70001E+11"])).all()


def book_of(path, cells):
    """A workbook of the accounts in which some cells are as given, XML and all; ``Notes`` is broken and no table."""
    letters = "ABCDEFGH"
    sheets = {}
    for sheet, rows in (
        ("Notes", [["read me"]]),
        ("Cartera", [ACCOUNTS.columns.tolist(), *ACCOUNTS.to_numpy().tolist(), ["TOTAL"]]),
    ):
        lines = []
        for number, row in enumerate(rows, 1):
            placed = {
                f"{letters[at]}{number}": f'<c r="{letters[at]}{number}" t="inlineStr"><is><t>{value}</t></is></c>'
                for at, value in enumerate(row)
            }
            placed |= {place: cell for (of, place), cell in cells.items() if of == sheet and place[1:] == str(number)}
            lines.append(f'<row r="{number}">{"".join(placed[place] for place in sorted(placed))}</row>')
        sheets[sheet] = f'<worksheet xmlns="x"><sheetData>{"".join(lines)}</sheetData></worksheet>'
    with zipfile.ZipFile(path, "w") as archive:
        named = "".join(f'<sheet name="{name}" r:id="r{n}" xmlns:r="r"/>' for n, name in enumerate(sheets))
        archive.writestr("xl/workbook.xml", f"<workbook><sheets>{named}</sheets></workbook>")
        links = "".join(f'<Relationship Id="r{n}" Target="s{n}.xml"/>' for n in range(len(sheets)))
        archive.writestr("xl/_rels/workbook.xml.rels", f"<Relationships>{links}</Relationships>")
        for n, text in enumerate(sheets.values()):
            archive.writestr(f"xl/s{n}.xml", text)
    return path


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ('<c r="D3"><f>A1*2</f></c>', "cell Cartera!D3 holds a formula without its value"),
        ('<c r="D3"><f>A1*2</f><v></v></c>', "cell Cartera!D3 holds a formula without its value"),
        ('<c r="D3" t="e"><f>A1</f><v>#REF!</v></c>', "cell Cartera!D3 holds the error #REF!"),
        ('<c r="D3"><f>A1*2</f><v>123450100</v></c>', None), ('<c r="D3" t="str"><f>A1</f><v></v></c>', None),
    ],
)  # fmt: skip
def test_a_formula_without_a_value_is_no_empty_cell(tmp_path, cell, said):
    """A program that never reckoned wrote it: unknown cells would pass for empty ones. Named by sheet and cell."""
    path = book_of(tmp_path / "a.xlsx", {("Cartera", "D3"): cell})
    if said is None:
        told = read_table(path, table="accounts")["balance_minor"]
        assert len(told) == N and (told.iloc[1] == "123450100" if "123450100" in cell else pd.isna(told.iloc[1]))
        return
    with pytest.raises(InvalidInput) as refused:
        read_table(path, table="accounts")
    assert said in str(refused.value)


def test_a_broken_formula_of_a_total_or_of_another_sheet_stops_nothing(tmp_path):
    """Neither is of the table."""
    wrong = '<c r="{0}" t="e"><v>#N/A</v></c>'
    path = book_of(
        tmp_path / "a.xlsx", {("Cartera", f"D{N + 2}"): wrong.format(f"D{N + 2}"), ("Notes", "B1"): wrong.format("B1")}
    )
    read = read_table(path, table="accounts")[ACCOUNTS.columns.tolist()]
    pd.testing.assert_frame_equal(read.astype(object), ACCOUNTS.astype(object))


@pytest.mark.parametrize("mark", ['hidden="1"', 'r="{row}" hidden="true"'])
def test_rows_of_accounts_that_a_filter_hides_are_asked_about(tmp_path, mark):
    """Somebody may have taken them out; a contact that is hidden was made all the same, and a hidden title is no row."""

    def hide(frame, name, rows):
        workbook(frame, tmp_path / "plain.xlsx")
        with zipfile.ZipFile(tmp_path / "plain.xlsx") as plain, zipfile.ZipFile(tmp_path / name, "w") as book:
            for part in plain.namelist():
                pieces = plain.read(part).decode().split("<row>")
                made = pieces[0] + "".join(
                    f"<row {mark.format(row=number)}>{piece}" if number in rows else f"<row>{piece}"
                    for number, piece in enumerate(pieces[1:], start=1)
                )
                book.writestr(part, made)
        return tmp_path / name

    path = hide(ACCOUNTS, "accounts.xlsx", {3, 5})
    for table in ("accounts", "export"):
        with pytest.raises(InvalidInput, match=r"2 rows of the table are hidden .*row 3, row 5.*Clear the filter"):
            read_table(path, table=table)
    assert len(read_table(hide(ACCOUNTS, "seen.xlsx", set()), table="accounts")) == N
    assert len(read_table(hide(CONTACTS, "contacts.xlsx", {3, 5}), table="contacts")) == N
    titled = pd.DataFrame(
        [ACCOUNTS.columns.tolist(), *ACCOUNTS.to_numpy().tolist()], columns=["Cartera", *[""] * (WIDTH - 1)]
    )
    assert len(read_table(hide(titled, "titled.xlsx", {1}), table="accounts")) == N
