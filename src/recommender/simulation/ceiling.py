"""The Bayes ceiling: the best any learner could do from what is observable.

The personas are finite and every signal has a known likelihood, so the posterior over personas given an account's
context row and its own earlier outcomes is exact. A policy that is greedy on the posterior mean reward is optimal
among all policies that see only the observable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from recommender.simulation.personas import LEVEL_STEP
from recommender.simulation.population import Decisions
from recommender.simulation.signals import Floats

if TYPE_CHECKING:
    from recommender.simulation.log import SimulatedLog

__all__ = ["BayesCeiling", "bayes_ceiling", "persona_posterior"]

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class BayesCeiling:
    """What is attainable.

    Attributes
    ----------
    value : float
        True value of the policy that is greedy on ``expected_reward``.
    expected_reward : ndarray of shape (n, n_actions), float32
        Posterior mean reward of every action.
    action : ndarray of shape (n,)
        Best action of each row given what is observable.
    """

    value: float
    expected_reward: NDArray[np.float32]
    action: Ints


def bayes_ceiling(log: SimulatedLog, *, history: bool = True, rows: Any = None) -> BayesCeiling:
    """Value of the optimal policy that sees only the observable.

    Parameters
    ----------
    log : SimulatedLog
    history : bool, default=True
        Whether the account's own strictly earlier contacts and outcomes (in this log, and in the log it continues) are
        used besides the context row.
    rows : selection of rows, optional
        Slice, mask or positions; default all rows.

    Returns
    -------
    BayesCeiling
    """
    positions = np.arange(len(log)) if rows is None else np.arange(len(log))[rows]
    decisions = log.decisions.take(positions)
    expected = np.empty((len(positions), len(log.actions)), dtype=np.float32)
    if log.world.joint is not None:  # nothing is hidden there
        for part, chunk in log._chunks(positions):  # noqa: SLF001 - the two modules are one object's halves
            expected[chunk] = log._expected(part)  # noqa: SLF001
    else:
        posterior = persona_posterior(log, history=history)[positions]
        for group, response in _posterior_response(log, decisions, posterior):
            part = decisions.take(group)
            paying = log.reward_model.paying(response, part.self_cure)
            expected[group] = log.reward_model.expected(paying, part)
    action = expected.argmax(axis=1).astype(np.int64)
    total = 0.0
    for part, chunk in log._chunks(positions):  # noqa: SLF001
        total += float(np.take_along_axis(log._expected(part), action[chunk, None], axis=1).sum())  # noqa: SLF001
    return BayesCeiling(value=total / len(positions), expected_reward=expected, action=action)


def persona_posterior(log: SimulatedLog, *, history: bool = True) -> Floats:
    """Exact posterior over personas of every row, shape (n, n_personas).

    Parameters
    ----------
    log : SimulatedLog
        Of the additive world.
    history : bool, default=True
        Whether earlier outcomes of the same account count.
    """
    by_debtor = log.world.personas.log_prior(log.population.traits)
    log_posterior = by_debtor[log.population.debtor[log.decisions.account]]
    if history:
        log_posterior += _evidence_before(log)
    log_posterior -= log_posterior.max(axis=1, keepdims=True)
    np.exp(log_posterior, out=log_posterior)
    log_posterior /= log_posterior.sum(axis=1, keepdims=True)
    return log_posterior


def _log_evidence(log: SimulatedLog, rows: Ints) -> Floats:
    """Log-likelihood of the outcomes of ``rows`` under every persona."""
    part, action = log.decisions.take(rows), log.action[rows]
    contact = np.minimum(action, log.world.personas.effect.shape[2] - 1)
    response = log.world.personas.probability_by_persona(part.cell, part.level, contact)
    paying = log.reward_model.paying_by_persona(response, part.self_cure, action)
    return np.log(np.where(log.paid[rows, None], paying, 1.0 - paying))


def _evidence_before(log: SimulatedLog) -> Floats:
    """Log-evidence of strictly earlier rows of the same account; rows of one instant do not see each other."""
    n, step = len(log), 50_000
    evidence = np.empty((n, log.world.personas.n_personas))
    for start in range(0, n, step):
        rows = np.arange(start, min(start + step, n))
        evidence[rows] = _log_evidence(log, rows)
    order = np.argsort(log.decisions.account, kind="stable")  # rows are in time order already
    account = log.decisions.account[order]
    instant = log.contacts["sent_at"].to_numpy()[order]
    first_of_account = np.r_[True, account[1:] != account[:-1]]
    first_of_instant = first_of_account | np.r_[True, instant[1:] != instant[:-1]]
    running = np.cumsum(evidence[order], axis=0)
    before = np.vstack([np.zeros((1, running.shape[1])), running[:-1]])
    anchor_account = np.maximum.accumulate(np.where(first_of_account, np.arange(n), 0))
    anchor_instant = np.maximum.accumulate(np.where(first_of_instant, np.arange(n), 0))
    evidence[order] = before[anchor_instant] - before[anchor_account]
    if log.earlier is not None:
        evidence += _total_by_account(log.earlier)[log.decisions.account]
    return evidence


def _total_by_account(log: SimulatedLog) -> Floats:
    """Log-evidence of all rows of each account of the population, earlier logs included."""
    total = np.zeros((len(log.population.debtor), log.world.personas.n_personas))
    for start in range(0, len(log), 50_000):
        rows = np.arange(start, min(start + 50_000, len(log)))
        np.add.at(total, log.decisions.account[rows], _log_evidence(log, rows))
    return total if log.earlier is None else total + _total_by_account(log.earlier)


def _posterior_response(log: SimulatedLog, decisions: Decisions, posterior: Floats) -> Any:
    """Posterior mean response of all contact actions, by groups of rows that share cell and level.

    Within a group the probability of (persona, action) is one table, so the mean is one matrix product.
    """
    personas = log.world.personas
    keys = np.stack([decisions.cell, decisions.level], axis=1)
    unique, inverse = np.unique(keys, axis=0, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    bounds = np.searchsorted(inverse[order], np.arange(len(unique) + 1))
    for index, (cell, level) in enumerate(unique):
        group = order[bounds[index] : bounds[index + 1]]
        table = expit(personas.effect[cell] + (personas.intercept + level * LEVEL_STEP))
        yield group, posterior[group] @ table
