"""The portfolio pages in a real browser: both languages, both themes, wide and narrow, with and without scripts."""

import re

import pytest

from tests.browser.reading import MANAGER, PASSWORD, findings, log_in

pytestmark = pytest.mark.browser

PAGES = ("results", "policy-value", "explorer", "drivers", "rule-costs", "approvals", "model-card")
LOOKS = (("es", 1440, "light"), ("en", 390, "dark"), ("es", 390, "light"), ("en", 1440, "dark"))


@pytest.mark.parametrize(("language", "width", "theme"), LOOKS)
@pytest.mark.parametrize("slug", PAGES)
def test_a_page_is_accessible_fits_and_asks_nobody_else(open_page, server, slug, language, width, theme):
    """No axe finding of any level, one h1, the right language, no sideways scrolling, no other host, no error."""
    page = open_page(f"/{language}/{slug}", width=width, theme=theme)
    assert page.answer.status == 200
    assert page.locator("html").get_attribute("lang").startswith(language)
    assert page.locator("h1").count() == 1
    assert page.locator("main .answer").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert findings(page) == []
    assert page.complaints == []
    assert [url for url in page.requests_made if not url.startswith(server)] == []


@pytest.mark.parametrize(("path", "width"), [("es/", 390), ("en/", 1440), ("es/audit", 390), ("en/glossary", 1440)])
def test_home_and_the_small_pages_are_accessible_and_fit(open_page, path, width):
    """No axe finding, one h1, no sideways scrolling."""
    page = open_page(f"/{path}", width=width)
    assert page.locator("h1").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert findings(page) == []
    assert page.complaints == []


def test_home_answers_in_one_look_and_leads_down_to_a_decision(open_page):
    """Four questions with a state each; stage, account and decision are three clicks away, by keyboard."""
    page = open_page("/es/")
    assert page.locator(".glance h2 .badge").count() == 4
    assert all(len(text) > 10 for text in page.locator(".glance > p:first-of-type").all_inner_texts())
    page.locator("#segments-COP tbody a").last.press("Enter")
    assert "stage=judicial" in page.url
    page.locator("table.accounts tbody th a").first.press("Enter")
    page.get_by_role("link", name="Traza de la decisión").press("Enter")
    assert "/decision?" in page.url


def test_a_view_is_kept_under_a_name_and_removed(open_page):
    """It is on the home of who kept it, with its filters."""
    page = open_page("/es/results?stage=judicial")
    page.get_by_text("Guardar esta vista").click()
    page.fill("#view-name", "Judicial, semana")
    page.get_by_role("button", name="Guardar").click()
    page.get_by_role("link", name="Judicial, semana").click()
    assert page.url.endswith("/es/results?stage=judicial")
    page.goto("/es/")
    page.get_by_role("button", name="Quitar Judicial, semana").click()
    assert page.get_by_role("link", name="Judicial, semana").count() == 0


@pytest.mark.parametrize("slug", PAGES)
def test_a_first_load_is_small(open_page, slug):
    """At most 10 requests and 1.5 MB, the exports not counted."""
    sizes = []
    page = open_page(f"/en/{slug}")
    page.on("response", lambda answer: sizes.append(len(answer.body())))
    page.reload(wait_until="networkidle")
    assert len(sizes) <= 10
    assert sum(sizes) <= 1_500_000


@pytest.mark.parametrize("slug", PAGES)
def test_a_page_works_without_scripts(open_page, slug):
    """The answer and the numbers are there when scripts are off."""
    page = open_page(f"/es/{slug}", scripts=False)
    assert len(page.locator(".answer").inner_text()) > 15
    assert page.locator("main table tbody tr, main .empty, main .plain li").count() > 0


def test_every_picture_has_a_label_and_numbers_beside_it(open_page):
    """A picture is one image with a sentence; its section holds a table with a caption and row headings."""
    page = open_page("/en/results")
    figures = page.locator("figure[role=img]")
    assert figures.count() >= 3
    for number in range(figures.count()):
        assert len(figures.nth(number).get_attribute("aria-label")) > 20
        card = figures.nth(number).locator("xpath=ancestor::section[1]")
        assert card.locator("table caption").count() == 1
        assert card.locator("th[scope=row]").count() > 1


def test_filters_are_in_the_address_and_taken_away_by_their_chip(open_page):
    """Choosing a country narrows the figures to its currency; removing the chip brings everything back."""
    page = open_page("/en/results")
    assert page.get_by_text("(COP)").count() and page.get_by_text("(MXN)").count()
    page.select_option("#filter-country", "CO")
    page.get_by_role("button", name="Apply").click()
    assert "country=CO" in page.url
    assert page.get_by_text("(COP)").count() and not page.get_by_text("(MXN)").count()
    page.locator(".chips a", has_text="Colombia").click()
    assert "country=CO" not in page.url
    assert page.get_by_text("(MXN)").count()


def test_tables_and_pictures_can_be_taken_along(open_page):
    """The CSV holds the shown rows with raw numbers; the PNG is a picture; both keep the filters."""
    page = open_page("/es/results?country=CO")
    with page.expect_download() as download:
        page.locator("#figures").get_by_role("link", name="Tabla en CSV").click()
    text = download.value.path().read_text(encoding="utf-8-sig")
    assert text.splitlines()[0].startswith("Cifra,Cifra: nota,Política,Política: unidad,Control")
    assert "COP" in text
    assert "MXN" not in text
    with page.expect_download() as download:
        page.locator("[id^=week-contactability]").get_by_role("link", name="Imagen en PNG").click()
    assert download.value.path().read_bytes().startswith(b"\x89PNG")


def test_nobody_sees_a_page_without_a_login_and_is_sent_back_afterwards(open_page, server):
    """The form comes first; a wrong password says no more than that; after the right one comes the page asked for."""
    page = open_page("/en/drivers?stage=judicial", logged_in=False)
    assert "/en/login" in page.url
    page.fill("#manager", MANAGER)
    page.fill("#password", "wrong")
    page.click("button.main")
    assert page.get_by_role("alert").inner_text() == "Name and password do not match."
    page.fill("#manager", MANAGER)
    page.fill("#password", PASSWORD)
    page.click("button.main")
    assert page.url == f"{server}/en/drivers?stage=judicial"
    assert all(one["httpOnly"] and one["sameSite"] == "Lax" for one in page.context.cookies())
    page.get_by_role("button", name="Log out").click()
    assert "/en/login" in page.url
    page.goto(f"{server}/en/results")
    assert "/en/login" in page.url


@pytest.mark.parametrize(("language", "said"), [("es", "Esta página no existe"), ("en", "There is no such page")])
def test_a_missing_page_is_told_in_the_readers_language(open_page, language, said):
    """404 is a page with a way back, and accessible."""
    page = open_page(f"/{language}/nowhere")
    assert page.answer.status == 404
    assert page.locator("h1").inner_text() == said
    assert findings(page) == []


def test_languages_are_switched_in_place_and_numbers_follow(open_page):
    """The switch keeps page and filters; Spanish writes a decimal comma, English a point."""
    page = open_page("/es/policy-value")
    assert re.search(r"\d,\d", page.locator(".tiles").inner_text())
    page.get_by_role("navigation", name="Idioma").get_by_text("EN").click()
    assert page.url.endswith("/en/policy-value")
    assert re.search(r"\d\.\d", page.locator(".tiles").inner_text())


def test_the_theme_is_switched_and_kept(open_page):
    """The button turns the page dark, and the next page stays dark."""
    page = open_page("/en/results")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.locator("[data-theme-switch]").click()
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark != light
    page.goto("/en/model-card")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark


def test_print_shows_the_tables_and_no_controls(open_page):
    """On paper every table is open, and menus, filters and exports are gone."""
    page = open_page("/en/drivers")
    page.emulate_media(media="print")
    assert not page.locator(".menu").is_visible()
    assert not page.locator(".filters").is_visible()
    tables = page.locator("main table")
    assert tables.count() >= 4
    assert all(tables.nth(number).is_visible() for number in range(tables.count()))


def test_a_case_for_a_human_is_answered_with_a_name(open_page):
    """Agreeing is confirmed, takes the account from the queue, writes down who it was, and can be undone."""
    page = open_page("/en/approvals")
    first = page.locator("#queue tbody tr").first
    account = first.locator("th").inner_text()
    first.locator("input[name=note]").fill("called the branch")
    first.get_by_role("button", name="Agree").click()
    assert account in page.locator("main").inner_text()
    page.get_by_role("button", name="Confirm").click()
    assert account not in page.locator("#queue").inner_text()
    assert MANAGER in page.locator("#answers").inner_text()
    assert "called the branch" in page.locator("#answers").inner_text()
    page.locator("#answers tbody tr", has_text=account).get_by_role("button", name="Undo").click()
    assert account in page.locator("#queue").inner_text()


def test_keyboard_users_can_skip_the_menu(open_page):
    """The first stop of the tab key leads to the content."""
    page = open_page("/en/results")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#main"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_logging_in_works_without_scripts(chromium, server):
    """The form needs none."""
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    log_in(page, server, "es")
    assert page.url.endswith("/es/")  # home, the first page of the menu
    context.close()


REACHED = """() => [...document.querySelectorAll(
    'a[href], button, input:not([type=hidden]), select, textarea, summary')]
  .filter(one => one.tabIndex >= 0 && !one.disabled && one.checkVisibility({visibilityProperty: true}))
  .map((one, number) => { one.dataset.stop = number; return number; })"""
STOP = """() => {
  const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
  const ring = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0;
  const seen = box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight;
  const stop = one === document.body ? -1 : one.dataset.stop === undefined ? null : Number(one.dataset.stop);
  return [stop, ring && seen, one.outerHTML.slice(0, 90)];
}"""


@pytest.mark.parametrize("path", ["", "explorer", "account"])
def test_the_tab_key_reaches_every_control_in_order_and_shows_where_it_is(open_page, path):
    """Each control is a stop, in the order of the document, with a ring that is seen; Enter follows a link."""
    page = open_page(f"/es/{path}" if path != "account" else "/es/accounts")
    if path == "account":
        page.locator("table.accounts tbody th a").first.press("Enter")
        page.wait_for_url("**/account?id=*")
    wanted = page.evaluate(REACHED)
    page.evaluate("document.activeElement.blur()")
    stops, unseen = [], []
    for _ in range(2 * len(wanted) + 5):
        page.keyboard.press("Tab")
        stop, shown, text = page.evaluate(STOP)
        if stop == -1 or stop in stops:
            break
        if stop is not None:  # wide tables are stops too, to be moved sideways
            stops.append(stop)
        if not shown:
            unseen.append(text)
    assert stops == wanted
    assert unseen == []
    link = page.locator(".menu a[href$='/es/results']").first
    target = link.evaluate("one => one.href")
    link.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(target)
