"""What leaves the pages as a file: every number parses back to what is shown, in its unit."""

import csv
import io
import math
import tracemalloc
import zipfile
from dataclasses import replace
from xml.etree import ElementTree  # of files written here

import babel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.pages.content import Cell, Column, Table
from api.pages.exports import sheet_of, to_csv, to_xlsx
from api.pages.number_input import AmbiguousNumber, read_number
from api.pages.rendering import Page
from api.pages.shown import Formats
from recommender.settings import Settings

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
PAGE = Page("es", Settings(model_path=None))
LOCALES = [babel.Locale.parse(name) for name in ("es_CO", "es_MX", "es_PE", "es_CL", "es_ES", "es_419", "en_GB")]


def written(table, page=PAGE):
    text = "".join(to_csv(sheet_of(page, table)))
    assert text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))


def cells_of(pieces):
    """Rows of a workbook as an independent reader has them: type and text of each cell."""
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        assert archive.testzip() is None
        for name in archive.namelist():
            ElementTree.fromstring(archive.read(name))  # noqa: S314
        rows = ElementTree.fromstring(archive.read("xl/worksheets/sheet1.xml")).iter(f"{MAIN}row")  # noqa: S314
        return [[(cell.get("t", "n"), "".join(cell.itertext())) for cell in row] for row in rows]


def test_money_leaves_in_its_currency_and_not_in_hundredths():
    """26.525,49 pesos are 26525.49, whatever the minor units; two currencies have a column of units."""
    f = PAGE.formats
    rows = [["A", f.money(2_652_549.0, "COP")], ["B", f.money(13_521.0, "MXN")], ["C", f.money(5_000.0, "CLP")]]
    headings, *lines = written(Table("t", "T", [Column("n", "Cuenta", False), Column("m", "Saldo")], rows))
    assert headings == ["Cuenta", "Saldo", "Saldo: unidad"]
    assert [(float(line[1]), line[2]) for line in lines] == [(26525.49, "COP"), (135.21, "MXN"), (5000.0, "CLP")]
    one = written(Table("t", "T", [Column("n", "Cuenta", False), Column("m", "Saldo")], rows[:1]))
    assert one == [["Cuenta", "Saldo (COP)"], ["A", "26525.49"]]


def test_an_interval_leaves_as_two_numbers_with_their_unit():
    """No minus sign that a program cannot read, no text between numbers."""
    estimate = PAGE.formats.estimate("rate", 0.05, -0.0175, 0.2461)
    rows = [["A", Cell.of(estimate), Cell.interval(estimate)], ["B", Cell("–", ""), Cell.interval(None)]]
    columns = [Column("n", "Cifra", False), Column("d", "Diferencia"), Column("i", "IC 95 %")]
    headings, first, second = written(Table("t", "T", columns, rows))
    assert headings == ["Cifra", "Diferencia (p. p.)", "IC 95 %: desde (p. p.)", "IC 95 %: hasta (p. p.)"]
    assert [float(one) for one in first[1:]] == pytest.approx([5.0, -1.75, 24.61])
    assert second == ["B", "", "", ""]


def test_texts_run_nothing_in_a_spreadsheet():
    """A text that begins like a formula is disarmed in the CSV and is a text in the workbook."""
    table = Table("t", "T", [Column("name", "Nombre", False), Column("rate", "Tasa")], [["=cmd()", 1.0], ["@x", None]])
    assert [line[0] for line in written(table)] == ["Nombre", "'=cmd()", "'@x"]
    rows = cells_of(to_xlsx(sheet_of(PAGE, table), "Tasas: [2026]/'x'"))
    assert rows[1][0] == ("inlineStr", "=cmd()")
    assert rows[1][1] == ("n", "1")


def test_a_workbook_leaves_as_it_is_written_and_takes_no_more_memory_for_more_rows():
    """Rows are asked for while pieces leave; fifty times the rows need the memory of a piece, in both kinds of file."""

    def peak(n, write):
        asked, left = [0], 0

        def rows():
            for number in range(n):
                asked[0] = number
                yield [f"account {number}", number * 0.5, None]

        tracemalloc.start()
        for piece in write((["a", "b", "c"], rows())):
            assert asked[0] <= 1_100 * (left + 1)
            left += 1
            del piece
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert left >= n // 1_000
        return held

    for write in (to_csv, lambda sheet: to_xlsx(sheet, "T")):
        assert peak(50_000, write) < 1.5 * peak(1_000, write) + 100_000


@given(
    value=st.floats(-1e9, 1e9), kind=st.sampled_from(["rate", "points", "money", "number", "count", "per_thousand"]),
    currency=st.sampled_from(["COP", "MXN", "CLP", "PEN", "EUR", "KWD"]), locale=st.sampled_from(LOCALES),
)  # fmt: skip
def test_every_exported_number_parses_back_to_what_is_shown(value, kind, currency, locale):
    """Rounded as the page rounds, the number of the file is the number on the page, in every region and unit."""
    page = replace(PAGE, language="es" if locale.language == "es" else "en")
    formats = Formats(locale, points="pp")
    shown = formats.value(kind, value, currency=currency)
    table = Table("t", "T", [Column("n", "N", False), Column("v", "V")], [["A", shown]])
    for suffix in ("csv", "xlsx"):
        sheet = sheet_of(page, table)
        exported = float(
            list(csv.reader(io.StringIO("".join(to_csv(sheet)))))[1][1]
            if suffix == "csv"
            else cells_of(to_xlsx(sheet, "T"))[1][1][1]
        )
        digits = "".join(letter for letter in shown.text if letter.isdigit() or letter in ".,\N{MINUS SIGN}")
        decimal = babel.numbers.get_decimal_symbol(locale)
        group = "," if decimal == "." else "."
        read = float(digits.strip(".,").replace(group, "").replace(decimal, ".").replace("\N{MINUS SIGN}", "-"))
        places = len(digits.rpartition(decimal)[2]) if decimal in digits else 0
        assert math.isclose(read, exported, rel_tol=1e-12, abs_tol=0.5000001 * 10.0**-places), shown


@pytest.mark.parametrize(
    ("text", "locale", "decimals", "number"),
    [
        ("500.000", "es_CO", 2, 500_000.0), ("500.000", "es_MX", 2, 500_000.0), ("500,000", "es_MX", 2, 500_000.0),
        ("12,5", "es_CO", None, 12.5), ("12,5", "es_MX", None, 12.5), ("12.5", "es_CO", None, 12.5),
        ("12.5", "en_GB", None, 12.5), ("1.234.567,89", "es_CO", 2, 1_234_567.89),
        ("1,234,567.89", "es_CO", 2, 1_234_567.89),
        ("1.500", "es_CL", 0, 1_500.0), ("1 500", "es_PE", 0, 1_500.0), ("0,125", "es_CO", None, 0.125),
        ("\N{MINUS SIGN}3,5", "es_CO", None, -3.5), ("1234.567", "es_CO", None, 1234.567),
    ],
)  # fmt: skip
def test_numbers_are_read_as_people_type_them(text, locale, decimals, number):
    """Thousands and decimals of the region, and those of another one where only one reading is possible."""
    assert read_number(text, babel.Locale.parse(locale), most_decimals=decimals) == number


@pytest.mark.parametrize(("text", "locale"), [("1,500", "es_CO"), ("1.500", "es_MX"), ("1.500", "en_GB")])
def test_a_number_of_two_readings_is_refused(text, locale):
    """Nobody is given 1.5 for 1,500 without a word."""
    with pytest.raises(AmbiguousNumber):
        read_number(text, babel.Locale.parse(locale))


@pytest.mark.parametrize("text", ["", "soon", "1.2.3", "1,23,456", "1.234,5,6", "--3", "1e5", "nan", ".", "1."])
def test_what_is_no_number_is_refused(text):
    """Nothing is guessed."""
    with pytest.raises(ValueError, match=r".*"):
        read_number(text, babel.Locale.parse("es_CO"))


@given(number=st.integers(-(10**9), 10**9), cents=st.integers(0, 99), locale=st.sampled_from(LOCALES))
def test_money_as_the_region_writes_it_is_read_back(number, cents, locale):
    """What a page shows can be typed into it."""
    value = number + (cents / 100 if number >= 0 else -cents / 100)
    text = Formats(locale).number(value, 2).text
    assert read_number(text, locale, most_decimals=2) == pytest.approx(value)


def test_no_interval_end_and_no_share_reads_as_zero_that_is_none():
    """-25 to -0.43 is not "-25 to 0"; a floor of 0.04 % is not "0.0 %"."""
    formats = Formats(babel.Locale.parse("es_CO"))
    assert formats.estimate("number", -12.7, -25.0, -0.43).interval.endswith("\N{MINUS SIGN}0,4")
    assert formats.percent(0.0004).text.startswith("0,04")
    assert formats.percent(0.0).text.startswith("0,0")
