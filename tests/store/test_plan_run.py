"""A plan for a whole portfolio: the same bytes however it is cut, interrupted or resumed, and never mixed inputs."""

import dataclasses
import json
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender import ActionSpace
from recommender.errors import InvalidInput
from recommender.planning.plan_chunk import PlanOrder
from recommender.planning.plan_folder import OtherInputs, PlanBusy, PlanFolder
from recommender.planning.plan_inputs import PlanInputs
from recommender.planning.plan_run import PlanFiles, make_plan, plan_here
from recommender.strategy.cold_start import SeedStrategy
from tests.store.plan_portfolio import AS_OF, plan_in_one_piece, portfolio, small_strategy, write

ORDER = PlanOrder(AS_OF, packs=("CO",), other_accounts=True)
SEED = SeedStrategy(
    ActionSpace(
        {"channel": ["call", "sms", "email"], "hour": [9, 12, 16], "tone": ["friendly", "firm"]}, no_contact=True
    )
)


def same(made, expected):
    """Equal rankings, where a missing value is a missing value however it is written; a plan says more beside them."""
    plain = [frame.astype(object).where(frame.notna(), None) for frame in (made[expected.columns.tolist()], expected)]
    pd.testing.assert_frame_equal(*plain, check_dtype=False)


class Killed(BaseException):
    """What a kill looks like from inside: nothing after it runs."""


def dies_after(n_chunks, planned):
    """A planner that stops without a word after some chunks."""

    def plan(inputs, chunks, model, order):
        for chunk, result in plan_here(inputs, chunks, model, order):
            if len(planned) == n_chunks:
                raise Killed
            planned.append(chunk)
            yield chunk, result

    return plan


@pytest.fixture(scope="module")
def small_model(made_once):
    """A strategy over columns that only raw tables give, and one that has holes."""
    return small_strategy(SEED.actions_, made_once)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """A portfolio on disk, debtors scattered over the file."""
    return PlanFiles(*write(tmp_path_factory.mktemp("portfolio"), *portfolio()))


@pytest.fixture(scope="module")
def whole(tables, tmp_path_factory):
    """Its plan, made in one chunk."""
    out = tmp_path_factory.mktemp("whole") / "plan.parquet"
    make_plan(tables, out, SEED, ORDER)
    return out


def test_the_plan_equals_one_made_in_memory(tables, whole):
    """Streaming changes nothing: the same actions, propensities, instants and ids as over whole tables."""
    accounts, contacts = pd.read_parquet(tables.accounts), pd.read_parquet(tables.contacts)
    expected = plan_in_one_piece(accounts, contacts, SEED, packs=["CO"])
    made = pd.read_parquet(whole)
    same(made, expected)
    assert made["decision_id"].nunique() == len(accounts) == 60
    assert made["channel"].notna().sum() > 20
    assert not (whole.parent / "plan.parquet.parts").exists()


@settings(max_examples=8)
@given(rows=st.integers(2, 70), alive=st.integers(0, 12))
def test_neither_chunks_nor_kills_change_a_byte(tables, whole, rows, alive):
    """Any chunk size, killed after any chunk and resumed with any other size: the same file to the byte."""
    with TemporaryDirectory() as folder:
        out = Path(folder) / "plan.parquet"
        planned = []
        try:
            make_plan(tables, out, SEED, ORDER, chunk_rows=rows, planner=dies_after(alive, planned))
        except Killed:
            assert not out.exists()
            again = []
            summary = make_plan(tables, out, SEED, ORDER, chunk_rows=72 - rows, planner=dies_after(10**6, again))
            assert not set(planned) & set(again), "what was finished is not done twice"
            assert (summary.resumed > 0) == bool(planned)
        assert out.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("together", [1, 7, 60])
def test_a_plan_is_put_in_order_group_by_group(tables, whole, tmp_path, monkeypatch, together):
    """A portfolio of more rows than lie together: each part has some of every group, the plan has the same bytes."""
    monkeypatch.setattr("recommender.planning.plan_folder.ROWS_TOGETHER", together)
    read = []
    ranked_of_group = PlanFolder.ranked_of_group
    monkeypatch.setattr(PlanFolder, "ranked_of_group", lambda *asked: read.append(asked[1:]) or ranked_of_group(*asked))
    out = tmp_path / "plan.parquet"
    make_plan(tables, out, SEED, ORDER, chunk_rows=13)
    assert out.read_bytes() == whole.read_bytes()
    people = [place.with_name(place.name + ".people.parquet").read_bytes() for place in (out, whole)]
    assert people[0] == people[1]
    assert len(set(read)) == len(read)
    assert {group for _, group in read} == set(range(-(-60 // together)))


def test_a_part_gives_back_what_was_kept(tables, tmp_path, monkeypatch):
    """Whole, some columns of it, and each group of rows; nothing where it has none of a group."""
    monkeypatch.setattr("recommender.planning.plan_folder.ROWS_TOGETHER", 9)
    inputs = PlanInputs.prepare(tmp_path / "inputs", as_of=AS_OF, chunk_rows=15, other_accounts=True, **vars(tables))
    _, planned = next(iter(plan_here(inputs, inputs.chunks[:1], SEED, ORDER)))
    folder = PlanFolder(tmp_path / "parts")
    with folder.locked():
        folder.begin({})
        folder.keep(3, planned)
    assert folder.ranked(3).equals(planned.ranked, check_metadata=True)
    assert folder.schema(3).equals(planned.ranked.schema, check_metadata=True)
    some = ["row", "needs_human", "channel"]
    assert folder.ranked(3, some).to_pandas().equals(planned.ranked.to_pandas()[folder.ranked(3, some).column_names])
    rows = planned.ranked.column("row").to_numpy()
    assert folder.groups(3) == sorted(set((rows // 9).tolist()))
    for group in range(8):
        assert folder.ranked_of_group(3, group).column("row").to_pylist() == rows[rows // 9 == group].tolist()
    assert folder.summary(3)["accounts"] == len(set(rows.tolist()))


def test_whom_a_person_stopped_is_left_alone_with_all_debts(tables, whole, tmp_path):
    """By account or by debtor, as the log names them; nobody else's plan changes."""
    accounts, whole = pd.read_parquet(tables.accounts), pd.read_parquet(whole)
    contacted = whole.loc[(whole["rank"] == 1) & whole["channel"].notna(), "row"]
    one = accounts.iloc[int(contacted.iloc[0])]
    named = one["debtor_id"] if pd.notna(one["debtor_id"]) else one["account_id"]
    order = dataclasses.replace(ORDER, stopped=(str(named),))
    make_plan(tables, tmp_path / "plan.parquet", SEED, order)
    plan = pd.read_parquet(tmp_path / "plan.parquet")
    own = np.flatnonzero((accounts["debtor_id"] == named) | (accounts["account_id"] == named))
    assert len(own) and plan.loc[plan["row"].isin(own), "channel"].isna().all()
    rest = ~plan["row"].isin(own)
    same(plan.loc[rest].reset_index(drop=True), whole.loc[~whole["row"].isin(own)].reset_index(drop=True))


@pytest.mark.parametrize("rows", [3, 17])
def test_debtors_beside_each_other_are_streamed_in_file_order(tmp_path, rows):
    """Where debtors stand together nothing is sorted, and the plan is that of the tables in memory."""
    accounts, contacts = portfolio(together=True, seed=4)
    files = PlanFiles(*write(tmp_path, accounts, contacts))
    make_plan(files, tmp_path / "plan.parquet", SEED, ORDER, chunk_rows=rows)
    expected = plan_in_one_piece(accounts, contacts, SEED, packs=["CO"])
    same(pd.read_parquet(tmp_path / "plan.parquet"), expected)
    folder = tmp_path / "inputs"
    limits = {"outcomes": None, "payments": None, "as_of": AS_OF, "chunk_rows": rows, "other_accounts": True}
    inputs = PlanInputs.prepare(folder, accounts=files.accounts, contacts=files.contacts, **limits)
    assert inputs.in_order
    for chunk in inputs.chunks:
        row = inputs.read(chunk).row
        np.testing.assert_array_equal(row, np.arange(row[0], row[-1] + 1))


def test_a_learnt_strategy_on_raw_tables_scores_the_same_in_any_chunk(small_model, tmp_path):
    """Features of account and debtor, and a column of numbers with one hole, do not depend on who shares the chunk."""
    accounts, contacts = portfolio(40, seed=2)
    accounts = accounts.assign(valid_from=pd.Timestamp("2026-01-01", tz="UTC"))
    payments = pd.DataFrame(
        {
            "account_id": accounts["account_id"].repeat(2).to_numpy(),
            "paid_at": pd.Timestamp("2026-10-20T12:00Z"),
            "amount_minor": np.arange(2 * len(accounts)) + 100,
            "currency": "COP",
        }
    )
    outcomes = pd.DataFrame(
        {
            "contact_id": contacts["contact_id"][::3].to_numpy(),
            "occurred_at": contacts["sent_at"][::3].to_numpy() + pd.Timedelta(minutes=1),
            "outcome": "replied",
        }
    )
    payments.to_parquet(tmp_path / "payments.parquet")
    outcomes.to_parquet(tmp_path / "outcomes.parquet")
    files = PlanFiles(
        *write(tmp_path, accounts, contacts), tmp_path / "outcomes.parquet", tmp_path / "payments.parquet"
    )
    written = []
    for rows in (1_000, 9, 3):
        summary = make_plan(files, tmp_path / "plan.parquet", small_model, ORDER, chunk_rows=rows)
        assert not [note for note in summary.notes if "missing" in note]
        written.append((tmp_path / "plan.parquet").read_bytes())
    assert written[0] == written[1] == written[2]
    assert pd.read_parquet(tmp_path / "plan.parquet")["expected_reward"].nunique() > 20


def test_the_state_in_force_is_planned_for(tmp_path):
    """Of a change history the latest state by as_of counts; accounts that have none yet are left out and counted."""
    accounts, contacts = portfolio(20)
    before, after = (AS_OF - timedelta(days=9), AS_OF + timedelta(days=1))
    history = pd.concat(
        [
            accounts.assign(valid_from=pd.Timestamp(before), flags="disputed"),
            accounts.iloc[:15].assign(valid_from=pd.Timestamp(before) + pd.Timedelta(days=1)),
            accounts.assign(valid_from=pd.Timestamp(after), country="US"),
            accounts.iloc[:3].assign(valid_from=pd.Timestamp(after)).assign(account_id=["N1", "N2", "N3"]),
        ],
        ignore_index=True,
    ).sample(frac=1.0, random_state=0)
    files = PlanFiles(*write(tmp_path, history, contacts))
    summary = make_plan(files, tmp_path / "plan.parquet", SEED, ORDER, chunk_rows=4)
    assert summary.n_accounts == 20
    assert any(note.startswith("3 accounts have no state in force") for note in summary.notes)
    since = pd.to_datetime(history["valid_from"], utc=True)
    stored = history[since <= pd.Timestamp(AS_OF)].sort_values("valid_from", kind="stable")
    stored = stored.drop_duplicates("account_id", keep="last").reset_index(drop=True)
    expected = plan_in_one_piece(stored, contacts, SEED, packs=["CO"])
    made = pd.read_parquet(tmp_path / "plan.parquet")
    same(made, expected)


def test_csv_in_and_out(tables, tmp_path):
    """CSV tables give the decisions that pandas reads out of them; CSV plans are written whole, too."""
    read = []
    for name in ("accounts", "contacts"):
        frame = pd.read_parquet(getattr(tables, name))
        if "flags" in frame:
            frame["flags"] = frame["flags"].replace("", "opt_out:visit")  # an empty cell is a fact unknown, and denies
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
        read.append(pd.read_csv(tmp_path / f"{name}.csv"))
    files = PlanFiles(tmp_path / "accounts.csv", tmp_path / "contacts.csv")
    make_plan(files, tmp_path / "plan.csv.gz", SEED, ORDER, chunk_rows=31)
    made, expected = pd.read_csv(tmp_path / "plan.csv.gz"), plan_in_one_piece(*read, SEED, packs=["CO"])
    assert made["decision_id"].tolist() == expected["decision_id"].tolist()
    assert made["channel"].fillna("").tolist() == expected["channel"].fillna("").tolist()
    assert made["channel"].notna().sum() > 20
    np.testing.assert_allclose(made["propensity"], expected["propensity"], rtol=1e-12)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"order": dataclasses.replace(ORDER, seed=7)}, "order.seed was 0, is 7"),
        ({"order": dataclasses.replace(ORDER, packs=("CL",))}, "order.packs"),
        ({"order": dataclasses.replace(ORDER, as_of=AS_OF + timedelta(hours=1))}, "order.as_of"),
        ({"model": SeedStrategy(SEED.actions_, epsilon=0.3)}, "strategy"),
        ({"files": "other"}, "files.accounts.sha256"),
    ],
)
def test_a_half_finished_plan_of_other_inputs_is_refused(tables, tmp_path, change, named):
    """Nothing is mixed: the refusal says what differs, and --restart begins anew."""
    out = tmp_path / "plan.parquet"
    given = {"files": tables, "out": out, "model": SEED, "order": ORDER}
    with pytest.raises(Killed):
        make_plan(**given, chunk_rows=7, planner=dies_after(3, []))
    if "files" in change:
        accounts = pd.read_parquet(tables.accounts)
        accounts.assign(flags="disputed").to_parquet(tmp_path / "other.parquet")
        change = {"files": PlanFiles(tmp_path / "other.parquet", tables.contacts)}
    with pytest.raises(OtherInputs, match=named):
        make_plan(**given | change)
    assert make_plan(**given | change, restart=True).resumed == 0
    assert out.exists()


def test_a_half_finished_plan_of_an_earlier_version_is_refused_too(tmp_path):
    """Its parts were Parquet: hours of work are thrown away by who says so, not by an update."""
    (tmp_path / "parts").mkdir()
    (tmp_path / "manifest.json").write_text('{"format": 1, "inputs": {}}', encoding="utf-8")
    (tmp_path / "parts" / "00000000.parquet").write_bytes(b"PAR1")
    with pytest.raises(OtherInputs, match="format was 1, is 2"):
        PlanFolder(tmp_path).begin({})
    assert (tmp_path / "parts" / "00000000.parquet").is_file()


def test_a_moved_input_is_the_same_input(tables, whole, tmp_path):
    """Files are known by their content, so a resumed run may find them elsewhere."""
    out = tmp_path / "plan.parquet"
    with pytest.raises(Killed):
        make_plan(tables, out, SEED, ORDER, chunk_rows=7, planner=dies_after(3, []))
    moved = PlanFiles(*(tmp_path / path.name for path in (tables.accounts, tables.contacts)))
    for path in (tables.accounts, tables.contacts):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert make_plan(moved, out, SEED, ORDER).resumed > 0
    assert out.read_bytes() == whole.read_bytes()


def test_two_processes_never_work_on_one_plan(tables, tmp_path):
    """The second one is told so, and the first one's work stays."""
    out = tmp_path / "plan.parquet"
    with PlanFolder(tmp_path / "plan.parquet.parts").locked(), pytest.raises(PlanBusy, match="Another process"):
        make_plan(tables, out, SEED, ORDER)


def test_inputs_that_cannot_be_used_leave_no_folder_behind(tables, tmp_path):
    """A missing id names its row; nothing half-made stays in the way of the mended file."""
    accounts = pd.read_parquet(tables.accounts)
    accounts.loc[41, "account_id"] = None
    accounts.to_parquet(tmp_path / "accounts.parquet")
    with pytest.raises(InvalidInput, match="'account_id' is missing in row 41"):
        make_plan(PlanFiles(tmp_path / "accounts.parquet"), tmp_path / "plan.parquet", SEED, ORDER)
    accounts.iloc[:0].to_parquet(tmp_path / "accounts.parquet")
    with pytest.raises(InvalidInput, match="holds no account to plan for"):
        make_plan(PlanFiles(tmp_path / "accounts.parquet"), tmp_path / "plan.parquet", SEED, ORDER)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["accounts.parquet"]


def test_accounts_without_an_id_get_decisions_of_their_own(tables, tmp_path):
    """No two decisions share an id, whatever the chunks."""
    accounts = pd.read_parquet(tables.accounts).drop(columns="account_id")
    accounts.to_parquet(tmp_path / "accounts.parquet")
    order = dataclasses.replace(ORDER, no_contacts_yet=True)
    ids = []
    for rows in (5, 1_000):
        make_plan(PlanFiles(tmp_path / "accounts.parquet"), tmp_path / "plan.parquet", SEED, order, chunk_rows=rows)
        ids.append(pd.read_parquet(tmp_path / "plan.parquet").groupby("row")["decision_id"].first().tolist())
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 60


def test_a_finished_part_is_whole_or_not_there(tables, tmp_path):
    """What a kill leaves of a part under way is never read as a part."""
    out = tmp_path / "plan.parquet"
    with pytest.raises(Killed):
        make_plan(tables, out, SEED, ORDER, chunk_rows=7, planner=dies_after(2, []))
    parts = tmp_path / "plan.parquet.parts" / "parts"
    (parts / ".00000007.arrow.part").write_bytes(b"ARROW1 torn")
    manifest = json.loads((tmp_path / "plan.parquet.parts" / "manifest.json").read_text())
    assert manifest["inputs"]["order"]["seed"] == 0
    summary = make_plan(tables, out, SEED, ORDER)
    assert summary.n_actions == pq.read_metadata(out).num_rows
    assert summary.n_accounts == 60
