"""A log on disk: a Parquet or CSV file and, beside it, a JSON file that says which column plays which role."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from recommender.actions import ActionSpace
from recommender.errors import InvalidInput
from recommender.history.feedback import LoggedFeedback

__all__ = ["feedback_from_file", "read_frame", "read_roles", "roles_path", "write_frame", "write_log"]

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
)


def read_frame(path: Path | str, columns: list[str] | None = None) -> pd.DataFrame:
    """Read a Parquet or CSV file (``.csv``, ``.csv.gz``).

    Raises
    ------
    InvalidInput
        When there is no such file, or it cannot be read; names the file and the mend.
    """
    place = Path(path)
    if not place.is_file():
        raise InvalidInput(f"There is no file {place}.", column="path", mend="Check the path.")
    try:
        if place.name.endswith((".csv", ".csv.gz")):
            return pd.read_csv(place, usecols=columns)
        return pd.read_parquet(place, columns=columns)
    except (ValueError, OSError, UnicodeDecodeError) as error:
        raise InvalidInput(
            f"{place} cannot be read: {error}",
            column="path",
            mend="Give a Parquet file, or a comma-separated UTF-8 CSV with a header line.",
        ) from error


def write_frame(frame: pd.DataFrame, path: Path | str) -> Path:
    """Write Parquet or CSV by the file's ending, whole or not at all."""
    place = Path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name("." + place.name + ".part")
    if place.name.endswith((".csv", ".csv.gz")):
        frame.to_csv(part, index=False, compression="gzip" if place.name.endswith(".gz") else None)
    else:
        frame.to_parquet(part, index=False)
    part.replace(place)
    return place


def roles_path(path: Path | str) -> Path:
    """Where the roles of a log file are kept: ``<file>.roles.json``."""
    return Path(str(path) + ".roles.json")


def write_log(frame: pd.DataFrame, path: Path | str, *, actions: ActionSpace, roles: Mapping[str, Any]) -> Path:
    """Write a log and its roles (the keyword arguments of ``LoggedFeedback.from_frame``)."""
    place = write_frame(frame, path)
    told = {"format": 1, "actions": actions.to_dict(), **{name: roles.get(name) for name in (*_ROLE_NAMES, "eligible")}}
    roles_path(path).write_text(json.dumps(told, indent=1, ensure_ascii=False), encoding="utf-8")
    return place


def read_roles(path: Path | str) -> dict[str, Any]:
    """Read the roles file of a log, or say how to do without one."""
    place = roles_path(path)
    if not place.is_file():
        raise InvalidInput(
            f"There is no {place.name} beside {path}.",
            column="roles",
            mend="Name the roles on the command line (--factor, --context, --reward ...), or write the log with "
            "`python -m pipelines ingest` or `simulate`, which write it.",
        )
    roles: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    roles.setdefault("categorical", [])
    return roles


def feedback_from_file(path: Path | str, roles: Mapping[str, Any] | None = None) -> LoggedFeedback:
    """Read a log file as checked feedback, by the given roles or those beside it."""
    told = dict(read_roles(path) if roles is None else roles)
    actions = ActionSpace.from_dict(told["actions"])
    single = [
        told[name] for name in ("reward", "propensity", "account", "time", "cluster", "known_at") if told.get(name)
    ]
    needed = list(dict.fromkeys([*actions.factors, *told["context"], *single]))
    frame = read_frame(path, needed)
    time = told.get("time")
    if time in frame.columns and pd.api.types.is_string_dtype(frame[time].dtype):
        frame[time] = pd.to_datetime(frame[time], utc=True)
    eligible = None
    if isinstance(told.get("eligible"), list):  # one boolean column an action
        eligible = read_frame(path, told["eligible"]).to_numpy(dtype=bool)
    given = {name: told[name] for name in _ROLE_NAMES if told.get(name) is not None}
    return LoggedFeedback.from_frame(frame, actions=actions, eligible=eligible, **given)
