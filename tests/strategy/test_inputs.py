"""What a data scientist hands in: any frame, one account as a mapping, scikit-learn's seeds and splitters."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.model_selection import cross_val_score

from recommender import ActionSpace, ContactStrategy, LoggedFeedback, evaluate_policy
from recommender.errors import InvalidInput
from recommender.strategy.inputs import account_frame, seed_of, threads_of, without_autologging

SETTINGS = {"n_leaves": 7.0, "learning_rate": 0.1, "l2": 2.0, "leaf_share": 1e-3}


def small_frame(n: int = 240) -> pd.DataFrame:
    """Contacts with whole numbers as column names."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({0: rng.normal(size=n), 1: rng.choice(list("ab"), n), "arm": rng.integers(0, 2, n)})
    frame["reward"] = (rng.random(n) < 0.2 + 0.5 * ((frame[0] > 0) == (frame["arm"] == 0))).astype(float)
    return frame


def log_of(frame: object) -> LoggedFeedback:
    """The same as checked feedback."""
    return LoggedFeedback.from_frame(frame, actions=ActionSpace({"arm": [0, 1]}), context=[0, 1])  # type: ignore[arg-type,list-item]


@pytest.fixture(scope="module")
def fitted() -> ContactStrategy:
    """A strategy of such a log, with a drawn seed."""
    return ContactStrategy(n_jobs=None, random_state=None, tree_settings=SETTINGS).fit(log_of(small_frame()))


def test_whole_numbers_are_column_names_like_any_other(fitted: ContactStrategy) -> None:
    ranked = fitted.recommend(small_frame(3)[[0, 1]], explore=False)
    again = fitted.recommend([{"0": row[0], "1": row[1]} for _, row in small_frame(3).iterrows()], explore=False)
    pd.testing.assert_frame_equal(ranked, again)


@pytest.mark.parametrize("kind", ["arrow", "mappings", "nullable"])
def test_any_kind_of_frame_makes_the_same_log(kind: str) -> None:
    frame = small_frame().rename(columns=str)
    given: object = {
        "arrow": lambda: pa.Table.from_pandas(frame),
        "mappings": lambda: frame.to_dict("records"),
        "nullable": lambda: frame.convert_dtypes(),
    }[kind]()
    assert log_of(given).digest == log_of(frame).digest


def test_one_account_may_be_a_mapping_or_a_series(fitted: ContactStrategy) -> None:
    frame = small_frame(1)[[0, 1]].rename(columns=str)
    want = fitted.expected_reward(frame)
    for one in (frame.iloc[0], frame.iloc[0].to_dict(), frame.to_dict("records"), pa.Table.from_pandas(frame)):
        np.testing.assert_array_equal(fitted.expected_reward(one), want)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [7, "accounts", [1, 2], np.zeros((2, 2)), []])
def test_what_is_no_table_is_refused_by_name(wrong: object) -> None:
    with pytest.raises(InvalidInput, match="accounts must be a table") as refusal:
        account_frame(wrong)
    assert refusal.value.column == "accounts"


@pytest.mark.parametrize("wrong", [pd.DataFrame({"a": [1]}), np.zeros((3, 2)), None])
def test_a_frame_in_place_of_a_log_is_told_how_to_become_one(fitted: ContactStrategy, wrong: object) -> None:
    for ask in (fitted.fit, fitted.score, fitted.log_probabilities, lambda log: evaluate_policy(log, fitted)):
        with pytest.raises(InvalidInput, match=r"LoggedFeedback\.from_frame"):
            ask(wrong)


def test_a_drawn_seed_is_kept_with_the_strategy(fitted: ContactStrategy, tmp_path: object) -> None:
    again = ContactStrategy.load(fitted.save(tmp_path / "s"))  # type: ignore[operator]
    assert again.version_ == fitted.version_
    assert isinstance(again.random_state, int)


def test_seeds_and_threads_as_scikit_learn_counts_them() -> None:
    assert seed_of(3) == 3
    assert seed_of(np.int64(3)) == 3
    assert seed_of(np.random.RandomState(1)) == seed_of(np.random.RandomState(1))
    assert seed_of(np.random.default_rng(1)) == seed_of(np.random.default_rng(1))
    assert threads_of(None) == 1
    assert threads_of(-1) >= 1
    for wrong in (-1, "x", 1.5):
        with pytest.raises(InvalidInput, match="random_state"):
            seed_of(wrong)
    for wrong in (0, "x", 1.5, True):
        with pytest.raises(InvalidInput, match="n_jobs"):
            threads_of(wrong)


def test_model_selection_splits_a_log_and_scores_its_parts() -> None:
    log = log_of(small_frame())
    assert log[np.array([1, 5])].reward.tolist() == log.reward[[1, 5]].tolist()
    assert len(log[10:20]) == 10
    scores = cross_val_score(ContactStrategy(n_jobs=1, tree_settings=SETTINGS), log, cv=2)
    assert scores.shape == (2,)
    # The best rule earns .7, the other .2, chance .45; what two halves of 240 rows teach lies between.
    assert (scores > 0.3).all()
    assert (scores < 0.95).all()


def test_notebooks_see_tables_and_prompts_see_one_line(fitted: ContactStrategy) -> None:
    log = log_of(small_frame())
    report = evaluate_policy(log, fitted)
    for shown in (log, report):
        assert "\n" not in repr(shown)
        assert shown._repr_html_().startswith("<table>")
    assert report.verdict in repr(report)


def test_small_models_within_ours_are_no_runs_of_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """While mlflow is there its logging is off around the fit, and on again after it; without it nothing happens."""
    told: list[str] = []

    @contextmanager
    def disable_autologging() -> Iterator[None]:
        told.append("off")
        yield
        told.append("on")

    monkeypatch.setitem(
        sys.modules, "mlflow.utils.autologging_utils", SimpleNamespace(disable_autologging=disable_autologging)
    )
    with without_autologging():
        told.append("fit")
    assert told == ["off", "fit", "on"]
    monkeypatch.delitem(sys.modules, "mlflow.utils.autologging_utils")
    with without_autologging():
        told.append("fit")
    assert told == ["off", "fit", "on", "fit"]
