"""The catalogue of an agency's own: read, linted, approved by name, or refused. The one way in for every verb."""

from __future__ import annotations

from collections.abc import Iterable

from recommender.messages.catalogue import Catalogue
from recommender.messages.lint import Finding, lint_catalogue
from recommender.messages.template import CatalogueError
from recommender.messages.template_sources import templates_of

__all__ = ["own_catalogue", "own_findings"]

_SHOWN = 5


def own_catalogue(sources: Iterable[tuple[str, str]], *, checked: bool = True) -> Catalogue:
    """Read an agency's own templates; they take the place of the packaged ones.

    Parameters
    ----------
    sources : iterable of (name of the file, text)
        As :func:`recommender.store.files.read_template_sources` gives them.
    checked : bool, default=True
        Refuse a catalogue with findings; False only to show them all.

    Returns
    -------
    Catalogue

    Raises
    ------
    CatalogueError
        For a file that cannot be read, an id used twice, no template at all, an approved text that the linter finds
        fault with or that nobody approved by name. It names the file, the template, the key and the mend.

    Examples
    --------
    >>> text = '''schema = 1
    ... language = "en"
    ... approved_by = "M. Ruiz"
    ... [[templates]]
    ... id = "reminder"
    ... channels = ["sms"]
    ... stages = ["preventive"]
    ... tone = "friendly"
    ... kind = "due_reminder"
    ... variables = ["due_date"]
    ... body = "Your payment is due on {{ due_date }}."'''
    >>> own_catalogue([("ours.toml", text)]).languages
    ('en',)
    """
    sources = tuple(sources)
    catalogue = Catalogue(template for name, text in sources for template in templates_of(name, text))
    if not len(catalogue):
        names = ", ".join(name for name, _ in sources) or "no file"
        raise CatalogueError(f"{names}: no template in it.", column="templates", mend="Write at least one.")
    if checked and (findings := own_findings(catalogue)):
        file_of = {one.id: name.removesuffix(".json") for name, text in sources for one in templates_of(name, text)}
        told = "; ".join(
            f"{file_of[one.template_id]}: template {one.template_id!r}, {one.key}: {one.rule} ({one.excerpt})"
            for one in findings[:_SHOWN]
        )
        more = f"; and {len(findings) - _SHOWN} more" if len(findings) > _SHOWN else ""
        raise CatalogueError(f"{told}{more}.", column=findings[0].key, mend=findings[0].mend)
    return catalogue


def own_findings(catalogue: Catalogue) -> list[Finding]:
    """Everything that keeps an agency's own catalogue from being used; drafts are not judged."""
    approved = Catalogue(one for one in catalogue.templates if one.approved)
    unnamed = [
        Finding(
            one.id, "approval", "nobody's name is under it",
            "Write approved_by (in the head of the file or the template), or approved = false for a draft.",
            key="approved_by",
        )
        for one in approved.templates
        if one.approved_by is None
    ]  # fmt: skip
    return [*lint_catalogue(approved), *unnamed]
