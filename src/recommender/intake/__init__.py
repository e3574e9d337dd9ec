"""How facts are written: one reading of tables for every verb, and what events make of the accounts."""

from recommender.intake.canonical import (
    Fault,
    Stated,
    TableReading,
    account_zones,
    refuse_faults,
    renamed_columns,
)
from recommender.intake.ids import (
    id_keys,
    id_text,
    id_texts,
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
from recommender.intake.states import (
    STATE_FLAGS,
    account_states,
    with_states,
)
from recommender.intake.vocabulary import (
    CHANNEL_NAMES,
    canonical_channel,
    canonical_word,
    column_synonyms,
    country_code,
    country_zone,
    plain_word,
)

__all__ = [
    "CHANNEL_NAMES",
    "STATE_FLAGS",
    "DayEvidence",
    "DecimalEvidence",
    "Fault",
    "Moment",
    "Stated",
    "TableReading",
    "account_states",
    "account_zones",
    "canonical_channel",
    "canonical_word",
    "column_synonyms",
    "country_code",
    "country_zone",
    "day_evidence",
    "decimal_evidence",
    "id_keys",
    "id_text",
    "id_texts",
    "moment_of",
    "number_of",
    "plain_word",
    "refuse_faults",
    "renamed_columns",
    "with_states",
]
