"""Tuning as part of ``train``: the study on disk, its trials as nested runs, the time budget."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from recommender.errors import InvalidInput, RecommenderError
from recommender.features import AccountHistory
from recommender.history import LoggedFeedback
from recommender.learning import mature_sample, training_set_of
from recommender.proof import TuningResult, tune
from recommender.store.registry import Registry, Trial
from recommender.strategy import check_learnable

__all__ = ["TunedRun", "close", "tune_log"]


@dataclass(frozen=True)
class TunedRun:
    """What tuning left behind.

    Attributes
    ----------
    result : TuningResult
    run_id : str
        The run under which the trials hang, still open.
    """

    result: TuningResult
    run_id: str

    @property
    def described(self) -> str:
        """Result table in words that fit a terminal and a text file."""
        table = self.result.table.map(lambda value: f"{value:.5f}").to_string()
        settings = "defaults" if self.result.settings is None else json.dumps(self.result.settings)
        return (
            f"{self.result.n_finished} trials, {self.result.n_pruned} of them pruned; best objective "
            f"{self.result.objective:+.5f} (defaults 0)\n"
            "on the newest decisions, which no trial saw (value and loss per "
            f"decision, 95 % intervals):\n{table}\nused: {settings} ({self.result.kept})"
        )


def tune_log(
    feedback: LoggedFeedback,
    registry: Registry,
    console: Console,
    *,
    study: Path,
    resume: bool,
    minutes: float,
    trials: int,
    rows: int,
    jobs: int,
    seed: int,
    run_name: str,
) -> TunedRun:
    """Run or resume a study; each trial becomes a run under that of the training.

    Raises
    ------
    InvalidInput
        When the study is there already and is not to be resumed.
    """
    if study.exists() and not resume:
        raise InvalidInput(
            f"The study {study} exists.", column="study", mend="Add --resume to go on with it, or name another --study."
        )
    study.parent.mkdir(parents=True, exist_ok=True)
    logging.getLogger("optuna").setLevel(logging.WARNING)  # trials are printed below, once
    sample = mature_sample(feedback, rows, seed)
    check_learnable(sample)
    run_id, begun = _run_of(study, registry, run_name, resume=resume)
    history = AccountHistory.from_log(feedback) if feedback.has_account_history else None
    deadline = time.monotonic() + 60.0 * minutes

    def log_trial(trial: dict[str, Any]) -> None:
        registry.log_trial(run_id, Trial(trial["number"], trial["params"], trial["value"], trial["state"]))
        value = "pruned" if trial["state"] == "PRUNED" else f"objective {trial['value']:+.5f}"
        console.print(f"trial {trial['number']}: {value}", highlight=False)

    try:
        result = tune(
            training_set_of(sample, history),
            n_trials=trials,
            go_on=lambda: time.monotonic() < deadline,
            journal=str(study),
            report=log_trial,
            max_rows=None,
            n_jobs=jobs,
            random_state=seed,
        )
    except RecommenderError:
        if begun:
            registry.fail(run_id)
            _beside(study).unlink()
        raise
    tuned = TunedRun(result, run_id)
    console.print(tuned.described, highlight=False, soft_wrap=True)
    return tuned


def _run_of(study: Path, registry: Registry, run_name: str, *, resume: bool) -> tuple[str, bool]:
    """Run of the study and whether it was begun now; an open one in this registry is gone on with."""
    state = json.loads(_beside(study).read_text()) if resume and _beside(study).exists() else {}
    if state.get("registry") == registry.tracking_uri and not state["closed"]:
        return str(state["run_id"]), False
    tags = {"kind": "tuning study", "study": study.name}
    if "run_id" in state:
        tags["continues"] = state["run_id"]  # what a closed run says of its training stays as it was
    run_id = registry.begin(run_name, tags=tags)
    _beside(study).write_text(json.dumps({"registry": registry.tracking_uri, "run_id": run_id, "closed": False}))
    return run_id, True


def close(study: Path) -> None:
    """Note that the run of the study holds a finished training."""
    state = json.loads(_beside(study).read_text())
    _beside(study).write_text(json.dumps({**state, "closed": True}))


def _beside(study: Path) -> Path:
    return study.with_name(study.name + ".run.json")
