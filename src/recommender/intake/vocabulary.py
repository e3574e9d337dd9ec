"""The words that exports use, in Spanish and English, and the one word that each of them means here.

A word that is not listed is never guessed: the reader reports it with its column, row and mend.
"""

# ruff: noqa: E501 - a word list is read by its lines
from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from importlib import resources
from typing import Any

__all__ = [
    "CHANNEL_NAMES",
    "canonical_channel",
    "canonical_word",
    "column_synonyms",
    "country_code",
    "country_zone",
    "is_placeholder",
    "plain_word",
]

#: Channels of the rules, in their order.
CHANNEL_NAMES: tuple[str, ...] = ("call", "sms", "whatsapp", "email", "ivr", "letter", "visit")

_CHANNELS = {
    "call": "call llamada llamadas llamada_telefonica telefono telefonica phone phone_call voice voz voice_call outbound_call",
    "sms": "sms mensaje mensajes mensaje_de_texto mensajes_de_texto mensaje_texto texto text text_message msj mms",
    "whatsapp": "whatsapp wa wsp wpp whats_app whatsapp_business",
    "email": "email e_mail mail correo correo_electronico correos email_address",
    "ivr": "ivr robocall llamada_automatica llamada_grabada mensaje_de_voz voicebot bot_de_voz audio_respuesta",
    "letter": "letter carta postal_letter correo_postal correo_fisico carta_fisica",
    "visit": "visit visita field_visit visita_domiciliaria visita_en_campo visita_presencial",
}
_TONES = {
    "friendly": "friendly amable amigable cordial empatico",
    "neutral": "neutral neutro informativo",
    "firm": "firm firme urgente",
    "formal-legal": "formal_legal formal legal juridico prejuridico pre_legal",
}
_STATUSES = {
    "sent": "sent enviado enviada enviados realizado realizada ejecutado ejecutada done completed hecho efectuado made",
    "planned": "planned planeado planeada planificado planificada programado programada scheduled queued en_cola por_enviar",
}
_INITIATORS = {
    "creditor": "creditor collector agency agent outbound saliente acreedor cobrador cobranza agencia agente gestor asesor "
    "empresa banco entidad company bank business",
    "debtor": "debtor customer client inbound entrante deudor cliente titular consumidor usuario consumer user",
}
_PARTIES = {
    "debtor": "debtor deudor deudora titular cliente",
    "codebtor": "codebtor co_debtor codeudor codeudora joint_debtor cotitular",
    "guarantor": "guarantor garante fiador fiadora aval avalista",
    "reference": "reference referencia tercero third_party familiar",
}
_DEBTOR_TYPES = {
    "person": "person persona persona_natural persona_fisica natural individual fisica",
    "company": "company empresa persona_juridica persona_moral juridica business sociedad corporate",
}
_OUTCOMES = {
    "attempted": "attempted attempt intento intentado enviado sent queued",
    "not_connected": "not_connected no_contesta no_contesto no_contestada no_answer sin_respuesta ocupado busy buzon "
    "buzon_de_voz voicemail apagado no_answered unanswered",
    "bounced": "bounced bounce rebote rebotado undelivered no_entregado failed fallido fallida",
    "delivered": "delivered entregado entregada recibido",
    "read": "read leido leida opened abierto seen visto open",
    "replied": "replied reply respondio respuesta respondido contesto_mensaje",
    "wrong_party": "wrong_party wrong_number numero_equivocado equivocado no_es_el_titular no_corresponde numero_errado",
    "third_party": "third_party tercero contacto_con_tercero contacto_tercero familiar mensaje_con_tercero",
    "right_party_contact": "right_party_contact rpc contacto_directo contacto_titular contacto_con_titular titular "
    "contacto_efectivo live_contact",
    "answered": "answered contesta contesto contestada atendida answer human",
    "promise_to_pay": "promise_to_pay ptp promesa promesa_de_pago promesa_pago compromiso compromiso_de_pago acuerdo_de_pago",
    "promise_kept": "promise_kept promesa_cumplida compromiso_cumplido",
    "promise_broken": "promise_broken promesa_incumplida promesa_rota compromiso_incumplido",
    "paid": "paid pago pagado pagada pago_parcial abono",
    "paid_in_full": "paid_in_full pago_total cancelado_total paz_y_salvo pagado_en_su_totalidad liquidado settled",
    "payment_reversed": "payment_reversed reverso reversado reversion pago_reversado chargeback contracargo returned_payment",
    "opt_out": "opt_out optout stop baja unsubscribe unsubscribed cancelar_suscripcion no_desea_mensajes darse_de_baja",
    "opt_out_all": "opt_out_all no_contactar do_not_contact cease_contact no_llamar_mas dnc baja_total",
    "opt_in": "opt_in optin start alta autoriza autorizacion resubscribe consentimiento",
    # anger in a reply is answered by a person, as a complaint is
    "complaint": "complaint queja reclamo pqr spam_complaint spamreport spam angry angry_reply hostile abusive enojado "
    "enojada molesto molesta cliente_molesto agresivo agresiva grosero grosera insulto insultos amenaza_con_abogado irritado",
    "complaint_resolved": "complaint_resolved queja_resuelta reclamo_resuelto pqr_cerrada",
    "dispute": "dispute disputed disputa desconoce_deuda desconoce_la_deuda no_reconoce_deuda objecion",
    "dispute_resolved": "dispute_resolved disputa_resuelta objecion_resuelta",
    "callback_requested": "callback_requested callback volver_a_llamar llamar_despues rellamar cbhold agendado",
    "number_invalid": "number_invalid numero_invalido invalid_number disconnected fuera_de_servicio numero_no_existe dc "
    "hard_bounce invalid_recipient",
    "deceased": "deceased fallecido fallecida fallecio muerto",
    "contact_stopped": "contact_stopped contacto_suspendido suspender_contacto",
    "contact_resumed": "contact_resumed contacto_reanudado reanudar_contacto",
}
_FLAGS = {
    "do_not_contact": "do_not_contact no_contactar dnc",
    "disputed": "disputed disputa en_disputa disputado",
    "insolvent": "insolvent insolvente insolvencia",
    "represented": "represented abogado con_abogado representado attorney",
    "in_lawsuit": "in_lawsuit demandado en_demanda lawsuit proceso_judicial en_proceso_judicial judicializado",
    "hardship": "hardship vulnerable calamidad vulnerabilidad dificultad dificultades dificultad_economica "
    "dificultades_economicas financial_difficulty",
    "deceased": "deceased fallecido fallecida",
    "cease_contact": "cease_contact cesar_contacto cease",
    "promise_open": "promise_open",
    "complaint_open": "complaint_open",
    "callback_set": "callback_set",
}
_LANGUAGES = {
    "es": "es espanol castellano spanish spa",
    "en": "en ingles english eng",
    "pt": "pt portugues portuguese por",
}

_DICTIONARIES = {
    "channel": _CHANNELS, "tone": _TONES, "status": _STATUSES, "initiated_by": _INITIATORS, "party": _PARTIES,
    "debtor_type": _DEBTOR_TYPES, "outcome": _OUTCOMES, "flags": _FLAGS, "language": _LANGUAGES,
}  # fmt: skip
_WORDS: dict[str, dict[str, str]] = {
    name: {word: level for level, words in held.items() for word in words.split()}
    for name, held in _DICTIONARIES.items()
}

_SYNONYMS = {
    "account_id": "cuenta id_cuenta numero_cuenta numero_de_cuenta nro_cuenta obligacion numero_obligacion credito_id "
    "id_credito account account_number loan_id",
    "debtor_id": "id_deudor deudor_id id_cliente cliente_id customer_id person_id",
    "country": "pais",
    "subdivision": "departamento estado_provincia provincia",
    "timezone": "zona_horaria time_zone tz",
    "language": "idioma",
    "balance_minor": "saldo_centavos saldo_en_centavos balance_cents",
    "currency": "moneda divisa",
    "due_date": "fecha_vencimiento fecha_de_vencimiento vencimiento fecha_vto",
    "consented_channels": "canales_autorizados canales_consentidos channels_consented",
    "party": "parte",
    "product": "producto",
    "days_past_due": "dias_mora dias_de_mora dpd",
    "contact_id": "id_contacto id_gestion gestion_id",
    "sent_at": "fecha_envio fecha_hora fecha_gestion fecha_de_gestion fecha_contacto enviado_en sent_time",
    "channel": "canal medio",
    "tone": "tono",
    "status": "estado_envio",
    "initiated_by": "iniciado_por origen direction direccion",
    "outcome": "resultado tipificacion disposition disposicion",
    "occurred_at": "fecha_resultado ocurrido_en event_time",
    "promise_date": "fecha_promesa fecha_compromiso promised_for",
    "paid_at": "fecha_pago fecha_de_pago payment_date",
    "amount_minor": "valor_centavos monto_centavos amount_cents",
    "payment_id": "id_pago",
}

_COUNTRY_WORDS = {
    "CO": "colombia col", "MX": "mexico mex mejico estados_unidos_mexicanos", "PE": "peru per", "CL": "chile chl",
    "AR": "argentina arg", "EC": "ecuador ecu", "BR": "brasil brazil bra", "US": "usa eeuu ee_uu estados_unidos "
    "united_states united_states_of_america us_a estados_unidos_de_america", "ES": "espana spain esp", "GB": "united_kingdom reino_unido gbr "
    "great_britain inglaterra", "UY": "uruguay ury", "PY": "paraguay pry", "BO": "bolivia bol",
    "VE": "venezuela ven", "PA": "panama pan", "CR": "costa_rica cri", "GT": "guatemala gtm", "HN": "honduras hnd",
    "SV": "el_salvador slv", "NI": "nicaragua nic", "DO": "republica_dominicana dominican_republic dom", "CU": "cuba cub",
    "PR": "puerto_rico pri", "CA": "canada can", "FR": "francia france fra", "DE": "alemania germany deu",
    "IT": "italia italy ita", "PT": "portugal prt",
}  # fmt: skip

_STYLE_OF_STATE = re.compile(
    r"^(?:la_)?(?:republica|republic|reino|kingdom|estado|state|estados_unidos|mancomunidad)"
    r"(?:_(?:bolivariana|oriental|plurinacional|federativa|cooperativa))?_(?:de_la|de_los|del|de|of_the|of)_"
)


@lru_cache(maxsize=65_536)
def plain_word(text: str) -> str:
    """A word without accents, capitals, blanks and punctuation: ``" Llamada telefónica "`` is ``llamada_telefonica``."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return re.sub(r"[^a-z0-9]+", "_", bare).strip("_")


_PLACEHOLDERS = re.compile(
    r"[-\u2010-\u2015\u2212_.?*]+|#?n\s?[/.]\s?[ad]\.?|s\s?[/.]\s?[di]\.?|#n/?a!?|#(?:ref|value|div/0|null|nombre|valor)[!?]"
    r"|sin (?:datos?|informacion|registro|fecha|asignar)|no (?:aplica|disponible|registra|reporta|informa|available)"
    r"|not (?:applicable|available)|\(?(?:null|nulo|en blanco|blank|vacio)\)?"
    r"|0{4}[-/]0{2}[-/]0{2}(?:[t ]0{2}:0{2}(?::0{2}(?:\.0+)?)?)?|0{2}[-/]0{2}[-/]0{4}"
)


def is_placeholder(text: str) -> bool:
    """Whether a cell is how people and programs write "nothing here": ``N/A``, ``-``, ``s/d``, ``#N/D``, ``0000-00-00``.

    Words that may be an answer (``none``, ``no``, ``unknown``) are no placeholders, nor is ``NA``, which is Namibia.
    """
    bare = text.strip()
    if len(bare) > 24:
        return False
    plain = "".join(c for c in unicodedata.normalize("NFKD", bare.casefold()) if not unicodedata.combining(c))
    return not plain or _PLACEHOLDERS.fullmatch(plain) is not None


def canonical_word(column: str, value: Any) -> str | None:
    """The word that ``value`` means in a column of closed vocabulary; None where it is not known.

    Parameters
    ----------
    column : str
        ``channel``, ``tone``, ``status``, ``initiated_by``, ``party``, ``debtor_type``, ``outcome``, ``flags`` or
        ``language``.
    value : object
    """
    return _WORDS[column].get(plain_word(str(value)))


def canonical_channel(value: Any) -> str | None:
    """Channel that a word means; None where it is not known."""
    return canonical_word("channel", value)


def column_synonyms(name: str) -> str | None:
    """Contract's name of a column written in Spanish or in another usual way; None where none is meant."""
    return _columns().get(plain_word(name))


@lru_cache(maxsize=1)
def _columns() -> dict[str, str]:
    return {word: name for name, words in _SYNONYMS.items() for word in words.split()}


def country_code(value: Any) -> str | None:
    """ISO 3166-1 alpha-2 code of a country, however it is written; None where it is not known.

    Codes of two and three letters, of three digits with their zeros (``032``; ``32`` may be a prefix of telephones),
    names in English and Spanish.
    """
    text = str(value).strip()
    if text.upper() in _countries()[0]:
        return text.upper()
    word = plain_word(text)
    return _countries()[1].get(word) or _countries()[1].get(_STYLE_OF_STATE.sub("", word))


@lru_cache(maxsize=1)
def _countries() -> tuple[frozenset[str], dict[str, str]]:
    table = resources.files("tzdata").joinpath("zoneinfo", "iso3166.tab").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in table.splitlines() if line and not line.startswith("#")]
    names = {plain_word(name): code for code, name in rows}
    listed = resources.files("recommender.intake").joinpath("iso3166.csv").read_text(encoding="utf-8").splitlines()[1:]
    for code, three, digits in (line.split(",") for line in listed):
        names |= {three.lower(): code, digits: code}
    names |= {word: code for code, words in _COUNTRY_WORDS.items() for word in words.split()}
    return frozenset({code for code, _ in rows} | {"UK"}), names


@lru_cache(maxsize=512)
def country_zone(code: str | None) -> str | None:
    """Time zone of a country that has one only; None where it has several, or is not known."""
    table = resources.files("tzdata").joinpath("zoneinfo", "zone.tab").read_text(encoding="utf-8")
    zones = {
        line.split("\t")[2] for line in table.splitlines() if not line.startswith("#") and line.startswith(f"{code}\t")
    }
    return zones.pop() if len(zones) == 1 else None
