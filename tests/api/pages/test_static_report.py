"""The portfolio as one file, and the words: read as a manager of each language reads them."""

import re
import zipfile

import pytest

from api.pages import static_report
from recommender.artefact import MANIFEST
from recommender.store.files import read_table
from tests.api.pages.test_broken_portfolios import ENGLISH, pages_of
from tests.store.conftest import decide, provenance, space  # noqa: F401

LANGUAGES = ("es", "en", "pt")
OTHERS = {"es": "en pt", "pt": "en es", "en": "es pt"}
#: Words that a language has and the others have not.
OWN = {
    "en": re.compile(f"{ENGLISH.pattern}|\\b(?:been|yet|with|which|and|this)\\b"),
    "es": re.compile(r"\b(?:las|los|del|según|cuentas|decisión|qué|cómo|más)\b", re.IGNORECASE),
    "pt": re.compile(r"\b(?:não|são|das|dos|uma|você|decisão|contas|mais)\b", re.IGNORECASE),
}


def visible(html):
    """What a reader sees, names of people's own data aside."""
    return re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", html, flags=re.DOTALL)


def strangers(text, language):
    """Words of other languages, each with what stands around it."""
    return [
        text[max(0, found.start() - 50) : found.end() + 50]
        for other in OTHERS[language].split()
        for found in OWN[other].finditer(text)
    ]


@pytest.fixture
def folder(tmp_path, monkeypatch, decide):  # noqa: F811
    """A portfolio with a log of decisions, which the environment names."""
    place = tmp_path / "portfolio"
    monkeypatch.setenv("RECOMMENDER_PORTFOLIO_PATH", str(place))
    monkeypatch.setenv("RECOMMENDER_DECISION_LOG_URL", f"sqlite:///{place}/log.db")
    monkeypatch.setenv("RECOMMENDER_HOLDOUT_EXPERIMENT", "pilot")
    monkeypatch.setenv("RECOMMENDER_MODEL_PATH", str(place / "none"))
    with pages_of(place, records=[decide(number, account_id=f"A{1 + number % 2}") for number in range(20)]):
        return place


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_report_is_whole_and_in_one_language(folder, tmp_path, language):
    """No word of another language, no value of a program, no name of a file; its tables open in Excel, each once."""
    asked = ["--out", str(tmp_path / "report.html"), "--tables", str(tmp_path / "tables.zip"), "--language", language]
    assert static_report.main(asked) == 0
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    text = visible(html)
    assert len(re.findall(r"<h[12]", html)) >= 7
    assert strangers(text, language) == []
    assert not re.search(r">\s*[+-]?(?:nan|None|NaT|inf|Infinity)\b", html)
    assert str(folder) not in html and not re.search(r"\.parquet|\.db\b|sqlite", text)
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", html), "it needs no network"
    with zipfile.ZipFile(tmp_path / "tables.zip") as archive:
        names = archive.namelist()
        assert names and len(names) == len(set(names))
        for name in names:
            (tmp_path / name).write_bytes(archive.read(name))
            assert len(read_table(tmp_path / name, table=name).columns) >= 2, name


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_glossary_is_in_one_language(tmp_path, language):
    """Each term with its meaning, and nothing of another language."""
    with pages_of(tmp_path / "portfolio") as client:
        answer = client.get(f"/{language}/glossary")
    assert answer.status_code == 200
    terms = re.findall(r'<th scope="row">([^<]+)</th>\s*<td[^>]*>([^<]+)<', answer.text)
    assert len(terms) >= 10 and all(term.strip() and meaning.strip() for term, meaning in terms)
    assert strangers(visible(answer.text), language) == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--country", "Atlantis"], "country"),
        (["--since", "soon"], "since"),
        (["--site", "."], "site.json"),
    ],
)
def test_what_cannot_be_reported_is_said_in_a_line(folder, tmp_path, capsys, monkeypatch, asked, said):
    """No traceback, no file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "site.json").write_text("[]")
    assert static_report.main(["--out", str(tmp_path / "report.html"), *asked]) == 1
    told = capsys.readouterr().err
    assert said in told and "Traceback" not in told
    assert not (tmp_path / "report.html").exists()


def test_a_report_over_a_damaged_file_is_refused_in_a_line(folder, tmp_path, capsys):
    """As its page is."""
    (folder / "evaluation.json").write_text("[]")
    assert static_report.main(["--out", str(tmp_path / "report.html")]) == 1
    assert "evaluation.json" in capsys.readouterr().err


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_saved_model_that_is_refused_is_told_without_where_it_lies(folder, tmp_path, monkeypatch, language):
    """Why it was refused is English and names folders: it is in the application's log."""
    saved = folder / "none"
    saved.mkdir()
    (saved / MANIFEST).write_text("{")
    asked = ["--out", str(tmp_path / "report.html"), "--language", language]
    assert static_report.main(asked) == 0
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    told = {"es": "Lo último que se guardó", "pt": "O que foi salvo", "en": "What was saved last"}[language]
    assert told in html and str(saved) not in html and "refused" not in html
    assert strangers(visible(html), language) == []
