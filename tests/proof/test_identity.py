"""A strategy's own decisions are recognised whatever they are dressed as, and others never are."""

import numpy as np
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeClassifier

from recommender import ActionSpace, ContactStrategy, LoggedFeedback, evaluate_policy
from recommender.store.files import feedback_from_file, write_log

ARMS = ActionSpace({"arm": ["a", "b", "c"]})
CONTEXT = ["x", "kind", "size"]


def rows(n=900, seed=0, coarse=False):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"x": rng.normal(size=n), "kind": rng.choice(["p", "q", "r"], n), "size": rng.integers(0, 9, n)}
    )
    if coarse:
        frame["x"] = frame["x"].round(0)
    frame["arm"] = rng.choice(["a", "b", "c"], n)
    frame["reward"] = (rng.random(n) < 0.2 + 0.1 * (frame["arm"] == "a")).astype(int)
    return frame


def log_of(frame, context=CONTEXT, **roles):
    return LoggedFeedback.from_frame(frame.reset_index(drop=True), actions=ARMS, context=list(context), **roles)


def quick():
    """What a strategy keeps of its log does not hang on what it learns from it."""
    return ContactStrategy(random_state=0, n_jobs=1, reward_model=DecisionTreeClassifier(max_depth=2, random_state=0))


@pytest.fixture(scope="module")
def trained():
    log = log_of(rows())
    return log, ContactStrategy(random_state=0, n_jobs=1).fit(log)


@pytest.fixture(scope="module")
def coarse():
    """Hardly any row is the only one of its kind."""
    whole = rows(2_400, 1, coarse=True)
    return whole, quick().fit(log_of(whole.iloc[:1_200]))


@pytest.fixture(scope="module")
def monthly():
    """The same accounts every month, with the context they had: other decisions."""
    months = []
    for month in range(2):
        frame = rows(900, 5).assign(account=np.arange(900), day=30 * month)
        rng = np.random.default_rng(100 + month)
        frame["arm"] = rng.choice(["a", "b", "c"], 900, p=[0.8, 0.1, 0.1])
        frame["reward"] = (rng.random(900) < 0.1).astype(int)
        months.append(frame)
    roles = {"account": "account", "time": "day"}
    return months, roles, quick().fit(log_of(months[0], **roles))


def _csv(frame, folder):
    frame.to_csv(folder / "again.csv", index=False)
    return pd.read_csv(folder / "again.csv")


def _parquet(frame, folder):
    frame.to_parquet(folder / "again.parquet")
    return pd.read_parquet(folder / "again.parquet")


def _json(frame, folder):
    frame.to_json(folder / "again.json", orient="records", double_precision=15)
    return pd.read_json(folder / "again.json")


DISGUISES = {
    "another column order": lambda f, _: log_of(f, CONTEXT[::-1]),
    "an extra column": lambda f, _: log_of(f.assign(extra=1.0), [*CONTEXT, "extra"]),
    "extra columns first": lambda f, _: log_of(f.assign(more=np.arange(len(f))), ["more", *CONTEXT]),
    "account ids": lambda f, _: log_of(f.assign(id=np.arange(len(f))), account="id"),
    "text account ids and times": lambda f, _: log_of(
        f.assign(id=[f"A{i}" for i in range(len(f))], at=pd.Timestamp("2026-01-01", tz="UTC")), account="id", time="at"
    ),
    "clusters": lambda f, _: log_of(f.assign(house=np.arange(len(f)) // 3), cluster="house"),
    "propensities": lambda f, _: log_of(f.assign(p=1 / 3), propensity="p"),
    "eligible sets": lambda f, _: log_of(f, eligible=np.ones((len(f), 3), dtype=bool)),
    "csv": lambda f, folder: log_of(_csv(f, folder)),
    "parquet": lambda f, folder: log_of(_parquet(f, folder)),
    "json": lambda f, folder: log_of(_json(f, folder)),
    "a log file": lambda f, folder: feedback_from_file(
        write_log(f[::-1], folder / "log.csv", actions=ARMS, roles={"context": CONTEXT, "reward": "reward"})
    ),
    "a sample": lambda f, _: log_of(f.sample(300, random_state=0)),
    "shuffled": lambda f, _: log_of(f.sample(frac=1.0, random_state=1)),
    "drawn with replacement": lambda f, _: log_of(f.sample(600, replace=True, random_state=2)),
    "single precision": lambda f, _: log_of(f.astype({"x": "float32"})),
    "whole numbers as floats": lambda f, _: log_of(f.astype({"size": "float64", "reward": "float64"})),
    "categories": lambda f, _: log_of(f.astype({"kind": "category", "arm": "category"})),
    "booleans": lambda f, _: log_of(f.assign(reward=f["reward"] == 1)),
    "half of them new": lambda f, _: log_of(pd.concat([f.iloc[:300], rows(300, 9)])),
    "a tenth unknown yet": lambda f, _: log_of(f.assign(reward=f["reward"].where(np.arange(len(f)) % 10 > 0))),
}


@pytest.mark.parametrize("name", DISGUISES)
def test_own_decisions_are_recognised_in_any_dress(name, trained, tmp_path):
    """Order, extras, types, formats, samples: the same decisions."""
    _, strategy = trained
    share, _ = strategy.share_seen_in_training(DISGUISES[name](rows(), tmp_path))
    assert share > 0.3


def test_parts_of_a_log_are_known_by_their_ids(trained):
    """take, split and folds carry the identity: no comparison of contents is needed, and none can err."""
    log, strategy = trained
    assert strategy.share_seen_in_training(log.take(np.arange(5))) == (1.0, "ids")
    half = quick().fit(log.take(np.arange(450)))
    assert half.share_seen_in_training(log.take(np.arange(450, 900))) == (0.0, "ids")
    assert half.share_seen_in_training(log) == (0.5, "ids")


LOOK_ALIKES = {
    "other rows": lambda _: log_of(rows(900, 77)),
    "few other rows": lambda _: log_of(rows(40, 78)),
    "other outcomes": lambda f: log_of(f.assign(reward=np.random.default_rng(5).permutation(f["reward"]))),
    "other arms": lambda f: log_of(f.assign(arm=np.random.default_rng(5).permutation(f["arm"]))),
    "outcomes turned": lambda f: log_of(f.assign(reward=1 - f["reward"])),
    "other numbers": lambda f: log_of(f.assign(x=f["x"] + 1.0)),
    "contexts mixed": lambda f: log_of(f.assign(x=np.random.default_rng(6).permutation(f["x"]))),
    "all of one kind": lambda _: log_of(rows(400, 79).assign(kind="p")),
    "asked again": lambda f: log_of(rows(900, 81)[["arm", "reward"]].join(f[CONTEXT])),
    "asked twice again": lambda f: log_of(
        pd.concat([rows(900, seed)[["arm", "reward"]].join(f[CONTEXT]) for seed in (82, 83)])
    ),
    "mirrored": lambda f: log_of(f.assign(x=-f["x"])),
    "another unit": lambda f: log_of(f.assign(x=100 * f["x"])),
    "another size": lambda f: log_of(f.assign(size=f["size"] + 1)),
    "arms in turn": lambda f: log_of(f.assign(arm=f["arm"].map({"a": "b", "b": "c", "c": "a"}))),
    "one column of the log": lambda f: log_of(rows(900, 84).assign(x=f["x"])),
    "nothing to tell rows by": lambda f: log_of(f.assign(x=0.0, kind="p", size=1)),
    "a handful of the log": lambda f: log_of(pd.concat([rows(900, 85), f.iloc[:10]])),
    "its accounts": lambda _: log_of(rows(900, 86).assign(id=np.arange(900)), account="id"),
    "its accounts and times": lambda _: log_of(
        rows(900, 87).assign(id=np.arange(900), at=pd.Timestamp("2026-01-01", tz="UTC")), account="id", time="at"
    ),
    "arms and outcomes of the log": lambda f: log_of(rows(900, 80).assign(arm=f["arm"], reward=f["reward"])),
}


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_others_are_not(name, trained):
    """The same columns, values and habits are not the same decisions."""
    _, strategy = trained
    share, _ = strategy.share_seen_in_training(LOOK_ALIKES[name](rows()))
    assert share < 0.05


@pytest.mark.parametrize("part", [slice(1_200, 2_400), slice(1_200, 1_500), slice(2_000, 2_100), slice(1_800, 2_400)])
def test_disjoint_parts_of_many_equal_rows_are_not(part, coarse):
    """Where most rows have a double, finding doubles says nothing."""
    whole, strategy = coarse
    assert strategy.share_seen_in_training(log_of(whole.iloc[part]))[0] < 0.05
    assert strategy.share_seen_in_training(log_of(whole.iloc[part], account=None, context=CONTEXT[::-1]))[0] < 0.05


def test_own_rows_among_many_equal_ones_are(coarse):
    """... but finding all of them does."""
    whole, strategy = coarse
    assert strategy.share_seen_in_training(log_of(whole.iloc[:1_200], CONTEXT[::-1]))[0] > 0.5


def test_the_same_accounts_a_month_later_are_not(monthly):
    """Known by account and time, and without either by outcomes that differ; re-typed ids are the same ids."""
    months, roles, strategy = monthly
    assert strategy.share_seen_in_training(log_of(months[1], **roles)) == (0.0, "ids")
    assert strategy.share_seen_in_training(log_of(months[1]))[0] < 0.05
    assert strategy.share_seen_in_training(log_of(months[1], account="account"))[0] < 0.05
    retyped = months[0].astype({"account": "float64", "day": "float64"})
    assert strategy.share_seen_in_training(log_of(retyped, CONTEXT[::-1], **roles)) == (1.0, "ids")
    assert strategy.share_seen_in_training(log_of(months[0].astype({"account": str}), **roles)) == (1.0, "ids")


def test_what_was_seen_is_saved_with_the_strategy(trained, tmp_path):
    """A loaded strategy knows its own decisions, and is refused on them."""
    log, strategy = trained
    loaded = ContactStrategy.load(strategy.save(tmp_path / "strategy"))
    assert loaded.share_seen_in_training(log.take(np.arange(90))) == (1.0, "ids")
    report = evaluate_policy(log_of(rows(), CONTEXT[::-1]), loaded, estimators=())
    assert report.verdict == "refused"
    assert "training log" in report.reasons[0]


def test_the_number_of_threads_changes_nothing(trained):
    """Version and dispatched actions included."""
    log, one = trained
    two = ContactStrategy(random_state=0, n_jobs=2).fit(log)
    assert two.version_ == one.version_
    accounts = rows(50, 3)[CONTEXT]
    pd.testing.assert_frame_equal(
        one.recommend(accounts, as_of="2026-01-01"), two.recommend(accounts, as_of="2026-01-01")
    )
