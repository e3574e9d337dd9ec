#!/bin/sh
# Learn from what lies before the cut, and let the gate judge by what came after it: neither the challenger nor the
# champion of an earlier week was trained on that. Exit code 3: the gate refused, which is an answer, not a failure.
set -eu
: "${WAREHOUSE:=data/warehouse.duckdb}"
: "${AS_OF:=$(date +%Y-%m-%dT00:00:00%:z)}"
: "${CUT:=$(date -d "${AS_OF%%T*} 56 days ago" +%Y-%m-%dT00:00:00%:z)}"

python -m pipelines ingest --accounts "$WAREHOUSE#accounts" --decisions "$WAREHOUSE#decisions" \
    --contacts "$WAREHOUSE#contacts" --outcomes "$WAREHOUSE#outcomes" --payments "$WAREHOUSE#payments" \
    --reward right_party_contact --as-of "$AS_OF" --out data/log.parquet
python -m pipelines doctor data/log.parquet --html data/doctor.html
python -m pipelines train data/log.parquet --until "$CUT" --out models/challenger --register
python -m pipelines promote challenger --log data/log.parquet --since "$CUT" --slice-by stage --by weekly
