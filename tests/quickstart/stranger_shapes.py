"""Fourteen shapes that are no table of contacts at first sight, or write it in other words; each drawn, nothing copied.

Each writes a file into a folder and says what a reader would take for reward and action: None where nobody could.
"""

import json

import numpy as np
import pandas as pd

N = 900


def _moments(minutes=23):
    return pd.date_range("2026-02-02 08:00", periods=N, freq=f"{minutes}min")


def attempts_in_columns(rng, folder):
    """A debtor a row, three attempts beside one another, the later ones often empty."""
    n = N // 3
    frame = pd.DataFrame({"loan_id": range(1_000, 1_000 + n), "balance": rng.gamma(2, 900, n).round(2)})
    made = np.ones(n, dtype=bool)
    for number in (1, 2, 3):
        frame[f"attempt_{number}_channel"] = np.where(made, rng.choice(["sms", "call", "email"], n), None)
        day = pd.Timestamp("2026-02-02") + pd.to_timedelta(rng.integers(0, 20, n) + 20 * number, unit="D")
        frame[f"attempt_{number}_date"] = np.where(made, day.strftime("%Y-%m-%d"), None)
        frame[f"attempt_{number}_result"] = np.where(made, rng.choice(["yes", "no"], n, p=[0.2, 0.8]), None)
        made = made & (rng.random(n) < 0.7)
    path = folder / "attempts.csv"
    frame.to_csv(path, index=False)
    return path, "attempt_result", ("attempt_channel",)


def gestiones_en_columnas(rng, folder):
    """The same as a Spanish agency has it: the number at the end, no underscore, semicolons."""
    n = N // 2
    frame = pd.DataFrame({"OBLIGACION": [f"OB{number:06d}" for number in range(n)], "MORA": rng.integers(1, 200, n)})
    for number in (1, 2):
        frame[f"CANAL{number}"] = rng.choice(["LLAMADA", "SMS", "WHATSAPP"], n)
        frame[f"FECHA{number}"] = (
            pd.Timestamp("2026-02-02") + pd.to_timedelta(rng.integers(0, 60, n), unit="D")
        ).strftime("%d/%m/%Y")
        frame[f"PAGO{number}"] = rng.choice(["SI", "NO"], n, p=[0.2, 0.8])
    path = folder / "gestiones.csv"
    frame.to_csv(path, index=False, sep=";", encoding="latin-1")
    return path, "PAGO", ("CANAL",)


def events_of_a_provider(rng, folder):
    """An event a row, several of one message: sent, delivered, opened, clicked."""
    rows = []
    for number in range(N // 3):
        channel = rng.choice(["sms", "email"])
        at = pd.Timestamp("2026-02-02 08:00") + pd.Timedelta(minutes=13 * number)
        for step, event in enumerate(("sent", "delivered", "opened", "clicked")):
            rows.append(
                {
                    "message_id": f"m{number}",
                    "event": event,
                    "channel": channel,
                    "timestamp": (at + pd.Timedelta(minutes=step)).isoformat(),
                    "recipient_id": f"r{number % 90}",
                }
            )
            if rng.random() < 0.4:
                break
    path = folder / "events.jsonl"
    pd.DataFrame(rows).to_json(path, orient="records", lines=True)
    return path, None, ("channel",)


def totals_of_a_test(rng, folder):
    """An A/B test as its tool exports it: a line a variant and a day, with totals."""
    days = pd.date_range("2026-01-05", periods=60).strftime("%Y-%m-%d")
    frame = pd.DataFrame(
        [(day, variant) for day in days for variant in ("control", "A", "B")], columns=["date", "variant"]
    )
    frame["visitors"] = rng.integers(300, 500, len(frame))
    frame["conversions"] = rng.binomial(frame["visitors"], 0.1)
    frame["conversion_rate"] = (frame["conversions"] / frame["visitors"]).round(4)
    path = folder / "ab.csv"
    frame.to_csv(path, index=False)
    return path, None, None


def users_of_a_test(rng, folder):
    """An A/B test by user: variation, bucketing time, TRUE and FALSE, a revenue in text."""
    converted = rng.random(N) < 0.15
    frame = pd.DataFrame(
        {
            "Experiment ID": "exp_checkout_7",
            "Variation Name": rng.choice(["Original", "Variation #1", "Variation #2"], N),
            "Visitor ID": [f"oeu{number:016x}" for number in rng.integers(0, 2**60, N)],
            "Bucketed At": _moments().strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "Device": rng.choice(["desktop", "mobile"], N),
            "Is Converted": np.where(converted, "TRUE", "FALSE"),
        }
    )
    path = folder / "visitors.csv"
    frame.to_csv(path, index=False)
    return path, "Is Converted", ("Variation Name",)


def codes_of_a_bank(rng, folder):
    """Codes of action and answer, fixed by the bank: nobody else knows which answer is good."""
    frame = pd.DataFrame(
        {
            "NRO_PRESTAMO": rng.integers(100_000, 100_300, N),
            "FEC_GESTION": _moments().strftime("%Y%m%d"),
            "HOR_GESTION": _moments().strftime("%H:%M:%S"),
            "COD_ACCION": rng.choice(["LC", "LS", "WA", "CE"], N),
            "COD_RESPUESTA": rng.choice(["PP", "NC", "CT", "RE"], N),
            "SDO_CAPITAL": rng.gamma(2, 900_000, N).round(0),
        }
    )
    path = folder / "gestion.txt"
    frame.to_csv(path, index=False, sep="|")
    return path, None, ("COD_ACCION",)


def y_or_n(rng, folder):
    """Telemarketing with y and n, quoted, semicolons, an unknown in the middle."""
    frame = pd.DataFrame(
        {
            "age": rng.integers(18, 80, N),
            "job": rng.choice(["admin.", "blue-collar", "unknown"], N),
            "contact": rng.choice(["cellular", "telephone"], N),
            "day_of_week": rng.choice(["mon", "tue", "fri"], N),
            "duration": rng.integers(5, 900, N),
            "pdays": 999,
            "outcome": rng.choice(["y", "n"], N, p=[0.12, 0.88]),
        }
    )
    path = folder / "calls.csv"
    frame.to_csv(path, index=False, sep=";", quoting=1)
    return path, "outcome", ("contact",)


def intervals_of_a_centre(rng, folder):
    """Workforce management: half hours with calls offered, answered and mean handling time; no contact anywhere."""
    frame = pd.DataFrame(
        {
            "Interval Start": _moments(30).strftime("%d.%m.%Y %H:%M"),
            "Queue": rng.choice(["Collections_ES", "Collections_EN"], N),
            "Offered": rng.integers(5, 80, N),
            "Abandoned": rng.integers(0, 5, N),
            "AHT (s)": rng.integers(120, 500, N),
            "Service Level %": rng.uniform(60, 99, N).round(1),
        }
    )
    frame["Answered"] = frame["Offered"] - frame["Abandoned"]
    path = folder / "wfm.csv"
    frame.to_csv(path, index=False)
    return path, None, None


def calls_of_a_dialler(rng, folder):
    """One row a call: the hour is the only choice; dispositions in words; talk time known afterwards."""
    frame = pd.DataFrame(
        {
            "Call ID": [f"c-{number}" for number in range(N)],
            "Call Start": _moments(37).strftime("%m/%d/%Y %I:%M:%S %p"),
            "Campaign": "spring",
            "Account Ref": rng.integers(10_000, 10_400, N),
            "Disposition": rng.choice(["Answered", "No Answer"], N, p=[0.3, 0.7]),
        }
    )
    frame["Talk Time"] = np.where(frame["Disposition"] == "Answered", "00:02:10", "00:00:00")
    path = folder / "acd.csv"
    frame.to_csv(path, index=False)
    return path, "Disposition", ("hour",)


def instants_as_answers(rng, folder):
    """A mailing: when it was sent, when it was clicked; an empty cell is no click."""
    sent = _moments()
    clicked = np.where(rng.random(N) < 0.15, (sent + pd.Timedelta(hours=2)).strftime("%Y-%m-%d %H:%M:%S"), "")
    frame = pd.DataFrame(
        {
            "Recipient ID": rng.integers(1, 400, N),
            "Subject Line": rng.choice(["Reminder", "Offer", "Thanks"], N),
            "Sent At": sent.strftime("%Y-%m-%d %H:%M:%S"),
            "Clicked At": clicked,
        }
    )
    path = folder / "mailing.csv"
    frame.to_csv(path, index=False)
    return path, "Clicked At", ("Subject Line",)


def nested_lines(rng, folder):
    """JSON lines with objects in objects."""
    rows = [
        {
            "customer": {"id": int(rng.integers(0, 300)), "tier": str(rng.choice(["gold", "basic"]))},
            "contact": {
                "channel": str(rng.choice(["sms", "email"])),
                "sent_at": f"2026-02-02T{number % 24:02d}:10:00Z",
            },
            "result": {"responded": bool(rng.random() < 0.2)},
        }
        for number in range(N)
    ]
    path = folder / "nested.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path, "result.responded", ("contact.channel", "hour")


def words_of_a_spreadsheet(rng, folder):
    """VERDADERO and FALSO, shares with a percent sign, decimal commas, blanks around words."""
    share = [f"{value:.1f} %".replace(".", ",") for value in rng.uniform(0, 100, N)]
    frame = pd.DataFrame(
        {
            "Nº Cliente": rng.integers(1, 300, N),
            "Medio de contacto": rng.choice([" Teléfono", "Carta ", "Correo electrónico"], N),
            "% utilizado": share,
            "Abonó": rng.choice(["VERDADERO", "FALSO"], N, p=[0.25, 0.75]),
        }
    )
    path = folder / "hoja.csv"
    frame.to_csv(path, index=False, sep=";", encoding="cp1252")
    return path, "Abonó", ("Medio de contacto",)


def one_and_two(rng, folder):
    """As statistics programs code: 1 and 2, and no word which of them is yes."""
    frame = pd.DataFrame(
        {
            "idno": range(1, N + 1),
            "treat": rng.integers(1, 4, N),
            "educ": rng.integers(1, 6, N),
            "paid": rng.integers(1, 3, N),
        }
    )
    path = folder / "survey.csv"
    frame.to_csv(path, index=False)
    return path, None, ("treat",)


def table_of_a_terminal(rng, folder):
    """What a database client prints: a rule under the header, bars between cells, a count below."""
    lines = [" account_id | channel | days_past_due | paid ", "------------+---------+---------------+------"]
    for _ in range(N):
        account, days, paid = (
            int(rng.integers(100, 400)),
            int(rng.integers(1, 90)),
            rng.choice(["t", "f"], p=[0.2, 0.8]),
        )
        lines.append(f" {account:10} | {rng.choice(['sms', 'call']):7} | {days:13} | {paid}    ")
    path = folder / "psql.txt"
    path.write_text("\n".join([*lines, f"({N} rows)", ""]))
    return path, "paid", ("channel",)


SHAPES = (
    attempts_in_columns, gestiones_en_columnas, events_of_a_provider, totals_of_a_test, users_of_a_test,
    codes_of_a_bank, y_or_n, intervals_of_a_centre, calls_of_a_dialler, instants_as_answers, nested_lines,
    words_of_a_spreadsheet, one_and_two, table_of_a_terminal,
)  # fmt: skip


def written(shape, folder):
    """Write a shape's file and say what is expected of it."""
    return shape(np.random.default_rng(11), folder)
