"""Statements compiled once and given to the driver: what a decision reads and writes must cost less than deciding it.

Texts, types and dialects are SQLAlchemy's; left out is its way from a statement to a result, which takes longer than
SQLite does. Errors are told as SQLAlchemy tells them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from recommender.store.decision_log.schema import Row

__all__ = ["execute_many", "rows_of"]


@dataclass(frozen=True)
class _Compiled:
    """A query as its driver takes it, and how each column of what comes back is read."""

    text: str
    own: Row
    order: tuple[str, ...] | None
    names: tuple[str, ...]
    readers: tuple[tuple[int, Callable[[Any], Any]], ...]


@lru_cache(maxsize=128)  # by identity: statements are constants, and an engine has one dialect
def _compiled(statement: sa.Select[Any], dialect: sa.Dialect) -> _Compiled:
    compiled = statement.compile(dialect=dialect)
    columns = list(statement.selected_columns)
    readers = []
    for place, column in enumerate(columns):
        kind = column.type
        # Every driver gives numbers as they are.
        own = None if isinstance(kind, sa.Numeric | sa.Float) else kind.dialect_impl(dialect)
        reader = None if own is None else own.result_processor(dialect, None)
        if reader is not None:
            readers.append((place, reader))
    positions = compiled.positiontup if compiled.positional else None
    return _Compiled(
        str(compiled),
        dict(compiled.params),
        None if positions is None else tuple(positions),
        tuple(one.name for one in columns),
        tuple(readers),
    )


def rows_of(connection: sa.Connection, statement: sa.Select[Any], parameters: Row) -> list[Row]:
    """Rows of a query as plain mappings.

    Parameters
    ----------
    connection : Connection
    statement : Select
        A constant: it is compiled once.
    parameters : dict
        By name.

    Raises
    ------
    DBAPIError
    """
    compiled = _compiled(statement, connection.dialect)
    order, named = compiled.order, compiled.own | parameters
    given = named if order is None else tuple(named[name] for name in order)
    cursor = connection.connection.cursor()
    try:
        cursor.execute(compiled.text, given)
        found = cursor.fetchall()
    except Exception as error:
        raise _told(connection, compiled.text, error) from error
    finally:
        cursor.close()
    names, readers = compiled.names, compiled.readers
    rows = []
    for values in found:
        if readers:
            values = list(values)
            for place, reader in readers:
                values[place] = reader(values[place])
        rows.append(dict(zip(names, values, strict=True)))
    return rows


def execute_many(connection: sa.Connection, text: str, parameters: Sequence[tuple[Any, ...]]) -> int:
    """Run a statement in the driver's own words for many parameters; how many rows it wrote."""
    cursor = connection.connection.cursor()
    try:
        cursor.executemany(text, parameters)
        return int(cursor.rowcount)
    except Exception as error:
        raise _told(connection, text, error) from error
    finally:
        cursor.close()


def _told(connection: sa.Connection, text: str, error: Exception) -> Exception:
    """An error of the driver as SQLAlchemy tells it, without the values."""
    dialect = connection.dialect
    base = dialect.loaded_dbapi.Error
    if not isinstance(error, base):
        return error
    is_gone = dialect.is_disconnect(error, connection.connection, None)
    if is_gone:
        connection.invalidate(error)
    return DBAPIError.instance(
        text, None, error, base, hide_parameters=True, connection_invalidated=is_gone, dialect=dialect
    )
