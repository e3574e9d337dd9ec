"""What is learnt once of a log that policies are judged on: reward model, propensities, and what was never tried."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.errors import InvalidInput
from recommender.history import LoggedFeedback
from recommender.learning import ContextEncoder, LogNuisance, as_propensity_learner, as_reward_learner
from recommender.strategy import checked_log
from recommender.support import NeverTried, find_least_likely, find_never_tried

__all__ = ["JudgedLog"]

_MOST_CELLS = 60_000_000  # decisions x actions held at once; a larger log is sampled by cluster


class JudgedLog:
    """A log and its nuisance models, each fitted when it is first needed.

    Parameters
    ----------
    log : LoggedFeedback
    n_folds : int, default=5
    random_state : int, default=0
    reward_model, propensity_model
        As for :func:`recommender.proof.evaluate_policy`.
    """

    def __init__(
        self,
        log: LoggedFeedback,
        *,
        n_folds: int = 5,
        random_state: int = 0,
        reward_model: Any | None = None,
        propensity_model: Any | None = None,
    ) -> None:
        if n_folds < 2:
            raise InvalidInput.in_column(
                "n_folds",
                "must be at least 2: nuisance models must not see the rows they predict",
                values=[n_folds],
                mend="Pass e.g. 5.",
            )
        self.log = checked_log(log)
        self.n_folds = n_folds
        self.random_state = random_state
        self.reward_model = None if reward_model is None else as_reward_learner(reward_model)
        self.propensity_model = None if propensity_model is None else as_propensity_learner(propensity_model)

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """Positions of the decisions that are evaluated."""
        most = max(1, _MOST_CELLS // self.log.n_actions)
        return self.log.sample_rows(np.flatnonzero(self.log.mature), most, self.random_state)

    @cached_property
    def part(self) -> LoggedFeedback:
        """The decisions that are evaluated."""
        return self.log.take(self.rows)

    @cached_property
    def nuisance(self) -> LogNuisance:
        """Models of reward and choice; none has seen the cluster of the row that it speaks of."""
        return LogNuisance(
            self.part,
            n_folds=self.n_folds,
            random_state=self.random_state,
            reward_model=self.reward_model,
            propensity_model=self.propensity_model,
        )

    @cached_property
    def _tried(self) -> tuple[NeverTried, NDArray[np.bool_] | None]:
        """Where, and when, the evaluated decisions never show an action, and these cells."""
        part = self.part
        encoder = ContextEncoder.fit(self.nuisance.dated_context, part.categorical)
        X = encoder.transform(self.nuisance.dated_context)
        never_tried = find_never_tried(
            X,
            encoder,
            part.actions,
            part.action,
            part.groups,
            eligible=part.eligible,
            propensity=part.propensity,
            random_state=self.random_state,
        )
        return never_tried, never_tried.cells(X) if never_tried else None

    @property
    def never_tried(self) -> NeverTried:
        """Where, and when, the evaluated decisions never show an action."""
        return self._tried[0]

    @cached_property
    def unshown(self) -> tuple[NDArray[np.bool_] | None, tuple[str, ...]]:
        """Cells that the log never shows, of shape (n_evaluated, n_actions) or None, and the regions in words."""
        part = self.part
        never_tried, cells = self._tried
        named = tuple(str(region) for region in never_tried.regions)
        if part.propensity is not None:
            return cells, named
        # Propensities are estimated anyway, and their order shows rules that end at no single column.
        more, why = find_least_likely(self.nuisance.estimate.all, part.actions, part.action, part.eligible)
        if why:
            cells = more if cells is None else cells | more
        return cells, named + why
