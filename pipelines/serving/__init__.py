"""Prompts that answer rows: from lineage, or as an MLflow model that any pyfunc server loads."""
