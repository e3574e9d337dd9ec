"""Randomised trials whose truth is known, and the confounded logs that rules, thresholds, taste and time cut from them.

A row of a trial stays in the log with probability ``mu(a|x) / (p(a) M)``, where ``p`` is the trial's design, ``mu`` the
logging policy and ``M`` the largest ratio. Contexts keep their law, ``mu`` is the probability of the logged action, and
the value of any policy is known from the trial: exactly where it was simulated, up to sampling error where it was real.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, softmax

from recommender.actions import ActionSpace
from recommender.history import LoggedFeedback

__all__ = ["CUTS", "CutLog", "Trial", "cut_trial", "read_hillstrom", "simulated_trial"]

Floats = NDArray[np.float64]

_FLOOR = 0.05  # of an action's probability where no rule forbids it
_HILLSTROM_CONTEXT = ("recency", "history", "mens", "womens", "newbie", "channel", "zip_code")
_HILLSTROM_ARMS = {"No E-Mail": "none", "Womens E-Mail": "womens", "Mens E-Mail": "mens"}


@dataclass(frozen=True)
class Trial:
    """A randomised experiment: who was given what by chance, and what came of it.

    Attributes
    ----------
    name : str
    frame : DataFrame of shape (n, ...)
        Context columns, ``arm`` and ``reward``.
    context : tuple of str
    arms : tuple of str
    design : ndarray of shape (n_arms,)
        Probability of each arm, whatever the context.
    expected : ndarray of shape (n, n_arms) or None
        Expected reward of every arm; None in a real trial, where nobody knows it.
    """

    name: str
    frame: pd.DataFrame
    context: tuple[str, ...]
    arms: tuple[str, ...]
    design: Floats
    expected: Floats | None = None

    def value(self, probabilities: Floats) -> tuple[float, float]:
        """True value of a policy, given for the rows of the trial, and the standard error of that truth.

        Parameters
        ----------
        probabilities : ndarray of shape (n, n_arms)
        """
        if self.expected is not None:
            return float((probabilities * self.expected).sum(axis=1).mean()), 0.0
        arm = self.arm
        weight = probabilities[np.arange(len(arm)), arm] / self.design[arm]
        worth = weight * self.frame["reward"].to_numpy(dtype=np.float64)
        return float(worth.sum() / weight.sum()), float(worth.std() / np.sqrt(len(worth)))

    @property
    def arm(self) -> NDArray[np.int64]:
        """Code of each row's arm."""
        return np.asarray(pd.Categorical(self.frame["arm"], categories=list(self.arms)).codes, dtype=np.int64)


@dataclass(frozen=True)
class CutLog:
    """A confounded log cut from a trial.

    Attributes
    ----------
    log : LoggedFeedback
        Without propensities unless they were asked for.
    rows : ndarray of int
        Row of the trial behind each decision.
    logging : ndarray of shape (n_trial, n_arms)
        The logging policy at every row of the trial; 0 where a rule forbids an arm.
    """

    log: LoggedFeedback
    rows: NDArray[np.int64]
    logging: Floats


def simulated_trial(seed: int, n: int = 20_000, *, n_arms: int = 2, base: float = 0.15, amounts: bool = False) -> Trial:
    """A simulated trial: numbers, categories and an agent; arms that help some and harm others.

    Parameters
    ----------
    seed : int
    n : int, default=20_000
    n_arms : int, default=2
    base : float, default=0.15
        Usual response rate.
    amounts : bool, default=False
        Whether a response brings an amount instead of 1.
    """
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "recency": rng.integers(1, 13, n),
            "history": np.round(rng.lognormal(5.0, 0.9, n), 2),
            "past": rng.integers(0, 2, n),
            "segment": rng.choice(["a", "b", "c", "d"], n, p=[0.4, 0.3, 0.2, 0.1]),
            "agent": rng.integers(0, 6, n).astype(str),
            "week": rng.integers(0, 20, n),
        }
    )
    z = np.column_stack(
        [
            (frame["recency"] - 6.5) / 3.5,
            np.log(frame["history"]) - 5.0,
            frame["past"] - 0.5,
            frame["segment"] == "b",
            frame["segment"] == "c",
        ]
    ).astype(np.float64)
    common = z @ rng.normal(scale=0.35, size=z.shape[1])
    own = rng.normal(scale=0.25, size=n_arms) + z @ rng.normal(scale=0.3, size=(z.shape[1], n_arms))
    chance = expit(np.log(base / (1 - base)) + common[:, None] + own - own.mean())
    arm = rng.integers(0, n_arms, n)
    hit = rng.random(n) < chance[np.arange(n), arm]
    size = np.exp(2.0 + 0.3 * z[:, 1]) if amounts else np.ones(n)
    frame["reward"] = np.where(hit, size * (rng.gamma(4.0, 0.25, n) if amounts else 1.0), 0.0)
    arms = tuple(f"arm{code}" for code in range(n_arms))
    frame["arm"] = np.array(arms)[arm]
    context = ("recency", "history", "past", "segment", "agent", "week")
    name = f"simulated {seed}: {n_arms} arms, {'amounts' if amounts else f'responses {base:.0%}'}"
    return Trial(name, frame, context, arms, np.full(n_arms, 1.0 / n_arms), chance * size[:, None])


def read_hillstrom(path: str | PathLike[str], *, reward: str = "visit", leave_out: str | None = None) -> Trial:
    """Read the MineThatData e-mail challenge from a file the user downloaded: no licence is stated, none is shipped.

    Parameters
    ----------
    path : str or path-like
        ``Kevin_Hillstrom_MineThatData_E-MailAnalytics_DataMiningChallenge_2008.03.20.csv``, gzipped or not.
    reward : {"visit", "conversion", "spend"}, default="visit"
    leave_out : {"none", "womens", "mens"}, optional
        One of the three arms.
    """
    frame = pd.read_csv(path)
    frame = frame.assign(arm=frame["segment"].map(_HILLSTROM_ARMS), reward=frame[reward].astype(np.float64))
    frame = frame[frame["arm"] != leave_out].reset_index(drop=True)
    rng = np.random.default_rng(0)
    frame = frame.assign(agent=rng.integers(0, 6, len(frame)).astype(str), week=rng.integers(0, 20, len(frame)))
    arms = tuple(arm for arm in _HILLSTROM_ARMS.values() if arm != leave_out)
    name = f"Hillstrom, {reward}" + (f" without {leave_out}" if leave_out else "")
    context = (*_HILLSTROM_CONTEXT, "agent", "week")
    return Trial(name, frame[[*context, "arm", "reward"]], context, arms, np.full(len(arms), 1.0 / len(arms)))


def _recent_and_rich(frame: pd.DataFrame) -> NDArray[np.bool_]:
    return np.asarray((frame["recency"] <= 4) & (frame["history"] > 200))


def _buyers(frame: pd.DataFrame) -> NDArray[np.bool_]:
    return np.asarray(frame["past" if "past" in frame else "mens"] == 0)


def _tilted(frame: pd.DataFrame, n_arms: int, rng: np.random.Generator) -> Floats:
    """A logger that looks at the columns: every arm keeps its floor."""
    z = np.column_stack([(frame["recency"] - 6.5) / 3.5, np.log1p(frame["history"]) - 5.0]).astype(np.float64)
    return _floored(softmax(z @ rng.normal(scale=0.5, size=(2, n_arms)), axis=1))


def _floored(probabilities: Floats) -> Floats:
    return np.asarray(_FLOOR + (1.0 - _FLOOR * probabilities.shape[1]) * probabilities)


def _never(frame: pd.DataFrame, n_arms: int, rng: np.random.Generator) -> Floats:
    """A business rule on one column: the last arm goes to past buyers only."""
    mu = _tilted(frame, n_arms, rng)
    mu[_buyers(frame), n_arms - 1] = 0.0
    return mu


def _always(frame: pd.DataFrame, n_arms: int, rng: np.random.Generator) -> Floats:
    """A rule on two columns: nobody recent and rich goes without (the first arm)."""
    mu = _tilted(frame, n_arms, rng)
    mu[_recent_and_rich(frame), 0] = 0.0
    return mu


def _taste(frame: pd.DataFrame, n_arms: int, rng: np.random.Generator) -> Floats:
    """Each agent has a taste, and reads the columns in a way of his own."""
    agent = frame["agent"].astype(int).to_numpy()
    z = np.column_stack([np.ones(len(frame)), (frame["recency"] - 6.5) / 3.5, np.log1p(frame["history"]) - 5.0])
    taste = rng.normal(scale=0.8, size=(6, z.shape[1], n_arms))
    return _floored(softmax(np.einsum("ij,ijk->ik", z, taste[agent]), axis=1))


def _time(frame: pd.DataFrame, n_arms: int, rng: np.random.Generator) -> Floats:
    """The last arm was not there before week 5, and became the fashion afterwards."""
    mu = _tilted(frame, n_arms, rng)
    week = frame["week"].to_numpy(dtype=np.float64)
    mu[:, n_arms - 1] *= np.where(week < 5, 0.0, 0.5 + week / 10.0)
    return mu


def _exploring(frame: pd.DataFrame, n_arms: int, rng: np.random.Generator) -> Floats:
    """A rule that is broken in every twenty-fifth case: there is support, and little of it."""
    mu = _never(frame, n_arms, rng)
    mu /= mu.sum(axis=1, keepdims=True)
    return np.asarray(0.96 * mu + 0.04 / n_arms)


CUTS: dict[str, Callable[[pd.DataFrame, int, np.random.Generator], Floats]] = {
    "never": _never,
    "always": _always,
    "taste": _taste,
    "time": _time,
    "exploring": _exploring,
}
"""Ways to log, by name: the frame of a trial, the number of arms and a generator give the logging policy."""


def cut_trial(trial: Trial, cut: str, rng: np.random.Generator, *, with_propensities: bool = False) -> CutLog:
    """Cut a confounded log from a trial.

    Parameters
    ----------
    trial : Trial
    cut : str
        One of :data:`CUTS`.
    rng : numpy.random.Generator
        Of the logging policy's own taste and of the rows that stay.
    with_propensities : bool, default=False
    """
    mu = CUTS[cut](trial.frame, len(trial.arms), rng)
    mu = mu / mu.sum(axis=1, keepdims=True)
    arm = trial.arm
    ratio = mu[np.arange(len(arm)), arm] / trial.design[arm]
    rows = np.flatnonzero(rng.random(len(arm)) < ratio / (mu / trial.design).max())
    frame = trial.frame.iloc[rows].reset_index(drop=True)
    more: dict[str, Any] = {}
    if with_propensities:
        frame["propensity"] = mu[rows, arm[rows]]
        more["propensity"] = "propensity"
    space = ActionSpace({"arm": list(trial.arms)})
    log = LoggedFeedback.from_frame(frame, actions=space, context=list(trial.context), **more)
    return CutLog(log, rows, mu)
