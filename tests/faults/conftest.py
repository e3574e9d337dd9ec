"""Databases for the fault tests."""

from tests.databases import empty_url, postgres_server  # noqa: F401
