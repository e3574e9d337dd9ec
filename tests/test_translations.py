"""Which pages have a Spanish twin, and which have none and why; what twins say is held in `test_documents.py`."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
ENGLISH = sorted(page for page in DOCS.glob("*.md") if not page.name.endswith(".es.md"))
TWINS = sorted(page for page in ENGLISH if page.with_suffix(".es.md").exists())

#: Made from docstrings.
ENGLISH_ONLY = {"reference"}
#: Both languages in one page.
BOTH = {"trade-advice"}


def test_every_page_has_a_twin_or_is_declared():
    with_twin = {page.stem for page in TWINS}
    assert {page.stem for page in ENGLISH} == with_twin | ENGLISH_ONLY | BOTH
    assert not with_twin & (ENGLISH_ONLY | BOTH)
    orphans = {page.name for page in DOCS.glob("*.es.md")} - {f"{name}.es.md" for name in with_twin}
    assert not orphans


def test_spanish_pages_are_spanish():
    """Articles and prepositions of Spanish outnumber those of English by far."""
    for page in DOCS.glob("*.es.md"):
        text = re.sub(r"```.*?```|`[^`]*`", "", page.read_text(encoding="utf-8").lower(), flags=re.DOTALL)
        words = re.findall(r"[a-záéíóúñ]+", text)
        spanish = sum(word in {"el", "la", "de", "que", "los", "las", "una", "por", "con"} for word in words)
        english = sum(word in {"the", "of", "and", "which", "is", "with"} for word in words)
        assert spanish > 20 * english, page.name
