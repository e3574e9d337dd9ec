"""Personal memory: habits are found and used, states never see their own row, and logs without a past have none."""

import numpy as np
import pandas as pd
import pytest

from recommender import ContactStrategy
from recommender.actions import ActionSpace
from recommender.features import AccountHistory, PersonalMemory
from recommender.history import LoggedFeedback
from recommender.learning import learn_memory
from recommender.learning.personal.fit import _Answers, _earlier, _Fit, _widest
from recommender.learning.personal.prior import action_kernel
from recommender.simulation import simulate_habits


@pytest.fixture(scope="module")
def log():
    """A log of smooth habits."""
    return simulate_habits(400, 20, seed=0)


@pytest.fixture(scope="module")
def history(log):
    """Its history, with a memory."""
    plain = AccountHistory.from_log(log.feedback())
    return plain.remembering(learn_memory(plain))


def test_the_factors_alone_beat_the_best_constant_by_far(log, history):
    """Bias and factors times loadings, as of now, against the bias alone."""
    now = history.at(log.accounts["account_id"])[list(history.memory.columns)].to_numpy()
    share = log.share(history.memory.bias + now @ history.memory.loadings.T)
    assert share > log.share(np.tile(history.memory.bias, (len(now), 1))) + 0.15
    assert share > 0.6


def test_a_row_never_sees_itself(log, history):
    """Other answers from a moment on change no factor of an earlier row of the log, nor of that moment."""
    feedback = log.feedback()
    before = history.of_log(feedback)[list(history.memory.columns)]
    later = np.arange(len(feedback)) >= 4_000
    turned = log.contacts.assign(reward=np.where(later, 1.0 - log.contacts["reward"], log.contacts["reward"]))
    other = AccountHistory.from_log(type(log)(**{**vars(log), "contacts": turned}).feedback())
    after = other.remembering(history.memory).of_log(feedback)[list(history.memory.columns)]
    assert (before.iloc[:4_001].to_numpy() == after.iloc[:4_001].to_numpy()).all()
    assert (before.to_numpy() != after.to_numpy()).any()


def test_a_log_without_a_past_has_no_memory():
    """One contact a debtor teaches no habit: no column is added."""
    history = AccountHistory.from_log(simulate_habits(4_000, 0.7, seed=1).feedback())
    assert learn_memory(history) is None
    assert not [name for name in history.columns if "habit" in name]


def test_a_saved_strategy_remembers(log, tmp_path):
    """Save and load keep the memory and every bit of what is expected of each debtor."""
    strategy = ContactStrategy(n_jobs=1, random_state=0).fit(log.feedback())
    loaded = ContactStrategy.load(strategy.save(tmp_path / "strategy"))
    some = log.accounts.head(50)
    assert (loaded.expected_reward(some) == strategy.expected_reward(some)).all()
    assert (loaded.history_.memory.loadings == strategy.history_.memory.loadings).all()
    assert loaded.history_.memory.trust == strategy.history_.memory.trust


def test_neighbours_are_alike_and_no_contact_is_alone(log):
    """The kernel is a correlation; hours next door are nearer than hours far off."""
    kernel = action_kernel(log.actions)
    assert np.linalg.eigvalsh(kernel).min() > 0
    assert np.diag(kernel) == pytest.approx(1.0)
    assert kernel[0, 1] > kernel[0, 2] > kernel[0, 7]


def test_what_earlier_answers_say_is_told_one_contact_after_the_other():
    """Sums over the earlier contacts of each debtor against a loop over them."""
    rng = np.random.default_rng(3)
    memory = PersonalMemory(rng.normal(size=(5, 2)), rng.normal(size=5) - 1.0)
    debtor = np.sort(rng.integers(0, 4, 30))
    answers = _Answers(debtor, rng.integers(0, 5, 30), (rng.random(30) < 0.4).astype(float))
    scores = _earlier(memory, answers)
    for row in range(30):
        state = np.zeros(memory.increments.shape[2])
        for before in range(row):
            if debtor[before] == debtor[row]:
                state += memory.increments[0, answers.action[before]]
                state += answers.response[before] * memory.increments[1, answers.action[before]]
        precision = np.diag(memory.precision)
        for value, i, j in zip(state[:6], *np.tril_indices(3), strict=True):
            precision[i, j] += value
            precision[j, i] = precision[i, j]
        mean = np.linalg.solve(precision, state[6:])[:2]
        assert scores[row, 2:].sum() == pytest.approx(mean @ memory.loadings[answers.action[row]], abs=1e-6)
        assert scores[row, 3] == pytest.approx((memory.loadings @ mean).mean(), abs=1e-6)


def test_habits_that_nobody_has_are_not_trusted():
    """Where debtors are alike, what was learnt of habits is worth less on others than where they have some."""
    alike, apart = (
        learn_memory(AccountHistory.from_log(simulate_habits(400, 12, strength=strength, seed=2).feedback()))
        for strength in (0.0, 1.5)
    )
    assert alike.trust[1] < 0.3 < 0.6 < apart.trust[1]


def test_the_first_directions_are_the_widest_that_order_actions(log):
    """Against the eigenvectors of the centred prior: as much variance, none of it common to all actions."""
    kernel = action_kernel(log.actions)
    start = _widest(kernel, 4, np.random.default_rng(5))
    centre = np.eye(len(kernel)) - 1.0 / len(kernel)
    sizes = np.linalg.eigvalsh(centre @ kernel @ centre)[::-1]
    held = np.linalg.svd(start, compute_uv=False) ** 2
    assert held / held[0] == pytest.approx(sizes[:4] / sizes[0], rel=0.02)
    assert np.abs(start.mean(axis=0)).max() < 0.01 * np.abs(start).max()
    assert (start == _widest(kernel, 4, np.random.default_rng(5))).all()


def test_few_answers_leave_the_prior_in_fewer_rounds():
    """Rounds grow with the contacts of a debtor, between their bounds."""
    rounds = []
    for each in (1, 3, 6, 20, 400):
        debtor = np.repeat(np.arange(10), each)
        rounds.append(_Fit(debtor, np.zeros(len(debtor), np.int64), np.arange(len(debtor)) % 2 * 1.0, 3).n_rounds)
    assert rounds == sorted(rounds)
    assert (rounds[0], rounds[2], rounds[-1]) == (4, 5, 12)


def test_six_answers_tell_windows_of_hours():
    """Thresholds are no product of few smooth factors; starting near the prior most of them are found all the same."""
    shares = []
    for seed in (51, 52):
        some = simulate_habits(1_000, 6, law="windows", seed=seed)
        plain = AccountHistory.from_log(some.feedback())
        past = plain.remembering(learn_memory(plain))
        now = past.at(some.accounts["account_id"])[list(past.memory.columns)].to_numpy()
        shares.append(some.share(past.memory.order + now @ np.column_stack(list(past.memory.by_column.values())).T))
    assert np.mean(shares) > 0.77


def test_more_factors_than_actions_are_not_asked_for():
    """A space of four actions has at most four directions, one of them the level."""
    rng = np.random.default_rng(0)
    debtor = np.repeat(np.arange(500), 10)
    likes = rng.integers(0, 2, 500)[debtor]
    action = rng.integers(0, 4, 5_000)
    reward = (rng.random(5_000) < np.where(action % 2 == likes, 0.4, 0.1)).astype(float)
    frame = pd.DataFrame({"account_id": debtor, "x": 0.0, "channel": np.array(list("abcd"))[action], "reward": reward})
    frame["sent_at"] = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(np.arange(5_000), unit="min")
    feedback = LoggedFeedback.from_frame(
        frame,
        actions=ActionSpace({"channel": list("abcd")}),
        context=["x"],
        reward="reward",
        account="account_id",
        time="sent_at",
    )
    memory = learn_memory(AccountHistory.from_log(feedback))
    assert memory.loadings.shape == (4, 4)
    means = np.column_stack(list(memory.by_column.values()))
    assert np.corrcoef(means @ means.T)[0, 2] > 0.9
    assert np.corrcoef(means @ means.T)[0, 1] < -0.5


@pytest.mark.parametrize(
    ("sizes", "answering"),
    [([2_500], [0]), ([2_000] + [5] * 400, [0]), ([13_000], [0]), ([45_000] + [10] * 300, range(301))],
    ids=["one debtor", "one debtor has every response", "longer than what is judged", "longer than what is learnt"],
)
def test_a_log_of_few_debtors_is_learnt_without_fault(sizes, answering):
    """Where habits of some cannot be tried on others there is none; a debtor of endless history leaves the rest."""
    rng, n = np.random.default_rng(0), sum(sizes)
    owner = np.repeat(np.arange(len(sizes)), sizes)
    frame = pd.DataFrame(
        {
            "account": owner, "day": np.arange(n), "channel": rng.choice(["call", "sms"], n), "x": 1.0,
            "reward": (rng.random(n) < 0.4) & np.isin(owner, [*answering]),
        }
    )  # fmt: skip
    log = LoggedFeedback.from_frame(
        frame.assign(reward=frame["reward"].astype(float)), actions=ActionSpace({"channel": ["call", "sms"]}),
        context=["x"], reward="reward", account="account", time="day",
    )  # fmt: skip
    memory = learn_memory(AccountHistory.from_log(log))
    assert (memory is not None) == (len(sizes) > 1 and len([*answering]) > 1)
    assert memory is None or np.isfinite([*memory.trust, *memory.loadings.ravel(), *memory.bias]).all()
