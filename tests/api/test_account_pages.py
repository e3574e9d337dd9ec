"""Pages of one account, read as a browser without scripts reads them."""

import csv
import io
import re
from html import unescape
from html.parser import HTMLParser
from urllib.parse import urlencode

import pandas as pd
import pytest
from fastapi.testclient import TestClient

from api.main import create_app
from api.pages import language, rendering
from api.pages.account_case import AccountCase
from api.pages.passwords import hash_password
from pipelines.demo_weeks import live_through
from recommender.evaluation import assign
from recommender.explanation import wording
from recommender.settings import Settings
from recommender.store.decision_log.decisions import DecisionLog
from recommender.store.files.log_files import write_frame

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def site(tmp_path_factory, strategy, saved_strategy):
    """A folder with accounts, contacts and a week of decisions in two countries."""
    folder = tmp_path_factory.mktemp("site")
    with DecisionLog.create(f"sqlite:///{folder}/decisions.db") as log:
        lived = live_through(strategy, log, n_accounts=70, weeks=1, seed=5, tell=lambda _: None)
    stopped = lived.accounts.head(1).assign(account_id="STOPPED", debtor_id="NOBODY", flags="do_not_contact")
    accounts = pd.concat([lived.accounts, stopped], ignore_index=True)
    write_frame(accounts, folder / "accounts.parquet")
    write_frame(lived.contacts, folder / "contacts.parquet")
    return Settings(
        model_path=saved_strategy,
        decision_log_url=f"sqlite:///{folder}/decisions.db",
        portfolio_path=folder,
        managers={"ana": hash_password(PASSWORD)},
    )


@pytest.fixture(scope="module")
def browser(site):
    """A manager who is logged in."""
    with TestClient(create_app(site)) as client:
        token = re.search(r'name="token" value="([^"]+)"', client.get("/en/login").text).group(1)
        answer = client.post("/en/login", data={"token": token, "manager": "ana", "password": PASSWORD, "next": ""})
        assert answer.status_code == 200
        yield client


class _Tables(HTMLParser):
    """Cells of every table by the id of the section around it."""

    def __init__(self):
        super().__init__()
        self.section, self.rows, self.cell = "", {}, None

    def handle_starttag(self, tag, attributes):
        if tag == "section":
            self.section = dict(attributes).get("id", "")
        elif tag == "tr":
            self.rows.setdefault(self.section, []).append([])
        elif tag in ("td", "th"):
            self.cell = []

    def handle_endtag(self, tag):
        if tag in ("td", "th") and self.cell is not None:
            self.rows[self.section][-1].append(" ".join("".join(self.cell).split()))
            self.cell = None

    def handle_data(self, data):
        if self.cell is not None:
            self.cell.append(data + " ")


def tables(answer):
    assert answer.status_code == 200, answer.text[:400]
    parser = _Tables()
    parser.feed(answer.text)
    return parser.rows


def rows_of(answer):
    assert answer.status_code == 200, answer.text[:400]
    return list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))


COLUMNS = {
    "Account": "account_id", "Channel": "channel", "Stage": "stage", "Country": "country", "Decision": "decision_id",
    "Expected result (%)": "expected_reward", "Balance": "balance", "Currency": "currency", "Group": "group",
    "Expected result: from (%)": "lo", "Expected result: to (%)": "hi",
}  # fmt: skip


def accounts_of(answer):
    return [{COLUMNS.get(name, name): value for name, value in row.items()} for row in rows_of(answer)]


def number(text):
    """A signed number of either language, in the unit it is shown in."""
    plain = re.sub(r"[^0-9.,+−-]", "", text.replace("p. p.", "").replace("pp", ""))
    return float(plain.replace("\N{MINUS SIGN}", "-").replace(",", "."))


@pytest.fixture(scope="module")
def listed(browser):
    """All accounts as the CSV has them, under the names of the portfolio's columns."""
    return accounts_of(browser.get("/en/accounts.csv"))


@pytest.fixture(scope="module")
def contacted(listed):
    """An account that is contacted, best expectation first."""
    return next(row["account_id"] for row in listed if row["channel"] and row["stage"])


def test_accounts_are_found_by_id_filter_order_and_page(browser, listed):
    """Search, filters, order and paging agree with the whole list; chips take one away and keep the rest."""
    assert len(listed) > 50
    first = tables(browser.get("/en/accounts"))[""]
    assert len(first) == 26
    values = [float(row["expected_reward"] or -1) for row in listed]
    assert values == sorted(values, reverse=True)
    assert [row[0] for row in first[1:]] == [row["account_id"] for row in listed[:25]]
    second = tables(browser.get("/en/accounts?page=2"))[""]
    assert [row[0] for row in second[1:]] == [row["account_id"] for row in listed[25:50]]
    told = {"Colombia": "CO", "Mexico": "MX"}
    one = next(row for row in listed if row["stage"])
    stage, country = one["stage"].lower(), told[one["country"]]
    answer = browser.get(f"/en/accounts.csv?stage={stage}&country={country}&sort=balance_minor&order=asc")
    found = accounts_of(answer)
    wanted = [row for row in listed if (row["stage"], row["country"]) == (one["stage"], one["country"])]
    assert {row["account_id"] for row in found} == {row["account_id"] for row in wanted}
    balances = [float(row["balance"]) for row in found]
    assert balances == sorted(balances)
    page = browser.get(f"/es/accounts?stage={stage}&q={one['account_id'].lower()}").text
    assert page.count('class="chips"') == 1
    assert f'href="/es/accounts?stage={stage}"' in page
    assert "1 cuenta<" in page
    assert "Ninguna cuenta" in browser.get("/es/accounts?q=nobody-at-all").text
    assert browser.get("/en/accounts?sort=salary").status_code == 422
    assert browser.get("/en/accounts?stage=nowhere").status_code == 422


@pytest.mark.parametrize("language", ["es", "en"])
def test_the_contrast_adds_up_as_it_is_shown(browser, contacted, language):
    """Rounded bars, all others included, sum to the shown difference; the exact ones to the exact difference."""
    shown = tables(browser.get(f"/{language}/account?id={contacted}"))["contrast"]
    values = [number(row[1]) for row in shown[1:]]
    assert sum(values[:-1]) == pytest.approx(values[-1], abs=1e-9)
    exact = [
        float(list(row.values())[1])
        for row in rows_of(browser.get(f"/{language}/account/tables/contrast.csv?id={contacted}"))
    ]
    assert sum(exact[:-1]) == pytest.approx(exact[-1], abs=1e-9)
    assert exact[-1] == pytest.approx(values[-1], abs=0.06)


def test_the_picker_compares_any_two_and_swaps_signs(browser, contacted):
    """A and B come from the address; swapped, every sign turns; a pair of one action has no difference."""
    options = re.findall(r'<option value="(\d+)"', browser.get(f"/en/account?id={contacted}").text)
    a, b = options[0], options[3]

    def exact(first, second):
        answer = browser.get(f"/en/account/tables/contrast.csv?{urlencode({'id': contacted, 'a': first, 'b': second})}")
        return {first: float(second) for first, second, *_ in (row.values() for row in rows_of(answer))}

    one, other = exact(a, b), exact(b, a)
    assert one["Difference"] == pytest.approx(-other["Difference"], abs=1e-12)
    assert one["Difference"] != 0.0
    assert exact(a, a)["Difference"] == 0.0
    assert browser.get(f"/en/account?id={contacted}&a=99999").status_code == 422
    assert browser.get(f"/en/account?id={contacted}&a=call").status_code == 422


def test_the_waterfall_leads_from_the_average_to_this_account(browser, contacted):
    """Start, steps and end are the explanation's own numbers."""
    rows = [
        float(list(row.values())[1]) for row in rows_of(browser.get(f"/en/account/tables/waterfall.csv?id={contacted}"))
    ]
    assert sum(rows[:-1]) == pytest.approx(rows[-1], abs=1e-9)


def test_the_page_explains_the_logged_decision(browser, site, listed, contacted):
    """The dispatched action is the one in the log, and its expectation what was logged with it."""
    row = next(one for one in listed if one["account_id"] == contacted)
    shown = rows_of(browser.get(f"/en/account/tables/actions.csv?id={contacted}"))
    portfolio = browser.app.state.portfolio
    case = AccountCase.of(portfolio, contacted)
    assert case.logged.decision.decision_id == row["decision_id"]
    values = [float(one["Expected result (%)"]) for one in shown]
    assert min(abs(value - float(row["expected_reward"])) for value in values) < 1e-4
    page = browser.get(f"/es/account?id={contacted}").text
    assert "enviada" in page
    assert re.search(r"Tenemos en cuenta|Dejamos pasar|Un programa ordena", page)
    given = [part.split("</ol>")[0] for part in page.split('class="reasons"')[1:]]
    assert given and all(1 <= part.count("<li>") <= 4 for part in given)


def test_an_account_without_a_legal_contact_says_what_stops_it(browser):
    """Where only leaving alone is left, the page names the rule and when it lifts, and offers no comparison."""
    page = browser.get("/en/account?id=STOPPED").text
    assert "No contact is allowed: “" in page and "time alone does not lift it" in page
    assert "do not contact (everywhere)" in page  # the rule in words
    assert 'id="pick"' not in page
    assert "what would be decided now" in page
    told = browser.get("/en/decision.json?account=STOPPED").json()
    assert told["replay"] == "live"
    assert told["notes"] == ["no_contact_only"]
    assert "no contact while" in browser.get("/en/decision?account=STOPPED").text.lower()


def test_the_trace_counts_down_and_names_rules(browser, listed):
    """Steps lead from all actions to one; rules carry law or house policy; JSON says the same."""

    def stopped_something(row):
        return browser.get(f"/en/decision.json?account={row['account_id']}").json()["rules"]

    account = next(row for row in listed if row["channel"] and row["decision_id"] and stopped_something(row))
    contacted = account["account_id"]
    for query in (f"account={contacted}", f"id={account['decision_id']}"):
        page = tables(browser.get(f"/en/decision?{query}"))
        left = [int(row[1].replace(",", "")) for row in page["steps"][1:]]
        assert left == sorted(left, reverse=True)
        assert left[-1] == 1
        told = browser.get(f"/en/decision.json?{query}").json()
        assert [step["left"] for step in told["steps"]] == left
        assert told["account_id"] == contacted
        assert told["replay"] in ("same", "differs", "live"), (told, query)
        assert told["rules"], (told, query)
        assert {rule["rule"] for rule in told["rules"]} == {row[0].split(" ")[-1] for row in page["rules"][1:]}
    assert browser.get("/en/decision?id=nothing").status_code == 404


def test_most_traces_are_replayed_to_the_same_actions(browser, listed):
    """From the log's context, the accounts and the contacts of then the rules leave what they left."""
    ids = [row["decision_id"] for row in listed if row["decision_id"]][:12]
    replays = [browser.get(f"/en/decision.json?id={one}").json()["replay"] for one in ids]
    assert replays.count("same") > len(replays) / 2


def test_what_if_forbids_a_channel_and_keeps_facts_locked(browser, contacted):
    """Forbidden channels lose their rank; facts need exploring, are then hypothetical, and mistakes are named."""
    before = rows_of(browser.get(f"/en/what-if/tables/before-after.csv?account={contacted}"))
    best = before[0]["Action"]
    channel = accounts_of(browser.get(f"/en/accounts.csv?q={contacted}"))[0]["channel"]
    channel = {"Automated call": "ivr", "E-mail": "email"}.get(channel, channel.lower())
    answer = browser.get(f"/en/what-if/apply?account={contacted}&no.channel={channel}&no.channel=ivr")
    assert answer.status_code == 200
    assert f"no.channel={channel}%7Civr" in str(answer.url)
    after = rows_of(browser.get(f"/en/what-if/tables/before-after.csv?account={contacted}&no.channel={channel}%7Civr"))
    gone = [row for row in after if "not allowed" in row.values()]
    assert gone
    assert best in {row["Action"] for row in [*after, *gone]}
    assert 'value="200"' not in browser.get(f"/en/what-if?account={contacted}&fact.days_past_due=200").text
    explored = browser.get(f"/es/what-if?account={contacted}&explore=1&fact.days_past_due=99999").text
    assert "Hipotético" in explored
    assert "queda fuera" in explored
    assert "Falta 1 dato" in browser.get(f"/es/what-if?account={contacted}&explore=1&fact.days_past_due=").text
    wrong = browser.get(f"/en/what-if?account={contacted}&explore=1&fact.days_past_due=soon").text
    assert "cannot be read" in wrong
    assert "This is no number." in wrong


@pytest.mark.parametrize(
    ("language", "typed", "shown"),
    [("es", "1.500", "1.500"), ("es", "1500", "1.500"), ("es", "12,5", "12,5"), ("en", "1,500", "1,500"),
     ("en", "12,5", "12.5")],
)  # fmt: skip
def test_numbers_are_read_and_written_as_in_the_region(browser, contacted, language, typed, shown):
    """What was typed comes back as it was read, in the region's writing; no field is filled with another one's."""
    page = browser.get(f"/{language}/what-if?account={contacted}&explore=1&fact.days_past_due={typed}").text
    assert re.search(rf'name="fact.days_past_due" value="{re.escape(shown)}"', page)
    assert "aria-invalid" not in page


def test_pictures_come_as_png_and_unknown_things_as_404(browser, contacted):
    """Every picture has a PNG; accounts, pictures and decisions that are not there are 404."""
    for key in ("actions", "contrast", "waterfall"):
        answer = browser.get(f"/en/account/pictures/{key}.png?id={contacted}")
        assert answer.content.startswith(b"\x89PNG")
    assert browser.get("/en/account?id=nobody").status_code == 404
    assert browser.get(f"/en/account/pictures/none.png?id={contacted}").status_code == 404
    assert "Choose an account" in browser.get("/en/account").text
    assert "Elija una cuenta" in browser.get("/es/what-if").text


def test_no_personal_contact_data_and_no_stranger(browser, site, contacted):
    """Pages need a login; nothing that looks like a phone number or an address of mail is on them."""
    for path in (f"account?id={contacted}", f"decision?account={contacted}", "accounts"):
        text = re.sub(r"[0-9a-f]{16,}", "", browser.get(f"/en/{path}").text)
        assert not re.search(r"[\w.]+@[\w.]+\.\w+", text)
        assert not re.search(r"\+\d{8,}", text)
    with TestClient(create_app(site), follow_redirects=False) as stranger:
        for path in (
            "accounts",
            "accounts.csv",
            f"account?id={contacted}",
            f"decision.json?account={contacted}",
            "what-if",
        ):
            assert stranger.get(f"/en/{path}").status_code in (302, 303, 307, 401)


def test_without_a_model_the_general_rule_is_named(site, contacted):
    """A service that has learnt nothing shows history and trace, and explains nothing."""
    seeds = site.model_copy(update={"model_path": None})
    with TestClient(create_app(seeds)) as client:
        token = re.search(r'name="token" value="([^"]+)"', client.get("/en/login").text).group(1)
        client.post("/en/login", data={"token": token, "manager": "ana", "password": PASSWORD, "next": ""})
        assert "General rule used" in client.get(f"/en/account?id={contacted}").text
        assert "nothing would change" in client.get(f"/en/what-if?account={contacted}").text
        assert client.get(f"/en/decision?account={contacted}").status_code == 200


def test_control_accounts_are_marked_wherever_they_are_shown(site):
    """List, export, account, what-if and trace say so, and no reasons are given for what the old way did."""
    held = site.model_copy(update={"holdout_experiment": "half", "holdout_share": 0.5})
    with TestClient(create_app(held)) as client:
        token = re.search(r'name="token" value="([^"]+)"', client.get("/en/login").text).group(1)
        client.post("/en/login", data={"token": token, "manager": "ana", "password": PASSWORD, "next": ""})
        rows = accounts_of(client.get("/en/accounts.csv"))
        owner = pd.read_parquet(held.portfolio_path / "accounts.parquet").set_index("account_id")["debtor_id"]
        arms = dict(zip(owner.index, assign(owner, "half", {"policy": 0.5, "holdout": 0.5}), strict=True))
        known = [row for row in rows if row["account_id"] in arms]
        assert {row["group"] for row in known} == {"policy", "control: do not touch"}
        for row in known:
            assert (row["group"] == "policy") == (arms[row["account_id"]] == "policy")
        for row in (next(row for row in known if row["group"] != "policy" and row["channel"]),
                    next(row for row in known if row["group"] == "policy" and row["channel"])):  # fmt: skip
            for path in ("account?id=", "what-if?account=", "decision?account="):
                text = client.get(f"/en/{path}{row['account_id']}").text
                assert ("do not touch" in text) == (row["group"] != "policy"), path
                assert 'class="reasons"' not in text or row["group"] == "policy"


def test_every_visible_text_of_the_spanish_pages_comes_from_a_catalogue(browser, contacted, monkeypatch):
    """With every translation in marks, what is left without them is data: ids, numbers, dates, versions."""
    real, labels = language.translations("es"), wording._catalogue("es")

    class Marked:
        def ugettext(self, message):
            return f"⟦{real.ugettext(message)}⟧" if message in real._catalog else message

        gettext = ugettext

        def ungettext(self, one, many, count):
            return f"⟦{real.ungettext(one, many, count)}⟧"

        ngettext = ungettext

        def pgettext(self, context, message):
            told = labels.pgettext(context, message)
            return f"⟦{told}⟧" if f"{context}\x04{message}" in labels._catalog else message

        def upgettext(self, context, message):
            return self.pgettext(context, message)

    class MarkedWords(Marked):
        def gettext(self, message):
            return f"⟦{labels.gettext(message)}⟧" if message in labels._catalog else message

    left = set()
    language.environment.cache_clear()
    for module in (language, rendering):
        monkeypatch.setattr(module, "translations", lambda _: Marked())
    monkeypatch.setattr(wording, "_catalogue", lambda _: MarkedWords())
    try:
        for path in ("accounts", "account?id=", "what-if?account=", "decision?account=", "results", "policy-value",
                     "drivers", "rule-costs", "approvals", "model-card"):  # fmt: skip
            page = browser.get(f"/es/{path}{contacted if path.endswith('=') else ''}").text
            visible = re.sub(r"(?s)<(script|style|title|code|svg).*?</\1>|<br[^>]*>", " ", page.split("<body", 1)[1])
            visible = unescape(re.sub(r"<[^>]*>", "\n", visible))
            while "⟦" in visible and (shorter := re.sub(r"⟦[^⟦⟧]*⟧", "", visible)) != visible:
                visible = shorter
            words = set(re.findall(r"[^\W\d_]{4,}", re.sub(_DATA, " ", visible)))
            left |= {(path, word) for word in words - _NAMES}
        assert not left, sorted(left)
    finally:
        language.environment.cache_clear()


_DATA = r"\b[\w/.-]*\d[\w/.-]*\b|\b[a-z]+(?:-[a-z]+)+\b|\w+/\w+"
#: Of places, packs and languages (as Unicode has them), and of the folder that the model lies in.
_NAMES = {"FLOOR", "HOUSE", "TRADE", "Español", "español", "English", "Colombia", "México", "Bogota", "America",
          "strategy"}  # fmt: skip
