"""Every page in every language, theme and width: long, so a proof; four looks of each page run with the other tests."""

import itertools

import pytest

from tests.browser.reading import findings

pytestmark = [pytest.mark.browser, pytest.mark.proof]

PATHS = (
    "", "tomorrow", "results", "policy-value", "explorer", "drivers", "accounts", "rule-costs", "approvals",
    "model-card", "audit", "glossary", "results?stage=judicial", "explorer?country=CO&lever=later",
    "accounts?search=nobody-has-this",
)  # fmt: skip
OF_AN_ACCOUNT = ("account?id={}", "what-if?account={}&explore=1", "decision?account={}", "best-hours?account={}")
LANGUAGES = ("es", "en", "pt", "es-MX")
WIDTHS = (320, 768, 1280)


@pytest.mark.parametrize(("language", "theme"), list(itertools.product(LANGUAGES, ("light", "dark"))))
def test_no_page_has_a_finding_in_any_look(open_page, server, language, theme):
    """No axe finding of any level, no sideways scrolling, nothing in the console, no other host."""
    first = open_page("/en/accounts")
    account = first.locator("table.accounts tbody th a").first.inner_text()
    wrong = []
    for path, width in itertools.product((*PATHS, *(path.format(account) for path in OF_AN_ACCOUNT)), WIDTHS):
        page = open_page(f"/{language}/{path}", width=width, theme=theme)
        told = [f"status {page.answer.status}"] if page.answer.status != 200 else []
        told += findings(page) + page.complaints
        if (wide := page.evaluate("document.documentElement.scrollWidth")) > width:
            told.append(f"is {wide} wide")
        told += [url for url in page.requests_made if not url.startswith(server)]
        wrong += [f"/{language}/{path} at {width}, {theme}: {one}" for one in told]
        page.close()
    assert wrong == []
