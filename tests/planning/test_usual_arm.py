"""Business as usual: the longest overdue first, each the first of the trade's rules that still fits in its share."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from recommender.planning.capacity_problem import CapacityRows
from recommender.planning.reserved_contacts import usual_arm


@pytest.mark.parametrize("seed", range(12))
def test_contacts_as_usual_are_those_of_a_loop_over_accounts(seed):
    """In plain Python: a debtor once, ties by the order of the file, no more than what is left or than the share."""
    rng = np.random.default_rng(seed)
    n, n_actions, share = 60, 5, float(rng.choice([0.2, 0.6, 1.0]))
    limit = np.array([40.0, 12.0, -5.0])
    use = np.stack([rng.integers(0, 4, (2, n_actions)), rng.random((2, n_actions)) < 0.5], axis=2).astype(float)
    rows = CapacityRows(("minutes", "messages", "least"), np.concatenate([use, -use[..., :1]], axis=2), limit)
    facts = pd.DataFrame({
        "arm": rng.choice(["policy", "usual", "explore"], n, p=[0.2, 0.6, 0.2]), "kind": rng.integers(0, 2, n),
        "debtor": [f"D{one}" for one in rng.integers(0, 40, n)], "days_past_due": rng.integers(0, 12, n),
    })  # fmt: skip
    aside = np.flatnonzero(facts["arm"] != "policy")
    mine = [row for row in aside.tolist() if facts["arm"][row] == "usual"]
    wishes = np.array([[*rng.permutation(n_actions)[:2], -1] for _ in mine])
    wishes = np.where(rng.random(wishes.shape) < 0.2, -1, wishes)
    values = rng.random((n, n_actions)).astype(np.float32)
    left = np.array([float(rng.choice([9.0, 40.0])), 12.0, 3.0])
    room = [min(left[at], share * limit[at]) for at in range(2)]
    used, met, wanted = np.zeros(3), set(), []
    for place in sorted(range(len(mine)), key=lambda at: -facts["days_past_due"][mine[at]]):
        row = mine[place]
        for action in wishes[place].tolist() if facts["debtor"][row] not in met else ():
            need = rows.use[facts["kind"][row], action]
            if action >= 0 and all(used[at] + need[at] <= room[at] + 1e-9 for at in range(2)):
                used += need
                met.add(facts["debtor"][row])
                wanted.append((row, action))
                break
    read = SimpleNamespace(facts=facts, aside=aside, usual_choice=wishes)
    capacity = SimpleNamespace(arms=SimpleNamespace(usual=share))
    before = left.copy()
    chosen = usual_arm(read, values[mine], rows, left, capacity)
    assert list(zip(chosen.position.tolist(), chosen.action.tolist(), strict=True)) == wanted and wanted
    np.testing.assert_allclose(before - left, used)
    np.testing.assert_array_equal(chosen.value, [values[at].astype(float) for at in wanted])
    assert set(chosen.reason) == {"usual"} and set(chosen.propensity) == {1.0}
