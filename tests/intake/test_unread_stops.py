"""What any collector calls stop is never passed over because its column bears a name that nobody knows."""

# ruff: noqa: E501 - tables of cases are read by their lines
from __future__ import annotations

import json

import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.__main__ import build_app
from recommender.errors import InvalidInput
from recommender.history.contract_check import check_table
from recommender.intake import Stated, TableReading, canonical_word, doubt_unread_stops, unread_stops
from recommender.planning import PlanFiles, PlanOrder, make_plan
from recommender.tables import CONTRACTS
from tests.intake.test_front_door import ACCOUNTS, AS_OF, CONTACTS, SEED, contacted, plan_of

STOPS = {
    "accounts": {"excluded": "Y", "acepta llamadas": "NO", "autorizacion_datos": "NO", "estado promesa": "Vigente hasta 30/11", "Estado servicio": "BAJA", "baja": "SI", "demanda": "si",
        "Opt-out": "SI", "opt_out": "sms", "OptOut_Date": "20260122T111244", "unsubscribed_at": "2026-03-01", "Fecha de baja": "01/03/2026",
        "Estado": "FALLECIDO", "Bloqueo": "NO LLAMAR", "Habeas Data": "REVOCADO", "Status": "Dispute", "subscribeStatus": "unsubscribed",
        "situacao": "Falecido", "Observação": "Não ligar", "Marca": "INSOLVENCIA", "Estado obligacion": "Paz y salvo", "DNC flag": 1,
        "Robinson/DND": "S", "gestionable": "NO", "Puede contactar": "No", "Autoriza contacto": 0, "habeas_data": "NO", "marketing_consent": False,
        "is_minor": True, "Condicion": "Cliente fallecido", "Estatus": "Finado", "Situacion": "QEPD", "status": "DECEASED - VERIFIED", "account_status": "BNKO",
        "Bkcy": "Ch 13", "Ley 1116": "S", "Attorney": "John Doe Esq.", "C&D": "Y", "Marca 2": "Representado por abogado", "Exclusion": "X", "Restriccion": "TOTAL",
        "estado_obligacion": "PAGADA", "status_account": "RECALLED", "CONDUSEF": "SI", "Fec Fallec": "12/03/2026", "DOD": "2026-03-12", "noLlamarSMS": True,
        "observaciones": "No llamar mas, pidio baja el 12/10", "Notas": "Titular fallecio segun esposa", "comentario": "Cliente solicita no ser contactado",
        "HasOptedOutOfEmail": True, "legal_status": "In litigation", "tutela": "SI", "sms_ok": "N", "Permite SMS": "NO", "fecha_promesa": "30/11/2026",
        "Dispute Case": 10023.0, "loan_status": "Fully Paid", "LOAN.STATUS": "LIQ", "accountState": "CLOSED_REPAID", "payment_state": "paid", "Status do contrato": "Quitado",
        "Estado del crédito": "CANCELADO POR PAGO TOTAL", "Loan Status": "Does not meet the credit policy. Status:Fully Paid", "accountSubState": "EARLY_CLOSED",
        "IsClosed": True, "pagado": "SI", "Fecha pago total": "2026-11-20", "Clearing date": "2026-11-20", "MANSP": "S", "Dunning block": "X", "BK Chapter": "13",
        "Bloqueo de reclamación": "A", "ShouldForget": True, "Hardship program": "Y", "Cliente vulnerável": "Sim", "optOutSMS": True, "noContactar": "S",
        "Estado de la cuenta": "Saldo en cero", "AccountStatus": "Charged-off, sold", "placement_status": "Returned to client", "situação": "Zerado",
        "Date closed": "2026-11-20", "soldDate": "2026-11-20", "Estado actual": "Castigado y vendido", "loan_state": "Repurchased", "Status atual": "Pago", "estado_mora": "Pagada",
        "Bankruptcy": "Chapter 7", "fecha_fallecimiento": "2026-05-05", "pqr": "X", "No contactar SMS": True, "Situación jurídica": "Con abogado",
    },
    "contacts": {
        "Estado": "BAJA", "Respuesta": "opt_out", "Tipo de contacto": "Número equivocado", "Detalle": "Promesa de pago", "ON_QUEUE_DISPOSITION": "Do Not Call",
        "observacion": "pide no ser llamado", "mensaje_cliente": "no me llamen mas", "monto_promesa": "50000", "comentarios": "habla con hijo, titular fallecio",
        "REASON_FOR_FAILURE": "User blocked business", "error.name": "EC_USER_OPTED_OUT", "CallOutcomeNote": "stop calling me", "Result Name": "Claims paid", "STATUS_NAME": "Do Not Call", "convenio": "SI",
        "motivo": "Fallecido", "Agent note code": "Attorney", "Status Reason": "complaint", "Retorno": "Pessoa errada", "Próxima acción": "No llamar mas", "mensaje": "Reply: STOP calling me", "nota del agente": "responde que no lo llamen", "Clasificación": "QUEJA",
    },
    "payments": {"estado": "RECHAZADO", "tipo": "Reverso", "status": "charge-back", "Motivo": "Cheque devuelto", "state": "pending", "concepto": "Cancelación de pago", "tipo2": "CANCELADO"},
}  # fmt: skip
QUIET = {
    "accounts": {"promises": [0, 1, 3], "loan_status": ["Current", "Late (31-120 days)", "Charged Off"], "accountState": ["ACTIVE", "ACTIVE_IN_ARREARS"], "paid": [120_000, 3_000],
        "estado_pago": ["Pago parcial", "Partially paid", ""], "payment_state": ["not_paid", "partial", "in_arrears"], "IsClosed": [False, False], "Fecha de corte": ["2026-11-20", "", None],
        "estado_del_pago": ["Pago vencido", "PAGO MINIMO", "Pago pendiente"], "repayment_status": ["Paid late", "Paid as agreed", "Paid up to date"], "account_status": ["Closed - past due", "Open", ""],
        "lastPaymentStatus": ["Paid", "Late", ""], "estado_ultimo_pago": ["Pagado", "", None], "estado_cuota": ["Pagada", "Pendiente", ""], "prev_loan_status": ["Closed", "Paid", ""],
        "estado_seguro": ["Cancelado", "Vigente", ""], "kyc_status": ["Cleared", "Pending", ""], "autopay_status": ["Cancelled", "On", ""], "delivery_status": ["Returned", "Sent", ""],
        "estado_matricula": ["Retirado", "Activo", ""], "line_status": ["Prepaid", "Postpaid", ""], "hardship_status": ["BROKEN", "COMPLETED", ""], "complaint_status": ["Closed", "Resolved", ""],
        "payoff_amount": [100, 200], "direccion_block": ["B", "A", ""], "hardship_score": [0.1, 0.2], "Charge-off date": ["2026-08-01", "", None],
        "prioridad": ["ALTA", "MEDIA", "BAJA"], "vivienda": ["FAMILIAR", "PROPIA", "ARRIENDO"], "n_reclamos": [0, 3, 2], "prior_opt_outs": [0, 1, 0],
        "promises_kept": [0, 1, 0], "promises_3m": [1.0, 0.0], "monto_promesas": [5000, 0], "ultima_promesa": ["2026-01-02", "", None], "abogado": ["sin abogado", "no", "NINGUNO"], "juridico": ["sin demanda", "no aplica", "-"],
        "consentimiento": ["SI", "sí", True], "Autoriza SMS": ["S", "1", "X"], "nota": ["llamar tarde", "no contesta nunca", "no contactado"], "ocupacion": ["abogado", "juez", "otro"],
        "bloqueo_tarjeta": ["S", "N", "S"], "situacion": ["no fallecido", "al dia", "mora"], "estado civil": ["casado", "soltero", "viudo"],
        "complaints_90d": [0, 1, 1], "opt_out": ["no", "NO", ""], "disputa": ["none", "", "N"], "estado cuenta": ["VIGENTE", "MORA", "CASTIGADO"],
        "Opt-out": [False, False, False], "segmento": ["titular", "premium", "masivo"], "abogado asignado": ["Pérez", "Gómez", "Ruiz"], "score": [0.1, 0.2, 0.9],
        "nombre_campana": ["STOP LOSS", "QUEJAS CERO", "PROMESAS"], "death_rate": [0.1, 0.2, 0.3], "ciudad": ["La Baja", "Cali", "Bogotá"],
        "motivo_no_pago": ["Fallecimiento de familiar", "Desempleo", "muerte de su esposa"],
        "estado": ["Baja California Sur", "Jalisco", "Sonora"], "estado_residencia": ["Baja California", "", None], "riesgo": ["BAJA", "BAJA", "BAJA"], "probabilidad pago": ["Baja", "", None],
        "situacion_laboral": ["Retirado", "Activo", ""], "acepta_descuento": ["NO", "SI", ""], "permite_pago_online": ["N", "S", ""], "autorizado_centrales": ["NO", "SI", ""],
        "riesgo_fraude": ["ALTO", "BAJO", ""], "fraud_risk": ["high", "low", ""], "estado_promesa": ["Cumplida", "Incumplida", "Rota"], "codigo_convenio": ["1234", "5521", ""],
        "nombre_convenio": ["Libranza Ejército", "Policía", ""], "cliente_exclusivo": ["SI", "NO", ""], "profissao": ["Advogado", "Médico", ""], "job_title": ["Attorney", "Nurse", ""],
        "emp_title": ["Lawyer", "Teacher", ""], "agencia": ["Abogados SAS", "Cobros", ""], "casa_cobranza": ["Abogados Asociados", "X", ""], "tipo_seguro": ["Fallecimiento", "Desempleo", ""],
    },
    "contacts": {"error_name": ["NO_ERROR", "OK", ""], "agent_name": ["Robinson Pérez", "Ana", ""], "agente": ["g1", "g2", "g3"], "duracion": [10, 0, 4], "campaña": ["nov", "oct", "nov"], "prioridad": ["ALTA", "BAJA", "MEDIA"],
                 "balance_minor": [0, 1, 1], "promises_12m": [0, 1, 2], "observacion": ["no contactado", "Llamada caida", "pide tiempo"], "promesa_incumplida": ["S", "N", "S"],
                 "template_id": ["paid", "opt_out", "x"], "message_kind": ["complaint", "x", "y"],
                 "body": ["Reply STOP to opt out", "Your payment is due", "Text STOP to 12345 to unsubscribe"], "Mensaje": ["Evite reportes. Responda BAJA para no recibir mensajes", "Si ya pagó haga caso omiso", ""],
                 "proxima_accion": ["Volver a llamar", "Enviar SMS", ""], "objetivo": ["Promesa de pago", "Ubicar", ""], "oferta": ["Plan de pagos", "Descuento", ""]},
    "payments": {"tipo": ["CANCELACION TOTAL", "Abono", "Cancelación de la deuda"], "status": ["settled", "completed", ""]},
}  # fmt: skip


@pytest.mark.parametrize(("table", "name"), [(table, name) for table, held in STOPS.items() for name in held])
def test_a_stop_in_an_unknown_column_is_seen(table, name):
    """By its cells, or by its name and its cells."""
    assert unread_stops({name: [STOPS[table][name], None]}, table) == {name: [STOPS[table][name]]}


@pytest.mark.parametrize(("table", "name"), [(table, name) for table, held in QUIET.items() for name in held])
def test_what_is_no_stop_raises_no_alarm(table, name):
    """Degrees, counts, names, and stops that are told not to be."""
    assert unread_stops({name: QUIET[table][name]}, table) == {}


@pytest.mark.parametrize("kind", [".csv", ".parquet", ".jsonl"])
@pytest.mark.parametrize(
    ("table", "name"), [("accounts", "Estado"), ("accounts", "OptOut_Date"), ("contacts", "Detalle")]
)
def test_one_row_is_enough_to_refuse_a_plan(table, name, kind, tmp_path):
    """With column, value, row and mend: whom it stops would be contacted."""
    frames = {"accounts": ACCOUNTS, "contacts": CONTACTS}
    assert contacted(plan_of(tmp_path / "right", kind=kind, **frames)) == 10
    cells = [None] * 7 + [STOPS[table][name]] + [None] * 2
    files = {}
    for one, frame in frames.items():
        frame = frame.assign(**{name: cells}) if one == table else frame
        files[one] = tmp_path / f"{one}{kind}"
        {".csv": lambda f, p: f.to_csv(p, index=False), ".parquet": lambda f, p: f.to_parquet(p),
         ".jsonl": lambda f, p: f.to_json(p, orient="records", lines=True)}[kind](frame, files[one])  # fmt: skip
    with pytest.raises(InvalidInput, match="what stops a contact") as error:
        make_plan(PlanFiles(**files, outcomes=None, payments=None), tmp_path / "plan.parquet", SEED, PlanOrder(AS_OF))
    assert str(STOPS[table][name]) in str(error.value)
    assert "row 7" in str(error.value)


def test_a_check_refuses_what_a_plan_refuses(tmp_path):
    """The account's and the history's columns."""
    facts = {
        "account_id": "A1", "debtor_id": "D1", "country": "CO", "timezone": "America/Bogota", "party": "debtor", "flags": [],
        "consented_channels": ["sms"], "balance_minor": 100_000, "due_date": "2026-10-01",
    }  # fmt: skip
    (tmp_path / "account.json").write_text(json.dumps(facts), encoding="utf-8")
    (tmp_path / "dead.json").write_text(json.dumps(facts | {"Estado": "FALLECIDO"}), encoding="utf-8")
    history = CONTACTS.iloc[:1].assign(account_id="A1")
    history.to_csv(tmp_path / "history.csv", index=False)
    history.assign(Clase="NO LLAMAR MAS").to_csv(tmp_path / "stop.csv", index=False)
    asked = ["check", "--pack", "CO", "--channel", "sms", "--at", "2026-11-25T10:00:00-05:00"]

    def code(account, told):
        given = ["--account", str(tmp_path / account), "--history", str(tmp_path / told)]
        return CliRunner().invoke(build_app("check"), [*asked, *given]).exit_code

    assert [
        code("account.json", "history.csv"),
        code("dead.json", "history.csv"),
        code("account.json", "stop.csv"),
    ] == [0, 2, 2]


def test_a_log_is_refused_as_a_plan_is():
    """Who asked to be left alone would be one who did not answer; the user may state that the column says no such thing."""
    frame = pd.DataFrame(
        {"contact_id": ["K1"], "account_id": ["A"], "sent_at": "2026-11-01T00:00:00Z", "Clase": ["BAJA"]}
    )
    as_of = pd.Timestamp("2026-11-25T00:00Z")
    with pytest.raises(InvalidInput, match=r"Clase says what stops a contact.*'BAJA' in row 0.*--no-stop-in 'Clase'"):
        check_table(frame, CONTRACTS["contacts"], as_of=as_of)
    stated = Stated(no_stop_in=("clase",))
    assert not check_table(frame, CONTRACTS["contacts"], as_of=as_of, stated=stated).faults.bad.any()


@pytest.mark.parametrize(
    "name", ["Wrap-up", "Call Result", "Resultado de la gestión", "Disposition Name", "tipificação"]
)
def test_a_disposition_is_read_under_the_names_that_diallers_give_it(name, tmp_path):
    """It is the outcome, and stops."""
    told = CONTACTS.assign(**{name: "NO LLAMAR MAS"})
    assert contacted(plan_of(tmp_path, accounts=ACCOUNTS, contacts=told)) == 0


SAID = {
    "deceased": ("Cliente fallecido", "TITULAR FALLECIDO - FAMILIAR", "DECEASED - VERIFIED", "DCSD", "morreu em maio"),
    "insolvent": ("BKY", "Bankruptcy Ch7", "Concurso mercantil", "Acogido a ley 1116", "em recuperação judicial"),
    "represented": ("ATTY", "Tiene abogado", "Advogado constituído"),
    "opt_out_all": ("no llamar mas cliente molesto", "Solicita no ser contactado", "Pide baja de base", "C&D letter", "DNCC",
                    "Refused - do not call again", "Opt-Out SMS", "Remove from list", "Nao ligar mais", "Cliente pediu para parar de ligar"),
    "dispute": ("No reconoce la deuda", "Alega fraude", "Suplantado"), "complaint": ("Queja SIC", "Interpone tutela"),
    "in_lawsuit": ("Litigante", "Amenaza demanda"), "wrong_party": ("Wrong #", "Número errado", "Titular no vive ahí"),
    "paid": ("Alega pago", "Claims paid", "Ya pagó ayer"), "promise_to_pay": ("PROMESA PARCIAL", "Convenio vigente", "Compromiso pago 30/11"),
    None: ("no fallecido", "sin abogado", "Promesa caída", "NO CONTACTADO", "Do not know", "Rechaza pago", "No llamado", "XYZ77"),
}  # fmt: skip


@pytest.mark.parametrize("meaning", SAID)
def test_a_stop_in_other_words_is_heard(meaning):
    """What an agency says longer, shorter or in its own tongue; what denies a stop, or says none, is none."""
    assert {word: canonical_word("outcome", word) for word in SAID[meaning]} == dict.fromkeys(SAID[meaning], meaning)


def doubted(table, frame, **stated):
    reading = TableReading(table, Stated(**stated))
    reading.observe(frame)
    reading.read(frame)
    doubt_unread_stops(reading, frame)
    return [fault.column for fault in reading.faults.values() if fault.rule == "unread_stop"]


def test_what_another_column_tells_already_is_no_news():
    """A refused channel that consent leaves out, the amount of a promise that is read; and what the user states."""
    frame = pd.DataFrame({"account_id": ["1", "2"], "consented_channels": ["call", "sms;call"], "sms_ok": ["N", "S"]})
    assert doubted("accounts", frame) == []
    assert doubted("accounts", frame.assign(sms_ok="N")) == ["sms_ok"]
    assert doubted("accounts", frame.assign(sms_ok="N"), no_stop_in=("SMS OK",)) == []
    told = CONTACTS.assign(outcome="PROMESA", **{"Monto promesa": "50.000"})
    assert doubted("contacts", told) == []
    assert doubted("contacts", told.assign(outcome="NO CONTESTA")) == ["Monto promesa"]


@pytest.mark.parametrize("number", ["tel", "telf", "telefono", "celular", "phone"])
@pytest.mark.parametrize("name", ["contactable_{}", "autoriza_{}", "{}_consent"])
def test_a_number_that_is_refused_is_refused_for_messages_too(name, number):
    """A telephone is called, texted and written to: only where consent has none of these it says nothing new."""
    frame = pd.DataFrame({"account_id": ["1"], "consented_channels": ["sms"], name.format(number): ["NO"]})
    assert doubted("accounts", frame) == [name.format(number)]
    assert doubted("accounts", frame.assign(consented_channels="email")) == []


def test_a_long_column_of_notes_is_sieved():
    """Thousands of different notes, and one of them says it."""
    notes = [f"nota {number}" for number in range(3_000)] + ["el titular falleció en agosto"]
    frame = pd.DataFrame({"account_id": map(str, range(3_001)), "detalle": notes})
    assert doubted("accounts", frame) == ["detalle"]
    assert doubted("accounts", frame.iloc[:-1]) == []


def test_a_payment_that_says_it_did_not_come_is_none(tmp_path):
    """A plan refuses it; a log keeps its row in quarantine, so that the reward is unknown."""
    payments = pd.DataFrame(
        {"account_id": ACCOUNTS["account_id"].head(3), "paid_at": "2026-11-20T10:00:00-05:00", "amount_minor": 5_000,
         "currency": "COP", "estado": ["APLICADO", "APLICADO", "RECHAZADO"]}
    )  # fmt: skip
    assert contacted(plan_of(tmp_path / "kept", accounts=ACCOUNTS, contacts=CONTACTS, payments=payments.head(2))) == 10
    assert plan_of(tmp_path / "refused", accounts=ACCOUNTS, contacts=CONTACTS, payments=payments) is None
    checked = check_table(payments, CONTRACTS["payments"], as_of=pd.Timestamp("2026-11-25T00:00Z"))
    assert checked.faults.bad.tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("name", "cell", "n"),
    [
        ("estado_promesa", "Vigente hasta 30/11", 9), ("estado_promesa", "Activa", 9),
        ("estado_promesa", "Sin promesa", 10), ("estado promesa", "Cumplida parcial", 10), ("ultimo_pago", "150000", 10),
    ],
)  # fmt: skip
def test_one_promise_in_words_that_nobody_knows_is_open(tmp_path, name, cell, n):
    """Few odd cells refuse no table; what they say of a promise stops its debtor. The last payment may be an amount."""
    accounts = pd.concat([ACCOUNTS.assign(account_id=ACCOUNTS["account_id"] + f"-{k}", debtor_id=ACCOUNTS["debtor_id"] + f"-{k}")
                          for k in range(3)], ignore_index=True)  # fmt: skip
    told = accounts.assign(**{name: [cell] + [None] * 29})
    contacts = CONTACTS.assign(account_id=accounts["account_id"].head(10))
    assert contacted(plan_of(tmp_path, accounts=told, contacts=contacts)) == n + 20
