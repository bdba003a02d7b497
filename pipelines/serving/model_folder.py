"""A folder that MLflow loads as a model: prompts as PEFT's files, and what serves them.

Nothing in it is code or pickled: what loads it is `pipelines.serving.loader`, of the environment
that it is loaded in. It names no packages either, or MLflow would install them over those that
the prompts were tested with: serve it with `--env-manager local`.
"""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from mlflow import pyfunc
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, Schema
from mlflow.types.schema import AnyType, Map
from pydantic import ValidationError

from mpt.peft_format import WEIGHTS, AnyPrompt, export, unpack
from pipelines.serving.card import Card
from pipelines.serving.naming import PROMPT
from pipelines.serving.served import Served, together

FLAVOUR = "prompt_transfer"
LOADER = "pipelines.serving.loader"
SHOWN = 8  # rows of the example


class NoModel(ValueError):
    """A folder is no model of ours, or is not whole."""

    def __init__(self, folder: Path, problem: object) -> None:
        line = " ".join(str(problem).split())[:300]
        super().__init__(
            f"{str(folder)!r} is not a whole model of prompts ({line}): take it anew from where "
            "it came from, or write it again with `prompt-transfer bundle`"
        )


def write(folder: Path, prompts: Sequence[Served]) -> Card:
    """Write prompts of one backbone as a model; return what it says of itself.

    One prompt's files lie in `folder`, where PEFT finds them; of several, each prompt's in a folder
    `prompts/DIGEST`. What is not there is made.

    Raises:
        NotTogether: they are of several backbones, or of several precisions.
        PromptColumn: one of several tasks reads the column that is to name the prompt.
    """
    card = together(prompts)
    example = _example(card)
    for one in prompts:
        export(one.prompt, _place(folder, card, one.card.sha256), one.backbone, card.backbone)
    serving = {"dataframe_split": example}
    (folder / "input_example.json").write_text(json.dumps(example))
    (folder / "serving_input_example.json").write_text(json.dumps(serving))
    _model(card).save(str(folder / "MLmodel"))
    return card


def read(folder: Path) -> tuple[Card, dict[str, AnyPrompt]]:
    """Return what a model says of itself, and its prompts by their digests.

    Raises:
        NoModel: a file is missing, or is not what it was.
        BadPrompt: a file is no prompt.
    """
    try:
        flavours: Mapping[str, Any] = Model.load(str(folder)).flavors
        card = Card.model_validate(flavours[FLAVOUR])
        shas = [one.sha256 for one in card.prompts]
        data = {sha: (_place(folder, card, sha) / WEIGHTS).read_bytes() for sha in shas}
    except (MlflowException, OSError, LookupError, ValidationError) as error:
        raise NoModel(folder, error) from error
    for sha, content in data.items():
        if (found := sha256(content).hexdigest()) != sha:
            raise NoModel(folder, f"{WEIGHTS} of {sha[:12]} has the digest {found[:12]}")
    return card, {sha: unpack(content) for sha, content in data.items()}


def _place(folder: Path, card: Card, sha: str) -> Path:
    return folder if len(card.prompts) == 1 else folder / "prompts" / sha


def _model(card: Card) -> Model:
    told = {
        "artifact_path": "input_example.json",
        "serving_input_path": "serving_input_example.json",
        "type": "dataframe",
        "pandas_orient": "split",
    }
    model = Model(
        signature=_signature(card),
        saved_input_example_info=told,
        model_uuid=card.prompts[0].sha256[:32],
    )
    model.add_flavor(FLAVOUR, **card.model_dump(mode="json", exclude_none=True))
    # What may be otherwise where it is loaded: MLflow calls it the model's configuration.
    settings = {"backbone": card.backbone, "device": "auto"}
    added: Model = pyfunc.add_to_model(model, loader_module=LOADER, model_config=settings)
    return added


def _signature(card: Card) -> ModelSignature:
    # No column is required: a row needs those of its own task only, and we say so in one line.
    anything: Any = AnyType()  # type: ignore[no-untyped-call]
    types: dict[str, Any] = {PROMPT: DataType.string} if card.rows_name_prompts() else {}
    for _, part in card.parts:
        for name, cell in part.row.items():
            its = DataType.string if isinstance(cell, str) else anything
            types[name] = its if types.get(name, its) == its else anything
    inputs: list[Any] = [ColSpec(its, name, required=False) for name, its in types.items()]
    label = ColSpec(DataType.string, "label")
    probabilities = ColSpec(Map(DataType.double), "probabilities", required=False)
    return ModelSignature(inputs=Schema(inputs), outputs=Schema([label, probabilities]))


def _example(card: Card) -> dict[str, Any]:
    """Return rows of the first tasks, as pandas splits a frame."""
    rows = [part.row for _, part in card.parts]
    if card.rows_name_prompts() and len(rows) > 1:
        rows = [{PROMPT: name, **row} for name, row in zip(card.names, rows, strict=True)]
    columns = list(dict.fromkeys(name for row in rows[:SHOWN] for name in row))
    return {
        "columns": columns,
        "data": [[row.get(name) for name in columns] for row in rows[:SHOWN]],
    }
