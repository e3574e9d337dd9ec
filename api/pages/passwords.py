"""Salted password hashes: ``python -m api.pages.passwords NAME`` makes an entry for ``RECOMMENDER_MANAGERS``.

New ones are Argon2id by argon2-cffi; the scrypt hashes of earlier versions go on working.
"""

from __future__ import annotations

import base64
import getpass
import hashlib
import hmac
import json
import sys

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from argon2.low_level import Type

__all__ = ["hash_password", "is_hash", "verify"]

_ARGON2 = PasswordHasher()  # RFC 9106, low memory: 64 MiB and some 60 ms a try
_LEAST_MEMORY, _MOST_MEMORY, _MOST_PASSES, _MOST_LANES = 8 * 1024, 512 * 1024, 16, 16  # KiB
_FORM = "a manager's password hash reads $argon2id$... (python -m api.pages.passwords NAME)"
_MOST_N, _MOST_RP = 2**20, 32
_MEMORY = 512 * 2**20
_SHORTEST = 12


def hash_password(password: str) -> str:
    """Hash a password as ``$argon2id$...`` with a fresh salt."""
    return _ARGON2.hash(password)


def is_hash(stored: str) -> bool:
    """Whether a text is a hash as :func:`hash_password` writes or wrote it, its costs neither weak nor a trap."""
    try:
        _scrypt_parts(stored) if stored.startswith("scrypt$") else _check_argon2(stored)
    except ValueError:
        return False
    return True


def verify(password: str, stored: str) -> bool:
    """Whether a password has this hash, compared in constant time.

    Raises
    ------
    ValueError
        When ``stored`` is no hash.
    """
    if not stored.startswith("scrypt$"):
        _check_argon2(stored)
        try:
            return _ARGON2.verify(stored, password)
        except VerifyMismatchError:
            return False
    n, r, p, salt, expected = _scrypt_parts(stored)
    digest = hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=_MEMORY, dklen=32)
    return hmac.compare_digest(digest, expected)


def _check_argon2(stored: str) -> None:
    try:
        parameters = extract_parameters(stored)
    except InvalidHashError as error:
        raise ValueError(_FORM) from error
    costs = _LEAST_MEMORY <= parameters.memory_cost <= _MOST_MEMORY and 1 <= parameters.time_cost <= _MOST_PASSES
    if parameters.type is not Type.ID or not costs or not 1 <= parameters.parallelism <= _MOST_LANES:
        raise ValueError(_FORM)
    if parameters.salt_len < 8 or parameters.hash_len < 16:
        raise ValueError(_FORM)


def _scrypt_parts(stored: str) -> tuple[int, int, int, bytes, bytes]:
    try:
        name, n, r, p, salt, digest = stored.split("$")
        costs = int(n), int(r), int(p)
        parts = base64.b64decode(salt, validate=True), base64.b64decode(digest, validate=True)
    except ValueError as error:
        raise ValueError(_FORM) from error
    known = name == "scrypt" and 2**10 <= costs[0] <= _MOST_N and costs[0] & (costs[0] - 1) == 0
    if not known or not 0 < costs[1] * costs[2] <= _MOST_RP or len(parts[0]) < 8 or len(parts[1]) != 32:
        raise ValueError(_FORM)
    return *costs, *parts


def main(arguments: list[str]) -> int:
    """Ask for a password twice and write the setting to standard output."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m api.pages.passwords NAME\n")
        return 2
    password = getpass.getpass("Password: ")
    if len(password) < _SHORTEST:
        sys.stderr.write(f"Use at least {_SHORTEST} characters.\n")
        return 1
    if getpass.getpass("Again: ") != password:
        sys.stderr.write("The two differ.\n")
        return 1
    sys.stdout.write(f"RECOMMENDER_MANAGERS='{json.dumps({arguments[0]: hash_password(password)})}'\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
