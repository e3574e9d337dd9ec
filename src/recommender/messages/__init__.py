"""Approved message templates: what may be said, over which channel, in which tone."""

from recommender.messages.catalogue import (
    STAGES,
    Catalogue,
    CatalogueError,
    Message,
    Template,
    default_catalogue,
    sample_text,
    stage_of,
)
from recommender.messages.lint import (
    Finding,
    lint_catalogue,
    lint_text,
)
from recommender.messages.sms import (
    SmsLength,
    sms_length,
)
from recommender.messages.tone import (
    ToneClassifier,
    infer_tones,
)

__all__ = [
    "STAGES",
    "Catalogue",
    "CatalogueError",
    "Finding",
    "Message",
    "SmsLength",
    "Template",
    "ToneClassifier",
    "default_catalogue",
    "infer_tones",
    "lint_catalogue",
    "lint_text",
    "sample_text",
    "sms_length",
    "stage_of",
]
