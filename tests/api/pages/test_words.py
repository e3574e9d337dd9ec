"""Words of rules, reasons and plans' errors in the reader's language, and the words that no page may use."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from api.pages.account_contrast import verdict
from api.pages.basis import of_another_version
from api.pages.gate_words import reason_in_words
from api.pages.language import translations
from api.pages.problem_words import problem_in_words
from api.pages.rendering import Page
from api.pages.rule_words import citation_in_words, rule_in_words
from recommender.rules import PURPOSES, pack_ids, rule_citations
from recommender.rules.vocabulary import FLAGS
from recommender.settings import Settings

ES, EN = (Page(language, Settings(model_path=None)) for language in ("es", "en"))
RULES = rule_citations(list(pack_ids()))

CAUSE = "an unobserved confounder of odds factor 1.100 would overturn the verdict"
MOST = "the log supports at most +0.01, and 50% more is tolerated."


@pytest.mark.parametrize("rule", sorted(RULES))
def test_every_rule_of_every_pack_has_words(rule):
    """No rule is told by its code, in neither language; each says where it holds."""
    for page in (ES, EN):
        words = rule_in_words(page, rule)
        assert rule not in words.text and "-" not in words.name
        assert words.where or rule.startswith(("input", "unknown-"))
    assert rule_in_words(ES, rule).name != rule_in_words(EN, rule).name or rule.endswith("-visit")


@pytest.mark.parametrize("flag", FLAGS)
def test_every_flag_that_a_rule_may_ask_for_has_words(flag):
    """What keeps a debtor from being contacted is told in the reader's language, never by its code."""
    spanish, portuguese = ES.wording.label(flag), Page("pt", Settings(model_path=None)).wording.label(flag)
    for words in (spanish, portuguese):
        assert words != flag.replace("_", " ")
        assert "_" not in words


@pytest.mark.parametrize(
    ("p_better", "better", "shown"),
    [(0.8, "llamada", "+0,8 p. p. (IC 95 %: −1,1 a 2,7)"),
     (0.2, "correo", "−0,8 p. p. (IC 95 %: −2,7 a 1,1)")],
)  # fmt: skip
def test_the_action_that_is_called_better_is_the_one_the_difference_is_of(p_better, better, shown):
    """A sentence that names the second action as the better one does not give the first one's difference."""
    ahead = ("+0,8 p. p.", "−1,1 a 2,7")
    back = ("−0,8 p. p.", "−2,7 a 1,1")
    told = verdict(ES, ("llamada", "correo"), ahead, back, p_better, is_alike=False)
    assert told.startswith(f"{better} es mejor")
    assert shown in told


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


def test_every_text_of_the_account_pages_is_in_spanish():
    """Each has a Spanish one, with the same places."""
    folder = Path(__file__).parents[3] / "api/pages"
    sources = [*folder.glob("account*.py"), folder / "what_if.py", folder / "trace.py"]
    found = set()
    for source in sources:
        joined = re.sub(r'"\s*\n\s*"', "", source.read_text(encoding="utf-8"))
        found |= {json.loads(f'"{text}"') for text in re.findall(r'page\.text\(\s*"((?:[^"\\]|\\.)+)"', joined)}
        found |= {json.loads(f'"{text}"') for text in re.findall(r'(?<![\w.])text\(\s*"((?:[^"\\]|\\.)+)"', joined)}
    for name in ("account", "accounts", "what_if", "trace"):
        template = (folder / "templates" / f"{name}.html").read_text(encoding="utf-8")
        found |= set(re.findall(r'_\("((?:[^"\\]|\\.)+)"\)', template))
        found |= set(re.findall(r"_\('([^']+)'\)", template))
    assert len(found) > 120
    catalogue = translations("es")
    same = {"no"}
    for text in sorted(found):
        told = catalogue.ugettext(text)
        assert told != text or text in same, text
        assert set(re.findall(r"{(\w+)}", told)) == set(re.findall(r"{(\w+)}", text)), text


@pytest.mark.parametrize("purpose", PURPOSES)
def test_every_purpose_of_a_contact_has_words(purpose):
    """What a message is for is told in the reader's language, never by its code."""
    for words in (ES.wording.label(purpose), Page("pt", Settings(model_path=None)).wording.label(purpose)):
        assert words != purpose.replace("_", " ")
        assert "_" not in words


def test_what_was_computed_for_another_version_says_so():
    """What is stored of the version that serves needs no notice; that of any other names both."""
    portfolio = SimpleNamespace(policy_version="8")
    assert of_another_version(EN, portfolio, {"policy_version": "8"}) == []
    (notice,) = of_another_version(EN, portfolio, {"policy_version": "7"})
    assert notice == "Computed for version 7; version 8 serves now."
    (spanish,) = of_another_version(ES, portfolio, {"policy_version": "7"})
    assert spanish != notice and spanish.index("7") < spanish.index("8")
