"""Worlds of habits: who answers when and where shows in a debtor's own past answers, not in the context.

Every debtor has one of a few thousand latent habits, drawn from a law; a habit is a table of response probabilities by
action. The set is finite, so the posterior over habits given everything that a debtor answered is exact, and with it
the Bayes ceiling; it is so large that nobody can learn habits one by one. Laws differ in what they share:

``smooth``
    a few personal factors times action factors that are smooth over hours and partly shared between channels;
``windows``
    a personal window of hours on personal channels, next to nothing outside: thresholds;
``products``
    P(reached at the hour) times P(engaged by channel and tone), each saturating;
``rhythms``
    waves over hours with a personal phase and period, stronger on some channels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit, softmax

from recommender.actions import ActionSpace
from recommender.errors import InvalidInput
from recommender.history import LoggedFeedback
from recommender.simulation.captured import share_captured
from recommender.simulation.signals import Floats

__all__ = ["HabitLaw", "HabitLog", "simulate_habits"]

HabitLaw = Literal["smooth", "windows", "products", "rhythms"]

_HABITS = 3_000  # latent habits: many more than contacts of a debtor could tell apart
_FACTORS = 4  # personal factors of the smooth law
_LEVEL_STEP = 0.25  # levels of accounts lie on a grid, so that accounts share tables of probabilities
_SIGNS = 6  # columns that may show habits
_SIGN_NOISE = 1.0  # of an informative context column, in standard deviations of what it shows
_FIRST = pd.Timestamp("2026-01-01", tz="UTC")


@dataclass(frozen=True, eq=False)
class HabitLog:
    """A log of contacts, the debtors' next decisions, and the truth about them.

    Attributes
    ----------
    contacts : DataFrame
        In time order: ``account_id``, ``sent_at``, one column a factor, context columns, ``propensity``, ``reward``.
    actions : ActionSpace
    context, categorical : list of str
    accounts : DataFrame of shape (n_debtors, ...)
        ``account_id`` and context of every debtor, for the decision after the log.
    truth : ndarray of shape (n_debtors, n_actions)
        True response probability of that decision.
    ceiling : ndarray of shape (n_debtors, n_actions)
        Its exact posterior mean given the debtor's context and all answers in the log.
    logging : ndarray of shape (n_debtors, n_actions)
        What the logger would do.
    """

    contacts: pd.DataFrame
    actions: ActionSpace
    context: list[str]
    categorical: list[str]
    accounts: pd.DataFrame
    truth: Floats
    ceiling: Floats
    logging: Floats

    def feedback(self) -> LoggedFeedback:
        """Return the log as learners and estimators take it."""
        return LoggedFeedback.from_frame(
            self.contacts,
            actions=self.actions,
            context=self.context,
            categorical=self.categorical,
            reward="reward",
            propensity="propensity",
            account="account_id",
            time="sent_at",
        )

    def captured(self, scores: Floats) -> float:
        """Share of (oracle - logger) that the best-scored action of each debtor earns."""
        return share_captured(scores, self.truth, self.logging)

    def share(self, scores: Floats) -> float:
        """The same as a share of the Bayes ceiling."""
        return self.captured(scores) / self.captured(self.ceiling)


def simulate_habits(
    n_debtors: int = 3_000,
    contacts_each: float = 20.0,
    *,
    law: HabitLaw = "smooth",
    strength: float = 1.0,
    informative: float = 0.0,
    moving: float = 0.0,
    confounded: bool = False,
    missing: float = 0.0,
    base_rate: float = 0.12,
    seed: int = 0,
) -> HabitLog:
    """Simulate contacts with debtors of hidden habits.

    Parameters
    ----------
    n_debtors : int, default=3_000
    contacts_each : float, default=20.0
        Mean contacts of a debtor (Poisson, so some have none).
    law : {"smooth", "windows", "products", "rhythms"}
    strength : float, default=1.0
        Scales habits on the logit; 0 = everybody alike.
    informative : float in [0, 1], default=0.0
        Share of the context columns that are noisy signs of the habit.
    moving : float in [0, 1], default=0.0
        Share of the debtors whose habit is another one from half of the log on.
    confounded : bool, default=False
        Whether the logger picks actions by context that drives the response too; uniform otherwise.
    missing : float in [0, 1), default=0.0
        Share of missing values in the context.
    base_rate : float, default=0.12
        Mean response over uniform actions.
    seed : int, default=0
        Same seed and arguments, same bytes.

    Returns
    -------
    HabitLog

    Raises
    ------
    InvalidInput
        When an argument is out of range.

    Examples
    --------
    >>> log = simulate_habits(300, 6, seed=1)
    >>> bool(log.captured(log.ceiling) > log.captured(log.truth.mean(axis=0) + 0 * log.truth))
    True
    """
    _check(n_debtors, contacts_each, law, strength, informative, moving, missing, base_rate)
    rng = np.random.default_rng([seed, 41])
    actions = ActionSpace({"channel": ["call", "sms", "whatsapp"], "hour": range(8, 20)})
    habits = _tables(rng, actions, law, strength, base_rate)
    signs = _signs(habits)
    habit, later = rng.integers(0, len(habits), (2, n_debtors))
    later = np.where(rng.random(n_debtors) < moving, later, habit)
    context, level, context_evidence = _context(rng, signs, later, informative, missing)
    preference = rng.normal(size=(3, len(actions))) * (0.8 if confounded else 0.0)
    logging = softmax(np.nan_to_num(context.to_numpy()[:, :3]) @ preference, axis=1)

    each = rng.poisson(contacts_each, n_debtors)
    debtor = np.repeat(np.arange(n_debtors), each)
    moment = rng.random(len(debtor))
    order = np.argsort(moment, kind="stable")
    debtor, moment = debtor[order], moment[order]
    action = (rng.random(len(debtor))[:, None] > logging.cumsum(axis=1)[debtor, :-1]).sum(axis=1)
    now = np.where(moment < 0.5, habit[debtor], later[debtor])
    reward = rng.random(len(debtor)) < expit(habits[now, action] + level[debtor])

    log_posterior = _log_posterior(habits, level, debtor, action, reward, moment >= 0.5, moving) + context_evidence
    contacts = pd.concat([_identity(debtor, moment), actions.describe(action)], axis=1)
    contacts = pd.concat([contacts, context.iloc[debtor].reset_index(drop=True)], axis=1)
    contacts["propensity"] = logging[debtor, action]
    contacts["reward"] = reward.astype(np.float64)
    accounts = pd.concat([pd.DataFrame({"account_id": [f"d{i:06d}" for i in range(n_debtors)]}), context], axis=1)
    return HabitLog(
        contacts=contacts,
        actions=actions,
        context=list(context.columns),
        categorical=[],
        accounts=accounts,
        truth=expit(habits[later] + level[:, None]),
        ceiling=_means(habits, level, softmax(log_posterior, axis=1)),
        logging=logging,
    )


def _check(
    n_debtors: int,
    contacts_each: float,
    law: str,
    strength: float,
    informative: float,
    moving: float,
    missing: float,
    base_rate: float,
) -> None:
    if law not in _LAWS:
        raise InvalidInput.in_column("law", "is unknown", values=[law], mend=f"Choose one of {list(_LAWS)}.")
    ranges: Mapping[str, tuple[float, float, float]] = {
        "n_debtors": (n_debtors, 1, np.inf),
        "contacts_each": (contacts_each, 0, np.inf),
        "strength": (strength, 0, 5),
        "informative": (informative, 0, 1),
        "moving": (moving, 0, 1),
        "missing": (missing, 0, 0.99),
        "base_rate": (base_rate, 0.001, 0.9),
    }
    for name, (value, low, high) in ranges.items():
        if not low <= value <= high:
            raise InvalidInput.in_column(name, f"must lie in [{low:g}, {high:g}]", values=[value], mend="Pass another.")


def _identity(debtor: NDArray[np.int64], moment: Floats) -> pd.DataFrame:
    """Account and instant of each contact: half a year, to the second."""
    seconds = (moment * 180 * 86_400).astype(np.int64)
    sent = _FIRST + pd.to_timedelta(seconds, unit="s")
    return pd.DataFrame({"account_id": [f"d{i:06d}" for i in debtor], "sent_at": sent})


def _context(
    rng: np.random.Generator, signs: Floats, habit: NDArray[np.int64], informative: float, missing: float
) -> tuple[pd.DataFrame, Floats, Floats]:
    """Columns of each debtor, the level that they give, and what they tell of each habit (log-likelihood)."""
    n, n_signs = len(habit), round(informative * signs.shape[1])
    X = rng.normal(size=(n, signs.shape[1] + 3))
    X[:, 3 : 3 + n_signs] = signs[habit, :n_signs] + _SIGN_NOISE * X[:, 3 : 3 + n_signs]
    level = np.round(X[:, :3] @ np.array([0.5, -0.3, 0.2]) / _LEVEL_STEP) * _LEVEL_STEP
    level = np.clip(level, -2.0, 2.0)
    X[rng.random(X.shape) < missing] = np.nan
    log_density = np.zeros((n, len(signs)))
    for j in range(n_signs):
        away = (X[:, 3 + j, None] - signs[None, :, j]) / _SIGN_NOISE
        log_density -= 0.5 * np.nan_to_num(away) ** 2
    return pd.DataFrame({f"x{j}": X[:, j] for j in range(X.shape[1])}), level, log_density


def _log_posterior(
    habits: Floats,
    level: Floats,
    debtor: NDArray[np.int64],
    action: NDArray[np.int64],
    reward: NDArray[np.bool_],
    second_half: NDArray[np.bool_],
    moving: float,
) -> Floats:
    """Log-posterior of the habit at the end of the log up to a constant, shape (n_debtors, n_habits)."""
    after = _log_likelihood(habits, level, debtor[second_half], action[second_half], reward[second_half])
    first = ~second_half
    before = _log_likelihood(habits, level, debtor[first], action[first], reward[first])
    if moving == 0.0:
        return before + after
    # whoever moved: the first half tells of another habit, so only its mean likelihood counts
    top = before.max(axis=1, keepdims=True)
    marginal = top + np.log(np.exp(before - top).mean(axis=1, keepdims=True))
    stayed = np.log1p(-moving) + before if moving < 1 else np.full(before.shape, -np.inf)
    return np.asarray(after + np.logaddexp(stayed, np.log(moving) + marginal))


def _log_likelihood(
    habits: Floats, level: Floats, debtor: NDArray[np.int64], action: NDArray[np.int64], reward: NDArray[np.bool_]
) -> Floats:
    """Log-likelihood of every debtor's answers under every habit: counts by action times log-probabilities."""
    n, (n_habits, n_actions) = len(level), habits.shape
    counts = np.zeros((2, n, n_actions))
    np.add.at(counts, (reward.astype(np.int64), debtor, action), 1.0)
    tried, total = counts.sum(axis=0), np.empty((n, n_habits))
    for value in np.unique(level):
        rows = level == value
        eta = habits + value  # log p = eta - log(1 + e^eta) and log(1 - p) = -log(1 + e^eta): one table for both
        total[rows] = counts[1, rows] @ eta.T - tried[rows] @ np.logaddexp(0.0, eta).T
    return total


def _means(habits: Floats, level: Floats, posterior: Floats) -> Floats:
    mean = np.empty((len(level), habits.shape[1]))
    for value in np.unique(level):
        rows = level == value
        mean[rows] = posterior[rows] @ expit(habits + value)
    return mean


def _signs(habits: Floats) -> Floats:
    """What a context column may show of a habit: its place along the directions in which habits differ most."""
    left, sizes, _ = np.linalg.svd(habits - habits.mean(axis=0), full_matrices=False)
    shown = left[:, :_SIGNS] * np.sqrt(len(habits))
    return np.asarray(np.where(sizes[:_SIGNS] > 1e-9 * max(sizes[0], 1e-9), shown, 0.0))


# -- laws -----------------------------------------------------------------------------------------------------------
def _tables(rng: np.random.Generator, actions: ActionSpace, law: str, strength: float, base_rate: float) -> Floats:
    """Logits of every habit and action, shape (n_habits, n_actions), of the wanted mean response."""
    own = _LAWS[law](rng, actions)
    own = strength * (own - own.mean()) + 0.3 * rng.normal(size=len(actions))
    low, high = -15.0, 15.0
    for _ in range(60):  # the shift at which the mean response is the base rate
        shift = 0.5 * (low + high)
        low, high = (shift, high) if expit(own + shift).mean() < base_rate else (low, shift)
    return np.asarray(own + shift)


def _smooth(rng: np.random.Generator, actions: ActionSpace) -> Floats:
    n_channels, n_hours = actions.shape
    channels = 0.6 * np.eye(n_channels) + 0.4
    hours = np.exp(-0.5 * ((np.arange(n_hours)[:, None] - np.arange(n_hours)[None]) / 1.5) ** 2)
    root = np.linalg.cholesky(np.kron(channels, hours + 0.05 * np.eye(n_hours)))
    factors = root @ rng.normal(size=(len(actions), _FACTORS)) * 0.6
    return np.asarray(rng.normal(size=(_HABITS, _FACTORS)) @ factors.T + 0.3 * rng.normal(size=(_HABITS, 1)))


def _windows(rng: np.random.Generator, actions: ActionSpace) -> Floats:
    hour, channel = actions.codes[:, 1], actions.codes[:, 0]
    start, length = rng.integers(0, 10, (_HABITS, 1)), rng.integers(2, 6, (_HABITS, 1))
    inside = (hour >= start) & (hour < start + length)
    likes = rng.random((_HABITS, actions.shape[0])) < 0.5
    likes[np.arange(_HABITS), rng.integers(0, actions.shape[0], _HABITS)] = True
    return np.asarray(np.where(inside & likes[:, channel], 1.5, -2.5))


def _products(rng: np.random.Generator, actions: ActionSpace) -> Floats:
    hour, channel = actions.codes[:, 1], actions.codes[:, 0]
    centre, width = rng.uniform(0, 11, (_HABITS, 1)), rng.uniform(1.5, 4.0, (_HABITS, 1))
    reach = 0.05 + 0.9 * np.exp(-0.5 * ((hour - centre) / width) ** 2)
    engage = expit(1.5 * rng.normal(size=(_HABITS, actions.shape[0])))[:, channel]
    return np.asarray(logit(np.clip(reach * engage, 1e-3, 0.97)))


def _rhythms(rng: np.random.Generator, actions: ActionSpace) -> Floats:
    hour, channel = actions.codes[:, 1], actions.codes[:, 0]
    phase, period = rng.uniform(0, 12, (_HABITS, 1)), rng.choice([6.0, 12.0, 24.0], (_HABITS, 1))
    depth = rng.uniform(0.3, 2.0, (_HABITS, actions.shape[0]))[:, channel]
    liking = 0.6 * rng.normal(size=(_HABITS, actions.shape[0]))[:, channel]
    return np.asarray(depth * np.cos((hour - phase) * 2 * np.pi / period) + liking)


_LAWS: dict[str, Callable[[np.random.Generator, ActionSpace], Floats]] = {
    "smooth": _smooth,
    "windows": _windows,
    "products": _products,
    "rhythms": _rhythms,
}
