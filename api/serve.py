"""``python -m api.serve``: the application with its settings, or with the demo portfolio where there are none."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import uvicorn

from api.main import create_app
from api.pages.session import DEMO_MANAGER, Sessions

__all__ = ["main"]

DEMO_SITE = Path("data/demo/site/site.json")


def demo_settings(environ: Mapping[str, str], site: Path = DEMO_SITE) -> dict[str, str]:
    """Settings of the demo portfolio; none where any setting was made or the demo is not there."""
    if any(name.startswith("RECOMMENDER_") for name in environ) or not site.is_file():
        return {}
    environment: dict[str, str] = json.loads(site.read_text(encoding="utf-8"))["environment"]
    return environment


def greeting(address: str, sessions: Sessions | None, *, is_demo: bool) -> str:
    """What is to be read on the terminal."""
    lines = [f"scoring API       {address}/docs"]
    if sessions is not None:
        lines.insert(0, f"managers' pages   {address}/es/   (English: {address}/en/)")
        if sessions.demo_password is not None:
            login = f"log in with       {DEMO_MANAGER} / {sessions.demo_password}"
            lines.insert(1, f"{login}   (development only: drawn at random for this start)")
    if is_demo:
        lines.append("everything shown is simulated; set RECOMMENDER_... to serve your own (docs/managers-pages.md)")
    return "\n".join(["", *(f"  {line}" for line in lines), ""])


def main(arguments: list[str] | None = None) -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(prog="python -m api.serve", description="Serve the pages and the scoring API.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    given = parser.parse_args(arguments)
    demo = demo_settings(os.environ)
    os.environ.update(demo)
    app = create_app()
    sessions = getattr(app.state, "sessions", None)
    sys.stdout.write(greeting(f"http://{given.host}:{given.port}", sessions, is_demo=bool(demo)) + "\n")
    sys.stdout.flush()
    uvicorn.run(app, host=given.host, port=given.port, log_level="warning")


if __name__ == "__main__":
    main()
