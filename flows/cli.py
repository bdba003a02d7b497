"""The command line. Each command is imported when it is called: `--help` must be quick."""

import sys

from cyclopts import App

app = App(
    name="prompt-transfer",
    help="Learn one soft prompt from many tasks; transfer it to new ones.",
    version_flags=["--version"],
)
for name, does in {
    "demo": "Run the main job on the built-in tasks and backbone: a few minutes, no network.",
    "run": "Run a whole transfer: teachers, source prompt, targets and their baselines.",
    "learn": "Train only the teachers and the source prompt of a spec, and register them.",
    "adapt": "Adapt a source prompt to one task or several, and test it on each.",
    "tasks": "List all tasks, or describe one.",
    "best": "Say which prompt is best for a task, by validation score.",
    "lineage": "Print what a prompt or a run was made from, as a tree.",
}.items():
    app.command(f"flows.commands:{name}", help=does)


def main() -> None:
    """Run a command; a user's mistake is one line on stderr and an exit status."""
    try:
        app()
    except KeyboardInterrupt:
        sys.stderr.write("stopped: the same command goes on from the last checkpoint\n")
        sys.exit(130)
    except Exception as error:
        from flows.errors import exit_status

        status = exit_status(error)
        if status is None:
            raise
        sys.stderr.write(f"prompt-transfer: {' '.join(str(error).split())}\n")
        sys.exit(status)
