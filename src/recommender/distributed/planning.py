"""Chunks of a plan on workers: the same function as here, so the same decisions to the bit.

A chunk holds all accounts of its debtors, so limits per debtor hold exactly wherever it is computed. The client owns
the files: it reads chunks, sends them, and keeps what comes back, so workers need no shared disk and a killed client
resumes as a run without workers does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import dask
import distributed
from distributed.scheduler import KilledWorker

from recommender.errors import RecommenderError
from recommender.planning import ChunkInputs, PlanInputs, PlannedChunk, Planner, PlanOrder, plan_chunk
from recommender.strategy import ContactStrategy, SeedStrategy

__all__ = ["planner_on"]

_dask: Any = distributed  # typed by halves
_AHEAD = 2  # chunks a worker thread: one under way, one waiting


@dataclass(frozen=True, eq=False)
class SentModel:
    """A model on its way to workers: the plain files that a saved strategy consists of."""

    version: str
    content: Any

    @classmethod
    def of(cls, model: ContactStrategy | SeedStrategy) -> SentModel:
        """Pack a model."""
        content = model if isinstance(model, SeedStrategy) else tuple(sorted(model.to_files().items()))
        return cls(model.version_, content)

    def __hash__(self) -> int:
        """Versions name models."""
        return hash(self.version)

    def __eq__(self, other: object) -> bool:
        """Versions name models."""
        return isinstance(other, SentModel) and other.version == self.version


@lru_cache(maxsize=2)
def _unpacked(sent: SentModel) -> ContactStrategy | SeedStrategy:
    """The model, rebuilt once a process."""
    if isinstance(sent.content, SeedStrategy):
        return sent.content
    model = ContactStrategy.from_files(dict(sent.content))
    model.__dict__["version_"] = sent.version
    return model


def _give(sent: SentModel) -> SentModel:
    return sent


def _plan(sent: SentModel, inputs: ChunkInputs, order: PlanOrder, currencies: dict[str, int]) -> PlannedChunk:
    return plan_chunk(inputs, _unpacked(sent), order, currencies)


def planner_on(client: Any) -> Planner:
    """Planner for :func:`recommender.planning.plan_run.make_plan` that computes chunks on a cluster.

    A worker that dies loses nothing: its chunks are computed again by another, up to three times.

    Parameters
    ----------
    client : distributed.Client

    Returns
    -------
    callable
    """

    def plan(
        inputs: PlanInputs, chunks: list[int], model: ContactStrategy | SeedStrategy, order: PlanOrder
    ) -> Iterator[tuple[int, PlannedChunk]]:
        if not chunks:
            return
        waiting = iter(chunks)
        chunk_of: dict[str, int] = {}
        # chunks travel inside the task, so that the scheduler can send them again when a worker dies
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GiB"}):
            # a task, not scattered data: a lost copy is made again
            sent = client.submit(_give, SentModel.of(model), pure=False)

            def next_future() -> Any:
                chunk = next(waiting, None)
                if chunk is None:
                    return None
                future = client.submit(_plan, sent, inputs.read(chunk), order, inputs.currencies, pure=False)
                chunk_of[future.key] = chunk
                return future

            ahead = _AHEAD * max(sum(client.nthreads().values()), 1)
            started = [future for _ in range(ahead) if (future := next_future()) is not None]
            arriving = _dask.as_completed(started, loop=client.loop)
            del started
            for future in arriving:
                try:
                    planned = future.result()
                except KilledWorker as error:
                    raise RecommenderError(
                        f"Chunk {chunk_of[future.key]} killed its worker again and again ({error}). Give workers more "
                        "memory, or score with a smaller --chunk-rows; what is finished is kept."
                    ) from error
                yield chunk_of.pop(future.key), planned
                future.release()
                if (following := next_future()) is not None:
                    arriving.add(following)

    return plan
