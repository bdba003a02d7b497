"""Questions of the command line that name a prompt or ask for one."""

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from flows.settings import open_lineage, open_questions, open_registry
from pipelines import best
from pipelines.best import ALL, Best, Wanted
from pipelines.records import GROUP, MULTITASK

if TYPE_CHECKING:
    from pipelines.group_spec import GroupSpec
    from pipelines.lineage import Lineage
    from pipelines.services import Services
    from pipelines.spec import AdaptSpec
    from pipelines.suggest import Suggested


MAKERS = {MULTITASK: "learn SPEC", GROUP: "adapt TASK TASK --together"}
"""Which command makes the prompts of several tasks."""


class NoPrompt(LookupError):
    """No prompt answers the question."""

    names_a_prompt = True


def best_prompt(task: str, wanted: Wanted, from_mlflow: bool) -> Best:
    """Return the best prompt for `task`, a name or a file, from lineage or from MLflow alone.

    Raises:
        UnknownTask: there is no such task.
        BadDefinition: the file of a user's own task is not there, or wrong.
        NoPrompt: no prompt has been trained for it here, or none that is wanted.
    """
    task = task_name(task)
    if from_mlflow:
        with open_registry() as registry:
            found = registry.best(task, wanted)
    else:
        with open_questions() as database, database.asking() as reader:
            found = next(iter(best.ranking(reader, task, wanted)), None)
    if found is None:
        if task not in MAKERS:
            import tasks

            tasks.get(task)
        such = "" if wanted == ALL else "such "
        raise NoPrompt(
            f"no {such}prompt for {task!r} is recorded here: `prompt-transfer "
            f"{MAKERS.get(task, f'adapt {task}')}` makes one, and --home says where to look"
        )
    return found


def best_of_all(wanted: Wanted, from_mlflow: bool) -> list[Best]:
    """Return the best prompt for each task that has any, from lineage or from MLflow alone."""
    if from_mlflow:
        with open_registry() as registry:
            return registry.best_of_all(wanted)
    with open_questions() as database, database.asking() as reader:
        return best.best_of_all(reader, wanted)


def suggested_sources(task: str, wanted: Wanted) -> "Suggested | None":
    """Return which source prompts to start from.

    None: there is none for the backbone, or the rows of the task are not here.
    """
    sources = Wanted(backbone=wanted.backbone)
    with open_lineage() as lineage:
        if task in MAKERS or lineage.best(MULTITASK, sources) is None:
            return None
    from flows.settings import open_services
    from pipelines.suggest import suggest

    with open_services() as svc, suppress(LookupError, ValueError):
        return suggest(task, svc, sources)
    return None


def task_name(given: str) -> str:
    """Return the name of a task that is given by its name or by a user's own file."""
    if re.fullmatch("[a-z0-9_-]+", given):
        return given  # whether there is such a task is asked only where nothing is found
    import tasks

    return tasks.find(given).name


def source_for(specs: Sequence["AdaptSpec | GroupSpec"], named: str, svc: "Services") -> str:
    """Return the digest of the source prompt that a person named, if it suits all of `specs`.

    Raises:
        LookupError: a task, the backbone or the prompt is unknown.
        ValueError: rows are missing or wrong, or the prompt does not fit.
    """
    from pipelines.adapt import check_parent
    from pipelines.asking import rows_once
    from pipelines.check import names_once
    from pipelines.mixture import datasets_of

    given = [[svc.task(name) for name in _tasks(spec)] for spec in specs]
    names_once([one for targets in given for one in targets])
    for one in (one for targets in given for one in targets):
        one.check_split("train")
    backbone = svc.backbone(specs[0].backbone, specs[0].precision)
    parent = svc.lineage.get_prompt(source_prompt(named, backbone.digest, svc.lineage))
    for spec, targets in zip(specs, given, strict=True):
        if len(targets) > 1:
            rows_once(datasets_of(spec, targets))
        its = svc.backbone(spec.backbone, spec.precision)
        check_parent(parent, spec, its)
        for one in targets:
            one.check_length(its, spec.backbone, parent.num_tokens, spec.max_length)
    return parent.sha


def _tasks(spec: "AdaptSpec | GroupSpec") -> list[str]:
    from pipelines.group_spec import GroupSpec

    return spec.tasks if isinstance(spec, GroupSpec) else [spec.task]


def source_prompt(named: str, backbone_sha: str, lineage: "Lineage") -> str:
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
        first = lineage.best(MULTITASK, Wanted(backbone=backbone_sha))
        return _found(first.prompt if first else None, named)
    if named == "@champion" or re.fullmatch(r"[0-9]{1,5}", named):
        from pipelines import registration

        version = None if named == "@champion" else int(named)
        with lineage.database.reading() as connection:
            return _found(
                registration.registered(connection, MULTITASK, backbone_sha, version), named
            )
    return lineage.get_prompt(named).sha


def _found(sha: str | None, named: str) -> str:
    if sha is None:
        raise NoPrompt(
            f"no source prompt {named!r} is recorded here for this backbone: "
            "`prompt-transfer learn SPEC` makes one, and --home says where to look"
        )
    return sha
