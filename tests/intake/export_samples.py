"""The sample exports of ``data/samples/exports``: an invented agency in Colombia, as six kinds of source write it.

``python tests/intake/export_samples.py data/samples/exports`` writes them anew, byte for byte. Numbers and addresses
are of ranges that belong to nobody.
"""

# ruff: noqa: E501 - samples are read by their lines
from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd

ACCOUNTS = 60
AS_OF = pd.Timestamp("2026-11-23 08:00", tz="America/Bogota")
FIRST_DAY = pd.Timestamp("2026-08-03", tz="America/Bogota")


def write_samples(folder: Path) -> list[Path]:
    """Write every sample and name them."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(20261123)
    ids = [f"00{4100 + 7 * number}" for number in range(ACCOUNTS)]
    phone = [f"+57 300 555 {1000 + number}" for number in range(ACCOUNTS)]
    mail = [f"deudor{number}@example.com" for number in range(ACCOUNTS)]
    files: dict[str, str] = {}
    owed = rng.integers(150, 4_000, ACCOUNTS) * 1_000
    due = [FIRST_DAY - pd.Timedelta(days=int(days)) for days in rng.integers(1, 60, ACCOUNTS)]
    tape = pd.DataFrame(
        {
            "numero_obligacion": ids,
            "id_cliente": [f"C{9000 + number}" for number in range(ACCOUNTS)],
            "producto": rng.choice(["tarjeta", "libre inversion", "vehiculo"], ACCOUNTS),
            "saldo_total": [f"{amount:,}".replace(",", ".") + ",00" for amount in owed],
            "moneda": "COP",
            "fecha_vencimiento": [f"{day:%d/%m/%Y}" for day in due],
            "pais": "COLOMBIA",
            "canales_autorizados": "LLAMADA;MENSAJE;WHATSAPP;CORREO",
            "marcas": "ninguna",
            "parte": "titular",
            "fecha_corte": "23/11/2026",
        }
    )
    files["cartera.csv"] = "\ufeff" + tape.to_csv(index=False, sep=";", lineterminator="\r\n")
    points = pd.DataFrame({"account_id": ids, "phone": phone, "email": mail})
    files["telefonos.csv"] = points.to_csv(index=False, lineterminator="\n")
    calls: list[dict[str, object]] = []
    cdr: list[dict[str, object]] = []
    messages: list[dict[str, object]] = []
    webhooks: list[str] = []
    events: list[dict[str, object]] = []
    payments: list[dict[str, object]] = []
    for week in range(14):
        for number in range(ACCOUNTS):
            day = FIRST_DAY + pd.Timedelta(days=7 * week + int(rng.integers(0, 5)))
            at = day + pd.Timedelta(hours=int(rng.integers(8, 18)), minutes=int(rng.integers(0, 60)))
            utc = at.tz_convert("UTC")
            kind = rng.choice(["vicidial", "cdr", "sms", "whatsapp", "email"])
            liked = ["vicidial", "sms", "whatsapp", "email"][number % 4]
            reached = rng.random() < (0.45 if kind == liked else 0.2)
            name = f"{week:02d}{number:03d}"
            if kind == "vicidial":
                word = ("PTP" if rng.random() < 0.3 else "NI") if reached else rng.choice(["NA", "AA", "B"])
                calls.append(
                    {"uniqueid": f"V{name}.17", "lead_id": number, "list_id": 101, "campaign_id": "COBRO",
                     "call_date": f"{at:%Y-%m-%d %H:%M:%S}", "length_in_sec": 90 if reached else 0, "status": word,
                     "phone_code": "57", "phone_number": phone[number].replace(" ", "")[3:], "user": "6001",
                     "term_reason": "AGENT" if reached else "NONE"}
                )  # fmt: skip
            elif kind == "cdr":
                cdr.append(
                    {"calldate": f"{at:%d/%m/%Y %I:%M:%S }" + ("a. m." if at.hour < 12 else "p. m."), "clid": "601",
                     "src": "601", "dst": phone[number].replace(" ", "").replace("+57", "0357"), "dcontext": "salida",
                     "lastapp": "Dial", "duration": 60, "billsec": 40 if reached else 0,
                     "disposition": "ANSWERED" if reached else rng.choice(["NO ANSWER", "BUSY"]),
                     "uniqueid": f"A{name}.9"}
                )  # fmt: skip
            elif kind == "sms":
                messages.append(
                    {"sid": f"SM{name}", "from": "890123", "to": phone[number].replace(" ", ""), "body": "",
                     "status": "delivered" if reached else rng.choice(["sent", "undelivered"]),
                     "direction": "outbound-api", "date_sent": f"{utc:%a, %d %b %Y %H:%M:%S} +0000", "num_segments": 1,
                     "error_code": ""}
                )  # fmt: skip
            elif kind == "whatsapp":
                for step, word in enumerate(["sent", "delivered", *(["read"] if reached else [])]):
                    told = {"id": f"wamid.{name}", "status": word, "recipient_id": phone[number].replace(" ", "")[1:],
                            "timestamp": str(int(utc.timestamp()) + 60 * step)}  # fmt: skip
                    value = {"messaging_product": "whatsapp", "statuses": [told]}
                    entry = {"id": "0", "changes": [{"field": "messages", "value": value}]}
                    webhooks.append(json.dumps({"object": "whatsapp_business_account", "entry": [entry]}))
            else:
                for step, word in enumerate(["processed", "delivered", *(["open"] if reached else [])]):
                    events.append(
                        {"email": mail[number], "timestamp": int(utc.timestamp()) + 60 * step, "event": word,
                         "sg_event_id": f"e{name}{step}", "sg_message_id": f"m{name}.filter0"}
                    )  # fmt: skip
            if reached and rng.random() < 0.15:
                paid = int(owed[number] * rng.choice([0.1, 0.25]))
                when = at + pd.Timedelta(days=2)
                payments.append(
                    {"numero_obligacion": ids[number], "id_pago": f"P{name}", "fecha_pago": f"{when:%d/%m/%Y %H:%M}",
                     "valor_pago": f"{paid:,}".replace(",", ".") + ",00", "moneda": "COP"}
                )  # fmt: skip
    files["vicidial_log.csv"] = pd.DataFrame(calls).to_csv(index=False, sep="\t", lineterminator="\n")
    files["cdr.csv"] = pd.DataFrame(cdr).to_csv(index=False, lineterminator="\n")
    files["twilio_messages.csv"] = pd.DataFrame(messages).to_csv(index=False, lineterminator="\n")
    files["whatsapp_webhooks.jsonl"] = "\n".join(webhooks) + "\n"
    files["sendgrid_events.jsonl"] = "".join(json.dumps(event) + "\n" for event in events)
    files["pagos.csv"] = pd.DataFrame(payments).to_csv(index=False, sep=";", lineterminator="\n")
    files |= further_samples(ids, phone)
    files |= dialler_samples(phone)
    for name, text in files.items():
        (folder / name).write_bytes(text.encode("utf-8"))
    return [folder / name for name in files]


def further_samples(ids: list[str], phone: list[str]) -> dict[str, str]:
    """A list of leads, calls over a provider, and a log of gestiones kept by hand."""
    rng = np.random.default_rng(7)
    leads, calls, log = [], [], []
    for number, account in enumerate(ids):
        bare = phone[number].replace(" ", "")
        weeks, day, hour = int(rng.integers(0, 6)), int(rng.integers(0, 5)), int(rng.integers(8, 18))
        at = FIRST_DAY + pd.Timedelta(days=7 * weeks + day, hours=hour)
        stop = number % 20 == 7
        leads.append(
            {"lead_id": number, "entry_date": "2026-08-01 06:00:00", "modify_date": f"{at:%Y-%m-%d %H:%M:%S}",
             "status": "DNC" if stop else rng.choice(["NEW", "NA", "PTP"]), "user": "6001", "vendor_lead_code": account,
             "source_id": f"C{9000 + number}", "list_id": 101, "gmt_offset_now": "-5.00", "called_since_last_reset": "Y",
             "phone_code": "57", "phone_number": bare[3:], "country_code": "COL", "called_count": int(rng.integers(0, 9)),
             "last_local_call_time": f"{at:%Y-%m-%d %H:%M:%S}"}
        )  # fmt: skip
        inbound = number % 15 == 4
        utc = (at + pd.Timedelta(days=120)).tz_convert("UTC")
        calls.append(
            {"sid": f"CA{number:04d}", "from": bare if inbound else "+576015550100", "to": "+576015550100" if inbound else bare,
             "status": rng.choice(["completed", "no-answer", "busy", "failed"]) if not inbound else "completed",
             "start_time": f"{utc:%a, %d %b %Y %H:%M:%S} +0000", "end_time": "", "duration": int(rng.integers(0, 90)),
             "direction": "inbound" if inbound else "outbound-api", "price": "-0.02", "answered_by": ""}
        )  # fmt: skip
        clock = f"{at:%d/%m/%Y %I:%M }" + ("a. m." if at.hour < 12 else "p. m.")
        word = rng.choice(
            ["CONTESTA", "NO CONTESTA", "BUZÓN", "PROMESA DE PAGO", "NÚMERO EQUIVOCADO", "CONTACTO TITULAR"]
        )
        log.append(
            {"id_gestion": 5000 + number, "obligacion": account, "fecha_gestion": clock, "canal": "LLAMADA",
             "tipificacion": word, "fecha_promesa": f"{at + pd.Timedelta(days=9):%d/%m/%Y}" if "PROMESA" in word else "",
             "tono": "amable"}
        )  # fmt: skip
    return {
        "vicidial_list.csv": pd.DataFrame(leads).to_csv(index=False, sep="\t", lineterminator="\n"),
        "twilio_calls.csv": pd.DataFrame(calls).to_csv(index=False, lineterminator="\n"),
        "gestiones.csv": pd.DataFrame(log).to_csv(index=False, sep=";", lineterminator="\r\n"),
    }


def dialler_samples(phone: list[str]) -> dict[str, str]:
    """A call log of Five9 in the day order of the United States, and interactions of Genesys Cloud in UTC."""
    rng = np.random.default_rng(9)
    five9, genesys = [], []
    for number in range(30):
        at = FIRST_DAY + pd.Timedelta(
            days=7 * (number % 5) + number % 4, hours=int(rng.integers(8, 18)), minutes=number
        )
        bare = phone[number].replace(" ", "")
        inbound = number % 10 == 3
        word = rng.choice(["No Answer", "Answering Machine", "Promise To Pay", "Do Not Call", "Wrong Number"])
        five9.append(
            {"CALL ID": 300_000 + number, "TIMESTAMP": f"{at:%a, %d %b %Y %H:%M:%S}", "CAMPAIGN": "Cobro 30",
             "CALL TYPE": "Inbound" if inbound else "Outbound", "AGENT": "a@example.com",
             "DISPOSITION": "Right Party Contact" if inbound else word, "ANI": bare[1:] if inbound else "576015550100",
             "DNIS": "576015550100" if inbound else bare[1:], "CALL TIME": "00:01:10"}
        )  # fmt: skip
        utc = at.tz_convert("UTC")
        genesys.append(
            {"Conversation ID": f"c0ffee00-0000-4000-8000-{number:012d}", "Media Type": "voice", "Users": "Agente Uno",
             "Direction": "Inbound" if inbound else "Outbound", "ANI": f"tel:{bare if inbound else '+576015550100'}",
             "DNIS": f"tel:{'+576015550100' if inbound else bare}", "Queue": "Cobranza",
             "Date": f"{utc:%Y-%m-%dT%H:%M:%S.000Z}", "Duration": 70_000,
             "Wrap-up": "Contacto titular" if inbound else rng.choice(
                 ["ININ-OUTBOUND-NO-ANSWER", "ININ-OUTBOUND-MACHINE; ", "PROMESA DE PAGO", "ININ-OUTBOUND-SIT-UNCALLABLE"])}
        )  # fmt: skip
    return {
        "five9_calls.csv": pd.DataFrame(five9).to_csv(index=False, lineterminator="\r\n"),
        "genesys_interactions.csv": pd.DataFrame(genesys).to_csv(index=False, lineterminator="\n"),
    }


if __name__ == "__main__":
    print(*write_samples(Path(sys.argv[1])), sep="\n")  # noqa: T201 - a command
