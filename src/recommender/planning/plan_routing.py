"""Which rows of which table a chunk of a plan needs: settled on hashed keys in DuckDB, which spills to disk."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from recommender.errors import InvalidInput
from recommender.intake import id_keys
from recommender.local_time import utc_us
from recommender.planning.plan_tables import StreamedTable, key_hash, text_keys

#: Largest share of contacts that may belong to no account before nothing is planned.
MOST_STRANGE = 0.05

__all__ = ["currencies_of", "routes_of", "settle_accounts", "settle_contacts"]

_KEYS = pa.schema(
    [("pos", pa.int64()), ("h1", pa.uint64()), ("h2", pa.uint64()), ("debtor", pa.uint64()), ("since", pa.int64())]
)


def settle_accounts(
    book: duckdb.DuckDBPyConnection,
    accounts: StreamedTable,
    folder: Path,
    as_of: datetime,
    chunk_rows: int,
    name: str,
) -> tuple[list[int], bool, list[str]]:
    """Make the table ``placed``: position in the file, row of the portfolio (-1: a state not in force), chunk."""
    dated = "valid_from" in accounts.columns
    keys = _write_keys(accounts, folder, ("account_id", "debtor_id", *(["valid_from"] if dated else [])))
    book.execute(f"CREATE VIEW a AS SELECT *, coalesce(debtor, h1) AS person FROM read_parquet('{keys}')")  # noqa: S608
    _refuse_repeats(book, accounts, dated=dated)
    notes = [] if "account_id" in accounts.columns else ["accounts have no account_id: they are named by their row"]
    if dated:
        now = round(as_of.timestamp() * 1e6)
        book.execute(
            "CREATE TABLE in_force AS SELECT h1, h2, max_by(pos, (since, pos)) AS pos FROM a WHERE since <= ? "
            "GROUP BY h1, h2",
            [now],
        )
        book.execute(
            "CREATE TABLE numbered AS SELECT a.pos, row_number() OVER (ORDER BY since, a.pos) - 1 AS row, "
            "a.h1, a.h2, person, debtor FROM a JOIN in_force USING (pos)"
        )
        later = _number(book, "SELECT count(DISTINCT (h1, h2)) FROM a ANTI JOIN in_force USING (h1, h2)")
        if later:
            notes.append(f"{later:,} accounts have no state in force at {as_of.isoformat()} and are left out")
    else:
        book.execute("CREATE TABLE once AS SELECT min(pos) AS pos FROM a GROUP BY h1, h2")
        book.execute(
            "CREATE TABLE numbered AS SELECT a.pos, row_number() OVER (ORDER BY a.pos) - 1 AS row, a.h1, a.h2, person, "
            "debtor FROM a JOIN once USING (pos)"
        )
        repeated = _number(book, "SELECT count(*) FROM a") - _number(book, "SELECT count(*) FROM numbered")
        if repeated:
            notes.append(f"{repeated:,} rows of accounts repeat an account word for word and count once")
    n = _number(book, "SELECT count(*) FROM numbered")
    if not n:
        raise InvalidInput(f"{name} holds no account to plan for.", column="accounts", mend="Give at least one.")
    apart = "SELECT count(*) FROM (SELECT max(row) - min(row) + 1 - count(*) AS gap FROM numbered WHERE debtor IS NOT "
    in_order = not dated and not _number(book, apart + "NULL GROUP BY debtor) WHERE gap > 0")
    if in_order:  # debtors stand together: a chunk is a run of rows
        first = "CASE WHEN debtor IS NULL THEN row ELSE min(row) OVER (PARTITION BY debtor) END"
        chunk = f"({first}) // {int(chunk_rows)}"
    else:
        chunk = f"person % {-(-n // int(chunk_rows))}"
    book.execute(f"CREATE TABLE placed AS SELECT pos, row, h1, h2, debtor, ({chunk})::INT AS chunk FROM numbered")  # noqa: S608
    if dated:  # the other states of an account go where the one in force goes
        book.execute(
            "INSERT INTO placed SELECT a.pos, -1, a.h1, a.h2, NULL, p.chunk FROM a JOIN placed p USING (h1, h2) "
            "WHERE a.pos <> p.pos"
        )
    counts = book.execute("SELECT chunk, count(*) FROM placed WHERE row >= 0 GROUP BY chunk").fetchall()
    sizes = [0] * (1 + max(chunk for chunk, _ in counts))
    for chunk_number, count in counts:
        sizes[chunk_number] = int(count)
    return sizes, in_order, notes


def _refuse_repeats(book: duckdb.DuckDBPyConnection, accounts: StreamedTable, *, dated: bool) -> None:
    """Refuse an account that is given twice (at one moment) and not word for word."""
    if "account_id" not in accounts.columns:
        return
    key = "h1, h2, since" if dated else "h1, h2"
    twice = book.execute(
        f"SELECT pos FROM a WHERE ({key}) IN (SELECT ({key}) FROM a GROUP BY {key} HAVING count(*) > 1) ORDER BY pos"  # noqa: S608
    ).fetchnumpy()["pos"]
    if not len(twice):
        return
    rows, position = [], 0
    for batch in accounts.batches():
        local = twice[(twice >= position) & (twice < position + len(batch))] - position
        rows.append(batch.take(pa.array(local.astype(np.int64))).to_pandas())
        position += len(batch)
    frame = pd.concat(rows, ignore_index=True).astype(object)
    keys = pd.Series(id_keys(frame["account_id"]))
    if dated:
        keys = keys + "\0" + frame["valid_from"].astype(str)
    differ = frame.assign(account_id=frame["account_id"].astype(str)).drop_duplicates()
    left = keys.loc[differ.index]
    wrong = left[left.duplicated(keep=False)].index.to_numpy()
    if wrong.size:
        raise InvalidInput.in_column(
            "account_id",
            "is given more than once with different facts, and nobody can tell which are right",
            values=frame["account_id"].iloc[wrong],
            rows=twice[wrong].tolist(),
            mend="Keep one row an account, or date the rows with valid_from. Ids that differ in leading zeros are one.",
        )


def settle_contacts(
    book: duckdb.DuckDBPyConnection, tables: dict[str, StreamedTable], folder: Path, *, other_accounts: bool
) -> list[str]:
    """Make the table ``routed``: which contacts a chunk needs, by their account and by their debtor.

    The accounts table says whose an account is; a contact's own debtor serves where that is not known.
    """
    contacts = tables["contacts"]
    contacts.need("account_id", "sent_at")
    keys = _write_keys(contacts, folder, ("account_id", "debtor_id", "contact_id"))
    book.execute(f"CREATE VIEW c AS SELECT * FROM read_parquet('{keys}')")  # noqa: S608
    book.execute(
        "CREATE TABLE owners AS SELECT h1, h2, min_by(coalesce(debtor, 0), row) AS debtor, "
        "min_by(debtor IS NULL, row) AS nobody FROM placed WHERE row >= 0 GROUP BY h1, h2"
    )
    book.execute("CREATE TABLE debtors AS SELECT DISTINCT debtor, chunk FROM placed WHERE debtor IS NOT NULL")
    book.execute("CREATE TABLE homes AS SELECT DISTINCT h1, h2, chunk FROM placed")
    book.execute(
        "CREATE TABLE routed AS "
        "SELECT c.pos, homes.chunk, c.since FROM c JOIN homes USING (h1, h2) UNION "
        "SELECT o.pos, d.chunk, o.since FROM (SELECT c.pos, c.since, CASE WHEN owners.nobody IS FALSE THEN "
        "owners.debtor ELSE c.debtor END AS debtor FROM c LEFT JOIN owners USING (h1, h2)) o "
        "JOIN debtors d USING (debtor)"
    )
    known_by_debtor = "debtor_id" in tables["accounts"].columns
    strange = "SELECT count(*) FROM c ANTI JOIN homes USING (h1, h2) WHERE c.debtor IS NULL OR NOT "
    strangers = _number(book, strange + str(known_by_debtor))
    if not strangers:
        return []
    total = _number(book, "SELECT count(*) FROM c")
    if strangers > MOST_STRANGE * total and not other_accounts:
        shown = book.execute(
            "SELECT c.pos FROM c ANTI JOIN homes USING (h1, h2) ORDER BY c.pos LIMIT 5"
        ).fetchnumpy()["pos"].tolist()  # fmt: skip
        raise InvalidInput.in_column(
            "account_id",
            f"of table 'contacts' is that of no account in {strangers:,} of {total:,} rows ({strangers / total:.0%}): "
            "whose history this is nobody knows, and unknown history denies",
            values=_values_at(contacts, "account_id", shown),
            rows=shown,
            mend="Write ids alike in both tables (leading zeros, blanks and .0 do not matter), or state "
            "--other-accounts if the contacts are those of a larger portfolio.",
        )
    return [f"{strangers:,} contacts ({strangers / total:.1%}) belong to no account given"]


def _values_at(table: StreamedTable, column: str, rows: Sequence[int]) -> list[object]:
    values: list[object] = []
    position = 0
    for batch in table.batches([column]):
        values += [
            batch.column(column)[row - position].as_py() for row in rows if position <= row < position + len(batch)
        ]
        position += len(batch)
    return values


def routes_of(table: StreamedTable, folder: Path) -> str:
    """Query for the chunks of the rows of payments by their account, of outcomes by their contact."""
    key = "account_id" if table.name == "payments" else "contact_id"
    table.need(key)
    keys = _write_keys(table, folder, ("account_id", "debtor_id", "contact_id"))
    if table.name == "payments":
        return (
            f"SELECT DISTINCT k.pos, homes.chunk FROM read_parquet('{keys}') k "  # noqa: S608
            "JOIN (SELECT DISTINCT h1, h2, chunk FROM placed) homes USING (h1, h2) ORDER BY k.pos, homes.chunk"
        )
    return (
        f"SELECT DISTINCT k.pos, routed.chunk FROM read_parquet('{keys}') k "  # noqa: S608
        "JOIN routed USING (since) ORDER BY k.pos, routed.chunk"
    )


def _write_keys(table: StreamedTable, folder: Path, wanted: Sequence[str]) -> Path:
    """Hashed ids of each row; the slot ``since`` holds the instant of accounts, the contact's id of the others."""
    present = [name for name in wanted if name in table.columns]
    path = folder / "sort" / f"keys-{table.name}.parquet"
    position = 0
    with pq.ParquetWriter(path, _KEYS, compression="lz4") as writer:
        for batch in table.batches(present) if present else table.batches():
            n = len(batch)
            pos = np.arange(position, position + n)
            position += n
            debtor, since = pa.nulls(n, pa.uint64()), pa.nulls(n, pa.int64())
            if "account_id" in present:
                texts = text_keys(batch.column("account_id"))
                if table.name == "accounts" and (missing := np.flatnonzero(pd.isna(texts))).size:
                    raise InvalidInput.in_column(
                        "account_id", "is missing", rows=(pos[missing]).tolist(), mend="Fill the id or drop the rows."
                    )
            else:
                texts = np.array([f"row-{number}" for number in pos], dtype=object)
            if "debtor_id" in present:
                names = text_keys(batch.column("debtor_id"))
                debtor = pa.array(key_hash(names, "the-debtor-of-id"), mask=pd.isna(names))
            if "valid_from" in present:
                instants = pd.to_datetime(batch.column("valid_from").to_pandas(), utc=True)
                known = instants.notna().to_numpy()
                since = pa.array(utc_us(instants.fillna(pd.Timestamp(0, tz="UTC")), "valid_from"), mask=~known)
            elif "contact_id" in present:
                names = text_keys(batch.column("contact_id"))
                since = pa.array(key_hash(names, "the-contact-key-").view(np.int64), mask=pd.isna(names))
            h1, h2 = key_hash(texts, "the-account-key1"), key_hash(texts, "the-account-key2")
            writer.write_table(pa.table([pos, h1, h2, debtor, since], schema=_KEYS))
    return path


def _number(book: duckdb.DuckDBPyConnection, query: str) -> int:
    """The one number that a query gives."""
    return int(book.execute(query).fetchall()[0][0])


def currencies_of(book: duckdb.DuckDBPyConnection, tables: dict[str, StreamedTable]) -> dict[str, int]:
    """Amounts of payments, and of accounts with a history, in each currency."""
    counts: dict[str, int] = {}
    for name in ("payments", "accounts"):
        table = tables.get(name)
        if (
            table is None
            or "currency" not in table.columns
            or (name == "accounts" and "valid_from" not in table.columns)
        ):
            continue
        asked = (
            "SELECT upper(trim(currency::VARCHAR)), count(*) FROM read_parquet(?) WHERE currency IS NOT NULL GROUP BY 1"
        )
        for code, count in book.execute(asked, [str(table.path)]).fetchall():
            counts[code] = counts.get(code, 0) + int(count)
    return counts
