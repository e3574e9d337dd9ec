"""Overlays that use every kind of rule and every number that the schema knows and no packaged law uses yet."""

from __future__ import annotations

import tomllib
from typing import Any

__all__ = ["UNUSUAL", "overlay_of"]

_HEAD = """
schema = 1
kind = "overlay"
pack_version = "1"
reviewed_on = 2026-11-01
legal_status = "house-policy"
[[sources]]
id = "law"
law = "made for a test"
article = "-"
grade = "-"
says = "-"
"""

_ROLLING = """
id = "ROLLING"
title = "Spans in a row, elapsed hours, silences that begin a day later"
valid_from = 2024-02-29
valid_to = 2027-12-31
unit = "debt"
[time]
week = { kind = "rolling" }
[time.holidays]
country = "account"
extra = [2026-11-17]
remove = [2026-07-28]
[holiday_policy]
mode = "forbid"
cite = "law"
[[windows]]
id = "rolling-late"
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
from = "00:00"
to = "24:00"
channels = ["sms", "email"]
stages = ["due", "overdue"]
cite = "law"
[[windows]]
id = "rolling-early"
days = ["wed"]
from = "11:30"
to = "12:00:30"
channels = ["sms", "letter"]
stages = ["pre_due"]
cite = "law"
[[caps]]
id = "rolling-hours"
max = 2
per = { kind = "rolling_hours", hours = 49 }
scope = "each_channel"
cite = "law"
[[caps]]
id = "rolling-week"
max = 3
per = { kind = "week" }
scope = ["sms", "email"]
counts = "delivered"
exclude = ["wrong_party"]
min_gap_days = 4
alt = { min_gap_days = 2, basis = "a test" }
cite = "law"
[[caps]]
id = "rolling-away"
max = 1
per = { kind = "rolling_days", days = 5 }
scope = "all_channels"
place = "elsewhere"
alt = { counts = "live_contact", basis = "a test" }
cite = "law"
[[cooldowns]]
id = "rolling-silence"
after = "delivered"
by = ["email", "letter"]
days = 4
first_day = "next_day"
blocks = ["email", "sms"]
initiated_by = "creditor"
cite = "law"
[[exclusive_channel]]
id = "rolling-one-channel"
per = { kind = "rolling_days", days = 3 }
trigger = "delivered"
alt = { trigger = "live_contact", basis = "a test" }
cite = "law"
[[escalation]]
id = "rolling-step"
channels = ["letter"]
after = ["email", "sms"]
attempts = 2
within_days = 6
cite = "law"
[[tones]]
id = "rolling-tone"
from_days = 2
to_days = 4
tones = ["neutral"]
cite = "law"
[[needs_human]]
id = "rolling-human"
from_days = 3
cite = "law"
"""

_THURSDAYS = """
id = "THURSDAYS"
title = "A week that begins on Thursday"
valid_from = 2020-01-01
[time]
week = { kind = "calendar", starts = "thu" }
[[caps]]
id = "thursdays-week"
max = 2
per = { kind = "week" }
scope = "each_channel"
cite = "law"
[[caps]]
id = "thursdays-none"
max = 0
per = { kind = "calendar_day" }
scope = ["visit"]
cite = "law"
[[exclusive_channel]]
id = "thursdays-one-channel"
per = { kind = "week" }
cite = "law"
"""


_SPEAKING = """
id = "SPEAKING"
title = "Whom purposes are for, in every way that a rule can say it"
valid_from = 2020-01-01
[[speaks_of]]
id = "speaking-habit"
purpose = "pre_due_reminder"
about = "due_date"
from_days = -5
once = true
least_late_share = 0.25
cite = "law"
[[speaks_of]]
id = "speaking-promise"
purpose = "promise_follow_up"
about = "promise_on"
from_days = -2
to_days = 0
or_flag = "promise_open"
once = true
cite = "law"
[[speaks_of]]
id = "speaking-cure"
purpose = "win_back"
about = "cured_on"
from_days = 2
to_days = 9
not_overdue = true
cite = "law"
[[speaks_of]]
id = "speaking-money"
purpose = "collection"
about = "last_paid_on"
from_days = 3
cite = "law"
"""


def overlay_of(text: str) -> dict[str, Any]:
    """An overlay of its own rules, with what every pack must state."""
    head = _HEAD.split("[[sources]]", 1)
    return tomllib.loads(head[0] + text + "[[sources]]" + head[1])


UNUSUAL: dict[str, dict[str, Any]] = {raw["id"]: raw for raw in map(overlay_of, (_ROLLING, _THURSDAYS, _SPEAKING))}
