"""Multitask prompt tuning in plain torch: no task's name, no Prefect, no MLflow, no SQL."""
