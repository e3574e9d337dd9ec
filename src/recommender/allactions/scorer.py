"""Scores of all actions of an account, exactly the booster's, in about the time of one prediction."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .action_columns import action_grid
from .boxes import ActionGrid
from .compilation import compile_ensemble
from .errors import KernelError
from .kernel import ROWS_PER_PASS, score_rows
from .model_text import TreeEnsemble, parse_model, scaled
from .packing import on_cache_lines, pack
from .verification import BoosterLike, require_exact, walk_trees

__all__ = ["ActionScorer"]

_ROWS_PER_COPY = 32 * ROWS_PER_PASS  # converted at a time where X is not float64 in C order: memory stays flat

_FLOAT64 = np.dtype(np.float64)
_CONVERTED = frozenset("biufOUS")  # kinds of numpy that may hold numbers; instants and complex numbers are none


class ActionScorer:
    """All actions of every account from a LightGBM booster whose columns include the action factors.

    Build it with :meth:`from_booster`, :meth:`from_boosters` or :meth:`from_model_string`. It is immutable, safe to
    share between threads and to send to workers.

    Attributes
    ----------
    n_actions : int
    n_context_columns : int
        Width of X: the booster's columns, in order, without the factor columns.
    scale : float
        Largest absolute score that the leaf values allow.
    error_bound : float
        Proven largest absolute difference to ``Booster.predict(raw_score=True)``, about 1e-13 of ``scale``.
    verified_error : float
        Largest difference found when it was checked.
    n_threads : int
        Threads used where a call names none. Results do not depend on it.
    """

    def __init__(self, *, ensemble: TreeEnsemble, grid: ActionGrid, n_threads: int = 1) -> None:
        self.n_threads = n_threads
        self.verified_error = math.nan
        self.n_context_columns = ensemble.n_columns - len(grid.columns)
        compiled = compile_ensemble(ensemble, grid)
        self.scale = compiled.scale
        self.error_bound = compiled.error_bound
        self._tables = pack(compiled, math.ldexp(1.0, -compiled.exponent))
        self.n_actions = grid.n_actions
        self._all_allowed = np.zeros((0, grid.n_actions), dtype=np.bool_)

    # -- build ---------------------------------------------------------------------------------------------------
    @classmethod
    def from_booster(
        cls,
        booster: BoosterLike,
        factors: Mapping[str, Sequence[Any]],
        factor_columns: Mapping[str, int | str],
        factor_values: Mapping[str, Sequence[float]] | None = None,
        idle_values: Mapping[str, float] | None = None,
        n_threads: int = 1,
    ) -> Self:
        """Compile a booster and check the result against it.

        Parameters
        ----------
        booster : lightgbm.Booster
            Binary, regression, Poisson, Tweedie or any other objective with one raw score a row.
        factors : mapping of str to sequence
            Factor -> its levels, numbers or texts. Actions are their product in C order (the last factor varies
            fastest).
        factor_columns : mapping of str to int or str
            Factor -> its column in the booster, by position or name.
        factor_values : mapping of str to sequence of float, optional
            Factor -> what the booster reads for each level, in level order. By default the level itself where all
            levels of the factor are numbers, else the position of the level.
        idle_values : mapping of str to float, optional
            Given (even empty): one more action, the last, in which the booster reads these values of the factors; NaN
            (missing) where none is named.
        n_threads : int, default=1

        Returns
        -------
        ActionScorer

        Raises
        ------
        KernelError
            Linear trees, multiclass, or factors that are no columns of the booster.
        InexactScorer
            When the check fails.
        """
        return cls.from_boosters([(booster, 1.0)], factors, factor_columns, factor_values, idle_values, n_threads)

    @classmethod
    def from_boosters(
        cls,
        boosters: Sequence[tuple[BoosterLike, float]],
        factors: Mapping[str, Sequence[Any]],
        factor_columns: Mapping[str, int | str],
        factor_values: Mapping[str, Sequence[float]] | None = None,
        idle_values: Mapping[str, float] | None = None,
        n_threads: int = 1,
    ) -> Self:
        """Compile the weighted sum of the raw scores of several boosters over the same columns, e.g. bags.

        Parameters
        ----------
        boosters : sequence of (lightgbm.Booster, float)
            Member and weight.
        factors, factor_columns, factor_values, idle_values, n_threads
            As for :meth:`from_booster`.
        """
        for booster, weight in boosters:
            if not hasattr(booster, "model_to_string"):
                raise KernelError(
                    f"{type(booster).__name__} is no lightgbm.Booster.",
                    column="boosters",
                    mend="Pass the booster_ of a fitted scikit-learn model, or use from_model_string for a text.",
                )
            if not math.isfinite(weight):
                raise KernelError(f"A booster has the weight {weight!r}.", column="boosters", mend="Pass numbers.")
        members = [(parse_model(booster.model_to_string()), float(weight)) for booster, weight in boosters]

        def predict(rows: NDArray[np.float64]) -> NDArray[np.float64]:
            total = np.zeros(len(rows))
            for (booster, weight), (member, _) in zip(boosters, members, strict=True):
                if member.trees:
                    total += weight * np.asarray(booster.predict(rows, raw_score=True, num_threads=1))
            return total

        return cls._verified(members, predict, factors, factor_columns, factor_values, idle_values, n_threads)

    @classmethod
    def from_model_string(
        cls,
        text: str,
        factors: Mapping[str, Sequence[Any]],
        factor_columns: Mapping[str, int | str],
        factor_values: Mapping[str, Sequence[float]] | None = None,
        idle_values: Mapping[str, float] | None = None,
        n_threads: int = 1,
    ) -> Self:
        """Compile the text of a model without LightGBM; checked against a plain walk of its trees.

        Parameters
        ----------
        text : str
            What ``Booster.model_to_string()`` wrote.
        factors, factor_columns, factor_values, idle_values, n_threads
            As for :meth:`from_booster`.
        """
        member = parse_model(text)
        return cls._verified(
            [(member, 1.0)],
            lambda rows: walk_trees(member, rows),
            factors,
            factor_columns,
            factor_values,
            idle_values,
            n_threads,
        )

    @classmethod
    def _verified(
        cls,
        members: Sequence[tuple[TreeEnsemble, float]],
        predict: Callable[[NDArray[np.float64]], NDArray[np.float64]],
        factors: Mapping[str, Sequence[Any]],
        factor_columns: Mapping[str, int | str],
        factor_values: Mapping[str, Sequence[float]] | None,
        idle_values: Mapping[str, float] | None,
        n_threads: int,
    ) -> Self:
        if not members:
            raise KernelError("There is no booster to compile.", column="boosters", mend="Pass at least one.")
        widths = [member.n_columns for member, _ in members]
        if len(set(widths)) > 1:
            raise KernelError(
                f"The boosters have different numbers of columns: {widths}.",
                column="boosters",
                mend="Train all members on the same columns.",
            )
        ensemble = TreeEnsemble(
            widths[0],
            members[0][0].column_names,
            tuple(
                tree if weight == 1.0 else scaled(tree, weight) for member, weight in members for tree in member.trees
            ),
            members[0][0].pandas_categories,
        )
        grid = action_grid(factors, ensemble, factor_columns, factor_values or {}, idle_values)
        scorer = cls(ensemble=ensemble, grid=grid, n_threads=n_threads)
        scorer.verified_error = require_exact(ensemble, grid, scorer.raw_scores, predict, scorer.error_bound)
        return scorer

    # -- score ---------------------------------------------------------------------------------------------------
    def raw_scores(self, X: ArrayLike, n_threads: int | None = None) -> NDArray[np.float64]:
        """Raw score of every action of every account.

        Parameters
        ----------
        X : array-like of shape (n, n_context_columns)
            The booster's columns, in order, without the factor columns; NaN is missing.
        n_threads : int, optional

        Returns
        -------
        ndarray of shape (n, n_actions)
        """
        rows = self._checked(X)
        scores = np.empty((len(rows), self.n_actions))
        ids = np.empty((len(rows), 0), dtype=np.int64)
        self._run(rows, self._all_allowed, ids, scores, n_threads)
        return scores

    def scores_of(self, X: ArrayLike, actions: NDArray[np.int64], n_threads: int | None = None) -> NDArray[np.float64]:
        """Raw scores of some actions of every account, to the bit those of :meth:`raw_scores`.

        Parameters
        ----------
        X : array-like of shape (n, n_context_columns)
        actions : ndarray of shape (n, k), dtype int64
        n_threads : int, optional

        Returns
        -------
        ndarray of shape (n, k)

        Raises
        ------
        KernelError
            For another shape, or an action that is none of ``0 .. n_actions - 1``.
        """
        rows = self._checked(X)
        ids = _own(np.asarray(actions, dtype=np.int64))
        if ids.ndim != 2 or len(ids) != len(rows):
            raise KernelError(
                f"actions must have shape ({len(rows)}, k); got {ids.shape}.",
                column="actions",
                mend="Name as many actions for each account.",
            )
        scores = np.empty(ids.shape)
        if ids.size:
            if ids.min() < 0 or ids.max() >= self.n_actions:
                raise KernelError(
                    f"actions must lie in 0 .. {self.n_actions - 1}; got {ids.min()} to {ids.max()}.",
                    column="actions",
                    mend="Leave out the ranks that hold no action.",
                )
            self._run(rows, self._all_allowed, ids, scores, n_threads, given=True)
        return scores

    def top_k(
        self, X: ArrayLike, k: int, mask: NDArray[np.bool_] | None = None, n_threads: int | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Best allowed actions of every account, best first.

        Parameters
        ----------
        X : array-like of shape (n, n_context_columns)
        k : int
        mask : ndarray of shape (n, n_actions) or (n_actions,), dtype bool, optional
            True where the action is allowed.
        n_threads : int, optional

        Returns
        -------
        ids : ndarray of shape (n, k), dtype int64
            Of exactly equal scores the lowest action index comes first; -1 where fewer than ``k`` actions are allowed.
        scores : ndarray of shape (n, k)
            Raw scores; NaN where the id is -1.
        """
        if not _whole(k) or k < 1:
            raise KernelError(
                f"k must be a whole number of at least 1; got {k!r}.", column="k", mend="Ask for one action or more."
            )
        rows = self._checked(X)
        allowed = self._all_allowed if mask is None else self._checked_mask(mask, len(rows))
        ids = np.empty((len(rows), k), dtype=np.int64)
        scores = np.empty((len(rows), k))
        self._run(rows, allowed, ids, scores, n_threads)
        return ids, scores

    def _run(
        self,
        rows: NDArray[Any],
        mask: NDArray[np.bool_],
        ids: NDArray[np.int64],
        scores: NDArray[np.float64],
        n_threads: int | None,
        *,
        given: bool = False,
    ) -> None:
        n = len(rows)
        threads = n_threads or self.n_threads
        if threads <= 1 or n <= ROWS_PER_PASS:
            self._run_part(rows, mask, ids, scores, given)
            return
        threads = min(threads, -(-n // ROWS_PER_PASS))
        edges = np.linspace(0, n, threads + 1).astype(np.int64).tolist()
        with ThreadPoolExecutor(threads) as pool:
            parts = [
                pool.submit(
                    self._run_part,
                    rows[start:stop],
                    mask[start:stop] if len(mask) > 1 else mask,
                    ids[start:stop],
                    scores[start:stop],
                    given,
                )
                for start, stop in pairwise(edges)
            ]
            for part in parts:
                part.result()

    def _run_part(
        self,
        rows: NDArray[Any],
        mask: NDArray[np.bool_],
        ids: NDArray[np.int64],
        scores: NDArray[np.float64],
        given: bool,
    ) -> None:
        flags = rows.flags
        if rows.dtype == _FLOAT64 and flags.carray:
            score_rows(rows, self._tables, mask, ids, scores, given)
            return
        if rows.dtype.kind not in _CONVERTED:
            raise KernelError(
                f"X holds {rows.dtype}, which are no numbers.", column="X", mend="Encode dates and the like as numbers."
            )
        for start in range(0, len(rows), _ROWS_PER_COPY):
            part = slice(start, start + _ROWS_PER_COPY)
            try:
                X = np.array(rows[part], dtype=np.float64, order="C")
            except (TypeError, ValueError) as error:
                raise KernelError(
                    f"X holds a value that is no number: {error}.", column="X", mend="Encode categories as numbers."
                ) from error
            part_mask = mask[part] if len(mask) > 1 else mask
            score_rows(X, self._tables, part_mask, ids[part], scores[part], given)

    def _checked(self, X: ArrayLike) -> NDArray[Any]:
        rows = np.asarray(X)
        if rows.ndim != 2 or rows.shape[1] != self.n_context_columns:
            raise KernelError(
                f"X must have shape (n, {self.n_context_columns}); got {rows.shape}.",
                column="X",
                mend="Give the booster's columns in order, without the factor columns.",
            )
        return rows

    def _checked_mask(self, mask: NDArray[np.bool_], n: int) -> NDArray[np.bool_]:
        allowed = _own(np.asarray(mask))
        if allowed.ndim == 1:
            allowed = allowed[None, :]
        if allowed.dtype != np.bool_ or allowed.shape[1:] != (self.n_actions,) or len(allowed) not in {1, n}:
            raise KernelError(
                f"mask must be boolean of shape ({n}, {self.n_actions}) or ({self.n_actions},); "
                f"got {allowed.dtype} of shape {np.shape(mask)}.",
                column="mask",
                mend="True means allowed.",
            )
        return allowed

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over what a worker received; its buffers may be read-only, for which the kernel would compile anew."""
        self.__dict__ |= state
        self._all_allowed = _own(self._all_allowed)
        self._tables = on_cache_lines(self._tables)

    def __repr__(self) -> str:
        """Show what is scored and how exactly."""
        return (
            f"ActionScorer({self.n_actions} actions, {self.n_context_columns} context columns, "
            f"error_bound={self.error_bound:.2g})"
        )


def _whole(value: object) -> bool:
    return isinstance(value, int | np.integer)


def _own(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array or a copy: read-only or unaligned is another type to numba, worth another compilation."""
    return array if array.flags.carray else array.copy()
