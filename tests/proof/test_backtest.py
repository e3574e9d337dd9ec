"""backtest: forward in time, nothing known too early, paired and pooled, and honest about what it could not do."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.tree import DecisionTreeClassifier

from recommender import ActionSpace, ContactStrategy, LoggedFeedback
from recommender.errors import InvalidInput
from recommender.proof.backtest import backtest, known_by

ARMS = 4


def world(n=4_000, seed=0, turn_at=None, n_debtors=400, delay=0.0, **roles):
    """A log in time order: the best arm depends on x; from ``turn_at`` on it is another one."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    best = np.digitize(x, [-0.7, 0, 0.7]) % ARMS
    if turn_at is not None:
        best = np.where(np.arange(n) < turn_at, best, (best + 2) % ARMS)
    truth = 0.15 + 0.4 * (np.arange(ARMS) == best[:, None])
    arm = rng.integers(0, ARMS, n)
    frame = pd.DataFrame({"arm": arm, "x": x, "p": 1 / ARMS, "debtor": rng.integers(0, n_debtors, n)})
    frame["reward"] = (rng.random(n) < truth[range(n), arm]).astype(float)
    frame["at"] = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(np.arange(n), unit="h")
    frame["known"] = frame["at"] + pd.Timedelta(hours=delay)
    given = {"propensity": "p", "time": "at", "cluster": "debtor", "known_at": "known"} | roles
    return LoggedFeedback.from_frame(frame, actions=ActionSpace({"arm": range(ARMS)}), context=["x"], **given), truth


def means_by_quarter(past):
    """A small learner: best arm by quarter of x, from the past alone."""
    known = past.mature
    cell = np.digitize(past.context["x"], [-0.7, 0, 0.7])
    score = np.zeros((4, ARMS))
    for quarter in range(4):
        for arm in range(ARMS):
            rows = known & (cell == quarter) & (past.action == arm)
            score[quarter, arm] = past.reward[rows].mean() if rows.any() else 0

    def probabilities(log):
        chosen = score[np.digitize(log.context["x"], [-0.7, 0, 0.7])].argmax(axis=1)
        return 0.9 * np.eye(ARMS)[chosen] + 0.1 / ARMS

    return probabilities


def test_a_learner_that_works_is_better_in_each_window_and_pooled():
    """Direction and truth: pooled interval holds the true value, and pooling is narrower than any window."""
    log, truth = world()
    report = backtest(log, means_by_quarter, n_splits=3, baselines=("logging", "best_constant", "uniform"))
    table = report.to_frame()
    pooled = table[(table["window"] == "pooled") & (table["baseline"] == "logging")].iloc[0]
    each = table[(table["window"] != "pooled") & (table["baseline"] == "logging")]
    assert len(each) == 3
    assert (each["verdict"] == "better").all()
    assert pooled["verdict"] == "better"
    assert pooled["ci_high"] - pooled["ci_low"] < (each["ci_high"] - each["ci_low"]).min()
    value = 0.9 * 0.55 + 0.1 * truth.mean()
    assert pooled["value_low"] - 0.01 <= value <= pooled["value_high"] + 0.01
    assert pooled["n_decisions"] == each["n_decisions"].sum() == 3_000


def test_each_window_is_learnt_from_its_past_only():
    """The learner is shown decisions before the cutoff, with the rewards that were known by then."""
    log, _ = world(1_000, delay=100)
    seen = []

    def factory(past):
        seen.append(past)
        return means_by_quarter(past)

    report = backtest(log, factory, n_splits=4, baselines=("logging",))
    starts = [pd.Timestamp(window.start) for window in report.windows]
    for past, start in zip(seen, starts, strict=True):
        moments = pd.to_datetime(past.time)
        assert moments.max() < start
        # Rewards become known 100 hours later: the last hundred decisions are not known yet.
        assert np.isnan(past.reward[moments > start - pd.Timedelta(hours=100)]).all()
        assert past.mature[moments < start - pd.Timedelta(hours=100)].all()
    assert [window.n_trained_on for window in report.windows] == [int(past.mature.sum()) for past in seen]


def test_a_world_that_turns_is_seen_in_time_and_missed_by_shuffled_folds():
    """After the turn the strategy learnt before it loses; no random split of the rows would show that."""
    log, _ = world(4_000, turn_at=2_000)
    report = backtest(log, means_by_quarter, cutoffs=[pd.Timestamp(log.time[2_000], tz="UTC")], baselines=("logging",))
    assert report.windows[0].reports["logging"].verdict == "worse"


def test_windows_share_their_debtors():
    """Copies of a debtor's rows over windows are one cluster: pooling them does not narrow the interval."""
    once, _ = world(600, n_debtors=600, seed=3)
    frame = once.to_frame().rename(columns={"propensity": "p"})
    frame["debtor"] = np.arange(len(frame))
    several = pd.concat([frame] * 4, ignore_index=True)
    several["at"] = np.arange(len(several), dtype=float)
    roles = {"actions": once.actions, "context": ["x"], "propensity": "p", "time": "at", "cluster": "debtor"}
    log = LoggedFeedback.from_frame(several, **roles)

    def fixed(past):
        return lambda part: np.eye(ARMS)[np.zeros(len(part), dtype=int)]

    report = backtest(log, fixed, n_splits=3, baselines=("logging",))
    one = report.windows[0].reports["logging"].difference
    pooled = report.pooled["logging"].difference
    assert pooled.n_clusters == 600
    assert pooled.standard_error > 0.85 * one.standard_error


def test_a_strategy_is_refitted_and_a_champion_compared(simulated_log):
    """A ContactStrategy goes forward in time; a champion trained on a window is refused there, not flattered."""
    log = simulated_log.take(np.arange(1_500))
    # A small tree: what is asked is who was trained on what, not how well it learnt.
    quick = ContactStrategy(n_jobs=1, random_state=0, reward_model=DecisionTreeClassifier(min_samples_leaf=20))
    champion = clone(quick).fit(log.take(np.arange(1_000)))
    report = backtest(log, quick, n_splits=2, champion=champion)
    assert set(report.pooled) == {"logging", "seed_rules", "best_constant", "champion"}
    first, last = report.windows
    assert first.reports["champion"].verdict == "refused"
    assert "Window 1" in first.reports["champion"].reasons[0]
    assert not last.reports["champion"].reasons[0].startswith("Window")
    assert report.pooled["champion"].reasons[0].startswith("Window 1")


def test_the_page_and_the_table_tell_the_same(tmp_path):
    """One self-contained page holds every window and the verdicts."""
    log, _ = world(1_000)
    report = backtest(log, means_by_quarter, n_splits=2)
    assert "seed_rules" in report.left_out
    page = report.to_html(tmp_path / "backtest.html", title="A <b>title</b>")
    assert (tmp_path / "backtest.html").read_text(encoding="utf-8") == page
    assert "<b>" not in page
    assert "data:image/png" in page
    assert "Without seed_rules" in page
    for row in report.to_frame().to_dict(orient="records"):
        assert f"{row['difference']:.4g}" in page


def test_a_window_without_a_past_is_told_and_left_out():
    """Nothing known at the first cutoff: that window says so, later ones are evaluated."""
    log, _ = world(900)
    frame = log.to_frame().rename(columns={"propensity": "p"})
    frame["at"] = np.arange(900.0)
    frame["known"] = np.where(frame["at"] < 300, 400.0, frame["at"])
    roles = {"context": ["x"], "propensity": "p", "time": "at", "known_at": "known"}
    late = LoggedFeedback.from_frame(frame, actions=log.actions, **roles)

    def factory(past):
        if not past.mature.any():
            raise InvalidInput("No reward is known.", column="reward", mend="Wait.")
        return means_by_quarter(past)

    report = backtest(late, factory, n_splits=2, baselines=("logging",))
    assert "No reward is known" in report.windows[0].trouble
    assert report.windows[1].reports
    assert report.to_frame()["verdict"].iloc[0] == "refused"
    with pytest.raises(InvalidInput, match="No window can be evaluated"):
        backtest(late, factory, cutoffs=[300.0], baselines=("logging",))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"baselines": ("astrology",)}, "unknown baseline"),
        ({"n_splits": 0}, "at least 1"),
        ({"cutoffs": []}, "No cutoff"),
        ({"cutoffs": ["2026-01-20", "2026-01-10"]}, "increasing"),
        ({"cutoffs": ["2031-01-01"]}, "before the split"),
    ],
)
def test_arguments_that_make_no_sense_are_errors(options, told):
    """Each names what is wrong."""
    log, _ = world(600)
    with pytest.raises(InvalidInput, match=told):
        backtest(log, means_by_quarter, **options)


def test_a_log_without_time_cannot_be_backtested():
    """There is no forward in it."""
    log, _ = world(100, time=None, known_at=None)
    with pytest.raises(InvalidInput, match="no time column"):
        backtest(log, means_by_quarter)


@pytest.mark.parametrize("delay", [0.0, 5.0, 30.0])
def test_a_learner_is_told_what_was_known_before_its_cutoff(delay):
    """A reward of that very instant is not known yet, as no decision of that instant is of the past; all is without."""
    log, _ = world(60, delay=delay)
    cut = float(log.order[40])  # some rewards become known exactly then
    past = known_by(log.take(log.order < cut), cut)
    known = log.known_order[:40] < cut
    assert len(past) == 40 and (log.known_order == cut).any()
    assert past.mature.tolist() == known.tolist()
    assert (past.reward[known] == log.reward[:40][known]).all()
    without, _ = world(60, known_at=None)
    assert known_by(without.take(without.order < cut), cut).mature.all()
