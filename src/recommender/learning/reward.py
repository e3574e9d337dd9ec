"""The reward model: expected reward of every action for every account, calibrated and absolute."""

from __future__ import annotations

import io
import json
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from recommender.actions import ActionSpace
from recommender.errors import ArtefactError
from recommender.learning.encoding import ContextEncoder
from recommender.learning.ensemble import RewardEnsemble
from recommender.learning.evidence import EvidenceTable
from recommender.learning.training_set import TrainingSet

__all__ = ["RewardModel"]

_FORMAT = 1
_CHUNK = 8_192
_PARTS = ("event", "amount")


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
        self._parts: dict[str, RewardEnsemble] = {}
        self._smear = 1.0
        X = self._encoder.transform(training.context)
        inverse = None if training.propensity is None else 1.0 / training.propensity
        with threadpool_limits(limits=1, user_api="blas"):
            event = (training.reward != 0).astype(np.float64)
            self._parts["event"] = self._ensemble(X, training, event, None, inverse, "binomial", n_jobs, random_state)
            if training.reward_kind == "amount" and event.any():
                self._fit_amount(X, training, event, n_jobs, random_state)
            design, linear = self._parts["event"].designs["linear"], self._parts["event"].glms["linear"][1]
            self._evidence = EvidenceTable.fit(
                design.transform(X),
                linear.weights,
                training.action,
                self._parts["event"].share,
                random_state=random_state,
            )
        return self

    def _fit_amount(
        self, X: NDArray[np.float64], training: TrainingSet, event: NDArray[np.float64], n_jobs: int, random_state: int
    ) -> None:
        rows = np.flatnonzero(event)
        amount = training.reward[rows]
        self._smear = float(amount.mean())
        if len(rows) < 50 or (amount <= 0).any():
            return
        logged = np.log(amount)
        model = self._ensemble(X[rows], training, logged, rows, None, "gaussian", n_jobs, random_state)
        self._parts["amount"] = model
        mean = model.scores(X[rows])[np.arange(len(rows)), training.action[rows]]
        # Duan's smearing: the mean of the exponential residuals, the largest residuals cut
        ratio = np.exp(np.clip(logged - mean, None, float(np.quantile(logged - mean, 0.995))))
        self._smear = float(ratio.mean())

    def _ensemble(
        self,
        X: NDArray[np.float64],
        training: TrainingSet,
        target: NDArray[np.float64],
        rows: NDArray[np.int64] | None,
        inverse: NDArray[np.float64] | None,
        family: Any,
        n_jobs: int,
        random_state: int,
    ) -> RewardEnsemble:
        part = slice(None) if rows is None else rows
        return RewardEnsemble().fit(
            self._encoder,
            X,
            training.history_columns,
            training.actions,
            training.action[part],
            target,
            training.groups[part],
            family=family,
            inverse_propensity=inverse,
            n_jobs=n_jobs,
            random_state=random_state,
            order=None if training.order is None else training.order[part],
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
        expected = np.empty((len(context), len(self.actions_)))
        X = self._encoder.transform(context)
        with threadpool_limits(limits=1, user_api="blas"):
            for start in range(0, len(X), _CHUNK):
                rows = slice(start, start + _CHUNK)
                expected[rows] = expit(self._parts["event"].scores(X[rows], n_jobs=self._n_jobs)) * self._smear
                if "amount" in self._parts:
                    expected[rows] *= np.exp(self._parts["amount"].scores(X[rows], n_jobs=self._n_jobs))
        return expected

    def expected_reward_interval(
        self, context: pd.DataFrame, actions_index: NDArray[np.int64], *, deviations: float = 1.96
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Interval of the expected reward of the given actions (of the mean, not of single outcomes).

        Parameters
        ----------
        context : DataFrame of shape (n, >= n_columns)
        actions_index : ndarray of int of shape (n, k)
        deviations : float, default=1.96
            Posterior standard deviations on each side.

        Returns
        -------
        (lo, hi) : ndarrays of shape (n, k)
        """
        low, high = (np.empty(actions_index.shape) for _ in range(2))
        X = self._encoder.transform(context)
        with threadpool_limits(limits=1, user_api="blas"):
            for start in range(0, len(X), _CHUNK):
                rows = slice(start, start + _CHUNK)
                ends = []
                for sign in (-1.0, 1.0):
                    event = self._parts["event"]
                    shifted = event.scores(X[rows], n_jobs=self._n_jobs)
                    shifted += sign * deviations * event.spread(X[rows], n_jobs=self._n_jobs)
                    end = expit(shifted) * self._smear
                    if "amount" in self._parts:
                        amount = self._parts["amount"]
                        end *= np.exp(
                            amount.scores(X[rows], n_jobs=self._n_jobs)
                            + sign * deviations * amount.spread(X[rows], n_jobs=self._n_jobs)
                        )
                    ends.append(np.take_along_axis(end, actions_index[rows], axis=1))
                low[rows], high[rows] = ends
        return low, high

    def sample_expected_reward(self, context: pd.DataFrame, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw the expected rewards once from their approximate posterior, for Thompson sampling.

        Returns
        -------
        ndarray of float64 of shape (n, n_actions)
        """
        X = self._encoder.transform(context)
        with threadpool_limits(limits=1, user_api="blas"):
            drawn = expit(self._parts["event"].draw(X, rng, n_jobs=self._n_jobs)) * self._smear
            if "amount" in self._parts:
                drawn *= np.exp(self._parts["amount"].draw(X, rng, n_jobs=self._n_jobs))
        return np.asarray(drawn, dtype=np.float64)

    def evidence(self, context: pd.DataFrame) -> NDArray[np.float64]:
        """How often the log tried each action on accounts like these.

        Returns
        -------
        ndarray of float64 of shape (n, n_actions)
            Counts in the segment of each account.
        """
        U = self._parts["event"].designs["linear"].transform(self._encoder.transform(context))
        return self._evidence.tries(U)

    @property
    def report_(self) -> dict[str, Any]:
        """Members, weights and what decided between them, by part."""
        return {name: part.report.to_dict() for name, part in self._parts.items()}

    # -- keep ----------------------------------------------------------------------------------------------------
    def to_files(self) -> dict[str, bytes]:
        """Everything learnt, as files that execute no code when read: JSON, npz without pickle, LightGBM text."""
        described: dict[str, Any] = {
            "format": _FORMAT,
            "actions": self.actions_.to_dict(),
            "columns": self._encoder.to_dict(),
            "smear": self._smear,
            "n_jobs": self._n_jobs,
            "parts": {},
        }
        files: dict[str, bytes] = {}
        for name, part in self._parts.items():
            described["parts"][name], arrays, texts = part.to_parts()
            described["parts"][name]["tree_files"] = {}
            for member, boosters in texts.items():
                paths = [f"{name}.{member}.{i}.txt" for i in range(len(boosters))]
                described["parts"][name]["tree_files"][member] = paths
                files |= {path: text.encode() for path, text in zip(paths, boosters, strict=True)}
            buffer = io.BytesIO()
            np.savez(buffer, **arrays)  # type: ignore[arg-type]
            files[f"{name}.npz"] = buffer.getvalue()
        buffer = io.BytesIO()
        np.savez(
            buffer,
            importance=self._evidence.importance,
            centres=self._evidence.centres,
            counts=self._evidence.counts,
        )
        files["evidence.npz"] = buffer.getvalue()
        files["reward_model.json"] = json.dumps(described, indent=1).encode()
        return files

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
        model._smear = described["smear"]
        model._n_jobs = described["n_jobs"]
        model._parts = {}
        for name, part in described["parts"].items():
            needed = [f"{name}.npz", *(path for paths in part["tree_files"].values() for path in paths)]
            if missing := [path for path in needed if path not in files]:
                raise ArtefactError(f"The reward model is incomplete: {missing} missing.")
            with np.load(io.BytesIO(files[f"{name}.npz"]), allow_pickle=False) as stored:
                arrays = {key: stored[key] for key in stored.files}
            texts = {member: [files[path].decode() for path in paths] for member, paths in part["tree_files"].items()}
            model._parts[name] = RewardEnsemble.from_parts(part, arrays, texts, model.actions_)
        with np.load(io.BytesIO(files["evidence.npz"]), allow_pickle=False) as stored:
            model._evidence = EvidenceTable(stored["importance"], stored["centres"], stored["counts"])
        return model
