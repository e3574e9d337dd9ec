"""Contact data of people is seen however the name of its column is written, by one reader of names on every road."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import recommender
from recommender.errors import InvalidInput
from recommender.history import protected_names
from recommender.history.contract_check import check_table
from recommender.intake import cell_is_personal, column_word, kind_of_name, personal_columns
from recommender.store.decision_log import refuse_contact_data
from recommender.tables import CONTRACTS

#: Words of a name -> kinds of what it may hold; each is written in all the ways below.
NAMES = {
    ("phone", "number"): "personal", ("correo", "electronico"): "personal", ("telefono", "celular"): "personal",
    ("home", "phone"): "personal", ("email", "address"): "personal", ("nombre", "completo"): "personal",
    ("customer", "email"): "personal", ("cedula",): "personal", ("direccion", "residencia"): "personal",
    ("phone", "type"): "describes contact", ("email", "read", "rate"): "describes contact",
    ("nombre", "producto"): "plain", ("days", "since", "contact"): "plain", ("balance", "minor"): "plain",
    ("reachable", "whatsapp"): "plain", ("contacts", "30d"): "plain",
}  # fmt: skip
WAYS = {
    "snake": "_".join,
    "blank": " ".join,
    "capitals": lambda words: "_".join(words).upper(),
    "dotted": lambda words: ".".join(words).title(),
    "humps": lambda words: words[0] + "".join(word.capitalize() for word in words[1:]),
    "Humps": lambda words: "".join(word.capitalize() for word in words),
    "of a CRM": lambda words: "".join(word.capitalize() for word in words) + "__c",
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("words", NAMES)
def test_a_name_says_the_same_in_whatever_way_it_is_written(words, way):
    """Humps, capitals, blanks and points are the same words."""
    kind = kind_of_name(WAYS[way](list(words)))
    assert ("personal" if kind in ("contact", "about contact") else kind) == NAMES[words]


@pytest.mark.parametrize(
    "name", ["phonenumber", "TELEFONO1", "Teléfono", "celular2", "correoelectronico", "E-mail", "numTel", "Fono", "NIT"]
)
def test_names_in_one_piece_and_with_numbers_are_seen(name):
    """``celular2`` is as much a phone as ``celular``."""
    assert kind_of_name(name) in ("contact", "about contact")


@given(st.lists(st.text("abcdefghij", min_size=2, max_size=6), min_size=1, max_size=4))
def test_the_reader_of_names_gives_its_words_back(words):
    """However they are joined."""
    assert {column_word(way(words)) for name, way in WAYS.items() if name != "capitals"} == {"_".join(words)}
    assert column_word("_".join(words).upper()) == "_".join(words)


def test_humps_are_read_in_one_place():
    """Two readers of names are two meanings: whoever asks what a column is called asks ``recommender.spelling``."""
    folder = Path(recommender.__file__).parent
    readers = [path.name for path in folder.rglob("*.py") if "(?<=[a-z0-9])(?=[A-Z])" in path.read_text("utf-8")]
    assert readers == ["spelling.py"]
    assert protected_names(["customerGender", "FechaNacimiento"]) == ["customerGender", "FechaNacimiento"]


def test_what_a_cell_holds_decides_where_the_name_leaves_it_open():
    """A yes, a rate and a count are features; seven digits are somebody's."""
    told = {
        ("whatsapp", 573001234567): True, ("whatsapp", "573001234567"): True, ("whatsapp", True): False,
        ("whatsapp", "Si"): False, ("mobile", "mobile"): False, ("partner_id/mobile", "300 123 4567"): True,
        ("phone_attempts", 3): False, ("phone_number", "300"): True,
        ("HomePhone", "6011234"): True, ("anything", "ana@x.co"): True, ("anything", "+57 300 1234567"): True,
        ("anything", "mora"): False, ("numeroDocumento", 1): True, ("balance_minor", 5_000_000): False,
    }  # fmt: skip
    assert {case: cell_is_personal(*case) for case in told} == told


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("tipo_telefono", ["CEL", "FIJO"]), ("tiene_celular", ["SI", "NO"]), ("operador_celular", ["CLARO", "WOM"]),
        ("saldo_cc", [12_000_000.0, 3.0]), ("precioCelular", [2_500_000, 0]), ("email_domain", ["gmail.com"]),
        ("contactabilidad_telefono", ["ALTA", "BAJA"]), ("phone_match", ["full", "none"]), ("addr_state", ["CA", "NY"]),
        ("nome_produto", ["Cartao"]), ("nombre_oficina", ["Centro"]), ("ciudad_nacimiento", ["Cali"]),
        ("contact", ["cellular", "telephone"]), ("FLAG_WORK_PHONE", [0, 1]), ("DAYS_LAST_PHONE_CHANGE", [-1134.0, 0.0]),
    ],
)  # fmt: skip
def test_what_is_known_about_contact_data_is_a_feature_on_every_road(name, cells):
    """Kinds, yeses, amounts, places and things that bear a name: whole columns and cell by cell."""
    assert personal_columns(pd.DataFrame({name: cells})) == []
    assert not any(cell_is_personal(name, cell) for cell in cells)


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("whatsapp_number2", 573001234567), ("cell_no", "300 123 4567"), ("NUIP", "1020304050"), ("dir_casa", "Cra 5"),
        ("borrower_name", "Ana"), ("cust_nm", "Ana"), ("apellido_paterno", "Rey"), ("home_addr", "5 Main St"),
        ("numero_tarjeta", 4_111_111_111_111_111), ("estado_celular", "3001234567"), ("num_doc", "1020304050"),
        ("emergency_contact", "3001234567"), ("tarjetaIdentidad", "1020304050"), ("tiene_celular", "3001234567"),
    ],
)  # fmt: skip
def test_further_names_of_people_papers_and_places(name, cell):
    """Where the name leaves it open the cell decides."""
    assert cell_is_personal(name, cell) and personal_columns(pd.DataFrame({name: [cell, None]})) == [name]


def test_every_road_refuses_or_leaves_out_the_same_columns():
    """``ingest`` leaves out what the API refuses, by name and by cells; the rest stays."""
    personal = {"phoneNumber": "3001234567", "CorreoElectronico": "a@b.co", "telefonoCelular": 3001234567,
                "contact_number": "3001234567", "x1": "ana@x.co"}  # fmt: skip
    plain = {"income": 12, "phoneType": "mobile", "nombreProducto": "Libranza", "whatsapp": "Si"}
    frame = pd.DataFrame([{"account_id": "A1", **personal, **plain}])
    assert personal_columns(frame) == list(personal)
    counted = pd.DataFrame({"phone_attempts": ["3", "0"], "email_ok": ["SI", ""], "phone_home": ["601", "6011234"]})
    assert personal_columns(counted) == ["phone_home"]  # a text file writes numbers and yeses as text
    checked = check_table(frame, CONTRACTS["accounts"], as_of=pd.Timestamp("2026-11-25T00:00Z"))
    assert {*checked.frame.columns} >= {*plain} and not {*checked.frame.columns} & {*personal}
    assert sum("looks like contact data" in note for note in checked.notes) == len(personal)
    refuse_contact_data(plain)
    for name, value in personal.items():
        with pytest.raises(InvalidInput, match=name):
            refuse_contact_data({name: value})


FLAGS = (
    ["yes", "no"], ["SI", "NO", None], ["S", "N", ""], [1, 0, 1], [True, False], ["1", "0"], [1.0, None, 0.0],
    ["none", "yes"], ["tiene", "no tiene"], ["Sim", "Não"], ["mobile", "landline"],
)  # fmt: skip


@pytest.mark.parametrize("name", ["phone", "teléfono", "Celular2", "email", "homePhone", "Has Phone", "customer_email"])
@pytest.mark.parametrize("cells", FLAGS, ids=str)
def test_whether_there_is_a_phone_is_a_feature(name, cells):
    """A column of yes and no under the name of contact data holds none; as a whole and cell by cell."""
    assert personal_columns(pd.DataFrame({name: cells})) == []
    refuse_contact_data({name: cells[0]})
    with_one = [*cells[:1], "3001234567" if isinstance(cells[0], str) else 3_001_234_567]
    assert personal_columns(pd.DataFrame({name: with_one})) == [name]
    with pytest.raises(InvalidInput):
        refuse_contact_data({name: with_one[1]})


@pytest.mark.parametrize(
    ("name", "cells"),
    [("phone", [None, None]), ("celular", ["", " "]), ("cedula", [1, 0]), ("calle", ["1"]), ("nombre", ["Si", "Ana"]),
     ("phone", ["123"]), ("email", ["none", "a@b.co"]), ("phone", [12, 1])],
)  # fmt: skip
def test_what_may_be_somebodys_is_left_out(name, cells):
    """Nothing but the name of the column tells, or one cell may be a number, a street, a name."""
    assert personal_columns(pd.DataFrame({name: cells})) == [name]
