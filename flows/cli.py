"""The command line. Each command is imported when it is called: `--help` must be quick."""

import signal
import sys

from cyclopts import App, CycloptsError

app = App(
    name="prompt-transfer",
    help="Learn one soft prompt from many tasks; transfer it to new ones.",
    version_flags=["--version"],
    suppress_keyboard_interrupt=False,  # `main` has something to say
)
# No function can have the name of a statement; `tasks` has commands of its own.
CALLED = {"take": "import", "app": "tasks"}
for where, commands in {
    "flows.commands": {
        "demo": "Run the main job on the built-in tasks and backbone: a few minutes, no network.",
        "run": "Run a whole transfer: teachers, source prompt, targets and their baselines.",
        "learn": "Train only the teachers and the source prompt of a spec, and register them.",
        "adapt": "Adapt a source prompt to one task or several, and test it on each.",
        "few_shot": "Learn tasks from a few examples each: CPT, beside its controls.",
    },
    "flows.operating": {
        "up": "Start Prefect, MLflow and a worker on this machine; Ctrl-C stops all.",
        "deploy": "Register all flows with the Prefect server, and schedules for them.",
        "status": "Say what is up, what runs and waits, and what starts next.",
    },
    "flows.comparison": {
        "baseline": "Train other methods through PEFT, such as LoRA, with the same budget.",
    },
    "flows.best": {
        "best": "Say which prompt is best for a task, or for each, by validation score.",
        "promote": "Make a prompt the champion of its task, if it passes the gate.",
        "rollback": "Make the champion before this one champion again.",
        "moves": "Print which prompts became champion, or did not, and why.",
        "publish": "Tell MLflow what lineage has and it was not told yet.",
    },
    "flows.doctor": {
        "doctor": "Find what crashes have left wrong; --fix repairs it.",
    },
    "flows.questions": {
        "methods": "Say what each method trains, and on which backbones it works.",
    },
    "flows.provenance": {
        "lineage": "Print what something was made from, as a tree; --down: what came of it.",
        "impact": "Say what no longer holds if a dataset, prompt or backbone is withdrawn.",
        "compare": "Say in what two prompts differ: recipe, data, ancestors and scores.",
        "matrix": "Say which source tasks help which targets, over training from scratch.",
        "cost": "Say what a prompt cost, with its ancestors and with what failed.",
        "shared": "Say which runs share an input.",
        "failures": "Say which runs failed or were abandoned, and how to go on.",
    },
    "flows.logs": {
        "logs": "Print what a run's job said, also one that was killed.",
    },
    "flows.own_tasks": {
        "app": "List all tasks, or describe one; propose or check one of your own.",
    },
    "flows.interchange": {
        "export": "Write a prompt as an adapter's folder, for PeftModel.from_pretrained.",
        "take": "Take in a prompt that PEFT trained: score it, and begin its lineage.",
    },
    "flows.serving": {
        "predict": "Answer the rows of a file with a prompt.",
        "bundle": "Write prompts of one backbone as one MLflow model.",
        "serve": "Serve prompts of one backbone by MLflow's server.",
    },
}.items():
    for name, does in commands.items():
        app.command(f"{where}:{name}", name=CALLED.get(name), help=does)


def main() -> None:
    """Run a command; a user's mistake is one line on stderr and an exit status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # "terminate" is like Ctrl-C
    try:
        app(sys.argv[1:], exit_on_error=False, print_error=False)
    except KeyboardInterrupt:
        _stop("stopped: the same command goes on from the last checkpoint", 130)
    except CycloptsError as error:
        from flows.errors import BAD_INPUT, usage

        _stop(f"{usage(error)} (prompt-transfer --help says what there is)", BAD_INPUT)
    except Exception as error:
        from flows.errors import exit_status

        status = exit_status(error)
        if status is None:
            raise
        _stop(str(error), status)


def _stop(said: str, status: int) -> None:
    from tasks.own.files import printable

    sys.stderr.write(f"prompt-transfer: {printable(' '.join(said.split()))}\n")
    sys.exit(status)
