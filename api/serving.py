"""Which strategy is being served: loaded at the start, swapped whole when a new champion is promoted."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path

import structlog

from recommender.artefact import MANIFEST
from recommender.cold_start import SeedStrategy
from recommender.decisions import default_actions
from recommender.errors import RecommenderError
from recommender.settings import Settings
from recommender.strategy import ContactStrategy

__all__ = ["Served", "Serving"]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Served:
    """A strategy in use and what there is to say about it."""

    strategy: ContactStrategy | SeedStrategy
    source: str
    note: str | None = None

    @property
    def is_model(self) -> bool:
        """Whether something was learnt, or the seed rules answer."""
        return isinstance(self.strategy, ContactStrategy)


class Serving:
    """Keeps the current strategy; a reader always sees a whole one.

    Parameters
    ----------
    settings : Settings
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._seen: float | None = None
        self._checked = float("-inf")
        self._served = self._seed_rules("no model has been trained yet")
        self.refresh()

    def current(self) -> Served:
        """The strategy to answer with; looks for a newer one every few seconds."""
        if time.monotonic() - self._checked > self._settings.registry_poll_seconds and self._lock.acquire(False):
            try:
                self.refresh()
            finally:
                self._lock.release()
        return self._served

    def refresh(self) -> None:
        """Load the saved strategy when it is new; keep the one in use when the new one cannot be loaded."""
        self._checked = time.monotonic()
        path = self._settings.model_path
        manifest = None if path is None else Path(path) / MANIFEST
        if manifest is None or not manifest.is_file():
            return
        stamp = manifest.stat().st_mtime
        if stamp == self._seen:
            return
        try:
            strategy = ContactStrategy.load(manifest.parent)
        except RecommenderError as error:
            _log.error("model refused", path=str(path), reason=str(error))
            note = f"the saved model was refused: {error}"
            if not self._served.is_model:
                self._served = self._seed_rules(note)
        else:
            self._served = Served(strategy, str(path))
            _log.info("model loaded", path=str(path), version=strategy.version_)
        self._seen = stamp

    def _seed_rules(self, note: str) -> Served:
        return Served(SeedStrategy(default_actions(self._settings.contact_hours)), "seed rules", note)
