"""The history as a folder of Parquet files: written by `export`, read by every verb that changes nothing.

    DIR/flakediag.json                                           what belongs to the dataset, see manifest.py
    DIR/tests/project=shop/000001-0003.parquet                   the tests of a project, numbered
    DIR/results/project=shop/month=2026-11/000001-0001.parquet   and so runs, failures and details, see tables.py

A month is that of the runs' start, in UTC. DuckDB reads the files where they lie, on a disk or in an object store.
"""
