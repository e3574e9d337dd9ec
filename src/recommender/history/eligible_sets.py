"""Eligible sets of many decisions in little memory: each distinct set once, in bits, and its number a decision."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recommender.errors import InvalidInput

__all__ = ["EligibleSets"]

_CHUNK = 65_536


@dataclass(frozen=True, eq=False)
class EligibleSets:
    """Which actions were allowed at each decision.

    Five million decisions over 261 actions are 1.3 GB as booleans; policies allow a few hundred distinct sets, which
    take 20 MB this way, and 185 MB where every decision has a set of its own.

    Attributes
    ----------
    packed : ndarray of uint8 of shape (n_sets, ceil(n_actions / 8))
        The distinct sets, one bit an action.
    code : ndarray of int32 of shape (n_decisions,)
        Row of ``packed`` that each decision has.
    n_actions : int
    """

    packed: NDArray[np.uint8]
    code: NDArray[np.int32]
    n_actions: int

    @classmethod
    def of_sets(cls, sets: NDArray[np.bool_], code: NDArray[Any]) -> EligibleSets:
        """From sets of shape (n_sets, n_actions), where one may stand twice, and the number of each decision's set."""
        packed, number = _distinct(np.packbits(sets, axis=1))
        return cls(packed, number[code].astype(np.int32), sets.shape[1])

    @classmethod
    def of_array(cls, allowed: NDArray[np.bool_]) -> EligibleSets:
        """From booleans of shape (n_decisions, n_actions)."""
        return cls.of_blocks([allowed], allowed.shape[1])

    @classmethod
    def of_blocks(cls, blocks: Iterable[NDArray[np.bool_]], n_actions: int) -> EligibleSets:
        """From booleans that come a few rows at a time."""
        width = -(-n_actions // 8)
        packed: list[NDArray[np.uint8]] = [
            np.packbits(block[first : first + _CHUNK], axis=1)
            for block in blocks
            for first in range(0, len(block), _CHUNK)
        ]
        rows = np.concatenate(packed) if packed else np.zeros((0, width), dtype=np.uint8)
        return cls(*_distinct(rows), n_actions)

    @classmethod
    def of_texts(cls, parts: Iterable[tuple[Sequence[str | None], NDArray[Any]]], n_actions: int) -> EligibleSets:
        """From texts of 0 and 1, one an action, in parts of (distinct texts, text of each decision).

        Raises
        ------
        InvalidInput
            For a text that is not one 0 or 1 an action.
        """
        number: dict[str, int] = {}
        codes: list[NDArray[np.int32]] = []
        for texts, code in parts:
            at = np.empty(len(texts), dtype=np.int32)
            for number_of_row, text in enumerate(texts):
                if text is None or len(text) != n_actions or text.strip("01"):
                    raise InvalidInput.in_column(
                        "eligible",
                        f"must hold one 0 or 1 for each of the {n_actions} actions",
                        values=[text],
                        mend="Write the log again with `python -m pipelines ingest`.",
                    )
                at[number_of_row] = number.setdefault(text, len(number))
            codes.append(at[code])
        width = -(-n_actions // 8)
        packed = np.empty((len(number), width), dtype=np.uint8)
        for text, row in number.items():
            packed[row] = np.packbits(np.frombuffer(text.encode("ascii"), dtype=np.uint8) == ord("1"))
        return cls(packed, np.concatenate(codes) if codes else np.zeros(0, dtype=np.int32), n_actions)

    def __len__(self) -> int:
        """Count the decisions."""
        return len(self.code)

    def take(self, at: NDArray[Any] | slice) -> EligibleSets:
        """Sets of some decisions."""
        return EligibleSets(self.packed, self.code[at], self.n_actions)

    def sets(self) -> NDArray[np.bool_]:
        """Distinct sets as booleans of shape (n_sets, n_actions)."""
        return np.unpackbits(self.packed, axis=1, count=self.n_actions).astype(bool)

    def texts(self) -> tuple[list[str], NDArray[np.int64]]:
        """Distinct texts of 0 and 1 that are in use, and the text of each decision."""
        used, code = np.unique(self.code, return_inverse=True)
        bits = np.unpackbits(self.packed[used], axis=1, count=self.n_actions) + np.uint8(ord("0"))
        return [row.tobytes().decode("ascii") for row in bits], code.astype(np.int64)

    def array(self) -> NDArray[np.bool_]:
        """Booleans of shape (n_decisions, n_actions): take the decisions you need first."""
        answer = np.empty((len(self), self.n_actions), dtype=bool)
        start = 0
        for block in self.blocks():
            answer[start : start + len(block)] = block
            start += len(block)
        return answer

    def blocks(self) -> Iterator[NDArray[np.bool_]]:
        """The same, some tens of thousands of decisions at a time."""
        for first in range(0, len(self), _CHUNK):
            rows = self.packed[self.code[first : first + _CHUNK]]
            yield np.unpackbits(rows, axis=1, count=self.n_actions).view(bool)

    def allows(self, action: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each decision's set holds the given action."""
        byte = self.packed[self.code, action // 8]
        return np.asarray((byte >> (7 - action % 8).astype(np.uint8)) & 1, dtype=bool)

    def sizes(self) -> NDArray[np.int64]:
        """Number of allowed actions of each decision."""
        return np.asarray(self.sets().sum(axis=1)[self.code], dtype=np.int64)

    def ever(self) -> NDArray[np.bool_]:
        """Which actions were allowed in some decision, of shape (n_actions,)."""
        return np.asarray(self.sets()[np.unique(self.code)].any(axis=0))


def _distinct(rows: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Distinct rows in the order in which they come, and the number of each row."""
    width = rows.shape[1]
    keys = pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), len(rows), [None, pa.py_buffer(rows)])
    encoded = keys.dictionary_encode()
    packed = np.frombuffer(b"".join(encoded.dictionary.to_pylist()), dtype=np.uint8).reshape(-1, width)
    return packed, encoded.indices.to_numpy(zero_copy_only=False).astype(np.int32)
