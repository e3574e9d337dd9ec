"""The reference work of the scoring benchmark: a portfolio, a reward and the boosters trained on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from recommender import ActionSpace

N_NUMERIC, N_COUNTS = 28, 4
CATEGORY_LEVELS = (4, 6, 8, 12, 20, 30, 45, 60)
N_CONTEXT = N_NUMERIC + N_COUNTS + len(CATEGORY_LEVELS)
FACTOR_COLUMNS = {"channel": N_CONTEXT, "hour": N_CONTEXT + 1, "tone": N_CONTEXT + 2}
ACTIONS = ActionSpace(
    {
        "channel": ["call", "sms", "whatsapp", "email", "letter"],
        "hour": range(8, 21),
        "tone": ["friendly", "neutral", "firm", "formal"],
    }
)


@dataclass(frozen=True)
class Workload:
    """A booster over 40 context columns and the factor columns, with the actions it is asked about."""

    name: str
    booster: lgb.Booster
    actions: ActionSpace
    action_rows: NDArray[np.float64]


def draw_context(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Accounts: 28 numbers with gaps, 4 counts, 8 categories."""
    numeric = rng.normal(size=(n, N_NUMERIC))
    numeric[:, ::4] = np.exp(numeric[:, ::4] * 1.2)
    numeric[rng.random((n, N_NUMERIC)) < 0.08] = np.nan
    counts = rng.poisson([0.3, 1.0, 3.0, 8.0], size=(n, N_COUNTS)).astype(np.float64)
    categories = np.column_stack([rng.integers(0, levels, n) for levels in CATEGORY_LEVELS])
    return np.hstack([numeric, counts, categories.astype(np.float64)])


def action_values(actions: ActionSpace) -> NDArray[np.float64]:
    """What the booster reads for each action: numeric levels themselves, else their position."""
    frame = actions.to_frame()
    columns = [
        frame[name].to_numpy(dtype=float)
        if isinstance(levels[0], int)
        else frame[name].map({level: code for code, level in enumerate(levels)}).to_numpy(dtype=float)
        for name, levels in actions.factors.items()
    ]
    return np.column_stack(columns)


def train(
    name: str,
    *,
    n_rows: int,
    n_trees: int = 300,
    n_leaves: int = 63,
    action_weight: float = 0.35,
    actions: ActionSpace = ACTIONS,
    seed: int = 0,
) -> Workload:
    """Train a booster; ``action_weight`` sets how much of its splits the actions take."""
    rng = np.random.default_rng(seed)
    context = draw_context(n_rows, rng)
    rows = action_values(actions)
    taken = rows[rng.integers(0, len(rows), n_rows)]
    filled = np.nan_to_num(context)
    curves = np.tanh(filled[:, :N_NUMERIC]) @ rng.normal(size=N_NUMERIC) * 0.5
    curves += filled[:, 1] * filled[:, 2] * 0.4 + np.sin(filled[:, 5] * 2.0) * filled[:, 6]
    for column, levels in enumerate(CATEGORY_LEVELS):
        curves += rng.normal(size=levels)[context[:, N_NUMERIC + N_COUNTS + column].astype(int)] * 0.25
    affinity = rng.normal(size=(len(actions.factors), N_CONTEXT))
    lift = np.zeros(n_rows)
    for factor in range(rows.shape[1]):
        level = taken[:, factor] - rows[:, factor].mean()
        lift += np.sin(level * (1.0 + factor)) * np.tanh(filled @ affinity[factor] * 0.2)
        lift += 0.3 * np.cos(level) * np.tanh(filled[:, 2 + factor])
    logit = curves * 0.6 + action_weight * lift * 2.0 - 1.5
    reward = rng.random(n_rows) < 1.0 / (1.0 + np.exp(-logit))
    categorical = [*range(N_NUMERIC + N_COUNTS, N_CONTEXT)] + [
        FACTOR_COLUMNS[factor] for factor in ("channel", "tone") if factor in FACTOR_COLUMNS
    ]
    params: dict[str, Any] = {
        "objective": "binary",
        "num_leaves": n_leaves,
        "learning_rate": 0.05,
        "min_data_in_leaf": 20,
        "verbosity": -1,
        "num_threads": 1,
        "seed": seed,
    }
    data = lgb.Dataset(np.hstack([context, taken]), reward, categorical_feature=categorical)
    return Workload(name, lgb.train(params, data, n_trees), actions, rows)


def action_node_share(booster: lgb.Booster) -> float:
    """Share of the split nodes that look at a factor."""
    counts = booster.feature_importance("split")
    return float(counts[N_CONTEXT:].sum() / max(1, counts.sum()))
