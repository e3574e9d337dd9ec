"""The living world answers contacts, remembers them, and pays in its own time."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from recommender.errors import InvalidInput
from recommender.simulation import DebtorWorld, simulate, simulate_portfolio, value_one_step, value_rollout

IDLE = np.eye(261)[260]
UNIFORM = np.full(261, 1 / 261)


def decide(world, hour=18, **factors):
    """One contact for every open account, at a local hour in Bogota."""
    accounts = world.accounts()
    at = world.as_of + pd.Timedelta(hours=hour - 6, minutes=5)
    decided = {"channel": "sms", "hour": hour, "tone": "friendly", "contact_at": at} | factors
    ids = [f"mine-{world.today}-{row}" for row in range(len(accounts))]
    return accounts[["account_id"]].assign(contact_id=ids, **decided)


def test_answers_name_the_contacts_and_come_once():
    """Outcomes carry the caller's ids, are known only when they have happened, and are handed over once."""
    world = DebtorWorld(400, seed=1)
    decisions = decide(world)
    first = world.respond(decisions)
    assert set(first.outcomes["contact_id"]) == set(decisions["contact_id"])
    assert (first.outcomes["outcome"] == "attempted").sum() == len(decisions)
    end_of_day = pd.Timestamp(world.date, tz="UTC") + pd.Timedelta(hours=5)
    assert first.outcomes["occurred_at"].max() < end_of_day
    later = world.advance(12)
    assert not later.outcomes.empty
    assert later.outcomes["occurred_at"].min() >= end_of_day
    assert (later.outcomes["outcome"] != "attempted").all()
    assert {"paid", "promise_kept"} & set(later.outcomes["outcome"])


def test_recommendations_can_be_carried_out_as_they_come():
    """NO_CONTACT rows are no contacts, the account column may be called account, and days without contacts pass."""
    world = DebtorWorld(60, seed=2)
    decisions = decide(world).rename(columns={"account_id": "account"})
    decisions["contact_at"] += pd.Timedelta(days=2)
    decisions["hour"] = decisions["hour"].astype("Int64")
    decisions.loc[decisions.index[:10], ["channel", "hour", "tone"]] = None
    answer = world.respond(decisions)
    assert world.today == 3
    assert answer.outcomes["contact_id"].nunique() == len(decisions) - 10


def test_the_world_refuses_strangers_and_the_past():
    """An unknown account, a missing column and a decision before today are refused by name."""
    world = DebtorWorld(30, seed=3)
    with pytest.raises(InvalidInput, match="does not know"):
        world.respond(decide(world).assign(account_id="nobody"))
    with pytest.raises(InvalidInput, match="sent_at"):
        world.respond(decide(world).drop(columns="contact_at"))
    past = decide(world)
    world.advance(3)
    with pytest.raises(InvalidInput, match="before the world's day"):
        world.respond(past)
    with pytest.raises(InvalidInput, match="at least 1"):
        DebtorWorld(0)


def test_contacts_tire_debtors():
    """The same contact is answered less often after a week of daily contacts than after a week of rest."""

    def last_day(contact_days):
        world, answered = DebtorWorld(6_000, seed=4), []
        for day in range(6):
            account = world.open_accounts()
            account = account[account % 2 == 0]
            if day in contact_days:
                action = np.full(
                    len(account),
                    int(world.actions.index_of({"channel": ["call"], "hour": [12], "tone": ["neutral"]})[0]),
                )
                at = np.full(len(account), world.as_of.tz_localize(None).to_datetime64().astype("datetime64[us]"))
                answered = world.send(account, action, at + np.timedelta64(6, "h"))
            world.end_day()
        return answered.mean()

    assert last_day(range(6)) < 0.75 * last_day([5])


def test_noticed_contacts_work_on_without_an_answer():
    """Halo: more unprompted payments with contacts than without, in the same population."""
    idle = value_rollout(IDLE, 20, seed=5, n_accounts=6_000)
    busy = value_rollout(UNIFORM, 20, seed=5, n_accounts=6_000)
    prompted = (busy.outcomes["outcome"] == "paid").sum()
    assert idle.contacts == idle.responses == 0
    assert idle.payments > 50  # self-cure
    assert busy.payments - prompted > idle.payments


def test_opted_out_channels_stay_closed():
    """After an opt-out the channel is no longer eligible for that debtor."""
    world = DebtorWorld(3_000, seed=6)
    before = world.standing.consented.copy()
    for _ in range(8):
        world.respond(decide(world, tone="formal-legal"))
    closed = before & ~world.standing.consented
    assert closed[:, 1].sum() > 0
    assert closed[:, [0, 2, 3, 4]].sum() == 0
    assert not (~before & world.standing.consented).any()
    accounts = world.open_accounts()
    shut = accounts[closed[world.population.debtor[accounts], 1]]
    sms = world.actions.codes[:260, 0] == 1
    assert not world.eligible(shut)[:, :260][:, sms].any()


def test_same_seed_same_life():
    """Two worlds with one seed live the same life; another run_seed gives other debtors of the same kind."""
    one, two = (DebtorWorld(200, seed=7).respond(decide(DebtorWorld(200, seed=7))) for _ in range(2))
    pd.testing.assert_frame_equal(one.outcomes, two.outcomes)
    pd.testing.assert_frame_equal(DebtorWorld(50, seed=7).accounts(), DebtorWorld(50, seed=7).accounts())
    assert not DebtorWorld(50, seed=7).accounts().equals(DebtorWorld(50, seed=7, run_seed=1).accounts())


def test_rollout_knows_a_good_policy():
    """In the closed loop the best constant action of the one-step truth beats uniform contacts in responses."""
    log = simulate(6_000, seed=8, no_contact=True)
    best = np.eye(261)[int(log.expected_reward().mean(axis=0).argmax())]
    good, uniform = (value_rollout(policy, 12, seed=8, n_accounts=2_000) for policy in (best, UNIFORM))
    assert good.response_rate > 1.2 * uniform.response_rate
    assert good.net_minor_per_account == (good.paid_minor - good.contact_cost_minor) / 2_000


def test_rollout_calls_the_policy_with_accounts_and_eligibility():
    """A policy sees the context columns of the log; wrong shapes, sums and ineligible actions are refused."""
    log = simulate(200, seed=9)
    seen = []

    def policy(accounts, eligible):
        seen.append(set(accounts.columns))
        return eligible / eligible.sum(axis=1, keepdims=True)

    assert value_rollout(policy, 2, seed=9, n_accounts=60).decisions > 0
    assert set(log.context) <= seen[0]
    for wrong, message in (
        (lambda _, eligible: eligible[:, 1:] * 1.0, "shape"),
        (lambda _, eligible: eligible * 1.0, "sum to 1"),
        (lambda _, eligible: np.full(eligible.shape, 1 / 261), "ineligible"),
    ):
        with pytest.raises(InvalidInput, match=message):
            value_rollout(wrong, 2, seed=9, n_accounts=60)


def test_one_step_value_of_a_function_is_that_of_its_probabilities():
    """value_one_step takes a function or an array and agrees with the log's own truth."""
    log = simulate(300, seed=1)
    assert value_one_step(log.logging_probabilities(), log) == pytest.approx(log.logging_value())
    assert value_one_step(lambda *_: log.logging_probabilities(), log) == pytest.approx(log.logging_value())


def test_portfolio_is_ready_to_be_scored():
    """A portfolio has the context of the log and the columns of the guardrails, as of the given day."""
    as_of = datetime(2026, 11, 22, 15, tzinfo=UTC)
    portfolio = simulate_portfolio(300, seed=1, as_of=as_of)
    assert set(simulate(50, seed=1).context) <= set(portfolio.columns)
    assert {"consented_channels", "flags", "party", "timezone", "due_date", "debtor_id"} <= set(portfolio.columns)
    assert portfolio["account_id"].is_unique
    assert (portfolio["country"] == "CO").all()
    assert (portfolio["weekday"] == "sunday").all()
    overdue = [(as_of.date() - due).days for due in portfolio["due_date"]]
    assert overdue == portfolio["days_past_due"].tolist()
    assert (portfolio["flags"] != "").any()
    with pytest.raises(InvalidInput, match="UTC offset"):
        simulate_portfolio(10, as_of=datetime(2026, 1, 1))  # noqa: DTZ001 - the fault under test


@pytest.mark.parametrize("same", [True, False])
def test_a_run_of_its_own_seed_draws_its_own_actions(monkeypatch, same):
    """Of one run the policy's chance is repeated too; another run shares no more actions than chance gives it."""
    drawn = []
    monkeypatch.setattr(DebtorWorld, "eligible", lambda _, account: np.ones((len(account), 261), dtype=bool))
    send = DebtorWorld.send

    def kept(self, account, action, sent_at):
        drawn.append(dict(zip(account.tolist(), action.tolist(), strict=True)))
        return send(self, account, action, sent_at)

    monkeypatch.setattr(DebtorWorld, "send", kept)
    for run_seed in (1, 1 if same else 2):
        value_rollout(UNIFORM, 1, seed=4, n_accounts=600, run_seed=run_seed)
    one, other = drawn
    alike = np.mean([other.get(account) == action for account, action in one.items()])
    assert alike == 1.0 if same else alike < 0.05
