"""The usual words of diallers in three languages: what they mean, and that a refusal in writing is not one on the phone."""

# ruff: noqa: E501 - tables of words are read by their lines
from __future__ import annotations

import pandas as pd
import pytest

from recommender.history.contract_check import check_table
from recommender.intake import TableReading, canonical_word, refuse_faults
from recommender.tables import CONTRACTS
from tests.intake.test_front_door import AS_OF, CONTACTS, contacted, plan_of

MEANT = {
    "answered": "Hung up;Hang-up;HANGUP;Customer hung up;Colgó;CUELGA;Cliente cuelga;Titular colgó;Desligou;Cliente desligou;Llamada cortada;Se cortó la llamada;Chamada caiu;Call dropped;Dead air;Llamada muda",
    "not_connected": "Answering machine;Line busy;Busy signal;Línea ocupada;Linha ocupada;Contestadora;Correo de voz;Secretária eletrônica;Ring no answer;RNA;No responde;Não responde;Teléfono apagado;Telefone desligado;Fuera de cobertura;Fora de área;Sin contacto",
    "opt_out_all": "Refused contact;Refuses further calls;Refuses to be contacted;Se niega a ser contactado;Se niega a recibir llamadas;Rechaza contacto;Recusa contato;Recusou receber ligações;Written refusal;Refusal to pay in writing;Se niega por escrito a pagar;Recusa por escrito",
}
REFUSED = (
    "Refused", "Refusal", "REFUSED TO PAY", "Refusal to pay", "RTP", "Se niega", "SE NIEGA A PAGAR", "Niega pago", "Negativa de pago", "Renuente", "No quiere pagar", "Recusa",
    "Recusou", "Não quer pagar", "Se recusa a pagar",
)  # fmt: skip
#: The call was declined, a bank or a post office refused: no stop.
NO_STOP = ("Rechaza llamada", "Refused call", "Cheque rechazado", "Pago rechazado", "Refused by post office")


@pytest.mark.parametrize("word", MEANT)
def test_usual_words_are_known(word):
    """Each of them means one thing."""
    assert {said: canonical_word("outcome", said) for said in MEANT[word].split(";")} == dict.fromkeys(
        MEANT[word].split(";"), word
    )
    assert {said: canonical_word("outcome", said) for said in NO_STOP} == dict.fromkeys(NO_STOP)


def read(word, channel):
    """As a plan and as a log read it; None where nobody understands it."""
    table = pd.DataFrame(
        {"account_id": ["A1"], "sent_at": ["2026-11-20T09:00:00-05:00"], "channel": [channel], "outcome": [word]}
    )
    reading = TableReading("contacts")
    reading.observe(table)
    in_plan = reading.read(table)["outcome"].tolist()
    log = check_table(
        table.assign(contact_id="K1"),
        CONTRACTS["contacts"],
        as_of=pd.Timestamp(AS_OF).tz_convert("UTC"),
        channels=("call", "sms"),
        levels=(),
    )
    in_log = log.frame["outcome"].tolist()
    try:
        refuse_faults([reading], 0.0)
    except ValueError:
        assert in_log == [word]
        return None
    assert in_plan == in_log
    return in_plan[0]


@pytest.mark.parametrize("word", REFUSED)
def test_a_refusal_is_a_contact_where_it_was_spoken(word):
    """On the phone somebody answered; in writing, or where nobody knows how, it is a word that denies."""
    assert [read(word, channel) for channel in ("call", "Llamada", "ivr")] == ["answered"] * 3
    assert [read(word, channel) for channel in ("sms", "email", "whatsapp", "letter")] == [None] * 4


def test_who_refuses_on_the_phone_may_be_written_to_and_who_refuses_in_writing_may_not(tmp_path):
    """One of the ten refused; a table of outcomes that names no channel tells no phone."""
    for channel, n in (("call", 10), ("email", 9)):
        told = CONTACTS.assign(channel=["sms"] * 9 + [channel], outcome=["delivered"] * 9 + ["Refused"])
        more = pd.concat(
            [
                told,
                *[CONTACTS.assign(contact_id=f"M{k}" + CONTACTS["contact_id"], outcome="delivered") for k in range(3)],
            ]
        )
        assert contacted(plan_of(tmp_path / channel, contacts=more)) == n
