"""The reward model: expected reward of every action for every account, calibrated and absolute."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from recommender.actions import ActionSpace
from recommender.errors import ArtefactError
from recommender.learning.amount_scale import TAIL, AmountScale, usual_reward
from recommender.learning.belief import JointBelief
from recommender.learning.compiled import CompiledReward
from recommender.learning.continuing import Surprise
from recommender.learning.encoding import ContextEncoder
from recommender.learning.ensemble import FitOptions, RewardEnsemble
from recommender.learning.evidence import EvidenceTable
from recommender.learning.fit_rows import LearningTask
from recommender.learning.hurdle import Hurdle
from recommender.learning.regression import LatentProfiles, count_pairs
from recommender.learning.training_set import TrainingSet
from recommender.learning.trees import TreeSettings
from recommender.learning.whole_log import WholeLog

__all__ = ["RewardModel"]

Floats = NDArray[np.float64]

_FORMAT = 8  # of the files; a reader of another format refuses
_READS = (5, 6, 7, 8)  # 5 knew no derived columns of trees, 6 no waves, 7 no bend of the calibration
_CHUNK = 8_192  # rows scored at once: 16 MB of scores for 260 actions
_DENSE = 0.8  # share of rewards off the usual value from which there is no usual value
_FEWEST_AMOUNTS = 50  # below, a mean says as much as a regression


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
        self.actions_ = training.actions
        self._encoder = ContextEncoder.fit(training.context, training.categorical)
        self.columns_ = self._encoder.names
        self._n_jobs = n_jobs
        self._parts: dict[str, RewardEnsemble] = {}
        options = FitOptions(n_jobs, random_state, tree_settings)
        with threadpool_limits(limits=1, user_api="blas"):
            task = self._task(training, options)
            usual = usual_reward(training) if training.reward_kind == "amount" else np.zeros(len(self.actions_))
            event = training.reward != usual[training.action]
            if training.reward_kind == "amount" and event.mean() > _DENSE:
                usual[:] = 0.0  # no value is usual: every reward is an amount
                event[:] = True
            else:
                inverse = None if training.propensity is None else 1.0 / training.propensity
                longer = None if whole is None else whole.events(self._encoder, usual)
                self._parts["event"] = RewardEnsemble().fit(
                    replace(task, target=event.astype(np.float64), inverse_propensity=inverse),
                    replace(options, whole=longer),
                )
            self._hurdle = Hurdle(usual)
            if training.reward_kind == "amount" and event.any():
                rows = np.flatnonzero(event)
                amount = training.reward[rows] - usual[training.action[rows]]
                self._hurdle = self._fit_amount(task.take(rows), amount, options, whole)
            first = next(iter(self._parts.values()))
            self._evidence = EvidenceTable.fit(
                first.designs["linear"].transform(task.X),
                first.glms["linear"][1].weights,
                training.action,
                first.share,
                random_state=random_state,
            )
        return self

    @property
    def can_continue(self) -> bool:
        """Whether it keeps what its rows said, so that :meth:`continued` may add others."""
        return all(part.past for part in self._parts.values())

    def continued(self, training: TrainingSet) -> tuple[RewardModel, Surprise | None]:
        """Learn from new decisions on top of what is known; this model stays as it is.

        Parameters
        ----------
        training : TrainingSet
            New decisions only, of the same columns and actions.

        Returns
        -------
        (RewardModel, Surprise or None)
            How far the outcomes were from what this model expected; None where no part speaks of events.
        """
        parts, usual, action = dict(self._parts), self._hurdle.usual, training.action
        surprise = None
        with threadpool_limits(limits=1, user_api="blas"):
            X = self._encoder.transform(training.context)
            event = training.reward != usual[action]
            if "event" in parts:
                target = event.astype(np.float64)
                surprise = Surprise.of(parts["event"].scores(X)[np.arange(len(X)), action], target)
                parts["event"] = parts["event"].continued(X, self.actions_, action, target)
            rows = np.flatnonzero(event) if "event" in parts else np.arange(len(X))
            if "amount" in parts and len(rows):
                amount = training.reward[rows] - usual[action[rows]]
                scale = AmountScale.of_later(amount, log=self._hurdle.log_amount, unit=self._hurdle.unit)
                parts["amount"] = parts["amount"].continued(X[rows], self.actions_, action[rows], scale.target(amount))
            first = next(iter(self._parts.values()))
            evidence = self._evidence.joined(first.designs["linear"].transform(X), action)
        other = copy(self)
        other.__dict__.pop("compiled", None)
        other.__dict__.update(_parts=parts, _evidence=evidence)
        return other, surprise

    def _task(self, training: TrainingSet, options: FitOptions) -> LearningTask:
        """Encoded decisions with their hidden traits; the target is still the reward."""
        X = self._encoder.transform(training.context)
        pairs = count_pairs(self._encoder, X, training.history_columns, training.actions)
        self._profiles = LatentProfiles.fit(
            self._encoder, X, training.groups, pairs, random_state=options.random_state, n_jobs=options.n_jobs
        )
        return LearningTask(
            self._encoder,
            X,
            pairs,
            self._profiles,
            training.actions,
            training.action,
            training.reward,
            training.groups,
            family="binomial",
            order=training.order,
            loadings={self._encoder.names.index(name): one for name, one in training.loadings.items()},
            known_order=training.known_order,
        )

    def _fit_amount(self, task: LearningTask, amount: Floats, options: FitOptions, whole: WholeLog | None) -> Hurdle:
        """Learn what an event is worth from the rows that had one."""
        usual = self._hurdle.usual
        if len(amount) < _FEWEST_AMOUNTS and self._parts:
            return replace(self._hurdle, unit=float(amount.mean()))
        scale = AmountScale.of(amount)
        target = scale.target(amount)
        every = not self._parts
        longer = None if whole is None else whole.amounts(self._encoder, usual, scale.target, every=every)
        model = RewardEnsemble().fit(
            replace(task, target=target, family="gaussian"), replace(options, tree_settings=None, whole=longer)
        )
        self._parts["amount"] = model
        if not scale.log:
            return Hurdle(usual, scale.unit)
        mean = model.scores(task.X)[np.arange(len(amount)), task.action]
        # Duan's smearing: the mean of the exponential residuals, the largest residuals cut
        residual = target - mean
        smear = float(np.exp(np.clip(residual, None, float(np.quantile(residual, 1 - TAIL)))).mean())
        return Hurdle(usual, smear, log_amount=True)

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
        return CompiledReward(self._parts, self._hurdle, self._evidence, self._n_jobs)

    def expected_reward_interval(
        self, context: pd.DataFrame, actions_index: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """95 % interval of the expected reward of the given actions (of the mean, not of single outcomes).

        Parameters
        ----------
        context : DataFrame of shape (n, >= n_columns)
        actions_index : ndarray of int of shape (n, k)

        Returns
        -------
        (lo, hi) : ndarrays of shape (n, k)
        """
        low, high = (np.empty(actions_index.shape) for _ in range(2))
        X = self._encoder.transform(context)
        for start in range(0, len(X), _CHUNK):
            rows = slice(start, start + _CHUNK)
            ends = self.compiled.score(X[rows]).interval(actions_index[rows])
            low[rows], high[rows] = ends
        return low, high

    def joint_belief(self, context: pd.DataFrame | NDArray[np.float64], *, idle: int | None = None) -> JointBelief:
        """What is known of all actions of each account together.

        Parameters
        ----------
        context : DataFrame, or ndarray of context that is encoded already
            Some hundreds of rows at a time: each takes some 30 numbers an action.
        idle : int, optional
            An action that earns 0 by definition.
        """
        X = context if isinstance(context, np.ndarray) else self._encoder.transform(context)
        margins = {name: part.scores(X, n_jobs=self._n_jobs) for name, part in self._parts.items()}
        roots = {name: part.root(X, margins[name], n_jobs=self._n_jobs) for name, part in self._parts.items()}
        return JointBelief(self._hurdle, margins, roots, idle)

    def reward_draws(
        self, context: pd.DataFrame | NDArray[np.float64], rng: np.random.Generator, n_draws: int
    ) -> Iterator[NDArray[np.float64]]:
        """Draw the expected rewards from their joint posterior, for Thompson sampling; one draw serves every row.

        Parameters
        ----------
        context : DataFrame, or ndarray of context that is encoded already
        rng : Generator
        n_draws : int

        Yields
        ------
        ndarray of float64 of shape (n, n_actions)
        """
        X = context if isinstance(context, np.ndarray) else self._encoder.transform(context)
        parts = [part.draws(X, n_draws, one, n_jobs=self._n_jobs) for part, one in self._with_own(rng)]
        for drawn in zip(*parts, strict=True):
            yield self._hurdle.reward_of(dict(zip(self._parts, drawn, strict=True)))

    def _with_own(self, rng: np.random.Generator) -> Iterator[tuple[RewardEnsemble, np.random.Generator]]:
        return zip(self._parts.values(), rng.spawn(len(self._parts)), strict=True)

    def sample_expected_reward(
        self, context: pd.DataFrame | NDArray[np.float64], rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Draw the expected rewards once, shape (n, n_actions); see :meth:`reward_draws`."""
        return next(self.reward_draws(context, rng, 1))

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
    def hurdle(self) -> Hurdle:
        """How the margins of the parts become an expected reward."""
        return self._hurdle

    @property
    def report_(self) -> dict[str, Any]:
        """Members, weights and what decided between them, by part."""
        return {name: part.report.to_dict() for name, part in self._parts.items()}

    # -- keep ----------------------------------------------------------------------------------------------------
    def identity_files(self) -> dict[str, bytes]:
        """What tells this model from another."""
        return self.to_files()

    def to_files(self) -> dict[str, bytes]:
        """Everything learnt, as files that execute no code when read: JSON, npz without pickle, LightGBM text."""
        described: dict[str, Any] = {
            "format": _FORMAT,
            "actions": self.actions_.to_dict(),
            "columns": self._encoder.to_dict(),
            "profiles": self._profiles.to_dict(),
            "smear": self._hurdle.unit,
            "log_amount": self._hurdle.log_amount,
            "usual": self._hurdle.usual.tolist(),
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
        files["evidence.npz"] = self._evidence.to_bytes()
        files["reward_model.json"] = json.dumps(described, indent=1).encode()
        return files

    @classmethod
    def from_files(cls, files: dict[str, bytes]) -> RewardModel:
        """Rebuild the model of :meth:`to_files`; predictions are equal to the bit."""
        if "reward_model.json" not in files:
            raise ArtefactError(f"The reward model needs 'reward_model.json'; got {sorted(files)}.")
        described = json.loads(files["reward_model.json"])
        if described.get("format") not in _READS:
            raise ArtefactError(
                f"Unknown reward model format {described.get('format')!r}; this version reads {list(_READS)}."
            )
        model = cls()
        model.actions_ = ActionSpace.from_dict(described["actions"])
        model._encoder = ContextEncoder.from_dict(described["columns"])
        model.columns_ = model._encoder.names
        model._profiles = LatentProfiles.from_dict(described["profiles"])
        usual = np.asarray(described["usual"], dtype=np.float64)
        model._hurdle = Hurdle(usual, described["smear"], described["log_amount"])
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
        model._evidence = EvidenceTable.from_bytes(files["evidence.npz"])
        return model
