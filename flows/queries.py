"""Questions of the command line that name a prompt or ask for one."""

import re

from flows.settings import open_lineage, open_registry
from pipelines import registration
from pipelines.lineage import Lineage
from pipelines.records import MULTITASK, Best


class NoPrompt(LookupError):
    """No prompt answers the question."""

    names_a_prompt = True


def best_prompt(task: str, from_mlflow: bool) -> Best:
    """Return the best prompt for `task`, from lineage or from MLflow alone.

    Raises:
        UnknownTask: there is no such task.
        NoPrompt: no prompt has been trained for it here.
    """
    import tasks

    if task != MULTITASK:
        tasks.get(task)
    if from_mlflow:
        with open_registry() as registry:
            found = registry.best_from_mlflow(task)
    else:
        with open_lineage() as lineage:
            found = lineage.best(task)
    if found is None:
        raise NoPrompt(
            f"no prompt for {task!r} is recorded here: `prompt-transfer adapt {task}` makes one, "
            "and --home says where to look"
        )
    return found


def source_prompt(named: str, backbone_sha: str, lineage: Lineage) -> str:
    """Return the digest of the source prompt that a person named, for one backbone.

    Args:
        named: best, @champion, a version number, or a digest's first 6 or more digits.
        backbone_sha: digest of the backbone that it is for.
        lineage: where to look.

    Raises:
        NoPrompt: there is none.
        UnknownId: no prompt has this digest, or several have.
    """
    if named == "best":
        best = lineage.best(MULTITASK, backbone_sha)
        return _found(best.prompt_sha if best else None, named)
    if named == "@champion" or re.fullmatch(r"[0-9]{1,5}", named):
        version = None if named == "@champion" else int(named)
        with lineage.database.reading() as session:
            return _found(registration.registered(session, MULTITASK, backbone_sha, version), named)
    return lineage.get_prompt(named).sha


def _found(sha: str | None, named: str) -> str:
    if sha is None:
        raise NoPrompt(
            f"no source prompt {named!r} is recorded here for this backbone: "
            "`prompt-transfer learn SPEC` makes one, and --home says where to look"
        )
    return sha
