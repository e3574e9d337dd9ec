"""A simulated contact log that carries its own truth, and how it is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.errors import InvalidInput
from recommender.history import LoggedFeedback
from recommender.simulation.ceiling import BayesCeiling, History, bayes_ceiling
from recommender.simulation.loggers import Logger, logging_table
from recommender.simulation.personas import CHANNELS, HOURS, TONES, contact_actions
from recommender.simulation.population import (
    CATEGORICAL,
    FIRST_DATE,
    Decisions,
    Population,
    local_to_utc,
)
from recommender.simulation.rewards import RewardModel
from recommender.simulation.signals import Floats
from recommender.simulation.world import World

__all__ = ["LogSettings", "SimulatedLog", "write_log"]

Ints = NDArray[np.int64]
Rows = Any  # anything that selects rows of an array

_CHUNK = 20_000


@dataclass(frozen=True, eq=False)
class SimulatedLog:
    """Contacts as a team would have them, and the truth that no team has.

    Attributes
    ----------
    contacts : DataFrame
        One row a decision in time order: ``account_id``, ``debtor_id``, ``sent_at`` (UTC), ``channel``, ``hour``
        (debtor-local), ``tone``, the context columns, ``propensity`` (absent when hidden) and ``reward``.
    actions : ActionSpace
    world : World
    population : Population
    decisions : Decisions
        The hidden coordinates of each row.
    action : ndarray of shape (n,), dtype int
        Logged action.
    paid : ndarray of shape (n,), dtype bool
        Whether the reward event happened.
    table : ndarray of shape (n_segments, n_actions)
        The logging policy.
    earlier : SimulatedLog or None
        The log whose accounts these decisions continue, if any.
    """

    contacts: pd.DataFrame
    actions: ActionSpace
    world: World
    population: Population
    decisions: Decisions
    action: Ints
    paid: NDArray[np.bool_]
    table: Floats
    reward_model: RewardModel
    settings: LogSettings
    earlier: SimulatedLog | None = None

    @property
    def context(self) -> list[str]:
        """Names of the context columns: all known before the decision."""
        return list(self.decisions.columns)

    @property
    def categorical(self) -> list[str]:
        """Names of the categorical context columns."""
        return list(CATEGORICAL)

    def __len__(self) -> int:
        """Count the decisions."""
        return len(self.action)

    def feedback(self) -> LoggedFeedback:
        """Return the log as learners and estimators take it."""
        return LoggedFeedback.from_frame(
            self.contacts,
            actions=self.actions,
            context=self.context,
            categorical=self.categorical,
            reward="reward",
            propensity="propensity" if "propensity" in self.contacts else None,
            account="account_id",
            time="sent_at",
            cluster="debtor_id",
            reward_kind="binary" if self.settings.reward == "response" else "amount",
        )

    # -- truth ---------------------------------------------------------------------------------------------------
    def expected_reward(self, rows: Rows = None) -> Floats:
        """True expected reward of every action, shape (n, n_actions); the oracle's view, latent type included.

        Parameters
        ----------
        rows : selection of rows, optional
            Slice, mask or positions; default all. Takes 8 bytes a cell.
        """
        decisions = self._select(rows)
        filled = np.empty((len(decisions), len(self.actions)))
        for start in range(0, len(decisions), _CHUNK):
            part = decisions.take(np.arange(start, min(start + _CHUNK, len(decisions))))
            filled[start : start + _CHUNK] = self.expected_of(part)
        return filled

    def logging_probabilities(self, rows: Rows = None) -> Floats:
        """Probability of every action under the policy that wrote the log, shape (n, n_actions)."""
        segment = self.decisions.segment if rows is None else self.decisions.segment[rows]
        return np.asarray(self.table[segment])

    def value(self, action_probabilities: Floats, rows: Rows = None) -> float:
        """True value of a policy over the logged states, in reward per decision.

        Parameters
        ----------
        action_probabilities : ndarray of shape (n, n_actions) or (n_actions,)
            Rows sum to 1. One row stands for a policy that ignores the context.
        rows : selection of rows, optional
            The rows that ``action_probabilities`` speaks about; default all.
        """
        positions = self.positions(rows)
        given = np.asarray(action_probabilities, dtype=np.float64)
        expected_shape = (len(positions), len(self.actions))
        if given.shape not in (expected_shape, expected_shape[1:]):
            raise InvalidInput(
                f"action_probabilities has shape {given.shape}; expected {expected_shape} or {expected_shape[1:]}.",
                column="action_probabilities",
                mend="Pass one row a decision and one column an action, in the order of actions.to_frame().",
            )
        total = 0.0
        for part, chunk in self._chunks(positions):
            weights = given[chunk] if given.ndim == 2 else given[None, :]
            total += float((self.expected_of(part) * weights).sum())
        return total / len(positions)

    def oracle_value(self, rows: Rows = None) -> float:
        """Value of the best action for every row, latent type known; no learner can reach it."""
        return self._mean_of(lambda part: self.expected_of(part).max(axis=1), rows)

    def logging_value(self, rows: Rows = None) -> float:
        """Value of the policy that wrote the log."""
        return self._mean_of(lambda part: (self.expected_of(part) * self.table[part.segment]).sum(axis=1), rows)

    def best_constant(self, rows: Rows = None) -> tuple[int, float]:
        """Return the single action that is best for everybody, and its value."""
        positions = self.positions(rows)
        mean = np.zeros(len(self.actions))
        for part, _ in self._chunks(positions):
            mean += self.expected_of(part).sum(axis=0)
        mean /= len(positions)
        return int(mean.argmax()), float(mean.max())

    def bayes_ceiling(self, history: History = True, rows: Rows = None, *, matrix: bool = True) -> BayesCeiling:
        """Return the best that is attainable from what is observable.

        See :func:`recommender.simulation.ceiling.bayes_ceiling`.
        """
        return bayes_ceiling(self, history=history, rows=rows, matrix=matrix)

    def captured(self, value: float) -> float:
        """Share of the oracle's gain over the logging policy that ``value`` reaches."""
        logging = self.logging_value()
        return (value - logging) / (self.oracle_value() - logging)

    # -- more decisions from the same world ----------------------------------------------------------------------
    def fresh_accounts(self, n: int = 20_000, seed: int = 1) -> SimulatedLog:
        """Decisions on ``n`` other accounts of the same world, just after the log ends: an out-of-sample judge.

        Account and debtor ids never occur in the log. With drift the world stands where the log ended.
        """
        rng = np.random.default_rng([self.settings.seed, 1_000_003, seed])
        population = self.world.draw_population(rng, n_accounts=n, n_days=self.settings.n_days, prefix=f"F{seed}-")
        day = np.full(n, self.settings.n_days) + rng.integers(0, 7, n)
        population.accounts["first_day"] = day - rng.integers(0, 60, n)
        return write_log(self.world, population, np.arange(n), day, rng, self.settings)

    def next_decisions(self, n: int = 20_000, seed: int = 1) -> SimulatedLog:
        """Next decisions on at most ``n`` accounts of this log, so that what they did in the log can be used.

        Only accounts that were contacted in the last 30 days of the log are still worked.
        """
        rng = np.random.default_rng([self.settings.seed, 1_000_033, seed])
        last = int(self.decisions.day.max())
        accounts = np.unique(self.decisions.account[self.decisions.day > last - 30])
        account = rng.permutation(accounts)[:n]
        day = np.full(len(account), last + 1) + rng.integers(0, 7, len(account))
        log = write_log(self.world, self.population, account, day, rng, self.settings)
        return replace(log, earlier=self)

    # -- inside --------------------------------------------------------------------------------------------------
    def positions(self, rows: Rows) -> Ints:
        """Positions that a selection of rows (None for all) stands for."""
        every = np.arange(len(self))
        return every if rows is None else every[rows]

    def expected_of(self, part: Decisions) -> Floats:
        """True expected reward of every action of some decisions."""
        response = self.world.probability(part)
        return self.reward_model.expected(self.reward_model.paying(response, part.self_cure), part)

    def _select(self, rows: Rows) -> Decisions:
        return self.decisions if rows is None else self.decisions.take(self.positions(rows))

    def _chunks(self, positions: Ints) -> Iterator[tuple[Decisions, slice]]:
        for start in range(0, len(positions), _CHUNK):
            chunk = slice(start, min(start + _CHUNK, len(positions)))
            yield self.decisions.take(positions[chunk]), chunk

    def _mean_of(self, score: Any, rows: Rows) -> float:
        positions = self.positions(rows)
        return float(sum(score(part).sum() for part, _ in self._chunks(positions)) / len(positions))


@dataclass(frozen=True)
class LogSettings:
    """What a log was asked to be."""

    seed: int
    logger: Logger
    propensities: Literal["logged", "hidden"]
    confounding: float
    reward: Literal["response", "money"]
    no_contact: bool
    n_days: int


def write_log(
    world: World, population: Population, account: Ints, day: Ints, rng: np.random.Generator, settings: LogSettings
) -> SimulatedLog:
    """Choose actions, draw rewards, and put the rows in time order."""
    actions = contact_actions(no_contact=settings.no_contact)
    table = logging_table(settings.logger, confounding=settings.confounding, no_contact=settings.no_contact)
    decisions = world.draw_decisions(population, account, day, n_days=settings.n_days)
    action = choose(table, decisions.segment, rng)
    minute = rng.integers(0, 60, len(action))
    hour = np.where(action == actions.no_contact_index, 8, np.asarray(HOURS)[actions.codes[action, 1]])
    sent_at = local_to_utc(FIRST_DATE + day.astype("timedelta64[D]"), hour, minute, decisions.timezone)
    order = np.argsort(sent_at, kind="stable")
    decisions, action, sent_at = decisions.take(order), action[order], sent_at[order]
    reward_model = RewardModel(actions, settings.reward)
    paid = rng.random(len(action)) < reward_model.paying_of(world.probability_of(decisions, action), decisions, action)
    chosen = _action_columns(actions, action)
    context = decisions.frame()
    columns: dict[str, object] = {
        "account_id": population.account_id.array.take(decisions.account),
        "debtor_id": population.debtor_id.array.take(population.debtor[decisions.account]),
        "sent_at": pd.DatetimeIndex(sent_at).tz_localize("UTC"),
        **chosen,
        **{name: context[name].array for name in context.columns},
    }
    if settings.propensities == "logged":
        columns["propensity"] = table[decisions.segment, action]
    columns["reward"] = reward_model.draw(paid, action, decisions, rng)
    return SimulatedLog(
        contacts=pd.DataFrame(columns),
        actions=actions,
        world=world,
        population=population,
        decisions=decisions,
        action=action,
        paid=paid,
        table=table,
        reward_model=reward_model,
        settings=settings,
    )


def choose(table: Floats, segment: Ints, rng: np.random.Generator) -> Ints:
    """Draw one action a row from its segment's probabilities."""
    action = np.empty(len(segment), dtype=np.int64)
    uniform = rng.random(len(segment))
    cumulative = np.cumsum(table, axis=1)
    for code in np.unique(segment):
        rows = segment == code
        drawn = np.searchsorted(cumulative[code], uniform[rows] * cumulative[code, -1], side="right")
        action[rows] = np.minimum(drawn, table.shape[1] - 1)
    return action


def _action_columns(actions: ActionSpace, action: Ints) -> dict[str, object]:
    if actions.no_contact:
        described = actions.describe(action)
        return {name: described[name].array for name in actions.factor_names}
    codes = actions.codes[action]
    return {
        "channel": pd.array(list(CHANNELS), dtype="str").take(codes[:, 0]),
        "hour": np.asarray(HOURS)[codes[:, 1]],
        "tone": pd.array(list(TONES), dtype="str").take(codes[:, 2]),
    }
