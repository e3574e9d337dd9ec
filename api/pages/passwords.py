"""Salted password hashes: ``python -m api.pages.passwords NAME`` makes an entry for ``RECOMMENDER_MANAGERS``."""

from __future__ import annotations

import base64
import getpass
import hashlib
import hmac
import json
import secrets
import sys

__all__ = ["hash_password", "is_hash", "verify"]

_N, _R, _P = 2**15, 8, 1  # 32 MiB and some 60 ms a try
_MOST_N, _MOST_RP = 2**20, 32
_MEMORY = 512 * 2**20
_SHORTEST = 12


def hash_password(password: str, *, salt: bytes | None = None) -> str:
    """Hash a password as ``scrypt$n$r$p$salt$hash``; a fresh salt each time unless given."""
    own = secrets.token_bytes(16) if salt is None else salt
    return "$".join(["scrypt", str(_N), str(_R), str(_P), _text(own), _text(_derive(password, own, _N, _R, _P))])


def is_hash(told: str) -> bool:
    """Whether a text is a hash as :func:`hash_password` writes it."""
    try:
        _parts(told)
    except ValueError:
        return False
    return True


def verify(password: str, told: str) -> bool:
    """Whether a password has this hash, compared in constant time."""
    n, r, p, salt, expected = _parts(told)
    return hmac.compare_digest(_derive(password, salt, n, r, p), expected)


def _derive(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=_MEMORY, dklen=32)


def _parts(told: str) -> tuple[int, int, int, bytes, bytes]:
    try:
        name, n, r, p, salt, digest = told.split("$")
        costs = int(n), int(r), int(p)
        parts = base64.b64decode(salt, validate=True), base64.b64decode(digest, validate=True)
    except ValueError as error:
        raise ValueError("a manager's password hash reads scrypt$n$r$p$salt$hash") from error
    known = name == "scrypt" and 2**10 <= costs[0] <= _MOST_N and costs[0] & (costs[0] - 1) == 0
    if not known or not 0 < costs[1] * costs[2] <= _MOST_RP or len(parts[0]) < 8 or len(parts[1]) != 32:
        raise ValueError("a manager's password hash reads scrypt$n$r$p$salt$hash")
    return *costs, *parts


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


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
