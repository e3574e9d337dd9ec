"""The price list: what an agency may offer, by stage, balance and authority, and what each offer costs."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from recommender.errors import InvalidInput
from recommender.messages import STAGES

__all__ = ["AUTHORITIES", "Authority", "Offer", "PriceList", "PriceListError"]

Authority = Literal["automatic", "agent", "supervisor"]
AUTHORITIES: tuple[Authority, ...] = ("automatic", "agent", "supervisor")
Stage = Literal["preventive", "administrative", "extrajudicial", "judicial"]


class PriceListError(InvalidInput):
    """A price list that cannot be used."""


class Offer(BaseModel):
    """One offer: a part of the balance forgiven, or the balance in instalments."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    kind: Literal["discount", "instalments"]
    #: Per cent of the balance that is forgiven (discount).
    percent: float = Field(default=0.0, ge=0, lt=100)
    #: Equal monthly payments (instalments); the first is due at once.
    instalments: int = Field(default=1, ge=1, le=120)
    stages: tuple[Stage, ...] = Field(min_length=1)
    min_balance_minor: int = Field(default=0, ge=0)
    max_balance_minor: int | None = Field(default=None, ge=0)
    authority: Authority = "automatic"
    valid_days: int = Field(default=10, ge=1, le=365)

    @model_validator(mode="after")
    def _says_one_thing(self) -> Offer:
        if self.id == "none":
            raise ValueError("offer 'none' is what making no offer is called; give it another id")
        if self.kind == "discount" and (self.percent <= 0 or self.instalments != 1):
            raise ValueError(f"offer {self.id!r} is a discount: it needs percent above 0 and no instalments")
        if self.kind == "instalments" and (self.instalments < 2 or self.percent != 0):
            raise ValueError(f"offer {self.id!r} is in instalments: it needs 2 or more of them and no percent")
        if self.max_balance_minor is not None and self.max_balance_minor < self.min_balance_minor:
            raise ValueError(f"offer {self.id!r} ends at a balance below the one it begins at")
        return self

    @property
    def message_kind(self) -> str:
        """Kind of message that tells it."""
        return "incentive" if self.kind == "discount" else "flexible_offer"

    def covers(self, balance_minor: float) -> bool:
        """Whether it is for debts of that balance."""
        upper = np.inf if self.max_balance_minor is None else self.max_balance_minor
        return bool(self.min_balance_minor <= balance_minor <= upper)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    schema_: Literal[1] = Field(alias="schema")
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    budget_minor: int | None = Field(default=None, ge=0)
    capital_percent_month: float = Field(default=0.0, ge=0, le=20)
    offers: tuple[Offer, ...] = Field(min_length=1)


class PriceList:
    """Offers of an agency.

    Parameters
    ----------
    offers : iterable of Offer
    currency : str
    budget_minor : int or None
        Most that all offers may cost together, were each of them accepted; None = no limit.
    capital_percent_month : float, default=0
        What money that comes in a month later costs, in per cent: the price of instalments.

    Raises
    ------
    PriceListError
        When an id is used twice, or an offer of a kind is dearer at a later stage: then waiting would pay.
    """

    def __init__(
        self,
        offers: Iterable[Offer],
        *,
        currency: str,
        budget_minor: int | None = None,
        capital_percent_month: float = 0.0,
    ) -> None:
        self.offers = tuple(offers)
        self.currency = currency
        self.budget_minor = budget_minor
        self.capital_percent_month = capital_percent_month
        ids = [offer.id for offer in self.offers]
        if len({*ids}) < len(ids):
            twice = sorted({name for name in ids if ids.count(name) > 1})
            raise PriceListError(f"Offer ids are used twice: {twice}.", column="id", mend="Give each its own.")
        self._check_waiting()

    @classmethod
    def from_toml(cls, text: str, *, name: str = "offers.toml") -> Self:
        """Read a price list; see docs/purposes.md for its fields."""
        try:
            parsed = _File.model_validate(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise PriceListError(f"{name} is no TOML: {error}.", mend="Mend the line named.") from error
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(map(str, f['loc']))}: {f['msg']}" for f in error.errors())
            raise PriceListError(f"{name}: {faults}.", mend="docs/purposes.md names every field.") from error
        return cls(
            parsed.offers,
            currency=parsed.currency,
            budget_minor=parsed.budget_minor,
            capital_percent_month=parsed.capital_percent_month,
        )

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids in the order of the list."""
        return tuple(offer.id for offer in self.offers)

    def get(self, offer_id: str) -> Offer | None:
        """Offer of an id, or None."""
        return next((offer for offer in self.offers if offer.id == offer_id), None)

    def generosity(self, offer: Offer) -> float:
        """What an offer gives away, in per cent of the balance: the measure that offers are compared by."""
        if offer.kind == "discount":
            return offer.percent
        return self.capital_percent_month * (offer.instalments - 1) / 2

    def costs(self, balance_minor: NDArray[np.float64]) -> NDArray[np.float64]:
        """Minor units that each offer costs if it is accepted, shape (n, n_offers); NaN where the balance is."""
        given = np.array([self.generosity(offer) for offer in self.offers])
        return np.asarray(balance_minor[:, None] * given / 100.0)

    @property
    def digest(self) -> str:
        """First 16 digits of the SHA-256 of everything in it."""
        contents = [self.currency, self.budget_minor, self.capital_percent_month]
        contents += [offer.model_dump_json() for offer in self.offers]
        return hashlib.sha256(repr(contents).encode()).hexdigest()[:16]

    def _check_waiting(self) -> None:
        """Refuse a list by which a debtor of some balance gets a dearer offer of a kind for growing older."""
        edges = {
            edge for one in self.offers for edge in (one.min_balance_minor, one.max_balance_minor) if edge is not None
        }
        for balance in sorted({0.0, *edges, *(edge + 1 for edge in edges)}):
            for kind in ("discount", "instalments"):
                self._check_stages([one for one in self.offers if one.kind == kind and one.covers(balance)], balance)

    def _check_stages(self, offers: list[Offer], balance: float) -> None:
        least: Offer | None = None  # of the best of each stage so far
        for stage in STAGES:
            most = max((one for one in offers if stage in one.stages), key=self.generosity, default=None)
            if most is None:
                continue
            if least is not None and self.generosity(most) > self.generosity(least) + 1e-12:
                raise PriceListError(
                    f"Offer {most.id!r} gives {self.generosity(most):g} % of a balance of {balance:,.0f} at the "
                    f"{stage} stage, more than {least.id!r} ({self.generosity(least):g} %) at an earlier one: it "
                    "would pay to wait.",
                    column="stages",
                    mend=f"Offer {most.id!r} at the earlier stage too, or make it smaller.",
                )
            if least is None or self.generosity(most) < self.generosity(least):
                least = most
