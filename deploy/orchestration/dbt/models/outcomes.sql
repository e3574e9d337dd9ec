-- The collector's words are read as they are (docs/exports.md); a word nobody listed is reported, not guessed.
select
    contact_no as contact_id,
    happened_at at time zone '{{ var("zone") }}' as occurred_at,
    lower(result) as outcome
from {{ source('crm', 'contact_events') }}
