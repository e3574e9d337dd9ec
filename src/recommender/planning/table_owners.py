"""Whose the rows of a table are: zone and leading zeros of each account, by a hash of its id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recommender.intake import id_keys, id_texts
from recommender.planning.plan_tables import key_hash

__all__ = ["KnownOwners", "Owners", "account_hash"]


def account_hash(keys: NDArray[np.object_]) -> NDArray[np.uint64]:
    """Hash of what ids are compared by (:func:`recommender.intake.id_keys`)."""
    return key_hash(keys, "the-account-key1")


@dataclass(frozen=True)
class Owners:
    """What is known of the owner of each row: zone; whether it is there; leading zeros that the row has more."""

    zones: pd.Series
    mine: NDArray[np.bool_]
    zeros: NDArray[np.int64]


class KnownOwners:
    """Zone and leading zeros of each account or contact, eleven bytes each."""

    def __init__(self) -> None:
        self._names: dict[Any, int] = {}
        self._parts: list[tuple[NDArray[np.uint64], NDArray[np.int16], NDArray[np.int8]]] = []
        self._keys = np.zeros(0, dtype=np.uint64)
        self._codes = np.zeros(0, dtype=np.int16)
        self._zeros = np.zeros(0, dtype=np.int8)

    def add(self, ids: pd.Series, zones: pd.Series) -> None:
        """Take some in."""
        codes, names = pd.factorize(zones.astype(object), use_na_sentinel=False)
        numbers = [self._names.setdefault(name if isinstance(name, str) else None, len(self._names)) for name in names]
        keys, zeros = _keyed(ids)
        self._parts.append((keys, np.array(numbers, dtype=np.int16)[codes], zeros))

    def settle(self) -> None:
        """Sort what was taken in."""
        if self._parts:
            keys, codes, zeros = (np.concatenate(part) for part in zip(*self._parts, strict=True))
            order = np.argsort(keys, kind="stable")
            self._keys, self._codes, self._zeros = keys[order], codes[order], zeros[order]
        self._parts = []

    def of(self, ids: pd.Series) -> Owners:
        """What is known of each id; an unknown one has the zone that all share."""
        names = np.array([*self._names, None], dtype=object)
        if not len(self._keys):
            nobody = np.zeros(len(ids), dtype=np.int64)
            return Owners(pd.Series([None] * len(ids), dtype=object), nobody > 0, nobody)
        keys, zeros = _keyed(id_texts(ids))
        at = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        mine = self._keys[at] == keys
        only = 0 if len(self._names) == 1 else -1
        zones = pd.Series(names[np.where(mine, self._codes[at], only)], dtype=object)
        return Owners(zones, mine, np.where(mine, zeros.astype(np.int64) - self._zeros[at], 0))


def _keyed(ids: pd.Series) -> tuple[NDArray[np.uint64], NDArray[np.int8]]:
    """Hash of what each id is compared by, and the leading zeros that this leaves out."""
    keys = id_keys(ids)
    zeros = np.zeros(len(keys), dtype=np.int8)
    texts = pa.array(ids, type=pa.large_string(), from_pandas=True)
    if pc.any(pc.starts_with(texts, "0")).as_py():
        bare = pc.utf8_length(pa.array(keys, type=pa.large_string(), from_pandas=True))
        zeros = pc.fill_null(pc.subtract(pc.utf8_length(texts), bare), 0).to_numpy(zero_copy_only=False).astype(np.int8)
    return account_hash(keys), zeros
