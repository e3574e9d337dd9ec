"""Learn what actions mean to personal factors: a low-rank empirical-Bayes model of answers.

The logit of a response of debtor ``i`` to action ``a`` is ``b_a + d_i + u_i . V_a``. ``V`` and ``b`` have a Gaussian
process prior over actions, so that an answer at 18:00 teaches something about 19:00 and about other channels. They are
learnt by rounds of Newton steps in which the uncertainty of ``u_i`` is kept (variational EM with Laplace posteriors):
without it ``V`` shrinks. The rounds begin with the directions in which the prior lets debtors differ most, and are few.

References
----------
Salakhutdinov and Mnih (2007), "Probabilistic matrix factorization"; Agarwal and Chen (2009), "Regression-based latent
factor models".
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from recommender.features import AccountHistory, PersonalMemory
from recommender.learning.personal.prior import action_kernel

__all__ = ["learn_memory"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_FACTORS = 8  # a state of 45 + 9 numbers (docs/decision-quality.md)
_FEWEST_FACTORS = 2  # one factor is a level of the debtor, which orders no actions
_MOST_PARAMETERS = 2_400  # actions x (factors + 1): eight factors up to 266 actions
_MOST_ACTIONS = 466  # two factors of six had as many parameters before: what more actions do was not tried
_CLOSE, _MOST_ITERATIONS = 1e-8, 400  # of conjugate gradients, one solve a step
_LEVEL_VARIANCE = 0.1  # of d_i before any answer
_SCALE = 0.5  # prior variance of what an action means to a factor
_STEPS = 2  # Newton steps a round, of debtors and of actions
_ROUNDS, _FEWEST_ROUNDS, _MOST_ROUNDS = 2.0, 4, 12  # times the root of a debtor's contacts: few answers, near the prior
_START_VARIANCE = 4.0  # of what actions mean before the first round, in all that the prior lets debtors differ by
_UNTIE = 1e-3  # directions of the prior tie where levels of a factor are exchangeable
_MOST_ROWS = 40_000  # whole debtors; what actions mean is a few hundred numbers
_FOLDS, _MOST_JUDGED = 3, 12_000  # of debtors, and rows, by which it is told what habits are worth on others
_FIRM = 2.0  # precision of that worth about 1
_MOST_TRUST = 3.0  # posteriors of few answers are shrunk twice: in what actions mean and in what a debtor is like
_FEWEST_ROWS, _FEWEST_RESPONSES = 2_000, 150  # below, what actions mean to a factor is noise
_FEWEST_EARLIER = 1.0  # earlier contacts a contact: below, there is no past to speak of


def learn_memory(history: AccountHistory, *, random_state: int = 0) -> PersonalMemory | None:
    """Learn from the answers of a log, where its debtors have a past.

    Parameters
    ----------
    history : AccountHistory
        Rewards above 0 are responses; contacts whose reward is not known are left out.

    Returns
    -------
    PersonalMemory or None
        None where there are too few rows, responses or earlier contacts, too many actions, or where so few debtors
        answered that it cannot be told what habits are worth on others.
    """
    n_actions = len(history.actions)
    n_factors = min(_FACTORS, n_actions, _MOST_PARAMETERS // n_actions - 1)
    events, owner = history.events, history.events.owner
    rows = np.flatnonzero(np.isfinite(events.known) & ~np.isnan(events.reward))
    rows = rows[_some_debtors(owner[rows], _MOST_ROWS, random_state)]
    response = (events.reward[rows] > 0.0).astype(np.float64)
    if n_actions > _MOST_ACTIONS or n_factors < _FEWEST_FACTORS or len(rows) < _FEWEST_ROWS:
        return None
    if min(response.sum(), len(rows) - response.sum()) < _FEWEST_RESPONSES:
        return None
    sizes = np.bincount(owner[rows])
    if (sizes * (sizes - 1)).sum() / 2 < _FEWEST_EARLIER * len(rows):
        return None
    with threadpool_limits(limits=1, user_api="blas"):
        answers = _Answers(owner[rows], events.action[rows].astype(np.int64), response)
        kernel = action_kernel(history.actions)
        trust = _trust(answers, kernel, n_factors, random_state)
        return None if trust is None else replace(_solved(answers, kernel, n_factors, random_state), trust=trust)


@dataclass(frozen=True, eq=False)
class _Answers:
    """Contacts in the order of debtors and, of each, of time."""

    debtor: Ints
    action: Ints
    response: Floats

    def take(self, kept: NDArray[np.bool_]) -> _Answers:
        return _Answers(self.debtor[kept], self.action[kept], self.response[kept])


def _solved(answers: _Answers, kernel: Floats, n_factors: int, random_state: int) -> PersonalMemory:
    fit = _Fit(answers.debtor, answers.action, answers.response, len(kernel))
    return fit.solve(kernel, n_factors, np.random.default_rng(random_state))


def _trust(answers: _Answers, kernel: Floats, n_factors: int, random_state: int) -> tuple[float, float] | None:
    """Slopes of the order by bias and by habits on debtors that taught neither: on their own rows both look better.

    None where the debtors of some folds hold all responses, or all others: nothing is learnt without them.
    """
    answers = answers.take(_some_debtors(answers.debtor, _MOST_JUDGED, random_state + 1))
    if not len(answers.debtor):
        return None
    fold = np.random.default_rng([random_state, 11]).integers(0, _FOLDS, int(answers.debtor.max()) + 1)[answers.debtor]
    parts = [answers.take(fold == k) for k in range(_FOLDS)]
    others = [answers.take(fold != k) for k in range(_FOLDS)]
    if any(len(np.unique(one.response)) < 2 for one in others):
        return None
    scores = [
        _earlier(_solved(taught, kernel, n_factors, random_state), part)
        for taught, part in zip(others, parts, strict=True)
    ]
    design, target = np.vstack(scores), np.concatenate([part.response for part in parts])

    def loss(point: Floats) -> tuple[float, Floats]:
        eta = design @ point
        away = _FIRM * (point - 1.0) * np.array([0.0, 1.0, 1.0, 1.0])
        value = float((np.logaddexp(0.0, eta) - target * eta).sum()) + 0.5 * float(away @ (point - 1.0))
        return value, design.T @ (expit(eta) - target) + away

    bounds = [(None, None), *[(0.0, _MOST_TRUST)] * 3]
    start = np.array([float(np.log(target.mean() / (1.0 - target.mean()))), 1.0, 1.0, 1.0])
    point = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return float(point[1]), float(point[2])


def _earlier(memory: PersonalMemory, answers: _Answers) -> Floats:
    """One, the bias of each contact, what the debtor's earlier answers say of it and of all actions, shape (n, 4)."""
    k = memory.loadings.shape[1] + 1
    added = memory.increments[0][answers.action] + answers.response[:, None] * memory.increments[1][answers.action]
    before = np.cumsum(added, axis=0) - added
    first = np.searchsorted(answers.debtor, answers.debtor)
    before -= before[first]
    precision = np.zeros((len(before), k, k))
    rows, columns = np.tril_indices(k)
    precision[:, rows, columns] = precision[:, columns, rows] = before[:, : len(rows)]
    mean = np.linalg.solve(precision + np.diag(memory.precision), before[:, len(rows) :, None])[:, : k - 1, 0]
    usual = memory.loadings.mean(axis=0)
    habits = np.einsum("ni,ni->n", mean, (memory.loadings - usual)[answers.action])
    return np.column_stack(
        [np.ones(len(mean)), (memory.bias - memory.bias.mean())[answers.action], habits, mean @ usual]
    )


def _some_debtors(owner: Ints, most: int, random_state: int) -> NDArray[np.bool_]:
    """Which rows to keep: of whole debtors, drawn at random, up to a limit."""
    if len(owner) <= most:
        return np.ones(len(owner), dtype=bool)
    sizes = np.bincount(owner)
    order = np.random.default_rng([random_state, 7]).permutation(len(sizes))
    order = order[sizes[order] <= most]  # one that alone is too long would end the draw
    kept = np.zeros(len(sizes), dtype=bool)
    kept[order[np.cumsum(sizes[order]) <= most]] = True
    return np.asarray(kept[owner])


@dataclass(eq=False)
class _States:
    """Laplace posteriors of debtors: means of shape (n, d) and covariances of shape (n, d, d)."""

    mean: Floats
    covariance: Floats


class _Fit:
    """Rows sorted by debtor, with sums by debtor and by action."""

    def __init__(self, debtor: Ints, action: Ints, response: Floats, n_actions: int) -> None:
        order = np.argsort(debtor, kind="stable")
        self.debtor = np.unique(debtor[order], return_inverse=True)[1].astype(np.int64)
        self.action, self.response = action[order], response[order]
        self.n_debtors, self.n_actions = int(self.debtor[-1]) + 1, n_actions
        self._starts = np.searchsorted(self.debtor, np.arange(self.n_debtors))
        self._by_action = np.argsort(self.action, kind="stable")
        self._tried, self._action_starts = np.unique(self.action[self._by_action], return_index=True)
        rate = float(response.mean())
        self.base = float(np.log(rate / (1.0 - rate)))

    def solve(self, kernel: Floats, n_factors: int, rng: np.random.Generator) -> PersonalMemory:
        """Alternate debtors and actions."""
        prior = np.asarray(np.linalg.inv(_SCALE * kernel + 1e-6 * np.eye(self.n_actions)))
        root = np.asarray(np.linalg.cholesky(np.linalg.inv(prior)), dtype=np.float64)
        loadings = np.column_stack([_widest(kernel, n_factors, rng), np.ones(self.n_actions)])
        bias = np.full(self.n_actions, self.base)
        start = np.diag(np.append(np.ones(n_factors), _LEVEL_VARIANCE))
        states = _States(np.zeros((self.n_debtors, n_factors + 1)), np.tile(start, (self.n_debtors, 1, 1)))
        for _ in range(self.n_rounds):
            for _ in range(_STEPS):
                states = self._debtor_step(states, loadings, bias)
            for _ in range(_STEPS):
                loadings, bias = self._action_step(states, loadings, bias, prior, root)
            second = states.mean[:, :-1] ** 2 + np.einsum("nii->ni", states.covariance)[:, :-1]
            unit = np.append(np.sqrt(second.mean(axis=0)), 1.0)  # factors keep the variance of their prior
            states = _States(states.mean / unit, states.covariance / (unit[:, None] * unit[None]))
            loadings = loadings * unit
        return PersonalMemory(np.ascontiguousarray(loadings[:, :-1]), bias)

    @property
    def n_rounds(self) -> int:
        """How far the prior is left: every round fits more of the habits, and more of the noise of few answers."""
        sizes = np.bincount(self.debtor)
        usual = float((sizes**2).sum() / sizes.sum())  # contacts of the debtor of a contact drawn at random
        return int(np.clip(round(_ROUNDS * usual**0.5), _FEWEST_ROUNDS, _MOST_ROUNDS))

    def _chances(self, states: _States, v: Floats, bias: Floats) -> Floats:
        return np.asarray(expit(bias[self.action] + np.einsum("ni,ni->n", states.mean[self.debtor], v)))

    def _debtor_step(self, states: _States, loadings: Floats, bias: Floats) -> _States:
        """One Newton step of every debtor's state given what actions mean."""
        v = loadings[self.action]
        p = self._chances(states, v, bias)
        precision = np.append(np.ones(v.shape[1] - 1), 1.0 / _LEVEL_VARIANCE)
        outer = (v[:, :, None] * v[:, None, :]) * (p * (1.0 - p))[:, None, None]
        H = np.add.reduceat(outer, self._starts, axis=0) + np.diag(precision)
        slope = np.add.reduceat(v * (self.response - p)[:, None], self._starts, axis=0) - precision * states.mean
        covariance = np.asarray(np.linalg.inv(H))
        return _States(states.mean + np.einsum("nij,nj->ni", covariance, slope), covariance)

    def _action_step(
        self, states: _States, loadings: Floats, bias: Floats, prior: Floats, root: Floats
    ) -> tuple[Floats, Floats]:
        """One Newton step of what actions mean, the uncertainty of debtors' factors kept."""
        k = loadings.shape[1] - 1
        v = loadings[self.action]
        p = self._chances(states, v, bias)
        w = p * (1.0 - p)
        z = np.column_stack([states.mean[self.debtor, :k], np.ones(len(p))])
        S = np.zeros((len(z), k + 1, k + 1))
        S[:, :k, :k] = states.covariance[self.debtor, :k, :k]
        H = self._sums((z[:, :, None] * z[:, None, :] + S) * w[:, None, None])
        theta = np.column_stack([loadings[:, :k], bias - self.base])
        unsure = np.einsum("nij,nj->ni", S, theta[self.action]) * w[:, None]
        slope = self._sums(z * (self.response - p)[:, None] - unsure) - prior @ theta
        theta = theta + _solved_with_prior(H, root, slope)
        return np.column_stack([theta[:, :k], np.ones(self.n_actions)]), theta[:, k] + self.base

    def _sums(self, values: Floats) -> Floats:
        """Sums by action, shape (n_actions, ...)."""
        total = np.zeros((self.n_actions, *values.shape[1:]))
        total[self._tried] = np.add.reduceat(values[self._by_action], self._action_starts, axis=0)
        return total


def _widest(kernel: Floats, n_factors: int, rng: np.random.Generator) -> Floats:
    """Directions in which the prior lets debtors differ most, shape (n_actions, n_factors).

    Rounds that begin there and are few stay near what hours and channels share wherever debtors say little.
    Loadings drawn at random have to find that first, and have fitted noise by then. What all actions share orders
    none, and the level of a debtor has it already.
    """
    scale = 1.0 + _UNTIE * rng.normal(size=len(kernel))
    usual = kernel.mean(axis=0)
    apart = kernel - usual - usual[:, None] + usual.mean()
    sizes, directions = np.linalg.eigh(scale[:, None] * apart * scale)
    sizes, directions = sizes[::-1][:n_factors], directions[:, ::-1][:, :n_factors]
    largest = np.abs(directions).argmax(axis=0)  # the sign is a matter of the solver
    signs = np.sign(directions[largest, np.arange(directions.shape[1])])
    return np.asarray(directions * signs * np.sqrt(_START_VARIANCE * np.maximum(sizes, 0.0)))


def _solved_with_prior(H: Floats, root: Floats, right: Floats) -> Floats:
    """Solve ``(prior x I + H) theta = right`` by conjugate gradients, ``H`` block-diagonal by action.

    In the coordinates of the prior's root no eigenvalue is below one, and no matrix of all parameters is built.

    Parameters
    ----------
    H : ndarray of shape (n_actions, d, d)
    root : ndarray of shape (n_actions, n_actions)
        ``root @ root.T`` is the inverse of the prior's precision.
    right : ndarray of shape (n_actions, d)
    """
    scale = 1.0 / np.sqrt(1.0 + (root**2).T @ np.einsum("aii->ai", H))
    residual = scale * (root.T @ right)
    solution, direction = np.zeros_like(residual), residual.copy()
    size = float((residual**2).sum())
    goal = _CLOSE**2 * size
    for _ in range(_MOST_ITERATIONS):
        if size <= goal:
            break
        point = scale * direction
        image = scale * (point + root.T @ np.matmul(H, (root @ point)[:, :, None])[:, :, 0])
        length = size / float((direction * image).sum())
        solution += length * direction
        residual -= length * image
        before, size = size, float((residual**2).sum())
        direction = residual + (size / before) * direction
    return np.asarray(root @ (scale * solution))
