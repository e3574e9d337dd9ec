select
    credit_no as account_id,
    received_at at time zone '{{ var("zone") }}' as paid_at,
    cast(round(amount * 100) as bigint) as amount_minor, -- negative: taken back
    currency
from {{ source('crm', 'receipts') }}
