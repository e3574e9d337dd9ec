"""What the pages need of every account of the portfolio's file, read some thousand at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recommender.columns import Columns
from recommender.deciding import Segments
from recommender.errors import InvalidInput

__all__ = ["account_facts", "sampled_accounts", "write_accounts_of"]

_AT_ONCE = 50_000
_HUMAN_FLAGS = ("hardship", "disputed", "in_lawsuit", "represented", "insolvent", "deceased")
_REPEATED = ("stage", "product", "country", "currency", "segment", "why")


def account_facts(path: Path, segments: Segments, facts: Sequence[str]) -> pd.DataFrame:
    """Facts of every account, of one that is there twice the first.

    Parameters
    ----------
    path : Path
    segments : Segments
    facts : sequence of str
        Columns to take where the file has them.

    Returns
    -------
    DataFrame
        ``debtor_id``, the facts, ``segment`` and ``why``, the flags that a person has to look at, joined by ``;``; with
        the ids of the accounts as index.
    """
    pieces = []
    for frame in _pieces(path):
        if "account_id" not in frame:
            raise InvalidInput.missing_columns(["account_id"], list(frame.columns), role="accounts")
        own = frame.reindex(columns=["debtor_id", *facts])
        own["segment"] = segments.of(Columns.of(frame))
        own["why"] = frame["flags"].map(_for_people) if "flags" in frame else None
        own.index = pd.Index(frame["account_id"].astype("str"))
        pieces.append(own)
    whole = pd.concat(pieces)
    whole = whole.loc[~whole.index.duplicated()]
    for name in _REPEATED:
        if name in whole:
            whole[name] = whole[name].astype("category")
    return whole


def sampled_accounts(path: Path, n: int) -> pd.DataFrame:
    """At most ``n`` accounts drawn at random, always the same of a file."""
    total = pq.read_metadata(path).num_rows
    drawn = pd.Series(range(total)).sample(min(n, total), random_state=0).sort_values().to_numpy()
    pieces, first = [], 0
    for frame in _pieces(path):
        here = drawn[(drawn >= first) & (drawn < first + len(frame))] - first
        pieces.append(frame.iloc[here])
        first += len(frame)
    return pd.concat(pieces, ignore_index=True)


def write_accounts_of(path: Path, country: str, out: Path) -> None:
    """Write the accounts of a country to a file of their own."""
    file = pq.ParquetFile(path)
    with pq.ParquetWriter(out, file.schema_arrow) as writer:
        for batch in file.iter_batches(_AT_ONCE):
            writer.write_batch(batch.filter(pc.equal(batch["country"].cast(pa.string()), country)))


def _pieces(path: Path) -> Iterator[pd.DataFrame]:
    """Rows of a file in its order; at least one frame, which may be empty."""
    file = pq.ParquetFile(path)
    if file.metadata.num_rows == 0:
        yield file.read().to_pandas()
        return
    for batch in file.iter_batches(_AT_ONCE):
        yield batch.to_pandas()


def _for_people(flags: object) -> str | None:
    """Flags of an account that somebody has to look at, e.g. a dispute."""
    own = [one for one in flags.split(";") if one in _HUMAN_FLAGS] if isinstance(flags, str) else []
    return ";".join(own) or None
