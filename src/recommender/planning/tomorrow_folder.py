"""A plan on disk, whole or not at all, and the check of it that needs nothing else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.artefact import arrays_from_bytes, arrays_to_bytes
from recommender.errors import ArtefactError, InvalidInput
from recommender.planning.capacity_problem import CapacityRows, FileValues, PlanProblem
from recommender.planning.certificate import Certificate, verify
from recommender.planning.earlier_contacts import values_name
from recommender.planning.plan_folder import file_digest
from recommender.planning.tomorrow import Tomorrow, later_decision_id

__all__ = ["decisions_of", "put_in_place", "verify_folder", "write_tomorrow"]

_MANIFEST = "manifest.json"
_POLICY_REASONS = ("value", "minimum")
_TOLERANCE = 1e-6


def write_tomorrow(folder: Path, made: Tomorrow, actions: ActionSpace, about: Mapping[str, Any]) -> None:
    """Write the files of a plan beside its values, the manifest last.

    Parameters
    ----------
    folder : Path
        Holds ``values.f32`` already.
    made : Tomorrow
    actions : ActionSpace
    about : mapping
        JSON-ready; what the plan was made from and what it says.
    """
    made.contacts.to_parquet(folder / "plan.parquet", index=False, compression="zstd")
    made.arms.to_parquet(folder / "arms.parquet", index=False, compression="zstd")
    rounds = [(made.problem, made.certificate), *((one.problem, one.certificate) for one in made.later)]
    for number, (problem, certificate) in enumerate(rounds, start=1):
        names = _round_files(number)
        (folder / names[0]).write_text(certificate.to_json(), encoding="utf-8")
        arrays = {
            "names": np.array(problem.rows.names, dtype=np.str_),
            "use": problem.rows.use,
            "limit": problem.rows.limit,
            "whole_limit": made.whole.limit,
            "debtor": problem.debtor,
            "kind": problem.kind,
            "slot": problem.slot,
            "contacts_per_debtor": np.array(problem.contacts_per_debtor),
        }
        (folder / names[1]).write_bytes(arrays_to_bytes(arrays))
    told = dict(about) | {"actions": actions.to_dict(), "rounds": len(rounds)}
    decisions = decisions_of(made, actions, about.get("as_of"), about.get("strategy"))
    decisions.to_parquet(folder / "decisions.parquet", index=False, compression="zstd")
    (folder / "about.json").write_text(json.dumps(told, indent=1, sort_keys=True, default=str), encoding="utf-8")
    digests = {path.name: file_digest(path) for path in sorted(folder.iterdir()) if path.is_file()}
    (folder / _MANIFEST).write_text(json.dumps(digests, indent=1, sort_keys=True), encoding="utf-8")


def decisions_of(made: Tomorrow, actions: ActionSpace, as_of: Any, policy_version: Any) -> pd.DataFrame:
    """The plan as the raw table ``decisions``: a row for every account, contacted or not, with its arm and propensity.

    Only in the arm ``explore`` something was drawn by chance, so only its rows can show what another policy would have
    earned; everything else has propensity 1 and is flagged. Learning may read all rows.

    Parameters
    ----------
    made : Tomorrow
    actions : ActionSpace
    as_of : str or None
        Moment of the decisions.
    policy_version : str or None

    Returns
    -------
    DataFrame
        ``decision_id``, ``account_id``, ``decided_at``, the factors (null: left alone), ``propensity``,
        ``policy_version``, ``arm``, ``deterministic``, ``contact_at``.
    """
    factors = list(actions.factors)
    today = made.contacts.loc[made.contacts["day"] == 1]  # of the days after it nothing is decided yet
    of_contact = today[["decision_id", *factors, "contact_at", "propensity", "reason", "account_id", "arm"]]
    left_alone = made.arms.loc[~made.arms["decision_id"].isin(of_contact["decision_id"])]
    if len(made.later):  # a further contact is a decision of its own
        left_alone = left_alone.loc[~left_alone["row"].isin(today["row"])]
    drawn = left_alone["arm"].eq("explore") & left_alone["propensity"].notna()
    alone = left_alone[["decision_id", "account_id", "arm"]].assign(
        propensity=left_alone["propensity"].where(drawn, 1.0), deterministic=~drawn
    )
    contacted = of_contact.assign(deterministic=of_contact["reason"] != "explore").drop(columns="reason")
    every = pd.concat([contacted, alone], ignore_index=True)
    every["decided_at"] = pd.Timestamp(as_of) if as_of is not None else pd.NaT
    every["policy_version"] = policy_version
    return every.sort_values(["account_id", "decision_id"], kind="stable", ignore_index=True)[
        ["decision_id", "account_id", "decided_at", *factors, "propensity", "policy_version", "arm", "deterministic",
         "contact_at"]
    ]  # fmt: skip


def put_in_place(made: Path, out: Path) -> None:
    """Let a finished plan take the place of the last one, which stays until then.

    Raises
    ------
    InvalidInput
        When ``out`` is something else than a plan.
    """
    old = out.with_name(out.name + ".old")
    if out.exists():
        if not (out / _MANIFEST).is_file():
            raise InvalidInput(f"{out} exists and is no plan.", column="out", mend="Give another --out.")
        shutil.rmtree(old, ignore_errors=True)
        out.replace(old)
    made.replace(out)
    shutil.rmtree(old, ignore_errors=True)


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
    fixed = ("plan.parquet", "arms.parquet", "decisions.parquet", "about.json", *_round_files(1))
    missing = [name for name in (*fixed, _MANIFEST) if not (folder / name).is_file()]
    if missing:
        raise InvalidInput(f"{folder} is no finished plan: {', '.join(missing)} missing.", column="folder")
    try:
        digests = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        actions = ActionSpace.from_dict(about["actions"])
        contacts, arms = (pd.read_parquet(folder / f"{name}.parquet") for name in ("plan", "arms"))
        rounds = [_read_round(folder, number) for number in range(1, int(about["rounds"]) + 1)]
        place, action, turn = (contacts[name].to_numpy(dtype=np.int64) for name in ("place", "action", "round"))
    except (ValueError, KeyError, TypeError, ArtefactError, OSError) as error:
        raise InvalidInput(f"{folder} cannot be read as a plan: {error}", column="folder") from error
    every = {*fixed, *(name for number in range(1, len(rounds) + 1) for name in _round_files(number))}
    changed = [name for name in sorted(every | set(digests)) if not _is_as_written(folder / name, digests.get(name))]
    wrong = [f"file: {name} is not the one that was written" for name in changed]
    if not rounds:
        return [*wrong, "rounds: there is none"]
    problem, whole = rounds[0].problem, rounds[0].whole
    inside = (place >= 0) & (place < len(arms)) & (action >= 0) & (action < problem.n_actions)
    inside &= (turn >= 1) & (turn <= len(rounds))
    if len(arms) != problem.n_accounts or not inside.all():
        return [*wrong, "contacts: a place, action or round does not exist"]
    by_policy = contacts["reason"].isin(_POLICY_REASONS).to_numpy()
    if (turn[~by_policy] != 1).any():
        wrong.append("round: only the policy asks again")
    value = contacts["value"].to_numpy(dtype=np.float64)
    use = problem.rows.use[problem.kind[place], action]
    taken = use[~by_policy].sum(axis=0)
    for number, one in enumerate(rounds, start=1):
        mine = by_policy & (turn == number)
        order = np.flatnonzero(mine)[np.argsort(place[mine], kind="stable")]
        found = verify(one.problem, one.certificate, place[order], action[order], value[order])
        wrong += found if number == 1 else [f"round {number}: {finding}" for finding in found]
        wrong += _not_what_was_left(one, problem, whole, taken, number)
        taken = taken + use[mine].sum(axis=0)
    wrong += _of_all_arms(contacts, arms, problem, whole, place, action)
    told = actions.describe(action % actions.n_contact_actions)
    for factor in actions.factors:
        if not contacts[factor].astype(str).equals(told[factor].astype(str)):
            wrong.append(f"contacts: {factor} is not that of the action")
    return wrong


@dataclass(frozen=True)
class _Round:
    """What a round was asked and what it claims."""

    problem: PlanProblem
    certificate: Certificate
    whole: NDArray[np.float64]


def _round_files(number: int) -> tuple[str, str, str]:
    """Names of the files of a round."""
    end = "" if number == 1 else f"-{number}"
    return f"certificate{end}.json", f"problem{end}.npz", values_name(number)


def _read_round(folder: Path, number: int) -> _Round:
    certificate, arrays, values = _round_files(number)
    held = arrays_from_bytes((folder / arrays).read_bytes())
    problem = PlanProblem(
        FileValues(folder / values, held["use"].shape[1]),
        CapacityRows(tuple(held["names"].tolist()), held["use"], held["limit"]),
        held["debtor"],
        held["kind"],
        held["slot"],
        int(held["contacts_per_debtor"]),
    )
    told = Certificate.from_json((folder / certificate).read_text(encoding="utf-8"))
    return _Round(problem, told, held["whole_limit"])


def _is_as_written(path: Path, digest: str | None) -> bool:
    return path.is_file() and digest == file_digest(path)


def _not_what_was_left(
    one: _Round, first: PlanProblem, whole: NDArray[np.float64], taken: NDArray[np.float64], number: int
) -> list[str]:
    """Whether a round was asked about the same accounts under exactly what the contacts before it left."""
    mine = one.problem
    told = "" if number == 1 else f"round {number}: "
    same = np.array_equal(one.whole, whole) and mine.rows.names == first.rows.names
    for name in ("debtor", "kind", "slot"):
        same &= np.array_equal(getattr(mine, name), getattr(first, name))
    if not same or not np.array_equal(mine.rows.use, first.rows.use) or mine.contacts_per_debtor != 1:
        return [f"{told}problem: accounts, uses or limits are not those of the first round"]
    left = whole - taken
    left = np.where(first.rows.is_minimum, np.minimum(left, 0.0), np.maximum(left, 0.0))
    if np.allclose(left, mine.rows.limit, rtol=1e-9, atol=_TOLERANCE):
        return []
    return [f"{told}limit: what was left to the policy is not the whole less the other contacts"]


def _of_all_arms(
    contacts: pd.DataFrame,
    arms: pd.DataFrame,
    problem: PlanProblem,
    whole: NDArray[np.float64],
    place: NDArray[np.int64],
    action: NDArray[np.int64],
) -> list[str]:
    """Limits, debtors, arms and propensities over the contacts of all arms."""
    wrong = []
    use = problem.rows.use[problem.kind[place], action]
    over = use.sum(axis=0) > whole + _TOLERANCE * np.maximum(1.0, np.abs(whole))
    wrong += [f"limit: {problem.rows.names[row]} is exceeded by all arms together" for row in np.flatnonzero(over)]
    turn, debtor = contacts["round"].to_numpy(dtype=np.int64), problem.debtor[place]
    if len(np.unique(np.stack([debtor, turn]), axis=1).T) != len(contacts):
        wrong.append("debtor: one has contacts of several arms, or two of one round")
    instants = pd.DataFrame({"debtor": debtor, "at": contacts["contact_at"]})
    if instants.loc[contacts["contact_at"].notna().to_numpy()].duplicated().any():
        wrong.append("debtor: one is in two queues at once")
    turns = instants.assign(turn=turn).sort_values(["debtor", "turn"], kind="stable")
    one_day = (contacts["day"] == 1).all()  # within a week whoever planned judged again what a contact precedes
    if one_day and (turns.groupby("debtor")["at"].diff().dropna() < pd.Timedelta(0)).any():
        wrong.append("debtor: a contact of a later round comes before an earlier one, which was judged without it")
    for name in ("account_id", "row", "decision_id", "arm"):
        told = arms[name].to_numpy()[place]
        if name == "decision_id":
            ids = zip(told, turn.tolist(), strict=True)
            told = np.array(
                [one if number == 1 else later_decision_id(one, number) for one, number in ids], dtype=object
            )
        if not np.array_equal(contacts[name].to_numpy(), told):
            wrong.append(f"contacts: {name} is not that of the account")
    reason, arm = contacts["reason"].to_numpy(), contacts["arm"].to_numpy()
    wanted = {"value": "policy", "minimum": "policy", "explore": "explore", "usual": "usual"}
    known = np.isin(reason, [*wanted, "callback", "promise"])
    if not known.all() or any((arm[reason == one] != name).any() for one, name in wanted.items()):
        wrong.append("arm: a contact is not of the arm that its reason says")
    chance = contacts["propensity"].to_numpy(dtype=np.float64)
    drawn = reason == "explore"
    logged = arms["propensity"].to_numpy(dtype=np.float64)[place]
    if not ((chance > 0) & (chance <= 1)).all() or (chance[~drawn] != 1).any() or (chance != logged)[drawn].any():
        wrong.append("propensity: not that of the draw, or not 1 where nothing was drawn")
    if (contacts["deterministic"].to_numpy(dtype=bool) != ~drawn).any():
        wrong.append("deterministic: flag and reason disagree")
    return wrong
