"""Plans with days, minimums, offers, an objective, a queue for people and campaign files: what was changed is found."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.__main__ import build_app
from recommender.artefact import arrays_from_bytes, arrays_to_bytes
from recommender.planning import (
    Appointments,
    CapacityOrder,
    PlanInputs,
    PlanOrder,
    about_plan,
    people_of_plan,
    plan_day,
    verify_folder,
    write_tomorrow,
)
from recommender.planning.folder_checks import not_as_offered
from recommender.planning.plan_folder import file_digest
from tests.pipelines.offer_world import CAPACITY, OFFERS, offer_accounts, offer_strategy
from tests.store.plan_portfolio import AS_OF, portfolio, write
from tests.store.test_plan_run import SEED

WEEK = CapacityOrder.model_validate(
    {
        "timezone": "America/Bogota",
        "contacts_per_debtor": 1,
        "queue": [
            {"name": "a", "channels": ["call"], "minutes_per_contact": 20, "agents": {9: 1, 12: 1, 16: 1},
             "cost_per_contact": 5, "on": {"wednesday": 0.5}},
            {"name": "m", "channels": ["sms", "email"], "quota": 8, "cost_per_contact": 1},
        ],
        "minimum": [
            {"name": "floor", "queue": "m", "contacts": 2, "only": {"stage": ["extrajudicial", "judicial"]}},
            {"name": "mail", "level": {"channel": "email"}, "share": 0.05},
        ],
        "week": {"contacts_per_debtor": 2, "days_between": 2},
        "arms": {"explore": 0.2, "usual": 0.2},
    }
)  # fmt: skip


@pytest.fixture(scope="module")
def week(tmp_path_factory):
    """Three days with minimums, arms and people."""
    place = tmp_path_factory.mktemp("week")
    accounts, contacts = portfolio(90, seed=4)
    tables = write(place, accounts, contacts.loc[contacts["account_id"].isin(accounts["account_id"])])
    inputs = PlanInputs.prepare(place / "inputs", accounts=tables[0], contacts=tables[1], as_of=AS_OF,
                                chunk_rows=40, outcomes=None, payments=None)  # fmt: skip
    order, folder = PlanOrder(AS_OF, packs=("PE",)), place / "plan"
    folder.mkdir()
    made, read = plan_day(inputs, SEED, order, WEEK, folder, Appointments.none(), days=3)
    people_of_plan(read).to_parquet(folder / "people.parquet", index=False)
    write_tomorrow(folder, made, SEED.actions_, about_plan(made, read, order, SEED))
    assert made.contacts["round"].max() == 2 and made.contacts["day"].nunique() == 3
    assert set(made.contacts["needs_human"]) == {False, True}
    assert verify_folder(folder) == []
    return folder


@pytest.fixture(scope="module")
def offers(tmp_path_factory, made_once):
    """A day by an objective with a minimum share, with offers, and its campaign files."""
    place = tmp_path_factory.mktemp("offers")
    offer_strategy(made_once).save(place / "strategy")
    offer_accounts().to_csv(place / "accounts.csv", index=False)
    (place / "offers.toml").write_text(OFFERS.replace("budget_minor = 400_000", "budget_minor = 900_000"))
    (place / "capacity.toml").write_text(CAPACITY)
    (place / "levers.toml").write_text(
        '[[levers]]\nfactor = "channel"\nlevel = "whatsapp"\nminimum_share = 0.2\nweight = 0.9\n'
    )
    points = offer_accounts()[["account_id"]].assign(phone="+573005550101", phone_code="57")
    points.to_csv(place / "points.csv", index=False)
    answer = CliRunner().invoke(build_app(), [
        "plan", str(place / "accounts.csv"), "--as-of", "2026-11-24T08:00:00-05:00", "--out", str(place / "plan"),
        "--strategy", str(place / "strategy"), "--no-contacts-yet", "--offers", str(place / "offers.toml"),
        "--capacity", str(place / "capacity.toml"), "--objective", "gain", "--levers", str(place / "levers.toml"),
        *campaigns(place),
    ])  # fmt: skip
    assert answer.exit_code == 0, answer.exception
    made = pd.read_parquet(place / "plan" / "plan.parquet")
    assert made["offer"].isin(["d20", "six"]).sum() > 3 and made["offer"].eq("none").any()
    assert verify_folder(place / "plan") == []
    return place / "plan"


def campaigns(place: Path) -> list[str]:
    """Options of the campaign files."""
    return ["--campaigns", str(place / "campaigns"), "--contact-file", str(place / "points.csv"), "--fill",
            "creditor=Banco", "--fill", "payment_link=https://pay.example"]  # fmt: skip


def table(name, change):
    """Change a table of the plan."""

    def tamper(folder):
        path = folder / f"{name}.parquet"
        change(pd.read_parquet(path)).to_parquet(path, index=False)

    return tamper


def set_first(name, value, where=lambda rows: rows.index >= 0, of="plan"):
    """Set a column of the first row that fulfils something."""

    def change(rows):
        at = rows.index[where(rows)][0]
        changed = rows.copy()
        new = value(rows.loc[at, name])
        if isinstance(new, str) or new is None:
            changed[name] = changed[name].astype(object)
        changed.loc[at, name] = new
        return changed

    return table(of, change)


def document(name, change):
    """Change a JSON file of the plan."""

    def tamper(folder):
        fields = json.loads((folder / name).read_text())
        change(fields)
        (folder / name).write_text(json.dumps(fields))

    return tamper


def about(change):
    return document("about.json", change)


def arrays(name, change, file="problem.npz"):
    def tamper(folder):
        stored = dict(arrays_from_bytes((folder / file).read_bytes()))
        stored[name] = change(stored[name].copy())
        (folder / file).write_bytes(arrays_to_bytes(stored))

    return tamper


def raised(file):
    """One more for every value that is open."""

    def tamper(folder):
        stored = np.fromfile(folder / file, dtype="<f4")
        stored[np.isfinite(stored)] += 1
        stored.tofile(folder / file)

    return tamper


def of_minimum(at, **changed):
    return about(lambda t: t["capacity"]["minimum"][at].update(changed))


def offering(rows):
    return rows["offer"].isin(["d20", "six"])


def offers_swapped(rows):
    """Two contacts exchange their offers with all that belongs to them."""
    one, other = rows.index[offering(rows)][0], rows.index[rows["offer"].eq("none")][0]
    names = ["offer", "offer_cost", "offer_currency", "offer_until", "template_id"]
    changed = rows.copy()
    changed.loc[[one, other], names] = rows.loc[[other, one], names].to_numpy()
    return changed


def people_first(rows):
    return rows["needs_human"]


WEEKS = {
    "a contact of another day": set_first("day", lambda _: 3, lambda rows: rows["day"] == 1),
    "two days instead of three": about(lambda t: t.update(days=2)),
    "a round hidden": about(lambda t: t.update(rounds=1)),
    "a minimum lowered": of_minimum(0, contacts=1),
    "another share": of_minimum(1, share=0.9),
    "what a minimum counts": of_minimum(1, level={"channel": "sms"}),
    "a minimum left out": about(lambda t: t["capacity"]["minimum"].pop()),
    "who counts for a minimum": arrays("kind_minimums", np.logical_not),
    "debtors that a share is of": arrays("kind_open", lambda open_: open_ // 2),
    "fewer contacts a week": about(lambda t: t["capacity"]["week"].update(contacts_per_debtor=1)),
    "more days between": about(lambda t: t["capacity"]["week"].update(days_between=3)),
    "a weekday with everybody": about(lambda t: t["capacity"]["queue"][0].update(on={})),
    "a bound of the second round": document(
        "certificate-2.json", lambda t: t.update(bound=t["bound"] + 1, value=t["value"] + 1)
    ),
    "a price of the second round": document(
        "certificate-2.json", lambda t: t["prices"].update({next(iter(t["prices"])): 7.0})
    ),
    "values of the second round": raised("values-2.f32"),
    "limits of the second round": arrays("limit", lambda limit: limit + 1, "problem-2.npz"),
    "a later day decided": table("decisions", lambda t: pd.concat([t, t.iloc[[0]]], ignore_index=True)),
    "decided earlier": table("decisions", lambda t: t.assign(decided_at=t["decided_at"] - pd.Timedelta(days=1))),
    "an arm of the decisions": set_first("arm", lambda _: "policy", lambda rows: rows["arm"] == "usual", "decisions"),
    "an action of the decisions": table("decisions", lambda t: t.assign(tone=t["tone"].iloc[::-1].to_numpy())),
    "somebody who needs nobody any more": table("people", lambda t: t.iloc[1:]),
    "nobody needs a person": set_first("needs_human", lambda _: False, people_first),
    "another reason": set_first("human_reason", lambda _: "none of your business", people_first),
    "another reason in the queue": set_first("human_reason", lambda _: "hardship", of="people"),
    "a stranger in the queue": set_first("account_id", lambda _: "A99999", of="people"),
    "another's decision in the queue": set_first("decision_id", lambda _: "0" * 32, of="people"),
    "another segment in the queue": set_first("segment", lambda _: "vip", of="people"),
    "an account twice in the queue": table("people", lambda t: pd.concat([t, t.iloc[[0]]])),
    "an account left out": table("arms", lambda t: t.iloc[1:]),
    "an end of the day": about(lambda t: t.update(ends="2026-11-24T00:00:00+00:00")),
    "other money": about(lambda t: t.update(money="USD")),
}
OFFERED = {
    "an offer moved to another": table("plan", offers_swapped),
    "an offer that is none": set_first("offer", lambda _: "none", offering),
    "a cheaper offer": set_first("offer_cost", lambda cost: cost / 2, offering),
    "a cheaper offer in the table": set_first("cost_minor", lambda cost: cost / 2, of="offers"),
    "an offer left out of the table": table("offers", lambda t: t.iloc[1:]),
    "another's offer in the table": set_first("account_id", lambda _: "A0", of="offers"),
    "an offer that runs for a year": table(
        "plan", lambda t: t.assign(offer_until=t["offer_until"] + pd.Timedelta(days=355))
    ),
    "an offer in dollars": set_first("offer_currency", lambda _: "USD", offering),
    "terms of no offer": set_first("offer_currency", lambda _: "COP", lambda rows: ~offering(rows)),
    "a text that does not tell the offer": table(
        "plan", lambda t: t.assign(template_id=t["template_id"].where(
            ~offering(t), t.loc[~offering(t), "template_id"].iloc[0]))
    ),
    "a contact without a text": set_first("template_id", lambda _: None),
    "another list": about(lambda t: t["offers"].update(list=t["offers"]["list"].replace("= 20", "= 10"))),
    "a larger budget": about(lambda t: t["offers"].update(list=t["offers"]["list"].replace("900_000", "9_000_000"))),
    "a list of nothing": about(lambda t: t.update(offers=None)),
    "another digest": about(lambda t: t.update(offers_digest="0" * 16)),
    "another objective": about(lambda t: t["objective"].update(name="reward")),
    "a lever of another weight": about(lambda t: t["objective"]["levers"][0].update(weight=1.0)),
    "a lever without its share": about(lambda t: t["objective"]["levers"][0].update(minimum_share=0.0)),
    "a minimum without its lever": about(lambda t: t["capacity"]["minimum"][0].update(name="mine")),
    "a gain outside its interval": set_first("gain", lambda gain: gain + 1e9),
}  # fmt: skip


def forged(folder, place, tamper):
    """A changed copy with a manifest to match."""
    copy = place / "plan"
    shutil.copytree(folder, copy)
    tamper(copy)
    stored = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({name: file_digest(copy / name) for name in stored}))
    return copy


@pytest.mark.parametrize("kind", WEEKS)
def test_a_tampered_week_is_found_behind_a_forged_manifest(week, tmp_path, kind):
    assert verify_folder(forged(week, tmp_path, WEEKS[kind]))


@pytest.mark.parametrize("kind", OFFERED)
def test_a_tampered_plan_with_offers_is_found_behind_a_forged_manifest(offers, tmp_path, kind):
    assert verify_folder(forged(offers, tmp_path, OFFERED[kind]))


def first_file(folder, end):
    return next(path for path in sorted(folder.iterdir()) if path.name.endswith(end))


def second_line(path):
    return path.read_text().splitlines(keepends=True)[1]


FILES = {
    "as written": Path.touch,
    "another number": lambda folder: _replaced(first_file(folder, "template_send.csv"), "573005550101", "573005559999"),
    "a row more": lambda folder: _replaced(first_file(folder, "template_send.csv"), "\n", "\nx,y\n"),
    "a row less": lambda folder: _replaced(
        first_file(folder, "template_send.csv"), second_line(first_file(folder, "template_send.csv")), ""
    ),
    "a file less": lambda folder: first_file(folder, "template_send.csv").unlink(),
    "a file more": lambda folder: (folder / "more.csv").write_text("call,me\n"),
    "another list of files": lambda folder: (folder / "campaign-files.json").write_text("{}"),
}  # fmt: skip


def _replaced(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize("kind", FILES)
def test_campaign_files_are_made_again_and_compared(offers, tmp_path, kind):
    """``--verify --campaigns`` with the options of the run: byte by byte what this plan makes of these numbers."""
    place = offers.parent
    shutil.copytree(place / "campaigns", tmp_path / "campaigns")
    shutil.copy(place / "points.csv", tmp_path)
    FILES[kind](tmp_path / "campaigns")
    answer = CliRunner().invoke(build_app(), ["plan", "--verify", str(offers), *campaigns(tmp_path)])
    assert (answer.exit_code == 0) == (kind == "as written"), answer.output
    assert ("campaigns: " in answer.output) == (kind != "as written")


@pytest.mark.parametrize("offer", [None, "none", "pay_less"])
@pytest.mark.parametrize("has_table", [False, True])
def test_offers_and_their_table_need_a_price_list(tmp_path, offer, has_table):
    """Without a list a contact that makes an offer and a table of offers made are wrong, each by itself."""
    if has_table:
        (tmp_path / "offers.parquet").touch()
    told = not_as_offered(tmp_path, pd.DataFrame({"offer": pd.array([offer, None], dtype="str")}), {}, None)
    wanted = [("offer:", offer == "pay_less"), ("offers:", has_table)]
    assert [one.split()[0] for one in told] == [start for start, is_wrong in wanted if is_wrong]
    assert not_as_offered(tmp_path, pd.DataFrame({"channel": ["sms"]}), {}, None) == []
