"""The earliest legal instant on nights whose clock goes back, against every minute of the night."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from recommender.rules import CHANNELS, check_cases
from tests.rules.unusual_packs import overlay_of

#: A quarter of an hour that the clock shows twice on one night of the year.
_TWICE = """
id = "TWICE"
title = "A window within the repeated hour"
valid_from = 2024-02-29
[[windows]]
id = "twice"
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
from = "{begins}"
to = "{ends}"
channels = ["sms"]
cite = "law"
"""
MINUTE = dt.timedelta(minutes=1)


def asked(at, zone):
    """An account that asked for information, which the Colombian hours do not bind."""
    return {
        "packs": ["CO"], "at": at.isoformat(), "channel": "sms", "purpose": "requested_information", "contacts": [],
        "account": {
            "account_id": "A", "debtor_id": "D", "country": "CO", "timezone": zone, "phone": None, "party": "debtor",
            "due_date": "2026-10-01", "balance_minor": 5, "consented_channels": list(CHANNELS), "flags": [],
            "information_requested_on": at.date().isoformat(),
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    ("zone", "midnight", "begins", "ends"),
    [
        ("America/New_York", dt.datetime(2026, 11, 1, 4, tzinfo=dt.UTC), dt.time(1, 30), dt.time(1, 45)),
        ("Europe/Madrid", dt.datetime(2026, 10, 24, 22, tzinfo=dt.UTC), dt.time(2, 10), dt.time(2, 20)),
        ("America/Santiago", dt.datetime(2026, 4, 4, 22, tzinfo=dt.UTC), dt.time(23, 15), dt.time(23, 30)),
    ],
)
def test_a_window_opens_twice_where_the_clock_goes_back(zone, midnight, begins, ends):
    """After its first close the next opening is the second one of the same night, not that of the next day."""
    overlay = overlay_of(_TWICE.format(begins=begins, ends=ends))
    every = [midnight + n * MINUTE for n in range(9 * 60)]
    open_ = [begins <= at.astimezone(ZoneInfo(zone)).time() < ends for at in every]
    opened = sum(now and not before for before, now in zip([False, *open_], open_, strict=False))
    assert opened == 2
    last = max(n for n, now in enumerate(open_) if now)
    verdicts = list(check_cases([asked(at, zone) for at in every[: last + 1]], overlays=[overlay]))
    for n, verdict in enumerate(verdicts):
        assert verdict["allowed"] == open_[n], (every[n], verdict)
        first = next(at for at, now in zip(every[n:], open_[n:], strict=True) if now)
        assert dt.datetime.fromisoformat(verdict["next_allowed_at"]) == first, every[n]


_LATER = """
id = "LATER"
title = "Nothing is said of any day before"
valid_from = 2027-01-19
[[windows]]
id = "later"
days = ["tue"]
from = "07:00"
to = "19:00"
cite = "law"
"""


@pytest.mark.parametrize("contacts", [[], [{"hours": 30}]])
@pytest.mark.parametrize(("before", "is_found"), [(-1, True), (0, True), (1, False)])
def test_the_next_instant_is_looked_for_up_to_sixty_days_ahead(before, is_found, contacts):
    """An opening exactly at the end is found; one that lies a microsecond beyond it is not told."""
    opening = dt.datetime(2027, 1, 19, 12, tzinfo=dt.UTC)  # seven in Bogota, a Tuesday
    at = opening - dt.timedelta(days=60, microseconds=before)
    case = asked(at, "America/Bogota") | {"purpose": "collection"}
    case["contacts"] = [
        {"account_id": "A", "debtor_id": "D", "channel": "sms", "initiated_by": "creditor", "status": "sent",
         "outcome": "delivered", "sent_at": (at - dt.timedelta(hours=one["hours"])).isoformat()}
        for one in contacts
    ]  # fmt: skip
    (verdict,) = check_cases([case], overlays=[overlay_of(_LATER)])
    assert not verdict["allowed"]
    found = verdict["next_allowed_at"]
    assert (dt.datetime.fromisoformat(found) if found else None) == (opening if is_found else None)
