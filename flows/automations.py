"""What the Prefect server does by itself when it hears of something, or of nothing for long."""

from datetime import timedelta
from uuid import UUID

from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture

from flows.events import CHANGED

ENDED = ("Completed", "Failed", "Cancelled", "Crashed")
BEAT = "prefect.flow-run.heartbeat"


def silent_are_crashed() -> AutomationCore:
    """Mark flow runs as crashed that give no sign of life for 90 seconds.

    A worker that is killed cannot do that; they would be "running" for ever, and hold a slot.
    """
    return AutomationCore(
        name="prompt-transfer: silent runs have crashed",
        description="They are dead. Their next attempt goes on from the last checkpoint.",
        trigger=EventTrigger(
            after={BEAT},
            expect={
                *(f"prefect.flow-run.{state}" for state in ENDED),
                *(BEAT, "prefect.flow-run.AwaitingRetry"),
            },
            match={"prefect.resource.id": ["prefect.flow-run.*"]},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=90),
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message="no heartbeat for 90 s")],
    )


def changes_are_looked_at(reconcile: str) -> AutomationCore:
    """Start `reconcile`, the deployment with this id, as soon as something is told to have changed.

    Whether an adaptation is due, SQL says: what is told twice, or in vain, does no harm.
    """
    return AutomationCore(
        name="prompt-transfer: what changed is looked at",
        description="A champion, or a task's file. Without this the schedule finds it.",
        trigger=EventTrigger(
            expect={CHANGED},
            match={"prefect.resource.id": ["prompt-transfer.*"]},
            posture=Posture.Reactive,
            threshold=1,
        ),
        actions=[RunDeployment(source="selected", deployment_id=UUID(reconcile))],
    )
