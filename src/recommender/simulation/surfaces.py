"""Worlds where effects do not add up on the logit: all that matters is in the context, little of it in straight lines.

260 actions (channel x hour x tone), 25 context columns of which half say nothing, with values missing, a logger that
is almost uniform. The response is a product of three probabilities, reached (channel, hour), engaged (channel, tone)
and willing (tone); laws differ in what moves them:

``thresholds``
    two columns on the same side of their cuts, or two or three on the right sides together;
``products``
    products of two columns, saturating;
``rhythms``
    waves over hours whose phase is a column, with periods of 24, 12 and 6 hours;
``gates``
    thresholds, and hard zeros: no answer at all on a channel, at an hour or to a tone for who lies behind a cut;
``mixed``
    half of each of them.

A missing value crosses no cut and takes part in no product; that it is missing is observable, so the oracle is the
ceiling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, softmax

from recommender.actions import ActionSpace
from recommender.errors import InvalidInput
from recommender.history import LoggedFeedback
from recommender.simulation.captured import share_captured
from recommender.simulation.signals import Floats

__all__ = ["SurfaceLaw", "SurfaceLog", "simulate_surfaces"]

SurfaceLaw = Literal["thresholds", "products", "rhythms", "gates", "mixed"]

_LAWS = ("thresholds", "products", "rhythms", "gates", "mixed")
_CHANNELS, _TONES = ("call", "sms", "whatsapp", "email", "letter"), ("friendly", "neutral", "firm", "urgent")
_HOURS = range(8, 21)
_NUMBERS, _TOLD = 20, 11  # number columns, and how many of them the response may read
_SPELLINGS = (("none", "part", "full"), ("north", "south", "east", "west", "coast"))
_RULES = 6  # a target
_HIGHEST = 0.97  # response probability
_FIRST = pd.Timestamp("2026-01-01", tz="UTC")


@dataclass(frozen=True, eq=False)
class SurfaceLog:
    """A log of decisions, fresh accounts, and the truth about them.

    Attributes
    ----------
    contacts : DataFrame
        In time order: ``account_id``, ``sent_at``, one column a factor, context columns, ``propensity``, ``reward``.
    actions : ActionSpace
    context, categorical : list of str
    accounts : DataFrame
        Fresh accounts.
    truth : ndarray of shape (n_accounts, n_actions)
        Their true response probabilities, which their context determines: the oracle is the ceiling.
    logging : ndarray of shape (n_accounts, n_actions)
        What the logger would do.
    """

    contacts: pd.DataFrame
    actions: ActionSpace
    context: list[str]
    categorical: list[str]
    accounts: pd.DataFrame
    truth: Floats
    logging: Floats

    def feedback(self, *, propensities: bool = True) -> LoggedFeedback:
        """Return the log as learners and estimators take it: no account comes twice, so without accounts' histories."""
        return LoggedFeedback.from_frame(
            self.contacts,
            actions=self.actions,
            context=self.context,
            categorical=self.categorical,
            reward="reward",
            propensity="propensity" if propensities else None,
            time="sent_at",
        )

    def captured(self, scores: Floats) -> float:
        """Share of (oracle - logger) that the best-scored action of each account earns."""
        return share_captured(scores, self.truth, self.logging)


def simulate_surfaces(
    n: int = 50_000,
    *,
    law: SurfaceLaw = "mixed",
    missing: float = 0.1,
    logger: float = 0.2,
    base_rate: float = 0.06,
    n_fresh: int = 4_000,
    seed: int = 0,
) -> SurfaceLog:
    """Simulate decisions in a world that is not additive.

    Parameters
    ----------
    n : int, default=50_000
        Decisions, one an account.
    law : {"thresholds", "products", "rhythms", "gates", "mixed"}
    missing : float in [0, 1), default=0.1
        Mean share of missing values; a column has between half and twice of it.
    logger : float, default=0.2
        How strongly the logger prefers actions by context, on the logit; 0 = uniform.
    base_rate : float, default=0.06
        Mean response over uniform actions.
    n_fresh : int, default=4_000
        Accounts to be judged on.
    seed : int, default=0
        Same seed and arguments, same bytes.

    Returns
    -------
    SurfaceLog

    Raises
    ------
    InvalidInput
        When an argument is out of range.

    Examples
    --------
    >>> log = simulate_surfaces(500, law="gates", seed=1)
    >>> bool((log.truth == 0).any())
    True
    """
    _check(n, law, missing, logger, base_rate, n_fresh)
    rng = np.random.default_rng([seed, 43])
    actions = ActionSpace({"channel": _CHANNELS, "hour": _HOURS, "tone": _TONES})
    Z, categories = _columns(rng, n + n_fresh, missing)
    truth = _response(rng, actions, law, Z, categories)
    for _ in range(12):  # what is cut off above is made up for below
        truth = np.minimum(truth * (base_rate / truth.mean()), _HIGHEST)
    preference = logger * rng.normal(size=(4, len(actions)))
    logging = softmax(np.nan_to_num(Z[:, :4]) @ preference, axis=1)

    action = (rng.random(n)[:, None] > logging[:n].cumsum(axis=1)[:, :-1]).sum(axis=1)
    rows = np.arange(n)
    reward = rng.random(n) < truth[rows, action]
    frame = _frame(Z, categories)
    account = pd.DataFrame({"account_id": [f"a{i:07d}" for i in range(n + n_fresh)]})
    sent = pd.DataFrame({"sent_at": _FIRST + pd.to_timedelta(np.sort(rng.integers(0, 180 * 86_400, n)), unit="s")})
    contacts = pd.concat([account[:n], sent, actions.describe(action), frame[:n]], axis=1)
    contacts["propensity"] = logging[rows, action]
    contacts["reward"] = reward.astype(np.float64)
    return SurfaceLog(
        contacts=contacts,
        actions=actions,
        context=list(frame.columns),
        categorical=[f"group{j}" for j in range(len(_SPELLINGS))],
        accounts=pd.concat([account[n:], frame[n:]], axis=1).reset_index(drop=True),
        truth=truth[n:],
        logging=logging[n:],
    )


def _check(n: int, law: str, missing: float, logger: float, base_rate: float, n_fresh: int) -> None:
    if law not in _LAWS:
        raise InvalidInput.in_column("law", "is unknown", values=[law], mend=f"Choose one of {list(_LAWS)}.")
    ranges: Sequence[tuple[str, float, float, float]] = (
        ("n", n, 1, np.inf),
        ("missing", missing, 0, 0.45),
        ("logger", logger, 0, 5),
        ("base_rate", base_rate, 0.001, 0.5),
        ("n_fresh", n_fresh, 1, np.inf),
    )
    for name, value, low, high in ranges:
        if not low <= value <= high:
            raise InvalidInput.in_column(name, f"must lie in [{low:g}, {high:g}]", values=[value], mend="Pass another.")


# -- context --------------------------------------------------------------------------------------------------------
def _columns(rng: np.random.Generator, n: int, missing: float) -> tuple[Floats, NDArray[np.int64]]:
    """Standard normal columns with values missing, and codes of the categories."""
    mixing = np.linalg.cholesky(0.8 * np.eye(_NUMBERS) + 0.2)
    Z = rng.normal(size=(n, _NUMBERS)) @ mixing.T
    share = missing * rng.uniform(0.5, 2.0, _NUMBERS)
    Z[rng.random(Z.shape) < share] = np.nan
    categories = np.stack([rng.integers(0, len(spelt), n) for spelt in _SPELLINGS], axis=1)
    return Z, categories


def _frame(Z: Floats, categories: NDArray[np.int64]) -> pd.DataFrame:
    """Columns as they are exported: some skewed, one an hour, one a count of days."""
    columns: dict[str, Floats] = {f"x{j}": Z[:, j] for j in range(_NUMBERS)}
    for j in (1, 4, 13):
        columns[f"x{j}"] = np.asarray(np.round(np.exp(5 + Z[:, j]), 2), dtype=np.float64)
    columns["x0"] = _hour_of(Z)
    columns["x2"] = np.round(15 + 8 * Z[:, 2])
    frame = pd.DataFrame(columns)
    for j, spelt in enumerate(_SPELLINGS):
        frame[f"group{j}"] = np.array(spelt)[categories[:, j]]
    for j in range(3):  # flags, of columns that are there anyway
        frame[f"flag{j}"] = (Z[:, 15 + j] > 0).astype(np.int64)
    return frame


def _hour_of(Z: Floats) -> Floats:
    """Hour of the day at which an account is active, to the quarter of an hour."""
    return np.asarray(np.round(4 * np.mod(15 + 4 * Z[:, 0], 24)) / 4)


# -- response -------------------------------------------------------------------------------------------------------
def _response(
    rng: np.random.Generator, actions: ActionSpace, law: str, Z: Floats, categories: NDArray[np.int64]
) -> Floats:
    """Product of the three probabilities, shape (n, n_actions), up to its scale."""
    channel, hour, tone = actions.codes.T
    n_channels, n_hours, n_tones = actions.shape
    pairs = n_channels * n_tones
    strength = 0.6 if law == "mixed" else 1.0
    reach, engage, willing = np.zeros((len(Z), n_channels, n_hours)), np.zeros((len(Z), pairs)), np.zeros((len(Z), 4))
    if law in {"thresholds", "gates", "mixed"}:
        reach += 2.0 * strength * _thresholds(rng, Z, n_channels)[:, :, None]
        engage += 2.0 * strength * _thresholds(rng, Z, pairs)
        willing += 1.6 * strength * _thresholds(rng, Z, n_tones)
    if law in {"products", "mixed"}:
        reach += 1.6 * strength * _products(rng, Z, n_channels)[:, :, None]
        engage += 1.6 * strength * _products(rng, Z, pairs)
        willing += 1.2 * strength * _products(rng, Z, n_tones)
    if law in {"products", "thresholds", "gates"}:  # by part of the day: the hour has to matter to somebody
        part = np.minimum(np.arange(n_hours) * 4 // n_hours, 3)
        of = _thresholds(rng, Z, 4) if law != "products" else _products(rng, Z, 4)
        reach += 1.5 * of[:, None, part]
    if law in {"rhythms", "mixed"}:
        reach += strength * _waves(rng, Z, categories, n_channels)
        engage += 0.8 * strength * _products(rng, Z, pairs)
    joint = expit(reach - 1.2)[:, channel, hour] * expit(willing)[:, tone]
    joint *= expit(engage - 1.0)[:, channel * n_tones + tone]
    if law in {"gates", "mixed"}:
        joint *= _open(rng, Z, categories, n_channels)[:, channel]
        joint *= _open(rng, Z, categories, 4)[:, np.minimum(hour * 4 // n_hours, 3)]
        joint *= _open(rng, Z, categories, n_tones)[:, tone]
    return np.asarray(joint)


def _thresholds(rng: np.random.Generator, Z: Floats, targets: int) -> Floats:
    """Centred sums of rules of two or three columns: on one side of their cuts, or all on the right ones."""
    total = np.zeros((len(Z), targets))
    for target in range(targets):
        for rule in range(_RULES):
            sides = rng.choice(_TOLD, 2 if rule % 2 else rng.integers(2, 4), replace=False)
            cut, sign = rng.uniform(-0.6, 0.6, len(sides)), rng.choice([-1.0, 1.0], len(sides))
            over = np.nan_to_num(Z[:, sides] * sign - cut, nan=-1.0) > 0
            holds = over[:, 0] == over[:, 1] if rule % 2 else over.all(axis=1)
            total[:, target] += rng.choice([-1.0, 1.0], p=(0.35, 0.65)) * rng.uniform(0.6, 1.4) * holds
    return np.asarray(total - total.mean(axis=0))


def _products(rng: np.random.Generator, Z: Floats, targets: int) -> Floats:
    """Saturating sums of products of two columns."""
    total = np.zeros((len(Z), targets))
    for target in range(targets):
        for _ in range(2):
            one, other = rng.choice(_TOLD, 2, replace=False)
            total[:, target] += rng.choice([-1.0, 1.0]) * np.nan_to_num(Z[:, one] * Z[:, other])
    return np.asarray(np.tanh(total))


def _waves(rng: np.random.Generator, Z: Floats, categories: NDArray[np.int64], n_channels: int) -> Floats:
    """Waves over hours: phases from the active hour, a category and a column; shape (n, n_channels, n_hours)."""
    hours = np.arange(_HOURS.start, _HOURS.stop, dtype=np.float64)
    phases = (
        (24.0, np.where(np.isnan(Z[:, 0]), 20.0, _hour_of(Z))),
        (12.0, 2.4 * categories[:, 1]),
        (6.0, np.where(np.nan_to_num(Z[:, 3], nan=-1.0) > 0, 3.0, 0.0) + 1.5 * (categories[:, 0] == 1)),
    )
    total = np.zeros((len(Z), n_channels, len(hours)))
    for period, phase in phases:
        wave = np.cos((hours - phase[:, None]) * 2 * np.pi / period)
        total += rng.uniform(0.5, 1.6, n_channels)[None, :, None] * wave[:, None, :]
    return total


def _open(rng: np.random.Generator, Z: Floats, categories: NDArray[np.int64], targets: int) -> NDArray[np.bool_]:
    """Who answers at all, by target: closed behind a cut of a column for one group."""
    open_ = np.ones((len(Z), targets), dtype=bool)
    for target in range(targets):
        j, sign, cut = rng.integers(0, _TOLD), rng.choice([-1.0, 1.0]), rng.uniform(0.0, 0.8)
        behind = np.nan_to_num(sign * Z[:, j], nan=-9.0) > cut
        which = rng.integers(0, len(_SPELLINGS))
        group = categories[:, which] == rng.integers(0, len(_SPELLINGS[which]))
        open_[:, target] = ~(behind | (group & (np.nan_to_num(Z[:, (j + 1) % _TOLD], nan=-9.0) > 0.3)))
    return open_
