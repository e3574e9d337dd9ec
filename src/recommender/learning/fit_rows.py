"""What one part of a reward model (event or amount) is learnt from, and the columns made of it for every member."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.learning.encoding import ContextEncoder
from recommender.learning.regression import (
    CountPair,
    Drift,
    Family,
    LatentProfiles,
    LinearDesign,
    find_drift,
    logger_directions,
)
from recommender.learning.told_clocks import told_clocks
from recommender.learning.trees import DerivedColumns

__all__ = ["FitRows", "LearningTask", "RowTimes", "prepare_rows"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LearningTask:
    """Logged decisions and the target of one part.

    Attributes
    ----------
    encoder : ContextEncoder
    X : ndarray of shape (n, n_columns)
        Encoded context.
    pairs : sequence of CountPair
    profiles : LatentProfiles
    actions : ActionSpace
    action : ndarray of int64 of shape (n,)
    target : ndarray of shape (n,)
        0 or 1 for the binomial family.
    groups : ndarray of int64 of shape (n,)
        Rows of one group never sit on both sides of a fold.
    family : {"binomial", "gaussian"}
    order : ndarray of shape (n,), optional
        Time order.
    inverse_propensity : ndarray of shape (n,), optional
    loadings : mapping of column to ndarray of shape (n_actions,)
        What one unit of an encoded column means for each action.
    known_order : ndarray of shape (n_actions,), optional
        What each action means to everybody, learnt with the loadings.
    """

    encoder: ContextEncoder
    X: Floats
    pairs: Sequence[CountPair]
    profiles: LatentProfiles
    actions: ActionSpace
    action: NDArray[np.int64]
    target: Floats
    groups: NDArray[np.int64]
    family: Family
    order: Floats | None = None
    inverse_propensity: Floats | None = None
    loadings: Mapping[int, Floats] = field(default_factory=dict)
    known_order: Floats | None = None

    def __len__(self) -> int:
        """Count the decisions."""
        return len(self.action)

    def take(self, rows: NDArray[np.int64]) -> LearningTask:
        """Return the given rows as a task of their own."""
        return replace(
            self,
            X=self.X[rows],
            action=self.action[rows],
            target=self.target[rows],
            groups=self.groups[rows],
            order=None if self.order is None else self.order[rows],
            inverse_propensity=None if self.inverse_propensity is None else self.inverse_propensity[rows],
        )


@dataclass(frozen=True, eq=False)
class RowTimes:
    """Where rows stand in time, where the world was found to have moved.

    Attributes
    ----------
    drift : Drift
    place : ndarray of shape (n,)
        Of each row in time, from 0 to 1.
    columns : mapping of str to (LinearDesign, ndarray of float32 of shape (n, >= n_terms))
        Of each design, rows at their own time; the terms of now come first.
    """

    drift: Drift
    place: Floats
    columns: Mapping[str, tuple[LinearDesign, NDArray[np.float32]]]

    @property
    def recent(self) -> NDArray[np.bool_]:
        """Rows of which trees are told that they are recent, shape (n,)."""
        return self.drift.recent(self.place)


@dataclass(frozen=True, eq=False)
class FitRows:
    """What every member is fitted on.

    Attributes
    ----------
    task : LearningTask
    X : ndarray of shape (n, n_columns) or (n, n_columns + 1)
        Columns of the trees: encoded context, and whether a row is recent where the world moved.
    designs : mapping of str to LinearDesign
    U : mapping of str to ndarray of shape (n, n_terms)
        Columns of each design.
    directions : tuple of ndarray
        What the logging policy preferred, see :func:`logger_directions`.
    random_state : int
    moved : RowTimes or None
        None where the world stands still.
    habits : mapping of design to ndarray of shape (<= n_terms, n_actions)
        Weights known beforehand: what the account's own habits mean; empty where nothing is known of them.
    clocks : DerivedColumns
        Times from a column to the hour that the log tells of.
    """

    task: LearningTask
    X: Floats
    designs: Mapping[str, LinearDesign]
    U: Mapping[str, Floats]
    directions: tuple[Floats, ...]
    random_state: int
    moved: RowTimes | None = None
    habits: Mapping[str, Floats] = field(default_factory=dict)
    clocks: DerivedColumns = field(default_factory=DerivedColumns)

    def timed(self, design: str) -> tuple[LinearDesign, NDArray[np.floating]]:
        """Columns of rows at their own time; those of the design where the world stands still."""
        return (self.designs[design], self.U[design]) if self.moved is None else self.moved.columns[design]


def prepare_rows(task: LearningTask, random_state: int) -> tuple[FitRows, dict[str, tuple[float, float]]]:
    """Columns for every member.

    Returns
    -------
    (FitRows, mapping of way to move to gain in log-loss and its standard error)
        The second tells what each way to move says of rows never seen beyond a world that stands still.
    """
    linear = LinearDesign.fit(
        task.encoder, task.X, task.pairs, task.actions, task.profiles, straight=frozenset(task.loadings)
    )
    U = linear.transform(task.X)
    clocks = _clocks(task, U)
    curved = linear.curved(
        task.X, U, straight=frozenset(task.loadings), dials={c.column: c.period for c in clocks.clocks}
    )
    designs = {"linear": linear, "curved": curved, "constant": LinearDesign(linear.terms[:1])}
    columns = {"linear": U, "curved": curved.transform(task.X), "constant": U[:, :1]}
    if task.profiles.profiles:
        designs["profiles"], columns["profiles"] = linear.by_profile(), U
    moved, gains = _moved(task, designs, columns, random_state)
    X = task.X if moved is None else np.column_stack([task.X, moved.recent])
    directions = logger_directions(U, task.actions, task.action, random_state=random_state)
    habits = _habits(linear, task, designs)
    return FitRows(task, X, designs, columns, directions, random_state, moved, habits, clocks), gains


def _clocks(task: LearningTask, U: Floats) -> DerivedColumns:
    if task.family != "binomial":
        return DerivedColumns()
    of_columns = task.encoder.categorical_positions
    return told_clocks(U, task.X, of_columns, task.actions, task.action, task.target, task.groups)


def _habits(linear: LinearDesign, task: LearningTask, designs: Mapping[str, LinearDesign]) -> dict[str, Floats]:
    """Known loadings of encoded columns as weights of each design's terms."""
    at = [j for j, term in enumerate(linear.terms) if term.kind == "number" and term.source in task.loadings]
    if not at:
        return {}
    known = np.zeros((len(linear.terms), len(task.actions)))
    if task.known_order is not None:
        known[0] = task.known_order
    for j in at:
        loadings = task.loadings[linear.terms[j].source]
        known[j] = linear.terms[j].scale * loadings
        known[0] += linear.terms[j].centre * loadings
    return dict.fromkeys((name for name in designs if name != "constant"), known)


def _moved(
    task: LearningTask, designs: Mapping[str, LinearDesign], U: Mapping[str, Floats], random_state: int
) -> tuple[RowTimes | None, dict[str, tuple[float, float]]]:
    if task.order is None or task.family != "binomial":
        return None, {}
    place = np.argsort(np.argsort(task.order, kind="stable"), kind="stable") / len(task)
    drift, gains = find_drift(
        designs["linear"],
        U["linear"],
        task.actions,
        task.action,
        task.target,
        task.groups,
        place,
        random_state=random_state,
    )
    if drift is None:
        return None, gains
    return RowTimes(drift, place, {name: drift.columns(designs[name], U[name], place) for name in designs}), gains
