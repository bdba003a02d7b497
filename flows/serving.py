"""The commands that let prompts answer rows: a file's, or whoever asks a server."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators

from flows.options import Common, print_json

Shared = Annotated[Common | None, Parameter(name="*")]
Port = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=65535))]


class NoPrompts(ValueError):
    """Nothing is named that could be served."""

    def __init__(self, command: str) -> None:
        super().__init__(
            f"{command} needs a prompt: give its digest, TASK@champion or TASK@VERSION"
        )


def predict(prompt: str, file: Path, /, *, to: Path | None = None, common: Shared = None) -> None:
    """Answer the rows of a file: a label each, and the probability of every label.

    Prints CSV: the file's columns, `predicted_label` and `probability_LABEL`. With --json, a list
    of row, label and probabilities.

    Parameters
    ----------
    prompt
        The first 6 digits of its digest, TASK@champion, or TASK@VERSION.
    file
        CSV, TSV, JSONL or Parquet with the columns that the task reads. For a prompt of several
        tasks, the column `prompt` names one.
    to
        A new file to write instead.
    """
    common = common or Common()
    common.use()
    from flows.predicting import answer_file, as_csv, as_json, check_new, write

    if to:
        check_new(to)
    answered = answer_file(prompt, file)
    text = as_json(answered) if common.json else as_csv(answered)
    if to:
        write(to, text)
    else:
        sys.stdout.write(text)


def bundle(*prompts: str, to: Path, common: Shared = None) -> None:
    """Write prompts of one backbone as one MLflow model, for any pyfunc server.

    Parameters
    ----------
    prompts
        Each by the first 6 digits of its digest, TASK@champion, or TASK@VERSION.
    to
        A new or empty folder.
    """
    common = common or Common()
    settings = common.use()
    if not prompts:
        raise NoPrompts("bundle")
    from flows.named import candidates_of
    from flows.settings import open_lineage, open_store
    from pipelines.exporting import check_folder
    from pipelines.serving import model_folder
    from pipelines.serving.served import served

    check_folder(to)
    with open_lineage(settings) as lineage:
        found = candidates_of(prompts, lineage)
    card = model_folder.write(to, [served(one, open_store(settings)) for one in found])
    if common.json:
        print_json({"folder": str(to), "names": card.names, **card.model_dump(mode="json")})
    else:
        sys.stdout.write(
            f"{to}: {', '.join(card.names)} on {card.backbone}\n"
            f"next: mlflow models serve --env-manager local --port 5001 --model-uri {to}\n"
        )


def serve(*prompts: str, port: Port = 5001, host: str = "127.0.0.1", common: Shared = None) -> None:
    """Serve prompts of one backbone by MLflow's server, until Ctrl-C.

    Parameters
    ----------
    prompts
        Each by the first 6 digits of its digest, TASK@champion, or TASK@VERSION.
    port
        Where it listens.
    host
        Whom it listens to: without it, this machine alone. There is no password.
    """
    common = common or Common()
    settings = common.use()
    if not prompts:
        raise NoPrompts("serve")
    from flows.scoring_server import run_server

    run_server(prompts, host, port, settings)
