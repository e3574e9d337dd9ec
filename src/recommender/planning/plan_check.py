"""The check of a plan on disk, which trusts nothing of how it was made but the values it was made from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.artefact import arrays_from_bytes
from recommender.columns import Columns
from recommender.deciding import decision_ids
from recommender.errors import ArtefactError, InvalidInput
from recommender.planning.arms import draw_arms, drawn_by
from recommender.planning.capacity_file import CapacityOrder, capacity_of
from recommender.planning.capacity_problem import CapacityRows, FileValues, PlanProblem
from recommender.planning.capacity_tables import AccountKinds, capacity_rows
from recommender.planning.certificate import Certificate, verify
from recommender.planning.decision_table import decisions_of
from recommender.planning.plan_folder import file_digest
from recommender.planning.tomorrow import beyond_prices, later_decision_id
from recommender.planning.tomorrow_folder import MANIFEST, round_files

__all__ = ["verify_folder"]

_POLICY_REASONS = ("value", "minimum")
_TOLERANCE = 1e-6


def verify_folder(folder: Path) -> list[str]:
    """Check a plan on disk: its files, its certificate, and the contacts of all arms together.

    Returns
    -------
    list of str
        What does not hold; empty for a plan that is what it claims.

    Raises
    ------
    InvalidInput
        When the folder holds no plan, or a file of it cannot be read.
    """
    fixed = ("plan.parquet", "arms.parquet", "decisions.parquet", "about.json", *round_files(1))
    missing = [name for name in (*fixed, MANIFEST) if not (folder / name).is_file()]
    if missing:
        raise InvalidInput(f"{folder} is no finished plan: {', '.join(missing)} missing.", column="folder")
    try:
        digests = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        actions = ActionSpace.from_dict(about["actions"])
        contacts, arms = (pd.read_parquet(folder / f"{name}.parquet") for name in ("plan", "arms"))
        rounds = [_read_round(folder, number) for number in range(1, int(about["rounds"]) + 1)]
        decisions = pd.read_parquet(folder / "decisions.parquet")
        capacity = capacity_of(about["capacity"], "about.json")
        days, stated_gap, stated_rows = int(about["days"]), float(about["gap"]), list(about["capacities"])
        as_of, version, seed, purpose = (about[name] for name in ("as_of", "strategy", "seed", "purpose"))
        position, action, turn = (contacts[name].to_numpy(dtype=np.int64) for name in ("place", "action", "round"))
    except (ValueError, KeyError, TypeError, ArtefactError, OSError) as error:
        raise InvalidInput(f"{folder} cannot be read as a plan: {error}", column="folder") from error
    every = {*fixed, *(name for number in range(1, len(rounds) + 1) for name in round_files(number))}
    changed = [name for name in sorted(every | set(digests)) if not _is_as_written(folder / name, digests.get(name))]
    wrong = [f"file: {name} is not the one that was written" for name in changed]
    strangers = {path.name for path in folder.iterdir()} - set(digests) - {MANIFEST}
    wrong += [f"file: {name} does not belong to the plan" for name in sorted(strangers)]
    if not rounds:
        return [*wrong, "rounds: there is none"]
    problem, whole = rounds[0].problem, rounds[0].whole
    inside = (position >= 0) & (position < len(arms)) & (action >= 0) & (action < problem.n_actions)
    inside &= (turn >= 1) & (turn <= len(rounds))
    if len(arms) != problem.n_accounts or not inside.all():
        return [*wrong, "contacts: a place, action or round does not exist"]
    by_policy = contacts["reason"].isin(_POLICY_REASONS).to_numpy()
    if (turn[~by_policy] != 1).any():
        wrong.append("round: only the policy asks again")
    value = contacts["value"].to_numpy(dtype=np.float64)
    use = problem.rows.use[problem.kind[position], action]
    taken = use[~by_policy].sum(axis=0)
    for number, one in enumerate(rounds, start=1):
        mine = by_policy & (turn == number)
        order = np.flatnonzero(mine)[np.argsort(position[mine], kind="stable")]
        findings = verify(one.problem, one.certificate, position[order], action[order], value[order])
        wrong += findings if number == 1 else [f"round {number}: {finding}" for finding in findings]
        wrong += _not_what_was_left(one, problem, whole, taken, number)
        taken = taken + use[mine].sum(axis=0)
    wrong += _of_all_arms(contacts, arms, problem, whole, position, action, days)
    described = actions.describe(action % actions.n_contact_actions)
    for factor in actions.factors:
        if not contacts[factor].astype(str).equals(described[factor].astype(str)):
            wrong.append(f"contacts: {factor} is not that of the action")
    try:
        kinds = AccountKinds.from_arrays(rounds[0].arrays, capacity, actions, days, problem.kind)
        wrong += _not_of_capacity(kinds, problem, whole, loosened="replaced" in about)
        wrong += _not_of_clock(contacts, kinds, problem, position, action)
    except (ValueError, IndexError, KeyError) as error:
        return [*wrong, f"problem: kinds and clocks cannot be read ({error})"]
    wrong += _not_in_order(contacts, rounds, position)
    wrong += _too_many(contacts, capacity, days)
    wrong += _not_as_drawn(arms, problem, capacity)
    ids = decision_ids(Columns.of(arms[["account_id"]]), str(as_of), str(version), int(seed), purpose=str(purpose))
    if arms["decision_id"].tolist() != ids:
        wrong.append("decision_id: not those of these accounts under this strategy, moment, seed and purpose")
    if not _same(decisions, decisions_of(contacts, arms, actions, as_of, version)):
        wrong.append("decisions: not those of the plan")
    claims = [(row["name"], row["limit"], row["used"], row["price"]) for row in stated_rows]
    used = (taken if len(taken) else np.zeros(0)).tolist()
    prices = [rounds[0].certificate.prices.get(name, np.nan) for name in problem.rows.names]
    true = list(zip(problem.rows.names, whole.tolist(), used, prices, strict=True))
    close = [one[0] == other[0] and np.allclose(one[1:], other[1:]) for one, other in zip(claims, true, strict=False)]
    if stated_gap != rounds[0].certificate.gap or len(claims) != len(true) or not all(close):
        wrong.append("about: gap, limits, uses or prices are not those of the certificate")
    return wrong


def _not_of_capacity(
    kinds: AccountKinds, problem: PlanProblem, whole: NDArray[np.float64], *, loosened: bool
) -> list[str]:
    """Whether uses and limits are those that the capacities make; in the rest of a day what was sent is off."""
    rows = capacity_rows(kinds)
    if rows.names != problem.rows.names or not np.array_equal(rows.use, problem.rows.use):
        return ["capacity: the uses are not those of the capacities that the plan names"]
    low = rows.is_minimum
    right = np.isclose(whole, rows.limit, rtol=1e-9, atol=_TOLERANCE)
    if loosened:
        right |= np.where(low, (whole >= rows.limit) & (whole <= 0), (whole <= rows.limit) & (whole >= 0))
    return [f"capacity: {rows.names[row]} is not what the capacities say" for row in np.flatnonzero(~right)]


def _not_of_clock(
    contacts: pd.DataFrame,
    kinds: AccountKinds,
    problem: PlanProblem,
    position: NDArray[np.int64],
    action: NDArray[np.int64],
) -> list[str]:
    """Instants, days, queues and priorities against kinds and clocks."""
    wrong = []
    kind = problem.kind[position]
    clock = np.array([one[1] for one in kinds.kinds], dtype=np.int64)
    if len(kinds.clocks) and not np.array_equal(
        kinds.instant_of(clock[kind], action), contacts["contact_at"].dt.tz_convert(None).to_numpy("datetime64[us]"),
        equal_nan=True,
    ):  # fmt: skip
        wrong.append("contact_at: not the instant of the action on the account's clock")
    if not np.array_equal(kinds.day_of_action()[action] + 1, contacts["day"].to_numpy()):
        wrong.append("day: not that of the action")
    queue = kinds.queue_of(kind)[np.arange(len(action)), action]
    names = [kinds.order.queue[one].name if one >= 0 else "" for one in queue]
    if names != contacts["queue"].tolist():
        wrong.append("queue: not the one that serves the account's channel")
    known = contacts[["expected_low", "expected", "expected_high"]] if "expected" in contacts else None
    if known is not None:
        complete = known.dropna()
        if len(complete) not in (0, len(known)) or not (complete["expected_low"] <= complete["expected"]).all() or not (
            complete["expected"] <= complete["expected_high"]
        ).all():  # fmt: skip
            wrong.append("expected: missing, or outside its own interval")
    return wrong


def _not_in_order(contacts: pd.DataFrame, rounds: Sequence[_Round], position: NDArray[np.int64]) -> list[str]:
    """Priorities: callbacks and promises, then by what a contact brings beyond its prices, round after round."""
    turn, reason = contacts["round"].to_numpy(dtype=np.int64), contacts["reason"]
    action, rank = contacts["action"].to_numpy(dtype=np.int64), contacts["value"].to_numpy(dtype=np.float64).copy()
    by_policy = reason.isin(_POLICY_REASONS).to_numpy()
    for number, one in enumerate(rounds, start=1):
        mine = by_policy & (turn == number)
        prices = np.array([one.certificate.prices.get(name, np.nan) for name in one.problem.rows.names])
        rank[mine] = beyond_prices(one.problem, prices, position[mine], action[mine], rank[mine])
    rank[reason.isin(["callback", "promise"]).to_numpy()] = np.inf
    due = contacts.assign(_rank=rank).sort_values(
        ["queue", "contact_at", "round", "_rank", "row"], ascending=[True, True, True, False, True], kind="stable"
    )
    place_in_slot = due.groupby(["queue", "contact_at"], sort=False, dropna=False).cumcount() + 1
    if (place_in_slot != due["priority"]).any():
        return ["priority: not callbacks and promises first, then what brings most beyond the prices"]
    return []


def _too_many(contacts: pd.DataFrame, capacity: CapacityOrder, days: int) -> list[str]:
    """Contacts of a debtor a day and in the week, and the hours between those of a day."""
    wrong, week = [], capacity.week_of(days)
    by_day = contacts.sort_values("contact_at", kind="stable").groupby(["debtor", "day"])
    if by_day.size().max() > capacity.contacts_per_debtor:
        wrong.append(f"debtor: one has more than {capacity.contacts_per_debtor} contacts a day")
    if week is not None and contacts.groupby("debtor").size().max() > week.contacts_per_debtor:
        wrong.append(f"debtor: one has more than {week.contacts_per_debtor} contacts in the week")
    if (by_day["contact_at"].diff().dropna() < pd.Timedelta(hours=capacity.hours_between)).any():
        wrong.append(f"debtor: contacts of one are less than {capacity.hours_between:g} hours apart")
    return wrong


def _not_as_drawn(arms: pd.DataFrame, problem: PlanProblem, capacity: CapacityOrder) -> list[str]:
    """Whether accounts are of the debtors that the problem counts, and each of the arm that its debtor draws."""
    wrong = []
    if not np.array_equal(np.unique(arms["debtor"].to_numpy(), return_inverse=True)[1].reshape(-1), problem.debtor):
        wrong.append("debtor: accounts are not of the debtors that the limits counted")
    if arms["account_id"].duplicated().any() or arms["row"].duplicated().any():
        wrong.append("arms: an account is there twice")
    if draw_arms([drawn_by(name) for name in arms["debtor"]], capacity.arms).tolist() != arms["arm"].tolist():
        wrong.append("arm: not the one that the debtor draws in this experiment")
    return wrong


def _same(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    if list(one.columns) != list(other.columns) or len(one) != len(other):
        return False
    texts = [
        [pd.to_datetime(table[name], utc=True).astype(str) if name in ("decided_at", "contact_at")
         else table[name].astype(str) for name in table.columns]
        for table in (one, other)
    ]  # fmt: skip
    return all(left.tolist() == right.tolist() for left, right in zip(*texts, strict=True))


@dataclass(frozen=True)
class _Round:
    """What a round was asked and what it claims."""

    problem: PlanProblem
    certificate: Certificate
    whole: NDArray[np.float64]
    arrays: Mapping[str, Any]


def _read_round(folder: Path, number: int) -> _Round:
    certificate, arrays, values = round_files(number)
    stored = arrays_from_bytes((folder / arrays).read_bytes())
    problem = PlanProblem(
        FileValues(folder / values, stored["use"].shape[1]),
        CapacityRows(tuple(stored["names"].tolist()), stored["use"], stored["limit"]),
        stored["debtor"],
        stored["kind"],
        stored["slot"],
        int(stored["contacts_per_debtor"]),
    )
    proof = Certificate.from_json((folder / certificate).read_text(encoding="utf-8"))
    return _Round(problem, proof, stored["whole_limit"], stored)


def _is_as_written(path: Path, digest: str | None) -> bool:
    return path.is_file() and digest == file_digest(path)


def _not_what_was_left(
    one: _Round, first: PlanProblem, whole: NDArray[np.float64], taken: NDArray[np.float64], number: int
) -> list[str]:
    """Whether a round was asked about the same accounts under exactly what the contacts before it left."""
    mine = one.problem
    prefix = "" if number == 1 else f"round {number}: "
    same = np.array_equal(one.whole, whole) and mine.rows.names == first.rows.names
    for name in ("debtor", "kind", "slot"):
        same &= np.array_equal(getattr(mine, name), getattr(first, name))
    if not same or not np.array_equal(mine.rows.use, first.rows.use) or mine.contacts_per_debtor != 1:
        return [f"{prefix}problem: accounts, uses or limits are not those of the first round"]
    left = whole - taken
    left = np.where(first.rows.is_minimum, np.minimum(left, 0.0), np.maximum(left, 0.0))
    if np.allclose(left, mine.rows.limit, rtol=1e-9, atol=_TOLERANCE):
        return []
    return [f"{prefix}limit: what was left to the policy is not the whole less the other contacts"]


def _of_all_arms(
    contacts: pd.DataFrame,
    arms: pd.DataFrame,
    problem: PlanProblem,
    whole: NDArray[np.float64],
    position: NDArray[np.int64],
    action: NDArray[np.int64],
    days: int,
) -> list[str]:
    """Limits, debtors, arms and propensities over the contacts of all arms."""
    wrong = []
    use = problem.rows.use[problem.kind[position], action]
    over = use.sum(axis=0) > whole + _TOLERANCE * np.maximum(1.0, np.abs(whole))
    wrong += [f"limit: {problem.rows.names[row]} is exceeded by all arms together" for row in np.flatnonzero(over)]
    turn, debtor = contacts["round"].to_numpy(dtype=np.int64), problem.debtor[position]
    if len(np.unique(np.stack([debtor, turn]), axis=1).T) != len(contacts):
        wrong.append("debtor: one has contacts of several arms, or two of one round")
    instants = pd.DataFrame({"debtor": debtor, "at": contacts["contact_at"]})
    if instants.loc[contacts["contact_at"].notna().to_numpy()].duplicated().any():
        wrong.append("debtor: one is in two queues at once")
    turns = instants.assign(turn=turn).sort_values(["debtor", "turn"], kind="stable")
    # within a week whoever planned judged again what a contact precedes
    if days == 1 and (turns.groupby("debtor")["at"].diff().dropna() < pd.Timedelta(0)).any():
        wrong.append("debtor: a contact of a later round comes before an earlier one, which was judged without it")
    for name in ("account_id", "row", "decision_id", "arm", "debtor"):
        ids_of_first = arms[name].to_numpy()[position]
        if name == "decision_id":
            ids = zip(ids_of_first, turn.tolist(), strict=True)
            ids_of_first = np.array(
                [one if number == 1 else later_decision_id(one, number) for one, number in ids], dtype=object
            )
        if not np.array_equal(contacts[name].to_numpy(), ids_of_first):
            wrong.append(f"contacts: {name} is not that of the account")
    reason, arm = contacts["reason"].to_numpy(), contacts["arm"].to_numpy()
    wanted = {"value": "policy", "minimum": "policy", "explore": "explore", "usual": "usual"}
    known = np.isin(reason, [*wanted, "callback", "promise"])
    if not known.all() or any((arm[reason == one] != name).any() for one, name in wanted.items()):
        wrong.append("arm: a contact is not of the arm that its reason says")
    chance = contacts["propensity"].to_numpy(dtype=np.float64)
    drawn = reason == "explore"
    logged = arms["propensity"].to_numpy(dtype=np.float64)[position]
    if not ((chance > 0) & (chance <= 1)).all() or (chance[~drawn] != 1).any() or (chance != logged)[drawn].any():
        wrong.append("propensity: not that of the draw, or not 1 where nothing was drawn")
    if (contacts["deterministic"].to_numpy(dtype=bool) != ~drawn).any():
        wrong.append("deterministic: flag and reason disagree")
    return wrong
