"""What the documents tell a reader to type exists: verbs and their options, targets, files, extras; examples run."""

import ast
import doctest
import importlib
import json
import os
import re
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest
import typer.main

from pipelines.__main__ import build_app

ROOT = Path(__file__).parents[1]
TWINS = sorted([*ROOT.glob("*.es.md"), *(ROOT / "docs").rglob("*.es.md")])
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "data").glob("*.md")])
EXAMPLE = re.compile(r"^\s*>>> (?!.*# doctest: \+SKIP)", re.MULTILINE)
FACES = sorted(path for path in (ROOT / "src").rglob("*.py") if EXAMPLE.search(path.read_text(encoding="utf-8")))


def commands(page):
    """Lines of code of a page, blocks and inline, with continued lines joined and comments cut."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    inline = re.findall(r"`([^`]+)`", re.sub(r"^```\w*\n.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    joined = [re.sub(r"\\\n\s*", " ", code) for code in blocks] + [re.sub(r"\s+", " ", code) for code in inline]
    return [line.split(" #")[0].strip() for code in joined for line in code.splitlines()]


@pytest.fixture(scope="module")
def verbs():
    """Options of each verb; verbs within verbs under both words."""
    known = {}

    def walk(command, name):
        known[name] = {option for each in command.params for option in (*each.opts, *each.secondary_opts)} | {"--help"}
        for inner, held in getattr(command, "commands", {}).items():
            walk(held, f"{name} {inner}".strip())

    walk(typer.main.get_command(build_app()), "")
    return known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_tells_to_type_exists(page, verbs):
    """Verbs, long options, targets of the Makefile, scripts and extras."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    wrong = []
    for line in commands(page):
        for verb, rest in re.findall(r"-m pipelines ([a-z][a-z-]*)([^|&;]*)", line):
            inner = f"{verb} {rest.split()[0]}" if rest.split() and f"{verb} {rest.split()[0]}" in verbs else verb
            options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", rest))
            wrong += [f"{verb}: no such verb"] if verb not in verbs else []
            wrong += [f"{inner}: no option {option}" for option in sorted(options - verbs.get(inner, options))]
        if made := re.match(r"make ([a-z-]+)$", line):
            wrong += [] if re.search(rf"^{made[1]}:", makefile, re.MULTILINE) else [f"{line}: no such target"]
        for path in re.findall(r"(?<![\w/.])(?:benchmarks|tests|notebooks|pipelines|docs)/[\w/.-]+\.\w+", line):
            wrong += [] if (ROOT / path).exists() or "*" in line or "<" in line else [f"{path}: no such file"]
        for names in re.findall(r"(?:recommender|\.)\[([a-z,]+)\]", line) if "pip install" in line else []:
            wrong += [f"{name}: no such extra" for name in names.split(",") if name not in extras]
    assert not wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_a_page_lead_somewhere(page):
    """Relative links are files of the repository."""
    told = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    assert not [link for link in told if "://" not in link and not (page.parent / link).exists()]


def blocks(page, kind):
    """Code blocks of a kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.stem)
def test_python_of_a_page_is_python_of_ours(page):
    """Every block parses, and what it imports of ours is there."""
    for code in blocks(page, "python"):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("recommender"):
                held = importlib.import_module(node.module)
                assert not [name.name for name in node.names if not hasattr(held, name.name)]


def test_the_ten_lines_of_the_readme_run_as_they_stand(tmp_path):
    """In a fresh process, in an empty folder; they end in a verdict. Fewer contacts than there, to be quick."""
    code = blocks(ROOT / "README.md", "python")[0]
    assert "simulate(20_000" in code
    code = code.replace("simulate(20_000", "simulate(2_500")
    assert len([line for line in code.splitlines() if line.strip() and not line.startswith((" ", ")"))]) <= 10
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-1500:]
    assert re.match(r"(better|worse|not proven|refused) [A-Z]", done.stdout.splitlines()[-1])


def test_the_call_of_the_readme_is_a_request():
    """What curl sends is what the service takes."""
    from api.service.schemas import RecommendationRequest

    for page in (ROOT / "README.md", ROOT / "README.es.md"):
        body = re.search(r"-d '(.*)'", blocks(page, "sh")[0], re.DOTALL)[1]
        asked = RecommendationRequest.model_validate(json.loads(body))
        assert len(asked.accounts) == 1


def test_the_spanish_readme_is_whole():
    """The same code, headings, tables and links to pages as the English one; figures may use decimal commas."""
    english, spanish = (ROOT / name for name in ("README.md", "README.es.md"))
    for kind in ("python", "sh"):
        assert blocks(english, kind) == blocks(spanish, kind)
    texts = [page.read_text(encoding="utf-8") for page in (english, spanish)]
    headings, rows = ([len(re.findall(what, text, re.MULTILINE)) for text in texts] for what in (r"^## ", r"^\|"))
    assert headings[0] == headings[1]
    assert rows[0] == rows[1]
    told = [set(re.findall(r"\]\((docs/[^)]+\.md)\)", text.replace(".es.md", ".md"))) for text in texts]
    assert told[0] == told[1]


def sections(page):
    """Sections of a page: level of the heading, prose, code without its comments and ``--language es``."""
    found, code = [(0, [], [])], None
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.lstrip().startswith("```"):
            code = [line.strip()] if code is None else None
            if code is not None:
                found[-1][2].append(code)
        elif code is not None:
            code += [kept] if (kept := re.sub(r"(^|\s+)# .*$| --language es\b", "", line).rstrip()) else []
        elif heading := re.match(r"(#+) ", line):
            found.append((len(heading[1]), [line], []))
        else:
            found[-1][1].append(line)
    return [(level, "\n".join(lines), codes) for level, lines, codes in found]


def tables(prose):
    """Rows and columns of each table."""
    runs = re.findall(r"(?:^\|.*\n?)+", prose, re.MULTILINE)
    return [[len(re.findall(r"(?<!\\)\|", row)) for row in run.splitlines()] for run in runs]


def figures(prose):
    """Every number of a text, whichever sign parts its decimals or thousands; not those within code or addresses."""
    told = re.sub(r"(?<!\d)[.,](?=\d)", "0", re.sub(r"`[^`]*`|\]\([^)]*\)|<!--.*?-->", " ", prose))
    return Counter(re.sub(r"[.,]", "", figure) for figure in re.findall(r"\d(?:[\d.,]*\d)?", told))


def names(prose):
    """What stands in code signs: columns, verbs, keys, files. A Spanish page is a file of another name."""
    return {re.sub(r"\s+", " ", name).replace(".es.md", ".md") for name in re.findall(r"`([^`]+)`", prose)}


def lacks(english, spanish):
    """Where a Spanish page parts from the English one: kind -> the first place."""
    ours, theirs = sections(english), sections(spanish)
    if [one[0] for one in ours] != [one[0] for one in theirs]:
        return {"headings": f"{len(ours) - 1} and {len(theirs) - 1}"} | lacks_of(
            (english.stem, *whole(ours)), (spanish.stem, *whole(theirs))
        )
    found = {}
    for (_, *left), (_, *right) in zip(ours, theirs, strict=True):
        where = right[0].partition("\n")[0]
        found = lacks_of((where, *left), (where, *right)) | found
    return found


def whole(parts):
    """All sections as one."""
    return "\n".join(prose for _, prose, _ in parts), [code for *_, codes in parts for code in codes]


def lacks_of(ours, theirs):
    """The same of one section: (place, prose, code)."""
    (_, prose, code), (where, translated, kept) = ours, theirs
    missing, more = figures(prose) - figures(translated), figures(translated) - figures(prose)
    unnamed = names(prose) - names(translated)
    found = {"code": code != kept, "tables": tables(prose) != tables(translated)}
    found |= {"figures": [*missing, *(f"not {figure}" for figure in more)], "names": sorted(unnamed)}
    return {kind: f"{where}: {what}" for kind, what in found.items() if what}


def english_of(page):
    """The English page of a Spanish one."""
    return page.with_name(page.name.replace(".es.md", ".md"))


@pytest.mark.parametrize("page", TWINS, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_says_in_spanish_what_it_says_in_english(page):
    """
    The same levels of headings, code, tables, figures and names, section by section: a page that is changed in one
    language alone fails. Comments in code and decimal signs may be Spanish, and Spanish may name more.
    """
    assert not lacks(english_of(page), page)


@pytest.mark.parametrize("page", TWINS, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_and_its_twin_lead_to_each_other(page):
    """Near the top; other links of a Spanish page lead to Spanish pages where there are any."""
    other = english_of(page)
    top, twin = (each.read_text(encoding="utf-8")[:1500] for each in (page, other))
    assert f"]({other.name})" in top
    assert f"]({page.name})" in twin
    told = [page.parent / link for link in re.findall(r"\]\(([^)#\s]+\.md)[^)]*\)", page.read_text(encoding="utf-8"))]
    english = {path.resolve() for path in told} - {other.resolve()}
    assert not [path.name for path in english if path.with_name(f"{path.stem}.es.md").exists()]


def test_what_machines_read_leads_somewhere():
    """Links of llms.txt are files."""
    told = re.findall(r"\]\(([^)]+)\)", (ROOT / "llms.txt").read_text(encoding="utf-8"))
    assert len(told) > 5
    assert not [link for link in told if not (ROOT / link).exists()]


def test_the_site_builds(tmp_path):
    """
    Without a warning; the reference holds the docstrings of the public names, and nothing is fetched from afar.

    Not quietly: a quiet build counts no warning, and then a strict one is none.
    """
    done = subprocess.run(
        [Path(sys.executable).with_name("mkdocs"), "build", "--strict", "--site-dir", tmp_path],
        cwd=ROOT, capture_output=True, text=True, check=False, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-1500:]
    reference = (tmp_path / "reference" / "index.html").read_text(encoding="utf-8")
    for name in ("ContactStrategy", "evaluate_policy", "sample_weight", "log_model"):
        assert name in reference
    assert "fonts.googleapis" not in reference


def test_every_decision_is_in_the_index():
    """Each ADR stands once in its index, under its own title; no number is used twice."""
    folder = ROOT / "docs" / "adr"
    pages = sorted(folder.glob("[0-9]*.md"))
    index = (folder / "README.md").read_text(encoding="utf-8")
    for page in pages:
        title = re.sub(r"^#\s*\d+[.:]?\s*", "", page.read_text(encoding="utf-8").splitlines()[0])
        assert index.count(f"| [{page.name[:4]}]({page.name}) | {title} |") == 1, page.name
    assert len({page.name[:4] for page in pages}) == len(pages)


@pytest.mark.parametrize("path", FACES, ids=lambda path: path.stem)
def test_examples_of_docstrings_run(path, request):
    """What a docstring shows is what comes out; ``strategy`` and ``accounts`` are given."""
    name = ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)
    given = {}
    if re.search(r">>> .*(strategy\.|\(strategy,)", path.read_text(encoding="utf-8")):
        strategy, simulated = request.getfixturevalue("strategy"), request.getfixturevalue("simulated_log")
        given = {"strategy": strategy, "accounts": simulated.context.head(2)}
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    done = doctest.testmod(importlib.import_module(name), extraglobs=given, optionflags=flags)
    assert done.attempted
    assert not done.failed
