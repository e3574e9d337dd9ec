"""A strategy behaves as scikit-learn users expect of an estimator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from recommender import ActionSpace, ContactStrategy, LoggedFeedback
from recommender.errors import InvalidInput

TUNED = {"n_leaves": 7.0, "learning_rate": 0.1, "l2": 2.0, "leaf_share": 1e-3}


@pytest.fixture(scope="module")
def log() -> LoggedFeedback:
    """A log with a number, a category and gaps."""
    rng = np.random.default_rng(0)
    n = 500
    frame = pd.DataFrame({"arm": rng.integers(0, 3, n), "x": rng.normal(size=n), "kind": rng.choice(list("ab"), n)})
    frame["reward"] = (rng.random(n) < 0.2 + 0.4 * ((frame["x"] > 0) == (frame["arm"] == 0))).astype(float)
    frame.loc[::17, "x"] = np.nan
    return LoggedFeedback.from_frame(
        frame, actions=ActionSpace({"arm": range(3)}), context=["x", "kind"], reward="reward"
    )


@pytest.fixture(scope="module")
def tuned(log: LoggedFeedback) -> ContactStrategy:
    """A fitted strategy with every parameter off its default."""
    return ContactStrategy(
        policy="thompson",
        epsilon=0.1,
        temperature=0.02,
        n_jobs=1,
        random_state=4,
        max_rows=400,
        tree_settings=TUNED,
    ).fit(log)


def test_every_parameter_is_kept_as_given(tuned: ContactStrategy) -> None:
    """get_params, clone and set_params round trip; fitting changes no parameter; unknown ones are refused."""
    given = tuned.get_params()
    assert given["tree_settings"] is TUNED
    assert given["max_rows"] == 400
    assert clone(tuned).get_params() == given
    assert ContactStrategy().set_params(**given).get_params() == given
    assert clone(tuned).set_params(tree_settings=None).tree_settings is None
    with pytest.raises(ValueError, match="Invalid parameter"):
        ContactStrategy().set_params(depth=3)
    assert "thompson" in repr(tuned)


@pytest.mark.parametrize("method", ["expected_reward", "action_probabilities", "recommend", "to_files", "save"])
def test_unfitted_it_says_so(method: str, tmp_path: Path) -> None:
    """Every method that needs a model raises NotFittedError before fit."""
    arguments: list[object] = [pd.DataFrame({"x": [0.0], "kind": ["a"]})]
    if method in ("to_files", "save"):
        arguments = [tmp_path / "strategy"] if method == "save" else []
    with pytest.raises(NotFittedError):
        getattr(ContactStrategy(), method)(*arguments)
    with pytest.raises(NotFittedError):
        check_is_fitted(ContactStrategy())
    assert not (tmp_path / "strategy").exists()


def test_fit_returns_itself_and_forgets_what_it_knew(log: LoggedFeedback, tuned: ContactStrategy) -> None:
    """A second fit is as a first one: same version, same bytes, whatever was learnt before."""
    again = clone(tuned)
    assert again.fit(log.take(np.arange(300))) is again
    other = again.version_
    assert again.fit(log).version_ == tuned.version_ != other
    assert again.to_files() == tuned.to_files()
    check_is_fitted(again)


def test_the_round_trip_is_exact_to_the_bit(tuned: ContactStrategy, log: LoggedFeedback, tmp_path: Path) -> None:
    """Saved and loaded: the same parameters, files, rewards, propensities, intervals and drawn actions."""
    loaded = ContactStrategy.load(tuned.save(tmp_path / "strategy"))
    assert loaded.get_params() == tuned.get_params()
    assert loaded.to_files() == tuned.to_files()
    np.testing.assert_array_equal(loaded.expected_reward(log.context), tuned.expected_reward(log.context))
    np.testing.assert_array_equal(loaded.action_probabilities(log.context), tuned.action_probabilities(log.context))
    pd.testing.assert_frame_equal(loaded.recommend(log.context.head(50)), tuned.recommend(log.context.head(50)))
    assert clone(loaded).fit(log).version_ == tuned.version_


def test_the_seed_decides_and_threads_do_not(tuned: ContactStrategy, log: LoggedFeedback) -> None:
    """Another seed learns other numbers; another number of threads exactly the same, for any thread count when used."""
    other = clone(tuned).set_params(random_state=5).fit(log)
    assert not np.array_equal(other.expected_reward(log.context), tuned.expected_reward(log.context))
    threads = clone(tuned).set_params(n_jobs=2).fit(log)
    np.testing.assert_array_equal(threads.expected_reward(log.context), tuned.expected_reward(log.context))
    np.testing.assert_array_equal(threads.action_probabilities(log.context), tuned.action_probabilities(log.context))


def test_tuned_settings_change_the_model_and_bad_ones_are_refused(tuned: ContactStrategy, log: LoggedFeedback) -> None:
    """Settings reach the trees; an unknown name or a value out of range is refused by name in fit."""
    plain = clone(tuned).set_params(tree_settings=None).fit(log)
    assert not np.array_equal(plain.expected_reward(log.context), tuned.expected_reward(log.context))
    with pytest.raises(InvalidInput, match="depth"):
        clone(tuned).set_params(tree_settings={"depth": 3.0}).fit(log)
    with pytest.raises(InvalidInput, match="learning_rate"):
        clone(tuned).set_params(tree_settings={"learning_rate": 0.0}).fit(log)
