"""What callers rely on: masks, ties, threads, layouts of X, and clear refusals."""

from __future__ import annotations

import pickle
import subprocess
import sys

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest

from recommender import ActionSpace
from recommender.allactions import ActionScorer, InexactScorer, KernelError, kernel
from tests.allactions.reference_boosters import (
    QUIET,
    naive_top_k,
    scorer_from_booster,
    scorer_from_boosters,
    scorer_from_model_string,
)

SPACE = ActionSpace({"channel": ["a", "b", "c"], "hour": [9, 10, 11, 12]})
COLUMNS = {"channel": 3, "hour": 4}


@pytest.fixture(scope="module")
def booster() -> lgb.Booster:
    """A small booster in which the best action depends on the account."""
    rng = np.random.default_rng(0)
    X = np.hstack([rng.normal(size=(2000, 3)), rng.integers(0, 3, (2000, 1)), rng.integers(9, 13, (2000, 1))])
    target = X[:, 0] * (X[:, 3] == 1) + X[:, 1] * (X[:, 4] > 10) + X[:, 2]
    return lgb.train({**QUIET, "objective": "regression"}, lgb.Dataset(X, target, categorical_feature=[3]), 20)


@pytest.fixture(scope="module")
def scorer(booster: lgb.Booster) -> ActionScorer:
    """The booster, compiled."""
    return scorer_from_booster(booster, SPACE, COLUMNS)


@pytest.fixture(scope="module")
def X() -> np.ndarray:  # noqa: N802
    """Accounts, more than one pass of the kernel."""
    X = np.random.default_rng(1).normal(size=(1100, 3))
    X[::11, 1] = np.nan
    return X


@pytest.mark.parametrize("k", [1, 3, 12, 15])
def test_top_k_under_a_mask(scorer: ActionScorer, X: np.ndarray, k: int) -> None:
    """Only allowed actions are returned; the rest of the row is -1 and NaN; ties go to the lowest index."""
    mask = np.random.default_rng(2).random((len(X), 12)) < 0.3
    mask[0] = False
    expected_ids, expected_scores = naive_top_k(scorer.raw_scores(X), k, mask)
    ids, scores = scorer.top_k(X, k, mask)
    np.testing.assert_array_equal(ids, expected_ids)
    np.testing.assert_array_equal(scores, expected_scores)
    assert (ids[0] == -1).all()
    assert np.isnan(scores[0]).all()


def test_scores_of_some_actions_are_those_of_all(scorer: ActionScorer, X: np.ndarray) -> None:
    """To the bit, in any order and repeated, with threads and in a layout that is converted in pieces."""
    asked = np.random.default_rng(3).integers(0, 12, (len(X), 5))
    expected = np.take_along_axis(scorer.raw_scores(X), asked, axis=1)
    np.testing.assert_array_equal(scorer.scores_of(X, asked), expected)
    np.testing.assert_array_equal(scorer.scores_of(X, asked, n_threads=3), expected)
    np.testing.assert_array_equal(scorer.scores_of(np.asfortranarray(X), asked.astype(np.int32)), expected)
    assert scorer.scores_of(X[:0], asked[:0]).shape == (0, 5)


@pytest.mark.parametrize("asked", [[[-1]], [[12]], [0], [[0], [1]]])
def test_actions_that_are_none_are_refused(scorer: ActionScorer, X: np.ndarray, asked: list) -> None:
    """Nothing outside the tables is read."""
    with pytest.raises(KernelError, match="actions must"):
        scorer.scores_of(X[:1], np.array(asked))


def test_one_mask_for_all(scorer: ActionScorer, X: np.ndarray) -> None:
    """A mask of shape (n_actions,) holds for every account."""
    mask = np.arange(12) % 3 == 0
    ids, _ = scorer.top_k(X, 2, mask)
    np.testing.assert_array_equal(ids, naive_top_k(scorer.raw_scores(X), 2, np.tile(mask, (len(X), 1)))[0])


def test_exact_ties_take_the_lowest_index() -> None:
    """Actions that the model cannot tell apart come in index order."""
    rng = np.random.default_rng(0)
    X = np.hstack([rng.normal(size=(500, 3)), np.zeros((500, 2))])
    booster = lgb.train({**QUIET, "objective": "regression"}, lgb.Dataset(X, X[:, 0]), 5)
    ids, scores = scorer_from_booster(booster, SPACE, COLUMNS).top_k(X[:4, :3], 5)
    np.testing.assert_array_equal(ids, np.tile(np.arange(5), (4, 1)))
    assert (scores == scores[:, :1]).all()


def test_threads_and_chunks_do_not_change_a_bit(scorer: ActionScorer, X: np.ndarray) -> None:
    """Any number of threads and any slicing of the accounts gives identical results."""
    mask = np.random.default_rng(2).random((len(X), 12)) < 0.5
    whole, ids = scorer.raw_scores(X), scorer.top_k(X, 3, mask)
    for threads in (2, 3, 7):
        np.testing.assert_array_equal(scorer.raw_scores(X, n_threads=threads), whole)
        for found, expected in zip(scorer.top_k(X, 3, mask, n_threads=threads), ids, strict=True):
            np.testing.assert_array_equal(found, expected)
    singles = np.vstack([scorer.raw_scores(X[i : i + 1]) for i in range(40)])
    np.testing.assert_array_equal(singles, whole[:40])


def test_any_layout_of_x(scorer: ActionScorer, X: np.ndarray) -> None:
    """Column order, strides, lists and integers give what a float64 C array gives."""
    expected = scorer.raw_scores(X)
    np.testing.assert_array_equal(scorer.raw_scores(np.asfortranarray(X)), expected)
    np.testing.assert_array_equal(scorer.raw_scores(X[::-1])[::-1], expected)
    np.testing.assert_array_equal(scorer.raw_scores([[1, 2, 3]]), scorer.raw_scores(np.array([[1.0, 2.0, 3.0]])))
    whole = np.round(X[:20] * 100).astype(np.float32)
    np.testing.assert_array_equal(scorer.raw_scores(whole), scorer.raw_scores(whole.astype(np.float64)))
    assert scorer.raw_scores(np.empty((0, 3))).shape == (0, 12)
    assert scorer.top_k(np.empty((0, 3)), 3)[0].shape == (0, 3)


def test_pickle_keeps_everything(scorer: ActionScorer, X: np.ndarray) -> None:
    """A scorer sent to a worker scores the same."""
    sent = pickle.loads(pickle.dumps(scorer))  # noqa: S301 - our own bytes
    np.testing.assert_array_equal(sent.raw_scores(X), scorer.raw_scores(X))


def test_read_only_arrays_compile_nothing_new(scorer: ActionScorer, X: np.ndarray) -> None:
    """Frames and workers hand out read-only buffers; they use the machine code that is there."""
    expected = scorer.top_k(X, 3, np.ones(12, dtype=bool))[0]
    compiled = len(kernel.score_rows.signatures)
    locked, mask = X.copy(), np.ones((len(X), 12), dtype=bool)
    locked.flags.writeable = mask.flags.writeable = False
    buffers: list[pickle.PickleBuffer] = []
    blob = pickle.dumps(scorer, protocol=5, buffer_callback=buffers.append)
    received = [memoryview(bytes(buffer.raw())) for buffer in buffers]
    sent = pickle.loads(blob, buffers=received)  # noqa: S301 - our own bytes
    np.testing.assert_array_equal(sent.top_k(locked, 3, mask)[0], expected)
    np.testing.assert_array_equal(sent.raw_scores(locked), scorer.raw_scores(X))
    assert len(kernel.score_rows.signatures) == compiled


def test_columns_by_name(booster: lgb.Booster, scorer: ActionScorer, X: np.ndarray) -> None:
    """Factor columns may be named as the booster names them."""
    named = scorer_from_booster(booster, SPACE, {"channel": "Column_3", "hour": "Column_4"})
    np.testing.assert_array_equal(named.raw_scores(X), scorer.raw_scores(X))


def test_a_booster_that_lies_is_refused(booster: lgb.Booster) -> None:
    """Where the text and the predictions disagree, no scorer comes out."""

    class Lying:
        def model_to_string(self) -> str:
            return booster.model_to_string()

        def predict(self, data: np.ndarray, raw_score: bool = True, **_: object) -> np.ndarray:
            return booster.predict(data, raw_score=raw_score) + 1e-9 * (data[:, 0] > 5)

    with pytest.raises(InexactScorer, match="differs from the booster"):
        scorer_from_booster(Lying(), SPACE, COLUMNS)


@pytest.mark.parametrize(
    ("params", "target", "message"),
    [
        ({"objective": "regression", "linear_tree": True}, lambda y: y, "linear_tree"),
        ({"objective": "multiclass", "num_class": 3}, lambda y: np.digitize(y, [-0.5, 0.5]), "multiclass"),
    ],
)
def test_models_that_are_no_sums_are_refused(params: dict, target: object, message: str) -> None:
    """Linear leaves and several outputs are refused by name."""
    X = np.random.default_rng(0).normal(size=(500, 5))
    settings = {**QUIET, **params}
    booster = lgb.train(settings, lgb.Dataset(X, target(X[:, 0] + X[:, 1]), params=settings), 3)
    with pytest.raises(KernelError, match=message):
        scorer_from_booster(booster, SPACE, COLUMNS)


@pytest.mark.parametrize(
    ("columns", "more", "message"),
    [
        ({"channel": 3}, {}, "every factor"),
        ({"channel": 3, "hour": 9}, {}, "does not have"),
        ({"channel": 3, "hour": "nope"}, {}, "does not have"),
        ({"channel": 3, "hour": 3}, {}, "share a column"),
        ({"channel": 3, "hour": 3.5}, {}, "does not have"),
        ({"channel": 3, "hour": True}, {}, "does not have"),
        (COLUMNS, {"factor_values": {"channel": [1, 2]}}, "one number a level"),
        (COLUMNS, {"factor_values": {"channel": ["x", "y", "z"]}}, "no number"),
        (COLUMNS, {"factor_values": {"tone": [1, 2]}}, "names no factor"),
        (COLUMNS, {"idle_values": {"tone": 1.0}}, "names no factor"),
    ],
)
def test_misplaced_factors_are_named(booster: lgb.Booster, columns: dict, more: dict, message: str) -> None:
    """Every way to describe the factors wrongly has its own error."""
    with pytest.raises(KernelError, match=message):
        scorer_from_booster(booster, SPACE, columns, **more)


def test_wrong_inputs_are_named(scorer: ActionScorer, X: np.ndarray) -> None:
    """Shapes, masks, texts and k are checked."""
    with pytest.raises(KernelError, match=r"X must have shape \(n, 3\)"):
        scorer.raw_scores(X[:, :2])
    with pytest.raises(KernelError, match="no number"):
        scorer.raw_scores(np.array([["a", "b", "c"]]))
    with pytest.raises(KernelError, match="mask must be boolean"):
        scorer.top_k(X, 3, np.ones((len(X), 12)))
    with pytest.raises(KernelError, match="mask must be boolean"):
        scorer.top_k(X, 3, np.ones((5, 12), dtype=bool))
    for k in (0, 2.0, None):
        with pytest.raises(KernelError, match="k must be"):
            scorer.top_k(X, k)
    for wrong in (X.astype(complex), X.astype("M8[s]")):
        with pytest.raises(KernelError, match="no numbers"):
            scorer.raw_scores(wrong)
    with pytest.raises(KernelError, match="not a LightGBM model"):
        scorer_from_model_string("hello", SPACE, COLUMNS)


def test_what_is_no_booster_is_refused(booster: lgb.Booster) -> None:
    """A fitted scikit-learn model, a text and a weight that is no number have their own message."""
    model = lgb.LGBMRegressor(n_estimators=2, verbosity=-1)
    with pytest.raises(KernelError, match="booster_"):
        scorer_from_booster(model, SPACE, COLUMNS)
    with pytest.raises(KernelError, match="from_model_string"):
        scorer_from_booster(booster.model_to_string(), SPACE, COLUMNS)
    with pytest.raises(KernelError, match="weight nan"):
        scorer_from_boosters([(booster, float("nan"))], SPACE, COLUMNS)


@pytest.mark.parametrize("hours", [[9, 10, 11, 12], [12, 9, 10, 11]])
def test_categories_of_a_frame_in_another_order_are_refused(hours: list[int]) -> None:
    """A booster trained on a frame reads positions of its categories; other positions are never read in silence."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=900),
            "channel": pd.Categorical(rng.choice(["a", "b", "c"], 900), categories=["b", "a", "c"]),
            "hour": pd.Categorical(rng.choice(hours, 900), categories=hours),
        }
    )
    target = (frame["channel"] == "a") * 3.0 + frame["hour"].astype(int) % 5
    parameters = {**QUIET, "objective": "regression", "min_data_per_group": 1}
    booster = lgb.train(parameters, lgb.Dataset(frame, target), 5)
    columns = {"channel": "channel", "hour": "hour"}
    with pytest.raises(KernelError, match=r"'channel': \[1\.0, 0\.0, 2\.0"):
        scorer_from_booster(booster, SPACE, columns, factor_values={"hour": [hours.index(h) for h in range(9, 13)]})
    with pytest.raises(KernelError, match=r"'hour': \[[0-9]"):
        scorer_from_booster(booster, SPACE, columns, factor_values={"channel": [1, 0, 2]})
    values = {"channel": [1, 0, 2], "hour": [hours.index(h) for h in range(9, 13)]}
    scores = scorer_from_booster(booster, SPACE, columns, factor_values=values).raw_scores([[0.5]])[0]
    rows = SPACE.to_frame().assign(x=0.5)[["x", "channel", "hour"]]
    rows["channel"] = pd.Categorical(rows["channel"], categories=["b", "a", "c"])
    rows["hour"] = pd.Categorical(rows["hour"].astype(int), categories=hours)
    np.testing.assert_allclose(scores, booster.predict(rows), rtol=0, atol=1e-12)
    same = ActionSpace({"channel": ["b", "a", "c"], "hour": [str(hour) for hour in hours]})
    assert scorer_from_booster(booster, same, columns).n_context_columns == 1  # positions agree: nothing to tell


def test_import_compiles_nothing() -> None:
    """Importing the package compiles no machine code."""
    code = (
        "from recommender.allactions import blend, kernel;"
        "assert not kernel.score_rows.signatures and not blend._design.signatures"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_masks_stay_with_their_rows_where_x_is_converted_in_pieces(scorer, X, monkeypatch):
    """Rows of another layout are copied a piece at a time; each piece keeps its own rows' masks."""
    monkeypatch.setattr("recommender.allactions.scorer._ROWS_PER_COPY", 100)
    mask = np.random.default_rng(5).random((len(X), len(SPACE))) < 0.4
    want = scorer.top_k(X, 3, mask=mask, n_threads=1)
    found = scorer.top_k(np.asfortranarray(X), 3, mask=mask, n_threads=1)
    np.testing.assert_array_equal(found[0], want[0])
    np.testing.assert_array_equal(found[1], want[1])
