"""Where machine code is kept on disk: it is stale once any file of its function's folder has changed.

numba looks at the file of the function alone. What that calls, and the constants that were compiled into it, stand in
files beside it: code kept from before one of them changed would judge by yesterday's law.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from numba.core.caching import FunctionCache, IndexDataCacheFile

__all__ = ["keep"]


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


def keep(dispatcher: Any) -> Any:
    """Keep the machine code of a function on disk, as numba's ``cache=True`` does with a cache of its own."""
    dispatcher._cache = _FolderCache(dispatcher.py_func)  # noqa: SLF001
    return dispatcher
