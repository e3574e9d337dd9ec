"""What stops a contact, said in other words than those of the dictionary: stems of three languages, one meaning each.

An agency writes ``TITULAR FALLECIDO - FAMILIAR``, ``Solicita no ser contactado`` or ``BKY CH 13``. Whoever reads none of it
contacts the dead. A stem is taken for its stop: at worst somebody is left alone, and ``pipelines map`` shows the reading.
"""

# ruff: noqa: E501 - a word list is read by its lines
from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["PERHAPS_STOP", "STOP_NAME", "stop_told"]

#: Meaning -> stems, as they stand in plain words (no accents, ``_`` between words); the first that fits is meant.
_STEMS: dict[str, str] = {
    "deceased": r"fallec\w*|falec\w*|deceas\w*|difunt[oa]s?|finad[oa]s?|obito|defuncion|exitus|q_?e_?p_?d|occis[oa]|dcsd|decd|dec_d|death|died|murio|morreu"
    r"|muert[oa]|mort[oa]|espolio|estate_of|sucesion_(?:iliquida|intestada)",
    "insolvent": r"insolven\w*|bankr\w*|bkcy|bky|bk\d*|bnko|bnkr\w*|ch(?:apter|pt)?_?(?:7|11|13)|concurs(?:o|ad[oa])_(?:de_acreedores|mercantil|preventivo|voluntario|necesario)"
    r"|concurs(?:al|ad[oa])\w*|quiebra|quebrad[oa]s?|falencia|falid[oa]|recuperacao_judicial|ley_(?:de_insolvencia|1116|1564|550|20_?720)|lei_11_?101"
    r"|liquidacion_(?:judicial|patrimonial|voluntaria)|segunda_oportunidad|exoneracion_del_pasivo",
    "represented": r"attorney\w*|atty\w*|lawyer|abogad[oa]s?|advogad[oa]s?|represented|representad[oa](?:_por)?|apoderad[oa]",
    "opt_out_all": r"no_(?:se_|le_|lo_|la_|me_|mas_|volver_a_|vuelvan?_a_|vuelva_a_|desean?_|quieren?_|acepta_|permite_|autoriza_|que_|ser_|seguir_|recibir_|mais_)*"
    r"(?:llamar(?:le|lo|la|me)?|llame[ns]?|contactar(?:le|lo|la|me)?|contacten?|molestar(?:le|lo|la)?|molesten?|perturb\w*|escrib\w+|mensajes|ligar|ligue|ligacoes)"
    r"|no_(?:desea|quiere|acepta|autoriza)(?:_mas|_recibir)*_(?:contactos?|llamadas)|no_(?:desea_|quiere_)?ser_(?:contactad[oa]|llamad[oa]|molestad[oa])|no_contact_(?:order|request\w*)"
    r"|nao_(?:quer_|deseja_|aceita_|me_|mais_|ser_|receber_)*(?:ligar\w*|ligue\w*|ligacoes|contat\w+|perturb\w*|cham\w+|incomod\w+)|parar?_de_(?:ligar|llamar)|dejen?_de_(?:llamar|escribir|molestar)"
    r"|(?:do_?not|don_?t)_?(?:call|contact|e?mail|text|sms|disturb|dial|phone|solicit|whatsapp|send|message)\w*|stop_(?:calling|contact\w*|texting|all)|dnc\w{0,2}|dnd|dne|opt(?:ed)?_?outs?|optout\w*|unsub\w*|desuscri\w*|desinscri\w*|descadastr\w*"
    r"|(?:dad[oa]|dar|darse|dese)_de_baja|(?:pide|pidio|pidieron|solicita|solicito|quiere|desea|requiere)_(?:la_|su_|dar(?:se|le)?_(?:de_)?)?baja|baja_(?:de_(?:la_)?(?:base|lista|contacto|sms|mensajes|correo|whatsapp)|total|definitiva)"
    r"|(?:niega|nego|rehusa|rehuso|rechaza|rechazo|recusa|recusou)_(?:a_|al_|el_|o_|todo_|cualquier_|mas_|que_(?:lo|la|le)_|recibir_|receber_|futur[oa]s_)*(?:ser_(?:contactad[oa]|llamad[oa]|contatad[oa])|contactos?|contatos?|llamadas|ligacoes|mensajes|mensagens|contacten|llamen)"
    r"|refus\w*_(?:to_be_|to_receive_|receiving_|any_|all_|further_|future_|more_)*(?:contact\w*|calls|called|messages|communications?)|written_refusal|(?:refus\w*|negativa|rechaz\w*|recus\w*|niega)_(?:\w+_)*?(?:in_writing|por_escrito)"
    r"|remove_(?:me|from|number|my)\w*|cease\w*|c_d(?:_letter)?|revoc\w*|revok\w*|revog\w*|black_?list\w*|lista_(?:negra|robinson|restrictiva|de_exclusion|de_bloqueo)|robinson",
    "opt_out": r"(?:user|usuario|usuaria|cliente|customer|recipient|destinatari[oa]|titular)_(?:ha_|has_|nos_|te_|le_)*(?:blocked|bloqueo|bloqueou)|(?:blocked|bloquead[oa])_(?:by|por|pelo)_(?:the_|el_|la_|o_)?(?:user|usuario|customer|cliente|recipient|destinatario|titular)",
    "dispute": r"disput\w*|fraud\w*|(?:id|identity)_theft|suplant\w*|usurpacion|(?:desconoce|no_reconoce|niega)_(?:la_)?(?:deuda|obligacion|credito|compra)|(?:no_es|nao_e)_(?:su|mi|sua|minha)_(?:deuda|divida)"
    r"|nao_reconhece\w*|desconhece_(?:a_)?divida|objeta\w*|objecion",
    "in_lawsuit": r"litig\w*|lawsuit|demandad[oa]s?|(?:en|con|amenaza|interpuso|presento)_(?:de_)?demanda|demanda_(?:judicial|civil|activa|en_contra)|proces[oa]_judicial|judicializad[oa]|acao_judicial|sued|processou|embargad[oa]",
    "complaint": r"quej\w*|reclamo|reclamos|reclamac\w*|reclama|pqrs?d?|complain\w*|sernac|condusef|profeco|indecopi|procon|cfpb|reclame_aqui|ombudsman|defensor_del_(?:consumidor|cliente)|superfinanciera|superintendencia|accion_de_tutela|tutela|derecho_de_peticion",
}  # fmt: skip
#: About one contact: what it brought, beside what stops for good.
_OF_CONTACTS: dict[str, str] = {
    "wrong_party": r"equivocad[oa]s?|wrong(?:_(?:no|num\w*|party|person|phone))?|(?:numero|telefone|contato|pessoa)_errad[oa]|(?:no|nao)_(?:lo_|la_|o_|a_)?(?:conoce[ns]?|conhece\w*)(?:_a[lo]?_\w+)?|no_corresponde(?:_al?_\w+)?|not_(?:the_)?(?:right|debtor)_\w+|(?:no|nao)_(?:vive|mora|reside|trabaja)\w*",
    "third_party": r"tercer[oa]s?|third_party|terceiros?|familiar(?:es)?|conyuge|espos[oa]|hij[oa]|spouse|relative",
    "number_invalid": r"(?:numero|telefono|telefone|number)_(?:invalid[oa]?|inexistente|no_existe|fuera_de_servicio|desconectado)|not_in_service|no_longer_in_service|fuera_de_servicio|disconnected",
    "paid_in_full": r"(?:pago|pagou|pagamento|cancelo|liquido)_(?:la_)?(?:total\w*|toda)|paid_(?:in_full|off)|paz_y_salvo|saldo_cero|quitad[oa]",
    "paid": r"ya_(?:\w+_)?pag\w+|ja_pag\w+|pago_(?:realizado|efectuado|confirmado|reportado|hecho)|alega_pag\w+|(?:dice|indica|informa|manifiesta)_(?:que_)?(?:ya_)?pag[oa]\w*|claims?_(?:to_have_)?paid|already_paid|payment_made|pagamento_(?:efetuado|realizado)",
    "promise_to_pay": r"promes\w*|promete\w*|promis\w*|promess\w*|promised?|ptp|compromis[oa]s?(?:_de)?_pag\w+|compromis[oa]|convenios?|acuerdos?|acordos?|arrangement|payment_plan|plan_de_pagos?",
    "callback_requested": r"(?:volver_a_|re_?)llamar|llamar_(?:mas_tarde|despues|el|luego|manana|\d)\w*|call_?back\w*|agenda(?:d[oa])?|ligar_(?:depois|mais_tarde|amanha)|retornar\w*|cita",
}  # fmt: skip
#: A promise of the past, or none: no stop is read into it.
_ENDED = re.compile(
    r"(?:^|_)(?:incumpl\w*|rot[oa]s?|broken|quebr\w*|caid[oa]s?|vencid[oa]s?|cumpl\w*|cumprid[oa]|kept|rechaz\w*|refus\w*|sin|no|nao|sem|not|without|non|nessun[oa]?|senza|mantenut[oa])(?:_|$)"
)
#: A text of our own that tells how to stop or what to do if it comes too late: ``Responda BAJA para no recibir mensajes``.
_OURS = re.compile(
    r"(?:^|_)(?:responda|responder|reply|text|txt|envi[ae])_(?:\w+_){0,2}?(?:stop|baja|salir|cancelar|no_molestar|unsubscribe)_(?:to|para|al?)_"
    r"|(?:^|_)(?:caso_omiso|(?:please|por_favor|favor)_(?:disregard|ignor\w+|desconsider\w+))(?:_|$)"
)
#: The death of somebody else, which is why a debtor does not pay.
_OF_ANOTHER = re.compile(
    r"(?:fallec\w*|falec\w*|muerte|morte|defuncion|obito|death)_(?:del?|d[ao]|of)_(?:una?_|su_|uma?_|seu_|sua_|an?_)?(?:familia(?:r|res)?|pariente"
    r"|parente|con[yj]uge|espos[oa]|pa(?:dre|i)|ma(?:dre|e)|hij[oa]|filh[oa]|herman[oa]|irma[oa]?|family|relative|spouse|parent)"
)
_DENIED = re.compile(
    r"(?:^|_)(?:no(?:_es(?:ta)?|_tiene|_ha|_hay)?|nao(?:_e|_tem)?|sin|sem|not|non|without|ningun[oa]?|nunca|never|anti|descartad[oa])_$"
)

#: Names of columns that tell a stop by a yes, a day or a reason, beside those that a stem stands in.
_NAMES = (
    r"fecha_(?:de_)?baja|no_(?:call|contact|sms|email|whatsapp)|suppress\w*|bloque[oa]\w*|bloqueio|blocked|exclu(?!siv)[sidy]\w*|restric\w*|restring\w*|dod|menores?_(?:de_)?edad|(?:es|is|eh)_(?:menor|minor)|^(?:menor|minor)$|underage|incapa\w*|interdic\w*|hardship\w*|should_forget|forget_me|(?:right_to_be_)?forgotten|derecho_al_olvido|mansp|loevm|gmvdt"
    r"|(?:dunning|collections?|contact|mailing|cobranza|cobranca)_(?:block|hold|lock)(?:ed|_reason|_code)?|(?:central_)?deletion_(?:flag|indicator)|legal_dunning\w*|dificuldades?_financeiras?|dificultad(?:es)?_(?:economicas?|financieras?)"
    r"|secuestrad[oa]|reus|repep|no_me_llame|no_perturbe|concurso|rj|bepi|litigio|vulnera[bv]\w*|lista_restrictiva|reclamacion|pqrs?|ley_\d+"
)  # fmt: skip


def _whole(stems: str) -> re.Pattern[str]:
    return re.compile(rf"(?:^|(?<=_))(?:{stems})(?=_|$)")


_MEANT = {meaning: _whole(stems) for meaning, stems in _STEMS.items()}
_MEANT_OF_CONTACTS = _MEANT | {meaning: _whole(stems) for meaning, stems in _OF_CONTACTS.items()}
STOP_NAME = _whole("|".join([*_STEMS.values(), _NAMES]))
"""What a column that tells a stop is called."""
PERHAPS_STOP = (
    r"(?i)fallec|falec|deceas|difunt|finad|bito|defunc|insolv|bankr|bkcy|concurs|quiebra|abogad|advogad|attorney|atty|lawyer|do ?not|don.?t|dnc|opt.?out|unsub|desuscri|descadast|baja|remove|cease|revoc|revok|revog"
    r"|robinson|refus|rehus|recus|niega|neg.|rechaz|disput|fraud|theft|block|bloque|suplant|litig|lawsuit|demand|quej|reclam|complain|pqr|tutela|muri|muert|died|death|stop|(?:no|n.o|not) (?:\S+ ){0,3}(?:llam|contact|molest|lig|contat|perturb|cham|escrib|ser |recon)"
)  # fmt: skip
"""A sieve for long columns: what it lets through may say a stop (:func:`stop_told` judges), nothing else does."""


@lru_cache(maxsize=65_536)
def stop_told(plain: str, *, of_contact: bool = False) -> str | None:
    """The stop that a text says somewhere; None where it says none, or says that there is none (``sin abogado``).

    Parameters
    ----------
    plain : str
        As :func:`~recommender.intake.plain_word` writes it.
    of_contact : bool
        What came of a contact: also wrong numbers, payments, promises, calls asked for.
    """
    if _OURS.search(plain):
        return None
    for meaning, stems in (_MEANT_OF_CONTACTS if of_contact else _MEANT).items():
        for match in stems.finditer(plain):
            if _DENIED.search(plain[: match.start()]) or (meaning == "deceased" and _OF_ANOTHER.search(plain)):
                continue
            if meaning in ("promise_to_pay", "paid", "paid_in_full") and _ENDED.search(plain):
                continue
            return meaning
    return None
