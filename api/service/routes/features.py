"""``GET /v1/features``: which features accounts may bring."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.service.deps import KeyDep, ServedDep, SettingsDep

router = APIRouter(prefix="/v1", tags=["recommendations"], dependencies=[KeyDep])


class Feature(BaseModel):
    """One feature that is taken."""

    name: str
    kind: Literal["number", "category", "any"]
    unit: str | None
    levels: list[str] = Field(description="Levels that the model learnt; another one is taken, and told in notes.")
    range: list[float] | None = Field(description="Smallest and largest number learnt; others are taken and told.")


class FeaturesAnswer(BaseModel):
    """The contract of the features."""

    source: Literal["model", "declared", "none"]
    policy_version: str
    open: bool = Field(description="Whether features that are not named here are taken as well.")
    features: list[Feature]


@router.get("/features")
def list_features(served: ServedDep, settings: SettingsDep) -> FeaturesAnswer:
    """Name the features that are taken: those of the model that serves, and those that the service declares."""
    contract = served.contract(settings)
    return FeaturesAnswer(
        source=contract.source,
        policy_version=served.strategy.version_,
        open=contract.is_open,
        features=[Feature(**one) for one in contract.to_list()],
    )
