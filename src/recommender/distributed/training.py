"""Boosting the tree member on a cluster, with a deadline: LightGBM's own distributed training does not survive a kill.

A worker that dies while LightGBM trains makes the others fail, or wait for ever. So the fit runs in a thread that is
given up at a deadline; then all workers are restarted, the data are sent again, and the fit begins anew.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import dask.array
import distributed
import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.errors import RecommenderError
from recommender.learning import ActionTrees, TreeSettings, factor_levels

__all__ = ["boost_on_cluster", "with_deadline"]

_dask: Any = distributed  # typed by halves
_arrays: Any = dask.array
_BACK_WITHIN = 60  # seconds

Answer = TypeVar("Answer")


def boost_on_cluster(
    client: Any,
    X: NDArray[np.float64],
    categorical: list[int],
    actions: ActionSpace,
    action: NDArray[np.int64],
    target: NDArray[np.float64],
    *,
    settings: TreeSettings,
    rounds: int,
    weight: NDArray[np.float64] | None = None,
    random_state: int = 0,
    deadline: float = 3_600.0,
    attempts: int = 3,
) -> ActionTrees:
    """Boost as :meth:`ActionTrees.fit` does, the rows spread over the workers.

    Trees equal those of one machine up to how LightGBM sums histograms, so values agree within a tolerance, not to
    the bit. There is no early stopping on a cluster: take ``rounds`` from a fit on a sample.

    Parameters
    ----------
    client : distributed.Client
        Of a cluster that does nothing else meanwhile: never two fits at once.
    X, categorical, actions, action, target, settings, weight, random_state
        As for :meth:`ActionTrees.fit`.
    rounds : int
        Trees to grow.
    deadline : float, default=3600
        Seconds after which an attempt is given up.
    attempts : int, default=3

    Returns
    -------
    ActionTrees

    Raises
    ------
    RecommenderError
        When no attempt came to its end.
    """
    described = factor_levels(actions)
    design = np.column_stack([X] + [values[action] for _, values, _ in described])
    coded = categorical + [X.shape[1] + i for i, (_, _, is_code) in enumerate(described) if is_code]
    parameters = settings.parameters(n_jobs=1, random_state=random_state)
    for taken in ("objective", "seed", "num_threads", "deterministic", "force_col_wise"):
        parameters.pop(taken)

    def fit() -> str:
        with client.as_current(), warnings.catch_warnings():  # LightGBM and wait() ask for the client of their thread
            warnings.filterwarnings("ignore", "Parameter n_jobs will be ignored", UserWarning)
            return grown()

    def grown() -> str:
        n_parts = max(len(client.nthreads()), 1)
        size = -(-len(target) // n_parts)

        def spread(values: NDArray[Any]) -> Any:
            chunks = (size, *values.shape[1:])
            spread_out = client.persist(_arrays.from_array(np.ascontiguousarray(values), chunks=chunks))
            _dask.wait(spread_out)  # every part is in place before columns are matched
            return spread_out

        learner = lgb.DaskLGBMRegressor(
            client=client,
            objective=settings.objective,
            n_estimators=rounds,
            random_state=random_state,
            tree_learner="data",
            **parameters,
        )
        learner.fit(
            spread(design),
            spread(target),
            sample_weight=None if weight is None else spread(weight),
            categorical_feature=coded,
        )
        return str(learner.booster_.model_to_string())

    n_workers = len(client.nthreads())
    text = with_deadline(fit, restart=lambda: _restarted(client, n_workers), seconds=deadline, attempts=attempts)
    return ActionTrees.from_texts([text], actions)


def _restarted(client: Any, n_workers: int) -> None:
    """Restart all workers; one that never comes back is done without.

    A killed worker is being started again by its nanny. A restart in the midst of that can lose it, and a fit that
    does not wait for it leaves it out.
    """
    with suppress(TimeoutError):
        client.wait_for_workers(n_workers, timeout=_BACK_WITHIN)
    client.restart(timeout=600)
    with suppress(TimeoutError):
        client.wait_for_workers(n_workers, timeout=_BACK_WITHIN)


def with_deadline(work: Callable[[], Answer], *, restart: Callable[[], Any], seconds: float, attempts: int) -> Answer:
    """Do work that may fail or never end; restart and try again.

    Parameters
    ----------
    work : callable
        Runs in a thread of its own; one that never ends is left behind.
    restart : callable
        Called before each further attempt.
    seconds : float
        Of one attempt.
    attempts : int

    Raises
    ------
    RecommenderError
        When the last attempt failed too, from its error.
    """
    last: BaseException | None = None
    for attempt in range(attempts):
        if attempt:
            restart()
        answers: list[Answer] = []
        errors: list[BaseException] = []

        def run(answers: list[Answer] = answers, errors: list[BaseException] = errors) -> None:
            try:
                answers.append(work())
            except BaseException as error:  # noqa: BLE001 - whatever it was, the cluster is restarted
                errors.append(error)

        thread = threading.Thread(target=run, name=f"boosting-{attempt}", daemon=True)
        thread.start()
        thread.join(seconds)
        if answers:
            return answers[0]
        last = errors[0] if errors else TimeoutError(f"nothing after {seconds:g} seconds")
    raise RecommenderError(
        f"Distributed training failed {attempts} times; the last time: {type(last).__name__}: {last}. "
        "Train on one machine, or give workers more memory."
    ) from last
