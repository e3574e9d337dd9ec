"""What a plan says in money: one more agent hour, a scenario's difference, what each rule holds back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.planning.capacity_file import CapacityOrder
from recommender.planning.capacity_prices import action_prices
from recommender.planning.portfolio_read import PortfolioValues
from recommender.planning.tomorrow import Tomorrow

__all__ = ["PlanDifference", "compare_plans", "contacts_by_slot", "priced_hours", "priced_rules"]

_DRAWS = 400
_ENDS = (2.5, 97.5)


@dataclass(frozen=True)
class PlanDifference:
    """A scenario against the plan.

    Attributes
    ----------
    value, low, high : float
        Difference of expected value; the interval is over portfolios like this one (debtors drawn again), with what the
        strategy believes taken as true.
    contacts : int
    by_queue : dict of str to int
    by_arm : dict of str to float
        Difference of expected value: business as usual may lose money with more agents while the policy gains.
    """

    value: float
    low: float
    high: float
    contacts: int
    by_queue: dict[str, int]
    by_arm: dict[str, float]


def compare_plans(base: Tomorrow, other: Tomorrow, *, seed: int = 0) -> PlanDifference:
    """Difference of two plans for the same accounts, paired by debtor."""
    n_debtors = int(base.problem.debtor.max(initial=-1)) + 1
    worth = [_by_debtor(base, made, n_debtors) for made in (base, other)]
    change = worth[1] - worth[0]
    draws = _resampled(change, seed)
    queues = [made.contacts["queue"].value_counts() for made in (base, other)]
    arms = [made.contacts.groupby("arm")["value"].sum() for made in (base, other)]
    by_queue = queues[1].subtract(queues[0], fill_value=0).astype(int).sort_index()
    return PlanDifference(
        float(change.sum()),
        float(np.percentile(draws, _ENDS[0])),
        float(np.percentile(draws, _ENDS[1])),
        len(other.contacts) - len(base.contacts),
        {str(name): int(count) for name, count in by_queue.items()},
        {str(name): float(value) for name, value in arms[1].subtract(arms[0], fill_value=0.0).sort_index().items()},
    )


def _by_debtor(base: Tomorrow, made: Tomorrow, n_debtors: int) -> NDArray[np.float64]:
    debtor = base.problem.debtor[made.contacts["place"].to_numpy(dtype=np.int64)]
    value = made.contacts["value"].to_numpy(dtype=np.float64)
    return np.asarray(np.bincount(debtor, weights=value, minlength=n_debtors), dtype=np.float64)


def _resampled(values: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Sums over as many draws with replacement; beyond a thousand values their normal limit, which costs nothing."""
    rng = np.random.default_rng([seed, 23])
    n = len(values)
    if n > 1_000:
        return np.asarray(values.sum() + rng.standard_normal(4_000) * values.std() * np.sqrt(n))
    return np.array([values[rng.integers(0, n, n)].sum() for _ in range(_DRAWS)]) if n else np.zeros(1)


def contacts_by_slot(made: Tomorrow, digits: int = 0) -> Iterator[str]:
    """A line a queue: contacts and value."""
    for queue, part in made.contacts.groupby("queue", sort=True):
        arms = ", ".join(f"{name} {count:,}" for name, count in part["reason"].value_counts().sort_index().items())
        yield f"queue {queue}: {len(part):,} contacts worth {part['value'].sum():,.{digits}f} ({arms})"


def priced_hours(made: Tomorrow, capacity: CapacityOrder, unit: str, digits: int = 0) -> Iterator[str]:
    """A line an hour of agents whose capacity is scarce: what one more agent hour brings."""
    prices = dict(zip(made.whole.names, made.prices.tolist(), strict=True))
    for queue in capacity.queue:
        for name, price in prices.items():
            hour = re.fullmatch(rf"{re.escape(queue.name)} ((?:\d{{4}}-\d\d-\d\d )?\d\d)h minutes", name)
            if hour is not None and price > 0:
                brings = price * queue.minutes_per_agent_hour
                yield f"one more agent hour of {queue.name} at {hour[1]}:00 brings {brings:,.{digits}f} {unit}"


def priced_rules(read: PortfolioValues, made: Tomorrow) -> dict[str, list[float]]:
    """What each rule holds back at the prices of the plan, estimated on a sample of accounts.

    For an account it is what its best action that this rule alone denies would bring beyond its best legal one, both
    after the price of their slots. Prices are those of the plan, so for a rule that holds back much it is the value of
    lifting it a little, not of abolishing it.

    Returns
    -------
    dict of str to [low, estimate, high]
        In money for the whole portfolio, with a 95 % interval of the sample.
    """
    sample = read.rules
    if not len(sample.position):
        return {}
    kind = read.facts["kind"].to_numpy(dtype=np.int64)[sample.position]
    today = slice(0, sample.values.shape[1])  # of a plan of several days
    after = sample.values - action_prices(made.problem, made.plan.prices)[kind][:, today]
    scale = len(read.facts) / len(sample.position)
    gains: dict[str, NDArray[np.float64]] = {}
    for at, removed in enumerate(sample.removed):
        count = np.sum(list(removed.values()), axis=0) if removed else np.zeros(after.shape[1])
        legal = max(0.0, float(after[at][count == 0].max(initial=0.0)))
        for rule, gone in removed.items():
            alone = gone & (count == 1)
            most = float(after[at][alone].max(initial=-np.inf))
            gains.setdefault(rule, np.zeros(len(after)))[at] = max(0.0, most - legal)
    answer = {}
    for rule, gain in sorted(gains.items()):
        half = 1.96 * float(gain.std(ddof=1)) / np.sqrt(len(gain)) if len(gain) > 1 else 0.0
        middle = float(gain.mean())
        answer[rule] = [scale * len(gain) * end for end in (max(middle - half, 0.0), middle, middle + half)]
    return answer
