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
from pipelines.serving.predictor import BadRows, Predictor
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

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor

    def predict(self, frame: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """Return label and probabilities for each row of `frame`, under the same index.

        Raises:
            Refused: a row cannot be answered; then none is.
        """
        try:
            questions = self.predictor.read(rows_of(frame))
            answers = [one for some in self.predictor.answer(questions) for one in some]
        except (BadRows, WindowTooShort) as error:
            raise Refused(error) from None
        return pd.DataFrame(answers, index=frame.index, columns=["label", "probabilities"])


def rows_of(frame: pd.DataFrame) -> list[Row]:
    """Return the rows of a frame; a cell that pandas calls missing is None."""
    columns = {str(name): [_cell(one) for one in frame[name]] for name in frame.columns}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _cell(value: object) -> object:
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    return None if pd.api.types.is_scalar(value) and pd.isna(value) else value


def _load_pyfunc(path: str, model_config: Mapping[str, str]) -> ServedPrompts:
    """Load the model in the folder `path`.

    Args:
        path: where it is.
        model_config: `backbone`, by whatever name or folder it has here, and `device`.

    Raises:
        NoModel, BadPrompt: a file is missing, or is not what it was.
        UnknownBackbone, OtherBackbone: the backbone is not here, or is another one.
        UnknownTask, OtherReading: a task is not here, or another one by now.
    """
    card, prompts = read(Path(path))
    device = model_config["device"]
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    backbone = load(model_config["backbone"], device, getattr(torch, card.precision))
    return ServedPrompts(Predictor(card, prompts, backbone))
