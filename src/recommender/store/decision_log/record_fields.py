"""Checks of the fields of a logged record: each returns the plain form that is stored, or says what is wrong."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from math import isfinite
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.errors import InvalidInput
from recommender.store.decision_log.privacy import refuse_contact_data, refuse_contact_identifier

__all__ = [
    "LARGEST_INTEGER",
    "WrittenJson",
    "canonical_json",
    "check_action",
    "check_eligible",
    "check_id",
    "check_ranking",
    "in_order",
    "number_or_none",
    "plain_mapping",
    "plain_ranked",
    "plain_scalar",
    "plain_values",
    "sha256_of",
    "sha256_of_texts",
    "unpack_eligible",
    "utc_instant",
]

LARGEST_INTEGER = 2**63 - 1  # what a BIGINT holds
_ID_LENGTH = 128
_PLAIN = frozenset({str, bool, type(None)})  # exactly these need no look


def utc_instant(name: str, instant: datetime) -> datetime:
    """Instant in UTC, to the microsecond; one without a time zone is refused."""
    if type(instant) is datetime and instant.tzinfo is UTC:
        return instant
    if not isinstance(instant, datetime):
        raise InvalidInput.in_column(name, "must be an instant", values=[instant], mend="Pass a datetime with a zone.")
    if instant.tzinfo is None or instant.utcoffset() is None:
        raise InvalidInput.in_column(
            name,
            "has no time zone",
            values=[instant.isoformat()],
            mend="Attach one, e.g. datetime(..., tzinfo=timezone.utc).",
        )
    utc = instant.astimezone(UTC)
    # A pandas Timestamp is a datetime too: keep the plain one.
    return datetime(utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second, utc.microsecond, tzinfo=UTC)


def unpack_eligible(packed: bytes, n_actions: int) -> NDArray[np.bool_]:
    """Inverse of the packed bits: bool of shape (n_actions,)."""
    return np.unpackbits(np.frombuffer(packed, dtype=np.uint8), count=n_actions).astype(bool)


def check_id(name: str, value: object) -> str:
    """Opaque id as text, free of contact data."""
    if not isinstance(value, str) or not value.strip() or len(value) > _ID_LENGTH or "\x00" in value:
        raise InvalidInput.in_column(
            name,
            f"must be text of 1 to {_ID_LENGTH} characters",
            values=[value if not isinstance(value, str) else value[:40]],
            mend="Pass the opaque id as text.",
        )
    refuse_contact_identifier(name, value)
    return value


def check_action(name: str, action: Any, n_actions: int) -> int:
    """Action as a plain index of the space."""
    if isinstance(action, bool) or not isinstance(action, int | np.integer) or not 0 <= action < n_actions:
        raise InvalidInput.in_column(
            name,
            f"must be an index of the action space (0 to {n_actions - 1})",
            values=[action],
            mend="Log the index that ActionSpace.index_of gives.",
        )
    return int(action)


def check_eligible(eligible: Any, n_actions: int, action: int) -> NDArray[np.bool_]:
    """Mask of one decision, which must hold its action."""
    allowed = np.array(eligible)
    if allowed.shape != (n_actions,) or allowed.dtype != bool:
        raise InvalidInput(
            f"eligible must be a boolean array of shape ({n_actions},); got {allowed.dtype} of shape {allowed.shape}.",
            column="eligible",
            mend="Pass the decision's row of the mask that the policy was given.",
        )
    if not allowed[action]:
        raise InvalidInput.in_column(
            "eligible",
            "excludes the action that was dispatched",
            values=[action],
            mend="Log the mask that the policy was given; a forbidden action must never be dispatched.",
        )
    allowed.setflags(write=False)
    return allowed


def check_ranking(ranking: Sequence[Mapping[str, Any]], action: int, n_actions: int) -> None:
    """Raise unless every entry names an action and the first is the dispatched one."""
    for position, ranked in enumerate(ranking):
        if type(index := ranked.get("action")) is int and 0 <= index < n_actions:
            continue
        if "action" not in ranked:
            raise InvalidInput.in_column(
                "ranking", "has an entry without its action index", rows=[position], mend="Add 'action' to each entry."
            )
        check_action("ranking", ranked["action"], n_actions)
    if ranking and ranking[0]["action"] != action:
        raise InvalidInput.in_column(
            "ranking",
            "does not start with the dispatched action",
            values=[ranking[0]["action"]],
            mend=f"Rank 1 is what was dispatched: action {action}.",
        )


def plain_mapping(values: Mapping[str, Any], argument: str) -> dict[str, Any]:
    """Plain JSON scalars under text keys, free of personal contact data."""
    plain = plain_values(values, argument)
    refuse_contact_data(plain, argument=argument)
    return plain


def plain_values(values: Mapping[str, Any], argument: str) -> dict[str, Any]:
    """Plain JSON scalars under text keys."""
    return {
        key if type(key) is str else str(key): value
        if (kind := type(value)) in _PLAIN
        or (kind is float and isfinite(value))
        or (kind is int and -LARGEST_INTEGER <= value <= LARGEST_INTEGER)
        else plain_scalar(value, str(key), argument)
        for key, value in values.items()
    }


def plain_ranked(ranked: Mapping[str, Any]) -> dict[str, Any]:
    """A ranked action as plain JSON: scalars, and under ``values`` those of its value ladder."""
    values = ranked.get("values")
    if not isinstance(values, Mapping):
        return plain_mapping(ranked, "ranking")
    bare = plain_mapping({name: value for name, value in ranked.items() if name != "values"}, "ranking")
    return bare | {"values": plain_mapping(values, "ranking")}


def plain_scalar(value: Any, key: str, argument: str) -> str | int | float | bool | None:
    """A value as JSON holds it; missing values as None, instants as text."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, str | bool):
        return value
    if isinstance(value, datetime):
        return utc_instant(key, value).isoformat()
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, int) and abs(value) <= LARGEST_INTEGER:
        return value
    raise InvalidInput.in_column(
        key,
        f"of {argument} is not text, a finite number, a boolean, an instant or missing",
        values=[value if isinstance(value, int | float) else type(value).__name__],
        mend="Log the feature columns the model was given, one scalar each.",
    )


def number_or_none(value: float | None) -> float | None:
    """Plain float; NaN as None."""
    return None if value is None or math.isnan(value) else float(value)


class WrittenJson:
    """A value whose JSON text is known already: what is hashed need not be written twice."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


#: Canonical JSON text of a value.
canonical_json = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def sha256_of(content: Any) -> str:
    """SHA-256 of the canonical JSON."""
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def sha256_of_texts(*texts: str) -> str:
    """SHA-256 of some JSON texts, which hold no line break."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def in_order(mapping: Mapping[str, Any]) -> Mapping[str, Any]:
    """A mapping by its names, which is itself where it is so already."""
    names = tuple(mapping)
    ordered = _sorted(names)
    return mapping if ordered == names else {name: mapping[name] for name in ordered}


@lru_cache(maxsize=1_024)
def _sorted(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(names))
