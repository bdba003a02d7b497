"""Which prompt is best for a task: by validation score, never by test score."""

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from pipelines.records import Best
from pipelines.registration import newest_test
from pipelines.tables import Prompt, Registration, Run, RunPrompt, Score


def best(session: Session, task: str, backbone_sha: str | None = None) -> Best | None:
    """Return the prompt for `task` with the best primary validation score.

    Of equal scores the smaller digest wins, so that everybody gives the same answer.
    """
    query = _candidates(task).limit(1)
    if backbone_sha is not None:
        query = query.where(Run.backbone_sha == backbone_sha)
    found = session.execute(query).first()
    return _answer(session, *found) if found else None


def _candidates(task: str) -> Select[tuple[Prompt, Run, Score, Registration]]:
    """Select each prompt that a run made for `task`, with its score, best first."""
    # The run's task and not the prompt's: two tasks may end with the same bytes.
    return (
        select(Prompt, Run, Score, Registration)
        .join(RunPrompt, RunPrompt.prompt_sha == Prompt.sha)
        .join(Run, Run.id == RunPrompt.run_id)
        .join(Score, Score.run_id == Run.id)
        .outerjoin(
            Registration,
            (Registration.prompt_sha == Prompt.sha) & (Registration.task == Run.task),
        )
        .where(RunPrompt.role == "made", Run.status == "completed", Run.task == task)
        .where(Score.split == "validation", Score.is_primary)
        .order_by(Score.value.desc(), Prompt.sha, Run.started_at, Run.id)
    )


def _answer(
    session: Session, prompt: Prompt, run: Run, score: Score, registration: Registration | None
) -> Best:
    test = newest_test(session, prompt.sha, run.task)
    return Best(
        prompt_sha=prompt.sha,
        task=run.task,
        kind=prompt.kind,
        backbone_sha=prompt.backbone_sha,
        metric=score.metric,
        validation_score=score.value,
        validation_n=score.n,
        test_score=test.value if test else None,
        test_n=test.n if test else None,
        model_name=registration.model_name if registration else None,
        version=registration.version if registration else None,
        champion=bool(registration and registration.champion),
        run_id=run.id,
    )
