"""Raw tables from workbooks, JSON lines, Arrow files and DuckDB."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.parsers import expat

import pandas as pd
import pyarrow.feather as pf

from recommender.errors import InvalidInput
from recommender.extras import later
from recommender.intake import column_synonyms, hashable, plain_word
from recommender.store.files.sheet_shape import (
    LOOKED_AT,
    decoration,
    header_row,
    known_names,
    numbered_names,
    without_repeats,
)
from recommender.tables import CONTRACTS

if TYPE_CHECKING:
    import duckdb
else:
    duckdb = later("duckdb", "planning")

__all__ = ["json_documents", "read_arrow", "read_duckdb", "read_json_lines", "read_workbook"]

_MOST_BYTES = 1 << 30
_DATE_FORMATS = frozenset((14, 15, 16, 17, 18, 19, 20, 21, 22, 45, 46, 47))
_DAY_0 = {False: datetime(1899, 12, 30), True: datetime(1904, 1, 1)}  # noqa: DTZ001 - a workbook's days are local
_BROKEN, _HIDDEN = -1, -2  # in place of a column's number
#: Tables of whom is contacted: of what happened, a row more leaves somebody alone.
_CHOSEN = ("accounts", "export")
_CELL = re.compile(r"([A-Z]+)[0-9]+")


def read_json_lines(path: Path) -> pd.DataFrame:
    """One JSON object a line, or one list of them, also as answers of a service wrap them; nested values as JSON text.

    Raises
    ------
    InvalidInput
        Names the line that is no object.
    """
    rows = json_documents(path)
    if len(rows) == 1 and isinstance(rows[0], dict):
        rows = _rows_of_document(rows[0])
    if wrong := [number for number, row in enumerate(rows) if not isinstance(row, dict)]:
        raise InvalidInput(f"{path} holds rows that are no objects.", column="path", rows=wrong,
                           mend="Write one JSON object a line.")  # fmt: skip
    while rows and all(len(row) == 1 and isinstance(next(iter(row.values())), dict) for row in rows):
        rows = [next(iter(row.values())) for row in rows]  # {"data": {...}} a line
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pd.DataFrame({name: _json_column([_json_cell(row.get(name)) for row in rows]) for name in names})


def _rows_of_document(document: dict[str, Any]) -> list[Any]:
    """The rows of one object: a row itself, a list within it, or a table by columns or by rows as pandas writes it."""
    names, held = list(document), list(document.values())
    if {"columns", "data"} <= set(document) and all(isinstance(row, list) for row in document["data"]):
        return [dict(zip(document["columns"], row, strict=False)) for row in document["data"]]
    if len(held) > 1 and all(isinstance(one, dict) for one in held) and len({tuple(one) for one in held}) == 1:
        if all(name.isdigit() for name in held[0]):  # {"paid": {"0": 1, "1": 0}, ...}
            return [dict(zip(names, row, strict=True)) for row in zip(*(one.values() for one in held), strict=True)]
        return held if all(name.isdigit() for name in names) else [document]
    plain = all(isinstance(one, list) and len(one) > 1 and not isinstance(one[0], dict) for one in held)
    if len(held) > 1 and plain and len({len(one) for one in held}) == 1:  # {"paid": [1, 0], ...}
        return [dict(zip(names, row, strict=True)) for row in zip(*held, strict=True)]
    if not known_names(names):  # {"results": [...], "count": 8}
        lists = [one for one in held if isinstance(one, list) and one and all(isinstance(row, dict) for row in one)]
        return lists[0] if len(lists) == 1 else [document]
    return [document]


def json_documents(path: Path) -> list[Any]:
    """Documents of a JSON file in any Unicode encoding: one a line, or one list of them.

    Raises
    ------
    InvalidInput
        Names the line that is no JSON.
    """
    data = path.read_bytes()
    text = data.decode(json.detect_encoding(data)).removeprefix("\ufeff")
    try:
        whole = json.loads(text)
    except ValueError:
        whole = None
    if whole is not None:
        return whole if isinstance(whole, list) else [whole]
    documents = []
    for number, line in enumerate(text.split("\n")):
        if not line.strip():
            continue
        try:
            documents.append(json.loads(line))
        except ValueError as error:
            raise InvalidInput(
                f"{path}: line {number + 1} is no JSON ({error}).", column="path", rows=[number],
                mend="Write one JSON object a line.",
            ) from error  # fmt: skip
    return documents


def _json_cell(value: Any) -> Any:
    """One value a cell; an object is the same whatever order its names come in."""
    return json.dumps(value, sort_keys=True) if isinstance(value, dict) else hashable(value)


def _json_column(values: list[Any]) -> pd.Series:
    """Numbers as numbers where all are, else text."""
    present = [value for value in values if value is not None]
    if all(isinstance(value, bool) for value in present) or all(type(value) in (int, float) for value in present):
        return pd.Series(values, dtype=object).infer_objects()
    texts = [None if v is None else str(v).lower() if isinstance(v, bool) else str(v) for v in values]
    return pd.Series(texts, dtype="str")


def read_arrow(path: Path) -> pd.DataFrame:
    """An Arrow (Feather) file."""
    frame: pd.DataFrame = pf.read_table(path).to_pandas()
    return frame


def read_duckdb(path: Path, name: str) -> pd.DataFrame:
    """A table of a DuckDB file.

    Raises
    ------
    InvalidInput
        Where there is no such table; names those that are there.
    """
    with duckdb.connect(str(path), read_only=True) as book:
        tables = [row[0] for row in book.execute("SELECT table_name FROM information_schema.tables").fetchall()]
        if name not in tables:
            raise InvalidInput(f"{path} has no table {name!r}.", column="path",
                               mend=f"It has {', '.join(tables) or 'no tables'}; name one after '#'.")  # fmt: skip
        quoted = name.replace('"', '""')
        frame: pd.DataFrame = book.sql(f'SELECT * FROM "{quoted}"').to_arrow_table().to_pandas()  # noqa: S608
        return frame


def read_workbook(path: Path, table: str, sheet: str | None = None) -> pd.DataFrame:
    """The named sheet of a workbook, or the one that holds the table; cells as text, times as ISO 8601 local time.

    Raises
    ------
    InvalidInput
        For what is no workbook, for a sheet that is not there, for several that may hold the table, and for formulas
        of its table that hold an error or no value. For rows of accounts that are hidden (by a filter, or folded up):
        nobody can tell whether somebody took them out.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(item.file_size for item in archive.infolist()) > _MOST_BYTES:
                raise InvalidInput(f"{path} unpacks to more than {_MOST_BYTES >> 30} GiB.", column="path",
                                   mend="Save it as CSV or Parquet.")  # fmt: skip
            names = _sheet_names(archive)
            if sheet is not None and sheet not in names:
                raise InvalidInput(f"{path} has no sheet {sheet!r}.", column="path", mend=f"It has {', '.join(names)}.")
            held = {name: _table_of(list(_rows_of(archive, name)), path) for name in ([sheet] if sheet else names)}
    except (zipfile.BadZipFile, KeyError, expat.ExpatError) as error:
        raise InvalidInput(f"{path} is no XLSX workbook ({error}).", column="path",
                           mend="Save it as XLSX or CSV (UTF-8).") from error  # fmt: skip
    filled = {name: one for name, one in held.items() if one is not None}
    if not filled:
        raise InvalidInput(f"{path} is empty: it has no header line.", column="path", mend="Export it again.")
    sheets = {name: frame for name, (frame, _, _) in filled.items()}
    fits = [name for name in sheets if _holds(sheets[name], table)] if table in CONTRACTS else _largest(sheets)
    if len(fits) > 1:
        raise InvalidInput(
            f"{path} has {len(fits)} sheets that may hold the {table}: {', '.join(fits)}.", column="path",
            mend=f"Name one ({path.name}#{fits[0]}), or put their rows into one sheet.",
        )  # fmt: skip
    frame, broken, hidden = filled[fits[0]] if fits else next(iter(filled.values()))
    if broken:
        raise InvalidInput(
            f"{path}: {'; '.join(broken[:3])}{f' ({len(broken)} rows)' if len(broken) > 3 else ''}.", column="path",
            mend="Mend the formulas, open the workbook in a spreadsheet program and save it, or export values.",
        )  # fmt: skip
    if hidden and table in _CHOSEN:
        raise InvalidInput(
            f"{path}: {len(hidden):,} rows of the table are hidden by a filter or folded up ({', '.join(hidden[:5])}).",
            column="path",
            mend="Clear the filter where they count, or copy the visible rows into a sheet of their own.",
        )
    return frame


def _holds(frame: pd.DataFrame, table: str) -> bool:
    """Whether a sheet has the columns that a table cannot do without."""
    named = {plain_word(str(name)) for name in frame.columns} | {column_synonyms(str(name)) for name in frame.columns}
    return len(frame) > 0 and set(CONTRACTS[table].required) <= named


def _largest(sheets: dict[str, pd.DataFrame]) -> list[str]:
    """Sheets that may hold a table nobody has described: the largest, with what is near it or has its columns.

    Covers, notes and lists of codes are small beside it; January and February are one table in two sheets.
    """
    most = max(frame.size for frame in sheets.values())
    columns = {tuple(frame.columns) for frame in sheets.values() if frame.size == most}
    return [name for name, one in sheets.items() if one.size and (4 * one.size > most or tuple(one.columns) in columns)]


def _table_of(rows: list[dict[int, str]], path: Path) -> tuple[pd.DataFrame, list[str], list[str]] | None:
    """The table of a sheet, what is wrong with cells of it, and its hidden rows; None where the sheet is empty."""
    rows = [row for row in rows if any(value.strip() for value in row.values())]
    broken, hidden = ([row.pop(mark, None) for row in rows] for mark in (_BROKEN, _HIDDEN))
    if not rows:
        return None
    width = 1 + max(max(row, default=0) for row in rows)
    start = header_row([[row.get(at, "") for at in range(width)] for row in rows[:LOOKED_AT]])
    header = rows[start]
    at_name = [(at, header[at].strip()) for at in sorted(header) if header[at].strip()]
    names = numbered_names([name for _, name in at_name])
    cells = {
        name: [row.get(at) or None for row in rows[start + 1 :]] for (at, _), name in zip(at_name, names, strict=True)
    }
    frame = pd.DataFrame({name: pd.Series(values, dtype="str") for name, values in cells.items()})
    frame = without_repeats(frame, path)
    gone = decoration(frame)
    wrong, unseen = (
        [one for place, one in enumerate(told[start + 1 :]) if one and place not in gone] for told in (broken, hidden)
    )
    return frame.drop(index=gone).reset_index(drop=True), wrong, unseen


def _sheet_names(archive: zipfile.ZipFile) -> list[str]:
    return [dict(a)["name"] for tag, a, _ in _elements(archive.read("xl/workbook.xml")) if tag == "sheet"]


def _rows_of(archive: zipfile.ZipFile, sheet: str) -> Iterator[dict[int, str]]:
    book = _elements(archive.read("xl/workbook.xml"))
    wanted = next(
        next(v for k, v in a if k.endswith(":id")) for tag, a, _ in book if tag == "sheet" and dict(a)["name"] == sheet
    )
    links = {
        dict(a)["Id"]: dict(a)["Target"]
        for tag, a, _ in _elements(archive.read("xl/_rels/workbook.xml.rels"))
        if tag == "Relationship"
    }
    old_mac = any(tag == "workbookPr" and dict(a).get("date1904") in ("1", "true") for tag, a, _ in book)
    named = archive.namelist()
    texts = _shared_texts(archive.read("xl/sharedStrings.xml")) if "xl/sharedStrings.xml" in named else []
    dates = _date_styles(archive.read("xl/styles.xml")) if "xl/styles.xml" in named else []
    target = links[wanted].lstrip("/")
    row: dict[int, str] = {}
    kind = style = value = place = ""
    column, worked_out, number, unseen = -1, False, 0, False
    for tag, attributes, text in _elements(
        archive.read(target if target.startswith("xl/") else f"xl/{target}"), ends=True
    ):
        named_attributes = dict(attributes)
        if tag == "row":
            row, column, number = {}, -1, number + 1
            number = int(named_attributes.get("r", number))
            unseen = named_attributes.get("hidden") in ("1", "true")
        elif tag == "c":
            match = _CELL.fullmatch(named_attributes.get("r", ""))
            column = _number_of(match[1]) if match else column + 1
            place, worked_out = named_attributes.get("r", ""), False
            kind, style, value = named_attributes.get("t", "n"), named_attributes.get("s", "0"), ""
        elif tag == "f":
            worked_out = True
        elif tag in ("/v", "/t"):
            value += text
        elif tag == "/c" and kind == "e":
            row[_BROKEN] = f"cell {sheet}!{place} holds the error {value or '#?'}"
        elif tag == "/c" and worked_out and not value and kind != "str":  # no program that reckons has opened it
            row[_BROKEN] = f"cell {sheet}!{place} holds a formula without its value"
        elif tag == "/c" and value:
            row[column] = _cell(value, kind, int(style) < len(dates) and dates[int(style)], texts, old_mac)
        elif tag == "/row":
            yield row | {_HIDDEN: f"row {number}"} if row and unseen else row


def _cell(value: str, kind: str, is_date: bool, texts: list[str], old_mac: bool) -> str:
    if kind == "s":
        return texts[int(value)]
    if kind == "b":
        return "true" if value == "1" else "false"
    if kind in ("n", "") and is_date:
        at = _DAY_0[old_mac] + timedelta(seconds=round(float(value) * 86_400))
        return at.date().isoformat() if float(value).is_integer() else at.isoformat()
    if kind in ("n", ""):
        number = float(value)
        return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
    return value


def _shared_texts(data: bytes) -> list[str]:
    texts: list[str] = []
    inside = 0
    for tag, _, text in _elements(data, ends=True):
        if tag == "si":
            texts.append("")
        elif tag in ("rPh", "/rPh"):  # how it is pronounced is no part of the text
            inside += 1 if tag == "rPh" else -1
        elif tag == "/t" and texts and not inside:
            texts[-1] += text
    return texts


def _date_styles(data: bytes) -> list[bool]:
    own: dict[int, bool] = {}
    styles: list[bool] = []
    among = False
    for tag, attributes, _ in _elements(data, ends=True):
        named_attributes = dict(attributes)
        if tag == "numFmt":
            code = re.sub(r'"[^"]*"|\[[^\]]*\]|\\.', "", named_attributes.get("formatCode", "")).lower()
            own[int(named_attributes["numFmtId"])] = bool(re.search("[ydhs]", code)) and "general" not in code
        elif tag in ("cellXfs", "/cellXfs"):
            among = tag == "cellXfs"
        elif tag == "xf" and among:
            number = int(named_attributes.get("numFmtId", "0"))
            styles.append(own.get(number, number in _DATE_FORMATS))
    return styles


def _elements(data: bytes, *, ends: bool = False) -> list[tuple[str, list[tuple[str, str]], str]]:
    """Elements in order, each with its attributes; with ``ends`` their ends as ``/tag`` with the text inside."""
    elements: list[tuple[str, list[tuple[str, str]], str]] = []
    pieces: list[str] = []
    parser = expat.ParserCreate()

    def refuse(*_: Any) -> None:  # entities are how such files do harm, and no workbook needs them
        raise InvalidInput("The workbook declares entities.", column="path", mend="Save it as CSV.")

    def begin(tag: str, attributes: dict[str, str]) -> None:
        pieces.clear()
        elements.append((tag.rpartition(":")[2], list(attributes.items()), ""))

    def end(tag: str) -> None:
        if ends:
            elements.append((f"/{tag.rpartition(':')[2]}", [], "".join(pieces)))
        pieces.clear()

    parser.EntityDeclHandler = refuse
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = begin, end, pieces.append
    parser.Parse(data, True)
    return elements


def _number_of(letters: str) -> int:
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - 64
    return number - 1
