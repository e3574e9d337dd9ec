"""Thirty days under capacity in a world with known truth: what a week's plan, a day's plan and simpler ways earn.

    python benchmarks/thirty_days.py [--accounts 200] [--days 30] [--seeds 10] [--first-seed 0] [--agents 0.4]
        [--calendar 1] [--weekly 1] [--wait-share 0.8] [--quick]

Debtors remember (:class:`recommender.simulation.DebtorWorld`): every contact tires them, pay days come and go, channels
are closed for good. A strategy learnt from 5,000 contacts of the same world values contacts; the Colombian law and the
same agents and messages hold for all. A day's worth is the sum over its contacts of the true chance of an answer times
what it brings (5 % of the balance, between 2,000 and 20,000 COP, so that no few accounts decide), less the cost. Who
answers, pays or opts out on the way is drawn by numbers of the debtor and the day, the same whatever was done to others
(:class:`PairedWorld`): two ways differ by what they do to a debtor, and not by a roll of the dice that a contact
elsewhere moved on. What is left still varies much between seeds, so read the interval and not the mean.

``--calendar`` lets answers follow pay days and weekdays (``simulate(calendar=...)``), which a strategy can learn and
a plan knows ahead; at 0 a later day is worth what today is. ``--weekly`` is the most contacts of a debtor in any seven
days, the same for all ways: 3 is what the packs of the house allow anyway, at 1 a contact today closes the debtor for
a week.

``week``: days planned ahead, the first carried out. Of a week only the days of its first part decide about the first
(``recommender.planning.week_parts``; a test holds it), so that many are planned here: 7 by the contacts of a week.
``day``: one day at a time as the verb plans where no ``[week]`` is told, with what was sent in the last days taking its
share of the next contact's worth; ``forgetful day``: the same without that; ``greedy``: accounts by their best value as
``day`` values them, each the best that still fits; ``seed rules``: the longest overdue first, by the trade's advice.
All of them keep the law and the packs of the house (once a day, three a week). Intervals are over seeds
(debtors and events drawn anew), 95 %, Student's t, of the ratio to ``day`` with the same debtors. Ways differ where
capacity is scarce (``--accounts 1000 --agents 0.5``); where everybody who may be contacted is, they choose the same.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from quick import add_quick
from scipy import stats

from recommender import ContactStrategy
from recommender.planning import Appointments, CapacityOrder, PlanInputs, PlanOrder, capacity_of, plan_day
from recommender.planning.capacity_tables import capacity_rows
from recommender.planning.portfolio_values import read_portfolio
from recommender.rules import house_packs
from recommender.simulation import DebtorWorld, simulate

WAYS = ("week", "day", "forgetful day", "greedy", "seed rules")
HOUSE_WEEKLY = 3  # contacts of a debtor that the packs of the house allow in a week: a table of as many limits nobody
SHARE = 0.05
COST = {"agents": 200.0, "messages": 20.0}


class _Drawn:
    """Numbers by chance that were drawn before, in the place of a generator."""

    def __init__(self, uniform: np.ndarray, rng: np.random.Generator) -> None:
        self._uniform, self._rng = uniform, rng

    def random(self, n: int) -> np.ndarray:
        """One uniform number for each of the rows that the caller has in hand."""
        assert n == len(self._uniform)
        return self._uniform

    def beta(self, a: float, b: float, n: int) -> np.ndarray:
        """The quantiles of the same numbers: who pays in part pays the same part."""
        assert n == len(self._uniform)
        return stats.beta.ppf((self._uniform * 1e6) % 1.0, a, b)

    def integers(self, low: int, high: int, n: int) -> np.ndarray:
        """Seconds of the day, which decide nothing."""
        return self._rng.integers(low, high, n)


class PairedWorld(DebtorWorld):
    """Debtors whose luck of a day is their own: independent of whom else a way contacts, and when.

    Each contact, payment and day has the law of :class:`DebtorWorld`; what is shared by two ways that contact the same
    debtor on the same day are the uniform numbers behind it.
    """

    def __init__(self, n_accounts: int, *, seed: int, run_seed: int, calendar: float) -> None:
        super().__init__(n_accounts, seed=seed, run_seed=run_seed, calendar=calendar)
        self._luck = [seed, run_seed]

    def send(self, account, action, sent_at, names=None):  # type: ignore[no-untyped-def]  # noqa: ARG002
        """Contact one after the other, each by numbers of its debtor, day and turn."""
        answered, debtor = [], self.population.debtor[account]
        turn = pd.Series(debtor).groupby(debtor).cumcount().to_numpy() if len(debtor) else debtor
        for row in range(len(account)):
            self._rng = np.random.default_rng([*self._luck, 1, self.today, int(debtor[row]), int(turn[row])])
            one = slice(row, row + 1)
            answered.append(super().send(account[one], action[one], sent_at[one], None))
        return np.concatenate(answered) if answered else np.zeros(0, dtype=bool)

    def end_day(self) -> None:
        """Payments by numbers of the account and the day."""
        rng = np.random.default_rng([*self._luck, 2, self.today])
        self._of_day = rng.random((2, len(self._position)))
        self._rng = _Drawn(self._of_day[0, self.open_accounts()], rng)
        super().end_day()

    def _pay(self, account, cause):  # type: ignore[no-untyped-def]
        payers = np.unique(account)
        payers = payers[self.population.accounts["balance_minor"][payers] > 0]
        self._rng = _Drawn(self._of_day[1, payers], np.random.default_rng([*self._luck, 3, self.today]))
        super()._pay(account, cause)


@dataclass(frozen=True)
class Setting:
    """What a run is asked to be."""

    accounts: int
    days: int
    agents: float
    weekly: int
    calendar: float
    wait_share: float

    @property
    def messages(self) -> int:
        """Messages a day."""
        return round(40 * self.agents)

    def ahead(self, way: str) -> int:
        """Days that are planned."""
        return 7 // self.weekly if way == "week" else 1

    def capacity(self, way: str) -> CapacityOrder:
        """What holds for a way of planning; none has more contacts of a debtor than another."""
        table: dict[str, float] = {"contacts_per_debtor": self.weekly} if self.weekly < HOUSE_WEEKLY else {}
        if way == "week":
            table |= {"contacts_per_debtor": self.weekly, "days_between": 1, "wait_share": self.wait_share}
        if way == "forgetful day":
            table = {"contacts_per_debtor": 21} | table | {"fatigue_days": 0.01}
        usual = {"arms": {"usual": 1.0}} if way == "seed rules" else {}
        return limits(self.agents, self.messages, ({"week": table} if table else {}) | usual)


def limits(agents: float, messages: int, more: dict) -> CapacityOrder:
    """Agents by hour and messages a day; nobody works on Sundays."""
    return capacity_of(
        {
            "timezone": "America/Bogota",
            "currency": "COP",
            "worth": {"column": "worth_minor"},
            "queue": [
                {"name": "agents", "channels": ["call"], "minutes_per_contact": 6, "cost_per_contact": COST["agents"],
                 "agents": dict.fromkeys((9, 11, 14, 17), agents), "on": {"sunday": 0, "saturday": 0.5}},
                {"name": "messages", "channels": ["sms", "whatsapp", "email"], "quota": messages,
                 "cost_per_contact": COST["messages"], "on": {"sunday": 0}},
            ],
        }
        | more,
        "benchmark",
    )  # fmt: skip


def worth_of(balance_minor: np.ndarray) -> np.ndarray:
    """What an answer brings, in COP."""
    return np.clip(SHARE * np.asarray(balance_minor, dtype=np.float64) / 100, 2_000, 20_000)


def best_first(read) -> tuple[np.ndarray, np.ndarray]:
    """Accounts by the value of their best action, each the best that still fits, one a debtor."""
    rows = capacity_rows(read.kinds)
    values = np.fromfile(read.policy_path, dtype="<f4").reshape(len(read.facts), -1)
    left, met, position, action = rows.limit.copy(), set(), [], []
    kind, debtor = read.facts["kind"].to_numpy(), read.facts["debtor"].to_numpy()
    for one in np.argsort(-values.max(axis=1), kind="stable"):
        fits = (values[one] > 0) & (rows.use[kind[one]] <= left + 1e-9).all(axis=1)
        if debtor[one] in met or not fits.any():
            continue
        best = int(np.flatnonzero(fits)[np.argmax(values[one][fits])])
        left -= rows.use[kind[one], best]
        met.add(debtor[one])
        position.append(one)
        action.append(best)
    return np.array(position, dtype=np.int64), np.array(action, dtype=np.int64)


def contacts_of(way: str, world, strategy, sent: pd.DataFrame, setting: Setting, folder: Path) -> pd.DataFrame:
    """Today's contacts: account_id, action and instant, in time order."""
    days, capacity = setting.ahead(way), setting.capacity(way)
    accounts = world.accounts()
    accounts.assign(worth_minor=100 * worth_of(accounts["balance_minor"])).to_parquet(folder / "accounts.parquet")
    told = folder / "contacts.parquet" if len(sent) else None  # on the first day nobody was ever contacted
    if told is not None:
        sent.to_parquet(told)
    as_of = world.as_of.to_pydatetime()
    inputs = PlanInputs.prepare(
        folder / "inputs", accounts=folder / "accounts.parquet", contacts=told, outcomes=None,
        payments=None, as_of=as_of, chunk_rows=100_000, other_accounts=True,
    )  # fmt: skip
    order = PlanOrder(as_of, packs=("CO",), house=house_packs(()), no_contacts_yet=told is None)
    (folder / "plan").mkdir()
    if way == "greedy":
        read = read_portfolio(inputs, strategy, order, capacity, folder / "plan", Appointments.none())
        position, action = best_first(read)
        at = read.kinds.instant_of(read.facts["clock"].to_numpy(dtype=np.int64)[position], action)
        made = pd.DataFrame({"account_id": read.facts["account_id"].to_numpy()[position], "action": action})
        made["contact_at"] = pd.Series(at).dt.tz_localize("UTC")
    else:
        plan, _ = plan_day(inputs, strategy, order, capacity, folder / "plan", Appointments.none(), days=days)
        made = plan.contacts.loc[plan.contacts["day"] == 1]
    return made.sort_values("contact_at", kind="stable", ignore_index=True)


def thirty_days(way: str, seed: int, strategy, setting: Setting) -> tuple[float, int, float]:
    """True worth of all contacts, how many, and the mean days since pay of those contacted (NaN: nobody knows)."""
    world = PairedWorld(setting.accounts, seed=0, run_seed=1_000 + seed, calendar=setting.calendar)
    columns = ["account_id", "sent_at", "channel", "initiated_by", "outcome", "status"]
    sent = pd.DataFrame(columns=columns).astype("str")
    total, count, since = 0.0, 0, []
    for _ in range(setting.days):
        if not len(world.open_accounts()):
            break
        with tempfile.TemporaryDirectory() as name:
            made = contacts_of(way, world, strategy, sent, setting, Path(name))
        account = pd.Index(world.population.account_id).get_indexer(made["account_id"])
        action = made["action"].to_numpy(dtype=np.int64)
        worth = worth_of(world.population.accounts["balance_minor"][account])
        channel = np.array([str(level) for level in world.actions.factors["channel"]])[world.actions.codes[action, 0]]
        cost = np.where(channel == "call", COST["agents"], COST["messages"])
        total += float((world.response_probability(account, action) * worth - cost).sum())
        count += len(made)
        since.append(world.decisions(account).columns.get("days_since_payday", np.full(len(account), np.nan)))
        world.send(account, action, made["contact_at"].dt.tz_localize(None).to_numpy(dtype="datetime64[us]"))
        world.end_day()
        rows = pd.DataFrame({"account_id": made["account_id"].astype("str"), "channel": channel})
        rows = rows.assign(sent_at=made["contact_at"].astype("str"), initiated_by="creditor", outcome="delivered",
                           status="sent")  # fmt: skip
        sent = pd.concat([sent, rows[columns]], ignore_index=True)
    return total, count, float(np.mean(np.concatenate(since)))


def main() -> None:
    """Print true worth a way, and its ratio to a day's plan with an interval over seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=200)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0, help="so that several runs share the seeds")
    parser.add_argument("--log", type=int, default=5_000, help="contacts that the strategy learns from")
    parser.add_argument("--strategy", type=Path, help="a saved one in place of what is learnt")
    parser.add_argument("--agents", type=float, nargs="*", default=[0.4], help="agents in each of four hours")
    parser.add_argument("--calendar", type=float, default=0.0, help="how strongly answers follow pay days")
    parser.add_argument(
        "--weekly", type=int, default=3, choices=range(1, HOUSE_WEEKLY + 1), help="most contacts in seven days"
    )
    parser.add_argument("--wait-share", type=float, default=0.8, help="of the week's plan")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), help="day is always among them")
    add_quick(parser, accounts=150, days=2, seeds=2, log=3_000, agents=[0.4])
    given = parser.parse_args()
    ways = [way for way in WAYS if way in {*given.ways, "day"}]
    strategy = (
        ContactStrategy.load(given.strategy)
        if given.strategy
        else ContactStrategy(n_jobs=1, random_state=0).fit(
            simulate(given.log, seed=0, calendar=given.calendar).feedback()
        )
    )
    for agents in given.agents:
        setting = Setting(given.accounts, given.days, agents, given.weekly, given.calendar, given.wait_share)
        print(f"{given.accounts} accounts, {given.days} days, {agents:g} agents in 4 hours, {setting.messages} "
              f"messages a day, {given.weekly} contacts a week, calendar {given.calendar:g}, learnt from "
              f"{given.strategy or given.log}: true worth of all contacts, mean over seeds", flush=True)  # fmt: skip
        totals: dict[str, list[float]] = {way: [] for way in ways}
        counts: dict[str, list[int]] = {way: [] for way in ways}
        paid: dict[str, list[float]] = {way: [] for way in ways}
        cpu = dict.fromkeys(ways, 0.0)
        for seed in range(given.first_seed, given.first_seed + given.seeds):
            for way in ways:
                began = time.process_time()
                worth, count, since = thirty_days(way, seed, strategy, setting)
                cpu[way] += time.process_time() - began
                totals[way].append(worth)
                counts[way].append(count)
                paid[way].append(since)
            print(f"  seed {seed}: " + ", ".join(f"{way} {totals[way][-1]:,.0f}" for way in ways), flush=True)
        for way in ways:
            ratio = np.array(totals[way]) / np.array(totals["day"]) - 1
            half = 100 * stats.t.ppf(0.975, max(len(ratio) - 1, 1)) * ratio.std(ddof=1) / np.sqrt(len(ratio))
            middle = 100 * ratio.mean()
            print(
                f"{way:>14} {np.mean(totals[way]):14,.0f} COP {np.mean(counts[way]):8,.0f} contacts "
                f"{middle:+7.2f} % ({middle - half:+.2f} to {middle + half:+.2f}), "
                f"{np.mean(paid[way]):4.1f} days since pay  {cpu[way] / given.seeds / given.days:6.2f} CPU s a day",
                flush=True,
            )


if __name__ == "__main__":
    main()
