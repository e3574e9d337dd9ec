"""Raw tables from CSV files: any Unicode encoding, any usual separator, and no row lost or shifted without a word.

Exports are written by hand, by spreadsheets and by scripts that die half-way. Rows whose cells do not match the header
are kept as rows of their own, marked with what is wrong, so that the contract check sets them aside by their number.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv
from numpy.typing import NDArray

from recommender.errors import InvalidInput
from recommender.store.files.odd_rows import LONG_AND_FEW, NEWLINE, NULLS, Layout, OddRows
from recommender.store.files.packed import opened
from recommender.store.files.sheet_shape import (
    LOOKED_AT,
    header_row,
    known_names,
    numbered_names,
    without_decoration,
    without_repeats,
)
from recommender.tables import UNREADABLE_ROW

__all__ = ["LONG_AND_FEW", "read_csv_table"]


_SEPARATORS = (",", ";", "\t", "|", "~", "^", "\x01", "\x1f")
_SNIFFED_BYTES = 1 << 16
_BLOCK_BYTES = 1 << 24
_MOST_UNDECODED = 0.05
_PADDING = re.compile(r"\x00+(?=[,;\t|~^\"']|$)")  # of cells of a fixed width
_UNNAMED = "\x00unnamed_"
_SEPARATOR_LINE = re.compile(r"sep=(.)\s*", re.IGNORECASE)


def read_csv_table(path: Path, table: str, encoding: str | None = None) -> pd.DataFrame:
    """Read a CSV file, cells as text.

    Parameters
    ----------
    path : Path
        Also packed by gzip, bzip2, xz or zstd.
    table : str
        For messages.
    encoding : str or None
        None = UTF-8, or UTF-16 and UTF-32 by their marks.

    Returns
    -------
    DataFrame
        Empty cells are null; columns without a name (the row numbers that some programs write) are not read.
        :data:`recommender.tables.UNREADABLE_ROW` is a column where some row is unreadable.

    Raises
    ------
    InvalidInput
        Names the file, what is wrong with it and the mend.
    """
    raw = _head(path)
    layout = _layout_of(raw, path, table, encoding)
    frame = _rows(path, table, layout)
    lost, foreign = _undecoded(frame)
    # A few such rows are faults of their own, whole files are another encoding: then no accent at all could be read.
    if lost.sum() > _MOST_UNDECODED * len(frame) and not (foreign & ~lost).any():
        raise _wrong_encoding(path, table, layout.encoding, raw, f"{int(lost.sum()):,} of {len(frame):,} rows")
    return without_decoration(without_repeats(_as_meant(frame), f"table {table!r} ({path})"))


def _as_meant(frame: pd.DataFrame) -> pd.DataFrame:
    """Cells without the sign by which spreadsheets are told that a number is a text: ``="00107"``."""
    for name in frame.columns:
        cells = frame[name]
        if isinstance(cells.dtype, pd.CategoricalDtype) or not len(cells):
            continue
        words = pa.array(cells, type=pa.large_string(), from_pandas=True)
        if pc.any(pc.starts_with(words, '="')).as_py():
            frame[name] = cells.astype("str").str.replace(r'^="(.*)"$', r"\1", regex=True)
    return frame


def _layout_of(raw: bytes, path: Path, table: str, encoding: str | None) -> Layout:
    codec = encoding or _encoding_of(raw)
    try:
        codecs.lookup(codec)
    except LookupError as error:
        raise InvalidInput(
            f"Table {table!r}: there is no encoding {codec!r}.", column="encoding", mend="Use e.g. utf-8 or latin-1."
        ) from error
    text = codecs.getincrementaldecoder(codec)("replace").decode(raw)
    filled = [(end, line.lstrip("\ufeff")) for end, line in _lines(text) if line.strip("\ufeff \t")]
    separator_line = _SEPARATOR_LINE.fullmatch(filled[0][1]) if filled else None  # written by and for spreadsheets
    filled = filled[1:] if separator_line else filled
    if not filled:
        raise InvalidInput(
            f"Table {table!r}: {path} is empty: it has no header line.",
            column=table,
            mend="Export it again, with a header.",
        )
    if "\x00" in _PADDING.sub("", filled[0][1]):
        raise InvalidInput(
            f"Table {table!r}: {path} holds binary data or is in another encoding than {codec}.",
            column=table,
            mend="Export it as UTF-8, or state its encoding (utf-16-le, utf-16-be ...).",
        )
    lines = [line for _, line in filled[:LOOKED_AT]]
    separator = separator_line[1] if separator_line else _separator_of(lines)
    quote = _quote_of(lines, separator)
    rows = [next(csv.reader([line], delimiter=separator, quotechar=quote), []) for line in lines]
    at = header_row(rows)
    start = filled[at][0]
    _drop_unnamed_tail(rows[at], rows[at + 1 :])
    if "\ufffd" in lines[at]:
        raise _wrong_encoding(path, table, codec, raw, "its header line")
    bare = [name.strip().strip("\x00").strip() for name in rows[at]]  # some writers fill their cells with NULs
    names = numbered_names(bare)
    named = tuple(name or f"{_UNNAMED}{position}" for position, name in enumerate(names, 1))
    return Layout(codec, separator, named, start, quote)


def _quote_of(lines: list[str], separator: str) -> str:
    """The sign that cells stand between: a single quote where every cell of a line has one at both ends."""
    cells = [cell.strip() for cell in lines[0].split(separator)]
    single = len(cells) > 1 and all(len(cell) > 1 and cell[0] == cell[-1] == "'" for cell in cells)
    return "'" if single else '"'


def _drop_unnamed_tail(header: list[str], below: list[list[str]]) -> None:
    """Take empty names off the end of a header whose rows end before them."""
    widths = Counter(map(len, below))
    usual = widths.most_common(1)[0][0] if widths else len(header)
    while len(header) > usual and not header[-1].strip():
        header.pop()


def _separator_of(lines: list[str]) -> str:
    """The sign that parts most names: in the first line that has as many as those below it, as no title has."""
    usual = {sign: Counter(line.count(sign) for line in lines).most_common(1)[0][0] for sign in _SEPARATORS}
    for line in lines:
        sign = max(_SEPARATORS, key=line.count)
        title = line.count(sign) <= 1 and not known_names(line.split(sign))
        if 2 * line.count(sign) >= usual[sign] and not (title and max(usual.values()) > 2 * line.count(sign) + 1):
            return sign
    return max(_SEPARATORS, key=lines[0].count)


def _rows(path: Path, table: str, layout: Layout) -> pd.DataFrame:
    """The rows below the header, unreadable ones at their place."""
    names = layout.names
    wanted = [name for name in names if not name.startswith(_UNNAMED)]
    # Some exports end every line with a separator; read as a column of its own, it shifts nothing.
    padding = tuple(f"{UNREADABLE_ROW}{extra}" for extra in range(_trailing_cells(path, layout)))
    odd = OddRows(layout, width=len(names) + len(padding))
    kinds = {name: pa.large_string() for name in (*names, *padding)}
    kinds |= {name: pa.dictionary(pa.int32(), pa.string()) for name in LONG_AND_FEW if name in names}
    with _AsUtf8(path, layout) as stream:
        first = stream.peek()
        if not first:
            return pd.DataFrame({name: pd.Series(dtype="str") for name in wanted})
        try:
            read = pv.read_csv(
                stream,
                pv.ReadOptions(use_threads=False, column_names=[*names, *padding], block_size=_BLOCK_BYTES),
                pv.ParseOptions(
                    delimiter=layout.separator, quote_char=layout.quote, newlines_in_values=True,
                    invalid_row_handler=odd.keep, ignore_empty_lines=True,
                ),
                pv.ConvertOptions(
                    column_types=kinds, strings_can_be_null=True, null_values=NULLS, quoted_strings_can_be_null=True
                ),
            )  # fmt: skip
        except pa.ArrowInvalid as error:
            raise InvalidInput(
                f"Table {table!r}: {path} cannot be read as rows of {len(names)} cells separated by "
                f"{layout.separator!r} ({str(error).splitlines()[0][:200]}).",
                column=table,
                mend="Give every row a cell for each column of the header; write cells that hold the separator, a "
                "line break or a quote between quotes, and close every quote.",
            ) from error
    odd.look_for_swallowed(read)
    odd.look_beyond(read.select(list(padding)), list(names), read)
    if not odd.rows_at:
        return read.select(wanted).to_pandas(split_blocks=True, self_destruct=True)
    frame = odd.put_back(read.select(list(names)).to_pandas())
    return frame[[*wanted, UNREADABLE_ROW] if frame[UNREADABLE_ROW].notna().any() else wanted]


class _AsUtf8(io.RawIOBase):
    """The rows of a file as UTF-8; a byte that cannot be decoded becomes U+FFFD, so that its row can be found."""

    def __init__(self, path: Path, layout: Layout) -> None:
        super().__init__()
        self._stream: IO[bytes] = opened(path)
        self._decoder = codecs.getincrementaldecoder(layout.encoding)("replace")
        self._skip = layout.start
        self._ahead = b""
        self._nuls = 0  # at the end of what was read: padding, unless text follows in the same cell
        self._padding = re.compile(f"\x00+(?=[{re.escape(layout.separator + layout.quote)}\r\n])")

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def peek(self) -> bytes:
        """What comes first, without taking it: nothing where the file has no row."""
        self._ahead = self._ahead or self._next(_SNIFFED_BYTES)
        while self._ahead and not self._ahead.strip():
            more = self._next(_SNIFFED_BYTES)
            if not more:
                return b""
            self._ahead += more
        return self._ahead

    def read(self, size: int = -1) -> bytes:
        """Some bytes, about as many as asked for; none at the end."""
        ahead, self._ahead = self._ahead, b""
        return ahead or self._next(size)

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
        super().close()

    def _next(self, size: int) -> bytes:
        while True:
            taken = self._stream.read(size)
            text = self._decoder.decode(taken, final=not taken)
            skipped = min(self._skip, len(text))
            self._skip -= skipped
            text = self._unpadded(text[skipped:], last=not taken)
            if text or not taken:
                return text.encode("utf-8", "replace")

    def _unpadded(self, text: str, *, last: bool) -> str:
        """Text without the NULs that fill cells and ends of files; one inside a cell stays, as a fault of its row."""
        if not self._nuls and "\x00" not in text:
            return text
        bare = text.rstrip("\x00")
        if not bare and not last:
            self._nuls += len(text)
            return ""
        # Before a line of its own, or at the very end, it is what a write that broke off leaves behind.
        before, self._nuls = "\x00" if self._nuls and bare else "", len(text) - len(bare)
        return self._padding.sub("", before + bare)


def _trailing_cells(path: Path, layout: Layout) -> int:
    """Empty cells that most of the first rows have beyond the header."""
    with _AsUtf8(path, layout) as stream:
        lines = [line for line in NEWLINE.split(stream.peek().decode("utf-8", "replace"))[:100] if line.strip()]
    rows = list(csv.reader(lines, delimiter=layout.separator, quotechar=layout.quote))
    if not rows:
        return 0
    width = Counter(map(len, rows)).most_common(1)[0][0]
    names = len(layout.names)
    empty = [not any(row[names:]) for row in rows if len(row) == width]
    return width - names if width > names and 2 * sum(empty) > len(empty) else 0


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines of a text, each with where the next one begins."""
    start = 0
    for match in NEWLINE.finditer(text):
        yield match.end(), text[start : match.start()]
        start = match.end()
    yield len(text), text[start:]


def _undecoded(frame: pd.DataFrame) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Rows with a byte that could not be decoded, and rows with any sign beyond ASCII."""
    lost, foreign = np.zeros(len(frame), dtype=bool), np.zeros(len(frame), dtype=bool)
    for name in frame.columns:
        if isinstance(frame[name].dtype, pd.CategoricalDtype):
            continue
        text = pa.array(frame[name], type=pa.large_string(), from_pandas=True)
        ascii_only = pc.fill_null(pc.string_is_ascii(text), fill_value=True).to_numpy(zero_copy_only=False)
        if not ascii_only.all():
            foreign |= ~ascii_only
            marks = pc.fill_null(pc.match_substring(text, "\ufffd"), fill_value=False)
            lost |= marks.to_numpy(zero_copy_only=False)
    return lost, foreign


def _wrong_encoding(path: Path, table: str, codec: str, raw: bytes, what: str) -> InvalidInput:
    """Error that shows how the text reads in the encoding that it is likely in."""
    lines = [line for line in raw.splitlines() if not line.isascii()]
    likely, shown = "cp1252", ""
    for name in ("utf-8", "cp1252", "latin-1") if lines else ():
        try:
            likely, shown = name, lines[0].decode(name)
            break
        except UnicodeDecodeError:
            continue
    sample = f" In {likely} one reads {shown[:60]!r}." if shown else ""
    return InvalidInput(
        f"Table {table!r}: {path} is not {codec}: {what} cannot be decoded.{sample}",
        column="encoding",
        mend=f"State its encoding, e.g. --encoding {likely}, or export it as UTF-8.",
    )


def _head(path: Path) -> bytes:
    with opened(path) as stream:
        return bytes(stream.read(_SNIFFED_BYTES))


def _encoding_of(head: bytes) -> str:
    """UTF-8 unless a byte order mark, or zero bytes at every other place, say UTF-16 or UTF-32."""
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):  # before UTF-16: its mark begins like that of 32
        return "utf-32"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    line = head[:200]
    if len(line) >= 4:
        if not any(line[0::2]) or line[0::2].count(0) > 0.4 * len(line[0::2]):
            return "utf-16-be"
        if line[1::2].count(0) > 0.4 * len(line[1::2]):
            return "utf-16-le"
    return "utf-8"
