"""Reason sentences: both languages, regional numbers, nothing protected, nothing accusing, at most four."""

import gettext
import re
from importlib import resources

import pytest
from babel.messages.pofile import read_po

from recommender import explain
from recommender.errors import InvalidInput
from recommender.explanation.reasons import CONCEPTS, action_text
from recommender.explanation.wording import Wording, available_languages

LOCALE = resources.files("recommender.explanation") / "locale"
PACKAGE = resources.files("recommender.explanation")
ACCUSING = re.compile(
    r"\b(refus|fail|default|bad|liar|guilt|fault|deny|delinquen|moros|culpa|incumpl|negó|malo)", re.IGNORECASE
)
PROTECTED = re.compile(r"\b(language|country|region|age|gender|idioma|país|región|edad|género|lang)\b", re.IGNORECASE)


def test_sentences_are_few_plain_and_fair(explanation):
    """For every account: one to four sentences with a full stop, no protected word, no accusation, no plain hyphen."""
    for language in ("es", "en", "es-MX"):
        for row in range(0, 40, 5):
            sentences = explanation.reasons(row, language)
            assert 1 <= len(sentences) <= 4
            for sentence in sentences:
                assert sentence.endswith(".")
                assert not PROTECTED.search(sentence)
                assert not ACCUSING.search(sentence)
                assert not re.search(r"(^|\s)-\d", sentence)
                assert "{" not in sentence
                assert "nan" not in sentence.lower().split()


def test_ignorance_is_told_apart_from_equality(explanation):
    """The headline takes a side exactly when the interval leaves 0 out; else it says as good as, or not known."""
    for row in range(0, 40, 5):
        contrast = explanation.contrast(int(explanation.action[row, 0]), int(explanation.action[row, -1]), row=row)
        lo, hi = contrast.interval
        assert lo <= contrast.reward_difference <= hi
        english, spanish = contrast.reasons("en")[0], contrast.reasons("es")[0]
        assert ("is expected to do" in english) == (lo > 0 or hi < 0)
        assert ("not known" in english) == ("No se sabe" in spanish) == (contrast.standing == "not known")
        assert ("as good as" in english) == ("casi igual" in spanish) == (contrast.standing == "as good as")


def test_a_concept_is_said_to_speak_for_the_action_it_speaks_for(explanation):
    """Positive contributions for the first action, negative ones for the second; both occur, and are told apart."""
    words = Wording.of("en")
    named = {True: 0, False: 0}
    for row in range(0, 40, 2):
        contrast = explanation.contrast(int(explanation.action[row, 0]), int(explanation.action[row, -1]), row=row)
        names = [action_text(words, explanation.actions, action) for action in (contrast.a, contrast.b)]
        signs = dict(zip(contrast.by_group["group"], contrast.by_group["contribution_reward"] > 0, strict=True))
        for sentence in contrast.reasons("en")[1:]:
            for group, first in signs.items():
                concept = words.text(CONCEPTS[group]) if group in CONCEPTS else words.label(group)
                if sentence.startswith((f"{concept} (", f"{concept} is associated")):
                    assert f"better result of {names[0 if first else 1]} (" in sentence
                    named[bool(first)] += 1
    assert min(named.values()) > 2


def test_a_clear_difference_is_said_plainly(hurdle, known_drivers):
    """Where the interval leaves 0 out the better action is named, with the liked channel and money as written there."""
    frame = known_drivers[0]
    callers = frame[(frame["likes"] == "call") & (frame["willing"] > 0)].head(1)
    explanation = explain(hurdle, callers)
    call, sms = {"channel": "call", "tone": "firm"}, {"channel": "sms", "tone": "firm"}
    told = explanation.contrast(call, sms, row=0).reasons("es", currency="EUR")
    assert told[0].startswith("Se espera mejor resultado con «llamada, firme» que con «SMS, firme»: +")
    assert "€" in told[0]
    assert any("likes: llamada" in sentence for sentence in told) or "otros" not in " ".join(told).lower()
    assert explanation.contrast(sms, call, row=0).reasons("en")[0].startswith("SMS, firm is expected to do worse")
    assert explanation.contrast(call, call, row=0).reasons("en") == ["Both actions are the same: call, firm."]


@pytest.mark.parametrize(
    ("language", "points", "money"),
    [
        ("es", "−1.234,6 p. p.", "1.240 €"),
        ("es-MX", "−1,234.6 p. p.", "EUR1,240"),
        ("en", "−1,234.6 pp", "€1,240"),
    ],
)
def test_numbers_follow_the_region(language, points, money):
    """Comma or point as the region has it, a true minus sign, no minus zero."""
    words = Wording.of(language)
    assert words.points(-12.3456) == points
    assert words.amount(1240.2, "EUR", signed=False).replace("\xa0", " ") == money.replace("\xa0", " ")
    assert words.signed(-0.001) == words.signed(0.0)


@pytest.mark.parametrize("language", ["en", "es", "es-MX", "es-CO", "pt"])
@pytest.mark.parametrize("currency", [None, "COP", "EUR", "USD"])
def test_a_sign_is_a_true_one_and_zero_has_none(language, currency):
    """Whatever writes a number: a loss has a minus sign and no hyphen, a gain a plus where asked, and zero nothing."""
    words = Wording.of(language)
    writers = {
        "number": words.number,
        "signed": words.signed,
        "points": lambda value: words.points(value / 100),
        "amount": lambda value: words.amount(value, currency),
        "unsigned": lambda value: words.amount(value, currency, signed=False),
    }
    for name, write in writers.items():
        for value in (-1_240.2, -99.994, -12.5, -0.06, -0.001, -0.0, 0.0, 0.001, 0.06, 12.5, 1_240.2):
            text = write(value)
            gains = name not in ("number", "unsigned") and value > 0.01
            assert "-" not in text, (name, value, text)
            assert ("\N{MINUS SIGN}" in text) == (value < -0.01), (name, value, text)
            assert ("+" in text) == gains, (name, value, text)
            assert text.strip("+\N{MINUS SIGN}") == write(-value).strip("+\N{MINUS SIGN}")


def test_every_message_has_both_languages_and_is_compiled():
    """Concepts and sentences of the source are in the Spanish catalogue, and the compiled one is up to date."""
    assert available_languages() == ("en", "es", "pt")
    folder = LOCALE / "es" / "LC_MESSAGES"
    with (folder / "explanation.po").open("rb") as file:
        written = {(m.context, m.id): m.string for m in read_po(file) if m.id}
    with (folder / "explanation.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for (context, message), translation in written.items():
        found = compiled.pgettext(context, message) if context else compiled.gettext(message)
        assert found == translation
    assert all(written.values())
    messages = set(CONCEPTS.values())
    for name in ("reasons.py", "waterfall.py", "wording.py"):
        source = (PACKAGE / name).read_text(encoding="utf-8")
        messages |= set(re.findall(r'\.text\(\s*"([^"]+)"', source))
    missing = [message for message in messages if (None, message) not in written]
    assert not missing
    for (_, message), translation in written.items():
        assert set(re.findall(r"{\w+}", message)) == set(re.findall(r"{\w+}", translation))


def test_a_language_without_texts_is_refused():
    """The error names the languages there are."""
    with pytest.raises(InvalidInput, match="es-MX"):
        Wording.of("fr")
