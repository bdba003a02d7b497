"""Teachers: vanilla prompt tuning on one task. On a target it is the baseline, "from scratch"."""

from mpt.initial import vocabulary
from mpt.prompt import SoftPrompt
from pipelines.services import Services
from pipelines.spec import TeachSpec
from pipelines.training import generator
from pipelines.tuning import Training, run_alone, tuning


def teach(spec: TeachSpec, svc: Services) -> str:
    """Tune a prompt [P, H] on `spec.task`; return the id of the run that did.

    If a run has already done the same, its id is returned and nothing is trained.

    Raises:
        TooLong: prompt and input are over what the backbone declares.
        Busy: another process is at the same run.
    """
    return run_alone(teaching(spec, svc), spec, svc)


def teaching(spec: TeachSpec, svc: Services) -> Training:
    """Return the training of `teach`, to be run beside others."""
    return tuning(
        spec,
        None,
        lambda backbone: SoftPrompt(vocabulary(backbone, spec.prompt_length, generator(spec.seed))),
        svc,
    )
