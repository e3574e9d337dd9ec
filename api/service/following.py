"""Follow the registry's champion and challenger from a thread; an outage changes nothing but what is reported."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

import structlog

from recommender.errors import ArtefactError, RecommenderError
from recommender.settings import Settings
from recommender.store.registry import CHALLENGER, CHAMPION, Registry

__all__ = ["RegistryFollower"]

_log = structlog.get_logger(__name__)
_FIRST_LOOK_SECONDS = 60.0  # a start with nothing to serve waits so long for the registry
_LAST_CHAMPION_SECONDS = 10.0  # a start with the last champion: a server may hang for longer
_STOP_SECONDS = 3.0  # a look at a registry that is away is left behind; files are moved into place whole
T = TypeVar("T")


class _Withdrawn(RecommenderError):
    """Nobody is champion any more."""


class RegistryFollower(Generic[T]):
    """Polls the aliases; fetches, checks and loads a version when its number changes.

    Parameters
    ----------
    settings : Settings
    uri : str
        Of the registry.
    load : callable (path, source, note) -> T
        Reads a fetched strategy.

    Attributes
    ----------
    champion, challenger : T or None
        What is to be served, and asked beside it. Swapped whole.
    trouble : str or None
        Why the registry could not be followed at the last look.
    """

    def __init__(self, settings: Settings, uri: str, load: Callable[[Path, str, str | None], T]) -> None:
        self._name = settings.registry_model
        self._cache = settings.registry_cache
        self._pause = settings.registry_poll_seconds
        # The artefact root is where new runs would keep their files; nothing is logged from here.
        self._registry = Registry(uri, settings.registry_cache, settings.registry_model)
        self._load = load
        self._aliases = (CHAMPION, CHALLENGER) if settings.shadow else (CHAMPION,)
        self._versions: dict[str, int | None] = {}
        self._looked, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._follow, name="registry-follower", daemon=True)
        self.champion: T | None = None
        self.challenger: T | None = None
        self.trouble: str | None = None

    def start(self) -> None:
        """Begin to follow; returns after the first look, or with what was served last when that takes long."""
        self._serve_last()
        self._thread.start()
        self._looked.wait(_FIRST_LOOK_SECONDS if self.champion is None else _LAST_CHAMPION_SECONDS)

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join(_STOP_SECONDS)

    def to_dict(self) -> dict[str, Any]:
        """Versions in use and whether the registry answers."""
        return {
            "model": self._name,
            "reachable": self._looked.is_set() and self.trouble is None,
            "champion": self._versions.get(CHAMPION),
            "challenger": self._versions.get(CHALLENGER),
            "trouble": self.trouble,
        }

    def _follow(self) -> None:
        while True:
            self._look()
            self._looked.set()
            if self._stop.wait(self._pause):
                return

    def _look(self) -> None:
        """Bring both aliases up to date; whatever goes wrong, what is served stays."""
        trouble = None
        for alias in self._aliases:
            try:
                self._update(alias)
            except (ArtefactError, _Withdrawn) as error:
                trouble = f"{alias}: {error}"
            except Exception as error:  # noqa: BLE001 - any outage: database, network, disk; its text may hold secrets
                trouble = f"{alias}: the registry does not answer ({type(error).__name__})"
        if trouble is not None and trouble != self.trouble:
            _log.error("registry not followed", reason=trouble)
        self.trouble = trouble

    def _update(self, alias: str) -> None:
        version = self._registry.current(alias)
        if alias in self._versions and version == self._versions[alias]:
            return
        if version is None and alias == CHAMPION and self.champion is not None:
            raise _Withdrawn("the alias names no version any more; the one in use stays")
        loaded = None
        if version is not None:
            folder = self._registry.fetch(version, self._cache)
            loaded = self._load(folder, f"{self._name} v{version}", None)
            _log.info("model loaded", alias=alias, version=version)
        if alias == CHAMPION:
            self._remember(version)
        self._versions[alias] = version  # before it is served: no probe sees a champion without its version
        if alias == CHALLENGER:
            self.challenger = loaded
        else:
            self.champion = loaded

    # -- what outlives a restart in an outage --------------------------------------------------------------------
    @property
    def _memory(self) -> Path:
        return self._cache / f"{self._name}-champion.json"

    def _remember(self, version: int | None) -> None:
        if version is None:
            return
        part = self._memory.with_suffix(".part")
        part.write_text(json.dumps({"version": version}), encoding="utf-8")
        part.replace(self._memory)

    def _serve_last(self) -> None:
        """Begin with the champion of the last run, until the registry has answered."""
        try:
            version = int(json.loads(self._memory.read_text(encoding="utf-8"))["version"])
            note = "the registry has not answered since the start; the champion of the last run is served"
            folder = self._cache / f"{self._name}-v{version}"
            self.champion = self._load(folder, f"{self._name} v{version}", note)
        except (OSError, ValueError, KeyError, TypeError, RecommenderError):
            self.champion = None
