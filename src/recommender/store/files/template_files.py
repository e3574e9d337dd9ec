"""Templates of an agency on disk: TOML files, tables, or folders of both."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import pandas as pd

from recommender.errors import InvalidInput
from recommender.messages import Catalogue, default_catalogue, own_catalogue
from recommender.store.files.tables_io import read_table

__all__ = ["catalogue_at", "read_template_sources"]

_TABLES = (".csv", ".tsv", ".xlsx", ".parquet")


def read_template_sources(paths: Iterable[Path]) -> tuple[tuple[str, str], ...]:
    """Read template files as plain text, for :func:`recommender.messages.own_catalogue`.

    Parameters
    ----------
    paths : iterable of Path
        TOML files, tables (CSV, XLSX, Parquet) with one row a template, or folders of them, read in the order of
        names.

    Returns
    -------
    tuple of (name of the file, text)
        A table as a JSON list of its rows, under its name and ``.json``.

    Raises
    ------
    InvalidInput
        For a path that is not there, or a folder without a template file.
    """
    return tuple(_source(file) for path in paths for file in _files(path))


@lru_cache(maxsize=8)
def catalogue_at(paths: tuple[Path, ...]) -> Catalogue:
    """The catalogue of some files, read once a process; the packaged one where there are none.

    Parameters
    ----------
    paths : tuple of Path
        As :func:`read_template_sources` takes them.

    Raises
    ------
    CatalogueError
        For a catalogue that must not be used.
    """
    return own_catalogue(read_template_sources(paths)) if paths else default_catalogue()


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise InvalidInput(f"There is no file {path}.", column="templates", mend="Check the path.")
    if path.is_file():
        return [path]
    files = sorted(one for one in path.iterdir() if one.suffix == ".toml" or one.name.endswith(_TABLES))
    if not files:
        raise InvalidInput(
            f"{path} has no template file in it.", column="templates", mend="Put .toml, .csv or .xlsx files there."
        )
    return files


def _source(file: Path) -> tuple[str, str]:
    if not file.name.endswith(_TABLES):
        return str(file), file.read_text(encoding="utf-8")
    table = read_table(file, table="templates")
    rows = [
        {str(key): None if _is_empty(value) else value for key, value in row.items()}
        for row in table.to_dict("records")
    ]
    return f"{file}.json", json.dumps(rows, ensure_ascii=False, default=str)


def _is_empty(value: object) -> bool:
    return value is None or (pd.api.types.is_scalar(value) and bool(pd.isna(value)))
