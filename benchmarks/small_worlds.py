"""Small worlds with known truth, unlike the packaged simulator: a second opinion for decision quality.

``additive``: hidden personas, effects additive on the logit, context columns are noisy signs of the persona; the
ceiling is the exact posterior over personas. ``joint``: products of saturating probabilities, joint thresholds,
periodic hour effects and missing values; everything that matters is observable. ``waves``: smooth random surfaces of
the context and two hidden classes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.special import expit, softmax

from recommender.actions import ActionSpace
from recommender.learning.training_set import TrainingSet

CHANNELS = ["call", "sms", "whatsapp", "email", "letter"]
TONES = ["friendly", "neutral", "firm", "urgent"]


@dataclass(frozen=True)
class World:
    """A log and fresh accounts with the truth."""

    training: TrainingSet
    logging: np.ndarray  # (n, n_actions) of the log
    test: pd.DataFrame
    truth: np.ndarray  # (m, n_actions) true expected reward given the hidden state (or the best known)
    observable: np.ndarray  # (m, n_actions) expected reward given everything observable
    test_logging: np.ndarray  # (m, n_actions)

    def value(self, probabilities: np.ndarray) -> float:
        """True value of a policy."""
        return float((self.truth * probabilities).sum(axis=1).mean())

    def greedy(self, scores: np.ndarray) -> float:
        """True value of taking the best-scored action."""
        return float(self.truth[np.arange(len(scores)), scores.argmax(axis=1)].mean())

    def captured(self, scores: np.ndarray) -> float:
        """Share of the oracle's gain over the logging policy."""
        base = self.value(self.test_logging)
        return (self.greedy(scores) - base) / (self.truth.max(axis=1).mean() - base)

    def ceiling(self) -> float:
        """Captured by the best use of what is observable."""
        return self.captured(self.observable)

    def share(self, scores: np.ndarray) -> float:
        """Captured, as a share of the ceiling."""
        return self.captured(scores) / self.ceiling()


def _history(rng, rate, n_levels, mean=3.0):
    trials = rng.poisson(mean * rng.dirichlet(np.full(n_levels, 0.8), size=len(rate)))
    return trials, rng.binomial(trials, rate)


def _logger(rng, X_rules, space, overlap):
    """A business-rule logger: each factor's level preferred by a rule on the context."""
    logits = np.zeros((len(X_rules), len(space)))
    for position, size in enumerate(space.shape):
        weights = rng.normal(size=(X_rules.shape[1], size)) * 0.9
        preference = rng.normal(size=size) * 0.7
        logits += (X_rules @ weights + preference)[:, space.codes[:, position]]
    return softmax(logits * {"good": 1.0, "weak": 4.0}[overlap], axis=1)


def additive(
    n=20_000, seed=0, *, overlap="good", known=True, amount=False, drift=False, m=4_000, history=True, hours=12
):
    """Hidden personas (channel x hour x tone traits); 12 hours."""
    space = ActionSpace({"channel": CHANNELS, "hour": range(8, 8 + hours), "tone": TONES})
    world_rng = np.random.default_rng(10_000 + seed)
    sizes = (6, 4, 4)
    signs_num = world_rng.normal(size=(3, 6, 12)) * 0.55  # trait -> numeric column mean
    owner = world_rng.integers(0, 3, size=12)
    n_cat, levels = 7, 6
    cat_owner = world_rng.integers(0, 3, size=n_cat)
    cat_p = world_rng.dirichlet(np.full(levels, 3.0), size=(n_cat, 6))
    channel_effect = world_rng.normal(size=(6, 5)) * 0.8
    channel_effect -= 0.7 * channel_effect.mean(axis=0)
    centre = world_rng.uniform(8, 8 + hours, size=4)
    hour_effect = np.cos((np.arange(8, 8 + hours)[None] - centre[:, None]) / hours * 2 * np.pi) * 0.6
    tone_effect = world_rng.normal(size=(4, 4)) * 0.6
    channel_tone = world_rng.normal(size=(5, 4)) * 0.25
    main = world_rng.normal(size=6) * 0.35
    amount_weight = world_rng.normal(size=(6, 5)) * 0.5
    drift_effect = world_rng.permutation(channel_effect.ravel()).reshape(6, 5)
    all_logits = (
        channel_effect[:, None, None, space.codes[:, 0]]
        + hour_effect[None, :, None, space.codes[:, 1]]
        + tone_effect[None, None, :, space.codes[:, 2]]
        + channel_tone[space.codes[:, 0], space.codes[:, 2]]
        + main[:, None, None, None]
        - 4.0
    ).reshape(96, len(space))
    persona = np.stack(np.unravel_index(np.arange(96), sizes), axis=1)
    rules = np.random.default_rng(20_000 + seed)
    rule_weights_seed = int(rules.integers(1 << 30))

    def draw(count, rng, days):
        traits = persona[rng.integers(0, 96, size=count)]
        numeric = np.empty((count, 12))
        for j in range(12):
            numeric[:, j] = signs_num[owner[j], traits[:, owner[j]], j] + rng.normal(size=count)
        categories = np.empty((count, n_cat), dtype=int)
        for j in range(n_cat):
            cumulative = cat_p[j].cumsum(axis=1)[traits[:, cat_owner[j]]]
            categories[:, j] = (rng.random(count)[:, None] > cumulative[:, :-1]).sum(axis=1)
        noise = rng.normal(size=(count, 5))
        channel_rate = expit(channel_effect[traits[:, 0]] + main[traits[:, 0]][:, None] - 2.8)
        trials, successes = _history(rng, channel_rate, 5)
        log_posterior = np.zeros((count, 96))
        for j in range(12):
            means = signs_num[owner[j], :, j][persona[:, owner[j]]]
            log_posterior += -0.5 * (numeric[:, j][:, None] - means[None]) ** 2
        for j in range(n_cat):
            log_posterior += np.log(cat_p[j][persona[:, cat_owner[j]]][:, categories[:, j]]).T
        if history:
            rates = expit(channel_effect + main[:, None] - 2.8)[persona[:, 0]]
            log_posterior += successes @ np.log(rates).T + (trials - successes) @ np.log1p(-rates).T
        posterior = softmax(log_posterior, axis=1)
        frame = pd.DataFrame({f"x{j}": numeric[:, j] for j in range(12)})
        frame["balance"] = np.exp(frame["x0"] * 0.6 + 6 + rng.normal(size=count) * 0.3)
        frame["x1"] = np.exp(frame["x1"])
        for j in range(n_cat):
            frame[f"c{j}"] = np.array(list("abcdefgh"))[categories[:, j]]
        for j in range(5):
            frame[f"noise{j}"] = noise[:, j]
        if history:
            for j, channel in enumerate(CHANNELS):
                frame[f"history.channel={channel}.contacts"] = trials[:, j]
                frame[f"history.channel={channel}.responses"] = successes[:, j]
        if drift:
            frame["day"] = days
        index = (traits[:, 0] * 4 + traits[:, 1]) * 4 + traits[:, 2]
        rules_input = np.column_stack([numeric[:, :3], noise[:, :1]])
        logging = _logger(np.random.default_rng(rule_weights_seed), rules_input, space, overlap)
        return traits, index, frame, posterior, logging

    def probability(index, days):
        if not drift:
            return expit(all_logits[index])
        shift = (drift_effect - channel_effect)[persona[:, 0]][:, space.codes[:, 0]]
        return expit(all_logits[index] + (days > 0.8)[:, None] * shift[index])

    rng = np.random.default_rng(seed)
    days = np.sort(rng.random(n))
    _, index, frame, _, logging = draw(n, rng, days)
    action = (rng.random(n)[:, None] > logging.cumsum(axis=1)[:, :-1]).sum(axis=1)
    p = probability(index, days)
    reward = (rng.random(n) < p[np.arange(n), action]).astype(float)
    test_rng = np.random.default_rng(seed + 77)
    test_days = np.full(m, 1.0)
    _, test_index, test, posterior, test_logging = draw(m, test_rng, test_days)
    truth = probability(test_index, test_days)
    table = probability(np.arange(96), np.full(96, 1.0))
    observable = posterior @ table
    if amount:
        scale = np.exp(amount_weight[persona[:, 0]][:, space.codes[:, 0]] * 0.6)
        balance, test_balance = frame["balance"].to_numpy(), test["balance"].to_numpy()
        reward = reward * scale[index, action] * balance**0.8 * np.exp(rng.normal(size=n) * 1.3)
        factor = np.exp(1.3**2 / 2)
        truth = truth * scale[test_index] * test_balance[:, None] ** 0.8 * factor
        observable = (posterior @ (table * scale)) * test_balance[:, None] ** 0.8 * factor
    columns = {}
    if history:
        for channel in CHANNELS:
            columns[f"history.channel={channel}.contacts"] = ("channel", channel, "trials")
            columns[f"history.channel={channel}.responses"] = ("channel", channel, "successes")
    training = TrainingSet(
        context=frame,
        categorical=(),
        actions=space,
        action=action.astype(np.int64),
        reward=reward,
        reward_kind="amount" if amount else "binary",
        propensity=logging[np.arange(n), action] if known else None,
        groups=np.arange(n),
        order=days,
        history_columns=columns,
    )
    return World(training, logging, test, truth, observable, test_logging)


def joint(n=20_000, seed=0, *, overlap="good", known=True, m=4_000, hours=13):
    """Products of saturating probabilities with joint thresholds."""
    space = ActionSpace({"channel": CHANNELS, "hour": range(8, 8 + hours), "tone": TONES})
    w = np.random.default_rng(30_000 + seed)
    C, H, T = (space.codes[:, k] for k in range(3))
    hour = np.arange(8, 8 + hours)[H]
    thresholds = w.uniform(-0.6, 0.6, size=(5, 4))
    pick = w.integers(0, 8, size=(5, 4, 2))
    sign = w.choice([-1.0, 1.0], size=(5, 4, 2))
    wake = w.uniform(0, 2 * np.pi, size=5)
    work_shift = w.uniform(2, 5, size=2)
    base_channel = w.uniform(0.15, 0.5, size=5)
    rules_seed = int(w.integers(1 << 30))

    def draw(count, rng):
        X = rng.normal(size=(count, 8))
        employment = rng.integers(0, 3, size=count)
        region = rng.integers(0, 20, size=count)
        phase = (region % 5) * 0.9
        reach = base_channel[C][None] * (
            0.25
            + 0.75
            * (
                0.5
                + 0.5
                * np.cos(
                    (hour[None] / 12 * 2 * np.pi)
                    - wake[C][None]
                    - phase[:, None]
                    - (employment == 1)[:, None] * work_shift[0]
                )
            )
            ** 2
        )
        first = X[:, pick[C, T, 0]] * sign[C, T, 0][None] > thresholds[C, T][None]
        second = X[:, pick[C, T, 1]] * sign[C, T, 1][None] > -0.2
        engage = 0.12 + 0.75 * (first & second)
        able = expit(X[:, 2] + 0.6 * (employment == 0) - 0.8)[:, None]
        frame = pd.DataFrame({f"v{j}": X[:, j] for j in range(8)})
        for j in (1, 5):
            frame.loc[rng.random(count) < 0.1, f"v{j}"] = np.nan
        frame["employment"] = np.array(["employed", "shift", "none"])[employment]
        frame["region"] = [f"r{r}" for r in region]
        for j in range(10):
            frame[f"junk{j}"] = rng.normal(size=count)
        logging = _logger(np.random.default_rng(rules_seed), np.column_stack([X[:, :3], X[:, 6]]), space, overlap)
        return frame, reach * engage * able, logging

    rng = np.random.default_rng(seed)
    frame, p, logging = draw(n, rng)
    action = (rng.random(n)[:, None] > logging.cumsum(axis=1)[:, :-1]).sum(axis=1)
    reward = (rng.random(n) < p[np.arange(n), action]).astype(float)
    test, truth, test_logging = draw(m, np.random.default_rng(seed + 77))
    training = TrainingSet(
        context=frame,
        categorical=(),
        actions=space,
        action=action.astype(np.int64),
        reward=reward,
        reward_kind="binary",
        propensity=logging[np.arange(n), action] if known else None,
        groups=np.arange(n),
        order=np.arange(n, dtype=float),
    )
    return World(training, logging, test, truth, truth, test_logging)


def waves(n=20_000, seed=0, *, overlap="good", known=True, m=4_000, level=-3.0):
    """Sums of random waves of the context for each level of each factor, and two hidden classes; 126 actions.

    ``level`` sets the base rate: -3 gives one reward in eight contacts, -5.5 one in fifty.
    """
    w = np.random.default_rng(70_000 + seed)
    sizes = (7, 6, 3)
    space = ActionSpace({"medium": list("abcdefg"), "slot": [f"slot{i}" for i in range(6)], "style": list("xyz")})
    columns, n_waves = 10, 30
    frequency, phase = w.normal(size=(columns, n_waves)) * 0.5, w.uniform(0, 2 * np.pi, n_waves)
    effects = [w.normal(size=(n_waves, size)) * 0.22 for size in sizes]
    constants = [w.normal(size=size) * 0.35 for size in sizes]
    pair = w.normal(size=(7, 3)) * 0.3
    towards = w.normal(size=(columns, 2)) * 0.5
    by_class = w.normal(size=(2, 2, 7)) * 0.5
    mixing = np.linalg.cholesky(0.6 * np.eye(columns) + 0.4 * np.ones((columns, columns)))
    sharpness = {"good": 0.5, "weak": 2.0}[overlap]
    rules = [w.normal(size=(columns, size)) * sharpness for size in sizes]

    def draw(count, rng):
        Z = rng.normal(size=(count, columns)) @ mixing.T
        waves_of = np.sqrt(2) * np.cos(Z @ frequency + phase)
        belongs = expit(2 * (Z @ towards))
        hidden = rng.random((count, 2)) < belongs
        cell = pair[space.codes[:, 0], space.codes[:, 2]] + np.zeros((count, 1))
        logits = np.zeros((count, len(space)))
        for j in range(3):
            cell += (waves_of @ effects[j] + constants[j])[:, space.codes[:, j]]
            logits += (Z @ rules[j])[:, space.codes[:, j]]
        own = sum(np.where(hidden[:, [k]], by_class[k, 1], by_class[k, 0]) for k in range(2))
        truth = expit(level + cell + own[:, space.codes[:, 0]])
        observable = np.zeros_like(truth)
        for one in (0, 1):
            for two in (0, 1):
                share = np.where(one, belongs[:, 0], 1 - belongs[:, 0]) * np.where(
                    two, belongs[:, 1], 1 - belongs[:, 1]
                )
                shift = (by_class[0, one] + by_class[1, two])[space.codes[:, 0]]
                observable += share[:, None] * expit(level + cell + shift)
        frame = pd.DataFrame({f"f{j}": Z[:, j] for j in range(columns)})
        frame["f1"] = np.exp(frame["f1"])
        frame["cut"] = pd.cut(Z[:, 2], [-np.inf, -1, -0.3, 0.3, 1, np.inf], labels=list("vwxyz")).astype(str)
        for j in range(6):
            frame[f"noise{j}"] = rng.normal(size=count)
        return frame, truth, observable, softmax(logits, axis=1)

    rng = np.random.default_rng(seed)
    frame, p, _, logging = draw(n, rng)
    action = (rng.random(n)[:, None] > logging.cumsum(axis=1)[:, :-1]).sum(axis=1)
    reward = (rng.random(n) < p[np.arange(n), action]).astype(float)
    test, truth, observable, test_logging = draw(m, np.random.default_rng(seed + 77))
    training = TrainingSet(
        context=frame,
        categorical=(),
        actions=space,
        action=action.astype(np.int64),
        reward=reward,
        reward_kind="binary",
        propensity=logging[np.arange(n), action] if known else None,
        groups=np.arange(n),
        order=np.arange(n, dtype=float),
    )
    return World(training, logging, test, truth, observable, test_logging)


def digits(seed=0, *, biased=True):
    """Handwritten digits as a bandit: ten arms, reward 1 for naming the digit, a biased logger."""
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression

    X, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(y))
    train, test = order[:1200], order[1200:]
    space = ActionSpace({"digit": range(10)})
    weak = LogisticRegression(max_iter=2000).fit(X[train[:60], :20] / 16, y[train[:60]])

    def logger(rows):
        p = np.zeros((len(rows), 10))
        p[:, weak.classes_] = weak.predict_proba(X[rows][:, :20] / 16)
        return 0.6 * (p / p.sum(1, keepdims=True)) + 0.04 if biased else np.full((len(rows), 10), 0.1)

    repeat = np.tile(train, 3)
    logging = logger(repeat)
    action = (rng.random(len(repeat))[:, None] > logging.cumsum(axis=1)[:, :-1]).sum(axis=1)
    reward = (y[repeat] == action).astype(float)
    names = [f"pixel{j}" for j in range(X.shape[1])]
    training = TrainingSet(
        context=pd.DataFrame(X[repeat], columns=names),
        categorical=(),
        actions=space,
        action=action.astype(np.int64),
        reward=reward,
        reward_kind="binary",
        propensity=logging[np.arange(len(repeat)), action],
        groups=repeat.astype(np.int64),
        order=None,
    )
    truth = np.eye(10)[y[test]]
    return World(training, logging, pd.DataFrame(X[test], columns=names), truth, truth, logger(test))


def without_propensity(world: World) -> World:
    """Return the same log with its propensities hidden."""
    return replace(world, training=replace(world.training, propensity=None))
