"""How facts are written: one reading of tables for every verb, and what events make of the accounts."""

from recommender.intake.account_statuses import doubt_statuses
from recommender.intake.acting_events import (
    HeardEvent,
    acting_events,
)
from recommender.intake.canonical import (
    TableReading,
)
from recommender.intake.clock_columns import (
    clock_column,
    with_clock,
)
from recommender.intake.column_meaning import renamed_columns
from recommender.intake.days import (
    account_zones,
    day_told,
    local_days,
)
from recommender.intake.encodings import (
    text_of_bytes,
    wrongly_encoded,
)
from recommender.intake.event_days import EVENT_DAYS
from recommender.intake.event_records import (
    AGREEMENT_DAYS,
    ASKS,
    FAILED,
    SAME_CONTACT_US,
)
from recommender.intake.faults import (
    Fault,
    Stated,
    refuse_faults,
    refuse_no_contacts,
)
from recommender.intake.frames import (
    as_frame,
)
from recommender.intake.ids import (
    digits_lost,
    id_key,
    id_keys,
    id_spellings,
    id_text,
    id_texts,
    padded,
    places_of,
)
from recommender.intake.moments import (
    DayEvidence,
    Moment,
    day_evidence,
    moment_of,
)
from recommender.intake.numbers import (
    DecimalEvidence,
    decimal_evidence,
    number_of,
)
from recommender.intake.one_spelling import one_spelling
from recommender.intake.personal_data import (
    cell_is_personal,
    column_is_personal,
    kind_of_name,
    personal_columns,
    text_is_personal,
)
from recommender.intake.profiles import (
    Mapped,
    Profile,
    flat_rows,
    map_export,
    point_key,
    propose_profiles,
    source_profiles,
)
from recommender.intake.pseudonyms import (
    pseudonym,
)
from recommender.intake.refusals import with_spoken_refusals
from recommender.intake.reversals import taken_back
from recommender.intake.states import (
    CASE_WORDS,
    LASTING_STOPS,
    LIFTS,
    account_states,
    acts_when_told,
    is_stop,
    with_case_states,
    with_states,
    words_of,
)
from recommender.intake.subdivisions import is_subdivision, subdivision_code, subdivision_codes
from recommender.intake.told_contacts import doubt_told_contacts
from recommender.intake.told_features import feature_says_stop
from recommender.intake.unread_stops import distinct_cells, doubt_unread_stops, unread_stops
from recommender.intake.vocabulary import (
    CHANNEL_NAMES,
    canonical_channel,
    canonical_word,
    column_synonyms,
    country_code,
    country_zone,
    is_placeholder,
)
from recommender.intake.words import (
    currency_code,
    factorized,
    flag_of,
    hashable,
    is_blank,
    language_code,
    zone_name,
)
from recommender.spelling import column_word, plain_word

__all__ = [
    "AGREEMENT_DAYS",
    "ASKS",
    "CASE_WORDS",
    "CHANNEL_NAMES",
    "EVENT_DAYS",
    "FAILED",
    "LASTING_STOPS",
    "LIFTS",
    "SAME_CONTACT_US",
    "DayEvidence",
    "DecimalEvidence",
    "Fault",
    "HeardEvent",
    "Mapped",
    "Moment",
    "Profile",
    "Stated",
    "TableReading",
    "account_states",
    "account_zones",
    "acting_events",
    "acts_when_told",
    "as_frame",
    "canonical_channel",
    "canonical_word",
    "cell_is_personal",
    "clock_column",
    "column_is_personal",
    "column_synonyms",
    "column_word",
    "country_code",
    "country_zone",
    "currency_code",
    "day_evidence",
    "day_told",
    "decimal_evidence",
    "digits_lost",
    "distinct_cells",
    "doubt_statuses",
    "doubt_told_contacts",
    "doubt_unread_stops",
    "factorized",
    "feature_says_stop",
    "flag_of",
    "flat_rows",
    "hashable",
    "id_key",
    "id_keys",
    "id_spellings",
    "id_text",
    "id_texts",
    "is_blank",
    "is_placeholder",
    "is_stop",
    "is_subdivision",
    "kind_of_name",
    "language_code",
    "local_days",
    "map_export",
    "moment_of",
    "number_of",
    "one_spelling",
    "padded",
    "personal_columns",
    "places_of",
    "plain_word",
    "point_key",
    "propose_profiles",
    "pseudonym",
    "refuse_faults",
    "refuse_no_contacts",
    "renamed_columns",
    "source_profiles",
    "subdivision_code",
    "subdivision_codes",
    "taken_back",
    "text_is_personal",
    "text_of_bytes",
    "unread_stops",
    "with_case_states",
    "with_clock",
    "with_spoken_refusals",
    "with_states",
    "words_of",
    "wrongly_encoded",
    "zone_name",
]
