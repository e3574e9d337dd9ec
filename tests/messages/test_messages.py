"""The catalogue, its linter, the length of SMS, and the tone of past messages."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.errors import InvalidInput
from recommender.messages import (
    STAGES,
    VARIABLES,
    Catalogue,
    CatalogueError,
    ToneClassifier,
    default_catalogue,
    infer_tones,
    lint_catalogue,
    lint_text,
    sms_length,
    stage_of,
)
from recommender.rules import CHANNELS, KINDS, PURPOSES, TONES

HEAD = 'schema = 1\nlanguage = "en"\n[[templates]]\nid = "a"\nchannels = ["sms"]\nstages = ["preventive"]\n'
BODY = 'tone = "friendly"\nkind = "due_reminder"\n'


def test_the_packaged_catalogue_is_clean_and_complete():
    """No finding of the linter; each language has a friendly text for every channel and stage."""
    catalogue = default_catalogue()
    assert lint_catalogue(catalogue) == []
    assert set(catalogue.languages) == {"es", "en", "pt"}
    for language in catalogue.languages:
        kinds = catalogue.available("collection", language)
        assert kinds.shape == (len(STAGES), len(CHANNELS), len(KINDS), len(TONES))
        table = kinds.any(axis=2)
        assert table[:, :, TONES.index("friendly")].all()
        assert not table[0, :, TONES.index("firm")].any(), "before the due date always kind"
        for purpose in ("payment_confirmation", "fraud_alert", "requested_information"):
            assert catalogue.available(purpose, language).any(axis=(2, 3)).all()
    kinds = {template.kind for template in catalogue.templates}
    assert {"due_reminder", "overdue_notice", "flexible_offer", "incentive", "thanks", "pre_legal"} <= kinds
    assert any(template.handover == "whatsapp" for template in catalogue.templates)


def test_every_template_renders_within_its_limits():
    """With sample values, over each of its channels."""
    for template in default_catalogue().templates:
        for channel in template.channels:
            message = default_catalogue().render(
                template.id, {name: VARIABLES[name] for name in template.variables}, channel=channel
            )
            assert message.body
            assert "{{" not in message.body
            assert (message.segments is not None) == (channel == "sms")


def test_the_template_of_a_recommendation():
    """Found by channel, tone, stage and language; None where nothing is approved."""
    found = default_catalogue().template_ids(
        channel=["sms", "sms", "email", "fax", "call"], tone=["friendly", "firm", "formal-legal", "firm", "firm"],
        days_past_due=[-3, -3, 100, 5, 5], language=["es-CO", "es", "pt", "en", "de"],
    )  # fmt: skip
    assert found == ["es.due-reminder.friendly.sms", None, "pt.pre-legal.formal-legal.mail", None, None]


@pytest.mark.parametrize(("days", "stage"), [(-9, "preventive"), (0, "preventive"), (1, "administrative"),
                                             (30, "administrative"), (31, "extrajudicial"), (90, "extrajudicial"),
                                             (91, "judicial")])  # fmt: skip
def test_stages_by_days_past_due(days, stage):
    """Preventive up to the due date, administrative to 30, extrajudicial to 90, judicial beyond."""
    assert stage_of(days) == stage
    assert STAGES[int(default_catalogue().stage_of(np.array([days]))[0])] == stage


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HEAD + BODY + 'variables = []\nbody = "Hi {{ first_name }}"\n', "first_name"),
        (HEAD + BODY + 'variables = ["salary"]\nbody = "Hi {{ salary }}"\n', "salary"),
        (HEAD + BODY + 'variables = []\nbody = "Hi {{"\n', "parse"),
        (HEAD + BODY + 'variables = []\nbody = "Hi"\ncolour = 1\n', "colour"),
        (HEAD + BODY.replace("friendly", "rude") + 'variables = []\nbody = "Hi"\n', "tone"),
        (HEAD.replace("sms", "email") + BODY + 'variables = []\nbody = "Hi"\n', "subject"),
        (HEAD.replace("schema = 1", "schema = 2") + BODY + 'variables = []\nbody = "Hi"\n', "schema"),
        ("schema =", "TOML"),
        (HEAD + BODY + 'variables = []\nbody = "Hi"\n' + (HEAD + BODY)[26:] + 'variables = []\nbody = "Hi"\n', "twice"),
    ],
)  # fmt: skip
def test_a_catalogue_that_breaks_the_rules_does_not_load(text, says):
    """The error names the fault."""
    with pytest.raises(CatalogueError, match=says):
        Catalogue.from_toml({"mine.toml": text})


def test_a_replaced_catalogue_decides_what_is_available():
    """A team's own TOML takes the place of the packaged one."""
    mine = Catalogue.from_toml({"mine.toml": HEAD + BODY + 'variables = []\nbody = "Hi"\n'})
    table = mine.available("collection", "en")
    assert table.sum() == 1
    assert table[0, CHANNELS.index("sms"), KINDS.index("due_reminder"), TONES.index("friendly")]
    assert not mine.available("collection", "es").any()


def test_a_text_that_nobody_approved_is_neither_available_nor_rendered():
    """Withdrawn, a template is as good as none; the next one that is approved takes its place."""
    text = HEAD + BODY + 'variables = []\nbody = "Hello."\n'
    second = text.replace(HEAD.split("[[")[0], "").replace('"a"', '"b"')
    for approved, want in ((True, "a"), (False, "b")):
        catalogue = Catalogue.from_toml({"f": text + f"approved = {str(approved).lower()}\n" + second})
        asked = {"channel": ["sms"], "tone": ["friendly"], "days_past_due": [0], "language": ["en"]}
        assert catalogue.template_ids(**asked) == [want]
    alone = Catalogue.from_toml({"f": text + "approved = false\n"})
    assert not alone.available("collection", "en").any()
    assert alone.template_ids(**asked) == [None]
    with pytest.raises(CatalogueError, match="no approved template"):
        alone.render("a", {})


@pytest.mark.parametrize(("capitals", "found"), [(60, False), (61, True), (100, True), (0, False)])
def test_shouting_is_more_than_six_letters_in_ten(capitals, found):
    """Counted in letters; a few capitals in a short text, and digits, are no shouting."""
    text = "A" * capitals + "a" * (100 - capitals) + " 12345 !!!"
    assert [one.rule for one in lint_text(text)] == ["shouting"] * found
    assert lint_text("PAGO YA: 20/11 $ 12.345") == []


def test_the_sandbox_holds():
    """A template cannot reach Python's insides."""
    evil = HEAD + BODY + 'variables = ["first_name"]\nbody = "{{ first_name.__class__.__mro__ }}"\n'
    mine = Catalogue.from_toml({"evil.toml": evil})
    with pytest.raises(Exception, match="unsafe"):
        mine.render("a", {"first_name": "x"})


def test_values_are_declared_or_refused():
    """Missing values, further values, unknown templates and texts too long are errors."""
    catalogue = default_catalogue()
    template = catalogue.get("es.thanks.friendly.sms")
    values = {name: VARIABLES[name] for name in template.variables}
    for wrong in ({}, values | {"extra": 1}, values | {"first_name": "x" * 400}):
        with pytest.raises(CatalogueError):
            catalogue.render(template.id, wrong)
    with pytest.raises(CatalogueError, match="no approved"):
        catalogue.render("es.nothing", {})


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("Si no paga iniciaremos el embargo de su salario", "threat"),
        ("You will be arrested", "threat"), ("Último aviso antes de visitar", "threat"),
        ("Vamos penhorar seus bens", "threat"), ("Pay today or else", "threat"),
        ("JUZGADO 5 CIVIL", "judicial_look_alike"), ("Notificación judicial", "judicial_look_alike"),
        ("Court summons enclosed", "judicial_look_alike"), ("Intimação: processo nº 3", "judicial_look_alike"),
        ("¿Por qué no ha pagado?", "ask_reason_for_default"),
        ("Cuéntenos el motivo de su mora", "ask_reason_for_default"),
        ("Why did you miss the payment?", "ask_reason_for_default"),
        ("Por que você não pagou?", "ask_reason_for_default"),
        ("What happened with your payment?", "ask_reason_for_default"),
        ("Avisaremos a su jefe", "third_party_disclosure"), ("We will call your employer", "third_party_disclosure"),
        ("PAGUE HOY SU OBLIGACION CON EL BANCO", "shouting"),
        ("em\u00adbargo", "threat"),
    ],
)  # fmt: skip
def test_the_linter_finds(text, rule):
    """Threats, court look-alikes, questions why, disclosure, shouting; accents and hidden hyphens do not hide them."""
    assert rule in {finding.rule for finding in lint_text(text)}


@pytest.mark.parametrize(
    "text",
    ["Hola Ana, su cuota vence el viernes. Con gusto le ayudamos.", "We can offer a plan of six payments.",
     "Puede pagar por PSE o en la sucursal porque abrimos hasta las 6.", "Ofrecemos opciones para ponerse al día.",
     "Podemos dividir seu saldo em parcelas.", "Gracias por su pago, presa fácil no."],
)  # fmt: skip
def test_the_linter_leaves_plain_texts_alone(text):
    """Offers and reminders pass."""
    assert lint_text(text) == []


@pytest.mark.parametrize(
    ("text", "encoding", "units", "segments"),
    [("", "GSM-7", 0, 0), ("a" * 160, "GSM-7", 160, 1), ("a" * 161, "GSM-7", 161, 2), ("a" * 306, "GSM-7", 306, 2),
     ("a" * 307, "GSM-7", 307, 3), ("ñé" * 80, "GSM-7", 160, 1), ("á" * 70, "UCS-2", 70, 1), ("á" * 71, "UCS-2", 71, 2),
     ("€" * 80, "GSM-7", 160, 1), ("€" * 81, "GSM-7", 162, 2), ("😀" * 35, "UCS-2", 70, 1), ("😀" * 36, "UCS-2", 72, 2),
     ("a" * 152 + "€" + "a" * 152, "GSM-7", 306, 3)],
)  # fmt: skip
def test_sms_segments(text, encoding, units, segments):
    """160 and 153 septets, 70 and 67 units; a letter of two units is never cut."""
    length = sms_length(text)
    assert (length.encoding, length.units, length.segments) == (encoding, units, segments)


@given(st.text(max_size=400), st.text(max_size=20))
def test_a_longer_sms_never_takes_fewer_segments(text, more):
    """Adding letters never shrinks a message."""
    assert sms_length(text + more).segments >= sms_length(text).segments


def test_tone_comes_from_what_is_given_then_the_catalogue_then_the_text():
    """Each row says where its tone comes from and how sure that is."""
    contacts = pd.DataFrame(
        {
            "tone": ["firm", None, None, None, "loud"],
            "template_id": [None, "es.pre-legal.formal-legal.sms", "gone", None, None],
            "text": [None, None, "Hola Ana, con gusto le ayudamos con su pago", "qwerty", None],
        },
        index=[10, 11, 12, 13, 14],
    )
    found = infer_tones(contacts)
    assert found["tone_source"].tolist() == ["given", "catalogue", "classifier", "unsure", "unknown"]
    assert found["tone"].tolist()[:3] == ["firm", "formal-legal", "friendly"]
    assert found["tone"].isna().tolist() == [False, False, False, True, True]
    assert found["tone_probability"].between(0.0, 1.0).tolist() == [True, True, True, True, False]
    assert list(found.index) == [10, 11, 12, 13, 14]


@pytest.mark.parametrize("has", [(1, 1, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1), (0, 0, 1), (0, 0, 0)])
def test_what_is_told_of_a_message_goes_before_what_is_known_of_its_text(has):
    """The tone of the row, else that of its template, else a guess; a word that is no tone is none."""
    template = next(one for one in default_catalogue().templates if one.tone == "formal-legal")
    text = next(one for one in default_catalogue().templates if one.tone == "friendly").body
    row = {"tone": "firm" if has[0] else "loud", "template_id": template.id if has[1] else "no-such",
           "text": text if has[2] else None}  # fmt: skip
    found = infer_tones(pd.DataFrame([row])).iloc[0]
    sources = ("given", "catalogue", "classifier", "unknown")
    source = sources[has.index(1) if 1 in has else 3]
    assert found["tone_source"] == source
    expected = {"given": "firm", "catalogue": "formal-legal", "classifier": "friendly", "unknown": None}[source]
    assert found["tone"] == expected or (expected is None and pd.isna(found["tone"]))


def test_a_guess_is_told_from_the_certainty_on_that_is_asked_for():
    """Whatever that is: at it and above the tone stands, below it is null; how sure the guess is stands always."""
    texts = [f"{one.body} {word}" for one in default_catalogue().templates[::12] for word in ("", "mora", "ok thanks")]
    contacts = pd.DataFrame({"text": texts})
    sure = infer_tones(contacts, least=0.0)
    assert (sure["tone_source"] == "classifier").all() and sure["tone_probability"].nunique() > 5
    usual = infer_tones(contacts)
    for least in (0.6, *sure["tone_probability"].quantile([0.2, 0.5, 0.9], interpolation="nearest")):
        found = infer_tones(contacts, least=least)
        kept = sure["tone_probability"] >= least
        assert (
            found["tone"].where(kept, None).equals(sure["tone"].where(kept, None)) and found["tone"][~kept].isna().all()
        )
        assert found["tone_source"].tolist() == ["classifier" if one else "unsure" for one in kept]
        assert found["tone_probability"].equals(sure["tone_probability"])
        if least == 0.6:
            assert found.equals(usual)


def test_the_classifier_reads_texts_it_has_not_seen():
    """Trained without the chat texts it names their tone; where it is unsure it is wrong more often."""
    templates = default_catalogue().templates
    known = [t for t in templates if t.channels != ("whatsapp",) and not t.id.endswith(("mail", "whatsapp"))]
    asked = [t for t in templates if t.channels == ("whatsapp",)]
    classifier = ToneClassifier.fit([t.body for t in known], [t.tone for t in known])
    guess, sure = classifier.predict([t.body for t in asked])
    right = np.array([tone == template.tone for tone, template in zip(guess, asked, strict=True)])
    assert right.mean() > 0.85
    assert ((sure > 0) & (sure <= 1)).all()
    with pytest.raises(InvalidInput, match="tone"):
        ToneClassifier.fit(["a"], ["angry"])


@pytest.mark.parametrize(("channel", "most", "letters"), [("sms", 1, 160), ("sms", 2, 306), ("ivr", 1, 600)])
def test_a_text_may_fill_what_its_channel_takes(channel, most, letters):
    """One letter more is a finding."""
    head = HEAD.replace('["sms"]', f'["{channel}"]') + BODY + f"max_segments = {most}\nvariables = []\n"
    for size, fits in ((letters, True), (letters + 1, False)):
        catalogue = Catalogue.from_toml({"f": head + f'body = "{"a" * size}"\n'})
        assert [one.rule for one in lint_catalogue(catalogue)] == ([] if fits else ["length"])


def test_few_letters_shout_nothing():
    """From the twenty-first on."""
    assert lint_text("A" * 20) == []
    assert [one.rule for one in lint_text("A" * 21)] == ["shouting"]


def test_a_text_hands_over_only_to_a_channel_that_was_agreed_to():
    """By the set of channels of each debtor; without one, or with others alone, it is the plain text of its kind."""
    catalogue = default_catalogue()
    over = [one for one in catalogue.templates if one.handover is not None]
    assert over
    for template in over:
        days = {"preventive": -1, "administrative": 10, "extrajudicial": 45, "judicial": 120}[template.stages[0]]
        asked = {"channel": [template.channels[0]], "tone": [template.tone], "kind": [template.kind],
                 "days_past_due": [days], "language": [template.language],
                 "purpose": template.purposes[0]}  # fmt: skip
        agreed = 1 << CHANNELS.index(template.handover)
        others = sum(1 << at for at in range(len(CHANNELS))) & ~agreed
        for channels, hands_over in ((None, False), ([0], False), ([others], False), ([agreed], True)):
            (found,) = catalogue.template_ids(**asked, open_channels=channels)
            chosen = None if found is None else catalogue.get(found)
            assert (chosen is not None and chosen.handover == template.handover) == hands_over, template.id


def test_whatsapp_takes_what_offers_or_wins_back_as_marketing_and_the_rest_as_utility():
    """Every kind of text for every purpose under every category; offered ways to pay may be either."""
    for kind in KINDS:
        for purpose in PURPOSES:
            is_marketing = kind == "incentive" or purpose == "win_back"
            right = {"marketing"} if is_marketing else {"utility", *(["marketing"] if kind == "flexible_offer" else [])}
            for category in ("utility", "marketing", "authentication"):
                text = HEAD.replace("sms", "whatsapp") + BODY.replace("due_reminder", kind) + (
                    f'variables = []\nbody = "Hello."\npurposes = ["{purpose}"]\nwhatsapp_template = "a"\n'
                    f'whatsapp_category = "{category}"\n'
                )  # fmt: skip
                found = [one.rule for one in lint_catalogue(Catalogue.from_toml({"mine.toml": text}))]
                assert found == ["whatsapp-category"] * (category not in right), (kind, purpose, category)
