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
from recommender.planning.chunk_spill import READ_SOON
from recommender.planning.plan_strangers import (
    count_of,
    refuse_stops_of_nobody,
    refuse_strangers,
    refuse_two_owners,
)
from recommender.planning.plan_tables import StreamedTable, key_hash, text_keys

__all__ = ["currencies_of", "settle_accounts", "settle_contacts", "settle_events"]

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
        later = count_of(book, "SELECT count(DISTINCT (h1, h2)) FROM a ANTI JOIN in_force USING (h1, h2)")
        if later:
            notes.append(f"{later:,} accounts have no state in force at {as_of.isoformat()} and are left out")
    else:
        book.execute("CREATE TABLE once AS SELECT min(pos) AS pos FROM a GROUP BY h1, h2")
        book.execute(
            "CREATE TABLE numbered AS SELECT a.pos, row_number() OVER (ORDER BY a.pos) - 1 AS row, a.h1, a.h2, person, "
            "debtor FROM a JOIN once USING (pos)"
        )
        repeated = count_of(book, "SELECT (SELECT count(*) FROM a) - (SELECT count(*) FROM numbered)")
        if repeated:
            notes.append(f"{repeated:,} rows of accounts repeat an account word for word and count once")
    n = count_of(book, "SELECT count(*) FROM numbered")
    if not n:
        raise InvalidInput(f"{name} holds no account to plan for.", column="accounts", mend="Give at least one.")
    apart = "SELECT count(*) FROM (SELECT max(row) - min(row) + 1 - count(*) AS gap FROM numbered WHERE debtor IS NOT "
    in_order = not dated and not count_of(book, apart + "NULL GROUP BY debtor) WHERE gap > 0")
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
    strange = "FROM c ANTI JOIN homes USING (h1, h2) WHERE c.debtor IS NULL OR NOT " + str(known_by_debtor)
    return refuse_strangers(book, contacts, strange, "account", other_accounts=other_accounts)


def settle_events(
    book: duckdb.DuckDBPyConnection, table: StreamedTable, folder: Path, *, with_contacts: bool, other_accounts: bool
) -> tuple[str, list[str]]:
    """Query for the chunks of the rows of payments by their account, of outcomes by their contact or account.

    Raises
    ------
    InvalidInput
        Where too many rows belong to nobody, and where one of them stops a contact: whose, nobody knows.
    """
    keyed = [name for name in ("account_id", "contact_id") if name in table.columns]
    if table.name == "payments" or not keyed:
        table.need("account_id" if table.name == "payments" else "contact_id")
    keys = _write_keys(table, folder, ("account_id", "contact_id"))
    view = f"k_{table.name}"
    book.execute(f"CREATE VIEW {view} AS SELECT * FROM read_parquet('{keys}')")  # noqa: S608
    ways = []
    if "account_id" in keyed:
        ways.append(f"SELECT k.pos, p.chunk FROM {view} k JOIN placed p USING (h1, h2)")  # noqa: S608
    by_contact = table.name == "outcomes" and "contact_id" in keyed and with_contacts
    if by_contact:
        ways.append(f"SELECT k.pos, routed.chunk FROM {view} k JOIN routed USING (since)")  # noqa: S608
        refuse_two_owners(book, table, view)
    if not ways:
        raise InvalidInput.missing_columns(["account_id"], table.columns, role="table 'outcomes' without contacts")
    routes = " UNION ".join(ways)
    book.execute(f"CREATE TABLE r_{table.name} AS {routes}")
    known = f"SELECT pos FROM r_{table.name}"  # noqa: S608
    if by_contact:
        known += f" UNION SELECT k.pos FROM {view} k JOIN c USING (since)"  # noqa: S608 - of a contact that is a stranger
    strange = f"FROM {view} ANTI JOIN ({known}) USING (pos)"
    if table.name == "outcomes" and not other_accounts:
        refuse_stops_of_nobody(book, table, strange)
    owner = "contact" if table.name == "outcomes" and "contact_id" in keyed else "account"
    notes = refuse_strangers(book, table, strange, owner, other_accounts=other_accounts)
    return f"SELECT pos, chunk FROM r_{table.name} ORDER BY pos, chunk", notes  # noqa: S608


def _write_keys(table: StreamedTable, folder: Path, wanted: Sequence[str]) -> Path:
    """Hashed ids of each row; the slot ``since`` holds the instant of accounts, the contact's id of the others."""
    present = [name for name in wanted if name in table.columns]
    path = folder / "sort" / f"keys-{table.name}.parquet"
    position = 0
    with pq.ParquetWriter(path, _KEYS, **READ_SOON) as writer:
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
