"""Languages are data: whatever folder of catalogues is there is complete, keeps its places, and speaks plainly."""

import ast
import re
from functools import cache
from pathlib import Path

import babel
import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from fastapi.testclient import TestClient

from api.main import create_app
from api.pages.language import LANGUAGES, SOURCE, language_tags, locale_of
from api.pages.number_input import read_number
from api.pages.rendering import Page
from recommender.explanation import Wording
from recommender.settings import Settings
from recommender.tables import STATIC_COLUMNS

ROOT = Path(__file__).parents[3]
PAGES, EXPLAINED = ROOT / "api/pages", ROOT / "src/recommender/explanation"
TRANSLATED = [code for code in LANGUAGES if code != SOURCE]
COUNTRIES = [tag for tag in language_tags() if "-" in tag]
SETTINGS = Settings(model_path=None)
PLACES = re.compile(r"\{\w*\}|%%")

#: Pages whose subject is the method; everywhere else these words are for nobody.
METHOD = {"model_card.py", "policy_value.py", "gate_words.py"}
JARGON = re.compile(
    r"doblemente|duplamente|remuestr|reamostr|muestra efectiva|amostra efetiva|propensi|estimador|valor p\b|p-valor|"
    r"bootstrap|log-odds|softmax|\bshap\b|covarian|regresi[oó]n|regress[aã]o|off-policy|uplift|contraf[aá]c?tual|"
    r"hiperpar|hyperpar|epsilon|épsilon|resampl|estimator|propensit|confounder|heteroge|posterior\b.*\bdistrib",
    re.IGNORECASE,
)
#: What a country says otherwise.
ELSEWHERE = {
    "es": r"\b(?:costes?|importes?|ordenador|m[oó]vil(?:es)?|suministros|impagos?|vosotros|hab[eé]is|autónomo)\b",
    "es-MX": r"\bmora\b", "es-CO": r"\bferiados?\b", "es-PE": r"\bfestivos?\b|\bpromesas?\b|\bquejas?\b",
    "es-CL": r"\bfestivos?\b|\bpromesas?\b|\bquejas?\b|\bautónomo\b",
    "pt": r"\b(?:telemóvel|ecrã|utilizador(?:es)?|ficheiros?|registo|facto|equipa|connosco|tribunal de contas)\b",
}  # fmt: skip


@cache
def messages(root, folder):
    """What a folder of catalogues holds: (context, source) -> texts."""
    found = {}
    for place in sorted((root / "locale" / folder / "LC_MESSAGES").glob("*.po")):
        with place.open("rb") as file:
            for one in read_po(file, locale=folder.split("_")[0]):
                if one.id:
                    ids = one.id if isinstance(one.id, tuple) else (one.id,)
                    texts = one.string if isinstance(one.string, tuple) else (one.string,)
                    found[(one.context, ids)] = texts
    return found


@cache
def written():
    """Texts of code and templates of the pages, by the files they stand in; ``page.text`` of templates too."""
    keywords = {"text": None, "texts": (1, 2), "t": None, "_": None, "ungettext": (1, 2)}
    methods = [("**.py", "python"), ("**.html", "jinja2.ext:babel_extract")]
    found = {}
    for name, _, texts, _, _ in extract_from_dir(str(PAGES), methods, keywords=keywords):
        for text in texts if isinstance(texts, tuple) else (texts,):
            if text:
                found.setdefault(text, set()).add(Path(name).name)
    for place in (PAGES / "templates").glob("*.html"):
        for text in re.findall(r'page\.texts?\(\s*"((?:[^"\\]|\\.)*)"', place.read_text(encoding="utf-8")):
            found.setdefault(text, set()).add(place.name)
    return found


def told(catalogue):
    """Texts by context and source, from either kind of file."""
    return {
        (
            m.context.decode() if isinstance(m.context, bytes) else m.context,
            m.id if isinstance(m.id, str) else tuple(m.id),
        ): tuple([m.string] if isinstance(m.string, str) else m.string)
        for m in catalogue
        if m.id
    }


def said_within(code):
    """Texts that stand inside a formatted string of Python code: before Python 3.12 no extraction finds them there."""
    calls = (one for text in ast.walk(ast.parse(code)) if isinstance(text, ast.JoinedStr) for one in ast.walk(text))
    return [
        one.args[0].value
        for one in calls
        if isinstance(one, ast.Call) and one.args and isinstance(one.args[0], ast.Constant)
        and getattr(one.func, "attr", getattr(one.func, "id", None)) in {"text", "texts", "_", "ngettext", "ungettext"}
    ]  # fmt: skip


def test_no_text_hides_in_a_formatted_string():
    """Else it is told in English for ever, and on Python 3.11 no test would know."""
    assert said_within("""f"{page.text('as it is')} {t.x}" + page.text("seen")""") == ["as it is"]
    hidden = {place.name: said_within(place.read_text(encoding="utf-8")) for place in PAGES.rglob("*.py")}
    assert {name: texts for name, texts in hidden.items() if texts} == {}


def folder_of(tag):
    return tag.replace("-", "_")


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_text_of_the_pages_is_there_once_in_every_language(language):
    """No literal of code or templates is missing, and nothing is kept that no page says."""
    known = [ids for _, ids in messages(PAGES, language)]
    told = {text for text in written() if text not in STATIC_COLUMNS}  # columns: a method of the same name
    assert sorted(told - {text for ids in known for text in ids}) == []
    marked = " ".join(place.read_text(encoding="utf-8") for place in PAGES.glob("*.py")).replace('"\n', "")
    assert [ids[0] for ids in known if ids[0] not in told and ids[0] not in marked] == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_languages_hold_the_same_texts(language):
    """The explanations and the pages: whatever one language says, all say."""
    for root in (PAGES, EXPLAINED):
        assert set(messages(root, language)) == set(messages(root, "es"))


@pytest.mark.parametrize("tag", [*TRANSLATED, *COUNTRIES])
def test_texts_keep_their_places_and_countries_change_only_what_is_there(tag):
    """Nothing is empty, each text has the places of its source, in every plural."""
    for root in (PAGES, EXPLAINED):
        own = messages(root, folder_of(tag))
        assert own
        assert set(own) <= set(messages(root, tag.split("-")[0]))
        for (_, ids), texts in own.items():
            assert all(texts), ids[0]
            for text in texts:
                places = set(PLACES.findall(text))
                assert places == set(PLACES.findall(ids[-1])) or (
                    len(ids) > 1 and places <= set(PLACES.findall(ids[-1]))
                )


@pytest.mark.parametrize("tag", [*TRANSLATED, *COUNTRIES])
def test_compiled_catalogues_are_those_that_are_written(tag):
    """What is read when pages are made is what stands in the text files."""
    for root in (PAGES, EXPLAINED):
        for place in (root / "locale" / folder_of(tag) / "LC_MESSAGES").glob("*.po"):
            with place.open("rb") as text, place.with_suffix(".mo").open("rb") as made:
                one, other = read_po(text), read_mo(made)
            assert told(one) == told(other), place.name


@pytest.mark.parametrize("tag", [SOURCE, *TRANSLATED, *COUNTRIES])
def test_no_page_but_those_of_the_method_speaks_of_statistics(tag):
    """No language uses a word of the list outside the model card, the policy's value and the glossary."""
    plain = {text for text, places in written().items() if places - METHOD}
    page = Page(tag, SETTINGS)
    assert sorted(text for text in plain if JARGON.search(page.text(text))) == []


@pytest.mark.parametrize("tag", sorted(ELSEWHERE))
def test_a_country_hears_its_own_words(tag):
    """Neither Spain's words in Latin America, nor one country's where another says it otherwise."""
    avoided = re.compile(ELSEWHERE[tag], re.IGNORECASE)
    page = Page(tag, SETTINGS)
    texts = [page.text(ids[0]) for _, ids in messages(PAGES, tag.split("-")[0])]
    labels = [Wording.of(tag).label(ids[0]) for context, ids in messages(EXPLAINED, tag.split("-")[0]) if context]
    assert sorted(text for text in [*texts, *labels] if avoided.search(text)) == []


@pytest.mark.parametrize("tag", language_tags())
def test_what_a_page_shows_can_be_typed_into_it(tag):
    """Numbers of a language and country: shown, and read back as the same."""
    page = Page(tag, SETTINGS)
    for value in (1_234_567.0, 1_234.5, 12.5, 0.125):
        assert read_number(page.formats.number(value, 3 if value < 1 else 1).text, page.locale) == value
    assert page.formats.day(__import__("datetime").date(2026, 11, 5)).text


@pytest.mark.parametrize(
    ("tag", "region", "number"),
    [
        ("es", "es_CO", "1.234,5"), ("es-MX", "es_MX", "1,234.5"), ("es-PE", "es_PE", "1,234.5"),
        ("es-CL", "es_CL", "1.234,5"), ("pt", "pt_BR", "1.234,5"), ("en", "en_GB", "1,234.5"),
    ],
)  # fmt: skip
def test_numbers_are_those_of_the_country(tag, region, number):
    """Comma in Colombia, Chile and Brazil, point in Mexico and Peru, as CLDR has it."""
    assert locale_of(tag, SETTINGS) == babel.Locale.parse(region)
    assert Page(tag, SETTINGS).formats.number(1234.5).text == number


def test_the_setting_chooses_a_countrys_words_too():
    """``spanish_locale`` is numbers and words; an address that names a country goes before it."""
    mexican = Settings(model_path=None, spanish_locale="es-MX")
    assert Page("es", mexican).text("Days past due") == "Días de atraso"
    assert Page("es-CL", mexican).text("Promise kept") == "Compromiso cumplido"
    assert Page("es", SETTINGS).text("Days past due") == "Días de mora"


@pytest.mark.parametrize(
    ("path", "accept", "lang"),
    [
        ("/pt/login", "es", "pt-BR"), ("/es-PE/login", "en", "es-PE"), ("/", "pt-BR,pt;q=0.9", "pt-BR"),
        ("/", "es-MX", "es-MX"), ("/", "es-BO,es;q=0.8", "es-CO"), ("/", "fr", "es-CO"), ("/en/login", "pt", "en-GB"),
    ],
)  # fmt: skip
def test_the_address_chooses_the_language_else_the_browser(path, accept, lang):
    """Every language and country is served; what is not there is a 404."""
    with TestClient(create_app(SETTINGS), headers={"accept": "text/html", "accept-language": accept}) as client:
        assert re.search(r'<html lang="([\w-]+)"', client.get(path).text)[1] == lang
        assert client.get("/es-XX/login").status_code == 404
