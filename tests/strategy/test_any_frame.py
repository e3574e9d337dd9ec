"""One table in many kinds of frame: the same log, strategy, ranking and report, and the ranking in the kind given."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from recommender import ActionSpace, ContactStrategy, LoggedFeedback, evaluate_policy
from recommender.simulation import simulate_tables
from recommender.strategy import SeedStrategy

ACTIONS = ActionSpace({"channel": ["call", "sms"], "hour": [9, 15]})
CONTEXT = ["balance", "overdue", "score", "visits", "app", "asked", "stage", "product", "band", "weekday"]
SETTINGS = {"n_leaves": 7.0, "learning_rate": 0.1, "l2": 2.0, "leaf_share": 1e-3}


def contacts(n: int = 400) -> pd.DataFrame:
    """Every kind of column that a log has, with and without nulls."""
    rng = np.random.default_rng(0)

    def gaps(values: Any) -> pd.Series:
        return pd.Series(values).mask(rng.random(n) < 0.15)

    frame = pd.DataFrame(
        {
            "account": [f"A{number:03d}" for number in rng.integers(0, 60, n)],
            "debtor": rng.integers(0, 50, n),
            "sent_at": pd.Timestamp("2026-01-01", tz="UTC")
            + pd.to_timedelta(np.sort(rng.integers(0, 10**7, n)), unit="s"),
            "channel": rng.choice(["call", "sms"], n),
            "hour": rng.choice([9, 15], n),
            "balance": rng.gamma(2, 1e3, n).round(2),
            "overdue": rng.integers(0, 90, n),
            "score": gaps(rng.normal(size=n)),
            "visits": gaps(rng.integers(0, 5, n).astype(float)),
            "app": rng.random(n) < 0.5,
            "asked": gaps((rng.random(n) < 0.5).astype(object)).where(lambda column: column.notna(), None),
            "stage": gaps(rng.choice(["early", "late", "legal"], n)),
            "product": pd.Series(rng.choice(["card", "loan"], n)).astype("category"),
            "band": rng.integers(0, 4, n),
            "weekday": gaps(rng.integers(0, 7, n).astype(float)),
            "propensity": 0.25,
        }
    )
    worth_a_call = (frame["balance"] > 2_000) == (frame["channel"] == "call")
    frame["reward"] = (rng.random(n) < 0.2 + 0.4 * worth_a_call).astype(float)
    frame.loc[frame.index[-20:], "reward"] = np.nan
    return frame


def arrow(frame: pd.DataFrame, text: Callable[[pa.Array], pa.Array] = lambda array: array) -> pa.Table:
    """As Arrow holds it, text as told."""

    def column(values: pd.Series) -> pa.Array:
        if isinstance(values.dtype, pd.DatetimeTZDtype):
            naive = pa.array(values.dt.tz_convert(None).to_numpy(), pa.timestamp("us"))
            return naive.cast(pa.timestamp("us", "UTC"))
        array = pa.array(values, from_pandas=True)
        return text(array) if pa.types.is_string(array.type) or pa.types.is_large_string(array.type) else array

    return pa.table({name: column(frame[name]) for name in frame})


class PolarsLike:
    """What a strategy sees of a Polars frame: the Arrow stream, with text as string views."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


class LazyLike:
    """A frame that is made when it is asked for."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def collect(self) -> PolarsLike:
        return PolarsLike(self.table)


PolarsLike.__module__ = LazyLike.__module__ = "polars.dataframe.frame"


def relation(frame: pd.DataFrame) -> Any:
    """The table as a query of DuckDB."""
    return duckdb.from_arrow(arrow(frame)).project("*")


def views(array: pa.Array) -> pa.Array:
    """Text as Polars exports it."""
    return array.cast(pa.string_view())


def polars_frame(frame: pd.DataFrame) -> Any:
    """The real one, where it is installed; the lock does not hold it."""
    import polars

    return polars.from_arrow(arrow(frame))


KINDS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "numpy": lambda frame: frame,
    "objects": lambda frame: frame.astype({"stage": object, "channel": object, "account": object}),
    "another index": lambda frame: frame.set_axis(np.arange(len(frame))[::-1] + 5),
    "nullable": lambda frame: frame.convert_dtypes(),
    "Arrow-backed": lambda frame: frame.convert_dtypes(dtype_backend="pyarrow"),
    "Arrow": arrow,
    "Arrow, dictionaries": lambda frame: arrow(frame, pc.dictionary_encode),
    "Arrow, batch": lambda frame: arrow(frame).to_batches()[0],
    "Arrow, stream": lambda frame: arrow(frame).to_reader(),
    "DuckDB": relation,
    "Polars-like": lambda frame: PolarsLike(arrow(frame, views)),
    "lazy": lambda frame: LazyLike(arrow(frame, views)),
    "mappings": lambda frame: frame.to_dict("records"),
} | ({"Polars": polars_frame} if find_spec("polars") else {})

#: Which of them may reach the learner as other dtypes; the rest reach it as these do.
FITTED = ("nullable", "Arrow-backed", "Arrow, dictionaries", "DuckDB")


def log_of(table: Any) -> LoggedFeedback:
    """The table as checked feedback."""
    return LoggedFeedback.from_frame(
        table, actions=ACTIONS, context=CONTEXT, categorical=["band", "weekday"], propensity="propensity",
        account="account", time="sent_at", cluster="debtor",
    )  # fmt: skip


def fit(log: LoggedFeedback) -> ContactStrategy:
    """A small strategy of it."""
    return ContactStrategy(random_state=0, n_jobs=1, tree_settings=SETTINGS).fit(log)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return contacts()


@pytest.fixture(scope="module")
def log(frame: pd.DataFrame) -> LoggedFeedback:
    return log_of(frame)


@pytest.fixture(scope="module")
def strategy(log: LoggedFeedback) -> ContactStrategy:
    """Learnt from the earlier half."""
    return fit(log.take(np.arange(200)))


@pytest.fixture
def polars_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that makes the frames above, where the real one is not."""
    if find_spec("polars") is None:
        module = ModuleType("polars")
        module.from_arrow = PolarsLike  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "polars", module)


@pytest.mark.parametrize("kind", KINDS)
def test_the_log_is_the_same(kind: str, frame: pd.DataFrame, log: LoggedFeedback) -> None:
    made = log_of(KINDS[kind](frame))
    assert made.digest == log.digest
    assert made.categorical == log.categorical
    for name in ("action", "reward", "propensity", "account", "cluster", "time", "order", "known_order"):
        one, other = getattr(made, name), getattr(log, name)
        assert one.dtype == other.dtype
        assert one.tobytes() == other.tobytes()
    assert made.account_ids is not None
    assert list(made.account_ids) == list(log.account_ids)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", FITTED)
def test_the_strategy_and_the_report_are_the_same(
    kind: str, frame: pd.DataFrame, log: LoggedFeedback, strategy: ContactStrategy
) -> None:
    made = log_of(KINDS[kind](frame))
    again = fit(made.take(np.arange(200)))
    assert again.version_ == strategy.version_
    later = np.arange(200, 400)
    reports = [
        evaluate_policy(each.take(later), policy, estimators=["sndr"]).to_json()
        for each, policy in ((made, again), (log, strategy))
    ]
    assert reports[0] == reports[1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("polars_at_hand")
def test_the_ranking_is_the_same_in_the_kind_that_was_given(
    kind: str, frame: pd.DataFrame, strategy: ContactStrategy
) -> None:
    few = frame.tail(4)
    for each in (strategy, SeedStrategy(ACTIONS, account="account")):
        want = each.recommend(few, top_k=2, as_of="2026-05-01T12:00:00Z")
        given = KINDS[kind](few)
        ranked = each.recommend(given, top_k=2, as_of="2026-05-01T12:00:00Z")
        if isinstance(given, pd.DataFrame | list):
            assert type(ranked) is pd.DataFrame
        elif isinstance(given, LazyLike):
            assert type(ranked) in (PolarsLike, getattr(sys.modules["polars"], "DataFrame", PolarsLike))
        elif isinstance(given, PolarsLike):
            assert "polars" in type(ranked).__module__
        else:
            assert isinstance(ranked, pa.Table if type(given).__module__.startswith("pyarrow") else type(given))
        plain = ranked if isinstance(ranked, pd.DataFrame) else pa.table(ranked).to_pandas()
        plain["account"] = plain["account"].astype("str")  # a dictionary stays one
        plain["contact_at"] = plain["contact_at"].dt.tz_convert("UTC")  # DuckDB calls it Etc/UTC
        pd.testing.assert_frame_equal(plain, want, check_exact=True)


def test_whole_numbers_beyond_every_float_keep_their_digits() -> None:
    """A nullable column whose whole numbers a float cannot hold is not made one."""
    ids = pd.Series([2**53 + 1, 2**53 + 3, None] * 40, dtype="Int64")
    frame = contacts(120).assign(debtor=ids.fillna(7), account=ids.fillna(7))
    assert set(log_of(frame).account_ids) == {2**53 + 1, 2**53 + 3, 7}  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["nullable", "Arrow-backed", "Arrow", "DuckDB", "Polars-like", "lazy"])
def test_raw_tables_of_any_kind_make_the_same_log(kind: str) -> None:
    """The five tables likewise: accounts with their history, decisions, contacts, outcomes, payments."""
    raw = simulate_tables(150, seed=1)
    tables = {name: frame.drop(columns="eligible", errors="ignore") for name, frame in raw.to_dict().items()}
    want = LoggedFeedback.from_tables(**tables, actions=raw.actions, as_of=raw.as_of)
    given = {name: KINDS[kind](frame) for name, frame in tables.items()}
    assert LoggedFeedback.from_tables(**given, actions=raw.actions, as_of=raw.as_of).digest == want.digest
