"""Exports of houses nobody described: codes with ``NA``, offsets in moments, other names, empty outcomes."""

import numpy as np
import pandas as pd
import pytest

from recommender.errors import InvalidInput
from recommender.intake import canonical_channel, canonical_word
from recommender.monitoring import diagnose
from recommender.quickstart import guess_roles, log_of_file, type_cells
from recommender.quickstart.first_look import _findings
from recommender.reports import Words

N = 400


@pytest.fixture
def frame():
    rng = np.random.default_rng(5)
    at = pd.Timestamp("2026-03-02") + pd.to_timedelta(rng.integers(8, 19, N) + 24 * rng.integers(0, 40, N), unit="h")
    return pd.DataFrame(
        {
            "Medio": rng.choice(["Llamada saliente", "SMS enviado", "WhatsApp Business"], N),
            "Fecha Gestión": at.strftime("%Y-%m-%d %H:%M:%S"),
            "N° Obligación": [f"OB-{number}" for number in rng.integers(0, 90, N)],
            "Saldo": np.exp(rng.normal(7, 1, N)).round(2).astype(str),
        }
    )


def read(frame, **stated):
    typed = type_cells(frame)
    roles = guess_roles(typed, **stated)
    return roles, log_of_file(typed, roles)[0]


def test_a_spelling_of_the_contract_is_known_here_too_and_who_hung_up_did_not_agree(frame):
    said = np.resize(["Compromiso de pago", "No contesta", "Cuelga", "Mensaje entregado", "Promesa de pago"], N)
    roles, log = read(frame.assign(**{"Resultado Gestión": said}))
    assert roles.reward == "Resultado Gestión" and roles.account == "N° Obligación"
    assert set(roles.success) == {"Compromiso de pago", "Promesa de pago"}
    assert log.reward.sum() == np.isin(said, ["Compromiso de pago", "Promesa de pago"]).sum()


def test_na_among_codes_is_that_nobody_answered(frame):
    codes = np.resize(["PTP", "NA", "NA", "BUSY", "LM"], N)
    with pytest.raises(InvalidInput, match=r"'NA'.*--success PTP \(repeat"):
        read(frame.assign(DISPOSITION=codes))
    roles, log = read(frame.assign(DISPOSITION=codes), success=["PTP"])
    assert log.reward.mean() == pytest.approx(0.2) and not np.isnan(log.reward).any()
    assert not any("teaches nothing" in sentence for sentence in roles.sentences)


@pytest.mark.parametrize("empty", ["", "N/A", "s/d", None])
def test_contacts_without_an_outcome_are_counted_aloud(frame, empty):
    said = np.resize(np.array(["Promesa de pago", "No contesta", empty, "Ocupado"], dtype=object), N)
    roles, log = read(frame.assign(resultado=said))
    assert f"{N // 4:,} of {N:,} contacts have no resultado: what came of them teaches nothing" in roles.sentences
    assert np.isnan(log.reward).sum() == N // 4


@pytest.mark.parametrize("offset", ["-05:00", "+05:30", "-0300"])
def test_hours_are_those_of_the_clock_that_was_written(frame, offset):
    """A call at 08:00-05:00 was at eight for whoever was called; its instant is that of UTC."""
    at = frame["Fecha Gestión"]
    frame["Fecha Gestión"] = at.str.replace(" ", "T") + offset
    said = np.resize(["Promesa de pago", "No contesta", "Ocupado"], N)
    roles, log = read(frame.assign(resultado=said))
    assert "action: Medio x hour (of Fecha Gestión)" in roles.sentences
    assert set(log.actions.factors["hour"]) == set(pd.to_datetime(at).dt.hour)
    first = pd.Timestamp(at.iloc[0] + offset).tz_convert("UTC").tz_localize(None)
    assert pd.Series(log.time).iloc[0] == first


@pytest.mark.parametrize("written", ["Z", "epoch", "aware"])
def test_hours_of_utc_are_called_so(frame, written):
    at = pd.to_datetime(frame["Fecha Gestión"])
    seconds = ((at - pd.Timestamp(0)) // pd.Timedelta(seconds=1)).astype(str)
    spellings = {
        "Z": at.dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "epoch": seconds,
        "aware": at.dt.tz_localize("UTC"),
    }
    frame["Fecha Gestión"] = spellings[written]
    roles, _ = read(frame.assign(resultado=np.resize(["Promesa de pago", "No contesta", "Ocupado"], N)))
    assert "action: Medio x hour (of Fecha Gestión, in UTC)" in roles.sentences


@pytest.mark.parametrize("typed", [True, False])
@pytest.mark.parametrize("whole", [True, False])
def test_a_serial_day_of_a_spreadsheet_is_a_moment(frame, typed, whole):
    at = pd.to_datetime(frame["Fecha Gestión"])
    at = at.dt.normalize() if whole else at
    serial = ((at - pd.Timestamp("1899-12-30")) / pd.Timedelta(days=1)).round(6)
    frame["Fecha Gestión"] = serial if typed else serial.astype(str).str.removesuffix(".0")
    roles, log = read(frame.assign(resultado=np.resize(["Promesa de pago", "No contesta", "Ocupado"], N)))
    assert roles.time == "Fecha Gestión" and ("hour" in log.actions.factors) != whole
    if not whole:
        assert set(log.actions.factors["hour"]) == set(at.dt.hour)


@pytest.mark.parametrize("seconds", [True, False])
def test_what_counts_days_or_seconds_is_no_moment(frame, seconds):
    """Seconds since midnight and the number of a day are digits, too."""
    counts = np.resize(np.arange(30_000, 70_000, 77) if seconds else np.arange(1, 300), N)
    frame = frame.drop(columns="Fecha Gestión").assign(time=counts, answered=np.resize([0, 1, 0], N))
    assert "time" not in type_cells(frame).instants


def test_a_clock_written_with_a_point_is_a_clock(frame):
    """``08.30`` is half past eight; of hours in decimals, minutes go beyond 59."""
    at = pd.to_datetime(frame["Fecha Gestión"]) + pd.to_timedelta(np.resize(np.arange(0, 60, 7), N), unit="min")
    frame["Fecha Gestión"] = at.dt.strftime("%d.%m.%Y")
    frame["resultado"] = np.resize(["Promesa de pago", "No contesta", "Ocupado"], N)
    roles, log = read(frame.assign(**{"Hora Gestión": at.dt.strftime("%H.%M")}))
    assert "action: Medio x hour (of Fecha Gestión)" in roles.sentences and "Hora Gestión" not in roles.context
    assert set(log.actions.factors["hour"]) == set(at.dt.hour)
    decimals = (at.dt.hour + at.dt.minute / 60).map("{:.2f}".format)
    assert "action: Medio" in read(frame.assign(**{"Hora Gestión": decimals}))[0].sentences


def test_a_tone_is_chosen_with_its_hour(frame):
    """A log of one channel: what was said, and when."""
    frame = frame.assign(
        Medio="Llamada", tono=np.resize(["amable", "firme"], N), ptp_flag=np.resize(["Y", "N", "N"], N)
    )
    roles, _ = read(frame)
    assert roles.factors == ("tono",) and roles.hour_from == "Fecha Gestión" and roles.reward == "ptp_flag"


def test_an_outcome_that_never_varies_is_named(frame):
    with pytest.raises(InvalidInput, match=r"'resultado' is called like one, but holds one value"):
        read(frame.assign(resultado="No contesta"))


@pytest.mark.parametrize(
    "name",
    ["contact.external_id", "Prospect ID", "external_id", "contactKey", "externalContactId", "Associated contact ID"],
)
def test_whoever_was_contacted_again_is_the_account(frame, name):
    frame = frame.rename(columns={"N° Obligación": name}).assign(answered=np.resize([0, 1, 0], N))
    assert read(frame)[0].account == name
    frame[name] = [f"c{row}" for row in range(N)]  # an id of contacts tells no accounts
    assert read(frame)[0].account is None


@pytest.mark.parametrize(
    ("word", "channel"),
    [("call.ended", "call"), ("SMS enviado", "sms"), ("Envío de SMS", "sms"), ("sms-outbound", "sms"),
     ("email.sent", "email"), ("Llamada realizada", "call"), ("whatsapp_message", "whatsapp"),
     ("Mensaje de voz", "ivr"),
     ("visita realizada", "visit"), ("inbound call", None),
     ("llamada entrante", None), ("voice message", None), ("sent", None), ("message.sent", None)],
)  # fmt: skip
def test_a_channel_may_say_that_it_was_used(word, channel):
    assert canonical_channel(word) == channel


@pytest.mark.parametrize(
    ("word", "outcome"),
    [("Mensaje entregado", "delivered"), ("SMS enviado", "attempted"), ("no_response", "not_connected"),
     ("Sem contato", "not_connected"), ("Correo abierto", "read"), ("NA", None), ("mensaje", None)],
)  # fmt: skip
def test_words_of_messages_are_outcomes(word, outcome):
    assert canonical_word("outcome", word) == outcome


def test_a_duration_written_as_text_is_called_one(frame):
    """Minutes and seconds of the talk were "an id perhaps"; a wait may have been known before, or be a clock."""
    clocks = [f"{second // 60:02d}:{second % 60:02d}" for second in range(N)]
    notes = [f"note {number}" for number in range(N)]
    roles, _ = read(frame.assign(Pago=np.resize([0, 1, 0], N), Duracion=clocks, Espera=clocks[::-1], Nota=notes))
    assert roles.left_out["Duracion"] == "is a duration, which is only known after the contact"
    assert roles.left_out["Espera"] == "is a duration or a time of day, written as text"
    assert roles.left_out["Nota"] == "is text of 400 values, an id perhaps"


@pytest.mark.parametrize(("written", "told"), [("%Y-%m-%d %H:%M:%S", False), ("%Y-%m-%dT%H:%M:%SZ", True)])
def test_an_hour_of_a_moment_without_an_offset_is_not_held_against_utc(frame, written, told):
    """It equals the hour of that moment by itself; of a column that is in UTC the reader is warned."""
    moments = pd.to_datetime(frame["Fecha Gestión"]).dt.strftime(written)
    typed = type_cells(frame.assign(Pago=np.resize([0, 1, 0], N), **{"Fecha Gestión": moments}))
    roles = guess_roles(typed)
    assert roles.hour_from == "Fecha Gestión"
    found = diagnose(log_of_file(typed, roles)[0])
    assert "hours_on_utc" in {one.code for one in found.findings}
    shown = [what for _, what, _ in _findings(found, roles, typed, Words("en"))]
    assert any("equals the UTC hour" in what for what in shown) is told
    assert len(shown) == len(found.findings) - (not told)


def test_a_level_that_nobody_wrote_is_the_same_in_every_language(frame):
    """A strategy that was learnt in Spanish and one in English read the same accounts."""
    frame["Medio"] = frame["Medio"].where(np.arange(N) % 10 > 0, None)
    frame["tono"] = np.resize(["firme", "amable"], N)
    _, log = read(frame.assign(resultado=np.resize(["Promesa de pago", "No contesta", "Ocupado"], N)))
    assert "(?)" in log.actions.factors["Medio"]


@pytest.mark.parametrize(
    ("said", "success"),
    [
        (["Zahlungszusage", "Nicht erreicht", "Kein Anschluss", "R\u00fcckruf gew\u00fcnscht"], {"Zahlungszusage"}),
        (["Promessa di pagamento", "Non risponde", "Occupato", "Da richiamare"], {"Promessa di pagamento"}),
        (["Erreicht", "Nicht erreicht"], {"Erreicht"}),
        (["Pagato", "Non pagato"], {"Pagato"}),
    ],
)
def test_german_and_italian_words_of_an_outcome(frame, said, success):
    """What came of a contact is known by its words there, too, whatever the column is called."""
    words = np.resize(said, N)
    roles, log = read(frame.assign(Ergebnis=words), reward="Ergebnis")
    assert set(roles.success) == success
    assert log.reward.sum() == np.isin(words, list(success)).sum()


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("Verstorben", "deceased"),
        ("Nicht mehr anrufen", "opt_out_all"),
        ("Non chiamare pi\u00f9", "opt_out_all"),
        ("Widerspruch", "dispute"),
        ("Promessa non mantenuta", "promise_broken"),
        ("Nessuna promessa", None),
    ],
)
def test_german_and_italian_stops_are_heard(word, meant):
    """A word that stops a contact stops it in these languages; none of them is a promise that was not made."""
    assert canonical_word("outcome", word) == meant


@pytest.mark.parametrize(("word", "channel"), [("Anruf", "call"), ("Brief", "letter"), ("Chiamata", "call")])
def test_german_and_italian_channels(word, channel):
    """Channels of the same exports."""
    assert canonical_channel(word) == channel
