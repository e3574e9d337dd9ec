"""Small files of the agency's own beside the tables of a plan: contact points, callbacks and promises.

Read by the reader of the tables (Parquet, CSV of any separator, XLSX, ...), with columns in Spanish or English.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from recommender.errors import InvalidInput
from recommender.intake import column_synonyms, id_key, plain_word
from recommender.store.files import read_table

__all__ = ["ids_of", "local_table"]


def local_table(path: Path, role: str, words: Mapping[str, str]) -> pd.DataFrame:
    """Cells of a file as text, blanks as "", with our columns beside those that mean them.

    Parameters
    ----------
    path : Path
    role : str
        What the file is, for messages.
    words : mapping of str to str
        Other words for each of our columns, with blanks between them.

    Raises
    ------
    InvalidInput
        When the file cannot be read, or two of its columns mean the same.
    """
    frame = read_table(path, table=role)
    ours = {word: name for name, some in words.items() for word in (name, *some.split())}
    meant: dict[str, list[str]] = {}
    for column in map(str, frame.columns):
        name = ours.get(plain_word(column)) or (synonym if (synonym := column_synonyms(column)) in words else None)
        meant.setdefault(name or column, []).append(column)
    doubled = next(((name, some) for name, some in meant.items() if len(some) > 1 and name not in some), None)
    if doubled is not None:
        raise InvalidInput.in_column(
            doubled[0], f"is meant by several columns of the {role}", values=doubled[1],
            mend=f"Call one of them {doubled[0]}.",
        )  # fmt: skip
    text = frame.astype("str").where(frame.notna(), "").rename(columns=str)
    # Beside the column as it is called: a text may name its variable so.
    return text.assign(**{name: text[some[0]] for name, some in meant.items() if len(some) == 1})


def ids_of(table: pd.DataFrame, role: str) -> pd.Series:
    """Keys of the accounts of a file by which they are found however they are spelt.

    Raises
    ------
    InvalidInput
        When the file names no account column.
    """
    if "account_id" not in table.columns:
        raise InvalidInput.missing_columns(["account_id"], list(table.columns), role=role)
    return table["account_id"].map(lambda one: id_key(one.strip()))
