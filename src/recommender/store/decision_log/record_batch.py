"""Records of the decisions of one request, checked by column: a thousand of them share most of what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.store.decision_log.checked_columns import CheckedMapping, WrittenMapping, WrittenRanking
from recommender.store.decision_log.json_columns import (
    json_of,
    json_of_ids,
    side_by_side,
    written_numbers,
    written_words,
)
from recommender.store.decision_log.record_fields import WrittenJson, sha256_of_texts, utc_instant
from recommender.store.decision_log.records import DecisionRecord, Provenance, ShadowChoice
from recommender.store.decision_log.schema import Row

__all__ = ["DecisionBatch", "decision_batch"]

_LONGEST_ID = 128
_FEW = 4  # records that are made one by one faster


@dataclass(frozen=True, kw_only=True, eq=False)
class DecisionBatch:
    """Decisions of one moment, field by field; the fields are those of :class:`DecisionRecord`.

    Attributes
    ----------
    decision_id, account_id : list of str
    debtor_id : list of str or None
    decided_at : aware datetime
    action : ndarray of int64 of shape (n,)
    propensity : sequence of float
    eligible : ndarray of bool of shape (n, n_actions)
    context : list of mapping
        Checked ones are taken as they are, and so is a written ``ranking``.
    provenance : list of Provenance
        All of one action space.
    ranking : list of list of mapping
    request_position : sequence of int
    contact_at : list of datetime or None
    shadow : list of ShadowChoice or None
    request_key, seed, purpose, fallback, deterministic
        Of all.
    """

    decision_id: Sequence[str]
    account_id: Sequence[str]
    debtor_id: Sequence[str | None]
    decided_at: datetime
    action: NDArray[np.int64]
    propensity: Sequence[float]
    eligible: NDArray[np.bool_]
    context: Sequence[Mapping[str, Any]]
    provenance: Sequence[Provenance]
    ranking: Sequence[Sequence[Mapping[str, Any]]]
    request_position: Sequence[int]
    contact_at: Sequence[datetime | None]
    shadow: Sequence[ShadowChoice | None]
    request_key: str | None
    seed: int | None
    purpose: str | None
    fallback: bool
    deterministic: bool


def decision_batch(batch: DecisionBatch) -> list[DecisionRecord]:
    """Records of some decisions: equal to those that :class:`DecisionRecord` makes one by one.

    Raises
    ------
    InvalidInput
        As for the first record that cannot be.
    """
    n = len(batch.decision_id)
    if n < _FEW or not _is_sound(batch):
        return [_one(batch, row) for row in range(n)]
    first = _one(batch, 0)  # what all share is checked with it
    eligible = np.array(batch.eligible)
    eligible.setflags(write=False)
    width = (eligible.shape[1] + 7) // 8
    packed = np.packbits(eligible, axis=1).tobytes()
    shared = {
        name: getattr(first, name)
        for name in ("decided_at", "request_key", "seed", "purpose", "fallback", "deterministic")
    }
    names = (
        "decision_id", "account_id", "debtor_id", "action", "propensity", "eligible", "context", "provenance",
        "ranking", "request_position", "contact_at", "shadow", "packed_eligible",
    )  # fmt: skip
    columns: tuple[Any, ...] = (
        batch.decision_id, batch.account_id,
        [debtor or account for account, debtor in zip(batch.account_id, batch.debtor_id, strict=True)],
        batch.action.tolist(), list(map(float, batch.propensity)), eligible, batch.context, batch.provenance,
        batch.ranking, batch.request_position,
        [None if when is None else utc_instant("contact_at", when) for when in batch.contact_at], batch.shadow,
        [packed[start : start + width] for start in range(0, n * width, width)],
    )  # fmt: skip
    rows = _rows(first, dict(zip(names, columns, strict=True)))
    records = []
    for values, row in zip(zip(*columns, strict=True), rows or repeat(None), strict=False):
        record = object.__new__(DecisionRecord)
        record.__dict__.update(shared)
        record.__dict__.update(zip(names, values, strict=True))
        if row is not None:
            record.__dict__["_row"] = row
        records.append(record)
    return records


def _rows(first: DecisionRecord, columns: Mapping[str, Sequence[Any]]) -> list[Row] | None:
    """Row of each record, as it makes it of itself, by column; None where a part of one is not written yet."""
    contexts, rankings, provenances = columns["context"], columns["ranking"], columns["provenance"]
    if set(map(type, contexts)) != {WrittenMapping} or set(map(type, rankings)) != {WrittenRanking}:
        return None
    stored = first.to_row()
    factors = [one.factors_text(action) for one, action in zip(provenances, columns["action"], strict=True)]
    parts = {
        "action_factors": factors,
        "ranking": [one.text for one in rankings],
        "context": [one.text for one in contexts],
    }
    own = {
        name: columns[name] for name in ("decision_id", "account_id", "debtor_id", "contact_at", "action", "propensity")
    }
    own |= {
        "request_position": list(map(int, columns["request_position"])),
        "eligible": columns["packed_eligible"],
        "provenance_digest": [one.digest for one in provenances],
    }
    hashed = _hashed(stored, own)
    digests = [sha256_of_texts(*texts) for texts in zip(hashed, *parts.values(), strict=True)]
    own |= {name: list(map(WrittenJson, texts)) for name, texts in parts.items()} | {"content_digest": digests}
    rows = [stored.copy() for _ in digests]
    for row, values in zip(rows, zip(*own.values(), strict=True), strict=True):
        row.update(zip(own, values, strict=True))
    return rows


def _hashed(stored: Row, own: Mapping[str, Sequence[Any]]) -> list[str]:
    """What is hashed of some rows beside their parts that are JSON: a list of their values, in the order of the row."""
    numbers = ("request_position", "action", "propensity")
    texts = dict(zip(numbers, written_numbers([own[name] for name in numbers]), strict=True))
    texts |= {name: json_of_ids(own[name]) for name in ("decision_id", "account_id", "debtor_id", "provenance_digest")}
    instants = {when: None if when is None else when.isoformat() for when in set(own["contact_at"])}  # few, all UTC
    texts["contact_at"] = written_words([instants[when] for when in own["contact_at"]])
    texts["eligible"] = [f'"{packed.hex()}"' for packed in own["eligible"]]
    names = [*list(stored)[: list(stored).index("purpose")], *(["purpose"] if stored["purpose"] is not None else [])]
    shared = stored | {"decided_at": stored["decided_at"].isoformat()}
    parts: list[str | Sequence[str]] = []
    for place, name in enumerate(names):
        parts += ["," if place else "[", texts[name] if name in texts else json_of(shared[name])]
    return side_by_side([*parts, "]"])


def _is_sound(batch: DecisionBatch) -> bool:
    """Whether every field of every record passes; if not, each is looked at alone and says what is wrong."""
    action, actions = batch.action, batch.provenance[0].actions
    n, n_actions = len(batch.decision_id), len(actions)
    if batch.eligible.shape != (n, n_actions) or any(one.actions is not actions for one in batch.provenance):
        return False
    propensity = np.asarray(batch.propensity, dtype=np.float64)
    return bool(
        all(map(_are_ids, (batch.decision_id, batch.account_id, [one for one in batch.debtor_id if one is not None])))
        and action.min() >= 0
        and action.max() < n_actions
        and batch.eligible[np.arange(n), action].all()
        and ((propensity > 0.0) & (propensity <= 1.0)).all()
        and all(isinstance(one, CheckedMapping | WrittenMapping) for one in batch.context)
        and all(map(_ranks, batch.ranking, action.tolist(), repeat(n_actions)))
        and all(one is None for one in batch.shadow)
    )


def _are_ids(ids: Sequence[Any]) -> bool:
    """Whether ``check_id`` passes each of them at first sight."""
    if set(map(type, ids)) - {str}:
        return False
    text = "\n".join(ids)
    is_plain = not any(sign in text for sign in "@+\x00")
    return is_plain and max(map(len, ids), default=0) <= _LONGEST_ID and all(map(str.strip, ids))


def _ranks(ranking: Sequence[Mapping[str, Any]], action: int, n_actions: int) -> bool:
    if type(ranking) is not WrittenRanking or not ranking.actions or ranking.actions[0] != action:
        return False
    return min(ranking.actions) >= 0 and max(ranking.actions) < n_actions


def _one(batch: DecisionBatch, row: int) -> DecisionRecord:
    """A record of its own, with every check."""
    each = ("decision_id", "account_id", "debtor_id", "propensity", "context", "provenance", "ranking",
            "request_position", "contact_at", "shadow", "eligible")  # fmt: skip
    shared = ("decided_at", "request_key", "seed", "purpose", "fallback", "deterministic")
    fields = {name: getattr(batch, name)[row] for name in each} | {name: getattr(batch, name) for name in shared}
    return DecisionRecord(**fields, action=int(batch.action[row]))
