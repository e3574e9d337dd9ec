"""The reward model: expected reward of every action for every account, calibrated and absolute."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from recommender.actions import ActionSpace
from recommender.errors import ArtefactError
from recommender.learning.amount_scale import TAIL, AmountScale, usual_reward
from recommender.learning.compiled import CompiledReward
from recommender.learning.count_pairs import count_pairs
from recommender.learning.encoding import ContextEncoder
from recommender.learning.ensemble import RewardEnsemble
from recommender.learning.evidence import EvidenceTable
from recommender.learning.latent_profiles import LatentProfiles
from recommender.learning.training_set import TrainingSet
from recommender.learning.trees import TreeSettings
from recommender.learning.whole_log import WholeLog, WholeRows

__all__ = ["RewardModel"]

_FORMAT = 3
_CHUNK = 8_192
_DENSE = 0.8  # share of rewards off the usual value from which there is no usual value
_FEWEST_AMOUNTS = 50


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

    def fit(
        self,
        training: TrainingSet,
        *,
        n_jobs: int = 1,
        random_state: int = 0,
        tree_settings: TreeSettings | None = None,
        whole: WholeLog | None = None,
    ) -> Self:
        """Learn from logged decisions.

        Parameters
        ----------
        training : TrainingSet
        n_jobs : int
            Threads; the result does not depend on it.
        random_state : int
        tree_settings : TreeSettings, optional
            Settings of the boosted member of the event model, e.g. from tuning; the defaults adapt to the log.
        whole : WholeLog, optional
            The log that ``training`` is a sample of: boosted members that carry weight are grown on it in the end.

        Returns
        -------
        RewardModel
            Itself.
        """
        self.__dict__.pop("compiled", None)
        self._tree_settings = tree_settings
        self.actions_ = training.actions
        self._encoder = ContextEncoder.fit(training.context, training.categorical)
        self.columns_ = self._encoder.names
        self._n_jobs = n_jobs
        self._parts: dict[str, RewardEnsemble] = {}
        self._smear = 1.0
        self._usual = np.zeros(len(self.actions_))
        self._log_amount = False
        X = self._encoder.transform(training.context)
        self._pairs = count_pairs(self._encoder, X, training.history_columns, training.actions)
        with threadpool_limits(limits=1, user_api="blas"):
            self._profiles = LatentProfiles.fit(
                self._encoder, X, training.groups, self._pairs, random_state=random_state, n_jobs=n_jobs
            )
            if training.reward_kind == "amount":
                self._usual = usual_reward(training)
            event = training.reward != self._usual[training.action]
            if training.reward_kind == "amount" and event.mean() > _DENSE:
                self._usual[:] = 0.0  # no value is usual: every reward is an amount
                event[:] = True
            else:
                inverse = None if training.propensity is None else 1.0 / training.propensity
                self._parts["event"] = self._ensemble(
                    X,
                    training,
                    event.astype(np.float64),
                    None,
                    inverse,
                    "binomial",
                    n_jobs,
                    random_state,
                    None if whole is None else whole.events(self._encoder, self._usual),
                )
            if training.reward_kind == "amount" and event.any():
                self._fit_amount(X, training, np.flatnonzero(event), n_jobs, random_state, whole)
            first = next(iter(self._parts.values()))
            self._evidence = EvidenceTable.fit(
                first.designs["linear"].transform(X),
                first.glms["linear"][1].weights,
                training.action,
                first.share,
                random_state=random_state,
            )
        return self

    def _fit_amount(
        self,
        X: NDArray[np.float64],
        training: TrainingSet,
        rows: NDArray[np.int64],
        n_jobs: int,
        random_state: int,
        whole: WholeLog | None,
    ) -> None:
        """What an event is worth."""
        amount = training.reward[rows] - self._usual[training.action[rows]]
        self._smear = float(amount.mean())
        if len(rows) < _FEWEST_AMOUNTS and self._parts:
            return
        scale = AmountScale.of(amount)
        target, self._log_amount = scale.target(amount), scale.log
        every = not self._parts
        longer = None if whole is None else whole.amounts(self._encoder, self._usual, scale.target, every=every)
        model = self._ensemble(X[rows], training, target, rows, None, "gaussian", n_jobs, random_state, longer)
        self._parts["amount"] = model
        self._smear = scale.unit
        if self._log_amount:
            mean = model.scores(X[rows])[np.arange(len(rows)), training.action[rows]]
            # Duan's smearing: the mean of the exponential residuals, the largest residuals cut
            residual = target - mean
            self._smear = float(np.exp(np.clip(residual, None, float(np.quantile(residual, 1 - TAIL)))).mean())

    def _combine(self, event: NDArray[np.float64] | None, amount: NDArray[np.float64] | None) -> NDArray[np.float64]:
        """Expected reward from the linear predictors of the parts."""
        expected: NDArray[np.float64] = np.full(
            (amount if event is None else event).shape,  # type: ignore[union-attr]
            self._smear,
        )
        if event is not None:
            expected *= expit(event)
        if amount is not None:
            expected *= np.exp(amount) if self._log_amount else amount
        return expected + self._usual

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
        whole: WholeRows | None,
    ) -> RewardEnsemble:
        part = slice(None) if rows is None else rows
        return RewardEnsemble().fit(
            self._encoder,
            X,
            self._pairs,
            self._profiles,
            training.actions,
            training.action[part],
            target,
            training.groups[part],
            family=family,
            inverse_propensity=inverse,
            n_jobs=n_jobs,
            random_state=random_state,
            order=None if training.order is None else training.order[part],
            tree_settings=self._tree_settings if family == "binomial" else None,
            whole=whole,
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
        for start in range(0, len(X), _CHUNK):
            rows = slice(start, start + _CHUNK)
            expected[rows] = self.compiled.score(X[rows]).expected_reward
        return expected

    @cached_property
    def compiled(self) -> CompiledReward:
        """The model as it is served: one fused pass for all members."""
        return CompiledReward(self, self._n_jobs)

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
        for start in range(0, len(X), _CHUNK):
            rows = slice(start, start + _CHUNK)
            found = self.compiled.score(X[rows]).interval(actions_index[rows], deviations=deviations)
            low[rows], high[rows] = found
        return low, high

    def sample_expected_reward(
        self, context: pd.DataFrame | NDArray[np.float64], rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Draw the expected rewards once from their approximate posterior, for Thompson sampling.

        Parameters
        ----------
        context : DataFrame, or ndarray of context that is encoded already
        rng : Generator

        Returns
        -------
        ndarray of float64 of shape (n, n_actions)
        """
        X = context if isinstance(context, np.ndarray) else self._encoder.transform(context)
        with threadpool_limits(limits=1, user_api="blas"):
            drawn = {name: part.draw(X, rng, n_jobs=self._n_jobs) for name, part in self._parts.items()}
        return self._combine(drawn.get("event"), drawn.get("amount"))

    def evidence(self, context: pd.DataFrame) -> NDArray[np.float64]:
        """How often the log tried each action on accounts like these.

        Returns
        -------
        ndarray of float64 of shape (n, n_actions)
            Counts in the segment of each account.
        """
        first = next(iter(self._parts.values()))
        return self._evidence.tries(first.designs["linear"].transform(self._encoder.transform(context)))

    @property
    def evidence_table(self) -> EvidenceTable:
        """Logged tries by segment of alike accounts."""
        return self._evidence

    # -- what explanations need ----------------------------------------------------------------------------------
    @property
    def encoder(self) -> ContextEncoder:
        """How context becomes columns."""
        return self._encoder

    @property
    def parts(self) -> Mapping[str, RewardEnsemble]:
        """Members by part: ``event`` (log-odds), ``amount`` (its log or its own unit), or both of a hurdle."""
        return self._parts

    @property
    def usual_reward(self) -> NDArray[np.float64]:
        """Reward of each action where nothing happens, shape (n_actions,)."""
        return self._usual

    def reward_of(self, margins: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """Expected reward of every action from the margins of the parts, each of shape (n, n_actions)."""
        return self._combine(margins.get("event"), margins.get("amount"))

    def above_usual(self, margins: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """Expected reward beyond the usual one, for margins of any one shape."""
        answer: NDArray[np.float64] = np.full(np.shape(next(iter(margins.values()))), self._smear)
        if "event" in margins:
            answer = answer * expit(margins["event"])
        if "amount" in margins:
            answer = answer * (np.exp(margins["amount"]) if self._log_amount else margins["amount"])
        return answer

    def slopes(self, margins: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
        """Derivative of :meth:`above_usual` by the margin of each part."""
        whole = self.above_usual(margins)
        slopes = {}
        if "event" in margins:
            slopes["event"] = whole * expit(-margins["event"])
        if "amount" in margins:
            slopes["amount"] = (
                whole if self._log_amount else self.above_usual({**margins, "amount": np.ones_like(whole)})
            )
        return slopes

    def mean_linear_columns(self) -> NDArray[np.float64]:
        """Mean of the linear design columns of the first part over the training rows, shape (n_terms,).

        The segments of the evidence table carry it: the mean of their centres, weighted by their rows, is the mean of
        the (weighted) columns they were made from.
        """
        table = self._evidence
        size = table.counts.sum(axis=1)
        scaled = size @ table.centres / max(float(size.sum()), 1.0)
        mean = np.zeros(len(next(iter(self._parts.values())).designs["linear"].terms))
        np.divide(scaled, table.importance, out=mean, where=table.importance > 1e-9)
        mean[0] = 1.0
        return mean

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
            "profiles": self._profiles.to_dict(),
            "smear": self._smear,
            "log_amount": self._log_amount,
            "usual": self._usual.tolist(),
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
        model._profiles = LatentProfiles.from_dict(described["profiles"])
        model._smear = described["smear"]
        model._log_amount = described["log_amount"]
        model._usual = np.asarray(described["usual"], dtype=np.float64)
        model._n_jobs = described["n_jobs"]
        model._parts = {}
        for name, part in described["parts"].items():
            needed = [f"{name}.npz", *(path for paths in part["tree_files"].values() for path in paths)]
            if missing := [path for path in needed if path not in files]:
                raise ArtefactError(f"The reward model is incomplete: {missing} missing.")
            with np.load(io.BytesIO(files[f"{name}.npz"]), allow_pickle=False) as stored:
                arrays = {key: stored[key] for key in stored.files}
            texts = {member: [files[path].decode() for path in paths] for member, paths in part["tree_files"].items()}
            model._parts[name] = RewardEnsemble.from_parts(part, arrays, texts, model.actions_, model._profiles)
        with np.load(io.BytesIO(files["evidence.npz"]), allow_pickle=False) as stored:
            model._evidence = EvidenceTable(stored["importance"], stored["centres"], stored["counts"])
        return model
