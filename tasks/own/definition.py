"""What a user's own task may say. Checked once; whatever is wrong is told in one line."""

import codecs
import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from tasks import registry
from tasks.own import template, yaml_file
from tasks.own.files import is_text
from tasks.own.metrics import METRICS, needs_two
from tasks.own.values import Numbers, OnHub, Splits, Text, Values

Kind = Literal["classification", "multiple choice", "regression", "free text"]
RESERVED = ("multitask", "group", "new", "check", "generate")  # of lineage, of the command line
SEVERAL = re.compile(r"[;,|]")
PLACE = {"files", "hub", "encoding", "delimiter"}
"""Where the rows are and how they are written down: their content counts, by its own digest."""


class Definition(Values):
    """One task of a user."""

    name: Text
    """How lineage, the registry and the command line call it."""
    files: Splits | None = None
    hub: OnHub | None = None
    encoding: Text = "utf-8"
    """Of CSV files."""
    delimiter: Annotated[str, Field(pattern=r"^[^\"\r\n]$")] = ","
    """Of CSV files."""
    held_out: float = Field(0.15, gt=0, le=0.4)
    """Share of the training rows for validation, and again for test, where they have no file."""
    template: str
    """What the model reads; {column} is the row's text."""
    answer: Text
    """The column that holds what the model should write."""
    labels: dict[Text, Text] = Field({})
    """What may stand in `answer`, and the word that the model writes for it."""
    choices: dict[Text, Text] = Field({})
    """Of a multiple choice: the word that the model writes, and the choice's column."""
    numbers: Numbers | None = None
    metric: str
    max_input: int = Field(256, ge=8, le=100_000)
    """Tokens kept of an input."""
    max_answer: int = Field(16, ge=1, le=1_000)
    """Tokens written at most."""

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a YAML file.

        Raises:
            BadDefinition: it is not there, not YAML, or a value in it is wrong.
        """
        return cls.check(path, yaml_file.read(path))

    @classmethod
    def check(cls, path: Path, values: object) -> Self:
        """Return what `values`, of the file `path`, say.

        Raises:
            BadDefinition: a value in it is wrong.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise yaml_file.BadDefinition(path, explain(error)) from None

    @property
    def kind(self) -> Kind:
        """What kind of task it is."""
        if self.choices:
            return "multiple choice"
        if self.numbers:
            return "regression"
        return "classification" if self.labels else "free text"

    @property
    def words(self) -> tuple[str, ...]:
        """What the model may write, each once; () is any text."""
        return tuple(dict.fromkeys([*self.choices, *self.labels.values()]))

    @property
    def columns(self) -> tuple[str, ...]:
        """What a row must have."""
        named = template.columns(template.parse(self.template))
        return tuple(dict.fromkeys([*named, *self.choices.values(), self.answer]))

    def to_json(self) -> str:
        """Return all that it says."""
        return json.dumps(self.model_dump(mode="json", exclude_none=True))

    @property
    def identity(self) -> str:
        """SHA-256 of what can change a result; the rows have digests of their own."""
        said = self.model_dump(mode="json", exclude=PLACE, exclude_none=True)
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()  # unsorted: labels have order

    @field_validator("name")
    @classmethod
    def _free(cls, name: str) -> str:
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", name):
            raise ValueError("use 1 to 64 of a-z, 0-9, _ and -")
        if registry.has(name) or name in RESERVED:
            raise ValueError("this name is taken: choose another, for instance my_" + name)
        return name

    @field_validator("encoding")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            " ".encode(name)
            return codecs.lookup(name).name
        except (LookupError, ValueError):
            raise ValueError("no such encoding: utf-8, utf-16 and cp1252 are some") from None

    @field_validator("template")
    @classmethod
    def _fields(cls, form: str) -> str:
        if not is_text(form):
            raise ValueError("it holds half characters")
        template.parse(form)
        return form

    @field_validator("labels")
    @classmethod
    def _one_each(cls, labels: dict[str, str]) -> dict[str, str]:
        for value in labels:
            parts = [part.strip() for part in SEVERAL.split(value)]
            if len(parts) > 1 and all(part in labels for part in parts):
                raise ValueError(
                    f"{value!r} is several labels in one: a task with several labels a row is not "
                    "supported; make a yes/no task of each label"
                )
        return labels

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.files is None) == (self.hub is None):
            raise ValueError("give files or hub, one of the two")
        if self.answer in template.columns(template.parse(self.template)):
            raise ValueError(f"the template shows the answer, {self.answer!r}")
        if hidden := [one for one in self.choices.values() if one not in self.columns_shown]:
            raise ValueError(f"the template does not show the choice {hidden[0]!r}")
        if self.numbers and self.words:
            raise ValueError("numbers have no labels and no choices: leave one out")
        if strange := set(self.labels.values()) - set(self.choices or self.labels.values()):
            raise ValueError(f"labels names {min(strange)!r}, which is none of the choices")
        if len(self.words) == 1:
            raise ValueError("there is one label only: give two or more")
        if self.metric not in METRICS[self.kind]:
            some = ", ".join(METRICS[self.kind])
            raise ValueError(f"{self.kind} is scored by one of {some}, not by {self.metric!r}")
        if needs_two(self.kind, self.metric) and len(self.words) != 2:
            raise ValueError(f"{self.metric} is for two labels: give macro_f1 or accuracy")
        return self

    @property
    def columns_shown(self) -> tuple[str, ...]:
        """The columns that the model reads."""
        return template.columns(template.parse(self.template))


def explain(error: ValidationError) -> str:
    """Return what is wrong with each value, in one line."""
    return "; ".join(
        f"{'.'.join(map(str, one['loc'])) or 'the task'} "
        f"{_asked(one['type'], one['input'])}{one['msg'].removeprefix('Value error, ')}"
        for one in error.errors()[:10]
    )


def _asked(kind: str, value: object) -> str:
    if kind == "extra_forbidden":
        return "is not a key of a task's file: "
    if kind == "missing":
        return "is not given: "
    if isinstance(value, dict | BaseModel):
        return "does not fit: "
    return f"is {str(value)[:60]!r}: "
