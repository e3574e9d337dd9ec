"""A file and its guessed roles as a checked log."""

from __future__ import annotations

import re
import unicodedata
from typing import Any, cast

import numpy as np
import pandas as pd

from recommender.actions import ActionSpace
from recommender.errors import InvalidInput
from recommender.history import LoggedFeedback
from recommender.quickstart.reward_values import reward_of
from recommender.quickstart.roles import UNKNOWN_LEVEL, Roles, left_alone
from recommender.quickstart.typed_cells import TypedFrame

__all__ = ["MOST_ACTIONS", "log_of_file"]

MOST_ACTIONS = 2_000
_DAY = pd.Timedelta(days=1)
_BETWEEN_LETTERS = re.compile(r"(?<=[a-z])[\s_-]+(?=[a-z])")


def log_of_file(typed: TypedFrame, roles: Roles) -> tuple[LoggedFeedback, pd.DataFrame]:
    """Build the log, and the frame it was built from: one row a decision, columns of every role.

    Parameters
    ----------
    typed : TypedFrame
    roles : Roles

    Raises
    ------
    InvalidInput
        When the action has too few or too many values, or a date that matters can be read two ways.
    """
    frame = typed.frame
    for name in (roles.time, roles.hour_from):
        if name in typed.open_dates:
            raise InvalidInput.in_column(
                str(name),
                "holds dates whose day and month may be exchanged",
                values=[typed.open_dates[str(name)]],
                mend="State the order: --dates dmy, or --dates mdy.",
            )
    made: dict[str, pd.Series] = {}
    idle = left_alone(frame, roles.factors, roles.hour_from)
    levels: dict[str, list[Any]] = {}
    for name in roles.factors:
        made[name] = _levels(frame[name], idle)
        levels[name] = _ordered(made[name])
    if roles.hour_from is not None:
        made["hour"] = typed.hours(roles.hour_from)
        levels["hour"] = _ordered(made["hour"])
    n_actions = int(np.prod([len(present) for present in levels.values()]))
    if n_actions > MOST_ACTIONS:
        counts = " x ".join(f"{name} {len(present)}" for name, present in levels.items())
        raise InvalidInput(
            f"The action has {n_actions:,} values ({counts}); {len(frame):,} contacts cannot tell so many apart.",
            column="action",
            mend="Name fewer or coarser columns with --action, e.g. blocks of hours.",
        )
    for name in roles.context:
        made[f"{name} (context)" if name in made else name] = _known_before(frame, name, typed, roles.time)
    values, _ = reward_of(frame[roles.reward], roles.success)
    made["reward"] = pd.Series(values)
    named = {"propensity": roles.propensity, "account": roles.account, "time": roles.time, "cluster": roles.cluster}
    present = {role: name for role, name in named.items() if name is not None}
    for role, name in present.items():
        made[f"({role})"] = _ids(frame[name]) if role in ("account", "cluster") else frame[name]
    table = pd.DataFrame(made)
    log = LoggedFeedback.from_frame(
        table,
        actions=ActionSpace(levels, no_contact=idle is not None),
        context=list(roles.context),
        reward="reward",
        **cast("Any", {role: f"({role})" for role in present}),
    )
    return log, table


def _ids(column: pd.Series) -> pd.Series:
    """Ids as text; numbers that the file wrote without a fraction get none."""
    if pd.api.types.is_float_dtype(column.dtype) and (column == column.round()).all():
        column = column.astype("Int64")
    return column.astype(str)


def _levels(column: pd.Series, idle: pd.Series | None) -> pd.Series:
    """Levels of a factor: whole numbers, words; a contact of which one factor is not said has a level of its own."""
    if pd.api.types.is_numeric_dtype(column.dtype):
        whole = column.dropna()
        if (whole == whole.round()).all():
            column = column.astype("Int64").astype(object)
        column = column.astype(object)
    words = _one_spelling(column.astype(object).where(column.notna(), None))
    missing = words.isna() if idle is None else words.isna() & ~idle
    if missing.any():
        words = words.map(lambda value: value if value is None else str(value)).mask(missing, UNKNOWN_LEVEL)
    return words


def _one_spelling(words: pd.Series) -> pd.Series:
    """Levels that differ in capitals, accents, or blanks and hyphens between letters, as most rows spell them."""
    texts = [word for word in words.value_counts().index if isinstance(word, str)]
    alike = {word: _BETWEEN_LETTERS.sub("", _without_accents(word).casefold().strip()) for word in texts}
    usual: dict[str, str] = {}
    for word in texts:
        usual.setdefault(alike[word], word)
    if len(usual) == len(texts):
        return words
    return words.map(lambda value: usual[alike[value]].strip() if isinstance(value, str) else value)


def _without_accents(word: str) -> str:
    return "".join(one for one in unicodedata.normalize("NFKD", word) if not unicodedata.combining(one))


def _ordered(column: pd.Series) -> list[Any]:
    distinct = list(pd.unique(column.dropna()))
    return sorted(distinct) if len({type(one) for one in distinct}) == 1 else sorted(distinct, key=str)


def _known_before(frame: pd.DataFrame, name: str, typed: TypedFrame, time: str | None) -> pd.Series:
    """A context column; an instant becomes days before the contact (or since the first one)."""
    column = frame[name]
    if name not in typed.instants:
        return column
    if time in typed.instants:
        return (frame[time] - column) / _DAY
    return (column - column.min()) / _DAY
