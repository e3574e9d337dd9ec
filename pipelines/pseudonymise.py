"""``python -m pipelines pseudonymise``: files with opaque ids in place of phones, names and identity numbers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich.console import Console

from recommender.errors import InvalidInput
from recommender.intake import id_text, pseudonym
from recommender.store.files import read_frame, write_frame

KEY_VARIABLE = "RECOMMENDER_PSEUDONYM_KEY"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("pseudonymise")(pseudonymise)


def pseudonymise(
    table: Annotated[Path, typer.Argument(help="CSV or Parquet file.")],
    out: Annotated[Path, typer.Option(help="Where the same table goes, with pseudonyms.")],
    columns: Annotated[str, typer.Option(help="Columns of ids, comma-separated.")] = "account_id,debtor_id",
    key_variable: Annotated[
        str, typer.Option(help="Environment variable that holds the secret key, of at least 32 characters.")
    ] = KEY_VARIABLE,
) -> None:
    """Replace ids by keyed hashes: the same id has the same pseudonym in every file that was written with the key.

    Whoever holds the key can find out who is who by trying, so it is read from the environment and belongs in a safe.
    """
    key = os.environ.get(key_variable, "")
    if not key:
        raise InvalidInput(
            f"There is no key in {key_variable}.",
            column="key",
            mend=f"Set it to a secret of at least 32 characters, e.g. export {key_variable}=$(openssl rand -hex 32).",
        )
    is_text = table.name.endswith((".csv", ".csv.gz"))  # read as it is written: an id may begin with a zero
    frame = pd.read_csv(table, dtype="str", keep_default_na=False) if is_text else read_frame(table)
    names = [name.strip() for name in columns.split(",") if name.strip()]
    if lacking := [name for name in names if name not in frame.columns]:
        raise InvalidInput.missing_columns(lacking, list(frame.columns), role="--columns")
    changed = 0
    for name in names:
        present = [value for value in frame[name].unique() if id_text(value) is not None]
        known = {value: pseudonym(value, key, kind=name) for value in present}
        changed += len(known)
        frame[name] = frame[name].astype(object).map(known)
    write_frame(frame, out)
    Console().print(f"{len(frame):,} rows, {changed:,} ids replaced in {', '.join(names)}: {out}", highlight=False)
