"""An agency's own templates: folders, tables, names under them, and what is refused at load."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.actions import ActionSpace
from recommender.messages import CatalogueError, Template, own_catalogue, own_findings
from recommender.rules import OFFER_KINDS, eligibility
from recommender.store.files import catalogue_at, read_template_sources

NOON = datetime(2026, 11, 24, 14, tzinfo=UTC)
HEAD = 'schema = 1\nlanguage = "es"\nversion = "7"\napproved_by = "M. Ruiz"\nsms_segment_cost_minor = 2500\n'
BODY = '[[templates]]\nid = "{id}"\nchannels = ["sms"]\nstages = ["extrajudicial"]\ntone = "friendly"\n'
TEXT = HEAD + BODY.format(id="late") + 'kind = "overdue_notice"\nvariables = []\nbody = "Su cuota esta vencida."\n'
TABLE = "id,channels,stages,tone,kind,language,body,approved_by,whatsapp_template,whatsapp_category\n"
ROW = 'chat,sms;whatsapp,extrajudicial,neutral,incentive,es,"Hola {{ first_name }}",Ana,oferta_v2,marketing\n'


def test_a_folder_of_files_and_tables_is_one_catalogue(tmp_path):
    """In the order of names; a table's variables are read off its text, its lists are split."""
    (tmp_path / "a.toml").write_text(TEXT, encoding="utf-8")
    (tmp_path / "b.csv").write_text(TABLE + ROW, encoding="utf-8")
    (tmp_path / "notes.txt").write_text("not a template", encoding="utf-8")
    catalogue = own_catalogue(read_template_sources([tmp_path]))
    late, chat = catalogue.templates
    assert (late.version, late.approved_by, late.sms_cost_minor) == ("7", "M. Ruiz", 2500)
    assert (chat.channels, chat.variables, chat.whatsapp_template) == (
        ("sms", "whatsapp"),
        ("first_name",),
        "oferta_v2",
    )
    again = own_catalogue(read_template_sources([tmp_path / "a.toml", tmp_path / "b.csv"]))
    assert again.digest == catalogue.digest == catalogue_at((tmp_path,)).digest
    (tmp_path / "b.csv").write_text(TABLE + ROW.replace("Hola", "Buenas"), encoding="utf-8")
    assert own_catalogue(read_template_sources([tmp_path])).digest != catalogue.digest


@pytest.mark.parametrize(
    ("name", "text", "says", "key", "mend"),
    [
        ("x.toml", TEXT.replace("friendly", "rude"), "template 1 .'late'.: tone", "tone", "Use one of 'friendly'"),
        ("x.toml", TEXT.replace('approved_by = "M. Ruiz"\n', ""), "nobody's name", "approved_by", "approved = false"),
        ("x.toml", TEXT.replace("esta vencida", "embargada"), "'late', body: threat", "body", "what the debtor can"),
        ("x.toml", TEXT + "colour = 1\n", "colour", "colour", "known keys are id"),
        ("x.toml", TEXT.replace('kind = "overdue_notice"\n', ""), "kind", "kind", "Give the template a kind"),
        ("x.toml", HEAD + "templates = []\n", "no template", "templates", "at least one"),
        ("t.csv", TABLE + ROW.replace("marketing", "utility"), "incentive as utility", "whatsapp_category", "category"),
        ("t.csv", TABLE + ROW.replace("oferta_v2", ""), "whatsapp_category, or neither", "template", "format"),
        ("t.csv", TABLE + ROW.replace("{{ first_name }}", "{{ first_name"), "does not parse", "body", "format"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_by_file_template_key_and_mend(tmp_path, name, text, says, key, mend):
    """Nothing of such a catalogue is used."""
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(CatalogueError, match=says) as refused:
        own_catalogue(read_template_sources([tmp_path / name]))
    assert name in str(refused.value)
    assert refused.value.column == key
    assert mend in refused.value.mend


def test_a_draft_is_not_judged_and_not_used():
    """Approved = false keeps a text back, whatever is in it."""
    draft = TEXT.replace('"late"', '"draft"').replace("esta vencida", "sera embargada") + "approved = false\n"
    catalogue = own_catalogue([("x.toml", TEXT), ("y.toml", draft)])
    assert own_findings(catalogue) == []
    assert catalogue.get("draft") is not None
    asked = {"channel": ["sms"], "tone": ["friendly"], "days_past_due": [40], "language": ["es"]}
    assert catalogue.template_ids(**asked) == ["late"]


KINDS = ["overdue_notice", "flexible_offer", "incentive", "pre_legal"]


@given(st.lists(st.sampled_from(KINDS), min_size=1, max_size=4, unique=True))
def test_no_offer_is_made_for_want_of_another_text(kinds):
    """Without kinds or offers among the actions, an offering text is neither attached nor makes a contact eligible."""
    shared = {"channels": ("sms",), "stages": ("extrajudicial",), "tone": "friendly", "variables": (), "language": "es",
              "body": "Hola.", "approved_by": "Ana"}  # fmt: skip
    texts = "".join(f'{BODY.format(id=kind.replace("_", "-"))}kind = "{kind}"\nvariables = []\nbody = "Hola."\n'
                    for kind in kinds)  # fmt: skip
    catalogue = own_catalogue([("x.toml", HEAD + texts)])
    assert catalogue.get(kinds[0].replace("_", "-")) == Template(
        id=kinds[0].replace("_", "-"), kind=kinds[0], version="7", sms_segment_cost_minor=2500,
        **(shared | {"approved_by": "M. Ruiz"}),
    )  # fmt: skip
    plain = [kind for kind in kinds if kind not in OFFER_KINDS]
    asked = {"channel": ["sms"], "tone": ["friendly"], "days_past_due": [40], "language": ["es"]}
    assert catalogue.template_ids(**asked) == [plain[0].replace("_", "-") if plain else None]
    account = {"account_id": "A", "country": "CO", "timezone": "America/Bogota", "language": "es", "party": "debtor",
               "consented_channels": "sms", "balance_minor": 9_000, "flags": "", "due_date": "2026-10-10",
               "contacts_known": True}  # fmt: skip
    for factors in ({}, {"offer": ["none"]}):
        space = ActionSpace({"channel": ["sms"], "hour": [10], "tone": ["friendly"], **factors}, no_contact=True)
        judged = eligibility([account], space, as_of=NOON, packs=["CO"], contacts=[], catalogue=catalogue)
        assert judged.mask[0, 0] == bool(plain)
