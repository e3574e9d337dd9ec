"""A plan on disk, whole or not at all, and the check of it that needs nothing else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recommender.actions import ActionSpace
from recommender.artefact import arrays_from_bytes, arrays_to_bytes
from recommender.errors import ArtefactError, InvalidInput
from recommender.planning.capacity_problem import CapacityRows, FileValues, PlanProblem
from recommender.planning.certificate import Certificate, verify
from recommender.planning.plan_folder import file_digest
from recommender.planning.tomorrow import Tomorrow

__all__ = ["put_in_place", "verify_folder", "write_tomorrow"]

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
    (folder / "certificate.json").write_text(made.certificate.to_json(), encoding="utf-8")
    problem = made.problem
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
    (folder / "problem.npz").write_bytes(arrays_to_bytes(arrays))
    told = dict(about) | {"actions": actions.to_dict()}
    (folder / "about.json").write_text(json.dumps(told, indent=1, sort_keys=True, default=str), encoding="utf-8")
    digests = {path.name: file_digest(path) for path in sorted(folder.iterdir()) if path.is_file()}
    (folder / _MANIFEST).write_text(json.dumps(digests, indent=1, sort_keys=True), encoding="utf-8")


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
    names = ("plan.parquet", "arms.parquet", "certificate.json", "problem.npz", "about.json", "values.f32")
    missing = [name for name in (*names, _MANIFEST) if not (folder / name).is_file()]
    if missing:
        raise InvalidInput(f"{folder} is no finished plan: {', '.join(missing)} missing.", column="folder")
    try:
        digests = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        certificate = Certificate.from_json((folder / "certificate.json").read_text(encoding="utf-8"))
        held = arrays_from_bytes((folder / "problem.npz").read_bytes())
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        actions = ActionSpace.from_dict(about["actions"])
        contacts, arms = (pd.read_parquet(folder / f"{name}.parquet") for name in ("plan", "arms"))
        rows = CapacityRows(tuple(held["names"].tolist()), held["use"], held["limit"])
        problem = PlanProblem(
            FileValues(folder / "values.f32", held["use"].shape[1]),
            rows,
            held["debtor"],
            held["kind"],
            held["slot"],
            int(held["contacts_per_debtor"]),
        )
        place, action = (contacts[name].to_numpy(dtype=np.int64) for name in ("place", "action"))
    except (ValueError, KeyError, TypeError, ArtefactError, OSError) as error:
        raise InvalidInput(f"{folder} cannot be read as a plan: {error}", column="folder") from error
    changed = [name for name in names if digests.get(name) != file_digest(folder / name)]
    wrong = [f"file: {name} is not the one that was written" for name in changed]
    inside = (place >= 0) & (place < len(arms)) & (action >= 0) & (action < problem.n_actions)
    if len(arms) != problem.n_accounts or not inside.all():
        return [*wrong, "contacts: a place or action does not exist"]
    mine = contacts["reason"].isin(_POLICY_REASONS).to_numpy()
    order = np.argsort(place[mine], kind="stable")
    value = contacts["value"].to_numpy(dtype=np.float64)
    wrong += verify(problem, certificate, place[mine][order], action[mine][order], value[mine][order])
    wrong += _of_all_arms(contacts, arms, problem, held["whole_limit"], place, action, ~mine)
    told = actions.describe(action)
    for factor in actions.factors:
        if not contacts[factor].astype(str).equals(told[factor].astype(str)):
            wrong.append(f"contacts: {factor} is not that of the action")
    return wrong


def _of_all_arms(
    contacts: pd.DataFrame,
    arms: pd.DataFrame,
    problem: PlanProblem,
    whole: np.ndarray[Any, np.dtype[np.float64]],
    place: np.ndarray[Any, np.dtype[np.int64]],
    action: np.ndarray[Any, np.dtype[np.int64]],
    others: np.ndarray[Any, np.dtype[np.bool_]],
) -> list[str]:
    """Limits, debtors, arms and propensities over the contacts of all arms."""
    wrong = []
    use = problem.rows.use[problem.kind[place], action]
    over = use.sum(axis=0) > whole + _TOLERANCE * np.maximum(1.0, np.abs(whole))
    wrong += [f"limit: {problem.rows.names[row]} is exceeded by all arms together" for row in np.flatnonzero(over)]
    minimum = problem.rows.is_minimum
    left = whole - use[others].sum(axis=0)
    left = np.where(minimum, np.minimum(left, 0.0), np.maximum(left, 0.0))
    if not np.allclose(left, problem.rows.limit, rtol=1e-9, atol=_TOLERANCE):
        wrong.append("limit: what was left to the policy is not the whole less the other contacts")
    if np.bincount(problem.debtor[place]).max(initial=0) > problem.contacts_per_debtor:
        wrong.append("debtor: one has contacts of several arms")
    for name in ("account_id", "row", "decision_id", "arm"):
        if not np.array_equal(contacts[name].to_numpy(), arms[name].to_numpy()[place]):
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
