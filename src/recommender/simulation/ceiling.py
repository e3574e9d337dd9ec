"""The Bayes ceiling: the best any learner could do from what is observable.

The personas are finite and every signal has a known likelihood, so the posterior over personas given an account's
context row and its own earlier outcomes is exact. A policy that is greedy on the posterior mean reward is optimal
among all policies that see only the observable.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from recommender.actions import ActionSpace
from recommender.errors import InvalidInput
from recommender.simulation.personas import LEVEL_STEP
from recommender.simulation.population import Decisions, Population
from recommender.simulation.rewards import RewardModel
from recommender.simulation.signals import Floats
from recommender.simulation.world import World

__all__ = ["BayesCeiling", "bayes_ceiling", "persona_posterior"]

Ints = NDArray[np.int64]
History = bool | Literal["debtor"]

_BLOCK = 60_000


class KnownLog(Protocol):
    """A log with its truth, as far as the ceiling needs it; ``SimulatedLog`` is one."""

    @property
    def contacts(self) -> pd.DataFrame: ...
    @property
    def actions(self) -> ActionSpace: ...
    @property
    def world(self) -> World: ...
    @property
    def population(self) -> Population: ...
    @property
    def decisions(self) -> Decisions: ...
    @property
    def action(self) -> Ints: ...
    @property
    def paid(self) -> NDArray[np.bool_]: ...
    @property
    def reward_model(self) -> RewardModel: ...
    @property
    def earlier(self) -> KnownLog | None: ...
    def __len__(self) -> int: ...
    def positions(self, rows: Any) -> Ints: ...
    def expected_of(self, decisions: Decisions) -> Floats: ...


@dataclass(frozen=True)
class BayesCeiling:
    """What is attainable.

    Attributes
    ----------
    value : float
        True value of the policy that is greedy on ``expected_reward``.
    action : ndarray of shape (n,)
        Best action of each row given what is observable.
    expected_reward : ndarray of shape (n, n_actions), float32, or None
        Posterior mean reward of every action; None when it was not asked for.
    """

    value: float
    action: Ints
    expected_reward: NDArray[np.float32] | None


def bayes_ceiling(log: KnownLog, *, history: History = True, rows: Any = None, matrix: bool = True) -> BayesCeiling:
    """Value of the optimal policy that sees only the observable.

    Parameters
    ----------
    log : KnownLog
    history : bool or "debtor", default=True
        Whether the account's own strictly earlier contacts and outcomes (in this log, and in the log it continues) are
        used besides the context row; ``"debtor"`` also uses those of the debtor's other accounts.
    rows : selection of rows, optional
        Slice, mask or positions; default all rows.
    matrix : bool, default=True
        Whether to keep the posterior means: 4 bytes a cell, 1 GB for a million rows.

    Returns
    -------
    BayesCeiling
    """
    positions = log.positions(rows)
    row_of = np.full(len(log), -1, dtype=np.int64)
    row_of[positions] = np.arange(len(positions))
    if np.count_nonzero(row_of >= 0) != len(positions):
        raise InvalidInput.in_column("rows", "names a row twice", mend="Pass each row once.")
    expected = np.empty((len(positions), len(log.actions)), dtype=np.float32) if matrix else None
    action = np.empty(len(positions), dtype=np.int64)
    total = 0.0
    for block, part, posterior_mean in _posterior_means(log, history, row_of >= 0):
        best = posterior_mean.argmax(axis=1)
        total += float(np.take_along_axis(log.expected_of(part), best[:, None], axis=1).sum())
        action[row_of[block]] = best
        if expected is not None:
            expected[row_of[block]] = posterior_mean
    return BayesCeiling(value=total / len(positions), action=action, expected_reward=expected)


def persona_posterior(log: KnownLog, *, history: History = True) -> Floats:
    """Exact posterior over personas of every row, shape (n, n_personas).

    Parameters
    ----------
    log : KnownLog
        Of the additive world.
    history : bool or "debtor", default=True
        Whether earlier outcomes of the same account, or of the same debtor, count.
    """
    posterior = np.empty((len(log), log.world.personas.n_personas))
    for rows, block in _posteriors(log, history, np.ones(len(log), dtype=bool)):
        posterior[rows] = block
    return posterior


def _posterior_means(
    log: KnownLog, history: History, wanted: NDArray[np.bool_]
) -> Iterator[tuple[Ints, Decisions, Floats]]:
    """Rows, their decisions and their posterior mean rewards, block by block."""
    if log.world.joint is not None:  # nothing is hidden there
        for rows in np.array_split(np.flatnonzero(wanted), max(1, int(wanted.sum()) // _BLOCK)):
            part = log.decisions.take(rows)
            yield rows, part, log.expected_of(part)
        return
    for rows, posterior in _posteriors(log, history, wanted):
        part = log.decisions.take(rows)
        response = _mean_response(log, part, posterior)
        yield rows, part, log.reward_model.expected(log.reward_model.paying(response, part.self_cure), part)


def _posteriors(log: KnownLog, history: History, wanted: NDArray[np.bool_]) -> Iterator[tuple[Ints, Floats]]:
    """Wanted rows and their posteriors; a block holds whole accounts (debtors), rows in time order within each."""
    by_debtor = log.world.personas.log_prior(log.population.traits)
    owner = _owner(log, history)
    from_earlier = _evidence_by_owner(log.earlier, history) if history and log.earlier is not None else None
    needed = np.isin(owner, np.unique(owner[wanted]))
    order = np.argsort(owner, kind="stable")  # rows are in time order already
    order = order[needed[order]]
    starts = np.flatnonzero(np.r_[True, owner[order][1:] != owner[order][:-1]])
    cuts = [
        0,
        *starts[np.unique(np.searchsorted(starts, np.arange(_BLOCK, len(order), _BLOCK)).clip(max=len(starts) - 1))],
    ]
    for start, stop in zip(cuts, [*cuts[1:], len(order)], strict=True):
        rows = order[start:stop]
        log_posterior = by_debtor[log.population.debtor[log.decisions.account[rows]]]
        if history:
            log_posterior += _evidence_before(log, rows, owner[rows])
        if from_earlier is not None:
            log_posterior += from_earlier[owner[rows]]
        kept = wanted[rows]
        log_posterior = log_posterior[kept]
        log_posterior -= log_posterior.max(axis=1, keepdims=True)
        np.exp(log_posterior, out=log_posterior)
        log_posterior /= log_posterior.sum(axis=1, keepdims=True)
        yield rows[kept], log_posterior


def _log_evidence(log: KnownLog, rows: Ints) -> Floats:
    """Log-likelihood of the outcomes of ``rows`` under every persona, shape (n_rows, n_personas)."""
    part, action = log.decisions.take(rows), log.action[rows]
    contact = np.minimum(action, log.world.personas.effect.shape[2] - 1)
    response = log.world.personas.probability_by_persona(part.cell, part.level, contact)
    paying = log.reward_model.paying_by_persona(response, part.self_cure, action)
    return np.asarray(np.log(np.where(log.paid[rows, None], paying, 1.0 - paying)))


def _owner(log: KnownLog, history: History) -> Ints:
    """Whose outcomes a row may use: its account's, or its debtor's."""
    return log.population.debtor[log.decisions.account] if history == "debtor" else log.decisions.account


def _evidence_before(log: KnownLog, rows: Ints, owner: Ints) -> Floats:
    """Log-evidence of strictly earlier rows of the same owner; rows of one instant do not see each other.

    ``rows`` holds whole owners, one after the other, each in time order.
    """
    instant = log.contacts["sent_at"].to_numpy()[rows]
    first_of_owner = np.r_[True, owner[1:] != owner[:-1]]
    first_of_instant = first_of_owner | np.r_[True, instant[1:] != instant[:-1]]
    running = np.cumsum(_log_evidence(log, rows), axis=0)
    before = np.vstack([np.zeros((1, running.shape[1])), running[:-1]])
    positions = np.arange(len(rows))
    anchor_owner = np.maximum.accumulate(np.where(first_of_owner, positions, 0))
    anchor_instant = np.maximum.accumulate(np.where(first_of_instant, positions, 0))
    return np.asarray(before[anchor_instant] - before[anchor_owner])


def _evidence_by_owner(log: KnownLog, history: History) -> Floats:
    """Log-evidence of all rows of each account (debtor) of the population, earlier logs included."""
    owner = _owner(log, history)
    total = np.zeros((len(log.population.debtor), log.world.personas.n_personas))
    for start in range(0, len(log), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(log)))
        np.add.at(total, owner[rows], _log_evidence(log, rows))
    return total if log.earlier is None else total + _evidence_by_owner(log.earlier, history)


def _mean_response(log: KnownLog, decisions: Decisions, posterior: Floats) -> Floats:
    """Posterior mean response of all contact actions.

    Rows that share cell and level share one table of (persona, action), so their means are one matrix product.
    """
    personas = log.world.personas
    keys = np.stack([decisions.cell, decisions.level], axis=1)
    unique, inverse = np.unique(keys, axis=0, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    bounds = np.searchsorted(inverse[order], np.arange(len(unique) + 1))
    mean = np.empty((len(decisions), personas.effect.shape[2]))
    for index, (cell, level) in enumerate(unique):
        group = order[bounds[index] : bounds[index + 1]]
        table = expit(personas.effect[cell] + (personas.intercept + level * LEVEL_STEP))
        mean[group] = posterior[group] @ table
    return mean
