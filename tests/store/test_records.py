"""Records are checked on birth: instants with zones, propensities, eligible sets, and no contact data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recommender.errors import InvalidInput, RecommenderError
from recommender.store.decision_log.checked_columns import checked_mappings
from recommender.store.decision_log.decisions import DecisionLog, DecisionRecord, OutcomeRecord, Provenance
from recommender.store.decision_log.privacy import refuse_contact_data, refuse_free_text
from recommender.store.decision_log.record_fields import plain_mapping, unpack_eligible
from recommender.store.decision_log.rows import _instant_text
from recommender.store.decision_log.schema import UtcInstant, decisions

Decide = Callable[..., DecisionRecord]
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ANY_LOG = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])

_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63) + 1, 2**63 - 1),
    st.floats(allow_infinity=False),
    st.text(st.characters(blacklist_categories=["Cs", "Nd"], blacklist_characters="\x00@+"), max_size=8),
)
_contexts = st.dictionaries(st.sampled_from(["stage", "days_past_due", "é", "balance_minor", "x y"]), _scalars)


@given(n_actions=st.integers(1, 300), data=st.data())
def test_eligible_bits_survive_packing(n_actions: int, data: st.DataObject) -> None:
    """Any set of any number of actions is unpacked as it was packed."""
    eligible = np.array(data.draw(st.lists(st.booleans(), min_size=n_actions, max_size=n_actions)))
    packed = np.packbits(eligible).tobytes()
    np.testing.assert_array_equal(unpack_eligible(packed, n_actions), eligible)


@ANY_LOG
@given(
    context=_contexts,
    action=st.integers(0, 9),
    propensity=st.floats(0, 1, exclude_min=True),
    decided_at=st.datetimes(
        min_value=datetime(1980, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
        timezones=st.integers(-840, 840).map(lambda minutes: timezone(timedelta(minutes=minutes))),
    ),
    seed=st.integers(-(2**63) + 1, 2**63 - 1),
)
def test_any_valid_decision_is_logged_once_and_comes_back(log: DecisionLog, decide: Decide, **fields: Any) -> None:
    """Idempotent and exact for every content: logging twice equals logging once."""
    record = decide(**fields)
    key = f"h{record.content_digest[:20]}"
    record = decide(**fields, decision_id=key)
    first = log.record([record])
    again = log.record([decide(**fields, decision_id=key)])
    assert (again.stored, again.repeated) == (0, 1)
    assert first.stored + first.repeated == 1
    found = log.get(key)
    assert found is not None
    assert found.decision == record
    assert found.decision.decided_at == fields["decided_at"]


def test_the_digest_does_not_depend_on_key_order_zone_or_number_type(decide: Decide) -> None:
    """The same decision told in another way is the same decision."""
    bogota = timezone(timedelta(hours=-5))
    told = decide(
        decided_at=NOON.astimezone(bogota),
        context={"is_new": np.bool_(True), "balance_minor": np.float64(1.5e6), "days_past_due": np.int32(40),
                 "stage": "extrajudicial"},
    )  # fmt: skip
    assert told == decide()
    assert told == decide(decided_at=pd.Timestamp(NOON))
    assert told != decide(propensity=0.26)
    assert len({told, decide()}) == 1


@pytest.mark.parametrize("missing", [None, float("nan"), np.float32("nan"), pd.NA, pd.NaT])
def test_every_kind_of_missing_is_none(decide: Decide, missing: object) -> None:
    """A missing feature is logged as missing, whatever library says so."""
    assert decide(context={"limit": missing}).context == {"limit": None}


@pytest.mark.parametrize(
    ("changes", "column"),
    [
        ({"decided_at": datetime(2026, 3, 2, 12)}, "decided_at"),  # noqa: DTZ001 - the fault
        ({"contact_at": datetime(2026, 3, 2, 12)}, "contact_at"),  # noqa: DTZ001 - the fault
        ({"decided_at": "2026-03-02"}, "decided_at"),
        ({"propensity": 0.0}, "propensity"),
        ({"propensity": 1.01}, "propensity"),
        ({"propensity": float("nan")}, "propensity"),
        ({"action": 10}, "action"),
        ({"action": -1}, "action"),
        ({"action": 1.0}, "action"),
        ({"eligible": np.ones(9, dtype=bool)}, "eligible"),
        ({"eligible": np.ones(10)}, "eligible"),
        ({"eligible": np.arange(10) > 0}, "eligible"),
        ({"decision_id": ""}, "decision_id"),
        ({"account_id": 17}, "account_id"),
        ({"account_id": "x" * 129}, "account_id"),
        ({"debtor_id": "ana@example.com"}, "debtor_id"),
        ({"account_id": "+57 300 123 4567"}, "account_id"),
        ({"context": {"balance": float("inf")}}, "balance"),
        ({"context": {"path": [1, 2]}}, "path"),
        ({"context": {"n": 2**63}}, "n"),
        ({"context": {"last_paid": datetime(2026, 3, 2)}}, "last_paid"),  # noqa: DTZ001 - the fault
        ({"ranking": [{"expected_reward": 0.1}]}, "ranking"),
        ({"ranking": [{"action": 3}]}, "ranking"),
        ({"ranking": [{"action": 0, "phone": "3001234567"}]}, "phone"),
        ({"seed": 2**64}, "seed"),
    ],
)
def test_a_faulty_decision_is_refused_and_the_field_named(decide: Decide, changes: dict[str, Any], column: str) -> None:
    """Nothing that would make a later replay or evaluation wrong gets into the log."""
    with pytest.raises(InvalidInput) as caught:
        decide(**changes)
    assert caught.value.column == column
    assert caught.value.mend


@pytest.mark.parametrize(
    ("changes", "column"),
    [
        ({"occurred_at": datetime(2026, 3, 2)}, "occurred_at"),  # noqa: DTZ001 - the fault
        ({"outcome": "rpc"}, "outcome"),
        ({"amount_minor": 5}, "amount_minor"),
        ({"currency": "COP"}, "amount_minor"),
        ({"amount_minor": -1, "currency": "COP"}, "amount_minor"),
        ({"amount_minor": 1.5, "currency": "COP"}, "amount_minor"),
        ({"amount_minor": 1, "currency": "pesos"}, "currency"),
        ({"amount_minor": 1, "currency": "cop"}, "currency"),
    ],
)
def test_a_faulty_outcome_is_refused_and_the_field_named(changes: dict[str, Any], column: str) -> None:
    """Outcomes are on the ladder, in time, and money has a unit."""
    fields: dict[str, Any] = {"decision_id": "d", "occurred_at": NOON, "outcome": "paid"}
    with pytest.raises(InvalidInput) as caught:
        OutcomeRecord(**(fields | changes))
    assert caught.value.column == column


def test_the_key_of_an_outcome_is_its_content_unless_the_sender_has_one() -> None:
    """The same event told twice has one key, in any zone; another amount is another event."""
    event = {"decision_id": "d", "outcome": "paid", "currency": "COP"}
    first = OutcomeRecord(**event, occurred_at=NOON, amount_minor=10)
    second = OutcomeRecord(**event, occurred_at=NOON.astimezone(timezone(timedelta(hours=3))), amount_minor=10)
    assert first.outcome_id == second.outcome_id
    assert first.outcome_id != OutcomeRecord(**event, occurred_at=NOON, amount_minor=11).outcome_id


def test_provenance_tells_versions_apart(provenance: Provenance) -> None:
    """Another rule pack text is another provenance; the order packs are given in is not."""
    packs = dict(reversed(list(provenance.rule_packs.items())))
    same = replace(provenance, rule_packs=packs)
    assert same.digest == provenance.digest
    assert replace(provenance, rule_packs=packs | {"CO": "00"}).digest != provenance.digest


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("phone", "300"), ("Phone", 3), ("debtorPhone", "x"), ("phone_number", "300"), ("telefono", "300 123"),
        ("celular", 3001234567), ("home_phone_1", 3001234567.0), ("email", "ana"), ("e_mail", "x"), ("e-mail", "x"),
        ("customer_email", "ana at example"), ("correo", "x"), ("name", "Ana"), ("first_name", "Ana"),
        ("firstName", "Ana"), ("debtor_name", "Ana"), ("nombre_completo", "Ana Ruiz"), ("apellidos", "Ruiz"),
        ("address", "Calle 1"), ("billing_address", "Calle 1"), ("direccion", "Calle 1"), ("street", "x"),
        ("cedula", 1), ("ssn", "1"), ("date_of_birth", "1980-01-01"), ("note", "ana.ruiz@example.com"),
        ("note", "+57 300 123 4567"), ("contact", "+573001234567"),
    ],
)  # fmt: skip
def test_personal_contact_data_are_refused(key: str, value: object) -> None:
    """By key or by value; the value itself is not repeated in the error."""
    with pytest.raises(InvalidInput, match="personal contact data") as caught:
        refuse_contact_data({"stage": "late", key: value})
    assert caught.value.column == key
    if isinstance(value, str) and len(value) > 5:
        assert value not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("email_read_rate_90d", 0.3), ("phone_type", "mobile"), ("n_sms_30d", 4), ("has_email", True),
        ("days_since_email", 12.5), ("address_changes_12m", 2), ("product_name", "card"), ("stage", "late"),
        ("email_consent", "given"), ("balance_minor", 3_001_234_567), ("timezone", "America/Bogota"),
        ("call_hours_answered", 3), ("name_screening_score", 0.2), ("due_date_delta", -4), ("region", "+"),
        ("phone", None), ("Phone", 1), ("telefono", "no"), ("email", False),  # a model may have learnt from the flag
    ],
)  # fmt: skip
def test_features_about_contact_data_pass(key: str, value: object) -> None:
    """Rates, counts, kinds and flags are features, not contact data."""
    refuse_contact_data({key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("note", "Juan Perez, calle 45 # 12-30, llamar al 3001234567"), ("segment", "3001234567"),
        ("x", "57 300 123 4567"),
        ("x", "300-123-4567"), ("x", "Cra 7 No 12"), ("x", "Av. 68 Sur"), ("x", "a b c d e f"), ("x", "y" * 65),
        ("x", "DNI 12345678"), ("x", "(55) 1234 5678"),
    ],
)  # fmt: skip
def test_free_text_is_no_feature(key: str, value: str, decide: Decide) -> None:
    """Sentences, streets and numbers of somebody are refused on every road into the log."""
    with pytest.raises(InvalidInput, match="not written to the log"):
        refuse_free_text({"stage": "late", key: value})
    with pytest.raises(InvalidInput, match="not written to the log"):
        decide(context={key: value})


@pytest.mark.parametrize(
    "value",
    ["credit_card", "San Luis Potosí", "2026-11-23", "2026-11-23T08:00:00-05:00", "0-30", "100000-500000", "1.000.000",
     "Bogotá D.C.", "plan 24 cuotas", "90+", "America/Argentina/Buenos_Aires", ""],
)  # fmt: skip
def test_levels_of_features_pass(value: str) -> None:
    """Products, cities, dates, ranges."""
    refuse_free_text({"x": value})


@pytest.mark.parametrize("key", ["tel", "cc", "nit", "titular", "holder_name", "razon_social", "curp"])
def test_columns_of_other_languages_are_refused(key: str) -> None:
    """Identity numbers and names under the words that collectors' systems use."""
    with pytest.raises(InvalidInput, match="personal contact data"):
        refuse_contact_data({key: "900123456"})


@given(rows=st.lists(st.fixed_dictionaries(dict.fromkeys(("stage", "balance_minor", "é"), _scalars)), min_size=1))
def test_columns_are_checked_like_each_of_their_rows(rows: list[dict[str, Any]]) -> None:
    """Checked by column or one by one: the same mappings, the same refusals."""
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    try:
        one_by_one = [plain_mapping(row, "context") for row in rows]
        for row in one_by_one:
            refuse_free_text(row)
    except InvalidInput:
        with pytest.raises(InvalidInput):
            checked_mappings(columns, "context", levels=True)
    else:
        assert checked_mappings(columns, "context", levels=True) == one_by_one


@pytest.mark.parametrize(
    ("name", "value"), [("note", "Calle 12 # 3-40"), ("tel", 3), ("level", "ana@x.co"), ("note", "a b c d e f g")]
)
def test_one_bad_value_of_a_column_is_refused(name: str, value: Any) -> None:
    """A single one among many, as it would be alone."""
    with pytest.raises(InvalidInput, match="personal contact data"):
        checked_mappings({name: [None, *["sms"] * 20, value]}, "context", levels=True)


def test_rows_of_before_are_read_and_repeated(log: DecisionLog, decide: Decide) -> None:
    """A row under the digest of before is still what was logged, and telling it again is no conflict."""
    record = decide(decision_id="old", context={"share": 1e22, "stage": "é"})
    assert record.first_digest != record.content_digest
    log.record([record])
    with log.engine.begin() as connection:
        mine = sa.update(decisions).where(decisions.c.decision_id == "old")
        connection.execute(mine.values(content_digest=record.first_digest))
    stored = log.get("old")
    assert stored is not None
    assert stored.decision == record
    assert log.record([record]).repeated == 1
    with log.engine.begin() as connection:
        connection.execute(mine.values(content_digest="0" * 64))
    with pytest.raises(RecommenderError, match="altered"):
        log.get("old")


def test_what_an_outcome_says_beside_its_word_is_part_of_its_key_and_is_checked() -> None:
    """Without them the digest is what it always was; a date is no instant, a moment has a zone, each has its word."""
    event = {"decision_id": "d", "occurred_at": NOON, "outcome": "promise_to_pay"}
    bare, dated = OutcomeRecord(**event), OutcomeRecord(**event, promise_date=date(2026, 6, 1))
    other = OutcomeRecord(**event, promise_date=date(2026, 6, 2))
    assert bare.outcome_id == "49d71dd9578bd9401c13ba680af16465e828311da52b52f9b3dc67b196766b6c"
    replaced = OutcomeRecord(**event, replaces="x")
    assert replaced.outcome_id == "5c49cb546cee9e26467066fc716c3a0f1dcde642e333dd6890e88841d0ae1e5e"
    assert len({bare.outcome_id, dated.outcome_id, other.outcome_id}) == 3
    for wrong, column in (
        ({"promise_date": NOON}, "promise_date"),
        ({"promise_date": "2026-06-01"}, "promise_date"),
        ({"promise_date": date(2026, 2, 28)}, "promise_date"),
        ({"promise_date": date(2027, 3, 4)}, "promise_date"),
        ({"callback_at": NOON}, "callback_at"),
        ({"outcome": "callback_requested", "callback_at": NOON.replace(tzinfo=None)}, "callback_at"),
        ({"outcome": "callback_requested", "callback_at": NOON + timedelta(days=90, seconds=1)}, "callback_at"),
    ):
        with pytest.raises(InvalidInput) as caught:
            OutcomeRecord(**event | wrong)
        assert caught.value.column == column and caught.value.mend
    event["occurred_at"] = datetime(2028, 2, 29, 0, 30, tzinfo=UTC)  # of the year after there is none
    assert OutcomeRecord(**event, promise_date=date(2029, 3, 1)).promise_date == date(2029, 3, 1)
    with pytest.raises(InvalidInput, match="more than a year ahead"):
        OutcomeRecord(**event, promise_date=date(2029, 3, 2))


@pytest.mark.parametrize(("most", "more"), [("a" * 64, "a" * 65), ("a b c d e", "a b c d e f")])
def test_a_level_may_be_as_long_as_it_may(most: str, more: str) -> None:
    """64 characters, five words; blanks around it count as nothing."""
    refuse_free_text({"stage": f" {most} "})
    with pytest.raises(InvalidInput, match="free text"):
        refuse_free_text({"stage": more})


@pytest.mark.parametrize("hours", [-5, 0, 5.5, 14])
def test_an_instant_of_any_zone_is_stored_as_that_instant(hours: float) -> None:
    """Whichever way it goes to a database: SQLAlchemy's to either kind, and the short one of many rows to SQLite."""
    at = NOON.astimezone(timezone(timedelta(hours=hours))) + timedelta(microseconds=1)
    sqlite, postgres = (sa.create_mock_engine(f"{name}://", print).dialect for name in ("sqlite", "postgresql+psycopg"))
    bare = (NOON + timedelta(microseconds=1)).replace(tzinfo=None)
    assert UtcInstant().process_bind_param(at, sqlite) == bare
    assert UtcInstant().process_bind_param(at, postgres) == at
    assert UtcInstant().process_result_value(bare, sqlite) == UtcInstant().process_result_value(at, postgres) == at
    assert datetime.fromisoformat(str(_instant_text(at))) == bare
    with pytest.raises(InvalidInput, match="no time zone"):
        UtcInstant().process_bind_param(bare, sqlite)
    with pytest.raises(InvalidInput, match="no time zone"):
        _instant_text(bare)
