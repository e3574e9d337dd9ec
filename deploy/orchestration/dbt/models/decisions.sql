-- Every decision, also those to leave a credit alone, with the probability it was drawn with (empty where nobody drew).
select
    assignment_no as decision_id,
    credit_no as account_id,
    assigned_at at time zone '{{ var("zone") }}' as decided_at,
    channel,
    cast(hour_of_contact as integer) as hour, -- on the debtor's clock
    tone,
    probability as propensity,
    policy as policy_version
from {{ source('crm', 'assignments') }}
