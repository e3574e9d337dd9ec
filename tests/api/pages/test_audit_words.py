"""The audit says pages, accounts and filters in the reader's words; the line that is kept has the address as it was."""

import csv
import io
import re

import pytest
from fastapi.testclient import TestClient

from api.main import create_app
from api.pages import ROUTERS
from api.pages.audit_words import place_in_words, subject_in_words
from api.pages.passwords import hash_password
from api.pages.rendering import Page
from recommender.settings import Settings

ES = Page("es", Settings(model_path=None))
PATHS = sorted(
    {route.path.replace("{language}", "es").replace("{key}", "figures").replace("{suffix}", "csv")
     for router in ROUTERS for route in router.routes}
)  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_every_address_of_the_pages_has_words(path):
    """No slash and no slug is left, whatever page, export, form or picture it is; logging in and out is not audited."""
    words = place_in_words(ES, path)
    if path.endswith(("/login", "/logout")):
        assert words == path
        return
    assert "/" not in words
    assert words.lstrip("¿")[0].isupper()
    assert not re.search(r"[a-z]-[a-z]|\.csv|_", words)


@pytest.mark.parametrize(
    ("path", "query", "page", "about"),
    [
        ("/es-MX/what-if", {"account": "A-7/ñ", "explore": "1"}, "Y si…", "Cuenta: A-7/ñ"),
        ("/pt/results", {"stage": "judicial", "country": "CO", "order": "asc"}, "Resultados",
         "País: Colombia; Etapa: Judicial"),
        ("/es/results/tables/figures.xlsx", {}, "Resultados, como archivo (Excel)", ""),
        ("/es/", {}, "Inicio", ""),
        ("/es/account", {"id": "A1", "a": "3"}, "Cuenta", "Cuenta: A1"),
        ("/es/decision", {"id": "0a1b"}, "Traza de la decisión", "Identificador: 0a1b"),
        ("/es/best-hours", {"purpose": "payment_confirmation"}, "Mejores horas", "Propósito: Confirmación de pago"),
        ("/somewhere/else", {}, "/somewhere/else", ""),
    ],
)  # fmt: skip
def test_what_was_seen_is_told(path, query, page, about):
    assert place_in_words(ES, path) == page
    assert subject_in_words(ES, path, query) == about


def test_page_and_file_show_words_and_the_kept_line_the_address(tmp_path):
    """What a manager opened, newest first."""
    (tmp_path / "p").mkdir()
    settings = Settings(
        model_path=None, portfolio_path=tmp_path / "p", managers={"ana": hash_password("correct horse")}
    )
    with TestClient(create_app(settings), headers={"accept": "text/html"}) as client:
        token = re.search(r'name="token" value="([^"]+)"', client.get("/es/login").text)[1]
        client.post("/es/login", data={"manager": "ana", "password": "correct horse", "token": token})
        client.get("/es/results?stage=judicial")
        page = client.get("/es/audit").text
        rows = list(csv.reader(io.StringIO(client.get("/es/audit/tables/trail.csv").text.removeprefix("\ufeff"))))
    table = page[page.index("<tbody>") : page.index("</tbody>")]
    assert "Resultados" in table
    assert "Etapa: Judicial" in table
    assert "/es/" not in table
    assert ["Resultados", "Etapa: Judicial"] in [row[3:5] for row in rows]
    kept = (tmp_path / "p" / "audit.jsonl").read_text(encoding="utf-8")
    assert '"path": "/es/results", "query": {"stage": "judicial"}' in kept
