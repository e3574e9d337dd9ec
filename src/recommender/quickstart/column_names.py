"""What columns are usually called, by the role they play; plain words in English, Spanish and Portuguese."""

# ruff: noqa: E501 - a word list is read by its lines
from __future__ import annotations

import re

from recommender.intake import column_word, kind_of_name

__all__ = [
    "ACCOUNT", "ACTION", "ANSWERS", "CHANNEL", "CLUSTER", "COUNTED", "DONE", "HOUR", "LAST_WORD", "MARKED_ACCOUNT", "MARKED_ACTION",
    "NOT_A_PROPENSITY", "NOT_OF_THIS_CONTACT", "NOT_THE_MOMENT", "NO_ANSWERS", "OF_CONTACTS", "PROPENSITY", "RECEIVED", "REWARD", "SUCCESSES", "SUM", "TIME",
    "TONE", "UNWANTED", "WORDING", "forms", "is_marked", "is_personal", "plain_name",
]  # fmt: skip


_TABLE = re.compile(r"^(?:\w+\.)+(?=\w)")  # a table's name before the column's
_CONTACTED = frozenset(("contact", "contacto", "contato"))  # whose key, code or name is that of a person
_CODED = re.compile(r"_(?:cd|code|cod|codigo|nm|name|nombre|desc|descripcion|key)$")


def plain_name(name: str) -> str:
    """A column's name as words: ``sentAt``, ``Sent At`` and ``SENT_AT`` are ``sent_at``."""
    return column_word(name)


def forms(name: str) -> tuple[str, ...]:
    """Ways to read a column's name, the fullest first: ``log.channel_cd`` is ``log_channel_cd``, ``channel_cd``, ``channel``."""
    whole = plain_name(name)
    last = plain_name(_TABLE.sub("", name))
    bare = _CODED.sub("", last)
    return tuple(dict.fromkeys((whole, last, last if bare in _CONTACTED else bare)))


def is_marked(name: str) -> bool:
    """Whether a name may be the action's or a segment's."""
    plain = plain_name(name)
    return plain in MARKED_ACTION or plain.rpartition("_")[2] in ("assignment", "asignado", "asignada", "assigned")


def is_personal(name: str) -> bool:
    """Whether a column is called as names, telephones, addresses and papers of people are."""
    return kind_of_name(name) not in ("plain", "describes contact") or _PERSON.search(plain_name(name)) is not None


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


#: The likeliest first: of several, the first is taken and the others were known no earlier.
REWARD = _words(
    "reward rewards recompensa responded response is_response respuesta respondio right_party_contact rpc answered "
    "contesto atendida contactado contacto_efectivo reply replied promise promise_to_pay promise_flag ptp ptp_flag promesa promesa_de_pago paid pago "
    "pagado is_paid payment_made recovered cured converted conversion conversao convertio purchase purchased compra "
    "bought sale sold click clicks clicked is_click clic visit visited success exito sucesso y target label outcome "
    "outcome_code result result_code response_code cod_respuesta codigo_respuesta cod_resultado codigo_resultado resultado disposition disposicion tipificacion subscribed deposit accepted acepto signup "
    "voted opened attended renewed enrolled registered "
    "amount_paid paid_amount payment_amount monto_pagado valor_pagado amount_recovered revenue spend value_paid abono poutcome"
)
ACTION = _words(
    "action accion acao action_id treatment tratamiento tratamento treatment_group arm arm_id brazo variant variante "
    "variation test_group experiment_group item_id item creative creative_id banner banner_id offer offer_id oferta ad_id "
    "treat treatment_arm variation_name variation_id variant_name variant_id test_variant ab_variant ab_group experiment_variant "
    "action_code action_type cod_accion codigo_accion tipo_accion campaign_type message_variant message_id template template_id plantilla script subject_line exposure decision"
)
#: Names that may also be a segment of customers: they count as the action where their levels sound like one.
MARKED_ACTION = _words(
    "segment segmento group grupo campaign campana campanha strategy estrategia type tipo flag message assignment "
    "assigned asignacion condition condicion cohort cohorte"
)
#: Last words of names that say what was chosen, whatever stands before: ``campaign_variant``, ``study_arm``.
LAST_WORD = frozenset(_words("arm variant variante treatment tratamiento brazo accion"))
#: What a message said; beside a channel it is no more than one of the things that were chosen.
WORDING = _words("creative creative_id message_variant message_id template template_id plantilla script subject_line")
CHANNEL = _words(
    "channel canal contact_channel contact_type contact_method contact medium medio via communication_channel "
    "communication_type tipo_contacto tipo_de_contacto tipo_gestion medio_contacto metodo_contacto canal_contacto"
)
HOUR = _words(
    "hour hora hour_of_day hora_contacto hour_local local_hour hora_local call_hour contact_hour send_hour time_slot slot "
    "franja franja_horaria time_of_day daypart send_time_slot"
)
TONE = _words("tone tono tom message_tone tono_mensaje style estilo")
PROPENSITY = _words(
    "propensity propensity_score propension pscore p_score action_prob action_probability prob_action prob probability "
    "probabilidad logging_prob logging_probability p_action p logged_propensity selection_probability"
)
NOT_A_PROPENSITY = re.compile(
    r"(^|_)(pay|paid|pago|pagar|default|churn|convert|response|respond|model|score_pago)($|_)"
)
ACCOUNT = _words(
    "account_id account cuenta id_cuenta numero_cuenta account_number loan_id contract_id obligacion id_obligacion "
    "no_credito customer_id customer cust_id client_id cliente id_cliente client user_id userid usuario id_usuario uid "
    "member_id debtor_id deudor id_deudor person_id lead_id subscriber_id visitor_id recipient_id destinatario id_destinatario contact_id_hash"
)
_UNIT = (
    "(?:account|acct|cuenta|client|cliente|customer|cust|loan|credito|credit|prestamo|contrato|contract|obligacion|debtor|"
    "deudor|user|usuario|member|socio|titular|tarjeta|poliza|policy|subscriber|suscriptor|borrower|case|caso|lead|"
    "persona|person|afiliado|asociado|producto|operacion|operation|expediente|folio)"
)
_NUMBER = "(?:id|no|nro|num|numero|number|nbr|cod|codigo|code|key|hash|ref)"
#: A unit with the mark of a number before or behind it, without blanks and underscores.
MARKED_ACCOUNT = re.compile(f"{_NUMBER}(?:de|del|of)?(?:la|el)?{_UNIT}|{_UNIT}{_NUMBER}")
#: Words that are a unit by themselves: an account where the cells count through, an amount or a yes elsewhere.
COUNTED = _words(
    "loan prestamo emprestimo credito credit expediente folio contrato contract obligacion operacion operation poliza "
    "policy caso case cuenta account acct socio titular tarjeta borrower prestatario processo dossier"
)
CLUSTER = _words("debtor_id deudor id_deudor customer_id cliente_id id_cliente person_id")
TIME = _words(
    "sent_at decided_at contacted_at called_at call_time contact_time fecha_hora fecha_contacto fecha_gestion fecha_envio "
    "timestamp event_time datetime date_time created_at start_time calldate call_date send_date contact_date time date "
    "fecha data day_time ts"
)
#: Dates of the account, never the moment of a contact, however alone they stand.
NOT_THE_MOMENT = re.compile(
    r"(^|_)(due|vence|vencimiento|birth|birthday|nacimiento|dob|expiry|expires|expiration|maturity|opened|opening|apertura|"
    r"signup|registered|registro|alta|origination|disbursed|disbursement|desembolso)($|_)"
)
#: Words of names of people, beside those of contact data; in a product's name, too, so that the cells decide.
_PERSON = re.compile(r"(^|_)(name|nombres?|nome|mobile)($|_)")
SUCCESSES = frozenset(
    _words(
        "yes y si s sim true t 1 verdadero verdadeiro success successful exito exitoso positive positivo converted won clicked click paid "
        "pagado pago responded response respondio answered contesto accepted acepto subscribed good ok done"
    )
)
#: First words of columns of 0 and 1 that say together what was done: ``sent_sms``, ``sent_email``.
DONE = frozenset(
    _words(
        "sent send action accion acao treatment treat arm channel canal contact contacted contacto enviado envio via template "
        "plantilla variant variante message mensaje offer oferta campaign campana"
    )
)
#: Of these and their negation nobody can tell which one was meant as the success.
UNWANTED = frozenset(_words("default churn complaint queja reclamo fraud fraude bounce bounced mora spam unsubscribe"))
#: Words of columns of money that came in, and those that may stand beside them.
RECEIVED = frozenset(
    _words(
        "recaudo recaudado recaudada recaudos recuperado recuperada recuperacion recovered recovery collected collection "
        "cobrado abonado abono abonos pagado pagada paid pago revenue received recibido ingreso ingresos"
    )
)
SUM = frozenset(
    _words(
        "valor value monto amount amt importe total vlr sum suma net neto gross bruto usd cop eur mxn pen clp ars minor cents "
        "in en de of"
    )
)
#: Words of a column that holds the moment of an answer, empty where there was none; and words that deny it.
ANSWERS = frozenset(
    _words(
        "clicked click opened responded replied answered converted paid purchased subscribed accepted visited booked clic "
        "respondio contesto pago pagado compro acepto"
    )
)
NO_ANSWERS = frozenset(
    _words("last ultimo ultima previous prior anterior due vence vencimiento next proximo proxima expected promised")
)
#: Words of a column of outcomes that are none of this contact: of an earlier one, or of the account.
NOT_OF_THIS_CONTACT = NO_ANSWERS | frozenset(
    _words(
        "prev past before previo previa pasado pasada antes penultimo penultima first primer primero primera initial "
        "inicial history historic historical historial historico historica hist lag best mejor melhor worst peor loan "
        "credit credito prestamo account cuenta conta debt deuda divida invoice factura bureau"
    )
)
#: Words of a moment whose hour somebody chose.
OF_CONTACTS = frozenset(
    _words("call called calls llamada llamado dial dialed contact contacto contacted gestion sent send envio attempt")
)
