"""The work pool whose workers run jobs, and its deployment; once for each version of this code.

python -m flows.job_pool POOL
"""

import sys

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectNotFound
from prefect.types.entrypoint import EntrypointType

from flows.deployments import JOB_TEMPLATE
from flows.workpool import run_job


def deploy_job(pool: str) -> str:
    """Register the deployment job/POOL by which workers of `pool` run jobs; return its id.

    A pool that is not there is made, of processes, whose command nobody can set who starts a run.
    """
    with get_client(sync_client=True) as client:
        try:
            client.read_work_pool(pool)
        except ObjectNotFound:
            client.create_work_pool(
                WorkPoolCreate(name=pool, type="process", base_job_template=JOB_TEMPLATE)
            )
    # Not in the module of the flow: run as a program, that would be called `__main__`.
    deployment = RunnerDeployment.from_flow(
        run_job, pool, work_pool_name=pool, entrypoint_type=EntrypointType.MODULE_PATH
    )
    return str(deployment.apply())


if __name__ == "__main__":
    sys.stdout.write(f"{deploy_job(sys.argv[1])}\n")
