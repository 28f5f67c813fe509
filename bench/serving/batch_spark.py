#!/usr/bin/env python3
"""A file scored by Spark in local mode: batch_spark.py MODEL ROWS.csv OUT

MLflow's udf on all cores. OUT is a folder of CSV parts.
"""

import sys

import mlflow
from pyspark.sql import SparkSession
from pyspark.sql.functions import struct

model, rows, out = sys.argv[1:]
spark = SparkSession.builder.master("local[*]").config("spark.ui.enabled", "false").getOrCreate()
spark.sparkContext.setLogLevel("ERROR")
names = mlflow.models.Model.load(model).get_input_schema().input_names()
table = spark.read.csv(rows, header=True, schema=", ".join(f"`{name}` DOUBLE" for name in names))
predict = mlflow.pyfunc.spark_udf(spark, model, env_manager="local", result_type="double")
answers = table.select(
    predict(struct(*(table[f"`{name}`"] for name in names))).alias("predictions")
)
answers.write.mode("overwrite").csv(out, header=True)
spark.stop()
