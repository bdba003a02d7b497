"""`prompt-transfer up`: Prefect, MLflow and a worker on one machine, for real use."""
