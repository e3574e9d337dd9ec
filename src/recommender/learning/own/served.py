"""A reward model of one's own behind the interface that strategies serve."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone

from recommender.actions import ActionSpace
from recommender.errors import ArtefactError, InvalidInput
from recommender.learning.encoding import ContextEncoder
from recommender.learning.evidence import EvidenceTable
from recommender.learning.own.frames import checked_answer, decoded_frame, decoded_training
from recommender.learning.own.protocols import RewardLearner
from recommender.learning.regression import LinearDesign
from recommender.learning.training_set import TrainingSet

__all__ = ["OwnReward", "OwnScored"]

Floats = NDArray[np.float64]

_SAMPLE = 5_000  # rows that tell which columns move the ranking of actions
_RIDGE = 1.0  # of that regression, in rows
_FINGERPRINT = 256  # training rows whose rewards stand for a model that cannot be saved
_OWN = "own/"  # where the learner's own files stand
_DESCRIBED = "own_reward.json"  # its presence tells whose files these are


@dataclass(frozen=True, eq=False)
class OwnScored:
    """Accounts that were scored; see :class:`~recommender.learning.compiled.Scored`."""

    expected_reward: Floats
    _model: OwnReward
    _X: Floats

    def interval(self, ranked: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Interval of the expected reward of the given actions; NaN where the learner offers none."""
        ask = getattr(self._model.learner, "expected_reward_interval", None)
        if ask is None:
            return np.full(ranked.shape, np.nan), np.full(ranked.shape, np.nan)
        lo, hi = ask(decoded_frame(self._model.encoder, self._X), ranked)
        return np.asarray(lo, dtype=np.float64), np.asarray(hi, dtype=np.float64)

    def evidence(self, ranked: NDArray[np.int64]) -> Floats:
        """Logged tries of the given actions on accounts like these."""
        tries = self._model.evidence_table.tries(self._model.design.transform(self._X))
        return np.asarray(tries[np.arange(len(ranked))[:, None], ranked])


class OwnReward:
    """Trains, scores and keeps a :class:`RewardLearner`.

    Parameters
    ----------
    learner : RewardLearner
        Not touched: a copy is fitted.

    Attributes
    ----------
    actions_ : ActionSpace
    columns_ : tuple of str
        Context columns it needs.
    encoder : ContextEncoder
    learner : RewardLearner
        The fitted copy.
    """

    actions_: ActionSpace
    columns_: tuple[str, ...]
    encoder: ContextEncoder
    design: LinearDesign
    evidence_table: EvidenceTable

    def __init__(self, learner: RewardLearner) -> None:
        self.learner = learner
        self._fingerprint = b""

    def fit(self, training: TrainingSet, *, random_state: int = 0) -> Self:
        """Learn from logged decisions."""
        self.actions_ = training.actions
        self.encoder = ContextEncoder.fit(training.context, training.categorical)
        self.columns_ = self.encoder.names
        self.learner = clone(self.learner, safe=False)
        self.learner.fit(decoded_training(self.encoder, training))
        X = self.encoder.transform(training.context)
        rows = np.sort(np.random.default_rng(random_state).permutation(len(X))[:_SAMPLE])
        rewards = self._rewards(X[rows])
        self._fingerprint = hashlib.sha256(rewards[:_FINGERPRINT].tobytes()).hexdigest().encode()
        self.design = LinearDesign.fit(self.encoder, X, (), self.actions_)
        U = self.design.transform(X)
        share = np.bincount(training.action, minlength=len(self.actions_)) / len(training)
        part = U[rows]
        ridge = part.T @ part + _RIDGE * np.eye(part.shape[1])
        weights = np.asarray(np.linalg.solve(ridge, part.T @ rewards), dtype=np.float64)
        self.evidence_table = EvidenceTable.fit(U, weights, training.action, share, random_state=random_state)
        return self

    # -- what strategies ask -------------------------------------------------------------------------------------
    @property
    def compiled(self) -> Self:
        """Itself: there is nothing to compile."""
        return self

    def score(self, X: Floats) -> OwnScored:
        """Score encoded context of shape (n, n_columns)."""
        return OwnScored(self._rewards(X), self, X)

    def expected_reward(self, context: pd.DataFrame) -> Floats:
        """Expected reward of every action, shape (n, n_actions)."""
        return self._rewards(self.encoder.transform(context))

    def sample_expected_reward(self, context: pd.DataFrame, rng: np.random.Generator) -> Floats:
        """Draw the expected rewards once from the learner's posterior.

        Raises
        ------
        InvalidInput
            When the learner has no ``sample_expected_reward``.
        """
        draw = getattr(self.learner, "sample_expected_reward", None)
        if draw is None:
            raise InvalidInput(
                f"{type(self.learner).__name__} has no sample_expected_reward, which Thompson sampling draws from.",
                column="policy",
                mend="Use policy='softmax' or 'epsilon', or add sample_expected_reward(context, rng).",
            )
        frame = decoded_frame(self.encoder, self.encoder.transform(context))
        return checked_answer(draw(frame, rng), self._shape(frame), self.learner, "sample_expected_reward")

    def reward_draws(self, context: pd.DataFrame, rng: np.random.Generator, n_draws: int) -> Iterator[Floats]:
        """Several draws of :meth:`sample_expected_reward`."""
        return (self.sample_expected_reward(context, rng) for _ in range(n_draws))

    def _rewards(self, X: Floats) -> Floats:
        frame = decoded_frame(self.encoder, X)
        answer = self.learner.expected_reward(frame)
        return checked_answer(answer, self._shape(frame), self.learner, "expected_reward")

    def _shape(self, frame: pd.DataFrame) -> tuple[int, int]:
        return len(frame), len(self.actions_)

    @property
    def report_(self) -> dict[str, Any]:
        """No members to tell of."""
        return {}

    # -- keep ----------------------------------------------------------------------------------------------------
    def identity_files(self) -> dict[str, bytes]:
        """What tells this model from another: its files, or a digest of its answers where it has none."""
        if hasattr(self.learner, "to_files"):
            return self.to_files()
        return {_DESCRIBED: json.dumps(self._described()).encode(), "fingerprint": self._fingerprint}

    def _described(self) -> dict[str, Any]:
        return {
            "learner": type(self.learner).__qualname__,
            "actions": self.actions_.to_dict(),
            "columns": self.encoder.to_dict(),
            "design": self.design.to_dict(),
        }

    def to_files(self) -> dict[str, bytes]:
        """Everything learnt as plain files.

        Raises
        ------
        ArtefactError
            When the learner cannot write itself as plain files.
        """
        if not hasattr(self.learner, "to_files"):
            raise ArtefactError(
                f"{type(self.learner).__name__} cannot be saved: it has no to_files(), and nothing here writes what "
                "would run code when read (pickle). Give it to_files() -> {name: bytes} and from_files(files), or fit "
                "the strategy again where it is served."
            )
        buffer = io.BytesIO()
        table = self.evidence_table
        np.savez(buffer, importance=table.importance, centres=table.centres, counts=table.counts)
        own = {f"{_OWN}{name}": bytes(content) for name, content in self.learner.to_files().items()}
        return own | {_DESCRIBED: json.dumps(self._described(), indent=1).encode(), "evidence.npz": buffer.getvalue()}

    @staticmethod
    def is_in(files: dict[str, bytes]) -> bool:
        """Whether the files are those of a model of one's own."""
        return _DESCRIBED in files

    @classmethod
    def from_files(cls, files: dict[str, bytes], learner: Any) -> Self:
        """Rebuild from :meth:`to_files`, with a learner whose ``from_files`` reads its own part.

        Raises
        ------
        ArtefactError
            When no learner is given, or one of another class: no class is looked up by name.
        """
        described = json.loads(files[_DESCRIBED])
        if type(learner).__qualname__ != described["learner"] or not hasattr(learner, "from_files"):
            raise ArtefactError(
                f"This strategy holds a {described['learner']}; got {type(learner).__qualname__}. Pass "
                f"ContactStrategy.load(path, reward_model={described['learner']}(...)), whose from_files reads it."
            )
        own = {name[len(_OWN) :]: content for name, content in files.items() if name.startswith(_OWN)}
        model = cls(learner.from_files(own))
        model.actions_ = ActionSpace.from_dict(described["actions"])
        model.encoder = ContextEncoder.from_dict(described["columns"])
        model.columns_ = model.encoder.names
        model.design = LinearDesign.from_dict(described["design"])
        with np.load(io.BytesIO(files["evidence.npz"]), allow_pickle=False) as stored:
            model.evidence_table = EvidenceTable(stored["importance"], stored["centres"], stored["counts"])
        return model
