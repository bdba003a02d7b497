"""The parts of a user's definition: texts, files, a dataset of the hub, a range of numbers."""

import re
from pathlib import PurePosixPath
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from tasks.own.files import ENDINGS, is_text


def _plain(value: str) -> str:
    if not value.strip() or not is_text(value) or any(one < " " for one in value):
        raise ValueError("it must be text, without control characters")
    return value


Text = Annotated[str, AfterValidator(_plain)]
PART = r"[A-Za-z0-9_][\w.-]*"  # of a name on the hub


def _inside(value: str) -> str:
    parts = PurePosixPath(value).parts
    above = value.startswith(("/", "~")) or "\\" in value or ".." in parts
    if above or not parts or ":" in parts[0]:
        raise ValueError("name a file in the folder of the task's own file, or below it")
    if not value.isprintable() or not value.endswith(ENDINGS):
        raise ValueError(f"its name must end in {', '.join(ENDINGS)}")
    return value


def _on_hub(value: str) -> str:
    # As the hub names them. A path with dots would be a folder of this machine to `datasets`.
    if ".." in value or not re.fullmatch(rf"{PART}(/{PART})?", value, re.ASCII):
        raise ValueError("write it as the hub does: owner/name")
    return value


class Values(BaseModel):
    """Checked, frozen, and without unknown keys; numbers may be written as text, as YAML is."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Splits(Values):
    """The file of each split."""

    train: Annotated[Text, AfterValidator(_inside)]
    validation: Annotated[Text, AfterValidator(_inside)] | None = None
    test: Annotated[Text, AfterValidator(_inside)] | None = None

    @property
    def given(self) -> dict[str, str]:
        """The files that there are."""
        return {name: file for name, file in self if file is not None}


class OnHub(Values):
    """A dataset of the Hugging Face hub, with the splits train, validation and test."""

    path: Annotated[Text, AfterValidator(_on_hub)]
    subset: Text | None = None
    revision: Annotated[str, Field(pattern="^[0-9a-f]{40}$")] | None = None


class Numbers(Values):
    """Answers that are numbers, rounded to steps as STS-B's 0.0, 0.2, ..., 5.0 are."""

    low: float = Field(allow_inf_nan=False)
    high: float = Field(allow_inf_nan=False)
    step: float = Field(gt=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not 1 <= (self.high - self.low) / self.step <= 1000:
            raise ValueError("from low to high it must be 1 to 1,000 steps")
        return self
