select
    contact_no as contact_id,
    credit_no as account_id,
    assignment_no as decision_id,
    sent_at at time zone '{{ var("zone") }}' as sent_at,
    channel,
    tone,
    text_kind as message_kind,
    text_no as template_id,
    begun_by as initiated_by,
    state as status,
    cast(round(cost * 100) as bigint) as cost_minor
from {{ source('crm', 'contact_log') }}
