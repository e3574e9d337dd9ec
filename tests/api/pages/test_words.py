"""Words of rules, reasons and plans' errors in the reader's language, and the words that no page may use."""

import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from api.pages.gate_words import reason_in_words
from api.pages.problem_words import problem_in_words
from api.pages.rendering import Page
from api.pages.rule_words import citation_in_words, rule_in_words
from recommender.rules import pack_ids, rule_citations
from recommender.settings import Settings

ROOT = Path(__file__).parents[3]
PAGES = ROOT / "api" / "pages"
ES, EN = (Page(language, Settings(model_path=None)) for language in ("es", "en"))
RULES = rule_citations(list(pack_ids()))

CAUSE = "an unobserved confounder of odds factor 1.100 would overturn the verdict"
MOST = "the log supports at most +0.01, and 50% more is tolerated."
#: Pages whose subject is the method; everywhere else these words are for nobody.
METHOD = {"model_card.py", "policy_value.py", "gate_words.py"}
JARGON = re.compile(
    r"doblemente|remuestr|muestra efectiva|propensi|estimador|valor p\b|p-valor|bootstrap|log-odds|softmax|\bshap\b|"
    r"covarian|regresi[oó]n|off-policy|uplift|contrafactual|hiperpar|epsilon|épsilon|resampl|estimator|propensit|"
    r"confounder|heteroge|posterior\b.*\bdistrib",
    re.IGNORECASE,
)
SPAIN = re.compile(
    r"\b(?:coste|costes|importe|importes|ordenador|m[oó]vil(?:es)?|suministros|impago|impagos|vosotros|hab[eé]is|pinche)\b",
    re.IGNORECASE,
)


@pytest.mark.parametrize("rule", sorted(RULES))
def test_every_rule_of_every_pack_has_words(rule):
    """No rule is told by its code, in neither language; each says where it holds."""
    for page in (ES, EN):
        words = rule_in_words(page, rule)
        assert rule not in words.text and "-" not in words.name
        assert words.where or rule.startswith(("input", "unknown-"))
    assert rule_in_words(ES, rule).name != rule_in_words(EN, rule).name or rule.endswith("-visit")


def test_a_rule_of_ones_own_keeps_its_name():
    """Whatever a creditor calls a rule, it is told, and told apart."""
    assert "acme-only-mornings" in rule_in_words(ES, "acme-only-mornings").name


@pytest.mark.parametrize(
    ("citation", "expected"),
    [
        ("house policy", "regla de la casa"), ("house policy, events become states", "regla de la casa"),
        ("Ley 2300 de 2023, 3", "Ley 2300 de 2023, 3"),
        ("Lei estadual AL 7.782/2016, not seen", "Lei estadual AL 7.782/2016 (texto no verificado)"),
    ],
)  # fmt: skip
def test_citations_keep_the_law_and_translate_the_rest(citation, expected):
    assert citation_in_words(ES, citation) == expected


@pytest.mark.parametrize(
    ("reason", "parts"),
    [
        ("The paired lower bound of the gain is -0.00123; it must lie above +0.", ["\N{MINUS SIGN}0,0012", "0"]),
        ("Slice stage=judicial loses: the difference is at most -0.01, below its floor +0.", ["Judicial"]),
        ("The mean weight is 1.234 instead of 1: propensities are not calibrated.", ["1,234"]),
        ("Predicted rewards are off by +12.3% on recommended actions; at most 10% is tolerated.", ["12,3", "10"]),
        (
            f"Propensities were estimated, and {CAUSE}; at least 1.25 must be survived.", ["1,100", "1,25"],
        ),
        (
            f"The challenger's model promises a gain of +0.05 per decision; {MOST}", ["0,05", "0,01", "50"],
        ),
        ("The claimed gain of +0.2 exceeds what the log supports (at most +0.1).", ["0,2", "0,1"]),
        ("Accepted: the gain is +0.07 per decision, at least +0.01.", ["0,07", "0,01"]),
    ],
)  # fmt: skip
def test_reasons_of_the_gate_are_told_in_spanish_with_their_numbers(reason, parts):
    """Nothing English is left, and no number is lost."""
    words, language = reason_in_words(ES, reason)
    assert language == ""
    assert not re.search(r"\b(?:the|gain|per|must)\b", words)
    assert all(part in words for part in parts)
    assert reason_in_words(EN, reason) == (reason, "")


def test_what_a_person_wrote_stays_and_is_marked():
    """A reason of one's own is told as it was written."""
    assert reason_in_words(ES, "first strategy") == ("first strategy", "en")


def test_errors_of_plans_are_told_by_their_parts():
    """The column, the rule or the row; never the engine's English."""
    assert (
        problem_in_words(ES, {"column": "balance_minor", "rows": [4]})
        == "«Saldo» no se puede usar como está; se ve en la fila 5 del archivo."
    )
    assert "autorizados" in problem_in_words(ES, {"column": "floor-consent", "rows": []})
    assert "plan" in problem_in_words(ES, {"column": "", "rows": []})


def translated(folder):
    for place in folder.glob("*.po"):
        with place.open("rb") as file:
            for message in read_po(file, locale="es"):
                if message.id:
                    ids = message.id if isinstance(message.id, tuple) else (message.id,)
                    texts = message.string if isinstance(message.string, tuple) else (message.string,)
                    yield ids, texts


def test_no_page_but_those_of_the_method_speaks_of_statistics():
    """Neither language uses a word of the list outside the model card and the policy's value."""
    keywords = {"text": None, "texts": (1, 2), "t": None, "_": None}
    found = extract_from_dir(
        str(PAGES), [("**.py", "python"), ("**.html", "jinja2.ext:babel_extract")], keywords=keywords
    )
    plain = {
        text
        for name, _, texts, _, _ in found
        if Path(name).name not in METHOD
        for text in (texts if isinstance(texts, tuple) else (texts,))
        if text
    }
    assert sorted(text for text in plain if JARGON.search(text)) == []
    spanish = [text for ids, texts in translated(PAGES / "locale/es/LC_MESSAGES") if set(ids) & plain for text in texts]
    assert sorted(text for text in spanish if JARGON.search(text)) == []


@pytest.mark.parametrize("folder", ["api/pages", "src/recommender/explanation"])
def test_spanish_is_that_of_latin_america(folder):
    """No word that only Spain uses for costs, amounts, arrears or telephones."""
    texts = [text for _, texts in translated(ROOT / folder / "locale/es/LC_MESSAGES") for text in texts]
    assert sorted(text for text in texts if SPAIN.search(text)) == []
