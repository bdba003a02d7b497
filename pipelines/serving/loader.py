"""What MLflow calls to load prompts as a model, and to ask it: frames in, frames out.

Named in the MLmodel file of every registered prompt, so this module keeps its name.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST

from mpt.causal import WindowTooShort
from mpt.loading import load
from pipelines.serving.model_folder import read
from pipelines.serving.parts import open_parts
from pipelines.serving.predictor import Predictor
from pipelines.serving.row_reader import BadRows, RowReader
from tasks import Row


class Refused(MlflowException):
    """Rows cannot be answered; a server says so with status 400."""

    def __init__(self, reason: Exception) -> None:
        self._line = " ".join(str(reason).split())
        super().__init__(self._line, error_code=BAD_REQUEST)

    @property
    def message(self) -> str:
        """What is wrong, in one line. MLflow's server would write the whole frame before it."""
        return self._line

    @message.setter
    def message(self, _: str) -> None:
        pass


class ServedPrompts:
    """What MLflow calls a model's implementation."""

    def __init__(self, reader: RowReader, predictor: Predictor) -> None:
        self.reader, self.predictor = reader, predictor

    def predict(self, frame: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """Return label and probabilities for each row of `frame`, under the same index.

        Raises:
            Refused: a row cannot be answered; then none is.
        """
        try:
            questions = self.reader.read(enumerate(rows_of(frame), 1))
            answers = [one for some in self.predictor.answer(questions) for one in some]
        except (BadRows, WindowTooShort) as error:
            raise Refused(error) from None
        return pd.DataFrame(answers, index=frame.index, columns=["label", "probabilities"])


def rows_of(frame: pd.DataFrame) -> list[Row]:
    """Return the rows of a frame; a cell that pandas calls missing is None."""
    columns = {str(name): _cells(frame[name]) for name in frame.columns}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _cells(column: pd.Series) -> list[Any]:
    cells = [_cell(one) for one in column]
    whole = all(isinstance(one, float) and one.is_integer() for one in cells if one is not None)
    if whole and any(one is None for one in cells):
        # Where a cell is missing, pandas makes floats of whole numbers: 3 would read as "3.0".
        return [None if one is None else int(one) for one in cells]
    return cells


def _cell(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    return None if pd.api.types.is_scalar(value) and pd.isna(value) else value


def open_model(folder: Path, backbone: str, device: str) -> ServedPrompts:
    """Open the prompts in `folder` on a backbone, by whatever name or folder it has here.

    Raises:
        NoModel, BadPrompt, NoFit: a file is missing, or is not what it was.
        UnknownBackbone, OtherBackbone: the backbone is not here, or is another one.
        UnknownTask, OtherReading: a task is not here, or another one by now.
    """
    card, prompts = read(folder)
    parts = open_parts(card, prompts)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    opened = load(backbone, device, getattr(torch, card.precision))
    reader = RowReader(parts, card.rows_name_prompts())
    return ServedPrompts(reader, Predictor(card, parts, opened))


def _load_pyfunc(path: str, model_config: Mapping[str, str]) -> ServedPrompts:
    """Return the model in the folder `path`; `model_config` is what MLflow lets one change."""
    return open_model(Path(path), model_config["backbone"], model_config["device"])
