"""Files that are no table of contacts, and what to do with them: totals, and a row an event."""

from __future__ import annotations

import pandas as pd

from recommender.errors import InvalidInput, shorten
from recommender.intake import canonical_word, plain_word
from recommender.quickstart.column_names import plain_name

__all__ = ["refuse_events", "refuse_totals"]

# ruff: noqa: SIM905 - a word list is read by its lines
_VOLUMES = frozenset(
    "visitors users sessions impressions views clicks conversions offered answered abandoned handled sent delivered "
    "opens opened bounces bounced calls contacts attempts rpcs promises participants enviados enviadas entregados "
    "entregadas abiertos llamadas atendidas abandonadas ofrecidas ofertadas contestadas visitas conversiones gestiones "
    "usuarios impresiones".split()
)
_KINDS = frozenset("event event_type event_name evento tipo_evento status estado message_status action_type".split())
_STEPS = frozenset(
    "sent send queued accepted processed delivered deferred opened open read clicked click bounced bounce dropped "
    "failed unsubscribed unsubscribe spam enviado entregado abierto leido rebotado fallido".split()
)
_MOSTLY = 0.98


def refuse_totals(frame: pd.DataFrame, reward: str | None) -> None:
    """Raise where each row counts many contacts: two columns of volumes, one never above the other.

    Parameters
    ----------
    frame : DataFrame
    reward : str or None
        What would be taken; one of two values is an outcome of one contact, whatever stands beside it.
    """
    if reward is not None and (frame[reward].nunique() <= 2 or not set(_words(reward)) & _VOLUMES):
        return
    counts = [name for name in frame.columns if set(_words(name)) & _VOLUMES and _is_count(frame[name])]
    for whole in counts:
        within = [name for name in counts if name != whole and (frame[name] <= frame[whole]).mean() >= _MOSTLY]
        if within and frame[whole].median() > 1:
            raise InvalidInput(
                f"Each row counts many contacts ({shorten([whole, *within], 4)}), and totals do not tell what was "
                "chosen for whom.",
                column="file",
                mend="Export one row a contact (or a visitor, a call), with what was done and what came of it. A test "
                "between two variants alone needs no learning: compare their rates.",
            )


def refuse_events(frame: pd.DataFrame) -> None:
    """Raise where several rows tell of one contact, step by step."""
    for name in frame.columns:
        if plain_name(name) not in _KINDS or frame[name].dtype != object:
            continue
        words = {plain_word(str(word)) for word in pd.unique(frame[name].dropna())}
        steps = [word for word in words if word in _STEPS or canonical_word("outcome", word) is not None]
        if len(steps) < 2 or len(steps) < 0.6 * len(words):
            continue
        for key in frame.columns:
            plain = plain_name(key)
            if key == name or not (plain.endswith("_id") or plain.startswith("id_")) or frame[key].isna().any():
                continue
            repeats = frame.groupby(key, sort=False)[name].agg(["size", "nunique"])
            several = repeats["size"] > 1
            # Of an account rows repeat too, but then the same step comes again.
            if several.mean() > 0.2 and (repeats["nunique"] == repeats["size"])[several].mean() >= 0.9:
                raise InvalidInput(
                    f"Each row is an event: {key!r} has up to {repeats['size'].max()} rows, told apart by {name!r} "
                    f"({shorten(sorted(words), 6)}).",
                    column="file",
                    mend=f"Keep one row a {key}, with 1 where the event that counts is there and 0 where not; or bring "
                    "contacts and outcomes as two tables: python -m pipelines map, then ingest (docs/exports.md).",
                )


def _words(name: str) -> list[str]:
    return plain_name(name).split("_")


def _is_count(column: pd.Series) -> bool:
    if not pd.api.types.is_numeric_dtype(column.dtype):
        return False
    values = column.dropna()
    return bool(len(values) and (values >= 0).all() and (values == values.round()).all() and values.max() > 1)
