"""Bodies that an ``Idempotency-Key`` stands for: one a key, whoever asks with it, in whichever process.

Each request that is let in under a key claims it, and one that comes to nothing gives its own claim back; the key is
free again when nobody claims it. So a request that failed takes no key from one that succeeded, or is still at work,
under it. A process that is killed leaves its claim: the key stays with its body, which may be sent again.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from recommender.store.decision_log.database import write
from recommender.store.decision_log.schema import idempotency_keys

__all__ = ["claim_key", "release_key"]

_KEY = idempotency_keys.c


def claim_key(engine: sa.Engine, key_digest: str, body_digest: str, at: datetime) -> str:
    """Claim a key for a body; the digest of the body that it stands for.

    Parameters
    ----------
    engine : Engine
    key_digest, body_digest : str
    at : aware datetime

    Returns
    -------
    str
        ``body_digest`` where the claim was granted; another body's where that one has the key, which nothing was
        claimed of then.
    """
    insert = postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert
    claim = insert(idempotency_keys).values(key_digest=key_digest, body_digest=body_digest, claimed_at=at, claims=1)
    claim = claim.on_conflict_do_update(
        index_elements=[_KEY.key_digest], set_={"claims": _KEY.claims + 1}, where=_KEY.body_digest == body_digest
    )
    held = sa.select(_KEY.body_digest).where(_KEY.key_digest == key_digest)

    def work(connection: sa.Connection) -> str:
        connection.execute(claim)  # holds the row until the end, also where it changes nothing
        return str(connection.scalars(held).one())

    return write(engine, work)


def release_key(engine: sa.Engine, key_digest: str, body_digest: str) -> None:
    """Give one claim of a body back; the key is free where it was the last.

    Not repeated where the connection is lost before it is known what became of it: to give a claim back twice would
    take somebody else's.
    """
    here = sa.and_(_KEY.key_digest == key_digest, _KEY.body_digest == body_digest)

    def work(connection: sa.Connection) -> None:
        connection.execute(sa.update(idempotency_keys).where(here).values(claims=_KEY.claims - 1))
        connection.execute(sa.delete(idempotency_keys).where(here, _KEY.claims < 1))

    write(engine, work, may_repeat_lost=False)
