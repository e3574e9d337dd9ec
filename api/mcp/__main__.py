"""``python -m api.mcp``: answer a program over standard input and output, with settings from the environment."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing, redirect_stdout

from api.mcp.reading import Reading
from api.mcp.server import create_server
from api.service import request_log
from recommender.errors import RecommenderError
from recommender.settings import Settings

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> None:
    """Serve until the other side closes."""
    argparse.ArgumentParser(
        prog="python -m api.mcp",
        description="Read-only tools over decisions, reports and rules (Model Context Protocol, standard input and "
        "output). Settings: RECOMMENDER_DECISION_LOG_URL, RECOMMENDER_PORTFOLIO_PATH, RECOMMENDER_MODEL_PATH.",
    ).parse_args(arguments)
    with redirect_stdout(sys.stderr):  # standard output is the protocol's
        settings = Settings()
        request_log.configure(readable=False)
        try:
            reading = Reading(settings)
        except RecommenderError as error:
            raise SystemExit(str(error)) from error
    with closing(reading):
        create_server(reading).run("stdio")


if __name__ == "__main__":
    main()
