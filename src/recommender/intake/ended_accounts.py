"""Names and cells of an account that is over: paid, closed, sold, taken back by who owns it; nothing of it is ours to collect."""

# ruff: noqa: E501 - lists of words are read by their lines

from __future__ import annotations

import re
from datetime import date

from recommender.intake.moments import DayOrder, Moment, moment_of
from recommender.intake.words import flag_of, is_blank

__all__ = ["end_has_come", "is_over", "may_say_over", "names_end_day", "names_status", "says_by_flag"]

#: Days up to this year stand for none.
_NEVER = 1971
#: Names of the state an account is in. What was charged off in the books (castigado) is owed all the same.
_STATE = re.compile(
    r"(?:^|_)(?:estado|estados|status|statu|stat|estatus|stato|sts|situac\w*|situacao|condic\w*|condition|state|etapa|stage|marca|novedad|fase|phase|lifecycle|disposition)(?:_|$)"
)
_WHAT = r"(?:(?:la_)?(?:cuenta|obligacion|credito|prestamo|deuda|account|acct|debt|loan|contract|conta|divida|contrato|emprestimo|invoice|factura|fatura)_)?"
_HOW = r"(?:(?:fully|totally|totalmente|completamente|integralmente|already|ya|ja|voluntarily|voluntary|early|forced?|system|admin\w*|auto|esta|was|is)_)*"
_OVER = re.compile(
    rf"(?:[a-z]?\d{{1,3}}_|\w+_(?:status|estado)_)?{_WHAT}{_HOW}(?:pagad[oa]|paid|pag[oa]|prepaid|prepagad[oa]|cancelad[oa]|cancel(?:l?ed)?|cerrad[oa]|closed?|closedwon|encerrad[oa]|fechad[oa]|recall(?:ed)?"
    r"|retirad[oa]|devuelt[oa]|devolvid[oa]|vendid[oa]|sold|cedid[oa]|saldad[oa]|liquidad[oa]|quitad[oa]|settled|anulad[oa]|void(?:ed)?|cleared|compensad[oa]|payoff|paid_?off|pif|repaid|liq|terminad[oa]|terminated|finalizad[oa]|extinguid[oa]"
    r"|inactiv[oa]|inativ[oa]|inactive|prescrit[oa]|prescript[oa]|(?:time|statute)_?barred|archived?|archivad[oa]|arquivad[oa]|deleted?|eliminad[oa]|borrad[oa]|excluid[oa]|completed?|completad[oa]|concluid[oa]|resolved|resuelt[oa]|resolvid[oa]|satisfied|satisfech[oa]"
    r"|transferred|transferid[oa]|trasladad[oa]|reasignad[oa]|reassigned|on_hold|hold|en_pausa|em_pausa|pausad[oa]|paused"
    r"|baixad[oa]|condonad[oa]|forgiven|discharged|matured|redeemed|withdrawn|repurchased|recomprad[oa]|bought_back|returned(?:_to_\w+)?|sif|zerad[oa]|baja(?!_california))(?:_.*)?"
    r"|(?:saldo_(?:en_)?cero|sin_(?:saldo|deuda)|(?:no|zero)_(?:balance|debt)|sem_divida|debt_free|saldo_zero|sem_saldo|venta_de_cartera|\w+_(?:sold|vendid[oa]|cedid[oa]))(?:_.*)?"
)
#: An amount in part is no end: the rest is owed.
_IN_PART = re.compile(r"(?:^|_)(?:parcial(?:mente)?|partial(?:ly)?|en_parte|in_part)(?:_|$)")
#: A payment that is still to come (``pago`` is a noun, too), how somebody pays, and what is owed of a closed account.
_STILL_OWED = re.compile(
    r"pag[oa]s?_(?:minimo|vencid[oa]|atrasad[oa]|pendientes?|en_(?:mora|atraso|proceso|tramite|revision)|em_atraso|tarde|programad[oa]|agendad[oa]|a_tiempo|al_dia|em_dia|puntual(?:mente)?|rechazad[oa]|devuelt[oa]|no_\w+)"
    r"|paid_(?:late|as_agreed|as_expected|up_to_date|ahead|on_time|minimum)|closed_(?:past_due|delinquent|overdue|with_balance|in_arrears)"
)
#: Of the debtor's own life: who is retired there has a pension, and his account is ours.
_OF_LIVES = re.compile(
    r"(?:^|_)(?:laboral|empleo|civil|vivienda|housing|employment|emprego|marital|profesional|profissional|residencia|matricula|student|estudiant\w*|nomina|payroll)(?:_|$)"
)
#: Of what stands beside the account: its last payment, another loan, an insurance, a paper, a way to pay, a complaint.
_OF_OTHERS = re.compile(
    r"(?:^|_)(?:seguros?|insurance|poliza|policy|cuota|instal?lment|parcela|promesa|promise|promessa|visita|visit|ticket|kyc|aml|check|cheque|document\w*|delivery|entrega|mail|letter|carta|correo|email"
    r"|auto_?pay|auto_?debit\w*|debito_auto\w*|domiciliacion|direct_debit|mandate|suscripcion|subscription|servicio|service|plan|hardship|disput\w*|reclam\w*|quej\w*|complain\w*|pqrs?)(?:_|$)"
    r"|(?:^|_)(?:last|ultim[oa]|prev(?:ious)?|prior|anterior|previ[oa])_(?:\w+_)?(?:pago|pagamento|payment|loan|credit|credito|prestamo|account|cuenta)(?:_|$)|(?:pago|payment|credito|prestamo|loan|cuenta)_(?:previ[oa]|anterior)(?:_|$)"
    r"|^(?:phone_|mobile_)?line(?:a)?_(?:status|state)$|^estado_(?:de_)?(?:la_)?linea$"
)
#: A customer without movements may owe all the same; an account without any is out of the books.
_OF_CUSTOMERS = re.compile(r"(?:^|_)(?:cliente|customer|client|usuari[oa]|user|persona|person|deudor|titular)(?:_|$)")
_INACTIVE = re.compile(r"(?:inactiv[oa]|inativ[oa]|inactive)(?:_.*)?")
#: Its no says that an account is over.
_NO = re.compile(
    rf"(?:is_|esta_|e_|flag_|ind_)?(?:{_WHAT}(?:activ[oa]|ativ[oa]|active|vigente)|(?:cuenta|obligacion|credito|prestamo|account|acct|loan|contract|conta|contrato)_(?:open|abiert[oa]|abert[oa]|activ[oa]|ativ[oa]|active|vigente)"
    r"|open(?=_(?:flag|ind))|abiert[oa]|abert[oa])(?:_(?:flag|ind|sn|yn))?|is_open|(?:activ[oa]|ativ[oa]|active)_(?:account|cuenta|loan|credito|conta)"
)
_YES = re.compile(
    rf"(?:is_|esta_|e_|flag_|ind_)?{_WHAT}(?:inactiv[oa]|inativ[oa]|inactive|prescrit[oa]|time_barred|vendid[oa]|cedid[oa]|sold|recalled|archived|archivad[oa]|deleted|eliminad[oa]|pagad[oa]|paid|fully_paid|paid_off|paid_in_full|cancelad[oa]|cerrad[oa]|closed|saldad[oa]|liquidad[oa]|settled|quitad[oa]|encerrad[oa]|paz_y_salvo)(?:_(?:flag|ind|sn|yn))?"
)
_DAY = re.compile(
    r"(?:fecha|fec|date|data|dt)_(?:de_)?(?:la_)?(?:cancelacion|pago_total|paz_y_salvo|quitacao|encerramento|inactivacion|inativacao|baixa|liquidacao|clearing|compensacion|payoff|paid_off)(?:_\w+)?"
    r"|(?:account_|loan_|acct_)?(?:closed|paid_off|paidoff|paid_in_full|cancelled|cleared|clearing|sold|recalled|recall)_(?:date|at|on|day)"
    r"|(?:date|fecha)_(?:account_)?(?:closed|sold|recalled|paid_off|paid_in_full)|fecha_(?:de_)?(?:la_)?(?:venta_(?:de_)?(?:la_)?cartera)"
)
#: Days on which an account ends, and which may be still to come; those of a month, of an invoice or of a card are none.
_OF_ACCOUNT = r"(?:cuenta|obligacion|credito|prestamo|deuda|account|acct|loan|debt|contract|conta|contrato|divida|cartera|portfolio)"
_END_DAY = re.compile(
    rf"(?:fecha|fec|f|date|data|dt)_(?:de_|da_|of_)?(?:la_)?(?:prescripcion|prescricao|prescription|limitation|cierre|fechamento|closing|closure|venta|venda|sale)(?:_(?:de_|da_|do_|of_)?(?:la_|el_)?{_OF_ACCOUNT})?"
    rf"|(?:{_OF_ACCOUNT}_)?(?:prescription|limitations?|statute(?:_of_limitations?)?|sol|time_bar(?:red)?|close|closing|closure|sale)_(?:date|on|day|at)"
)


def may_say_over(name: str) -> bool:
    """Whether a column so called says by a yes, a no or a day that an account is over, so that cells of any type are read."""
    return says_by_flag(name) or _DAY.fullmatch(name) is not None


def says_by_flag(name: str) -> bool:
    """Whether a column so called says it by a yes or a no; one that counts or holds amounts does not."""
    return _YES.fullmatch(name) is not None or _NO.fullmatch(name) is not None


def names_status(name: str) -> bool:
    """Whether a column so called holds the state that an account is in, and no other thing's or person's."""
    aside = (_OF_LIVES, _OF_OTHERS, _OF_CUSTOMERS)
    return _STATE.search(name) is not None and not any(pattern.search(name) for pattern in aside)


def is_over(name: str, cell: object, said: str) -> bool:
    """Whether a cell of an accounts table says that the account is over.

    Parameters
    ----------
    name : str
        Of the column, as :func:`~recommender.spelling.column_word` writes it.
    cell : object
    said : str
        The cell as :func:`~recommender.spelling.plain_word` writes it.
    """
    if _OF_LIVES.search(name) or _OF_OTHERS.search(name):
        return False
    if _YES.fullmatch(name) or _NO.fullmatch(name):
        return flag_of(cell) is (_YES.fullmatch(name) is not None)
    if _DAY.fullmatch(name):
        day = moment_of(said if isinstance(cell, str) and said.isdigit() else str(cell).strip(), None)
        return day == "open" or (isinstance(day, Moment) and day.at.year > _NEVER)
    if _STATE.search(name) is None or _OVER.fullmatch(said) is None:
        return False
    if _INACTIVE.fullmatch(said) and _OF_CUSTOMERS.search(name):
        return False
    return _IN_PART.search(said) is None and _STILL_OWED.fullmatch(said) is None


def names_end_day(name: str) -> bool:
    """Whether a column so called holds the day on which an account ends: prescribed, closed or sold then."""
    return _END_DAY.fullmatch(name) is not None


def end_has_come(cell: object, today: date | None, order: DayOrder | None) -> bool | None:
    """Whether the day in a cell under such a name has come: False where it names none (blank, 1900-01-01).

    Parameters
    ----------
    cell : object
    today : date or None
    order : {"dmy", "mdy"} or None
        Which of two numbers is the day; None = nobody knows: a day that has come in either order has come.

    Returns
    -------
    bool or None
        None where nobody can say: it cannot be read, may be two days, or nobody knows what day it is.
    """
    if is_blank(cell):
        return False
    text = str(cell).strip()
    read = [moment_of(text, one) for one in ((order,) if order else ("dmy", "mdy"))]
    days = {day.at.date() for day in read if isinstance(day, Moment)}
    told = {day for day in days if day.year > _NEVER}
    if not told:
        return False if days else None
    come = {day <= today for day in told} if today is not None else set()
    return come.pop() if len(come) == 1 else None
