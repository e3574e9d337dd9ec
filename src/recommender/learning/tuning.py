"""Search over settings of the trees, judged forward in time; off by default."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.storages.journal import JournalFileBackend
from scipy.special import expit
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from recommender.learning.encoding import ContextEncoder
from recommender.learning.stacking import group_folds
from recommender.learning.training_set import TrainingSet
from recommender.learning.trees import ActionTrees, TreeSettings

__all__ = ["TuningResult", "tune_trees"]

Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class TuningResult:
    """Best settings found.

    Attributes
    ----------
    settings : TreeSettings
    objective : float
        Forward log-loss of the best trial (lower is better).
    default_objective : float
        The same of the default settings, always the first trial.
    n_trials : int
        Finished trials, earlier sessions of the same study included.
    """

    settings: TreeSettings
    objective: float
    default_objective: float
    n_trials: int


def tune_trees(
    training: TrainingSet,
    *,
    n_trials: int = 30,
    seconds: float | None = None,
    journal: str | None = None,
    study_name: str = "trees",
    report: Report | None = None,
    n_folds: int = 3,
    n_jobs: int = 1,
    random_state: int = 0,
) -> TuningResult:
    """Tune the trees of a binary (or zero-heavy) reward under forward-chained splits.

    Parameters
    ----------
    training : TrainingSet
        With ``order``, each fold learns from what came before and is judged on what came next; without, by groups.
    n_trials : int
        In all: a resumed study runs only what is missing.
    seconds : float, optional
        Time budget of this call.
    journal : str, optional
        Path of a journal file, given by the caller; the study in it is resumed. None keeps it in memory.
    report : callable, optional
        Called after each trial with ``number``, ``value``, ``state`` and ``params`` (for nested tracking runs).
    n_folds : int
    n_jobs, random_state : int
        The result depends on the seed alone when no time budget cuts it short.

    Returns
    -------
    TuningResult
    """
    encoder = ContextEncoder.fit(training.context, training.categorical)
    X = encoder.transform(training.context)
    target = (training.reward != 0).astype(np.float64)
    folds = _forward_folds(training, n_folds, random_state)

    def objective(trial: optuna.Trial) -> float:
        settings = TreeSettings(
            n_leaves=trial.suggest_int("n_leaves", 7, 63, log=True),
            learning_rate=trial.suggest_float("learning_rate", 0.02, 0.15, log=True),
            l2=trial.suggest_float("l2", 0.5, 100.0, log=True),
            min_leaf=trial.suggest_int("min_leaf", 5, 200, log=True),
            feature_fraction=trial.suggest_float("feature_fraction", 0.4, 1.0),
            max_rounds=1_500,
        )
        losses = []
        for step, (learn, judge) in enumerate(folds):
            rows = np.concatenate([learn, judge])
            held_out = np.arange(len(rows)) >= len(learn)
            with threadpool_limits(limits=1, user_api="blas"):
                trees = ActionTrees.fit(
                    X[rows],
                    encoder.categorical_positions,
                    training.actions,
                    training.action[rows],
                    target[rows],
                    settings=settings,
                    held_out=held_out,
                    n_jobs=n_jobs,
                    random_state=random_state,
                )
            p = np.clip(expit(trees.logged_scores(X[judge], training.action[judge], n_jobs=n_jobs)), 1e-9, 1 - 1e-9)
            y = target[judge]
            losses.append(float(-(y * np.log(p) + (1 - y) * np.log1p(-p)).mean()))
            trial.report(float(np.mean(losses)), step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return float(np.mean(losses))

    storage = None
    if journal is not None:
        storage = optuna.storages.JournalStorage(JournalFileBackend(journal))
    study = optuna.create_study(
        study_name=study_name,
        storage=storage,
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(seed=random_state),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5),
    )
    default = TreeSettings()
    names = ("n_leaves", "learning_rate", "l2", "min_leaf", "feature_fraction")
    if not study.trials:
        study.enqueue_trial({name: getattr(default, name) for name in names})

    def told(_: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        if report is not None:
            report(
                {"number": trial.number, "value": trial.value, "state": trial.state.name, "params": dict(trial.params)}
            )

    missing = n_trials - len(study.trials) + sum(t.state == optuna.trial.TrialState.WAITING for t in study.trials)
    if missing > 0:
        study.optimize(objective, n_trials=missing, timeout=seconds, callbacks=[told])
    done = [t for t in study.trials if t.state == optuna.trial.TrialState.COMPLETE]
    first = min(done, key=lambda t: t.number)
    best = study.best_trial
    return TuningResult(
        TreeSettings(**best.params, max_rounds=1_500), float(best.values[0]), float(first.values[0]), len(done)
    )


def _forward_folds(
    training: TrainingSet, n_folds: int, random_state: int
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Rows to learn from and rows to judge on, later ones where the log has a time."""
    n = len(training)
    if training.order is None:
        fold = group_folds(training.groups, n_folds + 1, random_state)
        return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(n_folds)]
    place = np.argsort(np.argsort(training.order, kind="stable"), kind="stable") / n
    edges = np.linspace(0.4, 1.0, n_folds + 1)
    pairs = []
    for start, stop in pairwise(edges):
        judge = (place >= start) & (place < stop)
        learn = (place < start) & ~np.isin(training.groups, np.unique(training.groups[judge])[::2])
        # half of the judged groups are new to the model, half are known from before: as in service
        pairs.append((np.flatnonzero(learn), np.flatnonzero(judge)))
    return pairs
