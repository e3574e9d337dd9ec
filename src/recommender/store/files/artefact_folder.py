"""Folders of artefacts: staged before they are logged, digested, and put in place all at once."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from recommender.errors import ArtefactError, InvalidInput

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["folder_digest", "move_into_place", "stage"]


def stage(artifacts: Mapping[str, Path | str | Figure], folder: Path) -> None:
    """Write each artefact under its name: a path is copied, text is written, a figure is drawn.

    Raises
    ------
    InvalidInput
        When a name leads out of the folder or a file is missing.
    """
    for name, content in artifacts.items():
        relative = PurePosixPath(name)
        if relative.is_absolute() or ".." in relative.parts or not relative.parts:
            raise InvalidInput.in_column(
                "artifacts", "has a name that leads out of the run", values=[name], mend="Use e.g. 'plots/weights.png'."
            )
        target = folder / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            target.write_text(content, encoding="utf-8")
        elif isinstance(content, Path):
            if content.is_dir():
                shutil.copytree(content, target, dirs_exist_ok=True)
            elif content.is_file():
                shutil.copyfile(content, target)
            else:
                raise InvalidInput.in_column(
                    "artifacts", "names a file that is not there", values=[str(content)], mend="Write it first."
                )
        else:
            content.savefig(target, bbox_inches="tight")


def folder_digest(folder: Path) -> str:
    """SHA-256 over the relative names, sizes and contents of all files of a folder.

    Raises
    ------
    ArtefactError
        When the folder is empty or holds a link or anything else that is no plain file.
    """
    digest = hashlib.sha256()
    files = 0
    for entry in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
        if entry.is_symlink() or not (entry.is_file() or entry.is_dir()):
            raise ArtefactError(f"{entry} is not a plain file; a saved strategy holds plain files only.")
        if entry.is_file():
            files += 1
            content = hashlib.sha256(entry.read_bytes()).hexdigest()
            digest.update(f"{entry.relative_to(folder).as_posix()}\0{entry.stat().st_size}\0{content}\0".encode())
    if not files:
        raise ArtefactError(f"{folder} holds no files; save the strategy there first.")
    return digest.hexdigest()


def move_into_place(ready: Path, target: Path) -> None:
    """Rename a finished folder to its final name; when another process was faster, its (equal) folder stays."""
    try:
        ready.rename(target)
    except OSError:
        if not target.is_dir():
            raise
        shutil.rmtree(ready, ignore_errors=True)
    if os.name == "posix":
        handle = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
