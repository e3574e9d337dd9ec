"""Which pages have a Spanish twin, which have none and why; twins show the same code and lead to Spanish pages."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
ENGLISH = sorted(page for page in DOCS.glob("*.md") if not page.name.endswith(".es.md"))
TWINS = sorted(page for page in ENGLISH if page.with_suffix(".es.md").exists())

#: Read by whoever programs, judges estimates or operates machines; the law's words stand in the language of each law.
ENGLISH_ONLY = {
    "api", "architecture", "batch", "confounding", "data-flow", "decision-log", "decision-quality", "distributed",
    "evaluation", "evaluation-coverage", "guardrails", "operations", "orchestration", "own-models", "reference",
    "registry", "scoring", "simulation", "tuning", "updating",
}  # fmt: skip
#: Both languages in one page.
BOTH = {"glossary", "trade-advice"}
#: The Spanish page is for those who read the answers, and says where the rest is.
FOR_READERS = {"explanations"}


def blocks(page):
    return re.findall(r"^```\w*\n.*?^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def headings(page):
    text = page.read_text(encoding="utf-8")
    return re.findall(r"^## .*", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)


def test_every_page_has_a_twin_or_is_declared():
    with_twin = {page.stem for page in TWINS}
    assert {page.stem for page in ENGLISH} == with_twin | ENGLISH_ONLY | BOTH
    assert not with_twin & (ENGLISH_ONLY | BOTH)
    orphans = {page.name for page in DOCS.glob("*.es.md")} - {f"{name}.es.md" for name in with_twin}
    assert not orphans


@pytest.mark.parametrize("page", TWINS, ids=lambda page: page.stem)
def test_a_twin_shows_the_same_and_leads_to_spanish(page):
    """The same commands and code, as many parts (but for what programmers read), links to Spanish pages, and back."""
    twin = page.with_suffix(".es.md")
    text = twin.read_text(encoding="utf-8")
    assert f"({page.name})" in text or f"docs/{page.name}" in text
    assert twin.name in page.read_text(encoding="utf-8")
    if page.stem in FOR_READERS:
        return
    shown = [block for block in blocks(page) if "simulate" not in block or "python -m pipelines" in block]
    said = blocks(twin)
    if page.stem != "exports":  # whose comments are translated
        assert [block for block in said if block not in shown] == []
        assert [block for block in shown if block not in said] == []
    assert abs(len(headings(page)) - len(headings(twin))) <= 1, (headings(page), headings(twin))
    elsewhere = [name for name in re.findall(r"\]\((?:docs/)?([a-z-]+)\.md(?:#[^)]*)?\)", text) if name != page.stem]
    assert not [name for name in elsewhere if name in {one.stem for one in TWINS}]


def test_spanish_pages_are_spanish():
    """Articles and prepositions of Spanish outnumber those of English by far."""
    for page in DOCS.glob("*.es.md"):
        text = re.sub(r"```.*?```|`[^`]*`", "", page.read_text(encoding="utf-8").lower(), flags=re.DOTALL)
        words = re.findall(r"[a-záéíóúñ]+", text)
        spanish = sum(word in {"el", "la", "de", "que", "los", "las", "una", "por", "con"} for word in words)
        english = sum(word in {"the", "of", "and", "which", "is", "with"} for word in words)
        assert spanish > 20 * english, page.name
