"""Search over settings of the boosted member by what the whole model's policy would earn later; off by default."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from recommender.errors import InvalidInput
from recommender.extras import later
from recommender.learning import SEARCH_SPACE, RewardModel, TrainingSet, tree_settings
from recommender.proof.forward_value import (
    Difference,
    ForwardSplit,
    Tally,
    compare,
    forward_splits,
    propensities_of,
)

if TYPE_CHECKING:
    import optuna
else:
    optuna = later("optuna", "tuning")

__all__ = ["TuningResult", "tune"]

_STUDY = "tree-settings"
_FORMAT = 1
_FEWEST_ROWS = 200
_UNTOUCHED = 0.8  # the newest fifth is not used by the search
_EARLIEST = 0.35
_NORMAL_95 = 1.959963984540054
_BEFORE_MODEL = 8
_BEFORE_PRUNING = 4

Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class TuningResult:
    """What a study found.

    Attributes
    ----------
    settings : dict of str to float, or None
        For ``ContactStrategy(tree_settings=...)``; None = the defaults, as nothing beat them.
    objective : float
        Of the best trial over the search's splits; that of the defaults is 0 by definition, so it is never negative.
    best : dict of str to float, or None
        Settings of the best trial, also where they were not kept; None = the defaults.
    kept : str
        Why ``settings`` are what they are, in words.
    table : DataFrame
        Default, tuned and their paired difference on the newest fifth of the rows, which no trial saw: ``value`` and
        ``loss`` per decision with the ends of their 95 % intervals.
    n_finished, n_pruned : int
        Trials of all sessions of the study.
    study : optuna.Study
        As Optuna's plots and dashboards take it.
    """

    settings: dict[str, float] | None
    objective: float
    best: dict[str, float] | None
    kept: str
    table: pd.DataFrame
    n_finished: int
    n_pruned: int
    study: Any = field(repr=False, compare=False)


def tune(
    training: TrainingSet,
    *,
    n_trials: int = 30,
    go_on: Callable[[], bool] | None = None,
    journal: str | None = None,
    report: Report | None = None,
    n_splits: int = 3,
    max_rows: int | None = 30_000,
    n_jobs: int = 1,
    random_state: int = 0,
) -> TuningResult:
    """Look for settings whose policy earns more on later decisions than that of the defaults.

    Every trial fits the whole reward model on what came before and is judged on what came next, split by split, by the
    doubly robust value of the policy that would be served, and by its loss where values cannot be told apart (see
    :func:`recommender.proof.forward_value.compare`). The defaults are always the first trial. Trials behind the
    median of the others are pruned between splits. What is found is then compared with the defaults on the newest
    fifth, which the search never saw, and dropped if it is clearly worse there.

    Parameters
    ----------
    training : TrainingSet
        With ``order`` splits are by time, else by clusters.
    n_trials : int, default=30
        Finished trials in all: a resumed study runs only what is missing.
    go_on : callable, optional
        Asked before each fit; when it returns False the search ends, and the trial under way is taken up again when
        the study is resumed. The trial of the defaults is always finished.
    journal : str, optional
        Path of a journal file; a study in it is resumed, also after the process was killed (one process at a time).
        None keeps it in memory.
    report : callable, optional
        Called after each trial with ``number``, ``value``, ``state`` and ``params``, e.g. for nested tracking runs.
    n_splits : int, default=3
    max_rows : int or None, default=30_000
        Trials use at most so many rows, whole clusters drawn at random; settings are relative to the number of rows.
    n_jobs : int, default=1
    random_state : int, default=0
        With the journal's trials it determines all: an interrupted and resumed study finds what an uninterrupted one
        finds.

    Returns
    -------
    TuningResult

    Raises
    ------
    InvalidInput
        On fewer than 200 rows or too few moments, or when the journal's study is of other rows or settings.
    """
    if len(training) < _FEWEST_ROWS:
        raise InvalidInput(
            f"Tuning needs at least {_FEWEST_ROWS} decisions with a known reward; got {len(training)}.",
            column="reward",
            mend="Train with the defaults.",
        )
    sample = _sampled(training, max_rows, random_state)
    propensity = propensities_of(sample, random_state)
    edges = [*np.linspace(_EARLIEST, _UNTOUCHED, n_splits + 1), 1.1]
    pairs = forward_splits(sample, edges, random_state)
    if len(pairs) <= n_splits:
        raise InvalidInput(
            f"The log's moments cannot be cut into {n_splits + 1} windows to judge on.",
            column="order",
            mend="Ask for fewer splits, or train with the defaults.",
        )
    *searched, untouched = [ForwardSplit(sample, learn, judge, propensity, random_state) for learn, judge in pairs]
    study = _open(journal, _fingerprint(sample, n_splits, random_state), random_state)
    search = _Search(searched, study, n_jobs, random_state)
    while search.finished < n_trials:
        search.take_up(go_on or (lambda: True), report)
        if search.stopped:
            break
    return search.result(untouched)


class _Search:
    """The loop of a study: one trial after the other, each a function of the seed and the finished ones."""

    def __init__(self, splits: list[ForwardSplit], study: optuna.Study, n_jobs: int, random_state: int) -> None:
        self.splits, self.study, self.n_jobs, self.random_state = splits, study, n_jobs, random_state
        rewards, losses = zip(*(split.units for split in splits), strict=True)
        rows = sum(len(split.future) for split in splits)
        self.units = {"value_unit": sum(rewards) / rows or 1.0, "loss_unit": sum(losses) / rows or 1.0}
        self.stopped = False

    @property
    def finished(self) -> int:
        return sum(
            trial.state in (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
            for trial in self.study.trials
        )

    def default_tallies(self) -> list[Tally] | None:
        for trial in self.study.trials:
            if trial.user_attrs.get("default") and trial.state == optuna.trial.TrialState.COMPLETE:
                return [Tally.from_dict(content) for content in trial.user_attrs["tallies"]]
        return None

    def take_up(self, go_on: Callable[[], bool], report: Report | None) -> None:
        """Run the next trial; an interrupted one stays open in the journal."""
        # seeded by what is finished, so that a resumed study asks what an uninterrupted one would have asked
        self.study.sampler = optuna.samplers.TPESampler(
            seed=(self.random_state + 1_000_003 * self.finished) % 2**32, n_startup_trials=_BEFORE_MODEL
        )
        if not self.study.trials:
            usual = {name: range_.usual for name, range_ in SEARCH_SPACE.items()}
            self.study.enqueue_trial(usual, user_attrs={"default": True})
        trial = self.study.ask(_distributions())
        is_default = bool(trial.user_attrs.get("default"))
        default, tallies = self.default_tallies(), []
        for step, split in enumerate(self.splits):
            if not is_default and not go_on():
                self.stopped = True
                return
            tallies.append(split.judge(self._predict(split, None if is_default else trial.params)))
            trial.set_user_attr("tallies", [tally.to_dict() for tally in tallies])
            if default is not None:
                difference = compare(Tally.total(tallies), Tally.total(default[: step + 1]), **self.units)
                trial.report(difference.objective, step)
                if trial.should_prune() and step + 1 < len(self.splits):
                    self._tell(trial, None, report)
                    return
        self._tell(trial, 0.0 if default is None else difference.objective, report)

    def _tell(self, trial: optuna.Trial, objective: float | None, report: Report | None) -> None:
        state = optuna.trial.TrialState.PRUNED if objective is None else optuna.trial.TrialState.COMPLETE
        self.study.tell(trial, objective, state=state)
        if report is not None:
            kept = self.study.trials[trial.number]
            report({"number": kept.number, "value": kept.value, "state": state.name, "params": dict(kept.params)})

    def _predict(self, split: ForwardSplit, chosen: Mapping[str, float] | None) -> Any:
        settings = None if chosen is None else tree_settings(chosen, len(split.past))
        model = RewardModel().fit(
            split.past, n_jobs=self.n_jobs, random_state=self.random_state, tree_settings=settings
        )
        return model.expected_reward(split.future.context)

    def result(self, untouched: ForwardSplit) -> TuningResult:
        """Compare what was found with the defaults where no trial looked."""
        done = [trial for trial in self.study.trials if trial.state == optuna.trial.TrialState.COMPLETE]
        best = max(done, key=lambda trial: (float(trial.value or 0.0), -trial.number))
        default = untouched.judge(self._predict(untouched, None))
        chosen = None if best.user_attrs.get("default") else {k: float(v) for k, v in best.params.items()}
        settings, difference, tuned = chosen, None, default
        kept = "no trial beat the defaults"
        if chosen is not None:
            tuned = untouched.judge(self._predict(untouched, chosen))
            difference = compare(tuned, default, **self.units)
            kept = "the best trial is not clearly worse than the defaults on the newest rows"
            if difference.clearly_worse:
                settings, kept = None, "the best trial is clearly worse than the defaults on the newest rows"
        return TuningResult(
            settings,
            float(best.value or 0.0),
            chosen,
            kept,
            _table(default, tuned, difference),
            self.finished,
            self.finished - len(done),
            self.study,
        )


def _table(default: Tally, tuned: Tally, difference: Difference | None) -> pd.DataFrame:
    rows = {"default": (default.mean("value"), default.mean("loss"))}
    if difference is not None:
        rows["tuned"] = (tuned.mean("value"), tuned.mean("loss"))
        rows["gain of tuned"] = (difference.value, difference.loss)
    table = {
        candidate: {
            f"{name}{end}": mean + sign * _NORMAL_95 * error
            for name, (mean, error) in zip(("value", "loss"), estimates, strict=True)
            for end, sign in (("", 0.0), ("_low", -1.0), ("_high", 1.0))
        }
        for candidate, estimates in rows.items()
    }
    return pd.DataFrame.from_dict(table, orient="index")


def _sampled(training: TrainingSet, max_rows: int | None, random_state: int) -> TrainingSet:
    if max_rows is None or len(training) <= max_rows:
        return training
    code = np.unique(training.groups, return_inverse=True)[1]
    order = np.random.default_rng(random_state).permutation(int(code.max()) + 1)
    kept = np.zeros(len(order), dtype=bool)
    kept[order] = np.cumsum(np.bincount(code)[order]) <= max_rows
    kept[order[0]] = True
    return training.take(np.flatnonzero(kept[code]))


def _fingerprint(training: TrainingSet, n_splits: int, random_state: int) -> str:
    digest = hashlib.sha256(repr((_FORMAT, n_splits, random_state, sorted(SEARCH_SPACE.items()))).encode())
    digest.update(pd.util.hash_pandas_object(training.context.astype(str), index=False).to_numpy().tobytes())
    for array in (training.action, training.reward, training.groups, training.propensity, training.order):
        digest.update(b"none" if array is None else np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _open(journal: str | None, fingerprint: str, random_state: int) -> optuna.Study:
    """Open a study, new or resumed; trials that a killed process left open are put in front of the queue."""
    storage = None
    if journal is not None:
        from optuna.storages.journal import JournalFileBackend

        storage = optuna.storages.JournalStorage(JournalFileBackend(journal))
    study = optuna.create_study(
        study_name=_STUDY,
        storage=storage,
        load_if_exists=True,
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=random_state),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=_BEFORE_PRUNING),
    )
    known = study.user_attrs.get("of")
    if known is None:
        study.set_user_attr("of", fingerprint)
    elif known != fingerprint:
        raise InvalidInput(
            f"The study in {journal} belongs to other decisions, another seed or other splits.",
            column="journal",
            mend="Resume it with the log and options it was begun with, or name another file.",
        )
    for trial in study.trials:
        if trial.state == optuna.trial.TrialState.RUNNING:
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
            default = {"default": True} if trial.user_attrs.get("default") else None
            study.enqueue_trial({**trial.system_attrs.get("fixed_params", {}), **trial.params}, user_attrs=default)
    return study


def _distributions() -> dict[str, optuna.distributions.BaseDistribution]:
    return {
        name: optuna.distributions.IntDistribution(int(range_.low), int(range_.high), log=range_.log)
        if range_.whole
        else optuna.distributions.FloatDistribution(range_.low, range_.high, log=range_.log)
        for name, range_ in SEARCH_SPACE.items()
    }
