"""Whole kinds on every page of the demo portfolio: texts from the catalogue, exports that say what is shown."""

import csv
import io
import json
import re
import zipfile
from html.parser import HTMLParser
from urllib.parse import quote
from xml.etree import ElementTree  # of files written here

import babel.numbers
import pandas as pd
import pytest
from fastapi.testclient import TestClient

from api.main import create_app
from api.pages import language, rendering
from api.pages.passwords import hash_password
from recommender.explanation import Wording
from recommender.settings import Settings

NAMES = (
    "", "tomorrow", "results", "policy-value", "explorer", "explorer?situation=in_20_days&stage=extrajudicial",
    "drivers", "drivers?country=CO", "accounts", "rule-costs", "approvals", "model-card",
)  # fmt: skip
MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
READ = ("aria-label", "title", "placeholder", "alt", "data-name", "content")
#: What is no text of ours: ids, codes, names of people, places and laws, units and ISO codes.
OURS_NOT = re.compile(
    r"\b(?:CO|MX)A\d+\b|\b[0-9a-f]{12,64}\b"
    r"|\b(?:COP|MXN|MX\$|FLOOR|HOUSE|TRADE|UTC|ES|EN|PT|CSV|XLSX|CO|MX)\b|Español|English|Português|Col[oô]mbia|México"
    r"|America/\w+|\bana(?:\.ruiz)?\b|luis\.ortega|contact-strategy v\d+|v\d+"
    r"|Ley [\w ]+?\d{4}|Art[\w. ]*|CONDUSEF[\w ()]*"
    r"|\b(?:floor|co|mx|house|trade)-[a-z-]+\b|\b(?:CO|MX|FLOOR|HOUSE|TRADE) \d{4}\.\d+\.\d+"
)


#: What runs in every test run; the countries' words and formats are proofs.
EVERY_RUN = ("es", "pt")
LANGUAGES = [
    *EVERY_RUN,
    *(pytest.param(tag, marks=pytest.mark.proof) for tag in language.language_tags() if tag not in (*EVERY_RUN, "en")),
]


def days_of(tag):
    """Names of months as the region writes them: words of CLDR, not ours."""
    months = language.locale_of(tag, Settings(model_path=None)).months["format"]
    names = {re.escape(name.rstrip(".")) for width in ("abbreviated", "wide") for name in months[width].values()}
    return re.compile(rf"\b\d{{1,2}} (?:de )?(?:{'|'.join(sorted(names, key=len, reverse=True))})\b\.?(?: de (?=\d))?")


class Texts(HTMLParser):
    """Texts that a reader sees or hears; what is marked as another language is left out."""

    def __init__(self, tag):
        super().__init__()
        self.found, self.silent, self.language = [], 0, tag.partition("-")[0]

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        foreign = tag != "html" and told.get("lang") not in (None, self.language)
        if tag not in ("meta", "link", "input", "br", "hr", "img", "path", "line", "rect", "circle") and (
            self.silent or tag in ("script", "style", "code") or foreign
        ):
            self.silent += 1
        if not self.silent:
            self.found += [told[name] for name in READ if told.get(name) and not (tag == "meta" and name == "content")]

    def handle_endtag(self, _tag):
        self.silent = max(0, self.silent - 1)

    def handle_data(self, data):
        if not self.silent and data.strip():
            self.found.append(data.strip())


@pytest.fixture(scope="module")
def client(demo_site):
    told = json.loads((demo_site / "site.json").read_text())["environment"]
    values = {name.removeprefix("RECOMMENDER_").lower(): value for name, value in told.items()}
    settings = Settings(
        **values, managers={"ana": hash_password("correct horse battery")}, login_rate_limit="100/minute"
    )
    with TestClient(create_app(settings), headers={"accept": "text/html"}) as held:
        page = held.get("/es/login").text
        token = re.search(r'name="token" value="([^"]+)"', page)[1]
        held.post("/es/login", data={"manager": "ana", "password": "correct horse battery", "token": token})
        yield held


@pytest.fixture
def marked(monkeypatch):
    """Every text of the catalogues comes in brackets."""
    real = language.translations

    class Marked:
        def __init__(self, name):
            self.held = real(name)

        def known(self, message):
            return message in self.held._catalog or (message, 0) in self.held._catalog

        def ugettext(self, message):
            return f"⟦{self.held.ugettext(message)}⟧" if self.known(message) else message

        def ungettext(self, one, many, count):
            return f"⟦{self.held.ungettext(one, many, count)}⟧" if self.known(one) else many

        def upgettext(self, context, message):
            return f"⟦{self.held.upgettext(context, message)}⟧"

    text, label = Wording.text, Wording.label
    monkeypatch.setattr(language, "translations", Marked)
    monkeypatch.setattr(rendering, "translations", Marked)
    monkeypatch.setattr(Wording, "text", lambda self, message, **values: f"⟦{text(self, message, **values)}⟧")
    monkeypatch.setattr(Wording, "label", lambda self, name: f"⟦{label(self, name)}⟧")
    language.environment.cache_clear()
    yield
    language.environment.cache_clear()


def paths(demo_site, tag):
    accounts = pd.read_parquet(demo_site / "accounts.parquet")["account_id"]
    for name in NAMES:
        yield f"/{tag}/{name}"
    for account in (accounts.iloc[0], accounts.iloc[-1]):
        yield from (f"/{tag}/account?id={account}", f"/{tag}/decision?account={account}")
        yield f"/{tag}/what-if?account={account}&explore=1&fact.balance_minor={quote('12,5')}&fact.days_past_due=muchos"


@pytest.mark.parametrize("tag", LANGUAGES)
@pytest.mark.usefixtures("marked")
def test_every_text_comes_from_the_catalogue(client, demo_site, tag):
    """What is left once the marked texts, ids and proper names are taken away has no letters."""
    left, days = {}, days_of(tag)
    for path in paths(demo_site, tag):
        answer = client.get(path)
        assert answer.status_code == 200, path
        reader = Texts(tag)
        reader.feed(answer.text)
        for text in reader.found:
            bare = text
            while (shorter := re.sub(r"⟦[^⟦⟧]*⟧", "", bare)) != bare:
                bare = shorter
            bare = OURS_NOT.sub("", bare)
            bare = days.sub("", bare)
            if re.search(r"[^\W\d_]{2,}", bare):
                left.setdefault(bare.strip(), path)
    assert left == {}


def numbers_in(text, locale):
    """Numbers as the region writes them."""
    decimal = babel.numbers.get_decimal_symbol(locale)
    group = "," if decimal == "." else "."
    found = re.findall(r"[+\N{MINUS SIGN}]?\d[\d.,]*", text.replace("\N{NO-BREAK SPACE}", " "))
    return [
        float(one.rstrip(".,").replace(group, "").replace(decimal, ".").replace("\N{MINUS SIGN}", "-")) for one in found
    ]


def numbers_of_workbook(content):
    """Numbers of each row after the first, by a reader that is not ours."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        rows = list(ElementTree.fromstring(archive.read("xl/worksheets/sheet1.xml")).iter(f"{MAIN}row"))  # noqa: S314
    numbers = [[cell.find(f"{MAIN}v") for cell in row if cell.get("t", "n") == "n"] for row in rows[1:]]
    return [[float(one.text) for one in row if one is not None] for row in numbers]


# Portuguese writes numbers as Spanish does: with a decimal comma.
@pytest.mark.parametrize("tag", ["es", pytest.param("pt", marks=pytest.mark.proof), *LANGUAGES[2:], "en"])
def test_every_exported_number_is_the_one_that_is_shown(client, tag):
    """Each number of each table of each page stands in its CSV, rounded as the page rounds; the workbook agrees."""
    page_of_tag = rendering.Page(tag, Settings(model_path=None))
    locale, seen = page_of_tag.locale, 0
    words = (page_of_tag.text("pp"), page_of_tag.text("to"), "COP", "MXN", "MX$")
    units = "|".join(rf"(?<!\w){re.escape(one)}(?!\w)" for one in words)
    for name in ("", *NAMES[2:]):
        page = client.get(f"/{tag}/{name}").text
        for link in sorted(set(re.findall(rf'href="(/{tag}/[^"]+\.csv[^"]*)"', page))):
            if "/accounts.csv" in link:
                continue
            answer = client.get(link.replace("&amp;", "&"))
            assert answer.status_code == 200, link
            rows = list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"))))
            of_rows = [
                [float(cell) for cell in row if re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", cell)] for row in rows[1:]
            ]
            workbook = client.get(link.replace("&amp;", "&").replace(".csv", ".xlsx"))
            assert numbers_of_workbook(workbook.content) == of_rows, link
            exported = [number for row in of_rows for number in row]
            key = re.search(r"/tables/([^.]+)\.csv", link)[1]
            section = page[page.index(f'id="{key}"') :] if f'id="{key}"' in page else page
            table = re.search(r"<tbody>(.*?)</tbody>", section, re.DOTALL)[1]
            cells = re.findall(r'<td class="number[^"]*"[^>]*>(.*?)</td>', table, re.DOTALL)
            for cell in cells:
                shown = re.sub(r"<[^>]+>.*", "", cell, flags=re.DOTALL)
                if re.search(r"[^\W\d_]", re.sub(units, "", shown)):
                    continue  # a sentence in place of a number
                for number in numbers_in(shown, locale):
                    places = max(0, len(repr(number).partition(".")[2])) if number % 1 else 0
                    near = [one for one in exported if abs(one - number) <= 0.5001 * 10.0**-places]
                    assert near, f"{link}: {shown!r} is not in the file"
                    seen += 1
    assert seen > 100


class Figures(HTMLParser):
    """Cells of numbers with their unit, and the sections that hold figures with what they say they rest on."""

    def __init__(self):
        super().__init__()
        self.open, self.units, self.bases, self.cell = [], [], {}, None

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        if tag == "section":
            self.open.append(told.get("id") or told.get("aria-labelledby", ""))
        if tag == "table" and "heat" in told.get("class", ""):
            self.units.append(["heat", told.get("data-unit", "")])
            self._figure()
        if tag == "td" and "number" in told.get("class", "").split():
            self.cell = ["", told.get("data-unit", "")]
        if tag == "p" and told.get("class") == "basis" and self.open:
            self.bases[self.open[-1]] = all(told.get(f"data-{name}") for name in ("period", "of", "source"))

    def handle_data(self, data):
        if self.cell is not None:
            self.cell[0] += data

    def handle_endtag(self, tag):
        if tag == "td" and self.cell is not None:
            if re.match(r"\s*[+\N{MINUS SIGN}]?\W*\d", self.cell[0]):
                self.units.append(self.cell)
                self._figure()
            self.cell = None
        if tag == "section" and self.open:
            self.open.pop()

    def _figure(self):
        if self.open:
            self.bases.setdefault(self.open[-1], False)


@pytest.mark.parametrize("tag", [*LANGUAGES, "en"])
def test_every_figure_has_its_unit_and_says_over_what_of_when_and_from_where(client, demo_site, tag):
    """On every page: a number in a table has a unit, and its section says period, denominator and source."""
    bare, loose, seen = [], [], 0
    for path in paths(demo_site, tag):
        reader, text = Figures(), client.get(path).text
        reader.feed(text)
        if 'class="tiles"' in text and not re.search(r'</ul>\s*<p class="basis"', text):
            loose.append((path, "tiles"))
        bare += [(path, text) for text, unit in reader.units if not unit]
        loose += [(path, section) for section, said in reader.bases.items() if not said]
        seen += len(reader.units)
    assert bare == []
    assert loose == []
    assert seen > 300
