"""What a table of a plan leaves in doubt, so that nothing is planned: on it hangs whether somebody may be contacted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from recommender.intake import TableReading, id_keys, is_stop
from recommender.planning.table_owners import Owners, account_hash

__all__ = ["doubt_events", "doubt_two_spellings"]


def doubt_events(
    reading: TableReading, given: pd.DataFrame, read: pd.DataFrame, owners: Owners | None, since: pd.Timestamp | None
) -> None:
    """Doubt what a decision hangs on and nobody can know: contacts without a moment, of nobody, by a guess."""
    if reading.table == "outcomes":
        _doubt_timeless_stops(reading, given, read)
    if reading.table == "contacts" and since is not None:
        _doubt_what_is_missing(reading, given, read, since)
        if owners is not None:
            _doubt_what_decides(reading, given, read, owners, since)


def _doubt_what_is_missing(reading: TableReading, given: pd.DataFrame, read: pd.DataFrame, since: pd.Timestamp) -> None:
    """Doubt contacts of nobody, or of no moment: somebody was contacted, and a rule would count it."""
    start = reading.n_rows - len(given)
    timeless = read["sent_at"].isna().to_numpy(dtype=bool)
    reading.doubt(
        timeless, given["sent_at"], "sent_at", "no_instant", "tells no instant that could be read",
        "Fill the cells, or drop these rows where nothing was sent.", start,
    )  # fmt: skip
    nobody = read["account_id"].isna().to_numpy(dtype=bool)
    if "debtor_id" in read:
        nobody = nobody & read["debtor_id"].isna().to_numpy(dtype=bool)  # what pandas gives may be read-only
    reading.doubt(
        nobody & (read["sent_at"] > since).fillna(value=True).to_numpy(dtype=bool), given["account_id"], "account_id",
        "nobody", "is missing in recent contacts: whose they are nobody knows",
        "Fill the ids, or drop these rows where nothing was sent.", start,
    )  # fmt: skip


def _doubt_timeless_stops(reading: TableReading, given: pd.DataFrame, read: pd.DataFrame) -> None:
    """Doubt what stops a contact and tells no moment: as an event it would be none."""
    if not {"occurred_at", "outcome"} <= {*read.columns}:
        return
    timeless = read["occurred_at"].isna().to_numpy(dtype=bool)
    if not timeless.any():
        return
    words = read["outcome"].astype(object)
    quiet = {word: not is_stop(word) for word in words[timeless].dropna().unique()}
    stops = timeless & ~words.map(quiet).fillna(value=True).to_numpy(dtype=bool)
    reading.doubt(
        stops, given["occurred_at"], "occurred_at", "no_instant", "tells no instant of what stops a contact",
        "Fill the cells: of a list of stops the day that it was made, e.g. 2026-11-01.", reading.n_rows - len(given),
    )  # fmt: skip


def doubt_two_spellings(reading: TableReading, written: Path, name: str) -> None:
    """Doubt ids that differ in letter case and punctuation alone (``12.345-6``, ``123456``): perhaps one person.

    Ids are hashed (16 bytes each), and only where some are spelt in a way that could be spelt otherwise.
    """
    parts: list[tuple[NDArray[np.uint64], NDArray[np.uint64]]] = []
    odd = False
    with pq.ParquetFile(written) as file:
        for batch in file.iter_batches(columns=[name]):
            ids = pc.unique(batch.column(0).drop_null())
            if not len(ids):
                continue
            bare = pc.utf8_upper(pc.replace_substring_regex(ids, r"[.\-/\s_]", ""))
            odd = odd or not pc.all(pc.equal(ids, bare)).as_py()
            keys = (id_keys(ids.to_pandas()), id_keys(bare.to_pandas()))
            parts.append((account_hash(keys[0]), account_hash(keys[1])))
    if not odd:
        return
    strict, loose = (np.concatenate(part) for part in zip(*parts, strict=True))
    _, first = np.unique(strict, return_index=True)
    values, counts = np.unique(loose[first], return_counts=True)
    if not (counts > 1).any():
        return
    cells = pq.read_table(written, columns=[name]).column(0)
    bare = pc.utf8_upper(pc.replace_substring_regex(cells, r"[.\-/\s_]", "")).to_pandas()
    twice = np.isin(account_hash(id_keys(bare)), values[counts > 1]) & bare.notna().to_numpy(dtype=bool)
    reading.doubt(
        twice, cells.to_pandas(), name, "two_spellings",
        "differs from another in letter case and punctuation alone: what is heard of the one may be the other's",
        "Write each id in one way.", 0,
    )  # fmt: skip


def _doubt_what_decides(
    reading: TableReading, given: pd.DataFrame, read: pd.DataFrame, owners: Owners, since: pd.Timestamp
) -> None:
    """Doubt contacts that rules still count and that were read by a guess: their day, or whose they are."""
    start = reading.n_rows - len(given)
    counts = owners.mine & (read["sent_at"] > since).fillna(value=True).to_numpy(dtype=bool)
    guessed = reading.guessed.get("sent_at", np.zeros(len(given), dtype=bool))
    reading.doubt(
        counts & guessed, given["sent_at"], "sent_at", "unstated_clock",
        "is a recent local time: whether a debtor was contacted today hangs on its clock, which nobody states",
        "State it: --naive-timezone America/Bogota (account = that of each account), or write offsets.", start,
    )  # fmt: skip
    if reading.stated.ids_as_numbers:
        return
    mend = "Export ids as text, or state --ids-as-numbers where zeros say nothing."
    reading.doubt(
        owners.mine & (owners.zeros > 0), given["account_id"], "account_id", "zeros_of_accounts",
        "has leading zeros that the accounts table lacks: a plan would name accounts as nobody does", mend, start,
    )  # fmt: skip
    reading.doubt(
        counts & (owners.zeros < 0), given["account_id"], "account_id", "zeros_lost",
        "lacks leading zeros that the accounts table has, in recent contacts: whose they are would be a guess", mend,
        start,
    )  # fmt: skip
