"""Boosting on a cluster: the values of one machine within a tolerance, and an end to every fit."""

import os
import signal
import threading
import time

import numpy as np
import pytest

from recommender import ActionSpace
from recommender.distributed import cluster
from recommender.distributed.training import boost_on_cluster, with_deadline
from recommender.errors import RecommenderError
from recommender.learning.trees.action_trees import ActionTrees, TreeSettings


def test_a_fit_that_hangs_or_fails_is_restarted():
    """First never ends, then fails, then answers: two restarts, one answer."""
    tries, restarts, never = [], [], threading.Event()

    def work():
        tries.append(1)
        if len(tries) == 1:
            never.wait(5)
        if len(tries) == 2:
            raise OSError("Socket recv error")
        return "trees"

    answer = with_deadline(work, restart=lambda: restarts.append(1), seconds=0.1, attempts=3)
    never.set()
    assert (answer, len(tries), len(restarts)) == ("trees", 3, 2)


def test_the_last_failure_is_told():
    """After the last attempt the error names the cause."""

    def work():
        raise OSError("Socket recv error")

    with pytest.raises(RecommenderError, match=r"failed 2 times.*Socket recv error"):
        with_deadline(work, restart=lambda: None, seconds=5, attempts=2)


@pytest.mark.proof
def test_values_agree_with_one_machine():
    """The loss on fresh rows differs from that of one machine by less than a hundredth."""
    rng = np.random.default_rng(0)
    n = 6_000
    space = ActionSpace({"channel": ["call", "sms", "email"], "hour": [9, 12, 16]}, no_contact=True)
    X = np.column_stack([rng.normal(size=(2 * n, 3)), rng.integers(0, 4, 2 * n)])
    action = rng.integers(0, len(space), 2 * n)
    chance = 1 / (1 + np.exp(1.5 - X[:, 0] - 0.8 * (action < 3) * (X[:, 3] == 1)))
    target = (rng.random(2 * n) < chance).astype(float)
    past, fresh = slice(0, n), slice(n, None)
    settings = TreeSettings(feature_fraction=1.0, row_fraction=1.0, max_rounds=60)
    arguments = (X[past], [3], space, action[past], target[past])
    here = ActionTrees.fit(*arguments, settings=settings, n_jobs=1, random_state=0)
    with cluster("local", n_workers=2) as client:
        there = boost_on_cluster(client, *arguments, settings=settings, rounds=60, deadline=300)
    assert there.rounds == here.rounds == 60

    def loss(trees):
        score = trees.logged_scores(X[fresh], action[fresh])
        return float(np.mean(np.logaddexp(0.0, score) - target[fresh] * score))

    assert loss(there) == pytest.approx(loss(here), rel=0.01)
    assert loss(here) < 0.98 * float(np.mean(np.logaddexp(0.0, np.log(0.25)) - target[fresh] * np.log(0.25)))
    apart = there.raw_scores(X[fresh][:500]) - here.raw_scores(X[fresh][:500])
    assert np.sqrt(np.mean(apart**2)) < 0.15


@pytest.mark.proof
def test_a_worker_killed_while_it_boosts_costs_an_attempt():
    """SIGKILL one of two in the midst of training: restarted, sent again, and every round grown."""
    rng = np.random.default_rng(0)
    n, rounds = 6_000, 3_000
    space = ActionSpace({"channel": ["call", "sms", "email"]})
    X, action = rng.normal(size=(n, 4)), rng.integers(0, 3, n)
    target = (rng.random(n) < 1 / (1 + np.exp(1.5 - X[:, 0]))).astype(float)
    killed, over = [], threading.Event()
    with cluster("local", n_workers=2) as client:
        first = set(client.run(os.getpid).values())

        def kill_one():
            while not (killed or over.is_set()):
                tasks = [str(key) for keys in client.processing().values() for key in keys]
                if sum("_train_part" in task for task in tasks) == 2:
                    time.sleep(0.7)  # both are connected by then, and far from the last round
                    killed.append(min(first))
                    os.kill(killed[0], signal.SIGKILL)
                time.sleep(0.05)

        killer = threading.Thread(target=kill_one, daemon=True)
        killer.start()
        trees = boost_on_cluster(
            client, X, [], space, action, target, settings=TreeSettings(), rounds=rounds, deadline=180
        )
        over.set()
        killer.join()
        assert killed
        assert not first & set(client.run(os.getpid).values())  # nobody of the first attempt is left
    assert trees.rounds == rounds
    assert trees.logged_scores(X, action)[X[:, 0] > 1].mean() > trees.logged_scores(X, action)[X[:, 0] < -1].mean()
