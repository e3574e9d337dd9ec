-- A change history: every state with the instant from which it held. Amounts in minor units, instants with their zone.
select
    credit_no as account_id,
    customer_no as debtor_id,
    country,
    timezone,
    language,
    customer_kind as debtor_type,
    product,
    changed_at at time zone '{{ var("zone") }}' as valid_from,
    cast(round(balance * 100) as bigint) as balance_minor,
    currency,
    due_on as due_date,
    channels_with_data as channels_reachable,
    channels_allowed as channels_consented,
    channels_allowed as consented_channels, -- the same as a fact for the rules
    coalesce(nullif(stops, ''), 'none') as flags, -- an empty cell would be unknown, and unknown denies
    contact_of as party
from {{ source('crm', 'credit_states') }}
