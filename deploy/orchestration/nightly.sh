#!/bin/sh
# The contacts of the day, from the warehouse. The moment is that of the day, not of the start: a run that was killed and
# is started again goes on where it stood, and one that is started twice gives the same plan.
set -eu
: "${WAREHOUSE:=data/warehouse.duckdb}"
: "${AS_OF:=$(date +%Y-%m-%dT06:00:00%:z)}"
strategy=$(python deploy/orchestration/champion.py)

python -m pipelines score "$WAREHOUSE#accounts" --contacts "$WAREHOUSE#contacts" --outcomes "$WAREHOUSE#outcomes" \
    --payments "$WAREHOUSE#payments" --as-of "$AS_OF" --strategy "$strategy" \
    --decision-log sqlite:///models/decisions.db --out "data/plans/${AS_OF%%T*}.parquet"
