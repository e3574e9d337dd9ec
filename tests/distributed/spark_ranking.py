"""Rank accounts by an exported strategy on a local Spark, as docs/distributed.md tells; run by test_spark.py.

python spark_ranking.py EXPORT ACCOUNTS.parquet OUT.parquet
"""

import sys

import mlflow.pyfunc
import pyarrow.parquet as pq
from pyspark.sql import SparkSession
from pyspark.sql.functions import struct


def main(export: str, accounts_path: str, out: str) -> None:
    """Read, rank in partitions, write."""
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "2")
        .getOrCreate()
    )
    accounts = spark.read.parquet(accounts_path).repartition(5)
    rank = mlflow.pyfunc.spark_udf(
        spark,
        export,
        env_manager="local",
        result_type="channel_1 string, hour_1 string, propensity_1 double, expected_reward_1 double",
        params={"as_of": "2026-11-23T13:00:00+00:00", "top_k": 1},
    )
    plan = accounts.withColumn("next", rank(struct(*accounts.columns)))
    # MLflow casts text columns with numpy, which makes words of nulls
    table = plan.select("account_id", "next.*").replace(["nan", "None"], None).toArrow()
    pq.write_table(table, out)
    sys.stdout.write(
        f"Spark {spark.version}: {table.num_rows} accounts ranked in {accounts.rdd.getNumPartitions()} partitions\n"
    )
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
