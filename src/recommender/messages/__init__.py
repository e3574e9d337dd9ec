"""Approved message templates: what may be said, over which channel, in which tone."""

from recommender.messages.catalogue import (
    Catalogue,
    Message,
    default_catalogue,
    described,
)
from recommender.messages.lint import (
    Finding,
    lint_catalogue,
    lint_text,
)
from recommender.messages.own_catalogue import (
    own_catalogue,
    own_findings,
)
from recommender.messages.sms import (
    SmsLength,
    sms_length,
)
from recommender.messages.template import (
    STAGES,
    VARIABLES,
    CatalogueError,
    Template,
    sample_text,
    stage_of,
)
from recommender.messages.template_sources import (
    TABLE_COLUMNS,
)
from recommender.messages.tone import (
    ToneClassifier,
    infer_tones,
)

__all__ = [
    "STAGES",
    "TABLE_COLUMNS",
    "VARIABLES",
    "Catalogue",
    "CatalogueError",
    "Finding",
    "Message",
    "SmsLength",
    "Template",
    "ToneClassifier",
    "default_catalogue",
    "described",
    "infer_tones",
    "lint_catalogue",
    "lint_text",
    "own_catalogue",
    "own_findings",
    "sample_text",
    "sms_length",
    "stage_of",
]
