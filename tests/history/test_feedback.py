"""LoggedFeedback: checked once, on birth, with errors that name the mend."""

import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from recommender import ActionSpace, LoggedFeedback
from recommender.errors import InvalidInput
from recommender.history import ProtectedAttributeWarning, protected_names

SPACE = ActionSpace({"channel": ["call", "sms"], "hour": [9, 10]})


def frame(n=40, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "channel": rng.choice(["call", "sms"], n),
            "hour": rng.choice([9, 10], n),
            "reward": rng.integers(0, 2, n).astype(float),
            "p": 0.25,
            "x": rng.normal(size=n),
            "segment": rng.choice(["a", "b", None], n),
            "account": rng.integers(0, 10, n),
            "sent": pd.date_range("2026-01-01", periods=n, freq="h", tz="UTC"),
        },
        index=rng.permutation(n) + 100,
    )


def build(contacts, **changed):
    roles = {"context": ["x", "segment"], "reward": "reward", "propensity": "p", "account": "account", "time": "sent"}
    return LoggedFeedback.from_frame(contacts, actions=SPACE, **(roles | changed))


def test_rows_are_neither_reordered_nor_dropped():
    """Row i of the log is row i of the frame, whatever its index."""
    contacts = frame()
    log = build(contacts)
    np.testing.assert_array_equal(log.reward, contacts["reward"].to_numpy())
    np.testing.assert_array_equal(log.context["x"].to_numpy(), contacts["x"].to_numpy())
    assert SPACE.describe(log.action)["channel"].tolist() == contacts["channel"].tolist()
    assert log.categorical == ("segment",)


def test_immature_rewards_are_kept_and_counted():
    """A null reward is not a failure: the row stays and is known as immature."""
    contacts = frame()
    contacts.iloc[:5, contacts.columns.get_loc("reward")] = np.nan
    log = build(contacts)
    assert len(log) == 40
    assert int(log.mature.sum()) == 35


def test_partly_logged_propensities_pass_and_none_at_all_do_not():
    """Nulls in part are estimated later; a column of nulls is an error that says how to have all estimated."""
    contacts = frame()
    contacts.iloc[0, contacts.columns.get_loc("p")] = np.nan
    assert np.isnan(build(contacts).propensity[0])
    with pytest.raises(InvalidInput, match="propensity=None"):
        build(contacts.assign(p=np.nan))


@pytest.mark.parametrize(
    ("change", "column", "row"),
    [
        ({"p": 1.5}, "p", 3),
        ({"p": 0.0}, "p", 3),
        ({"p": -0.1}, "p", 3),
        ({"reward": np.inf}, "reward", 3),
        ({"x": -np.inf}, "x", 3),
        ({"channel": "fax"}, "channel", 3),
        ({"account": np.nan}, "account", 3),
        ({"sent": pd.NaT}, "sent", 3),
    ],
)
def test_a_bad_value_is_named_with_its_row(change, column, row):
    """The error names the column and the position of the row, and says what to do."""
    contacts = frame()
    for name, value in change.items():
        if contacts[name].dtype == np.int64:
            contacts[name] = contacts[name].astype(float)
        contacts.iloc[row, contacts.columns.get_loc(name)] = value
    with pytest.raises(InvalidInput) as caught:
        build(contacts)
    assert caught.value.column == column
    assert caught.value.rows == (row,)
    assert caught.value.mend
    assert repr(column) in str(caught.value)


@pytest.mark.parametrize(
    ("roles", "told"),
    [
        ({"context": ["x", "nope"]}, "nope"),
        ({"context": ["x"], "categorical": ["segment"]}, "categorical"),
        ({"context": ["x", "channel"]}, "action factor"),
        ({"context": ["x", "reward"]}, "not known before"),
        ({"context": ["x", "x"]}, "twice"),
        ({"context": ["x", "sent"]}, "instants"),
        ({"context": ["x"], "reward": "segment"}, "numeric"),
        ({"eligible": np.ones((3, 4), dtype=bool)}, "shape"),
        ({"eligible": np.zeros((40, 4), dtype=bool)}, "excludes"),
    ],
)
def test_a_wrong_role_is_refused(roles, told):
    """Missing columns, leaks and impossible eligible sets are refused."""
    with pytest.raises(InvalidInput, match=told):
        build(frame(), **roles)


def test_an_empty_log_is_refused():
    """An empty frame is one clear error."""
    with pytest.raises(InvalidInput, match="empty"):
        build(frame().iloc[:0])


def test_a_reward_that_is_not_binary_is_refused_only_when_binary_was_asked_for():
    """The kind is inferred from mature rewards; asking for binary checks them."""
    contacts = frame()
    contacts.iloc[2, contacts.columns.get_loc("reward")] = 7.5
    assert build(contacts).reward_kind == "amount"
    assert build(frame()).reward_kind == "binary"
    with pytest.raises(InvalidInput, match="0 or 1") as caught:
        build(contacts, reward_kind="binary")
    assert caught.value.rows == (2,)


def test_protected_names_warn_and_stay():
    """The caller decides about protected attributes; the log only warns."""
    with pytest.warns(ProtectedAttributeWarning, match="age"):
        log = build(frame().assign(age=40), context=["x", "age"])
    assert "age" in log.context
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build(frame().assign(average_balance=1.0), context=["x", "average_balance"])


@pytest.mark.parametrize(
    "name",
    ["customerGender", "birthDate", "FechaNacimiento", "FECHA_NAC", "ageGroup", "AgeInYears",
     "Marital Status", "Género", "EDAD_TITULAR", "estadoCivil", "homeNeighbourhood", "barrioCliente",
     "HealthStatus", "postalCode", "ZIP Code", "Year_Birth", "Faixa etária", "customer_age", "is_female", "edad_deudor",
     "idade", "estado_salud", "Comuna", "distrito_residencia", "ESTRATO", "estrato social", "anio_nac", "AGEGRP",
     "es_hombre", "pueblo_originario", "femenina", "customer_age_days"],
)  # fmt: skip
def test_a_protected_attribute_is_told_however_its_name_is_written(name):
    assert protected_names([name]) == [name]


@pytest.mark.parametrize(
    "name",
    ["average", "account_age", "ageOfDebt", "page", "stage", "Mortgage", "agente", "sexto", "edad_mora", "EDAD_CARTERA",
     "Edad de la deuda", "idade_divida", "idadeAtraso", "salud_financiera", "financial_health",
     "age_days", "estrato_riesgo", "EstratoMuestra"],
)  # fmt: skip
def test_the_age_of_a_thing_and_words_that_hold_one_are_not_protected(name):
    assert protected_names([name]) == []


def test_split_is_by_time_and_folds_are_by_cluster():
    """No instant of the past is in the future; no account is in two folds."""
    log = build(frame())
    past, future = log.split("2026-01-01T12:00:00Z")
    assert pd.Series(past.time).max() < pd.Series(future.time).min()
    assert len(past) + len(future) == len(log)
    for train, held_out in log.folds(4):
        assert not set(train.account) & set(held_out.account)
        assert len(train) + len(held_out) == len(log)
    with pytest.raises(InvalidInput, match="every row"):
        log.split("2030-01-01")


def test_the_digest_tells_logs_apart():
    """Equal content, equal digest; one changed reward, another digest."""
    contacts = frame()
    assert build(contacts).digest == build(contacts.reset_index(drop=True)).digest
    other = contacts.copy()
    other.iloc[0, other.columns.get_loc("reward")] = 1 - other["reward"].iloc[0]
    assert build(contacts).digest != build(other).digest


def test_a_log_without_account_time_and_propensity_is_fine():
    """The least a log needs is context, action and reward."""
    log = build(frame(), account=None, time=None, propensity=None)
    assert log.propensity is None
    assert not log.has_account_history
    np.testing.assert_array_equal(log.groups, np.arange(40))


def test_numbers_in_object_columns_are_numbers():
    """As databases give them: Python numbers, Decimals and None; a category of a thousand amounts teaches nothing."""
    contacts = frame()
    plain = build(contacts)
    contacts["x"] = pd.Series(
        [None if i == 3 else Decimal(str(x)) for i, x in enumerate(contacts["x"])], dtype=object
    ).values
    contacts["reward"] = pd.Series(
        [None if i == 5 else int(r) for i, r in enumerate(contacts["reward"])], dtype=object
    ).values
    log = build(contacts)
    assert log.categorical == ("segment",)
    assert log.context["x"].isna().tolist() == [i == 3 for i in range(40)]
    np.testing.assert_allclose(np.delete(log.context["x"], 3), np.delete(plain.context["x"], 3))
    assert np.flatnonzero(~log.mature).tolist() == [5]
    contacts["x"] = contacts["x"].where(contacts["x"].notna(), Decimal("Infinity"))
    with pytest.raises(InvalidInput, match="finite or missing"):
        build(contacts)


@pytest.mark.parametrize(
    ("reward", "word"),
    [
        ("$ 1.000,50", "numeric"),
        (Decimal("12.5"), "numeric"),
        (1 + 0j, "numeric"),
        (np.inf, "finite"),
        (-1e31, "1e\\+30"),
        ("", "numeric"),
    ],
)
def test_a_reward_that_is_no_plain_number_is_one_clear_error(reward, word):
    """Money as people write it, Decimals, infinities: never guessed, with the row and the mend."""
    contacts = frame()
    contacts["reward"] = pd.Series([reward] * len(contacts)).values
    with pytest.raises(InvalidInput, match=word) as caught:
        build(contacts)
    assert caught.value.column == "reward"
    assert caught.value.rows
    assert caught.value.mend
