"""The doctor's findings as one self-contained page."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader

from recommender.monitoring.findings import Diagnosis

__all__ = ["card_html"]


def card_html(diagnosis: Diagnosis) -> str:
    """One HTML page without scripts or outside resources; grades are told in words, not by colour alone."""
    pages = Environment(loader=PackageLoader("recommender.monitoring"), autoescape=True, trim_blocks=True)
    return pages.get_template("doctor.html").render(diagnosis=diagnosis, report=diagnosis.to_dict())
