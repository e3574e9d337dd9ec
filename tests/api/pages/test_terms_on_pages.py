"""Offers, objective, levers, texts and segments are told where a manager decides: on the account and on the plan."""

import re
from datetime import timedelta

import pandas as pd
import pytest

from api.pages.passwords import hash_password
from api.pages.plan_terms import objective_in_words, terms_section
from api.pages.portfolio_files import PortfolioFiles
from api.pages.rendering import Page
from recommender.deciding import Lever, Objective
from recommender.deciding.objective import OBJECTIVES
from recommender.settings import Settings
from tests.api.test_dispatches import AS_OF, account
from tests.api.test_offers import LATE, Offering, model  # noqa: F401 - a fixture

SETTINGS = Settings(model_path=None)
PASSWORD = "correct horse battery"
SEGMENTS = """
schema = 1
[[segments]]
id = "gold"
family = "situation"
title = "Clientes de oro"
when = [{ column = "balance_minor", at_least = 1 }]
"""


@pytest.fixture
def offering(empty_url, model, tmp_path):  # noqa: F811
    """A service with a price list and its pages on a portfolio of two accounts."""
    (tmp_path / "segments-of-the-house.toml").write_text(SEGMENTS, encoding="utf-8")
    rows = [account(name, debtor_id=f"D-{name}", **LATE) for name in ("A1", "B2")]
    frame = pd.DataFrame(rows).drop(columns=["contacts", "features"]).assign(x=0.5, currency="COP")
    for name in ("consented_channels", "flags"):
        frame[name] = frame[name].map(";".join)
    frame.to_parquet(tmp_path / "accounts.parquet", index=False)
    more = {
        "pages": True, "portfolio_path": tmp_path, "managers": {"ana": hash_password(PASSWORD)},
        "segments": tmp_path / "segments-of-the-house.toml",
    }  # fmt: skip
    with Offering(empty_url, model, tmp_path, budget=20_500, **more) as held:
        client = held.clients[0]
        token = re.search(r'name="token" value="([^"]+)"', client.get("/es/login").text)[1]
        client.post("/es/login", data={"manager": "ana", "password": PASSWORD, "token": token})
        yield held


def test_the_account_shows_its_offer_with_terms_end_cost_and_why_no_other(offering):
    """In words of the reader, money in the currency of the list; the segment by its own name."""
    one = account(debtor_id="D-A1", **LATE)
    assert offering.made(one) == ["d20"]
    client = offering.clients[0]
    told = client.get("/es/account?id=A1")
    assert told.status_code == 200
    section = told.text[told.text.index('id="offers"') :].partition("</section>")[0]
    assert re.search(r"20\s?%\sde la deuda perdonado", section)
    assert re.search(r"COP\s200", section), "20 % of 1,000.00"
    assert "hasta el" in section and "abierta" in section
    assert "Clientes de oro" in told.text
    other = account("B2", debtor_id="D-B2", **LATE)
    assert offering.made(other)[0] != "d20", "the budget does not reach for a second one"
    section = client.get("/en/account?id=B2").text
    section = section[section.index('id="offers"') :].partition("</section>")[0]
    assert "the budget for offers does not reach" in section
    rows = client.get("/es/account/tables/offers.csv?id=A1").text.splitlines()
    assert len(rows) == 2 and "200" in rows[1]


def test_an_account_that_is_offered_something_says_it_in_each_language(offering):
    """No language shows ids of the list or English words in place of terms."""
    offering.made(account(debtor_id="D-A1", **LATE), at=AS_OF + timedelta(minutes=1))
    for tag, words in (
        ("pt", "da dívida perdoado"),
        ("en", "of the debt forgiven"),
        ("es-MX", "de la deuda perdonado"),
    ):
        assert words in offering.clients[0].get(f"/{tag}/account?id=A1").text


@pytest.mark.parametrize("tag", ["es", "pt", "en"])
def test_the_plan_says_what_it_is_after(tag):
    """Every objective has words; levers, texts and the offers' budget are rows; what is left is a difference."""
    page = Page(tag, SETTINGS)
    assert len({objective_in_words(page, name) for name in OBJECTIVES}) == len(OBJECTIVES)
    assert not any(objective_in_words(page, name) == name for name in OBJECTIVES)
    lever = Lever(factor="channel", level="sms", weight=1.5, floor=2.0, minimum_share=0.25)
    about = {
        "objective": Objective(name="net_gain", levers=(lever,)).model_dump(mode="json"),
        "own_texts": True, "switched_off": ["TRADE"], "messages_digest": "0123456789abcdef",
        "offers": {"currency": "COP", "budget_minor": 10_000_000, "before_minor": 2_500_000.0, "made": 3,
                   "cost_minor": 1_500_000.0},
    }  # fmt: skip
    shown = [" ".join(cell.shown for cell in row) for row in terms_section(page, about).table.cells()]
    assert len(shown) == 8 and any("TRADE" in row for row in shown)
    told = [page.formats.number(1.5, 2).text, page.formats.number(2.0, 2).text, page.formats.percent(0.25, 0).text]
    assert any("SMS" in row and all(one in row for one in told) for row in shown)
    assert page.formats.money(6_000_000, "COP").text in shown[-1]
    assert len(terms_section(page, {}).table.rows) == 4, "a plan of before has no terms of its own"


def test_rows_of_one_account_are_found_in_a_large_file_without_reading_it_all(tmp_path, monkeypatch):
    """The same rows as a filter gives, from a copy in order that is made once and again when the file changes."""
    from api.pages import portfolio_files

    monkeypatch.setattr(portfolio_files, "_LARGE_FILE", 0)
    frame = pd.DataFrame({"debtor_id": [f"D{n % 7}" for n in range(100)], "n": range(100)})
    frame.astype({"debtor_id": "category"}).to_parquet(tmp_path / "contacts.parquet", index=False)
    files = PortfolioFiles(Settings(model_path=None, portfolio_path=tmp_path))
    facts = pd.DataFrame({"account_id": ["A"], "debtor_id": ["D3"]})
    assert sorted(files.contacts_of(facts)["n"]) == [n for n in range(100) if n % 7 == 3]
    (kept,) = (tmp_path / "kept" / "ordered").iterdir()
    assert pd.read_parquet(kept)["debtor_id"].is_monotonic_increasing
    stamp = kept.stat().st_mtime_ns
    assert len(files.contacts_of(facts)) == 14 and kept.stat().st_mtime_ns == stamp
    frame.head(10).to_parquet(tmp_path / "contacts.parquet", index=False)
    assert files.contacts_of(facts)["n"].tolist() == [3]
    assert len(list((tmp_path / "kept" / "ordered").iterdir())) == 1
    monkeypatch.setattr(portfolio_files.os, "access", lambda *_: False)
    assert PortfolioFiles(files.settings).contacts_of(facts)["n"].tolist() == [3], "read-only: the file itself"
