"""Settings of the pipelines and the API, validated once; the library itself reads none."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["Settings"]

_SHORTEST_KEY = 16


class Settings(BaseSettings):
    """Read from arguments and from environment variables ``RECOMMENDER_<NAME>``.

    Built once, in ``create_app`` or in a pipeline's ``main``, and passed on.
    """

    # What is wrong with a setting is told without repeating it: it may be a key or hold a password.
    model_config = SettingsConfigDict(env_prefix="RECOMMENDER_", extra="forbid", frozen=True, hide_input_in_errors=True)

    environment: Literal["development", "production"] = Field(
        "development", description="In production the API refuses to start without keys."
    )
    model_path: Path | None = Field(
        Path("models/strategy"), description="Directory of a saved strategy; without one the seed rules answer."
    )
    registry_uri: str | None = Field(
        None, repr=False, description="MLflow tracking URI; when set, the alias champion is served and followed."
    )
    registry_model: str = Field("contact-strategy", description="Name of the registered model.")
    registry_poll_seconds: float = Field(15.0, gt=0, description="How often the registry is asked for a new champion.")
    registry_cache: Path = Field(
        Path("models/cache"), description="Folder for fetched strategies; what was served last outlives an outage."
    )
    shadow: bool = Field(
        False, description="Log what the alias challenger would have done beside each decision; never dispatched."
    )
    decision_log_url: str | None = Field(
        None,
        repr=False,
        description="SQLAlchemy URL of the decision log; without one decisions are answered but not kept.",
    )
    packs: tuple[str, ...] = Field(("CO",), description="Rule packs of accounts that name no country.")
    api_keys: tuple[SecretStr, ...] = Field((), description="Accepted values of the X-API-Key header.")
    max_accounts: int = Field(5_000, ge=1, description="Most accounts, or outcomes, in one request.")
    max_body_bytes: int = Field(32 * 2**20, ge=1_024, description="Largest request body.")
    rate_limit: str | None = Field(
        None, description="Requests of one key (or client, without keys), e.g. '600/minute'; none by default."
    )
    seed: int = Field(0, description="Part of the key that draws the dispatched action.")
    contact_hours: tuple[int, ...] = Field(tuple(range(7, 21)), description="Hours of the cold-start action space.")

    @field_validator("api_keys")
    @classmethod
    def _long_enough(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(len(key.get_secret_value()) < _SHORTEST_KEY for key in keys):
            raise ValueError(f"an API key needs at least {_SHORTEST_KEY} characters")
        return keys

    @model_validator(mode="after")
    def _keys_in_production(self) -> Self:
        if self.environment == "production" and not self.api_keys:
            raise ValueError(
                'set RECOMMENDER_API_KEYS to a JSON list of keys, e.g. ["..."], or use environment=development'
            )
        return self
