"""A typed client of the scoring API, from the standard library alone."""

from recommender.client.calls import (
    ApiError,
    Client,
)

__all__ = ["ApiError", "Client"]
