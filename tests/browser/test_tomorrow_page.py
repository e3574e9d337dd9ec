"""Tomorrow in a real browser: plan, read, change a capacity, approve, take along; both languages, wide and narrow."""

import csv
import io
import json
import zipfile

import pandas as pd
import pytest
import sqlalchemy as sa

from recommender.store.decision_log import decisions
from tests.browser.reading import findings

pytestmark = pytest.mark.browser

LOOKS = (("es", 1440, "light"), ("en", 390, "dark"), ("es", 390, "light"), ("en", 1440, "dark"))


def plan(page, button="Plan"):
    """Press the button and wait until the plan is there or was refused."""
    page.get_by_role("button", name=button, exact=True).click()
    for _ in range(300):
        if "A plan is being made" not in page.locator("main").inner_text():
            break
        page.wait_for_timeout(300)
        page.reload()
    return page


@pytest.fixture(scope="module")
def planned(chromium, server, session_state):
    """Address of a first plan, made on the page as it comes."""
    context = chromium.new_context(base_url=server, storage_state=session_state)
    page = context.new_page()
    page.goto("/en/tomorrow")
    assert "Nothing is planned yet" in page.locator(".answer").inner_text()
    assert findings(page) == []
    plan(page)
    assert page.locator(".alert").all_inner_texts() == []
    found = page.url.partition("/en/")[2]
    context.close()
    return found


def contacts_of(demo_site, address):
    """Contacts as they are on disk."""
    return pd.read_parquet(demo_site / "plans" / address.partition("plan=")[2] / "plan.parquet")


@pytest.mark.parametrize(("language", "width", "theme"), LOOKS)
def test_the_plan_is_accessible_fits_and_asks_nobody_else(open_page, server, planned, language, width, theme):
    """No axe finding of any level, one h1, no sideways scrolling, no other host, no script error."""
    page = open_page(f"/{language}/{planned}", width=width, theme=theme)
    assert page.locator("h1").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert findings(page) == []
    assert page.complaints == []
    assert [url for url in page.requests_made if not url.startswith(server)] == []


def test_it_says_what_the_plan_holds(open_page, demo_site, planned):
    """Counts, money with its currency and interval, and the rows of the file are those of the plan; no scripts."""
    contacts = contacts_of(demo_site, planned)
    page = open_page(f"/en/{planned}", scripts=False)
    told = page.locator(".answer").inner_text()
    assert f"{len(contacts):,} contacts" in told and "COP" in told and "95% CI" in told
    cells = page.locator("#slots tbody td").all_inner_texts()
    assert sum(int(text) for text in cells if text.strip()) == len(contacts)
    with page.expect_download() as download:
        page.get_by_role("link", name="All contacts for Excel").click()
    with zipfile.ZipFile(download.value.path()) as book:
        rows = book.read("xl/worksheets/sheet1.xml").decode().count("<row")
    assert rows == len(contacts) + 1


def test_a_changed_capacity_changes_the_plan_and_a_bad_one_leaves_it(open_page, demo_site, planned):
    """A tenth of an agent at one hour: one call at most, and its hour has a price; text instead of a number is told."""
    page = open_page(f"/en/{planned}")
    for field in page.locator("[name^='agents.0.']").all():
        field.fill("0")
    page.fill("[name='agents.0.10']", "0.1")
    plan(page, "Plan again")
    changed = contacts_of(demo_site, page.url)
    calls = changed.loc[changed["channel"] == "call"]
    assert len(calls) <= 1 < len(contacts_of(demo_site, planned).query("channel == 'call'"))
    assert set(calls["contact_at"].dt.tz_convert("America/Bogota").dt.hour) <= {10}
    assert "One more agent hour at 10:00 brings COP" in page.locator(".answer").inner_text()
    stands = page.locator(".answer").inner_text()
    page.fill("[name='budget']", "a lot")
    plan(page, "Plan again")
    assert "a lot is no number" in page.get_by_text("No plan was made").inner_text()
    assert page.locator(".answer").inner_text() == stands


@pytest.fixture
def log_of_before(demo_site):
    """The decision log of the demo, which other tests read: without what was decided meanwhile at the end."""
    url = json.loads((demo_site / "site.json").read_text())["environment"]["RECOMMENDER_DECISION_LOG_URL"]
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        before = set(connection.scalars(sa.select(decisions.c.decision_id)))
    yield engine
    with engine.begin() as connection:
        new = [{"key": one} for one in set(connection.scalars(sa.select(decisions.c.decision_id))) - before]
        connection.execute(sa.delete(decisions).where(decisions.c.decision_id == sa.bindparam("key")), new)
    engine.dispose()


def test_nothing_goes_out_before_it_is_approved_with_a_name(open_page, demo_site, planned, tmp_path, log_of_before):
    """After that log and archive hold every contact, with the phone numbers of the file that is kept nowhere."""
    page = open_page(f"/en/{planned}")
    assert page.get_by_role("button", name="Download campaign files").count() == 0
    page.fill("#approve-note", "go")
    page.get_by_role("button", name="Approve as ana").click()
    assert "by ana" in page.locator("#approval").inner_text()
    contacts = contacts_of(demo_site, planned)
    assert f"{len(contacts):,} contacts were written to the decision log" in page.locator("#approval").inner_text()
    assert findings(page) == []
    with log_of_before.connect() as connection:
        assert set(contacts["decision_id"]) <= set(connection.scalars(sa.select(decisions.c.decision_id)))
    points = tmp_path / "phones.csv"
    numbers = [f"+5730055501{number % 100:02d}" for number in range(len(contacts))]
    table = pd.DataFrame(
        {"account_id": contacts["account_id"], "phone": numbers, "phone_code": "57", "email": "a@b.co"}
    )
    table.to_csv(points, index=False)
    page.set_input_files("#points", points)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download campaign files").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        names = set(archive.namelist()) - {"campaign-files.json"}
        told = json.loads(archive.read("campaign-files.json"))
        dialled = [name for name in names if "vicidial" in name]
        rows = [row for name in dialled for row in csv.DictReader(io.StringIO(archive.read(name).decode()))]
    # who cannot be written to (a variable of the message is missing) is counted, and in no file
    assert set(told["rows"]) == names
    assert sum(told["rows"].values()) + sum(told["without_contact_point"].values()) == len(contacts)
    assert told["approved"]["by"] == "ana"
    # who needs a person stands in the list for people and in no dialler
    assert len(rows) == (contacts["channel"].isin(["call", "ivr"]) & ~contacts["needs_human"]).sum()
    assert all(row["phone_number"].startswith("300555") for row in rows)
    kept = [path for path in (demo_site / "plans").rglob("*") if path.is_file()]
    assert not any(b"300555" in path.read_bytes() for path in kept)


def test_an_uploaded_file_is_planned_for_and_not_kept(open_page, demo_site, planned, tmp_path):
    """A CSV of some accounts: only they are contacted; the file itself is gone."""
    accounts = pd.read_parquet(demo_site / "accounts.parquet")
    own = accounts.loc[accounts["country"] == "CO"].head(30)
    none = own["flags"].map(lambda held: "none" if len(held) == 0 else held)  # an empty cell is an unknown flag
    own.assign(flags=none).to_csv(tmp_path / "own.csv", index=False)
    page = open_page("/en/tomorrow")
    page.set_input_files("#file", tmp_path / "own.csv")
    plan(page, "Plan again")
    assert page.locator(".alert").all_inner_texts() == []
    made = contacts_of(demo_site, page.url)
    assert len(made) and set(made["account_id"]) <= set(own["account_id"])
    assert "of 30 accounts" in page.locator(".tiles").inner_text()
    assert not list((demo_site / "plans").glob(".upload-*"))
