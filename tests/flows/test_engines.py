"""What is asked of other machines is asked of machines that are there."""

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.engines import NoCluster, task_runner
from flows.errors import TRY_AGAIN, exit_status


@pytest.mark.parametrize(
    ("engine", "cluster"),
    [("dask", "tcp://127.0.0.1:9"), ("ray", "127.0.0.1:9"), ("ray", "ray://127.0.0.1:9")],
)
def test_a_cluster_that_does_not_answer_is_told_at_once_and_in_one_line(
    monkeypatch, engine, cluster
):
    monkeypatch.setenv("PROMPT_TRANSFER_ENGINE", engine)
    monkeypatch.setenv("PROMPT_TRANSFER_CLUSTER", cluster)
    server = temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"})
    with server, pytest.raises(NoCluster) as told:
        task_runner()
    assert exit_status(told.value) == TRY_AGAIN
    assert f"no {engine} cluster answers at {cluster} ([Errno 111] Connection refused)" in str(
        told.value
    )
