"""Which strategy is being served: loaded at the start, swapped whole when a new champion is promoted."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from api.service.feature_contract import FeatureContract
from api.service.following import RegistryFollower
from api.service.offering import OfferTerms
from recommender.artefact import MANIFEST, digest_of
from recommender.deciding import Decider, Objective, Segments, default_actions, default_segments
from recommender.errors import InvalidInput, RecommenderError
from recommender.messages import Catalogue
from recommender.offers import PriceList
from recommender.settings import Settings
from recommender.store.decision_log import Provenance
from recommender.store.files import catalogue_at
from recommender.strategy import ContactStrategy, SeedStrategy

__all__ = ["NOTHING_LEARNT", "NO_CHAMPION", "Served", "Serving"]

NOTHING_LEARNT, NO_CHAMPION = "no model has been trained yet", "the registry has no champion yet"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class House:
    """What an agency has of its own: the same under every strategy.

    Attributes
    ----------
    catalogue : Catalogue or None
        Approved messages; None = those of the package.
    segments : Segments
    objective : Objective
    offers : OfferTerms or None
        None = no offer is made.
    without : tuple of str
        Packs of the house that are switched off by name.
    """

    catalogue: Catalogue | None = None
    segments: Segments = field(default_factory=default_segments)
    objective: Objective = field(default_factory=Objective)
    offers: OfferTerms | None = None
    without: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: Settings) -> House:
        """Read the files that the settings name.

        Raises
        ------
        InvalidInput
            For a file that is missing or wrong.
        """
        prices = _text_of(settings.offers, "offers")
        rules, levers = _text_of(settings.segments, "segments"), _text_of(settings.levers, "levers")
        name = None if settings.objective == "reward" else settings.objective
        return cls(
            catalogue_at(settings.templates),
            default_segments() if rules is None else Segments.from_toml(rules, str(settings.segments)),
            Objective.from_toml(levers or "", str(settings.levers or "objective"), objective=name),
            None
            if prices is None
            else OfferTerms(PriceList.from_toml(prices, name=str(settings.offers)), settings.authority, prices),
            without=settings.without_packs,
        )

    @property
    def for_seed_rules(self) -> House:
        """Seed rules learnt nothing that could be maximised."""
        return replace(self, objective=Objective())


def _text_of(path: Path | None, setting: str) -> str | None:
    if path is None:
        return None
    if not path.is_file():
        raise InvalidInput(f"There is no file {path}.", column=setting, mend=f"Check RECOMMENDER_{setting.upper()}.")
    return path.read_text(encoding="utf-8")


@dataclass(frozen=True)
class Served:
    """A strategy in use and what there is to say about it.

    Attributes
    ----------
    decider : Decider
    source : str
    note, digest : str or None
    provenances : dict
        Versions that decisions were made with; few, and the same for many decisions.
    contracts : dict
        Which features are taken, by the settings that they hang on.
    deciders : dict
        For purposes beside collection, made when they are first asked for.
    """

    decider: Decider
    source: str
    note: str | None = None
    digest: str | None = None
    provenances: dict[Any, Provenance] = field(default_factory=dict, compare=False, repr=False)
    contracts: dict[int, FeatureContract] = field(default_factory=dict, compare=False, repr=False)
    deciders: dict[str, Decider] = field(default_factory=dict, compare=False, repr=False)
    house: House = field(default_factory=House, compare=False, repr=False)

    @property
    def strategy(self) -> ContactStrategy | SeedStrategy:
        """What decides."""
        return self.decider.strategy

    def contract(self, settings: Settings) -> FeatureContract:
        """Which features are taken while this serves."""
        contract: FeatureContract | None = self.contracts.get(id(settings))
        if contract is None:
            contract = FeatureContract.of(self.strategy, settings)
            self.contracts[id(settings)] = contract
        return contract

    def decider_for(self, purpose: str) -> Decider:
        """The strategy ready to decide for a purpose: each has its texts, its law and its ids."""
        if purpose == "collection":
            return self.decider
        known = self.deciders.get(purpose)
        return known or self.deciders.setdefault(
            purpose,
            Decider(
                self.strategy,
                purpose=purpose,
                catalogue=self.decider.catalogue,
                objective=self.decider.objective,
                offers=None if self.house.offers is None else self.house.offers.desk,
                without=self.house.without,
            ),
        )

    @property
    def offers(self) -> OfferTerms | None:
        """What may be offered; None where there is no price list, or the strategy knows no offers."""
        return self.house.offers if "offer" in self.decider.actions.factors else None

    @property
    def segments(self) -> Segments:
        """Rules that name each account's segment."""
        return self.house.segments

    @property
    def is_model(self) -> bool:
        """Whether something was learnt, or the seed rules answer."""
        return isinstance(self.strategy, ContactStrategy)

    @classmethod
    def load(cls, path: Path, source: str, note: str | None = None, *, house: House | None = None) -> Served:
        """Read a saved strategy, so far that the first request finds everything computed.

        Raises
        ------
        ArtefactError
        """
        strategy = ContactStrategy.load(path)
        return cls.of(strategy, source, note, digest_of(strategy.to_files()), house=house)

    @classmethod
    def of(
        cls,
        strategy: ContactStrategy | SeedStrategy,
        source: str,
        note: str | None = None,
        digest: str | None = None,
        *,
        house: House | None = None,
    ) -> Served:
        """Make a strategy ready: what can be compiled is, and has run once."""
        own = house or House()
        desk = None if own.offers is None else own.offers.desk
        decider = Decider(strategy, catalogue=own.catalogue, objective=own.objective, offers=desk, without=own.without)
        decider.warm_up()
        return cls(decider, source, note, digest, house=own)


class Serving:
    """Keeps the current strategy; a reader always sees a whole one.

    A saved strategy (``model_path``) is looked at again by requests, every few seconds. A registry is followed by a
    thread, so that no request waits for it.

    Parameters
    ----------
    settings : Settings
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._seen: Stamp | None = None
        self._checked = float("-inf")
        self._house = House.of(settings)
        seeds = SeedStrategy(default_actions(settings.contact_hours))
        self._seeds = Served.of(seeds, "seed rules", house=self._house.for_seed_rules)
        self._served = self._seed_rules(NOTHING_LEARNT)
        self._follower: RegistryFollower[Served] | None = None
        if settings.registry_uri is None:
            self.refresh()
        else:
            self._follower = RegistryFollower(settings, settings.registry_uri, partial(Served.load, house=self._house))
            self._follower.start()

    def current(self) -> Served:
        """The strategy to answer with."""
        if self._follower is not None:
            note = self._follower.trouble or NO_CHAMPION
            return self._follower.champion or self._seed_rules(note)
        if time.monotonic() - self._checked > self._settings.registry_poll_seconds and self._lock.acquire(False):
            try:
                self.refresh()
            finally:
                self._lock.release()
        return self._served

    @property
    def lacks_model(self) -> bool:
        """Whether a model is required, and none serves."""
        return self._settings.require_model and not self.current().is_model

    @property
    def is_due(self) -> bool:
        """Whether the next look at what is served may load a model, which takes seconds."""
        return self._follower is None and time.monotonic() - self._checked > self._settings.registry_poll_seconds

    def challenger(self) -> Served | None:
        """The strategy to ask beside it, in shadow mode."""
        return None if self._follower is None else self._follower.challenger

    def registry(self) -> dict[str, Any] | None:
        """What is known of the registry, None when none is followed."""
        return None if self._follower is None else self._follower.to_dict()

    def close(self) -> None:
        """Stop following."""
        if self._follower is not None:
            self._follower.stop()

    def refresh(self) -> None:
        """Load the saved strategy when it is new; keep the one in use when the new one cannot be loaded."""
        self._checked = time.monotonic()
        path = self._settings.model_path
        manifest = None if path is None else Path(path) / MANIFEST
        if manifest is None or not manifest.is_file():
            return
        stamp = _stamp_of(manifest.parent)
        if stamp is None or stamp == self._seen:
            return
        try:
            served = Served.load(manifest.parent, str(path), house=self._house)
        except RecommenderError as error:
            _log.error("model refused", path=str(path), reason=str(error))
            note = f"the saved model was refused: {error}"
            if not self._served.is_model:
                self._served = self._seed_rules(note)
            else:  # it goes on, and says that something newer was refused
                self._served = replace(self._served, note=note)
        else:
            self._served = served
            _log.info("model loaded", path=str(path), version=served.strategy.version_)
        self._seen = stamp

    def _seed_rules(self, note: str) -> Served:
        return replace(self._seeds, note=note)


Stamp = tuple[tuple[str, int, int], ...]


def _stamp_of(folder: Path) -> Stamp | None:
    """What tells a saved model from another without reading it; None while its files come and go.

    All files count: one that was refused half written is read again when the rest has arrived.
    """
    try:
        files = [(str(file.relative_to(folder)), file.stat()) for file in sorted(folder.rglob("*")) if file.is_file()]
    except OSError:
        return None
    return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in files)
