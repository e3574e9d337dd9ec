"""Did the caller get its decisions: what was decided for nobody is taken back, so that it plans no contact."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

import structlog

from api.service.recording import Recorder
from recommender.errors import RecommenderError
from recommender.store.decision_log import ContactEvent

__all__ = ["Delivery"]

_log = structlog.get_logger(__name__)
_MOST = 100_000  # events that wait for a database: then the oldest are let go, which only leaves contacts planned
_PAUSE_SECONDS = 5.0


class Delivery:
    """Takes decisions back whose answer could not be handed over; waits for the log where it does not answer.

    Parameters
    ----------
    recorder : Recorder
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._waiting: deque[ContactEvent] = deque(maxlen=_MOST)
        self._something, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="undelivered", daemon=True)
        self._thread.start()

    def failed(self, made: Sequence[tuple[str, str]]) -> None:
        """Take decisions back.

        Parameters
        ----------
        made : sequence of (decision id, debtor id)
            Those that this request made; what had been made and delivered before is none of its business.
        """
        now = datetime.now(UTC)
        self._waiting.extend(
            ContactEvent(
                decision_id=decision, debtor_id=debtor, kind="undelivered", at=now, reason="caller-left",
                event_id=uuid4().hex,
            )
            for decision, debtor in made
        )  # fmt: skip
        self._something.set()

    def close(self) -> None:
        """End the thread; what still waits stays planned."""
        self._stop.set()
        self._something.set()
        self._thread.join(_PAUSE_SECONDS)

    def _work(self) -> None:
        while not self._stop.is_set():
            self._something.wait()
            self._something.clear()
            while self._waiting and not self._stop.is_set():
                some = [self._waiting[index] for index in range(min(500, len(self._waiting)))]
                try:
                    count = self._recorder.take_back(some, datetime.now(UTC))
                except RecommenderError:
                    self._stop.wait(_PAUSE_SECONDS)
                    continue
                for _ in some:
                    self._waiting.popleft()
                _log.info("decisions taken back: their answer could not be delivered", count=count)
