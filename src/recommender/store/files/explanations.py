"""Global explanations on disk: one JSON file, put in place all at once, so that a page never reads half of one."""

from __future__ import annotations

import json
import os
from pathlib import Path

from recommender.errors import ArtefactError
from recommender.explanation import GlobalExplanation

__all__ = ["read_global_explanation", "write_global_explanation"]


def write_global_explanation(explanation: GlobalExplanation, path: str | os.PathLike[str]) -> Path:
    """Write to ``path``, replacing what is there; folders are made."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    staged = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        text = json.dumps(explanation.to_dict(), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        staged.write_text(text, encoding="utf-8")
        staged.replace(target)
    finally:
        staged.unlink(missing_ok=True)
    return target


def read_global_explanation(path: str | os.PathLike[str]) -> GlobalExplanation:
    """Read what :func:`write_global_explanation` wrote.

    Raises
    ------
    ArtefactError
        When there is no such file, it is not JSON, or it is of another format.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtefactError(f"There is no global explanation at {path}. Write one with explain_portfolio.") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ArtefactError(f"{path} is not JSON: {error}.") from error
    if not isinstance(document, dict):
        raise ArtefactError(f"{path} holds no global explanation.")
    return GlobalExplanation.from_dict(document)
