"""The pages of one account in a real browser: both languages and themes, wide and narrow, with and without scripts."""

import re
from pathlib import Path

import pytest

from tests.browser.reading import findings

pytestmark = pytest.mark.browser

LOOKS = (("es", 1440, "light"), ("en", 390, "dark"), ("es", 390, "light"), ("en", 1440, "dark"))


@pytest.fixture(scope="session")
def contacted(chromium, server, session_state):
    """An account that is contacted and still in the portfolio, the best expectation first."""
    context = chromium.new_context(base_url=server, storage_state=session_state)
    page = context.new_page()
    page.goto("/en/accounts")
    rows = page.locator("table.accounts tbody tr")
    found = next(
        rows.nth(number).locator("th a").inner_text()
        for number in range(rows.count())
        if "Leave alone" not in rows.nth(number).inner_text() and "–" not in rows.nth(number).inner_text()
    )
    context.close()
    return found


def paths(account):
    """Every page about one account, the what-if also with facts explored."""
    return {
        "accounts": "accounts",
        "account": f"account?id={account}",
        "what if": f"what-if?account={account}&explore=1&fact.days_past_due=120",
        "decision": f"decision?account={account}",
        "best hours": f"best-hours?account={account}",
    }


@pytest.mark.parametrize(("language", "width", "theme"), LOOKS)
@pytest.mark.parametrize("name", ["accounts", "account", "what if", "decision", "best hours"])
def test_a_page_is_accessible_fits_and_asks_nobody_else(open_page, server, contacted, name, language, width, theme):
    """No axe finding, one h1, no sideways scrolling, no request to another host, nothing in the console."""
    page = open_page(f"/{language}/{paths(contacted)[name]}", width=width, theme=theme)
    assert page.answer.status == 200
    assert page.locator("html").get_attribute("lang").startswith(language)
    assert page.locator("h1").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert findings(page) == []
    assert page.complaints == []
    assert [url for url in page.requests_made if not url.startswith(server)] == []


@pytest.mark.parametrize(
    ("language", "search", "csv", "following"),
    [("es", "Buscar", "Tabla en CSV", "Siguiente"), ("en", "Search", "Table as CSV", "Next")],
)
def test_accounts_are_searched_paged_sorted_and_taken_along(open_page, contacted, language, search, csv, following):
    """Search narrows to one id, its chip brings all back; paging moves on; headings sort; the CSV keeps the search."""
    page = open_page(f"/{language}/accounts")
    first = page.locator("table.accounts tbody th").all_inner_texts()
    page.get_by_role("link", name=re.compile(following)).click()
    assert "page=2" in page.url
    assert not set(first) & set(page.locator("table.accounts tbody th").all_inner_texts())
    page.locator("thead a").nth(0).click()
    assert page.locator("thead th[aria-sort]").count() == 1
    ids = page.locator("table.accounts tbody th").all_inner_texts()
    assert ids == sorted(ids)
    page.fill("#q", contacted)
    page.get_by_role("button", name=search).click()
    assert page.locator("table.accounts tbody th").all_inner_texts() == [contacted]
    with page.expect_download() as download:
        page.get_by_role("link", name=csv).click()
    lines = Path(download.value.path()).read_text(encoding="utf-8-sig").splitlines()
    assert len(lines) == 2
    assert lines[1].startswith(contacted)
    page.locator(".chips a", has_text=contacted).click()
    assert page.locator("table.accounts tbody th").count() == 25
    page.locator("table.accounts tbody th a").first.click()
    assert "/account?id=" in page.url


@pytest.mark.parametrize(
    ("language", "compare", "swap"), [("es", "Comparar", "Intercambiar"), ("en", "Compare", "Swap")]
)
def test_the_contrast_picker_compares_and_swaps(open_page, contacted, language, compare, swap):
    """Another second action changes the bars; swapping turns the difference; rounded bars add up; keyboard suffices."""
    page = open_page(f"/{language}/account?id={contacted}")
    chosen = page.locator("#pick-b").input_value()
    values = page.locator("#pick-b option").evaluate_all("all => all.map(one => one.value)")
    other = next(value for value in values if value not in (chosen, page.locator("#pick-a").input_value()))
    page.select_option("#pick-b", other)
    page.get_by_role("button", name=compare).press("Enter")
    assert f"b={other}" in page.url

    def shown():
        cells = page.locator("#contrast tbody tr td").all_inner_texts()
        texts = [re.sub(r"[^0-9.,−+]", "", cell.replace("p. p.", "")) for cell in cells]
        return [float(text.replace("\N{MINUS SIGN}", "-").replace(",", ".")) for text in texts]

    before = shown()
    assert sum(before[:-1]) == pytest.approx(before[-1], abs=1e-9)
    page.get_by_role("link", name=swap).click()
    after = shown()
    assert after[-1] == pytest.approx(-before[-1])
    assert sum(after[:-1]) == pytest.approx(after[-1], abs=1e-9)


@pytest.mark.parametrize(
    ("language", "calculate", "explore", "hypothetical"),
    [
        ("es", "Calcular", "Explorar los datos del deudor", "Hipotético"),
        ("en", "Calculate", "Explore the debtor's facts", "Hypothetical"),
    ],
)
def test_what_if_forbids_explores_and_resets(open_page, contacted, language, calculate, explore, hypothetical):
    """A ticked channel is not recommended; facts are locked until explored; the way is in the address; reset clears."""
    page = open_page(f"/{language}/what-if?account={contacted}")
    assert page.locator("input[name='fact.days_past_due']").count() == 0
    before = page.locator(".answer").inner_text()
    best = page.locator("#before-after tbody th").first.inner_text().split(",")[0].split("\n")[0]
    page.get_by_label(best, exact=True).check()
    page.get_by_role("button", name=calculate).click()
    assert "no.channel=" in page.url
    assert page.locator(".answer").inner_text() != before
    assert not page.locator("#before-after tbody th").first.inner_text().startswith(f"{best},")
    page.get_by_role("link", name=explore).click()
    assert page.get_by_label(best, exact=True).is_checked()
    page.locator("input[name='fact.days_past_due']").fill("300")
    page.get_by_role("button", name=calculate).click()
    assert hypothetical in page.locator("[role=status]").inner_text()
    page.locator("input[name='fact.days_past_due']").fill("")
    page.get_by_role("button", name=calculate).click()
    assert re.search(r"Falta 1 dato|1 value is missing", page.locator(".answer").inner_text())
    assert page.locator("#before-after").count() == 0
    page.get_by_role("link", name=re.compile("^(Reset|Restablecer)$")).click()
    assert page.locator(".answer").inner_text() == before


@pytest.mark.parametrize("language", ["es", "en"])
def test_the_trace_is_reached_from_the_account_and_copied_as_json(open_page, contacted, language):
    """From the account to its newest decision: a funnel, rules with citation, and the same as JSON."""
    page = open_page(f"/{language}/account?id={contacted}")
    page.get_by_role("link", name=re.compile("Decision trace|Traza de la decisión")).click()
    assert "/decision?id=" in page.url
    assert page.locator("#steps figure[role=img]").count() == 1
    assert page.locator("#rules tbody tr").count() >= 1
    answer = page.request.get(page.get_by_role("link", name=re.compile("JSON")).get_attribute("href"))
    told = answer.json()
    assert told["account_id"] == contacted
    shown = page.locator("#steps tbody tr td:nth-child(2)")
    assert told["steps"][-1]["left"] == 1
    assert shown.count() == len(told["steps"])


@pytest.mark.parametrize("name", ["accounts", "account", "what if", "decision", "best hours"])
def test_a_page_works_without_scripts(open_page, contacted, name):
    """Answer and tables are there when scripts are off."""
    page = open_page(f"/es/{paths(contacted)[name]}", scripts=False)
    assert page.locator("main table tbody tr").count() > 0
    assert page.locator("h1").inner_text()


def test_an_unknown_account_is_a_404_page(open_page):
    """The error page says it in the reader's language."""
    page = open_page("/es/account?id=nobody")
    assert page.answer.status == 404
    assert page.locator("h1").count() == 1
