"""ContactStrategy: scikit-learn manners, any log, exact round trips, clear refusals."""

import json
from copy import copy

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from recommender import ActionSpace, ContactStrategy, LoggedFeedback
from recommender.artefact import MANIFEST
from recommender.errors import ArtefactError, IncompatibleLog, InvalidInput
from tests.fewer_hours import fewer_hours

COLUMNS = [
    "row", "account", "rank", "channel", "hour", "tone", "expected_reward", "lo", "hi",
    "propensity", "evidence", "support", "contact_at", "deterministic", "gain", "gain_lo", "gain_hi",
]  # fmt: skip


def arms(n=600, n_arms=3, seed=0, reward="binary"):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"arm": rng.integers(0, n_arms, n), "x": rng.normal(size=n)})
    chance = 0.2 + 0.4 * ((frame["x"] > 0) == (frame["arm"] == 0))
    frame["reward"] = (rng.random(n) < chance).astype(float)
    if reward == "amount":
        frame["reward"] *= rng.lognormal(3, 1, n)
    return LoggedFeedback.from_frame(
        frame, actions=ActionSpace({"arm": range(n_arms)}), context=["x"], reward="reward"
    ), frame


def test_recommend_returns_the_promised_columns(simulated, strategy):
    """One row an account and rank, in the documented columns, ranks 1..k, rank 2 and on by expected reward."""
    accounts = simulated.contacts.head(50)
    ranked = strategy.recommend(accounts, top_k=4)
    assert list(ranked.columns) == COLUMNS
    assert ranked.groupby("row")["rank"].apply(list).map(lambda ranks: ranks == [1, 2, 3, 4]).all()
    rest = ranked.loc[ranked["rank"] > 1]
    assert rest.groupby("row")["expected_reward"].apply(lambda v: v.is_monotonic_decreasing).all()
    assert ((ranked["lo"] <= ranked["expected_reward"]) & (ranked["expected_reward"] <= ranked["hi"])).all()
    assert ranked["account"].tolist() == np.repeat(accounts["account_id"].to_numpy(), 4).tolist()


def test_the_propensity_is_the_probability_of_the_dispatched_action(simulated, strategy):
    """Rank 1's propensity is the served policy's probability, and drawing many times follows it."""
    accounts = simulated.contacts.head(3)
    probabilities = strategy.action_probabilities(accounts)
    drawn = np.zeros_like(probabilities)
    for seed in range(120):
        first = strategy.recommend(accounts, top_k=1, seed=seed)
        action = strategy.actions_.index_of(first)
        np.testing.assert_allclose(first["propensity"], probabilities[range(3), action])
        drawn[range(3), action] += 1 / 120
    assert np.abs(drawn - probabilities).max() < 0.2


def test_the_answer_does_not_depend_on_the_company_an_account_keeps(simulated, strategy):
    """Scored alone, in a batch or in another order, an account gets the same ranking."""
    accounts = simulated.contacts.iloc[200:260].drop_duplicates("account_id").reset_index(drop=True)
    whole = strategy.recommend(accounts, top_k=2, as_of="2026-06-01T12:00:00Z")
    order = np.random.default_rng(0).permutation(len(accounts))
    mixed = strategy.recommend(accounts.iloc[order], top_k=2, as_of="2026-06-01T12:00:00Z")
    alone = strategy.recommend(accounts.iloc[[7]], top_k=2, as_of="2026-06-01T12:00:00Z")
    key = ["account", "rank"]
    pd.testing.assert_frame_equal(
        whole.drop(columns="row").sort_values(key, ignore_index=True),
        mixed.drop(columns="row").sort_values(key, ignore_index=True),
    )
    pd.testing.assert_frame_equal(
        alone.drop(columns="row"), whole.loc[whole["row"] == 7].drop(columns="row").reset_index(drop=True)
    )


def test_ineligible_actions_are_never_ranked(simulated, strategy):
    """The mask comes before normalising: probability exactly 0, no rank, the rest sums to 1."""
    accounts = simulated.contacts.head(40)
    eligible = np.random.default_rng(0).random((40, len(strategy.actions_))) < 0.05
    probabilities = strategy.action_probabilities(accounts, eligible)
    eligible[:, strategy.actions_.no_contact_index] = True
    assert (probabilities[~eligible] == 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    for explore in (True, False):
        ranked = strategy.recommend(accounts, top_k=5, eligible=eligible, explore=explore)
        assert eligible[ranked["row"], strategy.actions_.index_of(ranked)].all()
    nothing = strategy.recommend(accounts, eligible=np.zeros_like(eligible))
    assert nothing["channel"].isna().all()
    assert (nothing.groupby("row").size() == 1).all()


def test_explore_false_is_the_argmax_and_says_so(simulated, strategy):
    """Without exploring, rank 1 is the most probable action and flagged deterministic."""
    accounts = simulated.contacts.head(20)
    ranked = strategy.recommend(accounts, top_k=1, explore=False)
    best = strategy.action_probabilities(accounts).max(axis=1)
    np.testing.assert_allclose(ranked["propensity"], best)
    assert ranked["deterministic"].all()
    assert not strategy.recommend(accounts, top_k=1)["deterministic"].any()


def test_contact_at_is_the_next_occurrence_of_the_hour(simulated, strategy):
    """The instant lies in (as_of, as_of + 24 h] and reads as the hour on the debtor's clock."""
    accounts = simulated.contacts.head(30).assign(timezone="America/Bogota")
    as_of = pd.Timestamp("2026-03-02T15:30:00Z")
    ranked = strategy.recommend(accounts, top_k=10, as_of=as_of.isoformat())
    held = ranked.dropna(subset=["hour"])
    assert (held["contact_at"] > as_of).all()
    assert (held["contact_at"] <= as_of + pd.Timedelta(days=1)).all()
    local = held["contact_at"].dt.tz_convert("America/Bogota")
    assert (local.dt.hour == held["hour"]).all()
    assert ranked.loc[ranked["hour"].isna(), "contact_at"].isna().all()


def test_save_and_load_is_exact_and_needs_no_pickle(simulated, strategy, saved_strategy):
    """A loaded strategy has the same version and gives the same bytes and rankings."""
    loaded = ContactStrategy.load(saved_strategy)
    accounts = simulated.contacts.head(25)
    assert loaded.version_ == strategy.version_
    assert loaded.to_files() == strategy.to_files()
    pd.testing.assert_frame_equal(loaded.recommend(accounts), strategy.recommend(accounts))
    assert loaded.get_params() == strategy.get_params()
    for path in saved_strategy.rglob("*"):
        assert path.suffix in {"", ".json", ".txt", ".npz"}


@pytest.mark.parametrize("harm", ["altered", "missing", "manifest", "format", "escape"])
def test_a_harmed_artefact_is_refused(strategy, tmp_path, harm):
    """A changed byte, a missing file, a broken or foreign manifest and a path out of the folder are refused."""
    path = strategy.save(tmp_path / "strategy")
    manifest = json.loads((path / MANIFEST).read_text())
    if harm == "altered":
        victim = path / "policy.json"
        victim.write_bytes(victim.read_bytes().replace(b"softmax", b"softmaX"))
    elif harm == "missing":
        (path / "training.npz").unlink()
    elif harm == "manifest":
        (path / MANIFEST).write_text("{")
    elif harm == "format":
        (path / MANIFEST).write_text(json.dumps(manifest | {"format": 99}))
    else:
        manifest["files"]["../../etc/passwd"] = "0"
        (path / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ArtefactError):
        ContactStrategy.load(path)


def test_it_behaves_as_scikit_learn_users_expect(strategy):
    """Clone copies parameters and nothing learnt; an unfitted one says so; parameters round trip."""
    copy = clone(strategy)
    assert copy.get_params() == strategy.get_params()
    assert not hasattr(copy, "reward_model_")
    with pytest.raises(NotFittedError):
        copy.recommend(pd.DataFrame({"x": [1.0]}))
    assert ContactStrategy().set_params(epsilon=0.2).epsilon == 0.2


def test_training_is_deterministic_and_does_not_depend_on_threads(simulated):
    """Same log and seed, one thread or two: the same version, and the same actions are dispatched."""
    small = fewer_hours(simulated).take(np.arange(900))
    one = ContactStrategy(n_jobs=1, random_state=3).fit(small)
    two = ContactStrategy(n_jobs=2, random_state=3).fit(small)
    assert one.version_ == two.version_
    accounts = small.context.assign(account_id=np.arange(len(small)))
    np.testing.assert_array_equal(one.expected_reward(accounts), two.expected_reward(accounts))
    pd.testing.assert_frame_equal(one.recommend(accounts, seed=1), two.recommend(accounts, seed=1))


@pytest.fixture(scope="module")
def three_arms():
    """Accounts, and a strategy of three arms that learnt from them."""
    log, frame = arms()
    return frame, ContactStrategy(random_state=0).fit(log)


@pytest.mark.parametrize("policy", ["softmax", "epsilon", "thompson", "greedy"])
def test_a_three_arm_log_without_account_and_time_works(policy, three_arms):
    """The least a log can be: one factor, one number, no ids; every policy serves the direction that was learnt."""
    frame, fitted = three_arms
    strategy = copy(fitted).set_params(policy=policy)
    probabilities = strategy.action_probabilities(frame)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    good = frame["x"] > 0.5
    assert probabilities[good, 0].mean() > probabilities[frame["x"] < -0.5, 0].mean() + 0.3
    ranked = strategy.recommend(frame.head(5))
    assert ranked["account"].isna().all()
    assert ranked["contact_at"].isna().all()


def test_unseen_categories_ids_and_missing_values_are_normal(simulated, strategy):
    """Anything may be missing or new at scoring time."""
    accounts = simulated.contacts.head(10).copy()
    accounts["account_id"] = [f"new-{i}" for i in range(10)]
    accounts["product"] = "a product nobody sold before"
    accounts["balance_minor"] = np.nan
    accounts = accounts.drop(columns=["reward", "propensity", "channel", "hour", "tone"])
    rewards = strategy.expected_reward(accounts)
    assert np.isfinite(rewards).all()


def test_amount_rewards_are_in_their_own_units():
    """For amounts the expected reward is an amount, near the mean of the log."""
    log, frame = arms(3_000, reward="amount")
    strategy = ContactStrategy(random_state=0).fit(log)
    level = strategy.expected_reward(frame).mean() / log.reward.mean()
    assert 0.6 < level < 1.6


def test_incremental_reward_is_against_no_contact(simulated, strategy, three_arms):
    """The difference to NO_CONTACT is zero for NO_CONTACT; without that action it is refused."""
    accounts = simulated.contacts.head(5)
    incremental = strategy.expected_reward(accounts, incremental=True)
    assert (incremental[:, strategy.actions_.no_contact_index] == 0).all()
    frame, without = three_arms
    with pytest.raises(InvalidInput, match="NO_CONTACT"):
        without.expected_reward(frame, incremental=True)


@pytest.mark.parametrize(
    ("change", "column"), [({"arm": 1}, "arm"), ({"reward": 0.0}, "reward"), ({"reward": 1.0}, "reward")]
)
def test_nothing_to_learn_is_one_clear_error(change, column):
    """One action only or a constant reward name the column, the value and the mend."""
    _, frame = arms()
    log = LoggedFeedback.from_frame(
        frame.assign(**change), actions=ActionSpace({"arm": range(3)}), context=["x"], reward="reward"
    )
    with pytest.raises(InvalidInput) as caught:
        ContactStrategy().fit(log)
    assert caught.value.column == column
    assert caught.value.mend


@pytest.mark.parametrize("bad", [{"policy": "ucb"}, {"epsilon": 1.5}, {"temperature": -1.0}])
def test_a_parameter_out_of_range_is_named(bad):
    """Parameters are checked in fit, by name."""
    log, _ = arms()
    with pytest.raises(InvalidInput) as caught:
        ContactStrategy(**bad).fit(log)
    assert caught.value.column == next(iter(bad))


def test_missing_context_columns_are_named(simulated, strategy):
    """A frame without a context column says which one and suggests the nearest."""
    accounts = simulated.contacts.head(2).rename(columns={"bureau_score": "bureau_scor"})
    with pytest.raises(InvalidInput, match=r"bureau_score.*Did you mean"):
        strategy.recommend(accounts)


def test_a_log_of_another_action_space_is_refused(strategy):
    """Probabilities for a log need the same actions."""
    log, _ = arms()
    with pytest.raises(IncompatibleLog):
        strategy.log_probabilities(log)


def test_what_leaving_alone_earns_is_believed_where_the_log_shows_it(strategy, simulated):
    """It is nothing by definition only where no decision left anybody alone."""
    idle, accounts = strategy.actions_.no_contact_index, simulated.contacts.head(20)
    assert strategy.action_counts_[idle] > 0
    belief = strategy.joint_belief(accounts)
    expected = strategy.expected_reward(accounts)
    np.testing.assert_allclose(belief.expected_reward[:, idle], expected[:, idle], rtol=1e-6)
    assert (expected[:, idle] > 0).all()
