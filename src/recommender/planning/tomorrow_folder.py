"""A plan on disk, whole or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from recommender.actions import ActionSpace
from recommender.artefact import arrays_to_bytes
from recommender.errors import InvalidInput
from recommender.planning.decision_table import decisions_of
from recommender.planning.earlier_contacts import values_name
from recommender.planning.plan_folder import file_digest
from recommender.planning.tomorrow import Tomorrow

__all__ = ["MANIFEST", "put_in_place", "round_files", "write_tomorrow"]

MANIFEST = "manifest.json"


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
        names = round_files(number)
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
            **made.kinds.to_arrays(),
        }
        (folder / names[1]).write_bytes(arrays_to_bytes(arrays))
    described = dict(about) | {"actions": actions.to_dict(), "rounds": len(rounds)}
    decisions = decisions_of(made.contacts, made.arms, actions, about.get("as_of"), about.get("strategy"))
    decisions.to_parquet(folder / "decisions.parquet", index=False, compression="zstd")
    (folder / "about.json").write_text(json.dumps(described, indent=1, sort_keys=True, default=str), encoding="utf-8")
    digests = {path.name: file_digest(path) for path in sorted(folder.iterdir()) if path.is_file()}
    (folder / MANIFEST).write_text(json.dumps(digests, indent=1, sort_keys=True), encoding="utf-8")


def put_in_place(made: Path, out: Path) -> None:
    """Let a finished plan take the place of the last one, which stays until then.

    Raises
    ------
    InvalidInput
        When ``out`` is something else than a plan.
    """
    old = out.with_name(out.name + ".old")
    if out.exists():
        if not (out / MANIFEST).is_file():
            raise InvalidInput(f"{out} exists and is no plan.", column="out", mend="Give another --out.")
        shutil.rmtree(old, ignore_errors=True)
        out.replace(old)
    made.replace(out)
    shutil.rmtree(old, ignore_errors=True)


def round_files(number: int) -> tuple[str, str, str]:
    """Names of the files of a round."""
    end = "" if number == 1 else f"-{number}"
    return f"certificate{end}.json", f"problem{end}.npz", values_name(number)
