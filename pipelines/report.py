"""``report``: the portfolio pages as one file to send or print; the pages themselves are made by the service."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from recommender.errors import InvalidInput, RecommenderError

__all__ = ["register", "run"]

_BROWSERS = ("chromium", "chromium-headless-shell", "chromium-browser", "google-chrome", "chrome")


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("report")(run)


def run(
    out: Annotated[Path, typer.Option(help="HTML file to write; self-contained.")] = Path("report.html"),
    language: Annotated[
        str, typer.Option(help="Language of the report: es, en, pt, or a country's, e.g. es-MX.")
    ] = "es",
    pdf: Annotated[Path | None, typer.Option(help="Also write a PDF, through a headless Chromium.")] = None,
    site: Annotated[
        Path | None, typer.Option(help="Demo site (folder of `demo-site`) instead of the settings of the environment.")
    ] = None,
    since: Annotated[str, typer.Option(help="First day of the decisions, e.g. 2026-11-01.")] = "",
    until: Annotated[str, typer.Option(help="Last day of the decisions.")] = "",
    stage: Annotated[str, typer.Option(help="Only accounts of this stage, e.g. judicial.")] = "",
    product: Annotated[str, typer.Option(help="Only accounts of this product.")] = "",
    country: Annotated[str, typer.Option(help="Only accounts of this country, e.g. CO.")] = "",
    segment: Annotated[str, typer.Option(help="Only accounts of this segment (docs/segments.md).")] = "",
    tables: Annotated[
        Path | None, typer.Option(help="Also write every table as an Excel workbook, together in this ZIP file.")
    ] = None,
) -> None:
    """Write results, policy value, drivers, rule costs, approvals and model card into one file that needs no network.

    It reads what the pages read: the settings RECOMMENDER_... (docs/managers-pages.md), or a demo site.
    """
    console = Console()
    out.parent.mkdir(parents=True, exist_ok=True)
    # The applications do not import each other: the pages are asked for as a program.
    command = [sys.executable, "-m", "api.pages.static_report", "--out", str(out), "--language", language]
    chosen = {
        "since": since,
        "until": until,
        "stage": stage,
        "product": product,
        "country": country,
        "segment": segment,
    }
    command += [part for name, value in chosen.items() if value for part in (f"--{name}", value)]
    if site is not None:
        command += ["--site", str(site)]
    if tables is not None:
        tables.parent.mkdir(parents=True, exist_ok=True)
        command += ["--tables", str(tables)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own program
    if done.returncode != 0:
        raise RecommenderError(f"The report could not be made: {_last_line(done.stderr)}")
    console.print(f"wrote {out} ({out.stat().st_size / 1e6:.1f} MB)", highlight=False)
    if tables is not None:
        console.print(f"wrote {tables} ({tables.stat().st_size / 1e6:.1f} MB)", highlight=False)
    if pdf is not None:
        write_pdf(out, pdf)
        console.print(f"wrote {pdf} ({pdf.stat().st_size / 1e6:.1f} MB)", highlight=False)


def write_pdf(page: Path, pdf: Path) -> None:
    """Print an HTML file.

    Raises
    ------
    InvalidInput
        When there is no Chromium, or it fails.
    """
    browser = next((executable for name in _BROWSERS if (executable := shutil.which(name))), None)
    if browser is None:
        raise InvalidInput(
            "A PDF needs Chromium, and there is none.",
            column="pdf",
            mend="Install it (apt-get install -y chromium), or print the HTML file from any browser.",
        )
    pdf.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="report-") as profile:
        command = [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
            f"--user-data-dir={profile}", "--no-pdf-header-footer", f"--print-to-pdf={pdf.resolve()}",
            page.resolve().as_uri(),
        ]  # fmt: skip
        done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - found on the path
    if done.returncode != 0 or not pdf.is_file():
        raise InvalidInput(
            f"{browser} did not print the report: {_last_line(done.stderr)}",
            column="pdf",
            mend="Print the HTML file from a browser instead.",
        )


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "no reason was given")
