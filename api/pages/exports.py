"""Tables as files: typed numbers in their unit, headings in the reader's language; as CSV and as a workbook."""

from __future__ import annotations

import csv
import io
import math
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, TypeAlias
from xml.sax.saxutils import escape

from starlette.responses import Response, StreamingResponse

from api.pages.content import Cell, Table
from api.pages.rendering import Page

__all__ = ["Sheet", "Suffix", "sheet_of", "table_file", "to_csv", "to_xlsx"]

Suffix: TypeAlias = Literal["csv", "xlsx"]

Sheet = tuple[list[str], Iterable[list[Any]]]
"""Headings, and rows of numbers, texts and None."""


def sheet_of(page: Page, table: Table) -> Sheet:
    """A table as it leaves: money in its currency and not in hundredths, intervals as two numbers, units named.

    A column of one unit has it in its heading; one of several is followed by a column of units.
    """
    rows = table.cells()
    headings: list[str] = []
    readers: list[Any] = []
    for position, column in enumerate(table.columns):
        cells = [row[position] for row in rows]
        units = {cell.unit for cell in cells if _is_number(cell.value) or cell.low is not None}
        is_interval = any(cell.low is not None for cell in cells)
        unit = (units == {""} and column.unit) or (next(iter(units)) if len(units) == 1 else "")
        named = f" ({unit})" if unit and unit.casefold() not in column.title.casefold() else ""
        if is_interval:
            headings += [
                page.text("{column}: from", column=column.title) + named,
                page.text("{column}: to", column=column.title) + named,
            ]
            readers += [(position, _low), (position, _high)]
        else:
            headings.append(column.title + named)
            readers.append((position, _value))
        if len(units) > 1:
            headings.append(page.text("{column}: unit", column=column.title))
            readers.append((position, _unit))
        if any(cell.note for cell in cells):
            headings.append(page.text("{column}: note", column=column.title))
            readers.append((position, _note))
    return headings, [[read(row[position]) for position, read in readers] for row in rows]


def table_file(sheet: Sheet, name: str, title: str, suffix: Suffix) -> Response:
    """The answer that a browser saves as ``<name>.<suffix>``."""
    headers = {"Content-Disposition": f'attachment; filename="{name}.{suffix}"'}
    if suffix == "xlsx":
        return StreamingResponse(to_xlsx(sheet, title), media_type=f"{_TYPES}.sheet", headers=headers)
    return StreamingResponse(to_csv(sheet), media_type="text/csv; charset=utf-8", headers=headers)


def to_csv(sheet: Sheet) -> Iterator[str]:
    """Comma-separated values, decimal point, unrounded; texts that a spreadsheet would run are quoted."""
    out = io.StringIO()
    writer = csv.writer(out)
    headings, rows = sheet
    yield "\ufeff"  # lets spreadsheets read the accents
    writer.writerow([_harmless(heading) for heading in headings])
    for number, row in enumerate(rows):
        writer.writerow(["" if cell is None else _harmless(cell) for cell in row])
        if number % 1_000 == 999:
            yield out.getvalue()
            out.seek(0)
            out.truncate()
    yield out.getvalue()


def to_xlsx(sheet: Sheet, title: str) -> Iterator[bytes]:
    """A workbook of one sheet, piece by piece: a million rows take no more memory than some thousand.

    Numbers are numbers whatever the region of the reader, and the headings stay in sight.
    """
    headings, rows = sheet
    pieces = _Pieces()
    with zipfile.ZipFile(pieces, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in _AROUND.items():
            archive.writestr(name, content)
        name = escape("".join(" " if letter in '[]:*?/\\"' else letter for letter in title).strip("' ")[:31] or "1")
        archive.writestr("xl/workbook.xml", _WORKBOOK.format(name=name))
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as out:
            out.write(_SHEET_START.format(width=len(headings)).encode())
            for number, row in enumerate(_chain(headings, rows), start=1):
                style = ' s="1"' if number == 1 else ""
                cells = "".join(_xlsx_cell(cell, style) for cell in row)
                out.write(f'<row r="{number}">{cells}</row>'.encode())
                if number % 1_000 == 0:
                    yield pieces.taken()
            out.write(b"</sheetData></worksheet>")
    yield pieces.taken()


class _Pieces(io.RawIOBase):
    """Where an archive is written to, to be taken away as it grows; it cannot go back."""

    def __init__(self) -> None:
        self._held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        self._held += content
        return len(content)

    def taken(self) -> bytes:
        """What was written since the last time."""
        taken = bytes(self._held)
        self._held.clear()
        return taken


def _chain(headings: Sequence[str], rows: Iterable[list[Any]]) -> Iterator[Sequence[Any]]:
    yield headings
    yield from rows


def _xlsx_cell(content: Any, style: str) -> str:
    if content is None or content == "":
        return "<c/>"
    if isinstance(content, bool):
        return f'<c t="b"><v>{int(content)}</v></c>'
    if _is_number(content):
        number = int(content) if isinstance(content, int) else float(content)  # numpy writes itself otherwise
        return f"<c><v>{number!r}</v></c>"
    text = "".join(letter for letter in str(content) if letter >= " " or letter in "\t\n\r")
    return f'<c t="inlineStr"{style}><is><t xml:space="preserve">{escape(text)}</t></is></c>'


def _is_number(content: Any) -> bool:
    return not isinstance(content, bool) and isinstance(content, int | float) and math.isfinite(content)


def _value(cell: Cell) -> Any:
    """A number or an ISO instant; else what the reader sees, in the reader's language."""
    if cell.value == "":
        return ""
    if _is_number(cell.value):
        return int(cell.value) if cell.unit == "" and float(cell.value).is_integer() else cell.value
    return cell.value if isinstance(cell.value, str) and _ISO.match(cell.value) else cell.shown


def _low(cell: Cell) -> Any:
    return cell.low


def _high(cell: Cell) -> Any:
    return cell.high


def _unit(cell: Cell) -> str:
    return cell.unit


def _note(cell: Cell) -> str:
    return cell.note


def _harmless(content: Any) -> Any:
    """Text that begins like a formula gets an apostrophe, so that opening the file runs nothing."""
    is_formula = isinstance(content, str) and content.startswith(tuple("=+-@\t\r")) and content not in ("-", "–")
    return f"'{content}" if is_formula else content


_ISO = re.compile(r"\d{4}-\d\d-\d\d(T|$)")
_TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
_AROUND = {
    "[Content_Types].xml": f'{_HEAD}<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPES}.sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_TYPES}.worksheet+xml"/>'
    f'<Override PartName="/xl/styles.xml" ContentType="{_TYPES}.styles+xml"/></Types>',
    "_rels/.rels": f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_REL}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/_rels/workbook.xml.rels": f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_REL}/worksheet" Target="worksheets/sheet1.xml"/>'
    f'<Relationship Id="rId2" Type="{_REL}/styles" Target="styles.xml"/></Relationships>',
    "xl/styles.xml": f'{_HEAD}<styleSheet xmlns="{_MAIN}"><fonts count="2"><font/><font><b/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill>'
    '</fills><borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs>'
    '<cellXfs count="2"><xf/><xf fontId="1" applyFont="1"/></cellXfs></styleSheet>',
}
_WORKBOOK = (
    f'{_HEAD}<workbook xmlns="{_MAIN}" xmlns:r="{_REL}"><sheets>'
    '<sheet name="{name}" sheetId="1" r:id="rId1"/></sheets></workbook>'
)
_SHEET_START = (
    f'{_HEAD}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0">'
    '<pane ySplit="1" topLeftCell="A2" state="frozen"/></sheetView></sheetViews>'
    '<cols><col min="1" max="{width}" width="22" customWidth="1"/></cols><sheetData>'
)
