"""The frame of the managers' pages: who gets in, what is sent along, how numbers read, what the catalogues hold."""

import base64
import hashlib
import re
from datetime import UTC, datetime
from types import SimpleNamespace

import babel
import pandas as pd
import pytest
from fastapi.testclient import TestClient
from pydantic import ValidationError

from api.main import create_app
from api.pages import rule_costs
from api.pages.drawing import Drawing
from api.pages.filters import Filter, read_filters
from api.pages.passwords import hash_password, is_hash, verify
from api.pages.reviews import Reviews
from api.pages.session import Sessions
from api.pages.shown import Formats
from api.serve import demo_settings, greeting
from recommender.errors import InvalidInput
from recommender.settings import Settings

HTML = {"accept": "text/html"}
PASSWORD = "correct horse battery"
HASH = hash_password(PASSWORD)


@pytest.fixture
def client():
    """The application with one manager and nothing to show."""
    settings = Settings(model_path=None, managers={"ana": HASH}, login_rate_limit="1000/minute")
    with TestClient(create_app(settings), headers=HTML) as held:
        yield held


def token_in(text):
    return re.search(r'name="token" value="([^"]+)"', text)[1]


def log_in(client, password=PASSWORD, manager="ana", onward=""):
    client.cookies.clear()
    token = token_in(client.get("/en/login").text)
    told = {"manager": manager, "password": password, "token": token, "next": onward}
    return client.post("/en/login", data=told, follow_redirects=False)


# -- passwords and settings ------------------------------------------------------------------------------------------
def test_a_password_is_kept_as_a_salted_hash_and_checked_whole():
    """The same password hashes differently each time; only the whole of it passes."""
    assert hash_password(PASSWORD) != HASH
    assert is_hash(HASH)
    assert verify(PASSWORD, HASH)
    assert not verify(PASSWORD[:-1], HASH)
    assert PASSWORD not in HASH


def test_hashes_of_earlier_versions_go_on_working():
    """A scrypt hash, made by ``hashlib`` here, lets its password in and no other, with its own salt and costs."""
    salt = b"0123456789abcdef"
    made = hashlib.scrypt(PASSWORD.encode(), salt=salt, n=2**15, r=8, p=1, maxmem=2**26, dklen=32)
    told = f"scrypt$32768$8$1${base64.b64encode(salt).decode()}${base64.b64encode(made).decode()}"
    assert is_hash(told)
    assert verify(PASSWORD, told)
    assert not verify(PASSWORD + " ", told)
    assert Settings(model_path=None, managers={"ana": told}).managers


NO_HASHES = {
    "plain": "secret",
    "empty": "",
    "scrypt, cheap": "scrypt$1$8$1$AAAA$AAAA",
    "scrypt, odd": "scrypt$3$8$1$" + "A" * 24 + "$" + "A" * 44,
    "argon2i": HASH.replace("argon2id", "argon2i"),
    "argon2id, cheap": re.sub("m=[0-9]+", "m=64", HASH),
    "argon2id, a trap": re.sub("m=[0-9]+", "m=4194304", HASH),
    "argon2id, cut": HASH[:-40],
}


@pytest.mark.parametrize("told", NO_HASHES.values(), ids=NO_HASHES)
def test_what_is_no_hash_is_refused(told):
    """Weak costs, short salts and plain passwords are no hashes."""
    assert not is_hash(told)


def test_settings_take_hashes_only_and_do_not_repeat_what_is_wrong():
    """A password in place of a hash is refused without being shown."""
    with pytest.raises(ValidationError, match="never passwords") as error:
        Settings(managers={"ana": PASSWORD})
    assert PASSWORD not in str(error.value)


def test_production_has_no_pages_without_managers_and_a_secret():
    """No managers: no pages, unless they are asked for, which is an error; managers need a session secret."""
    production = {"environment": "production", "api_keys": ["k" * 20]}
    assert not Settings(**production).shows_pages
    with pytest.raises(ValidationError, match="no managers"):
        Settings(**production, pages=True)
    with pytest.raises(ValidationError, match="SESSION_SECRET"):
        Settings(**production, managers={"ana": HASH})
    settings = Settings(**production, managers={"ana": HASH}, session_secret="s" * 40, model_path=None)
    with TestClient(create_app(settings), base_url="https://testserver", headers=HTML) as client:
        answer = log_in(client)
    cookie = answer.headers["set-cookie"]
    assert "__Host-" in cookie and "Secure" in cookie and "HttpOnly" in cookie and "SameSite=lax" in cookie
    assert answer.headers["strict-transport-security"]


def test_pages_can_be_switched_off():
    """Without pages the API is what it was: no form, JSON errors."""
    with TestClient(create_app(Settings(model_path=None, pages=False)), headers=HTML) as client:
        assert client.get("/en/login").headers["content-type"] == "application/problem+json"


def test_in_development_a_manager_is_made_up_with_a_password_of_its_own():
    """Each start draws another password; it opens the pages and stands in the greeting."""
    first, second = Sessions(Settings()), Sessions(Settings())
    assert first.demo_password != second.demo_password
    assert first.passes("demo", first.demo_password)
    assert not first.passes("demo", second.demo_password)
    assert first.demo_password in greeting("http://x", first, is_demo=True)


def test_any_setting_of_ones_own_leaves_the_demo_aside(tmp_path):
    """The demo portfolio is used only where nothing at all was set."""
    site = tmp_path / "site.json"
    site.write_text('{"environment": {"RECOMMENDER_PORTFOLIO_PATH": "x"}}')
    assert demo_settings({}, site) == {"RECOMMENDER_PORTFOLIO_PATH": "x"}
    assert demo_settings({"RECOMMENDER_MODEL_PATH": "mine"}, site) == {}
    assert demo_settings({}, tmp_path / "nowhere.json") == {}


# -- logging in ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", ["/", "/es/", "/en/results", "/es/drivers/tables/groups.csv", "/en/approvals"])
def test_everything_is_closed_without_a_login(client, path):
    """Readers are sent to the form; programs are told with a status."""
    answer = client.get(path)
    assert str(answer.url).partition("?")[0].endswith("/login")
    assert client.get(path, headers={"accept": "*/*"}).status_code in (200, 401)
    if path != "/":
        assert client.get(path, headers={"accept": "*/*"}).status_code == 401


def test_after_logging_in_the_page_asked_for_comes_and_no_other_host(client):
    """A page of ours is returned to; an address elsewhere is not."""
    assert log_in(client, onward="/en/drivers?stage=x").headers["location"] == "/en/drivers?stage=x"
    for elsewhere in (
        "https://evil.example/",
        "//evil.example/en",
        "/\\evil.example",
        "/v1/x",
        "/en/\nx",
        "javascript:x",
    ):
        assert log_in(client, onward=elsewhere).headers["location"] == "/en/"


def test_a_form_of_another_browser_or_site_is_refused(client):
    """The token must be the one in this browser's cookie, and the request must not come from another site."""
    told = {"manager": "ana", "password": PASSWORD, "token": "made-up"}
    client.get("/en/login")
    assert client.post("/en/login", data=told).status_code == 403
    told["token"] = token_in(client.get("/en/login").text)
    assert client.post("/en/login", data=told, headers={"sec-fetch-site": "cross-site"}).status_code == 403


def test_wrong_name_and_wrong_password_look_the_same(client):
    """Nothing tells which of the two was wrong."""
    answers = [log_in(client, password="wrong"), log_in(client, manager="nobody")]
    assert {answer.status_code for answer in answers} == {401}
    bodies = [re.sub(r'value="[^"]*"', "", answer.text) for answer in answers]
    assert re.sub(r"Reference.*|Made.*", "", bodies[0]) == re.sub(r"Reference.*|Made.*", "", bodies[1])


def test_guessing_is_slowed_down():
    """After the allowed number of tries the form says to wait, in the reader's language."""
    settings = Settings(model_path=None, managers={"ana": HASH}, login_rate_limit="3/minute")
    with TestClient(create_app(settings), headers=HTML) as client:
        codes = [log_in(client, password="wrong").status_code for _ in range(4)]
        assert codes == [401, 401, 401, 429]


def test_a_session_ends_on_logging_out_even_for_a_copied_cookie(client):
    """The cookie is refused afterwards, and so is one that was tampered with."""
    log_in(client)
    cookie = client.cookies["recommender_session"]
    text = client.get("/en/results").text
    assert "Log out" in text
    assert client.post("/en/logout", data={"token": "wrong"}).status_code == 403
    client.post("/en/logout", data={"token": token_in(text)})
    client.cookies.set("recommender_session", cookie)
    assert "/login" in str(client.get("/en/results").url)
    client.cookies.set("recommender_session", cookie[:-2] + "xx")
    assert "/login" in str(client.get("/en/results").url)


def test_an_old_session_is_over(client, monkeypatch):
    """After its hours the cookie opens nothing."""
    log_in(client)
    import itsdangerous.timed

    now = datetime.now(UTC).timestamp()
    monkeypatch.setattr(itsdangerous.timed.time, "time", lambda: now + 9 * 3_600)
    assert "/login" in str(client.get("/en/results").url)


def test_pages_are_sent_with_headers_that_protect_them(client):
    """No inline script, no frame, no sniffing, no cache; and the pages hold none of what the policy forbids."""
    log_in(client)
    answer = client.get("/en/results")
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cache-control"] == "no-store"
    assert "<script>" not in answer.text and " style=" not in answer.text and " onclick" not in answer.text


@pytest.mark.parametrize("slug", ["results", "policy-value", "drivers", "rule-costs", "approvals", "model-card"])
@pytest.mark.parametrize("language", ["es", "en"])
def test_a_page_with_nothing_to_show_says_so(client, slug, language):
    """Without log, reports and registry every page has its question and one sentence in place of the answer."""
    log_in(client)
    answer = client.get(f"/{language}/{slug}")
    assert answer.status_code == 200
    assert len(re.search(r'class="answer[^"]*">([^<]+)', answer.text)[1]) > 15


def test_errors_are_pages_for_readers_and_json_for_the_api(client):
    """404 and a filter that cannot be are told in the page's language; /v1 keeps its problem documents."""
    log_in(client)
    assert "Esta página no existe" in client.get("/es/nowhere").text
    assert client.get("/xx/results").status_code == 404
    assert client.get("/v1/nowhere").headers["content-type"] == "application/problem+json"
    wrong = client.get("/es/results?since=yesterday")
    assert wrong.status_code == 422 and "No se entiende" in wrong.text


# -- numbers, tables, pictures ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("locale", "percent", "points", "money"),
    [
        ("es_ES", "4,2\N{NO-BREAK SPACE}%", "\N{MINUS SIGN}0,9\N{NO-BREAK SPACE}p. p.", "1240\N{NO-BREAK SPACE}€"),
        ("es_MX", "4.2%", "\N{MINUS SIGN}0.9\N{NO-BREAK SPACE}p. p.", "EUR\N{NO-BREAK SPACE}1,240"),
        ("en_GB", "4.2%", "\N{MINUS SIGN}0.9\N{NO-BREAK SPACE}p. p.", "€1,240"),
    ],
)
def test_numbers_read_as_in_the_region(locale, percent, points, money):
    """Comma or point, space before the sign or none, true minus, no decimals on large amounts."""
    formats = Formats(babel.Locale.parse(locale), points="p. p.")
    assert formats.percent(0.042).text == percent
    assert formats.points(-0.009).text == points
    assert formats.money(124_000, "EUR").text.replace(".", "") in (money, money.replace(".", ""))


def test_an_interval_shows_no_more_digits_than_it_supports():
    """Half a width of ten points leaves no decimal; the direction follows from the ends."""
    formats = Formats(babel.Locale.parse("en_GB"))
    wide = formats.estimate("rate", 0.123456, -0.02, 0.26)
    assert (wide.value.text, wide.interval, wide.direction) == (
        "+12\N{NO-BREAK SPACE}pp",
        "\N{MINUS SIGN}2 to 26",
        "unclear",
    )
    narrow = formats.estimate("rate", 0.0425, 0.0403, 0.0447)
    assert (narrow.value.text, narrow.direction) == ("+4.25\N{NO-BREAK SPACE}pp", "above")
    assert formats.estimate("rate", float("nan"), None, None).direction == "unknown"


def test_a_drawing_is_the_same_picture_as_svg_and_png():
    """Texts are escaped, colours are classes, and the PNG has the drawing's proportions."""
    made = Drawing(200, 100)
    made.text(5, 10, "<b>", "ink")
    made.circle(50, 50, 4, "for", title="a & b")
    svg = made.to_svg("wide")
    assert "&lt;b&gt;" in svg and "a &amp; b" in svg and "style=" not in svg
    png = made.to_png()
    assert png.startswith(b"\x89PNG")
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
    assert (width, height) == (2 * (200 + 32), 2 * (100 + 32))


def test_a_filter_takes_what_is_offered_and_nothing_else():
    """Unknown choices and days that are none are errors that name the filter; chips lead back without it."""
    offered = [Filter("stage", "Stage", choices=[("a", "A")]), Filter("since", "From", "since")]
    held = read_filters(offered, {"stage": "a", "since": "2026-01-02"}, "/x")
    assert [chip.without for chip in held.chips()] == ["/x?since=2026-01-02", "/x?stage=a"]
    for wrong in ({"stage": "b"}, {"since": "soon"}):
        with pytest.raises(InvalidInput, match=next(iter(wrong))):
            read_filters(offered, wrong, "/x")


def test_answers_of_managers_are_appended_and_the_last_one_counts(tmp_path):
    """Nothing that was answered is overwritten in the file."""
    reviews = Reviews(tmp_path)
    for answer in ("agreed", "stop"):
        reviews.add("d1", answer, "why", by="ana", at=datetime(2026, 1, 2, tzinfo=UTC))
    assert reviews.latest()["d1"].answer == "stop"
    assert len((tmp_path / "reviews.jsonl").read_text().splitlines()) == 2
    assert Reviews(None).latest() == {}


def test_the_last_day_of_a_filter_is_inside():
    """Until a day means until its end."""
    held = read_filters([Filter("until", "To", "until")], {"until": "2026-01-02"}, "/x")
    moments = ["2026-01-02T00:00Z", "2026-01-02T23:59Z", "2026-01-03T00:00Z"]
    assert held.rows(pd.DataFrame({"decided_at": pd.to_datetime(moments)})).tolist() == [True, True, False]


def priced(*rules):
    """Table of the price of some rules: name, loss, its ends and verdict of each."""
    names = ("rule", "value_lost", "ci_low", "ci_high", "verdict")
    documents = {
        "rule_costs": {
            "rules": [dict(zip(names, rule, strict=True), probability_moved=0.1) for rule in rules],
            "log": {"n_decisions": 10},
            "reward_kind": "amount",
            "made_at": "2026-01-02T00:00:00+00:00",
        }
    }
    page = SimpleNamespace(
        text=lambda words, **given: words.format(**given), formats=Formats(babel.Locale.parse("en_US")), wording=None
    )
    content = rule_costs.build(page, SimpleNamespace(document=documents.get), {})
    (section,) = content.sections
    return section.table


def test_a_cost_is_told_as_a_change_with_its_ends_in_order():
    """What is lost, from 2 to 6, is a change of -4 from -6 to -2."""
    table = priced(("pack CO", 4.0, 2.0, 6.0, "costs"))
    assert re.search(r"6[.\d]* to \D?2", repr(table.rows[0]))


def test_a_cost_is_below_a_gain_above_and_what_is_not_known_neither():
    """The tone of each verdict, in the change as in the verdict; dearest first."""
    tones = {"free": "unclear", "costs": "below", "gains": "above", "not proven": "unclear", "refused": "unclear"}
    lost = {"free": 0.0, "costs": 4.0, "gains": -3.0, "not proven": 1.0, "refused": 2.0}
    table = priced(*((f"pack {name}", lost[name], lost[name] - 1, lost[name] + 1, name) for name in tones))
    dearest_first = sorted(tones, key=lambda name: -lost[name])
    assert [row[0].value for row in table.rows] == [f"pack {name}" for name in dearest_first]
    assert [(row[2].tone, row[4].tone) for row in table.rows] == [(tones[name], tones[name]) for name in dearest_first]
