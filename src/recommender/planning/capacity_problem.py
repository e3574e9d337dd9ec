"""What a plan under limited capacity is asked: values, uses, limits and who belongs to whom. Arrays only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from recommender.errors import InvalidInput

__all__ = ["ArrayValues", "CapacityRows", "FileValues", "PlanProblem", "ValueSource"]

#: Accounts read at a time.
BLOCK = 50_000


class ValueSource(Protocol):
    """Values of every action of every account, read in blocks as often as asked; -inf where an action is denied."""

    @property
    def shape(self) -> tuple[int, int]:
        """Number of accounts and of actions."""

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """First row and float32 values of shape (m, n_actions), in order of the accounts."""


@dataclass(frozen=True)
class ArrayValues:
    """Values held in memory.

    Attributes
    ----------
    values : ndarray of shape (n_accounts, n_actions), dtype float32
        Incremental value minus cost, in money; -inf where the action is denied.
    """

    values: NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, int]:
        """Number of accounts and of actions."""
        return self.values.shape[0], self.values.shape[1]

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Slices of the array."""
        for first in range(0, len(self.values), BLOCK):
            yield first, np.ascontiguousarray(self.values[first : first + BLOCK], dtype=np.float32)


@dataclass(frozen=True)
class FileValues:
    """Values in a file of raw float32, account after account: read with memory that does not grow.

    Attributes
    ----------
    path : Path
    n_actions : int
    """

    path: Path
    n_actions: int

    @property
    def shape(self) -> tuple[int, int]:
        """Number of accounts and of actions."""
        size, row = self.path.stat().st_size, 4 * self.n_actions
        if size % row:
            raise InvalidInput(
                f"{self.path} holds {size:,} bytes, no whole number of rows of {self.n_actions} values.",
                column="values",
                mend="Write the plan again.",
            )
        return size // row, self.n_actions

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Blocks as they lie in the file."""
        first = 0
        with self.path.open("rb") as file:
            while len(block := np.fromfile(file, dtype="<f4", count=BLOCK * self.n_actions)):
                yield first, block.reshape(-1, self.n_actions)
                first += len(block) // self.n_actions


@dataclass(frozen=True)
class CapacityRows:
    """Limits on what a plan uses, each of the form ``sum of use <= limit``.

    A minimum is the same with the sign turned: use ``-1`` a contact, limit ``-minimum``.

    Attributes
    ----------
    names : tuple of str, of length n_rows
    use : ndarray of shape (n_kinds, n_actions, n_rows)
        What one contact uses, by kind of account (a row may hold for some kinds only).
    limit : ndarray of shape (n_rows,)
    """

    names: tuple[str, ...]
    use: NDArray[np.float64]
    limit: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.use.ndim != 3 or self.use.shape[2] != len(self.names) or self.limit.shape != (len(self.names),):
            raise InvalidInput(
                f"use must have shape (n_kinds, n_actions, {len(self.names)}) and limit ({len(self.names)},); "
                f"got {self.use.shape} and {self.limit.shape}.",
                column="use",
                mend="Give one column of use and one limit a name.",
            )
        for name, array in (("use", self.use), ("limit", self.limit)):
            if not np.isfinite(array).all():
                raise InvalidInput(f"{name} holds values that are not finite.", column=name, mend="Leave the row out.")
        mixed = (self.use > 0).any(axis=(0, 1)) & (self.use < 0).any(axis=(0, 1))
        if mixed.any():
            raise InvalidInput.in_column(
                "use",
                "mixes signs within a row",
                values=[self.names[row] for row in np.flatnonzero(mixed)],
                mend="A row is a capacity (use >= 0) or a minimum (use <= 0).",
            )
        if len(set(self.names)) != len(self.names):
            raise InvalidInput("Names of capacities repeat.", column="names", mend="Name each row differently.")

    @property
    def is_minimum(self) -> NDArray[np.bool_]:
        """Rows that ask for use instead of limiting it."""
        return np.asarray((self.use < 0).any(axis=(0, 1)) | (self.limit < 0))

    def joined(self, others: Sequence[CapacityRows]) -> CapacityRows:
        """These rows and others over the same kinds and actions."""
        every = (self, *others)
        return CapacityRows(
            tuple(name for rows in every for name in rows.names),
            np.concatenate([rows.use for rows in every], axis=2),
            np.concatenate([rows.limit for rows in every]),
        )

    def with_limit(self, limit: NDArray[np.float64]) -> CapacityRows:
        """The same rows with other limits."""
        return CapacityRows(self.names, self.use, np.asarray(limit, dtype=np.float64))


@dataclass(frozen=True)
class PlanProblem:
    """Choose at most one action an account, to the greatest total value within the limits.

    Attributes
    ----------
    values : ValueSource of shape (n_accounts, n_actions)
    rows : CapacityRows
    debtor : ndarray of shape (n_accounts,), dtype int64
        Code of the debtor of each account, 0..n_debtors-1.
    kind : ndarray of shape (n_accounts,), dtype int64
        Which table of ``rows.use`` holds for the account.
    slot : ndarray of shape (n_actions,), dtype int64
        Contacts of one debtor lie in different slots (hours), so that nobody is in two queues at once.
    contacts_per_debtor : int
        Most contacts a debtor, over all accounts.
    """

    values: ValueSource
    rows: CapacityRows
    debtor: NDArray[np.int64]
    kind: NDArray[np.int64]
    slot: NDArray[np.int64]
    contacts_per_debtor: int = 1

    def __post_init__(self) -> None:
        n, n_actions = self.values.shape
        if n_actions != self.rows.use.shape[1] or self.slot.shape != (n_actions,):
            raise InvalidInput(
                f"Values are of {n_actions} actions, uses of {self.rows.use.shape[1]}, slots of {len(self.slot)}.",
                column="values",
                mend="Give all three for the same actions.",
            )
        if self.debtor.shape != (n,) or self.kind.shape != (n,):
            raise InvalidInput(
                f"Values are of {n} accounts, debtors of {len(self.debtor)}, kinds of {len(self.kind)}.",
                column="debtor",
                mend="Give all three for the same accounts.",
            )
        if n and (self.debtor.min() < 0 or self.kind.min() < 0 or self.kind.max() >= len(self.rows.use)):
            raise InvalidInput("A debtor or kind code is out of range.", column="kind", mend="Codes count from 0.")
        if self.contacts_per_debtor < 1:
            raise InvalidInput(
                f"contacts_per_debtor must be at least 1; got {self.contacts_per_debtor}.",
                column="contacts_per_debtor",
                mend="Give 1 or more.",
            )

    @property
    def n_accounts(self) -> int:
        """Accounts to plan for."""
        return self.values.shape[0]

    @property
    def n_actions(self) -> int:
        """Actions an account can be contacted with."""
        return self.values.shape[1]

    @cached_property
    def one_account_each(self) -> bool:
        """Every debtor has one account, so no limit a debtor can bind."""
        return bool(np.bincount(self.debtor).max(initial=0) <= 1)

    @cached_property
    def by_debtor(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Accounts ordered by debtor, and where each debtor starts (n_debtors + 1)."""
        order = np.argsort(self.debtor, kind="stable")
        start = np.concatenate([[0], np.cumsum(np.bincount(self.debtor))]).astype(np.int64)
        return order, start

    @cached_property
    def closed(self) -> NDArray[np.bool_]:
        """Actions a single contact of which is more than a capacity holds, shape (n_kinds, n_actions)."""
        return np.asarray((self.rows.use > np.maximum(self.rows.limit, 0.0)).any(axis=2))

    @cached_property
    def column_class(self) -> NDArray[np.int64]:
        """Class of each action; actions of a class use the same of everything in the same slot: only the best counts.

        Leaving out the others of a class is harmless, since any plan improves by the exchange.
        """
        table = np.concatenate([np.moveaxis(self.rows.use, 1, 0).reshape(self.n_actions, -1), self.slot[:, None]], 1)
        return np.unique(table, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)

    def digest(self) -> str:
        """SHA-256 of everything but the values."""
        digest = hashlib.sha256("\0".join(self.rows.names).encode())
        for array in (self.rows.use, self.rows.limit, self.debtor, self.kind, self.slot):
            digest.update(str(array.shape).encode() + np.ascontiguousarray(array).tobytes())
        digest.update(str(self.contacts_per_debtor).encode())
        return digest.hexdigest()


def digest_values(values: ValueSource, seen: Any | None = None) -> str:
    """SHA-256 of the values; ``seen(first, block)`` looks at each block on the way."""
    digest = hashlib.sha256(str(values.shape).encode())
    for first, block in values.blocks():
        digest.update(np.ascontiguousarray(block, dtype="<f4").tobytes())
        if seen is not None:
            seen(first, block)
    return digest.hexdigest()
