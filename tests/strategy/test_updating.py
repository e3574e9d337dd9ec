"""Updates from night to night: close to a fit on everything, refused where they would be wrong, with a lineage."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from recommender import ActionSpace, ContactStrategy, LoggedFeedback
from recommender.errors import IncompatibleLog, InvalidInput
from recommender.learning.encoding import ContextEncoder
from recommender.learning.regression import BilinearModel, LinearDesign, PastRows, continued
from recommender.strategy.updating import refit_due

SPACE = ActionSpace({"channel": ["call", "sms", "mail"], "tone": ["soft", "firm"]})


def _frame(n: int, seed: int, shift: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.normal(size=n), "z": rng.choice(["a", "b"], size=n)})
    frame["channel"] = rng.choice(SPACE.factors["channel"], size=n)
    frame["tone"] = rng.choice(SPACE.factors["tone"], size=n)
    effect = frame["channel"].map({"call": 1.0, "sms": -1.0, "mail": 0.0}) * frame["x"]
    frame["reward"] = (rng.random(n) < expit(-1.0 + effect + (frame["z"] == "a") + shift)).astype(float)
    frame["account"] = rng.integers(0, n // 3, n)
    frame["time"] = pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(n) + 100_000 * seed, unit="min")
    return frame


def _log(frame: pd.DataFrame, **changed: object) -> LoggedFeedback:
    roles: dict[str, object] = {
        "actions": SPACE,
        "context": ["x", "z"],
        "reward": "reward",
        "account": "account",
        "time": "time",
    }
    return LoggedFeedback.from_frame(frame, **(roles | changed))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def fitted() -> ContactStrategy:
    """A strategy of 600 decisions."""
    return ContactStrategy(random_state=0, n_jobs=1).fit(_log(_frame(600, 0)))


def _copy(strategy: ContactStrategy) -> ContactStrategy:
    return ContactStrategy.from_files(strategy.to_files())


def test_a_continued_regression_equals_one_of_all_rows() -> None:
    """Precisions given, three nights on top of a fit against the fit of everything, and against the base alone."""
    rng = np.random.default_rng(0)
    n = 4_000
    context = pd.DataFrame({"x": rng.normal(size=n), "z": rng.normal(size=n)})
    encoder = ContextEncoder.fit(context, ())
    X = encoder.transform(context)
    design = LinearDesign.fit(encoder, X, (), SPACE)
    U, action = design.transform(X), rng.integers(0, len(SPACE), n)
    target = (rng.random(n) < expit(-1 + U[:, 1] * np.where(action < 2, 1.0, -0.7))).astype(float)
    base = slice(0, 2_000)
    first = BilinearModel.fit(design, U[base], SPACE, action[base], target[base])
    whole = BilinearModel.fit(design, U, SPACE, action, target, precision=first.precision)
    past = PastRows.of(first, design, U[base], SPACE, action[base], family="binomial", crossing="pairs", n_directions=0)
    model = first
    for night in np.array_split(np.arange(2_000, n), 3):
        model, past = continued(model, past, design, U[night], SPACE, action[night], target[night], family="binomial")
    away, before = model.scores(U) - whole.scores(U), first.scores(U) - whole.scores(U)
    assert (away**2).mean() < 0.05 * (before**2).mean()
    np.testing.assert_allclose(model.variances, whole.variances, rtol=0.1)


def test_three_nights_learn_what_changed(fitted: ContactStrategy) -> None:
    """Updates move towards what a world with a higher level shows, keep a lineage and survive saving."""
    strategy = _copy(fitted)
    accounts = _frame(200, 99)[["x", "z"]]
    before = strategy.expected_reward(accounts)
    versions = [strategy.version_]
    for night in range(1, 4):
        strategy.update(_log(_frame(150, night, shift=1.0)))
        versions.append(strategy.version_)
    assert len(set(versions)) == 4
    assert strategy.expected_reward(accounts).mean() > before.mean() + 0.02
    updates = strategy.trained_on_["updates"]
    assert [one["from"] for one in updates] == versions[:3]
    assert [one["n_mature"] for one in updates] == [150] * 3
    again = _copy(strategy)
    assert again.version_ == strategy.version_
    np.testing.assert_array_equal(again.expected_reward(accounts), strategy.expected_reward(accounts))
    assert strategy.action_counts_.sum() == 600 + 450
    assert len(strategy.history_.events) == 600 + 450  # type: ignore[union-attr]
    assert strategy.share_seen_in_training(_log(_frame(150, 2, shift=1.0))) == (1.0, "ids")


def test_a_decision_teaches_once(fitted: ContactStrategy) -> None:
    """The same night again is refused, and leaves the strategy as it was."""
    strategy, night = _copy(fitted), _log(_frame(150, 1))
    version = strategy.update(night).version_
    with pytest.raises(InvalidInput, match="150 of the log's 150 decisions with known rewards were taught already"):
        strategy.update(night)
    assert strategy.version_ == version


def test_an_answer_that_comes_late_fills_its_contact() -> None:
    """A contact without a known reward is in the history once, before and after its answer."""
    frame = _frame(600, 0)
    late = frame.iloc[550:].copy()
    frame.loc[frame.index[550:], "reward"] = np.nan
    strategy = ContactStrategy(random_state=0, n_jobs=1).fit(_log(frame))
    assert np.isnan(strategy.history_.events.reward).sum() == 50  # type: ignore[union-attr]
    strategy.update(_log(late))
    assert len(strategy.history_.events) == 600  # type: ignore[union-attr]
    assert not np.isnan(strategy.history_.events.reward).any()  # type: ignore[union-attr]


def test_what_changed_is_refused(fitted: ContactStrategy) -> None:
    """Other actions, columns or no known reward: an error that names the mend."""
    frame = _frame(60, 5)
    other = ActionSpace({"channel": ["call", "sms", "mail", "letter"], "tone": ["soft", "firm"]})
    for changed, words in (
        ({"actions": other}, "same ActionSpace"),
        ({"context": ["x"]}, r"missing \['z'\]"),
        ({"account": None}, "in every log or in none"),
    ):
        with pytest.raises(IncompatibleLog, match=words):
            _copy(fitted).update(_log(frame, **changed))
    log = _log(frame.assign(reward=frame["reward"].where(frame.index < 30)))
    with pytest.raises(InvalidInput, match="nothing to learn"):
        _copy(fitted).update(log.take(np.flatnonzero(~log.mature)))


def test_the_rule_says_when_to_fit_again() -> None:
    """Many new rows, outcomes against expectation, unknown categories; nothing otherwise."""
    night = {"n_mature": 100, "excess": 1.0, "variance": 100.0, "unseen": {}}
    assert refit_due({"n_mature": 1_000}) is None
    assert refit_due({"n_mature": 1_000, "updates": [night] * 5}) is None
    assert "600 decisions came after" in str(refit_due({"n_mature": 1_000, "updates": [night] * 6}))
    assert "5.0 standard errors" in str(refit_due({"n_mature": 1_000, "updates": [night | {"excess": 50.0}]}))
    assert "a city that" in str(refit_due({"n_mature": 1_000, "updates": [night | {"unseen": {"city": 0.2}}]}))


@pytest.mark.parametrize("nights", [1, 4, 16])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_surprises_add_up_night_by_night_and_so_does_what_chance_explains(nights: int, sign: float) -> None:
    """Four standard errors of all nights together, either way; a steady lean is found in the end, chance is not."""
    base = {"n_mature": 1, "unseen": {}}
    for errors, is_due in ((3.99, False), (4.01, True)):
        excess = sign * errors * (nights * 25.0) ** 0.5 / nights
        updates = [base | {"excess": excess, "variance": 25.0}] * nights
        why = refit_due({"n_mature": 1_000, "updates": updates})
        assert (why is not None) == is_due and (why is None or f"{errors:.1f} standard errors" in why)
        there_and_back = [*updates, *(one | {"excess": -one["excess"]} for one in updates)]
        assert refit_due({"n_mature": 1_000, "updates": there_and_back}) is None
    # What is not known of a night (an earlier format) is no surprise; categories are those of the last night.
    assert refit_due({"n_mature": 1_000, "updates": [base] * nights}) is None
    late = [base | {"unseen": {"city": 0.101}}, *[base] * nights]
    assert refit_due({"n_mature": 1_000, "updates": late}) is None and refit_due(
        {"n_mature": 1_000, "updates": late[:1]}
    )
    assert refit_due({"n_mature": 1_000, "updates": [base | {"unseen": {"city": 0.1}}]}) is None
