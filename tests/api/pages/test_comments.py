"""Comments on accounts and decisions: appended, signed, exported, and never with contact data of anybody."""

import csv
import io
import json
import re

import pandas as pd
import pytest
from fastapi.testclient import TestClient

from api.main import create_app
from api.pages import appended_lines
from api.pages.appended_lines import append_line, read_lines
from api.pages.comments import tells_of_a_person
from api.pages.passwords import hash_password
from recommender.settings import Settings

PASSWORD = "correct horse battery"


@pytest.mark.parametrize(
    "text",
    [
        "Pagó 1.500.000 el 12/08/2026", "promete $2,500,000.50 el 2026-09-01", "Habló con el titular, paga mañana",
        "cuota 3 de 12, saldo 450.000", "COP 12500000 de contado", "Llamar entre 10:00 y 12:00", "Paga 12500000 pesos",
        "Falou com Ana María Gómez, aceita 3 parcelas de R$ 1.250,00", "visto por ana.ruiz", "",
    ],
)  # fmt: skip
def test_amounts_days_and_names_pass(text):
    """What a manager writes about a debt can be written."""
    assert not tells_of_a_person(text)


@pytest.mark.parametrize(
    "text",
    [
        "llamar al 310 555 0187", "correo ana@x.co", "CC 1.032.456.789", "cédula 1032456789", "tel. (55) 1234-5678",
        "CURP GOMC900101HDFRRL09", "+57 3105550187", "12.345.678-K", "CPF 123.456.789-09", "celular: 3105550187",
        "DNI 45.678.901", "su número es 55-1234-5678.",
    ],
)  # fmt: skip
def test_contact_data_and_papers_are_refused(text):
    """An e-mail address, a phone or an identity number, however it is written."""
    assert tells_of_a_person(text)


@pytest.fixture
def client(demo_site, tmp_path):
    """The demo portfolio with a folder of its own to write to."""
    for name in ("accounts.parquet", "contacts.parquet"):
        (tmp_path / name).write_bytes((demo_site / name).read_bytes())
    told = json.loads((demo_site / "site.json").read_text())["environment"]
    values = {name.removeprefix("RECOMMENDER_").lower(): value for name, value in told.items()}
    values["portfolio_path"] = tmp_path
    settings = Settings(**values, managers={"ana": hash_password(PASSWORD)}, login_rate_limit="100/minute")
    with TestClient(create_app(settings), headers={"accept": "text/html"}) as held:
        token = re.search(r'name="token" value="([^"]+)"', held.get("/es/login").text)[1]
        held.post("/es/login", data={"manager": "ana", "password": PASSWORD, "token": token})
        yield held


def test_a_comment_is_kept_shown_exported_and_audited(client, demo_site, tmp_path):
    """On the account and on its decision, with name and time, in whatever language the page is."""
    account = str(pd.read_parquet(demo_site / "accounts.parquet")["account_id"].iloc[0])
    page = client.get(f"/es/decision?account={account}").text
    form = page[page.index('class="comment"') :]
    token, decision = (re.search(rf'name="{name}" value="([^"]*)"', form)[1] for name in ("token", "decision"))
    assert decision
    told = {
        "token": token,
        "account": account,
        "decision": decision,
        "text": "Promete pagar <b>1.200.000</b> el viernes",
    }
    back = client.post("/es/comments", data=told)
    assert str(back.url).split("#")[0].endswith(f"/es/decision?id={decision}")
    client.post("/es/comments", data=told | {"decision": "", "text": "Otra nota"})
    for path in (f"/pt/account?id={account}", f"/en/decision?id={decision}"):
        text = client.get(path).text
        assert "Promete pagar &lt;b&gt;1.200.000&lt;/b&gt; el viernes" in text and "Otra nota" in text and "ana" in text
    lines = client.get(f"/es/account/tables/comments.csv?id={account}").text.removeprefix("\ufeff")
    rows = list(csv.reader(io.StringIO(lines)))
    assert [row[2] for row in rows[1:]] == ["Otra nota", told["text"]]
    assert {row[1] for row in rows[1:]} == {"ana"}
    kept = [json.loads(line) for line in (tmp_path / "comments.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [one["decision_id"] for one in kept] == [decision, ""]
    trail = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text(encoding="utf-8").splitlines()]
    assert sum(one["did"] == "changed" and one["path"].endswith("/comments") for one in trail) == 2
    assert "viernes" not in (tmp_path / "audit.jsonl").read_text(encoding="utf-8")


def test_a_comment_that_cannot_be_kept_says_why_and_is_not_lost(client, demo_site, tmp_path):
    """Contact data, a decision of another account, another session: nothing is written."""
    first, second = pd.read_parquet(demo_site / "accounts.parquet")["account_id"].astype(str).iloc[:2]
    page = client.get(f"/es/account?id={first}").text
    token = re.search(r'name="token" value="([^"]+)"', page[page.index('class="comment"') :])[1]
    told = {"token": token, "account": first, "text": "llamar al 310 555 0187 mañana"}
    refused = client.post("/es/comments", data=told)
    assert refused.status_code == 422
    assert "310 555 0187 mañana</textarea>" in refused.text and "teléfono" in refused.text
    assert client.post("/es/comments", data=told | {"text": "x" * 1_001}).status_code == 422
    assert client.post("/es/comments", data=told | {"token": "y", "text": "hola"}).status_code == 403
    other = client.get(f"/es/decision?account={second}").text
    decision = re.search(r'name="decision" value="([^"]+)"', other[other.index('class="comment"') :])[1]
    assert client.post("/es/comments", data=told | {"decision": decision, "text": "hola"}).status_code == 404
    assert client.post("/es/comments", data=told | {"account": "nobody", "text": "hola"}).status_code == 404
    assert not (tmp_path / "comments.jsonl").exists()


def test_a_line_that_a_full_disk_cut_off_is_told_and_spoils_no_other(tmp_path, monkeypatch):
    """Who wrote it hears of it; the next one, when there is room, stands on a line of its own."""
    path, write = tmp_path / "comments.jsonl", appended_lines.os.write
    append_line(path, {"text": "first"})
    monkeypatch.setattr(appended_lines.os, "write", lambda handle, line: write(handle, line[:7]))
    with pytest.raises(OSError, match="No space left"):
        append_line(path, {"text": "lost"})
    monkeypatch.undo()
    append_line(path, {"text": "second"})
    assert [one["text"] for one in read_lines(path, dict)] == ["first", "second"]
