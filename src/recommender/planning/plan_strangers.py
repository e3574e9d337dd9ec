"""Rows that belong to nobody: unknown history denies, so too many of them, or one that stops a contact, are no plan."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pyarrow.parquet as pq

from recommender.errors import InvalidInput
from recommender.intake import LASTING_STOPS
from recommender.planning.plan_tables import StreamedTable

__all__ = ["MOST_STRANGE", "count_of", "refuse_stops_of_nobody", "refuse_strangers", "refuse_two_owners"]

#: Largest share of a table's rows that may belong to nobody before nothing is planned.
MOST_STRANGE = 0.05


def refuse_strangers(
    book: duckdb.DuckDBPyConnection, table: StreamedTable, strange: str, owner: str, *, other_accounts: bool
) -> list[str]:
    """Refuse a table of which too many rows (``strange``, positions by SQL) belong to nobody; else note how many."""
    strangers = count_of(book, f"SELECT count(*) {strange}")
    if not strangers:
        return []
    total = pq.read_metadata(table.path).num_rows
    column = "contact_id" if owner == "contact" and "contact_id" in table.columns else "account_id"
    if strangers > MOST_STRANGE * total and not other_accounts:
        shown = book.execute(f"SELECT pos {strange} ORDER BY pos LIMIT 5").fetchnumpy()["pos"].tolist()
        raise InvalidInput.in_column(
            column,
            f"of table {table.name!r} is that of no {owner} in {strangers:,} of {total:,} rows "
            f"({strangers / total:.0%}): whose history this is nobody knows, and unknown history denies",
            values=_values_at(table, column, shown),
            rows=shown,
            mend="Write ids alike in both tables (leading zeros, blanks and .0 do not matter), or state "
            f"--other-accounts if the {table.name} are those of a larger portfolio.",
        )
    return [f"{strangers:,} {table.name} ({strangers / total:.1%}) belong to no {owner} given"]


def refuse_two_owners(book: duckdb.DuckDBPyConnection, table: StreamedTable, view: str) -> None:
    """Refuse outcomes of a contact that two accounts have: whose they are nobody knows."""
    twice = (
        f"FROM {view} JOIN (SELECT since FROM c WHERE since IS NOT NULL GROUP BY since "  # noqa: S608
        "HAVING count(DISTINCT (h1, h2)) > 1) USING (since)"
    )
    if n := count_of(book, f"SELECT count(*) {twice}"):
        shown = book.execute(f"SELECT pos {twice} ORDER BY pos LIMIT 5").fetchnumpy()["pos"].tolist()
        raise InvalidInput.in_column(
            "contact_id",
            f"of table 'outcomes' names contacts of two accounts in {n:,} rows: whose outcomes these are nobody knows",
            values=_values_at(table, "contact_id", shown), rows=shown,
            mend="Give every contact an id of its own, e.g. the name of its system before it.",
        )  # fmt: skip


def refuse_stops_of_nobody(book: duckdb.DuckDBPyConnection, table: StreamedTable, strange: str) -> None:
    """Refuse, however few they are, outcomes that stop a contact and belong to nobody: whom, nobody knows."""
    outcomes = f"SELECT file_row_number AS pos, outcome FROM read_parquet('{table.path}', file_row_number = true)"  # noqa: S608
    stops = f"FROM (SELECT pos {strange}) JOIN ({outcomes}) USING (pos) WHERE outcome IN ?"
    words = [list(LASTING_STOPS)]
    n = int(book.execute(f"SELECT count(*) {stops}", words).fetchall()[0][0])
    if not n:
        return
    found = book.execute(f"SELECT pos, outcome {stops} ORDER BY pos LIMIT 5", words).fetchall()
    shown = [int(pos) for pos, _ in found]
    column = "contact_id" if "contact_id" in table.columns else "account_id"
    raise InvalidInput.in_column(
        column,
        f"of table 'outcomes' is that of nobody given in {n:,} rows that stop contact "
        f"({', '.join(sorted({word for _, word in found}))}): whom to leave alone nobody knows",
        values=_values_at(table, column, shown),
        rows=shown,
        mend="Give the contacts in full, or a column account_id; state --other-accounts if the outcomes are those of "
        "a larger portfolio.",
    )


def count_of(book: duckdb.DuckDBPyConnection, query: str) -> int:
    """The one number that a query gives."""
    return int(book.execute(query).fetchall()[0][0])


def _values_at(table: StreamedTable, column: str, rows: Sequence[int]) -> list[object]:
    values: list[object] = []
    position = 0
    for batch in table.batches([column]):
        values += [
            batch.column(column)[row - position].as_py() for row in rows if position <= row < position + len(batch)
        ]
        position += len(batch)
    return values
