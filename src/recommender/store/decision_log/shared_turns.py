"""Turns that the workers of a service share: none gets more than all of them together may have."""

from __future__ import annotations

import math

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from recommender.store.decision_log.database import write
from recommender.store.decision_log.schema import rate_counters

__all__ = ["take_turns"]


def take_turns(engine: sa.Engine, name: str, *, limit: int, seconds: float, wanted: int, now: float) -> int:
    """Take some of the turns that a caller has in a window of time; how many were left to take.

    The window slides: of those that were taken in the one before, as many count as lie in the last ``seconds`` if they
    were spread evenly.

    Parameters
    ----------
    engine : Engine
    name : str
        Of the caller, at most 64 characters.
    limit : int
        Turns in a window, of all workers.
    seconds : float
        Length of a window.
    wanted : int
    now : float
        Seconds since 1970.
    """
    window, since = divmod(now, seconds)
    here = rate_counters.c.name == name
    insert = postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert
    begin = insert(rate_counters).values(name=name, window=int(window), used=0).on_conflict_do_nothing()
    read = sa.select(rate_counters.c.window, rate_counters.c.used).where(here)

    def take(connection: sa.Connection) -> int:
        connection.execute(begin)
        # The row of this window is held until the end: who comes next counts what was taken here.
        rows = connection.execute(read.with_for_update()).all()
        used = {row.window: row.used for row in rows}
        before = math.ceil(used.get(int(window) - 1, 0) * (1.0 - since / seconds))
        taken = max(0, min(wanted, limit - used[int(window)] - before))
        at = sa.and_(here, rate_counters.c.window == int(window))
        connection.execute(sa.update(rate_counters).where(at).values(used=used[int(window)] + taken))
        connection.execute(sa.delete(rate_counters).where(here, rate_counters.c.window < int(window) - 1))
        return taken

    return write(engine, take)
