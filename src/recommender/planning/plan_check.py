"""The check of a plan on disk, which trusts nothing of how it was made but the values it was made from."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.artefact import arrays_from_bytes
from recommender.columns import Columns
from recommender.deciding import Objective, decision_ids
from recommender.errors import ArtefactError, InvalidInput
from recommender.messages import Catalogue, default_catalogue
from recommender.planning.capacity_file import capacity_of
from recommender.planning.capacity_problem import CapacityRows, FileValues, PlanProblem
from recommender.planning.capacity_tables import AccountKinds, capacity_rows
from recommender.planning.certificate import Certificate, verify
from recommender.planning.contact_checks import (
    POLICY_REASONS,
    TOLERANCE,
    not_a_ladder,
    not_as_drawn,
    not_as_laid_out,
    not_in_order,
    not_of_clock,
    of_all_arms,
    too_many,
)
from recommender.planning.decision_table import decisions_of
from recommender.planning.folder_checks import not_as_offered, not_of_people
from recommender.planning.plan_chunk import moment_text
from recommender.planning.plan_folder import file_digest
from recommender.planning.plan_objective import with_minimum_shares
from recommender.planning.tomorrow_folder import MANIFEST, round_files
from recommender.planning.week_parts import part_of_rows, parts_of_week

__all__ = ["verify_folder"]


def verify_folder(folder: Path, catalogue: Catalogue | None = None) -> list[str]:
    """Check a plan on disk: its files, its certificate, and the contacts of all arms together.

    Parameters
    ----------
    folder : Path
    catalogue : Catalogue, optional
        Whose texts the contacts name; None = the packaged one, and own texts are not looked at.

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
        objective = Objective.model_validate(about.get("objective", {}))  # plans of before had none
        texts = default_catalogue() if catalogue is None else catalogue
        known_texts = about["messages_digest"] == texts.digest
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
    by_policy = contacts["reason"].isin(POLICY_REASONS).to_numpy()
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
        wrong += _not_what_was_left(one, rounds[0].arrays, problem, whole, taken, number)
        taken = taken + use[mine].sum(axis=0)
    if catalogue is not None and not known_texts:
        wrong.append("messages: the texts given are not those of the plan")
    wrong += not_as_laid_out(contacts, list(actions.factors), str(purpose), texts if known_texts else None)
    wrong += not_a_ladder(contacts)
    wrong += not_as_offered(folder, contacts, about, texts if known_texts else None)
    wrong += not_of_people(folder, contacts, arms)
    wrong += of_all_arms(contacts, arms, problem, whole, position, action, days)
    described = actions.describe(action % actions.n_contact_actions)
    for factor in actions.factors:
        if not contacts[factor].astype(str).equals(described[factor].astype(str)):
            wrong.append(f"contacts: {factor} is not that of the action")
    try:
        kinds = AccountKinds.from_arrays(rounds[0].arrays, capacity, actions, days, problem.kind)
        wrong += _not_of_capacity(kinds, problem, whole, loosened="replaced" in about)
        wrong += _not_counted(kinds, problem)
        wrong += not_of_clock(contacts, kinds, problem, position, action)
    except (ValueError, IndexError, KeyError) as error:
        return [*wrong, f"problem: kinds and clocks cannot be read ({error})"]
    wrong += not_in_order(contacts, [(one.problem, one.certificate) for one in rounds], position)
    wrong += too_many(contacts, capacity, days)
    wrong += not_as_drawn(arms, problem, capacity)
    moment = moment_text(str(as_of), str(about.get("run", "")))
    ids = decision_ids(Columns.of(arms[["account_id"]]), moment, str(version), int(seed), purpose=str(purpose))
    if arms["decision_id"].tolist() != ids:
        wrong.append("decision_id: not those of these accounts under this strategy, moment, seed and purpose")
    if not _same(decisions, decisions_of(contacts, arms, actions, as_of, version)):
        wrong.append("decisions: not those of the plan")
    claims = [(row["name"], row["limit"], row["used"], row["price"]) for row in stated_rows]
    used = (taken if len(taken) else np.zeros(0)).tolist()
    parts = part_of_rows(problem.rows, days, parts_of_week(days, capacity))
    if parts.max(initial=0) >= len(rounds):
        return [*wrong, "rounds: a part of the week was not asked for"]
    prices = [rounds[part].certificate.prices.get(name, np.nan)
              for part, name in zip(parts.tolist(), problem.rows.names, strict=True)]  # fmt: skip
    true = list(zip(problem.rows.names, whole.tolist(), used, prices, strict=True))
    close = [one[0] == other[0] and np.allclose(one[1:], other[1:]) for one, other in zip(claims, true, strict=False)]
    if objective.version_of("") != "".join(re.findall(r"\+[a-z_]+\.[0-9a-f]{8}$", str(version))):
        wrong.append("objective: what is maximised is not what the version of the policy says")
    asked = [least for least in capacity.minimum if least.name.startswith("lever ")]
    plain = capacity.model_copy(update={"minimum": ()})
    if asked != list(with_minimum_shares(plain, objective).minimum):
        wrong.append("objective: the minimum shares of the levers are not those of the capacities")
    units = ("points", objective.name if objective.name.startswith("p_") else capacity.currency or "money")
    if int(about["accounts"]) != len(arms) or about["unit"] not in units or about["money"] != capacity.currency_told:
        wrong.append("about: accounts, unit or money are not those of the plan")
    if ("replaced" in about) != ("ends" in about):
        wrong.append("about: the rest of a day has an end, and only that")
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
    right = np.isclose(whole, rows.limit, rtol=1e-9, atol=TOLERANCE)
    if loosened:
        right |= np.where(low, (whole >= rows.limit) & (whole <= 0), (whole <= rows.limit) & (whole >= 0))
    return [f"capacity: {rows.names[row]} is not what the capacities say" for row in np.flatnonzero(~right)]


def _not_counted(kinds: AccountKinds, problem: PlanProblem) -> list[str]:
    """Whether the debtors that minimums are a share of are those whom the values leave open."""
    if not any(least.level for least in kinds.order.minimum):
        return []
    said = kinds.debtors_open.copy()
    kinds.debtors_open[:] = 0
    met: list[tuple[NDArray[np.int64], NDArray[np.bool_]]] = []
    day = kinds.day_of_action()
    for first, block in problem.values.blocks():
        mine = slice(first, first + len(block))
        met.append((problem.debtor[mine], _counting(kinds, problem.kind[mine], np.isfinite(block), day)))
    debtor, counted = (np.concatenate([one[part] for one in met]) for part in (0, 1))
    for floor, least in enumerate(kinds.order.minimum):
        for at in range(kinds.days):
            kinds.debtors_open[floor, at] = len(np.unique(debtor[counted[:, floor, at]]))
        if least.level and not np.array_equal(kinds.debtors_open[floor], said[floor]):
            return [f"capacity: minimum {least.name} counts other debtors than may be contacted so"]
    return []


def _counting(
    kinds: AccountKinds, kind: NDArray[np.int64], open_: NDArray[np.bool_], day: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Whether an account has an open action that counts, shape (n, n_minimums, days)."""
    floors = range(len(kinds.order.minimum))
    counted = np.zeros((len(kind), len(floors), kinds.days), dtype=bool)
    for floor in floors:
        mine = kinds.counted_for(floor)[kind] & open_
        for at in range(kinds.days):
            counted[:, floor, at] = mine[:, day == at].any(axis=1)
    return counted


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
    one: _Round,
    of_first: Mapping[str, Any],
    first: PlanProblem,
    whole: NDArray[np.float64],
    taken: NDArray[np.float64],
    number: int,
) -> list[str]:
    """Whether a round was asked about the same accounts under exactly what the contacts before it left."""
    mine = one.problem
    prefix = "" if number == 1 else f"round {number}: "
    same = np.array_equal(one.whole, whole) and mine.rows.names == first.rows.names
    fixed = [name for name in one.arrays if name.startswith("kind_") or name == "clocks"]
    same &= all(np.array_equal(one.arrays[name], of_first[name]) for name in fixed)
    for name in ("debtor", "kind", "slot"):
        same &= np.array_equal(getattr(mine, name), getattr(first, name))
    if not same or not np.array_equal(mine.rows.use, first.rows.use) or mine.contacts_per_debtor != 1:
        return [f"{prefix}problem: accounts, uses or limits are not those of the first round"]
    left = whole - taken
    left = np.where(first.rows.is_minimum, np.minimum(left, 0.0), np.maximum(left, 0.0))
    if np.allclose(left, mine.rows.limit, rtol=1e-9, atol=TOLERANCE):
        return []
    return [f"{prefix}limit: what was left to the policy is not the whole less the other contacts"]
