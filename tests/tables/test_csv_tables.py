"""CSV files as programs and people write them: no row is lost, shifted or misread without a word."""

from __future__ import annotations

import csv
import io

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recommender.errors import InvalidInput
from recommender.history.contract_check import check_table
from recommender.store.files.tables_io import read_table
from recommender.tables import CONTRACTS, UNREADABLE_ROW

AS_OF = pd.Timestamp("2026-06-01", tz="UTC")
HEADER = "account_id,paid_at,amount_minor,currency"
ROWS = [f"a{i},2026-05-{i:02d}T10:00:00Z,{100 + i},COP" for i in range(1, 13)]


def read(tmp_path, text, name="payments.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return read_table(path, table="payments")


def quarantine(frame):
    checked = check_table(frame, CONTRACTS["payments"], as_of=AS_OF)
    return checked.frame["account_id"].tolist(), checked.faults.frame()[["row", "rule", "value"]].to_numpy().tolist()


def test_separators_at_the_end_of_each_line_shift_nothing(tmp_path):
    """Exports that end every row with a separator, the header not."""
    told = read(tmp_path, "\n".join([HEADER, *(row + "," for row in ROWS)]))
    pd.testing.assert_frame_equal(told, read(tmp_path, "\n".join([HEADER, *ROWS])))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("before", ["", "\n\n", "sep=,\n"])
def test_line_ends_and_lines_before_the_header(tmp_path, end, before):
    """Line ends of every system; empty lines and the separator line of spreadsheets stand before the header."""
    told = read(tmp_path, (before + "\n".join([HEADER, *ROWS, ""])).replace("\n", end))
    assert told["account_id"].tolist() == [f"a{i}" for i in range(1, 13)]
    assert told["currency"].tolist() == ["COP"] * 12


@pytest.mark.parametrize(
    ("row", "line", "value"),
    [
        (3, "a4,2026-05-04T10:00:00Z,1,04,COP", "5 cells for 4 columns; the first is 'a4'"),
        (3, "a4,2026-05-04T10:00:00Z", "2 cells for 4 columns; the first is 'a4'"),
        (0, "a1,2026-05-01T10:00:00Z,101,COP,,x", "6 cells for 4 columns; the first is 'a1'"),
        (11, '"a12,2026-05-12T10:00:00Z,112,COP', "a quote that is not closed, or not opened; the first cell is 'a12'"),
        (3, '"a4,2026-05-04T10:00:00Z,104,COP', "a quote that is not closed, or not opened; the first cell is 'a4'"),
    ],
)
def test_a_row_with_other_cells_is_set_aside_alone(tmp_path, row, line, value):
    """Too many cells, too few, or an open quote: the row is in quarantine by its number, every other row is used."""
    lines = [*ROWS[:row], line, *ROWS[row + 1 :]]
    used, bad = quarantine(read(tmp_path, "\n".join([HEADER, *lines])))
    assert used == [f"a{i}" for i in range(1, 13) if i != row + 1]
    assert bad == [[row, "unreadable_row", value]]


def test_two_open_quotes_swallow_no_row_between_them(tmp_path):
    """To a reader of CSV the rows between are one cell; they are right by themselves and used."""
    lines = [('"' if i in (4, 8) else "") + row for i, row in enumerate(ROWS)]
    used, bad = quarantine(read(tmp_path, "\n".join([HEADER, *lines])))
    assert used == [f"a{i}" for i in range(1, 13) if i not in (5, 9)]
    assert [(row, rule) for row, rule, _ in bad] == [(4, "unreadable_row"), (8, "unreadable_row")]


def test_a_cell_may_hold_lines_separators_and_quotes(tmp_path):
    """What stands properly between quotes is one cell, whatever it holds."""
    note = 'he said "later",\nthen, on, Friday, 3, 4, 5\r\n"ok"'
    frame = pd.DataFrame({"account_id": ["a", "b"], "note": [note, "x"], "paid_at": ["p", "q"], "amount_minor": [1, 2]})
    told = read(tmp_path, frame.to_csv(index=False))
    assert told["note"].tolist() == [note, "x"]
    assert UNREADABLE_ROW not in told


@example(rows=[("", "", "\n")], separator=",")  # a line break that swallows no row
@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(*[st.text(st.characters(codec="utf-8", exclude_characters="\x00\r\ufeff"), max_size=8)] * 3),
        min_size=1,
        max_size=20,
    ),
    separator=st.sampled_from(",;\t|"),
)
def test_reads_what_the_standard_library_writes(tmp_path_factory, rows, separator):
    """Any text, in any separator, comes back as it was; empty cells and words for nothing are null."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(["x", "y", "z"])
    writer.writerows(rows)
    path = tmp_path_factory.mktemp("csv") / "accounts.csv"
    path.write_bytes(text.getvalue().encode())
    told = read_table(path, table="accounts")
    nothing = ("", "NULL", "null", "\\N", "NaN", "nan", "None", "#N/A", "<NA>", "NaT")
    want = [[None if cell in nothing else cell for cell in row] for row in rows]
    want = [row for row in want if any(cell and cell.strip() for cell in row)]  # an empty row is no row
    assert told.astype(object).where(told.notna(), None).to_numpy().tolist() == want


def test_repeated_names_and_empty_files_are_refused(tmp_path):
    """Nobody can tell which of two columns is meant, and a file without a header holds nothing."""
    with pytest.raises(InvalidInput, match="'amount_minor' appears more than once"):
        read(tmp_path, HEADER.replace("currency", "amount_minor") + "\n" + ROWS[0])
    for text in ("\ufeff", " \n\n", "sep=;\n"):
        with pytest.raises(InvalidInput, match="has no header line"):
            read(tmp_path, text)


def test_names_in_another_spelling_are_the_contracts(tmp_path):
    """Databases write capital letters, people write blanks; two spellings of one name are left apart."""
    told = read(tmp_path, "ACCOUNT_ID, Paid At ,amount-minor,Currency\n" + ROWS[0])
    assert told.columns.tolist() == HEADER.split(",")
    told = read(tmp_path, HEADER + ",CURRENCY\n" + ROWS[0] + ",x")
    assert told.columns.tolist() == [*HEADER.split(","), "CURRENCY"]


def test_row_numbers_without_a_name_are_not_read(tmp_path):
    """The index that a program wrote is no column of the table."""
    told = read(tmp_path, "\n".join(["," + HEADER, *(f"{i},{row}" for i, row in enumerate(ROWS))]))
    assert told.columns.tolist() == HEADER.split(",")
    assert len(told) == 12


def test_the_content_tells_the_kind_of_file(tmp_path):
    """A Parquet file called .csv is read, a spreadsheet and an empty folder are refused with the mend."""
    frame = pd.DataFrame({"account_id": ["a"], "paid_at": ["x"], "amount_minor": [1]}).set_index("account_id")
    frame.to_parquet(tmp_path / "payments.csv")
    assert read_table(tmp_path / "payments.csv", table="payments").columns.tolist() == HEADER.split(",")[:3]
    (tmp_path / "payments.xlsx").write_bytes(b"PK\x03\x04" + bytes(40))
    with pytest.raises(InvalidInput, match="spreadsheet") as error:
        read_table(tmp_path / "payments.xlsx", table="payments")
    assert "CSV" in error.value.mend
    (tmp_path / "folder").mkdir()
    with pytest.raises(InvalidInput, match="holds no Parquet file"):
        read_table(tmp_path / "folder", table="payments")


def test_marks_of_every_unicode_encoding_are_known(tmp_path):
    """UTF-32 begins like UTF-16."""
    told = read(tmp_path, "\n".join([HEADER, *ROWS]), encoding="utf-32")
    assert told["account_id"].tolist() == [f"a{i}" for i in range(1, 13)]
