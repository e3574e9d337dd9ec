"""Tables, logs and artefacts on disk."""

from recommender.store.files.artefact_folder import (
    folder_digest,
    move_into_place,
    stage,
)
from recommender.store.files.bank_marketing import (
    bank_feedback,
)
from recommender.store.files.log_files import (
    feedback_from_file,
    read_frame,
    read_roles,
    roles_path,
    write_frame,
    write_log,
    write_log_parts,
)
from recommender.store.files.other_sources import (
    json_documents,
)
from recommender.store.files.page_copies import (
    drop_page_copies,
)
from recommender.store.files.tables_io import (
    PLAN_COLUMNS,
    one_file,
    plan_as_contacts,
    read_table,
    write_quarantine,
)
from recommender.store.files.template_files import (
    catalogue_at,
    read_template_sources,
)

__all__ = [
    "PLAN_COLUMNS",
    "bank_feedback",
    "catalogue_at",
    "drop_page_copies",
    "feedback_from_file",
    "folder_digest",
    "json_documents",
    "move_into_place",
    "one_file",
    "plan_as_contacts",
    "read_frame",
    "read_roles",
    "read_table",
    "read_template_sources",
    "roles_path",
    "stage",
    "write_frame",
    "write_log",
    "write_log_parts",
    "write_quarantine",
]
