"""The value ladder: how likely a contact reaches each rung, and what it brings in.

One boosted model learns all rungs together: the chance of climbing the next rung from the one below, with the rung as a
column of the model like any factor of the action. What is said of a rung is the product of the steps up to it, so a
higher rung is never more likely than a lower one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, stdtrit

from recommender.actions import ActionSpace
from recommender.errors import ArtefactError
from recommender.history import RUNGS, Climbed
from recommender.learning.ladder_amounts import PaidAmount
from recommender.learning.trees import ActionTrees, TreeSettings

__all__ = ["LadderBelief", "LadderModel", "interval_of"]

Floats = NDArray[np.float64]

_STEP = "rung_"  # of the tree model; a factor of the log cannot be called that, see _steps
_FEWEST = 50  # decisions that climbed a rung, under which nothing is said of it
_MOST_ROWS = 60_000  # decisions that the ladder is learnt from
_MEMBERS = 5  # groups left out, one a member: a jackknife of fewer is all noise
_HELD = 20.0  # pseudo-counts that hold a slope at 1
# Small leaves, for steps are few on the high rungs; early stopping settles the rounds.
_TREES = TreeSettings(
    learning_rate=0.1, l2=5.0, min_leaf=30, feature_fraction=0.8, row_fraction=1.0, max_rounds=250, patience=12
)


@dataclass(frozen=True)
class LadderBelief:
    """What is believed of ranked actions; every array of shape (n, k, n_members), last axis the members.

    Attributes
    ----------
    rungs : dict of str to ndarray
        Probability of each rung or a higher one. Leaving an account alone reaches no rung but payment: NaN.
    amount : ndarray or None
        Expected money within the window, in minor units; None where no payments were logged.
    """

    rungs: dict[str, Floats]
    amount: Floats | None


class LadderModel:
    """Chances of the rungs and amounts, from decisions whose rung is known.

    Attributes
    ----------
    rungs : tuple of str
        Those that the log shows often enough to say anything, lowest first.
    cost : ndarray of shape (n_actions,)
        What an action costs in minor units, by the factor that tells costs apart best; NaN = never logged.
    """

    def __init__(
        self, actions: ActionSpace, rungs: Sequence[str], members: Sequence[ActionTrees], amount: PaidAmount | None,
        cost: Floats, slopes: Floats, offsets: Floats,
    ) -> None:  # fmt: skip
        self.actions = actions
        self.rungs = tuple(rungs)
        self._members = tuple(members)
        self._amount = amount
        self.cost = cost
        self._slopes, self._offsets = slopes, offsets

    @classmethod
    def fit(
        cls,
        X: Floats,
        categorical: list[int],
        actions: ActionSpace,
        action: NDArray[np.int64],
        climbed: Climbed,
        groups: NDArray[np.int64],
        *,
        n_jobs: int,
        random_state: int,
    ) -> Self | None:
        """Learn from encoded decisions; None where the log shows no rung often enough.

        Parameters
        ----------
        X : ndarray of shape (n, n_columns)
        categorical : list of int
            Columns of ``X`` that are category codes.
        actions : ActionSpace
        action : ndarray of shape (n,)
        climbed : Climbed
        groups : ndarray of shape (n,)
            Rows of one group never sit on both sides of a fold.
        n_jobs, random_state : int
        """
        cost = _costs(actions, action, climbed.cost)
        names = list(RUNGS)
        known = np.flatnonzero(climbed.rung >= 0)
        rung = climbed.rung[known].astype(np.int64)
        idle = actions.no_contact_index
        contacted = action[known] != (-1 if idle is None else idle)
        kept = [at for at in range(len(names)) if (rung[contacted] >= at + 1).sum() >= _FEWEST]
        if not kept or len(np.unique(groups[known])) < 2 * _MEMBERS:
            return None
        rng = np.random.default_rng([random_state, 7])
        if len(known) > _MOST_ROWS:
            known = np.sort(rng.permutation(known)[:_MOST_ROWS])
            rung = climbed.rung[known].astype(np.int64)
        _, cluster = np.unique(groups[known], return_inverse=True)
        fold = (rng.permutation(cluster.max() + 1) % _MEMBERS)[cluster]
        # Rungs that are told apart: how many of the kept ones each decision climbed.
        climb = np.searchsorted(np.array(kept) + 1, rung, side="right")
        steps = _steps(actions, len(kept))
        row, cell, target = _at_risk(actions, len(kept), action[known], climb)
        data = (X[known][row], categorical, steps, cell, target)
        chosen, n_rungs = action[known], len(kept)
        every = np.where(  # held-out scores of every step, tried or not; of leaving alone the one cell it has
            (chosen < actions.n_contact_actions)[:, None],
            chosen[:, None] * n_rungs + np.arange(n_rungs),
            actions.n_contact_actions * n_rungs,
        )
        members, outside = [], np.zeros(every.shape)
        for left_out in range(_MEMBERS):
            trees = ActionTrees.fit(
                *data, settings=_TREES, held_out=fold[row] == left_out, n_jobs=n_jobs,
                random_state=random_state + left_out,
            )  # fmt: skip
            members.append(trees)
            mine = np.flatnonzero(fold == left_out)
            scores = trees.logged_scores(np.repeat(X[known][mine], n_rungs, axis=0), every[mine].ravel(), n_jobs=n_jobs)
            outside[mine] = scores.reshape(-1, n_rungs)
        step = np.where(cell < actions.n_contact_actions * n_rungs, cell % n_rungs, n_rungs)
        slopes = _slopes(step, outside[row, np.minimum(step, n_rungs - 1)], target, n_rungs + 1)
        outside *= np.where((chosen < actions.n_contact_actions)[:, None], slopes[:-1], slopes[-1])
        offsets = _offsets(actions, chosen, climb, outside)
        amount = None
        if climbed.paid is not None:
            amount = PaidAmount.fit(
                X[known], categorical, actions, action[known], climbed.paid[known], rung == len(names), fold,
                n_jobs=n_jobs, random_state=random_state,
            )  # fmt: skip
        return cls(actions, [names[at] for at in kept], members, amount, cost, slopes, offsets)

    @property
    def has_amounts(self) -> bool:
        """Whether it knows what comes in."""
        return self._amount is not None and self.rungs[-1] == "paid"

    def believe(self, X: Floats, ranked: NDArray[np.int64]) -> LadderBelief:
        """Score the given actions of encoded accounts, ``ranked`` of shape (n, k)."""
        n_rungs = len(self.rungs)
        idle_cell = self.actions.n_contact_actions * n_rungs
        alone = ranked >= self.actions.n_contact_actions
        # Left alone there is one step, payment: its cell stands for every rung, and only the highest is read.
        cells = np.where(alone[..., None], idle_cell, ranked[..., None] * n_rungs + np.arange(n_rungs))
        slope = np.where(alone[..., None], self._slopes[-1], self._slopes[:-1])
        shift = self._offsets[cells]
        scores = np.stack([one.scores_of(X, cells.reshape(len(X), -1)) for one in self._members], axis=-1)
        chance = expit(scores.reshape(*cells.shape, -1) * slope[..., None] + shift[..., None])
        up = np.where(alone[..., None, None], np.nan, np.cumprod(chance, axis=2))
        if self.rungs[-1] == "paid":
            up[:, :, -1] = np.where(alone[..., None], chance[:, :, -1], up[:, :, -1])
        amount = None
        if self._amount is not None and self.has_amounts:
            amount = up[:, :, -1] * self._amount.expected(X, ranked)[..., None]
        return LadderBelief({name: up[:, :, at] for at, name in enumerate(self.rungs)}, amount)

    # -- keep ----------------------------------------------------------------------------------------------------
    def to_files(self) -> dict[str, bytes]:
        """Plain files: JSON and LightGBM text."""
        described = {
            "rungs": list(self.rungs),
            "members": len(self._members),
            "cost": [None if np.isnan(one) else one for one in self.cost.tolist()],
            "slopes": self._slopes.tolist(),
            "offsets": self._offsets.tolist(),
            "amount": None if self._amount is None else self._amount.to_dict(),
        }
        files = {"ladder.json": json.dumps(described, indent=1, sort_keys=True).encode()}
        for index, member in enumerate(self._members):
            files[f"step.{index}.txt"] = member.to_texts()[0].encode()
        if self._amount is not None:
            files |= {f"amount.{at}.txt": text.encode() for at, text in enumerate(self._amount.to_texts())}
        return files

    @classmethod
    def from_files(cls, files: dict[str, bytes], actions: ActionSpace) -> Self:
        """Inverse of :meth:`to_files`."""
        try:
            described = json.loads(files["ladder.json"])
            steps = _steps(actions, len(described["rungs"]))
            members = [
                ActionTrees.from_texts([files[f"step.{at}.txt"].decode()], steps) for at in range(described["members"])
            ]
            amount = None
            if described["amount"] is not None:
                texts = [files[f"amount.{at}.txt"].decode() for at in range(described["amount"]["members"])]
                amount = PaidAmount.from_parts(described["amount"], texts, actions)
            cost = np.array([np.nan if one is None else one for one in described["cost"]], dtype=np.float64)
            slopes, offsets = (np.asarray(described[name], dtype=np.float64) for name in ("slopes", "offsets"))
            return cls(actions, described["rungs"], members, amount, cost, slopes, offsets)
        except (KeyError, json.JSONDecodeError) as error:
            raise ArtefactError(f"The value ladder is incomplete: {error!r}. Train and save it again.") from error


def _steps(actions: ActionSpace, n_rungs: int) -> ActionSpace:
    """Actions by step; leaving an account alone is one cell: paid or not."""
    name = _STEP
    while name in actions.factors:
        name += "_"
    return ActionSpace({**actions.factors, name: list(range(1, n_rungs + 1))}, no_contact=actions.no_contact)


def _at_risk(
    actions: ActionSpace, n_rungs: int, action: NDArray[np.int64], climb: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Decision, cell and outcome of each step that was tried: the step above the highest rung is the last."""
    contact = action < actions.n_contact_actions
    tried = np.where(contact, np.minimum(climb + 1, n_rungs), 0)
    row = np.repeat(np.arange(len(action)), tried)
    step = np.arange(len(row)) - np.repeat(np.cumsum(tried) - tried, tried)
    cell = action[row] * n_rungs + step
    target = (climb[row] > step).astype(np.float64)
    alone = np.flatnonzero(~contact)
    idle_cell = np.full(len(alone), actions.n_contact_actions * n_rungs)
    return (
        np.concatenate([row, alone]),
        np.concatenate([cell, idle_cell]),
        np.concatenate([target, (climb[alone] == n_rungs).astype(np.float64)]),
    )


def _slopes(step: NDArray[np.int64], score: Floats, target: Floats, n_steps: int) -> Floats:
    """Factor of each step's log-odds that held-out outcomes ask for: boosting that stopped early says too little."""
    slopes = np.ones(n_steps)
    for at in range(n_steps):
        mine = step == at
        if mine.sum() < _FEWEST or not 0 < target[mine].sum() < mine.sum():
            continue
        x, y, a, b = score[mine], target[mine], 0.0, 1.0
        for _ in range(8):
            chance = expit(a + b * x)
            curve = chance * (1 - chance)
            gap = y - chance
            hessian = np.array([[curve.sum(), curve @ x], [curve @ x, curve @ x**2 + _HELD]]) + np.eye(2) * 1e-6
            move = np.linalg.solve(hessian, [gap.sum(), gap @ x - _HELD * (b - 1.0)])
            a, b = a + float(move[0]), float(np.clip(b + move[1], 0.5, 2.0))
        slopes[at] = b
    return slopes


def _offsets(actions: ActionSpace, action: NDArray[np.int64], climb: NDArray[np.int64], outside: Floats) -> Floats:
    """Shift of each step's log-odds, by cell, that makes held-out shares of every rung agree.

    Of all contacts first, then of the levels of each factor, held back where there are few.
    Shares are those of all contacts, not of those that climbed to the step: who climbs is no random part, and a product
    of steps that are right one by one may still be wrong.

    Parameters
    ----------
    outside : ndarray of shape (n, n_steps)
        Held-out log-odds of every step of contacts; of decisions to leave alone the first column is that of payment.
    """
    n_rungs = outside.shape[1]
    shift = np.zeros(actions.n_contact_actions * n_rungs + int(actions.no_contact))
    contact = np.flatnonzero(action < actions.n_contact_actions)
    codes = actions.codes[action[contact]]
    levels = [np.zeros(len(contact), dtype=np.int64), *(codes[:, at] for at in range(codes.shape[1]))]
    of_action = [np.zeros(actions.n_contact_actions, dtype=np.int64)]
    of_action += [actions.codes[: actions.n_contact_actions, at] for at in range(codes.shape[1])]
    below = np.ones(len(contact))
    for step in range(n_rungs):
        own = np.zeros(actions.n_contact_actions)
        reached = (climb[contact] > step).astype(np.float64)
        for _ in range(2):
            for level, spread in zip(levels, of_action, strict=True):
                chance = expit(outside[contact, step] + own[action[contact]])
                size = int(spread.max()) + 1
                gap = np.bincount(level, weights=reached - below * chance, minlength=size)
                curve = np.bincount(level, weights=below * chance * (1 - chance), minlength=size)
                own += np.clip(gap / (curve + 5.0), -1.0, 1.0)[spread]
        below = below * expit(outside[contact, step] + own[action[contact]])
        shift[np.arange(actions.n_contact_actions) * n_rungs + step] = own
    alone = np.flatnonzero(action >= actions.n_contact_actions)
    for _ in range(3 if len(alone) else 0):
        chance = expit(outside[alone, 0] + shift[-1])
        gap = (climb[alone] == n_rungs).sum() - chance.sum()
        shift[-1] += float(np.clip(gap / ((chance * (1 - chance)).sum() + 5.0), -1.0, 1.0))
    return shift


def _costs(actions: ActionSpace, action: NDArray[np.int64], cost: Floats | None) -> Floats:
    """Mean logged cost of each action, by the one factor that leaves least of the variance unexplained."""
    answer = np.full(len(actions), np.nan)
    if actions.no_contact_index is not None:
        answer[actions.no_contact_index] = 0.0
    if cost is None:
        return answer
    contact = np.flatnonzero((action < actions.n_contact_actions) & ~np.isnan(cost))
    best = np.inf
    for factor in range(len(actions.factor_names)):
        code = actions.codes[action[contact], factor]
        size = np.bincount(code, minlength=len(actions.factors[actions.factor_names[factor]]))
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.bincount(code, weights=cost[contact], minlength=len(size)) / size
        rest = float(((cost[contact] - mean[code]) ** 2).sum()) if len(contact) else np.inf
        if rest < best:
            best = rest
            answer[: actions.n_contact_actions] = mean[actions.codes[: actions.n_contact_actions, factor]]
    return answer


def interval_of(members: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean over members (last axis) and the ends of its 95 % interval, from the jackknife over groups left out.

    References
    ----------
    Efron & Stein (1981), "The Jackknife Estimate of Variance"; Student's t for so few groups.
    """
    m = members.shape[-1]
    mean = members.mean(axis=-1)
    spread = np.sqrt((m - 1) / m * ((members - mean[..., None]) ** 2).sum(axis=-1))
    reach = float(stdtrit(m - 1, 0.975)) * spread
    return mean, mean - reach, mean + reach
