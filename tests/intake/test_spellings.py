"""Numbers, moments, ids, words: one meaning however they are written, and a question where there are two."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.intake import (
    Moment,
    canonical_word,
    country_code,
    country_zone,
    day_evidence,
    decimal_evidence,
    id_key,
    id_keys,
    id_spellings,
    id_text,
    id_texts,
    moment_of,
    number_of,
)
from recommender.intake.words import channel_list, flag_list

BOGOTA = timezone(timedelta(hours=-5))


@given(st.integers(0, 10**12), st.integers(0, 99), st.sampled_from(["comma", "point"]))
def test_numbers_survive_both_ways_of_writing(whole, cents, sign):
    """Thousands and two decimals are read back, whichever sign is which, without being told."""
    written = f"{whole:,}.{cents:02d}"
    if sign == "comma":
        written = written.replace(",", "_").replace(".", ",").replace("_", ".")
    assert number_of(written) == pytest.approx(whole + cents / 100)


@pytest.mark.parametrize(
    ("text", "told", "value"),
    [("12.500", None, "open"), ("12.500", "comma", 12_500.0), ("12.500", "point", 12.5), ("12,500", "comma", 12.5),
     ("$ 1.000.000", None, 1e6), ("COP 1.000,50", None, 1000.5), ("(1.000,50)", None, -1000.5),
     ("1.000-", "comma", -1000.0),
     ("1 234,5", None, 1234.5), ("0.500", None, 0.5), ("inf", None, None), ("1.2.3", None, None), ("abc", None, None)],
)  # fmt: skip
def test_a_cell_that_may_be_two_numbers_is_asked_about(text, told, value):
    """A lone group of three digits says nothing; the column, or the user, does."""
    assert number_of(text, told) == value


def test_a_column_tells_its_decimal_sign():
    """One cell that can be read in one way only speaks for the others; two that differ speak for nothing."""
    assert decimal_evidence(["12.500", "1.000,50"]).decided == "comma"
    assert decimal_evidence(["12.500"]).decided is None
    assert decimal_evidence(["1.000,50", "1,000.50"]).decided is None


@pytest.mark.parametrize("text", ["-sms", "!call", "sms*", "call;-sms", "~sms", "sms?", "# sms"])
def test_a_sign_that_takes_a_word_back_is_no_consent(text):
    """Neither is what it leaves open; a hyphen within a word is none."""
    assert channel_list(text) is None
    assert channel_list("e-mail; whats-app") == "email;whatsapp"
    assert flag_list(text.replace("sms", "deceased").replace("call", "disputed")) is None


SPELLINGS = [
    "%Y-%m-%dT%H:%M:%S", "%Y/%m/%d %H:%M:%S", "%Y%m%d%H%M%S", "%d/%m/%Y %H:%M:%S", "%d-%m-%Y %I:%M:%S %p",
    "%d %b %Y %H:%M:%S", "%B %d, %Y %H:%M:%S", "%a, %d %b %Y %H:%M:%S",
]  # fmt: skip


@given(st.datetimes(datetime(1990, 1, 1), datetime(2060, 1, 1)), st.sampled_from(SPELLINGS))  # noqa: DTZ001
def test_local_times_are_read_back(at, spelling):
    """Every spelling of a second is that second."""
    at = at.replace(microsecond=0)
    read = moment_of(at.strftime(spelling), "dmy")
    assert isinstance(read, Moment)
    assert read.at == at
    assert not read.aware


@given(st.datetimes(datetime(1990, 1, 1), datetime(2060, 1, 1)), st.sampled_from([1, 1_000, 1_000_000]))  # noqa: DTZ001
def test_epochs_are_instants(at, factor):
    """Seconds, milliseconds and microseconds since 1970 are UTC."""
    instant = at.replace(microsecond=0, tzinfo=UTC)
    assert moment_of(str(int(instant.timestamp()) * factor)).at == instant


def test_spreadsheet_days_and_words():
    """A serial day with its fraction, ``a. m.`` with a hard blank, noon, and Spanish months."""
    eight = datetime(2026, 11, 27, 8)  # noqa: DTZ001
    assert moment_of("46353.3333333").at == eight
    assert moment_of("27/11/2026 08:00:00 a.\u00a0m.").at == eight
    assert moment_of("27 de noviembre de 2026 a las 8:00").at == eight
    assert moment_of("27/11/2026 12:00 m.").at == eight.replace(hour=12)
    assert moment_of("27/11/2026 12:30 a. m.").at == datetime(2026, 11, 27, 0, 30)  # noqa: DTZ001
    assert moment_of("2026-11-27 08:00 UTC-5").at == eight.replace(tzinfo=BOGOTA)
    assert moment_of("31/02/2026") is None
    assert moment_of("27/11/2026 25:00") is None
    assert moment_of("13/13/2026") is None


@given(st.integers(25_569, 62_092), st.integers(0, 86_399), st.sampled_from([".", ","]))
def test_a_whole_serial_day_has_no_clock(day, seconds, point):
    """A spreadsheet's number counts days from 1899-12-30, with a clock only where it has a fraction."""
    whole, timed = moment_of(str(day)), moment_of(f"{day + seconds / 86_400:.9f}".replace(".", point))
    assert (whole.at.date(), whole.timed) == (date(1899, 12, 30) + timedelta(days=day), False)
    assert (timed.at, timed.timed) == (whole.at + timedelta(seconds=seconds), seconds > 0)


def test_day_and_month_are_told_apart_by_evidence_or_not_at_all():
    """One cell over twelve settles a column; two that contradict each other settle nothing."""
    assert moment_of("03/04/2026") == "open"
    assert moment_of("03/04/2026", "dmy").at.date() == date(2026, 4, 3)
    assert moment_of("04/04/2026").at.date() == date(2026, 4, 4)
    assert moment_of("05/12/2026") == "open", "the twelfth may be a month"
    assert moment_of("05/13/2026").at.date() == date(2026, 5, 13)
    assert day_evidence(["03/04/2026", "13/04/2026"]).decided == "dmy"
    assert day_evidence(["03/04/2026", "04/13/2026"]).decided == "mdy"
    assert day_evidence(["13/04/2026", "04/13/2026"]).decided is None
    assert moment_of("03/04/26") == "open", "a year of two digits may be a day"
    for short in (["26/11/10"], ["10/26/11"], ["31/12/29", "01/02/30"]):
        assert day_evidence(short).decided is None, "what is more than twelve may be the year"


@given(st.integers(1, 10**9), st.integers(0, 5))
def test_programs_do_not_change_an_id(number, zeros):
    """Blanks, ``.0``, an apostrophe and lost zeros leave the key of an id as it is."""
    written = "0" * zeros + str(number)
    spelt = [written, f" {written} ", f"{number}.0", f"'{written}", number, float(number)]
    assert {id_keys(pd.Series([id_text(one)]))[0] for one in spelt} == {str(number)}
    assert {id_key(str(id_text(one))) for one in spelt} == {str(number)}
    assert {id_spellings([str(id_text(one))])[str(number)] for one in spelt} == {str(id_text(one)) for one in spelt}


def test_ids_that_differ_are_not_joined():
    """Letters, inner blanks, signs and case are part of an id; zeros before letters, too."""
    texts = ["A1", "a1", "0A1", "1-1", "1 1", "-1", "1.5", "10", "100"]
    assert len(set(id_keys(id_texts(pd.Series(texts))))) == len(texts)


ID_PARTS = (
    "null",
    "NULO",
    "n",
    "s",
    "vacio",
    "D",
    "0",
    "00",
    "7",
    "12",
    ".0",
    "e",
    "E+3",
    "-",
    "/",
    ".",
    "'",
    " ",
    "Ñ",
    "\u200b",
)


@given(st.lists(st.sampled_from(ID_PARTS), min_size=1, max_size=5).map("".join))
def test_an_id_is_read_alike_alone_and_in_a_column(text):
    """The quick ways past the rule (plain text, a plain column) agree with it, whatever the id looks like."""
    in_company = id_texts(pd.Series([text, "D10"], dtype="str"))
    assert in_company[1] == "D10"
    assert (None if pd.isna(in_company[0]) else in_company[0]) == id_text(text)


def test_words_of_the_trade():
    """Spanish and English words, with accents, capitals and blanks."""
    assert canonical_word("channel", " Llamada telefónica ") == "call"
    assert canonical_word("channel", "MENSAJE") == "sms"
    assert canonical_word("initiated_by", "cliente") == "debtor"
    assert canonical_word("initiated_by", "collector") == "creditor"
    assert canonical_word("outcome", "BUZÓN") == "not_connected"
    assert canonical_word("outcome", "lo que sea") is None
    assert [country_code(name) for name in ("COLOMBIA", "co", "Perú", "United States", "Atlantis")] == [
        "CO", "CO", "PE", "US", None,
    ]  # fmt: skip
    assert country_zone("CO") == "America/Bogota"
    assert country_zone("US") is None
