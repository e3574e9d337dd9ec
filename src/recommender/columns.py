"""Named columns of equal length, whatever they came from: JSON objects, an Arrow table, a pandas frame.

A row of a request must not pay for a frame, and a million rows of a table must not pay for Python objects; both are
read through :meth:`Columns.coded`, which parses each distinct value once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple, Self, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.errors import InvalidInput
from recommender.local_time import as_utc_us, utc_us

__all__ = ["NUMBERS", "Coded", "Columns", "Tabular", "as_floats", "checked_count", "is_null"]
__all__ += ["utc_moment"]

#: What may be read as columns: a frame, an Arrow table (anything with ``column_names``), JSON objects, or columns.
Tabular: TypeAlias = "pd.DataFrame | Columns | Sequence[Mapping[str, Any]] | Any"


def is_null(value: Any) -> bool:
    """Whether a value says nothing: None, NaN, NaT or NA."""
    return value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and value != value)


def checked_count(value: Any, argument: str) -> int:
    """A whole number of at least 1, of any integer type.

    Raises
    ------
    InvalidInput
    """
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        if value >= 1:
            return int(value)
        raise InvalidInput(f"{argument} must be at least 1; got {value}.", column=argument, mend="Ask for 1 or more.")
    raise InvalidInput(f"{argument} must be a whole number; got {value!r}.", column=argument, mend="Ask for 1 or more.")


def utc_moment(value: Any, argument: str) -> pd.Timestamp:
    """An instant in UTC; one without an offset is taken as UTC.

    Raises
    ------
    InvalidInput
        For what is no instant.
    """
    try:
        moment = pd.Timestamp(value)
    except (ValueError, TypeError, OverflowError):
        moment = pd.NaT
    if moment is pd.NaT:
        raise InvalidInput.in_column(
            argument, "is no instant", values=[value], mend="Write e.g. 2026-11-22T10:00:00-05:00."
        )
    return moment.tz_localize("UTC") if moment.tzinfo is None else moment.tz_convert("UTC")


class Coded(NamedTuple):
    """A column by its distinct values.

    Attributes
    ----------
    codes : ndarray of shape (n,), dtype int64
        Position of each row's value in ``values``.
    values : list
        Distinct values: None where nothing is said; a list as the text that tables hold, joined by ``;``.
    """

    codes: NDArray[np.int64]
    values: list[Any]

    def take(self, read: list[Any], dtype: Any) -> NDArray[Any]:
        """What was read of each distinct value, row by row."""
        table = np.array(read, dtype=dtype)
        return table if self.codes is _FIRST else table[self.codes]


class Columns:
    """Columns of one table.

    Parameters
    ----------
    columns : mapping of str to sequence
        Lists, arrays or pandas Series of one length.
    n : int
        Number of rows.
    """

    def __init__(self, columns: Mapping[str, Any], n: int) -> None:
        self._columns = dict(columns)
        self._n = n
        self._coded: dict[str, Coded] = {}
        self._instants: dict[str, NDArray[np.int64]] = {}

    @classmethod
    def of(cls, table: Tabular) -> Self:
        """Read a frame, an Arrow table, a list of JSON objects, or columns themselves.

        A key that only some of the objects have is null in the others.
        """
        if isinstance(table, Columns):
            return table if isinstance(table, cls) else cls(table._columns, table._n)  # noqa: SLF001
        if isinstance(table, pd.DataFrame):
            return cls({str(name): table[name] for name in table.columns}, len(table))
        if hasattr(table, "column_names"):
            arrow: Any = table
            return cls({name: arrow.column(name).to_pylist() for name in arrow.column_names}, arrow.num_rows)
        rows = list(table)
        if len(rows) == 1:
            return cls({name: [value] for name, value in rows[0].items()}, 1)
        names: dict[str, None] = dict.fromkeys(rows[0]) if rows else {}
        if len(names) > 1 and set(map(type, rows)) == {dict} and set(map(len, rows)) == {len(names)}:
            try:  # as many keys, and none is missing: the same keys
                listed = [list(column) for column in zip(*map(itemgetter(*names), rows), strict=True)]
            except KeyError:
                pass
            else:
                return cls(dict(zip(names, listed, strict=True)), len(rows))
        for row in rows:
            if row.keys() - names.keys():
                names |= dict.fromkeys(row)
        return cls({name: [row.get(name) for row in rows] for name in names}, len(rows))

    def __len__(self) -> int:
        """Count the rows."""
        return self._n

    def __contains__(self, name: object) -> bool:
        """Whether there is a column of this name."""
        return name in self._columns

    def to_frame(self) -> pd.DataFrame:
        """The columns as a frame."""
        # A series is aligned by its own labels, which say nothing here.
        cells = {name: c.array if isinstance(c, pd.Series) else c for name, c in self._columns.items()}
        return pd.DataFrame(cells, index=pd.RangeIndex(self._n))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(self._columns)

    def source(self, name: str) -> Any:
        """The column as it was given: a list, an array or a Series."""
        return self._columns[name]

    def values(self, name: str) -> list[Any]:
        """Python values of a column, None (or another null) where nothing is said; all None where it is absent."""
        if name not in self._columns:
            return [None] * self._n
        source = self._columns[name]
        return source if isinstance(source, list) else list(source.tolist())

    def coded(self, name: str) -> Coded:
        """A column by its distinct values; an absent one is None for every row."""
        cached = self._coded.get(name)
        if cached is None:
            cached = self._coded[name] = self._code_one(name) if self._n == 1 else self._code(name)
        return cached

    def _code_one(self, name: str) -> Coded:
        """The same of a table of one row."""
        return Coded(_FIRST, self._said(name)) if name in self._columns else _NOTHING_SAID

    def _said(self, name: str) -> list[Any]:
        """What each row says, as :meth:`coded` holds values."""
        source = self._columns.get(name)
        if source is None:
            return [None] * self._n
        given = source if isinstance(source, list) else source.tolist()
        return [value if type(value) in _PLAIN else _plain(value) for value in given]

    def read(self, name: str, parse: Callable[[Any], Any], dtype: Any) -> NDArray[Any]:
        """What a column's values are read as, shape (n,); of many rows each distinct value is parsed once."""
        if self._n > _FEW or name in self._coded:
            column = self.coded(name)
            return column.take([parse(value) for value in column.values], dtype)
        return np.array([parse(value) for value in self._said(name)], dtype=dtype)

    def value(self, name: str, parse: Callable[[Any], Any], *_: Any) -> Any:
        """What the first row's value is read as: of a table of one row, in place of arrays of length 1."""
        source = self._columns.get(name)
        if source is None:
            return parse(None)
        return parse(_plain(source[0] if isinstance(source, list) else source.tolist()[0]))

    def fields(self, name: str, parse: Callable[[Any], tuple[Any, ...]], *dtypes: Any) -> list[NDArray[Any]]:
        """The same for a ``parse`` that reads several things at once, an array of each."""
        column = self.coded(name) if self._n > _FEW else None
        parsed = [parse(value) for value in (self._said(name) if column is None else column.values)]
        read = zip(*parsed, strict=True) if parsed else iter([()] * len(dtypes))
        if column is None:
            return [np.array(one, dtype=dtype) for one, dtype in zip(read, dtypes, strict=True)]
        return [column.take(list(one), dtype) for one, dtype in zip(read, dtypes, strict=True)]

    def _code(self, name: str) -> Coded:
        if name not in self._columns:
            return Coded(np.zeros(self._n, dtype=np.int64), [None])
        source = self._columns[name]
        if isinstance(source, pd.Series) and source.dtype != object:
            codes, uniques = pd.factorize(source, use_na_sentinel=True)
            values = uniques.tolist()
            return Coded(np.where(codes < 0, len(values), codes).astype(np.int64), [*values, None])
        given = self.values(name)
        kinds = set(map(type, given)) - {type(None)}
        if kinds in ({list}, {tuple}):
            given = _texts_of_lists(given)
        elif len(kinds) > 1 or not kinds <= _COMPARABLE:
            given = [_plain(value) for value in given]
            kinds = set(map(type, given)) - {type(None)}
        if any(issubclass(kind, _EQUAL_BUT_OTHER) for kind in kinds):  # one instant has another date in another zone
            said = {(type(value), str(value)): value for value in given}
            keys: list[Any] = [(type(value), str(value)) for value in given]
        else:  # 1, 1.0 and True are three things
            keys = given if len(kinds) < 2 else [(type(value), value) for value in given]
            said = {key: key if keys is given else key[1] for key in dict.fromkeys(keys)}
        code_of = {key: code for code, key in enumerate(said)}
        codes = np.fromiter(map(code_of.__getitem__, keys), dtype=np.int64, count=self._n)
        return Coded(codes, list(said.values()))

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A column of numbers; what is absent, null or no number is NaN."""
        source = self._columns.get(name)
        if isinstance(source, np.ndarray) and source.dtype.kind in "fiub":
            return source.astype(np.float64)
        if source is not None and not isinstance(source, list) and pd.api.types.is_numeric_dtype(source.dtype):
            return np.asarray(pd.Series(source).to_numpy(dtype=np.float64, na_value=np.nan))
        values = self.values(name)
        if set(map(type, values)) <= NUMBERS:
            return as_floats(values)
        return np.array([_number(value) for value in values], dtype=np.float64)

    def instants(self, name: str) -> NDArray[np.int64]:
        """Microseconds UTC of a column of instants, shape (n,).

        Raises
        ------
        InvalidInput
            For null or naive values, with the rows.
        """
        cached = self._instants.get(name)
        if cached is None:
            cached = self._instants[name] = self._read_instants(name)
        return cached

    def _read_instants(self, name: str) -> NDArray[np.int64]:
        source = self._columns[name]
        if isinstance(source, pd.Series | np.ndarray):
            return utc_us(source, name)
        if set(map(type, source)) == {datetime}:
            return _utc_us_of(source, name)
        return utc_us(pd.Series(source, dtype=object), name)

    def take(self, rows: NDArray[np.int64]) -> Self:
        """Some rows, in the order given."""
        chosen = rows.tolist()
        picked = {
            name: [source[row] for row in chosen] if isinstance(source, list) else source.take(rows)
            for name, source in self._columns.items()
        }
        return type(self)(picked, len(chosen))

    def rows(self) -> list[dict[str, Any]]:
        """The rows as JSON objects."""
        listed = zip(*map(self.values, self._columns), strict=True) if self._columns else [()] * self._n
        return [dict(zip(self._columns, row, strict=True)) for row in listed]

    def with_cells(self, cells: Mapping[int, Mapping[str, Any]]) -> Self:
        """The same with some cells changed: by row, then by column; a column that was not there is null elsewhere."""
        if not cells:
            return self
        names = dict.fromkeys(name for changed in cells.values() for name in changed)
        columns = {name: list(self.values(name)) for name in names}
        for row, changed in cells.items():
            for name, value in changed.items():
                columns[name][row] = value
        return self.assign(**columns)

    def with_rows(self, table: Tabular) -> Self:
        """The rows of another table after these; what only one of them has is null in the other."""
        other = Columns.of(table)
        if not len(other):
            return self
        names = dict.fromkeys((*self.names, *other.names))
        return type(self)({name: [*self.values(name), *other.values(name)] for name in names}, self._n + len(other))

    def assign(self, **columns: Any) -> Self:
        """The same with further, or other, columns."""
        for name, column in columns.items():
            if len(column) != self._n:
                raise InvalidInput(
                    f"Column {name!r} has {len(column)} values for {self._n} rows.", column=name, mend="Give one a row."
                )
        answer = type(self)({**self._columns, **columns}, self._n)
        answer._coded = {name: cached for name, cached in self._coded.items() if name not in columns}  # noqa: SLF001
        return answer


_FIRST = np.zeros(1, dtype=np.int64)  # codes of a table of one row
_FIRST.setflags(write=False)
_FEW = 8  # rows that are read one by one faster than together
_EXACT_SECONDS = 2.0**32  # up to here (2106) the nearest float of a time in seconds is within half a microsecond of it
_NOTHING_SAID = Coded(_FIRST, [None])

_PLAIN = frozenset({str, int, bool, datetime, date})  # what needs no look: it is neither null nor a list
#: Types whose equal values need no look; a float may be NaN.
_COMPARABLE = frozenset({str, int, bool, datetime, date})
_EQUAL_BUT_OTHER = (datetime, Decimal)  # equal values may be read differently: 1.0 and 1, 23:00-05:00 and 04:00Z
NUMBERS = frozenset({int, float, bool, type(None)})


def as_floats(values: list[Any]) -> NDArray[np.float64]:
    """Numbers, or lists of numbers, as floats: None is NaN, an integer beyond every float is infinite."""
    try:
        return np.array(values, dtype=np.float64)
    except OverflowError:
        return np.array([as_floats(one) if isinstance(one, list) else _number(one) for one in values])


def _texts_of_lists(values: list[Any]) -> list[str | None]:
    """Lists as the text that tables hold."""
    try:
        return list(map(";".join, values))
    except TypeError:  # a null among them, or a list of something else than text
        return [None if value is None else ";".join(map(str, value)) for value in values]


def _utc_us_of(instants: list[datetime], name: str) -> NDArray[np.int64]:
    """Microseconds UTC of aware instants, all at once where a float still tells microseconds apart."""
    if len(instants) > _FEW and None not in set(map(attrgetter("tzinfo"), instants)):
        try:
            seconds = np.fromiter(map(datetime.timestamp, instants), dtype=np.float64, count=len(instants))
        except TypeError:  # a zone without an offset: which one is told below
            seconds = np.array([np.inf])
        if np.abs(seconds).max() < _EXACT_SECONDS:
            return np.rint(seconds * 1e6).astype(np.int64)
    return np.array([as_utc_us(value, column=name) for value in instants], dtype=np.int64)


def _number(value: Any) -> float:
    if is_null(value):
        return np.nan
    try:
        return float(value)
    except OverflowError:
        return np.inf
    except (TypeError, ValueError):
        return np.nan


def _plain(value: Any) -> Any:
    """A value that can be compared: nulls as None, lists as text."""
    if value is None or type(value) in _PLAIN:
        return value
    if is_null(value):
        return None
    if isinstance(value, dict):
        return repr(value)
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        return ";".join([str(item) for item in value])
    return value.item() if isinstance(value, np.generic) else value
