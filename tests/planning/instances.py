"""Random planning problems, small enough for an exact answer."""

import numpy as np

from recommender.planning.capacity_problem import ArrayValues, CapacityRows, PlanProblem


def random_problem(
    seed, n=120, *, share=0.5, per_debtor=1, several=False, minimum=0.0, budget=False, channels=3, hours=4, tones=2
):
    """Channels x hours x tones; channel 0 uses minutes, the others messages; whole numbers tie often."""
    rng = np.random.default_rng(seed)
    n_actions, n_slots = channels * hours * tones, channels * hours
    values = rng.gamma(2, 5, (n, 1)) * np.exp(rng.normal(0, 0.6, (n, n_actions))) - rng.gamma(2, 2, n_actions)
    values = np.where(rng.random((n, n_actions)) < 0.2, -np.inf, np.round(values, int(rng.integers(0, 3))))
    kind = rng.integers(0, 2, n)
    slot_of = np.arange(n_actions) // tones
    use = np.zeros((2, n_actions, n_slots))
    for action, slot in enumerate(slot_of):
        use[0, action, slot], use[1, action, slot] = (5.0, 7.0) if slot < hours else (1.0, 1.0)
    limit = np.floor(share * n / n_slots * rng.uniform(0, 2, n_slots) * np.where(np.arange(n_slots) < hours, 6, 1))
    rows = CapacityRows(tuple(f"c{s // hours} {s % hours}h" for s in range(n_slots)), use, limit)
    extra = []
    if budget:
        cost = np.broadcast_to(rng.uniform(0.1, 3, n_actions)[None, :, None], (2, n_actions, 1)).copy()
        extra.append(CapacityRows(("budget",), cost, np.array([share * n])))
    if minimum:
        calls = np.zeros((2, n_actions, 1))
        calls[1, : hours * tones] = -1.0  # a floor for accounts of one kind
        extra.append(
            CapacityRows(("calls to kind 1",), calls, np.array([-np.floor(minimum * (limit[:hours] // 7).sum())]))
        )
    debtor = rng.integers(0, max(n // 2, 1), n) if several else rng.permutation(n)
    return PlanProblem(
        ArrayValues(values.astype(np.float32)),
        rows.joined(extra) if extra else rows,
        debtor.astype(np.int64),
        kind.astype(np.int64),
        (slot_of % hours).astype(np.int64),
        per_debtor,
    )
