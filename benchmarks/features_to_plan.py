"""From features to a legal plan, Parquet to Parquet, by a learnt strategy: CPU of each stage, in us an account.

    python benchmarks/features_to_plan.py [--accounts 20000] [--strategy models/strategy] [--capacity] [--quick]

What runs is what the verbs run: ``score`` (every account its best three legal actions), and with ``--capacity`` also
``plan`` (one day under limits). Stages are exclusive of each other, CPU time of one thread: ``reading`` (Parquet in,
cut into chunks, read again), ``history`` (debtors, states and the context as of now), ``rules`` (every rule of law
and house, offers and texts), ``scoring`` (every action of every account by the model, its belief and value ladder),
``choosing`` (probabilities, the draw, templates, or the prices and moves of a plan), ``writing`` (rows, chunks, plan,
people, the certificate); the rest is ``other``. The first chunk compiles and is run before the clock starts.

``Booster.predict`` scores the same accounts with every action by a LightGBM model of 300 trees of 31 leaves: the
usual way to do the scoring alone.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
from batch import AS_OF, write_portfolio
from quick import add_quick

from recommender import ContactStrategy
from recommender.planning import (
    Appointments,
    PlanFiles,
    PlanInputs,
    PlanOrder,
    Tomorrow,
    about_plan,
    capacity_of,
    make_plan,
    plan_day,
    write_tomorrow,
)
from recommender.rules import house_packs
from recommender.simulation import simulate

#: Stage -> functions (module, name or class.method) whose time is its.
STAGES = {
    "reading": ["planning.plan_inputs:PlanInputs.prepare", "planning.plan_inputs:PlanInputs.read"],
    "history": ["planning.plan_chunk:prepared_accounts", "planning.plan_case:prepared_accounts",
                "deciding.decide:Accounts.situated", "deciding.opinion:ModelContext.of"],
    "rules": ["rules.guardrails:Guardrails.case", "deciding.decide:judged", "planning.plan_case:PlanCase.judged",
              "deciding.offer_choice:OfferChoice.narrowed"],
    "scoring": ["deciding.opinion:Opinions.of", "planning.portfolio_values:contact_values",
                "planning.plan_day:with_expectations"],
    "choosing": ["deciding.decide:Decider.decide", "planning.tomorrow:solve_capacity",
                 "planning.tomorrow:contact_table", "planning.tomorrow:certify"],
    "writing": ["planning.plan_chunk:plan_rows", "planning.plan_chunk:_arrow", "planning.plan_folder:PlanFolder.keep",
                "planning.plan_run:write_plan", "planning.plan_run:_write_people"],
}  # fmt: skip
CAPACITY = {
    "timezone": "America/Bogota",
    "currency": "COP",
    "worth": {"per_response": 12_000},
    "queue": [
        {"name": "agents", "channels": ["call"], "minutes_per_contact": 6, "cost_per_contact": 600},
        {"name": "messages", "channels": ["sms", "whatsapp", "email"], "cost_per_contact": 60},
    ],
}


class Clock:
    """Exclusive CPU time by stage: what a stage calls of another one counts for that one."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self._open: list[tuple[str, float]] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what runs inside."""
        self._settle()
        self._open.append((name, time.process_time()))
        try:
            yield
        finally:
            self._settle()
            self._open.pop()
            if self._open:
                self._open[-1] = (self._open[-1][0], time.process_time())

    def _settle(self) -> None:
        if self._open:
            name, since = self._open[-1]
            now = time.process_time()
            self.spent[name] += now - since
            self._open[-1] = (name, now)

    def watched(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its time counted."""

        @wraps(function)
        def call(*arguments: Any, **named: Any) -> Any:
            with self.stage(name):
                return function(*arguments, **named)

        return call


def watch(clock: Clock) -> None:
    """Let the clock see the stages; a name that is no longer there is an error, not a zero."""
    import importlib

    for stage, names in STAGES.items():
        for one in names:
            module_name, _, path = one.partition(":")
            holder: Any = importlib.import_module(f"recommender.{module_name}")
            *way, last = path.split(".")
            for part in way:
                holder = getattr(holder, part)
            inside = vars(holder)[last]
            if isinstance(inside, classmethod):
                setattr(holder, last, classmethod(clock.watched(stage, inside.__func__)))
            else:
                setattr(holder, last, clock.watched(stage, inside))


def told(title: str, clock: Clock, n: int, peer: float) -> None:
    """Print the stages."""
    every = sum(clock.spent.values())
    print(f"{title}: {every / n * 1e6:.0f} CPU us an account")
    for name in [*STAGES, "other"]:
        print(f"  {name:<10}{clock.spent.get(name, 0.0) / n * 1e6:8.1f}")
    print(f"  Booster.predict of the same rows alone: {peer * 1e6:.0f} us an account")


def booster_seconds(accounts: pd.DataFrame, strategy: ContactStrategy, rows: int = 200) -> float:
    """CPU seconds an account of ``Booster.predict`` over every action."""
    numbers = accounts.select_dtypes("number").fillna(0.0).to_numpy(dtype=np.float64)[:rows]
    actions = strategy.actions_.codes[: strategy.actions_.n_contact_actions].astype(np.float64)
    rng = np.random.default_rng(0)
    learnt = np.hstack([numbers[rng.integers(0, len(numbers), 5_000)], actions[rng.integers(0, len(actions), 5_000)]])
    booster = lightgbm.train(
        {"objective": "binary", "num_leaves": 31, "num_threads": 1, "verbosity": -1, "min_data_in_leaf": 5},
        lightgbm.Dataset(learnt, rng.random(5_000) < 0.3), 300,
    )  # fmt: skip
    full = np.hstack([np.repeat(numbers, len(actions), axis=0), np.tile(actions, (len(numbers), 1))])
    booster.predict(full, num_threads=1)
    began = time.process_time()
    booster.predict(full, num_threads=1)
    return (time.process_time() - began) / len(numbers)


def day_planned(
    files: PlanFiles, folder: Path, n: int, strategy: ContactStrategy, order: PlanOrder, clock: Clock
) -> Tomorrow:
    """Plan a day under limits in proportion to the accounts, and write it."""
    queues = [CAPACITY["queue"][0] | {"agents": n / 400}, CAPACITY["queue"][1] | {"quota": n / 5}]
    inputs = PlanInputs.prepare(
        folder / "inputs", as_of=AS_OF, chunk_rows=20_000, outcomes=None, payments=None,
        accounts=files.accounts, contacts=files.contacts,
    )  # fmt: skip
    (folder / "plan").mkdir()
    capacity = capacity_of(CAPACITY | {"queue": queues}, "benchmark")
    plan, read = plan_day(inputs, strategy, order, capacity, folder / "plan", Appointments.none())
    with clock.stage("writing"):
        write_tomorrow(folder / "plan", plan, strategy.actions_, about_plan(plan, read, order, strategy))
    return plan


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=20_000)
    parser.add_argument("--strategy", type=Path)
    parser.add_argument("--capacity", action="store_true", help="also the plan of a day under limits")
    add_quick(parser, accounts=1_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="features-") as place:
        folder = Path(place)
        strategy = (
            ContactStrategy.load(given.strategy)
            if given.strategy
            else ContactStrategy(n_jobs=1).fit(simulate(6_000, seed=0, no_contact=True).feedback())
        )
        order = PlanOrder(AS_OF, packs=("CO",), house=house_packs(()))
        (folder / "small").mkdir()
        small = PlanFiles(*write_portfolio(folder / "small", 500))
        make_plan(small, folder / "small" / "plan.parquet", strategy, order)
        if given.capacity:
            day_planned(small, folder / "small", 500, strategy, order, Clock())
        files = PlanFiles(*write_portfolio(folder, given.accounts))
        peer = booster_seconds(pd.read_parquet(files.accounts), strategy)
        clock = Clock()
        watch(clock)
        with clock.stage("other"):
            made = make_plan(files, folder / "plan.parquet", strategy, order)
        n_actions = strategy.actions_.n_contact_actions
        told(f"score, {made.n_accounts:,} accounts x {n_actions} actions", clock, given.accounts, peer)
        if not given.capacity:
            return
        clock.spent.clear()
        with clock.stage("other"):
            plan = day_planned(files, folder, given.accounts, strategy, order, clock)
        told(f"plan, {given.accounts:,} accounts, {len(plan.contacts):,} contacts", clock, given.accounts, peer)


if __name__ == "__main__":
    main()
