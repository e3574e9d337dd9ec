"""Databases for the verbs that write decisions."""

from tests.databases import empty_url, postgres_server  # noqa: F401
