"""Sixteen further shapes of files that strangers bring: each drawn by a small generator, nothing copied.

Each writes a file into a folder and says what a reader would take for reward and action: None where nobody could.
"""

import json
import zipfile
from xml.sax.saxutils import escape

import numpy as np
import pandas as pd

N = 900


def _moments(minutes=23):
    return pd.date_range("2026-02-02 08:00", periods=N, freq=f"{minutes}min")


def _comma(values):
    return [f"{value:,.2f}".replace(",", "_").replace(".", ",").replace("_", ".") for value in values]


def one_hot_actions(rng, folder):
    """What was done in a column a channel, 0 or 1, one of them in each row."""
    chosen = rng.integers(0, 3, N)
    frame = pd.DataFrame({"customer_id": rng.integers(1, 300, N), "tenure_months": rng.integers(1, 60, N)})
    for number, name in enumerate(("sent_sms", "sent_email", "sent_call")):
        frame[name] = (chosen == number).astype(int)
    frame["is_urban"] = rng.integers(0, 2, N)
    frame["responded"] = rng.binomial(1, 0.2, N)
    path = folder / "wide.csv"
    frame.to_csv(path, index=False)
    return path, "responded", ("sent",)


def date_and_hour_apart(rng, folder):
    """Day and clock in two columns, as a dialler's export has them; ids called as no list has them."""
    moments = _moments()
    frame = pd.DataFrame(
        {
            "Nro. Obligación": [f"OB-{number:05d}" for number in rng.integers(0, 250, N)],
            "Fecha": moments.strftime("%d/%m/%Y"),
            "Hora": moments.strftime("%H:%M"),
            "Canal": rng.choice(["SMS", "LLAMADA", "WHATSAPP"], N),
            "Mora": rng.integers(1, 120, N),
            "Pagó": rng.choice(["SI", "NO"], N, p=[0.2, 0.8]),
        }
    )
    path = folder / "marcador.csv"
    frame.to_csv(path, index=False, sep=";")
    return path, "Pagó", ("Canal", "hour")


def action_in_spellings(rng, folder):
    """The channel typed by hand: capitals and blanks differ, the meaning does not."""
    frame = pd.DataFrame(
        {
            "client": rng.integers(1, 300, N),
            "channel": rng.choice(["Call", "call ", "CALL", "SMS", "sms", "E-mail", "email"], N),
            "segment": rng.choice(["gold", "basic"], N),
            "answered": rng.choice(["Yes", "yes", "No", "NO"], N),
        }
    )
    path = folder / "typed.csv"
    frame.to_csv(path, index=False)
    return path, "answered", ("channel",)


def action_as_free_text(rng, folder):
    """The text that was sent, another one in each row: nothing that could be chosen again."""
    frame = pd.DataFrame(
        {
            "message": [f"Dear customer {number}, your payment is due" for number in range(N)],
            "weekday": rng.choice(["mon", "tue", "wed"], N),
            "clicked": rng.binomial(1, 0.1, N),
        }
    )
    path = folder / "texts.csv"
    frame.to_csv(path, index=False)
    return path, "clicked", None


def effective_or_not(rng, folder):
    """Outcome as EFECTIVA and NO EFECTIVA; semicolons, decimal commas, a byte order mark."""
    frame = pd.DataFrame(
        {
            "ID CLIENTE": rng.integers(1, 300, N),
            "CANAL": rng.choice(["CORREO", "SMS"], N),
            "SALDO": _comma(rng.gamma(2, 900, N)),
            "TASA": _comma(rng.uniform(1, 3, N)),
            "RESULTADO": rng.choice(["EFECTIVA", "NO EFECTIVA"], N, p=[0.3, 0.7]),
        }
    )
    path = folder / "efectivas.csv"
    path.write_text(frame.to_csv(index=False, sep=";"), encoding="utf-8-sig")
    return path, "RESULTADO", ("CANAL",)


def several_rewards(rng, folder):
    """Delivered, opened, clicked, converted and revenue side by side: one is the reward, the others are no context."""
    frame = pd.DataFrame(
        {
            "user_id": rng.integers(1, 300, N),
            "sent_at": _moments().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "template": rng.choice(["A", "B", "C"], N),
            "tenure": rng.integers(0, 99, N),
            "opened": rng.binomial(1, 0.4, N),
        }
    )
    frame["clicked"] = frame["opened"] * rng.binomial(1, 0.4, N)
    frame["converted"] = frame["clicked"] * rng.binomial(1, 0.5, N)
    frame["revenue"] = frame["converted"] * rng.gamma(2, 30, N).round(2)
    path = folder / "funnel.csv"
    frame.to_csv(path, index=False)
    return path, "converted", ("template",)


def money_as_reward(rng, folder):
    """What was collected, in pesos with a sign, dots and a currency."""
    money = rng.binomial(1, 0.2, N) * rng.gamma(2, 200_000, N).round(0)
    frame = pd.DataFrame(
        {
            "cuenta": rng.integers(1_000, 1_300, N),
            "medio": rng.choice(["llamada", "carta"], N),
            "dias_mora": rng.integers(1, 300, N),
            "valor_recaudado": ["$ " + f"{int(value):,}".replace(",", ".") for value in money],
        }
    )
    path = folder / "recaudo.csv"
    frame.to_csv(path, index=False)
    return path, "valor_recaudado", ("medio",)


def header_of_several_lines(rng, folder):
    """A report's title, its date and a blank line above the header; a line of totals below."""
    frame = pd.DataFrame(
        {
            "Customer": rng.integers(1, 300, N),
            "Channel": rng.choice(["SMS", "Phone"], N),
            "Balance": rng.gamma(2, 900, N).round(2),
            "Paid": rng.choice(["Yes", "No"], N, p=[0.2, 0.8]),
        }
    )
    path = folder / "report.csv"
    path.write_text("Contact report,,,\nFrom 2026-01-01 to 2026-03-31,,,\n,,,\n" + frame.to_csv(index=False))
    return path, "Paid", ("Channel",)


def json_document(rng, folder):
    """One JSON document with the rows under a key."""
    rows = [
        {"visitor_id": int(rng.integers(0, 300)), "variant": str(rng.choice(["a", "b"])),
         "pages": int(rng.integers(1, 9)), "signup": bool(rng.random() < 0.2)}
        for _ in range(N)
    ]  # fmt: skip
    path = folder / "export.json"
    path.write_text(json.dumps({"exported": "2026-03-01", "rows": rows}))
    return path, "signup", ("variant",)


def parquet_of_categories(rng, folder):
    """Parquet with dictionary columns, a named index, nullable flags and instants with a zone."""
    frame = pd.DataFrame(
        {
            "event_time": _moments().tz_localize("America/Bogota"),
            "treatment_group": pd.Categorical(rng.choice(["control", "letter", "call"], N)),
            "region": pd.Categorical(rng.choice(["north", "south"], N), categories=["north", "south", "west"]),
            "is_member": pd.array(rng.random(N) < 0.5, dtype="boolean"),
            "converted": pd.array(rng.random(N) < 0.2, dtype="boolean"),
        },
        index=pd.RangeIndex(5, 5 + N, name="row_id"),
    )
    path = folder / "events.parquet"
    frame.to_parquet(path)
    return path, "converted", ("treatment_group",)


def workbook(rng, folder):
    """A spreadsheet with a header in its first row, cells in line."""
    frame = pd.DataFrame(
        {
            "Client ID": rng.integers(1, 300, N),
            "Contact Method": rng.choice(["Phone", "Letter"], N),
            "Debt": rng.gamma(2, 900, N).round(2),
            "Promise": rng.choice(["Yes", "No"], N, p=[0.2, 0.8]),
        }
    )

    def cell(value):
        if isinstance(value, str):
            return f'<c t="inlineStr"><is><t>{escape(value)}</t></is></c>'
        return f"<c><v>{value}</v></c>"

    rows = "".join(f"<row>{''.join(map(cell, row))}</row>" for row in [list(frame), *frame.values.tolist()])
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    path = folder / "clients.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/workbook.xml", f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
                         '<sheet name="Contacts" sheetId="1" r:id="rId1"/></sheets></workbook>')  # fmt: skip
        archive.writestr("xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{package}"><Relationship Id="rId1" '
                         f'Type="{office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>')  # fmt: skip
        archive.writestr("xl/worksheets/sheet1.xml",
                         f'<worksheet xmlns="{main}"><sheetData>{rows}</sheetData></worksheet>')  # fmt: skip
    return path, "Promise", ("Contact Method",)


def no_reward_at_all(rng, folder):
    """What was sent to whom, and not a word of what came of it."""
    frame = pd.DataFrame(
        {
            "customer_id": rng.integers(1, 300, N),
            "sent_at": _moments().strftime("%Y-%m-%d %H:%M"),
            "channel": rng.choice(["sms", "email"], N),
            "balance": rng.gamma(2, 900, N).round(2),
        }
    )
    path = folder / "sent.csv"
    frame.to_csv(path, index=False)
    return path, None, ("channel",)


def uplift_with_spend(rng, folder):
    """Treatment flag with visit, conversion and spend; ids that count the rows."""
    frame = pd.DataFrame(
        {
            "id": range(1, N + 1),
            "recency": rng.integers(1, 13, N),
            "newbie": rng.integers(0, 2, N),
            "treatment": rng.binomial(1, 0.5, N),
            "visit": rng.binomial(1, 0.2, N),
        }
    )
    frame["conversion"] = frame["visit"] * rng.binomial(1, 0.4, N)
    frame["spend"] = frame["conversion"] * rng.gamma(2, 40, N).round(2)
    path = folder / "uplift.csv"
    frame.to_csv(path, index=False)
    return path, "conversion", ("treatment",)


def bandit_of_positions(rng, folder):
    """Item, position, click and propensity_score in gzip, with a similarity for each item beside them."""
    frame = pd.DataFrame(
        {
            "timestamp": _moments().strftime("%Y-%m-%d %H:%M:%S.%f+00:00"),
            "item_id": rng.integers(0, 12, N),
            "position": rng.integers(1, 4, N),
            "click": rng.binomial(1, 0.1, N),
            "propensity_score": rng.choice([0.05, 0.1, 0.2], N),
            "user-item_affinity_0": rng.binomial(1, 0.1, N).astype(float),
            "user-item_affinity_1": rng.binomial(1, 0.1, N).astype(float),
        }
    )
    path = folder / "all.csv.gz"
    frame.to_csv(path)
    return path, "click", ("item_id",)


def slots_of_hours(rng, folder):
    """The hour as a slot in words, and a tone, tab separated."""
    frame = pd.DataFrame(
        {
            "contrato": rng.integers(1, 300, N),
            "canal_contacto": rng.choice(["sms", "llamada"], N),
            "franja": rng.choice(["08:00-10:00", "10:00-12:00", "14:00-16:00"], N),
            "tono": rng.choice(["amable", "firme"], N),
            "respuesta": rng.choice(["Sí", "No", ""], N, p=[0.2, 0.7, 0.1]),
        }
    )
    path = folder / "franjas.tsv"
    frame.to_csv(path, index=False, sep="\t")
    return path, "respuesta", ("canal_contacto", "franja", "tono")


def always_the_same(rng, folder):
    """One channel throughout: there is nothing to compare."""
    frame = pd.DataFrame(
        {
            "customer_id": rng.integers(1, 300, N),
            "channel": "sms",
            "balance": rng.gamma(2, 900, N).round(2),
            "responded": rng.binomial(1, 0.2, N),
        }
    )
    path = folder / "same.csv"
    frame.to_csv(path, index=False)
    return path, "responded", None


SHAPES = (
    one_hot_actions, date_and_hour_apart, action_in_spellings, action_as_free_text, effective_or_not, several_rewards,
    money_as_reward, header_of_several_lines, json_document, parquet_of_categories, workbook, no_reward_at_all,
    uplift_with_spend, bandit_of_positions, slots_of_hours, always_the_same,
)  # fmt: skip


def written(shape, folder):
    """Write a shape's file and say what is expected of it."""
    return shape(np.random.default_rng(7), folder)
