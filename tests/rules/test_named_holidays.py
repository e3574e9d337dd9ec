"""Holidays by name: in the language asked for where the calendar speaks it, and only those that the packs know."""

from datetime import date

import pytest

from recommender.rules import PackError, named_holidays
from recommender.rules.calendars import holiday_name
from recommender.rules.schema import Holidays

BOYACA = date(2026, 8, 7)
WEEK = [date(2026, 8, day) for day in range(3, 10)]


def test_a_name_in_the_language_asked_for():
    """Spanish, English, and where there is no Portuguese the calendar's own language, said to be it."""
    told = {one: named_holidays(["CO"], WEEK, country="CO", language=one) for one in ("es", "en", "pt")}
    assert told == {
        "es": {BOYACA: ("Batalla de Boyacá", "es")},
        "en": {BOYACA: ("Battle of Boyacá", "en")},
        "pt": {BOYACA: ("Batalla de Boyacá", "es")},
    }
    assert named_holidays(["CO"], [date(2026, 8, 8)], country="CO") == {}
    with pytest.raises(PackError, match="no rule pack"):
        named_holidays(["XX"], WEEK, country="CO")


def test_corrections_of_a_pack_and_unknown_calendars_have_no_name():
    """A date that a pack takes out is none; one it adds has no name; a country without a calendar tells nothing."""
    rule = Holidays(country="CO", remove=(BOYACA,), extra=(date(2026, 8, 5),))
    assert holiday_name(rule, "CO", "", BOYACA, "es") is None
    assert holiday_name(rule, "CO", "", date(2026, 8, 5), "es") is None
    assert holiday_name(Holidays(country="account"), "XX", "", BOYACA, "es") is None
