"""A strategy as plain files and back: JSON, LightGBM text and npz, nothing that is executed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from recommender.actions import ActionSpace
from recommender.artefact import arrays_from_bytes, arrays_to_bytes
from recommender.errors import ArtefactError
from recommender.features import AccountHistory
from recommender.learning import RewardModel
from recommender.strategy.own_rows import OwnRows
from recommender.support import NeverTried

if TYPE_CHECKING:
    from recommender.strategy import ContactStrategy

__all__ = ["learnt_in", "parameters_in", "strategy_to_files", "without_threads"]

_REWARD = "reward/"


def strategy_to_files(strategy: ContactStrategy) -> dict[str, bytes]:
    """Everything a strategy learnt."""
    described = {
        "parameters": strategy.get_params(deep=False),
        "actions": strategy.actions_.to_dict(),
        "context": [str(name) for name in strategy.feature_names_in_],
        "categorical": list(strategy.categorical_),
        "names": strategy.names_,
        "reward_kind": strategy.reward_kind_,
        "temperature": strategy.temperature_,
        "exploration_cost": strategy.exploration_cost_,
        "trained_on": strategy.trained_on_,
        "origin": strategy.own_rows_.origin,
        "never_tried": strategy.never_tried_.to_dict(),
    }
    files = {f"{_REWARD}{name}": content for name, content in strategy.reward_model_.to_files().items()}
    files["policy.json"] = json.dumps(described, indent=1, sort_keys=True, ensure_ascii=False).encode()
    arrays = {"action_counts": strategy.action_counts_, **strategy.own_rows_.to_arrays()}
    files["training.npz"] = arrays_to_bytes(arrays)
    if strategy.history_ is not None:
        files["history.npz"] = arrays_to_bytes(strategy.history_.to_arrays())
    return files


def without_threads(files: dict[str, bytes]) -> dict[str, bytes]:
    """The same files without the number of threads, which changes no number that was learnt."""
    kept = dict(files)
    for name, content in files.items():
        if name.endswith(".json") and b'"n_jobs"' in content:
            told = json.loads(content)
            told.pop("n_jobs", None)
            told.get("parameters", {}).pop("n_jobs", None)
            kept[name] = json.dumps(told, sort_keys=True).encode()
    return kept


def parameters_in(files: dict[str, bytes]) -> dict[str, Any]:
    """Constructor parameters of a saved strategy."""
    parameters: dict[str, Any] = _described(files)["parameters"]
    return parameters


def learnt_in(files: dict[str, bytes]) -> dict[str, Any]:
    """Learnt attributes of a saved strategy, by name."""
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
    reward = {name[len(_REWARD) :]: content for name, content in files.items() if name.startswith(_REWARD)}
    learnt["reward_model_"] = RewardModel.from_files(reward)
    return learnt


def _described(files: dict[str, bytes]) -> dict[str, Any]:
    try:
        described: dict[str, Any] = json.loads(files["policy.json"])
    except (KeyError, json.JSONDecodeError) as error:
        raise ArtefactError(f"The saved strategy is incomplete: {error!r}. Train and save it again.") from error
    return described
