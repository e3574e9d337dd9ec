"""What an export says of the state of an account: that it is over, that nothing is overdue, or a word nobody knows."""

# ruff: noqa: E501 - tables of cases are read by their lines
from __future__ import annotations

import json

import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.__main__ import build_app
from recommender.errors import InvalidInput
from recommender.intake import Stated, unread_stops
from recommender.messages import STAGES
from recommender.planning import PlanFiles, PlanOrder, make_plan
from tests.intake.test_front_door import ACCOUNTS, AS_OF, CONTACTS, SEED, contacted, write

NAMES = ("estado", "Status", "Estado de la obligación", "account_status", "Situação", "loanStatus")
OVER = (
    "Inactive", "INACTIVO", "Inactiva", "Inativa", "Prescrita", "PRESCRITO", "Time-barred", "statute barred", "Castigada y vendida", "Cerrada", "CERRADO", "Closed", "Encerrada",
    "Cancelada", "Cancelled", "paid off", "Settled", "SIF", "Liquidada", "Quitada", "Baixada", "Archivada", "Arquivado", "Archived", "Trasladada", "Transferida", "Reasignada", "Transferred",
    "Resuelta", "Resolved", "Completed", "Concluída", "Satisfied", "Deleted", "Eliminada", "Sin deuda", "No debt", "Sem dívida", "On hold", "En pausa", "Inactive - closed", "Devuelta", "Cedida",
)  # fmt: skip
OWED = (
    "Vigente", "ACTIVA", "Active", "Open", "En mora", "Late (31-120 days)", "Charged off", "Castigada", "Written off", "Incobrable", "Judicial", "Prejurídico", "Vencida", "Em atraso",
    "Inadimplente", "Default", "Suspendida", "Bloqueada", "Mora 30", "B2", "30-60", "Pendiente", "Cobranza", "Reestructurada", "Parcialmente pagada", "Nueva",
)  # fmt: skip
CURRENT = (
    "Al día",
    "AL DIA",
    "al corriente",
    "Em dia",
    "Up to date",
    "Current",
    "Normalizada",
    "Regularizada",
    "Cured",
    "Saneada",
    "In good standing",
    "Performing",
)
NO = {
    "active": "N",
    "activo": "NO",
    "is_active": False,
    "IsActive": "False",
    "cuenta_activa": "N",
    "ativo": "Não",
    "account_active": 0,
    "active_flag": "0",
    "vigente": "NO",
    "abierta": "no",
    "is_open": False,
}
YES = {
    "inactive": "Y",
    "inactivo": "SI",
    "prescrita": "SI",
    "sold": True,
    "vendida": "S",
    "archived": True,
    "isDeleted": "true",
    "time_barred": 1,
    "data_baixa": "2026-01-01",
    "fecha_inactivacion": "2026-01-01",
}
QUIET = {
    "activo": [350_000, 0, 120], "vigente": ["SI", "S"], "active": [True, True], "cliente_activo": ["NO"], "estado_cliente": ["Inactivo"], "situacion_laboral": ["Inactivo"],
    "seguro_activo": ["NO"], "estado_tarjeta_seguro": ["Inactivo"], "open_rate": [0.0, 0.2], "sold": [3, 0, 12],
}  # fmt: skip


def plan(folder, accounts, **stated):
    """How many are contacted, and the notes; or the refusal."""
    files = PlanFiles(
        accounts=write(accounts, folder / "a.csv"),
        contacts=write(CONTACTS, folder / "c.csv"),
        outcomes=None,
        payments=None,
    )
    try:
        done = make_plan(files, folder / "plan.parquet", SEED, PlanOrder(AS_OF, stated=Stated(**stated)))
    except InvalidInput as error:
        return error
    return contacted(pd.read_parquet(folder / "plan.parquet")), list(done.notes)


@pytest.mark.parametrize("name", NAMES)
def test_words_of_an_end_are_stops_in_three_languages(name):
    """And words of a debt that is owed are none, nor are those of a debt that is up to date."""
    assert [word for word in OVER if not unread_stops({name: [word]}, "accounts")] == []
    assert [word for word in (*OWED, *CURRENT) if unread_stops({name: [word]}, "accounts")] == []


@pytest.mark.parametrize("name", [*NO, *YES])
def test_a_yes_or_a_no_says_that_an_account_is_over(name):
    """Whatever the type of its cells; the other answer says nothing."""
    cell = (NO | YES)[name]
    assert unread_stops({name: [cell]}, "accounts") == {name: [cell]}
    assert unread_stops({name: ["" if "-" in str(cell) else "SI" if name in NO else "NO"]}, "accounts") == {}


@pytest.mark.parametrize("name", QUIET)
def test_amounts_people_and_other_things_end_no_account(name):
    """Assets, counts, customers without movements, employment, insurances."""
    assert unread_stops({name: QUIET[name]}, "accounts") == {}


def test_one_account_that_is_over_is_asked_about(tmp_path):
    """With column, value, row and mend; of a balance of 0 nothing is asked."""
    told = ACCOUNTS.assign(activo=["SI"] * 9 + ["NO"])
    assert "accounts.activo says what stops a contact" in str(plan(tmp_path, told)) and "'NO' in row 9" in str(
        plan(tmp_path, told)
    )
    assert plan(tmp_path, told, no_stop_in=("activo",))[0] == 10
    assert plan(tmp_path, told.assign(balance_minor=[100_000] * 9 + [0]))[0] == 9


@pytest.mark.parametrize(
    ("name", "word"), [*(("estado", word) for word in CURRENT), ("al_dia", "SI"), ("is_current", "SI")]
)
def test_up_to_date_and_overdue_contradict_each_other(tmp_path, name, word):
    """Who is up to date was called overdue; where the due date lies ahead, or no day is late, they agree."""
    told = ACCOUNTS.assign(**{name: [word] + [None] * 9})
    said = str(plan(tmp_path, told))
    assert f"accounts.{name} says that nothing is overdue" in said and f"{word!r} in row 0" in said, said
    agrees = told.assign(due_date=["2026-12-15"] + ACCOUNTS["due_date"].tolist()[1:])
    for accounts in (agrees, told.assign(days_past_due=[0] + [40] * 9), told.assign(balance_minor=[0] + [100_000] * 9)):
        assert not isinstance(plan(tmp_path, accounts), InvalidInput)
    assert plan(tmp_path, told, no_stop_in=(name,)) == (10, [])


def test_a_word_that_nobody_knows_is_said_aloud(tmp_path):
    """It stops nothing by itself, and is not taken for a debt that is owed without a word."""
    n, notes = plan(tmp_path, ACCOUNTS.assign(Estado=["Zafada"] * 3 + ["Mora"] * 7))
    assert n == 10 and len(notes) == 1
    assert (
        "accounts.Estado says what no list of states knows" in notes[0]
        and "3 of 10 rows" in notes[0]
        and "'Zafada'" in notes[0]
    )
    for name, cells in (("Estado", ["Zafada"]), ("estado civil", ["Soltero"]), ("status", list(OWED)[:10])):
        quiet = (name,) if cells == ["Zafada"] else ()
        assert plan(tmp_path, ACCOUNTS.assign(**{name: (cells * 10)[:10]}), no_stop_in=quiet) == (10, [])
    brazil = ACCOUNTS.assign(country="BR", timezone="America/Bahia", currency="BRL", estado="Bahia")
    assert plan(tmp_path, brazil)[1] == []  # a part of the country


_ALONE = ["--no-contacts-yet", "--account"]


def test_the_stages_of_our_own_are_known_words(tmp_path):
    """And those that agencies cut a portfolio into: a debt in each of them is owed."""
    own = [
        *STAGES,
        "preventiva",
        "administrativo",
        "Amistosa",
        "prejurídica",
        "extrajudicial",
        "soft",
        "Hard collection",
    ]
    for word in own:
        assert plan(tmp_path, ACCOUNTS.assign(stage=word)) == (10, []), word


def test_a_check_reads_states_as_a_plan_does(tmp_path):
    """Refused with the same words, and the note is told beside the verdict."""
    facts = ACCOUNTS.iloc[0].drop("language").to_dict()
    asked = ["check", "--pack", "CO", "--channel", "sms", "--at", "2026-11-25T10:00:00-05:00", *_ALONE]
    path = tmp_path / "account.json"
    for told, code, said in (({"activo": "NO"}, 2, "activo"), ({"estado": "Al día"}, 2, "nothing is overdue"), ({"estado": "Zafada"}, 0, "no list of states"),
                             ({"fecha_ultimo_pago": "03/04/2026"}, 0, "last_paid_on"), ({"estado": "Mora"}, 0, "allowed: yes")):  # fmt: skip
        path.write_text(json.dumps(facts | told), encoding="utf-8")
        done = CliRunner().invoke(build_app("check"), [*asked, str(path)])
        assert done.exit_code == code and said in done.output, (told, done.output)


@pytest.mark.parametrize(
    ("told", "said"),
    [({"due_date": ["2026-10-01", "2026-10-02"]}, "due_date"), ({"balance_minor": {"amount": 5}}, "balance_minor"), ({"flags": {"a": 1}}, "flags"),
     ({"country": ["CO"]}, None), ({"consented_channels": ["sms", "CALL"]}, None)],
)  # fmt: skip
def test_an_object_in_a_cell_is_read_or_refused(tmp_path, told, said):
    """With its column, in a check and in a plan of JSON lines; a list with one item is that item."""
    facts = ACCOUNTS.iloc[0].drop("language").to_dict() | {"flags": []}
    path = tmp_path / "account.json"
    path.write_bytes(json.dumps(facts | told).encode("utf-8-sig"))
    asked = ["check", "--pack", "CO", "--channel", "sms", "--at", "2026-11-25t15:00:00z", *_ALONE]
    done = CliRunner().invoke(build_app("check"), [*asked, str(path)])
    if said is None:
        assert done.exit_code == 0, done.output
        return
    assert done.exit_code == 2 and f"accounts.{said}" in done.output, done.output
    lines = [json.dumps(row | told) for row in ACCOUNTS.to_dict("records")]
    (tmp_path / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    files = PlanFiles(
        accounts=tmp_path / "a.jsonl", contacts=write(CONTACTS, tmp_path / "c.csv"), outcomes=None, payments=None
    )
    with pytest.raises(InvalidInput, match=said):
        make_plan(files, tmp_path / "plan.parquet", SEED, PlanOrder(AS_OF))


def test_bytes_that_are_no_json_are_told(tmp_path):
    """And no bare traceback."""
    for held in (b"\xff\xfe{}", b"\x80", b"{"):
        (tmp_path / "a.json").write_bytes(held)
        asked = ["check", "--pack", "CO", "--channel", "sms", "--at", "2026-11-25T10:00:00-05:00", "--no-contacts-yet"]
        assert CliRunner().invoke(build_app("check"), [*asked, "--account", str(tmp_path / "a.json")]).exit_code == 2


@pytest.mark.parametrize("name", [
    "fecha_prescripcion", "Fecha de Prescripción", "fechaCierre", "fecha_cierre_cuenta", "fecha_venta", "sale_date", "account_close_date", "data_prescricao", "limitation_date",
])  # fmt: skip
def test_an_account_whose_end_has_come_is_asked_about(tmp_path, name):
    """Prescribed, closed or sold on or before the day of the plan; a day ahead ends nothing, one nobody can read is noted."""

    def ends(*cells):
        return plan(tmp_path, ACCOUNTS.assign(**{name: [""] * (10 - len(cells)) + [*cells]}))

    come = ("2026-11-25", "2024-01-31", "31/01/2024", "03/04/2025", "2024-01-31T00:00:00Z")
    said = str(ends(*come))
    assert f"accounts.{name} is a day that has come" in said and "in 5 of 10 rows" in said, said
    assert ends("2026-11-27", "2031-01-31", "1900-01-01", "31/12/2099") == (10, [])
    for cell in ("pronto", "12/01/2026"):
        done, notes = ends(cell)
        assert done == 10 and any(f"accounts.{name} is no day" in note for note in notes), cell
    told = ACCOUNTS.assign(**{name: [""] * 9 + ["2024-01-31"]})
    assert plan(tmp_path, told, no_stop_in=(name,))[0] == 10
    assert plan(tmp_path, told.assign(balance_minor=[100_000] * 9 + [0]))[0] == 9


@pytest.mark.parametrize("name", ["fecha_cierre_facturacion", "fecha_corte", "fecha_venta_tarjeta", "closing_balance"])
def test_days_of_other_things_end_no_account(tmp_path, name):
    """A month, an invoice, a card."""
    assert plan(tmp_path, ACCOUNTS.assign(**{name: "2024-01-31"})) == (10, [])
