"""What we knew: point-in-time features; every function takes the moment."""

from recommender.features._windows import (
    last_at_or_before,
    order_by_account,
    sums_ahead,
)
from recommender.features.account_history import (
    AccountHistory,
)
from recommender.features.contact_events import (
    LaterContacts,
)
from recommender.features.event_log import (
    local_hours,
)
from recommender.features.families import (
    family_of,
)
from recommender.features.personal_memory import (
    PersonalMemory,
)
from recommender.features.point_in_time import (
    Knowledge,
)
from recommender.features.time_line import (
    order_of,
)

__all__ = [
    "AccountHistory",
    "Knowledge",
    "LaterContacts",
    "PersonalMemory",
    "family_of",
    "last_at_or_before",
    "local_hours",
    "order_by_account",
    "order_of",
    "sums_ahead",
]
