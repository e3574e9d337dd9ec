"""Settings of the pipelines and the API, validated once; the library itself reads none."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["SCOPES", "DeclaredFeature", "NamedKey", "Settings"]

Scope = Literal["score", "outcomes", "read", "explain", "admin"]
#: What an API key may be allowed: to ask for decisions, to tell what happened, to read the log, to have decisions
#: explained, and everything else (giving out and erasing a debtor's data).
SCOPES: tuple[Scope, ...] = ("score", "outcomes", "read", "explain", "admin")

_SHORTEST_KEY = 16
_SHORTEST_SECRET = 32
_HASH = re.compile(
    r"\$argon2id\$v=19\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+"
    r"|scrypt\$\d+\$\d+\$\d+\$[A-Za-z0-9+/]+=*\$[A-Za-z0-9+/]+=*"  # of earlier versions
)


class NamedKey(BaseModel):
    """An API key of somebody: its hash, what it may do, and until when."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    sha256: str = Field(pattern="^[0-9a-f]{64}$", repr=False)
    scopes: tuple[Scope, ...] = Field(min_length=1)
    expires: AwareDatetime | None = None


class DeclaredFeature(BaseModel):
    """A feature that accounts may bring."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["number", "category", "any"]
    unit: str | None = None
    levels: tuple[str, ...] = ()
    range: tuple[float, float] | None = None


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
    require_model: bool = Field(
        False, description="Without a model nothing is decided (503): the seed rules do not stand in for one."
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
    without_packs: tuple[Literal["HOUSE", "TRADE", "PURPOSE"], ...] = Field(
        (), description="Packs of the house that are switched off; they hold beside the law by default."
    )
    templates: tuple[Path, ...] = Field(
        (),
        description="Your own messages: TOML files, tables or folders of them; a catalogue with findings of "
        "`messages lint` keeps the service from starting. By default the packaged texts.",
    )
    segments: Path | None = Field(
        None, description="Rules of your own segments (TOML, docs/segments.md); by default those of the package."
    )
    objective: str = Field("reward", description="What is maximised: the reward, or a rung of the value ladder.")
    levers: Path | None = Field(None, description="Bounded wishes of the business (TOML, docs/objective.md).")
    offers: Path | None = Field(
        None,
        description="Price list of offers (TOML, docs/purposes.md); what was offered is kept in the decision log. "
        "None: no offer is made.",
    )
    authority: Literal["automatic", "agent", "supervisor"] = Field(
        "automatic", description="Whose word the offers of this service have."
    )
    api_keys: tuple[SecretStr, ...] = Field((), description="Accepted values of the X-API-Key header.")
    named_keys: dict[str, NamedKey] = Field(
        default_factory=dict,
        repr=False,
        description="Name -> hash, scopes and end of an API key; made by `python -m api.service.keys NAME`.",
    )
    oidc_issuer: str | None = Field(
        None, description="Identity provider whose bearer tokens are taken beside API keys (OpenID Connect)."
    )
    oidc_audience: str | None = Field(None, description="Whom a token must be for: the name of this service there.")
    oidc_scopes: dict[str, tuple[Scope, ...]] = Field(
        {scope: (scope,) for scope in SCOPES},
        description="Scope or role of a token -> scopes of this service; what is not named gives nothing.",
    )
    oidc_scope_claim: str = Field("scope", description="Claim that holds them, e.g. scp, roles, realm_access.roles.")
    oidc_algorithms: tuple[Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
                                   "EdDSA"], ...] = Field(
        ("RS256", "ES256"), min_length=1, description="How tokens may be signed: by keys that the issuer publishes."
    )  # fmt: skip
    oidc_leeway_seconds: float = Field(30.0, ge=0, le=300, description="How far clocks may differ.")
    oidc_jwks_url: str | None = Field(None, description="Where the issuer's keys are; None: as it describes itself.")
    features: dict[str, DeclaredFeature] = Field(
        default_factory=dict,
        description="Features that are taken beside the model's: name -> kind (number, category, any), unit, levels, "
        "range. With neither a model nor a declaration all are.",
    )
    undeclared_features: Literal["refuse", "ignore"] = Field(
        "refuse", description="What becomes of features that neither the model nor the service names."
    )
    numeric_ids: bool = Field(
        False, description="Take ids of seven and more digits: they are the system's own, and nobody's."
    )
    max_accounts: int = Field(5_000, ge=1, description="Most accounts, or outcomes, in one request.")
    max_body_bytes: int = Field(16 * 2**20, ge=1_024, description="Largest request body.")
    max_in_flight: int = Field(32, ge=1, description="Requests that are worked on at once in one process.")
    max_waiting: int = Field(256, ge=0, description="Requests that may wait for a turn; the next one is told to retry.")
    deadline_seconds: float = Field(
        20.0,
        gt=0,
        description="How long a request may wait for a turn, and after it for its debtors and the log; then 503.",
    )
    read_timeout_seconds: float = Field(30.0, gt=0, description="How long a body may take to arrive.")
    rate_limit: str | None = Field(
        None, description="Requests of one key (or client, without keys), e.g. '600/minute'; none by default."
    )
    seed: int = Field(0, description="Part of the key that draws the dispatched action.")
    contact_hours: tuple[int, ...] = Field(tuple(range(7, 21)), description="Hours of the cold-start action space.")

    docs: bool | None = Field(
        None, description="/docs, /redoc and /openapi.json; None: in development only. In production behind a key."
    )
    pages: bool | None = Field(
        None,
        description="The managers' web pages; None: on in development, in production where managers are configured.",
    )
    managers: dict[str, SecretStr] = Field(
        default_factory=dict,
        repr=False,
        description="Name -> password hash of who may read the pages; made by `python -m api.pages.passwords NAME`.",
    )
    session_secret: SecretStr | None = Field(
        None,
        repr=False,
        description="Signs the managers' sessions, the same in every worker; without one they end with the process.",
    )
    session_hours: float = Field(8.0, gt=0, le=720, description="How long a manager stays logged in.")
    login_rate_limit: str = Field("10/minute", description="Tries to log in, by address and by name.")
    portfolio_path: Path | None = Field(
        None, description="Folder that the pages read: accounts, contacts and stored reports (docs/managers-pages.md)."
    )
    holdout_experiment: str | None = Field(
        None, description="Name of the randomised control group that results are held against; none by default."
    )
    holdout_share: float = Field(0.1, gt=0, lt=1, description="Share of debtors in the control group.")
    spanish_locale: str = Field("es-CO", description="Region of the Spanish pages, e.g. es-MX, es-PE, es-CL or es-ES.")
    english_locale: str = Field("en-GB", description="Formats of the English pages, e.g. en-US.")

    @field_validator("oidc_issuer", "oidc_jwks_url")
    @classmethod
    def _over_https(cls, url: str | None) -> str | None:
        if url is not None and not re.match(r"https://[^/]|http://(127\.0\.0\.1|localhost|\[::1\])[:/]", url):
            raise ValueError("an identity provider is asked over https; write https://...")
        return url

    @field_validator("api_keys")
    @classmethod
    def _long_enough(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(len(key.get_secret_value()) < _SHORTEST_KEY for key in keys):
            raise ValueError(f"an API key needs at least {_SHORTEST_KEY} characters")
        return keys

    @field_validator("managers")
    @classmethod
    def _hashed(cls, managers: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, password_hash in managers.items():
            if not re.fullmatch(r"[\w.@-]{1,64}", name):
                raise ValueError("a manager's name may hold letters, digits and . _ @ -, 64 at most")
            if not _HASH.fullmatch(password_hash.get_secret_value()):
                raise ValueError("give password hashes, never passwords: run `python -m api.pages.passwords NAME`")
        return managers

    @field_validator("session_secret")
    @classmethod
    def _long_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and len(secret.get_secret_value()) < _SHORTEST_SECRET:
            raise ValueError(f"a session secret needs at least {_SHORTEST_SECRET} characters")
        return secret

    @field_validator("spanish_locale", "english_locale")
    @classmethod
    def _regional(cls, locale: str, info: ValidationInfo) -> str:
        language = {"spanish_locale": "es", "english_locale": "en"}[str(info.field_name)]
        if not re.fullmatch(rf"{language}(-([A-Z]{{2}}|\d{{3}}))?", locale):
            raise ValueError(f"write a region of {language}, e.g. {language}-US")
        return locale

    @property
    def packs_in_force(self) -> tuple[str, ...]:
        """Packs of accounts that name no country, and those of the house, which hold for all."""
        house = tuple(pack for pack in ("HOUSE", "TRADE") if pack not in self.without_packs)
        return tuple(dict.fromkeys([*self.packs, *house]))

    @property
    def purpose_packs(self) -> tuple[str, ...]:
        """The pack that says whom each purpose is for, unless it is switched off."""
        return () if "PURPOSE" in self.without_packs else ("PURPOSE",)

    @property
    def shows_docs(self) -> bool:
        """Whether the API describes itself over HTTP."""
        return self.environment == "development" if self.docs is None else self.docs

    @property
    def shows_pages(self) -> bool:
        """Whether the managers' pages are there."""
        return bool(self.managers) or self.environment == "development" if self.pages is None else self.pages

    @model_validator(mode="after")
    def _managers_in_production(self) -> Self:
        if self.environment == "production" and self.shows_pages:
            if not self.managers:
                raise ValueError(
                    "the pages have no managers in production: set RECOMMENDER_MANAGERS "
                    "(python -m api.pages.passwords NAME), or RECOMMENDER_PAGES=false"
                )
            if self.session_secret is None:
                raise ValueError("set RECOMMENDER_SESSION_SECRET: without it each worker would know other sessions")
        return self

    @model_validator(mode="after")
    def _offers_are_remembered(self) -> Self:
        if self.offers is not None and self.decision_log_url is None:
            raise ValueError("set RECOMMENDER_DECISION_LOG_URL: offers that nobody remembers would break their budget")
        return self

    @model_validator(mode="after")
    def _keys_in_production(self) -> Self:
        if self.oidc_issuer is not None and not self.oidc_audience:
            raise ValueError("set RECOMMENDER_OIDC_AUDIENCE: a token of the issuer for another service is none for us")
        if self.environment == "production" and not (self.api_keys or self.named_keys or self.oidc_issuer):
            raise ValueError(
                'set RECOMMENDER_API_KEYS to a JSON list of keys, e.g. ["..."], or use environment=development'
            )
        return self
