"""What a run is after: any column of the value ladder, with bounded levers of the business that are logged."""

from __future__ import annotations

import hashlib
import tomllib
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from recommender.actions import ActionSpace
from recommender.errors import InvalidInput

__all__ = ["OBJECTIVES", "Lever", "Objective"]

Floats = NDArray[np.float64]

OBJECTIVES = (
    "reward", "gain", "p_delivered", "p_reached", "p_promise_to_pay", "p_promise_kept", "p_paid", "expected_amount",
    "net_value", "net_gain",
)  # fmt: skip
"""What may be maximised: the reward that was learnt, or a column of the value ladder."""
_LIGHTEST, _HEAVIEST, _MOST_SHARED = 0.5, 2.0, 0.5


class Lever(BaseModel):
    """A bounded wish of the business about the actions of one level."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    factor: str
    level: str
    #: Times what the action brings above leaving alone.
    weight: float = Field(default=1.0, ge=_LIGHTEST, le=_HEAVIEST)
    #: Least probability of this level where any of its actions is eligible.
    minimum_share: float = Field(default=0.0, ge=0.0, le=_MOST_SHARED)
    #: An action must bring at least so much above leaving alone, in units of the objective.
    floor: float | None = None


class Objective(BaseModel):
    """What is maximised, and how the business leans on it.

    Attributes
    ----------
    name : str
        One of :data:`OBJECTIVES`.
    levers : tuple of Lever
        Weights in [0.5, 2]; minimum shares of together 0.5 at most.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Literal[OBJECTIVES] = "reward"  # type: ignore[valid-type]
    levers: tuple[Lever, ...] = ()

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if (shared := sum(lever.minimum_share for lever in self.levers)) > _MOST_SHARED:
            raise ValueError(f"minimum shares come to {shared:g} together; {_MOST_SHARED:g} is the most")
        if len({(lever.factor, lever.level) for lever in self.levers}) < len(self.levers):
            raise ValueError("two levers are about one level")
        return self

    @classmethod
    def from_toml(cls, text: str, name: str = "objective", *, objective: str | None = None) -> Self:
        """Read an objective with its levers.

        Parameters
        ----------
        text : str
            ``objective = "net_gain"`` and ``[[levers]]``.
        name : str
            Of the file.
        objective : str, optional
            In place of the file's.

        Raises
        ------
        InvalidInput
        """
        mend = "docs/objective.md has the format and the bounds."
        try:
            raw = tomllib.loads(text)
            if unknown := sorted(raw.keys() - {"objective", "levers"}):
                raise InvalidInput(f"{name} has the unknown keys {unknown}.", column=unknown[0], mend=mend)
            chosen = objective or raw.get("objective", "reward")
            return cls.model_validate({"name": chosen, "levers": raw.get("levers", ())})
        except tomllib.TOMLDecodeError as error:
            raise InvalidInput(f"{name} is no TOML: {error}.", column="levers", mend="Mend the line.") from error
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'levers'}: {one['msg']}" for one in error.errors())
            raise InvalidInput(f"{name}: {faults}.", column="levers", mend=mend) from error

    @property
    def is_plain(self) -> bool:
        """Whether nothing is asked for but the reward that was learnt."""
        return self.name == "reward" and not self.levers

    @property
    def digest(self) -> str:
        """First 16 digits of the SHA-256 of what is maximised with its levers."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]

    def version_of(self, strategy_version: str) -> str:
        """Version of a policy of this strategy: its own, and the objective where that is another than the reward."""
        return strategy_version if self.is_plain else f"{strategy_version}+{self.name}.{self.digest[:8]}"

    @property
    def documents(self) -> dict[str, str]:
        """Name and digest as a log keeps them; nothing for the reward that was learnt."""
        return {} if self.is_plain else {"objective": self.name, "objective_digest": self.digest}

    def check(self, actions: ActionSpace) -> None:
        """Refuse levers on factors or levels that the actions do not have.

        Raises
        ------
        InvalidInput
        """
        for lever in self.levers:
            levels = [str(level) for level in actions.factors.get(lever.factor, ())]
            if lever.level not in levels:
                raise InvalidInput.in_column(
                    lever.factor, "has no such level to lean on", values=[lever.level],
                    mend=f"Factors are {', '.join(actions.factors)}; its levels: {', '.join(levels) or 'none'}.",
                )  # fmt: skip

    def leaned(self, values: Floats, actions: ActionSpace) -> tuple[Floats, NDArray[np.bool_]]:
        """Weighted values, and the actions that no floor closes; both of shape (n, n_actions).

        An action of unknown value (NaN: what it costs was never logged) is closed; leaving alone never is.
        """
        known = ~np.isnan(values)
        values = np.where(known, values, 0.0)
        kept = self.above_floors(values, actions) & known
        if actions.no_contact_index is not None:
            kept[:, actions.no_contact_index] = True
        return self.weighted(values, actions), kept

    def weighted(self, values: Floats, actions: ActionSpace) -> Floats:
        """Values with the weights on what each action brings above leaving alone, shape (n, n_actions)."""
        weight = np.ones(len(actions))
        for lever in self.levers:
            weight[_of_level(actions, lever)] *= lever.weight
        idle = _idle(values, actions)
        above = values - idle
        # a weight above 1 helps what loses money too: it loses less
        return np.asarray(idle + np.where(above > 0, above * weight, above / weight))

    def above_floors(self, values: Floats, actions: ActionSpace) -> NDArray[np.bool_]:
        """Actions that bring what their floor asks, shape (n, n_actions)."""
        above = values - _idle(values, actions)
        kept = np.ones(values.shape, dtype=bool)
        for lever in self.levers:
            if lever.floor is not None:
                kept[:, _of_level(actions, lever)] &= above[:, _of_level(actions, lever)] >= lever.floor
        return kept  # leaving alone is of no level

    def shared(self, probabilities: Floats, mask: NDArray[np.bool_], actions: ActionSpace) -> Floats:
        """Probabilities with the least share of each level, evenly over its eligible actions, shape (n, n_actions)."""
        given = np.zeros_like(probabilities)
        left = np.ones(len(probabilities))
        for lever in self.levers:
            if lever.minimum_share > 0:
                own = mask & _of_level(actions, lever)[None]
                count = own.sum(axis=1)
                given += lever.minimum_share * own / np.maximum(count, 1)[:, None]
                left -= lever.minimum_share * (count > 0)
        return np.asarray(given + left[:, None] * probabilities)


def _of_level(actions: ActionSpace, lever: Lever) -> NDArray[np.bool_]:
    codes = actions.codes[:, actions.factor_names.index(lever.factor)]
    levels = np.array([str(level) == lever.level for level in actions.factors[lever.factor]])
    return np.asarray((codes >= 0) & levels[np.maximum(codes, 0)])


def _idle(values: Floats, actions: ActionSpace) -> Floats:
    idle = actions.no_contact_index
    return np.zeros((len(values), 1)) if idle is None else values[:, [idle]]
