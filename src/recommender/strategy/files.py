"""A strategy as plain files and back: JSON, LightGBM text and npz, nothing that is executed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from recommender.actions import ActionSpace
from recommender.artefact import arrays_from_bytes, arrays_to_bytes
from recommender.errors import ArtefactError
from recommender.features import AccountHistory
from recommender.learning import LadderModel, OwnReward, RewardModel
from recommender.strategy.own_rows import OwnRows
from recommender.support import NeverTried

__all__ = ["LEARNT", "learnt_in", "parameters_in", "strategy_to_files", "without_threads"]

LEARNT = (
    "actions_",
    "feature_names_in_",
    "categorical_",
    "names_",
    "reward_kind_",
    "temperature_",
    "exploration_cost_",
    "trained_on_",
    "action_counts_",
    "own_rows_",
    "never_tried_",
    "history_",
    "ladder_",
    "money_",
)
_REWARD = "reward/"  # where the reward model's own files stand
_LADDER = "ladder/"  # and those of the value ladder


def strategy_to_files(
    parameters: Mapping[str, Any], learnt: Mapping[str, Any], reward_files: Mapping[str, bytes]
) -> dict[str, bytes]:
    """Everything a strategy is made of.

    Parameters
    ----------
    parameters : mapping of str to object
        Constructor parameters, in JSON terms.
    learnt : mapping of str to object
        Learnt attributes by name, those of :data:`LEARNT`.
    reward_files : mapping of str to bytes
        The reward model's own.
    """
    described = {
        "parameters": dict(parameters),
        "actions": learnt["actions_"].to_dict(),
        "context": [str(name) for name in learnt["feature_names_in_"]],
        "categorical": list(learnt["categorical_"]),
        "names": learnt["names_"],
        "reward_kind": learnt["reward_kind_"],
        "temperature": learnt["temperature_"],
        "exploration_cost": learnt["exploration_cost_"],
        "trained_on": learnt["trained_on_"],
        "origin": learnt["own_rows_"].origin,
        "never_tried": learnt["never_tried_"].to_dict(),
    }
    files = {f"{_REWARD}{name}": content for name, content in reward_files.items()}
    if learnt["ladder_"] is not None:
        described["money"] = learnt["money_"]
        files |= {f"{_LADDER}{name}": content for name, content in learnt["ladder_"].to_files().items()}
    files["policy.json"] = json.dumps(described, indent=1, sort_keys=True, ensure_ascii=False).encode()
    arrays = {"action_counts": learnt["action_counts_"], **learnt["own_rows_"].to_arrays()}
    files["training.npz"] = arrays_to_bytes(arrays)
    if learnt["history_"] is not None:
        files["history.npz"] = arrays_to_bytes(learnt["history_"].to_arrays())
    return files


def without_threads(files: dict[str, bytes]) -> dict[str, bytes]:
    """The same files without the number of threads, which changes no number that was learnt."""
    kept = dict(files)
    for name, content in files.items():
        if name.endswith(".json") and b'"n_jobs"' in content:
            document = json.loads(content)
            document.pop("n_jobs", None)
            document.get("parameters", {}).pop("n_jobs", None)
            kept[name] = json.dumps(document, sort_keys=True).encode()
    return kept


def parameters_in(files: dict[str, bytes]) -> dict[str, Any]:
    """Constructor parameters of a saved strategy."""
    parameters: dict[str, Any] = _described(files)["parameters"]
    return parameters


def learnt_in(files: dict[str, bytes], reward_model: Any | None = None) -> dict[str, Any]:
    """Learnt attributes of a saved strategy, by name; ``reward_model`` reads its own part of the files."""
    described = _described(files)
    try:
        actions = ActionSpace.from_dict(described["actions"])
        arrays = arrays_from_bytes(files["training.npz"])
        history = files.get("history.npz")
        learnt = {
            "actions_": actions,
            "feature_names_in_": np.array(described["context"], dtype=object),
            "categorical_": tuple(described["categorical"]),
            "names_": described["names"],
            "reward_kind_": described["reward_kind"],
            "temperature_": float(described["temperature"]),
            "exploration_cost_": float(described["exploration_cost"]),
            "trained_on_": described["trained_on"],
            "never_tried_": NeverTried.from_dict(described["never_tried"]),
            "action_counts_": arrays["action_counts"],
            "own_rows_": OwnRows.from_arrays(described["origin"], arrays),
            "history_": None if history is None else AccountHistory.from_arrays(arrays_from_bytes(history), actions),
        }
    except (KeyError, TypeError) as error:
        raise ArtefactError(f"The saved strategy is incomplete: {error!r}. Train and save it again.") from error
    ladder = {name[len(_LADDER) :]: content for name, content in files.items() if name.startswith(_LADDER)}
    learnt["ladder_"] = LadderModel.from_files(ladder, actions) if ladder else None
    learnt["money_"] = described.get("money", "other")
    reward = {name[len(_REWARD) :]: content for name, content in files.items() if name.startswith(_REWARD)}
    own = OwnReward.is_in(reward)
    learnt["reward_model_"] = OwnReward.from_files(reward, reward_model) if own else RewardModel.from_files(reward)
    return learnt


def _described(files: dict[str, bytes]) -> dict[str, Any]:
    try:
        described: dict[str, Any] = json.loads(files["policy.json"])
    except (KeyError, json.JSONDecodeError) as error:
        raise ArtefactError(f"The saved strategy is incomplete: {error!r}. Train and save it again.") from error
    return described
