"""A log on disk: a Parquet or CSV file and, beside it, a JSON file that says which column plays which role."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.errors import InvalidInput
from recommender.frames import as_arrow
from recommender.history import EligibleSets, LoggedFeedback
from recommender.store.files.foreign_logs import is_foreign, read_foreign_log
from recommender.store.files.packed import TORN

__all__ = [
    "feedback_from_file",
    "read_frame",
    "read_roles",
    "roles_path",
    "write_frame",
    "write_log",
    "write_log_parts",
]

_ROLE_NAMES = (
    "context",
    "categorical",
    "reward",
    "propensity",
    "account",
    "time",
    "cluster",
    "known_at",
    "reward_kind",
    "rung",
    "paid",
    "cost",
)
_CSV_ENDINGS = (".csv", ".csv.gz")
_BLOCK_ROWS = 65_536


def read_frame(
    path: Path | str, columns: list[str] | None = None, *, encoding: str | None = None, ids: Collection[str] = ()
) -> pd.DataFrame:
    """Read a Parquet or CSV file, also packed, or a log that another program wrote.

    Parameters
    ----------
    path : str or Path
    columns : list of str or None
        None = all.
    encoding : str or None
        Of a text file that is not Unicode.
    ids : collection of str
        Columns of ids: text in a CSV file, whose zeros in front count.

    Raises
    ------
    InvalidInput
        When there is no such file, or it cannot be read; names the file and the mend.
    """
    file = Path(path)
    if not file.is_file():
        raise InvalidInput(f"There is no file {file}.", column="path", mend="Check the path.")
    try:
        if encoding is not None or is_foreign(file):
            return read_foreign_log(file, columns, encoding=encoding, ids=ids)
        if file.name.endswith(_CSV_ENDINGS):
            try:
                return pd.read_csv(file, usecols=columns, dtype=dict.fromkeys(ids, "str"))
            except UnicodeDecodeError:
                return read_foreign_log(file, columns, ids=ids)
        # A column of its own each, so that whoever takes some of them need not keep the others.
        return pd.read_parquet(file, columns=columns, to_pandas_kwargs={"split_blocks": True, "self_destruct": True})
    except InvalidInput:
        raise
    except (ValueError, OSError, *TORN) as error:
        raise InvalidInput(
            f"{file} cannot be read: {error}",
            column="path",
            mend="Give a Parquet file, or a comma-separated UTF-8 CSV with a header line.",
        ) from error


def write_frame(frame: pd.DataFrame, path: Path | str) -> Path:
    """Write Parquet or CSV by the file's ending, whole or not at all."""
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name("." + file.name + ".part")
    if file.name.endswith(_CSV_ENDINGS):
        frame.to_csv(part, index=False, compression="gzip" if file.name.endswith(".gz") else None)
    else:
        frame.to_parquet(part, index=False)
    part.replace(file)
    return file


def roles_path(path: Path | str) -> Path:
    """Where the roles of a log file are kept: ``<file>.roles.json``."""
    return Path(str(path) + ".roles.json")


def write_log(frame: pd.DataFrame, path: Path | str, *, actions: ActionSpace, roles: Mapping[str, Any]) -> Path:
    """Write a log and its roles (the keyword arguments of ``LoggedFeedback.from_frame``)."""
    file = write_frame(frame, path)
    _write_roles(file, actions, roles)
    return file


def write_log_parts(
    parts: Iterable[tuple[pd.DataFrame, EligibleSets | None]],
    path: Path | str,
    *,
    actions: ActionSpace,
    roles: Mapping[str, Any],
) -> Path:
    """Write a log that comes in pieces, one row group a piece, whole or not at all.

    Eligible sets become one column of text, ``0`` or ``1`` an action in the order of ``actions``, as in the raw
    decisions table; in Parquet each distinct set is written once a piece.

    Parameters
    ----------
    parts : iterable of (DataFrame, EligibleSets or None)
        The same columns with the same dtypes in each.
    path : Path or str
        Parquet or CSV by its ending.
    actions : ActionSpace
    roles : mapping
        Keyword arguments of ``LoggedFeedback.from_frame``; ``eligible`` is set here.

    Returns
    -------
    Path
    """
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name("." + file.name + ".part")
    as_csv = file.name.endswith(_CSV_ENDINGS)
    name: str | None = None
    writer: pq.ParquetWriter | None = None
    part.unlink(missing_ok=True)
    try:
        for number, (rows, sets) in enumerate(parts):
            if sets is not None:
                name = name or _free_name("eligible", rows.columns)
                texts, code = sets.texts()
                rows = rows.assign(**{name: pd.Categorical.from_codes(code, texts)})
            if as_csv:
                packing = "gzip" if file.name.endswith(".gz") else None
                rows.to_csv(part, index=False, mode="a", header=not number, compression=packing)
                continue
            table = as_arrow(rows)
            if writer is None:
                writer = pq.ParquetWriter(part, table.schema)
            writer.write_table(table.cast(writer.schema) if table.schema != writer.schema else table)
        if writer is not None:
            writer.close()
    except BaseException:
        if writer is not None:
            writer.close()
        part.unlink(missing_ok=True)
        raise
    part.replace(file)
    _write_roles(file, actions, {**roles, "eligible": name})
    return file


def _free_name(name: str, taken: Iterable[Any]) -> str:
    while name in set(taken):
        name = "_" + name
    return name


def _write_roles(path: Path, actions: ActionSpace, roles: Mapping[str, Any]) -> None:
    document = {
        "format": 1,
        "actions": actions.to_dict(),
        **{name: roles.get(name) for name in (*_ROLE_NAMES, "eligible")},
    }
    roles_path(path).write_text(json.dumps(document, indent=1, ensure_ascii=False), encoding="utf-8")


def read_roles(path: Path | str) -> dict[str, Any]:
    """Read the roles file of a log, or say how to do without one."""
    file = roles_path(path)
    if not file.is_file():
        raise InvalidInput(
            f"There is no {file.name} beside {path}.",
            column="roles",
            mend="Name the roles on the command line (--factor, --context, --reward ...), or write the log with "
            "`python -m pipelines ingest` or `simulate`, which write it.",
        )
    roles: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    roles.setdefault("categorical", [])
    return roles


def feedback_from_file(
    path: Path | str, roles: Mapping[str, Any] | None = None, *, encoding: str | None = None
) -> LoggedFeedback:
    """Read a log file as checked feedback, by the given roles or those beside it; text in UTF-8 or the encoding."""
    role_of = dict(read_roles(path) if roles is None else roles)
    actions = ActionSpace.from_dict(role_of["actions"])
    single = [role_of[name] for name in _ROLE_NAMES[2:] if name != "reward_kind" and role_of.get(name)]
    needed = list(dict.fromkeys([*actions.factors, *role_of["context"], *single]))
    ids = [role_of[name] for name in ("account", "cluster") if role_of.get(name)]
    frame = read_frame(path, needed, encoding=encoding, ids=ids)
    time = role_of.get("time")
    if time in frame.columns and pd.api.types.is_string_dtype(frame[time].dtype):
        frame[time] = pd.to_datetime(frame[time], utc=True)
    eligible = None if not role_of.get("eligible") else _read_eligible(Path(path), role_of["eligible"], len(actions))
    given = {name: role_of[name] for name in _ROLE_NAMES if role_of.get(name) is not None}
    return LoggedFeedback.from_frame(frame, actions=actions, eligible=eligible, **given)


def _read_eligible(path: Path, columns: str | list[str], n_actions: int) -> EligibleSets:
    """Eligible sets of a log: one column of text, or (in older logs) one boolean column an action."""
    as_csv = path.name.endswith(_CSV_ENDINGS)
    if isinstance(columns, list):
        if as_csv:
            return EligibleSets.of_array(read_frame(path, columns)[columns].to_numpy(dtype=bool))
        return EligibleSets.of_blocks(_boolean_blocks(path, columns), n_actions)
    if as_csv:
        texts = pd.read_csv(path, usecols=[columns], dtype={columns: "str"}, keep_default_na=False)[columns]
        code, distinct = pd.factorize(texts)
        return EligibleSets.of_texts([(distinct.tolist(), code)], n_actions)
    return EligibleSets.of_texts(_text_blocks(path, columns), n_actions)


def _boolean_blocks(path: Path, columns: list[str]) -> Iterator[NDArray[np.bool_]]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_BLOCK_ROWS, columns=columns):
            arrays = {name: batch.column(name).to_numpy(zero_copy_only=False) for name in columns}
            yield np.column_stack([arrays[name] for name in columns]).astype(bool)


def _text_blocks(path: Path, column: str) -> Iterator[tuple[list[str | None], NDArray[np.int64]]]:
    with pq.ParquetFile(path, read_dictionary=[column]) as file:
        for batch in file.iter_batches(_BLOCK_ROWS, columns=[column]):
            texts = batch.column(0)
            coded = texts if pa.types.is_dictionary(texts.type) else texts.dictionary_encode()
            code = coded.indices.fill_null(len(coded.dictionary)).to_numpy(zero_copy_only=False)
            distinct: list[str | None] = coded.dictionary.to_pylist()
            yield ([*distinct, None] if coded.null_count else distinct), code.astype(np.int64)
