"""A saved strategy on disk: a directory of plain files and a manifest with the digest of each.

Nothing in it is executed when it is read: model text, JSON and numpy arrays without objects.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.errors import ArtefactError

__all__ = ["MANIFEST", "arrays_from_bytes", "arrays_to_bytes", "digest_of", "read_artefact", "write_artefact"]

MANIFEST = "strategy.json"
FORMAT = 1


def digest_of(files: Mapping[str, bytes]) -> str:
    """SHA-256 over names and contents, in name order."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\0{len(files[name])}\0".encode())
        digest.update(files[name])
    return digest.hexdigest()


def arrays_to_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Arrays as one uncompressed npz; the bytes depend on the values only."""
    for name, values in arrays.items():
        if np.asarray(values).dtype.hasobject:
            raise ArtefactError(f"Array {name!r} holds Python objects and cannot be saved without pickle.")
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **{name: np.asarray(arrays[name]) for name in sorted(arrays)})
    return buffer.getvalue()


def arrays_from_bytes(content: bytes) -> dict[str, NDArray[Any]]:
    """Inverse of :func:`arrays_to_bytes`; refuses anything that would need pickle."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError) as error:
        raise ArtefactError(f"Not a plain array file: {error}") from error


def write_artefact(path: str | os.PathLike[str], files: Mapping[str, bytes], about: Mapping[str, Any]) -> Path:
    """Write the files, then the manifest (so that a directory without one is visibly incomplete).

    Raises
    ------
    ArtefactError
        When the target holds something that is not a saved strategy.
    """
    target = Path(path)
    if target.exists() and (not target.is_dir() or (any(target.iterdir()) and not (target / MANIFEST).exists())):
        raise ArtefactError(f"{target} exists and is not a saved strategy. Choose another path or remove it.")
    target.mkdir(parents=True, exist_ok=True)
    manifest = target / MANIFEST
    if manifest.exists():  # while the files change, the old manifest must not vouch for them
        for name in json.loads(manifest.read_text(encoding="utf-8")).get("files", {}):
            if name not in files and _inside(target, name).exists():
                _inside(target, name).unlink()
        manifest.unlink()
    for name, content in files.items():
        file = _inside(target, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    listed = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    listing = {"format": FORMAT, **about, "files": listed}
    waiting = target / (MANIFEST + ".part")
    waiting.write_text(json.dumps(listing, indent=1, sort_keys=True, ensure_ascii=False), encoding="utf-8")
    waiting.replace(manifest)
    return target


def read_artefact(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Read manifest and files, checking every digest.

    Raises
    ------
    ArtefactError
        When the manifest or a file is missing, of an unknown format, or altered.
    """
    target = Path(path)
    manifest = target / MANIFEST
    if not manifest.is_file():
        raise ArtefactError(f"{target} holds no {MANIFEST}: it is not a saved strategy, or was not written to its end.")
    try:
        about = json.loads(manifest.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ArtefactError(f"{manifest} is not readable JSON: {error}") from error
    if about.get("format") != FORMAT:
        raise ArtefactError(
            f"{manifest} has format {about.get('format')!r}; this version reads format {FORMAT}. Train and save again."
        )
    files: dict[str, bytes] = {}
    for name, expected in about["files"].items():
        file = _inside(target, name)
        if not file.is_file():
            raise ArtefactError(f"{file} is missing although {MANIFEST} lists it. Copy the whole directory again.")
        files[name] = file.read_bytes()
        if hashlib.sha256(files[name]).hexdigest() != expected:
            raise ArtefactError(f"{file} was altered: its SHA-256 is not the one in {MANIFEST}. Refusing to load it.")
    return about, files


def _inside(target: Path, name: str) -> Path:
    path = target / name
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise ArtefactError(f"File name {name!r} in {MANIFEST} leads out of {target}.")
    return path
