"""What five articles of the trade promise (docs/trade-advice.md), kept by the verbs on one Spanish portfolio."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.__main__ import build_app
from recommender import ActionSpace, ContactStrategy, LoggedFeedback
from recommender.deciding import decide
from recommender.messages import default_catalogue
from recommender.offers import OfferDesk, PriceList
from recommender.strategy import SeedStrategy

ROOT = Path(__file__).parents[2]
AS_OF = "2026-11-17T08:00:00-05:00"  # a Tuesday
EVERY = "sms,whatsapp,email,llamada"
#: cuenta: days past due, channels agreed to, whose contact points, flags.
PEOPLE = {
    "por-vencer": (-3, EVERY, "titular", "ninguna"),
    "reciente": (5, EVERY, "titular", "ninguna"),
    "tardia": (45, EVERY, "titular", "ninguna"),
    "judicial": (206, EVERY, "titular", "ninguna"),
    "fiador": (20, EVERY, "fiador", "ninguna"),
    "calamidad": (40, EVERY, "titular", "calamidad"),
    "disputa": (40, EVERY, "titular", "disputa"),
    "molesta": (12, EVERY, "titular", "ninguna"),
    "solo-correo": (12, "email", "titular", "ninguna"),
    "de-hoy": (12, EVERY, "titular", "ninguna"),
}
CONTACTS = """cuenta;fecha_envio;canal;iniciado_por;resultado
tardia;2026-11-03 10:00;sms;acreedor;entregado
tardia;2026-11-09 10:00;correo;acreedor;leido
molesta;2026-11-10 10:00;whatsapp;acreedor;cliente molesto
de-hoy;2026-11-17 07:30;sms;acreedor;entregado
"""
CAPACITY = """
timezone = "America/Bogota"
[[queue]]
name = "agentes"
channels = ["call"]
minutes_per_contact = 10
agents = { 9 = 1, 11 = 1 }
[[queue]]
name = "mensajes"
channels = ["sms", "whatsapp", "email"]
quota = 3
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An agency's export, its history and its capacities."""
    place = tmp_path_factory.mktemp("articles")
    rows = [
        f"{name};Colombia;America/Bogota;es;450000;COP;{days};{channels};{whose};{flags}"
        for name, (days, channels, whose, flags) in PEOPLE.items()
    ]
    head = "cuenta;pais;zona_horaria;idioma;saldo_centavos;moneda;dias_mora;canales_autorizados;parte;flags"
    (place / "cuentas.csv").write_text("\n".join([head, *rows]) + "\n")
    paid = [head + ";fecha_ultimo_pago", rows[1].replace("450000", "0") + ";15/11/2026", rows[2] + ";"]
    (place / "pagadas.csv").write_text("\n".join(paid) + "\n")
    (place / "contactos.csv").write_text(CONTACTS)
    (place / "capacity.toml").write_text(CAPACITY)
    return place


def run(folder, verb, accounts, out, *more):
    """Run a verb under its defaults, with the seed rules."""
    asked = [verb, str(folder / accounts), "--as-of", AS_OF, "--contacts", str(folder / "contactos.csv"),
             "--naive-timezone", "account", "--strategy", str(folder / "none"), "--other-accounts",
             "--out", str(folder / out), *more]  # fmt: skip
    result = CliRunner().invoke(build_app(), asked)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def every(folder):
    """Everything that may be done with each account, best first."""
    run(folder, "score", "cuentas.csv", "plan.parquet", "--no-explore", "--top-k", "400")
    return pd.read_parquet(folder / "plan.parquet")


def of(table, account):
    """Contacts of an account."""
    return table.loc[(table["account"] == account) & table["channel"].notna()]


def test_each_stage_has_its_text_and_its_tone(every):
    """Kind before the due date and soon after, firmer later, formal once it is long due: never a text of another."""
    kinds = every["template_id"].str.split(".").str[1]
    told = {name: set(kinds[of(every, name).index]) for name in PEOPLE}
    tones = {name: set(of(every, name)["tone"]) for name in PEOPLE}
    assert told["por-vencer"] == {"due-reminder"}
    assert tones["por-vencer"] <= {"friendly", "neutral"}
    assert of(every, "por-vencer")["tone"].iloc[0] == "friendly"
    assert told["reciente"] == {"overdue-notice"}
    assert "overdue-notice" in told["tardia"] <= {"overdue-notice", "pre-legal"}
    assert "pre-legal" in told["judicial"]
    assert "formal-legal" not in tones["reciente"]
    assert "formal-legal" in tones["tardia"]
    stages = {template.id: template.stages for template in default_catalogue().templates}
    names = {
        "por-vencer": "preventive",
        "reciente": "administrative",
        "tardia": "extrajudicial",
        "judicial": "judicial",
    }
    for name, stage in names.items():
        assert all(stage in stages[one] for one in of(every, name)["template_id"])


def test_cheap_channels_go_before_calls_and_agreed_ones_before_others(every):
    """A call only after a message did not do; nobody over a channel that he did not agree to."""
    assert "call" not in set(of(every, "reciente")["channel"])
    assert "call" in set(of(every, "tardia")["channel"])
    assert set(of(every, "solo-correo")["channel"]) == {"email"}


def test_nobody_is_contacted_twice_a_day(every):
    """Who had a message this morning has none today; the others may."""
    day = every["contact_local"].str[:10]
    assert set(day[of(every, "de-hoy").index]) <= {"2026-11-18"}
    assert "2026-11-17" in set(day[of(every, "reciente").index])


def test_people_take_over_where_a_machine_must_not_go_on(folder, every):
    """Guarantors, the judicial stage, hardship, disputes and an angry reply: a queue with the reason; not the rest."""
    first = every.loc[every["rank"] == 1].set_index("account")["needs_human"]
    hands = {"judicial", "fiador", "calamidad", "disputa", "molesta"}
    assert set(first.index[first]) == hands
    queue = pd.read_parquet(folder / "plan.parquet.people.parquet").set_index("account")
    assert set(queue.index) == hands
    assert queue["human_reason"].notna().all()
    assert of(every, "molesta").empty
    assert of(every, "disputa").empty


def test_accounts_have_a_segment_that_a_person_reads(every):
    """By history, situation, capacity and cause."""
    named = every.drop_duplicates("account").set_index("account")["segment"]
    assert named.loc[["por-vencer", "reciente", "tardia", "judicial", "calamidad"]].tolist() == [
        "not-due", "early", "late", "very-late", "hardship",
    ]  # fmt: skip


def test_thanks_after_a_payment_and_reminders_before_the_due_date(folder):
    """Each a run of its purpose: thanks go to who paid and to nobody else, reminders to nobody who is late."""
    run(folder, "score", "pagadas.csv", "thanks.parquet", "--purpose", "payment_confirmation", "--no-explore")
    thanks = pd.read_parquet(folder / "thanks.parquet").query("rank == 1").set_index("account")["template_id"]
    assert thanks["reciente"].split(".")[1] == "thanks"
    assert pd.isna(thanks["tardia"])
    run(folder, "score", "cuentas.csv", "ahead.parquet", "--purpose", "pre_due_reminder", "--no-explore")
    ahead = pd.read_parquet(folder / "ahead.parquet").query("rank == 1 and channel.notna()")
    assert set(ahead["account"]) == {"por-vencer"}


def test_scarce_agents_and_messages_are_shared_out_by_hour(folder):
    """Calls only in the agents' hours, no more than they can make, no more messages than the quota; a list an hour."""
    run(folder, "plan", "cuentas.csv", "tomorrow", "--capacity", str(folder / "capacity.toml"),
        "--campaigns", str(folder / "lists"))  # fmt: skip
    plan = pd.read_parquet(folder / "tomorrow" / "plan.parquet")
    calls = plan.loc[plan["queue"] == "agentes"]
    assert len(calls)
    assert set(calls["contact_at"].dt.tz_convert("America/Bogota").dt.hour) <= {9, 11}
    assert (plan["queue"] == "mensajes").sum() == 3
    people = pd.read_parquet(folder / "tomorrow" / "people.parquet")
    assert {"judicial", "fiador"} <= set(people["account_id"])
    loaded = [pd.read_csv(path) for path in (folder / "lists").glob("*-*.csv")]
    assert loaded
    assert not {"judicial", "fiador"} & {one for table in loaded for one in table["account_id"]}


OFFERS = """
schema = 1
currency = "COP"
[[offers]]
id = "ten"
kind = "discount"
percent = 10
stages = ["extrajudicial"]
[[offers]]
id = "six"
kind = "instalments"
instalments = 6
stages = ["administrative", "extrajudicial"]
"""


def test_flexible_offers_and_incentives_only_where_the_list_has_them():
    """Told by a text of their own kind, at their stages; who disputes gets none."""
    offers = {"channel": ["sms", "email"], "hour": [10], "tone": ["friendly"], "offer": ["none", "ten", "six"]}
    space = ActionSpace(offers, no_contact=True)
    rows = [
        {"account_id": name, "country": "CO", "timezone": "America/Bogota", "language": "es", "party": "debtor",
         "currency": "COP", "consented_channels": "sms;email", "balance_minor": 450_000, "days_past_due": days,
         "flags": flags}
        for name, days, flags in (("recent", 10, ""), ("late", 45, ""), ("disputes", 45, "disputed"))
    ]  # fmt: skip
    made = decide(pd.DataFrame(rows), strategy=SeedStrategy(space), as_of=datetime(2026, 11, 17, 13, tzinfo=UTC),
                  packs=["CO"], contacts=[], top_k=20,
                  offers=OfferDesk(PriceList.from_toml(OFFERS))).ranked  # fmt: skip
    told = made.dropna(subset=["offer"])
    by_account = told.groupby("account")["offer"].agg(set).to_dict()
    assert by_account == {"recent": {"none", "six"}, "late": {"none", "ten", "six"}}
    kinds = told["template_id"].str.split(".").str[1]
    assert set(zip(told["offer"], kinds, strict=True)) == {
        ("none", "overdue-notice"), ("ten", "incentive"), ("six", "flexible-offer"),
    }  # fmt: skip


def test_the_log_teaches_hour_and_channel_of_each_debtor():
    """Those on the night shift answer chats in the evening, the others calls in the morning: each gets his own."""
    space = ActionSpace({"channel": ["call", "whatsapp"], "hour": [9, 18], "tone": ["friendly"]}, no_contact=True)
    rng, n = np.random.default_rng(7), 1_200
    night, action = rng.random(n) < 0.5, rng.integers(0, len(space), n)
    told = space.describe(action)
    suits = (told["channel"].eq("whatsapp") & told["hour"].eq(18)).to_numpy(dtype=bool, na_value=False)
    other = (told["channel"].eq("call") & told["hour"].eq(9)).to_numpy(dtype=bool, na_value=False)
    chance = np.where(told["channel"].isna(), 0.0, np.where(np.where(night, suits, other), 0.6, 0.05))
    table = pd.DataFrame({"works_at_night": night.astype(float), "reward": (rng.random(n) < chance).astype(float)})
    log = LoggedFeedback.from_frame(pd.concat([table, told], axis=1), actions=space, context=["works_at_night"])
    strategy = ContactStrategy(policy="greedy", random_state=0, n_jobs=1).fit(log)
    facts = {"country": "CO", "timezone": "America/Bogota", "language": "es", "party": "debtor", "flags": "",
             "consented_channels": "call;whatsapp", "balance_minor": 900, "days_past_due": 12}  # fmt: skip
    rows = [facts | {"account_id": str(at), "works_at_night": float(at % 2)} for at in range(8)]
    made = decide(pd.DataFrame(rows), strategy=strategy, as_of=datetime(2026, 11, 17, 11, tzinfo=UTC), packs=["CO"],
                  contacts=[], explore=False).ranked  # fmt: skip
    first = made.loc[made["rank"] == 1]
    wanted = {"0": ("call", 9), "1": ("whatsapp", 18)}
    for account, channel, hour in zip(first["account"], first["channel"], first["hour"], strict=True):
        assert (channel, hour) == wanted[str(int(account) % 2)]


def test_every_promise_of_the_page_names_a_test_that_exists():
    """English and Spanish name the same tests; each is there, and none of this file is left out."""
    text = (ROOT / "docs" / "trade-advice.md").read_text(encoding="utf-8")
    english, spanish = (re.findall(r"`(?:(tests/[\w/]+\.py)::)?(test_\w+)`", part) for part in text.split("\n# "))
    assert english == spanish
    own = Path(__file__).relative_to(ROOT).as_posix()
    for file, name in english:
        assert f"def {name}(" in (ROOT / (file or own)).read_text(encoding="utf-8"), name
    mine = set(re.findall(r"^def (test_\w+)", Path(__file__).read_text(encoding="utf-8"), re.MULTILINE))
    assert mine - {"test_every_promise_of_the_page_names_a_test_that_exists"} <= {name for _, name in english}
