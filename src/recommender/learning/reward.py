"""The reward model: expected reward of every action for every account, calibrated and absolute."""

from __future__ import annotations

import json
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from recommender.actions import ActionSpace
from recommender.errors import ArtefactError
from recommender.learning.encoding import ContextEncoder
from recommender.learning.training_set import TrainingSet
from recommender.learning.trees import ActionTrees, TreeSettings

__all__ = ["RewardModel"]

_FORMAT = 1


class RewardModel:
    """Expected reward of every action from a log of past ones.

    Attributes
    ----------
    actions_ : ActionSpace
    columns_ : tuple of str
        Context columns it needs.
    """

    actions_: ActionSpace
    columns_: tuple[str, ...]

    def fit(self, training: TrainingSet, *, n_jobs: int = 1, random_state: int = 0) -> Self:
        """Learn from logged decisions.

        Parameters
        ----------
        training : TrainingSet
        n_jobs : int
            Threads; the result does not depend on it.
        random_state : int

        Returns
        -------
        RewardModel
            Itself.
        """
        self.actions_ = training.actions
        self._encoder = ContextEncoder.fit(training.context, training.categorical)
        self.columns_ = self._encoder.names
        self._n_jobs = n_jobs
        X = self._encoder.transform(training.context)
        paid = (training.reward != 0).astype(np.float64)
        held_out = _held_out_groups(training.groups, random_state)
        self._event = self._boost(X, training, paid, "binary", held_out, n_jobs, random_state)
        raw = self._event.logged_scores(X[held_out], training.action[held_out], n_jobs=n_jobs)
        self._shift = _intercept(raw, paid[held_out])
        self._event = self._refit(X, training, paid, self._event, "binary", n_jobs, random_state)
        self._amount: ActionTrees | None = None
        self._mean_amount = 1.0
        if training.reward_kind == "amount":
            rows = np.flatnonzero(paid)
            self._mean_amount = float(training.reward[rows].mean()) if rows.size else 0.0
        return self

    def _boost(
        self,
        X: NDArray[np.float64],
        training: TrainingSet,
        target: NDArray[np.float64],
        objective: str,
        held_out: NDArray[np.bool_],
        n_jobs: int,
        random_state: int,
    ) -> ActionTrees:
        settings = self._settings(objective, target)
        return ActionTrees.fit(
            X,
            self._encoder.categorical_positions,
            training.actions,
            training.action,
            target,
            settings=settings,
            held_out=held_out,
            n_jobs=n_jobs,
            random_state=random_state,
        )

    def _refit(
        self,
        X: NDArray[np.float64],
        training: TrainingSet,
        target: NDArray[np.float64],
        stopped: ActionTrees,
        objective: str,
        n_jobs: int,
        random_state: int,
    ) -> ActionTrees:
        return ActionTrees.fit(
            X,
            self._encoder.categorical_positions,
            training.actions,
            training.action,
            target,
            settings=self._settings(objective, target),
            rounds=max(1, round(stopped.rounds * 1.1)),
            n_jobs=n_jobs,
            random_state=random_state,
        )

    @staticmethod
    def _settings(objective: str, target: NDArray[np.float64]) -> TreeSettings:
        positives = min(float(target.sum()), float(len(target) - target.sum()))
        rare = positives < 0.15 * len(target)
        return TreeSettings(
            objective=objective,
            n_leaves=15,
            l2=20.0 if rare else 2.0,
            min_leaf=int(np.clip(len(target) / 2_000, 5, 50)),
        )

    def expected_reward(self, context: pd.DataFrame) -> NDArray[np.float64]:
        """Expected reward of every action.

        Parameters
        ----------
        context : DataFrame of shape (n, >= n_columns)

        Returns
        -------
        ndarray of float64 of shape (n, n_actions)
            A probability for binary rewards, an amount otherwise.
        """
        X = self._encoder.transform(context)
        return np.asarray(
            expit(self._event.raw_scores(X, n_jobs=self._n_jobs) + self._shift) * self._mean_amount, dtype=np.float64
        )

    def to_files(self) -> dict[str, bytes]:
        """Everything learnt, as files that execute no code when read."""
        described: dict[str, Any] = {
            "format": _FORMAT,
            "actions": self.actions_.to_dict(),
            "columns": self._encoder.to_dict(),
            "shift": self._shift,
            "mean_amount": self._mean_amount,
            "n_jobs": self._n_jobs,
        }
        return {
            "reward_model.json": json.dumps(described, indent=1).encode(),
            "event_trees.txt": self._event.to_text().encode(),
        }

    @classmethod
    def from_files(cls, files: dict[str, bytes]) -> RewardModel:
        """Rebuild the model of :meth:`to_files`; predictions are equal to the bit."""
        if "reward_model.json" not in files:
            raise ArtefactError(f"The reward model needs 'reward_model.json'; got {sorted(files)}.")
        described = json.loads(files["reward_model.json"])
        if described.get("format") != _FORMAT:
            raise ArtefactError(
                f"Unknown reward model format {described.get('format')!r}; this version reads {_FORMAT}."
            )
        model = cls()
        model.actions_ = ActionSpace.from_dict(described["actions"])
        model._encoder = ContextEncoder.from_dict(described["columns"])
        model.columns_ = model._encoder.names
        model._shift = described["shift"]
        model._mean_amount = described["mean_amount"]
        model._n_jobs = described["n_jobs"]
        model._amount = None
        model._event = ActionTrees.from_text(files["event_trees.txt"].decode(), model.actions_)
        return model


def _held_out_groups(groups: NDArray[np.int64], random_state: int, share: float = 0.2) -> NDArray[np.bool_]:
    """Rows of a random share of the groups."""
    codes, inverse = np.unique(groups, return_inverse=True)
    chosen = np.random.default_rng(random_state).permutation(len(codes)) < max(1, round(share * len(codes)))
    if len(codes) < 2:
        return np.random.default_rng(random_state).random(len(groups)) < share
    return np.asarray(chosen[inverse], dtype=bool)


def _intercept(raw: NDArray[np.float64], target: NDArray[np.float64]) -> float:
    """Shift of the logits that makes the mean prediction the observed rate (shrunken by one pseudo-case)."""
    shift = 0.0
    for _ in range(30):
        p = expit(raw + shift)
        gradient = float((target - p).sum())
        curvature = float((p * (1 - p)).sum()) + 1.0
        step = float(np.clip((gradient - shift) / (curvature + 1.0), -1, 1))
        shift += step
        if abs(step) < 1e-9:
            break
    return shift
