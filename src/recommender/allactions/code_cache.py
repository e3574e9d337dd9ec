"""Where machine code is kept on disk: it is stale once any file of its function's folder has changed.

numba looks at the file of the function alone. What that calls, and the constants that were compiled into it, stand in
files beside it: code kept from before one of them changed would judge by yesterday's law.

Processes that start together (workers of a service, of a cluster, of the tests) compile each function once: who comes
second waits for the first and reads what it kept. A first fit compiles for some fifteen seconds, and they share cores.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.compiler_lock import global_compiler_lock

if sys.platform != "win32":  # there each process compiles for itself
    import fcntl

__all__ = ["keep"]

_LONGEST_WAIT = 120.0  # seconds, for a process that was stopped while it compiled
_BETWEEN_LOOKS = 0.02  # seconds
_held: set[str] = set()  # files that this process compiles from; read and changed under numba's own lock alone


@lru_cache
def _digest_of(folder: Path) -> bytes:
    """Digest of the sources of a folder, as they were when the process first asked."""
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.py")):
        digest.update(hashlib.sha256(file.read_bytes()).digest() + file.name.encode())
    return digest.digest()


class _FolderCache(FunctionCache):
    """numba's own cache of a function, which also knows the files beside it.

    Parameters
    ----------
    function : callable
        The plain function.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]
        own = self._impl.locator.get_source_stamp()
        beside = _digest_of(Path(function.__code__.co_filename).parent)
        self._cache_file = IndexDataCacheFile(  # type: ignore[no-untyped-call]
            cache_path=self._cache_path, filename_base=self._impl.filename_base, source_stamp=(own, beside)
        )


@contextmanager
def _alone(file: str) -> Iterator[None]:
    """Keep other processes from compiling what stands in a file; without it where files cannot be locked."""
    if sys.platform == "win32" or file in _held:  # a function that calls others of its file compiles them on the way
        yield
        return
    try:
        opened = os.open(file, os.O_RDONLY)
    except OSError:
        yield
        return
    _held.add(file)
    try:
        _wait_for(opened)
        yield
    finally:
        _held.discard(file)
        with suppress(OSError):
            fcntl.flock(opened, fcntl.LOCK_UN)  # said: a child that was forked meanwhile holds the same open file
        os.close(opened)


def _wait_for(opened: int) -> None:
    """Take the lock of an open file, or go on without it: to compile twice costs time and nothing else."""
    latest = time.monotonic() + _LONGEST_WAIT
    while time.monotonic() < latest:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_BETWEEN_LOOKS)
        except OSError:  # a file system without locks
            return
        else:
            return


def keep(dispatcher: Any) -> Any:
    """Keep the machine code of a function on disk, as numba's ``cache=True`` does with a cache of its own.

    Processes that need it at once compile it once.
    """
    dispatcher._cache = _FolderCache(dispatcher.py_func)  # noqa: SLF001
    file, compile_here = dispatcher.py_func.__code__.co_filename, dispatcher.compile

    def compile_once(signature: Any) -> Any:
        # Threads first, as everywhere: one that held the file and waited for numba would stop the one it waits for.
        with global_compiler_lock, _alone(file):
            return compile_here(signature)

    dispatcher.compile = compile_once
    return dispatcher
