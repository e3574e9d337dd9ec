"""The words that exports use, in Spanish, Portuguese, English, German and Italian, and the one word that each of them means here.

A word that is not listed is never guessed: the reader reports it with its column, row and mend.
"""

# ruff: noqa: E501 - a word list is read by its lines
from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from importlib import resources
from typing import Any

from recommender.intake.told_stops import stop_told
from recommender.spelling import column_forms, plain_word

__all__ = [
    "CHANNEL_NAMES",
    "canonical_channel",
    "canonical_word",
    "column_synonyms",
    "country_code",
    "country_zone",
    "is_placeholder",
]

#: Channels of the rules, in their order.
CHANNEL_NAMES: tuple[str, ...] = ("call", "sms", "whatsapp", "email", "ivr", "letter", "visit")

_CHANNELS = {
    "call": "call llamada llamadas llamada_telefonica telefono telefonica tel telf phone phone_call voice voz voice_call outbound_call ligacao ligacoes chamada telefonema llamado llamados llamada_saliente"
    " anruf anrufe telefonanruf telefonat telefon chiamata chiamate telefonata",
    "sms": "sms mensaje mensajes mensaje_de_texto mensajes_de_texto mensaje_texto texto text text_message msj mms torpedo mensagem mensagens mensagem_de_texto"
    " textnachricht messaggio",
    "whatsapp": "whatsapp wa wsp wpp whats_app whatsapp_business whatsapp_message whatsapp_messages mensaje_de_whatsapp mensaje_whatsapp mensagem_de_whatsapp zap"
    " messaggio_whatsapp whatsapp_nachricht",
    "email": "email e_mail mail correo correo_electronico correos email_address correio_eletronico correo_e correos_electronicos"
    " posta_elettronica",
    "ivr": "ivr robocall llamada_automatica llamada_grabada mensaje_de_voz voicebot bot_de_voz audio_respuesta ura",
    "letter": "letter carta postal_letter correo_postal correo_fisico carta_fisica carta_registrada"
    " brief briefe einschreiben lettera raccomandata lettera_raccomandata",
    "visit": "visit visita field_visit visita_domiciliaria visita_en_campo visita_presencial visita_em_campo visita_a_terreno"
    " besuch hausbesuch visita_a_domicilio",
}
_TONES = {
    "friendly": "friendly amable amigable cordial empatico amigavel",
    "neutral": "neutral neutro informativo",
    "firm": "firm firme urgente",
    "formal-legal": "formal_legal formal legal juridico prejuridico pre_legal",
}
_STATUSES = {
    "sent": "sent enviado enviada enviados realizado realizada ejecutado ejecutada done completed hecho efectuado made concluido concluida",
    "planned": "planned planeado planeada planificado planificada programado programada scheduled queued en_cola por_enviar agendado agendada",
}
_INITIATORS = {
    "creditor": "creditor collector agency agent outbound saliente acreedor cobrador cobranza agencia agente gestor asesor "
    "empresa banco entidad company bank business credor cobranca estudio estudio_juridico ativo ativa",
    "debtor": "debtor customer client inbound entrante deudor cliente titular consumidor usuario consumer user devedor devedora receptivo receptiva",
}
_PARTIES = {
    "debtor": "debtor deudor deudora titular cliente deudor_principal titular_principal devedor devedora mutuario mutuaria borrower consumer customer",
    "codebtor": "codebtor co_debtor codeudor codeudora joint_debtor cotitular codevedor codevedora co_borrower coborrower coobrigado",
    "guarantor": "guarantor garante fiador fiadora aval avalista fiadores cosigner co_signer garantidor",
    "reference": "reference referencia tercero third_party familiar",
}
_DEBTOR_TYPES = {
    "person": "person persona persona_natural persona_fisica natural individual fisica pessoa_fisica",
    "company": "company empresa persona_juridica persona_moral juridica business sociedad corporate pessoa_juridica",
}
_OUTCOMES = {
    "attempted": "attempted attempt intento intentado enviado sent queued enqueued tentativa delivered_to_operator pending_enroute message_sent mensaje_enviado mensagem_enviada sms_sent sms_enviado email_sent correo_enviado email_enviado"
    " versucht versuch gesendet versendet sms_gesendet tentativo inviato inviata messaggio_inviato",
    "not_connected": "not_connected no_contesta no_contesto no_contestada no_answer sin_respuesta sem_resposta ocupado busy buzon "
    "buzon_de_voz voicemail apagado no_answered unanswered nao_atende nao_atendeu caixa_postal no_atiende no_atendio left_message left_voicemail contestador "
    "contestadora maquina_contestadora answering_machine voice_mail correo_de_voz secretaria_eletronica busy_signal line_busy linea_ocupada telefono_ocupado linha_ocupada ocupada no_responde no_responden no_respondio nao_responde no_contestan ring_no_answer rna timbra_no_contesta suena_no_contesta telefono_apagado celular_apagado telefone_desligado celular_desligado fuera_de_cobertura sin_cobertura fora_de_area sin_contacto sem_contato no_response no_reply"
    " nicht_erreicht nicht_erreichbar niemand_erreicht kein_anschluss keine_antwort nimmt_nicht_ab geht_nicht_ran besetzt anrufbeantworter mailbox non_risponde non_ha_risposto nessuna_risposta non_raggiunto non_raggiunta non_raggiungibile irraggiungibile occupato segreteria segreteria_telefonica telefono_spento",
    "bounced": "bounced bounce undeliverable undeliverable_not_delivered undeliverable_rejected_operator rebote rebotado undelivered no_entregado failed fallido fallida devolvido nao_entregue"
    " unzustellbar nicht_zugestellt non_consegnato non_recapitato",
    "delivered": "delivered delivered_to_handset entregado entregada recibido entregue message_delivered mensaje_entregado mensagem_entregue sms_delivered sms_entregado email_delivered correo_entregado email_entregado"
    " zugestellt consegnato consegnata recapitato",
    "read": "read leido leida opened abierto seen visto open lida lido visualizado visualizada read_receipt message_read mensaje_leido mensagem_lida email_opened correo_abierto email_abierto"
    " gelesen geoffnet letto letta aperto",
    "replied": "replied reply respondio respuesta respondido contesto_mensaje respondeu"
    " geantwortet ha_risposto_al_messaggio",
    "wrong_party": "wrong_party wn wrong_number numero_equivocado equivocado no_es_el_titular no_corresponde numero_errado pessoa_errada engano"
    " falsche_nummer falsche_person numero_sbagliato numero_errato persona_sbagliata",
    "third_party": "third_party tercero contacto_con_tercero contacto_tercero familiar mensaje_con_tercero terceiro recado_com_terceiro contato_com_terceiro"
    " dritter dritte_person angehoriger angehorige terza_persona",
    "right_party_contact": "right_party_contact rpc contacto_directo contacto_titular contacto_con_titular titular "
    "contacto_efectivo live_contact contato_direto contato_com_titular cpc titular_localizado contato_efetivo"
    " schuldner_erreicht kunde_erreicht debitore_raggiunto contatto_diretto contatto_utile contatto_con_debitore",
    "answered": "answered contesta contesto contestada atendida answer human atendeu hung_up hang_up hangup customer_hung_up debtor_hung_up colgo cuelga cuelgan le_colgo cliente_cuelga cliente_colgo titular_cuelga titular_colgo cuelga_llamada corta_llamada corta_la_llamada corto_la_llamada desligou cliente_desligou desligou_na_cara call_dropped dropped_call llamada_cortada se_corto_la_llamada se_corta_la_llamada ligacao_caiu chamada_caiu dead_air llamada_muda ligacao_muda chamada_muda"
    " erreicht angenommen abgenommen raggiunto raggiunta risponde risposto ha_risposto aufgelegt riattaccato ha_riattaccato",
    "promise_to_pay": "promise_to_pay ptp promesa promesa_de_pago promesa_pago compromiso compromiso_de_pago acuerdo_de_pago promessa promessa_de_pagamento acordo acordo_de_pagamento compromisso promise compromete_pago promete_pago"
    " zahlungszusage zusage zahlungsversprechen zahlungsvereinbarung ratenvereinbarung ratenzahlung_vereinbart promessa_di_pagamento promette_di_pagare impegno_di_pagamento accordo_di_pagamento piano_di_rientro",
    "promise_kept": "promise_kept promesa_cumplida compromiso_cumplido promessa_cumprida acordo_cumprido kept_promise"
    " zusage_eingehalten zahlungszusage_eingehalten promessa_mantenuta",
    "promise_broken": "promise_broken promesa_incumplida promesa_rota compromiso_incumplido promessa_quebrada quebra_de_acordo acordo_quebrado broken_promise"
    " zusage_gebrochen zusage_nicht_eingehalten promessa_non_mantenuta",
    "paid": "paid pago pagado pagada pago_parcial abono pagamento pagamento_parcial partial_payment pagou"
    " bezahlt gezahlt teilzahlung teilweise_bezahlt zahlung_erhalten pagato pagata pagamento_parziale acconto",
    "paid_in_full": "paid_in_full pago_total cancelado_total paz_y_salvo pagado_en_su_totalidad liquidado settled quitado quitada paid_off"
    " vollstandig_bezahlt saldato saldata estinto",
    "payment_reversed": "payment_reversed reverso reversado reversion pago_reversado chargeback contracargo returned_payment estornado estorno pagamento_estornado nsf"
    " rucklastschrift storniert stornato",
    "opt_out": "opt_out optout stop baja unsubscribe unsubscribed cancelar_suscripcion no_desea_mensajes darse_de_baja sair descadastro descadastrar nao_deseja_mensagens no_contactar_por_este_medio opted_out"
    " abgemeldet abmeldung disiscritto disiscritta",
    "opt_out_all": "opt_out_all no_contactar do_not_contact cease_contact no_llamar_mas dnc baja_total do_not_call no_llamar no_molestar nao_contatar nao_ligar nao_perturbe cease_and_desist revoca_autorizacion revoca_consentimiento revocado revocada revogado revogada revoked revoke_consent consent_revoked desuscrito desuscrita dado_de_baja revogou_consentimento"
    " nicht_kontaktieren nicht_anrufen nicht_mehr_anrufen kontaktsperre non_contattare non_chiamare non_chiamare_piu",
    "opt_in": "opt_in optin start alta autoriza autorizacion resubscribe consentimiento",
    "complaint": "complaint queja reclamo pqr spam_complaint spamreport spam reclamacao queixa angry angry_reply hostile abusive enojado enojada molesto molesta cliente_molesto agresivo agresiva grosero grosera insulto insultos amenaza_con_abogado irritado"
    " beschwerde lamentela",
    "complaint_resolved": "complaint_resolved queja_resuelta reclamo_resuelto pqr_cerrada reclamacao_resolvida queja_cerrada reclamo_cerrado complaint_closed",
    "dispute": "dispute disputed disputa desconoce_deuda desconoce_la_deuda no_reconoce_deuda objecion nao_reconhece_divida contesta_divida suplantacion suplantacion_de_identidad fraude fraud identity_theft"
    " widerspruch bestritten forderung_bestritten contestazione contestato contesta_il_debito",
    "dispute_resolved": "dispute_resolved disputa_resuelta objecion_resuelta disputa_cerrada dispute_closed disputa_encerrada",
    "callback_requested": "callback_requested callback volver_a_llamar llamar_despues rellamar cbhold agendado ligar_depois retornar_ligacao"
    " ruckruf ruckruf_gewunscht wiedervorlage richiamare da_richiamare",
    "number_invalid": "number_invalid numero_invalido invalid_number disconnected fuera_de_servicio numero_no_existe dc "
    "hard_bounce invalid_recipient numero_inexistente telefone_invalido"
    " ungultige_nummer nummer_ungultig kein_anschluss_unter_dieser_nummer numero_non_valido",
    "deceased": "deceased fallecido fallecida fallecio muerto falecido falecida obito customer_deceased"
    " verstorben deceduto deceduta",
    "insolvent": "insolvency bankruptcy bankrupt quiebra ley_de_insolvencia concurso_de_acreedores recuperacao_judicial falencia"
    " insolvenz privatinsolvenz fallimento",
    "represented": "representado_por_abogado lawyer attorney_represented advogado anwalt anwaltlich_vertreten avvocato",
    "in_lawsuit": "demanda_judicial proceso_judicial",
    "hardship": "calamidad_domestica",
    "contact_stopped": "contact_stopped contacto_suspendido suspender_contacto",
    "contact_resumed": "contact_resumed contacto_reanudado reanudar_contacto",
    "contact_agreed": "contact_agreed contacto_autorizado autorizar_contacto",
    "agreement_withdrawn": "agreement_withdrawn autorizacion_retirada retirar_autorizacion",
}
_FLAGS = {
    "do_not_contact": "do_not_contact no_contactar dnc no_llamar do_not_call nao_contatar",
    "disputed": "disputed disputa en_disputa disputado",
    "insolvent": "insolvent insolvente insolvencia",
    "represented": "represented abogado con_abogado representado attorney advogado",
    "in_lawsuit": "in_lawsuit demandado en_demanda lawsuit proceso_judicial en_proceso_judicial judicializado",
    "hardship": "hardship vulnerable calamidad vulnerabilidad dificultad dificultades dificultad_economica dificultades_economicas financial_difficulty",
    "deceased": "deceased fallecido fallecida falecido falecida",
    "cease_contact": "cease_contact cesar_contacto cease",
    "promise_open": "promise_open",
    "complaint_open": "complaint_open",
    "callback_set": "callback_set",
}
_PURPOSES = {
    "collection": "collection cobro cobranza cobranca cobro_de_cartera",
    "pre_due_reminder": "pre_due_reminder prevention prevencion preventivo preventiva recordatorio_preventivo prevencao",
    "promise_follow_up": "promise_follow_up follow_up seguimiento_de_promesa seguimiento_promesa acompanhamento_de_promessa",
    "payment_confirmation": "payment_confirmation thanks thank_you agradecimiento gracias confirmacion_de_pago agradecimento confirmacao_de_pagamento",
    "win_back": "win_back winback recuperacion_de_cliente reactivacion reativacao",
    "fraud_alert": "fraud_alert alerta_de_fraude alerta_fraude",
    "requested_information": "requested_information informacion_solicitada informacao_solicitada",
}
_PROMISE_STATES = {
    "open": "open abierta vigente aberta pendiente pendente pending activa activo active ativa en_curso em_curso em_andamento por_vencer a_vencer current",
    "kept": "kept cumplida cumprida promise_kept promesa_cumplida pagada paga paid fulfilled",
    "broken": "broken incumplida rota quebrada promise_broken promesa_incumplida promesa_rota no_cumplida nao_cumprida descumprida not_kept caida vencida "
    "expired cancelada cancelled cumplida_parcial parcial partial partially_kept",
    "none": "none ninguna ninguno nenhuma no nao n sin_promesa sin_promesas sem_promessa sin_acuerdo sin_compromiso no_promise no_tiene nao_tem no_hay "
    "nunca never",
}
_LANGUAGES = {
    "es": "es espanol castellano spanish spa",
    "en": "en ingles english eng",
    "pt": "pt portugues portuguese por",
}

_DICTIONARIES = {
    "channel": _CHANNELS, "tone": _TONES, "status": _STATUSES, "initiated_by": _INITIATORS, "party": _PARTIES,
    "debtor_type": _DEBTOR_TYPES, "outcome": _OUTCOMES, "flags": _FLAGS, "language": _LANGUAGES,
    "purpose": _PURPOSES, "promise_state": _PROMISE_STATES,
}  # fmt: skip
_WORDS: dict[str, dict[str, str]] = {
    name: {word: level for level, words in held.items() for word in words.split()}
    for name, held in _DICTIONARIES.items()
}
# What an account may be marked with may be heard, too: the words of the one are words of the other.
_WORDS["outcome"] |= {
    word: flag for flag in ("insolvent", "represented", "in_lawsuit", "hardship") for word in _FLAGS[flag].split()
}

_SYNONYMS = {
    "account_id": "cuenta id_cuenta numero_cuenta numero_de_cuenta nro_cuenta obligacion numero_obligacion credito_id "
    "id_credito account account_number loan_id contrato numero_contrato numero_de_contrato contract_id "
    "no_contrato n_contrato nro_contrato num_contrato no_cuenta n_cuenta num_cuenta no_credito numero_credito numero_de_credito nro_credito num_credito "
    "numero_operacion numero_de_operacion nro_operacion no_prestamo numero_prestamo numero_de_prestamo nro_prestamo loan_number account_no account_num acct_no "
    "n_obligacion nro_obligacion numero_de_obligacion numero_do_contrato",
    "debtor_id": "id_deudor deudor_id id_cliente cliente_id customer_id person_id id_do_cliente",
    "country": "pais",
    "subdivision": "departamento estado_provincia provincia",
    "timezone": "zona_horaria time_zone tz fuso_horario",
    "language": "idioma",
    "balance_minor": "saldo_centavos saldo_en_centavos balance_cents",
    "currency": "moneda divisa moeda",
    "due_date": "fecha_vencimiento fecha_de_vencimiento vencimiento fecha_vto data_de_vencimento data_vencimento",
    "consented_channels": "canales_autorizados canales_consentidos channels_consented canais_autorizados canais_consentidos",
    "party": "parte",
    "last_paid_on": "fecha_ultimo_pago fecha_de_ultimo_pago last_payment_date last_paid_at data_ultimo_pagamento",
    "promise_on": "fecha_promesa_vigente fecha_de_promesa_vigente",
    "promise_state": "estado_promesa estado_de_promesa estado_da_promessa",
    "cured_on": "fecha_normalizacion fecha_de_normalizacion fecha_puesta_al_dia data_de_normalizacao",
    "information_requested_on": "fecha_solicitud_informacion fecha_de_solicitud_de_informacion",
    "fraud_noticed_on": "fecha_alerta_fraude fecha_de_alerta_de_fraude",
    "late_due_share": "proporcion_pagos_tarde proporcion_de_pagos_tarde",
    "payday": "pay_day pay_days paydays dia_nomina dia_de_nomina dias_de_nomina dia_salario dia_do_salario",
    "product": "producto produto",
    "days_past_due": "dias_mora dias_de_mora dpd dias_em_atraso dias_de_atraso",
    "contact_id": "id_contacto id_gestion gestion_id id_contato",
    "sent_at": "fecha_envio fecha_hora fecha_gestion fecha_de_gestion fecha_contacto enviado_en sent_time data_envio data_de_envio data_contato data_do_contato",
    "channel": "canal medio",
    "tone": "tono tom",
    "status": "estado_envio",
    "initiated_by": "iniciado_por origen direction direccion",
    "purpose": "proposito finalidad finalidade",
    "outcome": "resultado tipificacion disposition disposicion disposition_name disposition_code call_disposition wrap_up wrap_up_code wrapup call_result resultado_gestion resultado_de_gestion resultado_de_la_gestion resultado_llamada resultado_da_ligacao codigo_de_gestion tipificacao outcome_code disp dispo call_disp status_name result_code cod_resultado "
    "codigo_resultado resultado_contacto resultado_final",
    "occurred_at": "fecha_resultado ocurrido_en event_time data_resultado",
    "promise_date": "fecha_promesa fecha_compromiso promised_for data_promessa",
    "paid_at": "fecha_pago fecha_de_pago payment_date data_pagamento data_de_pagamento fecha_abono",
    "amount_minor": "valor_centavos monto_centavos amount_cents",
    "payment_id": "id_pago",
    "case_id": "numero_caso numero_de_caso caso radicado ticket case_number protocolo",
    # An account marked in a column of its own: whoever does not read it contacts the dead.
    "do_not_contact": "unsubscribed desuscrito lista_negra blacklist blacklisted no_contactar no_llamar do_not_call dnc nao_contatar dnd "
    "do_not_disturb no_molestar no_perturbe nao_perturbe nao_ligar robinson lista_robinson reus repep",
    "disputed": "en_disputa disputado disputada em_disputa is_disputed",
    "insolvent": "insolvente en_insolvencia insolvencia bankrupt bankruptcy is_bankrupt en_concurso concursado concursada",
    "represented": "representado con_abogado atty_rep attorney_represented",
    "in_lawsuit": "demandado demandada en_demanda",
    "hardship": "vulnerable",
    "deceased": "fallecido fallecida falecido falecida es_fallecido is_deceased difunto difunta obito",
}

_COUNTRY_WORDS = {
    "CO": "colombia col", "MX": "mexico mex mejico estados_unidos_mexicanos", "PE": "peru per", "CL": "chile chl",
    "AR": "argentina arg", "EC": "ecuador ecu", "BR": "brasil brazil bra", "US": "usa eeuu ee_uu estados_unidos "
    "united_states united_states_of_america us_a u_s_a u_s estados_unidos_de_america", "ES": "espana spain esp", "GB": "united_kingdom reino_unido gbr "
    "great_britain inglaterra england scotland wales", "UY": "uruguay ury", "PY": "paraguay pry", "BO": "bolivia bol",
    "VE": "venezuela ven", "PA": "panama pan", "CR": "costa_rica cri", "GT": "guatemala gtm", "HN": "honduras hnd",
    "SV": "el_salvador slv", "NI": "nicaragua nic", "DO": "republica_dominicana dominican_republic dom", "CU": "cuba cub",
    "PR": "puerto_rico pri", "CA": "canada can", "FR": "francia france fra", "DE": "alemania germany deu",
    "IT": "italia italy ita", "PT": "portugal prt",
}  # fmt: skip

_STYLE_OF_STATE = re.compile(
    r"^(?:la_)?(?:republica|republic|reino|kingdom|estado|state|estados_unidos|mancomunidad)"
    r"(?:_(?:bolivariana|oriental|plurinacional|federativa|cooperativa))?_(?:de_la|de_los|del|de|of_the|of)_"
)


_USED = re.compile(
    r"(?:^|_)(?:outbound|outgoing|salientes?|sent|envio_de|enviad[oa]s?|made|realizad[oa]s?|efetuad[oa]s?|ended|completed)(?=_|$)"
)
_PARTS = re.compile(r"\s+[-\u2013|/:]\s+|\s*[()|]\s*$|\s*[(|]\s*")
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
    bare = unicodedata.normalize("NFKD", text.strip().casefold())
    plain = "".join(c for c in bare if not unicodedata.combining(c))
    return not plain or _PLACEHOLDERS.fullmatch(plain) is not None


def canonical_word(column: str, value: Any) -> str | None:
    """The word that ``value`` means in a column of closed vocabulary; None where it is not known.

    Parameters
    ----------
    column : str
        ``channel``, ``tone``, ``status``, ``initiated_by``, ``party``, ``debtor_type``, ``outcome``, ``flags``,
        ``language``, ``purpose`` or ``promise_state``.
    value : object
    """
    word = _WORDS[column].get(plain_word(str(value)))
    if word is None and column == "channel":  # call.ended, SMS enviado: the channel and that it was used
        return _WORDS[column].get(_USED.sub("", plain_word(str(value))).strip("_"))
    if word is not None or column not in ("outcome", "party"):
        return word
    # "PTP - Promise to pay", "01 | QUEJA": a code and its words; where its parts differ it is read as neither.
    meant = {_WORDS[column].get(plain_word(part)) for part in _PARTS.split(str(value)) if not part.strip().isdigit()}
    if len(meant) == 1 and None not in meant:
        return meant.pop()
    return stop_told(plain_word(str(value)), of_contact=True) if column == "outcome" else None


def canonical_channel(value: Any) -> str | None:
    """Channel that a word means; None where it is not known."""
    return canonical_word("channel", value)


def column_synonyms(name: str) -> str | None:
    """Contract's name of a column written in Spanish or in another usual way; None where none is meant."""
    return next((_columns()[form] for form in column_forms(name) if form in _columns()), None)


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
