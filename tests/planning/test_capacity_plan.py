"""Plans under limited capacity against HiGHS and against a naive count of everything that must hold."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.planning.capacity_exact import core_candidates, exact_choice
from recommender.planning.capacity_plan import InfeasiblePlan, solve_capacity
from recommender.planning.capacity_prices import collect, dual_bound
from recommender.planning.capacity_problem import ArrayValues, CapacityRows, FileValues, PlanProblem
from tests.planning.instances import random_problem


def naive_faults(problem, plan):
    """Everything a plan may break, counted contact by contact with dictionaries."""
    faults, used, of_debtor = [], dict.fromkeys(range(len(problem.rows.names)), 0.0), {}
    values = problem.values.values
    if len(set(plan.account.tolist())) != len(plan.account):
        faults.append("account twice")
    for account, action, value in zip(plan.account, plan.action, plan.value, strict=True):
        if values[account, action] != value or not np.isfinite(value):
            faults.append(f"value of {account}")
        for row in used:
            used[row] += problem.rows.use[problem.kind[account], action, row]
        of_debtor.setdefault(int(problem.debtor[account]), []).append(int(problem.slot[action]))
    for row, has in used.items():
        if has > problem.rows.limit[row] + 1e-6:
            faults.append(problem.rows.names[row])
    most = problem.contacts_per_debtor
    return faults + ["debtor" for hours in of_debtor.values() if len(hours) > most or len(set(hours)) != len(hours)]


def exact_value(problem):
    """Value of the best plan, by HiGHS over every candidate; None where there is none."""
    stored = collect(problem, np.zeros(len(problem.rows.names)), 1 << 14)
    choice = exact_choice(problem, stored, nodes=100_000)
    if choice is None:
        return None
    at = np.flatnonzero(choice >= 0)
    return float(stored.value[at, choice[at]].astype(float).sum())


def check_against_exact(seed, n):
    rng = np.random.default_rng(seed)
    problem = random_problem(
        seed,
        n,
        share=float(rng.choice([0.05, 0.3, 1.0, 3.0])),
        per_debtor=int(rng.choice([1, 1, 2])),
        several=bool(rng.integers(0, 2)),
        minimum=float(rng.choice([0.0, 0.5])),
        budget=bool(rng.integers(0, 2)),
    )
    best = exact_value(problem)
    if best is None:
        with pytest.raises(InfeasiblePlan):
            solve_capacity(problem)
        return
    plan = solve_capacity(problem)
    assert not naive_faults(problem, plan)
    small = 1e-6 * max(1.0, abs(best))
    assert plan.total <= best + small  # never better than the best
    assert best <= plan.bound + small  # and the bound holds
    assert best - plan.total <= plan.gap * abs(plan.bound) + small  # so what is lacking is within the certificate


@pytest.mark.parametrize("seed", range(12))
def test_plans_and_bounds_enclose_the_exact_optimum(seed):
    check_against_exact(seed, int(np.random.default_rng(seed).integers(5, 220)))


@pytest.mark.proof
@pytest.mark.parametrize("seed", range(50))
def test_fifty_instances_of_up_to_five_thousand_accounts(seed):
    check_against_exact(1_000 + seed, int(np.random.default_rng(seed).integers(50, 5_000)))


def test_room_is_made_for_a_minimum_that_full_hours_leave_no_room_for():
    """Calls of another kind fill every hour: some give way, so that a plan is found where there is one."""
    problem = random_problem(1_033, 4_400, share=1.0, per_debtor=2, minimum=0.5, budget=True)
    plan = solve_capacity(problem)
    assert not naive_faults(problem, plan)
    assert plan.gap < 0.002


def test_exact_plan_equals_trying_everything():
    """The oracle itself, on portfolios small enough to try every plan."""
    for seed in range(6):
        problem = random_problem(seed, 5, share=1.0, several=True, per_debtor=2, channels=2, hours=2, tones=1)
        values, best = problem.values.values, -np.inf
        for choice in itertools.product(range(-1, 4), repeat=5):
            account = np.array([i for i, a in enumerate(choice) if a >= 0], dtype=np.int64)
            action = np.array([a for a in choice if a >= 0], dtype=np.int64)
            trial = type("Trial", (), {"account": account, "action": action, "value": values[account, action]})
            if not naive_faults(problem, trial):
                best = max(best, float(trial.value.astype(float).sum()))
        assert exact_value(problem) == pytest.approx(best)
        assert solve_capacity(problem).total == pytest.approx(best)


@settings(max_examples=60)
@given(st.data())
def test_no_plan_breaks_a_limit(data):
    """Capacities, contacts a debtor, hours of a debtor, denials and minima hold in any plan that is given out."""
    problem = random_problem(
        data.draw(st.integers(0, 10**6)),
        data.draw(st.integers(1, 60)),
        share=data.draw(st.sampled_from([0.0, 0.05, 0.3, 1.0, 3.0])),
        per_debtor=data.draw(st.integers(1, 3)),
        several=data.draw(st.booleans()),
        minimum=data.draw(st.sampled_from([0.0, 0.3, 1.0])),
        budget=data.draw(st.booleans()),
    )
    try:
        plan = solve_capacity(problem)
    except InfeasiblePlan:
        return
    assert not naive_faults(problem, plan)
    assert plan.total <= plan.bound + 1e-6 * max(1.0, abs(plan.bound))


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.lists(st.floats(0, 50), min_size=13, max_size=13))
def test_any_prices_give_a_bound(seed, prices):
    """The proof does not hang on how prices were found."""
    problem = random_problem(seed, 40, several=True, per_debtor=2, budget=True)
    assert solve_capacity(problem).total <= dual_bound(problem, np.array(prices)) + 1e-6


@pytest.mark.parametrize("share", [0.03, 0.5, 4.0])
def test_the_gap_is_small_on_a_portfolio(share):
    """Beyond the sample: prices of a sample, three actions kept an account, repaired on all of them."""
    problem = random_problem(3, 15_000, share=share, budget=True)
    plan = solve_capacity(problem)
    assert not naive_faults(problem, plan)
    assert plan.gap <= (5e-3 if share < 0.1 else 2e-4)  # of 450 contacts a single one is 0.2 % of the value


def test_values_in_a_file_give_the_same_plan(tmp_path):
    problem = random_problem(4, 300, several=True)
    problem.values.values.tofile(tmp_path / "values.f32")
    plan = solve_capacity(problem)
    streamed = solve_capacity(replace(problem, values=FileValues(tmp_path / "values.f32", problem.n_actions)))
    assert np.array_equal(plan.account, streamed.account) and np.array_equal(plan.action, streamed.action)
    assert plan.bound == streamed.bound


def one_action_rows(*rows):
    """Rows over one kind and one action: (name, use, limit)."""
    names, use, limit = zip(*rows, strict=True)
    return CapacityRows(names, np.array(use, dtype=float).reshape(1, 1, -1), np.array(limit, dtype=float))


def test_a_conflict_names_its_smallest_set():
    """A minimum that the minutes cannot serve is named with the minutes, and without capacities that do not matter."""
    rows = one_action_rows(("minutes", 5, 50), ("budget", 1, 1_000), ("at least", -1, -20))
    values = ArrayValues(np.ones((100, 1), dtype=np.float32))
    problem = PlanProblem(values, rows, np.arange(100), np.zeros(100, dtype=np.int64), np.zeros(1, dtype=np.int64))
    with pytest.raises(InfeasiblePlan, match="minutes <= 50; at least >= 20") as caught:
        solve_capacity(problem)
    assert "budget" not in str(caught.value)
    few = replace(problem, rows=one_action_rows(("minutes", 5, 5_000), ("at least", -1, -200)))
    with pytest.raises(InfeasiblePlan, match="at least >= 200 cannot be reached"):
        solve_capacity(few)


@pytest.mark.parametrize("seed", [55, 70])
def test_a_minimum_that_mending_misses_is_kept_on_large_portfolios_too(seed, monkeypatch):
    """Too many candidates for an exact search, and no plan yet: the search goes through those nearest to the prices."""
    monkeypatch.setattr("recommender.planning.capacity_plan._EXACT_CANDIDATES", 400)
    rng = np.random.default_rng(seed)
    n, share = int(rng.integers(60, 160)), float(rng.choice([0.05, 0.1, 0.3]))
    per_debtor = int(rng.choice([1, 2]))
    problem = random_problem(seed, n, share=share, per_debtor=per_debtor, several=True, minimum=0.5, budget=True)
    plan = solve_capacity(problem)
    assert not naive_faults(problem, plan)
    best = exact_value(problem)
    assert plan.total <= best + 1e-6 * best <= plan.bound * (1 + 2e-6)


def test_a_minimum_costs_value_and_is_kept():
    """Contacts that lose money are made where a minimum asks for them, the cheapest first."""
    rows = one_action_rows(("minutes", 1, 50), ("at least", -1, -20))
    values = ArrayValues(-np.arange(1, 101, dtype=np.float32)[::-1, None])
    problem = PlanProblem(values, rows, np.arange(100), np.zeros(100, dtype=np.int64), np.zeros(1, dtype=np.int64))
    plan = solve_capacity(problem)
    assert plan.account.tolist() == list(range(80, 100))
    assert plan.total == -210.0


@pytest.mark.parametrize(("seed", "n", "share"), [(5, 1_200, 0.4), (21, 3_000, 0.1)])
def test_prices_are_found_where_many_capacities_cost_nothing(seed, n, share):
    """A step cut off at price 0 may lead nowhere; the search once stopped there, with gaps of 43 and 9 %."""
    assert solve_capacity(random_problem(seed, n, share=share, budget=True)).gap < 5e-3


@pytest.mark.parametrize("seed", range(4))
def test_a_scarce_portfolio_is_planned_as_well_as_can_be(seed):
    """What prices leave to whole contacts the exact path closes, on what a better plan can hold."""
    problem = random_problem(40 + seed, 120, share=0.15, several=bool(seed % 2), per_debtor=1 + seed // 3, budget=True)
    plan = solve_capacity(problem)
    assert plan.total == pytest.approx(exact_value(problem), rel=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_the_core_keeps_every_plan_that_is_better(seed):
    """Whatever the exact search over everything finds, the search over the core finds too."""
    problem = random_problem(seed, 25, share=0.3, several=seed % 2 == 1, per_debtor=1 + (seed == 5))
    best, prices = exact_value(problem), np.full(len(problem.rows.names), 0.7)
    slack = dual_bound(problem, prices) - best + 1e-6
    everything = collect(problem, prices, 1 << 14)
    core = core_candidates(problem, everything, prices, slack)
    choice = exact_choice(problem, core, nodes=100_000)
    at = np.flatnonzero(choice >= 0)
    assert core.value[at, choice[at]].astype(float).sum() == pytest.approx(best)
    assert (core.action >= 0).sum() <= (everything.action >= 0).sum()
